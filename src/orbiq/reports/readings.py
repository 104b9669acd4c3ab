"""What `orbiq measure` and `orbiq compare` found, as tables and pictures."""

from collections.abc import Sequence
from math import isfinite, isinf, isnan
from pathlib import Path
from typing import Any

import numpy as np

from orbiq.measuring import Reading, Summary
from orbiq.metrics.base import Estimate, ScoreSpec
from orbiq.reports.tables import Cell, Heading, Row, Table, number_cell, text_cell
from orbiq.reports.wording import MISSING, number_text, plural

_SIDE_BY_SIDE, _NAMES_BESIDE = 3, 48
"""So many groups, with names of so many characters in all, stand beside each other; others below each other."""
_DIGITS = 4
_INTERVAL = "95 % interval"


def direction_text(spec: ScoreSpec | None) -> str:
    """Which way a score is better, in a word."""
    if spec is None:
        return ""
    if spec.best is not None:
        return f"{number_text(spec.best)} is best"
    return "higher" if spec.higher_is_better else "lower"


def summary_table(found: Sequence[Summary]) -> Table:
    """A row a score with its unit, direction and interval; the groups side by side, or below each other when many."""
    groups = list(dict.fromkeys(item.group for item in found))
    fit = len(groups) <= _SIDE_BY_SIDE and sum(map(len, groups)) <= _NAMES_BESIDE
    return _side_by_side(found, groups) if fit or len(groups) == 1 else _below(found, groups)


def _side_by_side(found: Sequence[Summary], groups: Sequence[str]) -> Table:
    by_place = {(item.group, item.metric, item.score): item for item in found}
    keys = list(dict.fromkeys((item.metric, item.score) for item in found))
    headings = [Heading(text="score", numeric=False), Heading(text="unit", numeric=False, minor=True)]
    headings += [Heading(text="better", numeric=False, minor=True)]
    for group in groups:
        headings += [Heading(text=group if len(groups) > 1 else "value")]
        # an interval whose value is left out would be anybody's
        headings += [Heading(text=_INTERVAL, minor=len(groups) > 1)] if _sure(found, group) else []
        headings += [Heading(text="spread", minor=True)] if _spread(found, groups) else []
    rows = [_score_row(key, [(group, by_place.get((group, *key))) for group in groups], found) for key in keys]
    return Table(caption=_caption(found, groups), headings=tuple(headings), rows=tuple(rows), reasons_of="rows")


def _score_row(key: tuple[str, str], items: Sequence[tuple[str, Summary | None]], found: Sequence[Summary]) -> Row:
    spec = next(item.spec for item in found if (item.metric, item.score) == key)
    cells = [text_cell(key[1]), Cell(text=spec.unit if spec else ""), Cell(text=direction_text(spec))]
    for group, item in items:
        cells += [_value_cell(item, several=len(items) > 1)]
        if _sure(found, group):
            cells += [Cell(text=interval_text(item.low, item.high) if item else "")]
        if _spread(found, [name for name, _ in items]):
            cells += [number_cell(item.sd if item else None, text=number_text(item.sd, digits=_DIGITS) if item else "")]
    return Row(cells=tuple(cells))


def _value_cell(item: Summary | None, *, several: bool) -> Cell:
    if item is None:
        return Cell(text=MISSING)
    text = number_text(item.mean, digits=_DIGITS)
    notes = _notes(item, several=several) if item.n_images else []
    if notes:
        return Cell(text=f"{text} *", value=item.mean, reason=f"* {'; '.join(notes)}")
    return number_cell(item.mean, text=text, reason=_first(item.reasons))


def _notes(item: Summary, *, several: bool) -> list[str]:
    """What a reader must know of a mean: how many images are missing from it, how many need care, and why."""
    n_all = item.n_images + item.n_missing
    of = f" of {item.group}" if several else ""
    notes = [f"{item.n_missing} of {plural(n_all, 'image')}{of}: {item.reasons[0]}"] if item.n_missing else []
    if item.cautions:
        whose = f"{item.n_cautioned} of {plural(n_all, 'image')}{of}: " if n_all > 1 else ""
        notes.append(f"with care: {whose}{item.cautions[0]}")
    return notes


def _first(reasons: Sequence[str]) -> str:
    """One reason for all: an example where there are several."""
    if not reasons:
        return ""
    return reasons[0] if len(reasons) == 1 else f"for example: {reasons[0]}"


def _below(found: Sequence[Summary], groups: Sequence[str]) -> Table:
    by_place = {(item.group, item.metric, item.score): item for item in found}
    keys = list(dict.fromkeys((item.metric, item.score) for item in found))
    sure = {key for key in keys if any(isfinite(i.low) for i in found if (i.metric, i.score) == key)}
    headings = [Heading(text="of", numeric=False)]
    for key, heading in zip(keys, _score_headings(found), strict=True):
        headings += [heading, *([Heading(text=_INTERVAL, minor=True)] if key in sure else [])]
    rows = []
    for group in groups:
        cells = [text_cell(group)]
        for key in keys:
            item = by_place.get((group, *key))
            cells += [_value_cell(item, several=True)]
            cells += [Cell(text=interval_text(item.low, item.high) if item else "")] if key in sure else []
        rows.append(Row(cells=tuple(cells)))
    return Table(caption=_caption(found, groups), headings=tuple(headings), rows=tuple(rows), reasons_of="columns")


def _score_headings(found: Sequence[Summary] | Sequence[Reading]) -> list[Heading]:
    named = {(item.metric, item.score): _titled(item.score, item.spec) for item in found}
    return [Heading(text=text) for text in named.values()]


def _titled(score: str, spec: ScoreSpec | None) -> str:
    return f"{score} ({spec.unit})" if spec and spec.unit else score


def _spread(found: Sequence[Summary], groups: Sequence[str]) -> bool:
    """Whether there is a spread, and room for it: those of several groups would crowd out their intervals."""
    return len(groups) == 1 and any(item.n_images + item.n_missing > 1 for item in found)


def _sure(found: Sequence[Summary], group: str) -> bool:
    return any(isfinite(item.low) for item in found if item.group == group)


def _caption(found: Sequence[Summary], groups: Sequence[str]) -> str:
    counts = [max(item.n_images + item.n_missing for item in found if item.group == group) for group in groups]
    if len(groups) == 1:
        return f"{groups[0]}: mean of {plural(counts[0], 'image')}" if counts[0] > 1 else groups[0]
    least = f"{number_text(min(counts))} to " if min(counts) < max(counts) else ""
    of_each = f"{least}{plural(max(counts), 'image')}"
    return f"{plural(len(groups), 'image')}" if max(counts) == 1 else f"Means of {of_each} each"


def interval_text(low: float, high: float) -> str:
    """An interval, or nothing where it is unknown.

    >>> interval_text(0.51, 0.57), interval_text(float("nan"), 1.0)
    ('0.5100 – 0.5700', '')
    """
    return (
        f"{number_text(low, digits=_DIGITS)} – {number_text(high, digits=_DIGITS)}"
        if isfinite(low) and isfinite(high)
        else ""
    )


def readings_table(found: Sequence[Reading]) -> Table:
    """A row an image, a column a score."""
    scores = list(dict.fromkeys((item.metric, item.score) for item in found))
    by_image: dict[tuple[str, str], dict[tuple[str, str], Reading]] = {}
    for item in found:
        by_image.setdefault((item.group, item.image), {})[item.metric, item.score] = item
    several = len({group for group, _ in by_image}) > 1
    rows = []
    for (group, image), known in by_image.items():
        cells = [_estimate_cell(known[key].estimate) if key in known else Cell(text=MISSING) for key in scores]
        rows.append(Row(cells=(text_cell(f"{group}/{image}" if several and group != image else image), *cells)))
    headings = (Heading(text="image", numeric=False), *_score_headings(found))
    caption = plural(len(rows), "image")
    return Table(caption=caption, headings=headings, rows=tuple(rows), sortable=True, reasons_of="columns")


def _estimate_cell(estimate: Estimate) -> Cell:
    if estimate.caution and not isnan(estimate.value):
        text = f"{number_text(estimate.value, digits=_DIGITS)} *"
        return Cell(text=text, value=estimate.value, reason=f"* with care: {estimate.caution}")
    return number_cell(estimate.value, text=number_text(estimate.value, digits=_DIGITS), reason=estimate.reason)


def reading_rows(found: Sequence[Reading]) -> list[dict[str, Any]]:
    """One row a score of an image, with unit and direction: what goes to CSV, Parquet and JSON."""
    return [_reading_row(item, item.spec) for item in found]


def _reading_row(item: Reading, spec: ScoreSpec | None) -> dict[str, Any]:
    return {
        "group": item.group,
        "image": item.image,
        "metric": item.metric,
        "score": item.score,
        "value": item.estimate.value,
        "low": item.estimate.low,
        "high": item.estimate.high,
        "unit": spec.unit if spec else None,
        "higher_is_better": spec.higher_is_better if spec and spec.best is None else None,
        "reason": item.estimate.reason or None,
        "caution": item.estimate.caution or None,
    }


def draw_readings(found: Sequence[Reading], path: Path, *, summaries: Sequence[Summary]) -> None:
    """A panel a score: every image a mark, the mean of a group with its 95 % interval over them; .png or .svg."""
    from orbiq.reports.style import MUTED, checked_suffix, drawing, new_figure, save

    checked_suffix(path, (".png", ".svg"))
    drawn = {(i.metric, i.score) for i in found if isfinite(i.estimate.value)}
    keys = [key for key in dict.fromkeys((i.metric, i.score) for i in found) if key in drawn]
    groups = list(dict.fromkeys(item.group for item in found))
    columns = min(3, max(len(keys), 1))
    lines = -(-max(len(keys), 1) // columns)
    with drawing():
        figure, axes = new_figure((4.2 * columns, 0.9 + lines * (1.1 + 0.42 * len(groups))))
        axes.remove()
        panels = figure.subplots(lines, columns, squeeze=False, sharey=True).ravel()
        for panel, key in zip(panels, keys, strict=False):
            of_score = [i for i in found if (i.metric, i.score) == key]
            _draw_panel(panel, of_score, [s for s in summaries if (s.metric, s.score) == key], groups)
        for panel in panels[len(keys) :]:
            panel.set_visible(False)
        figure.supxlabel(_legend(summaries), fontsize=8.5, x=0.01, ha="left", color=MUTED)
    save(figure, path)


def _legend(summaries: Sequence[Summary]) -> str:
    """What the marks of a picture mean, of those that are on it."""
    if any(s.n_images > 1 for s in summaries):
        return "Every mark is an image. Black: mean and its 95 % interval."
    interval = any(isfinite(s.low) and isfinite(s.high) for s in summaries)
    return f"Every mark is an image.{' Bar: 95 % interval.' if interval else ''}"


def _draw_panel(panel: Any, found: Sequence[Reading], summaries: Sequence[Summary], groups: Sequence[str]) -> None:
    from orbiq.reports.style import shown, sign

    for k, group in enumerate(groups):
        _draw_group(panel, k, [i for i in found if i.group == group], sign(k))
        _draw_mean(panel, k, [s for s in summaries if s.group == group])
    panel.set_yticks(range(len(groups)), [shown(group) for group in groups])
    panel.set_ylim(len(groups) - 0.5, -0.5)
    panel.locator_params(axis="x", nbins=5)  # numbers of many digits must not touch
    panel.set_xlabel(_axis_text(found[0].score, found[0].spec))
    panel.grid(axis="x")


def _axis_text(score: str, spec: ScoreSpec | None) -> str:
    better = direction_text(spec)
    return f"{_titled(score, spec)}{f' · {better}' if 'best' in better else f' · {better} is better' if better else ''}"


def _draw_group(panel: Any, place: int, rows: Sequence[Reading], look: dict[str, Any]) -> None:
    """The images of a group, moved apart a little, always in the same way."""
    values = np.array([row.estimate.value for row in rows if isfinite(row.estimate.value)])
    shift = 0.18 * np.sin(2.399963 * np.arange(len(values))) if len(values) > 1 else np.zeros(len(values))
    mark = look | {"linestyle": "none", "alpha": 0.65, "markeredgecolor": "white", "markeredgewidth": 0.5}
    panel.plot(values, place + shift, **mark)


def _draw_mean(panel: Any, place: int, items: Sequence[Summary]) -> None:
    from orbiq.reports.style import INK

    for item in items:
        if isnan(item.mean) or isinf(item.mean):
            continue
        if isfinite(item.low) and isfinite(item.high):
            panel.plot([item.low, item.high], [place, place], color=INK, linewidth=2.2, solid_capstyle="butt")
        if item.n_images > 1:
            panel.plot([item.mean], [place], marker="|", color=INK, markersize=13, markeredgewidth=2.2)
