"""Made-up ground with straight, soft, textured and crooked edges, seen through a known point spread function.

Nothing here is shared with the finder, the fit, or the airports of `orbiq.datasets`: shapes are painted on a grid seven
times finer, so that a pixel's centre is a centre of the fine grid, the point spread function is applied there, and the
truth is in closed form. The ground before the imager is kept: an accepted edge is right if the ground steps there,
once, sharply.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import erf, pi, sqrt

import cv2
import numpy as np
import numpy.typing as npt

FINE = 7
FULL_SCALE = 0.6  # the reflectance of the largest digital number
SNR_LEVEL = 0.3  # the reflectance at which the signal-to-noise ratio is stated
Field = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]
Rng = np.random.Generator


@dataclass(frozen=True, eq=False, kw_only=True)
class Ground:
    """Reflectance and strength of texture on the fine grid (rows, cols), painted in place; lengths are in pixels."""

    light: Field
    texture: Field

    @property
    def size(self) -> float:
        """Of a side, in pixels."""
        return self.light.shape[0] / FINE

    def paint(self, points: Points, tone: float, *, texture: float = 0.0, soft_px: float = 0.0) -> None:
        """Lay a tone over a polygon (n, 2) of (x, y), with an edge as soft as a Gaussian of `soft_px`."""
        found = self._cover(points, soft_px)
        if found is not None:
            window, cover = found
            self.light[window] += cover * (np.float32(tone) - self.light[window])
            self.texture[window] += cover * (np.float32(texture) - self.texture[window])

    def shade(self, points: Points, factor: float, *, soft_px: float = 0.0) -> None:
        """Multiply what is under a polygon by `factor`."""
        found = self._cover(points, soft_px)
        if found is not None:
            window, cover = found
            self.light[window] *= 1 - cover * np.float32(1 - factor)

    def _cover(self, points: Points, soft_px: float) -> tuple[tuple[slice, slice], Field] | None:
        fine = points * FINE - 0.5
        margin = 4 * soft_px * FINE + 2
        low = np.maximum(np.floor(fine.min(0) - margin), 0).astype(int)
        high = np.minimum(np.ceil(fine.max(0) + margin) + 1, self.light.shape[::-1]).astype(int)
        if (high <= low).any():
            return None
        cover = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        cv2.fillPoly(cover, [np.rint((fine - low) * 256).astype(np.int32)], 1, shift=8)
        soft = cover.astype(np.float32)
        if soft_px > 0:
            soft = cv2.GaussianBlur(soft, (0, 0), soft_px * FINE, borderType=cv2.BORDER_REPLICATE)
        return (slice(low[1], high[1]), slice(low[0], high[0])), soft


@dataclass(frozen=True, eq=False, kw_only=True)
class Scene:
    """`image` (rows, cols) uint8 or uint16; `clean`, the ground before imager and texture, on the fine grid."""

    image: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    clean: Field
    peak: int


def box(centre: Points, length: float, width: float, angle: float) -> Points:
    """Corners (4, 2) of a rectangle whose length lies at `angle` radians."""
    c, s = np.cos(angle), np.sin(angle)
    half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (length / 2, width / 2)
    return np.asarray(half @ np.array([[c, s], [-s, c]]) + centre)


def blob(centre: Points, radius: float, rng: Rng, *, rough: float = 0.15, corners: int = 48) -> Points:
    """A closed crooked line."""
    angle = np.linspace(0, 2 * pi, corners, endpoint=False)
    reach = np.ones(corners)
    for k in range(2, 8):
        reach += rough * rng.normal() / k * np.cos(k * angle + rng.uniform(0, 2 * pi))
    return np.asarray(centre + radius * (reach * [np.cos(angle), np.sin(angle)]).T)


def _tone(rng: Rng) -> float:
    return float(rng.uniform(0.06, 0.5))


def _place(ground: Ground, rng: Rng) -> Points:
    return np.asarray(rng.uniform(0, ground.size, 2))


def parcels(ground: Ground, rng: Rng) -> None:
    """Fields of any heading with texture, roads, hedges."""
    heading = rng.uniform(0, pi)
    for _ in range(int(ground.size**2 / 7000)):
        turn = heading + rng.normal(0, 0.25)
        shape = box(_place(ground, rng), rng.uniform(40, 180), rng.uniform(30, 110), turn)
        ground.paint(shape + rng.normal(0, 4, (4, 2)), _tone(rng), texture=rng.choice([0.0, 0.01, 0.03, 0.08]))
    for _ in range(int(ground.size / 60)):
        turn = heading + rng.choice([0, pi / 2]) + rng.normal(0, 0.1)
        ground.paint(box(_place(ground, rng), 2 * ground.size, rng.uniform(2, 12), turn), _tone(rng))


def roofs(ground: Ground, rng: Rng) -> None:
    """Houses in rows with ridges and soft shadows, trees, streets."""
    ground.paint(box(np.full(2, ground.size / 2), 3 * ground.size, 3 * ground.size, 0), 0.18, texture=0.06)
    heading, sun = rng.uniform(0, pi), rng.uniform(0, 2 * pi)
    for _ in range(int(ground.size / 80)):
        turn = heading + rng.choice([0, pi / 2])
        ground.paint(box(_place(ground, rng), 3 * ground.size, rng.uniform(5, 12), turn), 0.14, texture=0.01)
    for _ in range(int(ground.size**2 / 2500)):
        centre, turn = _place(ground, rng), heading + rng.normal(0, 0.2)
        length, width = rng.uniform(18, 70), rng.uniform(14, 40)
        shadow = centre + rng.uniform(3, 9) * np.array([np.cos(sun), np.sin(sun)])
        ground.shade(box(shadow, length, width, turn), 0.4, soft_px=rng.uniform(0.3, 2))
        tone, across = _tone(rng), np.array([-np.sin(turn), np.cos(turn)])
        ground.paint(box(centre, length, width, turn), tone, texture=rng.choice([0.0, 0.02]))
        ground.paint(box(centre + across * width / 4, length, width / 2, turn), tone * rng.uniform(0.7, 0.95))
    for _ in range(int(ground.size**2 / 4000)):
        ground.paint(blob(_place(ground, rng), rng.uniform(2, 7), rng), 0.08, texture=0.1, soft_px=rng.uniform(0.3, 1))


def soft(ground: Ground, rng: Rng) -> None:
    """Half of all boundaries are soft, by 0.3 to 3 pixels."""
    for k in range(int(ground.size**2 / 4000)):
        shape = box(_place(ground, rng), rng.uniform(40, 140), rng.uniform(30, 90), rng.uniform(0, pi))
        texture = rng.choice([0.0, 0.02, 0.05])
        ground.paint(shape, _tone(rng), texture=texture, soft_px=rng.uniform(0.3, 3) if k % 2 else 0.0)


def coast(ground: Ground, rng: Rng) -> None:
    """Crooked shores with surf, piers, boats, dunes without any sharp boundary."""
    ground.paint(box(np.full(2, ground.size / 2), 3 * ground.size, 3 * ground.size, 0), 0.07, texture=0.04)
    for _ in range(5):
        centre, radius = _place(ground, rng), ground.size * rng.uniform(0.15, 0.35)
        shore = blob(centre, radius, rng, corners=90)
        ground.paint(centre + (shore - centre) * 1.03, 0.3, texture=0.1, soft_px=2.5)
        ground.paint(shore, 0.34, texture=0.05, soft_px=rng.uniform(0.5, 2))
        ground.paint(centre + (shore - centre) * 0.8, 0.15, texture=0.12, soft_px=1.5)
    for _ in range(int(ground.size**2 / 9000)):
        turn = rng.uniform(0, pi)
        ground.paint(box(_place(ground, rng), rng.uniform(20, 120), rng.uniform(4, 26), turn), _tone(rng))
    for _ in range(int(ground.size**2 / 9000)):
        ground.paint(blob(_place(ground, rng), rng.uniform(8, 40), rng), _tone(rng), texture=0.05, soft_px=1.0)


def grid_city(ground: Ground, rng: Rng) -> None:
    """Blocks within 4° of the axes, flat roofs with parapets and boxes, cars, shadows."""
    tilt, ground.light[:] = np.deg2rad(rng.uniform(-4, 4)), 0.12
    ground.texture[:] = 0.02
    for _ in range(int(ground.size**2 / 2200)):
        centre, turn = _place(ground, rng), tilt + rng.normal(0, 0.01)
        length, width, tone = rng.uniform(18, 80), rng.uniform(18, 60), _tone(rng)
        ground.shade(box(centre + rng.uniform(3, 8, 2), length, width, turn), 0.35, soft_px=rng.uniform(0.2, 1.2))
        ground.paint(box(centre, length, width, turn), min(tone * 1.3, 0.55))
        ground.paint(box(centre, length - 3, width - 3, turn), tone, texture=rng.choice([0.0, 0.03]))
        for _ in range(3):
            spot = centre + rng.uniform(-0.3, 0.3, 2) * (length, width)
            ground.paint(box(spot, rng.uniform(2, 8), rng.uniform(2, 8), turn), _tone(rng))
    for _ in range(int(ground.size**2 / 1500)):
        ground.paint(box(_place(ground, rng), 4.5, 2, tilt), _tone(rng))


def circles(ground: Ground, rng: Rng) -> None:
    """Round fields, rows of crops, ploughed strips, tracks."""
    ground.light[:], ground.texture[:] = 0.25, 0.05
    for _ in range(int(ground.size**2 / 16000)):
        centre, radius = _place(ground, rng), rng.uniform(30, 90)
        ground.paint(blob(centre, radius, rng, rough=0, corners=200), _tone(rng), texture=rng.choice([0.0, 0.06]))
        ground.paint(box(centre, 2 * radius, 1.0, rng.uniform(0, pi)), _tone(rng))
    for _ in range(int(ground.size**2 / 14000)):
        centre, turn, tone = _place(ground, rng), rng.uniform(0, pi), _tone(rng)
        ground.paint(box(centre, 80, 60, turn), tone, texture=0.02)
        for k in range(-6, 7):
            row = centre + 4.5 * k * np.array([-np.sin(turn), np.cos(turn)])
            ground.paint(box(row, 76, 1.6, turn), tone * 0.8, soft_px=0.5)
    for _ in range(int(ground.size**2 / 9000)):
        shape = box(_place(ground, rng), rng.uniform(40, 160), rng.uniform(20, 70), rng.uniform(0, pi))
        ground.paint(shape, _tone(rng), texture=rng.choice([0.0, 0.02, 0.05]))


KINDS: dict[str, Callable[[Ground, Rng], None]] = {
    "parcels": parcels, "roofs": roofs, "soft": soft, "coast": coast, "grid_city": grid_city, "circles": circles,
}  # fmt: skip


def scene(
    kind: str,
    *,
    seed: int,
    sigma_px: float | tuple[float, float],
    snr: float,
    bits: int,
    detector: bool = False,
    size: int = 1024,
) -> Scene:
    """A picture of a kind of ground. `sigma_px` of the Gaussian (or along x and y); with `detector`, a square pixel is
    added.
    """
    rng = np.random.default_rng([seed, sorted(KINDS).index(kind)])
    shape = (size * FINE, size * FINE)
    ground = Ground(light=np.full(shape, _tone(rng), np.float32), texture=np.full(shape, 0.02, np.float32))
    KINDS[kind](ground, rng)
    clean = ground.light.copy()
    ground.light[:] *= 1 + ground.texture * _noise(shape[0], rng)
    signal = _seen(ground.light, sigma_px, detector=detector)
    variance = (SNR_LEVEL / snr) ** 2 * (0.7 * signal / SNR_LEVEL + 0.3)
    peak = 2**bits - 1
    numbers = (signal + rng.standard_normal(signal.shape) * np.sqrt(variance)) / FULL_SCALE * peak
    image = np.clip(np.rint(numbers), 0, peak).astype(np.uint8 if bits == 8 else np.uint16)
    return Scene(image=image, clean=clean, peak=peak)


def _noise(size: int, rng: Rng) -> Field:
    """Noise of cells of 1.5, 3, 6 and 12 pixels, standard deviation near 1."""
    total = np.zeros((size, size), np.float32)
    for cell in (1.5, 3, 6, 12):
        coarse = rng.standard_normal((int(size / FINE / cell) + 4,) * 2, dtype=np.float32)
        total += cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(total / 1.6, np.float32)


def _seen(light: Field, sigma_px: float | tuple[float, float], *, detector: bool) -> Field:
    """Through the Gaussian, less the box of a fine pixel that painting stands for; then at the pixels' centres."""
    sigmas = sigma_px if isinstance(sigma_px, tuple) else (sigma_px, sigma_px)
    kernels = []
    for sigma in sigmas:
        narrow = sqrt((sigma * FINE) ** 2 - 1 / 12)
        half = int(5 * narrow) + 1
        kernel = np.exp(-0.5 * (np.arange(-half, half + 1) / narrow) ** 2)
        kernel = np.convolve(kernel, np.ones(FINE)) if detector else kernel
        kernels.append(kernel / kernel.sum())
    seen = cv2.sepFilter2D(light, -1, kernels[0], kernels[1], borderType=cv2.BORDER_REFLECT)
    return np.asarray(seen[FINE // 2 :: FINE, FINE // 2 :: FINE], np.float32)


def true_rer(sigma_px: float, *, detector: bool = False, angle: float = 0.0) -> float:
    """ER(0.5) − ER(−0.5) along a normal at `angle` radians: erf, averaged over the pixel as the normal sees it."""
    if not detector:
        return erf(0.5 / (sigma_px * sqrt(2)))
    t = (np.arange(400) + 0.5) / 400 - 0.5
    seen = np.add.outer(t * np.cos(angle), t * np.sin(angle)).ravel()
    return float(np.mean([_phi((0.5 - s) / sigma_px) - _phi((-0.5 - s) / sigma_px) for s in seen[::7]]))


def _phi(z: float) -> float:
    return 0.5 * (1 + erf(z / sqrt(2)))


def is_right(clean: Field, *, row: float, col: float, angle: float, contrast: float) -> bool:
    """Whether the ground steps at the edge, from plateau to plateau, by about `contrast`, nearly everywhere along it.

    `angle` radians of the normal from +x towards +y. Looks 6 pixels along and 5 across.
    """
    u, v = (np.arange(-5 * FINE, 5 * FINE + 1) / FINE, np.arange(-6, 7, 1.5)[:, None])
    x = (col + 0.5 + u * np.cos(angle) - v * np.sin(angle)) * FINE - 0.5
    y = (row + 0.5 + u * np.sin(angle) + v * np.cos(angle)) * FINE - 0.5
    at = x.astype(np.float32), y.astype(np.float32)
    lines = cv2.remap(clean, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    near, far = np.abs(u) <= 1.2, np.abs(u) > 1.2
    low, high = np.median(lines[:, far & (u < 0)], 1), np.median(lines[:, far & (u > 0)], 1)
    step = high - low
    share = (lines - low[:, None]) / np.where(np.abs(step) < 1e-4, 1e-4, step)[:, None]
    sharp = ((share[:, near] > 0.1) & (share[:, near] < 0.9)).sum(1) <= 4
    plateaus = np.abs(np.where(u < 0, share, 1 - share)[:, far]).max(1) < 0.15
    alike = np.abs(step - contrast) < 0.3 * abs(contrast)
    return bool(np.mean(sharp & plateaus & alike) >= 0.75)
