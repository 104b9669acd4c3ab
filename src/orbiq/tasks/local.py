"""The local executor: threads over subprocesses, with slots for jobs and GPUs."""

import os
import queue
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from orbiq.cache import storage_errors
from orbiq.errors import ContractError, OrbiqError, SettingError
from orbiq.records import Status
from orbiq.tasks.contract import Results, flags, read_predictions, read_results
from orbiq.tasks.processes import log_tail, run_process

Item = TypeVar("Item")
Result = TypeVar("Result")
LOG_FILE = "log.txt"
OUTPUT_DIR = "output"
_CHANNELS = {
    "trainds": "SM_CHANNEL_TRAINDS",
    "valds": "SM_CHANNEL_VALDS",
    "testds": "SM_CHANNEL_TESTDS",
    "outputpath": "SM_OUTPUT_DATA_DIR",
}


@dataclass(frozen=True, kw_only=True)
class Command:
    """The user's black box: what to start, where, and how long it may take.

    `gpus`: None leaves CUDA_VISIBLE_DEVICES alone; a number reserves as many devices for each run.
    """

    argv: tuple[str, ...]
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    retries: int = 0
    gpus: int | None = None
    needs_results: bool = True


@dataclass(frozen=True, kw_only=True)
class TaskOutcome:
    """How a run ended, and what it wrote."""

    status: Status
    reason: str
    exit_code: int | None
    attempts: int
    duration_s: float
    log_tail: str
    results: Results = field(default_factory=Results)


class Stopped(OrbiqError):
    """The user asked to stop; the run is discarded."""


def run_command(
    command: Command,
    arguments: Mapping[str, object],
    *,
    part: Path,
    mark: str,
    stop: threading.Event,
    devices: tuple[str, ...] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> TaskOutcome:
    """Run the black box into `part/output` and `part/log.txt`, as often as its retries allow.

    `arguments` become `--name value`; --outputpath is added here. Raises `Stopped` when `stop` is set meanwhile.
    """
    attempt = 0
    while True:
        attempt += 1
        outcome = _attempt(command, arguments, part=part, mark=mark, stop=stop, devices=devices, on_line=on_line)
        if outcome.status == "finished" or attempt > command.retries:
            return TaskOutcome(**{**vars(outcome), "attempts": attempt})


def _attempt(
    command: Command,
    arguments: Mapping[str, object],
    *,
    part: Path,
    mark: str,
    stop: threading.Event,
    devices: tuple[str, ...] | None,
    on_line: Callable[[str], None] | None,
) -> TaskOutcome:
    output, log = part / OUTPUT_DIR, part / LOG_FILE
    _emptied(output)
    passed = {**arguments, "outputpath": str(output)}
    env = {**os.environ, "PYTHONUNBUFFERED": "1", **command.env, **_channels(passed)}
    if devices is not None:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(devices)
    ended = run_process(
        [*command.argv, *flags(passed)],
        env=env,
        folder=command.folder,
        log=log,
        mark=mark,
        timeout_s=command.timeout_s,
        stop=stop,
        on_line=on_line,
    )
    if ended.stopped:
        raise Stopped("stopped on request")
    reason, results = "", Results()
    if ended.timed_out:
        reason = f"the task ran longer than timeout_s={command.timeout_s:g} and was ended"
    elif ended.exit_code != 0:
        reason = _exit_words(ended.exit_code)
    else:
        reason, results = _read(output, command)
    return TaskOutcome(
        status="failed" if reason else "finished",
        reason=reason or "; ".join(results.notes),
        exit_code=ended.exit_code,
        attempts=1,
        duration_s=ended.duration_s,
        log_tail=log_tail(log),
        results=results,
    )


def _read(output: Path, command: Command) -> tuple[str, Results]:
    """(what is wrong or "", the results)."""
    try:
        if not command.needs_results and not (output / "results.json").is_file():
            return "", Results()
        read_predictions(output)
        return "", read_results(output)
    except ContractError as error:
        return str(error), Results()


def _exit_words(exit_code: int) -> str:
    if exit_code < 0:
        return f"the task was ended by signal {-exit_code}; see its log"
    return f"the task exited with code {exit_code}; see its log"


def _emptied(output: Path) -> None:
    with storage_errors(output):
        if output.is_symlink() or output.is_file():  # a task may have put anything in its place
            output.unlink()
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir(parents=True, exist_ok=True)


def _channels(arguments: Mapping[str, object]) -> dict[str, str]:
    return {variable: str(arguments[name]) for name, variable in _CHANNELS.items() if name in arguments}


def visible_gpus() -> tuple[str, ...]:
    """The GPUs that this process may use: CUDA_VISIBLE_DEVICES where it is set, else all that the driver lists."""
    stated = os.environ.get("CUDA_VISIBLE_DEVICES")
    if stated is not None:
        return tuple(d.strip() for d in stated.split(",") if d.strip())
    driver = Path("/proc/driver/nvidia/gpus")
    return tuple(str(k) for k in range(len(list(driver.iterdir())))) if driver.is_dir() else ()


def run_all(
    items: Iterable[Item],
    work: Callable[[Item, tuple[str, ...] | None], Result],
    *,
    jobs: int,
    gpus: int | None,
    stop: threading.Event,
) -> Iterator[Result]:
    """Do the work on every item, `jobs` at a time, each with its own GPUs; results as they come.

    On an error, or when the caller leaves, nothing new begins, and what runs is told to stop.
    """
    slots = _slots(jobs, gpus)
    todo = iter(items)
    with ThreadPoolExecutor(max_workers=slots.qsize()) as pool, _stopping(stop):
        running: set[Future[Result]] = set()
        while True:
            while len(running) < slots.maxsize and not stop.is_set() and (item := next(todo, None)) is not None:
                running.add(pool.submit(_in_slot, work, item, slots))
            if not running:
                return
            done, running = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in done:
                try:
                    yield future.result()
                except Stopped:
                    continue


@contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """Tell whatever runs to stop when the block is left by an error or by the caller."""
    try:
        yield
    except BaseException:
        stop.set()
        raise


def _in_slot(
    work: Callable[[Item, tuple[str, ...] | None], Result],
    item: Item,
    slots: "queue.Queue[tuple[str, ...] | None]",
) -> Result:
    devices = slots.get()
    try:
        return work(item, devices)
    finally:
        slots.put(devices)


def check_command(command: Command) -> None:
    """Refuse a command whose program is not there, or that wants more GPUs than there are, before anything is made."""
    program = command.argv[0]
    path = {**os.environ, **command.env}.get("PATH")
    if shutil.which(program, path=path) is None and not os.access(command.folder / program, os.X_OK):
        raise SettingError(
            f"the task's program {program!r} is not there, or may not be run. Name one on the PATH, or a file "
            "relative to the experiment file."
        )
    _enough_gpus(command.gpus)


def _enough_gpus(gpus: int | None) -> tuple[str, ...]:
    found = visible_gpus()
    if gpus and len(found) < gpus:
        raise SettingError(
            f"task.gpus is {gpus}, and {len(found)} GPUs are visible here. Set task.gpus to 0, or make them "
            "visible through CUDA_VISIBLE_DEVICES."
        )
    return found


def _slots(jobs: int, gpus: int | None) -> "queue.Queue[tuple[str, ...] | None]":
    found = _enough_gpus(gpus)
    n_slots = min(jobs, len(found) // gpus) if gpus else jobs
    slots: queue.Queue[tuple[str, ...] | None] = queue.Queue(maxsize=n_slots)
    for k in range(n_slots):
        slots.put(None if gpus is None else found[k * gpus : (k + 1) * gpus])
    return slots


def python_command(script: Path, interpreter: str | None) -> tuple[str, ...]:
    """The command that runs a script: the stated interpreter, else this Python."""
    return (interpreter or sys.executable, str(script))
