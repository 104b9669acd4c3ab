"""NIQE and its models: known shapes, laws, the features in plain NumPy, the shipped model, and `orbiq fit niqe`."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, special
from typer.testing import CliRunner

from orbiq.arrays import Scene
from orbiq.cli.main import app
from orbiq.errors import ImageError, SettingError, UnknownName
from orbiq.imageio import write_image
from orbiq.metrics.inputs import one_image
from orbiq.metrics.natural_model import (
    SHIPPED,
    NiqeModel,
    fit_niqe,
    read_niqe_model,
    shipped_niqe_model,
    write_niqe_model,
)
from orbiq.metrics.natural_quality import niqe
from orbiq.metrics.naturalness import asymmetric_shape, features_of, patches_of
from orbiq.tiles import tiling

SIDE = 96


def _image(seed=0, *, shape=(300, 400, 2)):
    """Fractal texture, as in nature more or less, with some noise."""
    rng = np.random.default_rng(seed)
    rows, cols = (np.fft.fftfreq(n) for n in shape[:2])
    amplitude = 1 / np.maximum(np.hypot(rows[:, None], cols[None]), 1 / max(shape))
    waves = np.fft.ifft2(np.fft.fft2(rng.normal(0, 1, shape), axes=(0, 1)) * amplitude[..., None], axes=(0, 1)).real
    return np.clip(np.rint(128 + 45 * waves / waves.std() + rng.normal(0, 1, shape)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def model():
    return fit_niqe([_image(seed, shape=(400, 400, 2)) for seed in range(5)])


def _patches(image, *, bands="each", **known):
    return patches_of(one_image(image, peaked=True, **known), bands=bands)


def _filtered(plane):
    weights = np.exp(-0.5 * (np.arange(-3, 4) / (7 / 6)) ** 2)
    kernel = np.outer(weights, weights) / weights.sum() ** 2
    mean = ndimage.correlate(plane, kernel, mode="nearest")
    sigma = np.sqrt(np.abs(ndimage.correlate(plane**2, kernel, mode="nearest") - mean**2))
    return (plane - mean) / (sigma + 1), sigma


def _plain_fit(values):
    """Shape and both scales, by the nearest of the shapes 0.2, 0.201, …"""
    shapes = np.arange(0.2, 10.001, 0.001)
    ratios = special.gamma(2 / shapes) ** 2 / (special.gamma(1 / shapes) * special.gamma(3 / shapes))
    left, right = np.sqrt(np.mean(values[values < 0] ** 2)), np.sqrt(np.mean(values[values > 0] ** 2))
    g = left / right
    norm = np.mean(np.abs(values)) ** 2 / np.mean(values**2) * (g**3 + 1) * (g + 1) / (g**2 + 1) ** 2
    shape = shapes[np.argmin((ratios - norm) ** 2)]
    spread = np.sqrt(special.gamma(1 / shape) / special.gamma(3 / shape))
    return shape, left * spread, right * spread


def _plain_features(patch):
    shape, left, right = _plain_fit(patch)
    found = [shape, (left + right) / 2]
    for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
        shape, left, right = _plain_fit(patch * np.roll(patch, shift, axis=(0, 1)))
        found += [shape, (right - left) * special.gamma(2 / shape) / special.gamma(1 / shape), left, right]
    return found


def _plain_half(plane):
    """By the cubic kernel at the distances 0.5 … 3.5, stretched by 2; 6 px wider on each side."""
    distance = np.abs(np.arange(-3.5, 4)) / 2
    near, far = 1.5 * distance**3 - 2.5 * distance**2 + 1, -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.where(distance <= 1, near, far)
    wide = np.pad(plane, 20, mode="edge")
    full = ndimage.correlate(wide, np.outer(weights, weights) / weights.sum() ** 2, origin=-1)
    return full[8:-8:2, 8:-8:2]


@pytest.mark.parametrize("shape", [0.5, 1.0, 2.0, 4.0])
def test_the_shape_of_an_exact_distribution(shape):
    """Its ratio of moments is known."""
    flatness = special.gamma(2 / shape) ** 2 / (special.gamma(1 / shape) * special.gamma(3 / shape))
    assert asymmetric_shape(np.ones(1), np.full(1, flatness))[0] == pytest.approx(shape, rel=1e-6)


def test_features_of_a_laplacian_and_its_sums():
    """Values ±1 and ±3, two of each: root mean square √5 on both sides, mean |x| = 2."""
    sums = np.tile([4.0, 20.0, 4.0, 20.0, 16.0], (5, 1))
    shape = asymmetric_shape(np.ones(1), np.full(1, 4 / 5))[0]
    spread = np.sqrt(5 * special.gamma(1 / shape) / special.gamma(3 / shape))
    features = features_of(sums, 8)
    assert features[:2] == pytest.approx([shape, spread], rel=1e-9)
    assert features[2:6] == pytest.approx([shape, 0, spread, spread], rel=1e-9)


def test_the_models_own_patches_have_no_distance():
    image = _image(shape=(400, 400, 1))
    own = fit_niqe([image] * 3, sharpness=0)
    one = NiqeModel(mean=own.mean, covariance=np.eye(36), n_patches=1)
    assert niqe(image, model=own) < 1e-9
    assert niqe(image, model=one) < 1e-9


@given(seed=st.integers(0, 99), size=st.sampled_from([96, 200]), rows=st.integers(192, 300))
@settings(max_examples=5, deadline=None)
def test_tiled_is_whole(seed, size, rows, model):
    image = _image(seed, shape=(rows, 391, 2))
    with tiling(size=10**6):
        whole = niqe(image, model=model)
    with tiling(size=size, threads=2):
        assert niqe(image, model=model) == pytest.approx(whole, rel=1e-10)


@given(seed=st.integers(0, 99), row=st.integers(0, 1), rows=st.integers(192, 250))
@settings(max_examples=5, deadline=None)
def test_masked_is_cropped(seed, row, rows, model):
    """Where the mask begins at a patch."""
    image = _image(seed, shape=(360, 400, 1))
    part = slice(SIDE * row, SIDE * row + rows), slice(SIDE, SIDE + 201)
    mask = np.zeros(image.shape[:2], bool)
    mask[part] = True
    spoilt = np.where(mask[..., None], image, 255)
    cropped = niqe(image[part], model=model)
    with tiling(size=192):
        assert niqe(spoilt, model=model, mask=mask) == pytest.approx(cropped, rel=1e-9)
    assert niqe(Scene(array=spoilt, mask=mask), model=model) == pytest.approx(cropped, rel=1e-9)


def test_a_hole_takes_its_patch_away():
    image = _image(shape=(300, 300, 1))
    mask = np.ones((300, 300), bool)
    mask[150, 150] = False
    holed, whole = _patches(image, mask=mask), _patches(image)
    assert not holed.known[0, 1, 1]
    assert holed.known.sum() == 8
    assert np.isnan(holed.sharpness[0, 1, 1])
    corners = np.ix_([0], [0, 2], [0, 2])
    assert np.array_equal(holed.features[corners], whole.features[corners])


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_units_do_not_matter(dtype, model):
    image = _image()
    score = niqe(image, model=model)
    assert niqe(image.astype(dtype), peak=255, model=model) == pytest.approx(score, rel=1e-9)
    scaled = (16 * image.astype(float)).astype(dtype)
    assert niqe(scaled, peak=4080, model=model) == pytest.approx(score, rel=1e-9)


def test_float32_is_float64_at_an_offset(model):
    image = 4 * _image().astype(np.float32) + np.float32(50_000)
    single, double = (niqe(a, peak=65535, model=model) for a in (image, image.astype(float)))
    assert single == pytest.approx(double, rel=1e-9)


def test_bands(model):
    image = _image(shape=(200, 300, 3))
    each = [niqe(image[..., k], model=model) for k in range(3)]
    assert niqe(image, model=model) == pytest.approx(np.mean(each), rel=1e-9)
    luma = image @ np.array([0.299, 0.587, 0.114])
    assert niqe(image, bands="luma", model=model) == pytest.approx(niqe(luma, peak=255, model=model), rel=1e-9)


def test_flat_patches_do_not_count(model):
    image = _image(shape=(300, 300, 1))
    image[: SIDE + 9, 2 * SIDE - 9 :] = 200  # one patch and all that its windows see
    assert _patches(image).known[0].tolist() == [[True, True, False], [True] * 3, [True] * 3]
    assert np.isfinite(niqe(image, model=model))


@pytest.mark.parametrize("degrade", ["blur", "noise"])
def test_more_blur_and_noise_are_worse(degrade, model):
    image = _image(9, shape=(400, 400, 1)).astype(float)
    noise = np.random.default_rng(1).normal(0, 1, image.shape)
    if degrade == "blur":
        worse = [ndimage.gaussian_filter(image, (s, s, 0)) for s in (0, 0.6, 1, 2)]
    else:
        worse = [np.clip(image + s * noise, 0, 255) for s in (0, 5, 10, 20)]
    scores = [niqe(a, peak=255, model=model) for a in worse]
    assert scores == sorted(scores)


def test_only_sharp_patches_are_fitted():
    image = _image(shape=(SIDE * 6, SIDE * 7, 1)).astype(float)
    image[: SIDE * 3] = 128 + 0.2 * (image[: SIDE * 3] - 128)
    chosen = _patches(image, peak=255)
    sharp = chosen.sharpness[0] >= 0.75 * chosen.sharpness[0].max()
    assert not sharp[:3].any()
    features = _patches(np.concatenate([image] * 4, axis=2), peak=255).features[:, sharp]
    fitted = fit_niqe([image] * 4, peak=255)
    assert fitted.n_patches == 4 * sharp.sum()
    assert fitted.mean == pytest.approx(features.reshape(-1, 36).mean(axis=0), rel=1e-9)
    assert fit_niqe([image], peak=255, sharpness=0).n_patches == 42


def test_a_model_survives_its_file(tmp_path, model):
    write_niqe_model(model, tmp_path / "model.json")
    again = read_niqe_model(tmp_path / "model.json")
    assert np.array_equal(again.mean, model.mean)
    assert np.array_equal(again.covariance, model.covariance)
    assert dict(again.provenance) == dict(model.provenance)
    image = _image(3)
    assert niqe(image, model=tmp_path / "model.json") == niqe(image, model=model)
    assert niqe(image, model=str(tmp_path / "model.json")) == niqe(image, model=model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "brisque"}, 'does not say "kind": "niqe"'),
        ({"schema": 2}, "schema"),
        ({"n_patches": None}, "n_patches are missing"),
        ({"mean": [0.0] * 35}, r"mean is no array of \(36,\)"),
        ({"mean": ["a"] * 36}, r"mean is no array of \(36,\)"),
        ({"covariance": np.triu(np.ones((36, 36))).tolist()}, "not symmetric"),
        ({"covariance": np.zeros((36, 36)).tolist()}, "without variance"),
    ],
)
def test_a_file_that_is_no_model(tmp_path, model, change, message):
    write_niqe_model(model, tmp_path / "model.json")
    value = json.loads((tmp_path / "model.json").read_text()) | change
    (tmp_path / "model.json").write_text(json.dumps(value))
    with pytest.raises(SettingError, match=message):
        niqe(_image(), model=tmp_path / "model.json")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SettingError, match="cannot be read.*orbiq fit niqe DIR"):
        niqe(_image(), model=tmp_path / "none.json")


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.zeros((300, 300)), {}, "peak=4095"),
        (np.ones((300, 300)) * 2, {"peak": 1}, "above its peak"),
        (np.full((300, 300), np.nan), {"peak": 1}, "NaN or infinite"),
        (np.zeros((300, 300), complex), {"peak": 1}, "real part"),
        (np.zeros((95, 900)), {"peak": 1}, "has 0 patches of 96×96"),
        (_image(shape=(96, 300, 1)), {}, "has 3 patches of 96×96 that are whole, valid and not flat"),
        (_image(), {"mask": np.tri(300, 400, dtype=bool)}, "has 3 patches of 96×96"),
        (np.full((300, 300), 7, np.uint8), {}, "has 0 patches.*not flat, in plane 1; NIQE needs 4"),
        (_image(), {"bands": "luma"}, "needs red, green and blue"),
        (_image(), {"mask": np.zeros((300, 400), bool)}, "no valid pixel"),
    ],
)
def test_what_is_refused(image, options, message):
    with pytest.raises(ImageError, match=message):
        niqe(image, **options)


def test_what_is_refused_when_fitting():
    with pytest.raises(ImageError, match="1 images hold [0-9]+ sharp valid patches.*more than 36"):
        fit_niqe([_image()])
    with pytest.raises(ImageError, match="nobody said the largest value"):
        fit_niqe([_image().astype(np.uint16)])
    with pytest.raises(SettingError, match="sharpness is 75"):
        fit_niqe([_image()], sharpness=75)
    with pytest.raises(UnknownName, match="Did you mean 'luma'"):
        fit_niqe([_image()], bands="lume")


def test_features_agree_with_the_paper_in_plain_numpy():
    image = _image(2, shape=(200, 210, 1))
    plane = image[..., 0].astype(float)
    values, sigma = _filtered(plane)
    half = _filtered(_plain_half(plane))[0][6:, 6:]
    found = _patches(image)
    for r in range(2):
        for c in range(2):
            patch = values[r * 96 : r * 96 + 96, c * 96 : c * 96 + 96]
            small = half[r * 48 : r * 48 + 48, c * 48 : c * 48 + 48]
            expected = _plain_features(patch) + _plain_features(small)
            assert found.features[0, r, c] == pytest.approx(expected, rel=5e-3, abs=2e-4)
            assert found.sharpness[0, r, c] == pytest.approx(sigma[r * 96 : r * 96 + 96, c * 96 : c * 96 + 96].mean())


def test_the_shipped_model_says_where_it_comes_from():
    shipped = shipped_niqe_model()
    assert shipped.n_patches > 500
    names = {source["name"] for source in shipped.provenance["sources"]}
    allowed = {
        "kodak",
        "satellogic-airports/train",
        "uc-merced-tif",
        "tree-crowns-deepforest",
        "landsat5-tm",
        "landsat8",
    }
    assert names <= allowed
    assert SHIPPED.stat().st_size < 50_000
    assert np.linalg.eigvalsh(shipped.covariance).min() > 0


def test_golden_of_the_shipped_model():
    """A change of the features would change what users have measured."""
    assert niqe(_image(7, shape=(384, 384, 1))) == pytest.approx(6.564465365401123, rel=1e-6)


def test_fit_from_the_command_line(tmp_path):
    (tmp_path / "good").mkdir()
    for seed in range(3):
        write_image(tmp_path / "good" / f"{seed}.png", _image(seed, shape=(400, 400, 1)))
    out = tmp_path / "niqe.json"
    runner = CliRunner()
    said = runner.invoke(app, ["fit", "niqe", str(tmp_path / "good"), "--output", str(out), "--sharpness", "0.5"])
    assert said.exit_code == 0, said.output
    assert "sharp patches of 3 images" in said.output
    provenance = read_niqe_model(out).provenance
    assert provenance["sources"] == [{"name": "good", "images": ["0.png", "1.png", "2.png"]}]
    assert provenance["sharpness"] == 0.5
    measured = runner.invoke(app, ["measure", str(tmp_path / "good"), "-m", f"niqe:model={out}"])
    assert measured.exit_code == 0, measured.output
    wrong = runner.invoke(app, ["fit", "niqe", str(tmp_path / "good"), "--output", str(out), "--bands", "lume"])
    assert wrong.exit_code == 2
    assert "Did you mean 'luma'" in wrong.output
