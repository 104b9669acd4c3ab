"""Tables in the terminal, through rich."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from orbiq.reports.answers import Answer
from orbiq.reports.evidence import Run
from orbiq.reports.tables import Table, level_table, run_table
from orbiq.reports.wording import MISSING, clean

if TYPE_CHECKING:
    from rich.console import ConsoleOptions
    from rich.table import Table as RichTable
    from rich.text import Text

_NAMED = 6
"""So many of the columns left out, or of the cells that are empty for one reason, are named."""
_MOST_REASONS = 15


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A table that rich prints in whatever width there is: a column is whole or left out, and said to be."""

    table: Table

    def __rich_console__(self, console: object, options: "ConsoleOptions") -> Iterator["RichTable | Text"]:
        table, kept = self._fitting(options.max_width)
        widths = _widths(table)
        natural = sum(max(widths[k], len(table.headings[k].text) + 2) for k in kept)
        yield _drawn(_only(table, kept), tight=[widths[k] - 2 for k in kept] if natural > options.max_width else None)
        if notes := _notes(self.table, left_out=[h.text for k, h in enumerate(table.headings) if k not in kept]):
            yield notes

    def _fitting(self, width: int) -> tuple[Table, list[int]]:
        """The table with its names broken as far as the columns need, and the columns that stay."""
        widths = _widths(self.table)
        kept = list(range(len(widths)))
        if sum(widths) <= width:
            return self.table, kept
        widths = _widths(_broken(self.table, room=0))
        for k in sorted(kept[1:], key=lambda k: (not self.table.headings[k].minor, -widths[k], -k)):
            if sum(widths[j] for j in kept) > width:
                kept.remove(k)
        return _broken(self.table, room=width - sum(widths[k] for k in kept[1:]) - 2), kept


def rich_table(table: Table) -> Fitted:
    """The table for the terminal; names are shown as they are, never read as markup; reasons stand below."""
    return Fitted(table=table)


def _widths(table: Table) -> list[int]:
    """What each column needs: its values whole, its heading word by word, and a gap of 2."""
    tagged = [2 if row.tag else 0 for row in table.rows]
    lines = [[line for cell in row.cells[:1] for line in cell.text.split("\n")] for row in table.rows]
    first = max((len(line) + tag for row, tag in zip(lines, tagged, strict=True) for line in row), default=0)
    found = []
    for k, heading in enumerate(table.headings):
        values = first if k == 0 else max((len(row.cells[k].text) for row in table.rows), default=0)
        found.append(max(values, *map(len, heading.text.split() or [""])) + 2)
    return found


def _broken(table: Table, *, room: int) -> Table:
    """The table with a line for each step of a chain, and for as many settings of a step as fit into `room`."""
    rows = []
    for row in table.rows:
        free = room - 2 if row.tag else room
        lines = [_step_lines(step, free) for step in re.findall(r"[^>]*>|[^>]+", row.cells[0].text)]
        rows.append(replace(row, cells=(replace(row.cells[0], text="\n".join(lines)), *row.cells[1:])))
    return replace(table, rows=tuple(rows))


def _step_lines(step: str, room: int) -> str:
    """A step, broken behind commas where it is longer than `room`; what continues is indented.

    >>> print(_step_lines("sensor:gsd_m=2,mtf_nyquist=0.15,snr=60,bits=11", 26))
    sensor:gsd_m=2,
      mtf_nyquist=0.15,snr=60,
      bits=11
    """
    lines = [""]
    for part in re.findall(r"[^,]*,|[^,]+", step):
        if lines[-1].strip() and len(lines[-1] + part) > room:
            lines.append("  ")
        lines[-1] += part
    return "\n".join(lines)


def _only(table: Table, kept: Sequence[int]) -> Table:
    rows = tuple(replace(row, cells=tuple(row.cells[k] for k in kept)) for row in table.rows)
    return replace(table, headings=tuple(table.headings[k] for k in kept), rows=rows)


def _notes(table: Table, *, left_out: Sequence[str]) -> "Text | None":
    """Why cells are empty and what was left out, as wide as the terminal."""
    from rich.text import Text

    notes = _reasons(table)
    if len(notes) > _MOST_REASONS:
        notes[_MOST_REASONS:] = [f"… and {len(notes) - _MOST_REASONS} more reasons"]
    if left_out:
        notes.append(f"left out, for want of width: {_listed(list(dict.fromkeys(left_out)))}")
    return Text("\n".join(notes), style="dim italic") if notes else None


def _reasons(table: Table) -> list[str]:
    """A line a reason, with the names of the rows or columns whose cells have it."""
    named: dict[str, dict[str, None]] = {}
    for row in table.rows:
        for cell, heading in zip(row.cells, table.headings, strict=True):
            if cell.reason:
                name = row.cells[0].text if table.reasons_of == "rows" else heading.text
                named.setdefault(cell.reason, {})[name] = None
    lines = []
    for reason, names in named.items():
        sign, text = ("*", reason[2:]) if reason.startswith("* ") else (MISSING, reason)
        lines.append(f"{sign} {f'{_listed(list(names))}: ' if table.reasons_of else ''}{clean(text)}")
    return lines


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(map(clean, names[:_NAMED]))}{more}"


def _drawn(table: Table, *, tight: Sequence[int] | None) -> "RichTable":
    """The table; `tight` states the columns' widths where the headings must be broken to fit."""
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(
        title=Text(clean(table.caption)),
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="dim",
    )
    for k, heading in enumerate(table.headings):
        justify: Literal["left", "right"] = "right" if heading.numeric else "left"
        width = max((len(row.cells[k].text) for row in table.rows), default=0) if k else None  # headings may wrap
        drawn.add_column(
            Text(clean(heading.text)),
            justify=justify,
            overflow="fold",
            no_wrap=k == 0,
            min_width=width,
            width=tight[k] if tight else None,
        )
    for row in table.rows:
        texts = ["\n".join(map(clean, c.text.split("\n"))) for c in row.cells]
        drawn.add_row(
            Text(texts[0] + (" ◆" if row.tag else "")), *map(Text, texts[1:]), style="bold" if row.chosen else None
        )
    return drawn


def operating_point_table(point: Mapping[str, Any] | Answer) -> Fitted:
    """Every variant of an operating point (as `analysis.json` holds it) for the terminal, cheapest first."""
    table = level_table(point if isinstance(point, Answer) else Answer.of(point))
    narrow = [k for k, heading in enumerate(table.headings) if heading.text not in {"per image", "runs"}]
    return rich_table(_only(table, narrow))


def runs_table(runs: Sequence[Run]) -> Fitted:
    """Every run for the terminal."""
    return rich_table(run_table(runs))
