"""Differences pixel by pixel, against a reference.

Images are as `orbiq.metrics.inputs` says: (rows, cols) or (rows, cols, bands), any real dtype, arithmetic in float64.
All bands and valid pixels are pooled: `psnr` of three bands follows from one mean squared error, and is not
the mean of three values.
"""

from dataclasses import dataclass
from math import inf, log10, sqrt

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.metrics.base import MapSpec, MetricSpec, ScoreSpec
from orbiq.metrics.inputs import Images, Pixels, no_pixels, pair_of_images
from orbiq.tiles import Tile

_MAP = MapSpec(function="error_map", margin=0)
SPECS = {
    name: MetricSpec(name=name, scores=(ScoreSpec(name=name, low=0, higher_is_better=False),), needs="pair", map=_MAP)
    for name in ("mse", "rmse", "mae", "max_error")
} | {"psnr": MetricSpec(name="psnr", scores=(ScoreSpec(name="psnr", unit="dB"),), needs="pair", map=_MAP)}


def mse(reference: Pixels, image: Pixels, *, mask: BoolArray | None = None) -> float:
    """Mean squared error: mean of (image − reference)² over valid pixels and bands.

    In squared DN, [0, ∞), lower is better. Raises ImageError for shapes that differ and for values that are no numbers.

    >>> mse(np.array([[0, 0]]), np.array([[3, 4]]))
    12.5
    """
    sums = _sums(pair_of_images(reference, image, mask=mask))
    return sums.squared / sums.count


def rmse(reference: Pixels, image: Pixels, *, mask: BoolArray | None = None) -> float:
    """Root mean squared error, √`mse`: in DN, [0, ∞), lower is better.

    >>> rmse(np.array([[0, 0]]), np.array([[3, 3]]))
    3.0
    """
    return sqrt(mse(reference, image, mask=mask))


def mae(reference: Pixels, image: Pixels, *, mask: BoolArray | None = None) -> float:
    """Mean absolute error: mean of |image − reference| over valid pixels and bands; DN, [0, ∞), lower is better.

    >>> mae(np.array([[0, 0]]), np.array([[3, -4]]))
    3.5
    """
    sums = _sums(pair_of_images(reference, image, mask=mask))
    return sums.absolute / sums.count


def max_error(reference: Pixels, image: Pixels, *, mask: BoolArray | None = None) -> float:
    """The largest |image − reference| over valid pixels and bands; DN, [0, ∞), lower is better.

    >>> max_error(np.array([[0, 0]]), np.array([[3, -4]]))
    4.0
    """
    return _sums(pair_of_images(reference, image, mask=mask)).largest


def psnr(reference: Pixels, image: Pixels, *, peak: float | None = None, mask: BoolArray | None = None) -> float:
    """Peak signal-to-noise ratio: 10·log₁₀(peak² / `mse`) over all valid pixels and bands.

    In dB, higher is better, inf for equal images. `peak` is the largest value that the data can hold (4095 for 12-bit
    data); uint8 is 255, all else must be stated, here or with the image. Raises ImageError where it is missing, or
    exceeded by the reference or by whole numbers; a restored image of floats may overshoot it.

    >>> round(psnr(np.zeros((2, 2), np.uint8), np.ones((2, 2), np.uint8)), 4)  # 20·log10(255), as the error is 1
    48.1308
    """
    images = pair_of_images(reference, image, mask=mask, peak=peak, peaked=True)
    sums = _sums(images)
    if sums.squared == 0:
        return inf
    return 20 * log10(float(images.peak or 0)) - 10 * log10(sums.squared / sums.count)


def error_map(reference: Pixels, image: Pixels, *, mask: BoolArray | None = None) -> FloatArray:
    """The difference image − reference at each pixel (rows, cols, bands), NaN where masked.

    >>> error_map(np.array([[1, 5]], np.uint8), np.array([[2, 3]], np.uint8))[..., 0].tolist()
    [[1.0, -2.0]]
    """
    images = pair_of_images(reference, image, mask=mask)
    out = np.full(images.shape, np.nan)

    def put(tile: Tile) -> None:
        first, second = (array.astype(float) for array in tile.arrays)
        valid = True if tile.mask is None else tile.mask[..., None]
        out[tile.rows, tile.cols] = np.where(valid, second - first, np.nan)

    for _ in images.map(put):
        pass
    return out


@dataclass(frozen=True, kw_only=True)
class _Sums:
    count: int
    absolute: float
    squared: float
    largest: float


def _sums(images: Images) -> _Sums:
    parts = list(images.map(_tile_sums))
    count = sum(part.count for part in parts)
    if not count:
        raise no_pixels(images)
    return _Sums(
        count=count,
        absolute=sum(part.absolute for part in parts),
        squared=sum(part.squared for part in parts),
        largest=max(part.largest for part in parts),
    )


def _tile_sums(tile: Tile) -> _Sums:
    """Masked pixels are 0 in both images, so that they add nothing but to the count."""
    first, second = tile.arrays
    error = np.subtract(second, first, dtype=float).ravel()
    pixels = first.shape[0] * first.shape[1] if tile.mask is None else int(tile.mask.sum())
    absolute = np.abs(error)
    return _Sums(
        count=pixels * first.shape[2],
        absolute=float(absolute.sum()),
        squared=float(error @ error),
        largest=float(absolute.max()),
    )
