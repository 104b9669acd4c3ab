"""A training's curves: on disk whatever happens, in MLflow once, however often the training stops and goes on."""

import json
import socket
import sqlite3

import pytest

from orbiq.errors import SettingError, StorageError
from orbiq.tracking.curves import CURVES, CurveLog, read_curves

NAME = "orbiq train codec"


def log_of(folder, *, uri=None, step=0, **params):
    return CurveLog(folder, uri=uri, name=NAME, params={"steps": 9, **params}, step=step)


def client_of(folder):
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")


def runs(folder):
    client = client_of(folder)
    return client.search_runs([client.get_experiment_by_name(NAME).experiment_id])


def points(folder, name):
    """(step, value) of a metric of the one run, in the order of the steps."""
    (run,) = runs(folder)
    history = client_of(folder).get_metric_history(run.info.run_id, name)
    return sorted((point.step, point.value) for point in history)


def steps_of(folder):
    return [row["step"] for row in read_curves(folder)]


# known answers


def test_rows_are_lines_of_json(tmp_path):
    log = log_of(tmp_path / "codec", uri="off")
    log(100, {"loss": 0.5, "rate": 1e-4})
    log(200, {"loss": 0.25})
    log.finish()
    lines = (tmp_path / "codec" / CURVES).read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"step": 100, "loss": 0.5, "rate": 1e-4},
        {"step": 200, "loss": 0.25},
    ]
    assert read_curves(tmp_path / "codec") == [json.loads(line) for line in lines]
    assert [path.name for path in (tmp_path / "codec").iterdir()] == [CURVES]
    assert log.problems == []


def test_mlflow_has_one_run_with_all_of_it(tmp_path):
    log = log_of(tmp_path, rate=5e-4)
    log(100, {"loss": 0.5, "psnr db": 30.0})
    log(200, {"loss": 0.25})
    assert points(tmp_path, "loss") == [(100, 0.5), (200, 0.25)]
    (run,) = runs(tmp_path)
    assert run.info.status == "RUNNING"
    log.finish()
    (run,) = runs(tmp_path)
    assert (run.info.status, run.info.run_name) == ("FINISHED", tmp_path.name)
    assert run.data.params == {"steps": "9", "rate": "0.0005"}
    assert run.data.tags["orbiq.kind"] == "training"
    assert run.data.tags["mlflow.user"] == "orbiq"
    assert run.data.metrics == {"loss": 0.25, "psnr db": 30.0}
    assert log.problems == []


# laws


def test_a_training_that_goes_on_drops_what_came_after_its_checkpoint_and_sends_nothing_twice(tmp_path):
    first = log_of(tmp_path)
    for step in (100, 200, 300, 400):
        first(step, {"loss": 1 / step})
    second = log_of(tmp_path, step=200)
    assert steps_of(tmp_path) == [100, 200]
    for step in (300, 400, 500):
        second(step, {"loss": 1 / step})
    second.finish()
    assert steps_of(tmp_path) == [100, 200, 300, 400, 500]
    assert points(tmp_path, "loss") == [(step, 1 / step) for step in (100, 200, 300, 400, 500)]
    assert (first.problems, second.problems) == ([], [])


def test_two_rows_of_a_step_are_both_sent_also_when_only_one_was(tmp_path):
    """Losses and scores of a step are told one after the other; a crash can come between."""
    first = log_of(tmp_path)
    first(100, {"loss": 0.5})
    second = log_of(tmp_path, step=100)
    second(100, {"psnr_db": 30.0})
    second.finish()
    assert points(tmp_path, "loss") == [(100, 0.5)]
    assert points(tmp_path, "psnr_db") == [(100, 30.0)]


def test_a_run_that_goes_on_is_running_again(tmp_path):
    log_of(tmp_path).finish()
    log_of(tmp_path)(100, {"loss": 0.5})
    (run,) = runs(tmp_path)
    assert run.info.status == "RUNNING"


def test_what_was_told_without_mlflow_is_sent_later(tmp_path):
    log_of(tmp_path, uri="off")(100, {"loss": 0.5})
    log = log_of(tmp_path, step=100)
    log(200, {"loss": 0.25})
    log.finish()
    assert points(tmp_path, "loss") == [(100, 0.5), (200, 0.25)]


def test_a_store_that_was_made_anew_gets_a_new_run_with_all_of_it(tmp_path):
    log_of(tmp_path, uri="off")(100, {"loss": 0.5})
    known = {"schema": 1, "store": f"sqlite:///{tmp_path / 'mlflow.db'}", "mlflow_run": "0" * 32}
    (tmp_path / "mlflow.json").write_text(json.dumps(known))
    log = log_of(tmp_path, step=100)
    log(200, {"loss": 0.25})
    assert log.problems == []
    assert points(tmp_path, "loss") == [(100, 0.5), (200, 0.25)]


def test_a_run_that_was_deleted_is_made_anew(tmp_path):
    log_of(tmp_path)(100, {"loss": 0.5})
    (run,) = runs(tmp_path)
    client_of(tmp_path).delete_run(run.info.run_id)
    log = log_of(tmp_path, step=100)
    log(200, {"loss": 0.25})
    assert log.problems == []
    assert points(tmp_path, "loss") == [(100, 0.5), (200, 0.25)]


def test_two_trainings_in_one_store_are_two_runs(tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    for name in ("one", "other"):
        log_of(tmp_path / name, uri=uri)(100, {"loss": 0.5})
    assert {run.info.run_name for run in runs(tmp_path)} == {"one", "other"}


def test_many_rows_are_sent_in_several_requests(tmp_path):
    log = log_of(tmp_path, uri="off")
    for step in range(500):
        log(step, {"loss": 1.0, "rate": 0.5})
    log_of(tmp_path, step=499).finish()
    assert len(points(tmp_path, "loss")) == len(points(tmp_path, "rate")) == 500


@pytest.mark.parametrize("left", ['{"step": 200, "lo', "\x00\x00", ""])
def test_a_line_that_was_cut_off_is_left_out(tmp_path, left):
    log_of(tmp_path, uri="off")(100, {"loss": 0.5})
    with (tmp_path / CURVES).open("a") as lines:
        lines.write(left)
    assert steps_of(tmp_path) == [100]
    log_of(tmp_path, uri="off", step=300)(400, {"loss": 0.5})
    assert steps_of(tmp_path) == [100, 400]


def test_no_curves_are_no_rows(tmp_path):
    assert read_curves(tmp_path) == []


def test_a_store_that_cannot_be_reached_is_a_problem_and_no_crash(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = log_of(tmp_path, uri=f"http://127.0.0.1:{port}")
    for step in (100, 200):
        log(step, {"loss": 0.5})
    log.finish()
    (problem,) = log.problems
    assert problem.startswith("MLflow did not get the curves: ")
    assert steps_of(tmp_path) == [100, 200]


def test_a_store_that_is_no_database_is_a_problem_and_no_crash(tmp_path):
    (tmp_path / "mlflow.db").write_text("certainly not")
    log = log_of(tmp_path)
    log(100, {"loss": 0.5})
    assert log.problems == ["MLflow did not get the curves: mlflow.db: file is not a database"]


def test_an_error_without_words_is_a_problem_and_no_crash(tmp_path, monkeypatch):
    monkeypatch.setattr("orbiq.tracking.curves.prepare_sqlite", lambda uri: (_ for _ in ()).throw(TimeoutError))
    log = log_of(tmp_path)
    log(100, {"loss": 0.5})
    assert log.problems == ["MLflow did not get the curves: TimeoutError"]


def test_a_store_that_fails_on_the_way_gets_the_rest_later(tmp_path):
    first = log_of(tmp_path)
    first(100, {"loss": 0.5})
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("ALTER TABLE metrics RENAME TO away")
    first(200, {"loss": 0.25})
    first(300, {"loss": 0.125})
    assert len(first.problems) == 1
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("ALTER TABLE away RENAME TO metrics")
    log_of(tmp_path, step=300).finish()
    assert points(tmp_path, "loss") == [(100, 0.5), (200, 0.25), (300, 0.125)]


@pytest.mark.parametrize("uri", ["somewhere/else", "sqlite:///", "gopher://host"])
def test_a_uri_that_mlflow_cannot_take_is_refused(tmp_path, uri):
    with pytest.raises(SettingError, match="tracking URI"):
        log_of(tmp_path, uri=uri)


def test_a_file_in_place_of_the_folder_is_one_sentence(tmp_path):
    (tmp_path / "codec").write_text("")
    with pytest.raises(StorageError, match="Look at the path and run the same command again"):
        log_of(tmp_path / "codec", uri="off")
