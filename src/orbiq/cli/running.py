"""orbiq demo, run, try: the main job."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orbiq.cli.show import EXIT_FAILED_RUNS, duration_text, guarded, print_json, progress, size_text

if TYPE_CHECKING:
    from orbiq.experiment import Summary

ExperimentFile = Annotated[Path, typer.Argument(help="The experiment's YAML file.", metavar="EXPERIMENT")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show what the tasks print, as it comes.")]


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command(
        name="demo", help="Run a whole experiment on made-up airport scenes.\n\n"
        "\b\nExamples:\n  orbiq demo\n  orbiq demo --out ~/orbiq-demo"
    )(guarded(demo))  # fmt: skip
    app.command(
        name="run",
        help="Run an experiment.\n\n"
        "Makes every variant, runs the task on each, scores, tracks in MLflow, and writes the report. "
        "What is finished is kept: after a crash, Ctrl-C or a change, the same command does what is missing.\n\n"
        "\b\nExamples:\n  orbiq run experiment.yaml\n  orbiq run experiment.yaml --dry-run\n"
        "  orbiq run experiment.yaml --jobs 4 --verbose\n\n"
        "\b\nAn experiment file:\n"
        "  name: airports\n"
        "  datasets: {train: data/train, test: data/test}\n"
        "  modifiers:\n    - jpeg: {quality: [10, 30, 50, 70, 90]}\n"
        "  task: {script: train.py}\n"
        "  params: {epochs: 20}\n  repetitions: 3\n  seed_argument: seed\n"
        "  metrics: [coco-detection]\n"
        "  objective: {score: ap50, keep: 0.98, confidence: 0.95}",
    )(guarded(run))
    app.command(
        name="try",
        help="Check the task on four images of each split.\n\n"
        "One short run before hours of sweep: does the task keep the contract, can its output be scored?\n\n"
        "\b\nExamples:\n  orbiq try experiment.yaml\n  orbiq try experiment.yaml --set epochs=1",
    )(guarded(try_))


def demo(
    out: Annotated[Path, typer.Option(help="Where data and results go.")] = Path("orbiq-demo"),
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """The demo."""
    from orbiq.demo.prepare import prepare

    with progress(quiet=as_json, verbose=verbose) as show:
        experiment = prepare(out, progress=show)
    _run(experiment, as_json=as_json, verbose=verbose)


def run(
    experiment: ExperimentFile,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, do nothing.")] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="Runs at a time, instead of the file's.")] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """The main job."""
    from orbiq.settings import load_experiment

    loaded = load_experiment(experiment)
    if jobs:
        loaded = loaded.model_copy(update={"jobs": jobs})
    if dry_run:
        _print_plan(loaded, as_json=as_json)
    else:
        _run(loaded, as_json=as_json, verbose=verbose)


def _run(experiment: Any, *, as_json: bool, verbose: bool) -> None:
    from orbiq.experiment import run as run_experiment
    from orbiq.reports.pages import write_report

    with progress(quiet=as_json, verbose=verbose) as show:
        summary = run_experiment(experiment, progress=show)
        report = write_report(summary.folder)
    if as_json:
        print_json({**asdict(summary), "folder": str(summary.folder), "report": str(report)})
    else:
        _print_summary(summary, report)
    if summary.n_failed:
        raise typer.Exit(EXIT_FAILED_RUNS)


def _print_summary(summary: "Summary", report: Path) -> None:
    from rich.console import Console

    from orbiq.reports.terminal import operating_point_table

    console = Console(highlight=False)
    point = summary.analysis.get("operating_point")
    kept = summary.n_runs - summary.n_done_now
    console.print(
        f"{summary.n_runs} runs: {summary.n_done_now} done now, {max(0, kept)} kept, {summary.n_failed} failed"
    )
    if point:
        console.print(operating_point_table(point))
        console.print(point["sentence"], style="bold", markup=False)
        if point.get("advice"):
            console.print(point["advice"], markup=False)
    elif summary.analysis.get("reason"):
        console.print(f"No operating point: {summary.analysis['reason']}.", markup=False)
    for problem in summary.problems:
        console.print(f"note: {problem}", markup=False)
    console.print(f"Report: {_short(report)}", markup=False, soft_wrap=True)


def _short(path: Path) -> str:
    """Relative where that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _print_plan(experiment: Any, *, as_json: bool) -> None:
    from orbiq.plan import make_plan, outlook
    from orbiq.scoring import load_metrics

    load_metrics(experiment)
    plan = make_plan(experiment)
    view = outlook(plan)
    if as_json:
        runs = [
            {"run": s.run, "variant": s.variant, "params": s.params, "done": plan.record(s) is not None}
            for s in plan.runs
        ]
        print_json({**asdict(view), "runs": runs})
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("variant", "dataset", "state", title=f"{experiment.name}: the plan", title_justify="left")
    for variant, dataset, done in view.variants:
        table.add_row(variant, dataset, "there" if done else "to be made")
    console = Console(highlight=False)
    console.print(table)
    trainings = f", {view.n_trainings} trainings shared among them" if view.n_trainings else ""
    console.print(f"{view.n_runs} runs{trainings}: {view.n_done} finished, {view.n_runs - view.n_done} to do")
    console.print(f"disk for variants to be made: about {size_text(view.disk_bytes)}")
    left = "unknown until a run has finished" if view.duration_s is None else f"about {duration_text(view.duration_s)}"
    console.print(f"time for runs: {left}")


def try_(
    experiment: ExperimentFile,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Another value for a parameter, this once.")
    ] = None,
    verbose: Verbose = False,
) -> None:
    """One short run on four images of each split."""
    from orbiq.errors import SettingError
    from orbiq.registry import parse_spec
    from orbiq.settings import load_experiment
    from orbiq.trial import try_task

    for item in set_ or []:
        if not item.partition("=")[1]:
            raise SettingError(f"--set {item}: expected NAME=VALUE, as in --set epochs=1")
    params = {k: v for item in set_ or [] for k, v in parse_spec(f"set:{item}")[0].items() if k != "name"}
    with progress(verbose=verbose) as show:
        trial = try_task(load_experiment(experiment), params=params, progress=show)
    for line in trial.lines:
        print(line)
    if not trial.passed:
        raise typer.Exit(EXIT_FAILED_RUNS)
