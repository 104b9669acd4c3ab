"""What a metric is, and what it remembers of each image.

A metric is a plain function with keyword-only options. `MetricSpec` says what its scores mean; axes,
sort order and table headings come from there. A metric over predictions also gives *outcomes*: numbers
per image from which its scores follow under any weighting of the images, so that anything can be
bootstrapped without scoring again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, nan
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from orbiq.arrays import FloatArray

Needs = Literal["image", "pair", "triple", "predictions", "results"]


@dataclass(frozen=True, kw_only=True)
class ScoreSpec:
    """The meaning of one number: name, unit ("" for none), range, and which way is better."""

    name: str
    unit: str = ""
    low: float = -inf
    high: float = inf
    higher_is_better: bool = True
    best: float | None = None
    """Where it is best, when that is neither end of its range."""


@dataclass(frozen=True, kw_only=True)
class MapSpec:
    """A map of a metric over the pixels: `function` of the same module, with the metric's arguments.

    It gives (rows, cols, bands) or (rows, cols), NaN where there is no value, of an image whose rows and cols are those
    of the map times `step`. A value depends on no pixel farther than `margin` from its own.
    """

    function: str
    margin: int
    step: int = 1
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class OverlaySpec:
    """What a metric found at places of an image, drawn upon it: two functions of `module`.

    `picture(image, result)` gives uint8 (rows, cols, 3), and `geojson(result, transform=…, crs=…)` the same places as a
    FeatureCollection; `result` is what the metric gave.
    """

    module: str
    picture: str
    geojson: str


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """A metric of the registry: its scores (main score first) and what it needs.

    A module of metrics lists those of its functions in `SPECS`. `of` names the metric whose result holds these
    scores too, so that both are computed once: `rer` is of `edges`.
    """

    name: str
    scores: tuple[ScoreSpec, ...]
    needs: Needs
    summary: str = ""
    of: str = ""
    map: MapSpec | None = None
    overlay: OverlaySpec | None = None


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its 95 % interval, NaN where there is none; a value of NaN says why in `reason`, one that is to be
    taken with care in `caution`.
    """

    value: float
    low: float = nan
    high: float = nan
    reason: str = ""
    caution: str = ""


class Measured(Protocol):
    """What a metric of images may give beside a float and a dict: an object that holds scores and more."""

    def scores(self) -> dict[str, Estimate]:
        """Scores by the names that the metric's `MetricSpec` lists."""
        ...


@runtime_checkable
class Outcomes(Protocol):
    """Numbers per image from which the scores follow under any weighting of the images."""

    @property
    def images(self) -> tuple[str, ...]:
        """Image names, the order in which `scores` takes weights."""
        ...

    def scores(self, weights: FloatArray) -> dict[str, FloatArray]:
        """Scores under image weights ≥ 0 of shape (replicates, images); each score has shape (replicates,).

        NaN where the weights leave nothing to score. All ones gives the plain score.
        """
        ...

    def columns(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """(columns of equal length, small JSON-able metadata): what goes to disk; see `outcomes_from`."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class MeanOutcomes:
    """One value per image and score; a score is the weighted mean over the images that have a value.

    >>> out = MeanOutcomes(images=("a", "b"), values={"mse": np.array([1.0, 3.0])})
    >>> out.scores(np.array([[1.0, 1.0], [3.0, 1.0]]))["mse"].tolist()
    [2.0, 1.5]
    """

    kind = "mean"
    images: tuple[str, ...]
    values: Mapping[str, FloatArray]

    def scores(self, weights: FloatArray) -> dict[str, FloatArray]:
        """Σ wᵢ·vᵢ / Σ wᵢ over the images whose value is not NaN."""
        return {name: _weighted_mean(np.asarray(v, float), weights) for name, v in self.values.items()}

    def columns(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """One row per image."""
        return {"image": list(self.images), **{k: np.asarray(v) for k, v in self.values.items()}}, {"kind": self.kind}


def mean_outcomes_from(columns: Mapping[str, Any]) -> MeanOutcomes:
    """The inverse of `MeanOutcomes.columns`."""
    values = {k: np.asarray(v, float) for k, v in columns.items() if k != "image"}
    return MeanOutcomes(images=tuple(columns["image"]), values=values)


def _weighted_mean(values: FloatArray, weights: FloatArray) -> FloatArray:
    known = ~np.isnan(values)
    total = weights[:, known].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(weights[:, known] @ values[known] / total)


@dataclass(frozen=True, eq=False, kw_only=True)
class Scored:
    """What a metric over predictions says: scores by name, why a score is NaN, and outcomes when there are any."""

    scores: Mapping[str, float]
    reasons: Mapping[str, str]
    outcomes: Outcomes | None = None
    stated: Mapping[str, Any] | None = None
    """Options in force that a reader must know, for example maxDets and area ranges."""


def plain_scores(outcomes: Outcomes) -> dict[str, float]:
    """The scores with every image counted once."""
    ones = np.ones((1, len(outcomes.images)))
    return {name: float(value[0]) for name, value in outcomes.scores(ones).items()}
