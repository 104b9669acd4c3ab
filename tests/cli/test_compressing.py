"""orbiq compress, decompress, info, as a person would type them."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="the fixed-quality codec needs the extra learned: torch")

from orbiq.cli.main import app
from orbiq.imageio import read_image, write_image
from tests.codecs.pictures import picture
from tests.codecs.toy_model import machine, toy_model

runner = CliRunner()


@pytest.fixture(autouse=True, scope="module")
def _one_core():
    with machine():
        yield


def orbiq(*words, columns=160):
    return runner.invoke(app, [str(w) for w in words], env={"COLUMNS": str(columns)})


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return toy_model(tmp_path_factory.mktemp("model") / "toy.safetensors")


@pytest.fixture
def scene(tmp_path):
    write_image(tmp_path / "scene.tif", picture((100, 150, 3)))
    return tmp_path / "scene.tif"


def fixed(model, *settings):
    return f"fixed-quality:{','.join([*settings, f'model={model}'])}"


# known answers


def test_there_and_back(scene, model):
    coded = orbiq("compress", scene, "--codec", fixed(model, "psnr_db=20"))
    assert coded.exit_code == 0, coded.output
    words = " ".join(coded.output.split())
    for expected in ("bits per pixel", "ratio to the file", "20 dB", "out of reach", "always better", "λ map"):
        assert expected in words
    back = orbiq("decompress", scene.with_suffix(".obq"), "--output", scene.with_name("back.tif"), "--model", model)
    assert back.exit_code == 0, back.output
    assert "100 × 150 pixels, 3 bands of uint8" in back.output
    assert read_image(scene.with_name("back.tif")).array.shape == (100, 150, 3)


def test_json_says_it_all(scene, model):
    said = json.loads(orbiq("compress", scene, "--codec", fixed(model, "psnr_db=20"), "--json").stdout)
    (file,) = said["files"]
    stream = scene.with_suffix(".obq")
    assert file["n_bytes"] == stream.stat().st_size
    assert file["bits_per_pixel"] == pytest.approx(3 * file["bits_per_sample"])
    assert file["ratio"] == pytest.approx(scene.stat().st_size / file["n_bytes"])
    assert file["blocks"][0]["target_db"] == pytest.approx([20, 20])
    known = json.loads(orbiq("info", stream, scene, "--model", model, "--json").stdout)["files"]
    assert sum(known[0]["bytes"].values()) == file["n_bytes"]
    assert known[0]["bytes"]["levels"] == file["level_bytes"]
    assert [one["format"] for one in known] == ["fixed-quality", "tiff"]
    words = ("decompress", stream, "-o", scene.with_name("part.tif"), "--window", "10,20,30,40", "--model", model)
    assert json.loads(orbiq(*words, "--json").stdout)["images"][0]["shape"] == [30, 40, 3]


def test_json_holds_numbers_that_all_read(model, tmp_path):
    write_image(tmp_path / "flat.tif", np.full((64, 64, 1), 9, np.uint8))
    said = orbiq("compress", tmp_path / "flat.tif", "--codec", fixed(model, "psnr_db=20"), "--json")
    (block,) = json.loads(said.stdout, parse_constant=pytest.fail)["files"][0]["blocks"]
    assert (block["always_better"], block["worst_db"], block["mean_db"]) == (1, "Infinity", None)


def test_several_images_have_their_sum(scene, model, tmp_path):
    write_image(tmp_path / "other.png", picture((64, 64, 1)))
    (tmp_path / "coded").mkdir()
    said = orbiq("compress", scene, tmp_path / "other.png", "-c", fixed(model, "lmbda=1"), "-o", tmp_path / "coded")
    assert said.exit_code == 0, said.output
    assert "2 images" in said.output
    assert sorted(p.name for p in (tmp_path / "coded").iterdir()) == ["other.obq", "scene.obq"]
    back = orbiq("decompress", *sorted((tmp_path / "coded").iterdir()), "--model", model)
    assert back.exit_code == 0, back.output
    assert sorted(p.name for p in (tmp_path / "coded").glob("*.[pt]*")) == ["other.png", "scene.tif"]


@pytest.mark.parametrize(
    ("codec", "suffix"), [("jpegxl:psnr_db=40", ".jxl"), ("jpeg2000:rate_bpp=2", ".j2k"), ("webp", ".webp")]
)
def test_standard_codecs_leave_files_of_their_own(scene, codec, suffix):
    said = orbiq("compress", scene, "--codec", codec)
    assert said.exit_code == 0, said.output
    stream = scene.with_suffix(suffix)
    assert stream.is_file()
    back = orbiq("decompress", stream, "--output", scene.with_name("back.png"))
    assert back.exit_code == 0, back.output
    np.testing.assert_array_equal(read_image(scene.with_name("back.png")).array, read_image(stream).array)


@pytest.mark.parametrize("columns", [80, 120])
def test_facts_fit_the_terminal(scene, model, columns):
    orbiq("compress", scene, "--codec", fixed(model, "psnr_db=20", "block=16"))
    said = orbiq("info", scene.with_suffix(".obq"), "--model", model, columns=columns)
    assert said.exit_code == 0, said.output
    assert max(map(len, said.output.splitlines())) <= columns
    words = " ".join(said.output.split())
    for expected in ("version 1", "16 × 16 pixels", "coded jointly", "latents", "median", "not on the ground"):
        assert expected in words


@pytest.mark.parametrize("command", ["compress", "decompress", "info"])
def test_help_has_examples(command):
    said = orbiq(command, "--help")
    assert said.exit_code == 0
    assert f"orbiq {command} scene." in said.output


# errors


def refused(*words):
    said = orbiq(*words)
    assert said.exit_code == 2, said.output
    (line,) = said.output.strip().splitlines()
    assert line.startswith("orbiq: ")
    return line


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-c", "fixedquality"), "no codec named 'fixedquality'. Did you mean 'fixed-quality'"),
        (("-c", "jpeg:quality=50>webp"), "is a chain; expected a single codec"),
        (("-c", "fixed-quality:psnr_db=40,mse=3"), "has psnr_db and mse; expected one of"),
        (("-c", "fixed-quality:block=50"), "expected a multiple of 16 pixels"),
        (("-c", "fixed-quality:model=nobody"), "no fixed-quality model is named 'nobody'"),
        (("-c", "fixed-quality", "--peak", "-1"), "peak is -1; expected a finite number"),
        (("-c", "fixed-quality", "-o", "x.tif"), "--output is 'x.tif'; expected a name that ends in .obq"),
        (("-c", "fixed-quality", "-o", "nowhere/x.obq"), "in a folder that does not exist; make 'nowhere' first"),
        (("-c", "lerc:max_error=1"), "is no file that others can open; choose one of those that are"),
        (("-c", "jpeg:quality=5", "--regions", "r.tif", "--region-psnr-db", "1=40"), "for fixed-quality alone"),
        (("-c", "fixed-quality", "--regions", "r.tif"), "--regions and --region-psnr-db go together"),
        (("-c", "fixed-quality", "--region-psnr-db", "1=40"), "--regions and --region-psnr-db go together"),
        (("-c", "fixed-quality", "--regions", "r.tif", "--region-psnr-db", "1=4"), "--regions is 'r.tif', which is no"),
        (("-c", "fixed-quality", "--regions", "r.tif", "--region-psnr-db", "sea=4"), "expected the number of a region"),
    ],
)
def test_what_cannot_be_coded(scene, words, expected):
    assert expected in refused("compress", scene, *words)
    assert [p.name for p in scene.parent.iterdir()] == ["scene.tif"]


def test_images_that_cannot_be_coded(tmp_path):
    assert "does not exist" in refused("compress", tmp_path / "none.tif", "-c", "fixed-quality")
    assert "is a folder; expected images" in refused("compress", tmp_path, "-c", "fixed-quality")
    write_image(tmp_path / "float.tif", np.full((9, 9, 1), np.nan, np.float32))
    said = refused("compress", tmp_path / "float.tif", "-c", "fixed-quality")
    assert "is float32, and fixed-quality takes uint8 or uint16 or int16" in said
    (tmp_path / "text.tif").write_text("no image")
    assert "begins with b'no image'" in refused("compress", tmp_path / "text.tif", "-c", "fixed-quality")


def test_a_palette_is_no_picture_to_a_lossy_codec(tmp_path):
    import rasterio

    path = tmp_path / "classes.tif"
    with rasterio.open(path, "w", driver="GTiff", height=9, width=9, count=1, dtype="uint8") as sink:
        sink.write(np.ones((1, 9, 9), np.uint8))
        sink.write_colormap(1, {0: (0, 0, 0, 255), 1: (255, 0, 0, 255)})
    assert "has a palette: its pixels are numbers of colours" in refused("compress", path, "-c", "fixed-quality")


def test_nothing_is_replaced_unasked(scene, model):
    words = ("compress", scene, "-c", fixed(model, "lmbda=1"))
    assert orbiq(*words).exit_code == 0
    assert "exists; name another --output, or replace it with --force" in refused(*words)
    assert orbiq(*words, "--force").exit_code == 0
    assert "'scene.tif' exists" in refused("decompress", scene.with_suffix(".obq"), "--model", model).replace(
        str(scene.parent) + "/", ""
    )
    assert "would replace itself" in refused("decompress", scene, "--output", scene, "--force")


def test_two_of_one_name(scene):
    twin = scene.with_suffix(".png")
    write_image(twin, picture((64, 64, 3)))
    assert "would both become" in refused("compress", scene, twin, "-c", "fixed-quality")
    said = refused("compress", scene, twin, "-c", "fixed-quality", "-o", scene.with_name("coded"))
    assert "expected a folder that exists, for there are 2 files" in said


def test_files_that_are_no_streams(scene, model, tmp_path):
    (tmp_path / "x.obq").write_bytes(b"nothing")
    assert "begins with" in refused("decompress", tmp_path / "x.obq", "-o", tmp_path / "x.tif")
    assert "begins with" in refused("info", tmp_path / "x.obq")
    assert "does not exist" in refused("decompress", tmp_path / "none.obq")
    assert "is a folder" in refused("decompress", tmp_path, "-o", tmp_path / "x.tif")
    assert "is a folder" in refused("info", tmp_path)
    assert orbiq("compress", scene, "-c", fixed(model, "lmbda=1")).exit_code == 0
    stream = scene.with_suffix(".obq")
    data = stream.read_bytes()
    stream.write_bytes(data[:20])
    assert "the head of a fixed-quality stream is damaged" in refused("decompress", stream, "-o", tmp_path / "x.tif")
    stream.write_bytes(data[:-5])
    words = ("decompress", stream, "-o", tmp_path / "x.tif", "--model", model)
    assert "--damaged skip" in refused(*words)
    assert orbiq(*words, "--damaged", "skip").exit_code == 0
