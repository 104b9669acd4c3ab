"""The response of an imager to a step, compiled: what an edge looks like along its normal.

The step from 0 to 1 at x = 0 is seen through a Gaussian of `sigma` and a box of width `box`, both in pixels (box 0 is
the pure Gaussian). Two terms may be added: a lobe, (1 + a)·E(σ) − a·E(ρσ), which overshoots for a > 0 and has wide
tails for a < 0, and a skewness κ₃ after Edgeworth, −κ₃/6·(z² − 1)·φ(z). A shape is the vector (σ, box, a, ρ, κ₃).
"""

from math import erfc, exp, hypot, log, pi, sin, sqrt

import numpy as np

from orbiq.arrays import FloatArray
from orbiq.metrics.edge_compiled import compiled, inlined

SIGMA, BOX, LOBE, RATIO, SKEW = range(5)
N_SHAPE = 5
SLOPE = N_SHAPE  # where the derivative along x is kept, behind those of the shape
NARROWEST = 0.02  # narrower boxes count as none: they could not be told apart, and would cancel
_PEAK = 1 / sqrt(2 * pi)
_ENDS, _STEPS = 8.0, 64.0
_NODES = np.arange(-_ENDS * _STEPS, _ENDS * _STEPS + 2) / _STEPS
_DENSITY = _PEAK * np.exp(-(_NODES**2) / 2)
_NORMAL = np.array([erfc(-z * sqrt(0.5)) / 2 for z in _NODES])


@compiled
def normal(z: float) -> tuple[float, float]:
    """(Φ(z), φ(z)) to 1e-9, by cubic interpolation between nodes: a fit asks for them more than for all else."""
    if not abs(z) < _ENDS:
        return (1.0 if z > 0 else 0.0), 0.0
    place = (z + _ENDS) * _STEPS
    k = int(place)
    t, h, low, high = place - k, 1 / _STEPS, _DENSITY[k], _DENSITY[k + 1]
    rise, run = _NORMAL[k + 1] - _NORMAL[k], t * (1 - t)
    total = _NORMAL[k] + t * rise + run * ((1 - t) * (low * h - rise) + t * (rise - high * h))
    fall, left, right = high - low, -_NODES[k] * low * h, -_NODES[k + 1] * high * h
    return total, low + t * fall + run * ((1 - t) * (left - fall) + t * (fall - right))


@compiled
def boxed_step(x: float, sigma: float, box: float) -> tuple[float, float, float, float]:
    """(E, dE/dx, dE/dσ, dE/dbox) of a step seen through Gaussian and box."""
    scale = 1 / sigma
    if box < NARROWEST:
        value, density = normal(x * scale)
        density *= scale
        return value, density, -x * scale * density, 0.0
    right, left, width = x + box / 2, x - box / 2, 1 / box
    upper, high = normal(right * scale)
    lower, low = normal(left * scale)
    value = (right * upper - left * lower + sigma * (high - low)) * width
    return value, (upper - lower) * width, (high - low) * width, ((upper + lower) / 2 - value) * width


@inlined
def step_response(x: float, shape: FloatArray, at: int, rich: bool, slopes: FloatArray) -> float:
    """E(x) of the shape that begins at shape[at]; its derivatives by the shape and by x go to slopes[at : at + 6].

    Without `rich` the shape must have neither lobe nor skewness, and their derivatives are left alone.
    """
    value, slope, by_sigma, by_box = boxed_step(x, shape[at + SIGMA], shape[at + BOX])
    slopes[at + SIGMA], slopes[at + BOX], slopes[at + SLOPE] = by_sigma, by_box, slope
    if rich:
        value = _enriched(x, shape, at, value, slopes)
    return value


@compiled
def _enriched(x: float, shape: FloatArray, at: int, value: float, slopes: FloatArray) -> float:
    """`value` and `slopes` of Gaussian and box, brought up to date with lobe and skewness.

    The derivative by a box of none, which is 0, is replaced by that by a falling kurtosis, the way a box sets out.
    """
    sigma, box = shape[at + SIGMA], shape[at + BOX]
    spread = sqrt(sigma**2 + box**2 / 12)
    z = x / spread
    density = normal(z)[1]
    third = z * (z * z - 3) * density
    if box < NARROWEST:
        slopes[at + BOX] = third / 24
    value = _with_lobe(x, shape, at, value, slopes)
    slopes[at + SKEW] = (1 - z * z) * density / 6
    bend = shape[at + SKEW] * third / 6
    slopes[at + SLOPE] += bend / spread
    slopes[at + SIGMA] -= bend * z * sigma / spread**2
    slopes[at + BOX] -= bend * z * box / (12 * spread**2)
    return float(value + shape[at + SKEW] * slopes[at + SKEW])


@compiled
def _with_lobe(x: float, shape: FloatArray, at: int, value: float, slopes: FloatArray) -> float:
    """(1 + a)·E(σ) − a·E(ρσ); `slopes` hold those of E(σ) and are brought up to date."""
    a, ratio = shape[at + LOBE], shape[at + RATIO]
    other, slope, by_sigma, by_box = boxed_step(x, ratio * shape[at + SIGMA], shape[at + BOX])
    slopes[at + LOBE] = value - other
    slopes[at + RATIO] = -a * by_sigma * shape[at + SIGMA]
    slopes[at + SIGMA] = (1 + a) * slopes[at + SIGMA] - a * by_sigma * ratio
    slopes[at + BOX] = (1 + a) * slopes[at + BOX] - a * by_box
    slopes[at + SLOPE] = (1 + a) * slopes[at + SLOPE] - a * slope
    return float((1 + a) * value - a * other)


@compiled
def total_sigma(shape: FloatArray) -> float:
    """Standard deviation of Gaussian and box together, in pixels."""
    return sqrt(shape[SIGMA] ** 2 + shape[BOX] ** 2 / 12)


@compiled
def relative_edge_response(shape: FloatArray, half: float) -> float:
    """E(x₅₀ + half) − E(x₅₀ − half) about the crossing E(x₅₀) = 0.5."""
    slopes, rich = np.empty(N_SHAPE + 1), _is_rich(shape)
    middle = 0.0
    for _ in range(20 if shape[SKEW] != 0 else 0):
        step = (step_response(middle, shape, 0, rich, slopes) - 0.5) / slopes[SLOPE]
        middle -= step
        if abs(step) < 1e-10:
            break
    above = step_response(middle + half, shape, 0, rich, slopes)
    return above - step_response(middle - half, shape, 0, rich, slopes)


@compiled
def full_width(shape: FloatArray) -> float:
    """Full width at half maximum of the line spread function dE/dx, in pixels."""
    if shape[BOX] < NARROWEST and shape[LOBE] == 0 and shape[SKEW] == 0:
        return float(sqrt(8 * log(2.0)) * shape[SIGMA])
    spread, slopes = total_sigma(shape), np.empty(N_SHAPE + 1)
    peak = _peak(shape, spread, slopes) if shape[SKEW] != 0 else 0.0
    half = _line(peak, shape, slopes) / 2
    right = _crossing(peak, 1.0, half, shape, spread, slopes)
    left = right if shape[SKEW] == 0 else _crossing(peak, -1.0, half, shape, spread, slopes)
    return right + left


@compiled
def _is_rich(shape: FloatArray) -> bool:
    return bool(shape[LOBE] != 0 or shape[SKEW] != 0)


@compiled
def _line(x: float, shape: FloatArray, slopes: FloatArray) -> float:
    """The line spread function at x; `slopes` is room to work in."""
    step_response(x, shape, 0, _is_rich(shape), slopes)
    return float(slopes[SLOPE])


@compiled
def _peak(shape: FloatArray, spread: float, slopes: FloatArray) -> float:
    """Where the line spread function is highest, by golden section within one spread."""
    golden = (sqrt(5.0) - 1) / 2
    low, high = -spread, spread
    while high - low > 1e-7 * spread:
        left, right = high - golden * (high - low), low + golden * (high - low)
        if _line(left, shape, slopes) > _line(right, shape, slopes):
            high = right
        else:
            low = left
    return (low + high) / 2


@compiled
def _crossing(peak: float, side: float, half: float, shape: FloatArray, spread: float, slopes: FloatArray) -> float:
    """How far from the peak the line spread function falls to `half`: false position after Illinois."""
    low, high, kept = 0.0, 1.2 * spread, 0
    above, below = half, _line(peak + side * high, shape, slopes) - half
    while below > 0 and high < 100 * spread:
        low, above = high, below
        high += spread / 4
        below = _line(peak + side * high, shape, slopes) - half
    middle = high
    for _ in range(60):
        middle = (low * below - high * above) / (below - above)
        value = _line(peak + side * middle, shape, slopes) - half
        if abs(value) < 1e-12 * half or high - low < 1e-12 * spread:
            break
        if value > 0:
            low, above, below = middle, value, below / (2 if kept > 0 else 1)
            kept = 1
        else:
            high, below, above = middle, value, above / (2 if kept < 0 else 1)
            kept = -1
    return middle


@compiled
def transfer(frequency: float, shape: FloatArray) -> float:
    """|MTF| at a frequency in cycles per pixel along the normal; 1 at 0."""
    sigma, box, a = shape[SIGMA], shape[BOX], shape[LOBE]
    square = 2 * (pi * frequency) ** 2
    core = (1 + a) * exp(-square * sigma**2) - a * exp(-square * (sigma * shape[RATIO]) ** 2)
    angle = pi * box * frequency
    if angle != 0:
        core *= sin(angle) / angle
    spread = total_sigma(shape)
    odd = shape[SKEW] / 6 * (2 * pi * frequency * spread) ** 3 * exp(-square * spread**2)
    return hypot(core, odd)


@compiled
def overshoot_of(shape: FloatArray) -> float:
    """How far E rises above 1, as a share of the step."""
    slopes = np.empty(N_SHAPE + 1)
    spread, highest, rich = total_sigma(shape), 0.0, _is_rich(shape)
    if shape[LOBE] <= 0:
        return 0.0
    reach = 4 * spread * max(1.0, shape[RATIO])
    for k in range(1, 65):
        highest = max(highest, step_response(reach * k / 64, shape, 0, rich, slopes) - 1)
    return highest
