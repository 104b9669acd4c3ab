"""Every command on a toy, as a person would type it."""

import json
import sys

import pytest
import yaml
from typer.testing import CliRunner

from orbiq.cli.main import app
from tests.toys import GOOD_TASK, write_dataset, write_toy

runner = CliRunner()


def orbiq(*words):
    return runner.invoke(app, [str(w) for w in words])


@pytest.fixture
def toy(tmp_path):
    """The path of a toy's experiment file."""
    experiment = write_toy(tmp_path, repetitions=1)
    settings = experiment.model_dump(mode="json", by_alias=True, exclude_unset=True)
    (tmp_path / "experiment.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path / "experiment.yaml"


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "run",
        "modify",
        "try",
        "score",
        "table",
        "report",
        "diff",
        "sync",
        "ui",
        "clean",
        "list",
        "measure",
        "compare",
    ],
)
def test_help_has_examples(command):
    said = orbiq(command, "--help")
    assert said.exit_code == 0
    assert "Examples:" in said.output
    assert f"orbiq {command}" in said.output


def test_version_and_overview():
    assert orbiq("--version").output.startswith("orbiq 0.")
    overview = orbiq("--help").output
    assert "Begin with:" in overview


def test_dry_run_then_run_then_look(toy):
    plan = orbiq("run", toy, "--dry-run")
    assert plan.exit_code == 0
    assert "3 runs: 0 finished, 3 to do" in plan.output
    assert "jpeg:quality=20" in plan.output
    assert not (toy.parent / "orbiq-runs" / "toy").exists()

    done = orbiq("run", toy)
    assert done.exit_code == 0, done.output
    assert "3 runs: 3 done now" in done.output
    assert "Report:" in done.output
    report = toy.parent / "orbiq-runs" / "toy" / "report.html"
    assert report.is_file()

    again = json.loads(orbiq("run", toy, "--json").stdout)
    assert (again["n_done_now"], again["n_failed"]) == (0, 0)
    assert again["analysis"]["operating_point"]["variant"] == "jpeg:quality=20"

    table = orbiq("table", toy).stdout.splitlines()
    assert table[0].startswith("run,status,variant,family,quality")
    assert len(table) == 4
    assert "3 rows" in orbiq("table", toy, "--out", toy.parent / "t.parquet").output
    assert orbiq("report", toy, "--plot", toy.parent / "p.svg").exit_code == 0
    assert (toy.parent / "p.svg").read_text().startswith("<?xml")
    assert orbiq("report", toy, "--out", toy.parent / "r.html").exit_code == 0
    scored = orbiq("score", toy, "--metric", "coco-detection:merge_categories=true")
    assert scored.exit_code == 0
    assert "merge_categories True" in scored.stdout
    assert "merge_categories False" not in scored.stdout  # of the experiment's own metric, not asked for
    assert "toy" in orbiq("list", "experiments", "--workspace", toy.parent / "orbiq-runs").output


def test_gate(toy):
    assert orbiq("run", toy).exit_code == 0
    same = orbiq("diff", toy, toy, "--keep", "0.98")
    assert same.exit_code == 0, same.output
    blind = GOOD_TASK.replace("json.dump(found,", "json.dump(found[:1],")
    (toy.parent / "other").mkdir()
    worse = write_toy(toy.parent / "other", task=blind, repetitions=1)
    path = toy.parent / "other" / "experiment.yaml"
    path.write_text(yaml.safe_dump(worse.model_dump(mode="json", by_alias=True, exclude_unset=True)))
    assert orbiq("run", path).exit_code == 0
    gate = orbiq("diff", toy, path, "--keep", "0.98", "--json")
    assert gate.exit_code == 1
    assert json.loads(gate.stdout)["passed"] is False


def test_failed_runs_exit_1(toy):
    (toy.parent / "task.py").write_text("raise SystemExit(3)")
    said = orbiq("run", toy)
    assert said.exit_code == 1
    assert "3 failed" in said.output


def test_try(toy):
    said = orbiq("try", toy)
    assert said.exit_code == 0, said.output
    assert "The task keeps the contract." in said.output
    assert not list((toy.parent / "orbiq-runs").glob(".try-*"))
    (toy.parent / "task.py").write_text(GOOD_TASK.replace("image_id=", "picture="))
    broken = orbiq("try", toy)
    assert broken.exit_code == 1
    assert "image_id" in broken.output
    assert "does not keep the contract" in broken.output


def test_modify_and_clean(tmp_path):
    data = write_dataset(tmp_path / "data")
    said = orbiq("modify", data, "--with", "jpeg:quality=[20,50]", "--with", "quantize:bits=3")
    assert said.exit_code == 0, said.output
    assert said.output.count("bits per pixel") == 3
    assert "(was there)" in orbiq("modify", data, "--with", "jpeg:quality=20").output
    made = json.loads(orbiq("modify", data, "--with", "jpeg:quality=20", "--json").stdout)
    assert made[0]["rate"]["coding"] == "jpeg"
    assert "deleted 0 variants" in orbiq("clean", data).output
    assert "would delete 3 variants" in orbiq("clean", data, "--all", "--dry-run").output
    (data / "images" / "im_0.png").write_bytes((data / "images" / "im_1.png").read_bytes())
    assert "deleted 3 variants" in orbiq("clean", data).output
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_modify_says_which_objects_are_gone(tmp_path):
    data = write_dataset(tmp_path / "data")  # a box of 10 × 12 pixels in each of 4 images
    crop = ("modify", data, "--with", "crop:rows=32,cols=9,top=0,left=0")
    assert "dropped" not in orbiq(*crop).output
    said = orbiq(*crop, "--min-visible", "0.6")
    assert "4 objects dropped, of which less than 0.6 is left in the image" in said.output
    assert "4 objects dropped" in orbiq(*crop, "--min-visible", "0.6").output  # it was there
    (made,) = json.loads(orbiq("modify", data, "--with", "crop:rows=4,cols=4,top=28,left=28", "--json").stdout)
    assert made["dropped"] == 4
    wrong = orbiq(*crop, "--min-visible", "60")
    assert wrong.exit_code == 2
    assert "min_visible is 60; expected a share of an object's area, from 0 to 1" in wrong.output


def test_own_modifiers_are_found_in_the_current_folder(tmp_path, monkeypatch):
    data = write_dataset(tmp_path / "data")
    (tmp_path / "own_darkening.py").write_text(
        "from dataclasses import dataclass\nfrom orbiq.modifiers import Modified\n\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Same:\n    level: int = 1\n\n"
        "    def __call__(self, scene, *, rng):\n        return Modified(scene=scene)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [p for p in sys.path if p])
    said = orbiq("modify", data, "--with", "own_darkening:Same:level=2")
    assert said.exit_code == 0, said.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "missing.yaml"], "no experiment file 'missing.yaml'"),
        (["modify", "missing", "--with", "jpeg:quality=3"], "missing"),
        (["list", "modifier"], "no list named 'modifier'. Did you mean 'modifiers'"),
        (["table", "."], "holds no experiment"),
    ],
)
def test_errors_are_one_sentence_and_exit_2(words, message, capfd):
    said = orbiq(*words)
    assert said.exit_code == 2
    assert message in said.stderr
    assert "Traceback" not in said.stderr
