"""Through real variants on disk: what is bright in the image is where every label says.

One dataset holds a bright bar on a dark ground, and says where it is in every way that it can.
"""

import json
import math
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from rasterio.transform import from_origin

from orbiq.datasets.annotations import Annotations, Category, ImageEntry, Object
from orbiq.datasets.coco import read_coco, write_coco
from orbiq.datasets.folder import open_dataset
from orbiq.datasets.geojson import read_geojson
from orbiq.datasets.shapes import decoded_mask, encoded_mask, mask_box, rotated_box_corners
from orbiq.errors import ImageError
from orbiq.imageio import Profile, read_class_map, read_image, write_image
from orbiq.modifiers.variants import modify
from tests.modifiers.sets import write_set

ROWS, COLS = 61, 84
PLACE = from_origin(431000.25, 4582000.75, 0.5, 0.5)
UTM = rasterio.crs.CRS.from_epsg(32631)
BAR = (44.5, 27.5, 17.0, 5.0, 0.0)  # centre, sides, angle
LAW = settings(derandomize=True, max_examples=8, deadline=None)


def outline():
    return tuple((round(x, 9), round(y, 9)) for x, y in rotated_box_corners(BAR))


def bar():
    """The bar as pixels: 17 × 5 of them."""
    mask = np.zeros((ROWS, COLS), bool)
    mask[25:30, 36:53] = True
    return mask


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bright") / "bars"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    profile = Profile(format="tiff", crs=UTM.to_wkt(), transform=tuple(PLACE)[:6])
    write_image(folder / "images/a.tif", (bar() * np.float32(100))[..., None], profile=profile)
    write_image(folder / "masks/a.tif", (bar() * np.uint8(5))[..., None], profile=profile)
    described = {"bbox": (36, 25, 17, 5), "rbox": BAR, "polygons": (outline(),), "area": 85}
    spot = (*BAR[:2], 2)
    things = (
        Object(id=1, image_id=1, category_id=1, keypoints=(spot,), **described),
        Object(id=2, image_id=1, category_id=1, bbox=(36, 25, 17, 5), mask=encoded_mask(bar()), area=85),
        Object(id=3, image_id=1, category_id=1, bbox=(36, 25, 17, 5), area=85),
    )
    images = (ImageEntry(id=1, file_name="a.tif", rows=ROWS, cols=COLS),)
    write_coco(
        folder / "truth.json",
        Annotations(images=images, categories=(Category(id=1, name="bar"),), objects=things),
    )
    ring = [list(PLACE @ point) for point in (*outline(), outline()[0])]
    feature = {
        "type": "Feature",
        "properties": {"image_filename": "a.tif", "class_id": 1},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    crs = {"type": "name", "properties": {"name": "EPSG:32631"}}
    (folder / "truth.geojson").write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": [feature]}))
    (folder / "dataset.json").write_text('{"schema": 1, "gsd_m": 0.5}')
    return folder


def centre_of(light):
    """(x, y) of the centre of light, and the direction of its long axis in degrees, from 0 to 180."""
    rows, cols = np.indices(light.shape) + 0.5
    total = light.sum()
    x, y = (light * cols).sum() / total, (light * rows).sum() / total
    u, v = cols - x, rows - y
    xx, xy, yy = ((light * product).sum() / total for product in (u * u, u * v, v * v))
    return (x, y), math.degrees(math.atan2(2 * xy, xx - yy)) / 2 % 180


def centre_of_ring(ring):
    points = np.array(ring)
    return tuple(points.mean(axis=0))


EXACT = [
    "flip",
    "flip:axis=vertical",
    "flip:axis=both",
    "crop:rows=30,cols=40,top=12,left=20",
    "crop:rows=55,cols=70",
    "crop:rows=58,cols=80,place=random",
    "rotate:angle_deg=90",
    "rotate:angle_deg=180",
    "rotate:angle_deg=-90",
    "shift:dx_px=9,dy_px=-14",
    "resize:scale=3,method=nearest",
]
BLENDED = [
    "gsd:factor=2",
    "gsd:factor=2.7",
    "gsd:factor=2,psf=box",
    "gsd:factor=1.5,mtf_nyquist=0.3",
    "gsd:factor=2,back=true",
    "resize:scale=0.5",
    "resize:scale=1.7",
    "resize:scale=0.7,method=lanczos",
    "resize:scale=0.6,method=area",
    "resize:scale=1.3,method=bilinear",
    "resize:rows=90,cols=50",
    "rotate:angle_deg=30",
    "rotate:angle_deg=-71.3,canvas=kept",
    "rotate:angle_deg=12,method=bilinear",
    "shift:dx_px=2.3,dy_px=-1.6",
    "shift:dx_px=-0.5,dy_px=0.25,method=lanczos",
    "super-resolve:scale=2",
    "flip>rotate:angle_deg=25>resize:scale=1.4>shift:dx_px=1.25",
]


@pytest.mark.parametrize("text", [*EXACT, *BLENDED])
def test_what_is_bright_is_where_the_labels_say(source, text):
    variant = open_dataset(modify(source, text).path)
    picture = read_image(variant.image_path("a.tif"))
    light = picture.array[..., 0].astype(float)
    centre, direction = centre_of(light)
    near = {"abs": 1e-4 if text in EXACT else 0.07}  # from corners as from centres would be 0.15 or more
    described, masked, boxed = read_coco(variant.annotations_path).objects
    for thing in (described, boxed):
        x, y, width, height = thing.bbox
        assert (x + width / 2, y + height / 2) == pytest.approx(centre, **near)
    assert described.rbox[:2] == pytest.approx(centre, **near)
    assert described.keypoints[0] == pytest.approx((*centre, 2), **near)
    assert centre_of_ring(described.polygons[0]) == pytest.approx(centre, **near)
    turned = (described.rbox[4] - direction + 90) % 180 - 90
    assert turned == pytest.approx(0, abs=0.01 if text in EXACT else 1)
    pixels = decoded_mask(masked.mask)
    assert centre_of(pixels)[0] == pytest.approx(centre, abs=0.01 if text in EXACT else 0.51)
    classes = read_class_map(variant.masks_dir / "a.tif").array[..., 0]
    assert np.array_equal(classes, pixels * np.uint8(5))
    assert pixels.shape == light.shape
    x, y, width, height = masked.bbox
    assert (x + width / 2, y + height / 2) == pytest.approx(centre, abs=0.01 if text in EXACT else 0.75)


@pytest.mark.parametrize("text", [*EXACT, *BLENDED])
def test_the_place_on_the_ground_stays(source, text):
    variant = open_dataset(modify(source, text).path)
    with rasterio.open(variant.image_path("a.tif")) as image, rasterio.open(variant.masks_dir / "a.tif") as mask:
        assert image.crs == mask.crs == UTM
        assert image.transform.almost_equals(mask.transform, precision=1e-9)
        place = image.transform
    before, after = PLACE @ BAR[:2], place @ read_coco(variant.annotations_path).objects[0].keypoints[0][:2]
    assert after == pytest.approx(before, abs=1e-6)
    (lying,) = read_geojson(variant.geojson_path, images_dir=variant.images_dir, images=variant.images).objects
    polygon = read_coco(variant.annotations_path).objects[0].polygons[0]
    assert np.allclose(np.sort(lying.polygons[0], axis=0), np.sort(polygon, axis=0), atol=1e-6)
    assert variant.gsd_m == pytest.approx(abs(place.determinant) ** 0.5)


def test_all_follows_a_modifier_of_ones_own_that_says_no_more_than_its_map(source, tmp_path, monkeypatch):
    (tmp_path / "own_mirror.py").write_text(
        "from dataclasses import dataclass, replace\nfrom orbiq.modifiers import Modified\n\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Mirror:\n"
        "    def __call__(self, scene, *, rng):\n"
        "        mirrored = replace(scene, array=scene.array[:, ::-1].copy())\n"
        "        return Modified(scene=mirrored, affine=(-1, 0, scene.shape[1], 0, 1, 0))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own, flipped = (open_dataset(modify(source, text).path) for text in ("own_mirror:Mirror", "flip"))
    with rasterio.open(own.image_path("a.tif")) as image, rasterio.open(flipped.image_path("a.tif")) as expected:
        assert image.transform == expected.transform
    assert read_coco(own.annotations_path) == read_coco(flipped.annotations_path)


def test_a_lone_pixel_moves_as_its_keypoint(tmp_path):
    """No symmetry to hide behind: a pixel near a corner, in an image without any place."""
    image = np.zeros((24, 40, 3), np.uint8)
    image[5, 31] = 200
    write_set(tmp_path / "dots", image, bbox=(31, 5, 1, 1), keypoints=((31.5, 5.5, 2),))
    for text in ("flip", "rotate:angle_deg=90", "crop:rows=8,cols=12,top=3,left=25", "shift:dx_px=-4,dy_px=11"):
        variant = open_dataset(modify(tmp_path / "dots", text).path)
        ((row, col),) = np.argwhere(read_image(variant.image_path("a.png")).array[..., 1])
        (thing,) = read_coco(variant.annotations_path).objects
        assert thing.bbox == (col, row, 1, 1)
        assert thing.keypoints == ((col + 0.5, row + 0.5, 2),)


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("crop:rows=61,cols=40,top=0,left=0>shift:dx_px=-10", (26, 25, 4, 5)),
        ("shift:dx_px=40>shift:dx_px=-40", (36, 25, 8, 5)),
        ("shift:dy_px=-27>flip:axis=vertical>shift:dy_px=-27>flip:axis=vertical", (36, 27, 17, 3)),
        ("crop:rows=61,cols=40,top=0,left=0>resize:scale=2,method=nearest>shift:dx_px=-20", (52, 50, 8, 10)),
    ],
)
def test_what_an_image_in_between_did_not_show_is_lost(source, text, box):
    """The last image would have room for it, but the pixels are gone."""
    variant = open_dataset(modify(source, text).path)
    x, y, width, height = box
    bright = read_image(variant.image_path("a.tif")).array[..., 0] > 50
    assert np.array_equal(np.argwhere(bright)[[0, -1]], [(y, x), (y + height - 1, x + width - 1)])
    assert bright.sum() == width * height
    for thing in read_coco(variant.annotations_path).objects:
        assert thing.bbox == pytest.approx(box)
        assert thing.area == pytest.approx(width * height)
    masked = read_coco(variant.annotations_path).objects[1]
    assert np.array_equal(decoded_mask(masked.mask), bright)
    assert np.array_equal(read_class_map(variant.masks_dir / "a.tif").array[..., 0] == 5, bright)
    (lying,) = read_geojson(variant.geojson_path, images_dir=variant.images_dir, images=variant.images).objects
    assert lying.bbox == pytest.approx(box, abs=1e-6)


# ---- laws ----------------------------------------------------------------------------------------------------------


@st.composite
def labelled_images(draw):
    rows, cols = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    image = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 255, (rows, cols, 3), np.uint8)
    x, y = st.floats(0, cols).map(lambda v: round(v, 3)), st.floats(0, rows).map(lambda v: round(v, 3))
    left, top = draw(st.integers(0, cols - 1)), draw(st.integers(0, rows - 1))
    box = (left, top, draw(st.integers(1, cols - left)), draw(st.integers(1, rows - top)))
    mask = np.zeros((rows, cols), bool)
    mask[top : top + box[3], left : left + box[2]] = True
    fields = {
        "bbox": box,
        "rbox": (left + box[2] / 2, top + box[3] / 2, box[2], box[3], draw(st.integers(-89, 89))),
        "polygons": (tuple(draw(st.lists(st.tuples(x, y), min_size=3, max_size=6))),) if draw(st.booleans()) else (),
        "mask": encoded_mask(mask),
        "keypoints": ((draw(x), draw(y), 2), (0, 0, 0)),
        "area": box[2] * box[3],
    }
    return image, fields


THERE_AND_BACK = [
    ["flip", "flip"],
    ["flip:axis=vertical", "flip:axis=vertical"],
    ["flip", "flip:axis=vertical", "flip:axis=both"],
    ["rotate:angle_deg=90"] * 4,
    ["rotate:angle_deg=180", "rotate:angle_deg=180"],
    ["rotate:angle_deg=90", "rotate:angle_deg=-90"],
    ["rotate:angle_deg=90", "flip", "rotate:angle_deg=90", "flip"],
    ["resize:scale=3,method=nearest", "resize:scale=0.3333333333333333,method=area"],
    ["super-resolve:scale=2,model=bicubic", "resize:scale=0.5,method=area"],
]


@pytest.mark.parametrize("texts", THERE_AND_BACK, ids=">".join)
@LAW
@given(labelled_images())
def test_there_and_back_is_where_it_was(texts, labelled):
    """Variants of variants: pixels and labels come back, the sizes they had on the way are not what is remembered."""
    image, fields = labelled
    with tempfile.TemporaryDirectory() as folder:
        first = place = write_set(Path(folder) / "set", image, **fields)
        for text in texts:
            place = modify(place, text).path
        before, after = (read_coco(each / "truth.json") for each in (first, place))
        if "super-resolve" not in texts[0]:
            assert np.array_equal(read_image(place / "images/a.png").array, image)
        (old,), (new,) = before.objects, after.objects
        assert new.bbox == pytest.approx(old.bbox, abs=1e-6)
        assert new.rbox[:4] == pytest.approx(old.rbox[:4], abs=1e-6)
        assert math.sin(math.radians(new.rbox[4] - old.rbox[4])) == pytest.approx(0, abs=1e-6)
        assert np.allclose(np.ravel(new.polygons), np.ravel(old.polygons), atol=1e-6)
        assert np.array_equal(decoded_mask(new.mask), decoded_mask(old.mask))
        assert np.allclose(new.keypoints, old.keypoints, atol=1e-6)
        assert new.area == pytest.approx(old.area)
        assert (after.images[0].rows, after.images[0].cols) == (before.images[0].rows, before.images[0].cols)
        assert new.extra == {"original_bbox": list(old.bbox), "original_area": old.area}


steps = st.one_of(
    st.sampled_from(["flip", "flip:axis=vertical", "rotate:angle_deg=90", "rotate:angle_deg=180,canvas=kept"]),
    st.builds("shift:dx_px={},dy_px={}".format, st.integers(-3, 3), st.integers(-3, 3)),
    st.builds("crop:rows={},cols={},place=random".format, st.integers(4, 6), st.integers(4, 6)),
    st.just("resize:scale=2,method=nearest"),
)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(steps, min_size=1, max_size=4))
def test_what_covers_the_image_covers_its_valid_pixels(chain):
    """An object as large as the image, and a class all over it, end where the picture ends, whatever was done."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "set"
        for name in ("images", "masks"):
            (place / name).mkdir(parents=True)
            write_image(place / name / "a.tif", np.full((9, 12, 1), 9, np.uint8))
        everything = Object(id=1, image_id=1, category_id=1, mask=encoded_mask(np.ones((9, 12), bool)), area=108)
        framed = Object(id=2, image_id=1, category_id=1, bbox=(0, 0, 12, 9), area=108)
        entry, ship = ImageEntry(id=1, file_name="a.tif", rows=9, cols=12), Category(id=1, name="ship")
        write_coco(place / "truth.json", Annotations(images=(entry,), categories=(ship,), objects=(everything, framed)))
        try:
            variant = modify(place, ">".join(chain)).path
        except ImageError:  # a crop of more than there is, or nothing left in sight
            reject()
        picture = read_image(variant / "images/a.tif")
        valid = np.ones(picture.array.shape[:2], bool) if picture.mask is None else picture.mask
        after = {thing.id: thing for thing in read_coco(variant / "truth.json").objects}
        assert np.array_equal(read_class_map(variant / "masks/a.tif").array[..., 0] == 9, valid)
        assert bool(after) == valid.any()
        if not after:
            return
        assert np.array_equal(decoded_mask(after[1].mask), valid)
        assert after[2].area == pytest.approx(valid.sum())
        # a mask counts whole pixels of the first image, and of a doubled one half a pixel may be in sight
        assert after[1].area == pytest.approx(
            valid.sum(), abs=0 if "resize" not in str(chain) else 4 * sum(valid.shape)
        )
        assert after[2].bbox == pytest.approx(mask_box(valid))


# ---- agreement ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("crop:rows=220,cols=260,top=40,left=50", lambda mask: mask[40:260, 50:310]),
        ("flip>crop:rows=220,cols=260,top=40,left=50", lambda mask: mask[:, ::-1][40:260, 50:310]),
        ("rotate:angle_deg=90>crop:rows=220,cols=260,top=40,left=50", lambda mask: np.rot90(mask, -1)[40:260, 50:310]),
        ("shift:dx_px=-150,dy_px=90", lambda mask: shifted(mask, -150, 90)),
    ],
)
def test_pycocotools_sees_the_part_of_the_old_masks(test_data, tmp_path, capsys, text, cut):
    """Real outlines, drawn by another's hand before and after."""
    shutil.copytree(test_data / "iquaflow-test-datasets/ds_coco_dataset", tmp_path / "real")
    variant = modify(tmp_path / "real", text)
    before, after = (COCO(str(folder / "coco_annotations.json")) for folder in (tmp_path / "real", variant.path))
    assert len(before.anns) == len(after.anns) + variant.dropped
    assert 20 < len(after.anns) < len(before.anns)
    crowd = {key for key, thing in before.anns.items() if isinstance(thing["segmentation"], dict)}
    agreeing = []
    for key, thing in before.anns.items():
        part = cut(before.annToMask(thing)).astype(bool)
        if key not in after.anns:
            assert part.sum() <= 2  # what touches the border in a pixel's corner
            continue
        left = after.annToMask(after.anns[key]).astype(bool)
        assert left.shape == part.shape
        if key in crowd:
            assert np.array_equal(left, part)
        elif part.sum() > 400:
            agreeing.append((left & part).sum() / (left | part).sum())
            assert after.anns[key]["area"] == pytest.approx(part.sum(), rel=0.1)
    assert min(agreeing) > 0.9
    assert np.median(agreeing) > 0.98


def shifted(mask, dx, dy):
    moved = np.zeros_like(mask)
    moved[dy:, :dx] = mask[:-dy, -dx:]
    return moved
