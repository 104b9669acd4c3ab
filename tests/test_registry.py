"""Spec text, sweeps, and objects that are data."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbiq.codecs.base import CODECS
from orbiq.errors import SettingError, UnknownName
from orbiq.modifiers.base import build_chain, chain_configs, chain_text
from orbiq.registry import expand, parse_spec, spec_text


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("jpeg:quality=70", [{"name": "jpeg", "quality": 70}]),
        ("a:x=1.5,y=true>b", [{"name": "a", "x": 1.5, "y": True}, {"name": "b"}]),
        (
            "ofdm:payload=(jpeg:quality=70),snr_db=10",
            [{"name": "ofdm", "payload": {"name": "jpeg", "quality": 70}, "snr_db": 10}],
        ),
        ("mymodule:MyModifier:strength=3", [{"name": "mymodule:MyModifier", "strength": 3}]),
        ("mymodule:MyModifier", [{"name": "mymodule:MyModifier"}]),
        ("jpeg:quality=[10,50]", [{"name": "jpeg", "quality": [10, 50]}]),
    ],
)
def test_text_form(text, steps):
    assert parse_spec(text) == steps
    assert parse_spec(spec_text(steps)) == steps


@given(
    st.lists(
        st.fixed_dictionaries(
            {"name": st.sampled_from(["jpeg", "gaussian-blur", "my.module:Thing"])},
            optional={
                "quality": st.integers(-9, 99),
                "sigma_px": st.floats(-1e6, 1e6).map(lambda v: round(v, 3)),
                "centred": st.booleans(),
                "many": st.lists(st.integers(0, 9), min_size=1, max_size=3),
            },
        ),
        min_size=1,
        max_size=3,
    )
)
def test_text_round_trip(steps):
    assert parse_spec(spec_text(steps)) == steps


def test_sweeps_multiply_and_the_last_varies_fastest():
    chains = expand(parse_spec("gaussian-blur:sigma_px=[1,2]>jpeg:quality=[10,50]"))
    assert [(c[0]["sigma_px"], c[1]["quality"]) for c in chains] == [(1, 10), (1, 50), (2, 10), (2, 50)]


def test_defaults_are_left_out_of_a_name_and_written_into_a_config():
    chain = build_chain(parse_spec("jpeg:quality=70,subsampling=420"))
    assert chain_text(chain) == "jpeg:quality=70"
    assert chain_configs(chain) == [{"name": "jpeg", "quality": 70, "subsampling": "420"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gausian-blur:sigma_px=1", "no modifier named 'gausian-blur'. Did you mean 'gaussian-blur'"),
        ("jpeg:qualty=70", "'jpeg' has no setting 'qualty'. Did you mean 'quality'"),
        ("jpeg", "'jpeg' needs quality: write jpeg:quality=…"),
        ("jpeg:quality=high", "jpeg:quality is 'high' .str.; expected int"),
        ("jpeg:quality=true", "jpeg:quality is True .bool.; expected int"),
        ("jpeg:quality=0", "jpeg:quality is 0; expected 1"),
        ("jpeg:quality=70,subsampling=411", "expected 420, 422 or 444"),
        ("gaussian-blur:sigma_px=0", "sigma_px is 0.0; expected more than 0"),
        ("gaussian-blur:sigma_px=nan", "sigma_px is nan; expected more than 0"),
        ("gaussian-noise", "expected one of the two"),
        ("gaussian-noise:sigma_dn=1,sigma_fraction=1", "expected one of the two"),
        ("quantize:bits=0", "expected 1 to 16"),
        ("jpeg:quality=(70", "unbalanced brackets"),
        ("jpeg:70", "'70' is not setting=value"),
        (">jpeg:quality=3", "empty step"),
        ("nomodule:Thing", "no module named 'nomodule'. Your own module is looked for"),
        ("orbiq.errors:Nothing", "no modifier named 'orbiq.errors:Nothing'"),
    ],
)
def test_mistakes_are_explained(text, message):
    with pytest.raises((SettingError, UnknownName), match=message):
        build_chain(parse_spec(text))


def test_a_users_own_modifier(tmp_path, monkeypatch):
    (tmp_path / "own_modifier.py").write_text(
        "from dataclasses import dataclass\n"
        "from orbiq.arrays import cast_like\n"
        "from orbiq.modifiers.base import Modified\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Darken:\n"
        "    factor: float\n"
        "    def __call__(self, scene, *, rng):\n"
        "        return Modified(scene=scene.with_array(cast_like(scene.array * self.factor, scene.array)))\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    chain = build_chain(parse_spec("own_modifier:Darken:factor=0.5"))
    assert chain_text(chain) == "own_modifier:Darken:factor=0.5"
    assert build_chain(chain_configs(chain)) == chain


def test_codecs_are_listed():
    assert "jpeg" in CODECS
    with pytest.raises(UnknownName, match="no codec named 'jpg'. Did you mean 'jpeg'"):
        CODECS["jpg"]


@pytest.mark.parametrize("name", ["../evil:f", "a/b:f", ".:f", "a..b:f", "m:f-g"])
def test_a_module_is_a_name_and_no_path(name):
    with pytest.raises(SettingError, match="names no module; write mymodule:MyThing"):
        build_chain([{"name": name}])


def test_a_setting_is_given_once():
    with pytest.raises(SettingError, match=r"has quality twice; give it once, or a sweep as quality=\[…\]"):
        parse_spec("jpeg:quality=50,quality=60")


def test_values_by_band_are_a_list_in_a_list_everywhere():
    (chain,) = expand(parse_spec("mtf:nyquist=[[0.2,0.1]],now=0.5"))
    built = build_chain(chain)
    assert built.steps[0].nyquist == (0.2, 0.1)
    assert chain_text(built) == "mtf:nyquist=[[0.2,0.1]],now=0.5"
    assert build_chain(expand(parse_spec(chain_text(built)))[0]) == built
    assert build_chain(chain_configs(built)) == built
