"""Classification outcomes: what was said of each image, from which scores follow under any weighting of the images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from orbiq.arrays import Array, FloatArray
from orbiq.metrics.weighting import checked_weights, mean_of_known, ratio, summed

_CHUNK_NUMBERS = 1 << 22
"""Numbers of a chunk of the calibration error: 32 MiB as float64."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Sureness:
    """What the probabilities of each image come to.

    `confidence` of the predicted class; `rank` how many classes are before the true one; `brier` the squared
    distance of the probabilities from the truth, 0 to 2.
    """

    confidence: FloatArray
    rank: Array
    brier: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class ClassificationOutcomes:
    """The true and the predicted class of each image as numbers among `classes`; `sureness` where it is known.

    An image of weight 2 counts as if it stood twice in the data set. `top_k` 0 leaves top_k_accuracy unknown, `bins`
    0 the ece.
    """

    kind: ClassVar[str] = "classification"
    images: tuple[str, ...]
    classes: tuple[str, ...]
    true: Array
    said: Array
    sureness: Sureness | None = None
    top_k: int = 0
    bins: int = 0
    per_class: bool = True

    def scores(self, weights: FloatArray) -> dict[str, FloatArray]:
        """Scores of shape (replicates,); a class that has no share in one of them under a weighting is NaN there."""
        weights = checked_weights(weights, len(self.images))
        hits, true, said = (self._by_class(weights, v) for v in (self._hits, self.true, self.said))
        by_class = {"f1": ratio(2 * hits, true + said), "precision": ratio(hits, said), "recall": ratio(hits, true)}
        found = {
            "accuracy": ratio(hits.sum(axis=1), weights.sum(axis=1)),
            "balanced_accuracy": mean_of_known(by_class["recall"]),
            "f1": mean_of_known(by_class["f1"]),
        }
        found |= self._of_sureness(weights, self.sureness) if self.sureness is not None else {}
        for name, values in by_class.items() if self.per_class else ():
            found |= {f"{name}/{label}": values[:, c] for c, label in enumerate(self.classes)}
        return found

    @property
    def _hits(self) -> Array:
        return np.where(self.true == self.said, self.true, -1)

    def _by_class(self, weights: FloatArray, column: Array) -> FloatArray:
        ones = np.ones(len(column))
        return summed(weights, image=np.arange(len(column)), column=column, value=ones, n_columns=len(self.classes))

    def _of_sureness(self, weights: FloatArray, sureness: Sureness) -> dict[str, FloatArray]:
        total = weights.sum(axis=1)
        unknown = np.full(len(weights), np.nan)
        right = (self.true == self.said).astype(float)
        near = (sureness.rank < self.top_k).astype(float)
        return {
            "top_k_accuracy": ratio(weights @ near, total) if self.top_k else unknown,
            "ece": calibration_error(sureness.confidence, right, weights=weights, bins=self.bins)
            if self.bins
            else unknown,
            "brier": ratio(weights @ sureness.brier, total),
        }

    def confusion(self) -> Array:
        """Images (true class, predicted class)."""
        n = len(self.classes)
        return np.bincount(self.true * n + self.said, minlength=n * n).reshape(n, n)

    def columns(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """One row per image."""
        labels = np.array(self.classes, object)
        columns: dict[str, Any] = {"image": list(self.images), "true": labels[self.true], "said": labels[self.said]}
        if self.sureness is not None:
            columns |= vars(self.sureness)
        options = {"top_k": self.top_k, "bins": self.bins, "per_class": self.per_class}
        return columns, {"kind": self.kind, "classes": list(self.classes), **options}


def classification_outcomes_from(columns: Mapping[str, Any], metadata: Mapping[str, Any]) -> ClassificationOutcomes:
    """The inverse of `ClassificationOutcomes.columns`."""
    number = {name: k for k, name in enumerate(metadata["classes"])}
    true, said = (np.array([number[str(v)] for v in columns[name]], np.int64) for name in ("true", "said"))
    sureness = None
    if "confidence" in columns:
        sureness = Sureness(
            confidence=np.asarray(columns["confidence"], float),
            rank=np.asarray(columns["rank"], np.int64),
            brier=np.asarray(columns["brier"], float),
        )
    return ClassificationOutcomes(
        images=tuple(columns["image"]),
        classes=tuple(metadata["classes"]),
        true=true,
        said=said,
        sureness=sureness,
        top_k=int(metadata["top_k"]),
        bins=int(metadata["bins"]),
        per_class=bool(metadata["per_class"]),
    )


def calibration_error(confidence: FloatArray, right: FloatArray, *, weights: FloatArray, bins: int) -> FloatArray:
    """Expected calibration error, Σ over bins of (share of weight) · |share right − mean confidence|, (replicates,).

    The images are sorted by confidence and cut into `bins` bins of equal weight; an image on a cut belongs to both
    bins, by parts, and images of equal confidence are shared out alike: so neither order nor doubling plays a part.

    >>> sure, right = np.array([0.9, 0.9, 0.6, 0.6]), np.array([1.0, 1.0, 1.0, 0.0])
    >>> round(float(calibration_error(sure, right, weights=np.ones((1, 4)), bins=2)[0]), 12)  # 0.1 in each bin
    0.1
    """
    levels, level = np.unique(confidence, return_inverse=True)
    step = max(1, _CHUNK_NUMBERS // max(1, levels.size))
    starts = range(0, len(weights), step)
    parts = [_calibration_errors(weights[k : k + step], level, right - confidence, bins) for k in starts]
    return np.concatenate(parts) if parts else np.zeros(0)


def _calibration_errors(weights: FloatArray, level: Array, gap: FloatArray, bins: int) -> FloatArray:
    """Along the sorted weight the gaps sum up to a broken line, of which a bin takes its piece."""
    image, n_levels = np.arange(len(level)), int(level.max(initial=-1)) + 1
    x = summed(weights, image=image, column=level, value=np.ones(len(level)), n_columns=n_levels).cumsum(axis=1)
    y = summed(weights, image=image, column=level, value=gap, n_columns=n_levels).cumsum(axis=1)
    x, y = (np.pad(line, ((0, 0), (1, 0))) for line in (x, y))
    cuts = np.linspace(0, 1, bins + 1) * x[:, -1:]
    pieces = [np.diff(np.interp(cuts[k], x[k], y[k])) for k in range(len(weights))]
    return ratio(np.abs(np.array(pieces)).sum(axis=1), x[:, -1])
