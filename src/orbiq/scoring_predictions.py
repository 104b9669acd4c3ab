"""The prediction half of scoring: what a task said, and the ground truth of the same images, put before a metric."""

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

from orbiq.datasets.annotations import Annotations
from orbiq.datasets.coco import read_coco
from orbiq.datasets.folder import Dataset, open_dataset
from orbiq.datasets.masks import mask_paths
from orbiq.errors import ContractError, DatasetError
from orbiq.metrics.base import Scored
from orbiq.metrics.chosen import Metric, plainly_scored
from orbiq.metrics.segmentation_input import MapFile
from orbiq.modifiers.variants import source_names
from orbiq.tasks.contract import FORMS, read_predictions

_TAKES = {"regression": ("values",), "classification": ("labels", "probabilities"), "segmentation": ("masks",)}
"""The forms of output.json that a metric can judge; any other metric takes what there is."""


def over_predictions(metric: Metric, output: Path, variant: Path) -> Scored:
    """What a metric says of output.json in a task's output folder, against the ground truth of the judged variant."""
    said = read_predictions(output)
    if said is None:
        raise ContractError(f"{metric.text} needs output.json, and the task wrote none into its --outputpath")
    dataset = open_dataset(variant)
    names = source_names(variant)
    form = form_of(said, metric=metric)
    predictions = unwrapped(said, names, form=form, output=output)
    truth = truth_of(dataset, names, metric=metric, form=form)
    scored = metric.function(predictions, truth, **metric.options)
    return scored if isinstance(scored, Scored) else plainly_scored(metric, scored)


def form_of(said: Any, *, metric: Metric) -> str:
    """Under which key of output.json the metric finds something for each image; "" where it is all one list."""
    given = [form for form in FORMS if isinstance(said, dict) and isinstance(said.get(form), dict)]
    takes = _TAKES.get(metric.spec.name, ()) if metric.spec else FORMS
    fitting = [form for form in given if form in takes]
    if takes and given and not fitting:
        raise ContractError(f"output.json gives {' and '.join(given)}; {metric.text} needs {' or '.join(takes)}")
    if metric.spec and len(fitting) > 1:
        raise ContractError(f"output.json gives {' and '.join(fitting)}; {metric.text} takes one of them, not both")
    return fitting[0] if fitting else ""


def unwrapped(said: Any, names: Mapping[str, str], *, form: str, output: Path) -> Any:
    """What is said by image, under the names that the images have in the source; class maps as files."""
    if not form:
        return said
    by_image = {names.get(name, name): value for name, value in said[form].items()}
    if form == "masks":
        return {name: MapFile(path=output / path, name=path) for name, path in by_image.items()}
    return by_image


def truth_of(dataset: Dataset, names: Mapping[str, str], *, metric: Metric, form: str) -> Any:
    """The ground truth under the source's image names: COCO annotations, masks, or the class folders' labels."""
    wants = metric.spec.name if metric.spec else ""
    if dataset.annotations_path is not None and wants not in _TAKES:
        truth = read_coco(dataset.annotations_path)
        return renamed(truth, names) if names else truth
    if form == "masks" or wants == "segmentation":
        return {names.get(name, name): value for name, value in true_masks(dataset).items()}
    labels = {names.get(name, name): label for name, label in dataset.labels().items()}
    missing = [name for name, label in labels.items() if label is None]
    if missing:
        raise DatasetError(
            f"{metric.text} needs class folders or annotations; {dataset.name}/{missing[0]} has no label"
        )
    return numbers(labels) if wants == "regression" else labels


def true_masks(dataset: Dataset) -> dict[str, MapFile]:
    """The class map of each image, which has no say where the image has no data."""
    masks = mask_paths(dataset)
    return {
        name: MapFile(
            path=path,
            name=path.relative_to(dataset.path).as_posix(),
            image=dataset.image_path(name),
            nodata=dataset.nodata,
        )
        for name, path in masks.items()
    }


def numbers(labels: Mapping[str, str | None]) -> dict[str, float]:
    """Class names as the numbers that they write."""
    try:
        found = {name: float(str(label)) for name, label in labels.items()}
    except ValueError as error:
        raise DatasetError(f"regression needs class folders whose names are numbers: {error}") from None
    endless = [label for name, label in labels.items() if not isfinite(found[name])]
    if endless:
        raise DatasetError(f"regression needs class folders whose names are finite numbers; one is {endless[0]!r}")
    return found


def renamed(truth: Annotations, names: Mapping[str, str]) -> Annotations:
    """The annotations under the names that the images have in the source."""
    images = tuple(replace(i, file_name=names.get(i.file_name, i.file_name)) for i in truth.images)
    return replace(truth, images=images)
