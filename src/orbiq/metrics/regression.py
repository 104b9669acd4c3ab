"""A number for each image against the true one."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from typing import Any, ClassVar

import numpy as np

from orbiq.arrays import FloatArray
from orbiq.errors import ContractError, DatasetError, OrbiqError
from orbiq.metrics.base import MetricSpec, Scored, ScoreSpec, plain_scores
from orbiq.metrics.weighting import checked_weights, ratio

_TOO_LARGE = 1e150  # its square is still a float; infinite numbers and NaN are not below it either
REGRESSION_SCORES = (
    ScoreSpec(name="mse", low=0, higher_is_better=False),
    ScoreSpec(name="rmse", low=0, higher_is_better=False),
    ScoreSpec(name="mae", low=0, higher_is_better=False),
    ScoreSpec(name="bias", higher_is_better=False, best=0.0),
    ScoreSpec(name="r2", high=1),
)
SPECS = {"regression": MetricSpec(name="regression", scores=REGRESSION_SCORES, needs="predictions")}
_NAMES = tuple(spec.name for spec in REGRESSION_SCORES)
_NO_SPREAD = 1e-13
"""Equal numbers get a variance of this share of their mean square by rounding."""


@dataclass(frozen=True, eq=False, kw_only=True)
class RegressionOutcomes:
    """The error (predicted − true) and the true number of each image."""

    kind: ClassVar[str] = "regression"
    images: tuple[str, ...]
    error: FloatArray
    true: FloatArray

    def scores(self, weights: FloatArray) -> dict[str, FloatArray]:
        """All five under image weights (replicates, images); NaN where these leave no image, or for r2 no spread."""
        weights = checked_weights(weights, len(self.images))
        total = weights.sum(axis=1)

        def mean(values: FloatArray) -> FloatArray:
            return ratio(weights @ values, total)

        # around their middle: far from 0 the difference of two mean squares would be rounding
        centred = self.true - (self.true.mean() if self.true.size else 0.0)
        squares = mean(centred**2)
        spread = squares - mean(centred) ** 2
        mse = mean(self.error**2)
        return {
            "mse": mse,
            "rmse": np.sqrt(mse),
            "mae": mean(np.abs(self.error)),
            "bias": mean(self.error),
            "r2": 1 - ratio(mse, np.where(spread > _NO_SPREAD * squares, spread, 0.0)),
        }

    def columns(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """One row per image."""
        return {"image": list(self.images), "error": self.error, "true": self.true}, {"kind": self.kind}


def regression_outcomes_from(columns: Mapping[str, Any], _: Mapping[str, Any]) -> RegressionOutcomes:
    """The inverse of `RegressionOutcomes.columns`."""
    error, true = (np.asarray(columns[name], float) for name in ("error", "true"))
    return RegressionOutcomes(images=tuple(columns["image"]), error=error, true=true)


def regression(predictions: Any, truth: Mapping[str, float]) -> Scored:
    """Errors of a predicted number per image: e = predicted − true.

    mse = mean e², rmse = √mse, mae = mean |e| (all ≥ 0, lower is better), bias = mean e (0 is best), r2 = 1 − mse /
    variance of the truth (≤ 1, higher is better; NaN when the truth is constant). In the unit of the truth, mse in
    its square, r2 in none. Outcomes: e and the true number of each image, from which all five can be resampled.

    `predictions` {image name: number}, one for each image of `truth`. Raises ContractError where an image is missing,
    unknown, or its value is no number; a NaN or infinite one counts as unknown and makes the scores NaN. Raises
    DatasetError where the truth is no finite number below 1e150, whose square is still one.

    >>> regression({"a": 1.0, "b": 5.0}, {"a": 2.0, "b": 2.0}).scores["mse"]
    5.0
    """
    values = matched(predictions, truth, what="values")
    names = tuple(truth)
    if not names:
        return _unscored("the truth names no image")
    true = np.array([_true_number(name, truth[name]) for name in names])
    error = np.array([_number(values[name], f"output.json: the value of {name!r}") for name in names]) - true
    n_unknown = int(np.isnan(error).sum())
    if n_unknown:
        return _unscored(f"the task gave NaN for {n_unknown} of {len(names)} images")
    outcomes = RegressionOutcomes(images=names, error=error, true=true)
    scores = plain_scores(outcomes)
    reasons = {"r2": "the truth is the same for all images"} if np.isnan(scores["r2"]) else {}
    return Scored(scores=scores, reasons=reasons, outcomes=outcomes)


def _unscored(reason: str) -> Scored:
    return Scored(scores=dict.fromkeys(_NAMES, nan), reasons=dict.fromkeys(_NAMES, reason))


def matched(predictions: Any, truth: Mapping[str, Any], *, what: str) -> Mapping[str, Any]:
    """Predictions by image name, exactly one for each image of the truth."""
    if not isinstance(predictions, Mapping):
        raise ContractError(
            f'output.json holds a {type(predictions).__name__}; these scores expect {{"{what}": {{"image name": …}}}}'
        )
    missing = [name for name in truth if name not in predictions]
    extra = [name for name in predictions if name not in truth]
    if missing:
        raise ContractError(f"output.json says nothing of {len(missing)} of {len(truth)} images, first {missing[0]!r}")
    if extra:
        raise ContractError(f"output.json speaks of {len(extra)} images that are not judged, first {extra[0]!r}")
    return predictions


def _true_number(name: str, value: Any) -> float:
    number = _number(value, f"the true value of {name!r}", error=DatasetError)
    if np.isnan(number):
        raise DatasetError(
            f"the true value of {name!r} is {value!r}; expected a finite number below {_TOO_LARGE:g}. "
            "Leave the image out of the truth where it is unknown."
        )
    return number


def _number(value: Any, subject: str, *, error: type[OrbiqError] = ContractError) -> float:
    """NaN for what is not finite or too large."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise error(f"{subject} is {value!r}; expected a number")
    # a float32 would be compared as one; a large int has no float
    number = value if isinstance(value, int) else float(value)
    return float(number) if abs(number) < _TOO_LARGE else nan
