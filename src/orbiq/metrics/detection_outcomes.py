"""Detection outcomes: who was matched where, from which average precision follows under any weighting of images.

An image of weight 2 counts as if it stood twice in the data set: its hits, its false alarms and its truth.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.errors import SettingError
from orbiq.metrics.detection_matching import Matches

_CHUNK_NUMBERS = 1 << 22
"""Numbers of a chunk of results: 32 MiB as float64."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DetectionOutcomes:
    """COCO detection on objects of any size: score-sorted hits per class with their image.

    `matches.truth` has shape (classes, images). Scores: ap, ap50, ap75 (where these IoU thresholds are among
    `iou_thresholds`), ar_<limit> for each of `max_dets`, and with `per_category` ap/<class> and ap50/<class>.
    """

    kind: ClassVar[str] = "coco-detection"
    images: tuple[str, ...]
    classes: tuple[str, ...]
    iou_thresholds: tuple[float, ...]
    max_dets: tuple[int, ...]
    per_category: bool = True
    matches: Matches

    def scores(self, weights: FloatArray) -> dict[str, FloatArray]:
        """Scores of shape (replicates,) under image weights ≥ 0 of shape (replicates, images).

        A class without truth under a weighting takes no part in it; NaN where no class has any. Whole-number
        weights give exactly the score of the data set with its images repeated so often.
        """
        weights = np.ascontiguousarray(weights, float)
        if weights.ndim != 2 or weights.shape[1] != len(self.images) or not (weights >= 0).all():
            raise SettingError(
                f"weights have shape {weights.shape}; expected (replicates, {len(self.images)} images), none below 0"
            )
        per_replicate = len(self.classes) * len(self.iou_thresholds) * (1 + len(self.max_dets))
        step = max(1, _CHUNK_NUMBERS // max(1, per_replicate))
        arrays = self._kernel_arrays()
        parts = [self._scores(weights[k : k + step], arrays) for k in range(0, len(weights), step)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}

    def _kernel_arrays(self) -> dict[str, Any]:
        matches = self.matches
        starts = np.searchsorted(matches.category, np.arange(len(self.classes) + 1))
        return {
            "starts": starts,
            "image": matches.image,
            "step": np.searchsorted(np.array(self.max_dets), matches.rank, side="right"),
            "hits": _index_lists(matches.hit, starts),
            "ignored": _index_lists(matches.ignored, starts),
            "n_limits": len(self.max_dets),
        }

    def _scores(self, weights: FloatArray, arrays: Mapping[str, Any]) -> dict[str, FloatArray]:
        from orbiq.metrics.detection_kernel import average_precision_recall

        totals = np.ascontiguousarray(weights @ self.matches.truth.T.astype(float))
        ap, recall = average_precision_recall(weights, totals=totals, **arrays)
        known = ~np.isnan(ap[..., :1])
        found = {"ap": _mean(ap, known)}
        at = {name: threshold_index(self.iou_thresholds, iou) for name, iou in (("ap50", 0.5), ("ap75", 0.75))}
        found |= {name: _mean(ap[..., k : k + 1], known) for name, k in at.items() if k is not None}
        found |= {f"ar_{m}": _mean(recall[..., k], known) for k, m in enumerate(self.max_dets)}
        for c, name in enumerate(self.classes if self.per_category else ()):
            found[f"ap/{name}"] = ap[:, c].mean(axis=1)
            if at["ap50"] is not None:
                found[f"ap50/{name}"] = ap[:, c, at["ap50"]]
        return found

    def columns(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Rows of two sorts, told apart by `row`; every image comes among the truth rows, in order.

        "truth": an image, a class and the `count` of its objects. "detection": a detection with its score, its
        rank in image and class, and over the IoU thresholds t the sets Σ 2ᵗ of those where it is a hit, or ignored.
        """
        matches = self.matches
        image, category, count = self._truth_rows()
        n, n_detections = len(image), len(matches.image)
        labels = np.array([*self.classes, ""], object)
        names = np.array(self.images, object)
        columns = {
            "row": np.array(["truth"] * n + ["detection"] * n_detections, object),
            "image": names[np.concatenate([image, matches.image])],
            "class": labels[np.concatenate([category, matches.category])],
            "count": np.concatenate([count, np.zeros(n_detections, np.int64)]),
            "score": np.concatenate([np.full(n, np.nan), matches.score]),
            "rank": np.concatenate([np.zeros(n, np.int64), matches.rank]),
            "hit": np.concatenate([np.zeros(n, np.int64), _to_bits(matches.hit)]),
            "ignored": np.concatenate([np.zeros(n, np.int64), _to_bits(matches.ignored)]),
        }
        metadata = {"kind": self.kind, "classes": list(self.classes), "per_category": self.per_category}
        return columns, metadata | {"iou_thresholds": list(self.iou_thresholds), "max_dets": list(self.max_dets)}

    def _truth_rows(self) -> tuple[Array, Array, Array]:
        """(image, class, count): the pairs with truth, and for an image with none a row of class −1, count 0."""
        image, category = np.nonzero(self.matches.truth.T)
        bare = np.setdiff1d(np.arange(len(self.images)), image)
        count = np.concatenate([self.matches.truth[category, image], np.zeros(len(bare), np.int64)])
        image = np.concatenate([image, bare])
        category = np.concatenate([category, np.full(len(bare), -1)])
        order = np.argsort(image, kind="stable")
        return image[order], category[order], count[order]


def detection_outcomes_from(columns: Mapping[str, Any], metadata: Mapping[str, Any]) -> DetectionOutcomes:
    """The inverse of `DetectionOutcomes.columns`."""
    table = {name: np.asarray(values) for name, values in columns.items()}
    is_truth = table["row"] == "truth"
    images = tuple(dict.fromkeys(str(v) for v in table["image"][is_truth]))
    classes = tuple(metadata["classes"])
    image_number = {name: k for k, name in enumerate(images)}
    class_number = {**{name: k for k, name in enumerate(classes)}, "": -1}
    image = np.array([image_number[str(v)] for v in table["image"]], np.int64)
    category = np.array([class_number[str(v)] for v in table["class"]], np.int64)
    truth = np.zeros((len(classes) + 1, len(images)), np.int64)  # the last row takes the images without truth
    truth[category[is_truth], image[is_truth]] = table["count"][is_truth]
    thresholds = tuple(float(v) for v in metadata["iou_thresholds"])
    rest = {k: v[~is_truth] for k, v in table.items()}
    matches = Matches(
        image=image[~is_truth],
        category=category[~is_truth],
        score=rest["score"].astype(float),
        rank=rest["rank"].astype(np.int64),
        hit=_from_bits(rest["hit"], len(thresholds)),
        ignored=_from_bits(rest["ignored"], len(thresholds)),
        truth=truth[:-1],
    )
    return DetectionOutcomes(
        images=images,
        classes=classes,
        iou_thresholds=thresholds,
        max_dets=tuple(int(v) for v in metadata["max_dets"]),
        per_category=bool(metadata["per_category"]),
        matches=matches,
    )


def threshold_index(iou_thresholds: tuple[float, ...], iou: float) -> int | None:
    """Where an IoU stands among the thresholds; None when it does not.

    >>> threshold_index((0.5, 0.75), 0.75)
    1
    """
    found = np.flatnonzero(np.isclose(iou_thresholds, iou, atol=1e-9, rtol=0))
    return int(found[0]) if found.size else None


def _mean(values: FloatArray, known: BoolArray) -> FloatArray:
    """Mean over classes with truth and over thresholds; `values` (replicates, classes, thresholds)."""
    total = np.where(known, values, 0.0).sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        return np.asarray(total / (known.sum(axis=(1, 2)) * values.shape[2]))


def _index_lists(flags: BoolArray, starts: Array) -> tuple[Array, Array]:
    """Where flags (thresholds, detections) are set, and where each threshold and class begins among these."""
    threshold, detection = np.nonzero(flags)
    keys = (np.arange(len(flags))[:, None] * flags.shape[1] + starts[None, :-1]).ravel()
    places = threshold * flags.shape[1] + detection
    return detection, np.append(np.searchsorted(places, keys), len(places))


def _to_bits(flags: BoolArray) -> Array:
    powers = np.left_shift(1, np.arange(len(flags), dtype=np.int64))
    return np.asarray(powers @ flags.astype(np.int64))


def _from_bits(bits: Array, n: int) -> BoolArray:
    return np.asarray((np.asarray(bits, np.int64)[None, :] >> np.arange(n)[:, None]) & 1, bool)
