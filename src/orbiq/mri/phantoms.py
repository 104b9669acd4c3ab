"""Made-up magnetic resonance images: with the textures, edges and near-black surroundings of real ones.

They are no anatomy. They are what networks can be trained on and judged by where no measured data may be had: bodies of
several tissues with the texture of each (spongy bone, fibres, lobes of fat, folds), thin dark ligaments and bright
vessels, a coil that sees one side better than the other, a smooth phase, and noise, which in the magnitude is Rician.
Everything comes from a seed and a size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from orbiq.arrays import BoolArray
from orbiq.errors import SettingError
from orbiq.mri.phantom_parts import Canvas, Plane, arc, coverage

Kind = Literal["knee", "brain"]
ComplexImage = npt.NDArray[np.complex64]
_LEAST_PX = 16


@dataclass(frozen=True, eq=False, kw_only=True)
class Phantom:
    """`image` complex64 (rows, cols), tissues up to about 1; `body` bool (rows, cols), True inside the body."""

    image: ComplexImage
    body: BoolArray

    @property
    def magnitude(self) -> Plane:
        """What is looked at: float32 (rows, cols), 0 or more."""
        return np.abs(self.image)


def phantom(seed: int, size: tuple[int, int] = (320, 320), *, kind: Kind | None = None) -> Phantom:
    """The phantom of a seed and a size (rows, cols), sides of 16 or more; without `kind` the seed chooses one.

    Noise is complex Gaussian, of 0.3 to 1 % of the brightest tissue in each part, so that the magnitude has Rician
    noise and its background is near 0 but not 0. Detail is in pixels: a larger one shows more of it, not a finer grid.
    SettingError for a side below 16 or an unknown kind.

    >>> made = phantom(1, (64, 48))
    >>> made.image.shape, bool((made.image == phantom(1, (64, 48)).image).all())
    ((64, 48), True)
    """
    if min(size) < _LEAST_PX:
        raise SettingError(
            f"a phantom of {size[0]} × {size[1]} pixels is too small: expected sides of {_LEAST_PX} or more"
        )
    if kind is not None and kind not in _PAINTERS:
        raise SettingError(f"phantom kind is {kind!r}; expected {', '.join(get_args(Kind))}")
    rng = np.random.default_rng([seed, *size])
    chosen = get_args(Kind)[int(rng.integers(2))]
    canvas = Canvas(size, rng, bend=0.015)
    tissue, body = _PAINTERS[kind or chosen](canvas)
    tissue = coverage(body) * np.maximum(tissue, 0)
    seen = tissue * _sensitivity(canvas) * np.exp(1j * _phase(canvas)).astype(np.complex64)
    sigma = np.float32(rng.uniform(0.003, 0.01))
    noise = sigma * rng.standard_normal((2, *size), np.float32)
    return Phantom(image=np.asarray(seen + noise[0] + 1j * noise[1], np.complex64), body=body > 0)


def _sensitivity(canvas: Canvas) -> Plane:
    """Smooth, in about 0.6 to 1: brighter on the side of the coil."""
    angle, depth = canvas.rng.uniform(0, 2 * np.pi), canvas.rng.uniform(0.1, 0.3)
    towards = np.cos(angle) * canvas.x + np.sin(angle) * canvas.y
    return np.asarray(np.clip(1 - depth + depth * towards, 0.4, 1.2), np.float32)


def _phase(canvas: Canvas) -> Plane:
    """A plane, a bowl, and a smooth rest, radians."""
    tilt_x, tilt_y, bowl, start = canvas.rng.uniform(-1, 1, 4) * (1.5, 1.5, 1.0, np.pi)
    rest = 0.3 * canvas.texture(0, 3 / max(canvas.size))
    return np.asarray(
        start + tilt_x * canvas.x + tilt_y * canvas.y + bowl * (canvas.x**2 + canvas.y**2) + rest, np.float32
    )


def _over(below: Plane, cover: Plane, tissue: Plane | float) -> Plane:
    return np.asarray(below + cover * (tissue - below), np.float32)


def _spongy(canvas: Canvas, level: float) -> Plane:
    """Marrow between trabeculae: thin dark bars where a noise of two directions crosses 0."""
    angle = canvas.rng.uniform(0, np.pi)
    bars = canvas.texture(0.05, 0.22, along_rad=angle, stretch=2.0)
    cross = canvas.texture(0.05, 0.22, along_rad=angle + np.pi / 2, stretch=2.0)
    net = np.minimum(np.abs(bars), np.abs(cross))
    slow = canvas.texture(0.005, 0.03)
    return np.asarray(level * (0.72 + 0.28 * np.minimum(net * 2, 1.4) + 0.06 * slow), np.float32)


def _fibres(canvas: Canvas, level: float, angle_rad: float) -> Plane:
    """Muscle: bundles and fine streaks along a direction, thin bright fat between bundles."""
    fine = canvas.texture(0.06, 0.3, along_rad=angle_rad, stretch=6.0)
    bundles = canvas.texture(0.01, 0.05, along_rad=angle_rad, stretch=5.0)
    between = np.maximum(0, 1 - 6 * np.abs(bundles))
    return np.asarray(level * (1 + 0.12 * fine + 0.12 * bundles + 0.5 * between), np.float32)


def _lobes(canvas: Canvas, level: float) -> Plane:
    """Fat: lobes with thin dark walls."""
    walls = np.abs(canvas.texture(0.02, 0.07))
    fine = canvas.texture(0.08, 0.3)
    return np.asarray(level * (1 - 0.45 * np.maximum(0, 1 - 5 * walls) + 0.05 * fine), np.float32)


def _bone(canvas: Canvas, image: Plane, inside_px: Plane, *, marrow: float, joint: float) -> Plane:
    """A bone with its cartilage (level `joint`), dark rim and spongy marrow."""
    rim_px = canvas.rng.uniform(1.5, 3)
    image = _over(image, coverage(inside_px + canvas.rng.uniform(2, 5)), joint * (1 + 0.05 * canvas.texture(0.1, 0.3)))
    image = _over(image, coverage(inside_px), 0.06)
    return _over(image, coverage(inside_px - rim_px), _spongy(canvas, marrow))


def _knee(canvas: Canvas) -> tuple[Plane, Plane]:
    """A joint from the side: two long bones that meet, a kneecap, ligaments, muscle behind, fat around."""
    rng = canvas.rng
    fat, muscle, marrow = rng.uniform(0.55, 1.0), rng.uniform(0.25, 0.5), rng.uniform(0.4, 0.95)
    fluid, tilt = rng.uniform(0.6, 1.0), rng.uniform(-0.15, 0.15)
    width, gap = rng.uniform(0.55, 0.7), rng.uniform(-0.1, 0.1)
    body = canvas.ellipse(rng.uniform(-0.1, 0.1), 0, width, 1.8, angle_rad=tilt)
    image = _over(np.zeros(canvas.size, np.float32), coverage(body), 0.35)
    image = _over(image, coverage(body - rng.uniform(1, 2.5)), _lobes(canvas, fat))
    flesh = body - canvas.half * rng.uniform(0.08, 0.16)
    image = _over(image, coverage(flesh), _fibres(canvas, muscle, np.pi / 2 - tilt + rng.uniform(-0.2, 0.2)))
    image = _over(image, coverage(canvas.ellipse(-0.28, gap + 0.05, 0.2, 0.3, angle_rad=0.4)), _lobes(canvas, fat))
    for y, up in ((gap - 0.27, -1), (gap + 0.3, 1)):
        head = canvas.ellipse(rng.uniform(-0.05, 0.05), y, rng.uniform(0.32, 0.4), 0.25, power=2.5)
        shaft = canvas.ellipse(0.05, y + 0.7 * up, rng.uniform(0.16, 0.22), 0.75, power=4.0)
        image = _bone(canvas, image, np.maximum(head, shaft), marrow=marrow, joint=fluid)
    image = _bone(canvas, image, canvas.ellipse(-0.45, gap - 0.3, 0.08, 0.17), marrow=marrow, joint=fluid)
    image = _over(image, _ligaments(canvas, gap), rng.uniform(0.03, 0.1))
    image = _over(image, canvas.dots(30, flesh, (0.8, 2.2)), rng.uniform(0.7, 1.1))
    return image, body


def _ligaments(canvas: Canvas, gap: float) -> Plane:
    """Coverage of tendons in front, crossed ligaments in the joint, and thin sheets in the flesh."""
    rng = canvas.rng
    thick, thin = max(1, round(canvas.half / 50)), 1
    tendons = [arc((-0.48, gap - 1.0), (-0.5, gap - 0.45), 0.03), arc((-0.5, gap - 0.15), (-0.3, gap + 0.55), 0.05)]
    crossed = [arc((-0.15, gap + 0.1), (0.15, gap - 0.15), 0.03), arc((0.12, gap + 0.1), (-0.05, gap - 0.15), -0.04)]
    sheets = []
    for _ in range(12):
        x, y = rng.uniform(0.2, 0.6), rng.uniform(-1, 0.8)
        end = (x + rng.uniform(-0.1, 0.1), y + rng.uniform(0.2, 0.5))
        sheets.append(arc((x, y), end, rng.uniform(-0.04, 0.04)))
    strands = [path + rng.normal(0, 0.012, 2) for path in crossed for _ in range(3)]
    both = np.maximum(canvas.curves(tendons, thick), canvas.curves(strands, thin))
    return np.asarray(np.maximum(both, 0.8 * canvas.curves(sheets, thin)), np.float32)


def _brain(canvas: Canvas) -> tuple[Plane, Plane]:
    """A head from above: scalp, skull, fluid, folded grey and white matter, ventricles, vessels."""
    rng = canvas.rng
    white, contrast, fluid = rng.uniform(0.45, 0.75), rng.uniform(-0.35, 0.35), rng.uniform(0.1, 1.0)
    grey = white * (1 + contrast + np.sign(contrast) * 0.1)
    across, down, tilt = rng.uniform(0.68, 0.78), rng.uniform(0.82, 0.92), rng.uniform(-0.2, 0.2)
    body = canvas.ellipse(0, 0, across, down, angle_rad=tilt)
    image = _over(np.zeros(canvas.size, np.float32), coverage(body), 0.3)
    image = _over(image, coverage(body - rng.uniform(1, 2.5)), _lobes(canvas, rng.uniform(0.6, 1.0)))
    skull = body - canvas.half * rng.uniform(0.05, 0.08)
    image = _over(image, coverage(skull), 0.05)
    image = _over(image, coverage(skull - 2.5), _spongy(canvas, rng.uniform(0.2, 0.6)))
    image = _over(image, coverage(skull - canvas.half * 0.045), 0.05)
    inner = skull - canvas.half * rng.uniform(0.06, 0.08)
    image = _over(image, coverage(inner), fluid * (1 + 0.05 * canvas.texture(0.05, 0.3)))
    image = _matter(canvas, image, inner, levels=(white, grey, fluid), tilt_rad=tilt)
    image = _over(image, canvas.dots(60, inner, (0.7, 1.6)), rng.choice([0.05, 1.0]))
    falx = canvas.curves([arc((down * np.sin(tilt), -0.8 * down), (-0.5 * np.sin(tilt), -0.2), 0.01)], 1)
    return _over(image, falx, 0.05), body


def _matter(
    canvas: Canvas, image: Plane, inner: Plane, *, levels: tuple[float, float, float], tilt_rad: float
) -> Plane:
    """White matter with fine tracts inside a folded ribbon of grey, and the ventricles in it."""
    white, grey, fluid = levels
    folds: Plane = np.abs(canvas.texture(0.01, 0.045))
    depth = np.asarray(inner / (canvas.half * canvas.rng.uniform(0.3, 0.4)), np.float32)
    fine = canvas.texture(0.08, 0.3)
    tracts = canvas.texture(0.05, 0.25, along_rad=canvas.rng.uniform(0, np.pi), stretch=3.0)
    image = _over(image, coverage(inner - 2), np.asarray(white * (1 + 0.07 * tracts + 0.03 * fine), np.float32))
    ribbon = np.maximum(0.75 - depth - folds, 0.25 - 2 * depth)  # grey beside each fold, and beneath the surface
    near = np.asarray(coverage(inner - 2) * coverage(8 * ribbon), np.float32)
    image = _over(image, near, grey * (1 + 0.06 * fine))
    image = _over(image, np.minimum(coverage(inner), coverage(14 * (0.2 - 0.35 * depth - folds))), fluid)
    size = canvas.rng.uniform(0.8, 1.3)
    for side in (-1, 1):
        nucleus = canvas.ellipse(0.22 * side, 0.02, 0.11, 0.17, angle_rad=tilt_rad - 0.4 * side)
        image = _over(image, coverage(nucleus), grey * (1 + 0.05 * fine))
        ventricle = canvas.ellipse(0.09 * side, -0.05, 0.05 * size, 0.24 * size, angle_rad=tilt_rad + 0.25 * side)
        image = _over(image, coverage(ventricle), fluid)
    return image


_PAINTERS: dict[str, Callable[[Canvas], tuple[Plane, Plane]]] = {"knee": _knee, "brain": _brain}
