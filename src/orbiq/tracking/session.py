"""Runs that wait to be sent, and the connection they go over. Used by one thread; nothing here raises."""

from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import Any

from orbiq.cache import exclusive
from orbiq.errors import OrbiqError
from orbiq.tracking.connection import Connection, Journal, close, connect
from orbiq.tracking.mlflow import LiveRun, delete_leftovers, open_run, write
from orbiq.tracking.store import Target, is_sent, safe_uri, without_secrets

RETRY_S = 60.0
"""How long a store that failed is left alone."""


class Session:
    """One writer's work on one experiment."""

    def __init__(self, target: Target, *, thorough: bool = False) -> None:
        """`thorough` asks MLflow about every run and trusts no marker."""
        self.target = target
        self.thorough = thorough
        self.waiting: list[Path] = []
        self.sent: list[str] = []
        self.kept: list[str] = []
        self.journal = Journal()
        self.failures: list[tuple[float, str]] = []
        """When and why the store could not be reached; empty again once it could."""
        self._connections: list[Connection] = []
        """The one connection, when there is one."""
        self._claim = ExitStack()

    @property
    def problems(self) -> list[str]:
        """One sentence for each thing that went wrong."""
        if not self.failures or not self.waiting:
            return list(self.journal.problems)
        n = len(self.waiting)
        unreached = (
            f"MLflow at {safe_uri(self.target.uri)} cannot be written ({self.failures[-1][1]}). The records are whole; "
            f"{n} of them wait{'' if n > 1 else 's'} to be sent: `orbiq sync` does it."
        )
        return [*self.journal.problems, unreached]

    def take(self, run_folder: Path) -> None:
        """Send a run, and whatever waited before it."""
        self.waiting.append(run_folder)
        self.attempt()

    def attempt(self) -> None:
        """Send what waits, unless the store failed a moment ago."""
        while self.waiting and not self._resting():
            folder = self.waiting[0]
            try:
                if not self.thorough and is_sent(folder, self.target.uri):
                    news = False
                elif self._reachable():
                    news = write(self._connections[0], folder)
                else:
                    return
            except Exception as error:  # noqa: BLE001  whatever MLflow does, the experiment goes on
                if not self._is_refusal(error):
                    return
                self.journal.problems.append(f"runs/{folder.name} was not sent to MLflow: {self._reason(error)}")
            else:
                (self.sent if news else self.kept).append(folder.name)
            del self.waiting[0]

    def open(self, name: str, **what: Any) -> LiveRun | None:
        """A run for a task to log to; None when the store cannot be reached."""
        if self._resting() or not self._reachable():
            return None
        try:
            return open_run(self._connections[0], name, **what)
        except Exception as error:  # noqa: BLE001  as above
            self._lose(error)
            return None

    def clear(self, runs: set[str]) -> None:
        """Delete what killed tasks left in MLflow without a record."""
        try:
            for connection in self._connections:
                delete_leftovers(connection, runs)
        except Exception as error:  # noqa: BLE001  as above
            self._lose(error)

    def finish(self) -> None:
        """One last attempt, then let go of the store."""
        self.attempt()
        try:
            for connection in self._connections:
                close(connection)
        except Exception as error:  # noqa: BLE001  only the parent's state is lost, the next session mends it
            self._lose(error)
        self._claim.close()

    def _reachable(self) -> bool:
        """Whether there is a connection; made on first use, together with the claim to be the one writer."""
        if self._connections:
            return True
        folder = self.target.experiment_folder
        try:
            with ExitStack() as stack:
                stack.enter_context(exclusive(folder / ".mlflow.lock", what=f"MLflow's copy of {folder.name}"))
                self._connections.append(connect(self.target, self.journal))
                self._claim.push(stack.pop_all())
        except Exception as error:  # noqa: BLE001  as above
            self._lose(error)
            return False
        self.failures.clear()
        return True

    def _is_refusal(self, error: Exception) -> bool:
        """Whether the run itself is at fault; if MLflow said no, it is when MLflow can be reached all the same."""
        if isinstance(error, OrbiqError):
            return True
        self._lose(error)
        return self._reachable()

    def _resting(self) -> bool:
        return bool(self.failures) and monotonic() - self.failures[-1][0] < RETRY_S

    def _lose(self, error: Exception) -> None:
        """Drop the connection: what was half done must be looked up before it is done again."""
        self.failures.append((monotonic(), self._reason(error)))
        self._connections.clear()
        self._claim.close()

    def _reason(self, error: Exception) -> str:
        return without_secrets(_heart(error), self.target.uri)


def _heart(error: Exception) -> str:
    """What an error says, in one line; network libraries wrap it many times."""
    text = str(error) or type(error).__name__
    hearts = ("Connection refused", "timed out", "Name or service not known", "Temporary failure in name resolution")
    for heart in hearts:
        if heart in text:
            return heart.lower()
    return text.splitlines()[0][:300].rstrip(" .")
