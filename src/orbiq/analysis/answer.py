"""From records to the answer: levels, operating point, and `analysis.json`.

One analysis for each combination of the varied parameters; the answer is that of the combination whose reference
scores best, the others stand beside it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import inf, isnan, nan
from pathlib import Path
from typing import Any

from orbiq.analysis.agreement import agreements, best_sentence
from orbiq.analysis.downlink import Downlink, carried, pass_sentence
from orbiq.analysis.operating_point import Level, OperatingPoint, operating_point
from orbiq.cache import content_key, read_json_or, without_nan, write_json
from orbiq.errors import OrbiqError, SettingError
from orbiq.metrics.base import Outcomes, ScoreSpec, plain_scores
from orbiq.metrics.catalogue import METRICS, metric_spec
from orbiq.metrics.outcomes import read_outcomes
from orbiq.records import REFERENCE, Record, all_scores, family_of, read_about, read_records, read_scores
from orbiq.registry import is_own, parse_spec

ANALYSIS_FILE = "analysis.json"
_RATES = ("bits_per_pixel", "bits_per_sample", "bytes_per_image")


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of an experiment: the objective of its settings, with its direction settled."""

    score: str
    higher_is_better: bool
    keep: float | None
    margin: float | None
    confidence: float
    cost: str
    lower_cost_is_better: bool
    possible: tuple[float, float] = (-inf, inf)
    """The range of the score."""


def analyse(experiment_folder: Path, *, downlink: Downlink | None = None) -> dict[str, Any]:
    """Answer the experiment's question from what is on disk; the answer goes to analysis.json too.

    With a `downlink`, here or in the experiment's objective, the answer says what a pass of it carries.

    {"schema": 1, "operating_point": … or null, "reason": why there is none, "others": […], "params": {…}}
    """
    about = read_about(experiment_folder)
    objective = about["settings"].get("objective")
    records = [r for r in read_records(experiment_folder) if r.status == "finished"]
    if not objective:
        said: dict[str, Any] = {"operating_point": None, "reason": "the experiment states no objective"}
    elif not records:
        said = {"operating_point": None, "reason": "no run has finished"}
    else:
        try:
            said = _answers(experiment_folder, records, question_of(about["settings"]), about=about)
            if link := downlink or _downlink_of(objective):
                said = _with_passes(said, link, gsd_m=about.get("gsd_m") or nan)
        except SettingError as error:
            said = {"operating_point": None, "reason": str(error)}
    said = without_nan({"schema": 1, **said})
    inputs = content_key([about, [(r.run, r.key) for r in records], said])
    if read_json_or(experiment_folder / ANALYSIS_FILE, {}).get("inputs") != inputs:
        write_json(experiment_folder / ANALYSIS_FILE, {**said, "inputs": inputs})
    return said


def scenes_of(about: Mapping[str, Any]) -> dict[str, str] | None:
    """Image → scene of the judged dataset; None where it states none."""
    scenes = about.get("scenes")
    return {str(k): str(v) for k, v in scenes.items()} if isinstance(scenes, dict) and scenes else None


def question_of(settings: Mapping[str, Any]) -> Question:
    """The objective of an experiment's settings."""
    objective, metrics = settings["objective"], settings.get("metrics", [])
    margin = objective.get("margin")
    spec = spec_of(objective["score"], metrics)
    return Question(
        score=objective["score"],
        higher_is_better=higher_is_better(objective["score"], objective.get("direction"), metrics),
        possible=(spec.low, spec.high) if spec else (-inf, inf),
        keep=None if margin is not None else objective.get("keep") or 0.98,
        margin=margin,
        confidence=objective.get("confidence", 0.95),
        cost=objective.get("cost", "bits_per_pixel"),
        lower_cost_is_better=objective.get("cost_direction", "lower") == "lower",
    )


def higher_is_better(score: str, stated: str | None, metrics: Sequence[Any]) -> bool:
    """Which way a score is better: as stated, else as the metric that gives it says.

    Raises SettingError for a score that is best in the middle, such as a bias, and for one that nobody knows.
    """
    if stated is not None:
        return stated == "higher"
    spec = spec_of(score, metrics)
    if spec is None:
        raise SettingError(
            f"which way the score {score!r} is better is not known, as no metric of orbiq's own that is listed gives "
            "it: say direction: lower, or direction: higher, in the objective"
        )
    if spec.best is not None:
        raise SettingError(
            f"the objective's score {score!r} is best at {spec.best:g}, neither high nor low, so that no "
            "share of it can be kept; choose another, as mae for a bias"
        )
    return spec.higher_is_better


def spec_of(score: str, metrics: Sequence[Any]) -> ScoreSpec | None:
    """The meaning of a score, from the first listed metric of orbiq's own that gives it; None when none does."""
    for item in metrics:
        name = parse_spec(item)[0]["name"] if isinstance(item, str) else next(iter(item))
        for spec in metric_spec(name).scores if not is_own(name) and name in METRICS else ():
            if spec.name in (score, score.split("/", maxsplit=1)[0]):
                return spec
    return None


def _answers(folder: Path, records: list[Record], question: Question, *, about: Mapping[str, Any]) -> dict[str, Any]:
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[content_key(record.params)].append(record)
    given: list[tuple[float, dict[str, Any]]] = []
    reasons = []
    for group in groups.values():
        try:
            point = _point(folder, group, question, about=about)
        except OrbiqError as error:
            reasons.append(str(error))
            continue
        merit = next((level.score for level in point.levels if level.variant == REFERENCE), nan)
        merit = merit if question.higher_is_better else -merit
        said = {"params": group[0].params, "point": _with_rates(point.as_dict(), group)}
        given.append((-float("inf") if isnan(merit) else merit, said))
    if not given:
        return {"operating_point": None, "reason": "; ".join(dict.fromkeys(reasons))}
    given.sort(key=lambda pair: -pair[0])
    best = given[0][1]
    return {
        "operating_point": best["point"],
        "params": best["params"],
        "reason": "; ".join(dict.fromkeys(reasons)),
        "others": [{"params": other["params"], **other["point"]} for _, other in given[1:]],
        **_agreement(folder, groups[content_key(best["params"])], best["point"]),
    }


def _agreement(folder: Path, records: list[Record], point: Mapping[str, Any]) -> dict[str, Any]:
    """How well the scores of the images tell the task's; nothing where there are none."""
    images: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for record in records:
        for given in read_scores(folder / "runs" / record.run):
            if given.needs in {"image", "pair"}:
                for name, value in given.scores.items():
                    images[given.metric, name][record.variant] = value
    if not images:
        return {}
    task = {level["variant"]: nan if level["score"] is None else level["score"] for level in point["levels"]}
    families = {level["variant"]: level["family"] for level in point["levels"]}
    found = agreements(task, images, families=families)
    sentence = best_sentence(found, score=point["score"])
    return {"agreement": {"sentence": sentence, "score": point["score"], "scores": [a.as_dict() for a in found]}}


def _with_rates(point: dict[str, Any], records: list[Record]) -> dict[str, Any]:
    """The operating point with what each variant weighs, whatever the cost was."""
    rates = {record.variant: record.rate for record in records}
    for level in point["levels"]:
        level |= {name: getattr(rates[level["variant"]], name) for name in _RATES}
    return point


def _downlink_of(objective: Mapping[str, Any]) -> Downlink | None:
    return Downlink.of(objective["downlink"]) if objective.get("downlink") else None


def _with_passes(said: dict[str, Any], link: Downlink, *, gsd_m: float) -> dict[str, Any]:
    """The answer with what a pass carries of each variant, in its levels and in its sentence."""
    points = [said["operating_point"], *said.get("others", [])]
    for point in points if said["operating_point"] else []:
        levels = {level["variant"]: level for level in point["levels"]}
        ground_km2 = _ground_km2(levels[REFERENCE], gsd_m)
        found = {
            name: carried(link, bytes_per_image=level["bytes_per_image"], ground_km2=ground_km2)
            for name, level in levels.items()
        }
        for name, one in found.items():
            levels[name].update({f"{key}_per_pass": value for key, value in asdict(one).items()} if one else {})
        point["downlink"] = link.settings()
        chosen, reference = found.get(point["variant"] or ""), found[REFERENCE]
        if chosen and reference:
            point["sentence"] += f" {pass_sentence(link, chosen=chosen, reference=reference)}"
    return said


def _ground_km2(reference: Mapping[str, Any], gsd_m: float) -> float:
    """What an image covers, before any modifier made its pixels larger."""
    pixels = 8 * reference["bytes_per_image"] / reference["bits_per_pixel"] if reference["bits_per_pixel"] else nan
    return float(pixels * gsd_m**2 / 1e6)


def _point(folder: Path, records: list[Record], question: Question, *, about: Mapping[str, Any]) -> OperatingPoint:
    """The operating point of runs with the same parameters."""
    by_variant: dict[str, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda r: r.repetition):
        by_variant[record.variant].append(record)
    n_repetitions = 1 + max(record.repetition for record in records)
    levels = [
        _level(folder, variant, group, question, n_repetitions=n_repetitions) for variant, group in by_variant.items()
    ]
    reference = next((level for level in levels if level.variant == REFERENCE), None)
    if reference is None:
        raise NoReferenceError("the reference has no finished run, so there is nothing to compare with")
    trainings = {r.training for r in records if r.training}
    return operating_point(
        [level for level in levels if level.variant != REFERENCE],
        reference=reference,
        score=question.score,
        higher_is_better=question.higher_is_better,
        keep=question.keep,
        margin=question.margin,
        confidence=question.confidence,
        cost_name=question.cost,
        lower_cost_is_better=question.lower_cost_is_better,
        scenes=scenes_of(about),
        possible=question.possible,
        shared_training=bool(trainings) and len(trainings) == len({r.repetition for r in records}),
    )


class NoReferenceError(OrbiqError):
    """The reference is missing."""


def _level(folder: Path, variant: str, records: list[Record], question: Question, *, n_repetitions: int) -> Level:
    """One variant; a repetition that has no finished run is NaN, so that repetition k is model k everywhere."""
    judged: list[Outcomes | float] = [nan] * n_repetitions
    for record in records:
        judged[record.repetition] = judged_scores(folder / "runs" / record.run, record, question.score)
    first = records[0]
    return Level(
        variant=variant,
        family=family_of(first.modifier),
        cost=_cost(first, question.cost),
        settings=first.settings,
        repetitions=tuple(judged),
    )


def _cost(record: Record, name: str) -> float:
    value = getattr(record.rate, name) if name in _RATES else record.settings.get(name, nan)
    return float(value) if isinstance(value, int | float) else nan


def judged_scores(run_folder: Path, record: Record, score: str) -> Outcomes | float:
    """The outcomes from which the score follows, or the bare number, or NaN."""
    for given in read_scores(run_folder):
        if score in given.scores and given.outcomes:
            outcomes = read_outcomes(run_folder / "scores" / given.outcomes)
            if score in plain_scores(outcomes):
                return outcomes
    return all_scores(run_folder, record)[0].get(score, nan)
