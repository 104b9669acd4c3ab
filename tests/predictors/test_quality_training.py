"""orbiq train quality-factor: from clean images to a predictor with its card."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra learned: torch")

import torch
from typer.testing import CliRunner

from orbiq.cli.main import app
from orbiq.errors import ImageError, SettingError
from orbiq.imageio import write_image
from orbiq.learning.checkpoints import checkpoint_step
from orbiq.learning.loop import Plan, fit
from orbiq.learning.weights import read_weights
from orbiq.measuring import subjects_of
from orbiq.predictor_training import reader
from orbiq.predictors.quality_calibration import _logits, _parts, straightened
from orbiq.predictors.quality_factor import KIND, QualityFactor
from orbiq.predictors.quality_labels import CLASSES, Draws
from orbiq.predictors.quality_network import QualityNetwork, folded, network_input, qualities
from orbiq.predictors.quality_training import Batches, QualityTraining, fresh_network
from orbiq.tracking.curves import read_curves
from tests.codecs.pictures import picture
from tests.predictors.conftest import QUICK

IMAGES = [np.asarray(picture((120, 130, 3), seed=k), np.uint8) for k in range(4)]
BATCHES = Batches(images=4, patch_px=48)
SMALL = (8, 8, 8, 8, 8, 8)


def training(batches=BATCHES, *, network=None, outputs=1):
    torch.manual_seed(0)
    network = network or QualityNetwork(widths=SMALL, outputs=outputs)
    return QualityTraining(network, batches, lambda k, _: (IMAGES[k], None), len(IMAGES))


def orbiq(*words):
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})


# known answers


def test_the_network_is_the_papers():
    layers = [type(layer).__name__ for layer in QualityNetwork().layers]
    assert layers.count("Conv2d") == 7
    assert layers.count("MaxPool2d") == 2
    assert layers.count("BatchNorm2d") == layers.count("ReLU") == 6
    convolutions = [layer for layer in QualityNetwork().layers if isinstance(layer, torch.nn.Conv2d)]
    assert [layer.kernel_size for layer in convolutions[-2:]] == [(1, 1), (1, 1)]
    assert sum(p.numel() for p in QualityNetwork().parameters()) < 100_000


@pytest.mark.parametrize(("side", "values"), [(34, 1), (37, 1), (38, 2), (96, 16)])
def test_a_value_sees_34_pixels_and_stands_for_4(side, values):
    network = QualityNetwork(widths=SMALL).eval()
    assert network(network_input(torch.zeros(1, 3, side, side))).shape == (1, 1, values, values)


def test_a_value_sees_no_pixel_farther_away():
    network = QualityNetwork(widths=SMALL).eval()
    pixels = torch.rand(1, 3, 42, 42) * 255
    before = network(network_input(pixels))
    pixels[:, :, 34:] += 50
    after = network(network_input(pixels))
    assert torch.equal(before[:, :, 0], after[:, :, 0])
    assert not torch.equal(before[:, :, 1], after[:, :, 1])


def test_classes_are_named_by_their_mean():
    logits = torch.zeros(1, 5, 1, 1)
    assert qualities(logits).item() == pytest.approx(np.mean(CLASSES) / 100)
    logits[0, 3] = 100
    assert qualities(logits).item() == pytest.approx(0.6)


# laws


def test_folding_the_normalisation_changes_nothing():
    network = QualityNetwork(widths=SMALL)
    for _ in range(5):
        network(torch.randn(4, 3, 40, 40))  # statistics that are not those of the beginning
    x = torch.randn(2, 3, 46, 46)
    assert torch.allclose(network.eval()(x), folded(network)(x), atol=1e-5)


@pytest.mark.parametrize("weighting", ["log", "uniform", "classes"])
def test_the_loss_falls(weighting, tmp_path):
    batches = Batches(images=8, patch_px=64, draws=Draws(weighting=weighting))
    work, losses = training(batches, outputs=5 if weighting == "classes" else 1), []
    plan = Plan(steps=60, rate=5e-3, warmup=5, log_every=15, judge_every=1000)
    fit(work, plan, folder=tmp_path, settings={}, log=lambda _, v: losses.append(v["loss"]) if "rate" in v else None)
    assert losses[-1] < 0.9 * losses[0]


def test_a_batch_depends_on_seed_and_step_alone():
    first, again = training(), training()
    for step in (0, 500, 3):
        assert torch.equal(first.loss(step)[0], again.loss(step)[0])
    assert not torch.equal(training(Batches(images=4, patch_px=48, seed=1)).loss(0)[0], training().loss(0)[0])


def test_stopped_and_gone_on_is_as_if_it_had_not_been(tmp_path):
    plan = {"rate": 1e-3, "warmup": 2, "judge_every": 1000}
    whole = fit(training(), Plan(steps=6, **plan), folder=tmp_path / "whole", settings={})
    fit(training(), Plan(steps=3, **plan), folder=tmp_path / "parts", settings={})
    parts = fit(training(), Plan(steps=6, **plan), folder=tmp_path / "parts", settings={})
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_images_smaller_than_a_piece_are_mirrored():
    work = QualityTraining(QualityNetwork(widths=SMALL), BATCHES, lambda k, _: (IMAGES[k][:40, :35], None), 4)
    assert work.loss(0)[0].isfinite()


def test_grey_networks_take_a_band_or_the_luma():
    work = training(network=QualityNetwork(bands=1, widths=SMALL))
    assert work._pools.pool(0).pixels.shape[1] == 1
    assert work.loss(0)[0].isfinite()


# as a user would


def test_a_folder_of_images_becomes_a_predictor(trained, scenes):
    folder, said = trained
    assert said.exit_code == 0, said.output
    assert "6 images; mean error" in said.stdout
    assert QualityFactor.load(folder / "model.safetensors").bands == 3
    card = (folder / "card.md").read_text()
    assert "| scenes | 6 |" in card
    assert "SHA-256" in card
    described = read_weights(folder / "model.safetensors", kind=KIND).description
    assert described["card"]["steps"] == 60
    assert len(described["interval"]["predicted"]) == 9
    rows = read_curves(folder)
    assert {"loss", "mae", "mae_80_100", "within_2_80_100"} <= {key for row in rows for key in row}
    assert (folder / "mlflow.db").exists()


def test_the_predictor_says_what_the_network_said(trained):
    """Saved, read again and folded, it gives what was trained."""
    folder, _ = trained
    predictor = QualityFactor.load(folder / "model.safetensors")
    weights = read_weights(folder / "model.safetensors", kind=KIND)
    network = QualityNetwork()
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.arrays.items()})
    network.eval()
    found = predictor.map(IMAGES[0])[..., 0]
    shifted = torch.from_numpy(IMAGES[0][1:, 1:].transpose(2, 0, 1).copy())[None]  # fields begin at pixel 1
    with torch.no_grad():
        expected = 100 * qualities(network(network_input(shifted)))[0].numpy()
    inner = found[np.isfinite(found).any(1)][:, np.isfinite(found).any(0)]
    np.testing.assert_allclose(inner, expected, atol=1e-3)


def test_the_same_command_goes_on_and_another_is_refused(scenes, tmp_path):
    words = ("train", "quality-factor", scenes, "--output", tmp_path / "out", "--mlflow", "off", *QUICK[4:])
    assert orbiq(*words, "--steps", 3).exit_code == 0
    assert orbiq(*words, "--steps", 5).exit_code == 0
    assert checkpoint_step(tmp_path / "out") == 5
    said = orbiq(*words, "--steps", 7, "--weighting", "uniform")
    assert said.exit_code == 2
    assert "is of a training with other settings or images" in said.output


def test_a_training_may_begin_with_a_predictor(trained, scenes, tmp_path):
    folder, _ = trained
    words = ("train", "quality-factor", scenes, "--output", tmp_path / "tuned", "--mlflow", "off", *QUICK[4:])
    said = orbiq(*words, "--steps", 1, "--start", folder / "model.safetensors", "--rate", 1e-9)
    assert said.exit_code == 0, said.output
    first, second = (read_weights(f / "model.safetensors", kind=KIND).arrays for f in (folder, tmp_path / "tuned"))
    assert np.allclose(first["layers.0.weight"], second["layers.0.weight"], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--bands", 2), "bands is 2; expected 3"),
        (("--patch-px", 30), "patches of 30 pixels cannot be"),
        (("--start", "blue"), "no quality-factor predictor is named 'blue'"),
        (("--device", "abacus"), "device 'abacus' cannot be used"),
    ],
)
def test_what_cannot_be_is_one_sentence(scenes, tmp_path, options, message):
    said = orbiq("train", "quality-factor", scenes, "--output", tmp_path / "out", "--mlflow", "off", *options)
    assert said.exit_code == 2
    assert message in said.output
    assert "Traceback" not in said.output


def test_grey_images_are_no_rgb(tmp_path):
    (tmp_path / "grey").mkdir()
    for k in range(2):
        write_image(tmp_path / "grey" / f"{k}.tif", IMAGES[k][..., :1])
    said = orbiq("train", "quality-factor", tmp_path / "grey", "--output", tmp_path / "out")
    assert said.exit_code == 2
    assert "has 1 bands; a predictor of 3 bands" in " ".join(said.output.split())


def test_batches_that_cannot_be_are_refused():
    with pytest.raises(SettingError, match="multiple of 4 pixels from 34 on"):
        Batches(patch_px=35)
    with pytest.raises(SettingError, match="bands is 4"):
        fresh_network(bands=4)


def test_help_shows_examples():
    said = orbiq("train", "quality-factor", "--help")
    assert "orbiq train quality-factor data/scenes --output my-quality" in said.stdout


def test_the_scale_is_set_on_larger_parts_and_can_only_gain():
    work = training(Batches(images=4, patch_px=48, draws=Draws(spoilt=0)))
    network = work.module.eval()
    parts = list(_parts(network, work, work.trained_on, np.random.default_rng(1)))

    def error():
        said = [float(qualities(torch.from_numpy(_logits(network, pixels))).mean()) for pixels, _ in parts]
        return np.mean([(s - truth / 100) ** 2 for s, (_, truth) in zip(said, parts, strict=True)])

    before = error()
    scale, shift = straightened(network, work)
    assert (scale, shift) != (1, 0)
    assert error() < before


def test_a_classifier_keeps_its_scale():
    work = training(Batches(images=4, patch_px=48, draws=Draws(weighting="classes")), outputs=5)
    assert straightened(work.module, work) == (1, 0)


def test_masked_pixels_and_nan_are_no_levels(tmp_path):
    values = IMAGES[0].astype(np.float32) * 3 + 100
    values[:, :40] = np.nan
    write_image(tmp_path / "nan.tif", values)
    with np.errstate(all="raise"):
        seen, mask = reader(subjects_of(tmp_path / "nan.tif"))(0, np.random.default_rng(0))
    assert seen.dtype == np.uint8
    assert mask is not None
    assert not mask[:, :40].any()
    assert seen[mask].std() > 20
    write_image(tmp_path / "nothing.tif", np.full_like(values, np.nan))
    with pytest.raises(ImageError, match="'nothing.tif' has hardly a valid pixel: leave it out"):
        reader(subjects_of(tmp_path / "nothing.tif"))(0, np.random.default_rng(0))
