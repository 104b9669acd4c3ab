"""Averages over f × f pixels, every f-th kept: how the authors of SSIM bring an image to viewing distance.

f = max(1, round(min(rows, cols) / 256)), halves rounded up. A mean is over the pixels from ⌈f/2⌉ − 1 before the kept
one to ⌊f/2⌋ behind; at the border the image is mirrored, the outermost pixel twice. A mean over a masked pixel is
masked.
"""

from dataclasses import replace
from math import floor

import numpy as np

from orbiq.arrays import FloatArray, Scene
from orbiq.metrics.cut import cut_to_mask
from orbiq.metrics.inputs import Images
from orbiq.tiles import Tile

VIEWING_PX = 256


def decimated(images: Images) -> Images:
    """The images, cut to what is valid and decimated, in memory as float64."""
    images = cut_to_mask(images)
    rows, cols, bands = images.shape
    factor = max(1, floor(min(rows, cols) / VIEWING_PX + 0.5))
    if factor == 1:
        return images
    shape = -(-rows // factor), -(-cols // factor)
    small = [np.empty((*shape, bands)) for _ in images.rasters]
    mask = np.ones(shape, bool)

    def put(tile: Tile) -> None:
        place = tuple(slice(s.start // factor, -(-s.stop // factor)) for s in (tile.rows, tile.cols))
        for out, array in zip(small, tile.arrays, strict=True):
            out[place] = _means(array.astype(float), tile, factor)
        if tile.mask is not None:
            # means of ones and zeros: exactly 1 where all are 1
            mask[place] = _means(tile.mask[..., None].astype(float), tile, factor)[..., 0] == 1

    for _ in images.map(put, margin=factor, align=factor):
        pass
    rasters = tuple(Scene(array=a, name=raster.name) for a, raster in zip(small, images.rasters, strict=True))
    # without a peak: it was checked, and a mean of pixels at the peak may be rounded to above it
    return replace(images, rasters=rasters, mask=None if mask.all() else mask, peak=None)


def _means(array: FloatArray, tile: Tile, factor: int) -> FloatArray:
    """(rows of blocks, cols of blocks, bands) of the core."""
    for axis, (part, before) in enumerate(((tile.rows, tile.top), (tile.cols, tile.left))):
        array = np.moveaxis(_means_along(np.moveaxis(array, axis, 0), part, before, factor), 0, axis)
    return array


def _means_along(array: FloatArray, part: slice, before: int, factor: int) -> FloatArray:
    blocks = -(-(part.stop - part.start) // factor)
    first = before - ((factor + 1) // 2 - 1)
    lacking = max(first + blocks * factor - array.shape[0], 0)
    wide = np.pad(array, ((max(-first, 0), lacking), (0, 0), (0, 0)), mode="symmetric")
    first = max(first, 0)
    return np.asarray(wide[first : first + blocks * factor].reshape(blocks, factor, *array.shape[1:]).mean(axis=1))
