"""Labels follow their pixels: ground truth after an image was scaled, cut, turned, mirrored or shifted.

What of an object lay inside the old image and lies inside the new one is visible. Its share of what lay inside the old
one is that of its polygons' area; without polygons, of its mask's pixels; without a mask, of the area of its rotated
box, or else of its box; of a geometry without area, of the points; without any geometry 1.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from orbiq.arrays import Affine
from orbiq.datasets.annotations import Annotations, ImageEntry, Keypoint, Object
from orbiq.datasets.shapes import (
    Box,
    Point,
    Rle,
    Size,
    box_corners,
    decoded_mask,
    encoded_mask,
    hull,
    keeps_axes,
    mask_box,
    moved_box,
    moved_mask,
    moved_points,
    moved_rotated_box,
    rotated_box_corners,
    scale_of_area,
)
from orbiq.datasets.visible import (
    ROUNDING,
    Move,
    Rings,
    Visible,
    hide_unseen,
    rings_of,
    seen,
    visible_part,
    within,
)
from orbiq.errors import SettingError


def moved(annotations: Annotations, moves: Mapping[str, Move], *, min_visible: float = 0.0) -> Annotations:
    """The same ground truth after the pixels of each image (by file name) moved; an image without a move stays.

    Objects of which less than `min_visible` (0 to 1) is still visible are dropped, at 0 those of which nothing is. Of
    those kept, polygons and masks are clipped to the image, boxes drawn around what is left, areas reduced by as much;
    rotated boxes stay whole, for what is left of one is no rectangle; keypoints outside become (0, 0, 0), COCO's "not
    labelled", and `num_keypoints` counts the others. A wholly visible object is not cut: upright boxes become the
    upright box around their moved outline (exact for scales, mirrors and quarter turns; else around the finest outline
    known: polygons, mask, rotated box, corners); rotated boxes see `moved_rotated_box`; masks take the nearest pixel.

    How large everything was in the first image of all is kept in `extra`: `original_bbox` and `original_area` of an
    object, `original_width` and `original_height` of an image. A second move does not overwrite them.

    >>> from orbiq.datasets.annotations import Category
    >>> before = Annotations(
    ...     images=(ImageEntry(id=1, file_name="a.png", rows=10, cols=10),),
    ...     categories=(Category(id=1, name="ship"),),
    ...     objects=(Object(id=1, image_id=1, category_id=1, bbox=(2, 4, 4, 4), area=16),),
    ... )
    >>> right_half = Move(affine=(1, 0, -5, 0, 1, 0), before=(10, 10), after=(10, 5))
    >>> after = moved(before, {"a.png": right_half})
    >>> after.objects[0].bbox, after.objects[0].area, after.objects[0].extra["original_area"]
    ((0.0, 4.0, 1.0, 4.0), 4.0, 16)
    >>> moved(before, {"a.png": right_half}, min_visible=0.5).objects
    ()
    """
    if not 0 <= min_visible <= 1:
        raise SettingError(f"min_visible is {min_visible}; expected a share, from 0 to 1.")
    names = {image.id: image.file_name for image in annotations.images}
    followed = (
        _followed(thing, moves.get(names[thing.image_id]), min_visible=min_visible) for thing in annotations.objects
    )
    return replace(
        annotations,
        images=tuple(_resized(image, moves.get(image.file_name)) for image in annotations.images),
        objects=tuple(thing for thing in followed if thing is not None),
    )


def _resized(image: ImageEntry, move: Move | None) -> ImageEntry:
    if move is None or not move.changes:
        return image
    rows, cols = move.before
    original = {"original_width": cols, "original_height": rows}
    return replace(image, rows=move.after[0], cols=move.after[1], extra={**original, **image.extra})


def _followed(thing: Object, move: Move | None, *, min_visible: float) -> Object | None:
    """The object in the new image; None where too little of it is visible."""
    if move is None or not move.changes:
        return thing
    visible = _visible(_outline(thing), move)
    whole, inside, left = _sizes(thing, move, visible)
    if left == 0 or left < (min_visible - ROUNDING) * inside:
        return None
    followed = _clipped(_whole(thing, move), thing, visible, move)
    if left < whole and followed.area is not None:
        followed = replace(followed, area=followed.area * left / whole)
    original = {"original_bbox": thing.bbox and list(thing.bbox), "original_area": thing.area}
    return replace(
        followed, extra={**{k: v for k, v in original.items() if v is not None}, **_recounted(thing, followed)}
    )


def _recounted(thing: Object, followed: Object) -> Mapping[str, Any]:
    if "num_keypoints" not in thing.extra:
        return thing.extra
    return {**thing.extra, "num_keypoints": sum(point[2] > 0 for point in followed.keypoints)}


# ---- how much is visible ------------------------------------------------------------------------------------


def _sizes(thing: Object, move: Move, visible: Visible | None) -> tuple[float, float, float]:
    """How much of an object there is, lay inside the old image, and lies inside both, all in one unit."""
    if thing.mask is not None and not thing.polygons:
        sizes = _pixels_of(thing.mask, move)
        if sizes[0] > 0:
            return sizes
    if visible is not None and visible.whole > 0:
        return visible.whole, visible.inside, visible.part
    points = [point for ring in _outline(thing) for point in ring]
    points = points or [(x, y) for x, y, labelled in thing.keypoints if labelled]
    return _points_of(points, move) if points else (1.0, 1.0, 1.0)


def _visible(rings: Rings, move: Move) -> Visible | None:
    """What is visible of the union of the rings; None where no border cuts them."""
    if move.shows(point for ring in rings for point in ring):
        return None
    from shapely import Polygon, make_valid, union_all

    parts = [Polygon(ring) for ring in rings if len(ring) > 2]
    return visible_part(parts[0] if len(parts) == 1 else union_all([make_valid(part) for part in parts]), move)


def _pixels_of(rle: Rle, move: Move) -> tuple[float, float, float]:
    rows, cols = np.nonzero(decoded_mask(rle))
    held = (rows < move.before[0]) & (cols < move.before[1])
    return float(rows.size), float(held.sum()), float(seen(cols + 0.5, rows + 0.5, move).sum())


def _points_of(points: list[Point], move: Move) -> tuple[float, float, float]:
    held = [point for point in points if within(point, move.before)]
    return float(len(points)), float(len(held)), float(sum(move.shows([point]) for point in held))


def _outline(thing: Object) -> Rings:
    """The finest outline known: polygons, the rotated box, or the box."""
    if thing.polygons:
        return thing.polygons
    if thing.rbox is not None:
        return (rotated_box_corners(thing.rbox),)
    return () if thing.bbox is None else (box_corners(thing.bbox),)


# ---- where it comes to lie ----------------------------------------------------------------------------------


def _whole(thing: Object, move: Move) -> Object:
    """The object where its pixels go, boxes and polygons not clipped."""
    affine = move.affine
    mask = None if thing.mask is None else _moved_mask(thing.mask, move)
    return replace(
        thing,
        bbox=None if thing.bbox is None else _moved_bbox(thing, thing.bbox, mask, affine),
        rbox=None if thing.rbox is None else moved_rotated_box(thing.rbox, affine),
        polygons=tuple(moved_points(ring, affine) for ring in thing.polygons),
        mask=mask,
        keypoints=tuple(_moved_keypoint(point, move) for point in thing.keypoints),
        area=None if thing.area is None else thing.area * scale_of_area(affine),
    )


def _moved_bbox(thing: Object, box: Box, mask: Rle | None, affine: Affine) -> Box:
    if keeps_axes(affine):
        return moved_box(box, affine)
    if mask is not None and not thing.polygons:
        return _meeting(moved_box(box, affine), mask)
    return hull(moved_points([point for ring in _outline(thing) for point in ring], affine))


def _meeting(box: Box, mask: Rle) -> Box:
    """What a box has in common with the box around a mask; the box itself where they do not meet."""
    pixels = decoded_mask(mask)
    if not pixels.any():
        return box
    (x, y, width, height), (left, top, across, down) = box, mask_box(pixels)
    x, right = max(x, left), min(x + width, left + across)
    y, bottom = max(y, top), min(y + height, top + down)
    return (x, y, right - x, bottom - y) if right > x and bottom > y else box


def _moved_keypoint(point: Keypoint, move: Move) -> Keypoint:
    x, y, visibility = point
    if visibility == 0:
        return point
    (new,) = moved_points([(x, y)], move.affine)
    return (*_inwards(new, move.after), visibility) if move.shows([(x, y)]) else (0.0, 0.0, 0)


def _moved_mask(rle: Rle, move: Move) -> Rle:
    moved = moved_mask(rle, move.affine, size=move.after)
    if not move.hides:
        return moved
    mask = decoded_mask(moved)
    hide_unseen(mask, move, fill=False)
    return encoded_mask(mask)


def _clipped(followed: Object, thing: Object, visible: Visible | None, move: Move) -> Object:
    """The followed object, clipped to what is visible; a box that no border cuts stays, whatever the outline does."""
    rings = followed.polygons if visible is None else rings_of(visible.shape) or followed.polygons
    bbox = followed.bbox
    if bbox is not None and thing.bbox is not None and not move.shows(box_corners(thing.bbox)):
        bbox = bbox if visible is None or visible.shape.is_empty else hull(p for ring in rings for p in ring)
        if followed.mask is not None and not followed.polygons:
            bbox = _meeting(bbox, followed.mask)
    return replace(
        followed,
        bbox=None if bbox is None else _box_inwards(bbox, move.after),
        polygons=tuple(tuple(_inwards(p, move.after) for p in ring) for ring in rings) if followed.polygons else (),
    )


def _inwards(point: Point, size: Size) -> Point:
    """The point of the image that is nearest."""
    return min(max(point[0], 0), size[1]), min(max(point[1], 0), size[0])


def _box_inwards(box: Box, size: Size) -> Box:
    corners = box_corners(box)
    inside = tuple(_inwards(point, size) for point in corners)
    return box if inside == corners else hull(inside)
