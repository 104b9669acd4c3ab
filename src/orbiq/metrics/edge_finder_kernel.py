"""Straight edges between two plateaus in an image, compiled: one seed a cell, the best of a block, their fits."""

from math import ceil, hypot
from typing import Any

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.metrics.edge_compiled import compiled
from orbiq.metrics.edge_kernel import NORMAL_WISE, measure_edge
from orbiq.metrics.edge_profile import BINS, clipped, profiled, surveyed
from orbiq.metrics.edge_seed import RADIUS, direction, slanted, straightened
from orbiq.metrics.edge_select import AUTO

CELL = 16  # rows and cols of a cell, counted from the image's first pixel
LENGTHS = (8, 5)  # pixels on either side along an edge: a shorter piece where a longer one is not straight
HALO = 20  # pixels about a seed on which everything about it depends
WINDOW = 2 * HALO + 1
_FAR = 3.0  # pixels that an edge's middle may lie from its seed
APART = 12.0  # pixels between the middles of two edges, at least
_LEAST_SLOPE = 0.25  # of the steepest of a cell
_BLURRED = 1.4  # times the width of the sharper ones of a block

PLACE = np.dtype(
    [
        ("row", np.int64),
        ("col", np.int64),
        ("drow", np.float64),
        ("dcol", np.float64),
        ("normal", np.float64),
        ("half", np.float64),
        ("length", np.float64),
        ("contrast", np.float64),
        ("noise", np.float64),
        ("sigma", np.float64),
        ("doubt", np.float64),
    ]
)
"""Where to fit: the seed's pixel and the edge's middle relative to it; direction of the normal; pixels to take on
either side and along; step, standard deviation of the plateaus and width as first seen; `doubt`, noise over step per
√pixel.
"""


@compiled
def _steepest(
    gx: FloatArray, gy: FloatArray, clear: BoolArray, part: tuple[int, int, int, int]
) -> tuple[int, int, float]:
    """The pixel of a part (top, left, bottom, right) with the largest slope, and its square, 0 where there is none."""
    best, row, col = 0.0, -1, -1
    for r in range(max(part[0], RADIUS), min(part[2], gx.shape[0] - RADIUS)):
        for c in range(max(part[1], RADIUS), min(part[3], gx.shape[1] - RADIUS)):
            square = gx[r, c] * gx[r, c] + gy[r, c] * gy[r, c]
            if square > best and clear[r, c]:
                best, row, col = square, r, c
    return row, col, best


@compiled
def _probed(
    values: FloatArray,
    valid: BoolArray,
    clear: BoolArray,
    gx: FloatArray,
    gy: FloatArray,
    seed: tuple[int, int],
    ceiling: float,
    out: Any,
) -> bool:
    """Whether a seed lies on a good edge, which then is written into `out`."""
    row, col = seed
    found, angle = direction(gx, gy, clear, row, col)
    if not found:
        return False
    place, bins, spread = np.zeros(3), np.empty((4, BINS)), np.empty(2)
    for length in LENGTHS:
        place[0], place[1], place[2] = 0.0, 0.0, angle
        out.length = length + 0.5
        straight = straightened(gx, gy, clear, row, col, length, place)
        straight = straight and straightened(gx, gy, clear, row, col, length, place)
        if not straight or max(abs(place[0]), abs(place[1])) > _FAR or not slanted(place[2], length):
            continue
        profiled(values, valid, row, col, length, place, bins)
        if not surveyed(bins, spread, out) or clipped(values, row, col, place, out, spread, ceiling):
            continue
        out.row, out.col, out.drow, out.dcol, out.normal = row, col, place[0], place[1], place[2]
        return True
    return False


@compiled
def _in_cell(
    values: FloatArray,
    valid: BoolArray,
    clear: BoolArray,
    gx: FloatArray,
    gy: FloatArray,
    cell: tuple[int, int, int, int],
    ceiling: float,
    out: Any,
) -> bool:
    """Whether one of the seeds of a cell's quarters lies on a good edge: the steepest is tried first."""
    rows, cols, steep = np.full(4, -1), np.full(4, -1), np.zeros(4)
    half = CELL // 2
    for k in range(4):
        top, left = cell[0] + half * (k // 2), cell[1] + half * (k % 2)
        quarter = (top, left, min(top + half, cell[2]), min(left + half, cell[3]))
        rows[k], cols[k], steep[k] = _steepest(gx, gy, clear, quarter)
    least = _LEAST_SLOPE**2 * steep.max()
    for _ in range(4):
        k = int(np.argmax(steep))
        if not steep[k] > least:
            return False
        if _probed(values, valid, clear, gx, gy, (rows[k], cols[k]), ceiling, out):
            return True
        steep[k] = 0.0
    return False


@compiled
def nominated(
    values: FloatArray,
    valid: BoolArray,
    clear: BoolArray,
    gx: FloatArray,
    gy: FloatArray,
    core: Array,
    ceiling: float,
    out: Array,
) -> int:
    """At most one place of each cell of the `core` (top, left, bottom, right) into `out`; how many there are.

    The core begins with the first pixel of a cell; `valid` pixels may be used, `clear` ones have a slope of valid
    pixels alone; values from `ceiling` on are clipped.
    """
    count = 0
    for top in range(core[0], core[2], CELL):
        for left in range(core[1], core[3], CELL):
            cell = (top, left, min(top + CELL, core[2]), min(left + CELL, core[3]))
            count += _in_cell(values, valid, clear, gx, gy, cell, ceiling, out[count])
    return count


@compiled
def blurred(places: Array, first: Array, out: BoolArray) -> None:
    """Marks the places much blurrier than the sharper quarter of their block, which begins at each of `first`."""
    for k in range(first.size - 1):
        begin, end = first[k], first[k + 1]
        usual = np.sort(places["sigma"][begin:end])[(end - begin) // 4]
        for i in range(begin, end):
            out[i] = places[i].sigma > _BLURRED * usual


@compiled
def ranked(places: Array, first: Array, out: Array) -> None:
    """Ranks within each block, from 0, of places sorted by merit; −1 for those that lie too close to a better one."""
    for k in range(first.size - 1):
        begin, rank = first[k], 0
        for i in range(begin, first[k + 1]):
            row, col = places[i].row + places[i].drow, places[i].col + places[i].dcol
            out[i] = rank
            for j in range(begin, i):
                if out[j] < 0:
                    continue
                if hypot(row - places[j].row - places[j].drow, col - places[j].col - places[j].dcol) < APART:
                    out[i] = -1
                    break
            rank += out[i] >= 0


@compiled
def cut_out(values: FloatArray, valid: BoolArray, places: Array, windows: FloatArray, masks: BoolArray) -> None:
    """The surroundings of each place into `windows` and `masks` (n, WINDOW, WINDOW); none is valid beyond the image."""
    windows[:], masks[:] = 0, False
    for k in range(places.size):
        top, left = places[k].row - HALO, places[k].col - HALO
        for r in range(max(top, 0), min(top + WINDOW, values.shape[0])):
            for c in range(max(left, 0), min(left + WINDOW, values.shape[1])):
                windows[k, r - top, c - left] = values[r, c]
                masks[k, r - top, c - left] = valid[r, c]


@compiled
def measured(windows: FloatArray, masks: BoolArray, places: Array, out: Array) -> None:
    """The fit of each place into `out`, records of `orbiq.metrics.edge_kernel.EDGE` in the image's rows and cols."""
    window, frame, half = np.empty(4, np.int64), np.empty(3), np.empty(2)
    for k in range(places.size):
        place = places[k]
        half[0], half[1] = place.half, place.length
        reach = min(ceil(hypot(place.half, place.length) + max(abs(place.drow), abs(place.dcol))), HALO)
        window[:2], window[2:] = HALO - reach, 2 * reach + 1
        frame[0], frame[1], frame[2] = HALO + place.drow, HALO + place.dcol, place.normal
        measure_edge(windows[k], masks[k], window, frame, half, AUTO, NORMAL_WISE, out[k])
        out[k].row += place.row - HALO
        out[k].col += place.col - HALO
