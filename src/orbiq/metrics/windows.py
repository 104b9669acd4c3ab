"""Separable windows that are symmetric and sum to 1, and where they are whole."""

import numpy as np

from orbiq.arrays import BoolArray, FloatArray


def gaussian_taps(size: int, sigma_px: float) -> FloatArray:
    """A Gaussian of `sigma_px` at the pixel centres of a window of `size` pixels, cut off and of sum 1.

    >>> gaussian_taps(3, 1.0).round(4).tolist()  # e^-0.5 = 0.6065 beside 1
    [0.2741, 0.4519, 0.2741]
    """
    away = np.arange(size) - (size - 1) / 2
    taps = np.exp(-(away**2) / (2 * sigma_px**2))
    return np.asarray(taps / taps.sum())


def uniform_taps(size: int) -> FloatArray:
    """Equal weights.

    >>> uniform_taps(4).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    return np.full(size, 1 / size)


def whole_windows(mask: BoolArray, size: int) -> BoolArray:
    """Where a window of `size` × `size` holds valid pixels alone: (rows − size + 1, cols − size + 1).

    >>> whole_windows(np.array([[True, True, False, True]] * 2), 2).tolist()
    [[True, False, False]]
    """
    for axis in (0, 1):
        counts = np.cumsum(mask, axis=axis, dtype=np.int32)
        counts = np.concatenate([np.zeros_like(counts.take([0], axis)), counts], axis=axis)
        within = counts.shape[axis] - size
        later, earlier = np.arange(size, size + within), np.arange(within)
        mask = counts.take(later, axis) - counts.take(earlier, axis) == size
    return mask
