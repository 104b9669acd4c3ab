"""The quality-factor predictor in use: maps, scores, masks, dtypes, files that are none."""

import pickle

import numpy as np
import pytest

pytest.importorskip("torch", reason="the quality-factor predictor needs the extra learned: torch")

from typer.testing import CliRunner

from orbiq.arrays import Scene
from orbiq.cli.main import app
from orbiq.errors import ImageError, SettingError
from orbiq.imageio import open_raster, read_image, write_image
from orbiq.learning.weights import read_weights, write_weights
from orbiq.metrics.applied import apply_metrics
from orbiq.metrics.chosen import load_metric
from orbiq.predictors.quality_factor import KIND, QualityFactor, qf, qf_map
from orbiq.tiles import tiling
from tests.codecs.pictures import picture

IMAGE = np.asarray(picture((150, 203, 3), seed=9), np.uint8)


@pytest.fixture(scope="module")
def file(trained):
    return trained[0] / "model.safetensors"


@pytest.fixture(scope="module")
def predictor(file):
    return QualityFactor.load(file)


# known answers


def test_the_map_is_a_quarter_of_the_image_and_the_score_its_mean(predictor):
    found = predictor.map(IMAGE)
    assert found.shape == (37, 50, 1)
    known = np.isfinite(found)
    assert known.sum() == 29 * 43  # fields of 34 pixels, 4 apart, the first at pixel 1
    assert ((found[known] >= 0) & (found[known] <= 100)).all()
    assert predictor.score(IMAGE) == pytest.approx(found[known].mean(), abs=1e-4)


def test_how_the_map_spreads(predictor):
    known, said = predictor.map(IMAGE), predictor.measured(IMAGE)
    known = known[np.isfinite(known)]
    assert said.n_cells == known.size
    assert said.sd == pytest.approx(known.std(), abs=1e-3)
    assert [said.p05, said.median, said.p95] == pytest.approx(np.percentile(known, [5, 50, 95]), abs=0.1)
    assert said.low <= said.mean <= said.high


# laws


@pytest.mark.parametrize("size", [32, 60, 128])
def test_tiled_is_whole(predictor, size):
    with tiling(size=1000, threads=1):
        whole, score = predictor.map(IMAGE), predictor.measured(IMAGE)
    with tiling(size=size, threads=2):
        np.testing.assert_allclose(predictor.map(IMAGE), whole, atol=1e-3)  # of 100: 1e-5
        assert predictor.measured(IMAGE).mean == pytest.approx(score.mean, abs=1e-3)


def test_masked_is_cropped(predictor):
    mask = np.zeros(IMAGE.shape[:2], bool)
    mask[40:140, 80:200] = True
    spoilt = np.where(mask[..., None], IMAGE, 0).astype(np.uint8)
    assert predictor.score(spoilt, mask=mask) == pytest.approx(predictor.score(IMAGE[40:140, 80:200]), abs=1e-3)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_dtypes_of_the_same_values_give_the_same(predictor, dtype):
    assert predictor.score(IMAGE.astype(dtype), peak=255) == pytest.approx(predictor.score(IMAGE), abs=1e-4)


def test_wide_data_are_seen_between_black_and_white(predictor):
    wide = 300 + IMAGE.astype(np.uint16) * 4
    assert predictor.score(wide, peak=4095, low_dn=300, high_dn=1320) == pytest.approx(predictor.score(IMAGE), abs=1e-4)
    assert predictor.score(wide, peak=4095) != pytest.approx(predictor.score(IMAGE), abs=1e-4)


def test_a_scene_and_an_array_are_one(predictor, tmp_path):
    write_image(tmp_path / "image.tif", IMAGE)
    with open_raster(tmp_path / "image.tif") as raster:
        assert predictor.score(raster) == predictor.score(IMAGE) == predictor.score(Scene(array=IMAGE, peak=255))


def test_it_is_loaded_once_until_the_file_changes(file, tmp_path):
    assert QualityFactor.load(file) is QualityFactor.load(str(file))
    other = tmp_path / "other.safetensors"
    other.write_bytes(file.read_bytes())
    first = QualityFactor.load(other)
    weights = read_weights(file, kind=KIND)
    arrays = {name: 1.01 * array if "weight" in name else array for name, array in weights.arrays.items()}
    write_weights(other, arrays, weights.description)
    assert QualityFactor.load(other).digest != first.digest


# as metrics


def test_both_metrics_share_one_pass(file):
    metrics = [load_metric({"name": name, "model": str(file)}) for name in ("qf", "qf_map")]
    said = apply_metrics(metrics, Scene(array=IMAGE, peak=255, name="image"))
    assert list(said[0].scores) == ["qf"]
    assert list(said[1].scores) == ["qf_median", "qf_p05", "qf_p95", "qf_sd"]
    assert said[0].result is said[1].result
    estimate = said[0].scores["qf"]
    assert estimate.low <= estimate.value <= estimate.high
    assert estimate.value == qf(IMAGE, model=str(file)).mean


def test_measure_writes_a_map_and_its_picture(file, tmp_path):
    write_image(tmp_path / "scene.tif", IMAGE)
    words = ["measure", tmp_path / "scene.tif", "--metrics", f"qf:model={file}", "--maps", tmp_path / "maps"]
    said = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})
    assert said.exit_code == 0, said.output
    found = read_image(tmp_path / "maps" / "qf" / "scene.tif").array[..., 0]
    assert found.shape == (37, 50)
    np.testing.assert_allclose(found, qf_map(IMAGE, model=str(file))[..., 0], atol=1e-3)
    assert (tmp_path / "maps" / "qf" / "scene.png").stat().st_size > 1000


# what cannot be


def test_bands_that_do_not_fit_are_refused(predictor):
    with pytest.raises(ImageError, match="has 2 bands; this predictor takes 3 together. Select them first, or take"):
        predictor.map(IMAGE[..., :2])


def test_an_image_smaller_than_a_field_has_no_score_and_says_why(predictor):
    said = predictor.measured(IMAGE[:30])
    assert np.isnan(said.mean)
    assert "has no 34×34 pixels that are all valid and not one flat colour" in said.reason
    assert np.isnan(said.scores()["qf"].value)
    assert predictor.map(IMAGE[:30]).shape == (7, 50, 1)


def test_flat_colour_has_no_value(predictor):
    image = IMAGE.copy()
    image[:, :100] = (9, 20, 3)
    found = np.isfinite(predictor.map(image)[..., 0])
    assert not found[:, : (100 - 34) // 4].any()
    assert found[4:33, 30:].sum() == np.isfinite(predictor.map(IMAGE)[4:33, 30:]).sum()
    assert "flat colour" in predictor.measured(np.full((64, 64, 3), 7, np.uint8)).reason


def test_black_must_be_below_white(predictor):
    with pytest.raises(SettingError, match="low_dn is 9 and high_dn 5"):
        predictor.score(IMAGE, low_dn=9, high_dn=5)


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(SettingError, match="no quality-factor predictor is named 'blue'; expected grey"):
        QualityFactor.load("blue")


@pytest.mark.parametrize("kind", ["missing", "cut", "text", "pickle", "foreign", "lacks", "shape"])
def test_a_file_that_is_no_predictor_is_one_sentence(file, tmp_path, kind):
    path, weights = tmp_path / "bad.safetensors", read_weights(file, kind=KIND)
    if kind == "cut":
        path.write_bytes(file.read_bytes()[:-100])
    elif kind == "text":
        path.write_text("no weights at all")
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({"layers": [1, 2, 3]}))
    elif kind == "foreign":
        write_weights(path, weights.arrays, {**weights.description, "kind": "fixed-quality-codec"})
    elif kind == "lacks":
        arrays = {name: array for name, array in weights.arrays.items() if name != "layers.0.weight"}
        write_weights(path, arrays, weights.description)
    elif kind == "shape":
        network = {**weights.description["network"], "widths": [8, 8, 8, 8, 8, 8]}
        write_weights(path, weights.arrays, {**weights.description, "network": network})
    with pytest.raises(SettingError) as told:
        QualityFactor.load(path)
    assert "bad.safetensors" in str(told.value)
    assert "\n" not in str(told.value)
