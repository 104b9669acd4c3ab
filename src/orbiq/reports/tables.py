"""Tables of a report, once as data: for the terminal through `terminal.py`, for a page through its template.

A cell that is unknown shows "–" and says why: as a tooltip on a page, below the table in the terminal.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from orbiq.reports.answers import Answer, Level
from orbiq.reports.evidence import Run
from orbiq.reports.wording import (
    MISSING,
    axis_label,
    bytes_text,
    chance_text,
    duration_text,
    number_text,
    percent_text,
    setting_text,
)


@dataclass(frozen=True, kw_only=True)
class Heading:
    """The head of a column; numbers stand to the right; a terminal too narrow for all leaves `minor` ones out first."""

    text: str
    numeric: bool = True
    minor: bool = False


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What a cell shows, what it is sorted by, and why it is empty."""

    text: str
    value: float | str | None = None
    reason: str = ""

    @property
    def sort_key(self) -> str:
        """The value in full, "" when unknown."""
        if isinstance(self.value, float) and math.isnan(self.value):
            return ""
        return self.text if self.value is None else str(self.value)


@dataclass(frozen=True, kw_only=True)
class Row:
    """Cells under the headings; `chosen` stands out, `tag` says why in words, `alarm` that it is no good news."""

    cells: tuple[Cell, ...]
    chosen: bool = False
    alarm: bool = False
    tag: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A caption, headings and rows; `sortable` by a click on its page.

    `reasons_of` says what the terminal calls an empty cell when it tells the reason: by its row, or by its column.
    """

    caption: str
    headings: tuple[Heading, ...]
    rows: tuple[Row, ...]
    sortable: bool = False
    reasons_of: Literal["rows", "columns"] | None = None


def text_cell(text: object) -> Cell:
    """A cell of words."""
    return Cell(text=str(text) or MISSING)


def number_cell(value: float | None, *, text: str | None = None, reason: str = "") -> Cell:
    """A cell of a number, shown in sensible digits or as `text`; unknown it is "–" with its reason."""
    if value is None or math.isnan(value):
        return Cell(text=MISSING, value=math.nan, reason=reason)
    return Cell(text=number_text(value) if text is None else text, value=float(value), reason="")


def level_table(answer: Answer) -> Table:
    """Variant, rate, ratio, score with interval, retention, and the chance that it keeps the score."""
    cost = () if answer.cost_name == "bits_per_pixel" else (Heading(text=axis_label(answer.cost_name)),)
    headings = (
        Heading(text="variant", numeric=False),
        *cost,
        Heading(text="bits per pixel"),
        Heading(text="per image"),
        Heading(text="cost ratio"),
        Heading(text=f"{answer.score}{f' ({answer.unit})' if answer.unit else ''}"),
        Heading(text=f"{percent_text(answer.confidence, places=0)} interval", minor=True),
        Heading(text="score kept"),
        Heading(text="chance it keeps enough"),
        *((Heading(text="images a pass"),) if _in_passes(answer) else ()),
        Heading(text="runs"),
    )
    ordered = sorted(answer.levels, key=lambda v: (v.is_reference, v.cost if math.isfinite(v.cost) else math.inf))
    better = "higher" if answer.higher_is_better else "lower"
    return Table(
        caption=f"Every variant, cheapest first. {answer.score}: {better} is better.",
        headings=headings,
        rows=tuple(_level_row(level, answer, with_cost=bool(cost)) for level in ordered),
    )


def _level_row(level: Level, answer: Answer, *, with_cost: bool) -> Row:
    known = math.isfinite(level.low) and math.isfinite(level.high)
    interval = f"{number_text(level.low)}–{number_text(level.high)}" if known else None
    chosen = level.variant == answer.chosen
    cells = (
        text_cell(level.variant),
        *((number_cell(level.cost),) if with_cost else ()),
        number_cell(level.bits_per_pixel, reason=level.reason),
        number_cell(level.bytes_per_image, text=bytes_text(level.bytes_per_image), reason=level.reason),
        number_cell(level.cost_ratio, text=number_text(level.cost_ratio, digits=2), reason=level.reason),
        number_cell(level.score, reason=level.reason),
        number_cell(level.high - level.low if known else math.nan, text=interval, reason=level.reason),
        number_cell(level.retention, text=percent_text(level.retention), reason=level.reason),
        _chance_cell(level),
        *((number_cell(level.images_per_pass, reason=level.reason),) if _in_passes(answer) else ()),
        number_cell(level.n_runs),
    )
    return Row(cells=cells, chosen=chosen, tag="operating point" if chosen else "")


def _in_passes(answer: Answer) -> bool:
    """Whether a downlink was stated."""
    return any(math.isfinite(level.images_per_pass) for level in answer.levels)


def _chance_cell(level: Level) -> Cell:
    if level.is_reference:
        return number_cell(math.nan, reason="it is what the others are held against")
    return number_cell(level.chance_kept, text=chance_text(level.chance_kept), reason=level.reason)


def family_table(answer: Answer) -> Table | None:
    """For each family the least cost that keeps enough of the score, with its interval; None without families."""
    if not answer.families:
        return None
    headings: tuple[Heading, ...] = (
        Heading(text="family", numeric=False),
        Heading(text=f"least {axis_label(answer.cost_name)}"),
        Heading(text=f"{percent_text(answer.confidence, places=0)} interval"),
        Heading(text="on the safe side"),
    )
    notes = any(family.reason for family in answer.families)
    rows = []
    for family in answer.families:
        known = math.isfinite(family.low) and math.isfinite(family.high)
        interval = f"{number_text(family.low)} – {number_text(family.high)}" if known else None
        cells = (
            text_cell(family.name),
            number_cell(family.central, reason=family.reason),
            number_cell(family.low if known else math.nan, text=interval, reason=family.reason),
            number_cell(family.conservative, reason=family.reason),
            *((text_cell(family.reason),) if notes else ()),
        )
        rows.append(Row(cells=cells))
    headings += (Heading(text="note", numeric=False),) if notes else ()
    caption = f"The least cost that {answer.demand}, by family, read off the curve between the tested variants"
    return Table(caption=caption, headings=headings, rows=tuple(rows))


def class_tables(runs: Sequence[Run], *, variants: Sequence[str], first: str = "") -> list[Table]:
    """Scores named `<score>/<class>`: a table a score, classes down, variants across, means over runs."""
    names = sorted({name for run in runs for name in run.scores if "/" in name})
    bases = sorted({name.split("/", 1)[0] for name in names}, key=lambda b: (b != first, b))
    return [_class_table(base, names, runs, variants) for base in bases[:3]]


def _class_table(base: str, names: Sequence[str], runs: Sequence[Run], variants: Sequence[str]) -> Table:
    rows = []
    for name in (n for n in names if n.split("/", 1)[0] == base):
        cells = [text_cell(name.split("/", 1)[1])]
        for variant in variants:
            mine = [r for r in runs if r.record.variant == variant]
            values = [v for r in mine if not math.isnan(v := r.scores.get(name, math.nan))]
            reason = next((r.reasons[name] for r in mine if name in r.reasons), "no finished run gives this score")
            cells.append(number_cell(sum(values) / len(values) if values else math.nan, reason=reason))
        rows.append(Row(cells=tuple(cells)))
    headings = (Heading(text="class", numeric=False), *(Heading(text=v) for v in variants))
    return Table(caption=f"{base} of each class, mean over runs", headings=headings, rows=tuple(rows))


def run_table(runs: Sequence[Run]) -> Table:
    """Every run: variant, parameters, repetition, rate, scores, duration, status."""
    params = sorted({key for run in runs for key in run.record.params})
    scores = sorted({name for run in runs for name in run.scores if "/" not in name})
    headings = (
        Heading(text="variant", numeric=False),
        *(Heading(text=name) for name in params),
        Heading(text="repetition"),
        Heading(text="bits per pixel"),
        *(Heading(text=axis_label(name), minor=True) for name in scores),
        Heading(text="duration", minor=True),
        Heading(text="status", numeric=False),
    )
    rows = tuple(Row(cells=_run_cells(run, params, scores)) for run in runs)
    return Table(caption="Every run", headings=headings, rows=rows, sortable=True)


def _run_cells(run: Run, params: Sequence[str], scores: Sequence[str]) -> tuple[Cell, ...]:
    record = run.record
    why = record.reason or "the run does not give this score"
    return (
        text_cell(record.variant),
        *(_setting_cell(record.params.get(name)) for name in params),
        Cell(text=str(record.repetition), value=float(record.repetition)),
        number_cell(record.rate.bits_per_pixel if record.splits else math.nan, reason=why),
        *(number_cell(run.scores.get(name), reason=run.reasons.get(name, why)) for name in scores),
        number_cell(record.duration_s, text=duration_text(record.duration_s), reason="not measured"),
        text_cell(record.status),
    )


def _setting_cell(value: Any) -> Cell:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_cell(float(value), text=setting_text(value))
    return text_cell(setting_text(value))
