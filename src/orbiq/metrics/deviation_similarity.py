"""Mean deviation similarity index of gradient and chroma, against a reference.

Images are as `orbiq.metrics.inputs` says, red, green and blue or one grey band, any real dtype, arithmetic in float64;
values are scaled by 255 / `peak`. Images are first brought to viewing distance, about 256 pixels on the shorter side,
tile by tile. What lies outside the image, or outside the rectangle that holds all valid pixels, is 0, and so is a
masked pixel within; a value counts where its pixel is valid. Masked pixels are equal in both images, so that many
scattered holes make them look more alike.
"""

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from orbiq.arrays import BoolArray, FloatArray
from orbiq.errors import unknown
from orbiq.metrics.base import MetricSpec, ScoreSpec
from orbiq.metrics.block_means import viewed
from orbiq.metrics.colour import LHM, check_colour, in_space
from orbiq.metrics.inputs import Pixels, no_pixels, pair_of_images

SPECS = {"mdsi": MetricSpec(name="mdsi", scores=(ScoreSpec(name="mdsi", low=0, higher_is_better=False),), needs="pair")}
Combination = Literal["sum", "product"]
_C1, _C2, _C3 = 140.0, 55.0, 550.0
_ALPHA = 0.6
_GAMMA, _BETA = 0.2, 0.1
_ROOT = 1 / 4
_LEAST = 2  # values, for a deviation


def mdsi(
    reference: Pixels,
    image: Pixels,
    *,
    peak: float | None = None,
    mask: BoolArray | None = None,
    combination: Combination = "sum",
) -> float:
    """Mean deviation similarity index: (mean of |v − mean v|)^¼ of v = V^¼ over the images at viewing distance, with V

    0.6·G + 0.4·C, or with `combination="product"` G^0.2·C^0.1,

    of the similarity G of gradients (Prewitt, luma; of both images and of their mean) and C of chroma (H and M). Where
    V is negative, roots are complex. No unit, ≥ 0, lower is better, 0 for equal images and where V is the same
    everywhere. Of two flat images of different level it says only how they differ from the 0 around them: take mse.

    Red, green and blue are needed; one band is taken as all three. `peak` is the largest value that the data can hold;
    uint8 is 255, all else must be stated. Raises ImageError where it is missing or exceeded, shapes differ, or there
    are other bands. Nafchi et al. 2016, doi:10.1109/ACCESS.2016.2604042.

    >>> step = np.array([[0.0] * 8 + [100.0] * 8] * 16)
    >>> mdsi(step, step, peak=255)
    0.0
    """
    if combination not in get_args(Combination):
        raise unknown("combination", combination, get_args(Combination))
    images = pair_of_images(reference, image, mask=mask, peak=peak, peaked=True)
    check_colour(images, "mdsi", grey=True)
    small = viewed(images)
    first, second = (in_space(np.broadcast_to(array, (*array.shape[:2], 3)), LHM) for array in small.arrays)
    gradients, chroma = _gradients_alike(first[0], second[0]), _chroma_alike(first[1:], second[1:])
    if combination == "sum":
        combined = (_ALPHA * gradients + (1 - _ALPHA) * chroma).astype(complex)
    else:
        combined = gradients.astype(complex) ** _GAMMA * chroma.astype(complex) ** _BETA
    values = combined[small.valid] ** _ROOT
    if values.size < _LEAST:
        raise no_pixels(images, "pair of pixels")
    return float(_mean_deviation(values) ** _ROOT)


def _gradients_alike(x: FloatArray, y: FloatArray) -> FloatArray:
    a, b, both = _gradient(x), _gradient(y), _gradient((x + y) / 2)
    return _alike(a, b, _C1) + (_alike(b, both, _C2) - _alike(a, both, _C2))


def _chroma_alike(first: FloatArray, second: FloatArray) -> FloatArray:
    product, squares = (first * second).sum(axis=0), (first**2 + second**2).sum(axis=0)
    return np.asarray((2 * product + _C3) / (squares + _C3))


def _alike(x: FloatArray, y: FloatArray, constant: float) -> FloatArray:
    return (2 * x * y + constant) / (x * x + y * y + constant)


def _gradient(plane: FloatArray) -> FloatArray:
    """The length of the gradient by Prewitt's filters, means of 3 rows or cols, 0 outside the image."""
    wide = np.pad(plane, 1)
    across, down = wide[:, :-2] - wide[:, 2:], wide[:-2] - wide[2:]
    return np.hypot(across[:-2] + across[1:-1] + across[2:], down[:, :-2] + down[:, 1:-1] + down[:, 2:]) / 3


def _mean_deviation(values: npt.NDArray[Any]) -> float:
    """Mean distance from the mean, of complex numbers."""
    # relative to one of them, equal values deviate by exactly 0
    values = values - values[0]
    return float(np.abs(values - values.mean()).mean())
