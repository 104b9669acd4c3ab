"""The demo's black box: it keeps the task contract, is repeatable by seed, and finds airplanes."""

import ast
import json
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files

import pytest

from orbiq.datasets.scenes import write_airports
from orbiq.demo.data import SPLITS

SCRIPT = files("orbiq.demo").joinpath("detector.py")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for name, n_images in (("train", 4), ("test", 3)):
        write_airports(folder / name, replace(SPLITS[name], n_images=n_images, rows=200, cols=200))
    return folder


def run(data, out, *, seed, epochs):
    command = [sys.executable, str(SCRIPT), "--trainds", str(data / "train"), "--testds", str(data / "test")]
    command += ["--outputpath", str(out), "--seed", str(seed), "--epochs", str(epochs), "--unknown", "1"]
    subprocess.run(command, check=True, timeout=120)
    return json.loads((out / "results.json").read_text()), json.loads((out / "output.json").read_text())


def recall(found, truth):
    """The share of airplanes with a sure box whose centre lies within a third of their size."""
    sure = [f for f in found if f["score"] > 0.5]

    def is_found(wanted):
        x, y, w, h = wanted["bbox"]
        near = (
            abs(f["bbox"][0] + f["bbox"][2] / 2 - x - w / 2) < w / 3
            and abs(f["bbox"][1] + f["bbox"][3] / 2 - y - h / 2) < h / 3
            for f in sure
            if f["image_id"] == wanted["image_id"]
        )
        return any(near)

    return sum(map(is_found, truth)) / len(truth)


def test_it_finds_airplanes_and_the_seed_decides(data, tmp_path):
    results, found = run(data, tmp_path / "a", seed=0, epochs=16)
    truth = json.loads((data / "test" / "annotations.json").read_text())
    assert recall(found, truth["annotations"]) > 0.6
    assert results["epochs"] == 16
    assert len(results["train_loss"]) == 16
    assert results["train_loss"][-1] < results["train_loss"][0]
    assert {f["image_id"] for f in found} <= {i["id"] for i in truth["images"]}
    assert all(len(f["bbox"]) == 4 and 0 <= f["score"] <= 1 and f["category_id"] == 1 for f in found)
    assert run(data, tmp_path / "b", seed=0, epochs=1) == run(data, tmp_path / "c", seed=0, epochs=1)
    assert run(data, tmp_path / "d", seed=1, epochs=1) != run(data, tmp_path / "b", seed=0, epochs=1)


def test_it_is_a_strangers_script():
    tree = ast.parse(SCRIPT.read_text())
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    imported |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert imported <= {"argparse", "json", "os", "sys", "pathlib", "typing", "cv2", "numpy"}


def test_the_splits_share_no_scene():
    assert SPLITS["train"].seed != SPLITS["test"].seed
