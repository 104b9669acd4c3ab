"""orbiq sync, ui: MLflow."""

from pathlib import Path
from typing import Annotated

import typer

from orbiq.cli.show import EXIT_FAILED_RUNS, guarded, print_json, progress

ExperimentFile = Annotated[Path, typer.Argument(help="The experiment's YAML file.", metavar="EXPERIMENT")]


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command(
        name="sync",
        help="Send to MLflow whatever it lacks.\n\nFor example after its server was out of reach.\n\n"
        "\b\nExamples:\n  orbiq sync experiment.yaml\n  orbiq sync experiment.yaml --tracking http://127.0.0.1:5000",
    )(guarded(sync))
    app.command(
        name="ui",
        help="Open MLflow on an experiment's store.\n\n"
        "\b\nExamples:\n  orbiq ui experiment.yaml\n  orbiq ui experiment.yaml --port 5001",
    )(guarded(ui))


def sync(
    experiment: ExperimentFile,
    tracking: Annotated[str | None, typer.Option(help="Another MLflow tracking URI than the file's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Send what is missing."""
    from orbiq.settings import load_experiment
    from orbiq.tracking.tracker import sync as send

    loaded = load_experiment(experiment)
    with progress(quiet=as_json):
        said = send(
            loaded.experiment_folder,
            uri=tracking or loaded.tracking,
            experiment=loaded.name,
            workspace=loaded.path(loaded.workspace),
        )
    if as_json:
        print_json(vars(said))
    else:
        print(f"{said.sent} runs sent, {said.kept} were there, {said.deleted} unfinished copies deleted")
        for problem in said.problems:
            print(f"note: {problem}")
    if said.problems:
        raise typer.Exit(EXIT_FAILED_RUNS)


def ui(
    experiment: ExperimentFile,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 5000,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
) -> None:
    """MLflow's own pages."""
    from orbiq.settings import load_experiment
    from orbiq.tracking.server import ui as serve

    loaded = load_experiment(experiment)
    print("starting MLflow …", flush=True)
    serve(
        loaded.path(loaded.workspace),
        loaded.tracking,
        port=port,
        open_browser=browser,
        ready=lambda url: print(f"MLflow is at {url} (Ctrl-C ends it)", flush=True),
    )
