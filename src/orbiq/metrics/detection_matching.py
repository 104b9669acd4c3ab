"""Detections against truth through hotcoco: COCO's greedy matching, its curves, and who was matched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.metrics.detection_input import TruthTable


@dataclass(frozen=True, eq=False, kw_only=True)
class Curves:
    """What COCO's accumulation gives.

    `precision` (thresholds, 101 recall points, classes, areas) at the largest limit of detections, `recall`
    (thresholds, classes, areas, limits); −1 where there is no truth.
    """

    precision: FloatArray
    recall: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Matches:
    """Who was matched, objects of any size: one entry per detection, by class, then falling score.

    `image`, `category` numbers from 0; `rank` 0 for the best of its image and class; `hit` and `ignored`
    (thresholds, detections); `truth` (classes, images) the number of objects that count (crowds do not).
    """

    image: Array
    category: Array
    score: FloatArray
    rank: Array
    hit: BoolArray
    ignored: BoolArray
    truth: Array


def evaluate(
    table: TruthTable,
    detections: FloatArray,
    *,
    iou_thresholds: Sequence[float],
    max_dets: Sequence[int],
    area_ranges: Mapping[str, tuple[float, float]],
) -> tuple[Curves, Matches]:
    """Curves for every area range, and the matches of the range "all"."""
    full = _evaluated(table, detections, iou_thresholds=iou_thresholds, max_dets=max_dets, area_ranges=area_ranges)
    full.accumulate()
    precision, recall = np.asarray(full.eval["precision"]), np.asarray(full.eval["recall"])
    # a second run on one range: the export of a match list costs far more than the matching
    whole = {"all": area_ranges["all"]}
    single = _evaluated(table, detections, iou_thresholds=iou_thresholds, max_dets=max_dets, area_ranges=whole)
    return Curves(precision=precision[..., -1], recall=recall), _matches(single.eval_imgs, table, len(iou_thresholds))


def _evaluated(
    table: TruthTable,
    detections: FloatArray,
    *,
    iou_thresholds: Sequence[float],
    max_dets: Sequence[int],
    area_ranges: Mapping[str, tuple[float, float]],
) -> Any:
    from hotcoco import COCO, COCOeval

    truth = COCO.from_arrays(
        [{"id": k + 1, "file_name": name, "width": 1, "height": 1} for k, name in enumerate(table.images)],
        [{"id": k + 1, "name": name} for k, name in enumerate(table.classes)],
        table.image + 1,
        table.category + 1,
        table.boxes,
        area=table.area_px2,
        iscrowd=table.iscrowd,
    )
    evaluation = COCOeval(truth, truth.load_res(detections), "bbox")
    evaluation.params.iou_thrs = [float(v) for v in iou_thresholds]
    evaluation.params.max_dets = [int(v) for v in max_dets]
    evaluation.params.area_rng_lbl = list(area_ranges)
    evaluation.params.area_rng = [[float(v) for v in limits] for limits in area_ranges.values()]
    evaluation.evaluate()
    return evaluation


def _matches(entries: Sequence[Any], table: TruthTable, n_thresholds: int) -> Matches:
    entries = [e for e in entries if e is not None]
    truth = np.zeros((len(table.classes), len(table.images)), np.int64)
    for e in entries:
        truth[e["category_id"] - 1, e["image_id"] - 1] = len(e["gtIgnore"]) - int(np.sum(e["gtIgnore"]))
    counts = [len(e["dtScores"]) for e in entries]
    image = np.repeat([e["image_id"] - 1 for e in entries], counts).astype(np.int64)
    category = np.repeat([e["category_id"] - 1 for e in entries], counts).astype(np.int64)
    score = np.array([s for e in entries for s in e["dtScores"]], float)
    rank = np.array([k for n in counts for k in range(n)], np.int64)
    matched = _joined([e["dtMatched"] for e in entries], n_thresholds)
    ignored = _joined([e["dtIgnore"] for e in entries], n_thresholds)
    order = np.lexsort((rank, image, -score, category))  # equal scores: by image, then by rank, as COCO's stable sort
    return Matches(
        image=image[order],
        category=category[order],
        score=score[order],
        rank=rank[order],
        hit=(matched & ~ignored)[:, order],
        ignored=ignored[:, order],
        truth=truth,
    )


def _joined(flags: Sequence[Any], n_thresholds: int) -> BoolArray:
    """Flag tables (thresholds, detections of one image and class) side by side."""
    parts = [np.asarray(f, bool).reshape(n_thresholds, -1) for f in flags]
    return np.concatenate([np.zeros((n_thresholds, 0), bool), *parts], axis=1)
