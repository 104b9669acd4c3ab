"""How strongly to quantise each block so that it arrives at the quality that was asked for.

What is left of a block's error when nothing is rounded, MSE0, is measured before coding. The model of Mijares i Verdú
et al. (IEEE JSTARS 17, 2024, doi:10.1109/JSTARS.2024.3422215, equations 2 to 4) adds what rounding will do: with M the
mean of the mask,

    MSE = MSE0 · (1 + α / (4 M²)),   M = a·λ + b

and a block gets the λ that solves this for its target. A correction codes the blocks in the mind, measures what came of
it, and goes on from there, along what rounding does to each block's own latents: the formula knows no block that has
nothing left to lose.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.errors import SettingError

_STEEPEST, _FLATTEST, _FLATTEST_BEYOND = 2.0, 0.25, 0.9
"""Of log(MSE − MSE0) over the logarithm of what is expected of it, which is 1 where the expectation is right. Beyond
two trials between which little changed it may yet change at once."""
_ROOM = 2 * np.log(2.0)
"""Of that logarithm: how far a correction goes where rounding adds nothing any more."""
_COARSER, _COARSER_AGAIN = 60, 30
"""Levels that the first correction and those that follow go down at most, or twice as many as independent errors would
need: where a block has little left to lose its error stays as it is over many levels, and is suddenly there."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """α, a and b of the equations, for one model and one kind of imagery.

    >>> Calibration(alpha=4, a=10, b=1).lmbda(np.array([1.0]), np.array([2.0])).tolist()  # M = 1
    [0.0]
    """

    alpha: float
    a: float
    b: float

    def __post_init__(self) -> None:
        if not (self.alpha > 0 and self.a > 0 and np.isfinite([self.alpha, self.a, self.b]).all()):
            raise SettingError(
                f"a calibration of alpha {self.alpha}, a {self.a} and b {self.b} cannot be: expected finite numbers, "
                "the first two above 0. Fit one: orbiq fit fixed-quality DIR."
            )

    def lmbda(self, mse0: FloatArray, target: FloatArray) -> FloatArray:
        """λ for a target (equation 4), infinite where even without rounding the error is as large."""
        with np.errstate(divide="ignore", invalid="ignore"):
            magnitude = np.sqrt(self.alpha * mse0 / (4 * (target - mse0)))
        magnitude = np.where(target > mse0, magnitude, np.inf)
        return (magnitude - self.b) / self.a


def read_calibration(path: str, *, model: str) -> Calibration:
    """The calibration in a file that `orbiq fit fixed-quality` wrote for a model; SettingError where it is none."""
    way_out = "Make one: orbiq fit fixed-quality DIR --output FILE."
    try:
        said = json.loads(Path(path).read_text(encoding="utf-8"))
        found = Calibration(alpha=float(said["alpha"]), a=float(said["a"]), b=float(said["b"]))
    except OSError as error:
        raise SettingError(f"calibration {path!r} cannot be read: {error.strerror}. {way_out}") from None
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, SettingError):
            raise
        raise SettingError(f"{path!r} is no calibration: {error!r}. {way_out}") from None
    if said.get("model") != model:
        raise SettingError(
            f"calibration {path!r} is of model {said.get('model')!r}, and this is model {model!r}. {way_out}"
        )
    return found


class Measured(NamedTuple):
    """Mean squared errors of blocks, and whether each has any valid pixel."""

    mse: FloatArray
    known: BoolArray


def block_mse(decoded: Array, original: Array, mask: BoolArray | None, block: tuple[int, int]) -> Measured:
    """Of blocks of `block` pixels (rows, cols), over all bands and all valid pixels; those at the end may be smaller.

    >>> block_mse(np.ones((2, 3, 1)), np.zeros((2, 3, 1)), None, (2, 2)).mse.tolist()
    [[1.0, 1.0]]
    """
    error = decoded.astype(np.float32) - original
    squared = np.einsum("rcb,rcb->rc", error, error) / np.float32(error.shape[2])
    weight = np.ones(squared.shape, np.float32) if mask is None else mask.astype(np.float32)
    sums, counts = (block_sums(values, block) for values in (squared * weight, weight))
    known = counts > 0
    return Measured(np.where(known, sums / np.maximum(counts, 1), np.nan), known)


def block_sums(values: Array, block: tuple[int, int]) -> FloatArray:
    """Of blocks of `block` values (rows, cols); those at the end may be smaller."""
    rows, cols = (np.arange(0, side, size) for side, size in zip(values.shape, block, strict=True))
    down = np.add.reduceat(values, rows, axis=0, dtype=np.float64)
    return np.asarray(np.add.reduceat(down, cols, axis=1))


@dataclass(frozen=True, eq=False, kw_only=True)
class Levels:
    """What a model can be set to: λ and the mask's mean of each level, both rising."""

    lmbdas: FloatArray
    magnitudes: FloatArray

    def of_lmbda(self, lmbda: FloatArray) -> Array:
        """The nearest level, by ratio."""
        low, high = self.lmbdas[0], self.lmbdas[-1]
        place = np.log(np.clip(lmbda, low, high) / low) / np.log(high / low)
        return np.asarray(np.rint(place * (len(self.lmbdas) - 1)), np.uint8)


@dataclass(eq=False, kw_only=True)
class Search:
    """The levels of some blocks on their way to a target; all arrays are (rows, cols) of blocks.

    `expected` (levels, rows, cols) is the logarithm of the error that each level is expected to add, up to a constant
    of each block, and falls from level to level; only corrections ask for it.
    """

    mse0: FloatArray
    target: FloatArray
    chosen: Array
    log_step: float
    """Logarithm of the mask's ratio from a level to the next."""
    expected: FloatArray = field(default_factory=lambda: np.empty((0, 0, 0)))
    tried: list[tuple[Array, FloatArray]] = field(default_factory=list)

    def correct(self, measured: FloatArray) -> None:
        """Go on from what the levels that are chosen now came to."""
        proposed = self._proposed(measured)
        self.tried.append((self.chosen, measured))
        self.chosen = np.where(np.isfinite(measured), proposed, self.chosen).astype(np.uint8)

    def raise_missing(self, measured: FloatArray) -> None:
        """Go on in those blocks alone that came out worse than their target, and to the better side."""
        most = len(self.expected) - 1
        higher = np.maximum(self._proposed(measured).astype(int), self.chosen) + 1
        self.tried.append((self.chosen, measured))
        missing = measured > self.target
        self.chosen = np.where(missing, np.minimum(higher, most), self.chosen).astype(np.uint8)

    def _proposed(self, measured: FloatArray) -> Array:
        added, allowed = measured - self.mse0, self.target - self.mse0
        slope, between = self._slope(added, allowed)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.log(allowed / added) / slope
        able = (allowed > 0) & np.isfinite(step)
        # nothing is added by rounding any more: there is room for coarser steps
        step = np.where(able & (added > 0), step, np.where(allowed > 0, _ROOM, -np.inf))
        found = self._nearest(self._expected(self.chosen) + step).astype(int)
        now = self.chosen.astype(int)
        before = self.tried[-1][0].astype(int) if self.tried else now
        levels = np.maximum(_COARSER_AGAIN if self.tried else _COARSER, np.abs(step) / self.log_step)
        inside = np.clip(found, np.minimum(before, now), np.maximum(before, now))
        return np.asarray(np.where(between, inside, np.maximum(found, now - levels)).clip(0), np.uint8)

    def _expected(self, levels: Array) -> FloatArray:
        return np.asarray(np.take_along_axis(self.expected, levels[None].astype(np.intp), axis=0)[0])

    def _nearest(self, wanted: FloatArray) -> Array:
        """The level of which this is expected, or nearly."""
        above = np.clip((self.expected > wanted).sum(0), 1, len(self.expected) - 1)
        coarser = self._expected(above - 1) - wanted < wanted - self._expected(above)
        return np.asarray(above - coarser)

    def _slope(self, added: FloatArray, allowed: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Of log added error over the expected, and whether the target lies between the last two trials.

        It is 1, or what two trials say; beyond them half of that.
        """
        if not self.tried:
            return np.ones(added.shape), np.zeros(added.shape, bool)
        before, mse_before = self.tried[-1]
        run = self._expected(self.chosen) - self._expected(before)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = np.log(added / (mse_before - self.mse0)) / run
            between = (added - allowed) * (mse_before - self.mse0 - allowed) < 0
        told = np.isfinite(slope) & (np.abs(run) > 0.1)
        slope = np.clip(slope, _FLATTEST, _STEEPEST)
        return np.where(told, np.where(between, slope, np.maximum((slope + 1) / 2, _FLATTEST_BEYOND)), 1.0), between
