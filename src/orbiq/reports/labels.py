"""Where a label of a figure fits: the place, of those that would do, where it covers least of what is drawn.

Boxes are (left, bottom, right, top) in pixels of the figure. A page shows the text in its own font, which is not as
wide as the one that is drawn with here; so a box is reckoned wide, and each line of a label is set by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

Box = tuple[float, float, float, float]

_EM = 0.6
"""The mean width of a letter, in font sizes."""
_MARGIN_PX, _STEP_PX = 4.0, 3.0
"""Kept free around a label; a line counts as points so far apart."""
_OTHER_LABEL, _OUTSIDE = 100, 1000
"""What it costs, in points covered, to lie on another label, and to reach out of the axes."""


@dataclass(frozen=True, kw_only=True)
class Spot:
    """A place for a label: `offset` (points) from `at`, a place of the axes as matplotlib's annotate takes it."""

    at: tuple[float, float]
    offset: tuple[float, float]
    ha: str
    va: str
    of: Any = "data"
    """What `at` counts in."""


@dataclass(frozen=True, kw_only=True)
class Label:
    """Lines of text in one look."""

    lines: Sequence[str]
    color: str
    size_pt: float
    leading_pt: float = 14

    @property
    def extent_pt(self) -> tuple[float, float]:
        """About its width and height."""
        return max(map(len, self.lines)) * _EM * self.size_pt, self._rise(len(self.lines) - 1) + 1.2 * self.size_pt

    def _rise(self, lines: int) -> float:
        return self.leading_pt * lines

    def draw(self, axes: Any, spot: Spot) -> None:
        """Write it there."""
        x, y = spot.offset
        for k, text in enumerate(self.lines):
            rise = -self._rise(k) if spot.va == "top" else self._rise(len(self.lines) - 1 - k)
            axes.annotate(
                text,
                spot.at,
                xycoords=spot.of,
                xytext=(x, y + rise),
                textcoords="offset points",
                ha=spot.ha,
                va=spot.va,
                fontsize=self.size_pt,
                color=self.color,
                zorder=4,
            )


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What a label must not cover: points of the curves, and labels that lie there already."""

    axes: Any
    points: np.ndarray[Any, Any]
    labels: list[Box] = field(default_factory=list)

    @classmethod
    def of(cls, axes: Any) -> "Ground":
        """All lines and bars that are drawn; the figure must have its layout."""
        paths = []
        for line in axes.get_lines():
            path = line.get_transform().transform(line.get_xydata())
            marked = line.get_marker() not in ("None", "", None)
            paths += [path, *(_rings(path, line.get_markersize() / 2 * axes.figure.dpi / 72) if marked else ())]
        for bars in axes.collections:
            if hasattr(bars, "get_segments"):
                paths += [bars.get_transform().transform(part) for part in bars.get_segments()]
        kept = [_dense(path[np.isfinite(path).all(axis=1)]) for path in paths if len(path)]
        return cls(axes=axes, points=np.concatenate([np.zeros((0, 2)), *kept]))

    def place(self, label: Label, spots: Sequence[Spot]) -> None:
        """Draw the label at the first of the spots where it covers least."""
        spot = min(spots, key=lambda s: self._covered(self._box(label, s)))
        self.labels.append(self._box(label, spot))
        label.draw(self.axes, spot)

    def _box(self, label: Label, spot: Spot) -> Box:
        px = self.axes.figure.dpi / 72
        x, y = self.axes.transData.transform(spot.at)
        if spot.of != "data":  # a share of the axes' width, and data
            x = self.axes.bbox.x0 + spot.at[0] * self.axes.bbox.width
        width, height = (px * length for length in label.extent_pt)
        left = x + px * spot.offset[0] - {"left": 0.0, "center": 0.5, "right": 1.0}[spot.ha] * width
        bottom = y + px * spot.offset[1] - {"bottom": 0.0, "top": 1.0}[spot.va] * height
        return left, bottom, left + width, bottom + height

    def _covered(self, box: Box) -> int:
        left, bottom, right, top = box
        x, y = self.points.T
        beside = (x < left - _MARGIN_PX) | (x > right + _MARGIN_PX)
        points = np.count_nonzero(~beside & (y > bottom - _MARGIN_PX) & (y < top + _MARGIN_PX))
        labels = sum(a < right and left < c and b < top and bottom < d for a, b, c, d in self.labels)
        room = self.axes.bbox
        outside = left < room.x0 or right > room.x1 or bottom < room.y0 or top > room.y1
        return int(points + _OTHER_LABEL * labels + _OUTSIDE * outside)


def _rings(path: np.ndarray[Any, Any], radius: float) -> list[np.ndarray[Any, Any]]:
    """The outlines of the marks that stand on a path."""
    turn = np.linspace(0, 2 * np.pi, 17)
    circle = radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return [circle + point for point in path]


def _dense(path: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Points along a path of straight pieces, its corners among them."""
    pieces = [path[:1]]
    for start, end in pairwise(path):
        count = max(1, int(np.hypot(*(end - start)) / _STEP_PX))
        pieces.append(start + (end - start) * np.linspace(0, 1, count + 1)[1:, None])
    return np.concatenate(pieces)
