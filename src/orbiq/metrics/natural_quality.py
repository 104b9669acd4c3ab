"""NIQE: how far the statistics of an image lie from those of undegraded ones.

Images are as `orbiq.metrics.inputs` says: (rows, cols) or (rows, cols, bands), any real dtype, arithmetic in float64.
"""

from pathlib import Path

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.errors import ImageError
from orbiq.metrics.base import MetricSpec, ScoreSpec
from orbiq.metrics.inputs import Pixels, one_image
from orbiq.metrics.natural_model import NiqeModel, read_niqe_model, shipped_niqe_model
from orbiq.metrics.naturalness import PATCH, patches_of
from orbiq.metrics.planes import Bands, check_bands

SPECS = {
    "niqe": MetricSpec(name="niqe", scores=(ScoreSpec(name="niqe", low=0, higher_is_better=False),), needs="image")
}
_LEAST = 4
"""Patches without which there is no mean and covariance to speak of."""


def niqe(
    image: Pixels,
    *,
    peak: float | None = None,
    mask: BoolArray | None = None,
    model: NiqeModel | str | Path | None = None,
    bands: Bands = "each",
) -> float:
    """Natural image quality evaluator: √((μ₁ − μ₂)ᵀ·((Σ₁ + Σ₂)/2)⁺·(μ₁ − μ₂)), μ and Σ of 36 features.

    μ₁, Σ₁ are those of the model's patches, μ₂, Σ₂ those of all whole valid patches of 96×96 of the image; the features
    are those of `orbiq.metrics.naturalness`. [0, ∞), lower is better. `model` is one of `fit_niqe`, or the file of one;
    None takes the one that comes with orbiq, fitted on aerial images and photographs. Of `bands`, "each" is the mean
    over the bands, "luma" one value of red, green and blue.

    Compare images of like size alone: few patches scatter, and their scatter adds to the distance. Scores of another
    model, and so of other programs, are not comparable. Raises ImageError where the peak is missing or
    exceeded, and where fewer than 4 patches are valid and not flat.

    A. Mittal, R. Soundararajan, A. C. Bovik, IEEE Signal Processing Letters 20(3), 2013, doi:10.1109/LSP.2012.2227726.

    >>> image = np.random.default_rng(0).normal(128, 20, (384, 384))
    >>> from orbiq.metrics.natural_model import fit_niqe
    >>> niqe(image, peak=255, model=fit_niqe([image] * 3, peak=255)) < 1e-9  # the model's own patches
    True
    """
    images = one_image(image, mask=mask, peak=peak, peaked=True)
    check_bands(images, bands)
    pristine = _model(model)
    patches = patches_of(images, bands=bands)
    distances = []
    for k, (features, known) in enumerate(zip(patches.features, patches.known, strict=True)):
        if known.sum() < _LEAST:
            raise ImageError(
                f"{images.name} of {images.shape} (rows, cols, bands) has {known.sum()} patches of {PATCH}×{PATCH} "
                f"that are whole, valid and not flat, in plane {k + 1}; NIQE needs {_LEAST}. Check its size and mask."
            )
        distances.append(_distance(features[known], pristine))
    return float(np.mean(distances))


def _model(model: NiqeModel | str | Path | None) -> NiqeModel:
    if model is None:
        return shipped_niqe_model()
    return model if isinstance(model, NiqeModel) else read_niqe_model(model)


def _distance(features: FloatArray, model: NiqeModel) -> float:
    """Of patches (n, 36) from the model."""
    difference = features.mean(axis=0) - model.mean
    together = (np.cov(features, rowvar=False) + model.covariance) / 2
    return float(np.sqrt(max(difference @ np.linalg.pinv(together, hermitian=True) @ difference, 0.0)))
