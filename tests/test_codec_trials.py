"""Codecs side by side: what a trial says, curves, deltas, tables, page."""

from math import isnan

import cv2
import numpy as np
import pytest

from orbiq.codec_trials import comparisons, curves, entrants, trials
from orbiq.errors import SettingError
from orbiq.imageio import write_image
from orbiq.measuring import Stated, subjects_of
from orbiq.metrics.chosen import load_metric
from orbiq.metrics.pointwise import SPECS
from orbiq.reports.codec_curves import (
    block_table,
    comparison_table,
    curve_figure,
    point_table,
    published_points,
    trial_rows,
    write_codec_page,
)

PSNR = {"psnr": SPECS["psnr"].scores[0]}
CODECS = ["jpeg:quality=[20,50,75,90]", "jpeg:quality=[20,50,75,90],subsampling=444", "png"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("set")
    rng = np.random.default_rng(2)
    for k in range(3):
        noise = cv2.GaussianBlur(rng.normal(size=(96, 120, 3)), (0, 0), 2.5)
        write_image(made / f"{k}.png", np.clip(128 + 250 * noise, 0, 255).astype(np.uint8))
    return made


@pytest.fixture(scope="module")
def found(folder):
    several = trials(subjects_of(folder), entrants(CODECS), [load_metric({"name": "psnr"})], jobs=2)
    return [trial for of_image in several for trial in of_image]


# known answers


def test_a_trial_is_the_stream_and_what_it_decodes_to(folder, found):
    image = cv2.imread(str(folder / "1.png"))
    stream = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 50])[1]
    (trial,) = [t for t in found if t.point == "jpeg:quality=50" and t.image == "1.png"]
    assert trial.n_bytes == len(stream)
    assert trial.bits_per_pixel == pytest.approx(8 * len(stream) / (96 * 120))
    assert trial.bits_per_sample == pytest.approx(trial.bits_per_pixel / 3)
    mse = np.mean((cv2.imdecode(stream, cv2.IMREAD_COLOR).astype(float) - image) ** 2)
    assert trial.scores["psnr"] == pytest.approx(10 * np.log10(255**2 / mse))
    assert (trial.codec, trial.knob, trial.exact) == ("jpeg", 50, False)
    assert trial.encode_mb_s > 0


def test_lossless_is_exact_and_has_no_curve(found):
    assert all(t.exact and t.scores["psnr"] == np.inf for t in found if t.codec == "png")
    said = comparisons(found, PSNR, anchor="jpeg")
    (png,) = [c for c in said if c.codec == "png"]
    assert isnan(png.rate.value)
    assert "the test has 0 points" in png.rate.reasons[0]


def test_full_chroma_has_its_own_curve(found):
    of_codecs = curves(found, "psnr")
    assert set(of_codecs) == {"jpeg", "jpeg:subsampling=444", "png"}
    assert [len(curve.rates) for curve in of_codecs["jpeg"].values()] == [4, 4, 4]
    said = {c.codec: c for c in comparisons(found, PSNR, anchor="jpeg")}["jpeg:subsampling=444"]
    assert said.rate.low <= said.rate.value <= said.rate.high
    assert said.rate.n_images == 3
    assert np.sign(said.rate.value) == -np.sign(said.score.value)


def test_rates_are_for_codecs_whose_knob_is_free(folder):
    several = entrants(["jpeg", "jpeg:quality=50", "jpeg:psnr_db=30", "png"], rates_bpp=[1, 2])
    points = ["jpeg:rate_bpp=1", "jpeg:rate_bpp=2", "jpeg:quality=50", "jpeg:psnr_db=30", "png"]
    assert [entrant.point for entrant in several] == points
    assert [entrant.label for entrant in several] == ["jpeg"] * 4 + ["png"]
    one = subjects_of(folder / "1.png")
    ((first, second, *_),) = trials(one, several[:2], [load_metric({"name": "psnr"})], jobs=1)
    assert first.bits_per_pixel <= 1.02
    assert first.knob < second.knob
    assert second.bits_per_pixel <= 2.04


def test_blocks_are_held_against_the_psnr_that_was_asked_for(folder, found):
    several = entrants(["jpegxl:psnr_db=36", "jpeg:quality=50"])
    ((solved, plain),) = trials(subjects_of(folder / "1.png"), several, [load_metric({"name": "psnr"})], jobs=1)
    assert set(solved.blocks) == {64, 32, 16}
    assert plain.blocks == {}
    assert solved.blocks[16].n_blocks == 6 * 8
    assert solved.blocks[16].worst_db <= solved.blocks[64].worst_db < 3
    table = block_table([solved, plain])
    assert [row.cells[1].value for row in table.rows] == [64, 32, 16]
    assert block_table(found) is None


# laws


def test_jobs_change_nothing_but_times(folder, found):
    again = [
        t
        for of_image in trials(subjects_of(folder), entrants(CODECS), [load_metric({"name": "psnr"})], jobs=1)
        for t in of_image
    ]
    timed = {"encode_mb_s", "decode_mb_s"}
    assert [{k: v for k, v in vars(t).items() if k not in timed} for t in again] == [
        {k: v for k, v in vars(t).items() if k not in timed} for t in found
    ]


# what cannot be


def test_a_codec_that_does_not_fit_is_a_reason_and_the_others_go_on(tmp_path):
    write_image(tmp_path / "deep.tif", np.full((32, 32, 1), 3000, np.uint16))
    subjects = subjects_of(tmp_path, stated=Stated(peak=4095))
    several = trials(subjects, entrants(["jpeg:quality=50", "png"]), [load_metric({"name": "psnr"})], jobs=1)
    (failed, fine), = several  # fmt: skip
    assert "jpeg takes uint8; the image is uint16" in failed.reason
    assert fine.exact
    table = point_table([failed, fine], PSNR)
    assert table.rows[0].cells[1].reason == failed.reason


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        ([], "no codec is named"),
        (["jpeg:quality=10>png"], "is a chain; expected a single codec"),
        (["jpeg:quality=[10,10]"], "jpeg:quality=10 is named twice"),
        (["jpeg:quality=0"], "jpeg:quality is 0; expected 1"),
    ],
)
def test_what_is_no_codec_is_refused(specs, words):
    with pytest.raises(SettingError, match=words):
        entrants(specs)


def test_an_anchor_must_be_among_them(found):
    with pytest.raises(SettingError, match="anchor is 'webp'; expected one of the codecs: jpeg, jpeg:subsampling=444"):
        comparisons(found, PSNR, anchor="webp")


# what a person sees


def test_tables_rows_picture_and_page(found, tmp_path):
    compared = comparisons(found, PSNR, anchor="jpeg")
    assert [row.cells[0].text for row in comparison_table(compared, PSNR).rows] == ["jpeg:subsampling=444", "png"]
    assert "%" in comparison_table(compared, PSNR).rows[0].cells[3].text
    assert len(point_table(found, PSNR).rows) == 9
    rows = trial_rows(found)
    assert len(rows) == 27
    assert {"codec", "point", "bits_per_pixel", "psnr", "reason"} <= set(rows[0])
    lines = curve_figure(found, "psnr", PSNR["psnr"]).axes[0].get_lines()
    assert [len(line.get_xdata()) for line in lines] == [4, 4]
    write_codec_page(tmp_path / "codecs.html", found, compared, PSNR)
    page = (tmp_path / "codecs.html").read_text()
    assert "Rate saved at the same quality" in page
    assert str(tmp_path) not in page


def test_published_points_join_the_picture(found, tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text("codec,bits_per_pixel,psnr\nhyperprior,0.131,27.58\nhyperprior,0.209,29.2\n<b>,0.5,30\n")
    points = published_points(path)
    assert [point.codec for point in points] == ["hyperprior (published)"] * 2 + ["<b> (published)"]
    lines = curve_figure([*found, *points], "psnr", None).axes[0].get_lines()
    assert lines[2].get_xdata().tolist() == [0.131, 0.209]
    write_codec_page(tmp_path / "codecs.html", found, [], PSNR, published=points)
    assert "<b> (published)" not in (tmp_path / "codecs.html").read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "expected codec, bits_per_pixel"),
        ("codec,bits_per_pixel,psnr\nx,lots,3\n", "line 2"),
        ("", "CSV"),
    ],
)
def test_unfit_published_points_are_refused(text, words, tmp_path):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(SettingError, match=words):
        published_points(tmp_path / "p.csv")
