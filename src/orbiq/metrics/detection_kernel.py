"""The inner loops of weighted COCO average precision, compiled. Imported on use, because numba takes a moment.

Detections come by class, then falling score. Only hits can raise the envelope of precision, so the loops walk from
hit to hit; how many detections lie between comes from one running sum per class, shared by all IoU thresholds.
"""

import numpy as np
from numba import njit

from orbiq.arrays import Array, FloatArray

RECALL_POINTS = np.linspace(0.0, 1.0, 101)
_EPSILON = float(np.spacing(1.0))  # COCO adds it to the number of detections; kept for equality to the last digit


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba has no types
def average_precision_recall(
    weights: FloatArray,
    *,
    totals: FloatArray,
    starts: Array,
    image: Array,
    step: Array,
    hits: tuple[Array, Array],
    ignored: tuple[Array, Array],
    n_limits: int,
) -> tuple[FloatArray, FloatArray]:
    """(AP of shape (replicates, classes, thresholds), recall of shape (replicates, classes, thresholds, limits)).

    `weights` (replicates, images); `totals` (replicates, classes) weighted numbers of truth objects; `starts`
    (classes + 1,) where a class begins; `image` (detections,); `step` (detections,) the first limit of detections
    per image that reaches this one; `hits` and `ignored` (indices, where a threshold and class begins among them,
    flattened). NaN where a class has no truth.
    """
    n_replicates, n_classes = totals.shape
    n_thresholds = (hits[1].size - 1) // n_classes
    ap = np.full((n_replicates, n_classes, n_thresholds), np.nan)
    recall = np.full((n_replicates, n_classes, n_thresholds, n_limits), np.nan)
    seen = np.empty(image.size)
    for r in range(n_replicates):
        for c in range(n_classes):
            if totals[r, c] <= 0:
                continue
            _running_sum(weights[r], image, starts[c], starts[c + 1], seen)
            for t in range(n_thresholds):
                k = t * n_classes + c
                own = hits[0][hits[1][k] : hits[1][k + 1]]
                others = ignored[0][ignored[1][k] : ignored[1][k + 1]]
                right, precision = _hit_points(weights[r], image, own, others, seen)
                ap[r, c, t] = _interpolated(right / totals[r, c], precision)
                recall[r, c, t] = _found(weights[r], image, own, step, n_limits) / totals[r, c]
    return ap, recall


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba has no types
def _running_sum(weight: FloatArray, image: Array, low: int, high: int, seen: FloatArray) -> None:
    """Weight of the detections of a class down to each, written into `seen`."""
    total = 0.0
    for d in range(low, high):
        total += weight[image[d]]
        seen[d] = total


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba has no types
def _hit_points(
    weight: FloatArray, image: Array, hits: Array, ignored: Array, seen: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """(weight of the hits so far, precision) at each hit."""
    right, precision = np.empty(hits.size), np.empty(hits.size)
    total, away, j = 0.0, 0.0, 0
    for n in range(hits.size):
        d = hits[n]
        while j < ignored.size and ignored[j] < d:
            away += weight[image[ignored[j]]]
            j += 1
        total += weight[image[d]]
        right[n] = total
        precision[n] = total / (seen[d] - away + _EPSILON)
    return right, precision


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba has no types
def _interpolated(recall: FloatArray, precision: FloatArray) -> float:
    """Mean over the 101 recall points of the best precision at that recall or beyond; changes `precision`."""
    for k in range(precision.size - 2, -1, -1):
        precision[k] = max(precision[k], precision[k + 1])
    area, k = 0.0, 0
    for point in RECALL_POINTS:
        while k < recall.size and recall[k] < point:
            k += 1
        if k == recall.size:
            break
        area += precision[k]
    return area / RECALL_POINTS.size


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]  # numba has no types
def _found(weight: FloatArray, image: Array, hits: Array, step: Array, n_limits: int) -> FloatArray:
    """Weight of the hits that each limit of detections per image reaches."""
    found = np.zeros(n_limits)
    for d in hits:
        found[step[d]] += weight[image[d]]
    return np.cumsum(found)
