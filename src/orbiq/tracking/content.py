"""What MLflow gets to see of a run: plain names and values that it accepts, made from the record alone.

MLflow's names hold letters, digits and `/ _ . - :` and spaces, and read as a path that does not climb; values
end at a length. What does not fit is made to fit, never dropped. Nothing here imports MLflow.
"""

import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import isfinite, isnan
from pathlib import Path
from typing import Any

from orbiq.cache import content_key
from orbiq.records import REFERENCE, Record, Series, read_scores
from orbiq.registry import spec_text
from orbiq.tracking.store import record_digest, scores_digest

NAME_LENGTH = 250
PARAM_LENGTH = 6000
TAG_LENGTH = 8000
DATASET_LENGTH = 500
DIGEST_LENGTH = 36
_BAD = re.compile(r"[^/\w.\- :]")

Point = tuple[int, float, int]
"""(step, value, time in ms)"""


@dataclass(frozen=True, kw_only=True)
class Input:
    """One dataset that the run was given, and the roles it was given in."""

    name: str
    digest: str
    context: str
    n_images: int


@dataclass(frozen=True, kw_only=True)
class Content:
    """Everything of one run, in MLflow's terms. `own` metrics come from orbiq, `told` ones from the task."""

    run: str
    status: str
    start_ms: int
    end_ms: int
    params: dict[str, str]
    own: dict[str, list[Point]]
    told: dict[str, list[Point]]
    scores: dict[str, list[Point]]
    tags: dict[str, str]
    score_tags: dict[str, str]
    inputs: list[Input]
    digest: str
    scores_digest: str


def content_of(record: Record, run_folder: Path) -> Content:
    """What MLflow gets of a run."""
    start_ms = _start_ms(record, run_folder)
    end_ms = start_ms + (round(record.duration_s * 1000) if isfinite(record.duration_s) else 0)
    own = {name: [(0, value, end_ms)] for name, value in _numbers(record).items()}
    told, step_tags = _told(record, taken=own, time_ms=end_ms)
    scores, score_tags = _scores(run_folder, taken={**own, **told})
    return Content(
        run=record.run,
        status=record.status.upper(),
        start_ms=start_ms,
        end_ms=end_ms,
        params=params_of(record),
        own=own,
        told=told,
        scores=scores,
        tags=_fitting_tags({**_tags(record), **step_tags}),
        score_tags=_fitting_tags(score_tags),
        inputs=_inputs(record),
        digest=record_digest(run_folder),
        scores_digest=scores_digest(run_folder),
    )


def valid_name(name: str) -> str:
    """A name that MLflow accepts; an acceptable one stays as it is.

    >>> valid_name("ap@50"), valid_name("bbox/ap"), valid_name("../x//y"), valid_name("")
    ('ap_50', 'bbox/ap', '_/x/y', '_')
    """
    parts = [p if p.strip(".") else "_" * bool(p.replace(".", "", 1)) for p in _BAD.sub("_", name).split("/")]
    clean = posixpath.normpath("/".join(p for p in parts if p) or "_")
    if len(clean) <= NAME_LENGTH:
        return clean
    return f"{clean[: NAME_LENGTH - 9]}-{content_key(name)[:8]}"


def shortened(text: str, limit: int) -> str:
    """`text`, cut to `limit` characters with a note of how long it was."""
    note = f" … ({len(text)} characters; all of it is in record.json)"
    return text if len(text) <= limit else text[: limit - len(note)] + note


def text_of(value: Any) -> str:
    """A setting as text: `true`, `70`, `jpeg:quality=70`, else JSON.

    >>> text_of(True), text_of(0.5), text_of({"name": "jpeg", "quality": 70}), text_of([1, "a"])
    ('true', '0.5', 'jpeg:quality=70', '[1, "a"]')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and "name" in value:
        return spec_text([dict(value)])
    return json.dumps(value, default=str, ensure_ascii=False)


def _put(values: dict[str, Any], name: str, value: Any, *, source: str) -> None:
    """Place a value under its name; under `<source>.<name>` where the name already means something else."""
    for candidate in (valid_name(name), valid_name(f"{source}.{name}")):
        if values.setdefault(candidate, value) == value:
            return
    values[valid_name(f"{source}.{name}"[: NAME_LENGTH - 9] + f"-{content_key(name)[:8]}")] = value


def given_params(record_params: Mapping[str, Any]) -> dict[str, str]:
    """The task's parameters alone, as they are shown while it runs."""
    return {valid_name(k): shortened(text_of(v), PARAM_LENGTH) for k, v in record_params.items()}


def params_of(record: Record) -> dict[str, str]:
    """Every parameter as text: orbiq's, the modifier's, the task's, the dataset's, then those of results.json."""
    sources: dict[str, Mapping[str, Any]] = {
        "orbiq": {**_dataset_names(record), "modifier": spec_text(record.modifier) or REFERENCE}
        | {"repetition": record.repetition, "seed": record.seed},
        "modifier": record.settings,
        "params": record.params,
        "dataset": record.dataset_params,
        "results": record.task_params,
    }
    values: dict[str, str] = {}
    for source, found in sources.items():
        for name, value in found.items():
            _put(values, name, shortened(text_of(value), PARAM_LENGTH), source=source)
    return values


def _dataset_names(record: Record) -> dict[str, str]:
    suffix = {"train": "", "val": "_val", "test": "_test"}
    return {f"ds_name{suffix.get(role, '_' + role)}": _shown_name(record, role) for role in record.splits}


def _shown_name(record: Record, role: str) -> str:
    split = record.splits[role]
    if split.variant in ("", REFERENCE, split.dataset):
        return split.dataset
    return split.variant if split.variant.startswith(f"{split.dataset}#") else f"{split.dataset}#{split.variant}"


def _numbers(record: Record) -> dict[str, float]:
    rate = record.rate
    numbers = {
        "bytes_per_image": rate.bytes_per_image,
        "bits_per_pixel": rate.bits_per_pixel,
        "bits_per_sample": rate.bits_per_sample,
        "duration_s": record.duration_s,
    }
    return {name: float(value) for name, value in numbers.items() if not isnan(value)}


def _told(record: Record, *, taken: Mapping[str, Any], time_ms: int) -> tuple[dict[str, list[Point]], dict[str, str]]:
    """What the task wrote in results.json: numbers and series, and notes on steps that are not whole numbers."""
    values: dict[str, Any] = dict(taken)
    notes = {}
    for name, points in record.series.items():
        steps = _whole_steps(points)
        if [float(s) for s in steps] != [s for s, _ in points]:
            notes[f"orbiq.steps.{name}"] = json.dumps([s if isfinite(s) else None for s, _ in points])
        _put(values, name, [(s, v, time_ms) for s, (_, v) in zip(steps, points, strict=True)], source="results")
    for name, value in record.task_params.items():
        if isinstance(value, int | float) and not isinstance(value, bool) and not isnan(value):
            _put(values, name, [(0, float(value), time_ms)], source="results")
    return {k: v for k, v in values.items() if k not in taken}, notes


def _whole_steps(points: Series) -> list[int]:
    """Steps as MLflow takes them: rounded while that keeps their order, else their positions."""
    steps = [s for s, _ in points]
    if all(abs(s) < 2**53 for s in steps):  # NaN and inf fail this too
        rounded = [round(s) for s in steps]
        if rounded == steps or all(a < b for a, b in pairwise(rounded)):
            return rounded
    return list(range(len(steps)))


def _scores(run_folder: Path, *, taken: Mapping[str, Any]) -> tuple[dict[str, list[Point]], dict[str, str]]:
    """Scores given after the run; NaN is not sent, its reason becomes a tag."""
    # a later score must win over an earlier one of the same name: MLflow shows the one with the latest time
    time_ms = max((p.stat().st_mtime_ns for p in (run_folder / "scores").glob("*.json")), default=0) // 10**6
    found: dict[str, float] = {}
    reasons: dict[str, str] = {}
    for given in read_scores(run_folder):
        found |= given.scores
        reasons |= given.reasons
    tags = {f"orbiq.reason.{n}": reasons.get(n) or "unknown" for n, v in found.items() if isnan(v)}
    values: dict[str, Any] = dict(taken)
    for name, value in found.items():
        if not isnan(value):
            _put(values, name, [(0, value, time_ms)], source="scores")
    return {k: v for k, v in values.items() if k not in taken}, tags


def _tags(record: Record) -> dict[str, str]:
    tags = {
        "orbiq.status": record.status,
        "orbiq.variant": record.variant,
        "orbiq.judged": record.judged,
        "orbiq.coding": record.rate.coding,
        "orbiq.attempts": str(record.attempts),
        "orbiq.reason": record.reason,
        "orbiq.training": record.training,
        "mlflow.note.content": _note(record) if record.status == "failed" else "",
    }
    return tags | {f"orbiq.version.{k}": v for k, v in record.versions.items()}


def _note(record: Record) -> str:
    fence = "~~~~~~~~"
    tail = record.log_tail[-TAG_LENGTH // 2 :]
    return f"Failed: {record.reason}\n\n{fence}\n{tail}\n{fence}"


def _fitting_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags with valid names and lengths; an empty one says nothing and stays out."""
    return {valid_name(k): shortened(v, TAG_LENGTH) for k, v in tags.items() if v}


def _inputs(record: Record) -> list[Input]:
    """Each dataset once; one that is both val and test has both roles, for MLflow keeps one entry a dataset."""
    roles: dict[tuple[str, str], list[str]] = {}
    for role, split in record.splits.items():
        key = (shortened(_shown_name(record, role), DATASET_LENGTH), split.fingerprint[:DIGEST_LENGTH] or "unknown")
        roles.setdefault(key, []).append(role)
    return [
        Input(name=name, digest=digest, context=",".join(found), n_images=record.splits[found[0]].n_images)
        for (name, digest), found in roles.items()
    ]


def _start_ms(record: Record, run_folder: Path) -> int:
    """When the run started, else the record's file time. Never now: sending again must say the same."""
    try:
        return round(datetime.fromisoformat(record.started).timestamp() * 1000)
    except ValueError:
        return (run_folder / "record.json").stat().st_mtime_ns // 10**6
