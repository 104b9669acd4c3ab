"""A raster as a codec takes it: its mask, its largest value, and masked pixels filled, without it lying in memory."""

from math import inf
from typing import Any

import numpy as np

from orbiq.arrays import Affine, Array, BoolArray, Raster, Scene
from orbiq.modifiers.filling import filled

_SURVEY_PIXELS = 1 << 24


def surveyed(raster: Raster) -> tuple[BoolArray | None, float]:
    """The mask of all of an image, None where every pixel is valid, and the largest valid value; strip by strip."""
    rows, cols, _ = raster.shape
    step = max(1, _SURVEY_PIXELS // cols)
    whole: BoolArray | None = None
    highest = -inf
    for top in range(0, rows, step):
        strip = slice(top, min(top + step, rows))
        array, mask = raster.window(strip, slice(0, cols))
        if mask is not None and not mask.all():
            whole = np.ones((rows, cols), bool) if whole is None else whole
            whole[strip] = mask
            array = array[mask]
        highest = max(highest, float(array.max())) if array.size else highest
    return whole, highest


class Filled:
    """A raster whose masked pixels are filled smoothly, window by window, so that they cost little."""

    def __init__(self, raster: Raster) -> None:
        self._raster = raster
        self.shape: tuple[int, int, int] = raster.shape
        self.dtype: np.dtype[Any] = raster.dtype
        self.peak: float | None = raster.peak
        self.gsd_m: float | None = raster.gsd_m
        self.transform: Affine | None = raster.transform
        self.name: str = raster.name

    def window(self, rows: slice, cols: slice) -> tuple[Array, BoolArray | None]:
        """Pixels and mask of a part."""
        array, mask = self._raster.window(rows, cols)
        return filled(Scene(array=array, mask=mask)), mask
