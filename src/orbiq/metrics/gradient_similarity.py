"""Gradient magnitude similarity deviation, against a reference.

Images are as `orbiq.metrics.inputs` says: (rows, cols) or (rows, cols, bands), any real dtype, arithmetic in float64;
values are scaled by 255 / `peak`. Both images are averaged over 2 × 2 pixels, from the first valid row and col on. What
lies outside the image, or outside the rectangle that holds all valid pixels, is 0, and so is a masked pixel within; a
value at half resolution counts where the pixel at the upper left of its four is valid.
"""

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.metrics.base import MapSpec, MetricSpec, ScoreSpec
from orbiq.metrics.cut import cut_to_mask
from orbiq.metrics.inputs import Images, Pixels, no_pixels, pair_of_images
from orbiq.metrics.planes import Bands, check_bands, planes
from orbiq.tiles import Tile

SPECS = {
    "gmsd": MetricSpec(
        name="gmsd",
        scores=(ScoreSpec(name="gmsd", low=0, higher_is_better=False),),
        needs="pair",
        map=MapSpec(function="gmsd_map", margin=3, step=2),
    )
}
_T = 170.0
_SUMMED = 4 * 3  # the paper takes means of 2 × 2 pixels and of 3 rows or cols; the kernel takes sums
_MARGIN = 2
_COMPILED = (np.uint8, np.float32, np.float64)


def gmsd(
    reference: Pixels,
    image: Pixels,
    *,
    peak: float | None = None,
    mask: BoolArray | None = None,
    bands: Bands = "each",
) -> float:
    """Gradient magnitude similarity deviation: the standard deviation (n − 1) over the image of

    (2·g₁·g₂ + T) / (g₁² + g₂² + T), T = 170 on a scale of 255,

    with g₁, g₂ the lengths of the gradients of both images at half resolution by Prewitt's filters. No unit, ≥ 0, lower
    is better, 0 for equal images (and wherever the similarity is the same everywhere); symmetric. Of two
    flat images of different level it says only how they differ from the 0 around them: take mse. The score is the mean
    over bands; `bands="luma"`, the authors' choice for colour, compares the Y of YIQ of red, green and blue. `peak` is
    the largest value that the data can hold; uint8 is 255, all else must be stated. Raises ImageError where it is
    missing or exceeded, shapes differ, or fewer than two values count. Xue et al. 2014, doi:10.1109/TIP.2013.2293423.

    >>> row = np.array([[0.0, 0.0, 0.0, 0.0, 0.0, 0.0]] * 6)
    >>> gmsd(row, row, peak=255)
    0.0
    """
    images = cut_to_mask(pair_of_images(reference, image, mask=mask, peak=peak, peaked=True))
    check_bands(images, bands)
    constant, count, sums = _constant(images), 0, np.zeros((1, 2))
    for tile_count, tile_sums in images.map(
        lambda tile: _tile_sums(tile, bands=bands, constant=constant), margin=_MARGIN, align=2
    ):
        count, sums = count + tile_count, sums + tile_sums
    if count < 2:
        raise no_pixels(images, "pair of 2 × 2 pixels")
    variances = (sums[:, 1] - sums[:, 0] ** 2 / count) / (count - 1)
    return float(np.sqrt(np.maximum(variances, 0)).mean())


def gmsd_map(
    reference: Pixels,
    image: Pixels,
    *,
    peak: float | None = None,
    mask: BoolArray | None = None,
    bands: Bands = "each",
) -> FloatArray:
    """Similarity of the gradients, whose standard deviation is `gmsd`: (⌈rows/2⌉, ⌈cols/2⌉, bands), NaN where masked.

    Arguments as of `gmsd`; [0, 1], 1 where the gradients are equal; one band for `bands="luma"`. The halves begin with
    the first row and col of the image, valid or not.

    >>> gmsd_map(np.zeros((3, 4), np.uint8), np.zeros((3, 4), np.uint8))[..., 0].tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    images = pair_of_images(reference, image, mask=mask, peak=peak, peaked=True)
    check_bands(images, bands)
    # numba takes half a second to import
    from orbiq.metrics.gradient_similarity_kernel import dissimilarity_map

    constant, (rows, cols, n_bands) = _constant(images), images.shape
    out = np.empty(((rows + 1) // 2, (cols + 1) // 2, 1 if bands == "luma" else n_bands))

    def put(tile: Tile) -> None:
        found = 1 - dissimilarity_map(*_arrays(tile, bands), constant=constant, part=_part(tile))
        place = (
            slice(tile.rows.start // 2, (tile.rows.stop + 1) // 2),
            slice(tile.cols.start // 2, (tile.cols.stop + 1) // 2),
        )
        valid = _valid(tile)
        out[place] = np.moveaxis(found if valid is None else np.where(valid, found, np.nan), 0, 2)

    for _ in images.map(put, margin=_MARGIN, align=2):
        pass
    return out


def _constant(images: Images) -> float:
    """T for sums of pixels on the scale of the peak."""
    return _T * (_SUMMED * float(images.peak or 0) / 255) ** 2


def _tile_sums(tile: Tile, *, bands: Bands, constant: float) -> tuple[int, FloatArray]:
    """How many values count, and of 1 − similarity: its sum and that of its square, by band."""
    # numba takes half a second to import
    from orbiq.metrics.gradient_similarity_kernel import dissimilarity_sums

    valid, part = _valid(tile), _part(tile)
    sums = dissimilarity_sums(*_arrays(tile, bands), constant=constant, part=part, valid=valid)
    top, bottom, left, right = part
    return (bottom - top) * (right - left) if valid is None else int(valid.sum()), sums


def _arrays(tile: Tile, bands: Bands) -> tuple[Array, ...]:
    """Both images (rows, cols, bands) in one of the dtypes that the kernel is compiled for."""
    if bands == "luma":
        return tuple(plane[..., None] for plane in next(planes(tile, bands)))
    first, second = tile.arrays
    if first.dtype == second.dtype and first.dtype in _COMPILED:
        return first, second
    return first.astype(float), second.astype(float)


def _part(tile: Tile) -> tuple[int, int, int, int]:
    """Where the core lies at half resolution."""
    rows, cols = tile.core
    return rows.start // 2, (rows.stop + 1) // 2, cols.start // 2, (cols.stop + 1) // 2


def _valid(tile: Tile) -> BoolArray | None:
    return None if tile.mask is None else tile.mask[tile.core][::2, ::2]
