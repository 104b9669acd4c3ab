"""The main figure of a report: score against cost, with what is known of each variant.

SVG text in which colours are CSS variables with the plain colour as fallback, so that the same figure is right on
light and on dark paper. The same answer gives the same text: no date, no random ids.
"""

import math
import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from orbiq.reports.answers import Answer, Level
from orbiq.reports.style import (
    COLOURS,
    GRID,
    INK,
    MUTED,
    PAPER,
    drawing,
    legend_above,
    log_axis,
    new_figure,
    picture_bytes,
    shown,
    sign,
)
from orbiq.reports.wording import axis_label, number_text, percent_text

if TYPE_CHECKING:
    from orbiq.reports.comparison import Pair

_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "line", PAPER: "paper"} | {
    colour: f"series-{k + 1}" for k, colour in enumerate(COLOURS[:6])
}
_DECADE = 10.0


def score_curve(point: dict[str, Any] | Answer, *, narrow: bool = False, ident: str = "curve") -> str:
    """Score against cost as SVG: a line and a band for each family, the reference, the threshold, the operating point.

    `point` is an operating point as `analysis.json` holds it. `narrow` is drawn for a phone. `ident` goes in front
    of every id, so that several figures live on one page.
    """
    answer = point if isinstance(point, Answer) else Answer.of(point)
    with drawing():
        figure, axes = new_figure((4.6, 5.0) if narrow else (9.6, 4.9))
        figure.patch.set_visible(False)
        axes.patch.set_visible(False)
        _draw_families(axes, answer)
        _draw_reference(axes, answer)
        _set_axes(axes, answer)
        _draw_levels(axes, answer, narrow=narrow)
        _draw_chosen(axes, answer)
        legend_above(figure, axes, columns=2 if narrow else 4)
        text = picture_bytes(figure, "svg", text_as_text=True).decode()
    return embedded(text, title=_title(answer), ident=ident)


def retention_chart(pairs: "Sequence[Pair]", *, keep: float, narrow: bool = False, ident: str = "kept") -> str:
    """How much each variant keeps, a row each, with its interval, as SVG."""
    with drawing():
        figure, axes = new_figure((4.6, 1.3 + 0.42 * len(pairs)) if narrow else (9.6, 1.2 + 0.36 * len(pairs)))
        figure.patch.set_visible(False)
        axes.patch.set_visible(False)
        rows = np.arange(len(pairs))[::-1]
        for row, pair in zip(rows, pairs, strict=True):
            look = sign(0 if pair.passed else 1) | {"linestyle": "none"}
            axes.hlines([row], 100 * pair.low, 100 * pair.high, color=look["color"], linewidth=2.2)
            axes.plot([100 * pair.retention], [row], **look)
        axes.axvline(100, color=MUTED, linewidth=1.1)
        axes.axvline(100 * keep, color=MUTED, linewidth=1.3, linestyle=(0, (5, 3)))
        names = [shown(p.variant) for p in pairs]
        axes.set_yticks(rows, [textwrap.fill(n, 20) if narrow else n for n in names])
        axes.grid(visible=False)
        axes.tick_params(axis="y", length=0, labelsize=8.5 if narrow else 10)
        axes.set_ylim(-0.6, len(pairs) - 0.4)
        axes.margins(x=0.08)
        axes.set_xlabel("kept (%)")
        text = picture_bytes(figure, "svg", text_as_text=True).decode()
    kept = ", ".join(f"{p.variant} {percent_text(p.retention)}" for p in pairs)
    return embedded(text, title=f"Share of the score that each variant keeps: {kept}.", ident=ident)


def _finite(levels: list[Level]) -> list[Level]:
    return sorted((v for v in levels if math.isfinite(v.cost) and math.isfinite(v.score)), key=lambda v: v.cost)


def _draw_families(axes: Any, answer: Answer) -> None:
    for k, family in enumerate(answer.family_names):
        levels = _finite([v for v in answer.levels if v.family == family])
        if not levels:
            continue
        cost = [v.cost for v in levels]
        low = np.array([v.low if math.isfinite(v.low) else v.score for v in levels])
        high = np.array([v.high if math.isfinite(v.high) else v.score for v in levels])
        alpha = 0.17 if len(answer.family_names) < 5 else 0.08
        axes.fill_between(cost, low, high, color=sign(k)["color"], alpha=alpha, linewidth=0)
        if len(levels) == 1:
            axes.vlines(cost, low, high, color=sign(k)["color"], linewidth=1.3)
        axes.plot(cost, [v.score for v in levels], label=shown(family), **sign(k))


def _draw_reference(axes: Any, answer: Answer) -> None:
    for level in _finite([v for v in answer.levels if v.is_reference]):
        axes.vlines([level.cost], level.low, level.high, color=INK, linewidth=1.2)
        axes.plot(
            [level.cost], [level.score], label="reference", color=INK, marker="*", markersize=12, linestyle="none"
        )


def _set_axes(axes: Any, answer: Answer) -> None:
    costs = [v.cost for v in _finite(list(answer.levels))]
    positive = [c for c in costs if c > 0]
    if answer.cost_is_rate and positive and max(positive) > 1.3 * min(positive):
        log_axis(axes, min(positive) / 1.25, max(positive) * 1.25)
    axes.set_xlabel(axis_label(answer.cost_name))
    axes.margins(y=0.12)
    direction = "" if answer.higher_is_better else ", lower is better"
    unit = f" ({answer.unit})" if answer.unit else ""
    axes.set_ylabel(f"{shown(answer.score)}{unit}{direction}")


def _draw_levels(axes: Any, answer: Answer, *, narrow: bool) -> None:
    """The reference's level and the threshold, labelled on sides away from each other and from the reference's star."""
    up = answer.higher_is_better
    star = next((v.cost for v in _finite(list(answer.levels)) if v.is_reference), math.inf)
    rightwards = math.isfinite(star) and _share_of_axis(axes, star) < 0.5
    lines = [(answer.reference, "reference", "-", up), (answer.threshold, _keep_text(answer), (0, (5, 3)), not up)]
    for value, text, dashes, above in lines:
        if not math.isfinite(value):
            continue
        axes.axhline(value, color=MUTED, linewidth=1.1, linestyle=dashes, zorder=1.5)
        axes.annotate(
            text if narrow else f"{text}: {number_text(value)}",
            (1 if rightwards else 0, value),
            xycoords=("axes fraction", "data"),
            xytext=(-5 if rightwards else 5, 4 if above else -4),
            textcoords="offset points",
            ha="right" if rightwards else "left",
            va="bottom" if above else "top",
            fontsize=9,
            color=MUTED,
        )


def _share_of_axis(axes: Any, cost: float) -> float:
    """Where a cost lies between the left (0) and the right (1) end of the axis."""
    place = axes.transData.transform((cost, axes.get_ylim()[0]))[0]
    left, right = axes.transAxes.transform([(0, 0), (1, 0)])[:, 0]
    return float((place - left) / (right - left))


def _keep_text(answer: Answer) -> str:
    if math.isfinite(answer.keep):
        return f"{answer.keep * 100:g} % kept"
    return "still allowed"


def _draw_chosen(axes: Any, answer: Answer) -> None:
    """A ring around the operating point, and its name on the side of the axes to which no curve goes from there."""
    level = answer.chosen_level
    if level is None or not math.isfinite(level.score) or not math.isfinite(level.cost):
        return
    axes.plot([level.cost], [level.score], marker="o", markersize=15, mfc="none", mec=INK, mew=1.6, zorder=5)
    axes.set_ylim(*axes.get_ylim())
    edge = axes.get_ylim()[0 if answer.higher_is_better else 1]
    axes.vlines([level.cost], *sorted((edge, level.score)), color=INK, linewidth=1.0, linestyle=(0, (1, 2)), zorder=1.5)
    rightwards = _share_of_axis(axes, level.cost) < 0.55
    lines = [shown(level.variant), f"{number_text(level.cost)} {axis_label(answer.cost_name)}"]
    if math.isfinite(level.cost_ratio):
        lines.append(f"{number_text(level.cost_ratio, digits=2)} of the reference's")
    for k, text in enumerate(lines):
        # line by line: the page's own font is not as wide as the one that is measured here
        height = 8 + 14 * (len(lines) - 1 - k) if answer.higher_is_better else -8 - 14 * k
        axes.annotate(
            text,
            (level.cost, edge),
            xytext=(8 if rightwards else -8, height),
            textcoords="offset points",
            ha="left" if rightwards else "right",
            va="bottom" if answer.higher_is_better else "top",
            fontsize=9.5,
            color=INK,
            zorder=4,
        )


def _title(answer: Answer) -> str:
    count = len(answer.levels)
    return f"{answer.score} against {axis_label(answer.cost_name)} for {count} variants. {answer.sentence}"


def embedded(svg: str, *, title: str, ident: str) -> str:
    """The bare <svg> element with its own ids, a name for those who cannot see it, and colours as variables."""
    from markupsafe import escape

    from orbiq.reports.wording import clean

    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{ident}-', svg)
    svg = re.sub(r'(href="|url\()#', rf"\1#{ident}-", svg)
    for colour, name in _VARIABLES.items():
        svg = svg.replace(colour, f"var(--{name}, {colour})")
    label = escape(clean(title))
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
