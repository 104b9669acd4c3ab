"""The one model of ground truth: images, categories and objects, whatever file they came from.

Pixel coordinates are (x, y), x to the right, y down, the top-left pixel covering [0, 1) × [0, 1).
What a source file says beyond the model is kept in `extra`, so that nothing is lost.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isfinite
from typing import Any

from orbiq.arrays import IDENTITY, Affine
from orbiq.datasets.shapes import (
    Box,
    Point,
    RotatedBox,
    hull,
    keeps_axes,
    moved_box,
    moved_mask,
    moved_points,
    moved_rotated_box,
    rotated_box_corners,
    scale_of_area,
)
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


def moved(annotations: Annotations, affines: Mapping[str, Affine], sizes: Mapping[str, tuple[int, int]]) -> Annotations:
    """The same ground truth after the pixels of each image went through its affine map.

    `affines` and `sizes` (the new rows, cols) are by file name; an image without stays as it is. Upright boxes
    become the upright box around their moved outline (exact for scales, mirrors and quarter turns; else around the
    finest outline known: polygons, rotated box, corners); rotated boxes see `moved_rotated_box`; areas follow
    |det|; masks are resampled to the nearest pixel. Objects that leave the image are kept and not clipped.

    >>> before = Annotations(
    ...     images=(ImageEntry(id=1, file_name="a.png", rows=10, cols=10),),
    ...     categories=(Category(id=1, name="ship"),),
    ...     objects=(Object(id=1, image_id=1, category_id=1, bbox=(2, 4, 2, 2), area=4),),
    ... )
    >>> after = moved(before, {"a.png": (0.5, 0, 0, 0, 0.5, 0)}, {"a.png": (5, 5)})
    >>> after.objects[0].bbox, after.objects[0].area, after.images[0].rows
    ((1.0, 2.0, 1.0, 1.0), 1.0, 5)
    """
    for name, affine in affines.items():
        if not all(isfinite(v) for v in affine) or scale_of_area(affine) == 0:
            raise DatasetError(
                f"labels of {name!r} cannot follow the map {affine}; expected finite numbers, a·e − b·d ≠ 0."
            )
    names = {image.id: image.file_name for image in annotations.images}
    return replace(
        annotations,
        images=tuple(_resized(image, sizes.get(image.file_name)) for image in annotations.images),
        objects=tuple(
            _moved_object(thing, affines.get(name, IDENTITY), sizes.get(name))
            for thing in annotations.objects
            for name in (names[thing.image_id],)
        ),
    )


def _resized(image: ImageEntry, size: tuple[int, int] | None) -> ImageEntry:
    return image if size is None else replace(image, rows=size[0], cols=size[1])


def _moved_object(thing: Object, affine: Affine, size: tuple[int, int] | None) -> Object:
    if tuple(affine) == IDENTITY and (thing.mask is None or size in (None, tuple(thing.mask["size"]))):
        return thing
    polygons = tuple(moved_points(ring, affine) for ring in thing.polygons)
    rbox = None if thing.rbox is None else moved_rotated_box(thing.rbox, affine)
    return replace(
        thing,
        bbox=None if thing.bbox is None else _moved_bbox(thing, affine),
        rbox=rbox,
        polygons=polygons,
        mask=None if thing.mask is None else moved_mask(thing.mask, affine, size=size),
        keypoints=tuple(_moved_keypoint(point, affine) for point in thing.keypoints),
        area=None if thing.area is None else thing.area * scale_of_area(affine),
    )


def _moved_bbox(thing: Object, affine: Affine) -> Box:
    if thing.bbox is None or keeps_axes(affine) or not (thing.polygons or thing.rbox):
        return moved_box(thing.bbox or (0, 0, 0, 0), affine)
    outline = [point for ring in thing.polygons for point in ring]
    return hull(moved_points(outline or rotated_box_corners(thing.rbox or (0, 0, 0, 0, 0)), affine))


def _moved_keypoint(point: Keypoint, affine: Affine) -> Keypoint:
    x, y, visibility = point
    if visibility == 0:
        return point
    ((x, y),) = moved_points([(x, y)], affine)
    return x, y, visibility


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
