"""A level of quality for every block of an image: as asked for by λ, by an error, or block by block."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.codecs.fixed_quality import Calibration, Levels, Search
from orbiq.codecs.neural_model import N_LEVELS
from orbiq.codecs.neural_pieces import Piece, Pieces

_RAISES = 3
"""Passes in which blocks that miss their target get finer steps, where a residual would mend them otherwise."""


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

    @property
    def looks(self) -> int:
        """How often each area goes through the networks, the last coding of it included."""
        if self.lmbdas is not None or self.rate_bpp is not None:
            return 1
        return 2 + (self.relative is not None) + self.corrections + _RAISES * self.residual


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
    def away_db(self) -> FloatArray:
        """PSNR less that of the target: above 0 is better than asked for, infinite where nothing is wrong."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(10 * np.log10(self.target / self.mse))

    @property
    def out_of_reach(self) -> BoolArray:
        """Blocks that no level brings to their target, and no residual has mended."""
        last = (self.levels == N_LEVELS - 1) | (self.mse0 >= self.target)
        return np.asarray(self.asked & last & ~(self.mse <= self.target))

    @property
    def always_better(self) -> BoolArray:
        """Blocks that are better than their target at the first level already."""
        return np.asarray(self.asked & (self.levels == 0) & (self.mse < self.target))


def shares(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """How all blocks came out together: mean and standard deviation in dB of those in reach, and the shares of others.

    Empty where no block had a target.
    """
    known = [outcome.asked & np.isfinite(outcome.mse) for outcome in outcomes]
    away, beyond, better = (
        np.concatenate([getattr(outcome, name)[k] for outcome, k in zip(outcomes, known, strict=True)])
        for name in ("away_db", "out_of_reach", "always_better")
    )
    if not away.size:
        return {}
    reached = away[~beyond & ~better & np.isfinite(away)]
    errors = (
        {"block_error_db": float(reached.mean()), "block_error_sd_db": float(reached.std())} if reached.size else {}
    )
    return errors | {"out_of_reach": float(beyond.mean()), "always_better": float(better.mean())}


class Chooser:
    """Levels for the blocks of one image."""

    def __init__(self, pieces: Pieces, calibration: Calibration) -> None:
        self.pieces, self.calibration = pieces, calibration
        self.levels = Levels(lmbdas=pieces.model.lmbdas, magnitudes=pieces.model.magnitudes)

    def chosen(self, quality: Quality) -> list[Outcome]:
        """What each group of planes gets; errors as decoded are not known yet."""
        groups = range(len(self.pieces.head.groups))
        if quality.lmbdas is not None:
            return [self.even(int(self.levels.of_lmbda(np.array(lmbda)))) for lmbda in quality.lmbdas]
        if quality.relative is not None:
            targets = tuple(self.pieces.mean_mse(g, None) * quality.relative[g] for g in groups)
            quality = replace(quality, relative=None, targets=targets)
        choose = self._global if self.pieces.head.block == (0, 0) else self._by_block
        return [choose(group, quality) for group in groups]

    def even(self, level: int) -> Outcome:
        """One level for all blocks."""
        unknown = np.full(self.pieces.blocks, math.nan)
        levels = np.full(self.pieces.blocks, level, np.uint8)
        return Outcome(levels=levels, target=unknown, mse0=unknown, mse=unknown.copy())

    def _global(self, group: int, quality: Quality) -> Outcome:
        mse0 = np.array([[self.pieces.mean_mse(group, None)]])
        target = np.array([[(quality.targets or [math.nan] * len(self.pieces.head.groups))[group]]])
        search = self._begun(mse0, target)

        def measured(lost: list[FloatArray] | None) -> FloatArray:
            return np.array([[self.pieces.mean_mse(group, int(search.chosen[0, 0]), lost)]])

        self._correct(search, measured, replace(quality, residual=False))
        return Outcome(levels=search.chosen, target=search.target, mse0=mse0, mse=np.full((1, 1), math.nan))

    def _by_block(self, group: int, quality: Quality) -> Outcome:
        outcome = self.even(0)
        outcome.target, outcome.mse0 = outcome.mse.copy(), outcome.mse.copy()
        for piece in self.pieces.all(group):
            search = self._begun(self.pieces.block_mse(piece, None), self._targets(piece, quality))
            self._correct(search, partial(self._measured, piece, search), quality)
            place = self.pieces.place(piece.area)
            outcome.levels[place], outcome.mse0[place] = search.chosen, search.mse0
            outcome.target[place] = search.target
        return outcome

    def _measured(self, piece: Piece, search: Search, lost: list[FloatArray] | None) -> FloatArray:
        return self.pieces.block_mse(piece, search.chosen, lost)

    def _correct(
        self, search: Search, measured: Callable[[list[FloatArray] | None], FloatArray], quality: Quality
    ) -> None:
        """As often as is asked for, and again where blocks must not miss: a finer step costs less than a residual."""
        corrections = [search.correct] * quality.corrections + [search.raise_missing] * (_RAISES * quality.residual)
        for number, correct in enumerate(corrections):
            lost: list[FloatArray] = []
            mse = measured(lost if number == 0 else None)
            if lost:
                search.expected = self.pieces.expected(lost)
            correct(mse)

    def _targets(self, piece: Piece, quality: Quality) -> FloatArray:
        rows, cols = place = self.pieces.place(piece.area)
        shape = rows.stop - rows.start, cols.stop - cols.start
        usual = np.full(shape, (quality.targets or [math.nan] * len(self.pieces.head.groups))[piece.group])
        if quality.block_targets is None:
            return usual
        return np.where(np.isnan(quality.block_targets[place]), usual, quality.block_targets[place])

    def _begun(self, mse0: FloatArray, target: FloatArray) -> Search:
        lmbda = np.nan_to_num(self.calibration.lmbda(mse0, target), nan=0.0, posinf=np.inf)
        masks = self.levels.magnitudes
        log_step = float(np.log(masks[-1] / masks[0])) / (len(masks) - 1)
        return Search(mse0=mse0, target=target, chosen=self.levels.of_lmbda(lmbda), log_step=log_step)
