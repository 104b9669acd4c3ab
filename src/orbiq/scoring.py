"""Scores after the fact: a metric applied to a finished run, or to a variant's images, without running again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np

from orbiq.cache import content_key, patient, write_bytes
from orbiq.datasets.annotations import Annotations
from orbiq.datasets.coco import read_coco
from orbiq.datasets.folder import Dataset, open_dataset, read_scene
from orbiq.errors import ContractError, DatasetError, OrbiqError
from orbiq.metrics.base import MeanOutcomes, Scored, plain_scores
from orbiq.metrics.chosen import Metric, load_metric, own_name, plainly_scored
from orbiq.metrics.outcomes import write_outcomes
from orbiq.modifiers.variants import source_names
from orbiq.records import GivenScores, read_given, write_scores
from orbiq.registry import own_code
from orbiq.settings import Experiment
from orbiq.tasks.contract import read_predictions
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
        said = _guarded(metric, lambda: _over_predictions(metric, run_folder / OUTPUT_DIR, judged.variant))
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
    )
    write_scores(run_folder, given, slug=metric.slug)
    return given


def _over_predictions(metric: Metric, output: Path, variant: Path) -> Scored:
    predictions = read_predictions(output)
    if predictions is None:
        raise ContractError(f"{metric.text} needs output.json, and the task wrote none into its --outputpath")
    dataset = open_dataset(variant)
    names = source_names(variant)
    predictions = _unwrapped(predictions, names)
    truth = _truth(metric, dataset, names)
    said = metric.function(predictions, truth, **metric.options)
    return said if isinstance(said, Scored) else plainly_scored(metric, said)


def _unwrapped(predictions: Any, names: Mapping[str, str]) -> Any:
    """Values or labels by image, under the names that the images have in the source."""
    if isinstance(predictions, dict):
        for key in ("values", "labels"):
            if isinstance(predictions.get(key), dict):
                return {names.get(name, name): value for name, value in predictions[key].items()}
    return predictions


def _truth(metric: Metric, dataset: Dataset, names: Mapping[str, str]) -> Any:
    """COCO annotations under the source's image names, or the class folders' labels."""
    wants = metric.spec.name if metric.spec else ""
    if dataset.annotations_path is not None and wants not in {"regression", "classification"}:
        truth = read_coco(dataset.annotations_path)
        return _renamed(truth, names) if names else truth
    labels = {names.get(name, name): label for name, label in dataset.labels().items()}
    missing = [name for name, label in labels.items() if label is None]
    if missing:
        raise DatasetError(
            f"{metric.text} needs class folders or annotations; {dataset.name}/{missing[0]} has no label"
        )
    return _numbers(labels) if wants == "regression" else labels


def _numbers(labels: Mapping[str, str | None]) -> dict[str, float]:
    try:
        return {name: float(str(label)) for name, label in labels.items()}
    except ValueError as error:
        raise DatasetError(f"regression needs class folders whose names are numbers: {error}") from None


def _renamed(truth: Annotations, names: Mapping[str, str]) -> Annotations:
    images = tuple(replace(i, file_name=names.get(i.file_name, i.file_name)) for i in truth.images)
    return replace(truth, images=images)


def _over_images(metric: Metric, variant: Path, reference: Path) -> Scored:
    dataset, pristine = open_dataset(variant), open_dataset(reference)
    names = source_names(variant)
    rows: list[dict[str, float]] = []
    for name in dataset.images:
        image, _ = read_scene(dataset, name)
        arguments = [image]
        if metric.needs == "pair":
            arguments.append(read_scene(pristine, names.get(name, name))[0])
        rows.append(dict(plainly_scored(metric, metric.function(*arguments, **metric.options)).scores))
    columns = list(dict.fromkeys(key for row in rows for key in row))
    outcomes = MeanOutcomes(
        images=tuple(names.get(name, name) for name in dataset.images),
        values={key: np.array([row.get(key, nan) for row in rows]) for key in columns},
    )
    scores = plain_scores(outcomes)
    return Scored(
        scores=scores,
        reasons={k: "NaN on every image" for k, v in scores.items() if isnan(v)},
        outcomes=outcomes,
    )


def given_before(folder: Path, metric: Metric) -> bool:
    """Whether a run has this metric's scores already; one that gave nothing at all is asked again."""
    given = read_given(_scores_file(folder, metric))
    return given is not None and not (given.reasons and all(isnan(v) for v in given.scores.values()))


def _scores_file(folder: Path, metric: Metric) -> Path:
    return folder / "scores" / f"{metric.slug}.json"
