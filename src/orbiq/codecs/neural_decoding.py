"""A fixed-quality stream to pixels: all of them, or those of a window, for which only its tiles are decoded."""

from collections import OrderedDict

import numpy as np
import torch

from orbiq.arrays import Array
from orbiq.codecs.neural_container import Container
from orbiq.codecs.neural_model import Model
from orbiq.codecs.neural_networks import STRIDE
from orbiq.codecs.neural_passes import BEFORE, BEHIND, Area, areas, decoded_area, latent_grid
from orbiq.codecs.neural_residual import GLOBAL_BLOCK, Blocks, with_residual
from orbiq.codecs.neural_tiles import Coded, decoded_tile, level_of_each
from orbiq.errors import ImageError

_KEPT_BYTES = 256 << 20


class Decoder:
    """One stream; tiles that were decoded are kept for a while, since neighbours need their margins."""

    def __init__(self, model: Model, container: Container) -> None:
        self.model, self.container, self.head = model, container, container.head
        if container.head.model != model.digest:
            raise ImageError(
                f"the stream was coded with model {container.head.model}, and this is model {model.digest}: name the "
                "file of the model that coded it"
            )
        self.grid = latent_grid(self.head.shape)
        everywhere = self.head.block == (0, 0)
        self.block = self.grid if everywhere else (self.head.block[0] // STRIDE, self.head.block[1] // STRIDE)
        self.residual_block = GLOBAL_BLOCK if everywhere else self.head.block
        """Pixels of a block of the residual."""
        self.units = 3 if self.head.joint and model.bands == 1 else 1
        self._kept: OrderedDict[tuple[int, int], Coded] = OrderedDict()
        tile_bytes = 4 * self.units * model.channels * (self.head.tile_px // STRIDE) ** 2
        self._most_kept = max(4, _KEPT_BYTES // tile_bytes)

    def image(self) -> Array:
        """All of it (rows, cols, bands)."""
        image = np.empty(self.head.shape, self.head.dtype)
        for area in areas(self.head.shape, self.head.tile_px):
            rows, cols = area.pixels(self.head.shape)
            image[rows, cols] = self.area(area)
        return image

    def window(self, rows: slice, cols: slice) -> Array:
        """The pixels of a window that lies within the image."""
        whole = np.empty((rows.stop - rows.start, cols.stop - cols.start, self.head.shape[2]), self.head.dtype)
        for area in areas(self.head.shape, self.head.tile_px):
            place = area.pixels(self.head.shape)
            shared = [
                slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(place, (rows, cols), strict=True)
            ]
            if all(s.start < s.stop for s in shared):
                inner = tuple(slice(s.start - a.start, s.stop - a.start) for s, a in zip(shared, place, strict=True))
                outer = tuple(
                    slice(s.start - w.start, s.stop - w.start) for s, w in zip(shared, (rows, cols), strict=True)
                )
                whole[outer] = self.area(area)[inner]
        return whole

    def area(self, area: Area) -> Array:
        """The pixels of an area of whole tiles."""
        parts = [self._group(area, group) for group in range(len(self.head.groups))]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)

    def _group(self, area: Area, group: int) -> Array:
        around = area.grown(BEFORE, BEHIND)
        latents = torch.empty((self.units, self.model.channels, *around.shape))
        side = self.head.tile_px // STRIDE
        for row in range(around.rows[0] // side, -(-around.rows[1] // side)):
            for col in range(around.cols[0] // side, -(-around.cols[1] // side)):
                tile = self._tile_area(row, col)
                shared = _shared(tile, around)
                latents[:, :, *shared.within(around)] = self._latents(tile, group)[:, :, *shared.within(tile)]
        pixels = decoded_area(self.model, latents, area, around, self.head, group)
        return self._with_residuals(pixels, area, group) if self.head.residual else pixels

    def _tile_area(self, row: int, col: int) -> Area:
        side = self.head.tile_px // STRIDE
        rows, cols = ((k * side, min((k + 1) * side, whole)) for k, whole in zip((row, col), self.grid, strict=True))
        return Area(rows=rows, cols=cols, whole=self.grid)

    def _number(self, tile: Area, group: int) -> int:
        side = self.head.tile_px // STRIDE
        number = tile.rows[0] // side * self.head.grid[1] + tile.cols[0] // side
        return number * len(self.head.groups) + group

    def tile(self, tile: Area, group: int) -> Coded:
        """A tile as it was coded; all zeros at the first level where it is damaged."""
        key = (self._number(tile, group), group)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        stream = self.container.tiles[key[0]]
        shape = (tile.shape[0], tile.shape[1])
        if stream is None:
            blocks = (-(-shape[0] // self.block[0]), -(-shape[1] // self.block[1]))
            empty = np.zeros((self.units, self.model.channels, *shape), np.int32)
            coded = Coded(latents=empty, levels=np.zeros(blocks, np.uint8))
        else:
            coded = decoded_tile(self.model, stream, units=self.units, shape=shape, block=self.block)
        self._kept[key] = coded
        if len(self._kept) > self._most_kept:
            self._kept.popitem(last=False)
        return coded

    def _latents(self, tile: Area, group: int) -> torch.Tensor:
        coded = self.tile(tile, group)
        each = level_of_each(coded.levels, block=self.block, shape=tile.shape)
        return torch.from_numpy(coded.latents).float() / self.model.mask(torch.from_numpy(each)[None])

    def _with_residuals(self, pixels: Array, area: Area, group: int) -> Array:
        side = self.head.tile_px // STRIDE
        for row in range(area.rows[0] // side, -(-area.rows[1] // side)):
            for col in range(area.cols[0] // side, -(-area.cols[1] // side)):
                tile = self._tile_area(row, col)
                window = tuple(
                    slice(s.start, min(s.stop, size))
                    for s, size in zip(tile.within(area, STRIDE), pixels.shape, strict=False)
                )
                part = pixels[window]
                blocks = Blocks(shape=part.shape[:2], size=self.residual_block)
                residual = self.tile(tile, group).residual
                tables, head = self.model.scale_tables, self.head
                pixels[window] = with_residual(
                    part, residual, blocks=blocks, tables=tables, low=head.lowest, high=head.highest
                )
        return pixels


def _shared(one: Area, other: Area) -> Area:
    rows = max(one.rows[0], other.rows[0]), min(one.rows[1], other.rows[1])
    cols = max(one.cols[0], other.cols[0]), min(one.cols[1], other.cols[1])
    return Area(rows=rows, cols=cols, whole=one.whole)
