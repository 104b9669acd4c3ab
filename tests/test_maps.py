"""What metrics say of places, as files: edges upon the image and on the ground."""

import geopandas as gpd
import numpy as np
import pytest
import rasterio

from orbiq.errors import SettingError, StorageError
from orbiq.imageio import read_image, write_image
from orbiq.maps import check_places, write_overlays
from orbiq.measuring import measured, subjects_of
from orbiq.metrics.chosen import load_metric, split_metrics
from orbiq.settings import metric_config
from tests.metrics.test_edge_drawing import SIZE, off_the_step, steps

TURNED = rasterio.Affine(1.6, 0.9, 431_000, 1.1, -2.1, 4_581_000)


def overlays(path, folder, text="edges"):
    metrics = [load_metric(metric_config(one)) for one in split_metrics(text)]
    return [
        written
        for subject, applied in measured(subjects_of(path), metrics, jobs=1)
        for written in write_overlays(subject, applied, folder)
    ]


def geotiff(path, array, **profile):
    rows, cols, bands = array.shape
    shape = {"height": rows, "width": cols, "count": bands, "dtype": array.dtype}
    with rasterio.open(path, "w", driver="GTiff", **shape, **profile) as sink:
        sink.write(np.moveaxis(array, 2, 0))
    return path


def test_edges_open_where_the_image_lies(tmp_path):
    scene = geotiff(tmp_path / "scene.tif", steps(), crs="EPSG:32631", transform=TURNED)
    picture, geojson = overlays(scene, tmp_path / "maps")
    assert (picture, geojson) == tuple(tmp_path / "maps" / "edges" / f"scene{s}" for s in (".png", ".geojson"))
    table = gpd.read_file(geojson)
    assert table.crs.to_epsg() == 32631
    assert table["counts"].sum() >= 5
    x, y = np.concatenate([line.coords for line in table.geometry]).T
    a, b, c, d, e, f = (~TURNED)[:6]
    cols, rows = a * x + b * y + c, d * x + e * y + f
    assert off_the_step(rows - 0.5, cols - 0.5).max() < 0.25
    drawn = read_image(picture).array
    assert drawn.shape == (4 * SIZE, 6 * SIZE, 3)


def test_degrees_keep_longitude_first(tmp_path):
    place = rasterio.Affine(1e-5, 0, 2.1, 0, -1e-5, 41.3)
    _, geojson = overlays(geotiff(tmp_path / "a.tif", steps(), crs="EPSG:4326", transform=place), tmp_path / "maps")
    table = gpd.read_file(geojson)
    west, south, east, north = table.total_bounds
    assert table.crs.to_epsg() == 4326
    assert 2.1 < west < east < 2.1 + 3 * SIZE * 1e-5
    assert 41.3 - 2 * SIZE * 1e-5 < south < north < 41.3


@pytest.mark.parametrize(("place", "name"), [({}, "pixels"), ({"transform": TURNED}, "unknown")])
def test_a_place_that_nobody_knows_is_not_taken_for_degrees(tmp_path, place, name):
    _, geojson = overlays(geotiff(tmp_path / "a.tif", steps(), **place), tmp_path / "maps")
    table = gpd.read_file(geojson)
    assert not table.crs.is_geographic
    assert table.crs.name == name


def test_metrics_of_the_same_edges_give_one_picture(tmp_path):
    (tmp_path / "scenes").mkdir()
    for k in range(2):
        geotiff(tmp_path / "scenes" / f"{k}.tif", steps(bands=2))
    overlays(tmp_path / "scenes", tmp_path / "maps", "rer,fwhm,mtf,entropy")
    names = sorted(p.relative_to(tmp_path / "maps").as_posix() for p in (tmp_path / "maps").rglob("*.*"))
    assert names == [f"edges/scenes/{k}{suffix}" for k in (0, 1) for suffix in (".geojson", ".png")]
    assert set(gpd.read_file(tmp_path / "maps" / "edges" / "scenes" / "0.geojson")["band"]) == {0, 1}


def test_images_whose_maps_would_overwrite_each_other_are_refused(tmp_path):
    (tmp_path / "scenes").mkdir()
    for name in ("a.png", "b.png", "b.tif"):
        write_image(tmp_path / "scenes" / name, np.full((8, 8, 1), 90, np.uint8))
    subjects = subjects_of(tmp_path / "scenes")
    check_places(subjects[:2])
    with pytest.raises(SettingError, match=r"b\.png' and .*b\.tif' would both be called 'scenes/b'"):
        check_places(subjects)


def test_no_edge_is_a_picture_and_an_empty_table(tmp_path):
    write_image(tmp_path / "flat.png", np.full((64, 64, 1), 90, np.uint8))
    picture, geojson = overlays(tmp_path / "flat.png", tmp_path / "maps")
    assert read_image(picture).array.shape == (128, 128, 3)
    assert gpd.read_file(geojson).empty


def test_what_could_not_be_measured_is_not_drawn(tmp_path):
    write_image(tmp_path / "a.png", np.full((64, 64, 1), 90, np.uint8))
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    assert overlays(tmp_path / "a.png", tmp_path / "maps") == []


def test_files_are_whole_or_absent(tmp_path, monkeypatch):
    scene = geotiff(tmp_path / "scene.tif", steps())

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(StorageError, match=r"scene\.png.* cannot be written: No space left on device"):
        overlays(scene, tmp_path / "maps")
    assert [p for p in (tmp_path / "maps").rglob("*") if p.is_file()] == []


def test_a_file_in_the_place_of_the_folder_is_said(tmp_path):
    scene = geotiff(tmp_path / "scene.tif", steps())
    (tmp_path / "maps").write_text("no folder")
    with pytest.raises(StorageError, match="maps"):
        overlays(scene, tmp_path / "maps")
