"""The section of a report that sets the scores of the images against the score of the task."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orbiq.records import REFERENCE
from orbiq.reports.curves import embedded
from orbiq.reports.evidence import Evidence
from orbiq.reports.rendering import figure_markup
from orbiq.reports.tables import Cell, Heading, Row, Table, number_cell, text_cell
from orbiq.reports.wording import axis_label, number_text

_MOST_PANELS = 6
_METHOD = (
    "Every variant is a point: the mean of its images' scores, and the task's score. Error: each variant in turn is "
    "left out and read off a monotone curve through the others (RMS of these errors, in the unit of the task's score). "
    "Rank correlation: Spearman's, with Bonett and Wright's interval. Both are about variants like these."
)


@dataclass(frozen=True, kw_only=True)
class _Told:
    """One image score beside the task's, as `analysis.json` holds it."""

    score: str
    metric: str
    rho: float
    low: float
    high: float
    error: float
    without: float
    n_variants: float
    families: tuple[str, ...]
    variants: tuple[str, ...]
    values: tuple[float, ...]
    task: tuple[float, ...]
    reason: str


def agreement(evidence: Evidence) -> dict[str, Any]:
    """What the section shows; an empty table where no image was scored."""
    told = [_told(item) for item in evidence.agreement.get("scores") or ()]
    score = str(evidence.agreement.get("score", ""))
    drawn = [item for item in told if math.isfinite(item.error)][:_MOST_PANELS]
    more = f" The best {_MOST_PANELS} are drawn." if sum(math.isfinite(i.error) for i in told) > _MOST_PANELS else ""
    infinite = any(math.isinf(v) for item in drawn for v in item.values)
    unseen = " Infinite scores (of the reference) have no mark." if infinite else ""
    return {
        "agreement_sentence": str(evidence.agreement.get("sentence", "")),
        "agreement_table": _table(told, score) if told else None,
        "agreement_wide": figure_markup(_chart(drawn, score, narrow=False)) if drawn else None,
        "agreement_narrow": figure_markup(_chart(drawn, score, narrow=True)) if drawn else None,
        "agreement_caption": f"Every mark is a variant; star: the reference.{more}{unseen}",
        "agreement_method": _METHOD,
    }


def _told(item: dict[str, Any]) -> _Told:
    return _Told(
        score=str(item.get("score", "")),
        metric=str(item.get("metric", "")),
        rho=_number(item.get("rank_correlation")),
        low=_number(item.get("low")),
        high=_number(item.get("high")),
        error=_number(item.get("error")),
        without=_number(item.get("error_without")),
        n_variants=_number(item.get("n_variants")),
        families=tuple(map(str, item.get("families") or ())),
        variants=tuple(map(str, item.get("variants") or ())),
        values=tuple(map(_number, item.get("values") or ())),
        task=tuple(map(_number, item.get("task") or ())),
        reason=str(item.get("reason") or ""),
    )


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _table(told: Sequence[_Told], score: str) -> Table:
    headings = (
        Heading(text="image score", numeric=False),
        Heading(text=f"error in {score}"),
        Heading(text="with the mean alone", minor=True),
        Heading(text="rank correlation"),
        Heading(text="95 % interval"),
        Heading(text="variants"),
    )
    caption = f"How well each image score foretells {score}, best first."
    return Table(caption=caption, headings=headings, rows=tuple(map(_row, told)))


def _row(item: _Told) -> Row:
    known = math.isfinite(item.low)
    interval = f"{item.low:.2f} to {item.high:.2f}".replace("-", "−") if known else None
    return Row(
        cells=(
            text_cell(item.score if item.metric in ("", item.score) else f"{item.score} ({item.metric})"),
            number_cell(item.error, reason=item.reason),
            number_cell(item.without, reason=item.reason),
            number_cell(item.rho, text=f"{item.rho:.2f}".replace("-", "−"), reason=item.reason),
            Cell(text=interval, value=item.low) if interval else number_cell(math.nan, reason=item.reason),
            number_cell(item.n_variants),
        )
    )


def _chart(drawn: Sequence[_Told], score: str, *, narrow: bool) -> str:
    """A panel an image score: the task's score against it, as SVG."""
    from orbiq.reports.style import drawing, legend_above, new_figure, picture_bytes

    columns = min(2 if narrow else 3, len(drawn))
    lines = -(-len(drawn) // columns)
    families = [f for f in dict.fromkeys(f for item in drawn for f in item.families) if f not in ("", REFERENCE)]
    with drawing():
        figure, axes = new_figure((4.6 if narrow else 9.6, 0.7 + lines * (2.3 if narrow else 2.9)))
        axes.remove()
        figure.patch.set_visible(False)
        panels = figure.subplots(lines, columns, squeeze=False, sharey=True)
        for k, panel in enumerate(panels.ravel()):
            panel.patch.set_visible(False)
            if k >= len(drawn):
                panel.set_visible(False)
                continue
            _draw(panel, drawn[k], families)
            panel.set_ylabel(axis_label(score) if k % columns == 0 else "")
        legend_above(figure, panels[0, 0], columns=2 if narrow else 4)
        text = picture_bytes(figure, "svg", text_as_text=True).decode()
    said = ", ".join(f"{item.score} {number_text(item.rho)}" for item in drawn)
    ident = "agreement-narrow" if narrow else "agreement-wide"
    return embedded(text, title=f"{score} against image scores; rank correlations: {said}.", ident=ident)


def _draw(panel: Any, item: _Told, families: Sequence[str]) -> None:
    from orbiq.reports.style import INK, shown, sign

    for k, family in enumerate(families):
        rows = [j for j, f in enumerate(item.families) if f == family and item.variants[j] != REFERENCE]
        look = sign(k) | {"linestyle": "none", "markersize": 6, "markeredgecolor": "white", "markeredgewidth": 0.6}
        panel.plot([item.values[j] for j in rows], [item.task[j] for j in rows], label=shown(family), **look)
    for j, variant in enumerate(item.variants):
        if variant == REFERENCE and math.isfinite(item.values[j]):
            panel.plot([item.values[j]], [item.task[j]], marker="*", color=INK, markersize=12, linestyle="none")
    panel.set_xlabel(axis_label(item.score))
    panel.locator_params(axis="x", nbins=4)
