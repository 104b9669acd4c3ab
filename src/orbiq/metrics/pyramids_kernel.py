"""Levels of pyramids, compiled. Imported on use, because numba takes a moment.

Planes are float64 (rows, cols), contiguous, at least 3 × 3 (`halve`: any). They are worked on a row at a time, so that
what is used again stays in the cache.
"""

import numpy as np
from numba import njit

from orbiq.arrays import FloatArray

_compiled = njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def halve(plane: FloatArray, out: FloatArray) -> None:
    """Means of 2 × 2 pixels into `out`; what lacks at an odd end repeats the last row or col."""
    rows, cols = plane.shape
    for r in range(out.shape[0]):
        upper, lower = plane[2 * r], plane[min(2 * r + 1, rows - 1)]
        row = out[r]
        for c in range(cols // 2):
            row[c] = (upper[2 * c] + lower[2 * c] + upper[2 * c + 1] + lower[2 * c + 1]) / 4
        if cols % 2:
            row[cols // 2] = (upper[cols - 1] + lower[cols - 1]) / 2


@_compiled  # type: ignore[untyped-decorator]
def reduce(plane: FloatArray) -> FloatArray:
    """Every second pixel of (1, 4, 6, 4, 1)/16 along rows and cols; mirrored about the outermost pixels."""
    rows, cols = plane.shape
    out = np.empty(((rows + 1) // 2, (cols + 1) // 2))
    tmp = np.empty(cols + 4)
    for r in range(out.shape[0]):
        a, b = plane[_mirrored(2 * r - 2, rows)], plane[_mirrored(2 * r - 1, rows)]
        d, e = plane[_mirrored(2 * r + 1, rows)], plane[_mirrored(2 * r + 2, rows)]
        c, down, row = plane[2 * r], tmp[2:], out[r]
        for k in range(cols):
            down[k] = (a[k] + e[k]) / 16 + (b[k] + d[k]) / 4 + c[k] * 0.375
        for k in (-2, -1, cols, cols + 1):
            tmp[k + 2] = down[_mirrored(k, cols)]
        for k in range(row.size):
            m = 2 * k
            row[k] = (tmp[m] + tmp[m + 4]) / 16 + (tmp[m + 1] + tmp[m + 3]) / 4 + tmp[m + 2] * 0.375
    return out


@_compiled  # type: ignore[untyped-decorator]
def differences(plane: FloatArray, smaller: FloatArray) -> FloatArray:
    """What is left of `plane` without `smaller` enlarged to it: zeros between pixels, (1, 4, 6, 4, 1)/8 along both."""
    rows, cols = plane.shape
    out = np.empty((rows, cols))
    tmp, wide = np.empty(smaller.shape[1]), np.empty(cols)
    for r in range(rows):
        middle, below = smaller[r // 2], smaller[_mirrored(r // 2 * 2 + 2, rows) // 2]
        if r % 2:
            for k in range(tmp.size):
                tmp[k] = (middle[k] + below[k]) / 2
        else:
            above = smaller[_mirrored(r - 2, rows) // 2]
            for k in range(tmp.size):
                tmp[k] = (above[k] + below[k]) / 8 + middle[k] * 0.75
        _enlarge(tmp, wide)
        source, row = plane[r], out[r]
        for k in range(cols):
            row[k] = source[k] - wide[k]
    return out


@_compiled  # type: ignore[untyped-decorator]
def _enlarge(small: FloatArray, out: FloatArray) -> None:
    cols, n = out.size, small.size
    for k in range(1, n - 1):
        out[2 * k] = (small[k - 1] + small[k + 1]) / 8 + small[k] * 0.75
        out[2 * k + 1] = (small[k] + small[k + 1]) / 2
    for c in (0, 1, 2 * n - 2, 2 * n - 1):
        if c < cols:
            k = c // 2
            after = small[_mirrored(2 * k + 2, cols) // 2]
            if c % 2:
                out[c] = (small[k] + after) / 2
            else:
                out[c] = (small[_mirrored(2 * k - 2, cols) // 2] + after) / 8 + small[k] * 0.75


@_compiled  # type: ignore[untyped-decorator]
def _mirrored(k: int, size: int) -> int:
    """The pixel that stands for `k`, at most 2 outside."""
    if k < 0:
        k = -k
    return k if k < size else 2 * (size - 1) - k
