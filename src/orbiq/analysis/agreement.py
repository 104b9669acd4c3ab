"""Which image score tells how the task fares: scores of the images against the score of the task, over the variants.

A variant is a point: what its images score (one number, the same for all repetitions) and what the task scores on it
(mean over repetitions). Two figures say how well the one tells the other, and neither depends on the scale of a score:

- Spearman's rank correlation ρ over the variants. Its 95 % interval is that of Bonett and Wright (2000,
  doi:10.1007/BF02294183): Fisher's z with variance (1 + ρ²/2)/(n − 3); a perfect order counts as half a swap from it,
  so that few variants never make certainty.
- The error of foretelling: each variant in turn is left out, a monotone curve (isotonic regression) is fitted to the
  others, and the left-out score is read off between its neighbours in the order of the image score. The root mean
  square of these errors is in the unit of the task's score.

The variants of a sweep are no random sample: both figures are about variants like these.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite, nan
from statistics import NormalDist
from typing import Any

import numpy as np

from orbiq.arrays import FloatArray
from orbiq.bootstrap import isotonic
from orbiq.cache import without_nan

LEAST_VARIANTS = 5
"""Below that, any two scores seem to agree."""
Points = Mapping[str, float]
"""Variant → score."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How well one image score tells the task's score over `n_variants`; NaN with the `reason` where it is unknown.

    `error` root mean square error of foretelling a variant left out; `error_without` the same when only the mean of the
    others is known. `values` and `task` the points, in the order of `variants`.
    """

    score: str
    metric: str
    rank_correlation: float
    low: float
    high: float
    error: float
    error_without: float
    n_variants: int
    variants: tuple[str, ...]
    families: tuple[str, ...]
    values: tuple[float, ...]
    task: tuple[float, ...]
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        said: dict[str, Any] = without_nan(asdict(self))
        return said


def agreements(
    task: Points, images: Mapping[tuple[str, str], Points], *, families: Mapping[str, str]
) -> list[Agreement]:
    """Every image score, keyed (metric, score), against the task's; those that foretell it best come first.

    >>> task = {f"v{k}": float(k) for k in range(6)}
    >>> [said] = agreements(task, {("ssim", "ssim"): {v: x**2 for v, x in task.items()}}, families={})
    >>> said.rank_correlation, round(said.low, 2), said.high
    (1.0, 0.63, 1.0)
    """
    found = [_agreement(key, task, values, families) for key, values in images.items()]
    return sorted(found, key=lambda a: (not isfinite(a.error), a.error, -abs(a.rank_correlation)))


def _agreement(key: tuple[str, str], task: Points, values: Points, families: Mapping[str, str]) -> Agreement:
    variants = tuple(v for v in task if not np.isnan(task[v]) and not np.isnan(values.get(v, nan)))
    x, y = np.array([values[v] for v in variants]), np.array([task[v] for v in variants])
    known: dict[str, Any] = {
        "metric": key[0],
        "score": key[1],
        "n_variants": len(variants),
        "variants": variants,
        "families": tuple(families.get(v, "") for v in variants),
        "values": tuple(map(float, x)),
        "task": tuple(map(float, y)),
    }
    reason = _why_not(x, y)
    if reason:
        unknown: dict[str, Any] = dict.fromkeys(("rank_correlation", "low", "high", "error", "error_without"), nan)
        return Agreement(**known, **unknown, reason=reason)
    rho = rank_correlation(x, y)
    low, high = rank_interval(rho, n=len(x))
    error, without = foretelling_error(x, y)
    return Agreement(**known, rank_correlation=rho, low=low, high=high, error=error, error_without=without)


def _why_not(x: FloatArray, y: FloatArray) -> str:
    if len(x) < LEAST_VARIANTS:
        return f"known for {len(x)} variants; at least {LEAST_VARIANTS} are needed"
    if len(set(x.tolist())) == 1:
        return "the same for all variants"
    return "the task scores the same on all variants" if len(set(y.tolist())) == 1 else ""


def rank_correlation(x: FloatArray, y: FloatArray) -> float:
    """Spearman's ρ: Pearson's correlation of ranks, ties sharing their mean rank; infinite values are ranked too.

    >>> rank_correlation(np.array([1.0, 2.0, np.inf]), np.array([3.0, 2.0, 1.0]))
    -1.0
    """
    a, b = _ranks(x), _ranks(y)
    a, b = a - a.mean(), b - b.mean()
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1, 1))


def _ranks(x: FloatArray) -> FloatArray:
    _, place, count = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[place], float)


def rank_interval(rho: float, *, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of Spearman's ρ of n pairs, as the module says; (NaN, NaN) for n ≤ 3.

    >>> [round(v, 2) for v in rank_interval(0.5, n=103)]
    [0.33, 0.64]
    """
    if n <= 3:
        return nan, nan
    half_a_swap = 1 - 6 / (n * (n * n - 1))
    inner = float(np.clip(rho, -half_a_swap, half_a_swap))
    half = NormalDist().inv_cdf((1 + confidence) / 2) * np.sqrt((1 + inner**2 / 2) / (n - 3))
    low, high = float(np.tanh(np.arctanh(inner) - half)), float(np.tanh(np.arctanh(inner) + half))
    return (-1.0 if rho <= -half_a_swap else low), (1.0 if rho >= half_a_swap else high)


def foretelling_error(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """(root mean square error of leaving each point out and reading it off a monotone curve, the same for a mean)."""
    errors, without = [], []
    for k in range(len(x)):
        rest = np.arange(len(x)) != k
        errors.append(_foretold(x[rest], y[rest], at=float(x[k])) - y[k])
        without.append(y[rest].mean() - y[k])
    return float(np.sqrt(np.mean(np.square(errors)))), float(np.sqrt(np.mean(np.square(without))))


def _foretold(x: FloatArray, y: FloatArray, *, at: float) -> float:
    """The monotone curve through (x, y) at a place between its points: the mean of the neighbours on both sides."""
    rising = 1.0 if rank_correlation_or_zero(x, y) >= 0 else -1.0
    places, index = np.unique(x, return_inverse=True)
    counts = np.bincount(index)
    curve = rising * isotonic(rising * np.bincount(index, y) / counts, weights=counts.astype(float))
    above = int(np.searchsorted(places, at))
    if above < len(places) and places[above] == at:
        return float(curve[above])
    return float(curve[max(above - 1, 0) : above + 1].mean())


def rank_correlation_or_zero(x: FloatArray, y: FloatArray) -> float:
    """`rank_correlation`, 0 where one of the two is constant."""
    return 0.0 if np.ptp(_ranks(x)) == 0 or np.ptp(_ranks(y)) == 0 else rank_correlation(x, y)


def best_sentence(found: Sequence[Agreement], *, score: str) -> str:
    """What a reader wants to know: which image score foretells the task's best, and how sure that is."""
    known = [a for a in found if isfinite(a.error)]
    if not known:
        return ""
    first = known[0]
    if first.error >= first.error_without:
        return f"No image score foretells {score} better than its mean over the variants does."
    sure = f"rank correlation {first.rank_correlation:.2f}, 95 % interval {first.low:.2f} to {first.high:.2f}"
    said = (
        f"{first.score} foretells {score} best: a variant left out is told within {first.error:.3g} "
        f"(by the mean of the others within {first.error_without:.3g}); {sure}, {first.n_variants} variants."
    )
    return said if len(known) == 1 else f"{said} Next is {known[1].score}, within {known[1].error:.3g}."
