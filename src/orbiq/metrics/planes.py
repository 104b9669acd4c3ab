"""Planes of a tile: each band by itself, or the luma of three."""

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np

from orbiq.arrays import Array, FloatArray
from orbiq.errors import ImageError, unknown
from orbiq.metrics.inputs import Images
from orbiq.tiles import Tile

Bands = Literal["each", "luma"]
"""Each band by itself and the mean of their scores, or the luma of red, green and blue: the Y of YIQ."""
LUMA = (0.299, 0.587, 0.114)


def check_bands(images: Images, bands: str) -> None:
    """Raises UnknownName unless `bands` is "each" or "luma", ImageError unless "luma" has three bands to take."""
    if bands not in get_args(Bands):
        raise unknown("choice of bands", bands, get_args(Bands))
    if bands == "luma" and images.bands != 3:
        raise ImageError(
            f"{images.name} has {images.bands} bands but bands='luma' needs red, green and blue. "
            "Select three bands, or take bands='each'."
        )


def planes(tile: Tile, bands: str = "each") -> Iterator[tuple[FloatArray, ...]]:
    """For every band (or the luma) the plane (rows, cols) of each image of the tile, contiguous float64.

    >>> tile = Tile(arrays=(np.full((1, 1, 3), 10, np.uint8),), mask=None, rows=slice(1), cols=slice(1), top=0, left=0)
    >>> [[plane.tolist() for plane in images] for images in planes(tile, "luma")]
    [[[[10.0]]]]
    """
    for views in plane_views(tile, bands):
        yield tuple(np.ascontiguousarray(view, dtype=float) for view in views)


def plane_views(tile: Tile, bands: str = "each") -> Iterator[tuple[Array, ...]]:
    """As `planes`, but bands as they lie in the tile and in its dtype, for those who convert a piece at a time."""
    if bands == "luma":
        yield tuple(_luma(array) for array in tile.arrays)
        return
    for k in range(tile.arrays[0].shape[2]):
        yield tuple(array[..., k] for array in tile.arrays)


def _luma(array: Array) -> FloatArray:
    red, green, blue = (array[..., k].astype(float) * LUMA[k] for k in range(3))
    return red + green + blue
