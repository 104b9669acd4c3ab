"""Trained networks that read the quality of an image from the image itself.

The public names are listed here and loaded on first use.
"""

from orbiq.lazy import lazily

_PUBLIC = {
    "Aims": "orbiq.predictors.degradation_scores",
    "Degradations": "orbiq.predictors.degradations",
    "QualityFactor": "orbiq.predictors.quality_factor",
    "QualityLoss": "orbiq.predictors.quality_loss",
}

__all__ = list(_PUBLIC)
__getattr__, __dir__ = lazily(__name__, _PUBLIC)
