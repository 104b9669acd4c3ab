"""The noise-level function σ²(L) = a·L + b, fitted to windows of which some are homogeneous.

By the likelihood of `noise_mixture`, windows that overlap counting in part. The estimate is the mean of what
its two families say, and half their difference adds to the uncertainty.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from orbiq.arrays import Array, FloatArray
from orbiq.metrics.noise_mixture import EDGES, LOW, STEP, Mixture, families

_MEANS = np.array([0.0, 0.0, -2.0, -2.0])
_PRECISIONS = np.array([0.0, 0.7, 1.5, 1.5])
_PRECISIONS[1:] **= -2
"""What is assumed beforehand of a `_Point.place`: mean and 1/variance."""
_UNMODELLED = 0.008
"""The least relative standard error of σ²: the noise may not be quite white, nor the ground quite flat."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Windows:
    """Mean level, variance, score and weight of each window, and the level that is asked about."""

    level: FloatArray
    variance: FloatArray
    score: FloatArray
    weight: FloatArray
    asked: float

    @cached_property
    def centre(self) -> float:
        """The mean level."""
        return float(np.average(self.level, weights=self.weight))

    @cached_property
    def reach(self) -> float:
        """How far from the centre levels matter: their standard deviation, the distance of the one asked for, or 10 σ.

        Over less than that no noise changes much, and the windows' means are themselves uncertain.
        """
        deviation = np.sqrt(np.average((self.level - self.centre) ** 2, weights=self.weight))
        sigma = np.sqrt(np.quantile(self.variance, 0.1))
        return max(float(deviation), abs(self.asked - self.centre), 10 * float(sigma))

    @cached_property
    def offset(self) -> FloatArray:
        """Level − centre, in units of the reach."""
        return (self.level - self.centre) / self.reach

    @cached_property
    def log_variance(self) -> FloatArray:
        """The logarithm of the variance."""
        return np.log(self.variance)

    @cached_property
    def classes(self) -> Array:
        """The class of each score."""
        return np.clip(np.searchsorted(EDGES, self.score, side="right") - 1, 0, EDGES.size - 2)


@dataclass(frozen=True, eq=False, kw_only=True)
class NoiseFit:
    """σ²(L) = a·L + b, the covariance of (a, b), and how many windows are homogeneous, overlaps counted once.

    `known_slope`: whether a follows from the windows rather than from what was assumed beforehand.
    """

    a: float
    b: float
    covariance: FloatArray
    n_homogeneous: float
    known_slope: bool

    def variance(self, level: float) -> tuple[float, float]:
        """σ² at a level, and its standard error."""
        at = np.array([level, 1.0])
        value = float(at @ [self.a, self.b])
        return value, float(np.sqrt(max(float(at @ self.covariance @ at), 0.0) + (_UNMODELLED * value) ** 2))


def fit_noise(windows: Windows) -> NoiseFit:
    """Both families of texture together."""
    one, other = (_best(windows, mixtures) for mixtures in families())
    apart = np.array([one.a - other.a, one.b - other.b]) / 2
    return NoiseFit(
        a=(one.a + other.a) / 2,
        b=(one.b + other.b) / 2,
        covariance=(one.covariance + other.covariance) / 2 + np.outer(apart, apart),
        n_homogeneous=(one.n_homogeneous + other.n_homogeneous) / 2,
        known_slope=one.known_slope and other.known_slope,
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Point:
    """Where a climb stands.

    `place`: ln σ² at the centre; how much σ² grows over the reach, in its own parts; ln of the numbers of windows with
    fine and with coarse texture over that of homogeneous ones. `gains` (windows, 4): slopes of each window's
    log-likelihood. `height`: weighted log-likelihood, with what is assumed beforehand.
    """

    place: FloatArray
    height: float
    gains: FloatArray

    def gradient(self, weight: FloatArray) -> FloatArray:
        """Of the height."""
        slope: FloatArray = weight @ self.gains - _PRECISIONS * (self.place - _MEANS)
        return slope

    def information(self, weight: FloatArray) -> FloatArray:
        """The curvature of the height, from the gains."""
        curvature: FloatArray = (self.gains * weight[:, None]).T @ self.gains + np.diag(_PRECISIONS)
        return curvature


def _best(windows: Windows, mixtures: Iterable[Mixture]) -> NoiseFit:
    tops = [(_climbed(windows, mixture, start), mixture) for mixture in mixtures for start in _starts(windows)]
    top, mixture = max(tops, key=lambda known: known[0].height)
    return _as_fit(windows, top, mixture)


def _starts(windows: Windows) -> tuple[float, float]:
    """The ln σ² if few windows are homogeneous, and if most are."""
    order = np.argsort(windows.log_variance, kind="stable")
    total = np.cumsum(windows.weight[order])
    low, middle = windows.log_variance[order[np.searchsorted(total, np.array([0.1, 0.5]) * total[-1])]]
    return float(low) + 0.1, float(middle)


def _climbed(windows: Windows, mixture: Mixture, start: float) -> _Point:
    """The top, by steps of Berndt et al. 1974 (curvature from the gains), halved until they lead up."""
    point = _point(windows, mixture, np.array([start, *_MEANS[1:]]))
    for _ in range(40):
        step = np.linalg.solve(point.information(windows.weight), point.gradient(windows.weight))
        for _ in range(14):
            higher = _point(windows, mixture, point.place + step)
            if higher.height > point.height:
                break
            step /= 2
        else:
            return point
        gained, point = higher.height - point.height, higher
        if gained < 1e-4:
            break
    return point


def _point(windows: Windows, mixture: Mixture, place: FloatArray) -> _Point:
    growth = 1 + place[1] * windows.offset
    if growth.min() <= 0.02 or abs(place[2:]).max() > 9:  # σ² would be negative; a kind has died out
        return _Point(place=place, height=-np.inf, gains=np.zeros((growth.size, 4)))
    shares = np.exp([0.0, *place[2:]])
    shares /= shares.sum()
    steps = np.clip(
        (windows.log_variance - place[0] - np.log(growth) - LOW) / STEP, 0, mixture.slopes.shape[-1] - 1.001
    )
    below = steps.astype(np.int64)
    at, part = (slice(None), windows.classes, below), steps - below
    beyond = (slice(None), windows.classes, below + 1)
    kinds = mixture.densities[at] * (1 - part) + mixture.densities[beyond] * part
    slopes = mixture.slopes[at] * (1 - part) + mixture.slopes[beyond] * part
    density = shares @ kinds + 1e-9
    fall = -(shares @ slopes) / density
    gains = np.stack([fall, fall * windows.offset / growth, *(shares[1:, None] * (kinds[1:] / density - 1))], axis=1)
    beforehand = float(_PRECISIONS @ (place - _MEANS) ** 2) / 2
    return _Point(place=place, height=float(windows.weight @ np.log(density)) - beforehand, gains=gains)


def _as_fit(windows: Windows, top: _Point, mixture: Mixture) -> NoiseFit:
    variance = float(np.exp(top.place[0]))
    slope = variance * top.place[1] / windows.reach
    # of a and b along ln σ² and the growth
    turn = np.array(
        [
            [slope, variance / windows.reach],
            [variance - slope * windows.centre, -variance / windows.reach * windows.centre],
        ]
    )
    covariance = np.linalg.inv(top.information(windows.weight))
    shares = np.exp([0.0, *top.place[2:]])
    homogeneous = float(mixture.near @ shares / shares.sum() * windows.weight.sum())
    return NoiseFit(
        a=slope,
        b=variance - slope * windows.centre,
        covariance=turn @ covariance[:2, :2] @ turn.T,
        n_homogeneous=homogeneous,
        known_slope=bool(covariance[1, 1] * _PRECISIONS[1] < 0.5),
    )
