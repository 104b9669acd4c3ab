"""One short run before hours of sweep: four images of each split as a variant, the whole contract checked."""

import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orbiq.cache import storage_errors
from orbiq.datasets.folder import open_dataset
from orbiq.datasets.subset import some_images, write_subset
from orbiq.errors import SettingError, did_you_mean
from orbiq.metrics.chosen import load_metric
from orbiq.modifiers.base import build_chain
from orbiq.modifiers.variants import make_variant
from orbiq.plan import Plan, make_plan
from orbiq.progress import Progress
from orbiq.scoring import Judged, score_run
from orbiq.settings import Experiment
from orbiq.settings_parts import Role
from orbiq.tasks.contract import read_predictions
from orbiq.tasks.local import OUTPUT_DIR, TaskOutcome, run_command

N_IMAGES = 4


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a trial found: a line for each finding, and whether the task keeps the contract."""

    passed: bool
    lines: tuple[str, ...]


def try_task(experiment: Experiment, *, params: dict[str, Any], progress: Progress) -> Trial:
    """Run the task once on four images of each split with the first set of parameters, and check what it wrote.

    The splits come as the first variant of the experiment, for a variant's folder is not quite the source's: another
    suffix perhaps, and a variant.json beside the annotations.
    `params` overrides parameters this once, for example {"epochs": 1}. Nothing is kept.
    """
    for name in params:
        if name not in experiment.params:
            raise SettingError(
                f"--set {name}: the experiment has no such parameter. {did_you_mean(name, experiment.params)}"
            )
    plan = make_plan(experiment)
    workspace = experiment.path(experiment.workspace)
    with storage_errors(workspace):
        workspace.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".try-", dir=workspace) as place:
        given = _small_datasets(plan, Path(place) / "data")
        progress.say(f"trying the task on {N_IMAGES} images of each split …")
        return _tried(plan, given, params, place=Path(place), progress=progress)


def _small_datasets(plan: Plan, place: Path) -> dict[Role, Path]:
    experiment = plan.experiment
    modified = next((steps for steps in experiment.variants() if steps), None)
    given: dict[Role, Path] = {}
    for role, source in plan.sources.items():
        dataset = source.dataset
        small = write_subset(dataset, some_images(dataset, N_IMAGES), place / role / dataset.path.name)
        given[role] = small
        if modified and role in experiment.modified_roles:
            chain = build_chain(modified)
            variant = make_variant(
                open_dataset(small),
                chain,
                source_key="try",
                seed=experiment.seed,
                store=experiment.store,
                min_visible=experiment.min_visible,
            )
            given[role] = variant.path
    return given


def _tried(plan: Plan, given: dict[Role, Path], params: dict[str, Any], *, place: Path, progress: Progress) -> Trial:
    experiment = plan.experiment
    arguments: dict[str, object] = {f"{role}ds": str(path) for role, path in given.items()}
    arguments |= {**experiment.combinations()[0], **params}
    if experiment.seed_argument:
        arguments[experiment.seed_argument] = experiment.seed
    lines: list[str] = []
    parts = ("train", "evaluate") if experiment.task.train else ("single",)
    for part in parts:
        outcome = run_command(
            experiment.command(part),  # type: ignore[arg-type]
            {k: v for k, v in arguments.items() if not (part == "train" and k == "testds")},
            part=place / part,
            mark=f"try:{place.name};",
            stop=threading.Event(),
            on_line=lambda text: progress.line("try", text),
        )
        lines += _about(part, outcome)
        if outcome.status == "failed":
            return Trial(passed=False, lines=tuple(lines))
        arguments["modelpath"] = str(place / part / OUTPUT_DIR)
    source = plan.sources[experiment.judged].dataset.path
    said, names, passed = _scores(
        experiment, run_folder=place / parts[-1], dataset=given[experiment.judged], pristine=source
    )
    return Trial(
        passed=passed,
        lines=(
            *lines,
            *said,
            _verdict(experiment, {*outcome.results.task_params, *outcome.results.series, *names}, passed=passed),
        ),
    )


def _about(part: str, outcome: TaskOutcome) -> list[str]:
    name = "task" if part == "single" else part
    if outcome.status == "failed":
        return [f"{name}: failed after {outcome.duration_s:.1f} s: {outcome.reason}", outcome.log_tail]
    results = outcome.results
    return [
        f"{name}: exit code 0 after {outcome.duration_s:.1f} s",
        f"  parameters in results.json: {', '.join(results.task_params) or 'none'}",
        f"  metrics by step in results.json: {', '.join(results.series) or 'none'}",
    ]


def _scores(
    experiment: Experiment, *, run_folder: Path, dataset: Path, pristine: Path
) -> tuple[list[str], set[str], bool]:
    predictions = read_predictions(run_folder / OUTPUT_DIR)
    lines = [f"  output.json: {_kind(predictions)}"]
    names: set[str] = set()
    passed = True
    judged = Judged(variant=dataset, variant_key="try", reference=pristine, reference_key="try")
    for spec in experiment.metric_specs():
        metric = load_metric(spec)
        given = score_run(metric, run_folder=run_folder, judged=judged, remembered=run_folder / "image-scores")
        names |= set(given.scores)
        for name, value in list(given.scores.items())[:3]:
            reason = given.reasons.get(name)
            lines.append(f"  {metric.text}: {name} = {value:.4g}{f' ({reason})' if reason else ''}")
        broken = [r for r in given.reasons.values() if "output.json" in r or "prediction" in r]
        passed = passed and not broken
    return lines, names, passed


def _kind(predictions: Any) -> str:
    if predictions is None:
        return "not written"
    if isinstance(predictions, dict):
        return f"an object with {', '.join(map(str, list(predictions)[:5]))}"
    what = "generated images" if predictions and isinstance(predictions[0], str) else "predictions"
    return f"{len(predictions)} {what}"


def _verdict(experiment: Experiment, names: set[str], *, passed: bool) -> str:
    """The last line: whether the sweep can begin; `names` are all scores that there are."""
    if not passed:
        return "The task does not keep the contract yet: mend what stands above."
    wanted = experiment.objective.score if experiment.objective else None
    if wanted and wanted not in names:
        return f"The contract is kept, but nothing gives the objective {wanted!r}. {did_you_mean(wanted, names)}"
    return "The task keeps the contract."
