"""Spatial correlation coefficient, against a reference: do fine details agree?

Images are as `orbiq.metrics.inputs` says: (rows, cols) or (rows, cols, bands), any real dtype, arithmetic in float64.
Each band by itself. No `peak` is needed: neither gain nor offset of an image changes the score.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Literal, get_args

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.errors import unknown
from orbiq.metrics.base import MetricSpec, ScoreSpec
from orbiq.metrics.inputs import Images, Pixels, no_pixels, pair_of_images
from orbiq.metrics.planes import planes
from orbiq.metrics.window_moments import Moments, check_window, sliding_moments
from orbiq.tiles import Tile

SPECS = {"scc": MetricSpec(name="scc", scores=(ScoreSpec(name="scc", low=-1, high=1),), needs="pair")}
Variant = Literal["windows", "global"]


def scc(
    reference: Pixels,
    image: Pixels,
    *,
    variant: Variant = "windows",
    window: int = 8,
    mask: BoolArray | None = None,
) -> float:
    """Spatial correlation coefficient: how the details of both images correlate.

    Details are what the Laplacian of 3 × 3 pixels leaves, 8 in the middle and −1 around. No unit, [−1, 1], higher is
    better, 1 for equal images; symmetric. Variants:

    - "windows": the mean over pixels and bands of Pearson's r in the window of `window` × `window` pixels around
      each, as in torchmetrics and sewar: beyond the border the Laplacian sees the nearest pixel and the window zeros.
    - "global", as published: r over all pixels of a band, and the mean of these.

    Where details are the same all over a window (or band) of one image, but for rounding, r is 0; where they are in
    both there is none and it takes no part, so that equal images always score 1. Raises ImageError where shapes differ
    or all is flat, SettingError for a window outside 2 … 64. Zhou, Civco and Silander 1998,
    doi:10.1080/014311698215973.

    >>> ramp = np.array([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0], [64.0, 128.0, 256.0]])
    >>> round(scc(ramp, 5 - 3 * ramp, variant="global"), 9)
    -1.0
    """
    if variant not in get_args(Variant):
        raise unknown("variant of scc", variant, get_args(Variant))
    window = check_window(window)
    images = pair_of_images(reference, image, mask=mask)
    return _in_windows(images, window) if variant == "windows" else _overall(images)


def _in_windows(images: Images, window: int) -> float:
    before, after = window // 2, (window - 1) // 2
    total, count = 0.0, 0
    parts = images.map(lambda tile: _tile_sums(tile, window), margin=(before + 1, after + 1))
    for tile_total, tile_count in parts:
        total, count = total + tile_total, count + tile_count
    if not count:
        raise no_pixels(images, "detail")
    return total / count


def _tile_sums(tile: Tile, window: int) -> tuple[float, int]:
    """Sum and number of correlations around the pixels of the core."""
    total, count = 0.0, 0
    valid = np.ones(_size(tile), bool) if tile.mask is None else tile.mask
    for bands in planes(tile):
        fine = (np.where(valid, details(plane, tile.mask), 0) for plane in bands)
        first, second = (_surrounded(plane, tile, window) for plane in fine)
        moments = _without_rounding(sliding_moments(first, second, window=window), bands, tile, window)
        textured = ((moments.square_first > 0) | (moments.square_second > 0)) & valid[tile.core]
        total += float(_correlation(moments)[textured].sum())
        count += int(textured.sum())
    return total, count


def _without_rounding(moments: Moments, bands: Sequence[FloatArray], tile: Tile, window: int) -> Moments:
    """Squares of 0 where the spread of the details is no more than what each of them may be off by."""
    squares = [
        _beyond_rounding(square, plane, tile, window)
        for square, plane in zip((moments.square_first, moments.square_second), bands, strict=True)
    ]
    return replace(moments, square_first=squares[0], square_second=squares[1])


def _beyond_rounding(square: FloatArray, plane: FloatArray, tile: Tile, window: int) -> FloatArray:
    share, size = _ROUNDING**2 * window**2, np.abs(plane)
    # hardly any tile has such windows
    if not ((square > 0) & (square <= share * float(size.max()) ** 2)).any():
        return square
    largest = _largest(_surrounded(size, tile, window + 2), window + 2)
    return np.where(square <= share * largest**2, 0, square)


def _largest(plane: FloatArray, window: int) -> FloatArray:
    """The largest value of every window of a plane.

    >>> _largest(np.arange(12.0).reshape(3, 4), 3)
    array([[10., 11.]])
    """
    for _ in range(2):
        reach = 1
        while reach < window:
            step = min(reach, window - reach)
            plane, reach = np.maximum(plane[:-step], plane[step:]), reach + step
        plane = plane.T
    return plane


def details(plane: FloatArray, mask: BoolArray | None = None) -> FloatArray:
    """The Laplacian of 3 × 3 pixels: how far each pixel (rows, cols) lies above its eight neighbours, in sum.

    A neighbour outside the image or the mask is replaced by the nearest pixel: that beside it, or the pixel itself.
    What rounding leaves of a flat area or an even slope is 0.

    >>> details(np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])).tolist()
    [[-1.0, -1.0, -1.0], [-1.0, 8.0, -1.0], [-1.0, -1.0, -1.0]]
    """
    above, scale = _details(plane) if mask is None else _valid_details(plane, mask)
    above[np.abs(above) <= _ROUNDING * scale] = 0
    return above


_ROUNDING = 16 * float(np.finfo(float).eps)
"""Of the largest of nine values: what their differences may be off by."""


def _details(plane: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The Laplacian, and the largest absolute value of the nine; by differences, so that no offset is summed."""
    wide = np.pad(plane, 1, mode="edge")
    across = _second_difference(wide)
    above = across[:-2] + across[1:-1] + across[2:] + 3 * _second_difference(wide.T).T[:, 1:-1]
    size = np.abs(wide)
    size = np.maximum(np.maximum(size[:, :-2], size[:, 1:-1]), size[:, 2:])
    return above, np.maximum(np.maximum(size[:-2], size[1:-1]), size[2:])


def _second_difference(wide: FloatArray) -> FloatArray:
    """How far each value of a row lies above its two neighbours, in sum."""
    step = np.diff(wide, axis=1)
    return np.asarray(step[:, :-1] - step[:, 1:])


def _valid_details(plane: FloatArray, mask: BoolArray) -> tuple[FloatArray, FloatArray]:
    wide, known = np.pad(plane, 1), np.pad(mask, 1)
    above, scale = np.zeros_like(plane), np.abs(plane)
    for row, col in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)):
        neighbour = plane
        for step in ((row, 0), (0, col), (row, col)):
            neighbour = np.where(_moved(known, step), _moved(wide, step), neighbour)
        above += plane - neighbour
        np.maximum(scale, np.abs(neighbour), out=scale)
    return above, scale


def _moved(wide: Array, step: tuple[int, int]) -> Array:
    """The neighbours at `step`, of an image with a margin of one pixel."""
    row, col = step
    return wide[1 + row : wide.shape[0] - 1 + row, 1 + col : wide.shape[1] - 1 + col]


def _surrounded(plane: FloatArray, tile: Tile, window: int) -> FloatArray:
    """The core with as many pixels around it as windows need, zeros beyond the image."""
    before, after = window // 2, (window - 1) // 2
    wide = np.pad(plane, (before, after))
    rows, cols = tile.core
    return np.ascontiguousarray(wide[rows.start : rows.stop + window - 1, cols.start : cols.stop + window - 1])


def _correlation(moments: Moments) -> FloatArray:
    spread = np.sqrt(moments.square_first) * np.sqrt(moments.square_second)
    r = np.divide(moments.product, spread, out=np.zeros_like(spread), where=spread > 0)
    return np.asarray(np.clip(r, -1, 1))


@dataclass(frozen=True, eq=False, kw_only=True)
class _Sums:
    """Over the pixels: their number, and of each band (5, bands) Σa, Σb, Σa², Σb², Σab."""

    pixels: int
    bands: FloatArray


def _overall(images: Images) -> float:
    parts = list(images.map(_band_sums, margin=1))
    pixels = sum(part.pixels for part in parts)
    if not pixels:
        raise no_pixels(images)
    together = np.sum([part.bands for part in parts], axis=0)
    found = [_pearson(sums, pixels) for sums in together.T]
    known = [r for r in found if r is not None]
    if not known:
        raise no_pixels(images, "detail")
    return sum(known) / len(known)


def _band_sums(tile: Tile) -> _Sums:
    valid = slice(None) if tile.mask is None else tile.mask[tile.core]
    sums = []
    for bands in planes(tile):
        a, b = (details(plane, tile.mask)[tile.core][valid].ravel() for plane in bands)
        sums.append([a.sum(), b.sum(), a @ a, b @ b, a @ b])
    rows, cols = _size(tile, core=True)
    return _Sums(pixels=rows * cols if tile.mask is None else int(tile.mask[tile.core].sum()), bands=np.array(sums).T)


def _pearson(sums: FloatArray, pixels: int) -> float | None:
    """r, None where both are flat. Details have next to no mean, so that nothing cancels."""
    sum_a, sum_b, square_a, square_b, product = (float(s) for s in sums)
    spread_a, spread_b = square_a - sum_a**2 / pixels, square_b - sum_b**2 / pixels
    if square_a == 0 and square_b == 0:
        return None
    if square_a == 0 or square_b == 0:
        return 0.0
    return float(np.clip((product - sum_a * sum_b / pixels) / sqrt(spread_a * spread_b), -1, 1))


def _size(tile: Tile, *, core: bool = False) -> tuple[int, int]:
    if core:
        return tile.rows.stop - tile.rows.start, tile.cols.stop - tile.cols.start
    return tile.arrays[0].shape[0], tile.arrays[0].shape[1]
