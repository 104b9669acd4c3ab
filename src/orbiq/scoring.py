"""Scores after the fact: a metric applied to a finished run, or to a variant's images, without running again."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np

from orbiq.cache import content_key, patient, write_bytes
from orbiq.errors import DatasetError, OrbiqError
from orbiq.measuring import measured, paired_subjects, subjects_of
from orbiq.metrics.applied import check_needs
from orbiq.metrics.base import Estimate, MeanOutcomes, Scored, plain_scores
from orbiq.metrics.chosen import Metric, load_metric, own_name
from orbiq.metrics.outcomes import write_outcomes
from orbiq.records import GivenScores, read_given, write_scores
from orbiq.registry import own_code
from orbiq.scoring_predictions import over_predictions
from orbiq.settings import Experiment
from orbiq.tasks.local import OUTPUT_DIR


def load_metrics(experiment: Experiment) -> tuple[Metric, ...]:
    """The metrics of an experiment, ready, before anything is made for them."""
    return tuple(replace(load_metric(spec), rank=k) for k, spec in enumerate(experiment.metric_specs()))


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a metric needs of a run beside its output: the dataset folders of the judged split, and their keys."""

    variant: Path
    variant_key: str
    reference: Path
    reference_key: str


def score_run(metric: Metric, *, run_folder: Path, judged: Judged, remembered: Path) -> GivenScores:
    """Apply a metric to one run and write what it says beside the record.

    A metric over images alone is computed once for each variant and kept in `remembered`.
    """
    if metric.needs == "predictions":
        said = _guarded(metric, lambda: over_predictions(metric, run_folder / OUTPUT_DIR, judged.variant))
        return _written(metric, said, run_folder)
    code = "" if metric.spec else own_code(metric.function)
    about = content_key([metric.text, code, judged.variant_key, judged.reference_key])
    kept = remembered / about[:16]
    with patient(kept.with_suffix(".lock")):
        if not given_before(kept, metric):
            _written(metric, _guarded(metric, lambda: _over_images(metric, judged.variant, judged.reference)), kept)
    return _copied(metric, kept, run_folder)


def _copied(metric: Metric, kept: Path, run_folder: Path) -> GivenScores:
    """Copy a metric's files, what they are about last, so that a crash leaves all or nothing."""
    given = read_given(_scores_file(kept, metric))
    if given is None:
        raise DatasetError(f"image-scores/{kept.name} is not what was just written; is something else changing it?")
    if given.outcomes:
        write_bytes(run_folder / "scores" / given.outcomes, (kept / "scores" / given.outcomes).read_bytes())
    write_scores(run_folder, given, slug=metric.slug)
    return given


def _guarded(metric: Metric, apply: Callable[[], Scored]) -> Scored:
    """What a metric says; when it cannot, NaN with the reason: hours of a task's work are not lost over a score."""
    try:
        return apply()
    except OrbiqError as error:
        return _unscored(metric, str(error))
    except Exception as error:  # noqa: BLE001  a user's own may fail as it likes
        return _unscored(metric, f"{metric.text} failed: {type(error).__name__}: {' '.join(str(error).split())}")


def _unscored(metric: Metric, reason: str) -> Scored:
    names = [s.name for s in metric.spec.scores] if metric.spec else [own_name(metric)]
    return Scored(scores=dict.fromkeys(names, nan), reasons=dict.fromkeys(names, reason))


def _written(metric: Metric, scored: Scored, run_folder: Path) -> GivenScores:
    outcomes = ""
    if scored.outcomes is not None:
        outcomes = f"{metric.slug}.parquet"
        (run_folder / "scores").mkdir(parents=True, exist_ok=True)
        write_outcomes(run_folder / "scores" / outcomes, scored.outcomes)
    given = GivenScores(
        metric=metric.text,
        scores=dict(scored.scores),
        reasons=dict(scored.reasons),
        stated=dict(scored.stated or {}),
        outcomes=outcomes,
        rank=metric.rank,
        needs=metric.needs,
    )
    write_scores(run_folder, given, slug=metric.slug)
    return given


def _over_images(metric: Metric, variant: Path, reference: Path) -> Scored:
    check_needs([metric], paired=True)
    subjects = paired_subjects(reference, variant) if metric.needs == "pair" else subjects_of(variant)
    rows: list[Mapping[str, Estimate]] = []
    for _, applied in measured(subjects, [metric], jobs=os.cpu_count() or 1):
        rows.append(applied[0].scores)
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name, Estimate(value=nan)) for row in rows] for name in names}
    outcomes = MeanOutcomes(
        images=tuple(subject.source for subject in subjects),
        values={name: np.array([estimate.value for estimate in column]) for name, column in columns.items()},
    )
    scores = plain_scores(outcomes)
    return Scored(
        scores=scores,
        reasons={name: _reason(columns[name]) for name, value in scores.items() if isnan(value)},
        outcomes=outcomes,
        stated=_stated_gaps(columns),
    )


def _reason(column: Sequence[Estimate]) -> str:
    reasons = dict.fromkeys(estimate.reason for estimate in column if estimate.reason)
    return f"NaN on every image: {next(iter(reasons), 'no reason given')}"


def _stated_gaps(columns: Mapping[str, Sequence[Estimate]]) -> dict[str, Any] | None:
    """How many images a mean leaves out, where it leaves out some."""
    gaps = {name: sum(isnan(estimate.value) for estimate in column) for name, column in columns.items()}
    known = {name: f"{n} of {len(columns[name])} images" for name, n in gaps.items() if 0 < n < len(columns[name])}
    return {"unknown": known} if known else None


def given_before(folder: Path, metric: Metric) -> bool:
    """Whether a run has this metric's scores already; one that gave nothing at all is asked again."""
    given = read_given(_scores_file(folder, metric))
    return given is not None and not (given.reasons and all(isnan(v) for v in given.scores.values()))


def _scores_file(folder: Path, metric: Metric) -> Path:
    return folder / "scores" / f"{metric.slug}.json"
