"""The areas of an image that is being coded: their latents, and what they would decode to.

The latents are kept between looks while they fit into half a gigabyte, and made again otherwise, so that memory stays
bounded whatever the size of the image.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from orbiq.arrays import Array, BoolArray, FloatArray, Raster
from orbiq.codecs.fixed_quality import block_mse, block_sums
from orbiq.codecs.neural_container import Head
from orbiq.codecs.neural_model import N_LEVELS, Model
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
from orbiq.codecs.neural_rounding import errors
from orbiq.codecs.neural_tiles import Coded, level_of_each, rounded_tile

_KEPT_BYTES = 512 << 20
_LOOKED_AT = tuple(range(0, N_LEVELS, 15))
"""Levels at which rounding is tried on the latents alone."""
_NOTHING, _LEAST_FALL = 1e-9, 1e-6


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

    def forget(self) -> None:
        """Keep no latents: nothing more is coded."""
        self._kept.clear()
        self._room = _KEPT_BYTES

    def original(self, piece: Piece) -> tuple[Array, BoolArray | None]:
        """The samples that a piece stands for, and their mask."""
        return pixels_of(self.raster, piece.area, self.head.groups[piece.group])

    def decoded(self, piece: Piece, levels: Array | None, left: torch.Tensor | None = None) -> Array:
        """What a piece decodes to without rounding, or with its blocks at levels, and those around at the nearest.

        `left` is filled with its latents less what the hyper-decoder says of them.
        """
        self.looked()
        latents = piece.latents
        if levels is not None:
            latents = latents.clone()
            self._round_around(piece, latents, levels)
            for tile, coded in self.rounded(piece, levels):
                place = tile.within(piece.around)
                latents[:, :, *place] = coded.latents
                if left is not None:
                    left[:, :, *tile.within(piece.area)] = piece.latents[:, :, *place] - coded.means
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

    def block_mse(self, piece: Piece, levels: Array | None, lost: list[FloatArray] | None = None) -> FloatArray:
        """Errors of the blocks of a piece without rounding, or each at its level.

        To `lost` goes what other levels would do to them, for `expected`.
        """
        rows, cols = piece.area.shape if self.head.block == (0, 0) else self.block
        return self._measured(piece, levels, (rows * STRIDE, cols * STRIDE), lost)

    def _measured(
        self, piece: Piece, levels: Array | None, size: tuple[int, int], lost: list[FloatArray] | None
    ) -> FloatArray:
        left = None if lost is None else torch.empty((*piece.latents.shape[:2], *piece.area.shape))
        decoded = self.decoded(piece, levels, left)
        if lost is not None and left is not None:
            lost.append(self._rounding_errors(left))
        return block_mse(decoded, *self.original(piece), size).mse

    def expected(self, lost: list[FloatArray]) -> FloatArray:
        """(levels, rows, cols): the logarithm of the error that each level may add, up to a constant of each block.

        By what the levels that were looked at would do to the latents of all pieces that `lost` speaks of.
        """
        logs = np.log(np.sum(lost, axis=0) + _NOTHING)
        falling = np.minimum.accumulate(logs, axis=0) - _LEAST_FALL * np.arange(len(logs))[:, None, None]
        place = np.interp(np.arange(N_LEVELS), _LOOKED_AT, np.arange(len(_LOOKED_AT)))
        first = np.minimum(place.astype(int), len(_LOOKED_AT) - 2)
        share = (place - first)[:, None, None]
        return np.asarray((1 - share) * falling[first] + share * falling[first + 1])

    def _rounding_errors(self, left: torch.Tensor) -> FloatArray:
        """Of blocks, at `_LOOKED_AT` (levels, rows, cols): what rounding does to latents less their means."""
        shape = left.shape[2:]
        size = tuple(shape) if self.head.block == (0, 0) else self.block
        found = []
        for level in _LOOKED_AT:
            sums = np.zeros(shape, np.float32)
            for unit in left.numpy():
                errors(unit, self.model.masks[level].numpy(), sums)
            found.append(block_sums(sums, size) / self.model.magnitudes[level] ** 2)
        return np.array(found)

    def mean_mse(self, group: int, level: int | None, lost: list[FloatArray] | None = None) -> float:
        """Of all valid pixels, without rounding or at one level; `lost` as in `block_mse`."""
        total, count = 0.0, 0
        for piece in self.all(group):
            shape = [place.stop - place.start for place in self.place(piece.area)]
            levels = None if level is None else np.full(shape, level, np.uint8)
            original, mask = self.original(piece)
            n = original.shape[0] * original.shape[1] if mask is None else int(mask.sum())
            found = self._measured(piece, levels, original.shape[:2], lost)[0, 0]
            total, count = total + (found * n if n else 0.0), count + n
        return total / count if count else np.nan

    def place(self, area: Area) -> tuple[slice, slice]:
        """Where the blocks of an area of whole tiles lie among all."""
        if self.head.block == (0, 0):
            return slice(0, 1), slice(0, 1)
        ends = (area.rows, self.block[0]), (area.cols, self.block[1])
        rows, cols = (slice(first // side, -(-end // side)) for (first, end), side in ends)
        return rows, cols
