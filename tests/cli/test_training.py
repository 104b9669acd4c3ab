"""orbiq train codec and orbiq fit fixed-quality, as a person would type them: from images to a codec that works."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="training needs the extra learned: torch")

import torch

from orbiq.cli.main import app
from orbiq.codecs.neural_model import load_model
from orbiq.imageio import read_image, write_image
from orbiq.learning.checkpoints import checkpoint_step
from orbiq.learning.weights import read_weights
from orbiq.tracking.curves import read_curves
from tests.codecs.pictures import picture, psnr_db
from tests.codecs.toy_model import machine

runner = CliRunner()
SMALL = ("--width", "8", "--latents", "12", "--batch", "2", "--patch-px", "64", "--device", "cpu")
QUICK = (*SMALL, "--steps", "30")


@pytest.fixture(autouse=True, scope="module")
def _one_core():
    with machine(), torch.random.fork_rng():
        yield


def orbiq(*words, columns=200):
    return runner.invoke(app, [str(w) for w in words], env={"COLUMNS": str(columns)})


def folder_of(folder, arrays):
    folder.mkdir()
    for number, array in enumerate(arrays):
        write_image(folder / f"scene{number}.tif", array)
    return folder


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    arrays = [picture((100, 130, 3 if k % 2 else 1), seed=k) for k in range(4)]
    return folder_of(tmp_path_factory.mktemp("data") / "scenes", arrays)


@pytest.fixture(scope="module")
def trained(scenes, tmp_path_factory):
    """The folder of a codec that was trained for 30 steps, and what was said of it."""
    folder = tmp_path_factory.mktemp("codec") / "mine"
    return folder, orbiq("train", "codec", scenes, "--output", folder, *QUICK)


# known answers


def test_images_become_a_codec_with_a_card(trained):
    folder, said = trained
    assert said.exit_code == 0, said.output
    assert f"{folder / 'model.safetensors'}: 30 steps on 4 images; alpha " in said.stdout
    assert {p.name for p in folder.iterdir()} == {
        "card.md",
        "checkpoint.safetensors",
        "curves.jsonl",
        "mlflow.db",
        "mlflow.json",
        "model.safetensors",
    }
    card = (folder / "card.md").read_text()
    assert card.startswith("# mine\n")
    assert "| scenes | 4 |" in card
    assert "30 steps" in card
    weights = read_weights(folder / "model.safetensors", kind="fixed-quality-codec")
    assert weights.digest in card
    assert weights.description["calibration"]["n_images"] == 4
    assert weights.description["card"]["scores"].keys() > {"psnr_db_0.3", "rate_bpp_0.3"}


def test_its_curves_are_on_disk_and_in_mlflow(trained):
    from mlflow.tracking import MlflowClient

    folder, _ = trained
    (losses, scores) = read_curves(folder)
    assert losses["step"] == scores["step"] == 30
    assert losses.keys() == {"step", "loss", "rate_bpp", "hyper_bpp", "mse", "rate"}
    assert scores.keys() > {"step", "psnr_db_0.3"}
    run = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").get_run(
        json.loads((folder / "mlflow.json").read_text())["mlflow_run"]
    )
    assert run.info.status == "FINISHED"
    assert run.data.metrics["loss"] == pytest.approx(losses["loss"])
    assert run.data.params["latents"] == "12"


def test_the_codec_compresses_at_the_quality_that_is_asked_for(trained, scenes, tmp_path):
    folder, _ = trained
    codec = f"fixed-quality:psnr_db=18,residual=true,model={folder / 'model.safetensors'}"
    said = orbiq("compress", scenes / "scene1.tif", "--codec", codec, "-o", tmp_path / "scene.obq")
    assert said.exit_code == 0, said.output
    model = folder / "model.safetensors"
    said = orbiq("decompress", tmp_path / "scene.obq", "-o", tmp_path / "back.tif", "--model", model)
    assert said.exit_code == 0, said.output
    one, other = (read_image(path).array for path in (scenes / "scene1.tif", tmp_path / "back.tif"))
    assert psnr_db(one, other, 255) >= 18
    assert (tmp_path / "scene.obq").stat().st_size < one.size / 2


def test_a_codec_is_fitted_to_other_images(trained, tmp_path):
    """12 bits, and a file that is good for this model alone."""
    folder, _ = trained
    pan = folder_of(tmp_path / "pan", [picture((100, 100, 1), "uint16", seed=k) for k in (5, 6)])
    codec = f"fixed-quality:model={folder / 'model.safetensors'}"
    said = orbiq("fit", "fixed-quality", pan, "--codec", codec, "--peak", 4095, "--output", tmp_path / "pan.json")
    assert said.exit_code == 0, said.output
    assert "blocks of 2 images; the formula is off by" in said.stdout
    found = json.loads((tmp_path / "pan.json").read_text())
    assert (found["schema"], found["kind"], found["n_images"]) == (1, "fixed-quality-calibration", 2)
    assert found["model"] == load_model(str(folder / "model.safetensors")).digest
    chosen = f"{codec},mse=90000,calibration={tmp_path / 'pan.json'},bits=12"
    said = orbiq("compress", pan / "scene0.tif", "--codec", chosen, "-o", tmp_path / "pan.obq")
    assert said.exit_code == 0, said.output
    (tmp_path / "pan.json").write_text(json.dumps(found | {"model": "0" * 16}))
    said = orbiq("compress", pan / "scene0.tif", "--codec", chosen, "-o", tmp_path / "other.obq")
    assert said.exit_code == 2
    assert "is of model '0000000000000000'" in said.stderr


# laws


def test_more_steps_go_on_from_the_checkpoint(scenes, tmp_path):
    words = ("train", "codec", scenes, "--output", tmp_path / "codec", *SMALL, "--decay", 0)
    assert orbiq(*words, "--steps", 8).exit_code == 0
    first = (tmp_path / "codec" / "model.safetensors").read_bytes()
    said = orbiq(*words, "--steps", 12)
    assert said.exit_code == 0, said.output
    assert "12 steps on 4 images" in said.stdout
    assert checkpoint_step(tmp_path / "codec") == 12
    assert [row["step"] for row in read_curves(tmp_path / "codec")] == [8, 8, 12, 12]
    assert (tmp_path / "codec" / "model.safetensors").read_bytes() != first
    whole = ("train", "codec", scenes, "--output", tmp_path / "whole", *SMALL, "--decay", 0, "--steps", 12)
    assert orbiq(*whole, "--mlflow", "off").exit_code == 0
    parts, whole = (
        read_weights(tmp_path / name / "model.safetensors", kind="fixed-quality-codec") for name in ("codec", "whole")
    )
    assert all(np.array_equal(parts.arrays[name], whole.arrays[name]) for name in whole.arrays)


def test_the_same_command_again_makes_the_same_model(scenes, tmp_path):
    words = ("train", "codec", scenes, "--output", tmp_path / "codec", *SMALL, "--steps", 4, "--mlflow", "off")
    assert orbiq(*words).exit_code == 0
    first = (tmp_path / "codec" / "model.safetensors").read_bytes()
    assert orbiq(*words).exit_code == 0
    assert (tmp_path / "codec" / "model.safetensors").read_bytes() == first
    assert not (tmp_path / "codec" / "mlflow.db").exists()


def test_three_bands_at_once(tmp_path):
    data = folder_of(tmp_path / "data", [picture((70, 80, 3), seed=k) for k in range(2)])
    said = orbiq(
        "train", "codec", data, "--output", tmp_path / "codec", *SMALL, "--steps", 2, "--bands", 3, "--mlflow", "off"
    )
    assert said.exit_code == 0, said.output
    model = tmp_path / "codec" / "model.safetensors"
    said = orbiq(
        "compress", data / "scene0.tif", "--codec", f"fixed-quality:lmbda=1,model={model}", "-o", tmp_path / "a.obq"
    )
    assert said.exit_code == 0, said.output


def test_twelve_bits_and_signed_samples_with_a_peak(tmp_path):
    arrays = [picture((70, 80, 1), "uint16"), picture((70, 80, 1), "int16")]
    data = folder_of(tmp_path / "data", arrays)
    words = ("train", "codec", data, "--output", tmp_path / "codec", *SMALL, "--steps", 2, "--mlflow", "off")
    refused = orbiq(*words)
    assert refused.exit_code == 2
    assert "nobody said the largest value that its data can hold" in refused.stderr
    said = orbiq(*words, "--peak", 4095)
    assert said.exit_code == 0, said.output


def test_mlflow_that_cannot_be_reached_costs_nothing_but_a_line(scenes, tmp_path):
    (tmp_path / "codec").mkdir()
    (tmp_path / "codec" / "mlflow.db").write_text("no database")
    said = orbiq("train", "codec", scenes, "--output", tmp_path / "codec", *SMALL, "--steps", 2)
    assert said.exit_code == 0, said.output
    assert "MLflow did not get the curves: mlflow.db: file is not a database" in said.stdout
    assert "2 steps on 4 images" in said.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--steps", 5, "--decay", 6), "a training of 5 steps at rate 0.0005 that decays over 6 cannot be"),
        (("--rate", 0), "at rate 0 that decays"),
        (("--patch-px", 100), "a batch of 2 patches of 100 pixels cannot be"),
        (("--bands", 2), "bands is 2; expected 1"),
        (
            ("--bands", 3),
            "image 'scene0.tif' has 1 bands; a codec of three bands at once is trained on images of three",
        ),
        (("--device", "cuda:99"), "device 'cuda:99' cannot be used"),
        (("--device", "abacus"), "device 'abacus' cannot be used"),
        (("--mlflow", "gopher://hole"), "MLflow knows no store 'gopher'"),
        (("--peak", -1), "peak is -1; expected a finite number > 0"),
        (("--rate", "1e30", "--steps", 9), "choose a lower rate, or look at the images"),
    ],
)
def test_what_cannot_be_is_one_sentence(scenes, tmp_path, words, sentence):
    said = orbiq("train", "codec", scenes, "--output", tmp_path / "codec", *QUICK, "--mlflow", "off", *words)
    assert said.exit_code == 2, said.output
    assert sentence in said.stderr
    assert said.stderr.strip().splitlines()[-1].startswith("orbiq: ")


def test_images_that_cannot_be_trained_on_are_one_sentence(scenes, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    floats = folder_of(tmp_path / "floats", [np.ones((70, 80, 1), np.float32)] * 2)
    for data, sentence in (
        (scenes / "scene0.tif", "1 images are too few to train on: expected two or more"),
        (tmp_path / "nowhere", "does not exist; expected an image, a folder of images"),
        (empty, "holds no image"),
        (floats, "image 'scene0.tif' is float32; a codec is trained on uint8, uint16 or int16: scale it first"),
    ):
        said = orbiq("train", "codec", data, "--output", tmp_path / "codec", *QUICK, "--mlflow", "off")
        assert said.exit_code == 2, said.output
        assert sentence in said.stderr


def test_another_training_in_the_same_folder_is_one_sentence_and_harms_nothing(scenes, trained):
    folder, _ = trained
    before = {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.startswith("mlflow")}
    for words in (("--width", 9), ("--seed", 3), (scenes / "scene0.tif",)):
        said = orbiq("train", "codec", scenes, "--output", folder, *QUICK, "--mlflow", "off", *words)
        assert said.exit_code == 2, said.output
        assert "is of a training with other settings or images" in said.stderr
    assert {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.startswith("mlflow")} == before


def test_a_file_in_place_of_the_folder_is_one_sentence(scenes, tmp_path):
    (tmp_path / "codec").write_text("")
    said = orbiq("train", "codec", scenes, "--output", tmp_path / "codec", *QUICK, "--mlflow", "off")
    assert said.exit_code == 2, said.output
    assert "Look at the path" in said.stderr


@pytest.mark.parametrize(
    ("codec", "sentence"),
    [
        (
            "jpeg:quality=90",
            "--codec is 'jpeg:quality=90'; expected fixed-quality, with its model as fixed-quality:model=FILE",
        ),
        ("fixed-quality:model=no.safetensors", "cannot be read: No such file"),
        ("fixed-quality:model=nobody", "no fixed-quality model is named 'nobody'"),
    ],
)
def test_a_codec_that_cannot_be_fitted_is_one_sentence(scenes, tmp_path, codec, sentence):
    said = orbiq("fit", "fixed-quality", scenes, "--codec", codec, "--output", tmp_path / "a.json")
    assert said.exit_code == 2, said.output
    assert sentence in said.stderr
    assert not (tmp_path / "a.json").exists()


def test_images_without_a_valid_pixel_cannot_be_fitted_to(trained, tmp_path):
    folder, _ = trained
    empty = folder_of(tmp_path / "empty", [np.full((64, 64, 1), 9, np.uint8)])
    codec = f"fixed-quality:model={folder / 'model.safetensors'}"
    said = orbiq("fit", "fixed-quality", empty, "--codec", codec, "--nodata", 9, "--output", tmp_path / "a.json")
    assert said.exit_code == 2, said.output
    assert "no block of these images has any error to be explained" in said.stderr
    assert not (tmp_path / "a.json").exists()
