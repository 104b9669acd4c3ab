"""How good predictions of a degradation are: errors, distance in intervals, recall, and whether intervals hold.

QMRNet is judged by medR, the median distance between the true and the told interval, and by recall R@k: here the share
of cases whose told interval is fewer than k intervals from the true one, so R@1 is the share of hits.
"""

from dataclasses import dataclass

import numpy as np

from orbiq.arrays import FloatArray
from orbiq.predictors.degradation_labels import Parameter

RECALLED = (1, 2, 3, 5, 10)
_LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True, eq=False, kw_only=True)
class Judged:
    """`mae` in the unit of the parameter, `relative` the mean of |error| / truth, `med_r` in intervals."""

    n: int
    mae: float
    relative: float
    bias: float
    med_r: float
    recall: dict[int, float]
    coverage: float


def judged(
    truth: FloatArray,
    told: FloatArray,
    *,
    parameter: Parameter,
    low: FloatArray | None = None,
    high: FloatArray | None = None,
) -> Judged:
    """Of predictions (n,) and the ends of their intervals, in the unit of the parameter.

    >>> scale = Parameter(low=0.0, high=10.0, n=10)
    >>> found = judged(np.array([1.5, 4.5]), np.array([1.6, 6.5]), parameter=scale)
    >>> round(found.mae, 2), found.med_r, found.recall[1], found.recall[3]
    (1.05, 1.0, 0.5, 1.0)
    """
    away = np.abs(parameter.interval(truth) - parameter.interval(told))
    covered = np.nan if low is None or high is None else float(((low <= truth) & (truth <= high)).mean())
    errors = told - truth
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.abs(errors) / np.abs(truth)
    return Judged(
        n=len(truth),
        mae=float(np.abs(errors).mean()),
        relative=float(relative.mean()),
        bias=float(errors.mean()),
        med_r=float(np.median(away)),
        recall={k: float((away < k).mean()) for k in RECALLED},
        coverage=covered,
    )


def calibrated_widths(
    errors: FloatArray, spreads: FloatArray, levels: tuple[float, ...] = (0.9, 0.95)
) -> dict[str, float]:
    """How many spreads an interval must reach to each side to hold a share of the truths: split conformal prediction.

    The ⌈(n + 1)·level⌉-th smallest of |error| / spread (Lei et al. 2018, doi:10.1080/01621459.2017.1307116).

    >>> calibrated_widths(np.arange(1.0, 100.0), np.ones(99))
    {'0.9': 90.0, '0.95': 95.0}
    """
    ratios = np.sort(np.abs(errors) / spreads)
    places = (min(int(np.ceil((len(ratios) + 1) * level)), len(ratios)) - 1 for level in levels)
    return {f"{level:g}": float(ratios[place]) for level, place in zip(levels, places, strict=True)}


def calibration_error(errors: FloatArray, spreads: FloatArray) -> float:
    """Mean over levels 0.5 … 0.95 of |share of truths within the Laplace interval of that level − level|.

    The interval of a Laplace distribution of spread b reaches −b·ln(1 − level) to each side.
    """
    ratios = np.abs(errors) / spreads
    return float(np.mean([abs((ratios <= -np.log(1 - level)).mean() - level) for level in _LEVELS]))
