"""The bench: everything that a run needs at hand, and the work on one training and on one run."""

import platform
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import orbiq
from orbiq.cache import finished_or_absent, read_json_or, replaced_folder, write_json
from orbiq.metrics.chosen import Metric
from orbiq.modifiers.variants import Variant
from orbiq.plan import Plan, RunStep, TrainStep
from orbiq.progress import Progress
from orbiq.records import GivenScores, Record, Split, write_record
from orbiq.scoring import Judged, given_before, score_run
from orbiq.settings_parts import Role
from orbiq.steps import mark_of, variant_of
from orbiq.tasks.contract import Results
from orbiq.tasks.local import OUTPUT_DIR, Command, TaskOutcome, run_command
from orbiq.tracking.tracker import Tracker

_LIBRARIES = ("numpy", "opencv-python-headless", "imagecodecs", "hotcoco", "mlflow")


@dataclass(eq=False, kw_only=True)
class Bench:
    """What every run of an experiment needs.

    `n_steps` counts the trainings and runs of this session, `n_done` the runs alone, `n_before` those done before.
    """

    plan: Plan
    tracker: Tracker
    show: Progress
    stop: threading.Event
    metrics: tuple[Metric, ...]
    variants: dict[str, Variant]
    versions: dict[str, str]
    n_steps: int = 0
    n_done: int = 0
    n_before: int = 0

    @classmethod
    def of(
        cls, plan: Plan, *, metrics: tuple[Metric, ...], tracker: Tracker, show: Progress, stop: threading.Event
    ) -> "Bench":
        """The bench of a plan whose variants are made."""
        return cls(
            plan=plan,
            tracker=tracker,
            show=show,
            stop=stop,
            metrics=metrics,
            variants={key: variant_of(plan, step) for key, step in plan.variants.items()},
            versions=library_versions(),
        )

    def still_to_do(self) -> list[RunStep]:
        """The runs without a finished record; scores that a finished one lacks are given now."""
        done = {step.run: self.plan.record(step) is not None for step in self.plan.runs}
        todo = [step for step in self.plan.runs if not done[step.run]]
        for step in self.plan.runs:
            if not done[step.run]:
                continue
            folder = self.plan.run_folder(step.run)
            self.score(step, folder)
            self.tracker.send(folder)
        self.n_before = len(self.plan.runs) - len(todo)
        self.show.stage("runs", len(self.plan.runs) + len(self.trainings_for(todo)))
        self.show.tick(self.n_before)
        return todo

    def trainings_for(self, todo: list[RunStep]) -> list[TrainStep]:
        """The trainings that these runs wait for, each once."""
        wanted = {step.training.id: step.training for step in todo if step.training is not None}
        return [t for t in wanted.values() if not (self.plan.training_folder(t) / "training.json").is_file()]

    def tick(self) -> None:
        """One more step is done."""
        self.n_steps += 1
        self.show.tick(self.n_before + self.n_steps)

    def finished(self, run_folder: Path) -> None:
        """One more run is done, and goes to MLflow."""
        self.tracker.send(run_folder)
        self.n_done += 1
        self.tick()

    def given(self, variants: dict[Role, str]) -> dict[str, object]:
        """--trainds, --valds, --testds."""
        return {f"{role}ds": str(self.variants[key].path) for role, key in variants.items()}

    def seed_argument(self, seed: int) -> dict[str, object]:
        """The seed under the name that the task wants, if it wants one."""
        name = self.plan.experiment.seed_argument
        return {name: seed} if name else {}

    def score(self, step: RunStep, run_folder: Path) -> None:
        """Give every metric's scores that the run does not have yet."""
        for metric in self.metrics:
            if not given_before(run_folder, metric):
                apply_metric(self.plan, metric, step=step, run_folder=run_folder)


def apply_metric(plan: Plan, metric: Metric, *, step: RunStep, run_folder: Path) -> GivenScores:
    """One metric on one run, on the split that counts."""
    variant = plan.variants[step.variants[plan.experiment.judged]]
    judged = Judged(
        variant=variant.path,
        variant_key=variant.key,
        reference=variant.source.dataset.path,
        reference_key=variant.source.key,
    )
    return score_run(metric, run_folder=run_folder, judged=judged, remembered=plan.folder / "image-scores")


def train(bench: Bench) -> Callable[[TrainStep, tuple[str, ...] | None], str]:
    """The work on one training: run the first of the two commands, keep its output."""
    command = bench.plan.experiment.command("train") if bench.plan.experiment.task.train else None

    def work(step: TrainStep, devices: tuple[str, ...] | None) -> str:
        folder = bench.plan.training_folder(step)
        if command is None:
            return ""
        with finished_or_absent(folder) as part:
            arguments = {**bench.given(step.variants), **step.params, **bench.seed_argument(step.seed)}
            outcome = _call(bench, command, arguments, part=part, name=f"train-{step.id}", devices=devices)
            about = {"schema": 1, "key": step.key, "status": outcome.status, "reason": outcome.reason}
            about |= {"exit_code": outcome.exit_code, "duration_s": outcome.duration_s, "log_tail": outcome.log_tail}
            name = "training.json" if outcome.status == "finished" else "failed.json"
            replaced_folder(folder)
            write_json(part / name, about)
        return outcome.reason

    return work


def perform(bench: Bench) -> Callable[[RunStep, tuple[str, ...] | None], Path]:
    """The work on one run: run the task, write the record, score; a record is whole or absent.

    What goes wrong in scoring, a full disk or a kill, does not cost the run: the next start gives what is missing.
    """
    experiment = bench.plan.experiment
    command = experiment.command("evaluate" if experiment.task.evaluate else "single")

    def work(step: RunStep, devices: tuple[str, ...] | None) -> Path:
        folder = bench.plan.run_folder(step.run)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        with finished_or_absent(folder) as part:
            outcome = _failed_training(bench, step)
            if outcome is None:
                arguments = _arguments(bench, step)
                outcome = _call(bench, command, arguments, part=part, name=step.run, devices=devices)
            write_record(part, _record(bench, step, outcome, started=started, command=command))
            replaced_folder(folder)
        if outcome.status == "finished":
            bench.score(step, folder)
        return folder

    return work


def _arguments(bench: Bench, step: RunStep) -> dict[str, object]:
    arguments = {**bench.given(step.variants), **step.params, **bench.seed_argument(step.seed)}
    if step.training is not None:
        arguments["modelpath"] = str(bench.plan.training_folder(step.training) / OUTPUT_DIR)
    if bench.plan.experiment.monitoring:
        arguments |= _live(bench, step)
    return arguments


def _live(bench: Bench, step: RunStep) -> dict[str, object]:
    """--mlfuri, --mlfexpid, --mlfrunid; nothing when MLflow is out of reach, for a run need not wait for it."""
    opened = bench.tracker.open_run(step.run, key=step.key, variant=step.variant, params=step.params)
    if opened is None:
        return {}
    uri, experiment_id, run_id = opened
    return {"mlfuri": uri, "mlfexpid": experiment_id, "mlfrunid": run_id}


def _call(
    bench: Bench,
    command: Command,
    arguments: dict[str, object],
    *,
    part: Path,
    name: str,
    devices: tuple[str, ...] | None,
) -> TaskOutcome:
    return run_command(
        command,
        arguments,
        part=part,
        mark=f"{mark_of(bench.plan.folder)}{name};",
        stop=bench.stop,
        devices=devices,
        on_line=lambda text: bench.show.line(name, text),
    )


def _failed_training(bench: Bench, step: RunStep) -> TaskOutcome | None:
    """How a run ends whose training failed."""
    if step.training is None:
        return None
    failed = read_json_or(bench.plan.training_folder(step.training) / "failed.json", None)
    if failed is None:
        return None
    return TaskOutcome(
        status="failed",
        reason=f"its training {step.training.id} failed: {failed['reason']}",
        exit_code=failed["exit_code"],
        attempts=1,
        duration_s=failed["duration_s"],
        log_tail=failed["log_tail"],
        results=Results(),
    )


def _record(bench: Bench, step: RunStep, outcome: TaskOutcome, *, started: str, command: Command) -> Record:
    experiment = bench.plan.experiment
    return Record(
        run=step.run,
        key=step.key,
        experiment=experiment.name,
        variant=step.variant,
        modifier=step.modifier,
        params=step.params,
        repetition=step.repetition,
        seed=step.seed,
        splits={role: _split(bench, key) for role, key in step.variants.items()},
        judged=experiment.judged,
        status=outcome.status,
        reason=outcome.reason,
        log_tail=outcome.log_tail if outcome.status == "failed" else "",
        exit_code=outcome.exit_code,
        attempts=outcome.attempts,
        started=started,
        duration_s=round(outcome.duration_s, 3),
        command=[Path(word).name for word in command.argv],
        training=step.training.id if step.training else "",
        task_params=outcome.results.task_params,
        series=outcome.results.series,
        dataset_params={**_dataset_params(bench, step), **experiment.dataset_params},
        versions=bench.versions,
    )


def _split(bench: Bench, key: str) -> Split:
    variant, step = bench.variants[key], bench.plan.variants[key]
    return Split(
        dataset=step.source.dataset.name,
        variant=variant.name,
        fingerprint=step.source.key,
        n_images=variant.rate.n_images,
        rate=variant.rate,
    )


def _dataset_params(bench: Bench, step: RunStep) -> dict[str, Any]:
    return dict(bench.plan.variants[step.variants[bench.plan.experiment.judged]].source.dataset.params)


def library_versions() -> dict[str, str]:
    """orbiq, Python, and the libraries that numbers depend on."""
    found = {"orbiq": orbiq.__version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
