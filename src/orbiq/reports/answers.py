"""An operating point as `analysis.json` holds it, read for showing.

JSON writes unknown numbers as null and infinite ones as words; here they are NaN and inf again.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orbiq.records import REFERENCE
from orbiq.reports.evidence import Evidence, Run
from orbiq.reports.wording import RATES, axis_label, number_text, percent_text, score_unit

Json = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Level:
    """One variant: what it costs, what it scores, and how sure it is that it keeps enough."""

    variant: str
    family: str
    bits_per_pixel: float
    bytes_per_image: float
    cost: float
    cost_ratio: float
    """Cost over the reference's."""
    score: float
    low: float
    high: float
    retention: float
    """Score over the reference's; the other way round where lower is better."""
    chance_kept: float
    """Share of bootstrap replicates that keep enough."""
    n_runs: float
    images_per_pass: float
    reason: str

    @property
    def is_reference(self) -> bool:
        """Whether it is the unmodified dataset."""
        return self.variant == REFERENCE


@dataclass(frozen=True, kw_only=True)
class Family:
    """The least cost at which a family keeps enough, in the middle, at both ends of its interval, and to be safe."""

    name: str
    central: float
    low: float
    high: float
    conservative: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The operating point and what it rests on."""

    sentence: str
    advice: tuple[str, ...]
    method: tuple[str, ...]
    score: str
    unit: str
    higher_is_better: bool
    keep: float
    threshold: float
    confidence: float
    reference: float
    cost_name: str
    levels: tuple[Level, ...]
    families: tuple[Family, ...]
    chosen: str
    """The variant that is the answer; empty when there is none."""
    n_images: float
    n_scenes: float
    repetitions: float
    params: Mapping[str, Any]
    """Of the runs that it rests on."""

    @classmethod
    def of(cls, point: Json, *, params: Json | None = None) -> "Answer":
        """The operating point in a JSON object."""
        score = str(point.get("score", "score"))
        return cls(
            sentence=str(point.get("sentence", "")),
            advice=_lines(point.get("advice")),
            method=_lines(point.get("method")),
            score=score,
            unit=score_unit(score),
            higher_is_better=bool(point.get("higher_is_better", True)),
            keep=_number(point.get("keep")),
            threshold=_number(point.get("threshold")),
            confidence=_number(point.get("confidence")),
            reference=_number(point.get("reference")),
            cost_name=str(point.get("cost", "bits_per_pixel")),
            levels=tuple(_level(v) for v in point.get("levels") or ()),
            families=tuple(_family(f) for f in point.get("families") or ()),
            chosen=str(point.get("variant") or ""),
            n_images=_number(point.get("n_images")),
            n_scenes=_number(point.get("n_scenes")),
            repetitions=_number(point.get("repetitions")),
            params=params or {},
        )

    def with_rates(self, runs: Sequence[Run]) -> "Answer":
        """The same with what each variant weighs, as its runs remember it."""
        rates = {r.record.variant: r.record.rate for r in runs if r.record.splits}
        levels = [
            replace(v, bits_per_pixel=rates[v.variant].bits_per_pixel, bytes_per_image=rates[v.variant].bytes_per_image)
            if v.variant in rates
            else v
            for v in self.levels
        ]
        return replace(self, levels=tuple(levels))

    @property
    def family_names(self) -> list[str]:
        """Families in the order of their first variant; the reference is none."""
        return list(dict.fromkeys(v.family for v in self.levels if not v.is_reference))

    @property
    def chosen_level(self) -> Level | None:
        """The level of the answer."""
        return next((v for v in self.levels if v.variant == self.chosen), None)

    @property
    def cost_is_rate(self) -> bool:
        """Whether the cost is a rate, which is drawn on a logarithmic axis."""
        return self.cost_name in RATES

    @property
    def drawable(self) -> bool:
        """Whether there are two points to draw."""
        return sum(math.isfinite(v.cost) and math.isfinite(v.score) for v in self.levels) > 1

    @property
    def curve_caption(self) -> str:
        """What marks, bands and lines of the main figure mean."""
        confidence = percent_text(self.confidence, places=0)
        parts = [f"Marks: mean {self.score} of each variant", f"bands: its {confidence} interval"]
        if math.isfinite(self.reference):
            parts.append("solid line and star: the reference")
        if math.isfinite(self.threshold):
            parts.append(
                f"dashed line: a variant at or {'above' if self.higher_is_better else 'below'} it {self.demand}"
            )
        if self.chosen_level:
            parts.append("ring: the operating point")
        scale = ", logarithmic scale" if self.cost_is_rate else ""
        return f"{'; '.join(parts)}. Cost: {axis_label(self.cost_name)}{scale}."

    @property
    def demand(self) -> str:
        """What is asked of a variant, as a half sentence."""
        if math.isfinite(self.keep):
            return f"keeps {percent_text(self.keep, places=0)} of the reference's {self.score}"
        sign = "≥" if self.higher_is_better else "≤"
        return f"has {self.score} {sign} {number_text(self.threshold)}"


def answer_of(evidence: Evidence) -> Answer | None:
    """The operating point of an experiment, with what each variant weighs; None when there is none."""
    if not evidence.point:
        return None
    return Answer.of(evidence.point, params=evidence.params).with_rates(evidence.runs)


def _level(data: Json) -> Level:
    return Level(
        variant=str(data.get("variant", "")),
        family=str(data.get("family", "")),
        bits_per_pixel=_number(data.get("bits_per_pixel")),
        bytes_per_image=_number(data.get("bytes_per_image")),
        cost=_number(data.get("cost")),
        cost_ratio=_number(data.get("cost_ratio")),
        score=_number(data.get("score")),
        low=_number(data.get("low")),
        high=_number(data.get("high")),
        retention=_number(data.get("retention")),
        chance_kept=_number(data.get("chance_kept")),
        n_runs=_number(data.get("n_runs")),
        images_per_pass=_number(data.get("images_per_pass")),
        reason=str(data.get("reason") or ""),
    )


def _family(data: Json) -> Family:
    return Family(
        name=str(data.get("family", "")),
        central=_number(data.get("central")),
        low=_number(data.get("low")),
        high=_number(data.get("high")),
        conservative=_number(data.get("conservative")),
        reason=str(data.get("reason") or ""),
    )


def _number(value: Any) -> float:
    if value is None or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _lines(value: Any) -> tuple[str, ...]:
    if not value:
        return ()
    return tuple(str(v) for v in value) if isinstance(value, list | tuple) else (str(value),)
