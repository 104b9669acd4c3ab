"""Segmentation outcomes: confusion and boundary counts of each image, from which scores follow under any weighting."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from orbiq.arrays import Array, FloatArray
from orbiq.metrics.weighting import checked_weights, mean_of_known, ratio, summed


@dataclass(frozen=True, eq=False, kw_only=True)
class SegmentationOutcomes:
    """Counts by image and class number; an image of weight 2 counts as if it stood twice in the data set.

    `pixels` (n, 4): image, true class, predicted class (−1 where none), count. `boundary` (n, 6): image, class, true
    boundary pixels, those of them that were found, predicted ones, those of them that are true.
    """

    kind: ClassVar[str] = "segmentation"
    images: tuple[str, ...]
    classes: tuple[str, ...]
    per_class: bool = True
    pixels: Array
    boundary: Array

    def scores(self, weights: FloatArray) -> dict[str, FloatArray]:
        """iou, dice, pixel_accuracy, boundary_f1, and the first two and the last by class, of shape (replicates,).

        A class that neither the truth nor the prediction has under a weighting is NaN and takes no part in the mean.
        """
        weights = checked_weights(weights, len(self.images))
        hits, true, said = self._class_pixels(weights)
        by_class = {
            "iou": ratio(hits, true + said - hits),
            "dice": ratio(2 * hits, true + said),
            "boundary_f1": self._boundary_f1(weights),
        }
        means = {name: mean_of_known(values) for name, values in by_class.items()}
        accuracy = ratio(hits.sum(axis=1), true.sum(axis=1))
        found = {"iou": means["iou"], "dice": means["dice"], "pixel_accuracy": accuracy}
        found["boundary_f1"] = means["boundary_f1"]
        for name, values in by_class.items() if self.per_class else ():
            found |= {f"{name}/{label}": values[:, c] for c, label in enumerate(self.classes)}
        return found

    def _class_pixels(self, weights: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Pixels (replicates, classes) that are of the class and said to be, that are, that are said to be."""
        image, true, said, count = self.pixels.T

        def of(column: Array) -> FloatArray:
            return summed(weights, image=image, column=column, value=count, n_columns=len(self.classes))

        return of(np.where(true == said, true, -1)), of(true), of(said)

    def _boundary_f1(self, weights: FloatArray) -> FloatArray:
        """2PR/(P + R) with P = found/predicted and R = found/true, in one fraction that is 0 where one of them is."""
        image, label, *counts = self.boundary.T
        true, recalled, said, precise = (
            summed(weights, image=image, column=label, value=count, n_columns=len(self.classes)) for count in counts
        )
        harmonic = ratio(2 * recalled * precise, recalled * said + precise * true)
        return np.where(np.isnan(harmonic) & (true + said > 0), 0.0, harmonic)

    def confusion(self) -> Array:
        """Pixels (true class, predicted class) of all images; the last column counts those of no predicted class."""
        n = len(self.classes)
        table = np.zeros((n, n + 1), np.int64)
        np.add.at(table, (self.pixels[:, 1], self.pixels[:, 2]), self.pixels[:, 3])  # −1 is the last column
        return table

    def columns(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Rows of four sorts, told apart by `row`.

        "image": each image, in order. "pixels": `count` pixels of class `truth` were said to be `prediction` ("" for
        none). "truth-boundary", "prediction-boundary": `count` boundary pixels of class `truth` or `prediction`, of
        which `near` lie within the tolerance of one in the other map.
        """
        n = len(self.images)
        none = np.full(n, -1)
        image, label, true, recalled, said, precise = self.boundary.T
        away = np.full(len(image), -1)
        parts = [
            ("image", np.arange(n), none, none, none * 0, none * 0),
            ("pixels", *self.pixels.T, np.zeros(len(self.pixels), np.int64)),
            ("truth-boundary", image, label, away, true, recalled),
            ("prediction-boundary", image, away, label, said, precise),
        ]
        numbers = [np.concatenate(column) for column in list(zip(*parts, strict=True))[1:]]
        labels = np.array([*self.classes, ""], object)
        columns = {
            "row": np.repeat(np.array([part[0] for part in parts], object), [len(part[1]) for part in parts]),
            "image": np.array(self.images, object)[numbers[0]],
            "truth": labels[numbers[1]],
            "prediction": labels[numbers[2]],
            "count": numbers[3],
            "near": numbers[4],
        }
        return columns, {"kind": self.kind, "classes": list(self.classes), "per_class": self.per_class}


def segmentation_outcomes_from(columns: Mapping[str, Any], metadata: Mapping[str, Any]) -> SegmentationOutcomes:
    """The inverse of `SegmentationOutcomes.columns`."""
    row = np.asarray(columns["row"])
    names = [str(v) for v in columns["image"]]
    images = tuple(name for name, kind in zip(names, row, strict=True) if kind == "image")
    classes = tuple(metadata["classes"])
    image_number = {name: k for k, name in enumerate(images)}
    class_number = {**{name: k for k, name in enumerate(classes)}, "": -1}
    image = np.array([image_number[name] for name in names], np.int64)
    true, said = (np.array([class_number[str(v)] for v in columns[k]], np.int64) for k in ("truth", "prediction"))
    count, near = (np.asarray(columns[k], np.int64) for k in ("count", "near"))
    is_pixels, is_true, is_said = (row == kind for kind in ("pixels", "truth-boundary", "prediction-boundary"))
    boundary = [image[is_true], true[is_true], count[is_true], near[is_true], count[is_said], near[is_said]]
    return SegmentationOutcomes(
        images=images,
        classes=classes,
        per_class=bool(metadata["per_class"]),
        pixels=np.stack([image[is_pixels], true[is_pixels], said[is_pixels], count[is_pixels]], axis=1),
        boundary=np.stack(boundary, axis=1),
    )
