"""What a detector adds: shot and read noise, stripes, dead pixels; and sharpening, which undoes some of the optics.

Levels are in DN, the unit of the data. Integers are rounded and clipped to 0…peak (signed ones from their least
value), floats are neither. Every band has draws of its own; the levels of a sweep share theirs.
"""

from dataclasses import dataclass
from math import inf
from typing import ClassVar, Literal

import numpy as np

from orbiq.arrays import Array, Scene, cast_like
from orbiq.errors import SettingError
from orbiq.modifiers.base import Modified
from orbiq.modifiers.noise import with_noise
from orbiq.modifiers.psf import working
from orbiq.optics import blur


@dataclass(frozen=True, kw_only=True)
class ShotNoise:
    """Shot and read noise: Gaussian of variance σ²(L) = shot_dn·L + read_dn2 at the level L of each pixel.

    `shot_dn` = a ≥ 0 in DN (DN per electron), `read_dn2` = b ≥ 0 in DN². Levels below 0 have read noise alone. It
    adds to the noise that the image has: variances add. `orbiq.metrics.snr(method="homogeneous-patches")`
    measures a and b.
    """

    name: ClassVar[str] = "shot-noise"
    shot_dn: float
    read_dn2: float = 0.0

    def __post_init__(self) -> None:
        _at_least_0("shot-noise:shot_dn", self.shot_dn)
        _at_least_0("shot-noise:read_dn2", self.read_dn2)

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:
        """The noisy scene, in the dtype of the input."""
        variance = self.shot_dn * np.maximum(scene.array.astype(np.float64), 0) + self.read_dn2
        return Modified(scene=with_noise(scene, np.sqrt(variance), rng=rng, peak=_peak(scene)))


@dataclass(frozen=True, kw_only=True)
class Striping:
    """Stripes of detectors that are not quite alike: L·(1 + g) + o, g and o one draw for each line of each band.

    o ~ N(0, offset_dn²) in DN, g ~ N(0, gain²) without unit. `along` "columns" for a scanner whose detectors each see
    one column (push broom), "rows" for one whose detectors each see one row.
    """

    name: ClassVar[str] = "striping"
    offset_dn: float = 0.0
    gain: float = 0.0
    along: Literal["columns", "rows"] = "columns"

    def __post_init__(self) -> None:
        _at_least_0("striping:offset_dn", self.offset_dn)
        _at_least_0("striping:gain", self.gain)
        if self.along not in {"columns", "rows"}:
            raise SettingError(f"striping:along is {self.along!r}; expected columns or rows")

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:
        """The striped scene, in the dtype of the input."""
        rows, cols, bands = scene.shape
        lines = (1, cols, bands) if self.along == "columns" else (rows, 1, bands)
        offsets, gains = rng.standard_normal(lines), rng.standard_normal(lines)
        return _changed(scene, scene.array * (1 + self.gain * gains) + self.offset_dn * offsets)


@dataclass(frozen=True, kw_only=True)
class DeadPixels:
    """Samples that always read `value_dn` (0 dead, the peak hot): a `fraction` in 0…1, drawn sample by sample."""

    name: ClassVar[str] = "dead-pixels"
    fraction: float
    value_dn: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.fraction <= 1:
            raise SettingError(f"dead-pixels:fraction is {self.fraction}; expected 0 to 1, for example 0.001")
        _at_least_0("dead-pixels:value_dn", self.value_dn)

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:
        """The scene with dead samples, in the dtype of the input."""
        dead = rng.random(scene.shape) < self.fraction
        return _changed(scene, np.where(dead, self.value_dn, scene.array))


@dataclass(frozen=True, kw_only=True)
class Sharpen:
    """Unsharp mask: L + amount·(L − G∗L), G a Gaussian of `sigma_px` pixels (`orbiq.optics.blur`).

    A wave of f cycles per pixel is multiplied by 1 + amount·(1 − exp(−2π²σ²f²)). `amount` ≥ 0; 0 changes nothing.
    Masked pixels take no part and keep their values.
    """

    name: ClassVar[str] = "sharpen"
    amount: float
    sigma_px: float = 1.0

    def __post_init__(self) -> None:
        _at_least_0("sharpen:amount", self.amount)
        if not 0 < self.sigma_px < inf:
            raise SettingError(f"sharpen:sigma_px is {self.sigma_px}; expected more than 0 pixels")

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002  draws nothing
        """The sharpened scene, in the dtype of the input."""
        values = working(scene.array)
        return _changed(scene, values + self.amount * (values - blur(values, self.sigma_px, mask=scene.mask)))


def _changed(scene: Scene, values: Array) -> Modified:
    return Modified(scene=scene.with_array(_cast(values, scene)))


def _cast(values: Array, scene: Scene) -> Array:
    return cast_like(values, scene.array, peak=_peak(scene))


def _peak(scene: Scene) -> float | None:
    return scene.required_peak() if np.issubdtype(scene.array.dtype, np.integer) else None


def _at_least_0(setting: str, value: float) -> None:
    if not 0 <= value < inf:
        raise SettingError(f"{setting} is {value}; expected a finite number, 0 or more")
