"""Files and folders that are whole or absent, locks, and fingerprints.

A folder is filled beside its final name and renamed at the end. While it is being filled its maker holds a
lock on it; the lock dies with the process, so whatever is left of a crash can be told from work in progress
and swept away.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from orbiq.errors import BusyError, StorageError

Json = Any
_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}\.part")
"""What orbiq calls its unfinished files and folders; other programs have `.part` files too."""


def content_key(value: Json) -> str:
    """SHA-256 (hex) of a JSON value in its canonical form: equal values, equal keys, whatever their order.

    >>> content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """BLAKE2b-256 (hex) of a file's bytes (RFC 7693): as safe as SHA-256, and faster where no hardware helps."""
    with storage_errors(path), path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=32)).hexdigest()


def fingerprint(folder: Path, *, known: Path | None = None) -> str:
    """SHA-256 over the relative path and digest of every file below `folder`, hidden ones aside.

    `known` names a JSON file that remembers (size, mtime) → digest, so that unchanged files are not read
    again; it is only a shortcut and may be deleted at any time.
    """
    files = sorted(_visible_files(folder))
    old = read_json_or(known, {}) if known else {}
    stats = {name: _stat_key(folder / name) for name in files}

    def digest(name: str) -> str:
        entry = old.get(name)
        if isinstance(entry, list) and len(entry) == 2 and entry[0] == stats[name]:
            return str(entry[1])
        return file_digest(folder / name)

    with ThreadPoolExecutor() as pool:
        digests = dict(zip(files, pool.map(digest, files), strict=True))
    new = {name: [stats[name], digests[name]] for name in files}
    if known and new != old:
        write_json(known, new)
    return content_key(digests)


def _visible_files(folder: Path) -> Iterator[str]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in names:
            # no pipe, which nobody may write to, and no link to nowhere
            if not name.startswith(".") and Path(root, name).is_file():
                yield Path(root, name).relative_to(folder).as_posix()


def _stat_key(path: Path) -> str:
    with storage_errors(path):
        stat = path.stat()
    return f"{stat.st_size}-{stat.st_mtime_ns}-{stat.st_ino}"


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what the system says of a file into one sentence with a way out."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        hints = {28: "Free some space", 30: "Choose a folder that can be written", 13: "Choose a folder you may write"}
        hint = hints.get(error.errno or 0, "Look at the path")
        raise StorageError(f"{path}: {error.strerror or error}. {hint} and run the same command again.") from error


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as stream:
                with suppress(OSError):  # where there are no locks a sweep leaves it alone
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all; what is no character (half a surrogate pair) is written as an escape."""
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_json(path: Path, value: Json) -> None:
    """Write JSON whole or not at all; NaN must have become null before."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json_or(path: Path | None, default: Json) -> Json:
    """A JSON file's value, or `default` when it is absent, broken, or no object where `default` is one."""
    if path is None:
        return default
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return default
    return default if isinstance(default, dict) and not isinstance(value, dict) else value


@contextmanager
def finished_or_absent(folder: Path) -> Iterator[Path]:
    """A folder to fill that gets its name only when it is finished; on an error it is gone.

    If somebody else finished the same folder first, theirs stays.
    """
    part, lock = _held_part(folder)
    try:
        yield part
        with storage_errors(folder):
            _settle(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        os.close(lock)


def _held_part(folder: Path) -> tuple[Path, int]:
    """A new folder beside `folder`, and the lock on it; tried again should a sweep come between the two."""
    while True:
        part = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}.part")
        with storage_errors(folder):
            part.mkdir(parents=True)
        with suppress(FileNotFoundError, BlockingIOError):
            lock = _locked(part)
            if part.is_dir():
                return part, lock
            os.close(lock)


def _settle(part: Path, folder: Path) -> None:
    try:
        part.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def replaced_folder(folder: Path) -> None:
    """Remove a finished folder in one visible step (rename, then delete)."""
    gone = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}.part")
    with storage_errors(folder), suppress(FileNotFoundError):
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def sweep(parent: Path) -> list[Path]:
    """Delete the unfinished folders and files below `parent` that no living process holds; returns them."""
    found = sorted(parent.glob(".*.part")) if parent.is_dir() else []
    return [part for part in found if _UNFINISHED.fullmatch(part.name) and _swept(part)]


def _swept(part: Path) -> bool:
    """Whether it was nobody's and could be deleted."""
    with suppress(OSError):
        lock = _locked(part, needed=True)
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)
        os.close(lock)
        return True
    return False


def _locked(path: Path, *, needed: bool = False) -> int:
    """A file descriptor that holds the lock on a file or folder; BlockingIOError when another process holds it.

    Where the file system knows no locks the descriptor comes without one, unless it is `needed`.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if needed or isinstance(error, BlockingIOError):
            os.close(handle)
            raise
    return handle


@contextmanager
def exclusive(lock_file: Path, *, what: str) -> Iterator[None]:
    """Hold `lock_file` while the block runs; BusyError at once when another process holds it."""
    with storage_errors(lock_file):
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        with storage_errors(lock_file):
            _claim(handle, what)
        yield
    finally:
        os.close(handle)


def _claim(handle: int, what: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(handle, 64).decode(errors="replace").strip() or "unknown"
        raise BusyError(f"{what} is being worked on by process {holder}. Wait for it, or stop it first.") from None
    os.ftruncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())


@contextmanager
def patient(lock_file: Path) -> Iterator[None]:
    """Hold `lock_file` while the block runs, waiting for others first."""
    with storage_errors(lock_file):
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def tree_bytes(folder: Path) -> int:
    """Bytes that the files below a folder take."""
    return sum((folder / name).stat().st_size for name in _visible_files(folder))


def without_nan(value: Json) -> Json:
    """The same JSON value with NaN and ±inf as null, "Infinity", "-Infinity" (JSON knows neither).

    >>> without_nan({"a": float("nan"), "b": [float("inf"), 1]})
    {'a': None, 'b': ['Infinity', 1]}
    """
    if isinstance(value, float):
        if value != value:  # noqa: PLR0124  NaN is the only value that differs from itself
            return None
        if value in (float("inf"), float("-inf")):
            return "Infinity" if value > 0 else "-Infinity"
        return value
    if isinstance(value, Mapping):
        return {k: without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(v) for v in value]
    return value
