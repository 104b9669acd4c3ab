"""The loops of `orbiq.metrics.window_moments`, compiled: the windows of each row first, then columns of those.

Values are taken relative to the window's own first one: differences of equal values are exactly 0, no offset is ever
squared or rounds anything, and a result depends on its window alone, so that tiles give what the whole image gives.
Each inner loop has few arrays, because a compiler must know that they do not overlap before it vectorises.
"""

from typing import Any

import numpy as np
from numba import njit

from orbiq.arrays import FloatArray

_FAST: dict[str, Any] = {"nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}


@njit(cache=True, **_FAST)  # type: ignore[untyped-decorator]  # numba has no types
def window_moments(first: FloatArray, second: FloatArray, window: int) -> FloatArray:
    """(rows, 5, cols) of window positions: means of both images, their Σ(x − mean)², and Σ(x − mean)·(y − mean)."""
    rows, cols = first.shape[0] - window + 1, first.shape[1] - window + 1
    out = np.empty((rows, 5, cols))
    ring = np.empty((window, 7, cols))
    steps = np.empty((2, cols))
    for row in range(first.shape[0]):
        _windows_of_a_row(first[row], second[row], window, ring[row % window], steps)
        if row >= window - 1:
            _windows_of_rows(ring, (row + 1) % window, out[row - window + 1], steps)
    return out


@njit(cache=True, **_FAST)  # type: ignore[untyped-decorator]
def _windows_of_a_row(x: FloatArray, y: FloatArray, window: int, out: FloatArray, steps: FloatArray) -> None:
    """Into `out` (7, positions): the five moments, the means relative to the first values, and these."""
    cols = out.shape[1]
    dx, dy = steps[0], steps[1]
    for c in range(cols):
        out[5, c] = x[c]
    for c in range(cols):
        out[6, c] = y[c]
    _clear(out)
    for k in range(1, window):
        for c in range(cols):
            dx[c] = x[c + k] - x[c]
        for c in range(cols):
            dy[c] = y[c + k] - y[c]
        _gather(dx, dy, out)
    _settle(out, 1.0 / window)


@njit(cache=True, **_FAST)  # type: ignore[untyped-decorator]
def _windows_of_rows(ring: FloatArray, start: int, out: FloatArray, steps: FloatArray) -> None:
    """From the windows of rows, which the ring holds from `start` on; each row's spread is about its own mean."""
    window, first, cols = ring.shape[0], ring[start], out.shape[1]
    dx, dy = steps[0], steps[1]
    _clear(out)
    for k in range(1, window):
        row = ring[(start + k) % window]
        for c in range(cols):
            dx[c] = row[5, c] - first[5, c] + (row[0, c] - first[0, c])
        for c in range(cols):
            dy[c] = row[6, c] - first[6, c] + (row[1, c] - first[1, c])
        _gather(dx, dy, out)
    _settle(out, 1.0 / window)
    for q in range(2):
        for c in range(cols):
            out[q, c] += first[q, c] + first[q + 5, c]
    for q in range(2, 5):
        for c in range(cols):
            out[q, c] *= window
        for k in range(window):
            for c in range(cols):
                out[q, c] += ring[(start + k) % window, q, c]


@njit(cache=True, **_FAST)  # type: ignore[untyped-decorator]
def _clear(out: FloatArray) -> None:
    for q in range(5):
        for c in range(out.shape[1]):
            out[q, c] = 0.0


@njit(cache=True, **_FAST)  # type: ignore[untyped-decorator]
def _gather(dx: FloatArray, dy: FloatArray, out: FloatArray) -> None:
    sum_x, sum_y, square_x, square_y, product = out[0], out[1], out[2], out[3], out[4]
    for c in range(dx.size):
        sum_x[c] += dx[c]
    for c in range(dx.size):
        sum_y[c] += dy[c]
    for c in range(dx.size):
        square_x[c] += dx[c] * dx[c]
    for c in range(dx.size):
        square_y[c] += dy[c] * dy[c]
    for c in range(dx.size):
        product[c] += dx[c] * dy[c]


@njit(cache=True, **_FAST)  # type: ignore[untyped-decorator]
def _settle(out: FloatArray, share: float) -> None:
    """Sums of differences become means, and their squares and products those about the means."""
    for c in range(out.shape[1]):
        out[2, c] -= out[0, c] * out[0, c] * share
        out[3, c] -= out[1, c] * out[1, c] * share
        out[4, c] -= out[0, c] * out[1, c] * share
        out[0, c] *= share
        out[1, c] *= share
