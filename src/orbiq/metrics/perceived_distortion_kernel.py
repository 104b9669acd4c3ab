"""Compiled loops of `orbiq.metrics.perceived_distortion`: imported on use, as numba takes its time."""

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.metrics.naturalness_kernel import compiled

_SIDE = 16
_SEGMENT = 6
_THRESHOLD = 0.1


@compiled
def _variance(total: float, squared: float, count: int) -> float:
    return max(squared - total * total / count, 0.0) / (count - 1)


@compiled
def _smoothest(line: FloatArray) -> float:
    """The least variance of 6 neighbours."""
    least = np.inf
    for k in range(_SIDE - _SEGMENT + 1):
        total = 0.0
        for j in range(k, k + _SEGMENT):
            total += line[j]
        mean = total / _SEGMENT
        squared = 0.0
        for j in range(k, k + _SEGMENT):
            squared += (line[j] - mean) ** 2
        least = min(least, squared / (_SEGMENT - 1))
    return least


@compiled
def _is_smooth_edged(block: FloatArray) -> bool:
    rows = min(_smoothest(block[0]), _smoothest(block[_SIDE - 1]))
    cols = min(_smoothest(block[:, 0]), _smoothest(block[:, _SIDE - 1]))
    return min(rows, cols) < _THRESHOLD * _THRESHOLD


@compiled
def block_distortion(block: FloatArray) -> float:
    """(1 − variance) where a border is too smooth, plus the variance where it is noise; NaN where nothing happens."""
    totals = np.zeros(_SIDE)
    squares = np.zeros(_SIDE)
    for r in range(_SIDE):
        line = block[r]
        for k in range(_SIDE):
            totals[k] += line[k]
            squares[k] += line[k] * line[k]
    total, squared = totals.sum(), squares.sum()
    variance = _variance(total, squared, _SIDE * _SIDE)
    if not variance > _THRESHOLD:
        return np.nan
    distortion = 0.0
    if _is_smooth_edged(block):
        distortion += 1.0 - variance
    inner = _variance(totals[7] + totals[8], squares[7] + squares[8], 2 * _SIDE)
    # the authors' code leaves out the columns 7 and 9 (from 0), not 7 and 8; published scores hold that
    around = _variance(total - totals[7] - totals[9], squared - squares[7] - squares[9], _SIDE * (_SIDE - 2))
    sigma, ratio = np.sqrt(variance), np.sqrt(inner / around)
    if sigma > 2.0 * abs(sigma - ratio) / max(sigma, ratio):
        distortion += variance
    return distortion


@compiled
def distortions(values: FloatArray, valid: BoolArray, out: FloatArray) -> None:
    """`block_distortion` of every valid block of `values` (16·rows, 16·cols) into `out` (rows, cols)."""
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            if valid[r, c]:
                block = values[_SIDE * r : _SIDE * (r + 1), _SIDE * c : _SIDE * (c + 1)]
                out[r, c] = block_distortion(block)
