"""Where an answer comes from: versions, datasets and their fingerprints, seeds, times, commands, settings."""

import math
import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

from orbiq.records import REFERENCE, GivenScores, read_scores
from orbiq.registry import spec_text
from orbiq.reports.evidence import Evidence, Run
from orbiq.reports.wording import duration_text, plural, setting_text

_MOST = 12
Fact = tuple[str, str | list[str]]


def provenance(evidence: Evidence) -> list[Fact]:
    """Names and values, the values one line or several."""
    records = [run.record for run in evidence.runs]
    started = sorted(r.started for r in records if r.started)
    durations = [r.duration_s for r in records if math.isfinite(r.duration_s)]
    facts: list[Fact] = [
        ("Experiment", evidence.name),
        ("Runs", f"{plural(len(evidence.finished), 'run')} finished, {len(records) - len(evidence.finished)} failed"),
        ("Started", f"{_moment(started[0])} to {_moment(started[-1])}" if started else "not recorded"),
        ("Time in tasks", duration_text(sum(durations)) if durations else "not recorded"),
        ("Datasets", _datasets(evidence)),
        ("Rates", _rates(evidence.runs)),
        ("Metrics", metrics_in_force(evidence)),
        ("Seeds", ", ".join(_some(_distinct(str(r.seed) for r in records)))),
        ("Software", ", ".join(_versions(evidence.runs))),
        ("Dataset parameters", _some(_distinct(f"{k} = {v}" for r in records for k, v in r.dataset_params.items()))),
    ]
    return [(name, value) for name, value in facts if value]


def _moment(stamp: str) -> str:
    return stamp[:16].replace("T", " ") + (" UTC" if stamp.endswith(("Z", "+00:00")) else "")


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _some(values: list[str]) -> list[str]:
    return values if len(values) <= _MOST else [*values[:_MOST], f"and {len(values) - _MOST} more"]


def _datasets(evidence: Evidence) -> list[str]:
    """The reference of each split, with the fingerprint of its files."""
    lines = [
        f"{role}: {split.dataset}, {plural(split.n_images, 'image')}, fingerprint {split.fingerprint[:16]}"
        for run in evidence.runs
        for role, split in run.record.splits.items()
        if split.variant == REFERENCE
    ]
    return _some(_distinct(lines))


def _rates(runs: Sequence[Run]) -> list[str]:
    """What was weighed: the codec's stream, or a stated lossless coding."""
    groups: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        if run.record.splits:
            rate = run.record.rate
            kind = f"{rate.coding}, a stated lossless coding" if rate.lossless else f"{rate.coding}, the encoded stream"
            groups[kind].add(run.record.variant)
    return [f"{kind}: {next(iter(v)) if len(v) == 1 else plural(len(v), 'variant')}" for kind, v in groups.items()]


def metrics_in_force(evidence: Evidence) -> list[str]:
    """Each metric with the options in force, for example maxDets and area ranges."""
    given = [g for run in evidence.finished for g in read_scores(evidence.folder / "runs" / run.record.run)]
    return _some(_distinct(stated_text(g) for g in given))


def stated_text(given: GivenScores) -> str:
    """A metric and its options in force, what differs from run to run left out.

    >>> stated_text(GivenScores(metric="coco-detection", scores={}, stated={"max_dets": [1, 10, 100], "n_capped": 3}))
    'coco-detection: max_dets 1, 10, 100'
    """
    options = [f"{name} {_option(value)}" for name, value in given.stated.items() if not name.startswith("n_")]
    return f"{given.metric}: {'; '.join(options)}" if options else given.metric


def _option(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_option(v)}" for k, v in value.items())
    if isinstance(value, list) and len(value) == 2:
        return "–".join(setting_text(v) for v in value)
    return ", ".join(setting_text(v) for v in value) if isinstance(value, list) else setting_text(value)


def _versions(runs: Sequence[Run]) -> list[str]:
    return _distinct(f"{name} {version}" for run in runs for name, version in sorted(run.record.versions.items()))


def modifiers_text(runs: Sequence[Run]) -> str:
    """The chains in text form, one a line: what `orbiq modify --with` takes."""
    lines = [spec_text(run.record.modifier) for run in runs if run.record.modifier]
    return "\n".join(_distinct(lines)) or "none: only the reference"


def commands_text(runs: Sequence[Run]) -> str:
    """The commands as they were run, `RUN` for a run's name, one of each kind."""
    lines = [
        shlex.join(_relative(run.record.command)).replace(run.record.run, "RUN") for run in runs if run.record.command
    ]
    return "\n".join(_some(_distinct(lines))) or "none recorded"


def _relative(command: Sequence[str]) -> list[str]:
    """Arguments without the folders of this machine, should any have come in."""
    return [f"…/{PurePath(a).name}" if PurePath(a).is_absolute() else a for a in command]


def settings_text(settings: dict[str, Any]) -> str:
    """The settings as YAML, as they would stand in an experiment file."""
    import yaml

    return str(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=100)).rstrip() or "none"
