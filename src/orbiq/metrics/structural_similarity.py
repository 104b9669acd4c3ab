"""Structural similarity, against a reference.

Images are as `orbiq.metrics.inputs` says: (rows, cols) or (rows, cols, bands), any real dtype, arithmetic in float64.
`peak` sets the constants C₁ = (0.01·peak)² and C₂ = (0.03·peak)². A window counts only where all its pixels are
valid. "SSIM" is not one number: libraries give the same pair scores from 0.68 to 0.82, so its variants have names.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.errors import unknown
from orbiq.metrics.base import MapSpec, MetricSpec, ScoreSpec
from orbiq.metrics.decimation import decimated
from orbiq.metrics.inputs import Images, Pixels, no_pixels, pair_of_images
from orbiq.metrics.planes import Bands, check_bands, plane_views
from orbiq.metrics.windows import gaussian_taps, uniform_taps, whole_windows
from orbiq.tiles import Tile

SPECS = {
    "ssim": MetricSpec(
        name="ssim",
        scores=(ScoreSpec(name="ssim", low=-1, high=1),),
        needs="pair",
        map=MapSpec(function="ssim_map", margin=5),
    )
}
K1, K2 = 0.01, 0.03
_ROWS = 32
"""Of windows at a time."""
Variant = Literal["wang2004", "ssim.m", "skimage"]
MapVariant = Literal["wang2004", "skimage"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison:
    """How two images are compared: window, constants, and what (co)variances are multiplied by."""

    taps: FloatArray
    c1: float
    c2: float
    correction: float = 1.0

    @property
    def radius(self) -> int:
        """Pixels from the middle of the window to its border."""
        return (self.taps.size - 1) // 2


def ssim(
    reference: Pixels,
    image: Pixels,
    *,
    peak: float | None = None,
    mask: BoolArray | None = None,
    variant: Variant = "wang2004",
    bands: Bands = "each",
) -> float:
    """Structural similarity: the mean over all windows of

    (2·μx·μy + C₁)·(2·σxy + C₂) / ((μx² + μy² + C₁)·(σx² + σy² + C₂)).

    No unit, [−1, 1], higher is better, 1 for equal images; symmetric. Bands count alike; `bands="luma"` compares the
    Y of YIQ of red, green and blue. Variants:

    - "wang2004" as published: a Gaussian window of 11 × 11 with σ = 1.5 px at full resolution, whole windows only.
    - "ssim.m" as its authors' program: the same after averages over f × f pixels, every f-th kept,
      f = max(1, round(min(rows, cols) / 256)).
    - "skimage" as scikit-image does by default: a uniform window of 7 × 7 and sample (co)variances (n − 1).

    `peak` is the largest value that the data can hold; uint8 is 255, all else must be stated. Raises ImageError where
    it is missing or exceeded, shapes differ, or no window is whole. Wang et al. 2004, doi:10.1109/TIP.2003.819861.

    >>> flat = np.full((11, 11), 100.0)
    >>> round(ssim(flat, 2 * flat, peak=255), 4)  # (2·100·200 + C₁)/(100² + 200² + C₁), for C₁ = 2.55²
    0.8
    """
    images = _pair(reference, image, peak=peak, mask=mask, variant=variant, bands=bands)
    how = comparison(images.peak, variant)
    if variant == "ssim.m":
        images = decimated(images)
    total, count = 0.0, 0
    for tile_total, tile_count in images.map(lambda tile: _tile_sums(tile, how, bands), margin=how.radius):
        total, count = total + tile_total, count + tile_count
    if not count:
        raise no_pixels(images, f"window of {how.taps.size} × {how.taps.size} pixels")
    return total / count


def ssim_map(
    reference: Pixels,
    image: Pixels,
    *,
    peak: float | None = None,
    mask: BoolArray | None = None,
    variant: MapVariant = "wang2004",
    bands: Bands = "each",
) -> FloatArray:
    """Structural similarity of the window around each pixel, (rows, cols, bands), NaN where it is not whole.

    Arguments and values as of `ssim`, whose score is the mean; one band for `bands="luma"`. There is no map of
    "ssim.m", which scores a smaller image.

    >>> similarity = ssim_map(np.zeros((11, 12), np.uint8), np.zeros((11, 12), np.uint8))
    >>> similarity.shape, similarity[5, 4:8, 0].tolist()
    ((11, 12, 1), [nan, 1.0, 1.0, nan])
    """
    if variant not in get_args(MapVariant):
        raise unknown("variant of ssim_map", variant, get_args(MapVariant))
    images = _pair(reference, image, peak=peak, mask=mask, variant=variant, bands=bands)
    how = comparison(images.peak, variant)
    rows, cols, n_bands = images.shape
    out = np.full((rows, cols, 1 if bands == "luma" else n_bands), np.nan)

    def put(tile: Tile) -> None:
        top, left = tile.rows.start - tile.top + how.radius, tile.cols.start - tile.left + how.radius
        valid = None if tile.mask is None else whole_windows(tile.mask, how.taps.size)
        for k, (x, y) in enumerate(plane_views(tile, bands)):
            for part, similarity, _ in compare(x, y, how):
                place = out[top + part.start : top + part.stop, left : left + similarity.shape[1], k]
                place[:] = similarity if valid is None else np.where(valid[part], similarity, np.nan)

    for _ in images.map(put, margin=how.radius):
        pass
    return out


def comparison(peak: float | None, variant: Variant = "wang2004") -> Comparison:
    """Window and constants of a variant for images whose peak is known."""
    peak = peak or 0.0
    c1, c2 = (K1 * peak) ** 2, (K2 * peak) ** 2
    if variant == "skimage":
        return Comparison(taps=uniform_taps(7), c1=c1, c2=c2, correction=49 / 48)
    return Comparison(taps=gaussian_taps(11, 1.5), c1=c1, c2=c2)


def compare(x: Array, y: Array, how: Comparison) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
    """For some rows at a time of all whole windows of two planes: SSIM, and its factor of contrast and structure.

    The arrays are overwritten by the next: what is small and used again stays in the cache.
    """
    # numba takes half a second to import
    from orbiq.metrics.moments_kernel import similarity_maps, similarity_ring

    more = how.taps.size - 1
    rows, cols = x.shape[0] - more, x.shape[1] - more
    if min(rows, cols) < 1:
        return
    ring = similarity_ring(how.taps.size)
    pieces = np.empty((2, _ROWS + more, x.shape[1]))
    ssim, contrast = np.empty((2, _ROWS, cols))
    for first in range(0, rows, _ROWS):
        n = min(_ROWS, rows - first)
        a, b = pieces[:, : n + more]
        a[:], b[:] = x[first : first + n + more], y[first : first + n + more]
        # No pivot: C₂ ≥ 9e-4·x² for all x ≤ peak, so what float64 cancels in a variance is 1e-12 of the denominator
        similarity_maps(a, b, how.taps, how.c1, how.c2, how.correction, ring, ssim[:n], contrast[:n])
        yield slice(first, first + n), ssim[:n], contrast[:n]


def _pair(
    reference: Pixels, image: Pixels, *, peak: float | None, mask: BoolArray | None, variant: str, bands: str
) -> Images:
    if variant not in get_args(Variant):
        raise unknown("variant of ssim", variant, get_args(Variant))
    images = pair_of_images(reference, image, mask=mask, peak=peak, peaked=True)
    check_bands(images, bands)
    return images


def _tile_sums(tile: Tile, how: Comparison, bands: Bands) -> tuple[float, int]:
    """Sum and number of the windows whose middle lies in the core: the margin is as wide as half a window."""
    valid = None if tile.mask is None else whole_windows(tile.mask, how.taps.size)
    total, count = 0.0, 0
    for x, y in plane_views(tile, bands):
        for rows, similarity, _ in compare(x, y, how):
            chosen = similarity if valid is None else similarity[valid[rows]]
            total, count = total + float(chosen.sum()), count + chosen.size
    return total, count
