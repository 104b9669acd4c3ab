"""The plan of an experiment as data: which variants, trainings and runs there are, each with its content key.

The same plan serves dry run, resume, cache and executors: a step whose key is on disk is done.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from orbiq.cache import content_key, file_digest, fingerprint
from orbiq.datasets.folder import Dataset, open_dataset
from orbiq.modifiers.base import Chain, build_chain, chain_text
from orbiq.modifiers.variants import estimated_bytes, finished_variant, variant_key, variant_path
from orbiq.numerics import name_seed
from orbiq.records import REFERENCE, Record, read_record
from orbiq.registry import Config
from orbiq.settings import Experiment
from orbiq.settings_parts import Role
from orbiq.tasks.local import Command

VARIES = 40
"""Characters of a run's name that its parameters may take."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A dataset that the experiment starts from, and the fingerprint of its content."""

    dataset: Dataset
    key: str


@dataclass(frozen=True, eq=False, kw_only=True)
class VariantStep:
    """One variant of one source to be made: `name` in text form; `chain` None for the reference."""

    name: str
    source: Source
    chain: Chain | None
    key: str
    path: Path

    @property
    def done(self) -> bool:
        """Whether it is on disk."""
        return self.chain is None or finished_variant(self.path, key=self.key) is not None


@dataclass(frozen=True, kw_only=True)
class TrainStep:
    """One training, when training and evaluation are two commands; shared by every run that judges its model."""

    id: str
    key: str
    variants: dict[Role, str]
    """Role → the key of the variant that is given."""
    params: dict[str, Any]
    repetition: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class RunStep:
    """One run: one task on one variant with one set of parameters and one repetition."""

    run: str
    key: str
    variant: str
    modifier: list[Config]
    variants: dict[Role, str]
    params: dict[str, Any]
    repetition: int
    seed: int
    training: TrainStep | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Plan:
    """All steps of an experiment, and where they leave their results."""

    experiment: Experiment
    sources: Mapping[Role, Source]
    variants: Mapping[str, VariantStep]
    """Key → step."""
    runs: tuple[RunStep, ...]

    @property
    def folder(self) -> Path:
        """The experiment's folder."""
        return self.experiment.experiment_folder

    @cached_property
    def trainings(self) -> tuple[TrainStep, ...]:
        """Every training once."""
        return tuple({r.training.id: r.training for r in self.runs if r.training is not None}.values())

    def run_folder(self, run: str) -> Path:
        """Where a run's record is."""
        return self.folder / "runs" / run

    def training_folder(self, training: TrainStep) -> Path:
        """Where a training leaves its model."""
        return self.folder / "trainings" / training.id

    def record(self, step: RunStep) -> Record | None:
        """The finished record of a step; None when it is still to do (a failed run is tried again)."""
        record = read_record(self.run_folder(step.run))
        return record if record is not None and record.key == step.key and record.status == "finished" else None


def make_plan(experiment: Experiment) -> Plan:
    """The plan of an experiment; datasets are opened and fingerprinted, nothing is written but that shortcut."""
    sources = _sources(experiment)
    task_key = _task_key(experiment)
    variants: dict[str, VariantStep] = {}
    runs: list[RunStep] = []
    for modifier in experiment.variants():
        given = {role: _variant_step(experiment, role, source, modifier) for role, source in sources.items()}
        variants |= {step.key: step for step in given.values()}
        keys: dict[Role, str] = {role: step.key for role, step in given.items()}
        name = chain_text(build_chain(modifier)) if modifier else REFERENCE
        for params in experiment.combinations():
            for repetition in range(experiment.repetitions):
                step = _run_step(experiment, name, modifier, keys, params, repetition=repetition, task_key=task_key)
                runs.append(step)
    # repetition by repetition, so that a sweep that is cut short has seen every variant
    runs.sort(key=lambda step: step.repetition)
    return Plan(experiment=experiment, sources=sources, variants=variants, runs=tuple(runs))


def _sources(experiment: Experiment) -> dict[Role, Source]:
    found: dict[Path, Source] = {}
    sources: dict[Role, Source] = {}
    for role, path in experiment.datasets.given().items():
        folder = experiment.path(path)
        if folder not in found:
            dataset = open_dataset(folder)
            known = experiment.path(experiment.workspace) / "fingerprints" / f"{content_key(str(folder))[:16]}.json"
            found[folder] = Source(dataset=dataset, key=fingerprint(folder, known=known))
        sources[role] = found[folder]
    return sources


def _variant_step(experiment: Experiment, role: Role, source: Source, modifier: list[Config]) -> VariantStep:
    if not modifier or role not in experiment.modified_roles:
        return VariantStep(name=REFERENCE, source=source, chain=None, key=source.key, path=source.dataset.path)
    chain = build_chain(modifier)
    key = variant_key(
        chain,
        source_key=source.key,
        seed=experiment.seed,
        store=experiment.store,
        min_visible=experiment.min_visible,
    )
    place = experiment.path(experiment.variants_dir) if experiment.variants_dir else None
    path = variant_path(source.dataset, chain, key=key, variants_dir=place)
    return VariantStep(name=chain_text(chain), source=source, chain=chain, key=key, path=path)


def _run_step(
    experiment: Experiment,
    name: str,
    modifier: list[Config],
    variants: dict[Role, str],
    params: dict[str, Any],
    *,
    repetition: int,
    task_key: dict[str, str],
) -> RunStep:
    seed = name_seed(experiment.seed, "repetition", repetition)
    about = {"params": params, "repetition": repetition, "seed": seed, "seed_argument": experiment.seed_argument}
    training = None
    if "train" in task_key:
        training = _train_step(variants, about, task_key=task_key["train"])
    key = content_key(
        {**about, "task": task_key.get("evaluate", task_key.get("single")), "variants": variants}
        | ({"training": training.key} if training else {})
    )
    return RunStep(
        run=_run_name(experiment, name, params, repetition=repetition, key=key),
        key=key,
        variant=name,
        modifier=modifier,
        variants=variants,
        params=params,
        repetition=repetition,
        seed=seed,
        training=training,
    )


def _train_step(variants: dict[Role, str], about: dict[str, Any], *, task_key: str) -> TrainStep:
    given: dict[Role, str] = {role: key for role, key in variants.items() if role != "test"}
    key = content_key({**about, "task": task_key, "variants": given})
    return TrainStep(
        id=f"r{about['repetition']}-{key[:12]}",
        key=key,
        variants=given,
        params=about["params"],
        repetition=about["repetition"],
        seed=about["seed"],
    )


def _run_name(experiment: Experiment, variant: str, params: dict[str, Any], *, repetition: int, key: str) -> str:
    """`jpeg-quality=50-lr=0.1-r0-3fa91c20`: readable, fit for a folder, different for different keys."""
    varied = [f"{k}={params[k]}" for k, v in experiment.params.items() if isinstance(v, list)]
    slug = re.sub(r"[^\w.=+-]+", "-", variant.replace(">", "+"))[:80]
    about = re.sub(r"[^\w.=+-]+", "-", "-".join(varied))[:VARIES]
    return "-".join(part for part in (slug, about, f"r{repetition}", key[:8]) if part)


def _task_key(experiment: Experiment) -> dict[str, str]:
    """What each command is: its words, its variables, and the content of the script."""
    if experiment.task.train is None:
        return {"single": _command_key(experiment.command())}
    return {
        "train": _command_key(experiment.command("train")),
        "evaluate": _command_key(experiment.command("evaluate")),
    }


def _command_key(command: Command) -> str:
    """Words and environment; a word that names a file stands for its content, so a changed script runs again."""
    words = []
    for word in command.argv:
        path = command.folder / word
        if word == sys.executable:  # the same Python may be called python or python3
            continue
        words.append(file_digest(path) if path.suffix and path.is_file() else Path(word).name)
    return content_key({"words": words, "env": dict(command.env)})


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a plan will take: `disk_bytes` for variants to be made (an estimate), `duration_s` None when unknown."""

    variants: list[tuple[str, str, bool]]
    """(variant, dataset, done)."""
    n_runs: int
    n_done: int
    n_trainings: int
    disk_bytes: int
    duration_s: float | None


def outlook(plan: Plan) -> Outlook:
    """What there is to do, what is done, what it will take."""
    modified = [step for step in plan.variants.values() if step.chain is not None]
    records = [plan.record(step) for step in plan.runs]
    durations = [r.duration_s for r in records if r is not None and r.duration_s == r.duration_s]
    n_left = sum(r is None for r in records)
    return Outlook(
        variants=[(step.name, step.source.dataset.name, step.done) for step in plan.variants.values()],
        n_runs=len(plan.runs),
        n_done=len(records) - n_left,
        n_trainings=len(plan.trainings),
        disk_bytes=sum(estimated_bytes(step.source.dataset) for step in modified if not step.done),
        duration_s=median(durations) * n_left / plan.experiment.jobs if durations else None,
    )
