"""Which of many edges show the imager alone, compiled: a mixture of ideal edges and of ones that are soft by
themselves.

Edges are compared by y = −ln(−ln(1 − RER)), which grows with the blur and is nearly linear in ln σ. An ideal edge has
the imager's own y, its error (variance vᵢ) and what all edges share beyond it (τ²). A boundary that is soft on the
ground can only add blur: exponential tails of 0.06 and 0.25 and a flat one up to 1.2 stand for them. A dark or bright
line beside an edge sharpens it: a short tail on the other side. A thin layer over everything stands for the rest. The
median is drawn to blur by the soft edges, the upper end to sharpness by noise; the centre of the ideal part is not.
"""

from math import erfc, exp, log, sqrt

import numpy as np

from orbiq.arrays import FloatArray
from orbiq.metrics.edge_compiled import compiled

N_PARTS = 6
IDEAL = 0
_TAILS = ((0.06, 1.0), (0.25, 1.0), (0.1, -1.0))  # mean, and the side: +1 is blur
_FLAT = 1.2
_STRAY = 0.5  # density of the layer over everything
_PRIOR = np.array([6.0, 1.0, 1.0, 1.0, 1.0, 0.2])  # edges of each part that were seen before any was
_SHARED = (0.005, 0.01, 0.02, 0.04, 0.07, 0.12, 0.2)
_USUAL_SHARED = 0.015  # give or take a factor of e²
_SEARCHING = 0.02
_ROUNDS = 12
_ROOT_HALF = sqrt(0.5)
_PEAK = 1 / sqrt(2 * np.pi)


@compiled
def _tail(d: float, s: float, rate: float) -> float:
    """Density at d of a Gaussian of s plus an exponential of mean 1/rate."""
    z = (rate * s - d / s) * _ROOT_HALF
    if z < 5:
        return rate / 2 * exp(rate * (rate * s * s / 2 - d)) * erfc(z)
    square = 1 / (2 * z * z)  # erfcx far out, where exp would overflow
    return rate / 2 * exp(-d * d / (2 * s * s)) * (1 - square * (1 - 3 * square)) / (z * 1.7724538509055159)


@compiled
def densities(y: FloatArray, v: FloatArray, shared: float, centre: float, table: FloatArray) -> None:
    """Density of each edge under each part of the mixture, into `table` (edges, parts)."""
    for i in range(y.size):
        s, d = sqrt(v[i] + shared * shared), y[i] - centre
        table[i, IDEAL] = _PEAK * exp(-d * d / (2 * s * s)) / s
        for k in range(3):
            table[i, 1 + k] = _tail(_TAILS[k][1] * d, s, 1 / _TAILS[k][0])
        table[i, 4] = (erfc(-d / s * _ROOT_HALF) - erfc(-(d - _FLAT) / s * _ROOT_HALF)) / (2 * _FLAT)
        table[i, 5] = _STRAY


@compiled
def explained(table: FloatArray, counts: FloatArray, shares: FloatArray, rounds: int) -> float:
    """Log-likelihood, with the prior of the shares, after rounds of expectation and maximisation; `shares` move."""
    sums = np.empty(N_PARTS)
    total = 0.0
    for turn in range(rounds + 1):
        sums[:] = _PRIOR
        total = 0.0
        for i in range(table.shape[0]):
            whole = 0.0
            for k in range(N_PARTS):
                whole += shares[k] * table[i, k]
            if turn == rounds:
                total += counts[i] * log(whole)
            else:
                for k in range(N_PARTS):
                    sums[k] += counts[i] * shares[k] * table[i, k] / whole
        if turn < rounds:
            shares[:] = sums / sums.sum()
    for k in range(N_PARTS):
        total += _PRIOR[k] * log(shares[k])
    return total


@compiled
def _judged(
    y: FloatArray,
    v: FloatArray,
    counts: FloatArray,
    shared: float,
    centre: float,
    table: FloatArray,
    shares: FloatArray,
) -> float:
    """Log-likelihood of a centre with the best shares, which are left in `shares`."""
    densities(y, v, shared, centre, table)
    shares[:] = _PRIOR / _PRIOR.sum()
    return explained(table, counts, shares, _ROUNDS) - log(shared / _USUAL_SHARED) ** 2 / 8


@compiled
def _scanned(y: FloatArray, v: FloatArray, counts: FloatArray, shared: float, number: int) -> tuple[float, float]:
    """(log-likelihood, centre) of the best of some quantiles of y."""
    table, shares, ordered = np.empty((y.size, N_PARTS)), np.empty(N_PARTS), np.sort(y)
    best, centre = -np.inf, 0.0
    for k in range(number):
        trial = ordered[int(0.9 * (y.size - 1) * k / (number - 1))]
        value = _judged(y, v, counts, shared, trial, table, shares)
        if value > best:
            best, centre = value, trial
    return best, centre


@compiled
def _climbed(
    y: FloatArray, v: FloatArray, counts: FloatArray, shared: float, centre: float, step: float
) -> tuple[float, float]:
    """(log-likelihood, centre) of the nearest maximum."""
    table, shares = np.empty((y.size, N_PARTS)), np.empty(N_PARTS)
    best = _judged(y, v, counts, shared, centre, table, shares)
    while step > 2e-4:
        moved = False
        for way in (-1, 1):
            value = _judged(y, v, counts, shared, centre + way * step, table, shares)
            if value > best:
                best, centre, moved = value, centre + way * step, True
                break
        if not moved:
            step /= 2
    return best, centre


@compiled
def fitted(y: FloatArray, v: FloatArray, counts: FloatArray, shares: FloatArray) -> tuple[float, float, float]:
    """(log-likelihood, centre, what edges share beyond their errors) of the best mixture, its shares in `shares`.

    `counts` is how many independent witnesses each edge is.
    """
    thin = max(y.size // 400, 1)  # a scan needs no more
    _, start = _scanned(y[::thin].copy(), v[::thin].copy(), counts[::thin].copy(), _SEARCHING, 24)
    best, centre, shared = -np.inf, start, _SEARCHING
    for trial in _SHARED:
        value, place = _climbed(y, v, counts, trial, start, 0.016)
        if value > best:
            best, centre, shared = value, place, trial
    _judged(y, v, counts, shared, centre, np.empty((y.size, N_PARTS)), shares)
    return best, centre, shared


@compiled
def _leaning(
    y: FloatArray,
    v: FloatArray,
    counts: FloatArray,
    double: FloatArray,
    lean: FloatArray,
    centre: float,
    number: int,
) -> tuple[float, float]:
    """(log-likelihood, centre) of the best of `number` centres within 0.06 of one; of all there may be for number 0."""
    straight = y - double[:, 0] * lean[0] - double[:, 1] * lean[1]
    if number == 0:
        return _scanned(straight, v, counts, _SEARCHING, 8)
    table, shares = np.empty((y.size, N_PARTS)), np.empty(N_PARTS)
    best, found = -np.inf, centre
    for k in range(number):
        trial = centre + 0.06 * (2 * k / (number - 1) - 1)
        value = _judged(straight, v, counts, _SEARCHING, trial, table, shares)
        if value > best:
            best, found = value, trial
    return best, found


@compiled
def leaned(y: FloatArray, v: FloatArray, counts: FloatArray, double: FloatArray, lean: FloatArray) -> float:
    """How much log-likelihood y gains where it may vary as a·cos 2θ + b·sin 2θ with the edge's direction.

    `double` (edges, 2) holds cos 2θ and sin 2θ; (a, b) go into `lean`, 0 where nothing is gained.
    """
    thin = max(y.size // 120, 1)
    y, v, counts, double = y[::thin].copy(), v[::thin].copy(), counts[::thin].copy(), double[::thin].copy()
    lean[:] = 0
    plain, centre = _leaning(y, v, counts, double, lean, 0.0, 0)
    best, trial, start = -np.inf, np.empty(2), np.zeros(2)
    for k in range(8):
        trial[0], trial[1] = 0.15 * np.cos(k * np.pi / 4), 0.15 * np.sin(k * np.pi / 4)
        value, place = _leaning(y, v, counts, double, trial, 0.0, 0)
        if value > best:
            best, centre, start[:] = value, place, trial
    if best < plain - 3:
        return 0.0
    step = 0.08
    while step > 0.004:
        moved = False
        for k in range(4):
            trial[:] = start
            trial[k // 2] += step if k % 2 else -step
            value, place = _leaning(y, v, counts, double, trial, centre, 7)
            if value > best:
                best, centre, start[:], moved = value, place, trial, True
        if not moved:
            step /= 2
    lean[:] = start
    return best - plain


@compiled
def membership(y: FloatArray, v: FloatArray, shared: float, centre: float, shares: FloatArray) -> FloatArray:
    """The probability of each edge to be ideal."""
    table = np.empty((y.size, N_PARTS))
    densities(y, v, shared, centre, table)
    out = np.empty(y.size)
    out[:] = table[:, IDEAL] * shares[IDEAL] / (table @ shares)
    return out


@compiled
def centres(
    y: FloatArray, v: FloatArray, shared: float, grid: FloatArray, shares: FloatArray, counts: FloatArray, rounds: int
) -> FloatArray:
    """The best centre on a grid for each row of `counts` (replicates, edges), between its points by a parabola."""
    n = grid.size
    tables = np.empty((n, y.size, N_PARTS))
    for g in range(n):
        densities(y, v, shared, grid[g], tables[g])
    out, values, own = np.empty(counts.shape[0]), np.empty(n), np.empty(N_PARTS)
    for b in range(counts.shape[0]):
        for g in range(n):
            own[:] = shares
            values[g] = explained(tables[g], counts[b], own, rounds)
        k = min(max(int(np.argmax(values)), 1), n - 2)
        bend = values[k - 1] - 2 * values[k] + values[k + 1]
        shift = (values[k - 1] - values[k + 1]) / (2 * bend) if bend < 0 else 0.0
        out[b] = grid[k] + min(max(shift, -1.0), 1.0) * (grid[1] - grid[0])
    return out
