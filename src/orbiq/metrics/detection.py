"""COCO detection: average precision and recall of boxes.

The matching is hotcoco's, equal to pycocotools; the summary is made here, so that the limits of detections per image
and the area ranges can be chosen. Both matter from above: with 200 objects an image, the usual limit
of 100 caps recall; with 0.5 m pixels, "small" means something else than in holiday pictures.
"""

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

import numpy as np

from orbiq.arrays import FloatArray
from orbiq.errors import SettingError
from orbiq.metrics.base import MetricSpec, Scored, ScoreSpec
from orbiq.metrics.detection_input import Truth, prediction_table, truth_table
from orbiq.metrics.detection_matching import Curves, evaluate
from orbiq.metrics.detection_outcomes import DetectionOutcomes, threshold_index

IOU_THRESHOLDS = tuple(float(v) for v in np.linspace(0.5, 0.95, 10))
MAX_DETS = (1, 10, 100)
AREA_RANGES: Mapping[str, tuple[float, float]] = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
"""Object areas in px², both ends included, as COCO has them."""
_AP_NAMES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
_AR_NAMES = ("ar_1", "ar_10", "ar_100", "ar_small", "ar_medium", "ar_large")
DETECTION_SCORES = tuple(ScoreSpec(name=name, low=0.0, high=1.0) for name in (*_AP_NAMES, *_AR_NAMES))
"""COCO's twelve, the main one first."""
SPECS = {"coco-detection": MetricSpec(name="coco-detection", scores=DETECTION_SCORES, needs="predictions")}


def coco_detection(
    predictions: Any,
    truth: Truth,
    *,
    iou_thresholds: Sequence[float] | None = None,
    max_dets: Sequence[int] = MAX_DETS,
    area_ranges: Mapping[str, Sequence[float]] | None = None,
    merge_categories: bool = False,
    per_category: bool = True,
) -> Scored:
    """COCO's average precision and recall of boxes, and outcomes to bootstrap them.

    ap: precision at 101 recalls, averaged over recalls, IoU thresholds and classes with truth; ap50 and ap75 at one
    threshold; ap_<area> over truth of that area. ar_<limit>: recall with the best `limit` detections per image and
    class, averaged over thresholds and classes; ar_<area> at the largest limit. ap/<class> and ap50/<class> per
    class. All in [0, 1], higher is better; NaN with a reason where there is nothing to score.

    Args:
        predictions: COCO results, a list of {"image_id", "category_id", "bbox": [x, y, width, height] in px, "score"}.
        truth: an object with `images`, `categories`, `objects`; crowd objects neither count nor harm.
        iou_thresholds: 0.50, 0.55 … 0.95 unless given; each in (0, 1], at most 60.
        max_dets: limits of detections per image and class, rising.
        area_ranges: name → (low, high) in px², both included; COCO's unless given; "all" is always there.
        merge_categories: forget the classes: every box is an "object".
        per_category: list the scores per class too.

    Raises:
        ContractError: a prediction is not what it should be; it is named by its number, counted from 1.
        DatasetError: the truth contradicts itself.
        SettingError: an option cannot be.

    Source: Lin et al., Microsoft COCO, doi:10.1007/978-3-319-10602-1_48, and the reference code pycocotools.
    """
    thresholds, limits, areas = _options(iou_thresholds, max_dets=max_dets, area_ranges=area_ranges)
    table = truth_table(truth, merge_categories=merge_categories)
    detections = prediction_table(predictions, table)
    curves, matches = evaluate(table, detections, iou_thresholds=thresholds, max_dets=limits, area_ranges=areas)
    outcomes = DetectionOutcomes(
        images=table.images,
        classes=table.classes,
        iou_thresholds=thresholds,
        max_dets=limits,
        per_category=per_category and not merge_categories,
        matches=matches,
    )
    scores = _summary(curves, thresholds=thresholds, max_dets=limits, areas=areas)
    if outcomes.per_category:
        scores |= _class_summary(curves, thresholds=thresholds, classes=table.classes)
    stated = {
        "iou_thresholds": [round(t, 12) for t in thresholds],
        "max_dets": list(limits),
        "area_ranges_px2": {name: list(limits) for name, limits in areas.items()},
        "merge_categories": merge_categories,
        "n_capped": _n_capped(detections, limits[-1]),
    }
    reasons = {name: _reason(name, thresholds=thresholds, areas=areas) for name, v in scores.items() if v != v}  # noqa: PLR0124  NaN
    return Scored(scores=scores, reasons=reasons, outcomes=outcomes, stated=stated)


def _options(
    iou_thresholds: Sequence[float] | None,
    *,
    max_dets: Sequence[int],
    area_ranges: Mapping[str, Sequence[float]] | None,
) -> tuple[tuple[float, ...], tuple[int, ...], dict[str, tuple[float, float]]]:
    thresholds = IOU_THRESHOLDS if iou_thresholds is None else tuple(float(t) for t in iou_thresholds)
    if not 0 < len(thresholds) <= 60 or not all(0 < t <= 1 for t in thresholds):
        raise SettingError(f"iou_thresholds are {iou_thresholds!r}; expected 1 to 60 numbers in (0, 1]")
    limits = tuple(max_dets)
    if not limits or limits[0] < 1 or any(int(m) != m for m in limits) or list(limits) != sorted(set(limits)):
        raise SettingError(f"max_dets are {max_dets!r}; expected rising whole numbers ≥ 1, as in (1, 10, 100)")
    areas = {"all": AREA_RANGES["all"], **{k: tuple(v) for k, v in (area_ranges or AREA_RANGES).items()}}
    for name, area in areas.items():
        if len(area) != 2 or not area[0] < area[1]:
            raise SettingError(f"area range {name!r} is {area!r}; expected (low, high) in px² with low < high")
    return thresholds, tuple(int(m) for m in limits), {k: (float(v[0]), float(v[1])) for k, v in areas.items()}


def _summary(
    curves: Curves,
    *,
    thresholds: tuple[float, ...],
    max_dets: tuple[int, ...],
    areas: Mapping[str, tuple[float, float]],
) -> dict[str, float]:
    whole = 0  # `_options` puts "all" first
    parts = list(enumerate(areas))[1:]
    scores = {"ap": _mean(curves.precision[..., whole])}
    scores |= {
        name: _at(curves.precision[..., whole], threshold_index(thresholds, iou))
        for name, iou in (("ap50", 0.5), ("ap75", 0.75))
    }
    scores |= {f"ap_{name}": _mean(curves.precision[..., k]) for k, name in parts}
    scores |= {f"ar_{limit}": _mean(curves.recall[:, :, whole, m]) for m, limit in enumerate(max_dets)}
    return scores | {f"ar_{name}": _mean(curves.recall[:, :, k, -1]) for k, name in parts}


def _class_summary(curves: Curves, *, thresholds: tuple[float, ...], classes: Sequence[str]) -> dict[str, float]:
    at_half = threshold_index(thresholds, 0.5)
    scores: dict[str, float] = {}
    for c, name in enumerate(classes):
        precision = curves.precision[:, :, c, 0]
        scores[f"ap/{name}"] = _mean(precision)
        if at_half is not None:
            scores[f"ap50/{name}"] = _mean(precision[at_half])
    return scores


def _at(precision: FloatArray, threshold: int | None) -> float:
    return nan if threshold is None else _mean(precision[threshold])


def _mean(values: FloatArray) -> float:
    """Mean of what is not −1, COCO's sign for no truth; NaN when nothing is left."""
    known = values[values > -1]
    return float(known.mean()) if known.size else nan


def _reason(name: str, *, thresholds: tuple[float, ...], areas: Mapping[str, tuple[float, float]]) -> str:
    """Why a score is NaN."""
    base, _, label = name.partition("/")
    if label:
        return f"the truth has no object of class {label!r}"
    iou = {"ap50": 0.5, "ap75": 0.75}.get(base)
    if iou is not None and threshold_index(thresholds, iou) is None:
        return f"IoU {iou} is not among the thresholds {', '.join(f'{t:g}' for t in thresholds)}"
    area = base[3:]
    if area in areas:
        low, high = areas[area]
        return f"the truth has no object of area {low:g} to {high:g} px² ({area})"
    return "the truth has no object"


def _n_capped(detections: FloatArray, limit: int) -> int:
    """Pairs of image and class that have more detections than the largest limit, so that some were not looked at."""
    pairs = np.unique(detections[:, [0, 6]], axis=0, return_counts=True)[1]
    return int((pairs > limit).sum())
