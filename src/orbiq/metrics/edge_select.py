"""Which terms an edge needs, compiled: outliers go, light, lobe, skewness and a free box come only where they pay.

A term is taken where it lowers n·ln(RSS) by more than its price, max(ln n, 10) per parameter: the Bayesian information
criterion, with a floor that keeps a short edge from finding terms in its noise.
"""

from math import log, sqrt

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
    descend,
    normal_equations,
    residuals,
    sweep,
)
from orbiq.metrics.edge_shape import BOX, LOBE, RATIO, SIGMA, SKEW

AUTO, GAUSSIAN, BOXED = range(3)  # shapes that may be asked for
_OUTLIER = 4.5  # robust standard deviations
_TOLERATED = 0.05  # of the step: a misfit of the model is smaller and must not lose its pixels
_LEAST_PRICE = 10.0
_MEDIAN_OF = 1200  # pixels
_LEAST_BOX = 0.25  # pixels; a narrower one does not differ from a Gaussian


@compiled
def listed(wanted: BoolArray) -> Array:
    """Indices of the wanted parameters."""
    return np.flatnonzero(wanted)


@compiled
def basic_terms() -> BoolArray:
    """Position, tilt, curvature, width, two levels, and light along the edge, which costs the others nothing."""
    wanted = np.zeros(N_PARAMETERS, np.bool_)
    for k in (OFFSET, TILT, BEND, SHAPE + SIGMA, LEVEL, STEP, LIGHT_V):
        wanted[k] = True
    return wanted


@compiled
def rejected(pixels: FloatArray, p: FloatArray, use: BoolArray) -> bool:
    """Marks in `use` the pixels that the model explains; whether that changes anything."""
    left = np.empty(pixels.shape[0])
    residuals(pixels, p, left)
    left = np.abs(left)
    # of a large window the median of a part is near enough; of a usual one all count, or it would depend on their order
    middle = np.median(left[:: max(left.size // _MEDIAN_OF, 1)])
    limit = max(_OUTLIER * 1.4826 * middle, _TOLERATED * abs(p[STEP]))
    changed = False
    for n in range(left.size):
        keep = left[n] <= limit
        changed = changed or keep != use[n]
        use[n] = keep
    return changed


@compiled
def useful_terms(
    pixels: FloatArray,
    use: BoolArray,
    p: FloatArray,
    wanted: BoolArray,
    open_: BoolArray,
    rounding: float,
    slack: float,
) -> Array:
    """Those of the open terms that pay their price, by one linearised look from the optimum p.

    No fit is better than the variance `rounding`.
    """
    active = listed(wanted | open_)
    m = active.size
    table = np.zeros((m + 1, m + 1))
    left, count = normal_equations(pixels, use, p, active, slack, table, table[m]), use.sum()
    table[m, m] = max(left, rounding * count)
    table[:m, m] = table[m, :m]
    for i in range(m):
        if wanted[active[i]]:
            sweep(table, i)
    price, chosen = max(log(count), _LEAST_PRICE), np.zeros(m, np.bool_)
    for _ in range(m):
        best, place = 0.0, -1
        for i in range(m):
            if wanted[active[i]] or chosen[i] or table[i, i] <= 0:
                continue
            fall = table[i, m] ** 2 / table[i, i]
            cost = price * (2.0 if active[i] == SHAPE + LOBE else 1.0)
            gain = -count * log(max(1 - fall / table[m, m], 1e-300)) - cost
            if gain > best:
                best, place = gain, i
        if place < 0:
            break
        sweep(table, place)
        chosen[place] = True
    return active[chosen]


@compiled
def with_box(p: FloatArray, box: float) -> FloatArray:
    """The same edge of the same total width with another box."""
    new = p.copy()
    square = p[SHAPE + SIGMA] ** 2 + (p[SHAPE + BOX] ** 2 - box**2) / 12
    new[SHAPE + SIGMA] = sqrt(max(square, 0.01))
    new[SHAPE + BOX] = box
    return new


@compiled
def fitted(
    pixels: FloatArray, use: BoolArray, p: FloatArray, wanted: BoolArray, slack: float
) -> tuple[float, FloatArray]:
    """(sum of squared residuals at the optimum, JᵀJ of the wanted parameters there); p is moved there."""
    return descend(pixels, use, p, listed(wanted), slack)


@compiled
def _adopted(terms: Array, p: FloatArray, wanted: BoolArray, open_: BoolArray) -> None:
    """Makes the chosen terms part of the model, one of the shape at a time, for they stand in for each other."""
    shaped = False
    for k in terms:
        of_shape = SHAPE <= k < LEVEL
        if of_shape and shaped:
            continue
        shaped = shaped or of_shape
        wanted[k], open_[k] = True, False
        if k == SHAPE + LOBE:
            wanted[SHAPE + RATIO] = True
            p[k] = 0.05 if p[k] == 0 else p[k]


@compiled
def _both(
    pixels: FloatArray,
    use: BoolArray,
    p: FloatArray,
    wanted: BoolArray,
    which: int,
    slack: float,
    fits: FloatArray,
    tables: FloatArray,
) -> FloatArray:
    """The squares left by the fit without and with a box of one pixel (inf where not asked for).

    The fits go to `fits`, their JᵀJ into the corners of `tables`. A free box is one fit, in place of both.
    """
    left = np.full(2, np.inf)
    if wanted[SHAPE + BOX]:
        fits[0] = with_box(p, 0.8) if p[SHAPE + BOX] == 0 else p
        left[0], table = fitted(pixels, use, fits[0], wanted, slack)
        tables[0, : table.shape[0], : table.shape[0]] = table
        return left
    for k in range(2):
        if which in (AUTO, GAUSSIAN + k):
            fits[k] = with_box(p, float(k))
            left[k], table = fitted(pixels, use, fits[k], wanted, slack)
            tables[k, : table.shape[0], : table.shape[0]] = table
    return left


@compiled
def fit_shapes(
    pixels: FloatArray, use: BoolArray, p: FloatArray, which: int, rounding: float, slack: float
) -> tuple[FloatArray, FloatArray, BoolArray, FloatArray]:
    """(fits (2, parameters) without and with box, squares left by each, which were fitted, their JᵀJ), from a first
    fit.
    """
    wanted, open_ = basic_terms(), np.zeros(N_PARAMETERS, np.bool_)
    for k in (LIGHT_U, STEP_V, STEP_U, SHAPE + LOBE, SHAPE + SKEW):
        open_[k] = True
    open_[SHAPE + BOX] = which == AUTO
    fits, tables = np.zeros((2, N_PARAMETERS)), np.zeros((2, N_PARAMETERS, N_PARAMETERS))
    left = _both(pixels, use, p, wanted, which, slack, fits, tables)
    for _ in range(4):
        best = fits[np.argmin(left)].copy()
        terms = useful_terms(pixels, use, best, wanted, open_, rounding, slack)
        changed = rejected(pixels, best, use)
        if terms.size == 0 and not changed:
            break
        _adopted(terms, best, wanted, open_)
        left = _both(pixels, use, best, wanted, which, slack, fits, tables)
        if wanted[SHAPE + BOX] and fits[0, SHAPE + BOX] < _LEAST_BOX:
            wanted[SHAPE + BOX] = False  # wide tails, which no box gives
            left = _both(pixels, use, best, wanted, which, slack, fits, tables)
    if slack > 0:
        active = listed(wanted)
        for k in range(2):
            if left[k] < np.inf:
                normal_equations(pixels, use, fits[k], active, 0.0, tables[k], np.empty(active.size))
    return fits, left, wanted, tables
