"""Noise brought to a target, and measured again by orbiq's own metric.

What is missing is added. An image that is noisier than the target is refused with what it can reach, and so is one
whose present noise can neither be measured nor was stated.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from math import inf, nan
from typing import ClassVar

import numpy as np

from orbiq.arrays import Array, FloatArray, Scene
from orbiq.errors import SettingError
from orbiq.metrics.noise import snr
from orbiq.metrics.noise_bands import BandNoise
from orbiq.modifiers.bandwise import PerBand, above_0, check_each, for_bands
from orbiq.modifiers.base import Modified
from orbiq.modifiers.noise import with_noise
from orbiq.modifiers.targets import NOTHING_VALID, nothing_valid

_BLOCK_PX = 16
_MISSED = 0.03  # of the noise: what nobody would call reached


@dataclass(frozen=True, kw_only=True)
class Snr:
    """Add the noise that is missing to a linear signal-to-noise ratio `snr` at `level_dn`, given the present, `now`.

    White Gaussian noise of √((L/snr)² − (L/now)²) in each band, L = `level_dn` or, where it is left out, the median of
    the band's valid pixels above 0 (what `orbiq.metrics.snr` calls level). Where `now` is left out the present noise at
    L is that of the band's noise-level function σ²(L) = a·L + b by `snr(method="homogeneous-patches")`; where the image
    is too structured to show it, what is measured under the noise of the target, less that noise; and where that fails
    too, half of what the smoothest ground varies by, if that is below a quarter of the noise wanted. The result is
    measured again, and where the target lies outside of the interval, or 3 % off, the noise is corrected once: what
    counts as homogeneous, and with it the weak texture that counts as noise, may change. Integers are rounded and
    clipped to 0…peak. `achieved_snr`, the mean over bands of L / σ(L), is measured on the result, without the noise of
    quantisation, `noise_dn` is the mean of what was added, and `present_snr` what it was added to. A stated `now` is
    taken at its word. All three may be a list with one number for each band.

    Raises SettingError for a target above the present SNR of a band, or where the present noise cannot be measured.
    """

    name: ClassVar[str] = "snr"
    version: ClassVar[int] = 2
    snr: PerBand
    now: PerBand | None = None
    level_dn: PerBand | None = None

    def __post_init__(self) -> None:
        for setting, value in (("snr", self.snr), ("now", self.now), ("level_dn", self.level_dn)):
            check_each(value, partial(above_0, f"snr:{setting}"), f"snr:{setting}")
        if self.now is not None and np.max(self.snr) > np.max(self.now):
            raise SettingError(f"snr:snr is {self.snr} but the stated image has {self.now}; noise reaches no more")

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:
        """The noisy scene, in the dtype of the input."""
        if nothing_valid(scene):
            return Modified(scene=scene, notes=(NOTHING_VALID,))
        levels, bands = levels_of(scene, self.level_dn, setting="snr:level_dn"), scene.shape[2]
        target = for_bands(self.snr, bands, "snr:snr")
        stated = None if self.now is None else levels / for_bands(self.now, bands, "snr:now")
        now_dn = noise_at(scene, levels) if stated is None else stated
        return brought_to_snr(
            scene, target, levels=levels, now_dn=now_dn, rng=rng, taken_at_its_word=stated is not None
        )


def brought_to_snr(
    scene: Scene,
    target: FloatArray,
    *,
    levels: FloatArray,
    now_dn: FloatArray,
    rng: np.random.Generator,
    taken_at_its_word: bool,
    setting: str = "snr:snr",
    stated: str = "snr:now",
) -> Modified:
    """The scene with each band at levels / target of noise; `now_dn` what the bands have, NaN where nobody knows."""
    wanted = levels / target
    if np.isnan(now_dn).any():
        now_dn = _seen_under_noise(scene, levels=levels, wanted=wanted, now_dn=now_dn, rng=rng)
    if np.isnan(now_dn).any():
        now_dn = bounded(scene, levels=levels, wanted=wanted, now_dn=now_dn)
    for k, (level, now) in enumerate(zip(levels, now_dn, strict=True)):
        if np.isnan(now):
            why = _noise(scene)[k].snr.reason or f"its noise at {level:g} DN is unknown"
            why = why.split(" (")[0]  # what follows is advice on an option that modifiers lack
            raise SettingError(f"{stated} was not stated and {_band(scene, k)} does not show it: {why}. State {stated}")
        if now > wanted[k] * (1 + 1e-9):
            more = "" if taken_at_its_word else f", or state {stated}, the present SNR"
            raise SettingError(
                f"{setting} is {target[k]:g} but {_band(scene, k)} has {level / now:.4g} at {level:g} DN; noise can "
                f"reach that or less{more}"
            )
    missing = np.sqrt(np.maximum(wanted**2 - now_dn**2, 0))
    out = with_noise(scene, missing, rng=deepcopy(rng))
    bands = _noise(out)
    corrected = missing if taken_at_its_word else _corrected(missing, bands, levels=levels, wanted=wanted)
    if not np.array_equal(corrected, missing):
        out = with_noise(scene, corrected, rng=rng)
        bands = _noise(out)
    ratios = np.array([level / _sigma(band, level) for band, level in zip(bands, levels, strict=True)])
    present = nan if taken_at_its_word or (now_dn == 0).any() else float((levels / now_dn).mean())
    achieved = {
        "present_snr": present,
        "noise_dn": float(corrected.mean()),
        "achieved_snr": _mean_of_known(ratios),
    }
    known = {name: value for name, value in achieved.items() if np.isfinite(value)}
    return Modified(scene=out, achieved=known, notes=_notes_on(ratios))


def _notes_on(ratios: FloatArray) -> tuple[str, ...]:
    hidden = int(np.isnan(ratios).sum())
    if hidden == 0:
        return ()
    whole = "achieved_snr is unknown, too little ground of the result is homogeneous"
    return (
        whole if hidden == ratios.size else f"achieved_snr is that of {ratios.size - hidden} of {ratios.size} bands",
    )


def _corrected(
    missing: FloatArray, bands: Sequence[BandNoise], *, levels: FloatArray, wanted: FloatArray
) -> FloatArray:
    """The noise to add, where what was measured of the result contradicts the target."""
    corrected = missing.copy()
    for k, (band, level) in enumerate(zip(bands, levels, strict=True)):
        got = _sigma(band, level)
        low, high = band.noise.low / band.noise.value, band.noise.high / band.noise.value  # as at the band's own level
        contradicts = not got * low <= wanted[k] <= got * high
        if np.isfinite(got) and (contradicts or abs(wanted[k] - got) > _MISSED * got):
            corrected[k] = np.sqrt(max(missing[k] ** 2 + wanted[k] ** 2 - got**2, 0))
    return corrected


def _seen_under_noise(
    scene: Scene, *, levels: FloatArray, wanted: FloatArray, now_dn: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """The noise of the bands where it is not known: of a noisy copy, in which structure drowns, less what was added."""
    hidden = np.isnan(now_dn)
    added = np.where(hidden, wanted, 0)
    total = noise_at(with_noise(scene, added, rng=deepcopy(rng)), levels)
    return np.where(hidden, np.sqrt(np.maximum(total**2 - added**2, 0)), now_dn)


def bounded(scene: Scene, *, levels: FloatArray, wanted: FloatArray, now_dn: FloatArray) -> FloatArray:
    """Where the noise is still not known: half of its bound, if that is so low that it hardly counts.

    No noise is stronger than what the smoothest ground varies by. To take half of that, where it is at most a quarter
    of the noise wanted, is wrong by at most 2.3 % of the sum.
    """
    known = now_dn.copy()
    for k in np.flatnonzero(np.isnan(now_dn)):
        bound = _smoothest(scene, int(k), levels[k])
        if bound <= wanted[k] / 4:
            known[k] = bound / 2
    return known


def _smoothest(scene: Scene, band: int, level: float) -> float:
    """What the smoothest 2 % of the blocks of 16 × 16 valid pixels near a level vary by about a plane, in DN."""
    rows, cols = (n // _BLOCK_PX * _BLOCK_PX for n in scene.shape[:2])
    blocks = blocked(scene.array[:rows, :cols, band].astype(np.float64))
    if scene.mask is not None:
        blocks = blocks[blocked(scene.mask[:rows, :cols]).all(axis=1)]
    means = blocks.mean(axis=1) if blocks.size else np.zeros(0)
    near = blocks[(means > 0.7 * level) & (means < 1.4 * level)]
    if len(near) < 50:
        return inf
    y, x = np.divmod(np.arange(_BLOCK_PX**2), _BLOCK_PX)
    plane = np.linalg.qr(np.stack([np.ones(x.size), x, y], axis=1))[0]
    rest = near - near @ plane @ plane.T
    return float(np.quantile(np.sqrt((rest**2).sum(axis=1) / (_BLOCK_PX**2 - 3)), 0.02))


def blocked(plane: Array) -> Array:
    """The blocks of 16 × 16 pixels of a plane (rows, cols), multiples of 16: (blocks, 256).

    >>> blocked(np.zeros((32, 16))).shape
    (2, 256)
    """
    rows, cols = plane.shape
    parts = plane.reshape(rows // _BLOCK_PX, _BLOCK_PX, cols // _BLOCK_PX, _BLOCK_PX)
    return np.asarray(parts.swapaxes(1, 2).reshape(-1, _BLOCK_PX**2))


def levels_of(scene: Scene, level_dn: PerBand | None, *, setting: str) -> FloatArray:
    """The level of each band: as stated, or the median of its valid pixels above 0."""
    if level_dn is not None:
        return for_bands(level_dn, scene.shape[2], setting)
    levels = np.full(scene.shape[2], nan)
    for k in range(scene.shape[2]):
        lit = scene.array[..., k] if scene.mask is None else scene.array[..., k][scene.mask]
        lit = lit[lit > 0]
        if lit.size == 0:
            raise SettingError(f"{_band(scene, k)} has no valid pixel above 0: state {setting}")
        levels[k] = np.median(lit)
    return levels


def noise_at(scene: Scene, levels: FloatArray) -> FloatArray:
    """The noise of each band at its level by homogeneous patches, NaN where it cannot be measured."""
    return np.array([_sigma(band, level) for band, level in zip(_noise(scene), levels, strict=True)])


def _noise(scene: Scene) -> tuple[BandNoise, ...]:
    return snr(scene.array, mask=scene.mask, method="homogeneous-patches").per_band


def _sigma(band: BandNoise, level: float) -> float:
    """The noise at a level: as measured where it is the median, by the noise-level function elsewhere."""
    return band.noise.value if level == band.level else band.sigma(level)


def _mean_of_known(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else nan


def _band(scene: Scene, k: int) -> str:
    return f"{scene.name!r}" if scene.shape[2] == 1 else f"band {k + 1} of {scene.name!r}"
