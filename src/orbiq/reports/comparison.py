"""Two experiments held against each other, variant by variant.

B passes at a variant when its score keeps at least `keep` of A's (for lower-is-better: is at most A's / keep). Where
images or repetitions say how far chance could have moved the scores, that must hold with one-sided confidence: in at
least that share of replicates, in which the same images are drawn for A and B. Where nothing says so, the scores
themselves decide, and the reason is given.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from orbiq.analysis.answer import higher_is_better, judged_scores, question_of, scenes_of
from orbiq.analysis.levels import Evidence as Chance
from orbiq.analysis.levels import Level, gather
from orbiq.analysis.retention import Rule
from orbiq.bootstrap import lower_bound, percentile_interval
from orbiq.errors import SettingError, unknown
from orbiq.metrics.base import Outcomes, plain_scores
from orbiq.records import REFERENCE, family_of, read_about
from orbiq.reports.evidence import Evidence, Run

Verdict = Literal["keeps", "loses", "unsure", "unknown"]
_REPLICATES = 2000


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One variant in A and in B.

    `retention` B's score over A's (the other way round where lower is better), `low` and `high` its two-sided interval,
    `least` its one-sided lower bound, `chance` the share of replicates in which B keeps enough; NaN where unknown.
    """

    variant: str
    score_a: float
    score_b: float
    retention: float
    low: float
    high: float
    least: float
    chance: float
    verdict: Verdict
    reason: str

    @property
    def passed(self) -> bool:
        """Whether the gate is open here."""
        return self.verdict == "keeps"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All variants that both have, the reference first, and what was asked."""

    score: str
    higher_is_better: bool
    keep: float
    confidence: float
    pairs: tuple[Pair, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether B keeps enough at the reference and at every common variant."""
        return bool(self.pairs) and self.pairs[0].variant == REFERENCE and all(pair.passed for pair in self.pairs)


def compare(a: Evidence, b: Evidence, *, keep: float, confidence: float = 0.95, score: str | None = None) -> Comparison:
    """Hold B against A in `score`, by default that of A's objective.

    Raises SettingError where no score is stated or `keep` and `confidence` cannot be, UnknownName where nobody has it.
    """
    if not 0.5 <= confidence < 1:
        raise SettingError(f"confidence is {confidence!r}; expected a share from 0.5 up to, but not including, 1")
    if score is not None:
        _check_score(score, [*a.finished, *b.finished])
    name, higher = _score_of(a, score)
    rule = Rule(higher_is_better=higher, keep=keep)
    runs_a, runs_b = _by_variant(a), _by_variant(b)
    common = sorted((v for v in runs_a if v in runs_b), key=lambda v: (v != REFERENCE, -_bits(runs_a[v])))
    _check_score(name, [*a.finished, *b.finished])
    chance, notes = _chance(a, b, common=common, runs=(runs_a, runs_b), score=name)
    pairs = (
        [_pair(v, k, chance=chance, rule=rule, confidence=confidence) for k, v in enumerate(common)] if chance else []
    )
    return Comparison(
        score=name,
        higher_is_better=higher,
        keep=keep,
        confidence=confidence,
        pairs=tuple(pairs),
        only_a=tuple(v for v in runs_a if v not in runs_b),
        only_b=tuple(v for v in runs_b if v not in runs_a),
        notes=notes,
    )


def _score_of(a: Evidence, score: str | None) -> tuple[str, bool]:
    objective = a.settings.get("objective")
    if score is None and not objective:
        raise SettingError(f"experiment {a.name!r} states no objective, so there is no score to compare; name one")
    if objective and score in (None, objective["score"]):
        question = question_of(a.settings)
        return question.score, question.higher_is_better
    return str(score), higher_is_better(str(score), None, a.settings.get("metrics", []))


def _check_score(score: str, runs: Sequence[Run]) -> None:
    known = {name for run in runs for name in run.scores}
    if runs and score not in known:
        raise unknown("score", score, known)


def _by_variant(evidence: Evidence) -> dict[str, list[Run]]:
    """Finished runs by variant, those with the parameters that the operating point rests on."""
    groups: dict[str, list[Run]] = {}
    for run in evidence.finished:
        if not evidence.params or run.record.params == evidence.params:
            groups.setdefault(run.record.variant, []).append(run)
    return groups


def _bits(runs: Sequence[Run]) -> float:
    record = runs[0].record
    return record.rate.bits_per_pixel if record.splits else 0.0


def _chance(
    a: Evidence,
    b: Evidence,
    *,
    common: Sequence[str],
    runs: tuple[Mapping[str, Sequence[Run]], Mapping[str, Sequence[Run]]],
    score: str,
) -> tuple[Chance | None, tuple[str, ...]]:
    """What is known of A and B at each variant, in turn; paired over images where both were judged on the same."""
    if not common:
        return None, ("The experiments have no finished variant in common.",)
    levels = [
        _level(side.folder, variant, group[variant], score)
        for variant in common
        for side, group in ((a, runs[0]), (b, runs[1]))
    ]
    scenes = scenes_of(read_about(a.folder))
    try:
        return _gathered(levels, score, scenes), ()
    except SettingError:
        bare = [_bare(level, score) for level in levels]
        note = "A and B were judged on different images, so that images could not be paired: only repetitions count."
        return _gathered(bare, score, None), (note,)


def _gathered(levels: Sequence[Level], score: str, scenes: Mapping[str, str] | None) -> Chance:
    return gather(levels, score=score, scenes=scenes, shared_training=False, alike=0.0, replicates=_REPLICATES, seed=0)


def _level(folder: Path, variant: str, runs: Sequence[Run], score: str) -> Level:
    first = runs[0].record
    repetitions = tuple(judged_scores(folder / "runs" / run.record.run, run.record, score) for run in runs)
    return Level(variant, family_of(first.modifier), _bits(runs), first.settings, repetitions)


def _bare(level: Level, score: str) -> Level:
    numbers = tuple(plain_scores(r)[score] if isinstance(r, Outcomes) else r for r in level.repetitions)
    return Level(level.variant, level.family, level.cost, level.settings, numbers)


def _pair(variant: str, k: int, *, chance: Chance, rule: Rule, confidence: float) -> Pair:
    """The k-th variant: A's level is the 2k-th, B's the next."""
    a, b = float(chance.score[2 * k]), float(chance.score[2 * k + 1])
    replicates_a, replicates_b = chance.replicates[:, 2 * k], chance.replicates[:, 2 * k + 1]
    known = chance.knows_images or chance.knows_training
    usable = rule.is_usable(replicates_a) & np.isfinite(replicates_b)
    shares = rule.retention(rule.merit(replicates_b), replicates_a)[usable]
    kept = rule.is_kept(rule.merit(replicates_b), replicates_a)[usable]
    sure = known and len(shares) > 0
    low, high = percentile_interval(shares, confidence=confidence) if sure else (math.nan, math.nan)
    point = _is_kept(a, b, rule)
    share = float(kept.mean()) if sure else math.nan
    verdict, reason = _verdict(point, share, confidence=confidence)
    return Pair(
        variant=variant,
        score_a=a,
        score_b=b,
        retention=float(rule.retention(rule.merit(np.array(b)), np.array(a))),
        low=float(low),
        high=float(high),
        least=float(lower_bound(shares, confidence=confidence)) if sure else math.nan,
        chance=share,
        verdict=verdict,
        reason=reason,
    )


def _is_kept(a: float, b: float, rule: Rule) -> bool | None:
    if not (math.isfinite(a) and math.isfinite(b) and bool(rule.is_usable(np.array(a)))):
        return None
    return bool(rule.is_kept(rule.merit(np.array(b)), np.array(a)))


def _verdict(point: bool | None, share: float, *, confidence: float) -> tuple[Verdict, str]:
    if point is None:
        return "unknown", "a score is missing, or A's is no number of which a share can be kept"
    if not point:
        return "loses", ""
    if math.isnan(share):
        return "keeps", "a single repetition without scores per image: how far chance moves it is unknown"
    return ("keeps" if share >= confidence else "unsure"), ""
