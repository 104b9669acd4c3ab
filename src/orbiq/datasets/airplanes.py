"""Airplanes as outlines, in metres on the ground, and their exact boxes.

An outline is one simple polygon (n, 2) of (x, y) metres, x to the right and y down as in an image. Before it
is placed, the nose points along +x, and the origin is halfway between nose and tail.
"""

from dataclasses import dataclass

import numpy as np

from orbiq.arrays import FloatArray
from orbiq.datasets.annotations import Id, Object
from orbiq.datasets.shapes import Box, RotatedBox


@dataclass(frozen=True, kw_only=True)
class Airframe:
    """The proportions of an airplane as seen from above; lengths in metres, places as fractions of the length.

    `wing_at` is where the wing's leading edge meets the fuselage, from the nose; `sweep` is the backward run
    of the leading edge per metre of half span; chords are fractions of the span; `engines` are the places of
    the engines on each half wing as fractions of the half span (none for small ones).
    """

    wingspan_m: float
    length_m: float
    fuselage_m: float
    wing_at: float = 0.36
    sweep: float = 0.5
    root_chord: float = 0.2
    tip_chord: float = 0.05
    tail_span: float = 0.36
    engines: tuple[float, ...] = (0.34,)

    def outline(self) -> FloatArray:
        """The outline, counted from the nose along the right half (y > 0) and back along the left."""
        right = np.array(_nose(self) + _wing(self) + _tail(self))
        right[:, 0] = self.length_m / 2 - right[:, 0]
        return np.vstack([right, (right * (1, -1))[::-1]])


def draw_airframe(wingspan_m: float, *, rng: np.random.Generator) -> Airframe:
    """An airframe of that wingspan, of a kind that exists in that size: propeller, two or four jets."""
    grow = float(rng.uniform(0.94, 1.06))
    if wingspan_m < 18:
        return Airframe(
            wingspan_m=wingspan_m,
            length_m=0.78 * wingspan_m * grow,
            fuselage_m=0.11 * wingspan_m,
            wing_at=0.27,
            sweep=float(rng.uniform(0.0, 0.12)),
            root_chord=0.16,
            tip_chord=0.11,
            engines=(0.3,) if rng.random() < 0.5 else (),
        )
    return Airframe(
        wingspan_m=wingspan_m,
        length_m=1.05 * wingspan_m * grow,
        fuselage_m=(0.112 if wingspan_m < 45 else 0.1) * wingspan_m,
        wing_at=float(rng.uniform(0.31, 0.37)),
        sweep=float(rng.uniform(0.46, 0.64)),
        engines=(0.32, 0.6) if wingspan_m > 55 and rng.random() < 0.5 else (0.34,),
    )


def _nose(air: Airframe) -> list[tuple[float, float]]:
    half, length = air.fuselage_m / 2, air.length_m
    return [(0, 0.12 * half), (0.02 * length, 0.55 * half), (0.06 * length, 0.9 * half), (0.11 * length, half)]


def _wing(air: Airframe) -> list[tuple[float, float]]:
    """Leading edge with its engines, tip, and a trailing edge that runs straight back to the fuselage."""
    root, half_span, body = air.wing_at * air.length_m, air.wingspan_m / 2, air.fuselage_m / 2
    points = [(root, body)]
    for place in air.engines:
        y, wide, ahead = place * half_span, 0.28 * air.fuselage_m, 0.065 * air.wingspan_m
        points += [(root + air.sweep * (y - wide - body), y - wide)]
        points += [(root + air.sweep * (y - body) - ahead, y + side * wide) for side in (-1, 1)]
        points += [(root + air.sweep * (y + wide - body), y + wide)]
    tip = root + air.sweep * (half_span - body)
    points += [(tip, half_span), (tip + air.tip_chord * air.wingspan_m, half_span)]
    kink = 0.36 * half_span
    back = root + air.root_chord * air.wingspan_m
    points += [(max(back, tip + (back - tip) * 0.75), kink), (back, body)]
    return [(float(x), float(y)) for x, y in points]


def _tail(air: Airframe) -> list[tuple[float, float]]:
    half, length, span = air.fuselage_m / 2, air.length_m, air.tail_span * air.wingspan_m / 2
    chord, run = 0.09 * length, air.sweep * span
    start = min(0.84 * length, length - run - 0.45 * chord)
    return [
        (0.7 * length, 0.95 * half),
        (start, 0.5 * half),
        (start + run, span),
        (start + run + 0.45 * chord, span),
        (start + chord, 0.35 * half),
        (length, 0.1 * half),
    ]


def placed(outline: FloatArray, *, centre_m: tuple[float, float], heading_deg: float) -> FloatArray:
    """The outline turned by `heading_deg` (from +x towards +y: clockwise as one sees an image) and moved.

    >>> placed(np.array([[1.0, 0.0]]), centre_m=(5, 5), heading_deg=90).round(9).tolist()
    [[5.0, 6.0]]
    """
    c, s = np.cos(np.deg2rad(heading_deg)), np.sin(np.deg2rad(heading_deg))
    return np.asarray(outline @ np.array([[c, s], [-s, c]]) + centre_m)


@dataclass(frozen=True, eq=False, kw_only=True)
class Airplane:
    """An airplane in an image: its outline in pixels (pixel (0, 0) covers [0, 1) × [0, 1)), and its heading.

    `heading_deg` is the direction of the nose, from +x (right) towards +y (down).
    """

    polygon: FloatArray
    heading_deg: float

    @property
    def bbox(self) -> Box:
        """The tight upright box (x, y, width, height), as COCO has it."""
        low, high = self.polygon.min(axis=0), self.polygon.max(axis=0)
        return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])

    @property
    def rbox(self) -> RotatedBox:
        """The tight box along the heading (cx, cy, width, height, angle in degrees); width lies along the fuselage."""
        upright = placed(self.polygon, centre_m=(0, 0), heading_deg=-self.heading_deg)
        low, high = upright.min(axis=0), upright.max(axis=0)
        cx, cy = placed((low + high)[None] / 2, centre_m=(0, 0), heading_deg=self.heading_deg)[0]
        width, height = high - low
        return float(cx), float(cy), float(width), float(height), float(self.heading_deg)

    @property
    def area(self) -> float:
        """Area of the outline in square pixels (shoelace formula)."""
        x, y = self.polygon.T
        return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)

    def truth(self, *, object_id: Id, image_id: Id, category_id: Id) -> Object:
        """The same in the words of the annotation model."""
        return Object(
            id=object_id,
            image_id=image_id,
            category_id=category_id,
            bbox=self.bbox,
            rbox=self.rbox,
            polygons=(tuple((float(x), float(y)) for x, y in self.polygon),),
            area=self.area,
        )
