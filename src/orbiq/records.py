"""What is remembered of a run: one folder a run, one JSON in it that is the truth.

    <workspace>/<experiment>/runs/<run>/
        record.json            whole or absent; never changed after it was written
        log.txt                what the task printed (long logs keep their head and tail)
        output/                the task's --outputpath
        scores/<metric>.json   scores given after the run, each with its outcomes beside it as Parquet

Paths in records are relative to the experiment's folder. No user or host names.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from math import isnan, nan
from pathlib import Path
from typing import Any, Literal

from orbiq.cache import read_json_or, without_nan, write_json
from orbiq.errors import DatasetError

SCHEMA = 1
LATER = 1000
REFERENCE = "reference"
"""The variant that is the unmodified dataset."""

Status = Literal["finished", "failed"]
Series = list[tuple[float, float]]
"""[[step, value], …]"""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """What a variant's images weigh, in the mean over its images.

    `coding` names the codec whose stream was weighed; `lossless` says that it is a stated lossless coding
    because the last lossy step is no codec. bits_per_pixel counts all bands of a pixel.
    """

    bytes_per_image: float
    bits_per_pixel: float
    bits_per_sample: float
    total_bytes: int
    n_images: int
    coding: str
    lossless: bool


@dataclass(frozen=True, kw_only=True)
class Split:
    """One dataset that the task was given: its role, name, and the variant it came as."""

    dataset: str
    variant: str
    fingerprint: str
    n_images: int
    rate: Rate


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run: one task on one variant with one set of parameters and one repetition."""

    run: str
    key: str
    experiment: str
    variant: str
    modifier: list[dict[str, Any]]
    """The chain's configs; empty for the reference."""
    params: dict[str, Any]
    repetition: int
    seed: int
    splits: dict[str, Split]
    """train, val, test → what was given."""
    judged: str
    """The split whose rate and predictions count: test, else val, else train."""
    status: Status
    reason: str = ""
    """Why it failed, or what is odd; empty when all is well."""
    log_tail: str = ""
    exit_code: int | None = None
    attempts: int = 1
    started: str = ""
    duration_s: float = nan
    command: list[str] = field(default_factory=list)
    training: str = ""
    """The id of the training whose model was judged, when training and evaluation are two commands."""
    task_params: dict[str, Any] = field(default_factory=dict)
    """Scalars and strings of results.json."""
    series: dict[str, Series] = field(default_factory=dict)
    """Lists of results.json: metrics by step; NaN where the task wrote NaN."""
    dataset_params: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def rate(self) -> Rate:
        """The rate of the judged split."""
        return self.splits[self.judged].rate

    @property
    def settings(self) -> dict[str, Any]:
        """The modifier's settings, flat: `quality`, or `jpeg.quality` where two steps share a name."""
        return flat_settings(self.modifier)


def flat_settings(steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Settings of a chain by name; the step's name goes in front where two steps have the same setting.

    >>> flat_settings([{"name": "gaussian-blur", "sigma_px": 1}, {"name": "jpeg", "quality": 70}])
    {'sigma_px': 1, 'quality': 70}
    """
    names = [key for step in steps for key in step if key != "name"]
    flat: dict[str, Any] = {}
    for step in steps:
        for key, value in step.items():
            if key != "name":
                flat[key if names.count(key) == 1 else f"{step['name']}.{key}"] = value
    return flat


def family_of(steps: list[dict[str, Any]]) -> str:
    """The names of a chain's steps: variants of one family lie on one curve.

    >>> family_of([{"name": "gaussian-blur", "sigma_px": 1}, {"name": "jpeg", "quality": 70}])
    'gaussian-blur>jpeg'
    """
    return ">".join(str(step["name"]) for step in steps) or REFERENCE


def write_record(folder: Path, record: Record) -> None:
    """Write `record.json` into a run's folder."""
    write_json(folder / "record.json", {"schema": SCHEMA, **without_nan(asdict(record))})


def read_record(folder: Path) -> Record | None:
    """The record of a run's folder; None when it has none, or a damaged one: the run is then done again.

    Raises DatasetError for a record that another version of orbiq wrote.
    """
    data = read_json_or(folder / "record.json", {})
    if data.pop("schema", SCHEMA) != SCHEMA:
        raise DatasetError(
            f"{folder.name}/record.json was written by another version of orbiq; delete the run's folder"
        )
    try:
        return _record(data)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _record(data: dict[str, Any]) -> Record:
    known = {f.name for f in fields(Record)}
    splits = {role: _split(s) for role, s in data.pop("splits").items()}
    series = {k: [(s, nan if v is None else float(v)) for s, v in points] for k, points in data.pop("series").items()}
    duration_s = data.pop("duration_s")
    rest = {k: v for k, v in data.items() if k in known}
    return Record(splits=splits, series=series, duration_s=nan if duration_s is None else duration_s, **rest)


def _split(data: Mapping[str, Any]) -> Split:
    return Split(**{**data, "rate": Rate(**data["rate"])})


def read_records(experiment_folder: Path) -> list[Record]:
    """All records of an experiment, by run; those of an older script or other settings are passed over."""
    runs = experiment_folder / "runs"
    folders = sorted(p for p in runs.iterdir() if not p.name.startswith(".")) if runs.is_dir() else []
    planned = read_json_or(experiment_folder / "experiment.json", {}).get("runs")
    if isinstance(planned, list):
        folders = [folder for folder in folders if folder.name in set(planned)]
    return [record for record in map(read_record, folders) if record is not None]


def read_about(experiment_folder: Path) -> dict[str, Any]:
    """experiment.json (name, folder, settings, judged, runs, scenes); DatasetError when it is absent or damaged."""
    about: dict[str, Any] = read_json_or(experiment_folder / "experiment.json", {})
    settings = about.get("settings")
    objective = settings.get("objective") if isinstance(settings, dict) else None
    whole = objective is None or (isinstance(objective, dict) and isinstance(objective.get("score"), str))
    if not isinstance(settings, dict) or not isinstance(about.get("folder"), str) or not whole:
        raise DatasetError(
            f"{experiment_folder} holds no experiment.json, or a damaged one. Name an experiment's folder of results, "
            "or run its YAML file again: finished runs are kept."
        )
    return about


@dataclass(frozen=True, kw_only=True)
class GivenScores:
    """What one metric said of one run (or of one variant): scores by name, reasons for NaN, options in force."""

    metric: str
    """The metric's text form, options included."""
    scores: dict[str, float]
    reasons: dict[str, str] = field(default_factory=dict)
    stated: dict[str, Any] = field(default_factory=dict)
    outcomes: str = ""
    """File name of the outcomes beside this JSON; empty when there are none."""
    rank: int = LATER
    """The metric's place in the experiment; LATER when it was applied after the fact."""
    needs: str = ""
    """What it is a score of: image, pair (with the reference) or predictions."""


def write_scores(folder: Path, given: GivenScores, *, slug: str) -> None:
    """Write `scores/<slug>.json` into a run's folder."""
    write_json(folder / "scores" / f"{slug}.json", {"schema": SCHEMA, **without_nan(asdict(given))})


def read_scores(folder: Path) -> list[GivenScores]:
    """All that metrics said of a run: in the order of the experiment, then those applied after the fact.

    When a second metric gives a score of the same name (another option, say), it is called `ap50 [coco-detection:…]`.
    """
    paths = sorted((folder / "scores").glob("[!.]*.json"))
    found = sorted((g for g in map(read_given, paths) if g is not None), key=lambda g: (g.rank, g.metric))
    taken: set[str] = set()
    named = []
    for given in found:
        names = {name: name if name not in taken else f"{name} [{given.metric}]" for name in given.scores}
        taken |= set(names.values())
        named.append(
            replace(
                given,
                scores={names[k]: v for k, v in given.scores.items()},
                reasons={names.get(k, k): v for k, v in given.reasons.items()},
            )
        )
    return named


def read_given(path: Path) -> GivenScores | None:
    """What one metric said; None when there is no such file, or a damaged one."""
    data = read_json_or(path, {})
    if data.pop("schema", None) != SCHEMA:
        return None
    try:
        return GivenScores(**{**data, "scores": {k: _number(v) for k, v in data["scores"].items()}})
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _number(value: Any) -> float:
    return nan if value is None else float(value)


def all_scores(folder: Path, record: Record) -> tuple[dict[str, float], dict[str, str]]:
    """Every score of a run and why some are NaN: metrics first, then numbers and last steps of results.json."""
    scores: dict[str, float] = {k: v for k, v in record.task_params.items() if _is_score(v)}
    scores |= {name: points[-1][1] for name, points in record.series.items() if points}
    reasons: dict[str, str] = {}
    for given in read_scores(folder):
        scores |= given.scores
        reasons |= given.reasons
    return scores, reasons


def why_unscored(experiment_folder: Path, records: Iterable[Record]) -> tuple[str, ...]:
    """A line for each reason why a metric gave runs no score at all, with the variants and metrics it is about."""
    about: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for record in records:
        for given in read_scores(experiment_folder / "runs" / record.run):
            if given.reasons and all(map(isnan, given.scores.values())):
                variants, metrics = about.setdefault(next(iter(given.reasons.values())), ({}, {}))
                variants[record.variant], metrics[given.metric] = None, None
    return tuple(f"{_few(variants)}: no {_few(metrics)}: {reason}" for reason, (variants, metrics) in about.items())


def _few(names: Iterable[str], most: int = 3) -> str:
    listed = list(names)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")


def _is_score(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
