"""An experiment as data: one model behind the YAML file and the Python objects.

    schema: 1
    name: airports
    datasets: {train: data/train, test: data/test}
    modifiers:
      - jpeg: {quality: [10, 30, 50, 70, 90]}            # a sweep: one variant for each value
      - gaussian-blur:sigma_px=1>jpeg:quality=70          # the text form; > joins a chain
      - chain: [{gaussian-blur: {sigma_px: [1, 2]}}, {jpeg: {quality: 70}}]
    task: {script: train.py, timeout_s: 3600}
    params: {epochs: 20, lr: [0.1, 0.01]}                 # a list is varied
    repetitions: 3
    seed_argument: seed
    metrics: [coco-detection]
    objective: {score: ap50, keep: 0.98, confidence: 0.95}

The unmodified reference is always in. Relative paths are relative to the file.
"""

import os
import re
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from orbiq.analysis.answer import higher_is_better
from orbiq.errors import SettingError
from orbiq.metrics.catalogue import METRICS
from orbiq.modifiers.base import build_chain, chain_configs
from orbiq.registry import Config, expand, is_own, look_in, parse_spec
from orbiq.settings_parts import CommandSettings, Datasets, Objective, Role, Scalar, Strict, TaskSettings, mistakes_at
from orbiq.tasks.contract import check_params
from orbiq.tasks.local import Command, python_command
from orbiq.tracking.store import check_uri


def _can_be_built(item: Any) -> Any:
    """A modifier of the list as it came, once every variant that it stands for can be built."""
    with mistakes_at():
        for chain in expand(steps_of(item)):
            build_chain(chain)
    return item


def _is_metric(item: Any) -> Any:
    """A metric of the list as it came, once its name is known."""
    with mistakes_at():
        name = str(metric_config(item)["name"])
        if not is_own(name):
            METRICS[name]
    return item


class Experiment(Strict):
    """Dataset × modifiers × parameters × repetitions → runs."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    name: str
    datasets: Datasets
    modifiers: list[Annotated[Any, AfterValidator(_can_be_built)]] = Field(default_factory=list)
    apply_to: list[Role] | None = None
    """The splits that are modified, by default all given ones; [test] = trained on clean, judged on degraded."""
    task: TaskSettings
    dataset_params: dict[str, Scalar] = Field(default_factory=dict)
    params: dict[str, Scalar | list[Scalar]] = Field(default_factory=dict)
    """A scalar is fixed; a list is varied."""
    repetitions: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)
    seed_argument: str | None = None
    """The name under which the task gets its seed, different for each repetition; none when it is not stated."""
    metrics: list[Annotated[Any, AfterValidator(_is_metric)]] = Field(default_factory=list)
    objective: Objective | None = None
    store: Literal["source", "encoded"] = "source"
    """Variants in the source's format, or as the codec's own stream (.jpg)."""
    min_visible: float = Field(default=0.0, ge=0, le=1)
    """Where a modifier moves pixels: objects of which less than this share is still in the image are dropped."""
    variants_dir: Path | None = None
    workspace: Path = Path("orbiq-runs")
    tracking: str | None = None
    """MLflow's tracking URI; sqlite inside the workspace when it is not stated; "off" for none."""
    monitoring: bool = False
    """Pass --mlfuri, --mlfexpid and --mlfrunid, for tasks that log live."""
    jobs: int = Field(default_factory=lambda: min(2, os.cpu_count() or 1), ge=1)

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    _folder: Path = PrivateAttr(default_factory=Path.cwd)

    @field_validator("tracking", mode="before")
    @classmethod
    def _off(cls, tracking: Any) -> Any:
        return "off" if tracking is False else tracking  # YAML reads off as false

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not re.fullmatch(r"[\w][\w.\- ]{0,99}", name):
            raise ValueError(f"{name!r} names a folder; use letters, digits, '-', '_', '.', at most 100 of them")
        return name

    @model_validator(mode="after")
    def _fits(self) -> "Experiment":
        with mistakes_at("seed_argument"):
            check_params({}, seed_argument=self.seed_argument)
        for name, values in self.params.items():
            with mistakes_at("params", name):
                check_params({name: values}, seed_argument=self.seed_argument)
                if isinstance(values, list) and not values:
                    raise SettingError(f"params.{name} is an empty list; give the values to vary")
        with mistakes_at("tracking"):
            check_uri(self.tracking)
        for k, role in enumerate(self.apply_to or []):
            with mistakes_at("apply_to", k):
                if role not in self.datasets.given():
                    raise SettingError(f"apply_to names {role!r}, and datasets has no {role}")
        return self

    @model_validator(mode="after")
    def _known_direction(self) -> "Experiment":
        if self.objective is not None:
            with mistakes_at("objective", "score"):
                higher_is_better(self.objective.score, self.objective.direction, self.metrics)
        return self

    # ---- what the rest asks for -------------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        """The folder that relative paths are relative to."""
        return self._folder

    def at(self, folder: Path) -> "Experiment":
        """The same experiment with its relative paths relative to `folder`."""
        moved = self.model_copy()
        moved._folder = folder.resolve()  # noqa: SLF001  a private of its own class
        return moved

    def path(self, relative: Path) -> Path:
        """A stated path, resolved."""
        return (self._folder / relative.expanduser()).resolve()

    @property
    def experiment_folder(self) -> Path:
        """Where records, table and report go."""
        return self.path(self.workspace) / self.name

    @property
    def judged(self) -> Role:
        """The split whose rate and predictions count: test, else val, else train."""
        return next(role for role in ("test", "val", "train") if role in self.datasets.given())

    @property
    def modified_roles(self) -> tuple[Role, ...]:
        """The splits that modifiers are applied to."""
        return tuple(self.apply_to) if self.apply_to is not None else tuple(self.datasets.given())

    def variants(self) -> list[list[Config]]:
        """The chains of all variants, the reference (an empty chain) first, each once; defaults written out."""
        chains: list[list[Config]] = [[]]
        for item in self.modifiers:
            for chain in expand(steps_of(item)):
                full = chain_configs(build_chain(chain))
                if full not in chains:
                    chains.append(full)
        return chains

    def combinations(self) -> list[dict[str, Scalar]]:
        """Every combination of the parameters that are lists."""
        names = list(self.params)
        values = [v if isinstance(v, list) else [v] for v in self.params.values()]
        return [dict(zip(names, combination, strict=True)) for combination in product(*values)]

    def metric_specs(self) -> list[Config]:
        """Each metric as its config: name and options."""
        return [metric_config(item) for item in self.metrics]

    def commands(self) -> dict[Literal["single", "train", "evaluate"], Command]:
        """The task's command, or its two, by what they are for."""
        if self.task.train is None:
            return {"single": self.command()}
        return {"train": self.command("train"), "evaluate": self.command("evaluate")}

    @property
    def gpus(self) -> int | None:
        """GPUs that each run gets; None leaves CUDA_VISIBLE_DEVICES alone."""
        return max((c.gpus for c in self.commands().values() if c.gpus is not None), default=None)

    def command(self, part: Literal["single", "train", "evaluate"] = "single") -> Command:
        """The task's command, or one of its two."""
        chosen = {"single": self.task, "train": self.task.train, "evaluate": self.task.evaluate}[part]
        if chosen is None:
            raise SettingError(f"task has no command {part!r}")
        return self._command(chosen, needs_results=part != "train")

    def _command(self, chosen: CommandSettings, *, needs_results: bool) -> Command:
        if chosen.script is not None:
            script = self.path(chosen.script)
            if not script.is_file():
                raise SettingError(f"task.script {str(chosen.script)!r} is not there. Paths are relative to the file.")
            argv = python_command(script, chosen.interpreter)
        else:
            argv = tuple(chosen.command or ())
        return Command(
            argv=argv,
            folder=self._folder,
            env=dict(chosen.env),
            timeout_s=chosen.timeout_s,
            retries=chosen.retries,
            gpus=chosen.gpus,
            needs_results=needs_results,
        )


def steps_of(item: Any, *, kind: Literal["modifier", "metric"] = "modifier") -> list[Config]:
    """The steps of one modifier of the list: text, a mapping {name: settings}, or {chain: [mapping, …]}."""
    if isinstance(item, str):
        return parse_spec(item)
    if isinstance(item, dict) and len(item) == 1:
        ((name, settings),) = item.items()
        if name == "chain" and isinstance(settings, list):
            return [step for part in settings for step in steps_of(part)]
        return [{"name": str(name), **_mapping(kind, name, settings)}]
    if isinstance(item, dict) and "name" in item:
        return [dict(item)]
    text, mapping = _AS_IN[kind]
    raise SettingError(f"{kind} {item!r} is neither text such as {text} nor a mapping such as {mapping}")


_AS_IN = {
    "modifier": ("jpeg:quality=70", "jpeg: {quality: 70}"),
    "metric": ("coco-detection:merge_categories=true", "coco-detection: {merge_categories: true}"),
}


def metric_config(item: Any) -> Config:
    """One metric of the list: text `name:option=value`, or a mapping {name: options}."""
    steps = steps_of(item, kind="metric")
    if len(steps) != 1:
        raise SettingError(f"metric {item!r} is a chain; expected one metric, as in coco-detection")
    return steps[0]


def _mapping(kind: str, name: Any, settings: Any) -> dict[str, Any]:
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise SettingError(f"{kind} {name!r} has {settings!r}; expected its settings, as in {name}: {{setting: value}}")
    return settings


def load_experiment(path: str | Path) -> Experiment:
    """Read an experiment file; an error names the line, what came, and what was meant."""
    from orbiq.settings_file import read_checked

    path = Path(path)
    look_in(path.resolve().parent)
    return read_checked(path, Experiment).at(path.resolve().parent)
