"""A made-up experiment on disk: records, scores, logs and outputs, without running anything."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from orbiq.records import GivenScores, Rate, Record, Split, write_record, write_scores

RATE = Rate(
    bytes_per_image=1200.5,
    bits_per_pixel=2.25,
    bits_per_sample=0.75,
    total_bytes=2401,
    n_images=2,
    coding="jpeg",
    lossless=False,
)


def _split(variant: str, fingerprint: str) -> Split:
    return Split(dataset="airports", variant=variant, fingerprint=fingerprint, n_images=2, rate=RATE)


BASE = Record(
    run="jpeg-50-r0",
    key="k" * 64,
    experiment="airports",
    variant="jpeg-quality=50",
    modifier=[{"name": "gaussian-blur", "sigma_px": 1.5}, {"name": "jpeg", "quality": 50}],
    params={"lr": 0.1, "epochs": 3},
    repetition=0,
    seed=7,
    splits={"train": _split("jpeg-quality=50", "f" * 64), "test": _split("reference", "e" * 64)},
    judged="test",
    status="finished",
    exit_code=0,
    started="2026-01-02T03:04:05+00:00",
    duration_s=2.5,
    task_params={"ap50": 0.75, "backbone": "tiny"},
    series={"loss": [(0.0, 1.0), (1.0, 0.5), (2.0, float("nan"))]},
    dataset_params={"sensor": "newsat"},
    versions={"orbiq": "0.1.0"},
)


class MadeUp:
    """An experiment's folder and the runs in it."""

    def __init__(self, workspace: Path, name: str) -> None:
        self.workspace = workspace
        self.name = name
        self.folder = workspace / name
        self.uri = f"sqlite:///{workspace / 'mlflow.db'}"

    def run(self, name: str = BASE.run, *, log: str = "epoch 1\n", files: dict[str, bytes] | None = None, **changes):
        """Write one finished run; returns its folder."""
        folder = self.folder / "runs" / name
        for path, data in (files or {}).items():
            (folder / "output" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "output" / path).write_bytes(data)
        write_record(folder, replace(BASE, run=name, experiment=self.name, **changes))
        (folder / "log.txt").write_text(log)
        return folder

    def score(self, folder: Path, slug: str, scores: dict[str, float], **reasons: str) -> None:
        write_scores(folder, GivenScores(metric=slug, scores=scores, reasons=reasons), slug=slug)

    @property
    def settings(self) -> dict:
        """What Tracker and sync take alike."""
        return {"experiment": self.name, "workspace": self.workspace}

    def client(self):
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=self.uri)

    def children(self, name: str | None = None):
        """Active children in MLflow, by way of MLflow's own client; all or those of one run."""
        client = self.client()
        experiment = client.get_experiment_by_name(self.name)
        found = client.search_runs([experiment.experiment_id]) if experiment else []
        runs = [r for r in found if "orbiq.parent" not in r.data.tags]
        return [r for r in runs if name in (None, r.data.tags["orbiq.run"])]

    def parents(self):
        client = self.client()
        experiment = client.get_experiment_by_name(self.name)
        return [r for r in client.search_runs([experiment.experiment_id]) if "orbiq.parent" in r.data.tags]


@pytest.fixture(scope="session")
def tracking_workspace(tmp_path_factory) -> Path:
    """One store for all tests of this folder: making MLflow's tables takes seconds."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    import sqlalchemy.event
    from sqlalchemy.engine import Engine

    # these tests crash processes, never the machine, so no write need wait for the disk
    sqlalchemy.event.listen(Engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    return tmp_path_factory.mktemp("work space #1")


@pytest.fixture
def made_up(tracking_workspace, request) -> MadeUp:
    """An experiment of its own, named after the test, in the shared store."""
    return MadeUp(tracking_workspace, re.sub(r"\W+", "-", request.node.name.removeprefix("test_")).strip("-"))
