"""The one writer: a run's folder on disk becomes one run in MLflow, exactly once.

A run in MLflow is *whole* when it carries the digest of the record it was made from and its final status, which
is written after everything else. Whatever else this experiment has under the run's name is not whole, or was
made from another attempt: it is deleted, and the run is written anew. So a crash at any moment leaves either a
whole run or one that the next look-up clears away.
"""

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from orbiq.errors import TrackingError
from orbiq.records import read_record
from orbiq.tracking.artifacts import artifact_files, copy_artifacts, local_folder
from orbiq.tracking.batches import requests
from orbiq.tracking.connection import OURS, Connection, Known, own_tags
from orbiq.tracking.content import TAG_LENGTH, Content, Input, content_of, given_params, shortened, valid_name
from orbiq.tracking.store import mark_sent

_MISSING, _WHOLE = "missing", "whole"


class LiveRun(NamedTuple):
    """What a task needs to log live: --mlfuri, --mlfexpid, --mlfrunid."""

    uri: str
    experiment_id: str
    run_id: str


def open_run(connection: Connection, name: str, *, key: str, variant: str, params: Mapping[str, Any]) -> LiveRun:
    """A fresh run that a task may log to while it works; what an earlier attempt left under the name is deleted."""
    for old in connection.known.pop(name, []):
        _delete(connection, old)
    tags = {"orbiq.key": key, "orbiq.variant": variant, "orbiq.status": "running"}
    opened = _create(connection, name, tags={k: v for k, v in tags.items() if v})
    _log(connection, opened.run_id, params=given_params(params))
    connection.journal.live[name] = opened
    return LiveRun(connection.target.endpoint, connection.experiment_id, opened.run_id)


def write(connection: Connection, run_folder: Path) -> bool:
    """Bring MLflow up to what a run's folder says; False when it already was.

    Raises:
        TrackingError: the folder has no record.
        Whatever MLflow raises when it cannot be reached or refuses.
    """
    record = read_record(run_folder)
    if record is None:
        raise TrackingError(f"runs/{run_folder.name} has no record, so there is nothing to send")
    content = content_of(record, run_folder)
    whole = _only_whole(connection, content)
    if whole is None:
        now, news = _write_whole(connection, content, run_folder=run_folder, key=record.key), True
    else:
        now, news = _bring_up(connection, whole, content, run_folder=run_folder)
    connection.known[content.run] = [now]
    if now.artifacts == _WHOLE:
        mark_sent(run_folder, connection.target.uri, mlflow_run=now.run_id)
    return news


def delete_leftovers(connection: Connection, runs: set[str]) -> None:
    """Delete children that are unfinished and have no record: tasks that logged live when everything was killed."""
    for name in [n for n in connection.known if n not in runs]:
        for old in [k for k in connection.known[name] if not k.digest]:
            _delete(connection, old)
            connection.known[name].remove(old)


def _only_whole(connection: Connection, content: Content) -> Known | None:
    """The whole run of this very record, if MLflow has one; all others of its name are deleted."""
    found = None
    live = connection.journal.live[content.run].run_id if content.run in connection.journal.live else ""
    for old in connection.known.get(content.run, []):
        if found is None and (old.digest, old.status) == (content.digest, content.status):
            found = old
        elif old.run_id != live:
            _delete(connection, old)
    return found


def _delete(connection: Connection, old: Known) -> None:
    connection.client.delete_run(old.run_id)
    connection.journal.deleted.append(old.run_id)
    with suppress(TrackingError):  # artifacts that are out of reach are the server's to clear away
        folder = local_folder(old.artifact_uri, connection.target)
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                folder.parent.rmdir()


def _create(connection: Connection, name: str, *, tags: Mapping[str, str], start_ms: int | None = None) -> Known:
    links = {"mlflow.parentRunId": connection.parent_id, "orbiq.run": name}
    every = {**tags, **own_tags(connection.target), **links}
    run = connection.client.create_run(connection.experiment_id, start_time=start_ms, run_name=name, tags=every)
    made = Known(run.info.run_id, run.info.artifact_uri, parent=connection.parent_id)
    # known at once: should the rest fail, the next attempt finds it and deletes it
    connection.known.setdefault(name, []).append(made)
    return made


def _write_whole(connection: Connection, content: Content, *, run_folder: Path, key: str) -> Known:
    live = connection.journal.live.get(content.run)
    files, left_out = artifact_files(run_folder)
    # the digest comes last: in a live run it is the last tag, in any other it counts with the final status alone
    tags = {**content.tags, **content.score_tags, **_left_out(left_out), "orbiq.key": key, "orbiq.artifacts": _WHOLE}
    tags |= {"orbiq.scores": content.scores_digest, "orbiq.digest": content.digest}
    run = live or _create(connection, content.run, tags=tags, start_ms=content.start_ms)
    params, told, late = content.params, content.told, {}
    if live:
        params, told, conflicts = _beside_live(connection, content, live.run_id)
        late = {**OURS, "mlflow.parentRunId": connection.parent_id, **conflicts, **tags}
    missing = _copy(connection, run, run_folder, files=files)
    connection.client.log_inputs(run.run_id, datasets=[_dataset_input(i) for i in content.inputs])
    metrics = {**content.own, **told, **content.scores}
    _log(connection, run.run_id, params=params, metrics=metrics, tags={**late, **missing})
    connection.client.set_terminated(run.run_id, status=content.status, end_time=content.end_ms)
    connection.journal.live.pop(content.run, None)
    return _now(run, content, artifacts=missing.get("orbiq.artifacts", _WHOLE))


def _now(run: Known, content: Content, *, artifacts: str) -> Known:
    return run._replace(
        status=content.status, digest=content.digest, scores_digest=content.scores_digest, artifacts=artifacts
    )


def _beside_live(
    connection: Connection, content: Content, run_id: str
) -> tuple[dict[str, str], dict[str, Any], dict[str, str]]:
    """What the task has not logged itself; where its parameter differs from ours, ours becomes a tag."""
    data = connection.client.get_run(run_id).data
    params = {k: v for k, v in content.params.items() if k not in data.params}
    told = {k: v for k, v in content.told.items() if k not in data.metrics}
    differing = [k for k, v in content.params.items() if data.params.get(k, v) != v]
    conflicts = {valid_name(f"orbiq.conflict.{k}"): shortened(content.params[k], TAG_LENGTH) for k in differing}
    return params, told, conflicts


def _bring_up(connection: Connection, whole: Known, content: Content, *, run_folder: Path) -> tuple[Known, bool]:
    """New scores, artifacts that could not be copied before, a parent that was replaced."""
    tags: dict[str, str] = {}
    metrics: dict[str, Any] = {}
    artifacts = whole.artifacts
    if artifacts.startswith(_MISSING):
        tags |= {"orbiq.artifacts": _WHOLE, **_copy(connection, whole, run_folder, files=artifact_files(run_folder)[0])}
        artifacts = tags["orbiq.artifacts"]
    if whole.parent != connection.parent_id:
        tags["mlflow.parentRunId"] = connection.parent_id
    if whole.scores_digest != content.scores_digest:
        metrics = content.scores
        tags |= {**content.score_tags, "orbiq.scores": content.scores_digest}
    _log(connection, whole.run_id, metrics=metrics, tags=tags)
    return _now(whole, content, artifacts=artifacts)._replace(parent=connection.parent_id), bool(tags)


def _left_out(files: list[str]) -> dict[str, str]:
    return {"orbiq.left_out": shortened(", ".join(files), TAG_LENGTH)} if files else {}


def _copy(connection: Connection, run: Known, run_folder: Path, *, files: list[str]) -> dict[str, str]:
    """Copy a run's files; when that fails a tag says so, and numbers and parameters still arrive."""
    try:
        folder = local_folder(run.artifact_uri, connection.target)
        copy_artifacts(run_folder, names=files, client=connection.client, run_id=run.run_id, folder=folder)
    except Exception as error:  # noqa: BLE001  an artifact store may fail in any way
        reason = str(getattr(error, "strerror", None) or error).splitlines()[0]
        problem = f"MLflow got runs without their files ({reason}); `orbiq sync` copies them once that is mended."
        if problem not in connection.journal.problems:
            connection.journal.problems.append(problem)
        return {"orbiq.artifacts": shortened(f"{_MISSING}: {reason}", TAG_LENGTH)}
    return {}


def _dataset_input(given: Input) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        name=given.name,
        digest=given.digest,
        source_type="local",
        source=json.dumps({"uri": given.name}),
        profile=json.dumps({"num_rows": given.n_images}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", given.context)])


def _log(connection: Connection, run_id: str, **what: Mapping[str, Any]) -> None:
    from mlflow.entities import Metric, Param, RunTag

    for request in requests(**what):
        connection.client.log_batch(
            run_id,
            metrics=[Metric(name, value, time_ms, step) for name, step, value, time_ms in request.metrics],
            params=[Param(name, value) for name, value in request.params],
            tags=[RunTag(name, value) for name, value in request.tags],
        )
