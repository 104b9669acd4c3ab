"""What an experiment's folder holds for a reader: runs, scores, settings, analysis, variants."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orbiq.cache import read_json_or
from orbiq.records import Record, all_scores, read_about, read_records


@dataclass(frozen=True, kw_only=True)
class Run:
    """A record with every score given to its run, and why some are unknown."""

    record: Record
    scores: dict[str, float]
    reasons: dict[str, str]

    @property
    def finished(self) -> bool:
        """Whether it counts in figures."""
        return self.record.status == "finished"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """An experiment as found on disk; `point` is the operating point, None with the `reason` why there is none."""

    folder: Path
    name: str
    settings: dict[str, Any]
    runs: tuple[Run, ...]
    point: dict[str, Any] | None
    params: dict[str, Any]
    """The parameters of the runs behind `point`."""
    others: tuple[dict[str, Any], ...]
    """Operating points with other parameters."""
    reason: str
    agreement: dict[str, Any]
    """How the scores of the images go with the task's; empty where no image was scored."""

    @property
    def finished(self) -> tuple[Run, ...]:
        """The runs that count in figures."""
        return tuple(run for run in self.runs if run.finished)


def read_evidence(folder: str | Path) -> Evidence:
    """Everything an experiment's folder holds; DatasetError when it is no such folder."""
    folder = Path(folder)
    described = read_about(folder)
    analysed = read_json_or(folder / "analysis.json", {})
    if not isinstance(analysed.get("operating_point"), dict | None):
        analysed = {}
    runs = [Run(record=r, **_scores(folder, r)) for r in read_records(folder)]
    return Evidence(
        folder=folder,
        name=str(described.get("name") or folder.name),
        settings=described["settings"],
        runs=tuple(sorted(runs, key=lambda r: (r.record.variant, str(r.record.params), r.record.repetition))),
        point=analysed.get("operating_point"),
        params=analysed.get("params") or {},
        others=tuple(analysed.get("others") or ()),
        reason=str(analysed.get("reason") or "the runs have not been analysed yet"),
        agreement=analysed.get("agreement") or {},
    )


def _scores(folder: Path, record: Record) -> dict[str, Any]:
    scores, reasons = all_scores(folder / "runs" / record.run, record)
    return {"scores": scores, "reasons": reasons}
