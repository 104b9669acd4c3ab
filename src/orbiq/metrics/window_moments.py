"""Means, squares and products of two images in every position of a sliding window, without cancellation."""

from dataclasses import dataclass

import numpy as np

from orbiq.arrays import FloatArray
from orbiq.errors import SettingError

LARGEST_WINDOW = 64
"""Pixels on a side at most: maps promise that a value depends on no pixel farther away."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Moments:
    """Of two images in each window of `pixels` pixels, (rows, cols) of its first one.

    `square_first` = Σ(x − mean)², `square_second` = Σ(y − mean)², `product` = Σ(x − mean)·(y − mean): exactly 0 where
    all values of a window are equal.
    """

    pixels: int
    mean_first: FloatArray
    mean_second: FloatArray
    square_first: FloatArray
    square_second: FloatArray
    product: FloatArray


def sliding_moments(first: FloatArray, second: FloatArray, *, window: int) -> Moments:
    """The moments of all windows of `window` × `window` pixels that lie within two images (rows, cols).

    >>> found = sliding_moments(np.array([[1.0, 3.0], [1.0, 3.0]]), np.array([[0.0, 4.0], [0.0, 4.0]]), window=2)
    >>> float(found.mean_first[0, 0]), float(found.square_second[0, 0]), float(found.product[0, 0])
    (2.0, 16.0, 8.0)
    """
    found = np.empty((0, 5, 0))
    if min(first.shape) >= window:
        # numba takes half a second to import
        from orbiq.metrics.window_moments_kernel import window_moments

        found = window_moments(first, second, window)
    return Moments(
        pixels=window**2,
        mean_first=found[:, 0],
        mean_second=found[:, 1],
        square_first=found[:, 2],
        square_second=found[:, 3],
        product=found[:, 4],
    )


def check_window(window: int) -> int:
    """The window as an int, whatever whole number it is; refuse what is no window."""
    if not isinstance(window, int | np.integer) or not 2 <= window <= LARGEST_WINDOW:
        raise SettingError(f"window is {window}; expected a whole number of pixels from 2 to {LARGEST_WINDOW}")
    return int(window)
