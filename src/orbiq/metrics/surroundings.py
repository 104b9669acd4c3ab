"""What lies around a tile's core, continued where the image or its mask ends.

A pixel outside takes the value of the nearest valid pixel of its row, or failing that of its column (of those, after
rows are continued). Around a rectangle this is replication of the border, so that a masked image has the surroundings
of the cropped one.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from orbiq.arrays import BoolArray, FloatArray
from orbiq.tiles import Tile

Positions = npt.NDArray[np.intp]


def margin_for(reach: int) -> int:
    """The margin that a tile must have so that `continued` by `reach` does not depend on the tiles.

    A pixel `reach` away from the core may be continued from as far again.
    """
    return 2 * reach


def continued(tile: Tile, *, reach: int) -> Callable[[FloatArray], FloatArray]:
    """A function that cuts a plane of the tile to its core with `reach` pixels more on each side.

    It takes (rows, cols) of the tile and gives (core rows + 2·reach, core cols + 2·reach). Pixels farther than
    `reach` from every valid one mean nothing.

    >>> tile = Tile(arrays=(), mask=None, rows=slice(0, 1), cols=slice(0, 3), top=0, left=0)
    >>> continued(tile, reach=1)(np.array([[1.0, 2.0, 3.0]]))[0].tolist()
    [1.0, 1.0, 2.0, 3.0, 3.0]
    """
    before = tile.core[0].start, tile.core[1].start
    size = tile.core[0].stop - before[0], tile.core[1].stop - before[1]
    if tile.mask is None:
        return lambda plane: _replicated(plane, before=before, size=size, reach=reach)
    sources = _sources(tile.mask, before=before, size=size, reach=reach)
    return lambda plane: np.asarray(plane.ravel()[sources])


def _replicated(plane: FloatArray, *, before: tuple[int, int], size: tuple[int, int], reach: int) -> FloatArray:
    cut, pads = [], []
    for start, length, there in zip(before, size, plane.shape, strict=True):
        first, last = max(start - reach, 0), min(start + length + reach, there)
        cut.append(slice(first, last))
        pads.append((first - (start - reach), start + length + reach - last))
    return np.pad(plane[tuple(cut)], pads, mode="edge")


def _sources(mask: BoolArray, *, before: tuple[int, int], size: tuple[int, int], reach: int) -> Positions:
    """Which pixel (its position in the raveled tile) each pixel of the core and its surroundings takes."""
    valid = np.pad(mask, 2 * reach)
    cols, valid = _nearest(valid, reach)
    rows, _ = _nearest(valid.T, reach)
    rows = np.ascontiguousarray(rows.T)
    cols = np.take_along_axis(cols, rows, axis=0)
    height, width = mask.shape
    sources = np.clip(rows - 2 * reach, 0, height - 1) * width + np.clip(cols - 2 * reach, 0, width - 1)
    # the padding put the core 2·reach further on; its surroundings begin `reach` before it
    top, left = before[0] + reach, before[1] + reach
    return np.asarray(sources[top : top + size[0] + 2 * reach, left : left + size[1] + 2 * reach])


def _nearest(valid: BoolArray, reach: int) -> tuple[Positions, BoolArray]:
    """Along the last axis the position of the nearest valid pixel, of two the earlier, and whether it is in reach."""
    length = valid.shape[1]
    here = np.arange(length)
    earlier = np.maximum.accumulate(np.where(valid, here, -4 * length), axis=1)
    later = np.minimum.accumulate(np.where(valid, here, 4 * length)[:, ::-1], axis=1)[:, ::-1]
    nearest = np.where(here - earlier <= later - here, earlier, later)
    known = np.abs(nearest - here) <= reach
    return np.where(known, nearest, here), known
