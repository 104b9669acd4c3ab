"""All metrics by name: where the function is, and what its scores mean."""

from orbiq.errors import unknown
from orbiq.metrics.base import MetricSpec
from orbiq.registry import Entry, Registry

METRICS = Registry(
    "metric",
    {
        "coco-detection": Entry("orbiq.metrics.detection:coco_detection", summary="COCO's AP and AR of boxes"),
        "regression": Entry("orbiq.metrics.regression:regression", summary="mse, mae … of a number for each image"),
        "classification": Entry("orbiq.metrics.classification:classification", summary="accuracy of a class per image"),
    },
)


def metric_spec(name: str) -> MetricSpec:
    """What a metric's scores mean: names, units, ranges, directions."""
    from orbiq.metrics.classification import CLASSIFICATION_SCORES
    from orbiq.metrics.detection import DETECTION_SCORES
    from orbiq.metrics.regression import REGRESSION_SCORES

    scores = {
        "coco-detection": DETECTION_SCORES,
        "regression": REGRESSION_SCORES,
        "classification": CLASSIFICATION_SCORES,
    }
    if name not in scores:
        raise unknown("metric", name, METRICS)
    return MetricSpec(name=name, scores=scores[name], needs="predictions", summary=METRICS[name].summary)
