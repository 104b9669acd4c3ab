"""PIQE: how much of what catches the eye is distorted, judged in blocks of the image alone.

Images are as `orbiq.metrics.inputs` says: (rows, cols) or (rows, cols, bands), any real dtype, arithmetic in float64.
"""

from collections.abc import Iterator
from math import inf
from typing import Literal, get_args

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.errors import ImageError, SettingError, unknown
from orbiq.metrics.base import MapSpec, MetricSpec, ScoreSpec
from orbiq.metrics.inputs import Images, Pixels, no_pixels, one_image
from orbiq.metrics.planes import Bands, check_bands, planes
from orbiq.metrics.surroundings import continued, margin_for
from orbiq.tiles import Tile

Variant = Literal["venkatanath2015", "matlab"]
SIDE = 16
"""Rows and cols of a block."""
SPECS = {
    "piqe": MetricSpec(
        name="piqe",
        scores=(ScoreSpec(name="piqe", low=0, high=100, higher_is_better=False),),
        needs="image",
        map=MapSpec(function="piqe_map", margin=SIDE, step=SIDE),
    )
}
_WORDS = ((20, "excellent"), (35, "good"), (50, "fair"), (80, "poor"), (100, "bad"))
_REACH = 3
"""Pixels that the Gaussian looks beyond its own."""


def piqe(
    image: Pixels,
    *,
    peak: float | None = None,
    mask: BoolArray | None = None,
    variant: Variant = "venkatanath2015",
    bands: Bands = "each",
) -> float:
    """Perception-based image quality evaluator: 100·(Σ D + 1) / (N + 1) over the N active blocks.

    Values x on a scale of 0…255 become (x − μ) / (σ + 1), with μ and σ under a 7×7 Gaussian of σ = 7/6 px. Of blocks of
    16×16, those with a variance v above 0.1 are active. D = (1 − v) if on one side of the block 6 neighbours have a
    standard deviation below 0.1 (a blocking or blurring artefact), plus v if s > 2·|s − q| / max(s, q) (noise), where
    s = √v and q is the standard deviation of the two central columns over that of the others.

    From 0 to 100, lower is better; `piqe_band` puts it in words. A block counts where all its pixels are valid.
    `variant` "venkatanath2015" takes `peak` for 255, so that one hot pixel changes nothing elsewhere, and whole
    blocks. "matlab" gives MATLAB's numbers: it takes the largest value in the image for 255 and rounds to whole numbers
    (luma first), and completes blocks at the right and lower border by replication. With 8-bit images of whole
    blocks that reach 255, both are the same. Of `bands`, "each" is the mean over the bands, "luma" one value of red,
    green and blue, as is usual for photographs.

    Raises ImageError where the peak is missing or exceeded, where there is no whole valid block, and for a constant
    image; an image that is not constant but has no active block scores 100, as the formula says.
    N. Venkatanath et al., NCC 2015, doi:10.1109/NCC.2015.7084843; the columns at the centre are those of
    the authors' code.

    >>> piqe(np.tile(np.arange(64, dtype=np.uint8), (64, 1)))  # a ramp has no active block: 100·(0 + 1) / (0 + 1)
    100.0
    """
    if variant not in get_args(Variant):
        raise unknown("variant of PIQE", variant, get_args(Variant))
    matlab = variant == "matlab"
    images = one_image(image, mask=mask, peak=peak, peaked=not matlab)
    check_bands(images, bands)
    highest = _highest(images, bands) if matlab else None
    distortion, known = _blocks(images, bands=bands, highest=highest)
    if not known.any():
        raise no_pixels(images, window=f"block of {SIDE}×{SIDE} pixels")
    active = np.isfinite(distortion)
    if not active.any(axis=(1, 2)).all():
        _refuse_constant(images, bands)
    totals = np.where(active, distortion, 0.0).sum(axis=(1, 2))
    return float(np.mean(100 * (totals + 1) / (active.sum(axis=(1, 2)) + 1)))


def piqe_map(
    image: Pixels, *, peak: float | None = None, mask: BoolArray | None = None, bands: Bands = "each"
) -> FloatArray:
    """The distortion D of each block of `piqe`: (rows // 16, cols // 16, bands), NaN where it is not active or valid.

    0 is an active block without distortion; higher is worse.

    >>> piqe_map(np.zeros((32, 48), np.uint8)).shape
    (2, 3, 1)
    """
    images = one_image(image, mask=mask, peak=peak, peaked=True)
    check_bands(images, bands)
    return np.moveaxis(_blocks(images, bands=bands)[0], 0, -1)


def piqe_band(score: float) -> str:
    """A score in words: excellent up to 20, good up to 35, fair up to 50, poor up to 80, else bad.

    The limits are those of MATLAB's documentation, found on the LIVE database; they know whole numbers, so a
    score is rounded first. Raises SettingError outside 0…100.

    >>> piqe_band(12.5), piqe_band(20.4), piqe_band(100)
    ('excellent', 'excellent', 'bad')
    """
    if not 0 <= score <= 100:
        raise SettingError(f"PIQE of {score!r} has no quality band; expected a score from 0 to 100.")
    return next(word for limit, word in _WORDS if round(score) <= limit)


def _blocks(images: Images, *, bands: Bands, highest: FloatArray | None = None) -> tuple[FloatArray, BoolArray]:
    """The distortion of each block (planes, rows, cols), NaN where it is not active, and where blocks are valid.

    With `highest` as "matlab" has it: the largest value of each plane is 255, and blocks are completed.
    """
    from orbiq.metrics.naturalness_kernel import normalised
    from orbiq.metrics.perceived_distortion_kernel import distortions

    completed = highest is not None
    reach = _REACH + SIDE - 1 if completed else _REACH
    rows, cols = ((n + SIDE - 1) // SIDE if completed else n // SIDE for n in images.shape[:2])
    out = np.full((1 if bands == "luma" else images.bands, rows, cols), np.nan)
    known = np.zeros((rows, cols), bool)

    def put(tile: Tile) -> None:
        valid = _valid_blocks(tile, completed=completed)
        n_rows, n_cols = valid.shape
        row, col = tile.rows.start // SIDE, tile.cols.start // SIDE
        part = slice(row, row + n_rows), slice(col, col + n_cols)
        known[part] = valid
        if not valid.any():
            return
        extend = continued(tile, reach=reach)
        values, deviations = np.empty((2, n_rows * SIDE, n_cols * SIDE))
        for k, plane in enumerate(_scaled(tile, bands, peak=images.peak, highest=highest)):
            wide = extend(plane)[reach - _REACH :, reach - _REACH :]
            normalised(wide[: n_rows * SIDE + 2 * _REACH, : n_cols * SIDE + 2 * _REACH], values, deviations)
            distortions(values, valid, out[k][part])

    for _ in images.map(put, margin=margin_for(reach), align=SIDE):
        pass
    return out, known


def _valid_blocks(tile: Tile, *, completed: bool) -> BoolArray:
    """Which blocks of the core count: those with valid pixels alone; or with any, when they are completed."""
    size = [part.stop - part.start for part in tile.core]
    rows, cols = ((n + SIDE - 1) // SIDE if completed else n // SIDE for n in size)
    if tile.mask is None:
        return np.ones((rows, cols), bool)
    mask = tile.mask[tile.core]
    if completed:
        mask = np.pad(mask, [(0, rows * SIDE - size[0]), (0, cols * SIDE - size[1])])
    pixels = mask[: rows * SIDE, : cols * SIDE].reshape(rows, SIDE, cols, SIDE)
    return np.asarray(pixels.any(axis=(1, 3)) if completed else pixels.all(axis=(1, 3)))


def _scaled(tile: Tile, bands: Bands, *, peak: float | None, highest: FloatArray | None) -> Iterator[FloatArray]:
    """The planes on the scale of 0…255."""
    for k, plane in enumerate(_planes(tile, bands, rounded=highest is not None)):
        if highest is None:
            yield plane * (255 / float(peak or 1))
        else:
            yield np.floor(255 * plane / highest[k] + 0.5)


def _planes(tile: Tile, bands: Bands, *, rounded: bool) -> Iterator[FloatArray]:
    """The planes of one image; with `rounded`, the luma of whole numbers is one, too."""
    whole = rounded and tile.arrays[0].dtype.kind in "ui"
    for (plane,) in planes(tile, bands):
        yield np.floor(plane + 0.5) if whole else plane


def _highest(images: Images, bands: Bands) -> FloatArray:
    """The largest valid value of each plane, which "matlab" takes for the peak."""
    highest = _ranges(images, bands)[:, 1]
    if not (highest > 0).all():
        raise ImageError(f"{images.name} has a band without any value above 0; variant='matlab' scales by the largest.")
    return highest


def _refuse_constant(images: Images, bands: Bands) -> None:
    """Without any activity a blurred image is at its worst; a constant one has no quality."""
    for k, (low, high) in enumerate(_ranges(images, bands)):
        if low == high:
            what = "luma" if bands == "luma" else f"band {k + 1} of {images.bands}"
            raise ImageError(f"{images.name} is constant in {what}: nothing in it can be judged. Leave it out.")


def _ranges(images: Images, bands: Bands) -> FloatArray:
    """The least and the largest valid value of each plane (planes, 2)."""

    def of_tile(tile: Tile) -> list[tuple[float, float]]:
        valid = ... if tile.mask is None else tile.mask
        values = [plane[valid] for plane in _planes(tile, bands, rounded=True)]
        return [(v.min(initial=inf), v.max(initial=-inf)) for v in values]

    ranges = np.array(list(images.map(of_tile)))
    return np.stack([ranges[..., 0].min(axis=0), ranges[..., 1].max(axis=0)], axis=1)
