"""What a task said, and the truth of the same images, put before a metric: by hand, and in whole experiments."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from orbiq.analysis.table import rows
from orbiq.datasets.folder import open_dataset
from orbiq.datasets.masks import mask_paths
from orbiq.errors import ContractError, DatasetError
from orbiq.experiment import run
from orbiq.metrics.chosen import load_metric
from orbiq.progress import Quiet
from orbiq.records import read_records, read_scores
from orbiq.rescoring import rescore
from orbiq.scoring_predictions import numbers, over_predictions
from orbiq.settings import Experiment
from orbiq.trial import try_task

SEGMENT = """
import json, os, sys
import cv2
import numpy as np
args = dict(zip(sys.argv[1::2], sys.argv[2::2]))
images, out = os.path.join(args["--trainds"], "images"), args["--outputpath"]
os.makedirs(os.path.join(out, "maps"))
said = {}
for name in sorted(os.listdir(images)):
    grey = cv2.imread(os.path.join(images, name), cv2.IMREAD_GRAYSCALE).astype(int)
    stem = os.path.splitext(name)[0]
    cv2.imwrite(os.path.join(out, "maps", stem + ".png"), np.clip((grey + 10) // 20, 0, 2).astype(np.uint8))
    said[name] = "maps/" + stem + ".png"
json.dump({"masks": said}, open(os.path.join(out, "output.json"), "w"))
json.dump({"n": len(said)}, open(os.path.join(out, "results.json"), "w"))
"""


def write_segments(folder, *, n_images=8, seed=0):
    """Pictures whose grey value is 20 times the class, noise on it, and masks; the first two columns are unknown."""
    rng = np.random.default_rng(seed)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for k in range(n_images):
        noise = rng.normal(size=(48, 48, 3))
        classes = cv2.GaussianBlur(noise, (0, 0), 4).argmax(axis=-1).astype(np.uint8)
        grey = np.clip(20.0 * classes + rng.normal(scale=2 + k, size=classes.shape) + 5, 0, 255).astype(np.uint8)
        classes[:, :2] = 255
        cv2.imwrite(str(folder / "images" / f"im_{k}.png"), grey)
        cv2.imwrite(str(folder / "masks" / f"im_{k}_mask.png"), classes)
    return folder


def segments(folder, **settings):
    write_segments(folder / "train")
    (folder / "task.py").write_text(SEGMENT)
    defaults = {
        "name": "segments",
        "datasets": {"train": "train"},
        "modifiers": [{"jpeg": {"quality": [5, 95]}}],
        "task": {"script": "task.py"},
        "metrics": [{"segmentation": {"classes": ["sea", "land", "ice"], "ignore": [255], "tolerance_px": 1}}],
        "objective": {"score": "iou", "keep": 0.9},
        "tracking": "off",
        "jobs": 2,
    }
    return Experiment.model_validate({**defaults, **settings}).at(folder)


# ---- whole experiments


def test_a_segmentation_has_an_operating_point_with_interval(tmp_path):
    experiment = segments(tmp_path)
    trial = try_task(experiment, params={}, progress=Quiet())
    assert trial.passed, trial.lines
    summary = run(experiment)
    assert summary.n_failed == 0
    table = {row["variant"]: row for row in rows(experiment.experiment_folder)}
    for name in ("iou", "dice", "pixel_accuracy", "boundary_f1", "iou/sea", "dice/land", "boundary_f1/ice"):
        assert 1 > table["reference"][name] > table["jpeg:quality=5"][name] > 0, name
    point = summary.analysis["operating_point"]
    assert (point["variant"], point["n_images"]) == ("jpeg:quality=95", 8)
    for level in point["levels"]:
        assert level["low"] < level["score"] < level["high"]
    assert all(0 < level["high"] - level["low"] < 0.3 for level in point["levels"])
    record = next(iter(read_records(experiment.experiment_folder)))
    (given,) = read_scores(experiment.experiment_folder / "runs" / record.run)
    assert given.stated == {"classes": "0 sea, 1 land, 2 ice", "ignore": "255", "tolerance_px": 1.0}
    assert given.needs == "predictions"


OWN = """
import numpy as np
def share_of_land(predictions, truth):
    assert set(predictions) == set(truth)
    return float(np.mean([np.mean(predictions[name].read() == truth[name].read()) for name in truth]))
"""


def test_images_in_another_format_find_their_masks(tmp_path, monkeypatch):
    (tmp_path / "own_masks.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    experiment = segments(tmp_path, store="encoded", modifiers=["jpeg:quality=95"])
    assert run(experiment).n_failed == 0
    rescore(experiment.experiment_folder, ["own_masks:share_of_land"], progress=Quiet())
    table = {row["variant"]: row for row in rows(experiment.experiment_folder)}
    assert table["jpeg:quality=95"]["iou"] > 0.5
    assert table["jpeg:quality=95"]["share_of_land"] > 0.5


CLASSIFY = """
import json, os, sys, zlib
args = dict(zip(sys.argv[1::2], sys.argv[2::2]))
images, out = os.path.join(args["--trainds"], "images"), args["--outputpath"]
said, values = {}, {}
for label in sorted(os.listdir(images)):
    for name in sorted(os.listdir(os.path.join(images, label))):
        luck = zlib.crc32(name.encode()) % 101
        other = {"1": "3", "3": "9", "9": "1"}[label]
        said[label + "/" + name] = {label: 1 - luck / 150, other: luck / 150}
        values[label + "/" + name] = float(label) + luck / 101 - 0.5
json.dump({"probabilities": said, "values": values}, open(os.path.join(out, "output.json"), "w"))
json.dump({"n": len(said)}, open(os.path.join(out, "results.json"), "w"))
"""


@pytest.mark.parametrize(("score", "keep"), [("f1", 0.3), ("ece", 0.1), ("rmse", 0.1), ("r2", 0.5)])
def test_classes_and_values_have_operating_points_with_intervals(tmp_path, score, keep):
    rng = np.random.default_rng(0)
    for k in range(18):
        folder = tmp_path / "train" / "images" / "139"[k % 3]
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{k}.png"), rng.integers(0, 255, (16, 16, 3), np.uint8))
    (tmp_path / "task.py").write_text(CLASSIFY)
    settings = {
        "name": "toy",
        "datasets": {"train": "train"},
        "modifiers": ["jpeg:quality=50"],
        "task": {"script": "task.py"},
        "metrics": ["classification:top_k=1,bins=3", "regression"],
        "objective": {"score": score, "keep": keep},
        "tracking": "off",
        "jobs": 2,
    }
    summary = run(Experiment.model_validate(settings).at(tmp_path))
    point = summary.analysis["operating_point"]
    assert point is not None, summary.analysis["reason"]
    assert point["n_images"] == 18
    level = point["levels"][0]
    assert level["low"] < level["score"] < level["high"]


# ---- forms of output.json


def wrote(folder, said):
    (folder / "out").mkdir()
    (folder / "out" / "output.json").write_text(json.dumps(said))
    return folder / "out"


def labelled(folder):
    for name in ("1/a.png", "2/b.png"):
        path = folder / "data" / "images" / name
        path.parent.mkdir(parents=True)
        cv2.imwrite(str(path), np.zeros((4, 4), np.uint8))
    return folder / "data"


def test_a_metric_takes_its_own_form(tmp_path):
    output = wrote(tmp_path, {"values": {"1/a.png": 1.5, "2/b.png": 2}, "labels": {"1/a.png": 1, "2/b.png": 1}})
    data = labelled(tmp_path)
    assert over_predictions(load_metric({"name": "regression"}), output, data).scores["mae"] == 0.25
    assert over_predictions(load_metric({"name": "classification"}), output, data).scores["accuracy"] == 0.5


def test_a_form_that_a_metric_cannot_take_is_named(tmp_path):
    output = wrote(tmp_path, {"labels": {"1/a.png": 1, "2/b.png": 1}})
    with pytest.raises(ContractError, match="output.json gives labels; regression needs values"):
        over_predictions(load_metric({"name": "regression"}), output, labelled(tmp_path))


def test_two_forms_that_say_the_same_are_refused(tmp_path):
    sure = {"1/a.png": {"1": 1.0}, "2/b.png": {"1": 1.0}}
    output = wrote(tmp_path, {"labels": {"1/a.png": 1, "2/b.png": 1}, "probabilities": sure})
    with pytest.raises(ContractError, match="gives labels and probabilities; classification takes one of them"):
        over_predictions(load_metric({"name": "classification"}), output, labelled(tmp_path))


def test_nothing_said_is_said(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(ContractError, match="segmentation needs output.json, and the task wrote none"):
        over_predictions(load_metric({"name": "segmentation"}), tmp_path / "out", labelled(tmp_path))


@pytest.mark.parametrize("label", ["nan", "inf"])
def test_numbers_of_class_folders_are_finite(label):
    with pytest.raises(DatasetError, match=f"whose names are finite numbers; one is '{label}'"):
        numbers({"a": "1", "b": label})


# ---- masks of images


def dataset(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.zeros((4, 4), np.uint8))
    return open_dataset(folder)


def test_a_mask_has_the_name_of_its_image(tmp_path):
    found = mask_paths(
        dataset(tmp_path, "images/a.png", "images/7/b.jpg", "images_mask/a.tif", "images_mask/7/b_mask.png")
    )
    assert found == {"7/b.jpg": tmp_path / "images_mask/7/b_mask.png", "a.png": tmp_path / "images_mask/a.tif"}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["images/a.png"], r"has no masks; expected a class map of each image in masks/ or images_mask/"),
        (["images/a.png", "masks/b.png"], r"image 'a.png' of dataset .* has no mask in masks/; .* such as masks/a.png"),
        (["images/a.png", "masks/a.png", "masks/a_mask.png"], r"has both masks/a.png and masks/a_mask.png"),
    ],
)
def test_missing_and_doubled_masks_are_named(names, message, tmp_path):
    with pytest.raises(DatasetError, match=message):
        mask_paths(dataset(tmp_path, *names))


def test_a_truth_without_masks_is_said(tmp_path):
    (tmp_path / "out").mkdir()
    cv2.imwrite(str(tmp_path / "out" / "a.png"), np.zeros((4, 4), np.uint8))
    (tmp_path / "out" / "output.json").write_text('{"masks": {"1/a.png": "a.png", "2/b.png": "a.png"}}')
    with pytest.raises(DatasetError, match="dataset 'data' has no masks"):
        over_predictions(load_metric({"name": "segmentation"}), tmp_path / "out", labelled(tmp_path))


def test_options_come_from_text():
    metric = load_metric({"name": "segmentation", "classes": ["3=water", "7=forest"], "ignore": 255})
    assert metric.options == {"classes": ("3=water", "7=forest"), "ignore": 255}
    scored = metric.function({"a": np.array([[3, 7]])}, {"a": np.array([[3, 255]])}, **metric.options)
    assert SimpleNamespace(**scored.scores).iou == 1
