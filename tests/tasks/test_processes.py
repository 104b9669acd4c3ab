"""A task is a process group of its own, and nothing of it is left behind."""

import os
import subprocess
import sys
import threading
import time

import pytest

from orbiq.errors import SettingError, TaskError
from orbiq.tasks.local import Command, Stopped, run_all, run_command
from orbiq.tasks.processes import HEAD_BYTES, TAIL_BYTES, end_marked, log_tail, run_process

SPAWNS = """
import subprocess, sys, time
inside = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
outside = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
open(sys.argv[1], "w").write(f"{inside.pid} {outside.pid}")
"""


def lives(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def gone(processes, within_s=6):
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not any(lives(p) for p in processes):
            return True
        time.sleep(0.05)
    return False


def run(tmp_path, code, *arguments, **options):
    return run_process(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=dict(os.environ),
        folder=tmp_path,
        log=tmp_path / "log.txt",
        mark=f"test-{tmp_path.name};",
        **options,
    )


def test_exit_code_and_log(tmp_path):
    ended = run(tmp_path, "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert ended.exit_code == 3
    assert sorted((tmp_path / "log.txt").read_text().split()) == ["err", "out"]


def test_timeout_ends_the_whole_family(tmp_path):
    code = SPAWNS + "time.sleep(60)\n"
    started = time.monotonic()
    ended = run(tmp_path, code, tmp_path / "ids", timeout_s=2.0)
    assert ended.timed_out
    assert time.monotonic() - started < 12
    assert gone(map(int, (tmp_path / "ids").read_text().split()))


def test_children_of_a_task_that_ends_well_end_too(tmp_path):
    ended = run(tmp_path, SPAWNS, tmp_path / "ids")
    assert ended.exit_code == 0
    assert gone(map(int, (tmp_path / "ids").read_text().split()))


def test_one_that_ignores_the_request_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("orbiq.tasks.processes.GRACE_S", 0.5)
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    ended = run(tmp_path, code, timeout_s=1.5)
    assert ended.timed_out
    assert ended.exit_code == -9


def test_a_hundred_megabytes_of_log(tmp_path):
    code = "import sys\nfor k in range(100): sys.stdout.write(('%06d ' % k) * 149_797 + '\\n')\nprint('the end')"
    ended = run(tmp_path, code)
    assert ended.exit_code == 0
    log = tmp_path / "log.txt"
    assert HEAD_BYTES + TAIL_BYTES < log.stat().st_size < HEAD_BYTES + TAIL_BYTES + 200
    assert log.read_text().startswith("000000 ")
    assert "bytes of log left out here" in log.read_text()
    assert log_tail(log).endswith("the end")
    assert len(log_tail(log)) <= 6000


def test_bytes_that_are_no_text(tmp_path):
    seen = []
    run(tmp_path, "import sys; sys.stdout.buffer.write(b'\\xff\\xfe ok')", on_line=seen.append)
    assert "ok" in "".join(seen)
    assert "ok" in log_tail(tmp_path / "log.txt")


def test_no_such_command(tmp_path):
    with pytest.raises(TaskError, match="'/no/such/program' cannot be started: No such file"):
        run_process(["/no/such/program"], env={}, folder=tmp_path, log=tmp_path / "log", mark="m")


def test_what_a_crash_left_is_found_by_its_mark(tmp_path):
    left = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        env={**os.environ, "ORBIQ_MARK": f"crash-{tmp_path.name}:run-1;"},
        start_new_session=True,
    )
    other = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        env={**os.environ, "ORBIQ_MARK": f"other-{tmp_path.name}:run-1;"},
        start_new_session=True,
    )
    try:
        time.sleep(0.3)
        assert end_marked(f"crash-{tmp_path.name}:") == [left.pid]
        left.wait(5)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def command(tmp_path, code, **options):
    return Command(argv=(sys.executable, "-c", code), folder=tmp_path, **options)


WRITES = "import sys, json; out = sys.argv[sys.argv.index('--outputpath') + 1]; json.dump({'a': 1}, open(out + '/results.json', 'w'))"


def call(tmp_path, code, *, stop=None, **options):
    (tmp_path / "part").mkdir(exist_ok=True)
    return run_command(
        command(tmp_path, code, **options),
        {"trainds": "/data/train"},
        part=tmp_path / "part",
        mark=f"test-{tmp_path.name};",
        stop=stop or threading.Event(),
    )


def test_a_good_run(tmp_path):
    outcome = call(tmp_path, WRITES)
    assert (outcome.status, outcome.reason, outcome.results.task_params) == ("finished", "", {"a": 1})


def test_sagemaker_variables(tmp_path):
    code = WRITES.replace(
        "{'a': 1}", "{k: __import__('os').environ[k] for k in ('SM_CHANNEL_TRAINDS', 'SM_OUTPUT_DATA_DIR')}"
    )
    outcome = call(tmp_path, code)
    assert outcome.results.task_params == {
        "SM_CHANNEL_TRAINDS": "/data/train",
        "SM_OUTPUT_DATA_DIR": str(tmp_path / "part" / "output"),
    }


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; print('why'); sys.exit(3)", "the task exited with code 3; see its log"),
        ("import os; os.kill(os.getpid(), 11)", "the task was ended by signal 11"),
        ("pass", "wrote no results.json"),
        (
            WRITES.replace(
                "json.dump({'a': 1}, open(out + '/results.json', 'w'))", "open(out + '/results.json', 'w').write('{')"
            ),
            "is no JSON",
        ),
    ],
)
def test_failures_say_why(tmp_path, code, reason):
    outcome = call(tmp_path, code)
    assert outcome.status == "failed"
    assert reason in outcome.reason


def test_retries(tmp_path):
    code = f"import sys, os; p = {str(tmp_path / 'n')!r}; n = len(open(p).read()) if os.path.exists(p) else 0; open(p, 'a').write('x')\nif n < 2: sys.exit(1)\n{WRITES}"
    outcome = call(tmp_path, code, retries=2)
    assert (outcome.status, outcome.attempts) == ("finished", 3)


def test_stop_discards_the_run(tmp_path):
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    with pytest.raises(Stopped, match="stopped on request"):
        call(tmp_path, "import time; time.sleep(60)", stop=stop)


def test_slots_and_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,7")
    busy, seen = set(), []
    lock = threading.Lock()

    def work(item, devices):
        with lock:
            assert not busy & set(devices)
            busy.update(devices)
        time.sleep(0.01)
        with lock:
            busy.difference_update(devices)
            seen.append(devices)
        return item

    done = list(run_all(range(12), work, jobs=8, gpus=1, stop=threading.Event()))
    assert sorted(done) == list(range(12))
    assert set(seen) == {("4",), ("5",), ("7",)}
    with pytest.raises(SettingError, match="task.gpus is 4, and 3 GPUs are visible"):
        list(run_all(range(2), work, jobs=1, gpus=4, stop=threading.Event()))


def test_an_error_stops_what_has_not_begun():
    stop = threading.Event()
    begun = []

    def work(item, _):
        begun.append(item)
        if item == 1:
            raise ValueError("no")
        time.sleep(0.02)
        return item

    with pytest.raises(ValueError, match="no"):
        list(run_all(range(100), work, jobs=2, gpus=None, stop=stop))
    assert stop.is_set()
    assert len(begun) < 10
