"""What a person sees while orbiq works, and how errors end a command."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, Self, TypeVar

from orbiq.cache import without_nan
from orbiq.errors import OrbiqError

P = ParamSpec("P")
R = TypeVar("R")
EXIT_FAILED_RUNS = 1
EXIT_ERROR = 2
EXIT_STOPPED = 130
QUIET_STEP_S = 30.0


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """An orbiq error prints its sentence and exits 2; Ctrl-C exits 130; neither shows a traceback."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except OrbiqError as error:
            print(f"orbiq: {error}", file=sys.stderr)
            raise SystemExit(EXIT_ERROR) from None
        except KeyboardInterrupt:
            print("orbiq: stopped. What was finished is kept; the same command goes on from there.", file=sys.stderr)
            raise SystemExit(EXIT_STOPPED) from None
        except BrokenPipeError:
            raise SystemExit(EXIT_ERROR) from None

    return wrapped


def print_json(value: Any) -> None:
    """A result for machines, on standard output."""
    print(json.dumps(without_nan(value), indent=1, default=str))


class Bars:
    """Progress bars with the time that remains, on a terminal."""

    def __init__(self, *, verbose: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.progress import TimeRemainingColumn as Remaining

        self._console = Console(stderr=True)
        columns = (TextColumn("{task.description:>9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, TextColumn("left"), Remaining(), console=self._console)
        self._verbose = verbose
        self._task: Any = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def stage(self, title: str, total: int) -> None:
        """A new bar; one without steps is not shown."""
        self._task = self._progress.add_task(title, total=total, visible=total > 0)

    def tick(self, done: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._progress.update(self._task, completed=done)

    def say(self, text: str) -> None:
        """A line above the bars."""
        self._console.print(text, markup=False, highlight=False)

    def line(self, run: str, text: str) -> None:
        """The task's own output, when asked for."""
        if self._verbose:
            for part in text.rstrip().splitlines():
                self._console.print(f"{run} | {part}", markup=False, highlight=False)


class Lines:
    """Few plain lines, for logs: the begin of a stage, then one every half minute."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._title, self._total, self._last, self._began, self._first = "", 0, 0.0, 0.0, 0

    def stage(self, title: str, total: int) -> None:
        """Say what begins."""
        self._title, self._total = title, total
        self._began = self._last = time.monotonic()
        self._first = -1
        if total:
            self.say(f"{title}: {total} …")

    def tick(self, done: int) -> None:
        """Say how far it is, now and then."""
        now = time.monotonic()
        if self._first < 0:
            self._first = done
        if now - self._last >= QUIET_STEP_S:
            self._last = now
            steps = done - self._first
            left = f", {(self._total - done) * (now - self._began) / steps:.0f} s left" if steps else ""
            self.say(f"{self._title}: {done} of {self._total}{left}")

    def say(self, text: str) -> None:
        """One line."""
        print(text, file=sys.stderr, flush=True)

    def line(self, run: str, text: str) -> None:
        """The task's own output, when asked for."""
        if self._verbose:
            for part in text.rstrip().splitlines():
                self.say(f"{run} | {part}")


@contextmanager
def progress(*, quiet: bool = False, verbose: bool = False) -> Iterator[Any]:
    """Bars on a terminal, few lines in a log, nothing when quiet."""
    from orbiq.progress import Quiet

    if quiet:
        yield Quiet()
    elif sys.stderr.isatty():
        with Bars(verbose=verbose) as bars:
            yield bars
    else:
        yield Lines(verbose=verbose)


def duration_text(seconds: float) -> str:
    """A duration as one says it.

    >>> duration_text(75), duration_text(7300)
    ('1 min 15 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size_text(n_bytes: float) -> str:
    """A size in decimal units.

    >>> size_text(1_530_000)
    '1.5 MB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"
