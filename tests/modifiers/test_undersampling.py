"""The modifier `undersample`: what it keeps, what it drops, and the same masks in every band and at every rate."""

import sys

import numpy as np
import pytest

from orbiq.arrays import Scene
from orbiq.errors import MissingExtra, SettingError
from orbiq.modifiers.base import MODIFIERS
from orbiq.modifiers.undersampling import Undersample
from orbiq.mri.masks import Sampling
from orbiq.mri.phantoms import phantom
from orbiq.mri.reconstruction import to_kspace, zero_filled
from orbiq.numerics import image_rng
from orbiq.registry import build, expand, parse_spec

RECONSTRUCTIONS = ("zero-filled", "total-variation")
PEAKS = {"uint8": 255, "uint16": 4095, "int16": 2047, "float32": 1.0, "float64": 1.0}


def scene(dtype="uint16", *, bands=1, size=(64, 48), mask=None):
    light = np.stack([np.clip(phantom(k, size).magnitude, 0, 1) for k in range(bands)], axis=-1)
    array = light * PEAKS[dtype] - (300 if dtype == "int16" else 0)
    return Scene(array=array.astype(dtype), mask=mask, peak=PEAKS[dtype], name="a.tif")


def applied(given, **settings):
    return Undersample(**settings)(given, rng=image_rng(0, given.name))


def rms(one, other):
    return float(np.sqrt(np.square(one.array.astype(float) - other.array).mean()))


# known answers


@pytest.mark.parametrize("dtype", PEAKS)
@pytest.mark.parametrize("reconstruction", RECONSTRUCTIONS)
def test_all_samples_give_the_image(dtype, reconstruction):
    given = scene(dtype, bands=2)
    out = applied(given, rate=1, reconstruction=reconstruction)
    assert out.achieved == {"rate": 1.0}
    assert out.scene.array == pytest.approx(given.array, abs=1e-6 if dtype[0] == "f" else 0)


def test_zero_filling_is_what_it_says():
    given = scene("float64")
    mask = Sampling(rate=4).mask((64, 48), rng=image_rng(0, "a.tif"))
    expected = np.abs(zero_filled(to_kspace(given.array[..., 0]), mask))
    out = applied(given, rate=4)
    assert out.scene.array[..., 0] == pytest.approx(expected, abs=1e-12)
    assert out.achieved == {"rate": mask.size / mask.sum()}


@pytest.mark.parametrize("pattern", ["random", "equispaced", "radial"])
@pytest.mark.parametrize("rate", [2, 3.5, 8])
def test_the_rate_is_achieved(pattern, rate):
    out = applied(scene(size=(96, 96)), rate=rate, mask=pattern)
    assert out.achieved["rate"] == pytest.approx(rate, rel=0.13)


# laws


@pytest.mark.parametrize("reconstruction", RECONSTRUCTIONS)
def test_fewer_samples_are_worse(reconstruction):
    given = scene()
    errors = [rms(applied(given, rate=r, reconstruction=reconstruction).scene, given) for r in (1, 2, 4, 8)]
    assert errors == sorted(errors)
    assert errors[0] < 1e-9


def test_least_total_variation_is_nearer_than_zero_filling():
    given = scene(size=(128, 128))
    errors = [rms(applied(given, rate=2, reconstruction=name).scene, given) for name in RECONSTRUCTIONS]
    assert errors[1] < 0.7 * errors[0]


@pytest.mark.parametrize("reconstruction", RECONSTRUCTIONS)
def test_bands_have_the_same_samples_and_nothing_else_in_common(reconstruction):
    many = scene(bands=3)
    together = applied(many, rate=3, reconstruction=reconstruction).scene.array
    for k in range(3):
        alone = Scene(array=many.array[..., k : k + 1], peak=4095, name="a.tif")
        assert (applied(alone, rate=3, reconstruction=reconstruction).scene.array[..., 0] == together[..., k]).all()


def test_many_bands_are_taken_in_groups(monkeypatch):
    given = scene(bands=5)
    expected = applied(given, rate=3).scene.array
    monkeypatch.setattr("orbiq.modifiers.undersampling._SAMPLES", 2 * 64 * 48)
    assert (applied(given, rate=3).scene.array == expected).all()


def test_masked_pixels_stay_and_do_not_ring():
    valid = np.ones((64, 48), bool)
    valid[20:30, 10:40] = False
    clean = scene("float32")
    array = clean.array.copy()
    array[~valid] = np.nan
    given = Scene(array=array, mask=valid, peak=1.0, name="a.tif")
    out = applied(given, rate=1).scene.array
    assert np.isnan(out[~valid]).all()
    assert out[valid] == pytest.approx(array[valid], abs=1e-6)
    assert np.isfinite(applied(given, rate=4).scene.array[valid]).all()


def test_a_sweep_of_rates():
    specs = expand(parse_spec("undersample:rate=[1,2,4],mask=radial,reconstruction=total-variation"))
    modifiers = [build(MODIFIERS, spec) for (spec,) in specs]
    assert [m.rate for m in modifiers] == [1, 2, 4]
    assert {m.version for m in modifiers} == {1}


# with a network


@pytest.fixture
def model(tmp_path):
    torch = pytest.importorskip("torch", reason="the unrolled network needs the extra learned: torch")
    from orbiq.mri.unrolled import Shape, Unrolled, save_unrolled

    def write(seed=0):
        torch.manual_seed(seed)
        network = Unrolled(Shape(iterations=2, width=4))
        torch.nn.init.normal_(network.denoiser.last.weight, std=0.01)
        save_unrolled(tmp_path / "unrolled.safetensors", network)
        return str(tmp_path / "unrolled.safetensors")

    return write


def test_the_networks_reconstruction_comes_back(model):
    from orbiq.mri.unrolled import load_unrolled, reconstruct

    given, path = scene("float32", bands=2), model()
    out = applied(given, rate=4, reconstruction="unrolled", model=path).scene.array
    mask = Sampling(rate=4).mask((64, 48), rng=image_rng(0, "a.tif"))
    for k in range(2):
        expected = np.abs(reconstruct(load_unrolled(path), to_kspace(given.array[..., k]), mask))
        assert out[..., k] == pytest.approx(expected, abs=1e-6)


def test_another_model_makes_another_variant(model):
    modifier = Undersample(rate=4, reconstruction="unrolled", model=model())
    before = modifier.version
    model(seed=1)
    assert modifier.version != before


def test_without_torch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "orbiq.mri.unrolled", None)
    monkeypatch.delitem(sys.modules, "orbiq.mri.unrolled")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"reconstruction=unrolled needs 'torch': pip install 'orbiq\[learned\]'"):
        applied(scene(), rate=2, reconstruction="unrolled", model="a.safetensors")


# refusals


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 0.5}, "sampling rate is 0.5; expected 1"),
        ({"rate": 2, "mask": "spiral"}, "sampling pattern is 'spiral'; expected random, equispaced, radial"),
        ({"rate": 2, "centre_share": 0.7}, "centre_share is 0.7; expected 0 to 0.5"),
        ({"rate": 2, "reconstruction": "magic"}, "undersample:reconstruction is 'magic'; expected zero-filled, total-"),
        (
            {"rate": 2, "reconstruction": "unrolled"},
            "reconstruction=unrolled and model=none; expected a file of weights",
        ),
        ({"rate": 2, "model": "a.safetensors"}, "reconstruction=zero-filled and model=a.safetensors; expected"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        Undersample(**settings)


def test_a_model_that_is_not_there_is_refused(tmp_path):
    pytest.importorskip("torch", reason="the unrolled network needs the extra learned: torch")
    with pytest.raises(SettingError, match="cannot be read: No such file"):
        applied(scene(), rate=2, reconstruction="unrolled", model=str(tmp_path / "none.safetensors"))
