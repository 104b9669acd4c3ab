"""Noise and SNR by homogeneous patches: windows of 16 × 16 pixels, tested for structure, and a noise-level function.

What is measured is the noise of one pixel before quantisation: the variance of rounding, 1/12 of the squared step, is
taken off; of data that are no whole numbers nothing is, for their step is not known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.metrics.base import Estimate
from orbiq.metrics.inputs import Images
from orbiq.metrics.noise_bands import NOT_ENOUGH, BandNoise, over, refused
from orbiq.metrics.noise_fit import NoiseFit, Windows, fit_noise
from orbiq.metrics.noise_levels import Levels, pixels_of
from orbiq.metrics.noise_mixture import LIMIT
from orbiq.tiles import Tile

_CELL = 8
"""Pixels from one window to the next."""
_KEPT, _FITTED = 400_000, 5_000
"""Windows that are kept in all bands and that are fitted in one, at most: more of them would say no more."""
_LEAST_SHARE, _LEAST_WINDOWS = 0.015, 12
"""Of the ground in homogeneous windows, and of these, overlaps counted once. Pieces of 26 … 96 pixels that cover 5 % of
the ground hold whole windows on some 2.5 %."""
_WIDEST = 0.1
"""The half interval of σ, in parts of it."""
_ROOM = 3.0
"""σ between a window's mean and an end of the range. There the pixels of windows that hold no clipped one spread 0.7 %
less than σ, farther away soon as much as it; more room would leave too few windows where noise is strong."""
_LOST = 0.05
"""The uncertainty of the variance of rounding, in parts of the noise's: from σ = 0.45 of a step down."""
_PLAIN, _CORRELATED = 0.2, 0.1
"""How far the ln variance of homogeneous windows goes; the least correlation of neighbours worth mentioning."""
_Z95 = 1.959963984540054


@dataclass(frozen=True, eq=False, kw_only=True)
class _Found:
    """The windows without structure (n, N_KNOWN), the number of all windows, and of those that hold a single value."""

    known: FloatArray
    n_all: int
    n_constant: int


def by_patches(images: Images, levels: tuple[Levels, ...], *, pitch: int) -> tuple[BandNoise, ...]:
    """Each band's noise at its median level, and σ²(L) = a·L + b."""
    step = _CELL * pitch
    n_windows = images.shape[0] * images.shape[1] / step**2 * images.bands
    share = min(1.0, max(_KEPT, 2 * _FITTED * images.bands) / n_windows)

    def of_tile(tile: Tile) -> list[_Found]:
        return [_of_band(tile, k, band, pitch=pitch, share=share) for k, band in enumerate(levels)]

    by_tile = list(images.map(of_tile, margin=(step, 2 * step), align=step))
    together = [_together(parts) for parts in zip(*by_tile, strict=True)]
    return tuple(_noise(found, band, share=share, pitch=pitch) for found, band in zip(together, levels, strict=True))


def _of_band(tile: Tile, band: int, levels: Levels, *, pitch: int, share: float) -> _Found:
    from orbiq.metrics.noise_windows_kernel import windows

    values = pixels_of(tile)
    step = _CELL * pitch
    mask = np.ones(values.shape[:2], bool) if tile.mask is None else tile.mask
    height, width = (-(-(part.stop - part.start) // step) for part in (tile.rows, tile.cols))
    place = tile.top // step, tile.left // step, height, width, tile.rows.start // step, tile.cols.start // step
    known, n_all, n_constant = windows(values, band, mask, pitch, place, (levels.low, levels.high), LIMIT, share)
    return _Found(known=known.copy(), n_all=n_all, n_constant=n_constant)


def _together(parts: Sequence[_Found]) -> _Found:
    """Of all tiles, in the order of rows and cols, so that tiling changes no sum."""
    from orbiq.metrics.noise_windows_kernel import COL, ROW

    known = np.concatenate([part.known for part in parts])
    return _Found(
        known=known[np.lexsort((known[:, COL], known[:, ROW]))],
        n_all=sum(part.n_all for part in parts),
        n_constant=sum(part.n_constant for part in parts),
    )


def _noise(found: _Found, levels: Levels, *, share: float, pitch: int) -> BandNoise:
    if found.n_constant > _LEAST_SHARE * found.n_all:
        return refused(levels.median, "homogeneous ground holds a single value: its noise is lost in the quantisation")
    every = max(1, -(-len(found.known) // _FITTED))
    known = found.known[::every]
    fit = _fit(known, levels)
    if fit is not None:
        known = known[_unclipped(known, levels, fit)]
        fit = _fit(known, levels)
    # windows begin at every 8th pixel, so that four of them lie on each
    ground = 0.0 if fit is None else fit.n_homogeneous * 4 / (found.n_all * share / every)
    if fit is None or fit.n_homogeneous < _LEAST_WINDOWS or ground < _LEAST_SHARE:
        return refused(
            levels.median,
            f"{NOT_ENOUGH}: windows of {16 * pitch} pixels without structure lie on {100 * ground:.1f} % of the image; "
            f"expected {100 * _LEAST_SHARE:.1f} %, and {_LEAST_WINDOWS} windows (noise that neighbours share, as after "
            f"resampling or compression, passes for structure; pitch={pitch + 1} looks past a neighbour)",
        )
    return _at_level(fit, known, levels)


def _fit(known: FloatArray, levels: Levels) -> NoiseFit | None:
    """None of too few windows."""
    weight = known[:, 3]
    if weight.sum() < _LEAST_WINDOWS:
        return None
    return fit_noise(
        Windows(level=known[:, 0], variance=known[:, 1], score=known[:, 2], weight=weight, asked=levels.median)
    )


def _unclipped(known: FloatArray, levels: Levels, fit: NoiseFit) -> BoolArray:
    """Windows far enough from the ends of the range for their noise not to be clipped."""
    room = _ROOM * np.sqrt(np.maximum(fit.a * known[:, 0] + fit.b, 0))
    inside: BoolArray = (known[:, 0] - room > levels.low) & (known[:, 0] + room < levels.high)
    return inside


def _at_level(fit: NoiseFit, known: FloatArray, levels: Levels) -> BandNoise:
    """With the variance of rounding taken off."""
    rounding = levels.step**2 / 12
    seen, error = fit.variance(levels.median)
    error = float(np.hypot(error, _rounding_error(seen - rounding, levels.step)))
    on_ground = fit.variance(float(known[:, 0].mean()))[0] - rounding
    if on_ground <= 0 or _rounding_error(on_ground, levels.step) > _LOST * on_ground:
        return refused(levels.median, "the noise of homogeneous ground is lost in the quantisation")
    n_areas = round(fit.n_homogeneous)
    low, value, high = (np.sqrt(max(seen - rounding + z * error, 0.0)) for z in (-_Z95, 0.0, _Z95))
    if not value > 0 or high - low > 2 * _WIDEST * value:
        ground = " … ".join(f"{level:.4g}" for level in np.quantile(known[:, 0], [0.05, 0.95]))
        return refused(
            levels.median,
            f"{NOT_ENOUGH} near the median level of {levels.median:g} DN: what there is lies at {ground} DN",
            n_areas=n_areas,
        )
    noise = Estimate(value=float(value), low=float(low), high=float(high))
    a, b = _slope_and_floor(fit, rounding)
    flags = _shared_noise(known, fit)
    return BandNoise(
        snr=over(levels.median, noise), noise=noise, level=levels.median, a=a, b=b, n_areas=n_areas, flags=flags
    )


def _rounding_error(variance: float, step: float) -> float:
    """How far the variance of rounding may be from step²/12, as it depends on where between two steps the level lies.

    One standard deviation over all places; Widrow, Kollár and Liu 1996, doi:10.1109/19.492748.
    """
    if step == 0 or variance <= 0:
        return 0.0
    wave = (4 * variance + step**2 / np.pi**2) * np.exp(-2 * np.pi**2 * variance / step**2)
    return float(wave / np.sqrt(2))


def _slope_and_floor(fit: NoiseFit, rounding: float) -> tuple[Estimate, Estimate]:
    if not fit.known_slope:
        unknown = Estimate(value=np.nan, reason=f"{NOT_ENOUGH} at different levels to tell a from b")
        return unknown, unknown
    values, reach = (fit.a, fit.b - rounding), _Z95 * np.sqrt(np.diag(fit.covariance))
    a, b = (Estimate(value=v, low=v - float(r), high=v + float(r)) for v, r in zip(values, reach, strict=True))
    return a, b


def _shared_noise(known: FloatArray, fit: NoiseFit) -> tuple[str, ...]:
    """Correlation of neighbours, from the differences of pixels in windows of no more variance than noise has."""
    from orbiq.metrics.noise_windows_kernel import FAR_X, NEAR_X, VARIANCE

    plain = known[np.abs(np.log(known[:, VARIANCE] / (fit.a * known[:, 0] + fit.b))) < _PLAIN]
    weight = plain[:, 3]
    if not weight.sum():
        return ()
    total = weight @ plain[:, VARIANCE]
    near, far = (1 - weight @ plain[:, k : k + 2] / total for k in (NEAR_X, FAR_X))
    certain = 5 / np.sqrt(256 * weight.sum())
    flags = []
    for axis in range(2):
        if abs(near[axis]) <= max(_CORRELATED, certain):
            continue
        lasting = far[axis] > near[axis] / 2
        what = "noise shared along lines, a fixed pattern" if lasting else "correlated noise"
        flags.append(f"{what}: neighbours along {'xy'[axis]} correlate by {near[axis]:.2f}")
    return tuple(flags)
