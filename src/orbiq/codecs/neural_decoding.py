"""A fixed-quality stream to pixels: all of them, or those of a window, for which only the areas around it are decoded.

Of a stream with damaged tiles (`unpacked(stream, damaged=True)`) all others are decoded as ever. A damaged one is
filled with the middle of its bands' range, the centres that the head states, and `Decoder.damaged` says where. A pixel
sees latents of the tiles beside its own: those up to 32 before a damaged tile, and up to 16 behind it, suffer too.
"""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
import torch

from orbiq.arrays import Array
from orbiq.codecs.neural_container import Container
from orbiq.codecs.neural_model import Model
from orbiq.codecs.neural_networks import STRIDE
from orbiq.codecs.neural_passes import BEFORE, BEHIND, Area, areas, decoded_area, latent_grid, tile_number, tiles
from orbiq.codecs.neural_residual import GLOBAL_BLOCK, Blocks, with_residual
from orbiq.codecs.neural_tiles import Coded, decoded_tile
from orbiq.errors import ImageError

_KEPT_BYTES = 256 << 20
_PIECE_PX = 1024


class Damage(NamedTuple):
    """The pixels of a damaged tile: a window of the image, and the bands that were coded in it."""

    rows: slice
    cols: slice
    bands: tuple[int, ...]


class Decoder:
    """One stream; tiles that were decoded are kept for a while, since neighbours need their margins."""

    def __init__(self, model: Model, container: Container) -> None:
        self.model, self.container, self.head = model, container, container.head
        if container.head.model != model.digest:
            raise ImageError(
                f"the stream was coded with model {container.head.model}, and this is model {model.digest}: name the "
                "file of the model that coded it"
            )
        if model.bands == 3 and not container.head.joint:
            raise ImageError("the stream holds bands one by one, and its model codes three at once: it is damaged")
        self.grid = latent_grid(self.head.shape)
        everywhere = self.head.block == (0, 0)
        self.block = self.grid if everywhere else (self.head.block[0] // STRIDE, self.head.block[1] // STRIDE)
        self.residual_block = GLOBAL_BLOCK if everywhere else self.head.block
        """Pixels of a block of the residual."""
        self.units = 3 if self.head.joint and model.bands == 1 else 1
        self._kept: OrderedDict[int, Coded] = OrderedDict()
        tile_bytes = 4 * self.units * model.channels * (self.head.tile_px // STRIDE) ** 2
        self._most_kept = max(4, _KEPT_BYTES // tile_bytes)

    def image(self) -> Array:
        """All of it (rows, cols, bands)."""
        rows, cols, _ = self.head.shape
        return self.window(slice(0, rows), slice(0, cols))

    def window(self, rows: slice, cols: slice) -> Array:
        """The pixels of a window that lies within the image."""
        sides = self.head.shape[:2]
        if not all(0 <= part.start < part.stop <= side for part, side in zip((rows, cols), sides, strict=True)):
            asked = f"{rows.start}:{rows.stop}, {cols.start}:{cols.stop}"
            raise ImageError(f"a window of {asked} does not lie within an image of {sides[0]} rows, {sides[1]} cols")
        size = rows.stop - rows.start, cols.stop - cols.start, self.head.shape[2]
        try:
            window = np.empty(size, self.head.dtype)
        except (MemoryError, ValueError):
            raise ImageError(f"{size} pixels do not fit into memory: decode smaller windows") from None
        for area in self._touched(rows, cols):
            place = area.pixels(self.head.shape)
            shared = _overlap(place[0], rows), _overlap(place[1], cols)
            window[_seen_from(shared, (rows, cols))] = self.area(area)[_seen_from(shared, place)]
        return window

    def _touched(self, rows: slice, cols: slice) -> Iterator[Area]:
        """The areas that share pixels with a window, row by row."""
        side = next(areas(self.head.shape, self.head.tile_px)).shape
        starts = (
            range(part.start // STRIDE // step * step, -(-part.stop // STRIDE), step)
            for part, step in zip((rows, cols), side, strict=True)
        )
        for top, left in product(*starts):
            ends = min(top + side[0], self.grid[0]), min(left + side[1], self.grid[1])
            yield Area(rows=(top, ends[0]), cols=(left, ends[1]), whole=self.grid)

    @property
    def damaged(self) -> tuple[Damage, ...]:
        """Where the damaged tiles lie; empty where there are none."""
        groups = self.head.groups
        found = []
        for number in (k for k, tile in enumerate(self.container.tiles) if tile is None):
            place, group = divmod(number, len(groups))
            tile = self._tile_area(*divmod(place, self.head.grid[1]))
            found.append(Damage(*tile.pixels(self.head.shape), groups[group]))
        return tuple(found)

    def area(self, area: Area) -> Array:
        """The pixels of an area of whole tiles."""
        parts = [self._group(area, group) for group in range(len(self.head.groups))]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)

    def _group(self, area: Area, group: int) -> Array:
        around = area.grown(BEFORE, BEHIND)
        latents = torch.empty((self.units, self.model.channels, *around.shape))
        for tile in self._tiles(around):
            shared = _shared(tile, around)
            latents[:, :, *shared.within(around)] = self.tile(tile, group).latents[:, :, *shared.within(tile)]
        origin = area.pixels(self.head.shape)
        size = origin[0].stop - origin[0].start, origin[1].stop - origin[1].start
        pixels = np.empty((*size, len(self.head.groups[group])), self.head.dtype)
        # a tile may be larger than what the networks should take at once
        for piece in tiles(area, _PIECE_PX):
            if all(self._stream(tile, group) is None for tile in self._tiles(piece)):
                continue
            place = _seen_from(piece.pixels(self.head.shape), origin)
            outer = piece.grown(BEFORE, BEHIND)
            seen = latents[:, :, *outer.within(around)]
            pixels[place] = decoded_area(self.model, seen, piece, outer, self.head, group)
        for tile in tiles(area, self.head.tile_px):
            place = _seen_from(tile.pixels(self.head.shape), origin)
            pixels[place] = self._finished(pixels[place], tile, group)
        return pixels

    def _finished(self, pixels: Array, tile: Area, group: int) -> Array:
        """The pixels of a tile with its residual; where it is damaged, the middle of the range."""
        head = self.head
        if self._stream(tile, group) is None:
            return np.broadcast_to(np.clip(head.scalings[group].centres, head.lowest, head.highest), pixels.shape)
        if not head.residual:
            return pixels
        return with_residual(
            pixels,
            self.tile(tile, group).residual,
            blocks=Blocks(shape=(pixels.shape[0], pixels.shape[1]), size=self.residual_block),
            tables=self.model.scale_tables,
            low=head.lowest,
            high=head.highest,
        )

    def _tiles(self, area: Area) -> Iterator[Area]:
        """Those that share latents with an area, row by row."""
        side = self.head.tile_px // STRIDE
        starts = (range(first // side, -(-end // side)) for first, end in (area.rows, area.cols))
        return (self._tile_area(row, col) for row, col in product(*starts))

    def _tile_area(self, row: int, col: int) -> Area:
        side = self.head.tile_px // STRIDE
        rows, cols = ((k * side, min((k + 1) * side, whole)) for k, whole in zip((row, col), self.grid, strict=True))
        return Area(rows=rows, cols=cols, whole=self.grid)

    def _number(self, tile: Area, group: int) -> int:
        return tile_number(tile, self.head) * len(self.head.groups) + group

    def _stream(self, tile: Area, group: int) -> bytes | None:
        """None where it is damaged."""
        return self.container.tiles[self._number(tile, group)]

    def tile(self, tile: Area, group: int) -> Coded:
        """A tile as it was coded; all zeros at the first level where it is damaged."""
        number = self._number(tile, group)
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        stream = self._stream(tile, group)
        shape = (tile.shape[0], tile.shape[1])
        if stream is None:
            coded = self._nothing(shape)
        else:
            coded = decoded_tile(self.model, stream, units=self.units, shape=shape, block=self.block)
        self._kept[number] = coded
        if len(self._kept) > self._most_kept:
            self._kept.popitem(last=False)
        return coded

    def _nothing(self, shape: tuple[int, int]) -> Coded:
        """In place of a tile that is damaged."""
        blocks = (-(-shape[0] // self.block[0]), -(-shape[1] // self.block[1]))
        whole = (self.units, self.model.channels, *shape)
        none = np.zeros(whole, np.int32)
        return Coded(
            symbols=none,
            tables=np.zeros(whole, np.uint8),
            hyper=np.zeros((self.units, self.model.channels, 0, 0), np.int32),
            latents=torch.zeros(whole),
            levels=np.zeros(blocks, np.uint8),
        )


def _shared(one: Area, other: Area) -> Area:
    rows = max(one.rows[0], other.rows[0]), min(one.rows[1], other.rows[1])
    cols = max(one.cols[0], other.cols[0]), min(one.cols[1], other.cols[1])
    return Area(rows=rows, cols=cols, whole=one.whole)


def _overlap(one: slice, other: slice) -> slice:
    return slice(max(one.start, other.start), min(one.stop, other.stop))


def _seen_from(window: tuple[slice, slice], origin: tuple[slice, slice]) -> tuple[slice, slice]:
    """Where a window lies in one that holds it."""
    rows, cols = (slice(w.start - o.start, w.stop - o.start) for w, o in zip(window, origin, strict=True))
    return rows, cols
