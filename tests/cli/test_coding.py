"""orbiq codecs, as a person would type it."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from orbiq.cli.main import app
from orbiq.imageio import write_image

runner = CliRunner()


def orbiq(*words, columns=160):
    return runner.invoke(app, [str(w) for w in words], env={"COLUMNS": str(columns)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("pictures")
    for k in range(2):
        noise = cv2.GaussianBlur(np.random.default_rng(k).normal(size=(64, 80, 3)), (0, 0), 2)
        write_image(made / f"{k}.png", np.clip(128 + 250 * noise, 0, 255).astype(np.uint8))
    return made


SWEEP = ("--codec", "jpeg:quality=[20,50,80]", "--codec", "webp:quality=[10,50,90]", "--metrics", "psnr,ssim")


def test_tables_files_and_page(folder, tmp_path):
    out, plot, page = tmp_path / "t.csv", tmp_path / "p.svg", tmp_path / "r.html"
    said = orbiq(
        "codecs", folder, *SWEEP, "--no-memory", "--anchor", "webp", "--out", out, "--plot", plot, "--report", page
    )
    assert said.exit_code == 0, said.output
    assert "BD-rate" in said.output
    assert "jpeg:quality=50" in said.output
    assert len(pd.read_csv(out)) == 12
    assert plot.read_text().startswith("<?xml")
    assert "Codecs side by side" in page.read_text()
    for name in ("p.svg", "p-blocks.svg", "p-maps.svg"):
        assert name in " ".join(said.output.split())
        assert (tmp_path / name).is_file()


def test_a_downlink_counts_the_images_a_pass(folder):
    said = orbiq("codecs", folder, "--codec", "png", "--no-memory", "--downlink", "rate_mbps=100,pass_s=600")
    assert said.exit_code == 0, said.output
    assert "images a pass" in " ".join(said.output.split())
    for wrong in ("rate_mbps=100", "rate_mbps=fast,pass_s=1", "speed=3", "rate_mbps=0,pass_s=1"):
        refused = orbiq("codecs", folder, "--codec", "png", "--downlink", wrong)
        assert refused.exit_code == 2
        assert "downlink" in refused.output


def test_json_has_trials_and_comparisons(folder):
    said = json.loads(orbiq("codecs", folder, *SWEEP, "--json").stdout)
    assert len(said["trials"]) == 12
    memory = [trial["encode_memory_mb"] for trial in said["trials"] if trial["image"] == "0.png"]
    assert all(0 < mb < 50 for mb in memory)
    assert all(trial["encode_memory_mb"] is None for trial in said["trials"] if trial["image"] == "1.png")
    assert [c["codec"] for c in said["comparisons"]] == ["webp", "webp"]
    assert said["comparisons"][0]["anchor"] == "jpeg"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--codec", "jpg:quality=5"), "no codec named 'jpg'. Did you mean 'jpeg'"),
        (("--codec", "jpeg:quality=101"), "jpeg:quality is 101; expected 1"),
        (("--codec", "jpeg", "--rates", "1,few"), "--rates is '1,few'; expected numbers of bits per pixel"),
        (("--codec", "jpeg", "--rates", "0"), "--rates is '0'; expected"),
        (("--codec", "png", "--anchor", "webp"), "--anchor is 'webp'; expected one of png"),
        (("--codec", "png", "--out", "x.txt"), "--out is 'x.txt'; expected a file that ends in .csv"),
        (("--codec", "png", "--metrics", "snr"), None),
        (("--codec", "png", "--metrics", "coco-detection"), "needs predictions"),
        (("--codec", "png", "--published", "nothing.csv"), "published points 'nothing.csv' cannot be read"),
    ],
)
def test_one_sentence_for_what_cannot_be(folder, words, expected):
    said = orbiq("codecs", folder, "--no-memory", *words)
    if expected is None:
        assert said.exit_code == 0, said.output
        return
    assert said.exit_code == 2
    assert expected in " ".join(said.output.split())
    assert "Traceback" not in said.output


def test_when_no_codec_fits_the_exit_code_says_so(tmp_path):
    write_image(tmp_path / "deep.tif", np.full((16, 16, 1), 3000, np.uint16))
    said = orbiq("codecs", tmp_path, "--codec", "jpeg:quality=50", "--peak", "4095")
    assert said.exit_code == 1
    assert "jpeg takes uint8; the image is uint16" in " ".join(said.output.split())
