"""Labels carried into a variant: class maps move with their images, number by number."""

import json

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.transform import from_origin

from orbiq.datasets.folder import open_dataset
from orbiq.errors import DatasetError
from orbiq.imageio import read_class_map, write_image
from orbiq.modifiers.labels import carry_labels
from orbiq.modifiers.variants import modify

LARGE = {"uint8": 255, "int8": 127, "int16": -7, "uint16": 65535, "int32": 2**31 - 1, "uint32": 2**32 - 1}


@pytest.mark.parametrize("dtype", LARGE)
def test_class_maps_move_in_any_dtype(tmp_path, dtype):
    classes = np.arange(6, dtype=dtype).reshape(2, 3, 1)
    classes[0, 0] = LARGE[dtype]
    for name in ("images", "masks"):
        (tmp_path / "fields" / name).mkdir(parents=True)
    write_image(tmp_path / "fields" / "images" / "a.png", np.zeros((2, 3, 3), np.uint8))
    write_image(tmp_path / "fields" / "masks" / "a.tif", classes)
    (tmp_path / "work").mkdir()
    doubled = {"a.png": ("a.png", (2.0, 0.0, 0.0, 0.0, 2.0, 0.0), (4, 6, 3))}
    carry_labels(open_dataset(tmp_path / "fields"), tmp_path / "work", moves=doubled, params={})
    moved = read_class_map(tmp_path / "work" / "masks" / "a.tif").array
    assert moved.dtype == dtype
    assert np.array_equal(moved, classes.repeat(2, axis=0).repeat(2, axis=1))


def placed_dataset(folder, **where):
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
        settings = {"driver": "GTiff", "height": 20, "width": 30, "count": 1, "dtype": "uint8", **where}
        with rasterio.open(folder / name / "a.tif", "w", **settings) as sink:
            sink.write(np.arange(600, dtype=np.uint8).reshape(1, 20, 30) % 7)
    (folder / "dataset.json").write_text('{"schema": 1, "gsd_m": 0.5}')
    return folder


@pytest.mark.parametrize("text", ["resize:scale=0.5", "crop:rows=8,cols=9", "flip", "rotate:angle_deg=20"])
def test_variants_keep_their_place_on_the_ground(tmp_path, text):
    place = from_origin(431000.25, 4582000.75, 0.5, 0.5)
    source = placed_dataset(tmp_path / "fields", crs="EPSG:32631", transform=place)
    variant = modify(source, text).path
    about = json.loads((variant / "variant.json").read_text())
    assert about["images"]["a.tif"]["bytes"] > 0
    with rasterio.open(variant / "images" / "a.tif") as image, rasterio.open(variant / "masks" / "a.tif") as mask:
        assert image.crs == mask.crs == rasterio.crs.CRS.from_epsg(32631)
        assert image.transform.almost_equals(mask.transform, precision=1e-9)
        assert image.shape == mask.shape
        gsd_m = abs(image.transform.determinant) ** 0.5
        middle = image.transform @ (image.width / 2, image.height / 2)
    expected = place @ (15, 10) if "crop" not in text else place @ (10 + 4.5, 6 + 4)
    assert middle == pytest.approx(expected, rel=1e-9)
    assert json.loads((variant / "dataset.json").read_text())["gsd_m"] == pytest.approx(gsd_m, rel=1e-12)


def test_control_points_do_not_follow_and_are_refused(tmp_path):
    points = [GroundControlPoint(row=r, col=c, x=c, y=-r) for r, c in ((0, 0), (0, 30), (20, 0), (20, 30))]
    source = placed_dataset(tmp_path / "fields", gcps=points, crs="EPSG:32631")
    with pytest.raises(DatasetError, match=r"'a.tif' .* ground control points, which do not follow"):
        modify(source, "flip")
    assert modify(source, "quantize:bits=4").path.is_dir()


def test_outlines_in_pixels_do_not_follow_and_are_refused(tmp_path):
    (tmp_path / "fields" / "images").mkdir(parents=True)
    write_image(tmp_path / "fields" / "images" / "a.png", np.zeros((4, 4, 1), np.uint8))
    (tmp_path / "fields" / "a.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(DatasetError, match=r"the outlines of a.geojson are pixels, which do not follow"):
        modify(tmp_path / "fields", "flip")
