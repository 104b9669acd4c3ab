"""An image to a fixed-quality stream: a level for every block, tiles, and a residual where it was asked for."""

import math
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray, Raster
from orbiq.codecs.fixed_quality import Calibration, Levels, Search, block_mse
from orbiq.codecs.neural_container import Container, Head, packed
from orbiq.codecs.neural_decoding import Decoder
from orbiq.codecs.neural_model import N_LEVELS, Model
from orbiq.codecs.neural_networks import STRIDE
from orbiq.codecs.neural_passes import Area, pixels_of, tile_number, tiles
from orbiq.codecs.neural_pieces import Piece, Pieces
from orbiq.codecs.neural_residual import GLOBAL_BLOCK, Blocks, residual_of
from orbiq.codecs.neural_tiles import code_length, encoded_tile
from orbiq.progress import Progress, Quiet

_RATE_AREAS = 8
"""Areas by which a rate is sought; the whole is coded then, and the search goes on from what came of it."""
_CLOSE_RATE = 0.01
_RATE_TRIALS = 4
_RAISES = 3


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What is asked for; one of the first five, each a value a group of planes but `rate_bpp`.

    `lmbdas` in the network's units; `targets` mean squared errors in DN²; `relative` ones, in units of what is left
    without rounding; `rate_bpp` bits per pixel of everything, by one λ. `block_targets` (rows, cols of blocks) are mean
    squared errors that go before `targets` where they are not NaN. `corrections` after the formula; `residual` brings
    every block to its target.
    """

    lmbdas: tuple[float, ...] | None = None
    targets: tuple[float, ...] | None = None
    relative: tuple[float, ...] | None = None
    block_targets: FloatArray | None = None
    rate_bpp: float | None = None
    corrections: int = 2
    residual: bool = False


@dataclass(eq=False, kw_only=True)
class Outcome:
    """What is known of the blocks of one group, (rows, cols) each: level, and in DN² target, error without rounding
    (`mse0`), and error as decoded (`mse`); NaN where nobody asked or no pixel is valid.
    """

    levels: Array
    target: FloatArray
    mse0: FloatArray
    mse: FloatArray

    @property
    def asked(self) -> BoolArray:
        """Blocks with a target and valid pixels."""
        return np.isfinite(self.mse0) & np.isfinite(self.target)

    @property
    def out_of_reach(self) -> BoolArray:
        """Blocks that the last level does not bring to their target."""
        worse = (self.levels == N_LEVELS - 1) & (self.mse > self.target)
        return np.asarray(self.asked & (worse | (self.mse0 >= self.target)))

    @property
    def always_better(self) -> BoolArray:
        """Blocks that are better than their target at the first level already."""
        return np.asarray(self.asked & (self.levels == 0) & (self.mse < self.target))


class Encoder:
    """One image on its way into a stream."""

    def __init__(
        self, model: Model, raster: Raster, head: Head, calibration: Calibration, *, progress: Progress | None = None
    ) -> None:
        self.model, self.head, self.calibration = model, head, calibration
        self.pieces = Pieces(model, raster, head)
        self.levels = Levels(lmbdas=model.lmbdas, magnitudes=model.magnitudes)
        self.progress = progress or Quiet()

    def encoded(self, quality: Quality, *, mask: BoolArray | None = None) -> tuple[Container, list[Outcome]]:
        """The stream, and what each group of planes came to; errors as decoded only where a residual needed them."""
        if quality.rate_bpp is not None:
            return self._at_rate(quality, mask)
        outcomes = self._chosen(quality)
        container = Container(head=self.head, tiles=self._tiles(outcomes), mask=mask)
        if quality.residual:
            container = self._mended(container, outcomes)
        return container, outcomes

    # levels

    def _chosen(self, quality: Quality) -> list[Outcome]:
        groups = range(len(self.head.groups))
        if quality.lmbdas is not None:
            return [self._even(int(self.levels.of_lmbda(np.array(lmbda)))) for lmbda in quality.lmbdas]
        if quality.relative is not None:
            targets = tuple(self.pieces.mean_mse(g, None) * quality.relative[g] for g in groups)
            quality = replace(quality, relative=None, targets=targets)
        choose = self._global if self.head.block == (0, 0) else self._by_block
        return [choose(group, quality) for group in groups]

    def _even(self, level: int) -> Outcome:
        unknown = np.full(self.pieces.blocks, math.nan)
        levels = np.full(self.pieces.blocks, level, np.uint8)
        return Outcome(levels=levels, target=unknown, mse0=unknown, mse=unknown.copy())

    def _global(self, group: int, quality: Quality) -> Outcome:
        mse0 = np.array([[self.pieces.mean_mse(group, None)]])
        search = self._begun(mse0, np.array([[(quality.targets or [math.nan] * len(self.head.groups))[group]]]))
        for _ in range(quality.corrections):
            search.correct(np.array([[self.pieces.mean_mse(group, int(search.chosen[0, 0]))]]))
        return Outcome(levels=search.chosen, target=search.target, mse0=mse0, mse=np.full((1, 1), math.nan))

    def _by_block(self, group: int, quality: Quality) -> Outcome:
        outcome = self._even(0)
        outcome.target, outcome.mse0 = outcome.mse.copy(), outcome.mse.copy()
        for piece in self.pieces.all(group):
            search = self._begun(self.pieces.block_mse(piece, None), self._targets(piece, quality))
            for _ in range(quality.corrections):
                search.correct(self.pieces.block_mse(piece, search.chosen))
            for _ in range(_RAISES * quality.residual):  # a finer step costs less than a residual
                search.raise_missing(self.pieces.block_mse(piece, search.chosen))
            place = self.pieces.place(piece.area)
            outcome.levels[place], outcome.mse0[place] = search.chosen, search.mse0
            outcome.target[place] = search.target
        return outcome

    def _targets(self, piece: Piece, quality: Quality) -> FloatArray:
        rows, cols = place = self.pieces.place(piece.area)
        shape = rows.stop - rows.start, cols.stop - cols.start
        usual = np.full(shape, (quality.targets or [math.nan] * len(self.head.groups))[piece.group])
        if quality.block_targets is None:
            return usual
        return np.where(np.isnan(quality.block_targets[place]), usual, quality.block_targets[place])

    def _begun(self, mse0: FloatArray, target: FloatArray) -> Search:
        lmbda = np.nan_to_num(self.calibration.lmbda(mse0, target), nan=0.0, posinf=np.inf)
        return Search(levels=self.levels, mse0=mse0, target=target, chosen=self.levels.of_lmbda(lmbda))

    # tiles

    def _tiles(self, outcomes: list[Outcome]) -> tuple[bytes, ...]:
        """Of all groups, tile by tile."""
        of_groups = [self._group_tiles(group, outcome.levels) for group, outcome in enumerate(outcomes)]
        return tuple(chain.from_iterable(zip(*of_groups, strict=True)))

    def _group_tiles(self, group: int, levels: Array) -> list[bytes]:
        found: dict[int, bytes] = {}
        for piece in self.pieces.all(group):
            for tile, coded in self.pieces.rounded(piece, levels[self.pieces.place(piece.area)]):
                found[tile_number(tile, self.head)] = encoded_tile(self.model, coded)
        return [found[k] for k in sorted(found)]

    # rate

    def _at_rate(self, quality: Quality, mask: BoolArray | None) -> tuple[Container, list[Outcome]]:
        """By bisection over levels on a part of the image, then by what the whole came to."""
        wanted = (quality.rate_bpp or 0.0) * self.head.shape[0] * self.head.shape[1]
        sought, best = wanted, (math.inf, Container(head=self.head, tiles=()), list[Outcome]())
        for _ in range(_RATE_TRIALS):
            shift = self._shift_for(sought)
            outcomes = [self._even(level) for level in self._levels_at(shift)]
            container = Container(head=self.head, tiles=self._tiles(outcomes), mask=mask)
            bits = 8.0 * len(packed(container))
            if _miss(bits, wanted) < _miss(best[0], wanted):
                best = bits, container, outcomes
            if abs(bits - wanted) <= _CLOSE_RATE * wanted and bits <= wanted:
                break
            sought *= wanted / bits * (1 - _CLOSE_RATE / 4)
        return best[1], best[2]

    def _levels_at(self, shift: float) -> list[int]:
        """The level of each group whose λ, in DN of the whole range, is 2^shift."""
        lmbdas = [2.0 ** (shift + s.depth_bits - self.head.bits) for s in self.head.scalings]
        return [int(self.levels.of_lmbda(np.array(lmbda))) for lmbda in lmbdas]

    def _shift_for(self, bits: float) -> float:
        """log2 λ at which the latents take so many bits, if any."""
        deepest = max(self.head.bits - s.depth_bits for s in self.head.scalings)
        low, high = math.log2(self.levels.lmbdas[0]), math.log2(self.levels.lmbdas[-1]) + deepest
        step = math.log2(self.levels.lmbdas[1] / self.levels.lmbdas[0])
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

    # what came of it

    def measure(self, container: Container, outcomes: list[Outcome]) -> None:
        """Fill in the errors of the blocks as they are decoded from the stream."""
        decoder = Decoder(self.model, container)
        sums = [np.zeros(2) for _ in outcomes]
        for area in self.pieces.areas:
            decoded = decoder.area(area)
            for group, (bands, outcome) in enumerate(zip(self.head.groups, outcomes, strict=True)):
                original, mask = pixels_of(self.pieces.raster, area, bands)
                if self.head.block == (0, 0):
                    n = original.shape[0] * original.shape[1] if mask is None else int(mask.sum())
                    mse = block_mse(decoded[:, :, list(bands)], original, mask, original.shape[:2]).mse[0, 0]
                    sums[group] += (mse * n, n) if n else 0
                    outcome.mse[:] = sums[group][0] / max(sums[group][1], 1)
                    continue
                size = (self.pieces.block[0] * STRIDE, self.pieces.block[1] * STRIDE)
                found = block_mse(decoded[:, :, list(bands)], original, mask, size).mse
                outcome.mse[self.pieces.place(area)] = found

    def _mended(self, container: Container, outcomes: list[Outcome]) -> Container:
        """With residuals where blocks miss their targets."""
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
