"""The fixed-quality codec as a modifier: what it tells, what masked pixels count, and what a variant depends on."""

import numpy as np
import pytest

from orbiq.arrays import Scene
from orbiq.modifiers.base import MODIFIERS, build_chain
from orbiq.modifiers.compression import build_compressed
from orbiq.modifiers.variants import variant_key
from orbiq.registry import build, parse_spec
from tests.codecs.pictures import picture

pytest.importorskip("torch", reason="the fixed-quality codec needs the extra learned")
from tests.codecs.toy_model import toy_model


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return toy_model(tmp_path_factory.mktemp("model") / "model.safetensors")


def through(text, array, **about):
    return build(MODIFIERS, parse_spec(text)[0])(Scene(array=array, name="a", **about), rng=np.random.default_rng(0))


def test_a_variant_knows_how_its_blocks_came_out(path):
    said = through(f"fixed-quality:model={path},psnr_db=24,block=32", picture((100, 130, 3)))
    assert set(said.achieved) >= {"out_of_reach", "always_better"}
    assert all(0 <= said.achieved[name] <= 1 for name in ("out_of_reach", "always_better"))


def test_by_lambda_there_is_no_target_to_tell_of(path):
    assert through(f"fixed-quality:model={path},lmbda=0.5", picture((40, 40, 1))).achieved == {}


def test_masked_pixels_count_in_no_block(path):
    array = picture((64, 64, 1))
    mask = np.ones((64, 64), bool)
    mask[10:30, 10:30] = False
    wild = array.copy()
    wild[~mask] = np.random.default_rng(0).integers(0, 256, (~mask).sum())[:, None]
    text = f"fixed-quality:model={path},psnr_db=20,block=64"
    assert through(text, array, mask=mask).achieved == through(text, wild, mask=mask).achieved


def test_psnr_counts_from_the_scene_s_peak(path):
    array = picture((64, 64, 1), "uint16")
    at_4095 = through(f"fixed-quality:model={path},psnr_db=20,block=64", array, peak=4095)
    stated = through(f"fixed-quality:model={path},mse={4095**2 / 10**2.0},bits=12,block=64", array, peak=4095)
    assert at_4095.stream == stated.stream


def test_another_model_is_another_variant(path, tmp_path):
    other = toy_model(tmp_path / "other.safetensors", seed=5)
    named = tmp_path / "named.safetensors"
    keys = []
    for source in (path, other, path):
        named.write_bytes(type(named)(source).read_bytes())
        chain = build_chain(parse_spec(f"fixed-quality:model={named},lmbda=0.5"))
        keys.append(variant_key(chain, source_key="x", seed=0, store="source"))
    assert keys[0] == keys[2] != keys[1]


def test_settings_are_data(path):
    compressed = build_compressed("fixed-quality", {"model": str(path), "psnr_db": 30})
    assert compressed.settings()["psnr_db"] == 30
    assert compressed.target is None


def test_any_metric_can_be_the_target(path):
    said = through(f"fixed-quality:model={path},ssim=0.5", picture((64, 64, 1)))
    assert said.achieved["ssim"] >= 0.5
    assert "lmbda" in said.achieved
