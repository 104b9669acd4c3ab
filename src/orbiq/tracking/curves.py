"""The curves of a training: lines of JSON beside it, which are the truth, and the same in MLflow.

    <folder>/curves.jsonl    {"step": 100, "loss": 0.7}, a line a look
    <folder>/mlflow.json     {store, mlflow_run}: the one run that a training is in MLflow, whenever it goes on

What MLflow cannot take costs nothing: `problems` says so, and the next start sends all that is missing.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orbiq.cache import read_json_or, storage_errors, write_bytes, write_json
from orbiq.tracking.batches import requests
from orbiq.tracking.connection import OURS
from orbiq.tracking.content import valid_name
from orbiq.tracking.database import import_quietly, prepare_sqlite
from orbiq.tracking.store import quiet_environment, settled_uri, sqlite_path

CURVES = "curves.jsonl"
_RUN = "mlflow.json"
Curves = list[dict[str, float]]


class CurveLog:
    """What `orbiq.learning.loop.fit` calls with every look; `uri` as everywhere: None is `<folder>/mlflow.db`."""

    def __init__(self, folder: Path, *, uri: str | None, name: str, params: Mapping[str, Any], step: int = 0) -> None:
        self.folder, self.name = folder, name
        self.params = {valid_name(key): str(value) for key, value in params.items()}
        self.uri = settled_uri(uri, workspace=folder)
        self.problems: list[str] = []
        self._client: Any = None
        self._run = ""
        self._had: dict[str, int] = {}  # of each metric the last step that MLflow has
        # what was told after the last checkpoint will be told again
        self._told = [row for row in read_curves(folder) if row["step"] <= step]
        write_bytes(folder / CURVES, "".join(json.dumps(row) + "\n" for row in self._told).encode())
        self._unsent: Curves = list(self._told)

    def __call__(self, step: int, values: Mapping[str, float]) -> None:
        """Remember, and send."""
        row = {"step": step, **values}
        with storage_errors(self.folder / CURVES), (self.folder / CURVES).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(row) + "\n")
        self._unsent.append(row)
        self._send()

    def finish(self) -> None:
        """Say to MLflow that the training is over."""
        self._send()
        if self._client is not None:
            self._tried(lambda: self._client.set_terminated(self._run, status="FINISHED"))

    def _send(self) -> None:
        if self.uri is None or self.problems:
            return
        self._tried(self._deliver)

    def _tried(self, deed: Any) -> None:
        try:
            deed()
        except Exception as error:  # noqa: BLE001  MLflow and its stores fail in many ways
            said = str(error) or type(error).__name__
            self.problems.append(f"MLflow did not get the curves: {said.splitlines()[0]}")

    def _deliver(self) -> None:
        if self._client is None:
            self._connect()
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics: dict[str, list[Any]] = {}
        for row in self._unsent:
            for name, value in ((valid_name(key), value) for key, value in row.items() if key != "step"):
                # a training that goes on from its checkpoint tells some steps a second time
                if row["step"] > self._had.get(name, -1):
                    metrics.setdefault(name, []).append((int(row["step"]), value, now))
        for request in requests(metrics=metrics):
            points = [Metric(name, value, time_ms, step) for name, step, value, time_ms in request.metrics]
            self._client.log_batch(self._run, metrics=points)
            self._had |= {point.key: point.step for point in points}
        self._unsent = []

    def _connect(self) -> None:
        uri = str(self.uri)
        quiet_environment(uri)
        import_quietly()
        from mlflow.entities import Param, RunTag
        from mlflow.tracking import MlflowClient

        if sqlite_path(uri):
            prepare_sqlite(uri)
        client = MlflowClient(tracking_uri=uri)
        if run := self._run_before(client, uri):
            self._run = str(run.info.run_id)
            self._had = {name: self._last(client, name) for name in run.data.metrics}
            client.update_run(self._run, status="RUNNING")
        else:
            found = client.get_experiment_by_name(self.name)
            experiment = found.experiment_id if found else client.create_experiment(self.name)
            self._run = client.create_run(experiment, run_name=self.folder.name, tags=OURS).info.run_id
            params = [Param(key, value) for key, value in self.params.items()]
            client.log_batch(self._run, params=params, tags=[RunTag("orbiq.kind", "training")])
            write_json(self.folder / _RUN, {"schema": 1, "store": uri, "mlflow_run": self._run})
        self._client = client

    def _run_before(self, client: Any, uri: str) -> Any:
        """The run that this training is in a store already; None where it is not, or was deleted there."""
        from mlflow.exceptions import MlflowException

        known = read_json_or(self.folder / _RUN, {})
        if known.get("store") != uri:
            return None
        try:
            run = client.get_run(known.get("mlflow_run", ""))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        return run if run.info.lifecycle_stage == "active" else None

    def _last(self, client: Any, name: str) -> int:
        """The last step of a metric that MLflow has."""
        return max((int(point.step) for point in client.get_metric_history(self._run, name)), default=-1)


def read_curves(folder: Path) -> Curves:
    """The rows of a training's curves; a last line that was cut off is left out."""
    path = folder / CURVES
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows
