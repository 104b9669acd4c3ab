import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orbiq.errors import OrbiqError, SettingError, TrackingError
from orbiq.tracking.artifacts import artifact_files, local_folder
from orbiq.tracking.database import prepare_sqlite
from orbiq.tracking.store import (
    Target,
    check_uri,
    default_uri,
    is_off,
    is_sent,
    mark_sent,
    origin,
    quiet_environment,
    safe_uri,
    settled_uri,
    without_secrets,
)

from .conftest import MadeUp

URI = "http://mlflow.example:5000"


# known answers


def test_the_default_store_is_in_the_workspace(tmp_path):
    assert default_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    assert settled_uri(None, workspace=tmp_path) == default_uri(tmp_path)


@pytest.mark.parametrize("word", ["none", "off", "OFF", " None "])
def test_tracking_can_be_switched_off(word, tmp_path):
    assert is_off(word)
    assert settled_uri(word, workspace=tmp_path) is None
    check_uri(word)


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite:///a.db",
        "sqlite:////data/a.db",
        "http://127.0.0.1:5000",
        "https://ann:pw@mlflow.example/base",
        "postgresql+psycopg2://u:p@db/mlflow",
        "mysql://db/mlflow",
        "databricks",
        "databricks://profile",
    ],
)
def test_what_mlflow_takes_passes(uri):
    check_uri(uri)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("./mlruns", r"'./mlruns' is a folder.*sqlite:///path/to/mlflow.db"),
        ("/data/mlruns", "is a folder, which MLflow no longer takes"),
        ("file:///data/mlruns", "is a folder, which MLflow no longer takes"),
        ("mlflow.db", "is a folder, which MLflow no longer takes"),
        ("", "is a folder"),
        ("sqlite://", "names no database file"),
        ("sqlite:///", "names no database file"),
        ("http://", "names no host"),
        ("http://host:port", "Port could not be cast"),
        ("localhost:5000", "knows no store 'localhost'"),
        ("ftp://ann:secret@host", r"'ftp://ann:\*\*\*@host': MLflow knows no store 'ftp'"),
    ],
)
def test_what_mlflow_does_not_take_is_refused_with_a_way_out(uri, message, monkeypatch):
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    with pytest.raises(SettingError, match=message):
        check_uri(uri)


def test_a_file_store_passes_where_the_user_told_mlflow_to_allow_it(monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    check_uri("./mlruns")


def test_a_relative_database_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert settled_uri("sqlite:///a/b.db", workspace=tmp_path) == f"sqlite:///{tmp_path}/a/b.db"


def test_a_workspace_with_a_question_mark_is_refused(tmp_path):
    with pytest.raises(SettingError, match="rename the folder"):
        default_uri(tmp_path / "why?")


def test_messages_never_hold_a_password():
    assert safe_uri("http://ann:secret@host:5000") == "http://ann:***@host:5000"
    assert without_secrets("cannot reach http://ann:secret@host/x", "http://ann:secret@host") == (
        "cannot reach http://ann:***@host/x"
    )
    assert safe_uri(URI) == URI


def test_who_an_experiment_is_stays_the_same(tmp_path):
    first = origin(tmp_path / "a")
    assert origin(tmp_path / "a") == first
    assert origin(tmp_path / "b") != first
    assert json.loads((tmp_path / "a" / "mlflow.json").read_text()) == {"schema": 1, "id": first}


def test_a_marker_holds_for_these_scores_this_record_and_this_store(tmp_path):
    made = MadeUp(tmp_path, "e")
    folder = made.run()
    assert not is_sent(folder, URI)
    mark_sent(folder, URI, mlflow_run="1")
    assert is_sent(folder, URI)
    assert not is_sent(folder, "http://other:5000")
    made.score(folder, "coco", {"ap": 1.0})
    assert not is_sent(folder, URI)
    mark_sent(folder, URI, mlflow_run="1")
    made.run(reason="again")
    assert not is_sent(folder, URI)


def test_a_marker_means_nothing_when_the_database_is_gone(tmp_path):
    made = MadeUp(tmp_path, "e")
    folder = made.run()
    mark_sent(folder, made.uri, mlflow_run="1")
    assert not is_sent(folder, made.uri)
    Path(tmp_path, "mlflow.db").touch()
    assert is_sent(folder, made.uri)


def test_a_broken_marker_is_no_marker(tmp_path):
    folder = MadeUp(tmp_path, "e").run()
    (folder / "mlflow.json").write_text("{broken")
    assert not is_sent(folder, URI)


def test_a_store_that_cannot_be_written_is_found_out_at_once(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(TrackingError, match=r"a\.db: Not a directory|a\.db: File exists"):
        prepare_sqlite(f"sqlite:///{tmp_path}/file/a.db")
    (tmp_path / "text.db").write_text("no database" * 100)
    with pytest.raises(TrackingError, match=r"text\.db: file is not a database"):
        prepare_sqlite(f"sqlite:///{tmp_path}/text.db")
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(TrackingError, match=r"folder\.db: unable to open database file"):
        prepare_sqlite(f"sqlite:///{tmp_path}/folder.db")


def test_what_the_user_set_stays_and_telemetry_is_off(monkeypatch):
    for name in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "x")  # so that monkeypatch puts back what was there
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "33")
    quiet_environment("http://127.0.0.1:5000")
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == os.environ["DO_NOT_TRACK"] == "true"
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "1"
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "33"
    assert os.environ["NO_PROXY"] == "127.0.0.1,localhost"


# artifacts


def test_artifacts_are_plain_files_and_big_ones_are_listed(tmp_path, monkeypatch):
    made = MadeUp(tmp_path, "e")
    (tmp_path / "secret").write_text("x")
    folder = made.run(files={"results.json": b"{}", "deep/a.png": b"1" * 90, "big.bin": b"1" * 2_000_000})
    (folder / "output" / "link").symlink_to(tmp_path / "secret")
    (folder / "output" / "linked").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(folder / "output" / "pipe")
    monkeypatch.setattr("orbiq.tracking.artifacts.MAX_FILE_BYTES", 1_000_000)
    taken, left = artifact_files(folder)
    assert taken == ["record.json", "log.txt", "output/results.json", "output/deep/a.png"]
    assert left == ["output/big.bin (2 MB)"]


def test_a_run_of_many_files_stops_at_its_limit(tmp_path, monkeypatch):
    folder = MadeUp(tmp_path, "e").run(files={f"{k}.bin": b"1" * 10_000 for k in range(10)})
    monkeypatch.setattr("orbiq.tracking.artifacts.MAX_RUN_BYTES", 50_000)
    taken, left = artifact_files(folder)
    assert (len(taken) + len(left), len(left)) == (12, 6)


def test_artifacts_of_a_distant_servers_own_disk_are_refused(tmp_path):
    here = Target(uri="sqlite:///a.db", experiment="e", experiment_folder=tmp_path, workspace=tmp_path)
    away = Target(uri=URI, experiment="e", experiment_folder=tmp_path, workspace=tmp_path)
    assert local_folder("file:///no/such/1/2/artifacts", here) == Path("/no/such/1/2/artifacts")
    assert local_folder("file:///a%20b/%23/2/artifacts", here) == Path("/a b/#/2/artifacts")
    assert local_folder("mlflow-artifacts:/1/2/artifacts", away) is None
    with pytest.raises(TrackingError, match="--serve-artifacts"):
        local_folder("file:///no/such/1/2/artifacts", away)


# laws


def test_importing_the_room_does_not_import_mlflow():
    code = (
        "import sys, orbiq.tracking as t; [getattr(t, n) for n in t.__all__]; "
        "import orbiq.tracking.mlflow as m; assert 'mlflow' not in sys.modules; "
        "assert m.__name__ == 'orbiq.tracking.mlflow'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_refusal_is_an_orbiq_error():
    with pytest.raises(OrbiqError, match="is a folder"):
        check_uri("mlruns")
