"""A fully convolutional network over an image of any size: tile by tile, and as if it had been in one piece.

A value of its map stands for a cell of `step` by `step` pixels and sees `margin` pixels more on each side, its field;
it is known where the whole field lies within the image and its mask. What goes into a network are levels, 0 … 255.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

import numpy as np

from orbiq.arrays import Array, BoolArray
from orbiq.errors import SettingError
from orbiq.metrics.inputs import Images
from orbiq.tiles import Tile

ONE_AT_A_TIME = Lock()
"""Networks use all cores by themselves: several tiles at a time would wait for one another's threads."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """What a value of a map sees: `step` by `step` pixels of its own, and `margin` more on each side."""

    step: int
    margin: int

    @property
    def size(self) -> int:
        """Pixels across."""
        return self.step + 2 * self.margin

    def cells(self, first: int, side: int, wanted: slice) -> slice:
        """Those of the wanted cells whose fields lie within the pixels [first, first + side).

        >>> Field(step=4, margin=15).cells(0, 64, slice(0, 16))
        slice(4, 12, None)
        """
        begin = max(wanted.start, -(-(first + self.margin) // self.step))
        end = min(wanted.stop, (first + side - self.size + self.margin) // self.step + 1)
        return slice(begin, max(begin, end))

    def pixels(self, first: int, cells: slice) -> slice:
        """The fields of cells, in an array that begins at pixel `first`."""
        begin = cells.start * self.step - self.margin - first
        return slice(begin, begin + (cells.stop - cells.start - 1) * self.step + self.size)


class Part(NamedTuple):
    """A rectangle of a map: its rows and cols of cells, and its values (planes, rows, cols), NaN where not known."""

    rows: slice
    cols: slice
    values: Array


Network = Callable[[Array], Array]
"""From pixels (rows, cols, bands), whole fields, to values (planes, cells, cells)."""


def map_parts(images: Images, network: Network, *, field: Field, planes: int) -> Iterator[Part]:
    """The map of one image, in rectangles that cover its whole cells once."""

    def over(tile: Tile) -> Part:
        limits = [side // field.step for side in images.shape[:2]]
        rows, cols = (
            slice(part.start // field.step, min(-(-part.stop // field.step), limit))
            for part, limit in zip((tile.rows, tile.cols), limits, strict=True)
        )
        return Part(rows, cols, _values(tile, (rows, cols), network, field=field, planes=planes))

    margin = -(-field.margin // field.step) * field.step
    return images.map(over, margin=margin, align=field.step)


def _values(tile: Tile, wanted: tuple[slice, slice], network: Network, *, field: Field, planes: int) -> Array:
    # a field that leaves the tile leaves the image, for tiles are read with wide enough margins
    out = np.full((planes, *(max(0, part.stop - part.start) for part in wanted)), np.nan, np.float32)
    firsts = tile.rows.start - tile.top, tile.cols.start - tile.left
    sides = tile.arrays[0].shape[:2]
    cells = [field.cells(*known) for known in zip(firsts, sides, wanted, strict=True)]
    if any(part.stop == part.start for part in cells):
        return out
    window = tuple(field.pixels(first, part) for first, part in zip(firsts, cells, strict=True))
    known = None if tile.mask is None else _all_valid(tile.mask[window], field)
    if known is None or known.any():
        with ONE_AT_A_TIME:
            values = network(tile.arrays[0][window])
        inner = tuple(slice(c.start - w.start, c.stop - w.start) for c, w in zip(cells, wanted, strict=True))
        out[:, *inner] = values if known is None else np.where(known, values, np.nan)
    return out


def _all_valid(mask: BoolArray, field: Field) -> BoolArray:
    """Of each cell, whether its whole field is valid."""
    return np.asarray(_counts(mask, field) == field.size**2)


def _counts(marked: BoolArray, field: Field) -> Array:
    """How many pixels of each cell's field are marked."""
    sums = np.zeros([side + 1 for side in marked.shape], np.int64)
    sums[1:, 1:] = marked.cumsum(0).cumsum(1)
    ends, begins = slice(field.size, None, field.step), slice(0, -field.size, field.step)
    return np.asarray(sums[ends, ends] - sums[begins, ends] - sums[ends, begins] + sums[begins, begins])


def varied(pixels: Array, field: Field) -> BoolArray:
    """Of each cell, whether its field (in pixels (rows, cols, bands), whole fields) is more than one flat colour.

    >>> varied(np.zeros((8, 8, 1), np.uint8), Field(step=4, margin=2))
    array([[False]])
    """
    changes = np.zeros(pixels.shape[:2], bool)
    changes[1:, 1:] = (pixels[1:, 1:] != pixels[:-1, 1:]).any(2) | (pixels[1:, 1:] != pixels[1:, :-1]).any(2)
    return np.asarray(_counts(changes, field) > 0)


def levels_seen(array: Array, *, low_dn: float, high_dn: float) -> Array:
    """Pixels as whole numbers 0 … 255: `low_dn` is 0 and `high_dn` 255; beyond is clipped.

    >>> levels_seen(np.array([0, 2048, 4095, 5000], np.uint16), low_dn=0, high_dn=4095).tolist()
    [0, 128, 255, 255]
    """
    if not low_dn < high_dn:
        raise SettingError(f"low_dn is {low_dn:g} and high_dn {high_dn:g}; expected the value of black below white's")
    if array.dtype == np.uint8 and (low_dn, high_dn) == (0, 255):
        return array
    scaled = (array.astype(np.float64) - low_dn) * (255 / (high_dn - low_dn))
    return np.asarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))
