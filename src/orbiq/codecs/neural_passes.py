"""The networks over an image of any size: piece by piece, and as if it had been in one piece.

An area is some tiles that go through the networks together. A latent sees 30 pixels before its own first and 14 behind
its last, a pixel the latents from one before to two behind its own: areas are read with that much around them, so that
the pieces fit without a seam. At the end of the image the last rows and cols are repeated, mirrored, to whole latents.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from orbiq.arrays import Array, BoolArray, Raster
from orbiq.codecs.neural_container import Head
from orbiq.codecs.neural_model import Model
from orbiq.codecs.neural_networks import STRIDE
from orbiq.errors import ImageError

BEFORE, BEHIND = 1, 2
"""Latents around its own that a pixel sees."""
_SEEN_BEFORE, _SEEN_BEHIND = 2, 1
_AREA_PX = 1024


@dataclass(frozen=True, kw_only=True)
class Area:
    """Rows and cols of latents, (first, end), of a piece of an image of `whole` latents."""

    rows: tuple[int, int]
    cols: tuple[int, int]
    whole: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """Latents in rows and cols."""
        return self.rows[1] - self.rows[0], self.cols[1] - self.cols[0]

    def grown(self, before: int, behind: int) -> "Area":
        """With more latents around, as far as there are any.

        >>> Area(rows=(0, 4), cols=(4, 8), whole=(8, 9)).grown(1, 2)
        Area(rows=(0, 6), cols=(3, 9), whole=(8, 9))
        """
        (top, bottom), (left, right), (rows, cols) = self.rows, self.cols, self.whole
        grown_rows = max(0, top - before), min(rows, bottom + behind)
        return Area(rows=grown_rows, cols=(max(0, left - before), min(cols, right + behind)), whole=self.whole)

    def within(self, other: "Area", scale: int = 1) -> tuple[slice, slice]:
        """Where it lies in a larger one, of whose latents each is `scale` samples wide."""
        parts = []
        for (first, end), (origin, _) in ((self.rows, other.rows), (self.cols, other.cols)):
            parts.append(slice((first - origin) * scale, (end - origin) * scale))
        return parts[0], parts[1]

    def pixels(self, shape: tuple[int, ...]) -> tuple[slice, slice]:
        """Its pixels in an image of `shape`."""
        ends = (self.rows, shape[0]), (self.cols, shape[1])
        rows, cols = (slice(first * STRIDE, min(end * STRIDE, side)) for (first, end), side in ends)
        return rows, cols


def latent_grid(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and cols of the latents of an image."""
    return -(-shape[0] // STRIDE), -(-shape[1] // STRIDE)


def areas(shape: tuple[int, ...], tile_px: int) -> Iterator[Area]:
    """Pieces of whole tiles, about 1024 pixels a side, row by row."""
    side = max(1, _AREA_PX // tile_px) * tile_px // STRIDE
    return _cut(latent_grid(shape), side)


def tiles(area: Area, tile_px: int) -> Iterator[Area]:
    """The tiles of an area, row by row."""
    side = tile_px // STRIDE
    for tile in _cut(area.shape, side):
        (top, bottom), (left, right) = tile.rows, tile.cols
        rows, cols = (area.rows[0] + top, area.rows[0] + bottom), (area.cols[0] + left, area.cols[0] + right)
        yield Area(rows=rows, cols=cols, whole=area.whole)


def tile_number(tile: Area, head: Head) -> int:
    """Its place among the tiles of one group, row by row."""
    side = head.tile_px // STRIDE
    return tile.rows[0] // side * head.grid[1] + tile.cols[0] // side


def _cut(grid: tuple[int, int], side: int) -> Iterator[Area]:
    for top in range(0, grid[0], side):
        for left in range(0, grid[1], side):
            rows, cols = (top, min(top + side, grid[0])), (left, min(left + side, grid[1]))
            yield Area(rows=rows, cols=cols, whole=grid)


def pixels_of(raster: Raster, area: Area, group: tuple[int, ...]) -> tuple[Array, BoolArray | None]:
    """The samples of some bands in an area, and their mask."""
    array, mask = raster.window(*area.pixels(raster.shape))
    whole = len(group) == array.shape[2]
    return array if whole else array[:, :, list(group)], mask


def latents_of(model: Model, raster: Raster, area: Area, head: Head, group: int) -> torch.Tensor:
    """(units, channels, rows, cols) of an area."""
    around = area.grown(_SEEN_BEFORE, _SEEN_BEHIND)
    array, _ = pixels_of(raster, around, head.groups[group])
    _check_values(raster, array, head)
    rows, cols = (side * STRIDE - size for side, size in zip(around.shape, array.shape, strict=False))
    if rows or cols:
        array = np.pad(array, ((0, rows), (0, cols), (0, 0)), mode="symmetric")
    seen = torch.from_numpy(head.scalings[group].seen(array))
    inner = area.within(around)
    units = seen[None] if model.bands == len(seen) else seen[:, None]
    # one at a time: a first layer of 64 channels is large
    return torch.cat([model.latents(unit[None])[:, :, *inner] for unit in units])


def _check_values(raster: Raster, array: Array, head: Head) -> None:
    """Samples beyond the stated bits cannot be coded, and would miss every promise silently."""
    low, high = int(array.min()), int(array.max())
    if low < head.lowest or high > head.highest:
        raise ImageError(
            f"fixed-quality with {head.bits} bits holds {head.lowest} to {head.highest}; image {raster.name!r} has "
            f"{low} to {high}: state more bits or the right peak, or scale it first"
        )


def decoded_area(model: Model, latents: torch.Tensor, area: Area, around: Area, head: Head, group: int) -> Array:
    """Samples (rows, cols, planes), rounded and in range, of an area, whose latents come with those `around` it."""
    inner = area.within(around, STRIDE)
    seen = torch.cat([model.picture(unit[None])[0][:, *inner] for unit in latents])
    values = head.scalings[group].pixels(seen.numpy())
    rows, cols = area.pixels(head.shape)
    values = values[: rows.stop - rows.start, : cols.stop - cols.start]
    np.rint(values, out=values)
    return np.clip(values, head.lowest, head.highest, out=values).astype(head.dtype)
