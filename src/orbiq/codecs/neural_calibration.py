"""α, a and b of a model for a kind of imagery, from what its blocks come to at some levels of quality.

a and b are the line through the mean of the mask over λ (equation 3 of the paper that `fixed_quality` names). α is the
one that explains the errors of all blocks of all images best in decibels: the paper's own fit, by least squares in DN⁴,
hears only the loudest blocks. The curve is flatter than the formula at low quality; where it is known what will
be asked for, α is taken there.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from orbiq.arrays import FloatArray, Raster
from orbiq.codecs.fixed_quality import Calibration, Levels
from orbiq.codecs.neural_container import Head
from orbiq.codecs.neural_levels import Quality
from orbiq.codecs.neural_model import N_LEVELS, Model
from orbiq.codecs.neural_pieces import Pieces
from orbiq.errors import ImageError

CALIBRATED_LEVELS = tuple(range(15, N_LEVELS, 24))
"""Levels that blocks are tried at: eleven, from 15 to 255."""
_PATTERNS = 4
_SMALLEST_MSE = 1e-3
"""DN²: less is no error to be explained."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Fit:
    """A calibration and how well it holds: R² of the line, and of the errors in decibels; blocks and images."""

    calibration: Calibration
    line_r2: float
    error_r2: float
    error_spread_db: float
    n_blocks: int
    n_images: int

    def description(self) -> dict[str, Any]:
        """As JSON."""
        c = self.calibration
        return {
            "alpha": c.alpha,
            "a": c.a,
            "b": c.b,
            "line_r2": self.line_r2,
            "error_r2": self.error_r2,
            "error_spread_db": self.error_spread_db,
            "n_blocks": self.n_blocks,
            "n_images": self.n_images,
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class Observed:
    """Errors of blocks: without rounding (blocks,), and at each level (levels, blocks), DN²."""

    mse0: FloatArray
    mse: FloatArray
    target: FloatArray | None = None
    """What each block is asked to come to, DN²."""


def fit_calibration(
    model: Model,
    images: Iterable[tuple[Raster, Head]],
    *,
    asked: Callable[[Head], Quality] | None = None,
) -> Fit:
    """From all blocks of some images; ImageError where there is nothing to fit to.

    With `asked` α is the one that is right, in the mean of its logarithm, at the quality that will be asked for.
    """
    seen, n_images = list[Observed](), 0
    for raster, head in images:
        n_images += 1
        found = [observed(model, raster, head, group) for group in range(len(head.groups))]
        if asked is not None:
            found = [_with_target(one, asked(head), group) for group, one in enumerate(found)]
        seen += found
    mse0 = np.concatenate([part.mse0 for part in seen]) if seen else np.empty(0)
    mse = np.concatenate([part.mse for part in seen], axis=1) if seen else np.empty((0, 0))
    told = np.isfinite(mse0) & (mse0 > _SMALLEST_MSE)
    if told.sum() < 2:
        raise ImageError("no block of these images has any error to be explained: expected images with some detail")
    levels = Levels(lmbdas=model.lmbdas, magnitudes=model.magnitudes)
    targets = [part.target for part in seen if part.target is not None]
    target = np.concatenate(targets)[told] if targets else None
    return _fitted(levels, mse0[told], mse[:, told], target, n_images=n_images)


def _with_target(seen: Observed, quality: Quality, group: int) -> Observed:
    """For a group of planes; of a relative target the unit is what the group loses without rounding."""
    if quality.relative is not None:
        target = quality.relative[group] * float(np.nanmean(seen.mse0))
    else:
        target = quality.targets[group] if quality.targets else np.nan
    return replace(seen, target=np.full(seen.mse0.shape, target))


def observed(model: Model, raster: Raster, head: Head, group: int) -> Observed:
    """What the blocks of a group of planes come to at `CALIBRATED_LEVELS`."""
    pieces = Pieces(model, raster, head)
    mse0, mse = [], []
    for piece in pieces.all(group):
        free = pieces.block_mse(piece, None)
        tried = [pieces.block_mse(piece, np.full(free.shape, level, np.uint8)) for level in CALIBRATED_LEVELS]
        mse0.append(free.ravel())
        mse.append(np.stack([t.ravel() for t in tried]))
    return Observed(mse0=np.concatenate(mse0), mse=np.concatenate(mse, axis=1))


def _fitted(levels: Levels, mse0: FloatArray, mse: FloatArray, target: FloatArray | None, *, n_images: int) -> Fit:
    lmbdas, magnitudes = levels.lmbdas, levels.magnitudes
    a, b = np.polyfit(lmbdas, magnitudes, 1)
    quarter = 1 / (4 * magnitudes[list(CALIBRATED_LEVELS)] ** 2)[:, None]
    ratio_db = 10 * np.log10(np.maximum(mse / mse0, 1e-6))

    def away(alpha: float) -> FloatArray:
        return np.asarray(ratio_db - 10 * np.log10(1 + alpha * quarter))

    alpha = None if target is None else _alpha_at(target, mse0, mse, magnitudes[list(CALIBRATED_LEVELS)])
    alpha = alpha or _least(lambda log_alpha: float(np.square(away(np.exp(log_alpha))).mean()))
    left = away(alpha)
    return Fit(
        calibration=Calibration(alpha=alpha, a=float(a), b=float(b)),
        line_r2=_r2(magnitudes, a * lmbdas + b),
        error_r2=float(1 - left.var() / ratio_db.var()),
        error_spread_db=float(left.std()),
        n_blocks=mse0.size,
        n_images=n_images,
    )


def _alpha_at(target: FloatArray, mse0: FloatArray, mse: FloatArray, magnitudes: FloatArray) -> float | None:
    """The geometric mean of each block's own α at its target; None where no block can come to it."""
    found = []
    for one, free, tried in zip(target, mse0, mse.T, strict=True):
        falling = np.minimum.accumulate(tried)
        if falling[0] > one > max(falling[-1], free * 1.01):
            # the mask that gives the target, between the two levels around it
            magnitude = np.exp(np.interp(-np.log(one), -np.log(falling), np.log(magnitudes)))
            found.append(np.log(4 * magnitude**2 * (one / free - 1)))
    return float(np.exp(np.mean(found))) if found else None


def _least(cost: Any) -> float:
    from scipy.optimize import minimize_scalar

    return float(np.exp(minimize_scalar(cost, bounds=(np.log(1e-4), np.log(1e6)), method="bounded").x))


def _r2(values: FloatArray, explained: FloatArray) -> float:
    return float(1 - np.square(values - explained).sum() / np.square(values - values.mean()).sum())
