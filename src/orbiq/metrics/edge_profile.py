"""What lies on either side of an edge, compiled: its profile, two plateaus and nothing else."""

from math import ceil, cos, floor, hypot, sin, sqrt
from typing import Any

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.metrics.edge_compiled import compiled
from orbiq.metrics.edge_seed import span

REACH = 14  # pixels that are looked at on either side of an edge
BINS = 2 * REACH + 1
_LEAST_SNR = 6.0
_PLATEAU = 4  # pixels beyond the beginning of a plateau that are used at most
_MOST_LOPSIDED = 0.04  # of the step


@compiled
def profiled(
    values: FloatArray, valid: BoolArray, row: int, col: int, length: int, place: FloatArray, bins: FloatArray
) -> None:
    """Means, squares about them and counts by distance from the edge into `bins` (4, n); the last row is 1 where cut
    off.
    """
    bins[:] = 0
    c, s = cos(place[2]), sin(place[2])
    reach = ceil(hypot(length + 0.5, REACH + 0.5)) + 2
    pivot = values[row, col]
    for dr in range(-reach, reach + 1):
        y = dr - place[0]
        first, last = span(y, c, s, REACH + 0.51, length + 0.51)
        for dc in range(max(-reach, ceil(first + place[1])), min(reach, floor(last + place[1])) + 1):
            x = dc - place[1]
            u, v = x * c + y * s, y * c - x * s
            k = floor(u + REACH + 0.5)
            if abs(v) > length + 0.5 or k < 0 or k >= BINS:
                continue
            i, j = row + dr, col + dc
            if i < 0 or j < 0 or i >= values.shape[0] or j >= values.shape[1] or not valid[i, j]:
                bins[3, k] = 1
                continue
            value = values[i, j] - pivot
            bins[0, k] += value
            bins[1, k] += value * value
            bins[2, k] += 1
    for k in range(BINS):
        if bins[2, k] > 0:
            bins[0, k] /= bins[2, k]
            bins[1, k] = max(bins[1, k] - bins[2, k] * bins[0, k] ** 2, 0.0)


@compiled
def _crossing(bins: FloatArray, level: float, way: int) -> float:
    """Where the profile first rises through a level, walking `way` (+1 towards the light) from beyond the middle."""
    start = REACH - way
    for m in range(start, start + way * (REACH - 1), way):
        here, there = bins[0, m] - level, bins[0, m + way] - level
        if here * way <= 0 < there * way:
            return float(m + way * (here / (here - there)) - REACH)
    return np.nan


@compiled
def _plateau(bins: FloatArray, side: int, start: int, step: float) -> tuple[int, float, float]:
    """(how far the plateau on a side reaches, its level, its variance); reach 0 where it has none of three bins."""
    count, mean, squares = 0.0, 0.0, 0.0
    for k in range(start, start + 3):
        m = REACH + side * k
        if bins[3, m] > 0 or bins[2, m] == 0:
            return 0, 0.0, 0.0
        count += bins[2, m]
        mean += bins[0, m] * bins[2, m]
        squares += bins[1, m]
    mean /= count
    variance = squares / (count - 3)
    last = start - 1
    for k in range(start, REACH + 1):
        m = REACH + side * k
        if bins[3, m] > 0 or bins[2, m] == 0:
            break
        if abs(bins[0, m] - mean) > max(0.03 * step, 3.5 * sqrt(variance / bins[2, m])):
            break
        last = k
    return (last if last >= start + 2 else 0), mean, variance


@compiled
def _first_levels(bins: FloatArray) -> tuple[int, float, float, float]:
    """(first bin of the plateaus, dark level, bright level, width), by turns; first bin 0 where there is no step."""
    start, low, high, sigma = 4, 0.0, 0.0, 0.0
    for _ in range(3):
        if start + 2 > REACH:
            return 0, 0.0, 0.0, 0.0
        low, high = 0.0, 0.0
        for k in range(start, start + 3):
            if bins[2, REACH - k] == 0 or bins[2, REACH + k] == 0:
                return 0, 0.0, 0.0, 0.0
            low += bins[0, REACH - k] / 3
            high += bins[0, REACH + k] / 3
        quarter = (high - low) / 4
        sigma = (_crossing(bins, high - quarter, 1) - _crossing(bins, low + quarter, -1)) / 1.349
        if not (quarter > 0 and sigma > 0):
            return 0, 0.0, 0.0, 0.0
        before, start = start, max(3, ceil(3 * sigma + 0.2))
        if start <= before:
            break
    return start, low, high, sigma


@compiled
def _lopsided(bins: FloatArray, start: int, low: float, high: float, noise: float) -> bool:
    """Whether the profile is not its own mirror image: a dark line or a shadow lies beside the edge."""
    middle = (_crossing(bins, (low + high) / 2, 1) + _crossing(bins, (low + high) / 2, -1)) / 2
    if not abs(middle) < 1.5:
        return True
    for k in range(1, start + 1):
        there, here = middle + k + REACH, middle - k + REACH
        m, n = floor(there), floor(here)
        lit = bins[0, m] + (bins[0, m + 1] - bins[0, m]) * (there - m)
        dark = bins[0, n] + (bins[0, n + 1] - bins[0, n]) * (here - n)
        limit = _MOST_LOPSIDED * (high - low) + 3.5 * noise / sqrt(max(bins[2, m], 1.0))
        if abs(high - lit - (dark - low)) > limit:
            return True
    return False


@compiled
def clipped(
    values: FloatArray, row: int, col: int, place: FloatArray, out: Any, spread: FloatArray, ceiling: float
) -> bool:
    """Whether a plateau lies at the end of the scale: values pile up there while the other side shows noise."""
    c, s, reach = cos(place[2]), sin(place[2]), ceil(hypot(out.half, out.length)) + 1
    low, high = np.inf, -np.inf
    counts = np.zeros(5)
    for dr in range(max(-reach, -row), min(reach + 1, values.shape[0] - row)):
        y = dr - place[0]
        first, last = span(y, c, s, out.half + 0.01, out.length + 0.01)
        for dc in range(
            max(-reach, -col, ceil(first + place[1])),
            min(reach + 1, values.shape[1] - col, floor(last + place[1]) + 1),
        ):
            x = dc - place[1]
            u, v = x * c + y * s, y * c - x * s
            if abs(u) > out.half or abs(v) > out.length:
                continue
            value = values[row + dr, col + dc]
            if value < low:
                low, counts[0] = value, 0
            if value > high:
                high, counts[1] = value, 0
            counts[0] += value == low
            counts[1] += value == high
            counts[2] += value >= ceiling
            counts[3] += u < 0
            counts[4] += u > 0
    dark, lit = spread
    least = (0.002 * out.contrast) ** 2
    if dark > least and (counts[2] > 0.02 * counts[4] or (counts[1] > 0.2 * counts[4] and lit < dark / 4)):
        return True
    return bool(lit > least and counts[0] > 0.2 * counts[3] and dark < lit / 4)


@compiled
def surveyed(bins: FloatArray, spread: FloatArray, out: Any) -> bool:
    """Whether there are plateaus on both sides and one step between; what they are goes into the place `out`, their
    variances into `spread` (2,).
    """
    start, low, high, sigma = _first_levels(bins)
    if start == 0:
        return False
    left, low, dark = _plateau(bins, -1, start, high - low)
    right, high, lit = _plateau(bins, 1, start, high - low)
    if left == 0 or right == 0:
        return False
    out.half = min(left, right, start + _PLATEAU)
    out.contrast, out.sigma, out.noise = high - low, sigma, sqrt((dark + lit) / 2)
    spread[0], spread[1] = dark, lit
    if out.noise * _LEAST_SNR > out.contrast or _lopsided(bins, start, low, high, out.noise):
        return False
    out.doubt = out.noise / (out.contrast * sqrt(2 * out.length + 1))
    return True
