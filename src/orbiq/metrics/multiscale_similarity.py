"""Structural similarity at five scales, against a reference.

Images, peak and windows are those of `orbiq.metrics.structural_similarity`, variant wang2004. Scales are means of
2 × 2 pixels that begin with the first row and col that hold a valid pixel; a mean over a masked pixel is masked.
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from math import prod

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.errors import ImageError
from orbiq.metrics.base import MetricSpec, ScoreSpec
from orbiq.metrics.cut import cut_to_mask
from orbiq.metrics.inputs import Images, Pixels, no_pixels, pair_of_images
from orbiq.metrics.planes import Bands, check_bands, plane_views
from orbiq.metrics.pyramids import around_core, halved, halved_mask
from orbiq.metrics.structural_similarity import Comparison, compare, comparison
from orbiq.metrics.windows import whole_windows
from orbiq.tiles import Tile

SPECS = {"ms_ssim": MetricSpec(name="ms_ssim", scores=(ScoreSpec(name="ms_ssim", low=0, high=1),), needs="pair")}
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
COARSEST = 2 ** (len(WEIGHTS) - 1)
"""Pixels of the image on the side of a pixel of the coarsest scale."""
SMALLEST_PX = 11 * COARSEST


def ms_ssim(
    reference: Pixels,
    image: Pixels,
    *,
    peak: float | None = None,
    mask: BoolArray | None = None,
    bands: Bands = "each",
) -> float:
    """Structural similarity at five scales: Π over scales of cₛ^wₛ, w = .0448, .2856, .3001, .2363, .1333.

    cₛ is the mean of (2·σxy + C₂) / (σx² + σy² + C₂) over the windows of scale s, and of the whole SSIM at the last
    scale. No unit, [0, 1], higher is better, 1 for equal images; symmetric. A power of a negative number is none:
    where the mean of a scale is below 0, images that contradict each other, it counts as 0, and so does the score. The
    score is the mean over bands, or that of the luma (`bands`, as of `ssim`).

    Raises ImageError as `ssim` does, and for images below 176 × 176 pixels, whose fifth scale is smaller than the
    window. Wang, Simoncelli, Bovik 2003, doi:10.1109/ACSSC.2003.1292216.

    >>> flat = np.full((176, 176), 100.0)
    >>> round(ms_ssim(flat, 2 * flat, peak=255), 4)  # ((2·100·200 + C₁)/(100² + 200² + C₁))^0.1333, for C₁ = 2.55²
    0.9707
    """
    images = cut_to_mask(pair_of_images(reference, image, mask=mask, peak=peak, peaked=True))
    check_bands(images, bands)
    check_size(images, "ms_ssim")
    how = comparison(images.peak)
    margin = how.radius * COARSEST
    sums = sum_over(images.map(lambda tile: _sums(tile, how, bands), margin=margin, align=COARSEST))
    if not sums[..., 1].all():
        raise no_pixels(images, f"window of {SMALLEST_PX} × {SMALLEST_PX} pixels, 11 × 11 at the fifth scale,")
    return float(np.mean([weighted_product(band) for band in sums[..., 0] / sums[..., 1]]))


def weighted_product(scales: Sequence[float] | FloatArray) -> float:
    """Π of the scales' means to the power of their weights; a mean below 0 counts as 0.

    >>> weighted_product([1, 1, 1, 1, 0.5]) == 0.5**0.1333, weighted_product([-0.1, 1, 1, 1, 1])
    (True, 0.0)
    """
    powers: list[float] = [max(float(mean), 0.0) ** weight for mean, weight in zip(scales, WEIGHTS, strict=True)]
    return prod(powers)


def check_size(images: Images, metric: str) -> None:
    """Raises ImageError for images whose fifth scale is smaller than the window."""
    rows, cols, _ = images.shape
    if min(rows, cols) < SMALLEST_PX:
        raise ImageError(
            f"{images.name} has {rows} × {cols} valid rows and cols; {metric} needs {SMALLEST_PX} × {SMALLEST_PX} at "
            "least, for its window of 11 × 11 at a sixteenth of the size. Take ssim for smaller images."
        )


def sum_over(parts: Iterable[FloatArray]) -> FloatArray:
    """The sum of arrays of one shape, of which none but it and the next are held."""
    return reduce(np.add, parts)


def _sums(tile: Tile, how: Comparison, bands: Bands) -> FloatArray:
    """(bands, scales, 2): sum and number of the windows whose middle lies in the core."""
    valid = _valid_windows(tile, how)
    sums = []
    for pair in plane_views(tile, bands):
        of_band = np.zeros((len(WEIGHTS), 2))
        for k in range(len(WEIGHTS)):
            part = around_core(tile, k, how.radius)
            for rows, ssim, contrast in compare(pair[0][part], pair[1][part], how):
                similarity = ssim if k == len(WEIGHTS) - 1 else contrast
                chosen = similarity if valid is None else similarity[valid[k][rows]]
                of_band[k] += chosen.sum(), chosen.size
            pair = tuple(halved(plane) for plane in pair)  # noqa: PLW2901  # from scale to scale
        sums.append(of_band)
    return np.array(sums)


def _valid_windows(tile: Tile, how: Comparison) -> list[BoolArray] | None:
    """At each scale which windows of the core hold valid pixels alone, None when all do."""
    if tile.mask is None:
        return None
    masks = [tile.mask]
    for _ in WEIGHTS[1:]:
        masks.append(halved_mask(masks[-1]))
    return [whole_windows(mask[around_core(tile, k, how.radius)], how.taps.size) for k, mask in enumerate(masks)]
