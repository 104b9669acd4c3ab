"""The operating point as data: what a report, a table or a machine reads."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any


@dataclass(frozen=True, kw_only=True)
class LevelResult:
    """What is known of one variant; NaN where it is not, with the `reason`.

    `score` mean over `n_runs` repetitions (`n_dropped` more had none), `rep_sd` their standard deviation; `low` and
    `high` its two-sided interval. `retention` = score / reference (the other way round where lower is better),
    `retention_fit` the same on the monotone curve, `retention_low` its one-sided lower bound. `chance_kept` share of
    replicates in which enough is kept, by itself and averaged with dearer ones. `cost_ratio` cost over the
    reference's. With a single measurement `low`, `high`, `retention_low` and `chance_kept` are NaN.
    """

    variant: str
    family: str
    cost: float
    cost_ratio: float
    score: float
    low: float
    high: float
    retention: float
    retention_fit: float
    retention_low: float
    chance_kept: float
    n_runs: int
    n_dropped: int
    rep_sd: float
    settings: Mapping[str, Any]
    reason: str


@dataclass(frozen=True, kw_only=True)
class FamilyResult:
    """R* of a family: the least cost that keeps enough, its two-sided interval, and the one-sided safe side of it.

    NaN, with the `reason`, where no cost tested does, the reference's included.
    """

    family: str
    central: float
    low: float
    high: float
    conservative: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class Components:
    """Where the doubt about a variant comes from.

    `measured` is its retention, by itself and averaged with dearer variants (with a margin: its change, worse is
    negative), `gap` by how much that passes the threshold. Variances of it: `images` from the test images at hand,
    `training` from one repetition, of which there are `repetitions`; and the degrees of freedom behind each (0 =
    unknown).
    """

    variant: str
    measured: float
    gap: float
    images: float
    training: float
    repetitions: float
    training_dof: float
    images_dof: float = 0.0


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """The answer and what it rests on.

    `variant` is the operating point, the cheapest tested variant that keeps the score with confidence, None when
    there is none; `central_variant` the cheapest that does so in the middle. `threshold` the score that is just
    enough. `levels` begins with the reference. `components` of the variant in doubt. `replicates` those used;
    `n_unusable` more had nothing to score.
    """

    sentence: str
    score: str
    higher_is_better: bool
    keep: float | None
    margin: float | None
    threshold: float
    reference: float
    confidence: float
    cost: str
    variant: str | None
    central_variant: str | None
    levels: tuple[LevelResult, ...]
    families: tuple[FamilyResult, ...]
    advice: str | None
    components: Components | None
    n_images: int
    n_scenes: int
    repetitions: int
    replicates: int
    n_unusable: int
    method: str

    def as_dict(self) -> dict[str, Any]:
        """As JSON; numbers that are unknown or infinite are null."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(value) if isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
