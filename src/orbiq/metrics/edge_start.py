"""Where an edge lies, roughly, compiled: pixels of a window in the frame of a line, and the line that splits them
best.
"""

from math import atan, cos, isfinite, pi, sin

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.metrics.edge_compiled import compiled
from orbiq.metrics.edge_fit import (
    BEND,
    LEVEL,
    LIGHT_U,
    LIGHT_V,
    N_PARAMETERS,
    OFFSET,
    SHAPE,
    STEP,
    STEP_U,
    STEP_V,
    TILT,
)
from orbiq.metrics.edge_shape import RATIO, SIGMA

ROW, COL, NORMAL = range(3)  # a frame: its origin, and the direction of u in radians from +col towards +row
_MOST = 700  # pixels that the search for a line looks at
_LEAST_SHARE = 0.04  # of the pixels on either side of a line, so that a lit corner is no edge


@compiled
def gathered(
    image: Array, valid: BoolArray, window: Array, frame: FloatArray, half: FloatArray
) -> tuple[FloatArray, Array]:
    """(pixels (n, 3): u, v, value; their flat places in the window): finite, valid, |u| ≤ half[0], |v| ≤ half[1]."""
    top, left, rows, cols = window
    pixels, places = np.empty((rows * cols, 3)), np.empty(rows * cols, np.int64)
    c, s, n = cos(frame[NORMAL]), sin(frame[NORMAL]), 0
    for i in range(rows):
        for j in range(cols):
            value = float(image[top + i, left + j])
            if not (valid[top + i, left + j] and isfinite(value)):
                continue
            y, x = top + i - frame[ROW], left + j - frame[COL]
            u, v = x * c + y * s, y * c - x * s
            if abs(u) <= half[0] and abs(v) <= half[1]:
                pixels[n, 0], pixels[n, 1], pixels[n, 2] = u, v, value
                places[n] = i * cols + j
                n += 1
    return pixels[:n], places[:n]


@compiled
def _split(pixels: FloatArray, stride: int, angle: float, bins: FloatArray) -> tuple[float, float]:
    """(squares between the two sides, offset) of the best line whose normal has this angle."""
    half = bins.shape[0] // 2
    bins[:] = 0
    c, s = cos(angle), sin(angle)
    for n in range(0, pixels.shape[0], stride):
        k = int(pixels[n, 0] * c + pixels[n, 1] * s + half)
        bins[k, 0] += 1
        bins[k, 1] += min(max(pixels[n, 2], -0.5), 1.5)
    count, total = bins[:, 0].sum(), bins[:, 1].sum()
    best, offset, before, lit = 0.0, 0.0, 0.0, 0.0
    for k in range(bins.shape[0] - 1):
        before += bins[k, 0]
        lit += bins[k, 1]
        if min(before, count - before) < max(_LEAST_SHARE * count, 1):
            continue
        excess = lit - before * total / count
        square = excess * excess * count / (before * (count - before))
        if square > best:
            best, offset = square, float(k + 1 - half)
    return best, offset


@compiled
def best_line(pixels: FloatArray) -> tuple[float, float]:
    """(angle of the normal in the pixels' frame, offset along it) of the line with the most squares between its sides.

    Every 7.5° first, then in steps of 2.5° and 0.8° about the best.
    """
    reach = 0.0
    for n in range(pixels.shape[0]):
        reach = max(reach, abs(pixels[n, 0]) + abs(pixels[n, 1]))
    bins = np.empty((2 * int(reach) + 6, 2))
    stride = max(pixels.shape[0] // _MOST, 1)
    best, angle, offset = -1.0, 0.0, 0.0
    for step, number in ((7.5, 24), (2.5, 2), (0.8, 2)):
        first = angle - (number // 2 if number < 24 else 0) * step * pi / 180
        for k in range(number if number == 24 else 2 * (number // 2) + 1):
            trial = first + k * step * pi / 180
            square, place = _split(pixels, stride, trial, bins)
            if square > best:
                best, angle, offset = square, trial, place
    return angle, offset


@compiled
def framed(pixels: FloatArray, frame: FloatArray, at: tuple[float, float], turn: float) -> None:
    """Moves the frame's origin to `at` (u, v), turns it by `turn` from u towards v, and the pixels with it, in
    place.
    """
    c, s = cos(turn), sin(turn)
    n_c, n_s = cos(frame[NORMAL]), sin(frame[NORMAL])
    frame[COL] += at[0] * n_c - at[1] * n_s
    frame[ROW] += at[0] * n_s + at[1] * n_c
    frame[NORMAL] += turn
    for n in range(pixels.shape[0]):
        u, v = pixels[n, 0] - at[0], pixels[n, 1] - at[1]
        pixels[n, 0], pixels[n, 1] = u * c + v * s, v * c - u * s


@compiled
def on_edge(pixels: FloatArray, frame: FloatArray, p: FloatArray) -> float:
    """Puts the frame's origin on the middle of the fitted edge, u along its normal there; returns the edge's length."""
    low, high = np.inf, -np.inf
    for n in range(pixels.shape[0]):
        v = pixels[n, 1]
        if abs(pixels[n, 0] - p[OFFSET] - (p[TILT] + p[BEND] * v) * v) <= 1:
            low, high = min(low, v), max(high, v)
    if low > high:
        return 0.0
    v = (low + high) / 2
    at = (p[OFFSET] + (p[TILT] + p[BEND] * v) * v, v)
    turn = -atan(p[TILT] + 2 * p[BEND] * v)
    framed(pixels, frame, at, turn)
    p[OFFSET], p[TILT], p[BEND] = 0.0, 0.0, p[BEND] * cos(turn) ** 3
    c, s = cos(turn), sin(turn)
    for level, by_u, by_v in ((LEVEL, LIGHT_U, LIGHT_V), (STEP, STEP_U, STEP_V)):
        p[level] += p[by_u] * at[0] + p[by_v] * at[1]
        p[by_u], p[by_v] = p[by_u] * c + p[by_v] * s, p[by_v] * c - p[by_u] * s
    return high - low + 1


@compiled
def scaled(pixels: FloatArray) -> tuple[float, float, float]:
    """(lowest value, range, step between whole numbers) of the values, scaled so that limits mean the same anywhere.

    The range is that of all but the wildest 1 %, and becomes 0 to 1. The step, on that scale, is the largest number
    that divides all differences; 0 where the values are not whole.
    """
    sample = np.sort(pixels[:: max(pixels.shape[0] // 400, 1), 2])
    low, high = sample[sample.size // 100], sample[-1 - sample.size // 100]
    if not high > low:
        low, high = pixels[:, 2].min(), pixels[:, 2].max()
    quantum = 0.0
    for n in range(pixels.shape[0]):
        value = abs(pixels[n, 2] - low)
        if value != np.floor(value) or value > 2.0**53:
            quantum = 0.0
            break
        while value > 0:
            quantum, value = value, quantum % value
    if high > low:
        pixels[:, 2] = (pixels[:, 2] - low) / (high - low)
    return low, high - low, quantum / (high - low)


@compiled
def flat_pixels(pixels: FloatArray, places: Array, cols: int, size: int) -> BoolArray:
    """Pixels whose neighbours to all four sides, as far as there are any, have the very same value."""
    field, flat = np.full(size + cols, np.nan), np.ones(places.size, np.bool_)
    for n in range(places.size):
        field[places[n]] = pixels[n, 2]
    for n in range(places.size):
        k = places[n]
        beside = ((k - 1, k % cols > 0), (k + 1, k % cols < cols - 1), (k - cols, k >= cols), (k + cols, True))
        for there, inside in beside:
            if inside and not np.isnan(field[there]) and field[there] != field[k]:
                flat[n] = False
    return flat


@compiled
def first_guess(pixels: FloatArray, frame: FloatArray, search: bool) -> FloatArray:
    """Turns the frame onto the best line (as it stands without `search`), u rising in light; the parameters there."""
    if search:
        angle, offset = best_line(pixels)
        framed(pixels, frame, (offset * cos(angle), offset * sin(angle)), angle)
    sums = np.zeros((2, 2))
    for n in range(pixels.shape[0]):
        side = 1 if pixels[n, 0] > 0 else 0
        sums[side, 0] += 1
        sums[side, 1] += min(max(pixels[n, 2], -0.5), 1.5)  # a wild pixel must not decide
    dark, lit = sums[0, 1] / max(sums[0, 0], 1), sums[1, 1] / max(sums[1, 0], 1)
    if dark > lit:
        framed(pixels, frame, (0.0, 0.0), pi)
        dark, lit = lit, dark
    p = np.zeros(N_PARAMETERS)
    p[SHAPE + SIGMA], p[SHAPE + RATIO] = 1.2, 2.0
    p[LEVEL], p[STEP] = dark, lit - dark
    return p
