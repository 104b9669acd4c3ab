"""Metrics over files, folders, datasets and variants; maps; images larger than what is held at once."""

import json
from math import inf, isnan

import numpy as np
import pytest
import rasterio

from orbiq.errors import DatasetError, ImageError
from orbiq.imageio import open_raster, open_sink, read_image, write_image
from orbiq.maps import write_maps
from orbiq.measuring import Reading, Stated, measured, paired_subjects, readings, subjects_of, summaries
from orbiq.metrics.base import Estimate
from orbiq.metrics.chosen import load_metric, split_metrics
from orbiq.modifiers.variants import modify
from orbiq.pictures import Profile
from orbiq.registry import parse_spec
from orbiq.reports.readings import reading_rows, readings_table, summary_table
from orbiq.settings import metric_config
from orbiq.tiles import tiling


def _metrics(text):
    return [load_metric(metric_config(one)) for one in split_metrics(text)]


def _measure(subjects, text, **kwargs):
    rows = []
    for subject, applied in measured(subjects, _metrics(text), jobs=kwargs.pop("jobs", 2), **kwargs):
        rows += readings(subject, applied)
    return rows


def _values(rows):
    return {(row.image, row.score): row.estimate.value for row in rows}


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "plain").mkdir()
    for k in range(3):
        image = rng.integers(0, 255, (40, 50, 3)).astype(np.uint8)
        write_image(tmp_path / "plain" / f"{k}.png", image)
    return tmp_path / "plain"


@pytest.fixture
def dataset(tmp_path):
    rng = np.random.default_rng(1)
    (tmp_path / "fields" / "images").mkdir(parents=True)
    for k in range(3):
        image = rng.integers(0, 4000, (40, 50, 2)).astype(np.uint16)
        write_image(tmp_path / "fields" / "images" / f"{k}.tif", image)
    about = {"schema": 1, "peak": 4095, "gsd_m": 2.0, "scenes": {"0.tif": "a", "1.tif": "a", "2.tif": "b"}}
    (tmp_path / "fields" / "dataset.json").write_text(json.dumps(about))
    return tmp_path / "fields"


def test_a_file_a_folder_and_a_dataset_are_all_images(folder, dataset):
    assert [s.name for s in subjects_of(folder / "1.png")] == ["1.png"]
    assert [s.name for s in subjects_of(folder)] == ["0.png", "1.png", "2.png"]
    first = subjects_of(dataset)[0]
    assert (first.name, first.peak, first.gsd_m, first.scene) == ("0.tif", 4095, 2.0, "a")


def test_what_is_stated_holds_where_no_file_says_it(folder, dataset):
    assert subjects_of(folder, stated=Stated(gsd_m=0.5))[0].gsd_m == 0.5
    assert subjects_of(dataset, stated=Stated(peak=65535))[0].peak == 4095


def test_images_without_a_reference_are_named(folder, tmp_path):
    (tmp_path / "other").mkdir()
    write_image(tmp_path / "other" / "0.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"2 of 3 images in .* have no reference of the same name .* first '1.png'"):
        paired_subjects(tmp_path / "other", folder)
    with pytest.raises(DatasetError, match="does not exist; expected an image, a folder of images, or a dataset"):
        subjects_of(tmp_path / "nothing")


def test_a_variant_is_compared_with_its_source(dataset):
    variant = modify(dataset, parse_spec("gaussian-blur:sigma_px=1"), seed=0)
    rows = _measure(paired_subjects(dataset, variant.path), "psnr,rmse")
    assert len(rows) == 6
    assert all(10 < value < 60 for (_, score), value in _values(rows).items() if score == "psnr")
    same = _measure(paired_subjects(dataset, dataset), "psnr")
    assert set(_values(same).values()) == {inf}


def test_jobs_change_nothing(folder, dataset):
    subjects = paired_subjects(dataset, dataset)
    assert _values(_measure(subjects, "mse", jobs=1)) == _values(_measure(subjects, "mse", jobs=3))


def test_an_unreadable_image_is_unknown_and_the_others_are_measured(folder):
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:200])
    rows = _measure(paired_subjects(folder, folder), "mse")
    values = _values(rows)
    assert isnan(values["1.png", "mse"])
    assert values["0.png", "mse"] == values["2.png", "mse"] == 0
    assert "1.png" in rows[1].estimate.reason
    [summed] = summaries(rows)
    assert (summed.n_images, summed.n_missing) == (2, 1)
    assert summed.mean == 0


def test_summaries_have_an_interval_over_scenes(folder):
    other = folder.parent / "noisy"
    other.mkdir()
    for k, sigma in enumerate((2, 4, 6)):
        image = read_image(folder / f"{k}.png").array
        noise = np.random.default_rng(k).normal(0, sigma, image.shape)
        write_image(other / f"{k}.png", np.clip(image + noise, 0, 255).astype(np.uint8))
    rows = _measure(paired_subjects(folder, other), "rmse")
    [summed] = summaries(rows)
    values = list(_values(rows).values())
    assert summed.mean == pytest.approx(np.mean(values))
    assert summed.sd == pytest.approx(np.std(values, ddof=1))
    assert min(values) - 1e-9 <= summed.low < summed.mean < summed.high <= max(values) + 1e-9


def test_what_is_to_be_taken_with_care_is_marked():
    sure, doubtful = Estimate(value=0.5, low=0.4, high=0.6), Estimate(value=0.3, caution="the edges disagree")
    rows = [
        Reading(group="set", image=f"{k}.tif", scene=f"{k}", metric="rer", score="rer", estimate=estimate)
        for k, estimate in enumerate((sure, doubtful))
    ]
    (summary,) = summaries(rows)
    assert (summary.n_cautioned, summary.cautions) == (1, ("the edges disagree",))
    (cell,) = [cell for cell in summary_table([summary]).rows[0].cells if cell.reason]
    assert (cell.text, cell.reason) == ("0.4000 *", "* with care: 1 of 2 images: the edges disagree")
    assert [row.cells[1].text for row in readings_table(rows).rows] == ["0.5000", "0.3000 *"]
    assert [row["caution"] for row in reading_rows(rows)] == [None, "the edges disagree"]


def test_the_mean_of_infinite_scores_is_infinite_without_interval(folder):
    [summed] = summaries(_measure(paired_subjects(folder, folder), "psnr"))
    assert summed.mean == inf
    assert isnan(summed.low)


def test_metrics_of_one_text():
    assert split_metrics("psnr, ssim:variant=skimage,peak=4095 ,sam") == [
        "psnr",
        "ssim:variant=skimage,peak=4095",
        "sam",
    ]


def _written(path, array, **profile):
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=array.shape[0],
        width=array.shape[1],
        count=array.shape[2],
        dtype=array.dtype,
        **profile,
    ) as sink:
        sink.write(np.moveaxis(array, 2, 0))
    return path


def test_a_file_read_by_windows_is_the_file(tmp_path):
    rng = np.random.default_rng(3)
    array = rng.integers(1, 4000, (70, 90, 2)).astype(np.uint16)
    array[10:20, 30:50] = 0
    path = _written(tmp_path / "a.tif", array, nodata=0)
    picture = read_image(path)
    with open_raster(path, peak=4095) as raster:
        assert raster.shape == (70, 90, 2)
        assert raster.peak == 4095
        part, mask = raster.window(slice(5, 40), slice(20, 60))
    assert np.array_equal(part, picture.array[5:40, 20:60])
    assert np.array_equal(mask, picture.mask[5:40, 20:60])


def test_an_alpha_band_is_mask_and_no_band(tmp_path):
    array = np.full((8, 8, 4), 200, np.uint8)
    array[:4, :, 3] = 0
    write_image(tmp_path / "a.png", array)
    _written(tmp_path / "a.tif", array, photometric="rgb", alpha="yes")
    for name in ("a.png", "a.tif"):
        with open_raster(tmp_path / name) as raster:
            assert raster.shape == (8, 8, 3)
            _, mask = raster.window(slice(0, 8), slice(0, 8))
        assert mask[4:].all()
        assert not mask[:4].any()


def test_a_score_from_disk_is_the_score_in_memory(tmp_path):
    rng = np.random.default_rng(4)
    first = rng.integers(1, 4000, (130, 150, 2)).astype(np.uint16)
    second = np.clip(first + rng.normal(0, 20, first.shape), 1, 4095).astype(np.uint16)
    first[:30, :40] = 0
    subjects = paired_subjects(
        _written(tmp_path / "a.tif", first, nodata=0, tiled=True, blockxsize=64, blockysize=64),
        _written(tmp_path / "b.tif", second),
        stated=Stated(peak=4095),
    )
    mask = np.ones(first.shape[:2], bool)
    mask[:30, :40] = False
    error = (second.astype(float) - first)[mask]
    with tiling(size=48):
        rows = _measure(subjects, "mse")
    assert rows[0].estimate.value == pytest.approx(np.mean(error**2), rel=1e-12)


def test_a_map_lies_where_the_image_lies(tmp_path):
    rng = np.random.default_rng(5)
    array = rng.integers(1, 200, (140, 100, 1)).astype(np.uint8)
    other = np.clip(array + 3, 0, 255).astype(np.uint8)
    array[:20] = 0
    transform = rasterio.Affine(2, 0, 500_000, 0, -2, 4_000_000)
    first = _written(tmp_path / "a.tif", array, nodata=0, crs="EPSG:32631", transform=transform)
    second = _written(tmp_path / "b.tif", other, crs="EPSG:32631", transform=transform)
    [subject] = paired_subjects(first, second)
    with tiling(size=64):
        [path] = write_maps(subject, _metrics("mse,psnr"), tmp_path / "maps")
    assert path == tmp_path / "maps" / "error" / "b.tif"
    with rasterio.open(path) as source:
        assert source.transform == transform
        assert source.crs.to_epsg() == 32631
        values = source.read(1)
    assert np.isnan(values[:20]).all()
    assert (values[20:] == 3).all()


def test_a_sink_appears_whole_or_not_at_all(tmp_path):
    def interrupted():
        with open_sink(tmp_path / "m.tif", (8, 8, 1), profile=Profile(format="tiff")) as write:
            write(slice(0, 8), slice(0, 8), np.ones((8, 8, 1)))
            raise ImageError("stopped half way")

    with pytest.raises(ImageError, match="stopped half way"):
        interrupted()
    assert list(tmp_path.iterdir()) == []
