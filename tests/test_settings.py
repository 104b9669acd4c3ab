"""The experiment file: one model behind YAML and objects, and errors that say the line."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from orbiq.errors import SettingError
from orbiq.settings import Experiment, load_experiment

GOOD = """\
schema: 1
name: airports
datasets: {train: data/train, test: data/test}
modifiers:
  - jpeg: {quality: [10, 50]}
  - gaussian-blur:sigma_px=1>jpeg:quality=70
  - chain: [{gaussian-blur: {sigma_px: [1, 2]}}, {quantize: {bits: 4}}]
task: {script: train.py, timeout_s: 60}
params: {epochs: 3, lr: [0.1, 0.01]}
repetitions: 2
metrics: [coco-detection]
objective: {score: ap50}
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "experiment.yaml"
        path.write_text(text)
        return path

    return write


def test_yaml_and_objects_are_the_same(written):
    loaded = load_experiment(written(GOOD))
    built = Experiment(
        name="airports",
        datasets={"train": "data/train", "test": "data/test"},
        modifiers=[
            {"jpeg": {"quality": [10, 50]}},
            "gaussian-blur:sigma_px=1>jpeg:quality=70",
            {"chain": [{"gaussian-blur": {"sigma_px": [1, 2]}}, {"quantize": {"bits": 4}}]},
        ],
        task={"script": "train.py", "timeout_s": 60},
        params={"epochs": 3, "lr": [0.1, 0.01]},
        repetitions=2,
        metrics=["coco-detection"],
        objective={"score": "ap50"},
    )
    assert loaded.model_dump() == built.model_dump()
    assert Experiment.model_validate(loaded.model_dump(mode="json", by_alias=True)).model_dump() == built.model_dump()


def test_the_reference_is_always_in_and_sweeps_are_spread_out(written):
    variants = load_experiment(written(GOOD)).variants()
    assert variants[0] == []
    assert [len(v) for v in variants] == [0, 1, 1, 2, 2, 2]
    assert variants[1] == [{"name": "jpeg", "quality": 10, "subsampling": "420"}]


def test_a_variant_that_is_named_twice_is_one(written):
    text = GOOD.replace("  - gaussian-blur:sigma_px=1>jpeg:quality=70\n", "  - jpeg:quality=10,subsampling=420\n")
    assert len(load_experiment(written(text)).variants()) == 5


def test_combinations(written):
    loaded = load_experiment(written(GOOD))
    assert loaded.combinations() == [{"epochs": 3, "lr": 0.1}, {"epochs": 3, "lr": 0.01}]


def test_paths_are_relative_to_the_file(written, tmp_path):
    loaded = load_experiment(written(GOOD))
    assert loaded.path(Path("data/train")) == tmp_path / "data" / "train"
    assert loaded.experiment_folder == tmp_path / "orbiq-runs" / "airports"


def test_what_counts(written):
    loaded = load_experiment(written(GOOD))
    assert loaded.judged == "test"
    assert loaded.modified_roles == ("train", "test")
    assert load_experiment(written(GOOD + "apply_to: [test]\n")).modified_roles == ("test",)
    assert loaded.objective.kept == 0.98
    assert load_experiment(written(GOOD.replace("{score: ap50}", "{score: ap50, margin: 0.01}"))).objective.kept is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "script:",
            "scrip:",
            r"experiment.yaml, line 8: task.scrip is no setting. Did you mean 'script'\? Known: command",
        ),
        ("objective:", "obective:", "line 12: obective is no setting. Did you mean 'objective'"),
        ("{score: ap50}", "{score: ap50, kep: 0.9}", "line 12: objective.kep is no setting. Did you mean 'keep'"),
        ("repetitions: 2", "repetitions: 0", "line 10: repetitions is 0; input should be greater than or equal to 1"),
        ("repetitions: 2", "repetitions: many", "line 10: repetitions is 'many'"),
        ("name: airports", "name: a/b", "line 2: name: 'a/b' names a folder"),
        ("name: airports\n", "", "line 1: name is missing"),
        ("quality: [10, 50]", "qualty: [10, 50]", "modifier 'jpeg' has no setting 'qualty'"),
        ("jpeg: {quality: [10, 50]}", "jpg: {quality: 10}", "no modifier named 'jpg'. Did you mean 'jpeg'"),
        ("{jpeg: {quality: [10, 50]}}", "3", None),
        ("sigma_px=1>jpeg", "sigma_px=1>jpg", "experiment.yaml, line 6: no modifier named 'jpg'"),
        (
            "sigma_px=1>jpeg:quality=70",
            "sigma=1",
            "experiment.yaml, line 6: modifier 'gaussian-blur' has no setting 'sig",
        ),
        ("{quantize: {bits: 4}}", "{quantize: 4}", "experiment.yaml, line 7: modifier 'quantize' has 4"),
        ("[coco-detection]", "[coco-detektion]", "experiment.yaml, line 11: no metric named 'coco-detektion'"),
        (
            "[coco-detection]",
            "\n  - coco-detection\n  - 5",
            "experiment.yaml, line 13: metric 5 is neither text such as",
        ),
        ("params: {epochs: 3", "params: {trainds: 3", "experiment.yaml, line 9: parameter 'trainds' is reserved"),
        ("lr: [0.1, 0.01]", "lr: []", "experiment.yaml, line 9: params.lr is an empty list"),
        ("repetitions: 2", "tracking: runs", "experiment.yaml, line 10: tracking URI 'runs' is a folder"),
        ("repetitions: 2", "seed_argument: testds", "experiment.yaml, line 10: seed_argument 'testds' is reserved"),
        ("score: ap50", "score: f", "experiment.yaml, line 12: which way the score 'f' is better is not known"),
        ("{script: train.py, timeout_s: 60}", "{}", r"state script: …, or command: \[…\], or both train"),
        ("{script: train.py,", "{script: a, command: [b],", "state script: …, or command"),
        ("{script: train.py,", "{train: {script: a},", "state script: …, or command"),
        ("objective: {score: ap50}", "objective: {score: a, keep: 0.9, margin: 1}", "state keep .* or margin"),
        ("schema: 1", "schema: 2", "line 1: schema is 2; input should be 1"),
        ("schema: 1", "name: x", "line 2: 'name' stands already in line 1"),
        ("schema: 1", "schema: [", "no valid YAML: line"),
        (
            "repetitions: 2",
            "apply_to: [val]",
            "experiment.yaml, line 10: apply_to names 'val', and datasets has no val",
        ),
        ("repetitions: 2", "!!python/object:os.system {}", "no valid YAML"),
    ],
)
def test_mistakes_say_line_and_way_out(written, old, new, message):
    if message is None:
        old, new, message = "- jpeg: {quality: [10, 50]}", "- 3", "modifier 3 is neither text such as jpeg:quality=70"
    assert old in GOOD
    with pytest.raises(SettingError, match=message):
        load_experiment(written(GOOD.replace(old, new, 1)))


def test_all_mistakes_at_once(written):
    text = GOOD.replace("script:", "scrip:").replace("repetitions: 2", "repetitions: 0")
    with pytest.raises(SettingError, match=r"(?s)line 8: .*line 10: "):
        load_experiment(written(text))


def test_each_wrong_modifier_and_metric_is_named_with_its_own_line(written):
    text = GOOD.replace("jpeg: {quality: [10, 50]}", "blur:psf=gaussian").replace("bits: 4", "bits: 400")
    with pytest.raises(SettingError) as caught:
        load_experiment(written(text.replace("coco-detection", "coco").replace("repetitions: 2", "repetitions: 0")))
    lines = [line.split(": ")[0] for line in str(caught.value).splitlines()]
    assert lines == [f"experiment.yaml, line {n}" for n in (5, 7, 10, 11)]
    assert str(caught.value).startswith("experiment.yaml, line 5: blur:psf=gaussian needs sigma_px")


def test_no_file_and_no_text(tmp_path, written):
    with pytest.raises(SettingError, match="no experiment file"):
        load_experiment(tmp_path / "missing.yaml")
    with pytest.raises(SettingError, match="holds no settings"):
        load_experiment(written(""))
    (tmp_path / "experiment.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingError, match="is no text"):
        load_experiment(tmp_path / "experiment.yaml")


def test_objects_refuse_too():
    with pytest.raises(ValidationError, match="state script"):
        Experiment(name="x", datasets={"train": "a"}, task={})
