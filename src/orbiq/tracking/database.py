"""A SQLite store that can be written, and whose tables are all there or not there at all.

MLflow makes its tables in dozens of small steps; a process killed among them leaves a database that no later one can
open. So a new database is made aside and renamed.
"""

import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from orbiq.errors import TrackingError
from orbiq.tracking.store import sqlite_path


def prepare_sqlite(uri: str) -> None:
    """See that a SQLite store can be written, and make it where it is not there yet; hold the store's lock meanwhile.

    Raises:
        TrackingError: the folder or file cannot be written, or the file is no database.
    """
    path = Path(sqlite_path(uri))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.stat().st_size == 0:
            _make(path)
        # MLflow itself would try ten times over minutes before it says what is wrong
        with closing(sqlite3.connect(path, timeout=30)) as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("PRAGMA schema_version").fetchone()
            database.rollback()
    except (OSError, sqlite3.Error) as error:
        raise TrackingError(f"{path.name}: {getattr(error, 'strerror', None) or error}") from error


def import_quietly() -> None:
    """Import MLflow, which takes seconds, and keep what it and its libraries chat about off the terminal."""
    import mlflow  # noqa: F401  MLflow sets its own levels when it is imported, so it goes first

    for name in ("mlflow", "alembic", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _make(path: Path) -> None:
    import_quietly()
    import sqlalchemy
    from mlflow.store.db.utils import _initialize_tables

    new = path.with_name(f".{path.name}.new")
    for left in (new, new.with_name(f"{new.name}-journal")):
        left.unlink(missing_ok=True)  # of a process that was killed here
    sqlite3.connect(new).close()  # says at once, and in its own words, when this place cannot be written
    engine = sqlalchemy.create_engine(f"sqlite:///{new}")
    sqlalchemy.event.listen(engine, "connect", _hasty)
    _initialize_tables(engine)
    engine.dispose()
    with new.open("rb") as stream:
        os.fsync(stream.fileno())
    new.replace(path)


def _hasty(connection: Any, _: Any) -> None:
    """Hundreds of small steps need not each wait for the disk: the file counts only once it is whole."""
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA journal_mode=MEMORY")
