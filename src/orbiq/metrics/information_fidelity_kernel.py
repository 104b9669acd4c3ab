"""The loops of `information_fidelity`, compiled: from one scale to the next, and from moments to information."""

from math import log
from typing import Any

import numpy as np
from numba import njit

from orbiq.arrays import FloatArray

_FAST: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
_compiled = njit(fastmath={"contract"}, **_FAST)
_FACTORS = 8  # multiplied before a logarithm is taken; none reaches 2^100 for values below 10^12 times the peak


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def halved(plane: FloatArray, taps: FloatArray) -> FloatArray:
    """Every second whole window of an odd number of `taps`, weighted along rows and cols."""
    size = taps.size
    rows, cols = (plane.shape[0] - size) // 2 + 1, (plane.shape[1] - size) // 2 + 1
    out = np.zeros((rows, cols))
    line = np.empty(plane.shape[1] + 1)
    even, odd = np.empty(line.size // 2), np.empty(line.size // 2)
    for row in range(rows):
        line[:] = 0.0
        for k in range(size):
            _add(plane[2 * row + k], taps[k], line)
        _part(line, even, odd)
        for k in range(size):
            half = even[k // 2 : k // 2 + cols] if k % 2 == 0 else odd[k // 2 : k // 2 + cols]
            _add(half, taps[k], out[row])
    return out


@_compiled  # type: ignore[untyped-decorator]
def information(
    var_x: FloatArray, var_y: FloatArray, cov: FloatArray, noise: float, least: float
) -> tuple[float, float]:
    """Σ log(1 + g²·s / (v + noise)), what the image still tells, and Σ log(1 + s / noise), what the reference does.

    s is the reference's variance in a window; the image is g times the reference and noise of variance v. Variances
    below `least` are 0: such windows tell nothing.
    """
    rows, cols = cov.shape
    kept, whole = np.ones(cols), np.ones(cols)
    logs_kept, logs_whole = 0.0, 0.0
    for row in range(rows):
        _tell(var_x[row], var_y[row], cov[row], noise, least, kept, whole)
        if row % _FACTORS == _FACTORS - 1 or row == rows - 1:
            for c in range(cols):
                logs_kept += log(kept[c])
                logs_whole += log(whole[c])
            kept[:] = 1.0
            whole[:] = 1.0
    return logs_kept, logs_whole


@_compiled  # type: ignore[untyped-decorator]
def _tell(
    var_x: FloatArray,
    var_y: FloatArray,
    cov: FloatArray,
    noise: float,
    least: float,
    kept: FloatArray,
    whole: FloatArray,
) -> None:
    for c in range(cov.size):
        seen = var_x[c] >= least
        s = var_x[c] if seen else 1.0
        gain = cov[c] / s if seen and var_y[c] >= least and cov[c] > 0 else 0.0
        rest = max(var_y[c] - gain * cov[c], 0.0)
        kept[c] *= 1 + gain * gain * s / (rest + noise)
        whole[c] *= 1 + s / noise if seen else 1.0


@_compiled  # type: ignore[untyped-decorator]
def _part(line: FloatArray, even: FloatArray, odd: FloatArray) -> None:
    for c in range(even.size):
        even[c] = line[2 * c]
        odd[c] = line[2 * c + 1]


@_compiled  # type: ignore[untyped-decorator]
def _add(values: FloatArray, weight: float, out: FloatArray) -> None:
    for c in range(min(values.size, out.size)):
        out[c] += weight * values[c]
