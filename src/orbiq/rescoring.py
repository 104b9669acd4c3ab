"""A metric applied to an experiment that has been run: no run is repeated, MLflow learns of it."""

from pathlib import Path

from pydantic import ValidationError

from orbiq.analysis.answer import analyse
from orbiq.bench import apply_metric
from orbiq.cache import exclusive
from orbiq.errors import DatasetError, SettingError
from orbiq.metrics.chosen import load_metric
from orbiq.plan import Plan, make_plan
from orbiq.progress import Progress
from orbiq.records import read_about, read_scores
from orbiq.registry import look_in
from orbiq.scoring import load_metrics
from orbiq.settings import Experiment, metric_config
from orbiq.settings_file import explain
from orbiq.steps import variant_of
from orbiq.tracking.store import is_off
from orbiq.tracking.tracker import sync


def rescore(experiment_folder: Path, metrics: list[str], *, progress: Progress) -> dict[str, dict[str, float]]:
    """Apply metrics (in text form) to every finished run; returns run → what they said.

    Variants that were cleaned away are made again first. Raises DatasetError where nothing has run yet.
    """
    experiment = experiment_of(experiment_folder)
    known = {metric.text: metric for metric in load_metrics(experiment)}
    asked = [load_metric(metric_config(text)) for text in metrics]
    loaded = [known.get(metric.text, metric) for metric in asked]
    with exclusive(experiment_folder / ".lock", what=f"experiment {experiment.name!r}"):
        plan = make_plan(experiment)
        steps = [step for step in plan.runs if plan.record(step) is not None]
        if not steps:
            raise DatasetError(f"experiment {experiment.name!r} has no finished run to score; run it first")
        for key in {step.variants[experiment.judged] for step in steps}:
            variant_of(plan, plan.variants[key])
        progress.stage("scores", len(steps) * len(loaded))
        reasons: dict[str, None] = {}
        for k, step in enumerate(steps):
            for metric in loaded:
                given = apply_metric(plan, metric, step=step, run_folder=plan.run_folder(step.run))
                reasons |= dict.fromkeys(given.reasons.values())
            progress.tick((k + 1) * len(loaded))
        for reason in reasons:
            progress.say(f"note: {reason}")
        _tell_mlflow(plan, progress)
    analyse(experiment_folder)
    texts = {metric.text for metric in loaded}
    return {step.run: _said(plan.run_folder(step.run), texts) for step in steps}


def experiment_of(experiment_folder: Path) -> Experiment:
    """The experiment that left its results in a folder."""
    about = read_about(experiment_folder)
    settings, folder = about["settings"], experiment_folder / about["folder"]
    look_in(folder)
    try:
        return Experiment.model_validate(settings).at(folder)
    except ValidationError as error:
        raise SettingError(explain(error, Experiment, name=f"{experiment_folder.name}/experiment.json")) from None


def _said(run_folder: Path, texts: set[str]) -> dict[str, float]:
    return {name: v for given in read_scores(run_folder) if given.metric in texts for name, v in given.scores.items()}


def _tell_mlflow(plan: Plan, progress: Progress) -> None:
    experiment = plan.experiment
    if is_off(experiment.tracking):
        return
    said = sync(
        plan.folder,
        uri=experiment.tracking,
        experiment=experiment.name,
        workspace=experiment.path(experiment.workspace),
    )
    for problem in said.problems:
        progress.say(f"note: {problem}")
