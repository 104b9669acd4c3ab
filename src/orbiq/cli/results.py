"""orbiq score, table, report, diff: what came out."""

from pathlib import Path
from typing import Annotated

import typer

from orbiq.cli.show import EXIT_FAILED_RUNS, guarded, print_json, progress

Experiment = Annotated[Path, typer.Argument(help="An experiment's YAML file, or its folder of results.")]


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command(
        name="score",
        help="Apply a metric to finished runs.\n\nNothing is run again; the scores go to MLflow too.\n\n"
        "\b\nExamples:\n  orbiq score experiment.yaml --metric coco-detection:merge_categories=true\n"
        "  orbiq score experiment.yaml --metric mymodule:my_metric",
    )(guarded(score))
    app.command(
        name="table",
        help="Print one row a run, or write it to a file.\n\n"
        "\b\nExamples:\n  orbiq table experiment.yaml\n  orbiq table experiment.yaml --out runs.csv\n"
        "  orbiq table experiment.yaml --out runs.parquet",
    )(guarded(table))
    app.command(
        name="report",
        help="Write the report, or a plot of any columns.\n\n"
        "\b\nExamples:\n  orbiq report experiment.yaml\n"
        "  orbiq report experiment.yaml --downlink rate_mbps=520,pass_s=600\n"
        "  orbiq report experiment.yaml --plot curve.svg --x bits_per_pixel --y ap50 --legend family\n"
        "  orbiq report experiment.yaml --plot box.png --kind box --x quality --y ap50",
    )(guarded(report))
    app.command(
        name="diff",
        help="Compare two experiments: a gate for CI.\n\nExit 1 when the second does not keep enough of the first.\n\n"
        "\b\nExamples:\n  orbiq diff old/experiment.yaml new/experiment.yaml --keep 0.98",
    )(guarded(diff))


def score(
    experiment: Experiment,
    metric: Annotated[list[str], typer.Option("--metric", help="Name with options; may be repeated.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Scores after the fact."""
    from orbiq.registry import look_in
    from orbiq.reports.evidence import read_evidence
    from orbiq.reports.provenance import metrics_in_force
    from orbiq.rescoring import rescore

    look_in(Path.cwd())
    with progress(quiet=as_json) as show:
        said = rescore(_folder(experiment), metric, progress=show)
    if as_json:
        print_json(said)
        return
    for line in metrics_in_force(read_evidence(_folder(experiment))):
        if line.startswith(tuple(f"{name}: " for name in metric)):  # of what was asked for, where it has options
            print(line)
    for run, scores in said.items():
        print(run)
        for name, value in scores.items():
            print(f"  {name:<20} {value:.6g}")


def table(
    experiment: Experiment,
    out: Annotated[Path | None, typer.Option(help="Write .csv or .parquet instead of printing.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
) -> None:
    """The tidy table."""
    import sys

    from orbiq.analysis.table import csv_text, rows, write_table

    found = rows(_folder(experiment))
    if out is not None:
        write_table(out, found)
        print(f"{len(found)} rows in {out}")
    elif as_json:
        print_json(found)
    elif sys.stdout.isatty():
        from rich.console import Console

        from orbiq.reports.evidence import read_evidence
        from orbiq.reports.terminal import runs_table

        Console(highlight=False).print(runs_table(read_evidence(_folder(experiment)).runs))
    else:
        print(csv_text(found), end="")


def report(
    experiment: Experiment,
    out: Annotated[Path | None, typer.Option(help="Where the page goes.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a plot (.png or .svg) instead of the page.")] = None,
    kind: Annotated[str, typer.Option(help="line, bars, scatter or box.")] = "line",
    x: Annotated[str, typer.Option(help="Column along.")] = "bits_per_pixel",
    y: Annotated[str, typer.Option(help="Column up; the objective's score when left out.")] = "",
    legend: Annotated[str, typer.Option(help="Column that tells the lines apart.")] = "family",
    downlink: Annotated[
        str,
        typer.Option(help="A link, to count the images a pass: rate_mbps=520,pass_s=600,efficiency=0.9,swath_km=10."),
    ] = "",
) -> None:
    """The report, or a plot."""
    from orbiq.analysis.answer import analyse
    from orbiq.analysis.downlink import Downlink
    from orbiq.records import read_about

    folder = _folder(experiment)
    if plot is not None:
        from orbiq.reports.plots import plot as draw

        wanted = y or (read_about(folder)["settings"].get("objective") or {}).get("score", "")
        draw(folder, kind=kind, x=x, y=wanted, legend=legend, out=plot)  # type: ignore[arg-type]
        print(plot)
        return
    from orbiq.reports.pages import write_report

    said = analyse(folder, downlink=Downlink.of(downlink) if downlink else None)
    if downlink:
        point = said["operating_point"]
        print(point["sentence"] if point else f"No operating point: {said['reason']}.")
    print(write_report(folder, out=out))


def diff(
    first: Experiment,
    second: Experiment,
    keep: Annotated[float, typer.Option(min=0, max=1, help="The share of the first's score to keep.")] = 0.98,
    out: Annotated[Path | None, typer.Option(help="Where the page goes.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Two experiments side by side."""
    from orbiq.reports.diffs import write_diff

    said = write_diff(_folder(first), _folder(second), keep=keep, out=out)
    if as_json:
        print_json(said.as_dict())
    else:
        print(said.sentence)
        print(f"Report: {said.path}")
    if not said.passed:
        raise typer.Exit(EXIT_FAILED_RUNS)


def _folder(experiment: Path) -> Path:
    """The folder of results that a YAML file, or the folder itself, names."""
    from orbiq.errors import DatasetError

    if experiment.is_dir():
        if not (experiment / "experiment.json").is_file():
            raise DatasetError(f"{experiment} holds no experiment; name its YAML file, or the folder with its runs/")
        return experiment
    from orbiq.settings import load_experiment

    folder = load_experiment(experiment).experiment_folder
    if not (folder / "experiment.json").is_file():
        raise DatasetError(f"experiment {experiment.name} has no results yet. Run it first: orbiq run {experiment}")
    return folder
