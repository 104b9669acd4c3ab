"""Visual information fidelity in the pixel domain, against a reference.

Images are as `orbiq.metrics.inputs` says: (rows, cols) or (rows, cols, bands), any real dtype, arithmetic in float64.
A window counts only where all pixels that it follows from are valid; scales begin with the first valid row and col.
"""

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.errors import ImageError
from orbiq.metrics.base import MetricSpec, ScoreSpec
from orbiq.metrics.cut import cut_to_mask
from orbiq.metrics.inputs import Pixels, no_pixels, pair_of_images
from orbiq.metrics.planes import Bands, check_bands, planes
from orbiq.metrics.windows import gaussian_taps, whole_windows
from orbiq.tiles import Tile

SPECS = {"vif": MetricSpec(name="vif", scores=(ScoreSpec(name="vif", low=0, best=1),), needs="pair")}
_TAPS = tuple(gaussian_taps(size, size / 5) for size in (17, 9, 5, 3))
_REACH = (17, 25, 33, 41)
"""Pixels on a side of what a window of each scale follows from."""
_NOISE = 2.0  # variance of what the eye adds, on a scale of 255
_LEAST = 1e-10


def vif(
    reference: Pixels,
    image: Pixels,
    *,
    peak: float | None = None,
    mask: BoolArray | None = None,
    bands: Bands = "each",
) -> float:
    """Visual information fidelity in the pixel domain: Σ log(1 + g²·s/(v + n)) / Σ log(1 + s/n) over all windows.

    In a window the reference has variance s and the image is g times the reference and noise of variance v; n = 2 on a
    scale of 255. Windows are, at four scales, Gaussians of N × N pixels, σ = N/5, N = 17, 9, 5, 3; a scale is the one
    before smoothed by its own window, every second pixel kept. No unit, ≥ 0, 1 for equal images, higher is better up to
    there: an image of more contrast than its reference may exceed 1. Not symmetric: the reference comes first.

    The score is the mean over bands; `bands="luma"`, the authors' choice for colour, compares the Y of YIQ of red,
    green and blue. `peak` is the largest value that the data can hold; uint8 is 255, all else must be stated. Raises
    ImageError where it is missing or exceeded, shapes differ, no 41 × 41 pixels are valid, or the reference is
    constant. Sheikh & Bovik 2006, doi:10.1109/TIP.2005.859378; the pixel domain is that of the authors' program
    vifp_mscale.

    >>> ramp = np.add.outer(np.arange(48.0), np.arange(48.0))
    >>> vif(ramp, ramp, peak=255)
    1.0
    """
    images = cut_to_mask(pair_of_images(reference, image, mask=mask, peak=peak, peaked=True))
    check_bands(images, bands)
    scale = (float(images.peak or 0) / 255) ** 2
    count, told = 0, np.zeros((1, 2))
    for tile_count, tile_told in images.map(
        lambda tile: _tile_sums(tile, bands=bands, scale=scale), margin=(0, _REACH[-1] - 1), align=8
    ):
        count, told = count + tile_count, told + tile_told
    if not count:
        raise no_pixels(images, f"window of {_REACH[-1]} × {_REACH[-1]} pixels")
    if not told[:, 1].all():
        raise ImageError(
            f"{images.rasters[0].name} is constant in some band and tells nothing that {images.name} could keep; "
            "take mse or psnr."
        )
    return float((told[:, 0] / told[:, 1]).mean())


def _tile_sums(tile: Tile, *, bands: Bands, scale: float) -> tuple[int, FloatArray]:
    """How many windows of the last scale count, and (bands, 2) of what the image and the reference tell."""
    # the last scale's windows cover those of all others
    places = [_windows(tile, scale_number) for scale_number in range(len(_TAPS))]
    told = [_told(x, y, places=places, scale=scale) for x, y in planes(tile, bands)]
    count, valid = places[-1]
    return int(valid.sum()) if valid is not None else count[0] * count[1], np.array(told)


def _windows(tile: Tile, number: int) -> tuple[tuple[int, int], BoolArray | None]:
    """(rows, cols) of the windows of a scale that begin in the core, and which of them are valid."""
    step, reach = 2**number, _REACH[number]
    height, width = tile.arrays[0].shape[:2]
    count = (
        max(min(-(-tile.core[0].stop // step), (height - reach) // step + 1), 0),
        max(min(-(-tile.core[1].stop // step), (width - reach) // step + 1), 0),
    )
    if tile.mask is None or 0 in count:
        return count, None
    return count, whole_windows(tile.mask, reach)[::step, ::step][: count[0], : count[1]]


def _told(
    x: FloatArray, y: FloatArray, *, places: list[tuple[tuple[int, int], BoolArray | None]], scale: float
) -> FloatArray:
    """What image and reference tell, over all scales."""
    # numba takes half a second to import
    from orbiq.metrics.information_fidelity_kernel import halved, information
    from orbiq.metrics.moments_kernel import local_moments

    pivot, told = float(x.mean()), np.zeros(2)
    for k, (taps, (count, valid)) in enumerate(zip(_TAPS, places, strict=True)):
        if 0 in count:
            break
        if k:
            x, y = halved(x, taps), halved(y, taps)
        part = slice(count[0] + taps.size - 1), slice(count[1] + taps.size - 1)
        _, _, var_x, var_y, cov = local_moments(
            np.ascontiguousarray(x[part]), np.ascontiguousarray(y[part]), taps, pivot
        )
        var_x = var_x if valid is None else np.where(valid, var_x, 0.0)
        told += information(var_x, var_y, cov, _NOISE * scale, _LEAST * scale)
    return told
