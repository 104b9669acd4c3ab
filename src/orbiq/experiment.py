"""THE FLOW: a dataset and a task in, an operating point out.

dataset ──modify──▶ variant ──run the task──▶ results.json, output.json ──score──▶ record ──▶ MLflow
                                                                          └──▶ table ──▶ operating point
"""

import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orbiq.analysis.answer import analyse
from orbiq.bench import Bench, perform, train
from orbiq.cache import exclusive
from orbiq.plan import Plan, make_plan
from orbiq.progress import Progress, Quiet
from orbiq.records import read_records, why_unscored
from orbiq.scoring import load_metrics
from orbiq.settings import Experiment
from orbiq.steps import clear_the_ground, make_variants, remember_experiment
from orbiq.tasks.local import check_command, run_all
from orbiq.tracking.server import live_server
from orbiq.tracking.tracker import Tracker


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What came of an experiment: how many runs, what failed, what the analysis says, what else is worth knowing."""

    folder: Path
    n_runs: int
    n_done_now: int
    n_failed: int
    stopped: bool
    analysis: dict[str, Any]
    problems: tuple[str, ...] = ()


def run(experiment: Experiment, *, progress: Progress | None = None, stop: threading.Event | None = None) -> Summary:
    """Make every variant, run the task on each, score, record and track; what is finished already is kept.

    Only one orbiq works on an experiment at a time (BusyError). `stop` ends it early without losing a finished run.
    """
    show, stop = progress or Quiet(), stop or threading.Event()
    folder = experiment.experiment_folder
    with ExitStack() as stack:
        stack.enter_context(exclusive(folder / ".lock", what=f"experiment {experiment.name!r}"))
        clear_the_ground(folder, show)
        for command in experiment.commands().values():
            check_command(command)
        metrics = load_metrics(experiment)
        plan = make_plan(experiment)
        remember_experiment(plan)
        make_variants(plan, show)
        tracker = stack.enter_context(_tracker(plan, stack))
        bench = Bench.of(plan, metrics=metrics, tracker=tracker, show=show, stop=stop)
        todo = bench.still_to_do()
        for _ in run_all(
            bench.trainings_for(todo), train(bench), jobs=experiment.jobs, gpus=experiment.gpus, stop=stop
        ):
            bench.tick()
        for run_folder in run_all(todo, perform(bench), jobs=experiment.jobs, gpus=experiment.gpus, stop=stop):
            bench.finished(run_folder)
    return summary(plan, n_done_now=bench.n_done, stopped=stop.is_set(), problems=tuple(tracker.problems))


def _tracker(plan: Plan, stack: ExitStack) -> Tracker:
    """The one writer to MLflow; behind a loopback server while tasks log live."""
    experiment = plan.experiment
    workspace = experiment.path(experiment.workspace)
    return Tracker(
        experiment.tracking,
        experiment_folder=plan.folder,
        experiment=experiment.name,
        workspace=workspace,
        through=stack.enter_context(live_server(workspace, experiment.tracking)) if experiment.monitoring else "",
    )


def summary(plan: Plan, *, n_done_now: int, stopped: bool, problems: tuple[str, ...] = ()) -> Summary:
    """Analyse what is on disk and say how it stands."""
    records = read_records(plan.folder)
    return Summary(
        folder=plan.folder,
        n_runs=len(plan.runs),
        n_done_now=n_done_now,
        n_failed=sum(record.status == "failed" for record in records),
        stopped=stopped,
        analysis=analyse(plan.folder),
        problems=(*problems, *why_unscored(plan.folder, records)),
    )
