"""The statistics of natural scenes: 36 numbers of each patch of 96×96, at two scales, that `niqe` compares.

Images are as `orbiq.metrics.inputs` says; values are on a scale where `peak` is 255. Around the image and the mask
pixels continue as `orbiq.metrics.surroundings` says.

Of a patch of values (x − μ) / (σ + 1), with μ and σ under a 7×7 Gaussian of σ = 7/6 px, the shape and mean spread of an
asymmetric generalised Gaussian; of the products with the neighbour to the left, above, and on both diagonals above (in
the patch: across its border comes the other side) shape, mean and both spreads. The same of the image at half its
size, halved by the cubic kernel with antialiasing. A. Mittal, R. Soundararajan, A. C. Bovik, IEEE Signal
Processing Letters 20(3), 2013, doi:10.1109/LSP.2012.2227726.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.metrics.inputs import Images
from orbiq.metrics.planes import Bands, planes
from orbiq.metrics.surroundings import continued, margin_for
from orbiq.tiles import Tile

PATCH = 96
"""Rows and cols of a patch."""
N_FEATURES = 36
_REACH = 3
"""Pixels that the Gaussian looks beyond its own."""
_HALF_REACH = 6
_WIDE_REACH = _REACH + _HALF_REACH
"""The same at half the size, 2 px for each of its own, and 3 that halving looks beyond."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Patches:
    """Of each plane and patch (planes, rows, cols): its features (…, 36) and the mean σ, how sharp it is.

    NaN where a patch is not valid as a whole, or flat: without a negative or a positive value there is no spread. Half
    flat it counts, for so does strong compression leave it.
    """

    features: FloatArray
    sharpness: FloatArray

    @property
    def known(self) -> BoolArray:
        """Which patches have features."""
        return np.asarray(np.isfinite(self.features).all(axis=-1))


def patches_of(images: Images, *, bands: Bands) -> Patches:
    """The patches of one image, in which `images.peak` is known; memory grows by 300 bytes for each patch and plane."""
    n_planes = 1 if bands == "luma" else images.bands
    rows, cols = (n // PATCH for n in images.shape[:2])
    features = np.full((n_planes, rows, cols, N_FEATURES), np.nan)
    sharpness = np.full((n_planes, rows, cols), np.nan)

    def put(tile: Tile) -> None:
        row, col = tile.rows.start // PATCH, tile.cols.start // PATCH
        valid = _valid_patches(tile)
        part = slice(row, row + valid.shape[0]), slice(col, col + valid.shape[1])
        if not valid.any():
            return
        extend = continued(tile, reach=_WIDE_REACH)
        for k, (plane,) in enumerate(planes(tile, bands)):
            wide = extend(plane) * (255 / float(images.peak or 1))
            features[k][part], sharpness[k][part] = _measured(wide, valid)

    for _ in images.map(put, margin=margin_for(_WIDE_REACH), align=PATCH):
        pass
    return Patches(features=features, sharpness=sharpness)


def _valid_patches(tile: Tile) -> BoolArray:
    rows, cols = ((part.stop - part.start) // PATCH for part in tile.core)
    if tile.mask is None:
        return np.ones((rows, cols), bool)
    mask = tile.mask[tile.core][: rows * PATCH, : cols * PATCH]
    return np.asarray(mask.reshape(rows, PATCH, cols, PATCH).all(axis=(1, 3)))


def _measured(wide: FloatArray, valid: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Features (rows, cols, 36) and sharpness (rows, cols) of a tile's core, given with its surroundings."""
    rows, cols = (n * PATCH for n in valid.shape)
    wide = wide[: rows + 2 * _WIDE_REACH, : cols + 2 * _WIDE_REACH]
    whole = wide[_HALF_REACH:-_HALF_REACH, _HALF_REACH:-_HALF_REACH]
    first, deviations = _scale(whole, valid, side=PATCH)
    second, _ = _scale(_halved(wide), valid, side=PATCH // 2)
    sharpness = deviations.reshape(valid.shape[0], PATCH, valid.shape[1], PATCH).mean(axis=(1, 3))
    return np.concatenate([first, second], axis=-1), np.where(valid, sharpness, np.nan)


def _halved(wide: FloatArray) -> FloatArray:
    from orbiq.metrics.naturalness_kernel import halved

    rows, cols = wide.shape
    half = np.empty(((rows - 2 * _REACH) // 2, (cols - 2 * _REACH) // 2))
    halved(wide, half)
    return half


def _scale(plane: FloatArray, valid: BoolArray, *, side: int) -> tuple[FloatArray, FloatArray]:
    """Features (rows, cols, 18) of the valid patches of one scale, and σ of each pixel."""
    from orbiq.metrics.naturalness_kernel import moments, normalised

    values, deviations = np.empty((2, plane.shape[0] - 2 * _REACH, plane.shape[1] - 2 * _REACH))
    normalised(plane, values, deviations)
    sums = np.full((*valid.shape, 5, 5), np.nan)
    for r, c in np.argwhere(valid):
        moments(values[r * side : (r + 1) * side, c * side : (c + 1) * side], sums[r, c])
    return features_of(sums, side * side), deviations


def features_of(sums: FloatArray, count: int) -> FloatArray:
    """The 18 features of one scale (…, 18) from the sums (…, 5, 5) over `count` values each.

    Sums as the compiled `moments` gives them. NaN where no value is negative, or none positive.
    """
    n_low, low_squares, n_high, high_squares, sizes = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        left, right = np.sqrt(low_squares / n_low), np.sqrt(high_squares / n_high)
        shape = asymmetric_shape(left / right, (sizes / count) ** 2 / ((low_squares + high_squares) / count))
    left, right = left * _spread(shape), right * _spread(shape)
    mean = (right - left) * _ratio(shape)
    first = np.stack([shape[..., 0], (left[..., 0] + right[..., 0]) / 2], axis=-1)
    others = np.stack([shape, mean, left, right], axis=-1)[..., 1:, :]
    return np.concatenate([first, others.reshape(*others.shape[:-2], -1)], axis=-1)


def asymmetric_shape(spreads: Array, flatness: Array) -> FloatArray:
    """The shape α of an asymmetric generalised Gaussian by moments: 2 of a Gaussian, 1 of a Laplacian.

    `spreads` the root mean square of its negative values over that of its positive ones; `flatness`
    mean(|x|)² / mean(x²). From 0.2 to 10. N. E. Lasmar, Y. Stitou, Y. Berthoumieu, ICIP 2009,
    doi:10.1109/ICIP.2009.5414404.

    >>> asymmetric_shape(np.ones(1), np.full(1, 2 / np.pi)).round(4).tolist()  # a Gaussian: E|x|² = 2σ²/π
    [2.0]
    """
    shapes, ratios = _table()
    norm = flatness * (spreads**3 + 1) * (spreads + 1) / (spreads**2 + 1) ** 2
    return np.asarray(np.interp(norm, ratios, shapes))


@cache
def _table() -> tuple[FloatArray, FloatArray]:
    """Shapes, and Γ(2/α)² / (Γ(1/α)·Γ(3/α)) of each, which rises with α."""
    from scipy.special import gammaln

    shapes = np.geomspace(0.2, 10, 20001)
    return shapes, np.exp(2 * gammaln(2 / shapes) - gammaln(1 / shapes) - gammaln(3 / shapes))


def _spread(shape: FloatArray) -> FloatArray:
    """√(Γ(1/α) / Γ(3/α)): the scale β over the root mean square."""
    from scipy.special import gammaln

    return np.asarray(np.exp((gammaln(1 / shape) - gammaln(3 / shape)) / 2))


def _ratio(shape: FloatArray) -> FloatArray:
    """Γ(2/α) / Γ(1/α): the mean of |x| over the scale β."""
    from scipy.special import gammaln

    return np.asarray(np.exp(gammaln(2 / shape) - gammaln(1 / shape)))
