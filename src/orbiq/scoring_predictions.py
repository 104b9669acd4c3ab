"""The prediction half of scoring: what a task said, and the ground truth of the same images, put before a metric."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from orbiq.datasets.annotations import Annotations
from orbiq.datasets.coco import read_coco
from orbiq.datasets.folder import Dataset, open_dataset
from orbiq.errors import ContractError, DatasetError
from orbiq.metrics.base import Scored
from orbiq.metrics.chosen import Metric, plainly_scored
from orbiq.modifiers.variants import source_names
from orbiq.tasks.contract import read_predictions


def over_predictions(metric: Metric, output: Path, variant: Path) -> Scored:
    """What a metric says of output.json in a task's output folder, against the ground truth of the judged variant."""
    predictions = read_predictions(output)
    if predictions is None:
        raise ContractError(f"{metric.text} needs output.json, and the task wrote none into its --outputpath")
    dataset = open_dataset(variant)
    names = source_names(variant)
    predictions = unwrapped(predictions, names)
    said = metric.function(predictions, truth_of(dataset, names, metric=metric), **metric.options)
    return said if isinstance(said, Scored) else plainly_scored(metric, said)


def unwrapped(predictions: Any, names: Mapping[str, str]) -> Any:
    """Values or labels by image, under the names that the images have in the source."""
    if isinstance(predictions, dict):
        for key in ("values", "labels"):
            if isinstance(predictions.get(key), dict):
                return {names.get(name, name): value for name, value in predictions[key].items()}
    return predictions


def truth_of(dataset: Dataset, names: Mapping[str, str], *, metric: Metric) -> Any:
    """COCO annotations under the source's image names, or the class folders' labels."""
    wants = metric.spec.name if metric.spec else ""
    if dataset.annotations_path is not None and wants not in {"regression", "classification"}:
        truth = read_coco(dataset.annotations_path)
        return renamed(truth, names) if names else truth
    labels = {names.get(name, name): label for name, label in dataset.labels().items()}
    missing = [name for name, label in labels.items() if label is None]
    if missing:
        raise DatasetError(
            f"{metric.text} needs class folders or annotations; {dataset.name}/{missing[0]} has no label"
        )
    return numbers(labels) if wants == "regression" else labels


def numbers(labels: Mapping[str, str | None]) -> dict[str, float]:
    """Class names as the numbers that they write."""
    try:
        return {name: float(str(label)) for name, label in labels.items()}
    except ValueError as error:
        raise DatasetError(f"regression needs class folders whose names are numbers: {error}") from None


def renamed(truth: Annotations, names: Mapping[str, str]) -> Annotations:
    """The annotations under the names that the images have in the source."""
    images = tuple(replace(i, file_name=names.get(i.file_name, i.file_name)) for i in truth.images)
    return replace(truth, images=images)
