"""Predicted quality as a loss: it has a gradient for images, none for the predictor, and says what the predictor says."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the quality loss needs the extra learned: torch")

import torch

from orbiq.errors import SettingError
from orbiq.predictors.quality_factor import QualityFactor
from orbiq.predictors.quality_loss import QualityLoss
from tests.codecs.pictures import picture

IMAGE = np.asarray(picture((70, 90, 3), seed=4), np.uint8)
BATCH = torch.from_numpy(IMAGE.transpose(2, 0, 1).copy()).float()[None]


@pytest.fixture(scope="module")
def file(trained):
    return trained[0] / "model.safetensors"


def test_it_is_what_the_predictor_says(file):
    loss = QualityLoss(file, weight=0.2, peak=255)(BATCH[:, :, 1:, 1:])  # where the predictor's fields begin
    assert loss.item() == pytest.approx(0.2 * (1 - QualityFactor.load(file).score(IMAGE) / 100), abs=1e-5)
    assert QualityLoss(file)(BATCH / 255).item() == pytest.approx(QualityLoss(file, peak=255)(BATCH).item(), abs=1e-5)


def test_images_have_a_gradient_and_the_predictor_none(file):
    loss, image = QualityLoss(file, peak=255), BATCH.clone().requires_grad_()
    loss.train()
    loss(image).backward()
    assert image.grad.abs().max() > 0
    assert image.grad.isfinite().all()
    assert not any(parameter.requires_grad for parameter in loss.parameters())
    assert not loss.network.training


def test_going_down_the_gradient_raises_the_predicted_quality(file):
    loss, image = QualityLoss(file, peak=255), BATCH.clone().requires_grad_()
    optimiser = torch.optim.Adam([image], lr=0.5)
    before = loss(image).item()
    for _ in range(10):
        optimiser.zero_grad()
        loss(image).backward()
        optimiser.step()
    assert loss(image).item() < before


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 2, 64, 64), (1, 3, 33, 64)])
def test_batches_that_do_not_fit_are_refused(file, shape):
    with pytest.raises(SettingError, match="has no predicted quality: expected .n, bands, rows, cols."):
        QualityLoss(file)(torch.zeros(shape))


def test_a_weight_below_0_is_refused(file):
    with pytest.raises(SettingError, match="weight -1 and peak 1"):
        QualityLoss(file, weight=-1)
