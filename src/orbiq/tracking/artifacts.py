"""The files of a run that MLflow gets a copy of: record.json, log.txt and everything in output/.

Links and special files are not followed. A file above a limit is not copied but listed; the record's folder
keeps all of them.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from orbiq.errors import TrackingError
from orbiq.tracking.store import Target, is_here

MAX_FILE_BYTES = 50 * 10**6
MAX_RUN_BYTES = 500 * 10**6


def artifact_files(run_folder: Path) -> tuple[list[str], list[str]]:
    """(files to copy, files left out), as paths relative to the run's folder."""
    taken: list[str] = []
    left: list[str] = []
    room = MAX_RUN_BYTES
    for name in _plain_files(run_folder):
        size = (run_folder / name).stat().st_size
        if size <= min(MAX_FILE_BYTES, room):
            taken.append(name)
            room -= size
        else:
            left.append(f"{name} ({size / 1e6:.0f} MB)")
    return taken, left


def _plain_files(run_folder: Path) -> Iterator[str]:
    candidates = [run_folder / "record.json", run_folder / "log.txt"]
    for root, folders, names in os.walk(run_folder / "output"):  # os.walk does not enter linked folders
        folders.sort()
        candidates += [Path(root, name) for name in sorted(names)]
    for path in candidates:
        if path.is_file() and not path.is_symlink():
            yield path.relative_to(run_folder).as_posix()


def local_folder(artifact_uri: str, target: Target) -> Path | None:
    """The folder behind a run's artifact URI; None when it is somewhere else.

    Raises:
        TrackingError: a distant server names a folder of its own disk, which is not here.
    """
    parts = urlsplit(artifact_uri)
    if parts.scheme not in ("", "file"):
        return None
    folder = Path(url2pathname(parts.path)) if parts.scheme else Path(artifact_uri)
    distant = not target.through and not is_here(target.uri)
    if distant and not folder.parents[2].is_dir():
        raise TrackingError("the server keeps artifacts in a folder of its own; start it with --serve-artifacts")
    return folder


def copy_artifacts(run_folder: Path, *, names: list[str], client: Any, run_id: str, folder: Path | None) -> None:
    """Copy files to a run's artifacts: straight to their folder where it is at hand, else through MLflow."""
    for name in names:
        if folder:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(run_folder / name, folder / name)
        else:
            client.log_artifact(run_id, str(run_folder / name), Path(name).parent.as_posix().removeprefix("."))
