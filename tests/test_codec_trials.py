"""Codecs side by side: what a trial says, curves, deltas, tables, page."""

from dataclasses import replace
from math import isnan

import cv2
import numpy as np
import pytest

from orbiq.analysis.downlink import Downlink
from orbiq.codec_blocks import block_maps, spread_evenly, typical_image
from orbiq.codec_comparisons import comparisons, curves
from orbiq.codec_trials import Trial, entrants, trials
from orbiq.errors import SettingError
from orbiq.imageio import write_image
from orbiq.measuring import Stated, subjects_of
from orbiq.metrics.block_quality import Deviation, deviation
from orbiq.metrics.chosen import load_metric
from orbiq.metrics.pointwise import SPECS
from orbiq.reports.codec_blocks import binned, block_table, share_table
from orbiq.reports.codec_curves import curve_figure, published_points, write_codec_page
from orbiq.reports.codec_tables import comparison_table, point_table, trial_rows

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
    assert (solved.target_db, plain.target_db) == (36, plain.scores["psnr"])
    assert solved.missed_db == pytest.approx(solved.scores["psnr"] - 36)
    assert plain.missed_db == 0
    assert solved.blocks[16].n_blocks == 6 * 8
    assert solved.blocks[16].worst_db <= solved.blocks[64].worst_db < 3
    assert all(not trial.blocks for trial in found if trial.exact)


def test_the_table_is_that_of_the_paper(found):
    """Mean; standard deviation over the blocks of all images, each block counted once."""
    mine = [t for t in found if t.point == "jpeg:quality=50"]
    table = block_table(found)
    row = next(row for row in table.rows if row.cells[0].text == "jpeg:quality=50")
    assert len(table.rows) == 8
    assert row.cells[1].reason == "none: every image is held against its own"
    assert row.cells[2].text == "+0.00; 0.00"
    counts = np.array([t.blocks[16].n_blocks for t in mine])
    mean = counts @ [t.blocks[16].mean_db for t in mine] / counts.sum()
    assert row.cells[5].text.startswith(f"{mean:+.2f};".replace("-", "\N{MINUS SIGN}"))
    shares = share_table(found)
    assert [row.cells[1].value for row in shares.rows[:3]] == [64, 32, 16]
    assert block_table([t for t in found if t.exact]) is None
    assert share_table([t for t in found if t.exact]) is None


def test_the_typical_image_is_the_one_nearest_the_median():
    def trial(image, spread, point="a"):
        told = Deviation(mean_db=0, std_db=spread, worst_db=-1, below=0.5, n_blocks=9, n_exact=0)
        return Trial(group="g", image=image, scene="", codec="c", point=point, blocks={16: told})

    several = [trial("x", 1), trial("y", 2), trial("z", 9), trial("x", 1, "b"), trial("y", 4, "b"), trial("z", 9, "b")]
    assert typical_image(several) == ("g", "y")
    assert typical_image([*several, trial("w", 3)]) == ("g", "y")  # the other setting could not code it
    assert typical_image([]) is None


def test_a_map_is_what_the_trial_counted(folder):
    codecs = entrants(["jpeg:psnr_db=34", "jpeg2000:psnr_db=34", "png"])
    found = [t for several in trials(subjects_of(folder), codecs, [], jobs=1) for t in several]
    maps = block_maps(subjects_of(folder), codecs, found)
    assert [one.point for one in maps] == ["jpeg:psnr_db=34", "jpeg2000:psnr_db=34"]
    assert {one.image for one in maps} == {typical_image(found)[1]}
    for one in maps:
        (trial,) = [t for t in found if (t.point, t.image) == (one.point, one.image)]
        for side in (64, 32, 16):
            assert deviation(one.deviations[side], 0) == trial.blocks[side]
    assert block_maps(subjects_of(folder), codecs, [t for t in found if t.exact]) == []


@pytest.mark.parametrize(("number", "most"), [(3, 12), (12, 12), (13, 12), (41, 12), (9, 8)])
def test_few_of_many_settings_are_drawn(number, most):
    drawn = spread_evenly(range(number), most=most)
    assert len(set(drawn)) == min(number, most)
    assert (drawn[0], drawn[-1]) == (0, number - 1)
    assert max(np.diff(drawn)) - min(np.diff(drawn)) <= 1


def test_bins_are_put_together_about_zero():
    told = deviation(np.array([39.95, 40.0, 40.14, 40.16, 40.9]), 40)
    places, shares = binned(told, step=3)
    assert places.tolist() == pytest.approx([-0.3, 0, 0.3, 0.6, 0.9, 1.2])
    assert shares.tolist() == pytest.approx([0, 0.6, 0.2, 0, 0.2, 0])
    assert binned(told, step=1)[1].sum() == pytest.approx(1)


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


def test_tables_rows_picture_and_page(folder, found, tmp_path):
    compared = comparisons(found, PSNR, anchor="jpeg")
    assert [row.cells[0].text for row in comparison_table(compared, PSNR).rows] == ["jpeg:subsampling=444", "png"]
    assert "%" in comparison_table(compared, PSNR).rows[0].cells[3].text
    assert len(point_table(found, PSNR).rows) == 9
    rows = trial_rows(found)
    assert len(rows) == 27
    assert {"codec", "point", "bits_per_pixel", "psnr", "blocks_16px_within_1_db", "reason"} <= set(rows[0])
    axes = curve_figure(found, "psnr", PSNR["psnr"]).axes
    assert [len(line.get_xdata()) for line in axes[0].get_lines()] == [4, 4]
    assert axes[1].get_xlabel() == "bits per sample"
    assert np.array(axes[0].get_xlim()) == pytest.approx(3 * np.array(axes[1].get_xlim()))
    maps = block_maps(subjects_of(folder), entrants(CODECS), found)
    write_codec_page(tmp_path / "codecs.html", found, compared, PSNR, maps=maps)
    page = (tmp_path / "codecs.html").read_text()
    assert "Rate saved at the same quality" in page
    assert f"Where on {maps[0].image}" in page
    assert page.count("<summary>") == 4
    assert str(tmp_path) not in page


def test_a_pass_is_told_in_images_and_in_ground_where_that_is_known(found):
    def cells(several, link):
        table = point_table(several, {}, downlink=link)
        names = [heading.text for heading in table.headings]
        return {name: cell for name, cell in zip(names, table.rows[0].cells, strict=True) if "pass" in name}

    mine = [t for t in found if t.point == "jpeg:quality=50"]
    plain, strip = Downlink(rate_mbps=1, pass_s=60), Downlink(rate_mbps=1, pass_s=60, swath_km=2)
    images = int(60e6 // (8 * np.mean([t.n_bytes for t in mine])))
    assert {name: cell.value for name, cell in cells(mine, plain).items()} == {"images a pass": images}
    known = [replace(t, gsd_m=2.0) for t in mine]
    area = images * 96 * 120 * 4 / 1e6
    assert {name: cell.value for name, cell in cells(known, strip).items()} == pytest.approx(
        {"images a pass": images, "km² a pass": area, "km of strip a pass": area / 2}
    )
    assert "nobody said gsd_m" in cells(mine, strip)["km of strip a pass"].reason


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
