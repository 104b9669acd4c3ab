"""What MLflow holds afterwards, read with MLflow's own client; crashes at every step of the writing."""

import json
import socket
import time
from math import isnan
from pathlib import Path

import pytest

from orbiq.cache import exclusive
from orbiq.errors import SettingError
from orbiq.tracking.store import is_sent, origin
from orbiq.tracking.tracker import Tracker, sync

from .conftest import BASE

STEPS = ["create_run", "log_inputs", "log_batch", "set_terminated"]


def synced(made, **changes):
    return sync(made.folder, uri=changes.pop("uri", made.uri), **made.settings, **changes)


def tracked(made, *folders, uri=None, **options):
    """Send folders through a Tracker and wait."""
    with Tracker(uri or made.uri, experiment_folder=made.folder, **made.settings, **options) as tracker:
        for folder in folders:
            tracker.send(folder)
    return tracker


@pytest.fixture
def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# known answers


def test_a_run_in_mlflow_is_the_record_to_the_letter(made_up):
    folder = made_up.run(files={"results.json": b"{}", "deep/a.txt": b"hello"})
    made_up.score(folder, "coco", {"ap": 0.5, "ap_small": float("nan")}, ap_small="no small objects")
    tracker = tracked(made_up, folder, tags={"team": "optics"})
    assert (tracker.sent, tracker.problems) == (1, [])
    (parent,) = made_up.parents()
    (run,) = made_up.children()
    assert (parent.info.run_name, parent.info.status) == (made_up.name, "FINISHED")
    assert (run.info.run_name, run.info.status) == (BASE.run, "FINISHED")
    assert run.info.end_time - run.info.start_time == 2500
    assert run.data.params == {
        "ds_name": "airports#jpeg-quality=50",
        "ds_name_test": "airports",
        "modifier": "gaussian-blur:sigma_px=1.5>jpeg:quality=50",
        "repetition": "0",
        "seed": "7",
        "sigma_px": "1.5",
        "quality": "50",
        "lr": "0.1",
        "epochs": "3",
        "sensor": "newsat",
        "ap50": "0.75",
        "backbone": "tiny",
    }
    metrics = run.data.metrics
    assert isnan(metrics.pop("loss"))
    assert metrics == {
        "bytes_per_image": 1200.5,
        "bits_per_pixel": 2.25,
        "bits_per_sample": 0.75,
        "duration_s": 2.5,
        "ap50": 0.75,
        "ap": 0.5,
    }
    digests = {k: run.data.tags.pop(k) for k in ("orbiq.digest", "orbiq.scores")}
    assert all(len(d) == 64 for d in digests.values())
    assert run.data.tags == {
        "mlflow.parentRunId": parent.info.run_id,
        "mlflow.runName": BASE.run,
        "mlflow.user": "orbiq",
        "mlflow.source.name": "orbiq",
        "mlflow.source.type": "LOCAL",
        "orbiq.run": BASE.run,
        "orbiq.key": BASE.key,
        "orbiq.variant": BASE.variant,
        "orbiq.status": "finished",
        "orbiq.judged": "test",
        "orbiq.coding": "jpeg",
        "orbiq.attempts": "1",
        "orbiq.version.orbiq": "0.1.0",
        "orbiq.reason.ap_small": "no small objects",
        "orbiq.origin": origin(made_up.folder),
        "orbiq.artifacts": "whole",
        "team": "optics",
    }


def test_series_inputs_and_artifacts_arrive(made_up):
    folder = made_up.run(
        files={"results.json": b"{}", "deep/a.txt": b"hello"}, series={"loss": [(10.0, 1.0), (20.0, 0.5)]}
    )
    synced(made_up)
    (run,) = made_up.children()
    history = made_up.client().get_metric_history(run.info.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(10, 1.0), (20, 0.5)]
    inputs = [(i.dataset.name, i.dataset.digest, {t.key: t.value for t in i.tags}) for i in run.inputs.dataset_inputs]
    assert sorted(inputs) == [
        ("airports", "e" * 36, {"mlflow.data.context": "test"}),
        ("airports#jpeg-quality=50", "f" * 36, {"mlflow.data.context": "train"}),
    ]
    copied = Path(made_up.client().download_artifacts(run.info.run_id, ""))
    assert sorted(p.relative_to(copied).as_posix() for p in copied.rglob("*") if p.is_file()) == [
        "log.txt",
        "output/deep/a.txt",
        "output/results.json",
        "record.json",
    ]
    assert (copied / "record.json").read_bytes() == (folder / "record.json").read_bytes()
    assert copied.is_relative_to(made_up.workspace / "mlartifacts")


def test_a_failed_run_is_failed_in_mlflow_with_its_reason(made_up):
    made_up.run(
        status="failed", reason="exit code 3", log_tail="boom", duration_s=float("nan"), task_params={}, series={}
    )
    synced(made_up)
    (run,) = made_up.children()
    assert run.info.status == "FAILED"
    assert run.data.tags["orbiq.reason"] == "exit code 3"
    assert "boom" in run.data.tags["mlflow.note.content"]


def test_weird_names_and_values_all_arrive(made_up):
    params = {f"p{k}": "v" * 10 for k in range(230)} | {"ключ": "ü" * 7000, "<b>": "", "a/../b": [1], "x" * 400: True}
    series = {f"s@{k}": [(float(i), float(i)) for i in range(250)] for k in range(9)} | {"inf": [(0.0, float("inf"))]}
    made_up.run(params=params, series=series, task_params={"../up": 1.5, "loss#": False, "nan": float("nan")})
    report = synced(made_up)
    assert (report.sent, report.problems) == (1, [])
    (run,) = made_up.children()
    assert len([k for k in run.data.params if k.startswith("p") and k[1:].isdigit()]) == 230
    assert run.data.params["ключ"].endswith("(7000 characters; all of it is in record.json)")
    assert (run.data.params["_b_"], run.data.params["a/_/b"]) == ("", "[1]")
    assert run.data.metrics["s_8"] == 249
    assert run.data.metrics["_/up"] == 1.5
    assert run.data.metrics["inf"] > 1e308
    assert "loss_" not in run.data.metrics


def test_no_user_and_no_absolute_path_reaches_mlflow(made_up):
    made_up.run()
    synced(made_up)
    for run in [*made_up.children(), *made_up.parents()]:
        told = json.dumps([run.data.tags, run.data.params, [i.dataset.source for i in run.inputs.dataset_inputs]])
        assert str(made_up.workspace) not in told
        assert run.info.user_id == "orbiq"


# laws


def test_sending_again_changes_nothing_and_later_scores_join_the_same_run(made_up, monkeypatch):
    folder = made_up.run()
    synced(made_up)
    (before,) = made_up.children()
    monkeypatch.setattr("orbiq.tracking.session.connect", lambda *_: pytest.fail("asked MLflow for nothing"))
    assert (tracked(made_up, folder).sent, is_sent(folder, made_up.uri)) == (0, True)
    monkeypatch.undo()
    report = synced(made_up)
    assert (report.sent, report.kept, report.deleted) == (0, 1, 0)
    made_up.score(folder, "coco", {"ap": 0.5})
    assert tracked(made_up, folder).sent == 1
    made_up.score(folder, "coco", {"ap": 0.25, "psnr": float("nan")}, psnr="no reference")
    assert tracked(made_up, folder).sent == 1
    (after,) = made_up.children()
    assert after.info.run_id == before.info.run_id
    assert after.data.metrics["ap"] == 0.25
    assert after.data.tags["orbiq.reason.psnr"] == "no reference"
    assert len(made_up.client().get_metric_history(after.info.run_id, "bits_per_pixel")) == 1
    assert len(made_up.parents()) == 1


def test_a_new_attempt_replaces_the_failed_one(made_up):
    made_up.run(status="failed", reason="exit code 1")
    synced(made_up)
    (old,) = made_up.children()
    folder = made_up.run(attempts=2)
    tracked(made_up, folder)
    (new,) = made_up.children()
    assert (new.info.status, new.info.run_id != old.info.run_id) == ("FINISHED", True)
    assert made_up.client().get_run(old.info.run_id).info.lifecycle_stage == "deleted"


def test_two_experiments_of_one_name_do_not_touch_each_other(made_up, tmp_path):
    made_up.run()
    synced(made_up)
    twin = type(made_up)(tmp_path, made_up.name)
    twin.run(status="failed")
    report = sync(twin.folder, uri=made_up.uri, **twin.settings)
    assert (report.sent, report.deleted) == (1, 0)
    assert sorted(r.info.status for r in made_up.children()) == ["FAILED", "FINISHED"]


@pytest.mark.parametrize("step", STEPS)
def test_after_a_crash_at_any_step_there_is_exactly_one_whole_run(made_up, monkeypatch, step):
    """A crash is a connection that is never closed: what MLflow has at that moment is all there is."""
    from mlflow.tracking import MlflowClient

    made_up.run("first")
    synced(made_up)
    made_up.run("second", files={"a.txt": b"a"})
    whole = getattr(MlflowClient, step)

    class Killed(BaseException):
        pass

    def crash_after(self, *args, **kwargs):
        whole(self, *args, **kwargs)
        raise Killed

    monkeypatch.setattr(MlflowClient, step, crash_after)
    with pytest.raises(Killed):
        synced(made_up)
    monkeypatch.undo()
    assert not is_sent(made_up.folder / "runs" / "second", made_up.uri)
    report = synced(made_up)
    assert report.problems == []
    for name in ("first", "second"):
        (run,) = made_up.children(name)
        assert run.info.status == "FINISHED"
        assert run.data.tags["orbiq.artifacts"] == "whole"
    assert len(made_up.parents()) == 1
    assert report.deleted == (step in STEPS[:3])


@pytest.mark.parametrize("step", STEPS)
def test_an_error_at_any_step_costs_one_run_and_sync_mends_it(made_up, monkeypatch, step):
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    tracked(made_up, made_up.run("zero"))  # so that the parent is there already
    whole = getattr(MlflowClient, step)
    failed = []

    def fail_once(self, *args, **kwargs):
        if not failed:
            failed.append(step)
            raise MlflowException("database is locked")
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(MlflowClient, step, fail_once)
    tracker = tracked(made_up, made_up.run("one"), made_up.run("two"))
    assert tracker.sent == 1
    assert tracker.problems == ["runs/one was not sent to MLflow: database is locked"]
    monkeypatch.undo()
    assert synced(made_up).sent == 1
    assert [len(made_up.children(n)) for n in ("zero", "one", "two")] == [1, 1, 1]


def test_artifacts_that_cannot_be_copied_do_not_hold_up_the_numbers(made_up, monkeypatch):
    folder = made_up.run()

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("orbiq.tracking.artifacts.shutil.copyfile", full)
    tracker = tracked(made_up, folder)
    (run,) = made_up.children()
    assert run.data.metrics["ap50"] == 0.75
    assert run.data.tags["orbiq.artifacts"] == "missing: No space left on device"
    assert tracker.problems == [
        "MLflow got runs without their files (No space left on device); `orbiq sync` copies them once that is mended."
    ]
    monkeypatch.undo()
    assert synced(made_up).sent == 1
    (again,) = made_up.children()
    assert (again.info.run_id, again.data.tags["orbiq.artifacts"]) == (run.info.run_id, "whole")
    assert Path(made_up.client().download_artifacts(run.info.run_id, "record.json")).is_file()


def test_a_deleted_parent_or_experiment_is_no_dead_end(made_up):
    made_up.run()
    synced(made_up)
    client = made_up.client()
    client.delete_run(made_up.parents()[0].info.run_id)
    assert synced(made_up).sent == 1
    assert made_up.children()[0].data.tags["mlflow.parentRunId"] == made_up.parents()[0].info.run_id
    client.delete_experiment(client.get_experiment_by_name(made_up.name).experiment_id)
    report = synced(made_up)
    assert report.problems == []
    assert len(made_up.children()) == 1


def test_the_caller_is_told_how_far_it_is(made_up):
    folders = [made_up.run(f"r{k}") for k in range(3)]
    seen = []
    synced(made_up, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    seen.clear()
    for k, folder in enumerate(folders):
        made_up.score(folder, "m", {"s": float(k)})
    tracked(made_up, *folders, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]


# trouble


def test_a_server_that_is_not_there_costs_nothing_and_sync_sends_it_elsewhere(made_up, closed_port):
    uri = f"http://ann:secret@127.0.0.1:{closed_port}"
    folders = [made_up.run(f"r{k}") for k in range(5)]
    start = time.monotonic()
    tracker = tracked(made_up, *folders, uri=uri)
    assert time.monotonic() - start < 20
    assert tracker.sent == 0
    (problem,) = tracker.problems
    assert problem == (
        f"MLflow at http://ann:***@127.0.0.1:{closed_port} cannot be written (connection refused). The records are "
        "whole; 5 of them wait to be sent: `orbiq sync` does it."
    )
    assert not list(made_up.folder.glob("runs/*/mlflow.json"))
    report = synced(made_up)
    assert (report.sent, report.problems) == (5, [])
    assert len(made_up.children()) == 5


def test_a_store_that_comes_back_gets_what_waited(made_up, monkeypatch):
    from orbiq.tracking.connection import connect

    calls = []

    def late(*args):
        calls.append(args)
        if len(calls) == 1:
            raise ConnectionError("Connection refused")
        return connect(*args)

    monkeypatch.setattr("orbiq.tracking.session.connect", late)
    monkeypatch.setattr("orbiq.tracking.session.RETRY_S", 0.0)
    tracker = tracked(made_up, made_up.run("a"), made_up.run("b"))
    assert (tracker.sent, tracker.problems) == (2, [])


def test_a_database_that_cannot_be_written_is_one_sentence(made_up, tmp_path):
    (tmp_path / "file").write_text("x")
    report = sync(made_up.run().parents[1], uri=f"sqlite:///{tmp_path}/file/m.db", **made_up.settings)
    assert (report.sent, len(report.problems)) == (0, 1)
    assert "m.db: " in report.problems[0]
    assert "`orbiq sync` does it" in report.problems[0]


def test_a_record_of_another_version_holds_up_nobody(made_up):
    bad = made_up.run("a")
    (bad / "record.json").write_text('{"schema": 99}')
    (made_up.folder / "runs" / "b").mkdir()
    made_up.run("c")
    report = synced(made_up)
    assert report.sent == 1
    assert report.problems == [
        "runs/a was not sent to MLflow: a/record.json was written by another version of orbiq; delete the run's folder"
    ]
    tracker = tracked(made_up, made_up.folder / "runs" / "b")
    assert "runs/b was not sent to MLflow: " in tracker.problems[0]


def test_two_writers_on_one_experiment_are_not_let_in(made_up):
    made_up.run()
    with exclusive(made_up.folder / ".mlflow.lock", what="x"):
        report = synced(made_up)
    assert report.sent == 0
    assert "is being worked on by process" in report.problems[0]
    assert synced(made_up).sent == 1


def test_tracking_that_is_off_does_nothing_and_sync_says_so(made_up):
    folder = made_up.run()
    tracker = tracked(made_up, folder, uri="off")
    assert (tracker.sent, tracker.problems, tracker.open_run("x", key="k")) == (0, [], None)
    with pytest.raises(SettingError, match="tracking is off, so there is nowhere to sync to"):
        synced(made_up, uri="none")


def test_live_logging_needs_a_server(made_up):
    with (
        Tracker(made_up.uri, experiment_folder=made_up.folder, **made_up.settings) as tracker,
        pytest.raises(SettingError, match="open a live_server and hand it in as `through`"),
    ):
        tracker.open_run("x", key="k")


def test_a_live_server_that_is_gone_leaves_the_task_without_monitoring(made_up, closed_port):
    with Tracker(f"http://127.0.0.1:{closed_port}", experiment_folder=made_up.folder, **made_up.settings) as tracker:
        assert tracker.open_run("x", key="k") is None
