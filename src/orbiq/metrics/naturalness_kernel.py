"""Compiled loops of `naturalness` and `perceived_distortion`: imported on use, as numba takes its time."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numba import njit

from orbiq.arrays import FloatArray

_REACH = 3
_WEIGHTS = np.exp(-0.5 * (np.arange(_REACH + 1) / (7 / 6)) ** 2)
_WEIGHTS /= 2 * _WEIGHTS[1:].sum() + _WEIGHTS[0]
_W0, _W1, _W2, _W3 = (float(w) for w in _WEIGHTS)
_FLAT = 1e-4  # below it σ and x − μ are rounding, whose sign means nothing
# the cubic convolution kernel (a = -1/2) stretched by 2, at the distances 0.5, 1.5, 2.5 and 3.5 px
_H0, _H1, _H2, _H3 = 0.43359375, 0.11328125, -0.03515625, -0.01171875

F = TypeVar("F")
compiled: Callable[[F], F] = njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")


@compiled
def normalised(plane: FloatArray, values: FloatArray, deviations: FloatArray) -> None:
    """(x − μ) / (σ + 1), 0 where it is flat, and σ of `plane` (rows + 6, cols + 6) into arrays (rows, cols)."""
    rows, cols = values.shape
    wide = cols + 2 * _REACH
    means = np.empty(wide)
    squares = np.empty(wide)
    for r in range(rows):
        a, b, c, d = plane[r], plane[r + 1], plane[r + 2], plane[r + 3]
        e, f, g = plane[r + 4], plane[r + 5], plane[r + 6]
        for k in range(wide):
            means[k] = _W3 * (a[k] + g[k]) + _W2 * (b[k] + f[k]) + _W1 * (c[k] + e[k]) + _W0 * d[k]
            squares[k] = (
                _W3 * (a[k] * a[k] + g[k] * g[k])
                + _W2 * (b[k] * b[k] + f[k] * f[k])
                + _W1 * (c[k] * c[k] + e[k] * e[k])
                + _W0 * (d[k] * d[k])
            )
        out = values[r]
        spread = deviations[r]
        for k in range(cols):
            mean = (
                _W3 * (means[k] + means[k + 6])
                + _W2 * (means[k + 1] + means[k + 5])
                + _W1 * (means[k + 2] + means[k + 4])
                + _W0 * means[k + 3]
            )
            square = (
                _W3 * (squares[k] + squares[k + 6])
                + _W2 * (squares[k + 1] + squares[k + 5])
                + _W1 * (squares[k + 2] + squares[k + 4])
                + _W0 * squares[k + 3]
            )
            sigma = np.sqrt(abs(square - mean * mean))
            spread[k] = sigma
            out[k] = (d[k + _REACH] - mean) / (sigma + 1.0) if sigma > _FLAT else 0.0


@compiled
def halved(plane: FloatArray, half: FloatArray) -> None:
    """`plane` (2·rows + 6, 2·cols + 6), antialiased by the stretched cubic kernel, at half its size (rows, cols)."""
    rows, cols = half.shape
    wide = 2 * cols + 6
    line = np.empty(wide)
    for r in range(rows):
        a, b, c, d = plane[2 * r], plane[2 * r + 1], plane[2 * r + 2], plane[2 * r + 3]
        e, f, g, h = plane[2 * r + 4], plane[2 * r + 5], plane[2 * r + 6], plane[2 * r + 7]
        for k in range(wide):
            line[k] = _H3 * (a[k] + h[k]) + _H2 * (b[k] + g[k]) + _H1 * (c[k] + f[k]) + _H0 * (d[k] + e[k])
        out = half[r]
        for k in range(cols):
            j = 2 * k
            out[k] = (
                _H3 * (line[j] + line[j + 7])
                + _H2 * (line[j + 1] + line[j + 6])
                + _H1 * (line[j + 2] + line[j + 5])
                + _H0 * (line[j + 3] + line[j + 4])
            )


@compiled
def _multiply(kind: int, line: FloatArray, above: FloatArray, product: FloatArray) -> None:
    """A line (0) itself, or times the line shifted to the right (1), or that above it straight (2), or shifted to
    the right (3) or to the left (4); across the border comes the other side.
    """
    last = line.size - 1
    if kind == 0:
        product[:] = line
    elif kind == 1:
        product[0] = line[0] * line[last]
        product[1:] = line[1:] * line[:last]
    elif kind == 2:
        product[:] = line * above
    elif kind == 3:
        product[0] = line[0] * above[last]
        product[1:] = line[1:] * above[:last]
    else:
        product[:last] = line[:last] * above[1:]
        product[last] = line[last] * above[0]


@compiled
def moments(patch: FloatArray, out: FloatArray) -> None:
    """Of a patch and its four products with a neighbour, as `_multiply` has them, into `out` (5, 5): how many values
    are negative and the sum of their squares, the same of the positive ones, and the sum of absolute values.
    """
    rows, cols = patch.shape
    product = np.empty(cols)
    for kind in range(5):
        sums = np.zeros((5, cols))  # one for each column: such loops are vectorised
        n_low, low_squares, n_high, high_squares, sizes = sums[0], sums[1], sums[2], sums[3], sums[4]
        for r in range(rows):
            _multiply(kind, patch[r], patch[r - 1], product)
            for k in range(cols):
                low, high = min(product[k], 0.0), max(product[k], 0.0)
                n_low[k] += 1.0 if low < 0.0 else 0.0
                n_high[k] += 1.0 if high > 0.0 else 0.0
                low_squares[k] += low * low
                high_squares[k] += high * high
                sizes[k] += high - low
        for j in range(5):
            out[kind, j] = sums[j].sum()
