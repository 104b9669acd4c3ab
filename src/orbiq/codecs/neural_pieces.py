"""The areas of an image that is being coded: their latents, and what they would decode to.

The latents are kept between looks while they fit into half a gigabyte, and made again otherwise, so that memory stays
bounded whatever the size of the image.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from orbiq.arrays import Array, BoolArray, FloatArray, Raster
from orbiq.codecs.fixed_quality import block_mse
from orbiq.codecs.neural_container import Head
from orbiq.codecs.neural_model import Model
from orbiq.codecs.neural_networks import STRIDE
from orbiq.codecs.neural_passes import (
    BEFORE,
    BEHIND,
    Area,
    areas,
    decoded_area,
    latent_grid,
    latents_of,
    pixels_of,
    tiles,
)
from orbiq.codecs.neural_tiles import Coded, level_of_each, rounded_tile

_KEPT_BYTES = 512 << 20


class Piece(NamedTuple):
    """An area of a group of planes: its latents (units, channels, rows, cols) with those around it, not masked."""

    group: int
    area: Area
    around: Area
    latents: torch.Tensor


class Pieces:
    """An image by areas; `head.block` (0, 0) is one block for all; `looked` is called at each look at a piece."""

    def __init__(self, model: Model, raster: Raster, head: Head, *, looked: Callable[[], None] = lambda: None) -> None:
        self.model, self.raster, self.head, self.looked = model, raster, head, looked
        grid = latent_grid(head.shape)
        everywhere = head.block == (0, 0)
        self.block = grid if everywhere else (head.block[0] // STRIDE, head.block[1] // STRIDE)
        """Latents of a block, in rows and cols."""
        self.blocks = -(-grid[0] // self.block[0]), -(-grid[1] // self.block[1])
        """How many there are, in rows and cols."""
        self.areas = list(areas(head.shape, head.tile_px))
        self._kept: dict[tuple[int, int], Piece] = {}
        self._room = _KEPT_BYTES

    def all(self, group: int) -> Iterator[Piece]:
        """The areas of a group with their latents, in order."""
        return (self.piece(group, number) for number in range(len(self.areas)))

    def piece(self, group: int, number: int) -> Piece:
        """One area of a group."""
        if (group, number) in self._kept:
            return self._kept[group, number]
        area = self.areas[number]
        around = area.grown(BEFORE, BEHIND)
        piece = Piece(group, area, around, latents_of(self.model, self.raster, around, self.head, group))
        size = 4 * piece.latents.numel()
        if size <= self._room:
            self._room -= size
            self._kept[group, number] = piece
        return piece

    def original(self, piece: Piece) -> tuple[Array, BoolArray | None]:
        """The samples that a piece stands for, and their mask."""
        return pixels_of(self.raster, piece.area, self.head.groups[piece.group])

    def decoded(self, piece: Piece, levels: Array | None) -> Array:
        """What a piece decodes to without rounding, or with its blocks at levels, and those around at the nearest."""
        self.looked()
        latents = piece.latents
        if levels is not None:
            latents = latents.clone()
            self._round_around(piece, latents, levels)
            for tile, coded in self.rounded(piece, levels):
                latents[:, :, *tile.within(piece.around)] = coded.latents
        return decoded_area(self.model, latents, piece.area, piece.around, self.head, piece.group)

    def _round_around(self, piece: Piece, latents: torch.Tensor, levels: Array) -> None:
        """All latents, without foretelling: what a tile beside will come to, nearly."""
        inner = level_of_each(levels, block=self.block, shape=piece.area.shape)
        rows, cols = (
            (own[0] - around[0], around[1] - own[1])
            for own, around in ((piece.area.rows, piece.around.rows), (piece.area.cols, piece.around.cols))
        )
        mask = self.model.mask(torch.from_numpy(np.pad(inner, (rows, cols), mode="edge"))[None])
        latents.mul_(mask).round_().div_(mask)

    def rounded(self, piece: Piece, levels: Array) -> Iterator[tuple[Area, Coded]]:
        """The tiles of a piece as they are coded, with its blocks at levels."""
        for tile in tiles(piece.area, self.head.tile_px):
            latents = piece.latents[:, :, *tile.within(piece.around)]
            own = levels if self.head.block == (0, 0) else levels[self._blocks_within(tile, piece.area)]
            yield tile, rounded_tile(self.model, latents, own, block=self.block)

    def _blocks_within(self, tile: Area, area: Area) -> tuple[slice, slice]:
        inner, outer = self.place(tile), self.place(area)
        rows, cols = (slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True))
        return rows, cols

    def block_mse(self, piece: Piece, levels: Array | None) -> FloatArray:
        """Errors of the blocks of a piece without rounding, or each at its level."""
        size = piece.area.shape if self.head.block == (0, 0) else self.block
        original, mask = self.original(piece)
        return block_mse(self.decoded(piece, levels), original, mask, (size[0] * STRIDE, size[1] * STRIDE)).mse

    def mean_mse(self, group: int, level: int | None) -> float:
        """Of all valid pixels, without rounding or at one level."""
        total, count = 0.0, 0
        for piece in self.all(group):
            shape = [place.stop - place.start for place in self.place(piece.area)]
            levels = None if level is None else np.full(shape, level, np.uint8)
            original, mask = self.original(piece)
            n = original.shape[0] * original.shape[1] if mask is None else int(mask.sum())
            found = block_mse(self.decoded(piece, levels), original, mask, original.shape[:2]).mse[0, 0]
            total, count = total + (found * n if n else 0.0), count + n
        return total / count if count else np.nan

    def place(self, area: Area) -> tuple[slice, slice]:
        """Where the blocks of an area of whole tiles lie among all."""
        if self.head.block == (0, 0):
            return slice(0, 1), slice(0, 1)
        ends = (area.rows, self.block[0]), (area.cols, self.block[1])
        rows, cols = (slice(first // side, -(-end // side)) for (first, end), side in ends)
        return rows, cols
