"""MLflow, opened for one experiment: its parent run, and what MLflow already has of its runs.

MLflow is imported when a connection is made, never before: it takes seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from orbiq.cache import patient
from orbiq.tracking.content import valid_name
from orbiq.tracking.database import import_quietly, prepare_sqlite
from orbiq.tracking.store import Target, origin, quiet_environment, sqlite_path

OURS = {"mlflow.user": "orbiq", "mlflow.source.name": "orbiq", "mlflow.source.type": "LOCAL"}
"""MLflow's own tags, which would name the user and the script otherwise."""


class Known(NamedTuple):
    """A run of ours that MLflow has."""

    run_id: str
    artifact_uri: str
    status: str = "RUNNING"
    digest: str = ""
    scores_digest: str = ""
    parent: str = ""
    artifacts: str = ""


@dataclass(frozen=True)
class Journal:
    """What outlives a connection that is lost and made anew."""

    live: dict[str, Known] = field(default_factory=dict)
    """Runs opened for tasks that log live, by the run's name."""
    deleted: list[str] = field(default_factory=list)
    """MLflow ids of runs that were not whole, or whose record was replaced."""
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Connection:
    """What MLflow has of this experiment is looked up once, then kept in step by the one writer."""

    client: Any
    target: Target
    experiment_id: str
    parent_id: str
    known: dict[str, list[Known]]
    """Children by the run's name."""
    journal: Journal


def connect(target: Target, journal: Journal) -> Connection:
    """Open the store, find or make the experiment and its parent run.

    Raises:
        TrackingError: a SQLite store that cannot be written.
        Whatever MLflow raises when it cannot be reached or refuses.
    """
    quiet_environment(target.endpoint)
    import_quietly()
    from mlflow.tracking import MlflowClient

    # MLflow makes its tables without a lock: two processes that start together would both try
    with patient(target.workspace / ".mlflow.lock"):
        if sqlite_path(target.endpoint):
            prepare_sqlite(target.endpoint)
        client = MlflowClient(tracking_uri=target.endpoint)
        experiment_id = _experiment(client, target)
        parents, known = _look_up(client, experiment_id, origin(target.experiment_folder))
        parent_id = _parent(client, target, experiment_id=experiment_id, parents=parents)
    return Connection(
        client=client,
        target=target,
        experiment_id=experiment_id,
        parent_id=parent_id,
        known=known,
        journal=journal,
    )


def close(connection: Connection) -> None:
    """Mark the parent run as finished."""
    connection.client.set_terminated(connection.parent_id, status="FINISHED")


def own_tags(target: Target) -> dict[str, str]:
    """The tags of every run of this experiment."""
    stated = {valid_name(k): str(v) for k, v in target.tags.items()}
    return {**stated, **OURS, "orbiq.origin": origin(target.experiment_folder)}


def _experiment(client: Any, target: Target) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(target.experiment)
    if found is None:
        try:
            return str(client.create_experiment(target.experiment, artifact_location=target.artifacts))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(target.experiment)  # somebody else was first
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _look_up(client: Any, experiment_id: str, own: str) -> tuple[list[str], dict[str, list[Known]]]:
    """Parents and children that this very experiment has in MLflow; others may use the same name."""
    parents: list[str] = []
    known: dict[str, list[Known]] = {}
    token = None
    while True:
        page = client.search_runs([experiment_id], f"tags.`orbiq.origin` = '{own}'", page_token=token)
        for run in page:
            tags = run.data.tags
            if tags.get("orbiq.parent"):
                parents.append(run.info.run_id)
            else:
                known.setdefault(tags.get("orbiq.run", ""), []).append(_known(run.info, tags))
        token = page.token
        if not token:
            return parents, known


def _known(info: Any, tags: Mapping[str, str]) -> Known:
    return Known(
        run_id=info.run_id,
        artifact_uri=info.artifact_uri,
        status=info.status,
        digest=tags.get("orbiq.digest", ""),
        scores_digest=tags.get("orbiq.scores", ""),
        parent=tags.get("mlflow.parentRunId", ""),
        artifacts=tags.get("orbiq.artifacts", ""),
    )


def _parent(client: Any, target: Target, *, experiment_id: str, parents: Sequence[str]) -> str:
    if parents:
        client.update_run(parents[0], status="RUNNING")
        return parents[0]
    tags = {**own_tags(target), "orbiq.parent": "1"}
    return str(client.create_run(experiment_id, run_name=target.experiment, tags=tags).info.run_id)
