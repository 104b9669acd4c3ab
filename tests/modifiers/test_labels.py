"""Labels carried into a variant: class maps move with their images, number by number."""

import json

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.warp import transform

from orbiq.datasets.folder import open_dataset
from orbiq.datasets.geojson import read_geojson
from orbiq.datasets.visible import Move
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
    doubled = {"a.png": Move(affine=(2.0, 0.0, 0.0, 0.0, 2.0, 0.0), before=(2, 3), after=(4, 6))}
    source = open_dataset(tmp_path / "fields")
    carry_labels(source, tmp_path / "work", moves=doubled, names={"a.png": "a.png"}, params={})
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


def outline(*ring, **properties):
    return {
        "type": "Feature",
        "properties": {"image_filename": "a.tif", "class_id": 4} | properties,
        "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
    }


def outlined(source, features, **content):
    (source / "truth.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features, **content}))
    return source


def outlines_of(variant):
    dataset = open_dataset(variant)
    return read_geojson(dataset.geojson_path, images_dir=dataset.images_dir, images=dataset.images).objects


def test_outlines_in_pixels_move(tmp_path):
    box, corner = outline([2, 3], [8, 3], [8, 6], [2, 6], note="kept"), outline([29, 0], [30, 0], [30, 1])
    box["geometry"]["coordinates"].append([[6, 4], [7, 4], [7, 5], [6, 5], [6, 4]])  # a hole
    source = outlined(placed_dataset(tmp_path / "fields"), [box, corner])
    text = "flip>crop:rows=20,cols=25,top=0,left=0"
    cut, whole = outlines_of(modify(source, text).path)
    assert (cut.bbox, cut.area) == ((22, 3, 3, 3), 8)  # 3 of 6 columns are left, with the hole
    assert (whole.bbox, whole.area) == ((0, 0, 1, 1), 0.5)
    assert cut.extra == {"note": "kept", "original_bbox": [2, 3, 6, 3], "original_area": 17}
    few = modify(source, text, min_visible=0.5)
    assert (few.dropped, [thing.bbox for thing in outlines_of(few.path)]) == (1, [whole.bbox])


def test_outlines_on_the_ground_stay_and_are_clipped(tmp_path):
    place = from_origin(431000, 4582000, 0.5, 0.5)
    source = placed_dataset(tmp_path / "fields", crs="EPSG:32631", transform=place)
    corners = [[place @ point for point in ((x, 2), (x + 6, 2), (x + 6, 8), (x, 8))] for x in (2, 12, 16)]
    degrees = [np.transpose(transform("EPSG:32631", "OGC:CRS84", *np.transpose(ring))).tolist() for ring in corners]
    outlined(source, [outline(*ring, n=k) for k, ring in enumerate(degrees)])
    variant = modify(source, "crop:rows=20,cols=10,top=0,left=10>resize:scale=2")
    assert variant.dropped == 1
    whole, cut = outlines_of(variant.path)
    assert whole.bbox == pytest.approx((4, 4, 12, 12), abs=1e-4)
    assert (whole.extra["n"], whole.extra["original_area"]) == (1, pytest.approx(36, abs=1e-3))
    assert whole.extra["original_bbox"] == pytest.approx([12, 2, 6, 6], abs=1e-4)
    assert cut.bbox == pytest.approx((12, 4, 8, 12), abs=1e-4)
    features = json.loads((variant.path / "truth.geojson").read_text())["features"]
    assert features[0]["geometry"]["coordinates"][0][:-1] == degrees[1]


def test_what_has_no_outline_stays_where_it_is(tmp_path):
    source = outlined(placed_dataset(tmp_path / "fields"), [{**outline([0, 0]), "geometry": None}])
    assert json.loads((modify(source, "flip").path / "truth.geojson").read_text())["features"][0]["geometry"] is None


# ---- masks --------------------------------------------------------------------------------------------------------


def test_a_part_from_the_top_left_cuts_masks_although_no_pixel_moves(tmp_path):
    variant = modify(placed_dataset(tmp_path / "fields"), "crop:rows=8,cols=9,top=0,left=0").path
    assert read_class_map(variant / "masks/a.tif").array.shape == (8, 9, 1)


def test_a_mask_of_another_size_is_refused(tmp_path):
    source = placed_dataset(tmp_path / "fields")
    write_image(source / "masks/a.tif", np.zeros((10, 15, 1), np.uint8))
    with pytest.raises(DatasetError, match=r"mask 'a.tif' has 10 × 15 pixels and its image 'a.tif' 20 × 30; expected"):
        modify(source, "flip")
    assert modify(source, "quantize:bits=4").path.is_dir()


def test_masks_move_whatever_their_size_and_number_of_bands(tmp_path):
    """Where OpenCV stops: sides of 32767 pixels, and 4 bands."""
    source = placed_dataset(tmp_path / "fields")
    pixels = np.zeros((40000, 8, 6), np.uint16)
    pixels[39999, 2] = np.arange(1, 7)
    write_image(source / "images/a.tif", np.zeros((40000, 8, 1), np.uint8))
    write_image(source / "masks/a.tif", pixels)
    for text, place, shape in (
        ("flip:axis=both", (0, 5), (40000, 8)),
        ("rotate:angle_deg=90", (2, 0), (8, 40000)),
        ("rotate:angle_deg=180,canvas=kept", (0, 5), (40000, 8)),
        ("crop:rows=2,cols=8,top=39998,left=0", (1, 2), (2, 8)),
    ):
        moved = read_class_map(modify(source, text).path / "masks/a.tif").array
        assert moved.shape == (*shape, 6)
        assert np.argwhere(moved[..., 5]).tolist() == [list(place)]
        assert moved[place].tolist() == [1, 2, 3, 4, 5, 6]
