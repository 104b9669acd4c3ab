"""What phantoms are painted with: outlines, lines, and textures of a band of frequencies.

Planes are float32 (rows, cols). Places are in units of half the shorter side, (0, 0) in the middle, x to the right and
y down; frequencies are in cycles per pixel. A coverage is in 0…1, and soft over a pixel at its edge, so that edges are
as sharp as the grid can hold and no sharper.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import scipy.fft

Plane = npt.NDArray[np.float32]
_SHIFT = 4
"""Bits after the point of OpenCV's coordinates."""


class Canvas:
    """A grid that is bent a little, so that no outline drawn on it is quite an ellipse; and textures of one draw."""

    def __init__(self, size: tuple[int, int], rng: np.random.Generator, *, bend: float) -> None:
        self.size, self.rng = size, rng
        self.half = min(size) / 2
        rows, cols = size
        noise = rng.standard_normal((rows, cols), np.float32)
        self._spectrum: Any = scipy.fft.rfft2(noise)
        v, u = scipy.fft.fftfreq(rows)[:, None], scipy.fft.rfftfreq(cols)[None]
        self._v, self._u = v.astype(np.float32), u.astype(np.float32)
        bends = self.texture(0, 4 / max(size)), self.texture(0, 4 / max(size))
        y, x = (np.arange(side, dtype=np.float32) - (side - 1) / 2 for side in size)
        self.y = np.asarray(y[:, None] / self.half + bend * bends[0], np.float32)
        self.x = np.asarray(x[None] / self.half + bend * bends[1], np.float32)

    def texture(self, low: float, high: float, *, along_rad: float | None = None, stretch: float = 4.0) -> Plane:
        """Noise of mean 0 and variance 1 in a soft band of frequencies; each call gives another.

        With `along_rad` it is stretched `stretch`-fold in that direction, counted from x towards y, as fibres are.
        """
        v, u = self._v, self._u
        if along_rad is not None:
            c, s = np.float32(np.cos(along_rad)), np.float32(np.sin(along_rad))
            v, u = c * v - s * u, np.float32(stretch) * (c * u + s * v)
        squared = np.square(v) + np.square(u)
        band = np.exp(squared * np.float32(-1 / high**2))
        if low:
            band *= 1 - np.exp(squared * np.float32(-1 / low**2))
        plane = scipy.fft.irfft2(self._spectrum * band, self.size)
        # another place of the same noise: as good as another noise, and cheaper
        plane = np.roll(plane, tuple(self.rng.integers(self.size)), (0, 1))
        return np.asarray(plane / max(float(plane.std()), 1e-12), np.float32)

    def ellipse(
        self, x: float, y: float, across: float, down: float, *, angle_rad: float = 0.0, power: float = 2.0
    ) -> Plane:
        """How far inside an ellipse of two half axes a pixel is, in pixels, below 0 outside; `power` > 2 squares it."""
        dx, dy = self.x - np.float32(x), self.y - np.float32(y)
        if angle_rad:
            c, s = np.float32(np.cos(angle_rad)), np.float32(np.sin(angle_rad))
            dx, dy = c * dx + s * dy, c * dy - s * dx
        if power == 2:
            radius = np.sqrt(np.square(dx / np.float32(across)) + np.square(dy / np.float32(down)))
        else:
            sum_of = np.abs(dx / np.float32(across)) ** power + np.abs(dy / np.float32(down)) ** power
            radius = sum_of ** np.float32(1 / power)
        return np.asarray((1 - radius) * np.float32(self.half * min(across, down)), np.float32)

    def curves(self, paths: list[npt.NDArray[Any]], width_px: int) -> Plane:
        """Coverage of lines through points (x, y); OpenCV makes a soft one wider than it is told, 2 about 4 pixels."""
        drawn = np.zeros(self.size, np.uint8)
        rows, cols = self.size
        middle = np.array([(cols - 1) / 2, (rows - 1) / 2])
        points = [np.rint((path * self.half + middle) * 2**_SHIFT).astype(np.int32) for path in paths]
        cv2.polylines(drawn, points, isClosed=False, color=255, thickness=width_px, lineType=cv2.LINE_AA, shift=_SHIFT)
        return np.asarray(drawn * np.float32(1 / 255))

    def dots(self, number: int, within: Plane, radius_px: tuple[float, float]) -> Plane:
        """Coverage of small discs whose middles lie where `within` is above 0."""
        drawn = np.zeros(self.size, np.uint8)
        for row, col in self.rng.integers(self.size, size=(number, 2)):
            radius = round(self.rng.uniform(*radius_px) * 2**_SHIFT)
            if within[row, col] > 0:
                place = int(col) << _SHIFT, int(row) << _SHIFT
                cv2.circle(drawn, place, radius, color=255, thickness=-1, lineType=cv2.LINE_AA, shift=_SHIFT)
        return np.asarray(drawn * np.float32(1 / 255))


def coverage(inside_px: Plane) -> Plane:
    """0 outside, 1 inside, a ramp of one pixel between.

    >>> coverage(np.float32([-2, 0, 2])).tolist()
    [0.0, 0.5, 1.0]
    """
    return np.asarray(np.clip(inside_px + np.float32(0.5), 0, 1), np.float32)


def arc(start: tuple[float, float], end: tuple[float, float], sag: float, *, points: int = 24) -> npt.NDArray[Any]:
    """Points (x, y) of a parabola from one place to another, `sag` beside the chord in its middle, to its left."""
    t = np.linspace(0, 1, points)[:, None]
    (x0, y0), (x1, y1) = start, end
    aside = np.array([y1 - y0, x0 - x1]) / max(float(np.hypot(x1 - x0, y1 - y0)), 1e-9)
    return np.asarray((1 - t) * np.array(start) + t * np.array(end) + 4 * sag * t * (1 - t) * aside)
