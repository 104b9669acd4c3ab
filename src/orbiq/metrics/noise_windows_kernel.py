"""Windows of 16 × 16 pixels tested for structure, compiled. Import on use: numba takes a moment.

White noise has the same variance on every scale; the structure of a scene has more of it the coarser the scale. So the
squares in a window are split by scale into orthogonal parts, and their ratios tested. The ratio of two variances says
nothing of the variance itself, so that picking a window makes its noise neither too low nor too high.
"""

import numpy as np
from numba import njit

from orbiq.arrays import Array, BoolArray, FloatArray

_compiled = njit(cache=True, nogil=True, error_model="numpy")
MEAN, VARIANCE, SCORE, WEIGHT, NEAR_X, NEAR_Y, FAR_X, FAR_Y, ROW, COL = range(10)
"""What is known of a window: mean; variance about a plane, with 253 degrees of freedom; its structure as a standard
normal number; the share of its pixels that count, since windows overlap; half the mean squared difference of pixels 1
(near) and 3 (far) apart along x and y; its place in steps of 8 pixels."""
N_KNOWN = 10


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def windows(
    values: Array,
    band: int,
    mask: BoolArray,
    pitch: int,
    place: tuple[int, int, int, int, int, int],
    ends: tuple[float, float],
    limit: float,
    share: float,
) -> tuple[FloatArray, int, int]:
    """(n, N_KNOWN) of the windows whose scores do not exceed `limit`; how many there are at all; how many are constant.

    Of every `pitch`-th pixel, at every 8th of these. `place`: the first window's row and col within `values`, the
    number of rows and cols of windows, the place of the first in the image, all in steps of 8 pixels. A window with a
    masked pixel, or one at or beyond `ends`, is none. A `share` of the windows is taken, picked by place.
    """
    blocks = _blocks(values, band, mask, pitch, ends)
    scores = _scores(blocks, limit)
    first_row, first_col, rows, cols, row, col = place
    n_all = n_constant = n_found = 0
    known = np.empty((max(rows * cols, 0), N_KNOWN))
    for r in range(first_row, min(first_row + rows, scores.shape[0])):
        for c in range(first_col, min(first_col + cols, scores.shape[1])):
            n_all += not np.isnan(scores[r, c, 0])
            n_constant += scores[r, c, 1] == 0
            at_row, at_col = row + r - first_row, col + c - first_col
            if scores[r, c, 2] <= limit and _picked(at_row, at_col, share):
                one = known[n_found]
                one[:3] = scores[r, c]
                one[3] = 1 / _overlap(scores, r, c, limit)
                _differences(values, band, pitch, 8 * r, 8 * c, one)
                one[8], one[9] = at_row, at_col
                n_found += 1
    return known[:n_found], n_all, n_constant


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _blocks(values: Array, band: int, mask: BoolArray, pitch: int, ends: tuple[float, float]) -> FloatArray:
    """Of 4 × 4 pixels: mean, squares about it, squares of the means of 2 × 2 about it; NaN where one is masked."""
    rows, cols = values.shape[0] // pitch // 8 * 2, values.shape[1] // pitch // 8 * 2
    blocks = np.full((rows, cols, 3), np.nan)
    for r in range(rows):
        for c in range(cols):
            offset = float(values[4 * r * pitch, 4 * c * pitch, band])
            total = squares = pairs = 0.0
            good = True
            for i in range(4 * r, 4 * r + 4, 2):
                for j in range(4 * c, 4 * c + 4, 2):
                    four = 0.0
                    for k in range(2):
                        for m in range(2):
                            y, x = (i + k) * pitch, (j + m) * pitch
                            value = float(values[y, x, band])
                            good &= mask[y, x] and ends[0] < value < ends[1]
                            four += value - offset
                            squares += (value - offset) ** 2
                    total += four
                    pairs += four * four
            if good:
                blocks[r, c, 0] = offset + total / 16
                blocks[r, c, 1] = squares - total * total / 16
                blocks[r, c, 2] = pairs / 4 - total * total / 16
    return blocks


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _scores(blocks: FloatArray, limit: float) -> FloatArray:
    """(window rows, window cols, 3): mean, variance, score; the score is inf where the middle scale shows structure."""
    rows, cols = max(blocks.shape[0] // 2 - 1, 0), max(blocks.shape[1] // 2 - 1, 0)
    scores = np.empty((rows, cols, 3))
    for r in range(rows):
        for c in range(cols):
            mean, coarse, plane = _structure(blocks[2 * r : 2 * r + 4, 2 * c : 2 * c + 4])
            within = middle = 0.0
            for i in range(2 * r, 2 * r + 4):
                for j in range(2 * c, 2 * c + 4):
                    within += blocks[i, j, 1]
                    middle += blocks[i, j, 2]
            # what the plane adds within blocks of 4 × 4 pixels; 4/5 of that between their means of 2 × 2
            within = max(within - plane, 0.0)
            middle -= 0.8 * plane
            scores[r, c, 0] = mean
            scores[r, c, 1] = (coarse + within) / 253
            scores[r, c, 2] = _normal(coarse / 13 / (within / 240), 13, 240)
            if not _normal(middle / 48 / ((within - middle) / 192), 48, 192) <= limit:
                scores[r, c, 2] = np.inf
    return scores


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _structure(blocks: FloatArray) -> tuple[float, float, float]:
    """Of 4 × 4 blocks: mean, squares of means about a plane (13 degrees of freedom), the plane's within a block."""
    total = squares = along_x = along_y = 0.0
    offset = blocks[0, 0, 0]
    for i in range(4):
        for j in range(4):
            value = blocks[i, j, 0] - offset
            total += value
            squares += value * value
            along_x += value * (j - 1.5)
            along_y += value * (i - 1.5)
    plane = (along_x * along_x + along_y * along_y) / 20
    return offset + total / 16, 16 * (squares - total * total / 16 - plane), plane


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _normal(ratio: float, n_above: int, n_below: int) -> float:
    """A ratio of mean squares as a standard normal number (Paulson 1942, doi:10.1214/aoms/1177731608)."""
    root = max(ratio, 0.0) ** (1 / 3)
    above, below = 2 / (9 * n_above), 2 / (9 * n_below)
    return float(((1 - below) * root - (1 - above)) / np.sqrt(above + root * root * below))


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _overlap(scores: FloatArray, r: int, c: int, limit: float) -> float:
    """How often the pixels of a window lie in windows that are taken."""
    total = 0.0
    for i in range(max(r - 1, 0), min(r + 2, scores.shape[0])):
        for j in range(max(c - 1, 0), min(c + 2, scores.shape[1])):
            if scores[i, j, 2] <= limit:
                total += (1 - 0.5 * abs(i - r)) * (1 - 0.5 * abs(j - c))
    return total


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _picked(row: int, col: int, share: float) -> bool:
    """Whether a place belongs to the share that is taken: scattered, but the same on every tiling."""
    mixed = (np.uint64(row) * np.uint64(0x9E3779B97F4A7C15)) ^ (np.uint64(col) * np.uint64(0xC2B2AE3D27D4EB4F))
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return float(mixed >> np.uint64(11)) < share * 2.0**53


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _differences(values: Array, band: int, pitch: int, top: int, left: int, known: FloatArray) -> None:
    """Half the mean squared difference of pixels 1 and 3 apart along x and y."""
    for far in range(2):
        step = 3 if far else 1
        n = 16 * (16 - step)
        along_x = along_y = slope_x = slope_y = 0.0
        for i in range(16):
            for j in range(16 - step):
                y, x = (top + i) * pitch, (left + j) * pitch
                across = float(values[y, x + step * pitch, band]) - float(values[y, x, band])
                y, x = (top + j) * pitch, (left + i) * pitch
                down = float(values[y + step * pitch, x, band]) - float(values[y, x, band])
                along_x += across * across
                along_y += down * down
                slope_x += across
                slope_y += down
        known[4 + 2 * far] = (along_x - slope_x * slope_x / n) / (2 * n)
        known[5 + 2 * far] = (along_y - slope_y * slope_y / n) / (2 * n)
