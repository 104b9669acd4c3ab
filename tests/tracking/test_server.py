"""The server for live logging: one test with MLflow's own, the others with stand-ins that start at once."""

import socket
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

from orbiq.errors import SettingError, TrackingError
from orbiq.tracking import server as server_module
from orbiq.tracking.server import live_server, ui
from orbiq.tracking.tracker import Tracker, sync

from .conftest import BASE

TASK = """
import sys
from mlflow.tracking import MlflowClient
client = MlflowClient(sys.argv[1])
run = sys.argv[3]
client.log_param(run, "backbone", "chosen by the task")
client.log_param(run, "extra", "1")
for step in range(3):
    client.log_metric(run, "loss", 9 - step, step=step)
client.set_terminated(run)
"""

STAND_IN = """
import sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"OK")
        if self.path == "/stop":
            threading.Thread(target=server.shutdown).start()
server = HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Page)
server.serve_forever()
"""


def answers(url):
    with build_opener(ProxyHandler({})).open(url, timeout=5) as answer:
        return answer.status


def port_of(url):
    return int(url.rsplit(":", 1)[1])


def is_listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Runs another program in the place of MLflow's server."""

    def use(text):
        script = tmp_path / "python"
        script.write_text(f"#!{sys.executable}\n{textwrap.dedent(text)}")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(server_module.sys, "executable", str(script))
        monkeypatch.setattr(server_module, "prepare_sqlite", lambda _: None)

    return use


@pytest.mark.slow
def test_a_task_logs_live_and_its_run_is_completed_not_doubled(made_up):
    with live_server(made_up.workspace, None) as url:
        with Tracker(None, experiment_folder=made_up.folder, through=url, **made_up.settings) as tracker:
            made_up.folder.mkdir(exist_ok=True)
            abandoned = tracker.open_run(BASE.run, key=BASE.key)
            live = tracker.open_run(BASE.run, key=BASE.key, variant=BASE.variant, params={"lr": 0.1, "none": ""})
            killed = tracker.open_run("never finished", key="x")
            assert (live.uri, abandoned.run_id != live.run_id) == (url, True)
            assert made_up.children(BASE.run)[0].info.status == "RUNNING"
            subprocess.run([sys.executable, "-c", TASK, *live], check=True)
            tracker.send(made_up.run(files={"a.txt": b"a"}))
            tracker.send(made_up.run("second"))
        assert (tracker.sent, tracker.problems) == (2, [])
    assert not is_listening(port_of(url))
    (run,) = made_up.children(BASE.run)
    assert (run.info.run_id, run.info.status, run.data.tags["orbiq.status"]) == (live.run_id, "FINISHED", "finished")
    assert (run.data.params["backbone"], run.data.params["extra"]) == ("chosen by the task", "1")
    assert run.data.tags["orbiq.conflict.backbone"] == "tiny"
    assert run.data.params["quality"] == "50"
    assert [m.value for m in made_up.client().get_metric_history(live.run_id, "loss")] == [9, 8, 7]
    assert run.data.metrics["ap50"] == 0.75
    assert Path(made_up.client().download_artifacts(live.run_id, "output/a.txt")).read_text() == "a"
    # the copies are known to the store itself, not to a server's address that is gone
    assert made_up.children("never finished")[0].info.run_id == killed.run_id
    report = sync(made_up.folder, uri=None, **made_up.settings)
    assert (report.sent, report.kept, report.deleted, report.problems) == (0, 2, 1, [])
    assert len(made_up.children()) == 2


def test_the_server_ends_when_the_one_who_started_it_is_gone():
    command = [sys.executable, "-P", "-m", "orbiq.tracking.guarded", "server", "--port", "1"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(0.3)
    assert process.poll() is None
    process.stdin.close()  # what the system does to the pipe of a killed process
    assert process.wait(20) == -9


def test_the_server_answers_inside_the_block_and_is_gone_after_it(stand_in, tmp_path):
    stand_in(STAND_IN)
    with live_server(tmp_path, None) as url:
        assert answers(f"{url}/health") == 200
    assert not is_listening(port_of(url))


def test_a_server_that_does_not_start_says_why(stand_in, tmp_path):
    stand_in("print('no such table: alembic'); raise SystemExit(1)")
    with (
        pytest.raises(TrackingError, match=r"did not start. Its log ends:\nno such table: alembic"),
        live_server(tmp_path, None),
    ):
        pass


def test_a_port_that_was_taken_meanwhile_is_tried_again(stand_in, tmp_path):
    stand_in(f"""
        import pathlib
        tries = pathlib.Path({str(tmp_path / "tries")!r})
        if not tries.exists():
            tries.touch()
            raise SystemExit("[Errno 98] Address already in use")
        exec({STAND_IN!r})
    """)
    with live_server(tmp_path, None) as url:
        assert answers(f"{url}/health") == 200


def test_a_store_that_is_a_server_needs_none_in_front(tmp_path):
    with live_server(tmp_path, "http://mlflow.example:5000") as url:
        assert url == "http://mlflow.example:5000"


def test_a_password_is_not_on_the_command_line(stand_in, tmp_path):
    stand_in("""
        import os, sys
        print("secret" in " ".join(sys.argv), "secret" in os.environ["MLFLOW_BACKEND_STORE_URI"])
    """)
    with (
        pytest.raises(TrackingError, match="False True"),
        live_server(tmp_path, "postgresql://ann:secret@127.0.0.1/mlflow"),
    ):
        pass


def test_the_page_is_shown_until_it_ends(stand_in, tmp_path, monkeypatch):
    stand_in(STAND_IN)
    opened, told = [], []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or answers(f"{url}/stop"))
    port = server_module._free_port()
    ui(tmp_path, None, port=port, ready=told.append)
    assert opened == told == [f"http://127.0.0.1:{port}"]


def test_the_page_of_a_distant_server_is_its_own(tmp_path):
    told = []
    ui(tmp_path, "http://ann:secret@mlflow.example", open_browser=False, ready=told.append)
    assert told == ["http://ann:***@mlflow.example"]


def test_a_taken_port_and_tracking_that_is_off_are_refused(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SettingError, match=r"is taken by another program. Choose another: orbiq ui --port \d+"):
            ui(tmp_path, None, port=taken.getsockname()[1])
    with (
        pytest.raises(SettingError, match="tracking is off, so MLflow has nothing to show"),
        live_server(tmp_path, "off"),
    ):
        pass
