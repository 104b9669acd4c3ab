"""Whether a pixel lies on a straight edge, and where exactly, compiled: from the slopes about it.

Everything about a seed is computed in coordinates relative to it and from its neighbourhood alone, so that it is the
same, to the last digit, in whichever tile the seed lies. Directions are of the normal, from dark to bright, in radians
from +col towards +row; u runs along it, v along the edge (u = col·cos + row·sin, v = row·cos − col·sin).
"""

from math import atan, atan2, ceil, cos, floor, hypot, pi, sin, sqrt

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.metrics.edge_compiled import compiled

RADIUS = 3  # of the gradient's filter, a Gaussian of 1 pixel and its derivative
_SMOOTH = (0.39905028, 0.24203623, 0.05400558, 0.00443305)  # Gaussian of 1 pixel at 0, 1, 2, 3; sum 1
_SLOPE = (0.24203623, 0.10801116, 0.01329914)  # minus its derivative at 1, 2, 3
_DISC = 5.5
_LEAST_COHERENCE = 0.8
_LEAST_ONE_SIDED = 0.8
_NEAR = 4.5  # pixels to either side of an edge in which its slopes are found
_MOST_CROOKED = 0.6
_LEAST_SLANT = (
    0.45  # pixels by which an edge leaves the grid's axis over its length, so that it is seen at several phases
)


@compiled
def gradients(values: FloatArray, gx: FloatArray, gy: FloatArray) -> None:
    """Slopes along cols and rows into `gx` and `gy` (rows, cols), zero within RADIUS of the border."""
    rows, cols = values.shape
    gx[:], gy[:] = 0, 0
    smooth, slope = np.empty(cols), np.empty(cols)
    a, b, c, d = _SMOOTH
    e, f, g = _SLOPE
    for r in range(RADIUS, rows - RADIUS):
        u3, u2, u1, m = values[r - 3], values[r - 2], values[r - 1], values[r]
        l1, l2, l3 = values[r + 1], values[r + 2], values[r + 3]
        for k in range(cols):
            smooth[k] = a * m[k] + b * (u1[k] + l1[k]) + c * (u2[k] + l2[k]) + d * (u3[k] + l3[k])
            slope[k] = e * (l1[k] - u1[k]) + f * (l2[k] - u2[k]) + g * (l3[k] - u3[k])
        for k in range(RADIUS, cols - RADIUS):
            gx[r, k] = (
                e * (smooth[k + 1] - smooth[k - 1])
                + f * (smooth[k + 2] - smooth[k - 2])
                + g * (smooth[k + 3] - smooth[k - 3])
            )
            gy[r, k] = (
                a * slope[k]
                + b * (slope[k - 1] + slope[k + 1])
                + c * (slope[k - 2] + slope[k + 2])
                + d * (slope[k - 3] + slope[k + 3])
            )


@compiled
def direction(gx: FloatArray, gy: FloatArray, clear: BoolArray, row: int, col: int) -> tuple[bool, float]:
    """(whether slopes about the seed share one direction and sign, that direction), by the structure tensor."""
    n = int(_DISC)
    xx, yy, xy, x, y, size = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for r in range(max(row - n, 0), min(row + n + 1, gx.shape[0])):
        for c in range(max(col - n, 0), min(col + n + 1, gx.shape[1])):
            if (r - row) ** 2 + (c - col) ** 2 > _DISC * _DISC or not clear[r, c]:
                continue
            a, b = gx[r, c], gy[r, c]
            xx += a * a
            yy += b * b
            xy += a * b
            x += a
            y += b
            size += sqrt(a * a + b * b)
    if hypot(xx - yy, 2 * xy) < _LEAST_COHERENCE * (xx + yy):
        return False, 0.0
    angle = atan2(2 * xy, xx - yy) / 2
    along = x * cos(angle) + y * sin(angle)
    if abs(along) < _LEAST_ONE_SIDED * size:
        return False, 0.0
    return True, angle if along > 0 else angle + pi


@compiled
def span(y: float, c: float, s: float, across: float, along: float) -> tuple[float, float]:
    """The x of a row between which |x·c + y·s| ≤ across and |y·c − x·s| ≤ along; nothing where the first is larger."""
    low, high = -np.inf, np.inf
    if abs(c) > 1e-9:
        low, high = (-across * np.sign(c) - y * s) / c, (across * np.sign(c) - y * s) / c
    if abs(s) > 1e-9:
        low = max(low, (y * c - along * np.sign(s)) / s)
        high = min(high, (y * c + along * np.sign(s)) / s)
    return low, high


@compiled
def _sliced(
    gx: FloatArray,
    gy: FloatArray,
    clear: BoolArray,
    seed: tuple[int, int],
    place: FloatArray,
    total: FloatArray,
    moment: FloatArray,
) -> bool:
    """Slope across a line and its moment about it, pixel by pixel along it; False where there are not all pixels."""
    total[:], moment[:] = 0, 0
    length = total.size // 2
    c, s, reach = cos(place[2]), sin(place[2]), ceil(hypot(length, _NEAR)) + 2
    for dr in range(-reach, reach + 1):
        y = dr - place[0]
        low, high = span(y, c, s, _NEAR + 0.01, length + 0.51)
        for dc in range(max(-reach, ceil(low + place[1])), min(reach, floor(high + place[1])) + 1):
            x = dc - place[1]
            u, v = x * c + y * s, y * c - x * s
            k = floor(v + length + 0.5)
            if abs(u) > _NEAR or k < 0 or k >= total.size:
                continue
            i, j = seed[0] + dr, seed[1] + dc
            if i < 0 or j < 0 or i >= gx.shape[0] or j >= gx.shape[1] or not clear[i, j]:
                return False
            slope = gx[i, j] * c + gy[i, j] * s
            total[k] += slope
            moment[k] += slope * u
    return True


@compiled
def straightened(
    gx: FloatArray, gy: FloatArray, clear: BoolArray, row: int, col: int, length: int, place: FloatArray
) -> bool:
    """Moves `place` (drow, dcol, direction) onto the line of steepest slope; False where that is broken or crooked."""
    n = 2 * length + 1
    total, moment = np.empty(n), np.empty(n)
    if not _sliced(gx, gy, clear, (row, col), place, total, moment):
        return False
    mean = total.mean()
    for k in range(n):
        if total[k] < 0.5 * mean or total[k] > 1.7 * mean:
            return False
        moment[k] /= total[k]
    middle, tilt, square = moment.mean(), 0.0, 0.0
    for k in range(n):
        tilt += moment[k] * (k - length)
        square += (k - length) ** 2
    tilt /= square
    for k in range(n):
        if abs(moment[k] - middle - tilt * (k - length)) > _MOST_CROOKED:
            return False
    place[0] += middle * sin(place[2])
    place[1] += middle * cos(place[2])
    place[2] -= atan(tilt)
    return True


@compiled
def slanted(normal: float, length: float) -> bool:
    """Whether an edge of `length` on either side is seen at enough phases of the pixel grid."""
    return (2 * length + 1) * min(abs(cos(normal)), abs(sin(normal))) > _LEAST_SLANT
