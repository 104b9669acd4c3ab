"""From the pixels of one edge to its numbers, compiled, for one window or many."""

from math import cos, log, pi, sin, sqrt
from typing import Any

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.metrics.edge_compiled import compiled
from orbiq.metrics.edge_fit import BEND, LEVEL, LIGHT_U, LIGHT_V, SHAPE, STEP, STEP_U, STEP_V, residuals, sweep
from orbiq.metrics.edge_scores import N_SCORES, shared_noise, summarised, weights_of
from orbiq.metrics.edge_select import basic_terms, fit_shapes, fitted, rejected
from orbiq.metrics.edge_shape import N_SHAPE, overshoot_of, total_sigma
from orbiq.metrics.edge_start import COL, NORMAL, ROW, first_guess, flat_pixels, gathered, on_edge, scaled

NORMAL_WISE, ROW_WISE, COL_WISE = range(3)  # the line along which the response is stated
FOUND, FEW_PIXELS, CONSTANT, NO_EDGE, NO_SIDES, NOT_ONE_EDGE = range(6)  # what became of a window

EDGE = np.dtype(
    [
        ("status", np.int64),
        ("row", np.float64),
        ("col", np.float64),
        ("normal_deg", np.float64),
        ("curvature_per_px", np.float64),
        ("length_px", np.float64),
        ("contrast", np.float64),
        ("dark", np.float64),
        ("noise", np.float64),
        ("scores", np.float64, (N_SCORES,)),
        ("low", np.float64, (N_SCORES,)),
        ("high", np.float64, (N_SCORES,)),
        ("shapes", np.float64, (2, N_SHAPE)),
        ("box_weight", np.float64),
        ("light", np.float64),
        ("overshoot", np.float64),
        ("misfit", np.float64),
        ("clipped", np.float64),
        ("coarse", np.float64),
        ("sharing", np.float64),
        ("outliers", np.float64),
        ("sides_px", np.float64),
        ("n_pixels", np.int64),
    ]
)
"""One edge: `scores`, `low` and `high` are RER, FWHM in pixels, MTF at Nyquist and half of it, and their 95 %
intervals; `shapes` the fits without and with a box, `box_weight` the share of the latter; `light` how much the light
changes over the window, `overshoot` and `misfit` (the structure that the model leaves), all three as shares of the
contrast; `clipped` how much more of one side than of the other has no noise at all."""

_LEAST_PIXELS = 50
_ODDS_OF_BOX = 1 / 9  # the price of a parameter, exp(−ln(n)/2), for the 80 or so pixels that see the edge
_LEAST_EVIDENCE = 40.0
_MOST_MISFIT = 0.06
_MOST_OUTLIERS = 0.25
_MOST_OF_RANGE = 1.25  # a step, as a share of the range of the values
_COARSE = 1 / 8  # of the range: with fewer steps, values are hardly measured
_WILD = 2.5
_NO_ROUNDING = 1e-13  # variance on the scale of the fit, below which nothing is noise
_SLACK = 0.48  # of a step between whole numbers
_SHARPER = 0.01  # variance that is left of rounding, once its slack is granted
_MANY_FLAT = 0.3


@compiled
def _plane_left(pixels: FloatArray, use: BoolArray) -> float:
    """Squares that a plane leaves."""
    table = np.zeros((4, 4))
    row = np.ones(4)
    for n in range(pixels.shape[0]):
        if use[n]:
            row[1], row[2], row[3] = pixels[n, 0], pixels[n, 1], pixels[n, 2]
            for i in range(4):
                for j in range(4):
                    table[i, j] += row[i] * row[j]
    for i in range(3):
        sweep(table, i)
    return float(table[3, 3])


@compiled
def _structure(left: FloatArray, places: Array, cols: int, size: int) -> float:
    """Standard deviation of what neighbouring residuals share, NaN aside: about 0 for white noise, not for a second
    edge.
    """
    field = np.full(size, np.nan)
    for n in range(left.size):
        field[places[n]] = left[n]
    total, count = 0.0, 0
    for n in range(left.size):
        for step in (1, cols):
            k = places[n] + step
            if k < size and (step > 1 or k % cols != 0) and not np.isnan(field[k] + left[n]):
                total += left[n] * field[k]
                count += 1
    return sqrt(max(total / max(count, 1), 0.0))


@compiled
def _refused(pixels: FloatArray, use: BoolArray, left: float, p: FloatArray, rounding: float) -> int:
    """Why this is no edge, or FOUND."""
    count = use.sum()
    plane = _plane_left(pixels, use) / count + rounding
    if count * log(plane / (left / count + rounding)) < _LEAST_EVIDENCE + 3 * log(count):
        return NO_EDGE
    sides = _sides(pixels, p)
    return NO_SIDES if sides < max(1.0, total_sigma(p[SHAPE:LEVEL])) else FOUND


@compiled
def _sides(pixels: FloatArray, p: FloatArray) -> float:
    """How far the pixels reach from the edge, on the side where they reach less far."""
    low, high = 0.0, 0.0
    for n in range(pixels.shape[0]):
        x = pixels[n, 0] - p[BEND] * pixels[n, 1] ** 2
        low, high = min(low, x), max(high, x)
    return min(-low, high)


@compiled
def _stretch(normal: float, along: int) -> float:
    """How long a pixel of the normal is on the line along which the response is stated."""
    if along == NORMAL_WISE:
        return 1.0
    return 1 / max(abs(cos(normal) if along == ROW_WISE else sin(normal)), 1e-3)


@compiled
def measure_edge(
    image: Array,
    valid: BoolArray,
    window: Array,
    frame: FloatArray,
    half: FloatArray,
    which: int,
    along: int,
    out: Any,
) -> int:
    """Measures the edge in one window into the record `out`; returns and records what became of it.

    `window` (4,): top, left, rows, cols. `frame` (3,): row, column and normal direction in radians (0 is +col, π/2 is
    +row) of a line known to be close to the edge, or NaN for the direction, which then is searched for; it becomes
    the edge's own. `half` (2,): pixels farther than this from the line, and from its middle along it, take no part.
    """
    search = np.isnan(frame[NORMAL])
    if search:
        frame[NORMAL] = 0.0
        frame[ROW], frame[COL] = window[0] + (window[2] - 1) / 2, window[1] + (window[3] - 1) / 2
    pixels, places = gathered(image, valid, window, frame, half)
    out.n_pixels = places.size
    out.status = FEW_PIXELS
    if places.size < _LEAST_PIXELS:
        return FEW_PIXELS
    low, scale, quantum = scaled(pixels)
    out.status = CONSTANT
    if not scale > 0:
        return CONSTANT
    p = first_guess(pixels, frame, search)
    flat = flat_pixels(pixels, places, window[3], window[2] * window[3])
    out.clipped = _lopsided(pixels, flat)
    out.coarse = quantum
    rounded = 0 < quantum < _COARSE and flat.sum() > _MANY_FLAT * flat.size
    lattice = (places, window[3], window[2] * window[3])
    _fitted_record(pixels, lattice, p, frame, which, along, quantum, rounded, out)
    if out.status == FOUND and _crooked(out):
        out.status = NOT_ONE_EDGE
    out.dark = low + out.dark * scale
    out.contrast *= scale
    out.noise *= scale
    return int(out.status)


@compiled
def _fitted_record(
    pixels: FloatArray,
    lattice: tuple[Array, int, int],
    p: FloatArray,
    frame: FloatArray,
    which: int,
    along: int,
    quantum: float,
    rounded: bool,
    out: Any,
) -> None:
    """Fits the pixels from p and fills the record; `rounded` says that rounding is all the noise there is."""
    use, terms = np.abs(pixels[:, 2] - 0.5) < _WILD, basic_terms()
    fitted(pixels, use, p, terms, 0.0)
    for _ in range(2):
        if not rejected(pixels, p, use):
            break
        fitted(pixels, use, p, terms, 0.0)
    out.length_px = on_edge(pixels, frame, p)
    floor = max(quantum**2 / 12, _NO_ROUNDING)
    slack, sharper = (_SLACK * quantum, _SHARPER) if rounded else (0.0, 1.0)
    fits, left, wanted, tables = fit_shapes(pixels, use, p, which, floor * sharper, slack)
    best = fits[np.argmin(left)]
    out.status = _refused(pixels, use, left.min(), best, floor)
    out.noise, structure = _noise(pixels, lattice, best, use, wanted)
    out.misfit = structure / max(abs(best[STEP]), 1e-9)
    # rounding alone makes patterns that are shared by nature: the slack has dealt with them
    shared = 1.0 if rounded else shared_noise(structure / max(out.noise, 1e-9), use.sum())
    out.sharing = shared
    variance = max(out.noise**2, floor) * shared
    doubt = max(left.min() / use.sum(), floor * sharper) * shared
    weights = weights_of(left, doubt, _ODDS_OF_BOX)
    table = summarised(
        fits[:, SHAPE:LEVEL].copy(),
        tables,
        weights,
        weights_of(left, doubt, 1.0),
        wanted,
        variance,
        _stretch(frame[NORMAL], along),
    )
    out.scores[:], out.low[:], out.high[:], out.box_weight = table[0], table[1], table[2], weights[1]
    _described(pixels, use, fits, best, frame, out)


@compiled
def _noise(
    pixels: FloatArray, lattice: tuple[Array, int, int], p: FloatArray, use: BoolArray, wanted: BoolArray
) -> tuple[float, float]:
    """Standard deviation of the residuals in use, and of what neighbours among them share."""
    left = np.empty(pixels.shape[0])
    residuals(pixels, p, left)
    left[~use] = np.nan
    noise = sqrt(np.nansum(left**2) / max(use.sum() - wanted.sum(), 1))
    return noise, _structure(left, lattice[0], lattice[1], lattice[2])


@compiled
def _crooked(out: Any) -> bool:
    """Whether the model leaves out too much, or bends, or invents light or a step beyond all values, to take in what
    is not one straight edge.
    """
    if out.light > 1 or out.contrast > _MOST_OF_RANGE:
        return True
    sagitta = abs(out.curvature_per_px) * out.length_px**2 / 8
    return bool(out.misfit > _MOST_MISFIT or out.outliers > _MOST_OUTLIERS or sagitta > out.length_px / 8)


@compiled
def _lopsided(pixels: FloatArray, flat: BoolArray) -> float:
    """Share of flat pixels on one side minus that on the other: a side that is clipped has lost its noise."""
    counts = np.zeros((2, 2))
    for n in range(flat.size):
        side = 1 if pixels[n, 0] > 0 else 0
        counts[side, 0] += 1
        counts[side, 1] += flat[n]
    shares = counts[:, 1] / np.maximum(counts[:, 0], 1)
    return float(abs(shares[1] - shares[0]))


@compiled
def _described(
    pixels: FloatArray, use: BoolArray, fits: FloatArray, best: FloatArray, frame: FloatArray, out: Any
) -> None:
    """Geometry, levels, light and shapes into the record; values are still on the scale of the fit."""
    for k in range(2):
        out.shapes[k, :] = fits[k, SHAPE:LEVEL]
    out.row, out.col, out.normal_deg = frame[ROW], frame[COL], frame[NORMAL] * 180 / pi
    out.curvature_per_px = 2 * best[BEND]
    out.contrast, out.dark = best[STEP], best[LEVEL]
    reach = np.abs(pixels[:, 0]).max(), np.abs(pixels[:, 1]).max()
    across = max(abs(best[LIGHT_U]), abs(best[LIGHT_U] + best[STEP_U])) * reach[0]
    out.light = (across + max(abs(best[LIGHT_V]), abs(best[LIGHT_V] + best[STEP_V])) * reach[1]) / abs(best[STEP])
    out.overshoot = overshoot_of(best[SHAPE:LEVEL])
    out.outliers = 1 - use.sum() / use.size
    out.sides_px = _sides(pixels, best)


@compiled
def measure_edges(
    image: Array,
    valid: BoolArray,
    windows: Array,
    frames: FloatArray,
    half: FloatArray,
    which: int,
    along: int,
    out: Array,
) -> None:
    """`measure_edge` for each of `windows` (n, 4) and `frames` (n, 3), into the n records of `out`."""
    for k in range(windows.shape[0]):
        measure_edge(image, valid, windows[k], frames[k], half, which, along, out[k])
