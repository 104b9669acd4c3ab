"""What "keeps the score" means, and the monotone curve of score against cost.

Within the analysis a score is turned so that more is better: *merit* is the score, or its negative.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from orbiq.analysis.levels import Evidence, Level
from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.bootstrap import cautious_isotonic, isotonic, upper_bound
from orbiq.errors import SettingError

REFERENCE_ROW = 0
"""The reference is the first of the levels, everywhere in the analysis."""
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Rule:
    """When a variant keeps the score.

    Higher is better: score / reference ≥ `keep`. Lower is better: score ≤ reference / `keep`. With `margin`,
    which goes before `keep`: no worse than the reference by more than `margin`, in the score's unit.
    """

    higher_is_better: bool = True
    keep: float | None = 0.98
    margin: float | None = None

    def __post_init__(self) -> None:
        if self.margin is not None and not 0 <= self.margin < np.inf:
            raise SettingError(f"margin is {self.margin!r}; expected a number ≥ 0 in the unit of the score")
        if self.margin is None and (self.keep is None or not 0 < self.keep <= 1):
            raise SettingError(
                f"keep is {self.keep!r}; expected a share of the reference score in (0, 1], as in 0.98, or a margin"
            )

    def merit(self, score: FloatArray) -> FloatArray:
        """The score, turned so that more is better."""
        return score if self.higher_is_better else -score

    def target(self, reference: FloatArray) -> FloatArray:
        """The least merit that keeps enough of the reference score."""
        if self.margin is not None:
            return self.merit(reference) - self.margin
        share = self.threshold
        return reference * share if self.higher_is_better else -reference / share

    def is_kept(self, merit: FloatArray, reference: FloatArray) -> BoolArray:
        """Whether a merit is enough beside a reference score; equal up to rounding is enough."""
        target = self.target(reference)
        return np.asarray(merit >= target - _ROUNDING * (np.abs(target) + np.abs(reference)))

    def retention(self, merit: FloatArray, reference: FloatArray) -> FloatArray:
        """Score / reference, or reference / score where lower is better: 1 is as good as the reference.

        Infinite for an error of 0 or, in a replicate, below it; NaN beside a reference of 0 or less.
        """
        score = self.merit(merit)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = score / reference if self.higher_is_better else np.where(score > 0, reference / score, np.inf)
        return np.where((reference > 0) & ~np.isnan(score), share, np.nan)

    def measured(self, merit: FloatArray, reference: FloatArray) -> FloatArray:
        """What is held against `threshold`: the retention, or with a margin the change of merit."""
        return self.retention(merit, reference) if self.margin is None else merit - self.merit(reference)

    @property
    def threshold(self) -> float:
        """Where `measured` begins to be enough."""
        return float(self.keep or 1) if self.margin is None else -self.margin

    def is_usable(self, reference: FloatArray) -> BoolArray:
        """Whether something can be kept of a reference score: of 0, less or NaN there is no share."""
        return np.isfinite(reference) & ((reference > 0) | (self.margin is not None))


@dataclass(frozen=True, eq=False, kw_only=True)
class Fit:
    """The monotone curve of one family, cheapest level first; the reference belongs to it where it has a cost.

    `rows` numbers of the levels; `cost` (n,); `central` (n,) the fitted merit, `replicates` (replicates, n) the same
    of each replicate, beside the reference scores `reference` and `reference_replicates`. `cautious` (replicates, n)
    is the pessimist's fit, on which confidence rests: with five variants just below the threshold, the plain fit
    would let one of them pass 12 to 15 times in a hundred, the cautious one 7, and with one or two such variants 5.
    """

    family: str
    rows: Array
    cost: FloatArray
    central: FloatArray
    replicates: FloatArray
    cautious: FloatArray
    reference: FloatArray
    reference_replicates: FloatArray
    rule: Rule

    @cached_property
    def is_kept(self) -> BoolArray:
        """Whether the fitted score is enough, in the middle (n,)."""
        return self.rule.is_kept(self.central, self.reference)

    @cached_property
    def chance_kept(self) -> FloatArray:
        """Share of the replicates in which the cautious fit is enough (n,); NaN without replicates."""
        if not len(self.replicates):
            return np.full(len(self.rows), np.nan)
        return np.asarray(self.rule.is_kept(self.cautious, self.reference_replicates[:, None]).mean(axis=0))

    @property
    def dearest_tested(self) -> float:
        """The cost of the dearest level beside the reference."""
        return float(self.cost[self.rows != REFERENCE_ROW][-1])

    @cached_property
    def reached(self) -> BoolArray:
        """Whether any level is enough, in each replicate (replicates,)."""
        return self.rule.is_kept(self.replicates[:, -1], self.reference_replicates)

    def least_cost(self, *, confidence: float) -> tuple[float, float, float, float]:
        """(central, low, high, one-sided conservative) least cost that keeps enough; NaN where none tested does.

        Linear between the levels of the fit, in the logarithm of the cost where all costs are above 0.
        """
        rising = bool(self.cost[0] <= self.cost[-1])
        is_log = bool((self.cost > 0).all())
        axis = (np.log(self.cost) if is_log else self.cost) * (1 if rising else -1)
        reference = np.atleast_1d(self.reference)
        central = _crossing(axis, self.central[None], self.rule.target(reference))
        found = _crossing(axis, self.replicates, self.rule.target(self.reference_replicates))
        high = upper_bound(found, confidence=(1 + confidence) / 2)
        low = -upper_bound(-found, confidence=(1 + confidence) / 2)
        ends = [central[0], low, high, upper_bound(found, confidence=confidence)]
        middle, cheap, dear, safe = (_cost(float(v), is_log=is_log, rising=rising) for v in ends)
        return (middle, cheap, dear, safe) if rising else (middle, dear, cheap, safe)


def _crossing(axis: FloatArray, fits: FloatArray, target: FloatArray) -> FloatArray:
    """Where each non-decreasing row of `fits` first reaches its target, along a rising axis; inf where it does not."""
    target = target[:, None]
    enough = fits >= target - _ROUNDING * (np.abs(target) + np.abs(fits[:, -1:]))
    first = enough.argmax(axis=1)
    rows = np.arange(len(fits))
    before = np.maximum(first - 1, 0)
    rise = fits[rows, first] - fits[rows, before]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(rise > 0, (target[:, 0] - fits[rows, before]) / rise, 1.0)
    place = axis[before] + np.clip(share, 0, 1) * (axis[first] - axis[before])
    return np.where(enough.any(axis=1), place, np.inf)


def _cost(place: float, *, is_log: bool, rising: bool) -> float:
    if not np.isfinite(place):
        return np.nan
    value = place if rising else -place
    return float(np.exp(value)) if is_log else value


def dearer_than_reference(cost: FloatArray, *, lower_cost_is_better: bool) -> BoolArray:
    """Which levels (L,) cost more than the first of them; none where its cost is not known."""
    return np.asarray(cost > cost[REFERENCE_ROW] if lower_cost_is_better else cost < cost[REFERENCE_ROW])


def fit_families(
    levels: Sequence[Level], evidence: Evidence, *, rule: Rule, lower_cost_is_better: bool
) -> tuple[Fit, ...]:
    """One fit for each family.

    Levels without a score or a cost stay out, and those dearer than the reference: their rate rises with the damage
    (noise, say), so that "more cost is never worse" does not hold for them. Replicates without a score stay out too.
    """
    cost = np.array([level.cost for level in levels], float)
    fits = np.isfinite(cost) & np.isfinite(evidence.score)
    fits &= ~dearer_than_reference(cost, lower_cost_is_better=lower_cost_is_better)
    scores = evidence.replicates
    usable = np.isfinite(scores[:, fits]).all(axis=1) & np.isfinite(scores[:, REFERENCE_ROW])
    usable &= rule.is_usable(evidence.score[REFERENCE_ROW])
    merits, reference = rule.merit(scores[usable]), scores[usable, REFERENCE_ROW]
    known = [k for k, is_known in enumerate(fits) if is_known]
    families = dict.fromkeys(levels[k].family for k in known if k != REFERENCE_ROW)
    merit, sign = rule.merit(evidence.score), 1 if lower_cost_is_better else -1
    found = []
    for family in families:
        rows = [k for k in known if k == REFERENCE_ROW or levels[k].family == family]
        order = np.array(sorted(rows, key=lambda k: (sign * cost[k], k == REFERENCE_ROW, merit[k])))
        weights = evidence.n_repetitions[order].astype(float)
        found.append(
            Fit(
                family=family,
                rows=order,
                cost=cost[order],
                central=isotonic(merit[order], weights=weights),
                replicates=isotonic(merits[:, order], weights=weights),
                cautious=cautious_isotonic(merits[:, order], weights=weights),
                reference=evidence.score[REFERENCE_ROW],
                reference_replicates=reference,
                rule=rule,
            )
        )
    return tuple(found)
