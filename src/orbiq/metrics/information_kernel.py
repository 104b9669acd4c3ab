"""How much information a place of an image holds, after Wang & Li, compiled.

Imported on use, because numba takes a moment. Planes are float64 (rows, cols), contiguous, no NaN: a level of the
pyramids of reference and image.
"""

from math import log2

import numpy as np
from numba import njit

from orbiq.arrays import BoolArray, FloatArray

_TINY = 1e-15
_compiled = njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def neighbour_products(x: FloatArray, parents: FloatArray | None, valid: BoolArray | None) -> FloatArray:
    """(11, 11): sums of u·uᵀ over the inner pixels of `x`, for u the 3 × 3 pixels, row by row, the parent, and 1.

    `parents` and `valid` are (rows − 2, cols − 2); without parents they are 0, and None is all valid.
    """
    total = np.zeros((11, 12))
    u = np.zeros(12)  # three vectors of four
    u[10] = 1.0
    for r in range(x.shape[0] - 2):
        part = np.zeros((11, 12))
        for c in range(x.shape[1] - 2):
            if valid is not None and not valid[r, c]:
                continue
            for j in range(9):
                u[j] = x[r + j // 3, c + j % 3]
            if parents is not None:
                u[9] = parents[r, c]
            for i in range(11):
                for j in range(12):
                    part[i, j] += u[i] * u[j]
        total += part
    return total[:, :11]


@_compiled  # type: ignore[untyped-decorator]
def information_weights(
    x: FloatArray, y: FloatArray, parent: FloatArray, whitening: FloatArray, powers: FloatArray, noise: float
) -> FloatArray:
    """(rows − 2, cols − 2): bits that reference and image share with what is seen of them, at each inner pixel.

    Σ over `powers` λ of log₂(1 + ((v + (1 + g²)·n)·s·λ + n·v) / n²), n = `noise`, the variance of what is seen. The
    image is g·x + noise of variance v within 3 × 3 pixels; s = |`whitening`·u|² / k for the k values u: the
    3 × 3 pixels of x, row by row, and `parent` (rows − 2, cols − 2) where k is 10. `whitening` is upper triangular.
    """
    rows, cols = x.shape[0] - 2, x.shape[1] - 2
    k = powers.size
    out = np.empty((rows, cols))
    white, length = np.empty(cols), np.empty(cols)
    stats = np.empty((5, cols))
    for r in range(rows):
        length[:] = 0.0
        for i in range(k):
            white[:] = 0.0
            for j in range(i, k):
                _add(white, whitening[i, j], parent[r] if j == 9 else x[r + j // 3, j % 3 : j % 3 + cols])
            _add_squares(length, white)
        _local_stats(x[r : r + 3], y[r : r + 3], stats)
        _bits(stats, length, powers, noise, out[r])
    return out


@_compiled  # type: ignore[untyped-decorator]
def _add(out: FloatArray, weight: float, values: FloatArray) -> None:
    for c in range(out.size):
        out[c] += weight * values[c]


@_compiled  # type: ignore[untyped-decorator]
def _add_squares(out: FloatArray, values: FloatArray) -> None:
    for c in range(out.size):
        out[c] += values[c] * values[c]


@_compiled  # type: ignore[untyped-decorator]
def _local_stats(x: FloatArray, y: FloatArray, stats: FloatArray) -> None:
    """Sums over 3 × 3 pixels of x, y, x², y², x·y, relative to the middle one: flat places give exactly 0."""
    cols = stats.shape[1]
    stats[:] = 0.0
    sx, sy, sxx, syy, sxy = stats[0], stats[1], stats[2], stats[3], stats[4]
    mid_x, mid_y = x[1, 1 : 1 + cols], y[1, 1 : 1 + cols]
    for j in range(9):
        row_x, row_y = x[j // 3, j % 3 : j % 3 + cols], y[j // 3, j % 3 : j % 3 + cols]
        for c in range(cols):
            a, b = row_x[c] - mid_x[c], row_y[c] - mid_y[c]
            sx[c] += a
            sy[c] += b
            sxx[c] += a * a
            syy[c] += b * b
            sxy[c] += a * b


@_compiled  # type: ignore[untyped-decorator]
def _bits(stats: FloatArray, length: FloatArray, powers: FloatArray, noise: float, out: FloatArray) -> None:
    for c in range(out.size):
        mean_x, mean_y = stats[0, c] / 9, stats[1, c] / 9
        var_x = max(stats[2, c] / 9 - mean_x * mean_x, 0.0)
        var_y = max(stats[3, c] / 9 - mean_y * mean_y, 0.0)
        cov = stats[4, c] / 9 - mean_x * mean_y
        gain = cov / (var_x + _TINY)
        rest = max(var_y - gain * cov, 0.0)
        if var_x < _TINY:
            gain, rest = 0.0, var_y
        if var_y < _TINY:
            gain, rest = 0.0, 0.0
        slope = (rest + (1 + gain * gain) * noise) * length[c] / powers.size / (noise * noise)
        start = 1 + rest / noise
        # the logarithm of a product of five at most, for ten could overflow
        bits, product = 0.0, 1.0
        for j in range(powers.size):
            product *= start + slope * powers[j]
            if j % 5 == 4 or j == powers.size - 1:
                bits += log2(product)
                product = 1.0
        out[c] = bits if bits >= _TINY else 0.0
