"""What is measured: predictions against ground truth, with outcomes per image.

The public names are listed here and loaded on first use.
"""

from orbiq.lazy import lazily

_PUBLIC = {
    "MeanOutcomes": "orbiq.metrics.base",
    "MetricSpec": "orbiq.metrics.base",
    "Outcomes": "orbiq.metrics.base",
    "ScoreSpec": "orbiq.metrics.base",
    "Scored": "orbiq.metrics.base",
    "METRICS": "orbiq.metrics.catalogue",
    "metric_spec": "orbiq.metrics.catalogue",
    "coco_detection": "orbiq.metrics.detection",
    "read_outcomes": "orbiq.metrics.outcomes",
}

__all__ = list(_PUBLIC)
__getattr__, __dir__ = lazily(__name__, _PUBLIC)
