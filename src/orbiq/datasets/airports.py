"""The layout of an airport: where ground, pavement, buildings, airplanes and vehicles go.

The airport has its own axes: u along runway, taxiway and terminal, v across them, with the middle of the
apron as origin; they lie at any heading in the image. Reflectances are those of common materials in red,
green and blue, between 0 and 1.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.datasets.airplanes import draw_airframe, placed
from orbiq.datasets.painting import (
    Canvas,
    Rect,
    Tone,
    noise,
    paint_joints,
    paint_polygon,
    paint_rect,
    shade_polygon,
    stamp,
)
from orbiq.errors import SettingError

GROUNDS: tuple[Tone, ...] = ((0.12, 0.16, 0.09), (0.16, 0.18, 0.11), (0.21, 0.20, 0.14), (0.27, 0.22, 0.16))
ASPHALTS: tuple[Tone, ...] = ((0.15, 0.15, 0.155), (0.20, 0.20, 0.20))
CONCRETES: tuple[Tone, ...] = ((0.36, 0.35, 0.32), (0.43, 0.41, 0.38), (0.29, 0.29, 0.28))
ROOFS: tuple[Tone, ...] = ((0.62, 0.62, 0.60), (0.40, 0.40, 0.42), (0.34, 0.24, 0.19), (0.22, 0.27, 0.33))
LIVERIES: tuple[Tone, ...] = ((0.72, 0.72, 0.72), (0.66, 0.66, 0.68), (0.55, 0.56, 0.58), (0.70, 0.66, 0.58))
TAILS: tuple[Tone, ...] = ((0.60, 0.12, 0.10), (0.10, 0.18, 0.50), (0.12, 0.40, 0.20), (0.65, 0.65, 0.65))
CARS: tuple[Tone, ...] = (
    (0.62, 0.62, 0.62),
    (0.42, 0.42, 0.43),
    (0.06, 0.06, 0.07),
    (0.42, 0.1, 0.09),
    (0.12, 0.18, 0.36),
)
WHITE: Tone = (0.58, 0.58, 0.57)
YELLOW: Tone = (0.50, 0.42, 0.16)
DARK: Tone = (0.08, 0.08, 0.085)
SHADOW: Tone = (0.36, 0.40, 0.47)  # what is left of the light: skylight, and that is blue


@dataclass(frozen=True, eq=False, kw_only=True)
class Airport:
    """One airport while it is painted: canvas, axes, sizes in metres, sun, and the ground that is taken."""

    canvas: Canvas
    rng: np.random.Generator
    origin_m: tuple[float, float]
    heading_deg: float
    apron_half_m: float
    terminal_m: tuple[float, float]
    runway_v_m: float
    shadow_per_m: FloatArray
    taken: BoolArray

    def at(self, u: float, v: float) -> tuple[float, float]:
        """The place (x, y) in the image of a place in the airport's axes."""
        x, y = placed(np.array([[u, v]]), centre_m=self.origin_m, heading_deg=self.heading_deg)[0]
        return float(x), float(y)

    def rect(self, u: float, v: float, *, size: tuple[float, float], turn_deg: float = 0.0) -> Rect:
        """A rectangle of size (along u, along v) at a place in the airport's axes."""
        return Rect(centre_m=self.at(u, v), length_m=size[0], width_m=size[1], heading_deg=self.heading_deg + turn_deg)

    def pick(self, tones: tuple[Tone, ...], *, spread: float = 0.06) -> Tone:
        """One of the tones, a little lighter or darker."""
        red, green, blue = tones[int(self.rng.integers(len(tones)))]
        gain = float(self.rng.normal(1, spread))
        return red * gain, green * gain, blue * gain

    @property
    def reach_m(self) -> float:
        """Longer than anything in the image."""
        return 1.5 * sum(self.canvas.extent_m)


def draw_airport(canvas: Canvas, *, rng: np.random.Generator) -> Airport:
    """An airport without anything painted yet: axes, sizes and sun."""
    width, height = canvas.extent_m
    elevation, azimuth = np.deg2rad(rng.uniform(32, 62)), np.deg2rad(rng.uniform(0, 360))
    apron = float(rng.uniform(50, 85))
    return Airport(
        canvas=canvas,
        rng=rng,
        origin_m=(width * float(rng.uniform(0.36, 0.64)), height * float(rng.uniform(0.36, 0.64))),
        heading_deg=float(rng.uniform(0, 360)),
        apron_half_m=apron,
        terminal_m=(float(rng.uniform(110, 240)), float(rng.uniform(22, 40))),
        runway_v_m=-apron - float(rng.uniform(105, 150)),
        shadow_per_m=np.array([np.cos(azimuth), np.sin(azimuth)]) / np.tan(elevation),
        taken=np.zeros((int(height) + 2, int(width) + 2), bool),
    )


def paint_airport(
    canvas: Canvas, *, n_airplanes: int, wingspan_m: tuple[float, float], rng: np.random.Generator
) -> list[tuple[FloatArray, float]]:
    """Paint one airport; returns each airplane as (outline in metres (n, 2), heading in degrees).

    Airplanes lie wholly inside the image and do not overlap. Raises SettingError where so many do not fit.
    """
    airport = draw_airport(canvas, rng=rng)
    _ground(airport)
    _pavement(airport)
    _markings(airport)
    canvas.reflectance[...] *= 1 + 0.035 * _grain(airport, cells_m=(0.4, 2.5, 20.0))[..., None]
    _buildings(airport)
    airplanes = [_airplane(airport, wingspan_m=wingspan_m) for _ in range(n_airplanes)]
    _jet_bridges(airport)
    _vehicles(airport)
    _trees(airport)
    np.clip(canvas.reflectance, 0.01, 1, out=canvas.reflectance)
    return airplanes


def _grain(airport: Airport, *, cells_m: tuple[float, ...]) -> FloatArray:
    rows, cols = airport.canvas.reflectance.shape[:2]
    cells = tuple(max(1.0, c * airport.canvas.px_per_m) for c in cells_m)
    return np.asarray(noise((rows, cols), cells_px=cells, rng=airport.rng))


def _ground(airport: Airport) -> None:
    """Grass, with fields of other tones beyond the runway and behind the terminal."""
    rng, canvas = airport.rng, airport.canvas
    canvas.reflectance[...] = airport.pick(GROUNDS)
    behind = airport.apron_half_m + airport.terminal_m[1] + 60
    for v in (airport.runway_v_m - 60, behind):
        side = np.sign(v)
        for u in np.arange(-3, 4) * 110.0:
            size = (float(rng.uniform(90, 130)), float(rng.uniform(90, 320)))
            field = airport.rect(u, v + side * size[1] / 2, size=size)
            paint_rect(canvas, field, tone=airport.pick(GROUNDS, spread=0.15))
    canvas.reflectance[...] *= 1 + 0.13 * _grain(airport, cells_m=(0.7, 3.0, 9.0, 40.0, 130.0))[..., None]


def _pavement(airport: Airport) -> None:
    """Runway, taxiway with its turn-offs, and the apron with the joints of its slabs."""
    canvas, reach, half = airport.canvas, airport.reach_m, airport.apron_half_m
    asphalt, concrete = airport.pick(ASPHALTS), airport.pick(CONCRETES)
    shoulder: Tone = (0.24, 0.23, 0.19)
    for v, width in ((airport.runway_v_m, 45.0), (-half - 12, 24.0)):
        paint_rect(canvas, airport.rect(0, v, size=(reach, width + 9)), tone=shoulder, strength=0.6)
        paint_rect(canvas, airport.rect(0, v, size=(reach, width)), tone=asphalt)
    gap = -half - airport.runway_v_m
    for u in airport.rng.uniform(-260, 260, 3):
        turn = float(airport.rng.choice([90, 60, 120]))
        paint_rect(canvas, airport.rect(u, -half - gap / 2, size=(gap + 20, 23), turn_deg=turn), tone=asphalt)
    apron_u = float(airport.rng.uniform(320, 520))
    paint_rect(canvas, airport.rect(0, 0, size=(apron_u, 2 * half)), tone=concrete)
    paint_joints(
        canvas, airport.rect(0, 0, size=(apron_u, 2 * half)), spacing_m=12.5, width_m=0.35, tone=DARK, strength=0.3
    )


def _markings(airport: Airport) -> None:
    """Runway centre and edge lines, tyre marks, yellow lines of taxiway and stands, stains."""
    canvas, rng, half, reach = airport.canvas, airport.rng, airport.apron_half_m, airport.reach_m
    v = airport.runway_v_m
    paint_rect(canvas, airport.rect(rng.uniform(-200, 200), v, size=(300, 9)), tone=DARK, strength=0.45)
    for u in np.arange(-500, 500, 60.0):
        paint_rect(canvas, airport.rect(u, v, size=(30, 0.9)), tone=WHITE)
    for side in (-1, 1):
        paint_rect(canvas, airport.rect(0, v + side * 21.5, size=(reach, 0.9)), tone=WHITE)
    paint_rect(canvas, airport.rect(0, -half - 12, size=(reach, 0.5)), tone=YELLOW)
    for u in np.arange(-150, 151, 43.0):
        paint_rect(canvas, airport.rect(u, 0.45 * half, size=(0.5, 0.9 * half)), tone=YELLOW)
    for _ in range(25):
        stain = airport.rect(rng.uniform(-180, 180), rng.uniform(-half, half), size=tuple(rng.uniform(2, 9, 2)))
        shade_polygon(canvas, stain.corners(), factor=(0.72, 0.72, 0.74), soft_m=1.0)


def _buildings(airport: Airport) -> None:
    """The terminal on the edge of the apron, hangars and sheds beside and behind it, each with its shadow."""
    rng, (length, depth) = airport.rng, airport.terminal_m
    face = airport.apron_half_m
    _building(airport, airport.rect(0, face + depth / 2, size=(length, depth)), height_m=14)
    for side in (-1, 1):
        wide, deep = rng.uniform(30, 60, 2)
        hangar = airport.rect(side * (length / 2 + 35 + wide / 2), face + 12 + deep / 2, size=(wide, deep))
        _building(airport, hangar, height_m=12)
    for _ in range(7):
        u, v = rng.uniform(-220, 220), rng.choice([face + depth + rng.uniform(75, 170), -face - rng.uniform(40, 70)])
        shed = airport.rect(u, v, size=tuple(rng.uniform(6, 22, 2)), turn_deg=float(rng.choice([0, 20])))
        _building(airport, shed, height_m=float(rng.uniform(3, 7)))


def _building(airport: Airport, rect: Rect, *, height_m: float) -> None:
    canvas, corners = airport.canvas, rect.corners()
    cast = np.vstack([corners, corners + airport.shadow_per_m * height_m]).astype(np.float32)
    shade_polygon(canvas, cv2.convexHull(cast).reshape(-1, 2).astype(float), factor=SHADOW, soft_m=0.4)
    roof = airport.pick(ROOFS)
    paint_rect(canvas, rect, tone=roof)
    x, y = (corners[:2].mean(axis=0) + rect.centre_m) / 2
    slope = replace(rect, centre_m=(float(x), float(y)), width_m=rect.width_m / 2)
    paint_rect(canvas, slope, tone=DARK, strength=0.1)
    for _ in range(int(rect.length_m / 8)):
        inside = airport.rng.uniform(-0.42, 0.42, 2) * (rect.length_m, rect.width_m)
        place = placed(inside[None], centre_m=rect.centre_m, heading_deg=rect.heading_deg)[0]
        unit = Rect(centre_m=(place[0], place[1]), length_m=3, width_m=2, heading_deg=rect.heading_deg)
        paint_rect(canvas, unit, tone=airport.pick(ROOFS, spread=0.2), strength=0.8)
    _take(airport, corners, margin_m=2)


def _airplane(airport: Airport, *, wingspan_m: tuple[float, float]) -> tuple[FloatArray, float]:
    """One more airplane: on the apron and the taxiway while there is room, else anywhere that is free."""
    rng, (width, height) = airport.rng, airport.canvas.extent_m
    low, high = np.log(wingspan_m)
    frame = draw_airframe(float(np.exp(rng.uniform(low, high))), rng=rng)
    outline = frame.outline()
    radius = float(np.hypot(*outline.T).max()) + 2
    for attempt in range(400):
        apron = (rng.uniform(-190, 190), rng.uniform(-1, 1) * (airport.apron_half_m - radius / 2))
        taxiway = (rng.uniform(-250, 250), -airport.apron_half_m - 12)
        anywhere = rng.uniform(0, 1, 2) * (width, height)
        x, y = airport.at(*(apron if rng.random() < 0.85 else taxiway)) if attempt < 250 else anywhere
        if radius < x < width - radius and radius < y < height - radius and _free(airport, (x, y), radius_m=radius):
            parked = airport.heading_deg + float(rng.choice([0, 90, 90, 90, 180, 270])) + rng.normal(0, 3)
            heading = float(parked if rng.random() < 0.5 else rng.uniform(0, 360)) % 360
            placed_m = placed(outline, centre_m=(x, y), heading_deg=heading)
            _paint_airplane(airport, placed_m, body_m=(frame.length_m, frame.fuselage_m), heading_deg=heading)
            _take(airport, placed_m, margin_m=2)
            return placed_m, heading
    raise SettingError(
        f"an image of {width:g} × {height:g} m has no room for one more airplane of {frame.wingspan_m:.0f} m; "
        "lower n_airplanes or wingspan_m, or raise rows, cols or gsd_m"
    )


def _paint_airplane(
    airport: Airport, outline_m: FloatArray, *, body_m: tuple[float, float], heading_deg: float
) -> None:
    canvas, livery = airport.canvas, airport.pick(LIVERIES)
    length, fuselage = body_m
    middle = (outline_m[0] + outline_m[-1]) / 2
    nose = np.array([np.cos(np.deg2rad(heading_deg)), np.sin(np.deg2rad(heading_deg))])
    shade_polygon(canvas, outline_m + airport.shadow_per_m * 0.09 * length, factor=SHADOW, soft_m=0.5)
    wing: Tone = (livery[0] * 0.88, livery[1] * 0.88, livery[2] * 0.9)
    paint_polygon(canvas, outline_m, tone=wing)
    for back, long, wide, tone in ((0.45, 0.72, 0.6, livery), (0.9, 0.14, 0.25, airport.pick(TAILS))):
        x, y = middle - nose * back * length
        part = Rect(centre_m=(x, y), length_m=long * length, width_m=wide * fuselage, heading_deg=heading_deg)
        paint_rect(canvas, part, tone=tone)


def _jet_bridges(airport: Airport) -> None:
    """From the terminal towards the stands, where nothing is in the way."""
    for u in np.arange(-airport.terminal_m[0] / 2 + 10, airport.terminal_m[0] / 2, 43.0):
        bridge = airport.rect(u, airport.apron_half_m - 10, size=(3, 24), turn_deg=float(airport.rng.uniform(-30, 30)))
        _put(airport, bridge, tone=airport.pick(ROOFS), height_m=5)


def _vehicles(airport: Airport) -> None:
    """Trucks and trains of carts on the apron, and a full car park behind the terminal."""
    rng, half = airport.rng, airport.apron_half_m
    for _ in range(45):
        long = float(rng.choice([4.6, 7.0, 11.0, 15.0]))
        where = (rng.uniform(-190, 190), rng.uniform(-half, half))
        truck = airport.rect(*where, size=(long, 2.5), turn_deg=float(rng.uniform(0, 360)))
        _put(airport, truck, tone=airport.pick((*CARS, YELLOW)), height_m=2.5)
    lot_v = half + airport.terminal_m[1] + 42
    lot_u = float(rng.uniform(-60, 60))
    paint_rect(airport.canvas, airport.rect(lot_u, lot_v, size=(100, 52)), tone=airport.pick(ASPHALTS))
    for v in (-20, -9, 9, 20):
        for u in np.arange(-46, 47, 2.9):
            if rng.random() < 0.65:
                car = airport.rect(lot_u + u, lot_v + v, size=(1.9, 4.5))
                _put(airport, car, tone=airport.pick(CARS), height_m=1.5)


def _trees(airport: Airport) -> None:
    rng, turn = airport.rng, np.linspace(0, 2 * np.pi, 10)[:-1]
    for _ in range(50):
        place = np.array(airport.at(rng.uniform(-300, 300), airport.apron_half_m + rng.uniform(110, 300)))
        crown = place + rng.uniform(2, 5) * np.stack([np.cos(turn), np.sin(turn)], 1) * rng.uniform(0.8, 1.2, (9, 1))
        shade_polygon(airport.canvas, crown + airport.shadow_per_m * 4, factor=SHADOW, soft_m=0.6)
        paint_polygon(airport.canvas, crown, tone=airport.pick(((0.06, 0.10, 0.05),), spread=0.2))


def _put(airport: Airport, rect: Rect, *, tone: Tone, height_m: float) -> None:
    """A small thing with its shadow, unless something is there already."""
    corners = rect.corners()
    if (stamp(corners, shape=airport.taken.shape) & airport.taken).any():
        return
    shade_polygon(airport.canvas, corners + airport.shadow_per_m * height_m, factor=SHADOW, soft_m=0.3)
    paint_rect(airport.canvas, rect, tone=tone)
    _take(airport, corners, margin_m=0)


def _take(airport: Airport, polygon_m: FloatArray, *, margin_m: int) -> None:
    """Nothing else may stand here."""
    airport.taken[...] |= stamp(polygon_m, shape=airport.taken.shape, margin_px=margin_m)


def _free(airport: Airport, place_m: tuple[float, float], *, radius_m: float) -> bool:
    """Whether the disc touches nothing that is taken."""
    rows, cols = airport.taken.shape
    x, y, r = int(place_m[0]), int(place_m[1]), int(radius_m) + 1
    top, left = max(0, y - r), max(0, x - r)
    near = airport.taken[top : min(rows, y + r + 1), left : min(cols, x + r + 1)]
    ys, xs = np.ogrid[: near.shape[0], : near.shape[1]]
    return not bool((near & ((ys + top - y) ** 2 + (xs + left - x) ** 2 <= r * r)).any())
