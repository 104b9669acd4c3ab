"""Super-resolution as a modifier: the hook, the baseline, what cannot be."""

import json
import sys
import textwrap

import numpy as np
import pytest

from orbiq.arrays import Scene
from orbiq.errors import ImageError, SettingError
from orbiq.imageio import write_image
from orbiq.modifiers.base import build_chain
from orbiq.modifiers.variants import modify
from orbiq.numerics import image_rng
from orbiq.registry import parse_spec

MODEL = """
import numpy as np
def upscale(array):
    return array.repeat(3, axis=0).repeat(3, axis=1) + np.float32(0.4)
def wrong(array):
    return array
def nothing(array):
    return np.full((3 * array.shape[0], 3 * array.shape[1], array.shape[2]), np.nan)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "sr_toy.py").write_text(textwrap.dedent(MODEL))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("sr_toy", None)


def through(text, array, **about):
    scene = Scene(array=array, name="a.tif", **about)
    return build_chain(parse_spec(text))(scene, rng=image_rng(0, "a.tif"))


RAMP = np.arange(24, dtype=np.uint16).reshape(4, 6, 1) * 10


def test_the_hook_gets_the_pixels_and_the_grid_follows(own):
    transform = (2.0, 0.0, 100.0, 0.0, -2.0, 500.0)
    said = through("super-resolve:scale=3,model=sr_toy:upscale", RAMP, peak=4095, gsd_m=2.0, transform=transform)
    assert (said.scene.array == RAMP.repeat(3, axis=0).repeat(3, axis=1)).all()
    assert said.scene.array.dtype == np.uint16
    assert said.scene.gsd_m == pytest.approx(2 / 3)
    assert said.scene.transform == pytest.approx((2 / 3, 0, 100, 0, -2 / 3, 500))
    assert said.affine == (3, 0, 0, 0, 3, 0)


def test_bicubic_keeps_a_ramp_and_corners():
    said = through("super-resolve:scale=2", np.arange(40.0).reshape(1, 40, 1).repeat(9, axis=0))
    inner = said.scene.array[8, 8:-8, 0]
    assert np.allclose(inner, (np.arange(80)[8:-8] - 0.5) / 2)


@pytest.mark.parametrize("bands", [1, 3, 200])
def test_any_number_of_bands(own, bands):
    said = through("super-resolve:scale=3,model=sr_toy:upscale", RAMP.repeat(bands, axis=2), peak=4095)
    assert said.scene.array.shape == (12, 18, bands)


def test_masked_pixels_stay_masked_and_lend_nothing(own):
    mask = np.ones((4, 6), bool)
    mask[1, 2] = False
    array = RAMP.copy()
    array[1, 2] = 4000
    said = through("super-resolve:scale=3,model=sr_toy:upscale", array, mask=mask, peak=4095)
    assert (said.scene.mask == mask.repeat(3, axis=0).repeat(3, axis=1)).all()
    assert (said.scene.array[~said.scene.mask] == 4000).all()
    assert said.scene.array[said.scene.mask].max() <= 230


def test_labels_follow_into_the_variant(own):
    (own / "set" / "images").mkdir(parents=True)
    write_image(own / "set" / "images" / "a.png", RAMP.astype(np.uint8))
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 1], "area": 3, "iscrowd": 0}
    about = {
        "images": [{"id": 1, "file_name": "a.png", "width": 6, "height": 4}],
        "annotations": [box],
        "categories": [{"id": 1, "name": "x"}],
    }
    (own / "set" / "annotations.json").write_text(json.dumps(about))
    variant = modify(own / "set", "super-resolve:scale=3,model=sr_toy:upscale")
    moved = json.loads((variant.path / "annotations.json").read_text())
    assert moved["annotations"][0]["bbox"] == [3, 6, 9, 3]
    assert (moved["images"][0]["width"], moved["images"][0]["height"]) == (18, 12)


def test_another_code_is_another_version(own):
    step = build_chain(parse_spec("super-resolve:scale=3,model=sr_toy:upscale")).steps[0]
    assert len(str(step.version)) == 64
    assert build_chain(parse_spec("super-resolve:scale=3")).steps[0].version == 2


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("super-resolve:scale=1", SettingError, "scale is 1; expected a whole number of 2"),
        ("super-resolve:scale=2,model=esrgan", SettingError, "'esrgan'; expected bicubic, or your own as mymodule"),
        ("super-resolve:scale=3,model=sr_toy:wrong", ImageError, r"gave \(4, 6, 1\) of uint16; expected \(12, 18, 1\)"),
        ("super-resolve:scale=3,model=sr_toy:nothing", ImageError, "gave NaN or infinite values"),
        ("super-resolve:scale=3,model=sr_nowhere:f", SettingError, "no module named 'sr_nowhere'"),
    ],
)
def test_what_cannot_be_is_one_sentence(own, text, error, words):
    with pytest.raises(error, match=words):
        through(text, RAMP, peak=4095)
