"""Least squares of one edge over its pixels, compiled: geometry, shape, levels and light together.

Pixels are rows (u, v, value): u along the normal from dark to bright, v along the edge, in pixels. The model is
    x = (u − p₀ − p₁·v − p₂·v²) / √(1 + (p₁ + 2·p₂·v)²),    y = L + g_u·u + g_v·v + E(x)·(D + h_u·u + h_v·v),
with E of `edge_shape`. All parameters stand in one vector; `active` lists those that are fitted, in rising order.
"""

from math import sqrt

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.metrics.edge_compiled import compiled, inlined, vectorised
from orbiq.metrics.edge_model import WIDEST_BOX_PX
from orbiq.metrics.edge_shape import BOX, LOBE, N_SHAPE, RATIO, SIGMA, SKEW, SLOPE, step_response

OFFSET, TILT, BEND = 0, 1, 2
SHAPE = 3  # where the shape begins
LEVEL = SHAPE + N_SHAPE
STEP, LIGHT_V, LIGHT_U, STEP_V, STEP_U = LEVEL + 1, LEVEL + 2, LEVEL + 3, LEVEL + 4, LEVEL + 5
N_PARAMETERS = STEP_U + 1
_BOUNDS = ((0.05, 60.0), (0.0, WIDEST_BOX_PX), (-0.9, 3.0), (1.25, 5.0), (-2.0, 2.0))
_LOWEST = np.array([low for low, _ in _BOUNDS])
_HIGHEST = np.array([high for _, high in _BOUNDS])
_ROUNDS = 25
_FLOOR = 1e-17
_WITHIN = 0.02  # weight of a pixel whose residual rounding explains
_PRODUCTS = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])  # where a product of two factors stands among the sums
_FAR = 6.0  # standard deviations; beyond them a step is over, to 1e-9


@compiled
def _reach(p: FloatArray) -> float:
    """Distance from the edge beyond which it is over."""
    wide = p[SHAPE + SIGMA]
    if p[SHAPE + LOBE] != 0:
        wide *= p[SHAPE + RATIO]
    return float(_FAR * max(wide, 0.2) + p[SHAPE + BOX])


@inlined
def _near_edge(u: float, v: float, p: FloatArray, rich: bool, g: FloatArray) -> float:
    """The model at a pixel near the edge; its gradient by all parameters goes into `g`."""
    turn = p[TILT] + 2 * p[BEND] * v
    short = 1 / sqrt(1 + turn * turn)
    x = (u - p[OFFSET] - (p[TILT] + p[BEND] * v) * v) * short
    step = p[STEP] + p[STEP_V] * v + p[STEP_U] * u
    level = p[LEVEL] + p[LIGHT_V] * v + p[LIGHT_U] * u
    response = step_response(x, p, SHAPE, rich, g)
    by_x = g[SHAPE + SLOPE] * step * short
    g[SHAPE + SIGMA] *= step
    g[SHAPE + BOX] *= step
    if rich:
        for k in range(SHAPE + LOBE, LEVEL):
            g[k] *= step
    g[OFFSET] = -by_x
    g[TILT] = -by_x * (v + x * short * turn)
    g[BEND] = -by_x * (v + 2 * x * short * turn) * v
    g[LEVEL], g[LIGHT_V], g[LIGHT_U] = 1.0, v, u
    g[STEP], g[STEP_V], g[STEP_U] = response, response * v, response * u
    return float(level + response * step)


@compiled
def _is_rich(p: FloatArray, active: Array) -> bool:
    """Whether the terms beyond Gaussian and box are needed, as values or as columns."""
    if p[SHAPE + LOBE] != 0 or p[SHAPE + SKEW] != 0:
        return True
    for k in active:  # a loop, because the compiler knows no any() of a generator  # noqa: SIM110
        if SHAPE + LOBE <= k < LEVEL or (k == SHAPE + BOX and p[SHAPE + BOX] == 0):
            return True
    return False


@compiled
def _far_sums(pixels: FloatArray, use: BoolArray, p: FloatArray, slack: float, sums: FloatArray, near: Array) -> int:
    """Sums over the pixels away from the edge, by side, into `sums` (2, 10); the others are listed in `near`.

    The sums are those of 1, v, u, v², uv, u², r, rv, ru, r², with the residual r: all that a linear model asks for.
    """
    offset, tilt, bend, reach = p[OFFSET], p[TILT], p[BEND], _reach(p)
    count = 0
    sums[:] = 0
    for side in range(2):
        level, by_v, by_u = p[LEVEL] + side * p[STEP], p[LIGHT_V] + side * p[STEP_V], p[LIGHT_U] + side * p[STEP_U]
        n1, nv, nu, vv, uv, uu, r1, rv, ru, rr = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for n in range(pixels.shape[0]):
            u, v = pixels[n, 0], pixels[n, 1]
            x = u - offset - (tilt + bend * v) * v
            if not use[n] or (x > 0) != (side == 1):
                continue
            if abs(x) < reach * (1 + abs(tilt + 2 * bend * v)):
                near[count] = n
                count += 1
                continue
            r = pixels[n, 2] - level - by_v * v - by_u * u
            r, w = _beyond(r, slack)
            n1, nv, nu, vv, uv, uu = n1 + w, nv + w * v, nu + w * u, vv + w * v * v, uv + w * u * v, uu + w * u * u
            r1, rv, ru, rr = r1 + r, rv + r * v, ru + r * u, rr + r * r
        sums[side] = n1, nv, nu, vv, uv, uu, r1, rv, ru, rr
    return count


@inlined
def _beyond(residual: float, slack: float) -> tuple[float, float]:
    """(what of a residual exceeds the slack, its weight)."""
    if slack == 0:
        return residual, 1.0
    if abs(residual) <= slack:
        return 0.0, _WITHIN
    return residual - (slack if residual > 0 else -slack), 1.0


@compiled
def _add_far(sums: FloatArray, active: Array, matrix: FloatArray, right: FloatArray) -> float:
    """Adds the far pixels to JᵀJ and Jᵀr; returns their squares."""
    both, m = sums[0] + sums[1], active.size
    for i in range(m):
        if active[i] < LEVEL:
            continue
        of_step, row = _term(active[i])
        right[i] += sums[1, 6 + row] if of_step else both[6 + row]
        for j in range(i + 1):
            if active[j] >= LEVEL:
                other, col = _term(active[j])
                place = _PRODUCTS[row, col]
                matrix[i, j] += sums[1, place] if of_step or other else both[place]
    return float(both[9])


@vectorised
def _dot(one: FloatArray, other: FloatArray) -> float:
    total = 0.0
    for k in range(one.size):
        total += one[k] * other[k]
    return total


@compiled
def _term(k: int) -> tuple[bool, int]:
    """(whether a linear parameter belongs to the step, its factor: 0 is 1, 1 is v, 2 is u)."""
    if k in (LEVEL, STEP):
        return k == STEP, 0
    return k >= STEP_V, 1 if k in (LIGHT_V, STEP_V) else 2


@compiled
def normal_equations(
    pixels: FloatArray,
    use: BoolArray,
    p: FloatArray,
    active: Array,
    slack: float,
    matrix: FloatArray,
    right: FloatArray,
) -> float:
    """Sum of squared residuals at p; JᵀJ and Jᵀr of the active parameters go into `matrix` and `right`.

    With `slack` a residual counts only from there on: rounding without noise moves a value by up to half a step, and
    any model within that of all values is as good as another. What lies within still holds the fit, weakly.
    """
    m, rich = active.size, _is_rich(p, active)
    near, sums, g = np.empty(pixels.shape[0], np.int64), np.empty((2, 10)), np.zeros(N_PARAMETERS)
    count = _far_sums(pixels, use, p, slack, sums, near)
    table = np.empty((m + 1, count))
    for k in range(count):
        n = near[k]
        residual = pixels[n, 2] - _near_edge(pixels[n, 0], pixels[n, 1], p, rich, g)
        table[m, k], weight = _beyond(residual, slack)
        root = sqrt(weight)
        for i in range(m):
            table[i, k] = g[active[i]] * root
    for i in range(m):
        right[i] = _dot(table[i], table[m])
        for j in range(i + 1):
            matrix[i, j] = _dot(table[i], table[j])
    total = _dot(table[m], table[m]) + _add_far(sums, active, matrix, right)
    for i in range(m):
        matrix[:i, i] = matrix[i, :i]
    return float(total)


@compiled
def residuals(pixels: FloatArray, p: FloatArray, out: FloatArray) -> None:
    """Value minus model at every pixel, into `out`."""
    g, reach = np.zeros(N_PARAMETERS), _reach(p)
    rich = p[SHAPE + LOBE] != 0 or p[SHAPE + SKEW] != 0
    for n in range(pixels.shape[0]):
        u, v = pixels[n, 0], pixels[n, 1]
        x = u - p[OFFSET] - (p[TILT] + p[BEND] * v) * v
        if abs(x) < reach * (1 + abs(p[TILT] + 2 * p[BEND] * v)):
            out[n] = pixels[n, 2] - _near_edge(u, v, p, rich, g)
        else:
            side = 1.0 if x > 0 else 0.0
            level = p[LEVEL] + p[LIGHT_V] * v + p[LIGHT_U] * u
            out[n] = pixels[n, 2] - level - side * (p[STEP] + p[STEP_V] * v + p[STEP_U] * u)


@compiled
def sweep(matrix: FloatArray, k: int) -> bool:
    """Gauss–Jordan pivot on k, in place: A[k, k] becomes −1/A[k, k]; False where the pivot is nothing."""
    pivot = matrix[k, k]
    if not pivot > 0:
        return False
    m = matrix.shape[0]
    for i in range(m):
        if i == k:
            continue
        factor = matrix[i, k] / pivot
        for j in range(m):
            if j != k:
                matrix[i, j] -= factor * matrix[k, j]
    for j in range(m):
        if j != k:
            matrix[k, j] /= pivot
            matrix[j, k] /= pivot
    matrix[k, k] = -1 / pivot
    return True


@compiled
def _solved(matrix: FloatArray, right: FloatArray, damping: float, step: FloatArray) -> float:
    """The damped step into `step` by Cholesky; returns step·right, the promised fall; −1 where singular."""
    m = right.size
    lower, promise = np.empty((m, m)), 0.0
    for i in range(m):
        step[i] = right[i]
        for j in range(i + 1):
            value = matrix[i, j] * (1 + damping if i == j else 1.0)
            for k in range(j):
                value -= lower[i, k] * lower[j, k]
            if i > j:
                lower[i, j] = value / lower[j, j]
                step[i] -= lower[i, j] * step[j]
            elif not value > 1e-13 * matrix[i, i]:
                return -1.0
            else:
                lower[i, i] = sqrt(value)
        step[i] /= lower[i, i]
    for i in range(m - 1, -1, -1):
        for k in range(i + 1, m):
            step[i] -= lower[k, i] * step[k]
        step[i] /= lower[i, i]
        promise += step[i] * right[i]
    return promise


@compiled
def _moved(p: FloatArray, active: Array, step: FloatArray) -> FloatArray:
    """The parameters plus the step, the shape kept within its bounds and the width from changing more than twofold."""
    new = p.copy()
    for i in range(active.size):
        k, by = active[i], step[i]
        if SHAPE <= k < LEVEL:
            most = max(p[k], 0.5) if k == SHAPE + SIGMA else 0.7
            by = min(max(by, -most / 2), most)
            new[k] = min(max(p[k] + by, _LOWEST[k - SHAPE]), _HIGHEST[k - SHAPE])
        else:
            new[k] = p[k] + by
    return new


@compiled
def descend(pixels: FloatArray, use: BoolArray, p: FloatArray, active: Array, slack: float) -> tuple[float, FloatArray]:
    """Levenberg–Marquardt from p, which is changed in place: (sum of squared residuals, JᵀJ there).

    It ends when a step promises less than 1e-4 of one pixel's variance, or next to nothing.
    """
    m = active.size
    matrix, right, step = np.empty((m, m)), np.empty(m), np.empty(m)
    total = normal_equations(pixels, use, p, active, slack, matrix, right)
    trial, other = np.empty((m, m)), np.empty(m)
    damping, count = 1e-4, max(use.sum(), 1)
    for _ in range(_ROUNDS):
        promise = _solved(matrix, right, damping, step)
        if 0 <= promise < max(1e-4 * total / count, _FLOOR):
            break
        new = _moved(p, active, step)
        value = normal_equations(pixels, use, new, active, slack, trial, other) if promise >= 0 else np.inf
        if value <= total:
            p[:] = new
            matrix, trial = trial, matrix
            right, other = other, right
            total, damping = value, damping / 10
        elif damping > 1e6:
            break
        else:
            damping = max(damping, 1e-5) * 10
    return total, matrix
