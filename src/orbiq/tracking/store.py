"""Where an experiment's copies go, and what is remembered of having sent them.

    <workspace>/mlflow.db, mlartifacts/     the default store
    <experiment>/mlflow.json                who this experiment is in MLflow: {id}
    <experiment>/.mlflow.lock               held by the one writer while it writes
    <experiment>/runs/<run>/mlflow.json     {store, mlflow_run, digest}; written last, only a shortcut

Nothing here imports MLflow.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from orbiq.cache import content_key, file_digest, read_json_or, storage_errors, write_json
from orbiq.errors import SettingError

SCHEMA = 1
_OFF = ("none", "off")
_HTTP = ("http", "https")
_DATABASES = ("postgresql", "mysql", "mssql")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_WAYS = "Write sqlite:///path/to/mlflow.db, http(s)://host:port of an MLflow server, or off"


def default_uri(workspace: Path) -> str:
    """The store that is used when none is stated: SQLite inside the workspace.

    >>> default_uri(Path("/data/work"))
    'sqlite:////data/work/mlflow.db'
    """
    path = workspace.absolute() / "mlflow.db"
    if "?" in str(path):
        raise SettingError(f"workspace {str(workspace)!r}: MLflow takes no database path with a '?'; rename the folder")
    return f"sqlite:///{path.as_posix()}"


def is_off(uri: str | None) -> bool:
    """Whether a tracking URI says that there is to be no tracking: "none" or "off".

    >>> is_off("off"), is_off(None)
    (True, False)
    """
    return uri is not None and uri.strip().lower() in _OFF


def check_uri(uri: str | None) -> None:
    """Refuse a tracking URI that MLflow cannot take; None (the default store) and "off" pass.

    Raises:
        SettingError: a bare path or file: (MLflow refuses file stores), SQLite without a file, http without a host,
            or a scheme that nobody knows.

    >>> check_uri("sqlite:///runs/mlflow.db")
    """
    if uri is None or is_off(uri):
        return
    scheme = "databricks" if uri == "databricks" else urlsplit(uri).scheme
    if scheme in ("", "file") and os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() not in ("1", "true"):
        raise SettingError(f"tracking URI {uri!r} is a folder, which MLflow no longer takes as a store. {_WAYS}.")
    if scheme == "sqlite" and not sqlite_path(uri):
        raise SettingError(f"tracking URI {uri!r} names no database file. {_WAYS}.")
    if scheme in _HTTP and not _host(uri):
        raise SettingError(f"tracking URI {uri!r} names no host. {_WAYS}.")
    if not _known_scheme(scheme, uri):
        raise SettingError(f"tracking URI {safe_uri(uri)!r}: MLflow knows no store {scheme!r}. {_WAYS}.")


def _known_scheme(scheme: str, uri: str) -> bool:
    from importlib.metadata import entry_points

    base = scheme.split("+", maxsplit=1)[0]
    built_in = base in (*_HTTP, *_DATABASES, "sqlite", "file", "", "databricks") and "://" in uri
    plugins = {e.name for e in entry_points(group="mlflow.tracking_store")}
    return built_in or scheme in ("", "file") or uri == "databricks" or scheme in plugins


def _host(uri: str) -> str:
    try:
        parts = urlsplit(uri)
        _ = parts.port  # a port that is no number raises here
    except ValueError as error:
        raise SettingError(f"tracking URI {safe_uri(uri)!r}: {error}. {_WAYS}.") from error
    return parts.hostname or ""


def settled_uri(uri: str | None, *, workspace: Path) -> str | None:
    """The store's URI, checked, with SQLite's path absolute; None when tracking is off."""
    check_uri(uri)
    if is_off(uri):
        return None
    if uri is None:
        return default_uri(workspace)
    path = sqlite_path(uri)
    return f"sqlite:///{Path(path).absolute().as_posix()}" if path else uri.strip()


def sqlite_path(uri: str) -> str:
    """The file of a SQLite URI; empty for any other."""
    return uri.removeprefix("sqlite:///").split("?")[0] if uri.startswith("sqlite:///") else ""


def is_http(uri: str) -> bool:
    """Whether a server is behind the URI."""
    return urlsplit(uri).scheme in _HTTP


def is_here(uri: str) -> bool:
    """Whether the store, or the server in front of it, is on this machine.

    >>> is_here("sqlite:///mlflow.db"), is_here("http://127.0.0.1:5000"), is_here("http://mlflow.example")
    (True, True, False)
    """
    return bool(sqlite_path(uri)) or (is_http(uri) and _host(uri) in _LOOPBACK)


def safe_uri(uri: str) -> str:
    """The URI without its password, for messages.

    >>> safe_uri("postgresql://ann:secret@db:5432/mlflow")
    'postgresql://ann:***@db:5432/mlflow'
    """
    return without_secrets(uri, uri)


def without_secrets(text: str, uri: str) -> str:
    """`text` without the URI's password."""
    try:
        password = urlsplit(uri).password
    except ValueError:
        return text
    return text.replace(f":{password}@", ":***@") if password else text


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where the copies of one experiment go.

    `uri` is the store; `through` is the URI to talk to: a live server in front of the store, else the store itself.
    """

    uri: str
    experiment: str
    experiment_folder: Path
    workspace: Path
    through: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        """The URI to talk to."""
        return self.through or self.uri

    @property
    def artifacts(self) -> str | None:
        """Where a new experiment's artifacts go: the workspace for SQLite; a server decides for itself."""
        folder = self.workspace.absolute() / "mlartifacts" / origin(self.experiment_folder)
        return folder.as_uri() if sqlite_path(self.uri) else None


def origin(experiment_folder: Path) -> str:
    """Who this experiment is in MLflow, where others may use the same name: made once, kept in its mlflow.json."""
    path = experiment_folder / "mlflow.json"
    known = read_json_or(path, {})
    if isinstance(known, dict) and known.get("id"):
        return str(known["id"])
    made = uuid4().hex
    write_json(path, {"schema": SCHEMA, "id": made})
    return made


def record_digest(run_folder: Path) -> str:
    """Digest of a run's record: another attempt at the run has another one."""
    return file_digest(run_folder / "record.json")


def scores_digest(run_folder: Path) -> str:
    """SHA-256 over all scores given to a run so far."""
    return content_key({p.name: file_digest(p) for p in sorted((run_folder / "scores").glob("*.json"))})


def is_sent(run_folder: Path, uri: str) -> bool:
    """Whether a run's record and scores, as they are now, are known to be in the store; never asks the store."""
    marker = read_json_or(run_folder / "mlflow.json", None)
    path = sqlite_path(uri)
    if not isinstance(marker, dict) or (path and not Path(path).is_file()):
        return False
    return (marker.get("store"), marker.get("digest")) == (content_key(uri), _digest(run_folder))


def mark_sent(run_folder: Path, uri: str, *, mlflow_run: str) -> None:
    """Remember that a run is in the store; the last thing done, so that a crash before it only costs a look-up."""
    marker = {"schema": SCHEMA, "store": content_key(uri), "mlflow_run": mlflow_run, "digest": _digest(run_folder)}
    path = run_folder / "mlflow.json"
    part = path.with_name(".mlflow.json.part")
    with storage_errors(path):  # no waiting for the disk: a marker that a power cut broke is no marker, which is safe
        part.write_text(json.dumps(marker, indent=1) + "\n")
        part.replace(path)


def _digest(run_folder: Path) -> str:
    return content_key([record_digest(run_folder), scores_digest(run_folder)])


def quiet_environment(uri: str) -> None:
    """Before MLflow is imported: no telemetry, short patience; whatever the user has set stays."""
    # a loopback server that is busy deserves more patience; one that is gone refuses at once
    loopback = is_http(uri) and is_here(uri)
    patience = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "60" if loopback else "5",
    }
    for name, value in patience.items():
        os.environ.setdefault(name, value)
    if loopback:
        no_proxy_for_loopback()


def no_proxy_for_loopback() -> None:
    """Talk to this machine directly, also where a proxy is set for everything else."""
    for name in ("NO_PROXY", "no_proxy"):
        known = [h for h in os.environ.get(name, "").split(",") if h]
        os.environ[name] = ",".join([*known, *(h for h in _LOOPBACK[:2] if h not in known)])
