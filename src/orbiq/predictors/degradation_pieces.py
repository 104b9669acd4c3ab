"""Pieces of images whose blur, noise, sharpening and scale are known: what the degradation regressors learn from.

A source is first shrunk as a coarser imager would see it, so that its own blur and noise, which are known only so well,
hardly count; then each piece is degraded by the functions behind orbiq's own modifiers. Planes are float32 (rows, cols)
in 0 … 255.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, hypot, log, nan, sqrt
from typing import NamedTuple

import numpy as np

from orbiq.arrays import Array, Scene
from orbiq.modifiers.detector import Sharpen
from orbiq.modifiers.geometry_gsd import Gsd, coarser
from orbiq.optics import blur
from orbiq.predictors.degradation_labels import (
    PARAMETERS,
    SHARPEN_SIGMA_PX,
    Degradation,
    noise_after_blur,
)

HALO_PX = 20
"""Around a piece, for the filters; it is cut off in the end."""
_LEAST_BLUR_PX = 0.7
"""From here on the kernel of `orbiq.optics.blur` has the MTF of its Gaussian."""
_SHARPEST_PX, _SOFTEST_PX = 0.3, 1.0
"""Range of the blur of what a source is shrunk to."""
_ROUNDING_DN2 = 1 / 12
_DROWNED = 3.0
"""So many times as strong, added noise drowns what there was."""
_NATIVE = 0.2
"""Share of visits that take a source as it is."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Images of one imager: `read(rng)` gives a plane of one; σ of the imager's blur in its pixels, its noise in DN."""

    read: Callable[[np.random.Generator], Array]
    sigma_px: float
    noise_dn: float
    name: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Base:
    """A plane that has `sigma_px` of blur and about `noise_dn` of noise; `quiet` where that hardly counts."""

    plane: Array
    sigma_px: float
    noise_dn: float
    quiet: bool = True


def base_of(source: Source, *, piece_px: int, rng: np.random.Generator) -> Base:
    """A plane of a source, shrunk by a factor that is drawn, at least `piece_px` and the halo across."""
    plane = source.read(rng)
    most = min(plane.shape) / (piece_px + 2 * HALO_PX)
    if most < 1:
        short = [max(0, piece_px + 2 * HALO_PX - side) for side in plane.shape]
        plane, most = np.pad(plane, [(0, n) for n in short], mode="symmetric"), 1.0
    if rng.random() < _NATIVE:
        return Base(plane=plane, sigma_px=source.sigma_px, noise_dn=source.noise_dn, quiet=source.noise_dn == 0)
    factor = exp(rng.uniform(log(min(most, max(1.0, source.sigma_px / 0.6))), log(min(most, 4.0))))
    sharpest = max(_SHARPEST_PX, source.sigma_px / factor)
    sigma_px = exp(rng.uniform(log(sharpest), log(max(_SOFTEST_PX, sharpest))))
    added_px = _stepped(sqrt(max((factor * sigma_px) ** 2 - source.sigma_px**2, 0)), 1 / 20)
    sigma_px = sqrt(source.sigma_px**2 + added_px**2) / factor
    noise_dn = noise_after_blur(source.noise_dn, added_px)
    return Base(plane=shrunk(plane, factor, blur_px=added_px), sigma_px=sigma_px, noise_dn=noise_dn)


def shrunk(plane: Array, factor: float, *, blur_px: float) -> Array:
    """A plane as an imager of pixels `factor` times as large sees it, with a Gaussian of `blur_px` old pixels more."""
    if factor == 1 and blur_px == 0:
        return plane
    rows, cols = (int(side / factor + 1e-9) for side in plane.shape)
    scene = Scene(array=plane[..., None].astype(np.float32, copy=False))
    return coarser(scene, sigmas_px=np.array([blur_px]), rows=rows, cols=cols, step=factor).scene.array[..., 0]


def piece_of(base: Base, *, piece_px: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """A piece (piece_px, piece_px) of a base, degraded as drawn, and the places of its labels in their ranges.

    The label of the noise is NaN where a source that was not shrunk may have as much itself.
    """
    size = piece_px + 2 * HALO_PX
    row, col = (int(rng.integers(side - size + 1)) for side in base.plane.shape)
    plane, gain = _toned(base.plane[row : row + size, col : col + size], rng)
    drawn = _drawn(base, rng)
    degraded, degradation = degraded_by(drawn, plane, base.sigma_px, base.noise_dn * gain, rng)
    degraded = degraded[HALO_PX:-HALO_PX, HALO_PX:-HALO_PX]
    if rng.random() < 0.85:
        degraded = np.rint(degraded)
    labels = degradation.labels()
    if not base.quiet and max(drawn.early_dn, drawn.late_dn) < _DROWNED * base.noise_dn * gain:
        labels["noise"] = nan
    places = [float(PARAMETERS[name].place(np.array(value))) for name, value in labels.items()]
    return np.clip(degraded, 0, 255).astype(np.float32), np.array(places, np.float32)


def _toned(plane: Array, rng: np.random.Generator) -> tuple[Array, float]:
    """A plane with another contrast and brightness, mostly within 0 … 255, and by how much its contrast changed."""
    low, middle, high = np.percentile(plane[::3, ::3], (1, 50, 99))
    gain = min(exp(rng.uniform(log(0.2), log(2.0))), 245 / max(high - low, 1.0))
    darkest, brightest = 5 + gain * (middle - low), 250 - gain * (high - middle)
    level = darkest + rng.random() * (brightest - darkest)
    return (plane - middle) * np.float32(gain) + np.float32(level), gain


class Drawn(NamedTuple):
    """Degradations to add: blur, noise before a coarser grid and sharpening, and after them."""

    blur_px: float = 0.0
    early_dn: float = 0.0
    rounded: bool = False
    gsd_scale: float = 1.0
    sharpening: float = 0.0
    late_dn: float = 0.0


def _drawn(base: Base, rng: np.random.Generator) -> Drawn:
    """For a base: some of the degradations, and with every second piece at most one."""
    only = int(rng.integers(5)) if rng.random() < 0.5 else -1
    wanted = exp(rng.uniform(log(_SHARPEST_PX), log(PARAMETERS["blur"].high))) if only in (-1, 0) else 0.0
    blur_px = sqrt(max(wanted**2 - base.sigma_px**2, 0))
    noise_dn = exp(rng.uniform(log(PARAMETERS["noise"].low), log(20 if only in (-1, 1) else 2)))
    noise_dn = noise_dn if only == 1 or rng.random() < 0.75 else 0.0
    late = rng.random() < 0.3
    return Drawn(
        blur_px=blur_px if blur_px >= _LEAST_BLUR_PX else 0.0,
        early_dn=0.0 if late else noise_dn,
        rounded=rng.random() < 0.5,
        gsd_scale=_stepped(rng.uniform(1.0, 2.0), 1 / 32) if only == 2 or (only < 0 and rng.random() < 0.5) else 1.0,
        sharpening=float(rng.uniform(0, 2)) if only == 3 or (only < 0 and rng.random() < 0.5) else 0.0,
        late_dn=noise_dn if late else 0.0,
    )


def _stepped(value: float, step: float) -> float:
    """Of a few values: `orbiq.modifiers.geometry_gsd` keeps the kernels of narrow blurs, which take long to make."""
    return round(value / step) * step


def degraded_by(
    drawn: Drawn, plane: Array, sigma_px: float, noise_dn: float, rng: np.random.Generator
) -> tuple[Array, Degradation]:
    """A plane of known blur and noise after more of them, and what it has in all.

    By the functions behind the modifiers gaussian-blur, gaussian-noise or shot-noise, gsd and sharpen.
    """
    if drawn.blur_px:
        plane, noise_dn = blur(plane, drawn.blur_px), noise_after_blur(noise_dn, drawn.blur_px)
    plain = drawn.gsd_scale == 1 and drawn.sharpening == 0
    plane = _noisy(plane, noise_dn=drawn.early_dn, shared=plain and rng.random() < 0.1, rng=rng)
    if drawn.rounded:
        plane = np.rint(plane)
    if drawn.gsd_scale > 1:
        plane = modified(Gsd(factor=drawn.gsd_scale, back=True), plane)
    if drawn.sharpening:
        plane = modified(Sharpen(amount=drawn.sharpening, sigma_px=SHARPEN_SIGMA_PX), plane)
    return _noisy(plane, noise_dn=drawn.late_dn, shared=rng.random() < 0.1, rng=rng), Degradation(
        sigma_px=hypot(sigma_px, drawn.blur_px),
        early_dn=sqrt(noise_dn**2 + drawn.early_dn**2 + (_ROUNDING_DN2 if drawn.rounded and not plain else 0)),
        gsd_scale=drawn.gsd_scale,
        sharpening=drawn.sharpening,
        late_dn=drawn.late_dn,
    )


def modified(modifier: Gsd | Sharpen, plane: Array) -> Array:
    """A plane after one of orbiq's modifiers that draw nothing."""
    scene = Scene(array=plane[..., None].astype(np.float32, copy=False))
    done = modifier(scene, rng=np.random.default_rng(0)).scene
    return np.asarray(done.array[..., 0])


def _noisy(plane: Array, *, noise_dn: float, shared: bool, rng: np.random.Generator) -> Array:
    """With Gaussian noise of that standard deviation at the median level: white, or shared by neighbours."""
    if not noise_dn:
        return plane
    noise = rng.standard_normal(plane.shape, np.float32)
    if shared:
        noise = blur(noise, float(rng.uniform(0.4, 0.9)))
        noise /= noise.std()
    if rng.random() < 0.5:  # shot noise in part: its variance goes with the level
        shot = rng.uniform(0, 1)
        level = np.maximum(plane / max(float(np.median(plane[::3, ::3])), 1.0), 0)
        noise *= np.sqrt(shot * level + 1 - shot).astype(np.float32)
    return np.asarray(plane + np.float32(noise_dn) * noise)
