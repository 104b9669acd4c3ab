"""The one model of ground truth."""

import math

import pytest

from orbiq.datasets.annotations import Annotations, Category, ImageEntry, Object
from orbiq.errors import DatasetError

IMAGES = (
    ImageEntry(id=1, file_name="a.png", rows=20, cols=30, scene="north"),
    ImageEntry(id="two", file_name="sub/b.png", rows=20, cols=30, label="beach"),
)
SHIP = Category(id=7, name="ship", extra={"supercategory": "vehicle"})


def sample(**fields):
    thing = Object(**({"id": 1, "image_id": 1, "category_id": 7} | fields))
    return Annotations(images=IMAGES, categories=(SHIP,), objects=(thing,), extra={"info": {"year": 2020}})


def test_objects_by_image():
    annotations = sample(bbox=(1, 2, 3, 4))
    assert annotations.by_image == {"a.png": annotations.objects, "sub/b.png": ()}


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
