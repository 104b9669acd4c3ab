"""Anti-aliased painting of reflectance on a fine grid.

A canvas is painted in place, layer over layer: a scene has hundreds of them, and no one else holds the
array yet. Places are (x, y) in metres from the upper left corner of the image, x right and y down; headings
in degrees from +x towards +y. A pixel takes a tone by the share of it that the shape covers, so that the
painted edge is a perfect edge seen through a square pixel of the fine grid.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from orbiq.arrays import BoolArray, FloatArray
from orbiq.datasets.airplanes import placed

Tone = tuple[float, float, float]
Layer = npt.NDArray[np.float32]
Window = tuple[slice, slice]


@dataclass(frozen=True, eq=False, kw_only=True)
class Canvas:
    """Reflectance (rows, cols, 3) float32 of a fine grid, and how many of its pixels make a metre."""

    reflectance: Layer
    px_per_m: float

    @property
    def extent_m(self) -> tuple[float, float]:
        """(width, height) in metres."""
        rows, cols = self.reflectance.shape[:2]
        return cols / self.px_per_m, rows / self.px_per_m


@dataclass(frozen=True, kw_only=True)
class Rect:
    """A rectangle at any heading; `length_m` lies along the heading."""

    centre_m: tuple[float, float]
    length_m: float
    width_m: float
    heading_deg: float = 0.0

    def corners(self) -> FloatArray:
        """The four corners (4, 2) in metres."""
        unit = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
        return placed(unit * (self.length_m, self.width_m), centre_m=self.centre_m, heading_deg=self.heading_deg)


def paint_rect(canvas: Canvas, rect: Rect, *, tone: Tone, strength: float = 1.0) -> None:
    """Lay `tone` over the rectangle; `strength` 1 hides what was there. Lines thinner than a pixel stay faint."""
    window, along, across = _axes(canvas, rect)
    cover = _overlap(along, rect.length_m * canvas.px_per_m) * _overlap(across, rect.width_m * canvas.px_per_m)
    _blend(canvas, window, cover=cover * np.float32(strength), tone=tone)


def paint_joints(
    canvas: Canvas, rect: Rect, *, spacing_m: float, width_m: float, tone: Tone, strength: float = 1.0
) -> None:
    """Lay a square grid of lines over the rectangle, as between slabs of concrete."""
    window, along, across = _axes(canvas, rect)
    step, width = np.float32(spacing_m * canvas.px_per_m), width_m * canvas.px_per_m
    lines = [_overlap((p + step / 2) % step - step / 2, width) for p in (along, across)]
    inside = _overlap(along, rect.length_m * canvas.px_per_m) * _overlap(across, rect.width_m * canvas.px_per_m)
    _blend(canvas, window, cover=inside * np.maximum(*lines) * np.float32(strength), tone=tone)


def paint_polygon(canvas: Canvas, polygon_m: FloatArray, *, tone: Tone, strength: float = 1.0) -> None:
    """Lay `tone` over a polygon (n, 2) in metres."""
    window = _window(canvas, polygon_m)
    if window is not None:
        cover = _polygon_cover(polygon_m * canvas.px_per_m, window)
        _blend(canvas, window, cover=cover * np.float32(strength), tone=tone)


def shade_polygon(canvas: Canvas, polygon_m: FloatArray, *, factor: Tone, soft_m: float = 0.0) -> None:
    """Multiply what is under the polygon by `factor`, with an edge as soft as a Gaussian of `soft_m`."""
    window = _window(canvas, polygon_m, margin_px=3 * soft_m * canvas.px_per_m)
    if window is None:
        return
    cover = _polygon_cover(polygon_m * canvas.px_per_m, window)
    if soft_m > 0:
        cover = cv2.GaussianBlur(cover, (0, 0), soft_m * canvas.px_per_m)
    canvas.reflectance[window] *= 1 - cover[..., None] * (1 - np.asarray(factor, np.float32))


def coverage(polygon_px: FloatArray, *, shape: tuple[int, int]) -> Layer:
    """The share of each pixel of an image (rows, cols) that lies inside the polygon (n, 2) in pixels."""
    cover = np.zeros(shape, np.float32)
    window = _clipped(polygon_px, shape, margin_px=0)
    if window is not None:
        cover[window] = _polygon_cover(polygon_px, window)
    return cover


def stamp(polygon_px: FloatArray, *, shape: tuple[int, ...], margin_px: int = 0) -> BoolArray:
    """The pixels (rows, cols) that the polygon touches, and those within a margin of it."""
    touched = np.zeros(shape, np.uint8)
    points = [np.rint((polygon_px - 0.5) * 16).astype(np.int32)]
    cv2.fillPoly(touched, points, 1, shift=4)
    if margin_px > 0:
        cv2.polylines(touched, points, isClosed=True, color=1, thickness=2 * margin_px + 1, shift=4)
    return touched.astype(bool)


def noise(shape: tuple[int, int], *, cells_px: tuple[float, ...], rng: np.random.Generator) -> Layer:
    """Noise of mean 0 and standard deviation near 1, the sum of one smooth field per cell size."""
    rows, cols = shape
    total = np.zeros((4, 4), np.float32)
    for cell in sorted(cells_px, reverse=True):
        coarse = (int(rows / cell) + 4, int(cols / cell) + 4)
        total = _resized(total, coarse) + rng.standard_normal(coarse, dtype=np.float32)
    size = (round(total.shape[0] * min(cells_px)), round(total.shape[1] * min(cells_px)))
    total = _resized(total, size)[:rows, :cols]
    return total / np.float32(np.sqrt(0.6 * len(cells_px)))


def _resized(field: Layer, shape: tuple[int, int]) -> Layer:
    if field.shape == shape:
        return field
    return np.asarray(cv2.resize(field, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def _axes(canvas: Canvas, rect: Rect) -> tuple[Window, Layer, Layer]:
    """The window that the rectangle can touch, and where its pixel centres lie along and across it, in pixels."""
    window = _window(canvas, rect.corners()) or (slice(0, 0), slice(0, 0))
    ys, xs = (np.arange(w.start, w.stop, dtype=np.float32) + 0.5 for w in window)
    x, y = xs - rect.centre_m[0] * canvas.px_per_m, ys[:, None] - rect.centre_m[1] * canvas.px_per_m
    c, s = np.cos(np.deg2rad(rect.heading_deg)), np.sin(np.deg2rad(rect.heading_deg))
    x, y = x.astype(np.float32), y.astype(np.float32)
    return window, np.float32(c) * x + np.float32(s) * y, np.float32(c) * y - np.float32(s) * x


def _overlap(position: Layer, length: float) -> Layer:
    """How much of the unit pixel around each position lies within ±length/2."""
    return np.clip(np.float32(length / 2 + 0.5) - np.abs(position), 0, np.float32(min(1, length)))


def _polygon_cover(polygon_px: FloatArray, window: Window) -> Layer:
    """Coverage within a window, from samples finer than the pixel; large shapes need fewer of them."""
    rows, cols = (s.stop - s.start for s in window)
    sub = 8 if max(rows, cols) < 300 else 3
    fine = np.zeros((rows * sub, cols * sub), np.uint8)
    # OpenCV counts from pixel centres: the corner of the first pixel is at -0.5
    points = (polygon_px - (window[1].start, window[0].start)) * sub - 0.5
    cv2.fillPoly(fine, [np.rint(points * 256).astype(np.int32)], 255, shift=8)
    cover = cv2.resize(fine.astype(np.float32), (cols, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(cover / 255).reshape(rows, cols)


def _blend(canvas: Canvas, window: Window, *, cover: Layer, tone: Tone) -> None:
    hit = cover > 0  # a runway at 45° touches a small part of its window
    area = canvas.reflectance[window]
    under = area[hit]
    area[hit] = under + cover[hit][:, None] * (np.asarray(tone, np.float32) - under)


def _window(canvas: Canvas, polygon_m: FloatArray, *, margin_px: float = 0) -> Window | None:
    rows, cols = canvas.reflectance.shape[:2]
    return _clipped(polygon_m * canvas.px_per_m, (rows, cols), margin_px=margin_px)


def _clipped(polygon_px: FloatArray, shape: tuple[int, int], *, margin_px: float) -> Window | None:
    """The pixels that the polygon can touch, None where it lies outside the image."""
    low = np.maximum(np.floor(polygon_px.min(axis=0) - 1 - margin_px), 0).astype(int)
    high = np.minimum(np.ceil(polygon_px.max(axis=0) + 1 + margin_px), shape[::-1]).astype(int)
    if (high <= low).any():
        return None
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
