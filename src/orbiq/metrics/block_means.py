"""Means over blocks of f × f pixels: how the authors of FSIM, MDSI and HaarPSI make images smaller.

f = max(1, round(min(rows, cols) / 256)), halves rounded up, brings an image to viewing distance. A mean is over the
pixels from ⌈f/2⌉ − 1 before the kept one to ⌊f/2⌋ behind; what lies outside the image is 0.
"""

from dataclasses import dataclass
from math import floor

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.metrics.cut import cut_to_mask
from orbiq.metrics.inputs import Images
from orbiq.tiles import Tile

VIEWING_PX = 256


@dataclass(frozen=True, eq=False, kw_only=True)
class Viewed:
    """Images at viewing distance, in memory: (rows, cols, bands) each, on a scale of 255.

    `valid` (rows, cols) where the kept pixel is valid; `whole` where the mean is over valid pixels alone.
    """

    arrays: tuple[FloatArray, ...]
    valid: BoolArray
    whole: BoolArray


def viewed(images: Images) -> Viewed:
    """Images of a peak, cut to what is valid and brought to viewing distance, tile by tile."""
    images = cut_to_mask(images)
    rows, cols, bands = images.shape
    factor = max(1, floor(min(rows, cols) / VIEWING_PX + 0.5))
    shape = -(-rows // factor), -(-cols // factor)
    small = tuple(np.empty((*shape, bands)) for _ in images.rasters)
    valid, whole = np.empty(shape, bool), np.empty(shape, bool)

    def put(tile: Tile) -> None:
        place = tuple(slice(s.start // factor, -(-s.stop // factor)) for s in (tile.rows, tile.cols))
        count = place[0].stop - place[0].start, place[1].stop - place[1].start
        first = tile.top - (factor + 1) // 2 + 1, tile.left - (factor + 1) // 2 + 1
        for out, array in zip(small, tile.arrays, strict=True):
            out[place] = block_means(array, factor=factor, first=first, count=count)
        mask = np.ones(tile.arrays[0].shape[:2], bool) if tile.mask is None else tile.mask
        valid[place] = mask[tile.core][::factor, ::factor]
        whole[place] = block_means(mask[..., None], factor=factor, first=first, count=count)[..., 0] == 1

    for _ in images.map(put, margin=factor, align=factor):
        pass
    scale = 255 / float(images.peak or 0)
    return Viewed(arrays=tuple(out * scale for out in small), valid=valid, whole=whole)


def block_means(
    image: Array, *, factor: int, first: tuple[int, int] = (0, 0), count: tuple[int, int] | None = None
) -> FloatArray:
    """Means (rows, cols, bands) of `count` blocks, the first of which begins at pixel `first`; outside, pixels are 0.

    >>> block_means(np.array([[[1], [3], [8]]]), factor=2)[..., 0].tolist()  # (1 + 3 + 0 + 0)/4 and (8 + 0 + 0 + 0)/4
    [[1.0, 2.0]]
    """
    # numba takes half a second to import
    from orbiq.metrics.block_kernel import block_sums

    # compiled for two dtypes
    image = image.astype(np.uint8 if image.dtype in (np.uint8, bool) else float, copy=False)
    every = count or (-(-image.shape[0] // factor), -(-image.shape[1] // factor))
    return block_sums(image, factor=factor, first=first, count=every) / factor**2
