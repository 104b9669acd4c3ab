"""One task as a process group of its own: streamed log, timeout, and nothing left behind.

Every task carries a mark in its environment, ORBIQ_MARK. After the end of a task, and after a crash of orbiq, whoever
still carries the mark is ended too, also a daemon that left the group.
"""

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from orbiq.cache import storage_errors
from orbiq.errors import TaskError

MARK = "ORBIQ_MARK"
HEAD_BYTES = 4 << 20
TAIL_BYTES = 4 << 20
GRACE_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a process ended: `exit_code` (negative: by that signal), and why orbiq ended it, if it did."""

    exit_code: int
    timed_out: bool = False
    stopped: bool = False
    duration_s: float = 0.0


def run_process(
    command: list[str],
    *,
    env: Mapping[str, str],
    folder: Path,
    log: Path,
    mark: str,
    timeout_s: float | None = None,
    stop: threading.Event | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Ended:
    """Run a command to its end, or to its timeout, or until `stop` is set; its whole family ends with it."""
    started = time.monotonic()
    refused: list[OSError] = []
    file = _opened(log, refused)  # first, for a task may remove its folder at once
    try:
        process = _start(command, env={**env, MARK: mark}, folder=folder)
    except TaskError:
        if file:
            file.close()
        raise
    reader = threading.Thread(target=_pump, args=(process.stdout, file, on_line, refused), daemon=True)
    reader.start()
    try:
        timed_out, stopped = _wait(process, timeout_s=timeout_s, stop=stop)
    finally:
        end_family(process.pid, mark=mark)
        process.wait()
    reader.join(GRACE_S)
    if refused:
        with storage_errors(log):
            raise refused[0]
    return Ended(
        exit_code=process.returncode, timed_out=timed_out, stopped=stopped, duration_s=time.monotonic() - started
    )


def _start(command: list[str], *, env: Mapping[str, str], folder: Path) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    except (OSError, ValueError) as error:  # ValueError: a word with a zero byte
        reason = getattr(error, "strerror", None) or error
        raise TaskError(f"the task's command {command[0]!r} cannot be started: {reason}") from error


def _wait(
    process: "subprocess.Popen[bytes]", *, timeout_s: float | None, stop: threading.Event | None
) -> tuple[bool, bool]:
    """(timed out, stopped); waits in short steps so that a stop is heard."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    step_s = 0.005
    while True:
        try:
            process.wait(step_s)
        except subprocess.TimeoutExpired:
            pass
        else:
            return False, False
        if stop is not None and stop.is_set():
            return False, True
        if deadline is not None and time.monotonic() > deadline:
            return True, False
        step_s = min(0.2, step_s * 2)


def _opened(log: Path, refused: list[OSError]) -> IO[bytes] | None:
    try:
        return log.open("wb", buffering=0)
    except OSError as error:
        refused.append(error)
        return None


def _pump(
    stream: IO[bytes] | None, log: IO[bytes] | None, on_line: Callable[[str], None] | None, refused: list[OSError]
) -> None:
    """Read a task's output to its end; when the disk refuses the log, the task is not held up by it."""
    if stream is None:
        return
    with stream:
        try:
            if log:
                _keep(_chunks(stream), log, on_line)
        except OSError as error:
            refused.append(error)
        deque(_chunks(stream), maxlen=0)


def _keep(chunks: Iterator[bytes], log: IO[bytes], on_line: Callable[[str], None] | None) -> None:
    """Copy a task's output into its log: the first and last megabytes of it, however long it is."""
    tail = bytearray()
    written = dropped = 0
    with log as file:
        for chunk in chunks:
            if on_line:
                on_line(chunk.decode(errors="replace"))
            room = HEAD_BYTES - written
            if room > 0:
                written += file.write(chunk[:room]) or 0
            tail += chunk[max(0, room) :]
            if len(tail) > 2 * TAIL_BYTES:
                dropped += len(tail) - TAIL_BYTES
                del tail[:-TAIL_BYTES]
        if len(tail) > TAIL_BYTES:
            dropped += len(tail) - TAIL_BYTES
            del tail[:-TAIL_BYTES]
        if dropped:
            file.write(f"\n… {dropped} bytes of log left out here …\n".encode())
        file.write(tail)


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := os.read(stream.fileno(), 1 << 16):
        yield chunk


def log_tail(log: Path, *, lines: int = 30, limit_bytes: int = 6000) -> str:
    """The last lines of a log, at most `limit_bytes`."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - limit_bytes))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def end_family(group: int, *, mark: str) -> None:
    """End a process group and whoever else carries the mark: asked first, then killed after a grace period."""
    members = _marked(mark)
    if not _group_lives(group) and not members:
        return
    _signal_all(group, members, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline:
        if not _group_lives(group) and not _marked(mark):
            return
        time.sleep(0.02)
    _signal_all(group, _marked(mark), signal.SIGKILL)


def end_marked(prefix: str) -> list[int]:
    """End whoever carries a mark that begins with `prefix`: what a crashed orbiq left running; returns the ids."""
    left = _marked(prefix)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in _marked(prefix):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, number)
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline and _marked(prefix):
            time.sleep(0.02)
    return left


def _signal_all(group: int, members: list[int], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
    for process in members:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)


def _group_lives(group: int) -> bool:
    """Whether a member of the group is alive; a zombie is not."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return any(_group_and_state(p) == (group, True) for p in _processes()) if _HAS_PROC else True


_HAS_PROC = Path("/proc/self/environ").exists()
"""Where there is no /proc (macOS) the process group alone is ended."""


def _processes() -> Iterator[int]:
    for name in os.listdir("/proc"):  # noqa: PTH208  half the time of iterdir, and called for every run
        if name.isdigit():
            yield int(name)


def _group_and_state(process: int) -> tuple[int, bool]:
    """(process group, alive) from /proc/<id>/stat."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return -1, False
    state, _, group = text.rpartition(")")[2].split()[:3]
    return int(group), state not in "ZX"


def _marked(prefix: str) -> list[int]:
    """Living processes whose environment carries a mark that begins with `prefix`, this one aside."""
    if not _HAS_PROC:
        return []
    wanted = f"{MARK}={prefix}".encode()
    found = []
    for process in _processes():
        if process == os.getpid():
            continue
        try:
            with open(f"/proc/{process}/environ", "rb") as file:  # noqa: PTH123  read hundreds of times a run
                environ = file.read()
        except OSError:
            continue
        if environ.startswith(wanted) or b"\0" + wanted in environ:
            found.append(process)
    return found
