"""Geometry of labels under an affine map of the pixel plane.

Coordinates are (x, y) in pixels, x to the right, y down, the top-left pixel covering [0, 1) × [0, 1). A map is
(a, b, c, d, e, f): x' = a·x + b·y + c, y' = d·x + e·y + f. Nothing is clipped at the border of an image.
"""

from collections.abc import Iterable, Mapping
from math import atan2, cos, degrees, hypot, radians, sin
from typing import Any

import cv2
import numpy as np

from orbiq.arrays import Affine, BoolArray
from orbiq.errors import DatasetError

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""(x, y, width, height), (x, y) the top-left corner."""
RotatedBox = tuple[float, float, float, float, float]
"""(cx, cy, width, height, angle_deg): the side `width` is turned from +x towards +y, clockwise to the eye."""
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


def moved_mask(rle: Rle, affine: Affine, *, size: tuple[int, int] | None = None) -> dict[str, Any]:
    """The mask in an image of `size` (rows, cols), its own size where None; nearest pixel, outside is background."""
    mask = decoded_mask(rle)
    rows, cols = size or mask.shape
    a, b, c, d, e, f = affine
    # OpenCV counts from the centre of the first pixel, labels from its corner
    matrix = np.array([[a, b, c + (a + b - 1) / 2], [d, e, f + (d + e - 1) / 2]])
    warped = cv2.warpAffine(mask.astype(np.uint8), matrix, (cols, rows), flags=cv2.INTER_NEAREST)
    return encoded_mask(warped.astype(bool))
