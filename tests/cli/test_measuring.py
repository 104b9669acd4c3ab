"""orbiq measure and compare, as a person would type them."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from orbiq.cli.main import app
from orbiq.imageio import write_image

runner = CliRunner()


def orbiq(*words):
    return runner.invoke(app, [str(w) for w in words], env={"COLUMNS": "160"})


@pytest.fixture
def folders(tmp_path):
    """Two images, and the same with noise of two strengths."""
    rng = np.random.default_rng(0)
    for k in range(2):
        image = cv2.GaussianBlur(rng.integers(0, 255, (96, 96, 3)).astype(np.uint8), (0, 0), 2)
        for name, sigma in (("original", 0), ("coded", 3), ("worse", 9)):
            (tmp_path / name).mkdir(exist_ok=True)
            noisy = np.clip(image + rng.normal(0, sigma, image.shape), 0, 255).astype(np.uint8) if sigma else image
            write_image(tmp_path / name / f"{k}.png", noisy)
    return tmp_path


def test_compare_prints_scores_with_unit_direction_and_interval(folders):
    said = orbiq("compare", folders / "original", folders / "coded", "--metrics", "psnr,ssim,sam")
    assert said.exit_code == 0, said.output
    assert "psnr" in said.output
    assert "dB" in said.output
    assert "higher" in said.output
    assert "95 % interval" in said.output
    assert "mean of 2 images" in said.output


def test_several_paths_stand_side_by_side(folders):
    said = orbiq("compare", folders / "original", folders / "coded", folders / "worse", "-m", "psnr")
    assert said.exit_code == 0, said.output
    assert said.output.index("coded") < said.output.index("worse")


def test_in_a_narrow_terminal_values_stay_before_intervals(folders):
    long = [folders / f"{name}#a-modifier-with-a-long-name=1-0a1b2c3d" for name in ("coded", "worse")]
    for old, new in zip((folders / "coded", folders / "worse"), long, strict=True):
        old.rename(new)
    said = runner.invoke(
        app, ["compare", *map(str, [folders / "original", *long]), "-m", "psnr,ssim"], env={"COLUMNS": "68"}
    )
    lines = said.output.splitlines()
    assert any(line.split() == ["of", "psnr", "(dB)", "ssim"] for line in lines)
    assert "left out, for want of width: 95 % interval" in lines
    wide = orbiq("compare", folders / "original", *long, "-m", "psnr,ssim")
    assert wide.output.count("95 % interval") == 2
    assert wide.output.count(long[0].name) == 1


def test_what_some_images_lack_is_said_of_their_folder(folders):
    write_image(folders / "coded" / "flat.png", np.full((96, 96, 3), 9, np.uint8))
    said = orbiq("measure", folders / "original", folders / "coded", "-m", "piqe")
    assert "* piqe: 1 of 3 images of coded: flat.png is constant" in said.output


def test_each_image_by_itself(folders):
    said = orbiq("compare", folders / "original", folders / "coded", "-m", "psnr,mae", "--each")
    assert "0.png" in said.output
    assert "1.png" in said.output


def test_files_hold_a_row_a_score_of_each_image(folders):
    for suffix in (".csv", ".parquet", ".json"):
        out = folders / f"scores{suffix}"
        said = orbiq("compare", folders / "original", folders / "coded", "-m", "psnr,rmse", "--out", out)
        assert said.exit_code == 0, said.output
    table, other = pd.read_csv(folders / "scores.csv"), pd.read_parquet(folders / "scores.parquet")
    assert list(table.columns) == list(other.columns)
    assert len(table) == len(other) == len(json.loads((folders / "scores.json").read_text())["images"]) == 4
    row = table[(table.image == "0.png") & (table.score == "psnr")].iloc[0]
    assert (row.unit, row.higher_is_better) == ("dB", True)
    assert 20 < row.value < 60
    wrong = orbiq("compare", folders / "original", folders / "coded", "-m", "psnr", "--out", folders / "scores.txt")
    assert wrong.exit_code == 2


def test_json_for_machines(folders):
    said = orbiq("compare", folders / "original" / "0.png", folders / "coded" / "0.png", "-m", "psnr", "--json")
    data = json.loads(said.output)
    assert data["images"][0]["score"] == "psnr"
    assert data["means"][0]["n_images"] == 1


def test_maps_and_a_picture(folders):
    said = orbiq(
        "compare",
        folders / "original",
        folders / "coded",
        "-m",
        "psnr,ssim",
        "--maps",
        folders / "maps",
        "--plot",
        folders / "plot.png",
    )
    assert said.exit_code == 0, said.output
    names = {p.relative_to(folders / "maps").as_posix() for p in (folders / "maps").rglob("*") if p.is_file()}
    wanted = {f"{kind}/coded/{k}{suffix}" for kind in ("error", "ssim") for k in (0, 1) for suffix in (".tif", ".png")}
    assert names == wanted
    assert (folders / "plot.png").stat().st_size > 5000


def test_edges_are_drawn_and_mapped_beside_other_maps(folders):
    said = orbiq("measure", folders / "original", "-m", "rer,piqe,entropy", "--maps", folders / "maps")
    assert said.exit_code == 0, said.output
    names = {p.relative_to(folders / "maps").as_posix() for p in (folders / "maps").rglob("*") if p.is_file()}
    edges = {f"edges/original/{k}{suffix}" for k in (0, 1) for suffix in (".png", ".geojson")}
    assert names == edges | {f"piqe/original/{k}{suffix}" for k in (0, 1) for suffix in (".png", ".tif")}


def test_measure_names_what_it_could_not_measure(folders):
    said = orbiq("measure", folders / "original", "-m", "entropy,rer")
    assert said.exit_code == 0, said.output
    assert "entropy" in said.output
    assert "–" in said.output
    assert "fit to be measured" in said.output


def test_nothing_measured_at_all_is_exit_1(folders):
    said = orbiq("measure", folders / "original", "-m", "rer")
    assert said.exit_code == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["measure", "original", "-m", "psnr"], "psnr compares with a reference: orbiq compare REFERENCE PATH"),
        (["measure", "original", "-m", "coco-detection"], "coco-detection needs predictions"),
        (["measure", "original", "-m", "snt"], "no metric named 'snt'. Did you mean 'snr'?"),
        (["measure", "original", "-m", "snr:methot=x"], "metric 'snr' has no option 'methot'"),
        (["measure", "nothing", "-m", "snr"], "does not exist; expected an image, a folder of images, or a dataset"),
        (["compare", "original", "nothing", "-m", "psnr"], "does not exist"),
        (["measure", "original", "-m", "snr", "--maps", "m"], "no map can be written of snr; these have one: mse"),
        (["measure", "original", "-m", " , "], "--metrics names no metric; expected for example snr,rer"),
        (["measure", "original", "-m", "snr", "--peak", "nan"], "peak is nan; expected a finite number > 0"),
        (["measure", "original", "-m", "niirs", "--gsd-m", "-1"], "gsd_m is -1; expected a finite number > 0"),
        (["measure", "original", "original", "-m", "snr"], "original' is given twice; name it once"),
        (["measure", "empty", "-m", "snr"], "holds no image; expected files of .avif, .bmp"),
        (["measure", "original", "-m", "snr", "--out", "coded"], "coded', a folder; name a file, as"),
        (["measure", "original", "-m", "snr", "--out", "o.xlsx"], "ends in .csv or .parquet or .json"),
        (["measure", "original", "-m", "snr", "--plot", "coded"], "coded', a folder; name a file, as"),
        (["measure", "original", "-m", "snr", "--plot", "p.pdf"], "ends in .png or .svg"),
        (["measure", "original", "-m", "rer", "--maps", "file"], "file', a file; name a folder, which is made"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_2(folders, words, message):
    (folders / "empty").mkdir()
    (folders / "file").write_text("no folder")
    words = [str(folders / w) if w in {"original", "coded", "nothing", "empty", "file"} else w for w in words]
    said = orbiq(*words)
    assert said.exit_code == 2
    assert message in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("zero.png", b"", "is empty (0 bytes). Copy it again"),
        ("words.tif", b"no image at all", "begins with b'no image', which is no PNG"),
        ("half.png", None, "is damaged: the PNG ends at byte 400"),
    ],
)
def test_an_image_that_cannot_be_read_is_one_sentence_and_exit_2(folders, name, content, message):
    (folders / name).write_bytes((folders / "original" / "0.png").read_bytes()[:400] if content is None else content)
    for words in (
        ["measure", folders / name, "-m", "snr,rer"],
        ["compare", folders / name, folders / name, "-m", "mse"],
    ):
        said = orbiq(*words)
        assert said.exit_code == 2
        assert message in said.stderr
        assert said.stdout == ""


def test_what_holds_for_every_score_is_one_sentence_and_exit_2(folders):
    write_image(folders / "small.png", np.zeros((40, 40, 3), np.uint8))
    said = orbiq("compare", folders / "original" / "0.png", folders / "small.png", "-m", "psnr,ssim,sam")
    assert said.exit_code == 2
    assert said.stderr.count("0.png is (96, 96, 3) but small.png is (40, 40, 3)") == 1


def test_reasons_name_the_scores_that_are_missing(folders):
    lines = orbiq("measure", folders / "original", "-m", "entropy,rer,fwhm").output.splitlines()
    assert any(line.startswith("– rer, fwhm_px: ") for line in lines)
    assert any(line.startswith("– rer_x, fwhm_px_x: ") for line in lines)
    lines = orbiq("measure", folders / "original", "-m", "entropy,rer", "--each").output.splitlines()
    assert any(line.startswith("– rer: ") for line in lines)
    write_image(folders / "original" / "flat.png", np.full((96, 96, 3), 9, np.uint8))
    lines = orbiq("measure", folders / "original", "-m", "piqe").output.splitlines()
    assert any(line.startswith("* piqe: 1 of 3 images: flat.png is constant") for line in lines)


def test_what_was_written_is_said(folders):
    out, plot = folders / "o.csv", folders / "p.png"
    said = orbiq("measure", folders / "original", "-m", "entropy", "--out", out, "--plot", plot)
    assert f"Written: {out}, {plot}" in said.output
    assert "Written" not in orbiq("measure", folders / "original", "-m", "entropy", "--out", out, "--json").output


def test_a_peak_nobody_stated_is_said_once(folders):
    for name in ("a", "b"):
        write_image(folders / f"{name}.png", np.full((32, 32, 1), 900, np.uint16))
    said = orbiq("compare", folders / "a.png", folders / "b.png", "-m", "psnr,mse")
    assert said.exit_code == 0
    assert "nobody said the largest value" in said.output.replace("\n", " ")
    assert "--peak 4095" in said.output.replace("\n", " ")
    stated = orbiq("compare", folders / "a.png", folders / "b.png", "-m", "psnr", "--peak", "4095")
    assert "∞" in stated.output
