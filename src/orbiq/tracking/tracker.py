"""Sending runs to MLflow beside the experiment: one thread writes, nobody waits, nothing depends on it.

The record on disk is the truth. What cannot be sent now waits; what still waits at the end is named in
`problems`, and `sync` sends it later.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from queue import PriorityQueue
from threading import Thread
from types import MappingProxyType, TracebackType
from typing import Any, Self

from orbiq.errors import SettingError
from orbiq.tracking.mlflow import LiveRun
from orbiq.tracking.session import Session
from orbiq.tracking.store import Target, is_http, settled_uri

Progress = Callable[[int, int], None]
"""Called with (runs done, runs in all)."""
_LIVE_WAIT_S = 180.0
_OPEN, _SEND, _STOP = 0, 1, 2
_NO_TAGS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class SyncReport:
    """What `sync` did: runs sent (new, or new scores), kept as they were, deleted in MLflow, and what went wrong."""

    sent: int
    kept: int
    deleted: int
    problems: list[str]


class Tracker:
    """Sends finished runs to MLflow from a thread of its own, beside the experiment.

    with Tracker(None, experiment_folder=folder, experiment="airports", workspace=workspace) as tracker:
        tracker.send(folder / "runs" / "0001")
    print(tracker.sent, tracker.problems)

    `uri` is MLflow's tracking URI: None is SQLite inside the workspace, "off" sends nothing. `through` is a live server
    in front of that store (see `server.live_server`). MLflow is imported at the first run that is not yet sent.
    Leaving the block waits until all is sent, telling `progress`; Ctrl-C gives up waiting and loses nothing.

    Raises:
        SettingError: a URI that MLflow cannot take.
    """

    def __init__(
        self,
        uri: str | None,
        *,
        experiment_folder: Path,
        experiment: str,
        workspace: Path,
        tags: Mapping[str, str] = _NO_TAGS,
        through: str = "",
        progress: Progress | None = None,
    ) -> None:
        target = _target(uri, experiment_folder, experiment=experiment, workspace=workspace, tags=tags, through=through)
        self._session = Session(target) if target else None
        self._progress = progress
        self._jobs: PriorityQueue[tuple[int, int, Any]] = PriorityQueue()
        self._order = count()
        self._thread = Thread(target=self._work, name="orbiq-mlflow", daemon=True)
        self._late: list[str] = []

    def __enter__(self) -> Self:
        if self._session:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if not self._session:
            return
        total = self._pending()
        self._put(_STOP, None)
        while self._thread.is_alive():
            self._thread.join(0.1)
            if self._progress and total:
                self._progress(min(max(total - self._pending(), 0), total), total)

    @property
    def sent(self) -> int:
        """Runs that MLflow got in this session."""
        return len(self._session.sent) if self._session else 0

    @property
    def problems(self) -> list[str]:
        """What went wrong, one sentence each, for the end of the experiment."""
        return [*self._late, *(self._session.problems if self._session else [])]

    def send(self, run_folder: Path) -> None:
        """Queue a finished run's folder; returns at once. Sending a run that MLflow already has does nothing."""
        if self._session:
            self._put(_SEND, run_folder)

    def open_run(
        self, name: str, *, key: str, variant: str = "", params: Mapping[str, Any] = _NO_TAGS
    ) -> LiveRun | None:
        """A run for a task to log to while it works; `send` completes that same run.

        Waits for MLflow, as the task needs the ids. None when tracking is off or the store cannot be reached: the task
        then runs without monitoring. Called again for the same name it starts afresh.

        Raises:
            SettingError: there is no server that a task could log to.
        """
        if not self._session:
            return None
        if not is_http(self._session.target.endpoint):
            raise SettingError("a task can log live only to a server: open a live_server and hand it in as `through`")
        answer: Future[LiveRun | None] = Future()
        self._put(_OPEN, (answer, name, {"key": key, "variant": variant, "params": dict(params)}))
        try:
            return answer.result(_LIVE_WAIT_S)
        except TimeoutError:
            self._late.append(f"{name} ran without live monitoring: MLflow gave no answer in {_LIVE_WAIT_S:.0f} s")
            return None

    def _put(self, priority: int, job: Any) -> None:
        self._jobs.put((priority, next(self._order), job))

    def _pending(self) -> int:
        waiting = len(self._session.waiting) if self._session else 0
        return self._jobs.qsize() + waiting

    def _work(self) -> None:
        """The one writer's thread."""
        session = self._session
        while session:
            priority, _, job = self._jobs.get()
            if priority == _STOP:
                session.finish()
                return
            if priority == _OPEN:
                answer, name, what = job
                answer.set_result(session.open(name, **what))
            else:
                session.take(job)


def _target(uri: str | None, experiment_folder: Path, *, workspace: Path, **rest: Any) -> Target | None:
    store = settled_uri(uri, workspace=workspace)
    return Target(uri=store, experiment_folder=experiment_folder, workspace=workspace, **rest) if store else None


def sync(
    experiment_folder: Path,
    *,
    uri: str | None,
    experiment: str,
    workspace: Path,
    tags: Mapping[str, str] = _NO_TAGS,
    progress: Progress | None = None,
) -> SyncReport:
    """Send every run that MLflow lacks, and clear away what crashes left there; MLflow itself is asked about each.

    Raises:
        SettingError: tracking is off, or the URI is one that MLflow cannot take.
    """
    target = _target(uri, experiment_folder, experiment=experiment, workspace=workspace, tags=tags)
    if target is None:
        raise SettingError(f"tracking is off, so there is nowhere to sync to. State a store: {_example(workspace)}")
    session = Session(target, thorough=True)
    folders = sorted(p.parent for p in (experiment_folder / "runs").glob("[!.]*/record.json"))
    for k, folder in enumerate(folders):
        session.take(folder)
        if progress:
            progress(k + 1, len(folders))
    session.clear({folder.name for folder in folders})
    session.finish()
    return SyncReport(
        sent=len(session.sent),
        kept=len(session.kept),
        deleted=len(session.journal.deleted),
        problems=session.problems,
    )


def _example(workspace: Path) -> str:
    return f"sqlite:///{workspace.name}/mlflow.db"
