"""A user's own functions and classes as modifiers."""

import json

import numpy as np
import pytest

import orbiq
from orbiq.arrays import Scene
from orbiq.errors import ImageError, SettingError, UnknownName
from orbiq.imageio import read_image, write_image
from orbiq.modifiers.base import MODIFIERS, build_chain, chain_configs, chain_text
from orbiq.numerics import image_rng
from orbiq.registry import build, config, parse_spec

CODE = """
from __future__ import annotations
from typing import TYPE_CHECKING
import numpy as np
if TYPE_CHECKING:
    import nowhere

def darken(array, *, factor: float = 0.5, offset: int = 0):
    array *= 0 if factor == 0 else 1
    return array * factor + offset

def grain(array, *, sigma_dn: float, rng):
    return array + rng.normal(0, sigma_dn, array.shape)

def halved(array):
    return array[::2]

def unresolved(array: nowhere.Array, *, k: float = 2.0, **others) -> nowhere.Array:
    return array / k

def dup(array, *, name: str = "x"):
    return array

def positional(array, k, /):
    return array

def nothing():
    return 0
"""


@pytest.fixture
def module(tmp_path, monkeypatch, request):
    name = f"own_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def applied(spec, array, **about):
    scene = Scene(array=array, name="a.png", **about)
    return build(MODIFIERS, spec)(scene, rng=image_rng(0, "a.png")).scene.array


def test_a_function_is_a_modifier(module):
    array = np.array([[[10, 201]]], np.uint8)
    assert applied(f"{module}:darken:factor=0.25", array).tolist() == [[[2, 50]]]
    assert applied(f"{module}:darken", array).tolist() == [[[5, 100]]]
    assert applied(f"{module}:darken:factor=3,offset=1", array).tolist() == [[[31, 255]]]
    assert applied(f"{module}:darken:factor=0", array).tolist() == [[[0, 0]]]
    assert array.tolist() == [[[10, 201]]]  # it was given a copy


def test_its_settings_are_its_arguments(module):
    step = build(MODIFIERS, f"{module}:darken:factor=1")
    assert config(step) == {"name": f"{module}:darken", "factor": 1.0, "offset": 0}
    assert build(MODIFIERS, config(step)) == step
    chain = build_chain(parse_spec(f"{module}:darken:factor=0.5>jpeg:quality=70"))
    assert chain_text(chain) == f"{module}:darken:factor=0.5,offset=0>jpeg:quality=70"
    json.dumps(chain_configs(chain))


def test_it_draws_from_the_generator_it_is_given(module):
    flat = np.full((200, 200, 1), 1000, np.uint16)
    noisy = applied(f"{module}:grain:sigma_dn=5", flat, peak=4095)
    assert noisy.dtype == np.uint16
    assert noisy.std() == pytest.approx(5, rel=0.03)
    assert np.array_equal(noisy, applied(f"{module}:grain:sigma_dn=5", flat, peak=4095))


def test_annotations_that_cannot_be_resolved_do_no_harm(module):
    assert applied(f"{module}:unresolved:k=4", np.full((1, 1, 1), 8, np.uint8)).tolist() == [[[2]]]


def test_masked_pixels_stay(module):
    array, mask = np.full((2, 2, 1), 100, np.uint8), np.array([[True, False], [True, True]])
    assert applied(f"{module}:darken", array, mask=mask)[..., 0].tolist() == [[50, 100], [50, 50]]


def test_a_variant_by_a_function_follows_its_code(module, tmp_path):
    images = tmp_path / "set" / "images"
    images.mkdir(parents=True)
    write_image(images / "a.png", np.full((4, 4, 1), 100, np.uint8))
    made = orbiq.modify(tmp_path / "set", f"{module}:darken:factor=0.5")
    assert (read_image(made.path / "images" / "a.png").array == 50).all()
    assert orbiq.modify(tmp_path / "set", f"{module}:darken:factor=0.5").reused
    (tmp_path / f"{module}.py").write_text(CODE + "\n# changed\n")
    assert not orbiq.modify(tmp_path / "set", f"{module}:darken:factor=0.5").reused


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("darken:faktor=2", "has no setting 'faktor'. Did you mean 'factor'"),
        ("darken:factor=dark", r"darken:factor is 'dark' \(str\); expected float"),
        ("dup", "has the argument 'name', which is the modifier's own; rename or move it"),
        ("positional", "has the argument 'k', which cannot be given by name"),
        ("nothing", "takes no array; its first argument is given the array"),
        ("grain", "needs sigma_dn: write own_.*:grain:sigma_dn=…"),
    ],
)
def test_settings_that_cannot_be(module, spec, words):
    with pytest.raises(SettingError, match=words):
        build(MODIFIERS, f"{module}:{spec}")


def test_a_name_that_is_not_there_is_guessed(module):
    with pytest.raises(UnknownName, match="no modifier named 'own_.*:darkn'. Did you mean 'own_.*:darken'"):
        build(MODIFIERS, f"{module}:darkn")


def test_a_function_does_not_move_pixels(module):
    with pytest.raises(ImageError, match=r"gave \(1, 2, 1\) of uint8; expected \(2, 2, 1\).*written as a class"):
        applied(f"{module}:halved", np.zeros((2, 2, 1), np.uint8))
