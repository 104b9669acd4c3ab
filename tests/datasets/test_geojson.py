"""GeoJSON ground truth; solaris' own COCO conversion of the same outlines is the independent reader."""

import json

import numpy as np
import pytest
import rasterio

from orbiq.datasets.coco import read_coco
from orbiq.datasets.folder import open_dataset
from orbiq.datasets.geojson import read_geojson
from orbiq.errors import DatasetError
from orbiq.imageio import Profile, write_image

UTM = rasterio.crs.CRS.from_epsg(32631).to_wkt()
GRID = Profile(format="tiff", crs=UTM, transform=(2.0, 0.0, 1000.0, 0.0, -2.0, 5000.0))
SQUARE = [[1002, 4998], [1006, 4998], [1006, 4990], [1002, 4990], [1002, 4998]]
HOLE = [[1003, 4997], [1005, 4997], [1005, 4995], [1003, 4995], [1003, 4997]]


def feature(geometry, **properties):
    return {
        "type": "Feature",
        "properties": {"image_filename": "a.tif", "class_id": 4} | properties,
        "geometry": geometry,
    }


def polygon(*rings):
    return {"type": "Polygon", "coordinates": list(rings)}


@pytest.fixture
def read(tmp_path):
    write_image(tmp_path / "a.tif", np.zeros((20, 30, 1), np.uint8), profile=GRID)
    write_image(tmp_path / "b.png", np.zeros((20, 30, 1), np.uint8))

    def reader(*features, crs="urn:ogc:def:crs:EPSG::32631", text=None):
        content = {"type": "FeatureCollection", "features": list(features)}
        if crs:
            content["crs"] = {"type": "name", "properties": {"name": crs}}
        (tmp_path / "truth.geojson").write_text(json.dumps(content) if text is None else text)
        return read_geojson(tmp_path / "truth.geojson", images_dir=tmp_path, images=("a.tif", "b.png"))

    return reader


def test_ground_becomes_pixels(read):
    found = read(feature(polygon(SQUARE), height_m=3), feature(None), feature(polygon()))
    (thing,) = found.objects
    assert thing.polygons == (((1, 1), (3, 1), (3, 5), (1, 5)),)
    assert (thing.bbox, thing.area, thing.category_id) == ((1, 1, 2, 4), 8, 4)
    assert thing.extra == {"height_m": 3}
    assert [(i.file_name, i.rows, i.cols) for i in found.images] == [("a.tif", 20, 30), ("b.png", 20, 30)]
    assert [(c.id, c.name) for c in found.categories] == [(4, "4")]


def test_holes_count_in_the_area_and_parts_are_one_object(read):
    assert read(feature(polygon(SQUARE, HOLE))).objects[0].area == 7
    both = {"type": "MultiPolygon", "coordinates": [[SQUARE], [[[x + 10, y] for x, y in SQUARE]]]}
    (thing,) = read(feature(both)).objects
    assert (len(thing.polygons), thing.area, thing.bbox) == (2, 16, (1, 1, 7, 4))


def test_an_image_without_a_place_has_pixels(read):
    ring = [[1, 2], [4, 2], [4, 6], [1, 2]]
    assert read(feature(polygon(ring), image_filename="b.png")).objects[0].bbox == (1, 2, 3, 4)


def test_degrees_are_brought_to_the_grid_of_the_image(read):
    degrees = rasterio.warp.transform_geom(UTM, "OGC:CRS84", polygon(SQUARE))
    (thing,) = read(feature(degrees), crs=None).objects
    assert np.allclose(thing.polygons, [((1, 1), (3, 1), (3, 5), (1, 5))], atol=1e-4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"features\[0\] has no properties; expected image_filename and class_id"),
        (feature(None, class_id=None), r"features\[0\] has class_id None"),
        (feature(None, image_filename="z.tif"), r"lies in image 'z\.tif', which does not exist"),
        (feature(polygon([[1, 2]])), r"features\[0\] cannot be placed in its image.*Look at its coordinates and crs"),
        (feature({"type": "Point", "coordinates": [1, 2]}), r"features\[0\] is no Polygon or MultiPolygon"),
    ],
)
def test_a_broken_feature_is_named(read, given, message):
    with pytest.raises(DatasetError, match=message):
        read(given)


def test_an_unknown_crs_is_named(read):
    with pytest.raises(
        DatasetError, match=r"features\[0\] cannot be placed in its image.*Look at its coordinates and crs"
    ):
        read(feature(polygon(SQUARE)), crs="EPSG:999999")
    with pytest.raises(DatasetError, match="crs is 3; expected"):
        read(text='{"features": [], "crs": 3}')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "are broken JSON: Expecting value in line 1"),
        ("[]", "are no GeoJSON FeatureCollection"),
        ('{"features": 3}', "are no GeoJSON FeatureCollection"),
    ],
)
def test_a_broken_file_is_named(read, text, message):
    with pytest.raises(DatasetError, match=rf"truth\.geojson' {message}"):
        read(text=text)


def test_real_outlines_agree_with_solaris(test_data):
    dataset = open_dataset(test_data / "iquaflow-test-datasets/ds_geo_dataset")
    ours = read_geojson(dataset.geojson_path, images_dir=dataset.images_dir, images=dataset.images)
    theirs = read_coco(test_data / "spacenet-solaris/coco_sample_3.json").by_image
    assert len(ours.objects) == 15
    for name, objects in ours.by_image.items():
        expected = sorted(thing.bbox for thing in theirs[name])
        assert np.allclose(sorted(thing.bbox for thing in objects), expected, atol=1e-6), name
