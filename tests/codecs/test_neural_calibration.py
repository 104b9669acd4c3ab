"""α, a and b: those that made-up errors were made with, and those of a model that nobody trained."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the fixed-quality codec needs the extra learned: torch")

from orbiq.arrays import Scene
from orbiq.codecs import neural_calibration
from orbiq.codecs.neural import FixedQuality
from orbiq.codecs.neural_calibration import CALIBRATED_LEVELS, Observed, fit_calibration, observed
from orbiq.codecs.neural_model import load_model
from orbiq.errors import ImageError
from tests.codecs.pictures import picture
from tests.codecs.toy_model import toy_model

LMBDAS = np.geomspace(0.02, 1.0, 256)
GROUPS = ((0,), (1,))


pytestmark = pytest.mark.usefixtures("one_core")


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    return FixedQuality(model=toy_model(tmp_path_factory.mktemp("model") / "toy.safetensors"), block=16)


@pytest.fixture(scope="module")
def model(codec):
    return load_model(codec.model)


def images_of(codec, model, *arrays, mask=None):
    scenes = [Scene(array=array, mask=mask) for array in arrays]
    return [(scene, codec.head(scene, model)) for scene in scenes]


def made_up(monkeypatch, *, alpha, a, b, n_images=3, spread_db=0.0):
    """A fit to blocks that follow the formula, but for a spread."""
    rng = np.random.default_rng(6)
    model = SimpleNamespace(lmbdas=LMBDAS, magnitudes=a * LMBDAS + b)

    def follow(_model, _raster, _head, _group):
        mse0 = np.exp(rng.uniform(-3, 6, 50))
        mse0[:3] = np.nan, 0.0, 1e-4  # no valid pixel; nothing to explain
        magnitude = model.magnitudes[list(CALIBRATED_LEVELS)][:, None]
        noise = 10 ** (rng.normal(size=(len(CALIBRATED_LEVELS), 50)) * spread_db / 10)
        return Observed(mse0=mse0, mse=mse0 * (1 + alpha / (4 * magnitude**2)) * noise)

    monkeypatch.setattr(neural_calibration, "observed", follow)
    return fit_calibration(model, [(None, SimpleNamespace(groups=GROUPS))] * n_images)


# known answers


@pytest.mark.parametrize(("alpha", "a", "b"), [(0.3, 20.0, 0.1), (12.0, 3.0, -0.03), (4000.0, 80.0, 2.0)])
def test_what_errors_were_made_with_is_found_again(monkeypatch, alpha, a, b):
    fitted = made_up(monkeypatch, alpha=alpha, a=a, b=b)
    found = fitted.calibration
    assert (found.alpha, found.a, found.b) == (
        pytest.approx(alpha, rel=1e-3),
        pytest.approx(a, rel=1e-6),
        pytest.approx(b, rel=1e-6),
    )
    assert (fitted.line_r2, fitted.error_r2) == (pytest.approx(1), pytest.approx(1, abs=1e-6))
    assert fitted.error_spread_db < 1e-2


def test_images_and_blocks_are_counted(monkeypatch):
    fitted = made_up(monkeypatch, alpha=5, a=10, b=0.1, n_images=4)
    assert fitted.n_images == 4
    assert fitted.n_blocks == 4 * len(GROUPS) * 47
    assert fitted.description()["n_images"] == 4


def test_a_spread_of_errors_is_told_and_hurts_little(monkeypatch):
    fitted = made_up(monkeypatch, alpha=5, a=10, b=0.1, n_images=10, spread_db=1.0)
    assert fitted.error_spread_db == pytest.approx(1, rel=0.05)
    assert fitted.calibration.alpha == pytest.approx(5, rel=0.1)
    assert fitted.error_r2 < 1


def test_the_mask_of_an_untrained_model_is_a_line(codec, model):
    fitted = fit_calibration(model, images_of(codec, model, picture((100, 150, 1))))
    assert fitted.line_r2 > 0.9999
    assert (fitted.n_images, fitted.n_blocks) == (1, 7 * 10)
    assert fitted.calibration.alpha > 0


# laws


def test_errors_fall_from_level_to_level_to_what_is_left_without_rounding(codec, model):
    ((raster, head),) = images_of(codec, model, picture((64, 64, 1)))
    seen = observed(model, raster, head, 0)
    assert seen.mse.shape == (len(CALIBRATED_LEVELS), 16)
    assert seen.mse0.shape == (16,)
    means = seen.mse.mean(1)
    assert means[0] > means[5] > means[-1] >= 0.99 * seen.mse0.mean()


def test_no_image_and_flat_images_have_nothing_to_fit_to(codec, model):
    flat = np.full((64, 64, 1), 9, np.uint8)
    for images in ([], images_of(codec, model, flat)):
        with pytest.raises(ImageError, match="no block of these images has any error to be explained"):
            fit_calibration(model, images)


def test_images_without_a_valid_pixel_have_nothing_to_fit_to(codec, model):
    with pytest.raises(ImageError, match="no block of these images has any error"):
        fit_calibration(model, images_of(codec, model, picture((64, 64, 1)), mask=np.zeros((64, 64), bool)))


def test_one_level_for_the_whole_image_is_one_block(codec, model):
    whole = FixedQuality(model=codec.model, block=0)
    fitted = fit_calibration(model, images_of(whole, model, *(picture((64, 64, 2), seed=s) for s in (1, 2))))
    assert (fitted.n_images, fitted.n_blocks) == (2, 4)
