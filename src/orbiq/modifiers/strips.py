"""Pixels changed strip by strip, so that memory does not grow with the image and strips stay in the cache."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from orbiq.arrays import Array, Scene, cast_like

_SAMPLES = 1 << 17
Change = Callable[[Array, slice], Array]
"""From the pixels (some rows, cols, bands) of a strip, and which rows they are, to what they become."""


def by_strips(scene: Scene, change: Change) -> Scene:
    """The scene with `change` applied to it from the first row to the last, in its own dtype.

    Integers are rounded and clipped to 0…peak (signed ones from their least value) and need the peak; floats are
    neither. What `change` has in the image's dtype already is taken as it is. Masked pixels keep their values.

    >>> scene = Scene(array=np.array([[[1], [2]]], np.uint8))
    >>> by_strips(scene, lambda part, rows: part * 1.6).array[0, :, 0].tolist()
    [2, 3]
    """
    peak = scene.required_peak() if np.issubdtype(scene.array.dtype, np.integer) else None
    out = np.empty_like(scene.array)
    for rows in strips(scene.shape):
        part = scene.array[rows]
        values = change(part, rows)
        out[rows] = values if values.dtype == part.dtype else cast_like(values, part, peak=peak)
        if scene.mask is not None:
            np.copyto(out[rows], part, where=~scene.mask[rows, :, None])
    return replace(scene, array=out)


def strips(shape: tuple[int, int, int]) -> Iterator[slice]:
    """The rows of an image (rows, cols, bands) in strips of about 130 000 samples, one row at least.

    >>> list(strips((3, 100_000, 1)))
    [slice(0, 1, None), slice(1, 2, None), slice(2, 3, None)]
    """
    rows, cols, bands = shape
    height = max(1, _SAMPLES // (cols * bands))
    return (slice(first, min(first + height, rows)) for first in range(0, rows, height))
