"""MLflow's server on this machine: for tasks that log live, and for looking at the store.

The server listens on 127.0.0.1 alone. It lives in a process group of its own and ends with the block that opened
it, and also when this process is killed: it notices that the pipe between the two has closed (see `guarded`).
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from orbiq.cache import patient
from orbiq.errors import SettingError, TrackingError
from orbiq.tracking.database import prepare_sqlite
from orbiq.tracking.store import is_http, quiet_environment, safe_uri, settled_uri, sqlite_path

START_S = 90.0
_HOST = "127.0.0.1"
_TAIL_CHARACTERS = 2000
_ATTEMPTS = 3


@contextmanager
def live_server(workspace: Path, uri: str | None) -> Iterator[str]:
    """A server in front of the store, as long as the block lasts; yields http://127.0.0.1:<port>.

    Hand it to `Tracker` as `through`: while it runs it is the one that writes. A store that is itself a server needs
    none in front, so its own URI is yielded.

    Raises:
        SettingError: tracking is off, or the URI is one that MLflow cannot take.
        TrackingError: the server does not start; with the end of its log.
    """
    store = _store(uri, workspace)
    if is_http(store):
        yield store
        return
    _prepare(store, workspace)
    for attempt in range(_ATTEMPTS):
        with _served(store, workspace=workspace, port=_free_port()) as (server, url, log):
            if _healthy(server, url):
                yield url
                return
            # between choosing a port and taking it, another process may have taken it
            if "address already in use" not in _tail(log).lower() or attempt == _ATTEMPTS - 1:
                raise TrackingError(f"MLflow's server did not start. Its log ends:\n{_tail(log)}")


def ui(
    workspace: Path,
    uri: str | None,
    *,
    port: int = 5000,
    open_browser: bool = True,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Show the store in MLflow's own page until Ctrl-C; `ready` gets the page's address.

    Raises:
        SettingError: tracking is off, or the port is taken.
        TrackingError: the server does not start.
    """
    store = _store(uri, workspace)
    if is_http(store):
        _show(store, open_browser=open_browser, ready=ready)
        return
    if not _is_free(port):
        raise SettingError(f"port {port} is taken by another program. Choose another: orbiq ui --port {port + 1}")
    _prepare(store, workspace)
    with _served(store, workspace=workspace, port=port) as (server, url, log):
        if not _healthy(server, url):
            raise TrackingError(f"MLflow's page did not start. Its log ends:\n{_tail(log)}")
        _show(url, open_browser=open_browser, ready=ready)
        with suppress(KeyboardInterrupt):
            server.wait()


def _store(uri: str | None, workspace: Path) -> str:
    store = settled_uri(uri, workspace=workspace)
    if store is None:
        raise SettingError("tracking is off, so MLflow has nothing to show or to take. State a tracking URI first")
    return store


def _prepare(store: str, workspace: Path) -> None:
    quiet_environment(f"http://{_HOST}")
    if sqlite_path(store):
        with patient(workspace / ".mlflow.lock"):
            prepare_sqlite(store)


def _show(url: str, *, open_browser: bool, ready: Callable[[str], None] | None) -> None:
    if ready:
        ready(safe_uri(url))
    if open_browser:
        import webbrowser

        webbrowser.open(url)


@contextmanager
def _served(store: str, *, workspace: Path, port: int) -> Iterator[tuple["subprocess.Popen[bytes]", str, IO[bytes]]]:
    """The server's process, its address and its log."""
    url = f"http://{_HOST}:{port}"
    artifacts = (workspace.absolute() / "mlartifacts").as_uri()
    # the store goes through the environment: a command line with a password could be read by everyone
    settings = {
        "MLFLOW_BACKEND_STORE_URI": store,
        "MLFLOW_ARTIFACTS_DESTINATION": artifacts,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": artifacts,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    command = [sys.executable, "-P", "-m", "orbiq.tracking.guarded", "server", "--host", _HOST, "--port", str(port)]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            [*command, "--workers", "1", "--uvicorn-opts", "--log-level warning"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **settings},
        )
        try:
            yield server, url, log
        finally:
            _end(server)


def _end(server: "subprocess.Popen[bytes]") -> None:
    """Ask the whole group to end, then make it."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, sign)
        with suppress(subprocess.TimeoutExpired):
            server.wait(5)
    if server.stdin:
        server.stdin.close()


def _healthy(server: "subprocess.Popen[bytes]", url: str) -> bool:
    opener = build_opener(ProxyHandler({}))
    until = time.monotonic() + START_S
    while time.monotonic() < until and server.poll() is None:
        with suppress(URLError, OSError), opener.open(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
        time.sleep(0.1)
    return False


def _tail(log: IO[bytes]) -> str:
    log.flush()
    log.seek(0)
    return log.read().decode(errors="replace")[-_TAIL_CHARACTERS:].strip() or "(nothing)"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
        return True
