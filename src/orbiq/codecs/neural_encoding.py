"""An image to a fixed-quality stream: a level for every block, tiles, and a residual where it was asked for."""

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from orbiq.arrays import Array, BoolArray, Raster
from orbiq.codecs.fixed_quality import Calibration, block_mse
from orbiq.codecs.neural_container import Container, Head, packed
from orbiq.codecs.neural_decoding import Decoder
from orbiq.codecs.neural_levels import Chooser, Outcome, Quality
from orbiq.codecs.neural_model import Model
from orbiq.codecs.neural_networks import STRIDE
from orbiq.codecs.neural_passes import Area, pixels_of, tile_number, tiles
from orbiq.codecs.neural_pieces import Pieces
from orbiq.codecs.neural_residual import GLOBAL_BLOCK, Blocks, residual_of
from orbiq.codecs.neural_tiles import code_length, encoded_tile
from orbiq.errors import SettingError
from orbiq.progress import Progress, Quiet

_RATE_AREAS = 8
"""Areas by which a rate is sought; the whole is coded then, and the search goes on from what came of it."""
_CLOSE_RATE = 0.01
_RATE_TRIALS = 4
_OVER_RATE = 1.05
"""Of a rate: levels of quality in a small image cannot come closer."""


class Encoder:
    """One image on its way into a stream."""

    def __init__(
        self, model: Model, raster: Raster, head: Head, calibration: Calibration, *, progress: Progress | None = None
    ) -> None:
        self.model, self.head, self.progress = model, head, progress or Quiet()
        self.pieces = Pieces(model, raster, head, looked=self._looked)
        self.chooser = Chooser(self.pieces, calibration)
        self._looks = 0

    def encoded(
        self, quality: Quality, *, mask: BoolArray | None = None, notes: Mapping[str, Any] | None = None
    ) -> tuple[Container, list[Outcome]]:
        """The stream, and what each group of planes came to; errors as decoded are told by `measure`."""
        around = Container(head=self.head, tiles=(), mask=mask, notes=notes)
        if quality.rate_bpp is not None:
            return self._at_rate(quality.rate_bpp, around)
        self.progress.stage("areas", quality.looks * len(self.pieces.areas) * len(self.head.groups))
        outcomes = self.chooser.chosen(quality)
        container = replace(around, tiles=self._tiles(outcomes))
        return (self._mended(container, outcomes) if quality.residual else container), outcomes

    def _looked(self) -> None:
        self._looks += 1
        self.progress.tick(self._looks)

    def _tiles(self, outcomes: list[Outcome]) -> tuple[bytes, ...]:
        """Of all groups, tile by tile."""
        of_groups = [self._group_tiles(group, outcome.levels) for group, outcome in enumerate(outcomes)]
        return tuple(chain.from_iterable(zip(*of_groups, strict=True)))

    def _group_tiles(self, group: int, levels: Array) -> list[bytes]:
        found: dict[int, bytes] = {}
        for piece in self.pieces.all(group):
            self._looked()
            for tile, coded in self.pieces.rounded(piece, levels[self.pieces.place(piece.area)]):
                found[tile_number(tile, self.head)] = encoded_tile(self.model, coded)
        return [found[k] for k in sorted(found)]

    def _at_rate(self, rate_bpp: float, around: Container) -> tuple[Container, list[Outcome]]:
        """By bisection over levels on a part of the image, then by what the whole came to."""
        wanted = rate_bpp * self.head.shape[0] * self.head.shape[1]
        sought, best = wanted, (math.inf, around, list[Outcome]())
        for _ in range(_RATE_TRIALS):
            shift = self._shift_for(sought)
            outcomes = [self.chooser.even(level) for level in self._levels_at(shift)]
            container = replace(around, tiles=self._tiles(outcomes))
            bits = 8.0 * len(packed(container))
            if _miss(bits, wanted) < _miss(best[0], wanted):
                best = bits, container, outcomes
            if abs(bits - wanted) <= _CLOSE_RATE * wanted and bits <= wanted:
                break
            sought *= wanted / bits * (1 - _CLOSE_RATE / 4)
        if best[0] > _OVER_RATE * wanted:
            raise SettingError(
                f"fixed-quality:rate_bpp of {rate_bpp:g} is out of reach for {self.pieces.raster.name or 'the image'}: "
                f"at least {best[0] / wanted * rate_bpp:.3g}, with its mask and notes"
            )
        return best[1], best[2]

    def _levels_at(self, shift: float) -> list[int]:
        """The level of each group whose λ, in DN of the whole range, is 2^shift."""
        lmbdas = [2.0 ** (shift + s.depth_bits - self.head.bits) for s in self.head.scalings]
        return [int(self.chooser.levels.of_lmbda(np.array(lmbda))) for lmbda in lmbdas]

    def _shift_for(self, bits: float) -> float:
        """log2 λ at which the latents take so many bits, if any."""
        deepest = max(self.head.bits - s.depth_bits for s in self.head.scalings)
        low, high = math.log2(self.chooser.levels.lmbdas[0]), math.log2(self.chooser.levels.lmbdas[-1]) + deepest
        step = math.log2(self.chooser.levels.lmbdas[1] / self.chooser.levels.lmbdas[0])
        numbers = np.unique(np.linspace(0, len(self.pieces.areas) - 1, _RATE_AREAS).astype(int)).tolist()
        share = sum(math.prod(self.pieces.areas[k].shape) for k in numbers) / math.prod(self.pieces.areas[0].whole)
        while high - low > step / 2:
            middle = (low + high) / 2
            found = sum(self._length(g, level, numbers) for g, level in enumerate(self._levels_at(middle)))
            low, high = (middle, high) if found <= bits * share else (low, middle)
        return low

    def _length(self, group: int, level: int, numbers: list[int]) -> float:
        """Bits of the latents of some areas at one level."""
        bits = 0.0
        for piece in (self.pieces.piece(group, number) for number in numbers):
            rows, cols = self.pieces.place(piece.area)
            levels = np.full((rows.stop - rows.start, cols.stop - cols.start), level, np.uint8)
            bits += sum(code_length(self.model, coded) for _, coded in self.pieces.rounded(piece, levels))
        return bits

    def measure(self, container: Container, outcomes: list[Outcome]) -> None:
        """Fill in the errors of the blocks as they are decoded from the stream."""
        self.pieces.forget()
        decoder = Decoder(self.model, container)
        sums = np.zeros((len(outcomes), 2))
        for area in self.pieces.areas:
            decoded = decoder.area(area)
            for group, (bands, outcome) in enumerate(zip(self.head.groups, outcomes, strict=True)):
                original, mask = pixels_of(self.pieces.raster, area, bands)
                if self.head.block == (0, 0):
                    whole = block_mse(decoded[:, :, list(bands)], original, mask, original.shape[:2])
                    n = original.shape[0] * original.shape[1] if mask is None else int(mask.sum())
                    sums[group] += (whole.mse[0, 0] * n, n) if n else 0
                    outcome.mse[:] = sums[group, 0] / max(sums[group, 1], 1)
                else:
                    found = block_mse(decoded[:, :, list(bands)], original, mask, self.head.block)
                    outcome.mse[self.pieces.place(area)] = found.mse

    def _mended(self, container: Container, outcomes: list[Outcome]) -> Container:
        """With residuals where blocks miss their targets."""
        self.pieces.forget()
        decoder, mended = Decoder(self.model, container), list(container.tiles)
        n_groups = len(self.head.groups)
        for area in self.pieces.areas:
            decoded = decoder.area(area)
            for tile in tiles(area, self.head.tile_px):
                place = tuple(
                    slice(s.start, min(s.stop, side))
                    for s, side in zip(tile.within(area, STRIDE), decoded.shape, strict=False)
                )
                for group, outcome in enumerate(outcomes):
                    number = tile_number(tile, self.head) * n_groups + group
                    residual = self._residual(decoded[place], tile, group, outcome)
                    mended[number] = (container.tiles[number] or b"") + residual
        return replace(container, head=replace(self.head, residual=True), tiles=tuple(mended))

    def _residual(self, decoded: Array, tile: Area, group: int, outcome: Outcome) -> bytes:
        bands = list(self.head.groups[group])
        original, mask = pixels_of(self.pieces.raster, tile, self.head.groups[group])
        one = self.head.block == (0, 0)
        blocks = Blocks(shape=original.shape[:2], size=GLOBAL_BLOCK if one else self.head.block)
        targets = outcome.target[self.pieces.place(tile)]
        return residual_of(
            original,
            decoded[:, :, bands],
            mask,
            target=np.broadcast_to(targets, blocks.grid) if one else targets,
            blocks=blocks,
            tables=self.model.scale_tables,
        )


def _miss(bits: float, wanted: float) -> float:
    """How bad a rate is: one above what was asked for is twice as bad."""
    return abs(bits - wanted) * (2 if bits > wanted else 1)
