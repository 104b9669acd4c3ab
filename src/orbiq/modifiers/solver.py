"""One solver for every codec: the setting of its knob that meets a target, in few trials.

A knob runs from the smallest stream to the best picture. Along it the rate grows and every quality gets better, as well
as the codec allows; what is sought is the last setting within a budget of rate, or the first that reaches a quality.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import expm1, inf, isfinite, log, log1p, nan
from typing import Generic, Literal, TypeVar

from orbiq.errors import SettingError

T = TypeVar("T")
Aim = Literal["at most", "at least", "no more than"]
"""A rate that may not be exceeded; a score to be reached from below, or, where lower is better, from above."""

MOST_TRIALS = 24
_CLOSE_RATE = 0.005  # of the target: nearer is not worth a trial
_OVER_RATE = 0.02  # of the target: a rate so little above it counts as met
_CLOSE_SCORE = 0.001
_WIDE = 50.0  # a knob whose ends differ by more is searched on a logarithmic scale


@dataclass(frozen=True, kw_only=True)
class Found(Generic[T]):
    """The knob's setting, the value that it gives, whatever came with it, and how many settings were tried."""

    knob: float
    value: float
    outcome: T
    n_trials: int


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A knob from its smallest stream at 0 to its best picture at 1; `step` 1 for whole numbers."""

    low: float
    high: float
    step: float = 0

    def knob(self, place: float) -> float:
        """The setting at a place in 0 … 1.

        >>> Scale(low=1, high=100, step=1).knob(0.5), Scale(low=25, high=0.25).knob(0.5), Scale(low=255, high=0).knob(1)
        (51, 2.5, 0.0)
        """
        value = self._between(min(max(place, 0.0), 1.0))
        return int(value + 0.5) if self.step else value

    def _between(self, place: float) -> float:
        low, high = self.low, self.high
        if min(low, high) > 0 and max(low, high) / min(low, high) > _WIDE and not self.step:
            return float(low * (high / low) ** place)
        if min(low, high) == 0 and max(low, high) > _WIDE:  # a largest error, down to none
            return float(expm1(log1p(low) + (log1p(high) - log1p(low)) * place))
        return low + (high - low) * place


def solved(
    trial: Callable[[float], tuple[float, T]],
    *,
    scale: Scale,
    target: float,
    aim: Aim,
    what: str,
    cost: Callable[[T], float] = lambda _: 0.0,
) -> Found[T]:
    """The best setting of a knob for a target.

    `trial` gives the value at a setting (bits per pixel, or a score) and whatever belongs to it. With "at most" the
    setting whose value is nearest the target without going beyond it by over 2 %; where even the best picture stays
    below, that one. With "at least" and "no more than" the one of least `cost` whose value reaches the target, the
    nearest to it of those that cost the same. Settings of whole numbers are searched to the last one; others until a
    trial is within 0.5 % of a rate, or 0.1 % of a score. The trial is trusted where it is, even if a better setting
    gives a worse value.

    Raises SettingError that says what can be reached, in words that begin with `what`.

    >>> found = solved(lambda q: (q**2, None), scale=Scale(low=1, high=100, step=1), target=50, aim="at most", what="x")
    >>> found.knob, found.value
    (7, 49)
    """
    search = _Search(trial=trial, scale=scale, target=target, aim=aim, cost=cost)
    search.run()
    if search.best is None:
        raise SettingError(search.out_of_reach(what))
    return replace(search.best, n_trials=len(search.tried))


class _Search(Generic[T]):
    """The value of each knob that was tried, and the best that fits: of the others no outcome is kept, for it may be
    an image.
    """

    def __init__(
        self,
        *,
        trial: Callable[[float], tuple[float, T]],
        scale: Scale,
        target: float,
        aim: Aim,
        cost: Callable[[T], float],
    ) -> None:
        self.trial, self.scale, self.target, self.aim, self.cost = trial, scale, target, aim, cost
        self.tried: dict[float, float] = {}
        self.best: Found[T] | None = None
        self._rank = (inf, inf)

    def run(self) -> None:
        """Halves the range, by the values at its ends once both are known, then looks at an end that was never met."""
        below, above, values = 0.0, 1.0, [nan, nan]
        while len(self.tried) < MOST_TRIALS and not self._narrow(below, above):
            place = self._next(below, above, values)
            value = self._at(place)
            if self._close(value):
                return
            if self._enough(value):
                above, values[1] = place, value
            else:
                below, values[0] = place, value
        for end in (below, above):
            self._at(end)

    def _next(self, below: float, above: float, values: list[float]) -> float:
        middle = (below + above) / 2
        if len(self.tried) % 3 == 2 or not all(isfinite(v) and v > 0 for v in (*values, self.target)):
            return middle
        if values[0] == values[1]:
            return middle
        share = (log(self.target) - log(values[0])) / (log(values[1]) - log(values[0]))
        return below + min(max(share, 0.05), 0.95) * (above - below)

    def _at(self, place: float) -> float:
        knob = self.scale.knob(place)
        if knob not in self.tried:
            value, outcome = self.trial(knob)
            self.tried[knob] = value
            self._keep_if_best(knob, value, outcome)
        return self.tried[knob]

    def _keep_if_best(self, knob: float, value: float, outcome: T) -> None:
        if self.fits(value):
            cost = 0.0 if self.aim == "at most" else self.cost(outcome)  # a rate is no cost
            rank = cost, abs(value - self.target)
            if rank < self._rank:
                self._rank, self.best = rank, Found(knob=knob, value=value, outcome=outcome, n_trials=1)

    def _narrow(self, below: float, above: float) -> bool:
        low, high = self.scale.knob(below), self.scale.knob(above)
        return abs(high - low) <= 1 if self.scale.step else above - below < 1e-4

    def _enough(self, value: float) -> bool:
        return value <= self.target if self.aim == "no more than" else value >= self.target

    def _close(self, value: float) -> bool:
        """Near enough, on the side that fits."""
        if self.scale.step or not self.fits(value):
            return False
        near = _CLOSE_RATE if self.aim == "at most" else _CLOSE_SCORE
        return abs(value - self.target) <= near * abs(self.target)

    def fits(self, value: float) -> bool:
        """Whether a value meets the target."""
        if self.aim == "at most":
            return value <= self.target * (1 + _OVER_RATE)
        return self._enough(value)

    def out_of_reach(self, what: str) -> str:
        """What can be reached."""
        ranked = sorted(self.tried.items(), key=lambda tried: tried[1])
        knob, value = ranked[-1] if self.aim == "at least" else ranked[0]
        word = {"at most": "at least", "at least": "at most", "no more than": "at least"}[self.aim]
        return f"{what} of {self.target:g} is out of reach: {word} {value:.4g}, at {knob:.4g}"
