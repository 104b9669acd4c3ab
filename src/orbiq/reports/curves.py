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
from orbiq.reports.labels import Ground, Label, Spot
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
from orbiq.reports.wording import axis_label, clean, number_text, percent_text

if TYPE_CHECKING:
    from orbiq.reports.comparison import Pair

_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "line", PAPER: "paper"} | {
    colour: f"series-{k + 1}" for k, colour in enumerate(COLOURS[:6])
}
_MOST_LINES = 4


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
        _draw_levels(axes, answer)
        _draw_chosen(axes, answer)
        legend_above(figure, axes, columns=2 if narrow else 4)
        figure.draw_without_rendering()  # lays the axes out: only now is it known what lies where
        ground = Ground.of(axes)
        _name_chosen(axes, answer, ground=ground, narrow=narrow)
        _name_levels(axes, answer, ground=ground, narrow=narrow)
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


def _levels(answer: Answer, *, narrow: bool) -> list[tuple[float, str, Any, bool]]:
    """The reference's level and the threshold: value, label, dashes, and whether the label is rather above."""
    up = answer.higher_is_better
    lines = [(answer.reference, "reference", "-", up), (answer.threshold, _keep_text(answer), (0, (5, 3)), not up)]
    return [
        (value, text if narrow else f"{text}: {number_text(value)}", dashes, above)
        for value, text, dashes, above in lines
        if math.isfinite(value)
    ]


def _draw_levels(axes: Any, answer: Answer) -> None:
    for value, _, dashes, _ in _levels(answer, narrow=True):
        axes.axhline(value, color=MUTED, linewidth=1.1, linestyle=dashes, zorder=1.5)


def _name_levels(axes: Any, answer: Answer, *, ground: Ground, narrow: bool) -> None:
    """The levels' names along their lines, rather at the end that is away from the reference's star."""
    star = next((v.cost for v in _finite(list(answer.levels)) if v.is_reference), math.inf)
    places = [(0, "left", 5), (1, "right", -5), (0.5, "center", 0), (0.25, "center", 0), (0.75, "center", 0)]
    if math.isfinite(star) and _share_of_axis(axes, star) < 0.5:
        places[:2] = places[1::-1]
    for value, text, _, above in _levels(answer, narrow=narrow):
        spots = [
            Spot(
                at=(share, value),
                of=("axes fraction", "data"),
                offset=(x, 4 if up else -4),
                ha=side,
                va="bottom" if up else "top",
            )
            for share, side, x in places
            for up in (above, not above)
        ]
        ground.place(Label(lines=[text], color=MUTED, size_pt=9), spots)


def _share_of_axis(axes: Any, cost: float) -> float:
    """Where a cost lies between the left (0) and the right (1) end of the axis."""
    place = axes.transData.transform((cost, axes.get_ylim()[0]))[0]
    left, right = axes.transAxes.transform([(0, 0), (1, 0)])[:, 0]
    return float((place - left) / (right - left))


def _keep_text(answer: Answer) -> str:
    if math.isfinite(answer.keep):
        return f"{answer.keep * 100:g} % kept"
    return "still allowed"


def _marked(answer: Answer) -> Level | None:
    """The operating point, if the figure can show it."""
    level = answer.chosen_level
    return level if level and math.isfinite(level.score) and math.isfinite(level.cost) else None


def _draw_chosen(axes: Any, answer: Answer) -> None:
    """A ring around the operating point, and a dotted line from it to its cost."""
    if (level := _marked(answer)) is None:
        return
    axes.plot([level.cost], [level.score], marker="o", markersize=15, mfc="none", mec=INK, mew=1.6, zorder=5)
    axes.set_ylim(*axes.get_ylim())
    edge = axes.get_ylim()[0 if answer.higher_is_better else 1]
    axes.vlines([level.cost], *sorted((edge, level.score)), color=INK, linewidth=1.0, linestyle=(0, (1, 2)), zorder=1.5)


def _name_chosen(axes: Any, answer: Answer, *, ground: Ground, narrow: bool) -> None:
    """The operating point's name beside its dotted line, rather at its foot, where it covers least."""
    if (level := _marked(answer)) is None:
        return
    lines = [
        *_name_lines(level.variant, 26 if narrow else 44),
        f"{number_text(level.cost)} {axis_label(answer.cost_name)}",
    ]
    if math.isfinite(level.cost_ratio):
        lines.append(f"{number_text(level.cost_ratio, digits=2)} of the reference's")
    low, high = axes.get_ylim()
    edge, inwards, va = (low, 1, "bottom") if answer.higher_is_better else (high, -1, "top")
    sides = [("left", 1), ("right", -1)] if _share_of_axis(axes, level.cost) < 0.55 else [("right", -1), ("left", 1)]
    height_pt = axes.bbox.height * 72 / axes.figure.dpi
    ring_pt = height_pt * abs(level.score - edge) / (high - low)
    # beside the dotted line, else a little farther from it, else beyond the ring
    places = [(x, up) for x in (8, 24, 40) for up in np.arange(8, ring_pt, 6)]
    places += [(8, up) for up in np.arange(ring_pt, height_pt, 6)]
    spots = [
        Spot(at=(level.cost, edge), offset=(x * way, inwards * up), ha=side, va=va)
        for x, up in places
        for side, way in sides
    ]
    ground.place(Label(lines=lines, color=INK, size_pt=9.5), spots)


def _name_lines(variant: str, width: int) -> list[str]:
    """A name on lines of about `width` letters, broken behind its separators; cut short where it would be many."""
    for name in (" ".join(clean(variant).split()), shown(variant)):
        lines = [""]
        for part in re.findall(r"[^,>:]*[,>:]|[^,>:]+", name):
            if lines[-1] and len(lines[-1] + part) > width:
                lines.append("")
            lines[-1] += part
        if len(lines) <= _MOST_LINES:
            break
    return lines


def _title(answer: Answer) -> str:
    count = len(answer.levels)
    return f"{answer.score} against {axis_label(answer.cost_name)} for {count} variants. {answer.sentence}"


def embedded(svg: str, *, title: str, ident: str) -> str:
    """The bare <svg> element with its own ids, a name for those who cannot see it, and colours as variables."""
    from markupsafe import escape

    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{ident}-', svg)
    svg = re.sub(r'(href="|url\()#', rf"\1#{ident}-", svg)
    for colour, name in _VARIABLES.items():
        svg = svg.replace(colour, f"var(--{name}, {colour})")
    label = escape(clean(title))
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
