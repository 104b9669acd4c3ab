"""The numbers of a fitted edge and their intervals, compiled.

The fits without a box and with one of a pixel are averaged by their evidence: a single edge of 48 pixels can rarely
tell them apart, and picking one would put the whole difference into the error.
"""

from math import exp, log, pi, sqrt

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.metrics.edge_compiled import compiled
from orbiq.metrics.edge_fit import SHAPE, sweep
from orbiq.metrics.edge_select import listed
from orbiq.metrics.edge_shape import N_SHAPE, full_width, relative_edge_response, transfer

RER, FWHM, NYQUIST, HALF_NYQUIST = range(4)
N_SCORES = 4
_Z95 = 1.959963984540054


@compiled
def scores_of(shape: FloatArray, stretch: float, out: FloatArray) -> None:
    """RER, FWHM, MTF at Nyquist and half of it, along a line on which the normal's pixel is `stretch` pixels long."""
    out[RER] = relative_edge_response(shape, 0.5 / stretch)
    out[FWHM] = full_width(shape) * stretch
    out[NYQUIST] = transfer(0.5 * stretch, shape)
    out[HALF_NYQUIST] = transfer(0.25 * stretch, shape)


@compiled
def bent(score: int, value: float) -> float:
    """A score on the scale on which its error is most nearly normal: all are close to linear in ln σ there."""
    if score == FWHM:
        return log(value)
    if value >= 1 or value <= 0:
        return np.nan
    if score == RER:
        return -log(-log(1 - value))
    return log(-log(value))


@compiled
def unbent(score: int, value: float) -> float:
    """The inverse of `bent`."""
    if score == FWHM:
        return exp(value)
    if score == RER:
        return 1 - exp(-exp(-value))
    return exp(-exp(value))


@compiled
def _variances(shape: FloatArray, covariance: FloatArray, stretch: float, bend: bool) -> FloatArray:
    """Variance of each score, bent where it can be, from the covariance of the shape (nothing where not fitted)."""
    slopes = np.zeros((N_SCORES, N_SHAPE))
    above, below = np.empty(N_SCORES), np.empty(N_SCORES)
    for k in range(N_SHAPE):
        step = min(1e-4, 0.1 * sqrt(covariance[k, k])) + 1e-7
        if covariance[k, k] == 0:
            continue
        other = shape.copy()
        other[k] = shape[k] + step
        scores_of(other, stretch, above)
        other[k] = shape[k] - step
        scores_of(other, stretch, below)
        for i in range(N_SCORES):
            up, down = (bent(i, above[i]), bent(i, below[i])) if bend else (above[i], below[i])
            slopes[i, k] = (up - down) / (2 * step)
    return np.diag(slopes @ covariance @ slopes.T).copy()


@compiled
def _covariance(table: FloatArray, wanted: BoolArray, variance: float) -> FloatArray:
    """Covariance of the shape (N_SHAPE, N_SHAPE) from JᵀJ: variance·(JᵀJ)⁻¹, zero for what was not fitted."""
    active = listed(wanted)
    m = active.size
    scale = np.sqrt(np.diag(table)[:m])
    matrix = table[:m, :m] / scale / scale.reshape(-1, 1)
    for i in range(m):
        sweep(matrix, i)
    out = np.zeros((N_SHAPE, N_SHAPE))
    for i in range(m):
        for j in range(m):
            a, b = active[i] - SHAPE, active[j] - SHAPE
            if 0 <= a < N_SHAPE and 0 <= b < N_SHAPE:
                out[a, b] = -matrix[i, j] * variance / (scale[i] * scale[j])
    return out


@compiled
def summarised(
    shapes: FloatArray,
    tables: FloatArray,
    weights: FloatArray,
    doubts: FloatArray,
    wanted: BoolArray,
    variance: float,
    stretch: float,
) -> FloatArray:
    """Scores, low and high ends (3, N_SCORES): the mean of the fits by `weights`; their variance, within and between,
    by `doubts`, which may be more even.
    """
    values, out = np.empty((2, N_SCORES)), np.zeros((3, N_SCORES))
    covariances = np.zeros((2, N_SHAPE, N_SHAPE))
    for k in range(2):
        if weights[k] + doubts[k] > 0:
            scores_of(shapes[k], stretch, values[k])
            covariances[k] = _covariance(tables[k], wanted, variance)
            out[0] += weights[k] * values[k]
    for bend in (True, False):
        spread = np.zeros((2, N_SCORES))
        for k in range(2):
            if doubts[k] > 0:
                spread[k] = _variances(shapes[k], covariances[k], stretch, bend)
        for i in range(N_SCORES):
            if bend or np.isnan(out[2, i]):
                _ends(values[:, i], spread[:, i], doubts, i, bend, out[:, i])
        if not np.isnan(out[2]).any():
            break
    return out


@compiled
def _ends(values: FloatArray, spread: FloatArray, weights: FloatArray, score: int, bend: bool, out: FloatArray) -> None:
    """Low and high end of a score into out[1] and out[2]; NaN where it cannot be bent."""
    centre = bent(score, out[0]) if bend else out[0]
    total = sqrt(_mixed(values, spread, weights, score, centre, bend))
    one, two = centre - _Z95 * total, centre + _Z95 * total
    if bend:
        one, two = unbent(score, one), unbent(score, two)
    out[1], out[2] = min(one, two), max(one, two)


@compiled
def _mixed(values: FloatArray, spread: FloatArray, weights: FloatArray, score: int, centre: float, bend: bool) -> float:
    """Variance of a score about its mean over the fits."""
    total = 0.0
    for k in range(2):
        if weights[k] > 0:
            value = bent(score, values[k]) if bend else values[k]
            total += weights[k] * (spread[k] + (value - centre) ** 2)
    return total


@compiled
def shared_noise(correlation: float, count: int) -> float:
    """By how much noise that neighbours share raises the variance of a mean over many pixels; 1 for white noise.

    A Gaussian filter whose neighbours correlate by r multiplies it by the sum of all its correlations, π/ln(1/r).
    `correlation` is √r; an r that white noise of `count` pixels could show by chance counts as none.
    """
    r = min(correlation**2, 0.95)
    return 1.0 if r < 3.5 / sqrt(float(count)) else max(pi / log(1 / r), 1.0)


@compiled
def weights_of(left: FloatArray, variance: float, odds_of_box: float) -> FloatArray:
    """Shares of the fits without and with a box of a pixel, by their evidence and the odds of a box before it."""
    weights = np.zeros(2)
    if left.max() == np.inf:
        weights[np.argmin(left)] = 1.0
        return weights
    against = min(max((left[1] - left[0]) / (2 * variance), -600.0), 600.0)
    weights[1] = 1 / (1 + exp(against) / odds_of_box)
    weights[0] = 1 - weights[1]
    return weights
