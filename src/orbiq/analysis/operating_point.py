"""The operating point: the cheapest variant that keeps the task's score, with its confidence.

The score against the cost is fitted by a monotone curve (more cost, no worse score), one for each family, with the
reference as its dearest end; what costs more than the reference has no place on it. Chance comes in through replicates
(`orbiq.analysis.levels`): in each, all scores, the fits and the comparison with the reference are made anew. A variant
keeps the score *with confidence* when its fitted score is enough, and in at least that share of the replicates it is so
by itself and averaged with the next dearer ones; which is the same as: the one-sided lower bound of what it retains is
enough. The answer is the cheapest such variant that was tested. Beside it stands R*, the least cost on the curve,
between the tested ones.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from math import inf, isfinite, nan

import numpy as np

from orbiq.analysis.levels import Evidence, Level, gather
from orbiq.analysis.results import Components, FamilyResult, LevelResult, OperatingPoint
from orbiq.analysis.retention import REFERENCE_ROW, Fit, Rule, fit_families
from orbiq.analysis.thinness import advise, components_of
from orbiq.analysis.wording import Words, method_of, sentence_of
from orbiq.bootstrap import lower_bound, percentile_interval
from orbiq.errors import SettingError

__all__ = ["Level", "OperatingPoint", "operating_point"]


def operating_point(
    levels: Sequence[Level],
    *,
    reference: Level,
    score: str,
    higher_is_better: bool = True,
    keep: float | None = 0.98,
    margin: float | None = None,
    confidence: float = 0.95,
    cost_name: str = "bits_per_pixel",
    lower_cost_is_better: bool = True,
    scenes: Mapping[str, str] | None = None,
    shared_training: bool = False,
    possible: tuple[float, float] = (-inf, inf),
    replicates: int = 2000,
    seed: int = 0,
) -> OperatingPoint:
    """The cheapest of the tested variants that keeps the reference's score, and the evidence.

    Args:
        levels: the tested variants; the reference among them is passed over.
        reference: the unmodified one.
        score: which score of the outcomes.
        higher_is_better: the direction of the score.
        keep: the share of the reference score to keep, in (0, 1]; for lower-is-better, score ≤ reference / keep.
        margin: an absolute loss that is allowed, in the score's unit; when given it goes before `keep`.
        confidence: of the one-sided decision, and of the two-sided intervals; in [0.5, 1).
        cost_name: what the cost is, with its unit.
        lower_cost_is_better: False for a modifier setting like sigma_px, where more is cheaper.
        scenes: image name → scene id; images of one scene are resampled together.
        shared_training: all variants were judged on the same trained models, repetition k on model k.
        possible: the range of the score; intervals do not leave it.
        replicates: how many, at least 100.
        seed: of the resampling; the same seed gives the same answer.

    Raises:
        SettingError: an option cannot be, or variants were judged on different images.
        UnknownName: the outcomes have no such score.
    """
    words = Words(
        score=score,
        cost=cost_name,
        rule=Rule(higher_is_better=higher_is_better, keep=None if margin is not None else keep, margin=margin),
        confidence=confidence,
        lower_cost_is_better=lower_cost_is_better,
        replicates=replicates,
        possible=possible,
    )
    _check(words)
    everything = [reference, *(level for level in levels if level.variant != reference.variant)]
    evidence = gather(
        everything,
        score=score,
        scenes=scenes,
        shared_training=shared_training,
        alike=margin or 0.0,
        replicates=replicates,
        seed=seed,
    )
    fits = fit_families(everything, evidence, rule=words.rule, lower_cost_is_better=lower_cost_is_better)
    return _concluded(everything, evidence=evidence, fits=fits, words=words)


def _check(words: Words) -> None:
    if not 0.5 <= words.confidence < 1 or words.replicates < 100:
        raise SettingError(
            f"confidence is {words.confidence!r} and replicates {words.replicates!r}; "
            "expected 0.5 ≤ confidence < 1 and replicates ≥ 100"
        )


def _concluded(levels: Sequence[Level], *, evidence: Evidence, fits: Sequence[Fit], words: Words) -> OperatingPoint:
    found = tuple(_level_result(k, levels, evidence=evidence, fits=fits, words=words) for k in range(len(levels)))
    is_known = evidence.knows_images or evidence.knows_training
    kept = {levels[k].variant for fit in fits for k in fit.rows[fit.is_kept]}
    likely = [v for v in found[1:] if v.variant in kept]
    central = _cheapest(likely, words)
    answer = _cheapest([v for v in likely if is_known and v.chance_kept >= words.confidence], words)
    best = _best(found, fits)
    parts = _components(central or best, levels, evidence=evidence, fits=fits)
    used = len(fits[0].replicates) if fits else 0
    reference = evidence.score[REFERENCE_ROW]
    return OperatingPoint(
        sentence=sentence_of(words, answer=answer, central=central, best=best, reference=found[0], evidence=evidence),
        score=words.score,
        higher_is_better=words.rule.higher_is_better,
        keep=words.rule.keep,
        margin=words.rule.margin,
        threshold=float(words.rule.merit(words.rule.target(reference))),
        reference=float(reference),
        confidence=words.confidence,
        cost=words.cost,
        variant=answer.variant if answer else None,
        central_variant=central.variant if central else None,
        levels=found,
        families=tuple(_family_result(fit, words.confidence) for fit in fits),
        advice=advise(words, answer=answer, central=central, parts=parts, evidence=evidence),
        components=parts,
        n_images=evidence.n_images,
        n_scenes=evidence.n_scenes,
        repetitions=min((v.n_runs for v in found if v.n_runs), default=0),
        replicates=used,
        n_unusable=words.replicates - used if fits else 0,
        method=method_of(words, evidence, reference_has_cost=isfinite(levels[REFERENCE_ROW].cost)),
    )


def _cheapest(found: Sequence[LevelResult], words: Words) -> LevelResult | None:
    sign = 1 if words.lower_cost_is_better else -1
    return min(found, key=lambda v: (sign * v.cost, -v.retention_fit), default=None)


def _best(found: Sequence[LevelResult], fits: Sequence[Fit]) -> LevelResult | None:
    """The tested variant of the highest merit on its curve, of several that of the highest by itself."""
    merits = [
        (m, float(fit.rule.merit(np.array(found[row].score))), row)
        for fit in fits
        for m, row in zip(fit.central, fit.rows, strict=True)
        if row != REFERENCE_ROW
    ]
    return found[max(merits)[2]] if merits else None


def _components(
    level: LevelResult | None, levels: Sequence[Level], *, evidence: Evidence, fits: Sequence[Fit]
) -> Components | None:
    if level is None:
        return None
    row = next(k for k, v in enumerate(levels) if v.variant == level.variant)
    fit = next(fit for fit in fits if row in fit.rows)
    return components_of(row, level.variant, fit=fit, evidence=evidence)


def _level_result(
    row: int, levels: Sequence[Level], *, evidence: Evidence, fits: Sequence[Fit], words: Words
) -> LevelResult:
    level, rule, scores = levels[row], words.rule, evidence.replicates
    reference = evidence.score[REFERENCE_ROW]
    spread = scores[np.isfinite(scores[:, row]), row]
    low, high = percentile_interval(spread, confidence=words.confidence) if evidence.knows_chance(row) else (nan, nan)
    fitted, safe, chance = _on_the_curve(row, fits, words=words)
    if row != REFERENCE_ROW and not evidence.knows_chance(row, REFERENCE_ROW):
        safe = chance = nan
    return LevelResult(
        variant=level.variant,
        family=level.family,
        cost=float(level.cost),
        cost_ratio=_ratio(level.cost, levels[REFERENCE_ROW].cost),
        score=float(evidence.score[row]),
        low=max(float(low), words.possible[0]) if isfinite(low) else nan,
        high=min(float(high), words.possible[1]) if isfinite(high) else nan,
        retention=float(rule.retention(rule.merit(evidence.score[row]), reference)),
        retention_fit=fitted,
        retention_low=safe,
        chance_kept=chance,
        n_runs=int(evidence.n_repetitions[row]),
        n_dropped=int(evidence.n_dropped[row]),
        rep_sd=float(evidence.rep_sd[row]),
        settings=dict(level.settings),
        reason=_reason(level, evidence, row, on_curve=isfinite(fitted) or row == REFERENCE_ROW),
    )


def _on_the_curve(row: int, fits: Sequence[Fit], *, words: Words) -> tuple[float, float, float]:
    """(retention, its lower bound, chance that enough is kept) of a level on its family's curve."""
    if row == REFERENCE_ROW:
        return 1.0, 1.0, 1.0
    fit = next((fit for fit in fits if row in fit.rows), None)
    if fit is None:
        return nan, nan, nan
    place = int(np.flatnonzero(fit.rows == row)[0])
    merit, reference = fit.cautious[:, place], fit.reference_replicates
    retained = words.rule.retention(merit, reference)
    if words.rule.margin is None:  # a reference of 0 or less has no shares, but enough of it is kept or not
        retained = np.where(np.isnan(retained), np.where(words.rule.is_kept(merit, reference), np.inf, 0), retained)
    retained = retained[~np.isnan(retained)]
    return (
        float(words.rule.retention(fit.central[place], fit.reference)),
        float(lower_bound(retained, confidence=words.confidence)),
        float(fit.chance_kept[place]),
    )


def _is_dearer(cost: float, *, than: float, rising: bool) -> bool:
    return cost > than * (1 + 1e-9) if rising else cost < than * (1 - 1e-9)


def _ratio(cost: float, reference_cost: float) -> float:
    return float(cost / reference_cost) if isfinite(cost) and reference_cost > 0 else nan


def _reason(level: Level, evidence: Evidence, row: int, *, on_curve: bool) -> str:
    if not evidence.n_repetitions[row]:
        return "no repetition has a score"
    if not isfinite(level.cost):
        return "its cost is not known"
    if isfinite(evidence.score[row]) and not on_curve:
        return "it costs more than the reference"
    return "" if evidence.knows_chance(row, REFERENCE_ROW) else "one measurement, which says nothing about chance"


def _family_result(fit: Fit, confidence: float) -> FamilyResult:
    central, low, high, safe = fit.least_cost(confidence=confidence)
    missed = 1 - float(fit.reached.mean()) if len(fit.reached) else nan
    beyond = partial(_is_dearer, than=fit.dearest_tested, rising=bool(fit.cost[0] <= fit.cost[-1]))
    if not isfinite(central):
        reason = "no cost that was tested keeps enough"
    elif fit.is_kept[0]:
        reason = "the cheapest variant that was tested keeps enough already"
    elif beyond(central):
        reason = "no variant that was tested keeps enough; read off the line from the dearest of them to the reference"
    elif missed > (1 - confidence) / 2:
        reason = f"in {100 * missed:.0f} % of the replicates no cost that was tested keeps enough"
    elif beyond(low) or beyond(high):
        reason = "the dear end lies on the line from the dearest variant that was tested to the reference"
    else:
        reason = ""
    return FamilyResult(family=fit.family, central=central, low=low, high=high, conservative=safe, reason=reason)
