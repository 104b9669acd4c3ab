"""Colour spaces of the quality metrics, of red, green and blue in this order."""

from collections.abc import Sequence

import numpy as np

from orbiq.arrays import FloatArray
from orbiq.errors import ImageError
from orbiq.metrics.inputs import Images

YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))
"""Luma Y and the chroma I and Q of the NTSC, rounded as the metrics' authors do."""
LHM = ((0.2989, 0.5870, 0.1140), (0.30, 0.04, -0.35), (0.34, -0.60, 0.17))
"""Luma and the chroma H and M of MDSI."""


def in_space(image: FloatArray, space: Sequence[Sequence[float]]) -> FloatArray:
    """(3, rows, cols): the axes of `space` of an image (rows, cols, 3).

    >>> in_space(np.array([[[10.0, 0.0, 0.0]]]), YIQ).round(9).ravel().tolist()
    [2.99, 5.96, 2.11]
    """
    return np.moveaxis(image @ np.array(space).T, 2, 0)


def check_colour(images: Images, metric: str, *, grey: bool = False) -> None:
    """Raises ImageError unless there are three bands, or with `grey` one."""
    if images.bands == 3 or (grey and images.bands == 1):
        return
    needed = "red, green and blue, or one grey band" if grey else "red, green and blue"
    raise ImageError(
        f"{images.name} has {images.bands} band{'s' * (images.bands > 1)} but {metric} needs {needed}. "
        "Select such bands, or take gmsd, which compares each band by itself."
    )
