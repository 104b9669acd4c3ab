"""The one model of ground truth."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbiq.arrays import IDENTITY
from orbiq.datasets.annotations import Annotations, Category, ImageEntry, Object, moved
from orbiq.datasets.shapes import decoded_mask, encoded_mask
from orbiq.errors import DatasetError

IMAGES = (
    ImageEntry(id=1, file_name="a.png", rows=20, cols=30, scene="north"),
    ImageEntry(id="two", file_name="sub/b.png", rows=20, cols=30, label="beach"),
)
SHIP = Category(id=7, name="ship", extra={"supercategory": "vehicle"})

LAW = settings(derandomize=True, max_examples=40, deadline=None)


def sample(**fields):
    thing = Object(**({"id": 1, "image_id": 1, "category_id": 7} | fields))
    return Annotations(images=IMAGES, categories=(SHIP,), objects=(thing,), extra={"info": {"year": 2020}})


def moved_object(affine, *, size=(40, 60), **fields):
    return moved(sample(**fields), {"a.png": affine}, {"a.png": size}).objects[0]


def test_objects_by_image():
    annotations = sample(bbox=(1, 2, 3, 4))
    assert annotations.by_image == {"a.png": annotations.objects, "sub/b.png": ()}


def test_doubling_moves_every_geometry():
    mask = np.zeros((20, 30), bool)
    mask[2:6, 1:4] = True
    thing = moved_object(
        (2, 0, 0, 0, 2, 0),
        bbox=(1, 2, 3, 4),
        rbox=(2.5, 4, 3, 4, 0),
        polygons=(((1, 2), (4, 2), (4, 6)),),
        mask=encoded_mask(mask),
        keypoints=((1, 2, 2), (0, 0, 0)),
        area=12,
        extra={"note": "kept"},
    )
    assert thing.bbox == (2, 4, 6, 8)
    assert thing.rbox == pytest.approx((5, 8, 6, 8, 0))
    assert thing.polygons == (((2, 4), (8, 4), (8, 12)),)
    assert decoded_mask(thing.mask).shape == (40, 60)
    assert decoded_mask(thing.mask).sum() == 48
    assert thing.keypoints == ((2, 4, 2), (0, 0, 0))
    assert thing.area == 48
    assert thing.extra == {"note": "kept"}


def test_sizes_and_everything_else():
    before = sample(bbox=(1, 2, 3, 4))
    after = moved(before, {"a.png": (0.5, 0, 0, 0, 0.5, 0)}, {"a.png": (10, 15)})
    assert (after.images[0].rows, after.images[0].cols, after.images[0].scene) == (10, 15, "north")
    assert after.images[1] == before.images[1]
    assert (after.categories, after.extra) == (before.categories, before.extra)
    assert before.objects[0].bbox == (1, 2, 3, 4)


def test_a_box_that_turns_is_drawn_around_the_finest_outline():
    r = math.sqrt(0.5)
    turn = (r, -r, 0.0, r, r, 0.0)
    diamond = ((0.0, 1.0), (1.0, 0.0), (2.0, 1.0), (1.0, 2.0))
    loose = moved_object(turn, bbox=(0, 0, 2, 2))
    tight = moved_object(turn, bbox=(0, 0, 2, 2), polygons=(diamond,))
    turned = moved_object(turn, bbox=(0, 0, 2, 2), rbox=(1, 1, math.sqrt(2), math.sqrt(2), 45))
    assert loose.bbox[2:] == pytest.approx((2 * math.sqrt(2),) * 2)
    assert tight.bbox[2:] == pytest.approx((math.sqrt(2),) * 2)
    assert turned.bbox == pytest.approx(tight.bbox)


def test_a_crop_moves_and_does_not_clip():
    assert moved_object((1, 0, -10, 0, 1, -10), size=(5, 5), bbox=(1, 2, 3, 4)).bbox == (-9, -8, 3, 4)


@LAW
@given(st.tuples(*[st.floats(0, 30)] * 4), st.floats(-180, 180))
def test_identity_is_identity(box, angle):
    before = sample(bbox=box, rbox=(*box, angle), polygons=((box[:2], box[2:], (0, 1)),), area=1)
    assert moved(before, {"a.png": IDENTITY}, {}) == before
    assert moved(before, {}, {}) == before


@LAW
@given(st.sampled_from((0.5, 2, 3)), st.sampled_from((-1, 0.25, 2)), st.integers(-9, 9))
def test_one_after_the_other_is_their_product(x, y, shift):
    before = sample(bbox=(1, 2, 3, 4), rbox=(2, 4, 3, 4, 0), polygons=(((1, 2), (4, 2), (4, 6)),), area=12)
    first, second = (x, 0, shift, 0, y, 1), (0, -1, 20, 1, 0, 0)
    product = (0, -y, 20 - 1, x, 0, shift)
    step = moved(moved(before, {"a.png": first}, {}), {"a.png": second}, {}).objects[0]
    once = moved(before, {"a.png": product}, {}).objects[0]
    assert step.bbox == pytest.approx(once.bbox)
    assert step.rbox[:4] == pytest.approx(once.rbox[:4])
    assert np.allclose(step.polygons, once.polygons)
    assert step.area == pytest.approx(once.area)


@pytest.mark.parametrize("affine", [(0, 0, 0, 0, 1, 0), (math.nan, 0, 0, 0, 1, 0), (1, 0, math.inf, 0, 1, 0)])
def test_a_map_that_cannot_be_followed(affine):
    with pytest.raises(DatasetError, match=r"labels of 'a\.png' cannot follow the map"):
        moved(sample(bbox=(1, 2, 3, 4)), {"a.png": affine}, {})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"image_id": "1"}, "annotation 1 refers to image '1', which does not exist. There is an image with id 1"),
        ({"image_id": 9}, "refers to image 9, which does not exist"),
        ({"category_id": 8}, "refers to category 8, which does not exist"),
        ({"bbox": (1, 2, math.nan, 4)}, "bbox with a number that is not finite"),
        ({"area": math.inf}, "area with a number that is not finite"),
        ({"polygons": (((1, 2), (math.nan, 3)),)}, "polygon with a number that is not finite"),
        ({"keypoints": ((1, math.inf, 2),)}, "keypoints with a number that is not finite"),
        ({"bbox": (1, 2, -3, 4)}, r"bbox \[1, 2, -3, 4\] with a negative side; expected width and height ≥ 0"),
        ({"rbox": (1, 2, 3, -4, 0)}, "negative side"),
    ],
)
def test_what_cannot_be_is_refused(fields, message):
    with pytest.raises(DatasetError, match=message):
        sample(**fields)


def test_nothing_occurs_twice():
    with pytest.raises(DatasetError, match="image id 1 occurs twice"):
        Annotations(images=(IMAGES[0], ImageEntry(id=1, file_name="c.png")))
    with pytest.raises(DatasetError, match=r"file_name 'a\.png' occurs twice"):
        Annotations(images=(IMAGES[0], ImageEntry(id=2, file_name="a.png")))
    with pytest.raises(DatasetError, match="category id 7 occurs twice"):
        Annotations(categories=(SHIP, SHIP))
    thing = Object(id=1, image_id=1, category_id=7)
    with pytest.raises(DatasetError, match="annotation id 1 occurs twice"):
        Annotations(images=IMAGES, categories=(SHIP,), objects=(thing, thing))
