"""How the pixels of an image moved, and what of a shape can be seen before and after.

An image shows what lies in its frame, [0, cols) × [0, rows). What moves through several images, as in a chain, is seen
where all of them show it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from orbiq.arrays import IDENTITY, Affine, Array, BoolArray
from orbiq.datasets.shapes import Point, Size, box_corners, inverse, moved_points, scale_of_area
from orbiq.errors import DatasetError

Rings = tuple[tuple[Point, ...], ...]
ROUNDING = 1e-9
"""The share of an object that may be lost to the rounding of coordinates alone."""
_NEAR_PX = 1e-6
"""How far outside a point may come to lie by rounding alone."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """How the pixels of an image moved: their affine map, and (rows, cols) `before` and `after`.

    `between`: the map to each image that lay between, and its size; what one of them did not show is not visible.
    Raises DatasetError for a map that cannot be followed.
    """

    affine: Affine
    before: Size
    after: Size
    between: tuple[tuple[Affine, Size], ...] = ()

    def __post_init__(self) -> None:
        if not all(isfinite(v) for v in self.affine) or scale_of_area(self.affine) == 0:
            raise DatasetError(f"labels cannot follow the map {self.affine}; expected finite numbers, a·e − b·d ≠ 0.")

    @property
    def changes(self) -> bool:
        """Whether any label has to follow: a part from the top left on moves no pixel, and yet cuts."""
        return set(self.views) != {(IDENTITY, tuple(self.before))}

    @property
    def views(self) -> tuple[tuple[Affine, Size], ...]:
        """The map to each image from the first to the last, and its size, each once."""
        views = ((IDENTITY, self.before), *self.between, (self.affine, self.after))
        return tuple(dict.fromkeys((tuple(affine), tuple(size)) for affine, size in views))  # type: ignore[misc]

    @property
    def hides(self) -> bool:
        """Whether an image in between may have shown less than the first and the last do."""
        ends = {(IDENTITY, tuple(self.before)), (tuple(self.affine), tuple(self.after))}
        return not ends.issuperset(self.views)

    def shows(self, points: Iterable[Point]) -> bool:
        """Whether every image shows all points, given in the first one's pixels."""
        points = tuple(points)
        return all(within(point, size) for affine, size in self.views for point in moved_points(points, affine))


@dataclass(frozen=True, eq=False, kw_only=True)
class Visible:
    """An outline that the border of the old image or of the new one cuts: `shape` what is visible, in new pixels.

    `whole`, `inside` and `part` are the areas, in old pixels, of all of it, inside the old image, and inside both.
    """

    shape: Any
    whole: float
    inside: float
    part: float


def visible_part(outline: Any, move: Move) -> Visible:
    """What of a shapely outline, in pixels of the old image, is visible in the new one; holes stay holes."""
    from shapely import Polygon, make_valid, transform

    outline = _faces(outline if outline.is_valid else make_valid(outline))
    inside, shown = outline, outline
    for k, (affine, (rows, cols)) in enumerate(move.views):
        frame = Polygon(moved_points(box_corners((0, 0, cols, rows)), inverse(affine)))
        shown = _faces(shown.intersection(frame))
        inside = shown if k == 0 else inside
    shape = moved_shape(shown, move.affine)
    return Visible(
        shape=transform(shape, lambda points: np.clip(points, 0, move.after[::-1])),  # exactly to the border
        whole=float(outline.area),
        inside=float(inside.area),
        part=float(shape.area) / scale_of_area(move.affine),
    )


def _faces(shape: Any) -> Any:
    """The parts of a shapely shape that have an area, without the points and lines in which outlines touch a border."""
    from shapely import get_parts, union_all

    if shape.geom_type == "Polygon":
        return shape
    return union_all([part for part in get_parts(shape) if part.area > 0])


def moved_shape(shape: Any, affine: Affine) -> Any:
    """A shapely shape where the map takes it."""
    from shapely.affinity import affine_transform

    a, b, c, d, e, f = affine
    return affine_transform(shape, [a, b, d, e, c, f])


def rings_of(shape: Any) -> Rings:
    """The outer rings of a shapely Polygon or MultiPolygon, without the closing point that shapely repeats."""
    parts = [part for part in getattr(shape, "geoms", [shape]) if not part.is_empty]
    return tuple(tuple((float(x), float(y)) for x, y, *_ in part.exterior.coords[:-1]) for part in parts)


def seen(x: Array, y: Array, move: Move) -> BoolArray:
    """Whether every image shows the points (x, y) of the first one."""
    found = np.ones(np.broadcast_shapes(x.shape, y.shape), bool)
    for (a, b, c, d, e, f), (rows, cols) in move.views:
        u, v = a * x + b * y + c, d * x + e * y + f
        found &= (u >= 0) & (u <= cols) & (v >= 0) & (v <= rows)
    return found


def hide_unseen(array: Array, move: Move, *, fill: float) -> None:
    """Fill those pixels of an array (rows, cols, …) in the new grid that an image in between did not show, in place."""
    a, b, c, d, e, f = inverse(move.affine)
    x = np.arange(array.shape[1]) + 0.5
    for top in range(0, array.shape[0] if move.hides else 0, 256):  # some rows at a time, for coordinates take memory
        part = array[top : top + 256]
        y = np.arange(top, top + part.shape[0])[:, None] + 0.5
        part[~seen(a * x + b * y + c, d * x + e * y + f, move)] = fill


def within(point: Point, size: Size) -> bool:
    """Whether a point lies in the frame of an image of `size`, or as near as rounding takes it."""
    return -_NEAR_PX <= point[0] <= size[1] + _NEAR_PX and -_NEAR_PX <= point[1] <= size[0] + _NEAR_PX
