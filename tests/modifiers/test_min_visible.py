"""What is left of objects in a variant on disk: dropped, clipped, counted, and said."""

import json

import numpy as np
import pytest

from orbiq.datasets.coco import read_coco
from orbiq.errors import SettingError
from orbiq.modifiers.variants import modify
from orbiq.plan import make_plan
from orbiq.progress import Quiet
from orbiq.settings import Experiment
from orbiq.steps import make_variants
from tests.modifiers.sets import write_set


def cut_set(folder):
    """Of the ship of 10 × 4 pixels a crop to the left half keeps four tenths."""
    return write_set(folder, np.zeros((20, 40, 3), np.uint8), bbox=(16, 3, 10, 4), area=40)


LEFT_HALF = "crop:rows=20,cols=20,top=0,left=0"


def about(variant):
    return json.loads((variant.path / "variant.json").read_text())


def test_min_visible_decides_and_is_remembered(tmp_path):
    source = cut_set(tmp_path / "ships")
    kept, dropped = (modify(source, LEFT_HALF, min_visible=share) for share in (0.4, 0.41))
    (ship,) = read_coco(kept.path / "truth.json").objects
    assert (ship.bbox, ship.area) == ((16, 3, 4, 4), 16)
    assert ship.extra == {"original_bbox": [16, 3, 10, 4], "original_area": 40}
    assert read_coco(dropped.path / "truth.json").objects == ()
    assert about(kept)["labels"] == {"dropped": 0, "min_visible": 0.4}
    assert about(dropped)["labels"] == {"dropped": 1, "min_visible": 0.41}
    again = modify(source, LEFT_HALF, min_visible=0.41)
    assert (again.reused, again.dropped) == (True, 1)


def test_min_visible_is_part_of_the_key_only_where_it_is_stated(tmp_path):
    source = cut_set(tmp_path / "ships")
    plain, stated, other = (
        modify(source, LEFT_HALF, **more) for more in ({}, {"min_visible": 0.0}, {"min_visible": 1})
    )
    assert (stated.key, stated.reused) == (plain.key, True)
    assert other.key != plain.key
    with pytest.raises(SettingError, match="min_visible is 2; expected a share of an object's area, from 0 to 1"):
        modify(source, LEFT_HALF, min_visible=2)


def test_labels_of_images_that_stay_are_copied(tmp_path):
    source = write_set(tmp_path / "ships", np.zeros((20, 40, 3), np.uint8), bbox=(35, 3, 10, 4))
    variant = modify(source, "quantize:bits=4", min_visible=1.0)
    assert (variant.path / "truth.json").read_bytes() == (source / "truth.json").read_bytes()
    assert variant.dropped == 0


def test_an_experiment_asks_for_the_same_variants(tmp_path):
    cut_set(tmp_path / "ships")
    (tmp_path / "task.py").write_text("")
    for share in (0.0, 0.5):
        settings = {"name": "e", "datasets": {"train": "ships"}, "task": {"script": "task.py"}, "min_visible": share}
        plan = make_plan(Experiment(**settings, modifiers=[LEFT_HALF]).at(tmp_path))
        variant = modify(tmp_path / "ships", LEFT_HALF, min_visible=share)
        assert plan.variants[variant.key].path == variant.path


class Listener(Quiet):
    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)


def test_an_experiment_says_which_objects_are_gone(tmp_path):
    cut_set(tmp_path / "ships")
    (tmp_path / "task.py").write_text("")
    settings = {"name": "e", "datasets": {"train": "ships"}, "task": {"script": "task.py"}, "min_visible": 0.5}
    plan, heard = make_plan(Experiment(**settings, modifiers=[LEFT_HALF]).at(tmp_path)), Listener()
    make_variants(plan, heard)
    (line,) = heard.said
    assert line.endswith("of ships: 1 object dropped, of which less than 0.5 is left in the image")
    make_variants(plan, heard)  # they are there, and it was said
    assert len(heard.said) == 1


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_an_experiment_refuses_what_is_no_share(tmp_path, share):
    settings = {"name": "e", "datasets": {"train": "ships"}, "task": {"script": "task.py"}, "min_visible": share}
    with pytest.raises(ValueError, match="min_visible"):
        Experiment(**settings)
