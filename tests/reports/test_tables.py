"""Tables in the terminal."""

import io
from dataclasses import replace

from rich.console import Console

from orbiq.cache import read_json_or
from orbiq.reports.evidence import read_evidence
from orbiq.reports.tables import Heading, Row, Table, number_cell, text_cell
from orbiq.reports.terminal import operating_point_table, rich_table, runs_table


def printed(table, *, width: int = 200) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(table)
    return stream.getvalue()


def test_levels_cheapest_first_and_the_answer_marked(experiment):
    text = printed(operating_point_table(read_json_or(experiment / "analysis.json", {})["operating_point"]))
    lines = text.splitlines()
    assert lines[-10].split()[0] == "jpeg:quality=10"
    assert lines[-2].startswith("reference")
    (chosen,) = [line for line in lines if "◆" in line]
    assert chosen.startswith("jpeg:quality=50 ◆")
    assert "98.8\u00a0%" in chosen


def test_every_run_is_there_with_its_reason(experiment):
    text = printed(runs_table(read_evidence(experiment).runs))
    assert text.count("finished") == 27
    assert text.count("failed") == 1
    assert "– the task ended with exit code 3" in text


def test_names_are_never_markup():
    rows = (Row(cells=(text_cell("[red]x[/red] [/]"), number_cell(None, reason="[bold]"))),)
    table = Table(caption="[b]c", headings=(Heading(text="[i]h", numeric=False), Heading(text="n")), rows=rows)
    text = printed(rich_table(table))
    for part in ("[b]c", "[i]h", "[red]x[/red] [/]", "– [bold]"):
        assert part in text


def test_reasons_are_said_of_rows_or_columns_and_not_without_end():
    headings = tuple(Heading(text=name, numeric=name != "of") for name in ("of", "first", "second"))
    cells = [(text_cell(f"row {k}"), number_cell(None, reason="flat"), number_cell(None, reason="* 2")) for k in (0, 1)]
    table = Table(caption="c", headings=headings, rows=tuple(Row(cells=c) for c in cells), reasons_of="rows")
    assert "– row 0, row 1: flat\n* row 0, row 1: 2\n" in printed(rich_table(table))
    assert "– first: flat\n* second: 2\n" in printed(rich_table(replace(table, reasons_of="columns")))
    assert "– flat\n* 2\n" in printed(rich_table(replace(table, reasons_of=None)))
    rows = tuple(Row(cells=(text_cell(k), number_cell(None, reason=f"no {k}."), text_cell(""))) for k in range(40))
    many = printed(rich_table(replace(table, rows=rows)))
    assert "– 14: no 14.\n… and 25 more reasons\n" in many


def test_a_narrow_terminal_leaves_columns_out_whole_and_says_which():
    names = ("variant", "score", "interval", "kept")
    headings = tuple(Heading(text=n, numeric=n != "variant", minor=n == "interval") for n in names)
    cells = (text_cell("gaussian-blur:sigma_px=1>jpeg:quality=70"), *map(number_cell, (0.25, 0.75, 0.5)))
    table = rich_table(Table(caption="c", headings=headings, rows=(Row(cells=cells),)))
    assert "gaussian-blur:sigma_px=1>jpeg:quality=70  0.250     0.750  0.500" in printed(table, width=70)
    narrow = printed(table, width=42)
    assert "gaussian-blur:sigma_px=1>  0.250  0.500" in narrow
    assert "left out, for want of width: interval" in narrow
    assert "left out" not in printed(table, width=60)
    assert printed(table, width=10).splitlines()[1].split() == ["variant"]
