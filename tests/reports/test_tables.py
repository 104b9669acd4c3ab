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


def test_a_long_name_is_broken_before_a_column_is_left_out():
    names = ("variant", "bits per pixel", "cost ratio", "ap50", "95 % interval", "score kept", "chance it keeps enough")
    headings = tuple(Heading(text=n, numeric=n != "variant", minor=n == "95 % interval") for n in names)
    values = (*map(number_cell, (2.35, 0.24, 0.512)), text_cell("0.481–0.540"), *map(number_cell, (0.98, 0.9)))
    chosen = "sensor:gsd_m=2,mtf_nyquist=0.15,snr=60,bits=11"
    rows = (
        Row(cells=(text_cell(chosen), *values[:-1], number_cell(None, reason="unknown")), tag="operating point"),
        Row(cells=(text_cell("jpeg:quality=70,subsampling=444>quantize:bits=4"), *values)),
    )
    table = rich_table(Table(caption="c", headings=headings, rows=rows, reasons_of="rows"))
    assert chosen in printed(table, width=120)
    text = printed(table, width=80)
    lines = [line.rstrip() for line in text.splitlines()]
    at = next(k for k, line in enumerate(lines) if line.startswith("sensor"))
    assert lines[at].split() == ["sensor:gsd_m=2,", "2.35", "0.240", "0.512", "0.481–0.540", "0.980", "–"]
    assert lines[at + 1 : at + 3] == ["  mtf_nyquist=0.15,snr=60,", "  bits=11 ◆"]
    assert lines[at + 4 : at + 6] == ["  subsampling=444>", "quantize:bits=4"]
    assert "left out" not in text
    assert "– sensor:gsd_m=2,mtf_nyquist=0.15,snr=60,bits=11: unknown" in text
    assert max(map(len, lines)) <= 80
    narrow = printed(table, width=60)
    assert "left out, for want of width: 95 % interval\n" in narrow
