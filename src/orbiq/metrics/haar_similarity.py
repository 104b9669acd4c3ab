"""Haar wavelet-based perceptual similarity index, against a reference.

Images are as `orbiq.metrics.inputs` says, red, green and blue or one grey band, any real dtype, arithmetic in float64;
values are scaled by 255 / `peak`. Both images are averaged over 2 × 2 pixels, from the first valid row and col on. What
lies outside the image, or outside the rectangle that holds all valid pixels, is 0, and so is a masked pixel within; a
value at half resolution counts where the pixel at the upper left of its four is valid. Masked pixels are equal in both
images, so that many scattered holes raise the score.
"""

from dataclasses import dataclass

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.errors import ImageError
from orbiq.metrics.base import MapSpec, MetricSpec, ScoreSpec
from orbiq.metrics.block_means import block_means
from orbiq.metrics.colour import YIQ, check_colour, in_space
from orbiq.metrics.cut import cut_to_mask
from orbiq.metrics.inputs import Images, Pixels, no_pixels, pair_of_images
from orbiq.tiles import Tile

SPECS = {
    "haarpsi": MetricSpec(
        name="haarpsi",
        scores=(ScoreSpec(name="haarpsi", low=0, high=1),),
        needs="pair",
        map=MapSpec(function="haarpsi_map", margin=9, step=2),
    )
}
_C = 30.0
_ALPHA = 4.2
_MARGIN = (6, 8)  # a wavelet of 8 × 8 at half resolution reaches 3 before and 4 behind


def haarpsi(reference: Pixels, image: Pixels, *, peak: float | None = None, mask: BoolArray | None = None) -> float:
    """Haar wavelet-based perceptual similarity: (l⁻¹(Σ w·l(S) / Σ w))² over pixels and maps at half resolution.

    l(x) = 1/(1 + e^(−4.2·x)). For horizontal and for vertical Haar wavelets of luma, S is the mean over scales 1 and 2
    of (2·a·b + 30)/(a² + b² + 30) of their amplitudes in both images on a scale of 255, and the weight w is the larger
    amplitude at scale 3. For red, green and blue a third map compares the chroma I and Q of YIQ, averaged over 2 × 2
    pixels, with the mean of both weights. One band is grey: two maps. No unit, [0, 1], higher is better, 1 for equal
    images; symmetric.

    `peak` is the largest value that the data can hold; uint8 is 255, all else must be stated. Raises ImageError where
    it is missing or exceeded, shapes differ, there are neither one nor three bands, or both images are constant.
    Reisenhofer et al. 2018, doi:10.1016/j.image.2017.11.001.

    >>> step = np.array([[0.0] * 8 + [100.0] * 8] * 16)
    >>> round(haarpsi(step, step, peak=255), 9)
    1.0
    """
    images = cut_to_mask(_pair(reference, image, peak=peak, mask=mask))
    parts = list(images.map(lambda tile: _tile_sums(tile, _scale(images)), margin=_MARGIN, align=2))
    if not any(part.count for part in parts):
        raise no_pixels(images, "2 × 2 pixels")
    weights = sum(part.weights for part in parts)
    lows, highs = np.min([part.lows for part in parts], axis=0), np.max([part.highs for part in parts], axis=0)
    # else the zeros around a constant image would pass for structure
    if weights == 0 or (lows >= highs).all():
        raise ImageError(
            f"{images.name} and its reference are constant, so that there is no structure to compare; take mse or psnr."
        )
    # rounding may say a little more than 1
    return min(float(_index(np.asarray(sum(part.weighted for part in parts) / weights))), 1.0)


def haarpsi_map(
    reference: Pixels, image: Pixels, *, peak: float | None = None, mask: BoolArray | None = None
) -> FloatArray:
    """`haarpsi` of each pixel by itself, (⌈rows/2⌉, ⌈cols/2⌉): [0, 1], 1 where equal, NaN where masked or flat.

    Arguments as of `haarpsi`, whose mean of logistic values weighs pixels by their structure. The halves begin with the
    first row and col of the image, valid or not.

    >>> ramp = np.arange(16.0).reshape(4, 4)
    >>> haarpsi_map(ramp, ramp, peak=255).round(9).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    images = _pair(reference, image, peak=peak, mask=mask)
    rows, cols, _ = images.shape
    out = np.empty(((rows + 1) // 2, (cols + 1) // 2))

    def put(tile: Tile) -> None:
        half = _half(tile, _scale(images))
        with np.errstate(invalid="ignore"):
            values = _index(half.weighted / half.weights)
        place = tuple(slice(s.start // 2, (s.stop + 1) // 2) for s in (tile.rows, tile.cols))
        out[place] = np.where(half.valid, values, np.nan)

    for _ in images.map(put, margin=_MARGIN, align=2):
        pass
    return out


def _pair(reference: Pixels, image: Pixels, *, peak: float | None, mask: BoolArray | None) -> Images:
    images = pair_of_images(reference, image, mask=mask, peak=peak, peaked=True)
    check_colour(images, "haarpsi", grey=True)
    return images


def _scale(images: Images) -> float:
    return 255 / float(images.peak or 0)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Half:
    """Σ w·l(S) and Σ w over the maps (rows, cols) of a tile's core, where it counts, and luma where it is whole."""

    weighted: FloatArray
    weights: FloatArray
    valid: BoolArray
    whole: tuple[FloatArray, ...]


@dataclass(frozen=True, kw_only=True)
class _Sums:
    count: int
    weighted: float
    weights: float
    lows: tuple[float, ...]
    highs: tuple[float, ...]


def _tile_sums(tile: Tile, scale: float) -> _Sums:
    half = _half(tile, scale)
    return _Sums(
        count=int(half.valid.sum()),
        weighted=float(half.weighted[half.valid].sum()),
        weights=float(half.weights[half.valid].sum()),
        lows=tuple(float(luma.min(initial=np.inf)) for luma in half.whole),
        highs=tuple(float(luma.max(initial=-np.inf)) for luma in half.whole),
    )


def _half(tile: Tile, scale: float) -> _Half:
    mask = np.ones(tile.arrays[0].shape[:2], bool) if tile.mask is None else tile.mask
    core = tuple(slice(s.start // 2, (s.stop + 1) // 2) for s in tile.core)
    first, second = (_axes(block_means(array, factor=2) * scale) for array in tile.arrays)
    maps = [_compare(a, b) for a, b in zip(_details(first[0]), _details(second[0]), strict=True)]
    if len(first) > 1:
        maps.append((_chroma_alike(first[1:], second[1:]), (maps[0][1] + maps[1][1]) / 2))
    whole = block_means(mask[..., None], factor=2)[..., 0][core] == 1
    return _Half(
        weighted=np.sum([(weights * _logistic(similarity))[core] for similarity, weights in maps], axis=0),
        weights=np.sum([weights[core] for _, weights in maps], axis=0),
        valid=mask[tile.core][::2, ::2],
        whole=tuple(axes[0][core][whole] for axes in (first, second)),
    )


def _axes(half: FloatArray) -> FloatArray:
    return np.moveaxis(half, 2, 0) if half.shape[2] == 1 else in_space(half, YIQ)


def _compare(first: list[FloatArray], second: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Similarity and weights, of one direction's amplitudes at three scales."""
    similarity = (_alike(first[0], second[0]) + _alike(first[1], second[1])) / 2
    return similarity, np.maximum(first[2], second[2])


def _chroma_alike(first: FloatArray, second: FloatArray) -> FloatArray:
    pairs = [(_mean_of_four(a), _mean_of_four(b)) for a, b in zip(first, second, strict=True)]
    return (_alike(*pairs[0]) + _alike(*pairs[1])) / 2


def _mean_of_four(plane: FloatArray) -> FloatArray:
    """|Mean| of a pixel and those to the right, below and to the lower right."""
    wide = np.pad(plane, (0, 1))
    rows = wide[:-1] + wide[1:]
    return np.abs(rows[:, :-1] + rows[:, 1:]) / 4


def _details(plane: FloatArray) -> tuple[list[FloatArray], list[FloatArray]]:
    """Amplitudes of the Haar wavelets of 2, 4 and 8 pixels: where rows differ, and where cols do."""
    return _details_of_rows(plane), [detail.T for detail in _details_of_rows(plane.T)]


def _details_of_rows(plane: FloatArray) -> list[FloatArray]:
    """|Σ of the m rows up to this one − Σ of the m rows below it| / 2m over 2m cols, for m = 1, 2, 4."""
    height, width = plane.shape
    cols, found = np.pad(plane, (3, 4)), []
    for m in (1, 2, 4):
        cols = cols[:, :-m] + cols[:, m:]  # sums of 2m cols from sums of m
        rows = cols[:, 4 - m : 4 - m + width]
        for n in (1, 2)[: m // 2]:
            rows = rows[:-n] + rows[n:]
        found.append(np.abs(rows[4 - m : 4 - m + height] - rows[4 : 4 + height]) / (2 * m))
    return found


def _alike(a: FloatArray, b: FloatArray) -> FloatArray:
    return (2 * a * b + _C) / (a * a + b * b + _C)


def _logistic(values: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-_ALPHA * values)))


def _index(mean: FloatArray) -> FloatArray:
    """From a mean of logistic values to the score."""
    return np.asarray((np.log(mean / (1 - mean)) / _ALPHA) ** 2)
