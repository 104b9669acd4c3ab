"""Killed at any moment and started again: every run is finished exactly once, and nothing is left behind."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from orbiq.imageio import read_image
from orbiq.records import read_records
from orbiq.steps import mark_of
from orbiq.tasks.processes import MARK
from tests.toys import write_dataset

N_KILLS = 10
N_RUNS = 12
TASK = """
import json, os, subprocess, sys, time
args = dict(zip(sys.argv[1::2], sys.argv[2::2]))
nap = "import time; time.sleep(60)"
subprocess.Popen([sys.executable, "-S", "-c", nap])
subprocess.Popen([sys.executable, "-S", "-c", nap], start_new_session=True)
subprocess.run([sys.executable, "-S", "-c", "import time; time.sleep(0.3)"])
json.dump({"loss": [1.0, float(args["--lr"])]}, open(os.path.join(args["--outputpath"], "results.json"), "w"))
side, line = os.environ["SIDE_LOG"], args["--testds"] + " " + args["--lr"] + " " + args["--seed"]
while True:  # no more different runs end than there were kills, so that the tenth kill finds work too
    done = set(open(side).read().splitlines())
    if line in done or len(done) <= int(open(side + ".kills").read() or 0):
        break
    time.sleep(0.02)
with open(side, "a") as log:
    log.write(line + "\\n")
"""
RESULTS = "orbiq-runs/killed"
MOMENTS = {
    "at the start": "nothing",
    "while a variant is made": ".*#*.part",
    "with a new variant": "[!.]*#*/variant.json",
    "while runs are at work": f"{RESULTS}/runs/.*.part",
    "with a new record": f"{RESULTS}/runs/[!.]*/record.json",
    "with more records": f"{RESULTS}/runs/[!.]*/record.json",
    "while a record is written": f"{RESULTS}/runs/.*.part/record.json",
    "while MLflow's store is made": "orbiq-runs/.mlflow.db.new*",
    "while a run goes to MLflow": "orbiq-runs/mlartifacts/*/*",
    "with a run sent": f"{RESULTS}/runs/[!.]*/mlflow.json",
}
"""What must have appeared since the start, before a random delay ends in the kill."""


@pytest.fixture
def experiment(tmp_path):
    """A YAML file: 3 variants × 2 parameters × 2 repetitions."""
    for k, split in enumerate(("train", "test")):
        write_dataset(tmp_path / split, n_images=6, seed=k, size=96)
    (tmp_path / "task.py").write_text(TASK)
    settings = {
        "name": "killed",
        "datasets": {"train": "train", "test": "test"},
        "modifiers": [{"jpeg": {"quality": [20, 60]}}],
        "task": {"command": [sys.executable, "-S", "task.py"], "env": {"SIDE_LOG": str(tmp_path / "side.log")}},
        "params": {"lr": [0.1, 0.2]},
        "repetitions": 2,
        "seed_argument": "seed",
        "metrics": ["own_metrics:brightness"],
        "objective": {"score": "brightness", "direction": "higher"},
        "jobs": 2,
    }
    (tmp_path / "side.log").touch()
    (tmp_path / "side.log.kills").write_text("0")
    (tmp_path / "own_metrics.py").write_text("def brightness(image):\n    return float(image.array.mean())\n")
    (tmp_path / "experiment.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path / "experiment.yaml"


def start(experiment):
    command = [sys.executable, "-m", "orbiq.cli.main", "run", str(experiment)]
    log = (experiment.parent / "orbiq.log").open("ab")
    with log:
        return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def marked(folder):
    """Living processes of this experiment."""
    wanted = f"{MARK}={mark_of(folder)}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"\0" + wanted in b"\0" + (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def wait_for(seen, *, within_s, step_s=0.005):
    deadline = time.monotonic() + within_s
    while not seen() and time.monotonic() < deadline:
        time.sleep(step_s)


def is_up(folder, process):
    """Whether the restarted orbiq is at work; importing takes its time on a loaded machine."""
    lock = folder / ".lock"
    return lock.is_file() and lock.read_text() == str(process.pid)


@pytest.mark.slow
def test_every_run_exactly_once_after_ten_kills(experiment):
    place = experiment.parent
    folder = place / RESULTS
    rng = random.Random(20_250_131)
    orphans, seen = [], []
    for moment, pattern in MOMENTS.items():
        before = set(place.glob(pattern))
        process = start(experiment)
        if orphans:
            wait_for(lambda: is_up(folder, process), within_s=30)  # noqa: B023  called at once
            wait_for(lambda: not set(orphans) & set(marked(folder)), within_s=5, step_s=0.1)  # noqa: B023
            assert not set(orphans) & set(marked(folder)), f"orphans 5 s after the restart, killed {moment}"
        if pattern != "nothing":
            wait_for(lambda: set(place.glob(pattern)) - before or process.poll() is not None, within_s=20)  # noqa: B023
        # MLflow gets a run in a few hundredths of a second, and the next kills want some too
        time.sleep(rng.uniform(0, 0.08 if "MLflow" in moment or "sent" in moment else 0.4))
        seen.append(process.poll() is None)
        process.send_signal(signal.SIGKILL)
        process.wait()
        orphans = marked(folder)
        no_half_variant(place)
        (place / "side.log.kills").write_text(str(len(seen)))
    (place / "side.log.kills").write_text(str(N_RUNS))
    assert len(seen) == N_KILLS
    assert all(seen), dict(zip(MOMENTS, seen, strict=True))  # the killing was real
    last = start(experiment)
    assert last.wait(60) == 0, (place / "orbiq.log").read_text()
    assert marked(folder) == []
    assert "Traceback" not in (place / "orbiq.log").read_text()
    all_runs_once(place, folder)
    once_in_mlflow(folder)
    assert [p for p in place.rglob("*") if p.name.endswith(".part")] == []


def no_half_variant(place):
    """Whatever has a variant's name is whole."""
    for variant in place.glob("[!.]*#*"):
        about = json.loads((variant / "variant.json").read_text())
        names = sorted(p.name for p in (variant / "images").iterdir())
        assert names == sorted(about["images"]) == [f"im_{k}.png" for k in range(6)]
        assert all(read_image(variant / "images" / name).array.shape == (96, 96, 3) for name in names)
        assert json.loads((variant / "annotations.json").read_text())["images"]


def all_runs_once(place, folder):
    records = read_records(folder)
    assert Counter(r.status for r in records) == {"finished": N_RUNS}
    assert len({(r.variant, r.params["lr"], r.repetition) for r in records}) == N_RUNS
    assert len(list(place.glob("[!.]*#*"))) == 4
    # a run that was killed before its record was written has been started more than once, but all were done
    assert len(set((place / "side.log").read_text().splitlines())) == N_RUNS
    for run in (folder / "runs").iterdir():
        (given,) = (run / "scores").glob("*.json")
        assert json.loads(given.read_text())["scores"]["brightness"] > 0


def once_in_mlflow(folder):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder.parent / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("killed").experiment_id])
    (parent,) = [r for r in runs if "orbiq.parent" in r.data.tags]
    children = [r for r in runs if r is not parent]
    assert parent.info.status == "FINISHED"
    assert sorted(r.data.tags["orbiq.run"] for r in children) == sorted(p.name for p in (folder / "runs").iterdir())
    assert {r.info.status for r in children} == {"FINISHED"}
    assert {r.data.tags["mlflow.parentRunId"] for r in children} == {parent.info.run_id}
    assert all({"loss", "brightness"} <= set(r.data.metrics) for r in children)
