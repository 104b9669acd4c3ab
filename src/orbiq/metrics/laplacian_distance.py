"""Normalised Laplacian pyramid distance, against a reference.

Images are as `orbiq.metrics.inputs` says: (rows, cols) or (rows, cols, bands), any real dtype, arithmetic in float64;
values are divided by `peak`. Levels begin with the first valid row and col. A masked pixel within the rectangle that
holds all valid pixels is 0; a value of a level counts where the pixel at the upper left of those that it stands for is
valid. Masked pixels are equal in both images, so that many scattered holes make them look more alike.
"""

from dataclasses import dataclass

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.metrics.base import MetricSpec, ScoreSpec
from orbiq.metrics.cut import cut_to_mask
from orbiq.metrics.inputs import Pixels, no_pixels, pair_of_images
from orbiq.metrics.planes import Bands, check_bands, planes
from orbiq.tiles import Tile

SPECS = {"nlpd": MetricSpec(name="nlpd", scores=(ScoreSpec(name="nlpd", low=0, higher_is_better=False),), needs="pair")}


@dataclass(frozen=True, kw_only=True)
class _Level:
    """What a value of a level is divided by: `floor` and weights of the amplitudes around it, by (rows, cols) away."""

    floor: float
    weights: dict[tuple[int, int], float]


def _cross(floor: float, *, up: float = 0, down: float = 0, left: float, right: float, far: float = 0) -> _Level:
    weights = {(-1, 0): up, (1, 0): down, (0, -1): left, (0, 1): right, (0, -2): far}
    return _Level(floor=floor, weights={place: weight for place, weight in weights.items() if weight})


_LEVELS = (
    _cross(0.0248, up=0.1015, down=0.1011, left=0.1460, right=0.1493, far=0.0072),
    _cross(0.0185, up=0.0837, down=0.0757, left=0.1846, right=0.1986),
    _cross(0.0179, up=0.0467, down=0.0477, left=0.2243, right=0.2138),
    _cross(0.0191, left=0.2616, right=0.2503),
    _cross(0.0220, left=0.2552, right=0.2598),
    _cross(0.2782, left=0.0717, right=0.2215),
)
"""Published by the authors, who fitted them to photographs of the McGill calibrated colour image database."""
_SMALLEST_PX = 2 ** (len(_LEVELS) - 1)
_MARGIN = 4 * _SMALLEST_PX  # the last level and 2 pixels around reach 4·31 + 2 pixels


def nlpd(
    reference: Pixels,
    image: Pixels,
    *,
    peak: float | None = None,
    mask: BoolArray | None = None,
    bands: Bands = "each",
) -> float:
    """Normalised Laplacian pyramid distance: the mean over six levels of √(mean of (z₁ − z₂)²), z = y / (f + Σ p·|y|).

    y are values of Burt & Adelson's Laplacian pyramid, (1, 5, 8, 5, 1)/20, on a scale of 1; f a floor and p weights of
    the neighbours, given for each level. No unit, ≥ 0, lower is better, 0 for equal images; symmetric. Two flat images
    of different level differ in the last level alone, a blurred copy of them. The score is the mean over bands, of
    which the paper knows one; `bands="luma"` compares the Y of YIQ of red, green and blue.

    `peak` is the largest value that the data can hold; uint8 is 255, all else must be stated. Raises ImageError where
    it is missing or exceeded, shapes differ, or a side is below 32 pixels. Laparra et al. 2016,
    doi:10.2352/ISSN.2470-1173.2016.16.HVEI-103.

    >>> grey = np.full((32, 32), 50.0)
    >>> nlpd(grey, grey, peak=255)
    0.0
    """
    images = cut_to_mask(pair_of_images(reference, image, mask=mask, peak=peak, peaked=True))
    check_bands(images, bands)
    if min(images.shape[:2]) < _SMALLEST_PX:
        raise no_pixels(images, f"rectangle of {_SMALLEST_PX} × {_SMALLEST_PX} pixels")
    scale = 1 / float(images.peak or 0)
    counts, squares = np.zeros(len(_LEVELS)), np.zeros((1, len(_LEVELS)))
    for tile_counts, tile_squares in images.map(
        lambda tile: _tile_sums(tile, bands=bands, scale=scale), margin=_MARGIN, align=_SMALLEST_PX
    ):
        counts, squares = counts + tile_counts, squares + tile_squares
    if not counts.all():
        raise no_pixels(images, f"pixel at the corners of blocks of {_SMALLEST_PX} × {_SMALLEST_PX}")
    return float(np.sqrt(squares / counts).mean())


def _tile_sums(tile: Tile, *, bands: Bands, scale: float) -> tuple[FloatArray, FloatArray]:
    """By level how many values count, and (bands, levels) of Σ (z₁ − z₂)²."""
    mask = np.ones(tile.arrays[0].shape[:2], bool) if tile.mask is None else tile.mask
    places = [_place(tile, 2**k) for k in range(len(_LEVELS))]
    valid = [mask[:: 2**k, :: 2**k][place] for k, place in enumerate(places)]
    squares = []
    for x, y in planes(tile, bands):
        levels = zip(_normalised(x * scale), _normalised(y * scale), places, valid, strict=True)
        squares.append([float(np.sum((a[place] - b[place]) ** 2, where=where)) for a, b, place, where in levels])
    return np.array([where.sum() for where in valid], float), np.array(squares)


def _place(tile: Tile, factor: int) -> tuple[slice, slice]:
    """The core at a level, whose pixels stand for factor × factor."""
    rows, cols = tile.core
    return slice(rows.start // factor, -(-rows.stop // factor)), slice(cols.start // factor, -(-cols.stop // factor))


def _normalised(plane: FloatArray) -> list[FloatArray]:
    """The pyramid's levels, each value divided by what is around it; amplitudes outside the image are 0."""
    normalised = []
    for k, level in enumerate(_LEVELS):
        smaller = _reduced(_reduced(plane).T).T
        last = k == len(_LEVELS) - 1
        values = plane if last else plane - _expanded(_expanded(smaller, plane.shape[0]).T, plane.shape[1]).T
        normalised.append(values / _around(np.abs(values), level))
        plane = smaller
    return normalised


def _around(amplitudes: FloatArray, level: _Level) -> FloatArray:
    rows, cols = amplitudes.shape
    wide = np.pad(amplitudes, 2)
    total = np.full((rows, cols), level.floor)
    for (down, right), weight in level.weights.items():
        total += weight * wide[2 + down : 2 + down + rows, 2 + right : 2 + right + cols]
    return total


def _reduced(plane: FloatArray) -> FloatArray:
    """Every second row of (1, 5, 8, 5, 1)/20; the image is mirrored, the outermost row twice."""
    kept = (plane.shape[0] + 1) // 2
    wide = np.pad(plane, ((2, 3), (0, 0)), mode="symmetric")
    a, b, c, d, e = (wide[k : k + 2 * kept : 2] for k in range(5))
    return (a + e) / 20 + (b + d) / 4 + c * 0.4


def _expanded(plane: FloatArray, rows: int) -> FloatArray:
    """To twice as many rows: zeros between them, then (1, 5, 8, 5, 1)/10; outermost rows are repeated."""
    wide = np.pad(plane, ((1, 1), (0, 0)), mode="edge")
    out = np.empty((rows, plane.shape[1]))
    out[::2] = (wide[:-2] + wide[2:]) / 10 + plane * 0.8
    out[1::2] = ((plane + wide[2:]) / 2)[: rows // 2]
    return out
