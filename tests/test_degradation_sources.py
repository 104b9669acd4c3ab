"""Degradation regressors from one's own images: what is known of their imager, and the command."""

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra learned: torch")

from typer.testing import CliRunner

from orbiq.cli.main import app
from orbiq.degradation_sources import Imager, measured, sources_of
from orbiq.imageio import write_image
from orbiq.measuring import Stated, subjects_of
from orbiq.optics import blur
from orbiq.predictors.degradations import Degradations


def _image(seed: int, n: int = 300) -> np.ndarray:
    """Tilted squares of several tones, blurred by 0.8 px, with a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:n, :n] / n
    squares = 60 + 90 * (np.sin(1.7 * np.floor(5 * (x + 0.21 * y)) + 2.9 * np.floor(5 * (y - 0.21 * x))) > 0)
    noisy = blur(squares[..., None].repeat(3, 2).astype(float), 0.8) + rng.normal(0, 1.5, (n, n, 3))
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("sources") / "images"
    path.mkdir()
    for seed in range(2):
        write_image(path / f"{seed}.png", _image(seed))
    return path


def test_an_imager_is_measured_as_stated_or_as_usual(folder):
    subjects = subjects_of(folder, stated=Stated())
    found, imagers = sources_of(subjects, Imager())
    [imager] = imagers.values()
    assert imager.sigma_px == pytest.approx(0.8, rel=0.1)
    assert imager.noise_dn == pytest.approx(1.5, rel=0.1)
    [images] = found.values()
    assert [source.sigma_px for source in images] == [imager.sigma_px] * 2
    stated = Imager(sigma_px=0.5, noise_dn=0.0)
    assert sources_of(subjects, stated)[1] == dict.fromkeys(imagers, stated)
    flat = np.full((64, 64, 1), 90, np.uint8)
    assert measured(lambda *_: (flat, None), [0], Imager()) == Imager(sigma_px=1.0, noise_dn=1.2)


def test_the_command_trains_and_goes_on(folder, tmp_path):
    output = tmp_path / "mine"
    command = ["train", "degradations", str(folder), "--output", str(output), "--pieces", "16", "--batch", "8"]
    command += ["--sigma-px", "0.8", "--noise-dn", "1.5", "--scenes", "0", "--device", "cpu", "--mlflow", "off"]
    done = CliRunner().invoke(app, [*command, "--steps", "4"])
    assert done.exit_code == 0, done.output
    assert "mean errors in parts of the ranges: blur" in done.output
    assert {path.name for path in output.iterdir()} >= {"model.safetensors", "card.md", "curves.jsonl", "pieces"}
    card = (output / "card.md").read_text()
    assert "0.8" in card
    assert "calibration_error_blur" in card
    assert Degradations.load(output / "model.safetensors").measure(_image(5)).n_places > 900
    for steps in ("6", "6"):  # on, and when there is nothing more to do
        again = CliRunner().invoke(app, [*command, "--steps", steps])
        assert again.exit_code == 0, again.output
    assert json.loads((output / "pieces" / "pieces.json").read_text())["scenes"] == 0
    other = CliRunner().invoke(app, [*command[:-2], "--mlflow", "off", "--seed", "1", "--steps", "6"])
    assert other.exit_code == 2
    assert "holds pieces of other images" in " ".join(other.output.split())
