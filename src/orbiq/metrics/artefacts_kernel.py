"""Compiled loops of `orbiq.metrics.artefacts`: imported on use, as numba takes its time."""

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.metrics.naturalness_kernel import compiled

_EDGE_REACH = 6
_NEAR, _FAR, _LENGTH = 2, 9, 6


@compiled
def _slope(line: FloatArray, col: int) -> float:
    return float(line[col + 1] - line[col - 1]) / 2


@compiled
def _end(line: FloatArray, valid: BoolArray, col: int, side: int) -> int:
    """Where beside the edge at `col` the slope reverses, -1 where it does not within reach."""
    rising = _slope(line, col) > 0
    for k in range(1, _EDGE_REACH + 1):
        place = col + side * k
        if place < 1 or place > line.size - 2 or not valid[place]:
            return -1
        slope = _slope(line, place)
        if slope == 0 or (slope > 0) != rising:
            return place
    return -1


@compiled
def _is_free(line: FloatArray, valid: BoolArray, end: int, side: int, limit: float) -> bool:
    """Whether both zones lie in the image, are valid, and hold no strong edge."""
    last = end + side * (_FAR + _LENGTH)
    if last < 0 or last > line.size - 1 or not valid[end - side] or not valid[last]:
        return False
    for k in range(_FAR + _LENGTH):
        place = end + side * k
        if not valid[place] or (k > 0 and abs(_slope(line, place)) > limit):
            return False
    return True


@compiled
def _activity(line: FloatArray, end: int, side: int, first: int) -> float:
    total = 0.0
    for k in range(first, first + _LENGTH):
        place = end + side * k
        total += abs(line[place - 1] - 2 * line[place] + line[place + 1])
    return total


@compiled
def ripples(lines: FloatArray, mask: BoolArray, start: int, stop: int, limit: float, sums: FloatArray) -> None:
    """Add to `sums` √activity near strong edges, that far from them, and the number of sides.

    Edges lie in the cols `start` to `stop` of `lines`; their surroundings may lie outside.
    """
    for r in range(lines.shape[0]):
        line, valid = lines[r], mask[r]
        for col in range(max(start, 2), min(stop, line.size - 2)):
            steep = abs(_slope(line, col))
            if not steep > limit or steep < abs(_slope(line, col - 1)) or steep <= abs(_slope(line, col + 1)):
                continue
            if not valid[col - 2 : col + 3].all():
                continue
            for side in (-1, 1):
                end = _end(line, valid, col, side)
                if end >= 0 and _is_free(line, valid, end, side, limit):
                    sums[0] += np.sqrt(_activity(line, end, side, _NEAR))
                    sums[1] += np.sqrt(_activity(line, end, side, _FAR))
                    sums[2] += 1.0
