"""Statistics of patches of 8 × 8 pixels and of the windows around them, compiled. Import on use: numba takes a moment.

White noise has the same variance on every scale; the structure of a scene has more of it the coarser the scale. So a
window is split into orthogonal parts by scale, and their ratios tested; the ratio of two variances says nothing of the
variance itself, so that noise is not measured too low (or high) for having been picked.
"""

import numpy as np
from numba import njit

from orbiq.arrays import Array, BoolArray, FloatArray

_compiled = njit(cache=True, nogil=True, error_model="numpy")
MEAN, VARIANCE, FINE, COARSE, NEAR_X, NEAR_Y, FAR_X, FAR_Y = range(8)
"""What is known of a patch: mean, variance about a plane (61 degrees of freedom), the scores of the best window of 16
and of 32 pixels that hold it, half the mean squared difference of pixels 1 (near) and 3 (far) apart along x and y."""
N_KNOWN = 8


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def patches(
    values: Array, band: int, mask: BoolArray, pitch: int, low: float, high: float
) -> tuple[FloatArray, FloatArray]:
    """(patch rows, patch cols, N_KNOWN) of every `pitch`-th pixel, NaN where a patch is masked or reaches `low` or `high`."""
    rows, cols = values.shape[0] // pitch // 8, values.shape[1] // pitch // 8
    known = np.full((rows, cols, N_KNOWN), np.nan)
    blocks = np.full((2 * rows, 2 * cols, 3), np.nan)  # of 4 × 4 pixels: mean, squares within, squares of 2 × 2 means
    patch = np.empty((8, 8))
    for r in range(rows):
        for c in range(cols):
            if _taken(values, band, mask, pitch, r, c, low, high, patch):
                offset = patch[0, 0]
                for i in range(8):
                    for j in range(8):
                        patch[i, j] -= offset
                _plane(patch, known[r, c])
                known[r, c, MEAN] += offset
                for i in range(2):
                    for j in range(2):
                        _block(patch, 4 * i, 4 * j, blocks[2 * r + i, 2 * c + j])
                        blocks[2 * r + i, 2 * c + j, 0] += offset
    _score(known, blocks)
    return known


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _taken(
    values: Array, band: int, mask: BoolArray, pitch: int, r: int, c: int, low: float, high: float, patch: FloatArray
) -> bool:
    """Copy a patch; False where it is masked or clipped."""
    good = True
    for i in range(8):
        for j in range(8):
            y, x = (8 * r + i) * pitch, (8 * c + j) * pitch
            value = values[y, x, band]
            good &= mask[y, x] and low < value < high
            patch[i, j] = value
    return good


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _plane(patch: FloatArray, known: FloatArray) -> None:
    """Mean, variance about the least-squares plane, and of differences, without what the plane adds to them."""
    total = squares = along_x = along_y = 0.0
    near_x = near_y = far_x = far_y = 0.0
    for i in range(8):
        for j in range(8):
            value = patch[i, j]
            total += value
            squares += value * value
            along_x += value * (j - 3.5)
            along_y += value * (i - 3.5)
    for i in range(8):
        for j in range(7):
            near_x += (patch[i, j + 1] - patch[i, j]) ** 2
            near_y += (patch[j + 1, i] - patch[j, i]) ** 2
        for j in range(5):
            far_x += (patch[i, j + 3] - patch[i, j]) ** 2
            far_y += (patch[j + 3, i] - patch[j, i]) ** 2
    slope_x, slope_y = along_x / 336, along_y / 336
    known[0] = total / 64
    known[1] = max(squares - total * total / 64 - along_x * slope_x - along_y * slope_y, 0.0) / 61
    known[4] = near_x / 112 - slope_x * slope_x / 2
    known[5] = near_y / 112 - slope_y * slope_y / 2
    known[6] = far_x / 80 - 4.5 * slope_x * slope_x
    known[7] = far_y / 80 - 4.5 * slope_y * slope_y


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _block(patch: FloatArray, top: int, left: int, block: FloatArray) -> None:
    total = squares = pairs = 0.0
    for i in range(top, top + 4, 2):
        for j in range(left, left + 4, 2):
            a, b, c, d = patch[i, j], patch[i, j + 1], patch[i + 1, j], patch[i + 1, j + 1]
            four = a + b + c + d
            total += four
            pairs += four * four
            squares += a * a + b * b + c * c + d * d
    block[0] = total / 16
    block[1] = squares - total * total / 16
    block[2] = pairs / 4 - total * total / 16


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _score(known: FloatArray, blocks: FloatArray) -> None:
    """The score of each window goes to the patches that it holds, which keep the least: inf where there is none.

    A score is a ratio of variances on two scales, as the standard normal number that it would be for white noise.
    """
    rows, cols = known.shape[0], known.shape[1]
    known[:, :, 2:4] = np.inf
    for r in range(rows - 1):
        for c in range(cols - 1):
            coarse, slope = _structure(blocks[2 * r : 2 * r + 4, 2 * c : 2 * c + 4, 0])
            within = middle = 0.0
            for i in range(2 * r, 2 * r + 4):
                for j in range(2 * c, 2 * c + 4):
                    within += blocks[i, j, 1]
                    middle += blocks[i, j, 2]
            within -= slope  # what the plane adds within blocks of 4 × 4; 4/5 of that between their means of 2 × 2
            middle -= 0.8 * slope
            score = _normal(16 * coarse / 13 / (within / 240), 13, 240)
            other = _normal(middle / 48 / ((within - middle) / 192), 48, 192)
            _give(known, r, c, 2, max(score, other))
    for r in range(rows - 3):
        for c in range(cols - 3):
            coarse, slope = _structure(known[r : r + 4, c : c + 4, 0])
            within = -slope
            for i in range(2 * r, 2 * r + 8):
                for j in range(2 * c, 2 * c + 8):
                    within += blocks[i, j, 1]
            _give(known, r, c, 4, _normal(64 * coarse / 13 / (within / 960), 13, 960))


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _structure(means: Array) -> tuple[float, float]:
    """Of 4 × 4 means: the squares about their plane (13 degrees of freedom), and those of the plane."""
    total = squares = along_x = along_y = 0.0
    offset = means[0, 0]
    for i in range(4):
        for j in range(4):
            value = means[i, j] - offset
            total += value
            squares += value * value
            along_x += value * (j - 1.5)
            along_y += value * (i - 1.5)
    plane = (along_x * along_x + along_y * along_y) / 20
    return squares - total * total / 16 - plane, plane


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _normal(ratio: float, n_above: int, n_below: int) -> float:
    """A ratio of mean squares as a standard normal number (Paulson 1942, doi:10.1214/aoms/1177731605)."""
    root = max(ratio, 0.0) ** (1 / 3)
    above, below = 2 / (9 * n_above), 2 / (9 * n_below)
    return ((1 - below) * root - (1 - above)) / np.sqrt(above + root * root * below)


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _give(known: FloatArray, r: int, c: int, size: int, score: float) -> None:
    which = 2 if size == 2 else 3
    for i in range(r, r + size):
        for j in range(c, c + size):
            if score < known[i, j, which]:
                known[i, j, which] = score
