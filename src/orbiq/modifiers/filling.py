"""Masked pixels filled smoothly, so that a codec spends little on them and they do not ring into their surroundings."""

from typing import Any

import cv2
import numpy as np

from orbiq.arrays import Array, FloatArray, Scene, cast_like


def filled(scene: Scene) -> Array:
    """The pixels with a smooth continuation in place of the masked ones; zeros where none is valid.

    Push and pull [1]: the image is halved, by the mean of the valid pixels of each 2×2, until no gap is left; from
    there up each gap takes the coarser image, interpolated linearly. Valid pixels stay exactly as they are.

    [1] S. J. Gortler et al., The Lumigraph, SIGGRAPH 1996, section 3.3.

    >>> mask = np.array([[True, False, False, True]])
    >>> filled(Scene(array=np.array([[[10], [99], [99], [30]]], np.uint8), mask=mask, name="a"))[0, :, 0].tolist()
    [10, 15, 25, 30]
    """
    mask = scene.mask
    if mask is None or mask.all():
        return scene.array
    if not mask.any():
        return np.zeros_like(scene.array)
    precise: Any = np.float64 if scene.array.dtype == np.float64 else np.float32
    values = np.where(mask[..., None], scene.array, 0).astype(precise)
    return np.where(mask[..., None], scene.array, cast_like(_continued(values, mask), scene.array))


def _continued(values: FloatArray, valid: np.ndarray) -> FloatArray:
    """The values with those that are not valid, which are 0, taken from the image of half the size."""
    if valid.all():
        return values
    counts = _sums(valid[..., None].astype(values.dtype))
    coarse = _continued(_sums(values) / np.maximum(counts, 1), counts[..., 0] > 0)
    rows, cols, bands = values.shape
    size = (2 * coarse.shape[1], 2 * coarse.shape[0])
    planes = [cv2.resize(np.ascontiguousarray(coarse[..., k]), size) for k in range(bands)]  # linear
    return np.where(valid[..., None], values, np.stack(planes, axis=-1)[:rows, :cols])


def _sums(values: FloatArray) -> FloatArray:
    """The sum of each 2×2; an odd last row or column stands alone."""
    rows, cols, _ = values.shape
    even = np.pad(values, ((0, rows % 2), (0, cols % 2), (0, 0)))
    return np.asarray(even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2])
