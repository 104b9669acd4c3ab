"""Regions with a quality of their own: a target for every block that they touch."""

import json
from math import nan

import numpy as np
import pytest

from orbiq.datasets.shapes import encoded_mask
from orbiq.errors import DatasetError, ImageError, SettingError
from orbiq.imageio import Profile, write_image
from orbiq.regions import Grid, block_targets, region_targets

PROFILE = Profile(format="tiff")
GRID = Grid(name="scene.tif", profile=PROFILE, shape=(40, 48), block=(16, 16))
OWN = 100.0


def class_map(folder, *, value=1, rows=slice(0, 16), cols=slice(16, 32), shape=(40, 48)):
    numbers = np.zeros((*shape, 1), np.uint8)
    numbers[rows, cols] = value
    write_image(folder / "classes.tif", numbers)
    return folder / "classes.tif"


def ring(left, top, right, bottom):
    return [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]


def geojson(folder, *features, **more):
    outlines = [
        {"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": [points]}}
        for properties, points in features
    ]
    path = folder / "regions.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": outlines, **more}))
    return path


# known answers


def test_a_region_that_fills_a_block_has_its_target_there_alone(tmp_path):
    found = block_targets(class_map(tmp_path), {1: 200.0}, own=OWN, grid=GRID)
    np.testing.assert_array_equal(found, [[nan, 200, nan], [nan] * 3, [nan] * 3])


def test_a_block_takes_the_strictest_of_the_regions_that_touch_it(tmp_path):
    # one pixel into the block below and the one beside
    path = class_map(tmp_path, rows=slice(0, 17), cols=slice(16, 33))
    strict = block_targets(path, {1: 10.0}, own=OWN, grid=GRID)
    np.testing.assert_array_equal(strict, [[nan, 10, 10], [nan, 10, 10], [nan] * 3])
    lax = block_targets(path, {1: 200.0}, own=OWN, grid=GRID)
    np.testing.assert_array_equal(lax, [[nan, 200, nan], [nan] * 3, [nan] * 3])


def test_numbers_without_a_target_are_the_image_s_own(tmp_path):
    numbers = np.full((40, 48, 1), 3, np.uint16)
    numbers[0, 0] = 1
    write_image(tmp_path / "classes.tif", numbers)
    found = block_targets(tmp_path / "classes.tif", {1: 10.0}, own=OWN, grid=GRID)
    assert found[0, 0] == 10
    assert np.isnan(found).sum() == 8


@pytest.mark.parametrize(("text", "expected"), [("1=50,2=35", {1: 50, 2: 35}), (" 0=30.5 ", {0: 30.5}), ("", {})])
def test_targets_as_text(text, expected):
    assert region_targets(text) == expected


# laws


def test_an_outline_says_what_a_map_says(tmp_path):
    painted = block_targets(class_map(tmp_path, rows=slice(5, 33), cols=slice(20, 48)), {1: 10.0}, own=OWN, grid=GRID)
    drawn = block_targets(geojson(tmp_path, ({"region": 1}, ring(20, 5, 48, 33))), {1: 10.0}, own=OWN, grid=GRID)
    np.testing.assert_array_equal(painted, drawn)


def test_an_outline_that_ends_at_a_border_does_not_touch_the_block_behind(tmp_path):
    found = block_targets(geojson(tmp_path, ({"region": 1}, ring(0, 0, 16, 16))), {1: 10.0}, own=OWN, grid=GRID)
    assert found[0, 0] == 10
    assert np.isnan(found).sum() == 8


def test_outlines_that_cover_a_block_together_leave_nothing_of_its_own(tmp_path):
    path = geojson(tmp_path, ({"region": 1}, ring(0, 0, 8, 16)), ({"class_id": 2}, ring(8, 0, 16, 16)))
    found = block_targets(path, {1: 200.0, 2: 300.0}, own=OWN, grid=GRID)
    assert found[0, 0] == 200
    assert np.isnan(found).sum() == 8


def test_outlines_on_the_ground_are_placed_in_the_image(tmp_path):
    from rasterio.crs import CRS

    placed = Profile(format="tiff", crs=CRS.from_epsg(32633).to_wkt(), transform=(2, 0, 5000, 0, -2, 9000))
    path = geojson(tmp_path, ({"region": 1}, ring(5032, 8968, 5064, 9000)), crs={"properties": {"name": "EPSG:32633"}})
    grid = Grid(name="scene.tif", profile=placed, shape=(40, 48), block=(16, 16))
    np.testing.assert_array_equal(
        block_targets(path, {1: 10.0}, own=OWN, grid=grid), [[nan, 10, nan], [nan] * 3, [nan] * 3]
    )


def test_outlines_of_other_images_are_passed_over(tmp_path):
    path = geojson(
        tmp_path,
        ({"region": 1, "image_filename": "scene.tif"}, ring(0, 0, 16, 16)),
        ({"region": 1, "image_filename": "other.tif"}, ring(16, 0, 32, 16)),
    )
    found = block_targets(path, {1: 10.0}, own=OWN, grid=GRID)
    assert np.isnan(found).sum() == 8


@pytest.mark.parametrize("kind", ["polygon", "bbox", "mask"])
def test_coco_says_the_same_however_an_object_is_drawn(tmp_path, kind):
    mask = np.zeros((40, 48), bool)
    mask[0:16, 16:32] = True
    drawn = {
        "polygon": {"segmentation": [[16, 0, 32, 0, 32, 16, 16, 16]]},
        "bbox": {"bbox": [16, 0, 16, 16]},
        "mask": {"segmentation": encoded_mask(mask)},
    }[kind]
    content = {
        "images": [{"id": 1, "file_name": "images/scene.tif"}],
        "categories": [{"id": 4, "name": "ship"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 4, **drawn}],
    }
    (tmp_path / "regions.json").write_text(json.dumps(content))
    found = block_targets(tmp_path / "regions.json", {4: 200.0}, own=OWN, grid=GRID)
    np.testing.assert_array_equal(found, [[nan, 200, nan], [nan] * 3, [nan] * 3])


# errors


@pytest.mark.parametrize("text", ["1", "1=x", "a=3", "1=inf", "1=50=3"])
def test_targets_that_are_none(text):
    with pytest.raises(SettingError, match="expected the number of a region and its PSNR"):
        region_targets(text)


def test_a_region_named_twice():
    with pytest.raises(SettingError, match="names region 1 twice"):
        region_targets("1=50,1=40")


def test_a_map_of_another_size(tmp_path):
    path = class_map(tmp_path, shape=(40, 40))
    with pytest.raises(ImageError, match=r"\(40, 40, 1\) and image 'scene.tif' is \(40, 48\)"):
        block_targets(path, {1: 10.0}, own=OWN, grid=GRID)


def test_numbers_that_do_not_occur(tmp_path):
    with pytest.raises(ImageError, match="hold none of the numbers 7"):
        block_targets(class_map(tmp_path), {7: 10.0}, own=OWN, grid=GRID)
    with pytest.raises(DatasetError, match="hold no outline in image 'scene.tif' with"):
        block_targets(geojson(tmp_path, ({"region": 1}, ring(0, 0, 9, 9))), {7: 10.0}, own=OWN, grid=GRID)


def test_an_outline_without_a_number(tmp_path):
    with pytest.raises(DatasetError, match="has the region 'sea'; expected a whole number"):
        block_targets(geojson(tmp_path, ({"region": "sea"}, ring(0, 0, 9, 9))), {1: 10.0}, own=OWN, grid=GRID)


def test_coco_of_other_images(tmp_path):
    (tmp_path / "regions.json").write_text(json.dumps({"images": [], "categories": [], "annotations": []}))
    with pytest.raises(DatasetError, match="name no image 'scene.tif'"):
        block_targets(tmp_path / "regions.json", {1: 10.0}, own=OWN, grid=GRID)
