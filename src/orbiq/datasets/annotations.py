"""The one model of ground truth: images, categories and objects, whatever file they came from.

Pixel coordinates are (x, y), x to the right, y down, the top-left pixel covering [0, 1) × [0, 1).
What a source file says beyond the model is kept in `extra`, so that nothing is lost.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from typing import Any

from orbiq.datasets.shapes import Box, Point, RotatedBox
from orbiq.errors import DatasetError

Id = int | str
Keypoint = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class ImageEntry:
    """An annotated image.

    `file_name` relative to the images folder; `rows`, `cols` its size in pixels where it is stated; `scene` the
    place and time it was cut from; `label` and `value` the class or the number of the image as a whole.
    """

    id: Id
    file_name: str
    rows: int | None = None
    cols: int | None = None
    scene: str | None = None
    label: Id | None = None
    value: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Category:
    """A class of objects."""

    id: Id
    name: str
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Object:
    """One object in one image; every geometry is optional, all are in pixels.

    `bbox` (x, y, width, height), (x, y) the top-left corner. `rbox` (cx, cy, width, height, angle_deg): the centre,
    the two sides, and by how many degrees the side `width` is turned from +x towards +y, that is clockwise to the eye.
    `polygons` rings of (x, y), the object being their union. `mask` a COCO run-length code {"size": [rows, cols],
    "counts": …}. `keypoints` (x, y, visibility) with visibility 0 = not labelled, 1 = hidden, 2 = visible. `area` px².
    """

    id: Id
    image_id: Id
    category_id: Id
    bbox: Box | None = None
    rbox: RotatedBox | None = None
    polygons: tuple[tuple[Point, ...], ...] = ()
    mask: Mapping[str, Any] | None = None
    keypoints: tuple[Keypoint, ...] = ()
    area: float | None = None
    iscrowd: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """The ground truth of a dataset.

    Raises DatasetError where ids or file names occur twice, an object refers to an image or category that
    does not exist, a number is not finite, or a side is negative.
    """

    images: tuple[ImageEntry, ...] = ()
    categories: tuple[Category, ...] = ()
    objects: tuple[Object, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _refuse_twice((image.id for image in self.images), "image id")
        _refuse_twice((image.file_name for image in self.images), "file_name")
        _refuse_twice((category.id for category in self.categories), "category id")
        _refuse_twice((thing.id for thing in self.objects), "annotation id")
        images = {image.id for image in self.images}
        categories = {category.id for category in self.categories}
        for thing in self.objects:
            _refuse_stranger(thing, thing.image_id, images, "image")
            _refuse_stranger(thing, thing.category_id, categories, "category")
            _refuse_numbers(thing)

    @cached_property
    def by_image(self) -> Mapping[str, tuple[Object, ...]]:
        """File name → its objects, () for an image without; in the order of `images`."""
        found: dict[Id, list[Object]] = {image.id: [] for image in self.images}
        for thing in self.objects:
            found[thing.image_id].append(thing)
        return {image.file_name: tuple(found[image.id]) for image in self.images}


def _refuse_twice(values: Iterable[Id], what: str) -> None:
    seen: set[Id] = set()
    for value in values:
        if value in seen:
            raise DatasetError(f"{what} {value!r} occurs twice; expected each once. Remove or renumber one of them.")
        seen.add(value)


def _refuse_stranger(thing: Object, reference: Id, known: set[Id], what: str) -> None:
    if reference not in known:
        # 1 and "1" differ: the commonest cause of a reference into nowhere
        hint = (
            f" There is {'an' if what == 'image' else 'a'} {what} with id {_other(reference)!r}: make the types equal."
            if _other(reference) in known
            else ""
        )
        raise DatasetError(f"annotation {thing.id!r} refers to {what} {reference!r}, which does not exist.{hint}")


def _other(reference: Id) -> Id | None:
    if isinstance(reference, int):
        return str(reference)
    return int(reference) if reference.isdecimal() else None


def _refuse_numbers(thing: Object) -> None:
    points = [value for ring in thing.polygons for point in ring for value in point]
    keys = [value for point in thing.keypoints for value in point]
    for what, values in (
        ("bbox", thing.bbox or ()),
        ("rbox", thing.rbox or ()),
        ("polygon", points),
        ("keypoints", keys),
        ("area", () if thing.area is None else (thing.area,)),
    ):
        if not all(isfinite(value) for value in values):
            raise DatasetError(
                f"annotation {thing.id!r} has a {what} with a number that is not finite; expected pixels."
            )
    for what, box in (("bbox", thing.bbox), ("rbox", thing.rbox)):
        if box is not None and min(box[2:4]) < 0:
            raise DatasetError(
                f"annotation {thing.id!r} has the {what} {list(box)} with a negative side; "
                "expected width and height ≥ 0."
            )
