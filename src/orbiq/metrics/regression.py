"""A number for each image against the true one."""

from collections.abc import Mapping
from math import nan, sqrt
from typing import Any

import numpy as np

from orbiq.errors import ContractError
from orbiq.metrics.base import MeanOutcomes, MetricSpec, Scored, ScoreSpec, plain_scores

_TOO_LARGE = 1e150  # its square is still a float; infinite numbers and NaN are not below it either
REGRESSION_SCORES = (
    ScoreSpec(name="mse", low=0, higher_is_better=False),
    ScoreSpec(name="rmse", low=0, higher_is_better=False),
    ScoreSpec(name="mae", low=0, higher_is_better=False),
    ScoreSpec(name="bias", higher_is_better=False, best=0.0),
    ScoreSpec(name="r2", high=1),
)
SPECS = {"regression": MetricSpec(name="regression", scores=REGRESSION_SCORES, needs="predictions")}


def regression(predictions: Any, truth: Mapping[str, float]) -> Scored:
    """Errors of a predicted number per image: e = predicted − true.

    mse = mean e², rmse = √mse, mae = mean |e| (all ≥ 0, lower is better), bias = mean e (0 is best), r2 = 1 − mse /
    variance of the truth (≤ 1, higher is better; NaN when the truth is constant). In the unit of the truth.
    Outcomes: e², |e| and e of each image, so that mse, mae and bias can be resampled; rmse and r2 are bare numbers.

    `predictions` {image name: number}, one for each image of `truth`. Raises ContractError where an image is missing,
    unknown, or its value is no number; a NaN or infinite one counts as unknown and makes the scores NaN.

    >>> regression({"a": 1.0, "b": 5.0}, {"a": 2.0, "b": 2.0}).scores["mse"]
    5.0
    """
    values = matched(predictions, truth, what="values")
    names = tuple(truth)
    if not names:
        return _unscored("the truth names no image")
    numbers = np.array([_number(name, values[name]) for name in names])
    error = numbers - np.array([truth[name] for name in names], float)
    outcomes = MeanOutcomes(images=names, values={"mse": error**2, "mae": np.abs(error), "bias": error})
    n_unknown = int(np.isnan(error).sum())
    if n_unknown:
        return _unscored(f"the task gave NaN for {n_unknown} of {len(names)} images")
    scores = plain_scores(outcomes)
    true = [float(truth[name]) for name in names]
    spread = float(np.var(true)) if min(true) < max(true) else 0.0  # rounding gives equal numbers a variance
    scores["rmse"] = sqrt(scores["mse"])
    scores["r2"] = 1 - scores["mse"] / spread if spread else nan
    reasons = {} if spread else {"r2": "the truth is the same for all images"}
    return Scored(scores={name: scores[name] for name in _NAMES}, reasons=reasons, outcomes=outcomes)


_NAMES = tuple(spec.name for spec in REGRESSION_SCORES)


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


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ContractError(f"output.json: the value of {name!r} is {value!r}; expected a number")
    return float(value) if abs(value) < _TOO_LARGE else nan
