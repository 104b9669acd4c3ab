"""Geometry of labels under an affine map of the pixel plane.

Coordinates are (x, y) in pixels, x to the right, y down, the top-left pixel covering [0, 1) × [0, 1). A map is
(a, b, c, d, e, f): x' = a·x + b·y + c, y' = d·x + e·y + f. Nothing is clipped at the border of an image;
`orbiq.datasets.moving` does.
"""

from collections.abc import Iterable, Mapping
from math import atan2, ceil, cos, degrees, floor, hypot, radians, sin
from typing import Any

import numpy as np

from orbiq.arrays import Affine, Array, BoolArray
from orbiq.errors import DatasetError

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""(x, y, width, height), (x, y) the top-left corner."""
RotatedBox = tuple[float, float, float, float, float]
"""(cx, cy, width, height, angle_deg): the side `width` is turned from +x towards +y, clockwise to the eye."""
Size = tuple[int, int]
"""(rows, cols) of an image."""
Rle = Mapping[str, Any]
"""COCO run-length code {"size": [rows, cols], "counts": text, or a list of runs down the columns, zeros first}."""


def moved_points(points: Iterable[Point], affine: Affine) -> tuple[Point, ...]:
    """The points where the map takes them.

    >>> moved_points([(1, 2)], (2, 0, 10, 0, 2, 0))
    ((12, 4),)
    """
    a, b, c, d, e, f = affine
    return tuple((a * x + b * y + c, d * x + e * y + f) for x, y in points)


def hull(points: Iterable[Point]) -> Box:
    """The smallest upright box around the points.

    >>> hull([(1, 5), (4, 2)])
    (1, 2, 3, 3)
    """
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def box_corners(box: Box) -> tuple[Point, ...]:
    """The four corners of an upright box, clockwise to the eye from the top left.

    >>> box_corners((0, 0, 2, 1))
    ((0, 0), (2, 0), (2, 1), (0, 1))
    """
    x, y, width, height = box
    return (x, y), (x + width, y), (x + width, y + height), (x, y + height)


def moved_box(box: Box, affine: Affine) -> Box:
    """The upright box around the moved corners: exact where the map keeps the axes, else larger than need be.

    >>> moved_box((0, 0, 2, 1), (0, -1, 10, 1, 0, 0))
    (9, 0, 1, 2)
    """
    return hull(moved_points(box_corners(box), affine))


def rotated_box_corners(box: RotatedBox) -> tuple[Point, ...]:
    """The four corners of a rotated box: back left, front left, front right, back right, as seen along its `width`.

    >>> [(round(x), round(y)) for x, y in rotated_box_corners((0, 0, 4, 2, 90))]
    [(1, -2), (1, 2), (-1, 2), (-1, -2)]
    """
    cx, cy, width, height, angle_deg = box
    ux, uy = cos(radians(angle_deg)) * width / 2, sin(radians(angle_deg)) * width / 2
    vx, vy = -sin(radians(angle_deg)) * height / 2, cos(radians(angle_deg)) * height / 2
    signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return tuple((cx + s * ux + t * vx, cy + s * uy + t * vy) for s, t in signs)


def moved_rotated_box(box: RotatedBox, affine: Affine) -> RotatedBox:
    """The moved rotated box; exact for rotation, reflection, translation and uniform scale.

    Under shear or unequal scales a rectangle becomes a parallelogram: then the result is the rectangle with its
    centre, its side `width` (length and direction) and its area. The angle stays within 180° of the old one.

    >>> tuple(round(v) for v in moved_rotated_box((1, 0, 4, 2, 30), (0, -2, 0, 2, 0, 0)))
    (0, 2, 8, 4, 120)
    """
    cx, cy, width, height, angle_deg = box
    a, b, _, d, e, _ = affine
    ((x, y),) = moved_points([(cx, cy)], affine)
    ux, uy = cos(radians(angle_deg)), sin(radians(angle_deg))
    moved_x, moved_y = a * ux + b * uy, d * ux + e * uy
    stretch = hypot(moved_x, moved_y)
    turned = (degrees(atan2(moved_y, moved_x)) - angle_deg + 180.0) % 360.0 - 180.0
    return x, y, width * stretch, height * scale_of_area(affine) / stretch, angle_deg + turned


def scale_of_area(affine: Affine) -> float:
    """By how much the map multiplies areas: |a·e − b·d|.

    >>> scale_of_area((2, 0, 7, 0, -3, 1))
    6
    """
    a, b, _, d, e, _ = affine
    return abs(a * e - b * d)


def keeps_axes(affine: Affine) -> bool:
    """Whether upright boxes stay upright boxes: scales, mirrors and quarter turns."""
    a, b, _, d, e, _ = affine
    return (b == 0 and d == 0) or (a == 0 and e == 0)


def about_centres(affine: Affine) -> Affine:
    """The same map in coordinates that count from the centre of the first pixel, not from its corner.

    >>> about_centres((2, 0, 0, 0, 2, 0))
    (2, 0, 0.5, 0, 2, 0.5)
    """
    a, b, c, d, e, f = affine
    return a, b, c + (a + b - 1) / 2, d, e, f + (d + e - 1) / 2


def inverse(affine: Affine) -> Affine:
    """The map back.

    >>> inverse((2, 0, 4, 0, 2, 6))
    (0.5, 0.0, -2.0, 0.0, 0.5, -3.0)
    """
    a, b, c, d, e, f = affine
    det = a * e - b * d
    return e / det, -b / det + 0.0, (b * f - c * e) / det, -d / det + 0.0, a / det, (c * d - a * f) / det


def decoded_mask(rle: Rle) -> BoolArray:
    """The (rows, cols) mask of a run-length code, True on the object; DatasetError where it is broken.

    Where the runs end early the rest is background.

    >>> decoded_mask({"size": [2, 2], "counts": [1, 2, 1]})
    array([[False,  True],
           [ True, False]])
    """
    from hotcoco import mask as coder

    try:
        return np.ascontiguousarray(coder.decode(dict(rle))).astype(bool)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise DatasetError(
            f"a run-length mask of size {rle.get('size')} cannot be decoded: {error}. "
            'Expected {"size": [rows, cols], "counts": runs that add up to rows · cols}.'
        ) from error


def encoded_mask(mask: BoolArray) -> dict[str, Any]:
    """The compressed COCO run-length code of a (rows, cols) mask.

    >>> encoded_mask(np.array([[False, True], [True, False]]))
    {'size': [2, 2], 'counts': '121'}
    """
    from hotcoco import mask as coder

    code = coder.encode(np.asfortranarray(mask, dtype=np.uint8))
    rows, cols = mask.shape
    return {"size": [rows, cols], "counts": code["counts"].decode("ascii")}


def moved_mask(rle: Rle, affine: Affine, *, size: Size | None = None) -> dict[str, Any]:
    """The mask in an image of `size` (rows, cols), its own size where None; nearest pixel, outside is background."""
    mask = decoded_mask(rle)
    size = size or mask.shape
    moved = np.zeros(size, bool)
    if mask.any():
        # an object is a small part of its image: only where it comes to lie
        x, y, width, height = moved_box(mask_box(mask), affine)
        left, top = max(floor(x), 0), max(floor(y), 0)
        right, bottom = min(ceil(x + width), size[1]), min(ceil(y + height), size[0])
        a, b, c, d, e, f = affine
        part = (max(bottom - top, 0), max(right - left, 0))
        moved[top:bottom, left:right] = moved_pixels(mask, (a, b, c - left, d, e, f - top), size=part)
    return encoded_mask(moved)


def mask_box(mask: BoolArray) -> Box:
    """The smallest upright box around the True pixels of a mask that has some.

    >>> mask_box(np.array([[False, True], [False, True]]))
    (1, 0, 1, 2)
    """
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(cols[0]), int(rows[0]), int(cols[-1] - cols[0]) + 1, int(rows[-1] - rows[0]) + 1


def moved_pixels(array: Array, affine: Affine, *, size: Size, fill: float = 0) -> Array:
    """An array (rows, cols) or (rows, cols, bands) moved into `size`: a new pixel takes that in which its centre lay.

    Of any dtype, size and number of bands; exact, no value is mixed. New pixels that no old one covers are `fill`.

    >>> moved_pixels(np.array([[1, 2, 3]]), (-1, 0, 3, 0, 1, 0), size=(1, 4))
    array([[3, 2, 1, 0]])
    """
    a, b, c, d, e, f = about_centres(inverse(affine))
    if a == 0 and e == 0:
        return moved_pixels(
            array.swapaxes(0, 1), (affine[1], 0, affine[2], 0, affine[3], affine[5]), size=size, fill=fill
        )
    moved = np.full((*size, *array.shape[2:]), fill, array.dtype)
    rows, cols = np.arange(size[0], dtype=float)[:, None], np.arange(size[1], dtype=float)
    if b == 0 and d == 0:
        _take(array, x=a * cols + c, y=e * rows + f, into=moved)
        return moved
    step = max(1, 2**20 // max(size[1], 1))  # some rows at a time, for the coordinates take 16 bytes a pixel
    for top in range(0, size[0], step):
        part = rows[top : top + step]
        _take(array, x=a * cols + b * part + c, y=d * cols + e * part + f, into=moved[top : top + step])
    return moved


def _take(array: Array, *, x: Array, y: Array, into: Array) -> None:
    """Fill `into` with the pixels in which the points (x, y), counted from pixel centres, lie; others stay."""
    # to 9 places, lest a point on the border between two pixels falls to either side
    cols, rows = (np.floor(np.round(v + 0.5, 9)).astype(np.int64) for v in (x, y))
    inside = (cols >= 0) & (cols < array.shape[1]) & (rows >= 0) & (rows < array.shape[0])
    if x.ndim == y.ndim == 2:
        into[inside] = array[rows[inside], cols[inside]]
        return
    held_rows, held_cols = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if held_rows.size and held_cols.size:
        into[np.ix_(held_rows, held_cols)] = array[np.ix_(rows.ravel()[held_rows], cols.ravel()[held_cols])]
