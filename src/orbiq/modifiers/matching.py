"""The blur whose result measures as a target does, in a few trials."""

from collections.abc import Callable
from math import isfinite
from typing import NamedTuple

_TRIALS = 8


class Trial(NamedTuple):
    """A variance of blur in px² that was tried, and what the result measured."""

    variance_px2: float
    value: float


def matched_variance(
    measure: Callable[[float], float],
    *,
    first_px2: float,
    target: float,
    lacks_px2: Callable[[float], float],
    close: float,
) -> list[Trial]:
    """The trials of a variance of blur, the best of them first; a measured value falls as the variance grows.

    `measure` gives the value at a variance; `lacks_px2` by how much the variance would have to grow from where a value
    was measured, if the imager were Gaussian. Once the target lies between two trials, straight lines between them are
    followed. Ends when a value is `close`, or none, or after 8 trials.

    >>> trials = matched_variance(lambda v: 1 / (1 + v), first_px2=1, target=0.25, lacks_px2=lambda x: 0.5, close=1e-3)
    >>> round(trials[0].variance_px2, 2), len(trials) <= 8
    (3.0, True)
    """
    tried: list[Trial] = []
    variance_px2 = first_px2
    while len(tried) < _TRIALS:
        tried.append(Trial(variance_px2, measure(variance_px2)))
        following = _following(tried, target, lacks_px2)
        if not abs(tried[-1].value - target) > close or following == variance_px2:
            break
        variance_px2 = following
    return sorted(tried, key=lambda trial: abs(trial.value - target) if isfinite(trial.value) else float("inf"))


def _following(tried: list[Trial], target: float, lacks_px2: Callable[[float], float]) -> float:
    sharper = max((trial for trial in tried if trial.value > target), default=None)
    blurrier = min((trial for trial in tried if trial.value < target), default=None)
    if sharper is None or blurrier is None or sharper.variance_px2 >= blurrier.variance_px2:
        last = tried[-1]
        return max(last.variance_px2 + lacks_px2(last.value), 0.0)
    share = (sharper.value - target) / (sharper.value - blurrier.value)
    share = min(max(share, 0.1), 0.9)
    return sharper.variance_px2 + share * (blurrier.variance_px2 - sharper.variance_px2)
