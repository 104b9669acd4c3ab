"""Feature similarity, against a reference: where phases agree, and how steep it is there.

Images are as `orbiq.metrics.inputs` says: (rows, cols) or (rows, cols, bands), any real dtype, arithmetic in float64;
values are scaled by 255 / `peak`. Images are first brought to viewing distance, about 256 pixels on the shorter side,
tile by tile; phases are those of the small image as a whole. What lies outside the image, or outside the rectangle that
holds all valid pixels, is 0, and so is a masked pixel within; a value counts where its pixel is valid.
Masked pixels are equal in both images, so that many scattered holes raise the score.
"""

from dataclasses import dataclass

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.errors import ImageError
from orbiq.metrics.base import MetricSpec, ScoreSpec
from orbiq.metrics.block_means import Viewed, viewed
from orbiq.metrics.colour import YIQ, check_colour, in_space
from orbiq.metrics.cut import cut_to_mask
from orbiq.metrics.inputs import Images, Pixels, no_pixels, pair_of_images
from orbiq.metrics.planes import LUMA, Bands, check_bands

SPECS = {
    name: MetricSpec(name=name, scores=(ScoreSpec(name=name, low=0, high=1),), needs="pair")
    for name in ("fsim", "fsimc")
}
_T1, _T2, _T3 = 0.85, 160.0, 200.0
_LAMBDA = 0.03
_SCHARR = (3 / 16, 10 / 16, 3 / 16)
_LEAST_PX = 3


def fsim(
    reference: Pixels,
    image: Pixels,
    *,
    peak: float | None = None,
    mask: BoolArray | None = None,
    bands: Bands = "each",
) -> float:
    """Feature similarity: Σ S·w / Σ w over all pixels of the images at viewing distance, with w = max(p₁, p₂) and

    S = (2·p₁·p₂ + 0.85)/(p₁² + p₂² + 0.85) · (2·g₁·g₂ + 160)/(g₁² + g₂² + 160)

    of phase congruencies p and gradients g (Scharr) on a scale of 255. No unit, [0, 1], higher is better, 1 for equal
    images; symmetric. The score is the mean over bands; `bands="luma"`, the authors' choice for colour, compares the Y
    of YIQ of red, green and blue. `peak` is the largest value that the data can hold; uint8 is 255, all else must be
    stated. Raises ImageError where it is missing or exceeded, shapes differ, a side is below 3 pixels, or some band is
    constant in both images. Zhang et al. 2011, doi:10.1109/TIP.2011.2109730.

    >>> step = np.array([[0.0] * 8 + [100.0] * 8] * 16)
    >>> fsim(step, step, peak=255)
    1.0
    """
    images = pair_of_images(reference, image, mask=mask, peak=peak, peaked=True)
    check_bands(images, bands)
    small = _small(images)
    first, second = (_planes(array, bands) for array in small.arrays)
    scores = [_mean(_similarity(x, y, small, images), small, images) for x, y in zip(first, second, strict=True)]
    return float(np.mean(scores))


def fsimc(reference: Pixels, image: Pixels, *, peak: float | None = None, mask: BoolArray | None = None) -> float:
    """Feature similarity with colour: `fsim` of luma, S times (S_I·S_Q)^0.03 of the chroma I and Q of YIQ, with

    S_I = (2·i₁·i₂ + 200)/(i₁² + i₂² + 200) on a scale of 255, and likewise S_Q.

    Of images of three bands, red, green and blue; ImageError for any other number. Else as `fsim` with bands="luma".

    >>> step = np.array([[[0.0] * 3] * 8 + [[100.0, 50.0, 20.0]] * 8] * 16)
    >>> round(fsimc(step, step, peak=255), 9)
    1.0
    """
    images = pair_of_images(reference, image, mask=mask, peak=peak, peaked=True)
    check_colour(images, "fsimc")
    small = _small(images)
    first, second = (in_space(array, YIQ) for array in small.arrays)
    found = _similarity(first[0], second[0], small, images)
    chroma = _alike(first[1], second[1], _T3) * _alike(first[2], second[2], _T3)
    return _mean(_Similarity(values=found.values * _real_power(chroma), weights=found.weights), small, images)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Similarity:
    values: FloatArray
    weights: FloatArray


def _small(images: Images) -> Viewed:
    small = viewed(images)
    if min(small.valid.shape) < _LEAST_PX:
        raise no_pixels(images, f"rectangle of {_LEAST_PX} × {_LEAST_PX} pixels")
    return small


def _planes(array: FloatArray, bands: Bands) -> FloatArray:
    return (array @ np.array(LUMA))[None] if bands == "luma" else np.moveaxis(array, 2, 0)


def _similarity(x: FloatArray, y: FloatArray, small: Viewed, images: Images) -> _Similarity:
    if not small.whole.any():
        factor = -(-min(cut_to_mask(images).shape[:2]) // min(small.valid.shape))
        raise no_pixels(images, f"block of {factor} × {factor} pixels")
    if not any(np.ptp(plane[small.whole]) for plane in (x, y)):
        raise _featureless(images)  # else the zeros around a constant image would pass for features
    # scipy.fft takes a moment to import
    from orbiq.metrics.phase import phase_congruency

    p, q = phase_congruency(x), phase_congruency(y)
    return _Similarity(values=_alike(p, q, _T1) * _alike(_gradient(x), _gradient(y), _T2), weights=np.maximum(p, q))


def _mean(found: _Similarity, small: Viewed, images: Images) -> float:
    weights = found.weights[small.valid]
    total = float(weights.sum())
    if total == 0:
        raise _featureless(images)
    return float((weights * found.values[small.valid]).sum()) / total


def _featureless(images: Images) -> ImageError:
    return ImageError(
        f"{images.name} and its reference have no feature in some band (are they constant there?), so that there is "
        "nothing to compare; take mse or psnr."
    )


def _alike(x: FloatArray, y: FloatArray, constant: float) -> FloatArray:
    return (2 * x * y + constant) / (x * x + y * y + constant)


def _gradient(plane: FloatArray) -> FloatArray:
    """The length of the gradient by Scharr's filters, 0 outside the image."""
    wide = np.pad(plane, 1)
    a, b, _ = _SCHARR
    across, down = wide[:, :-2] - wide[:, 2:], wide[:-2] - wide[2:]
    return np.hypot(
        a * (across[:-2] + across[2:]) + b * across[1:-1], a * (down[:, :-2] + down[:, 2:]) + b * down[:, 1:-1]
    )


def _real_power(values: FloatArray) -> FloatArray:
    """The real part of values^λ, which opposite chroma makes complex."""
    power = np.abs(values) ** _LAMBDA
    return np.where(values < 0, power * np.cos(np.pi * _LAMBDA), power)
