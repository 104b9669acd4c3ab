"""What the predictors that come with orbiq say of real images that they were not trained on."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the quality-factor predictor needs the extra learned: torch")

from orbiq.imageio import read_image
from orbiq.predictors.quality_equivalent import with_artefact
from orbiq.predictors.quality_factor import QualityFactor
from orbiq.predictors.quality_labels import libjpeg

MODELS = {"rgb": 3, "grey": 1}


@pytest.fixture(scope="module")
def airports(test_data):
    """Parts of four airports, none of which was trained on."""
    paths = sorted((test_data / "satellogic-airports" / "val").rglob("*.png"))[::2][:4]
    return [np.ascontiguousarray(read_image(path).array[400:656, 400:656]) for path in paths]


def mean(model, images):
    return float(np.mean([QualityFactor.load(model).score(image[..., : MODELS[model]]) for image in images]))


@pytest.mark.parametrize("model", MODELS)
def test_images_that_were_never_coded_are_called_so(model, airports):
    assert mean(model, airports) > 95


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("quality", "off"), [(90, 3), (80, 4), (50, 10), (20, 10)])
def test_the_quality_is_about_right(model, quality, off, airports):
    coded = [libjpeg(quality)(np.ascontiguousarray(image[..., : MODELS[model]])) for image in airports]
    assert mean(model, coded) == pytest.approx(quality, abs=off)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("artefact", "strengths"),
    [("blur", (0, 0.8, 1.2, 1.8)), ("noise", (0, 2, 5, 10)), ("salt-and-pepper", (0, 0.01, 0.02, 0.05))],
)
def test_it_falls_with_other_damage(model, artefact, strengths, airports):
    said = [
        mean(model, [with_artefact(image, artefact, s, np.random.default_rng(1)) for image in airports])
        for s in strengths
    ]
    assert said == sorted(said, reverse=True)
    assert said[-1] < said[0] - 30
