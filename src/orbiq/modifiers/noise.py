"""Noise."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, ClassVar

import numpy as np

from orbiq.arrays import Array, FloatArray, Scene
from orbiq.errors import SettingError
from orbiq.modifiers.base import Modified
from orbiq.modifiers.strips import Change, by_strips
from orbiq.numerics import normal_by_bins

Strength = float | FloatArray | Callable[[Array], FloatArray]
"""A standard deviation, one for each band, or what it is at each sample's level."""


@dataclass(frozen=True, kw_only=True)
class GaussianNoise:
    """Add white Gaussian noise of a standard deviation, then clip to what the data can hold.

    Say either `sigma_dn`, in the unit of the data, or `sigma_fraction`, as a fraction of the full range 0…peak.
    Integers are rounded and clipped to 0…peak; floats are neither. Every band has its own noise. The levels of a
    sweep share their noise up to its strength, image by image.
    """

    name: ClassVar[str] = "gaussian-noise"
    version: ClassVar[int] = 2
    sigma_dn: float | None = None
    sigma_fraction: float | None = None

    def __post_init__(self) -> None:
        given = [v for v in (self.sigma_dn, self.sigma_fraction) if v is not None]
        if len(given) != 1 or not 0 <= given[0] < inf:
            raise SettingError(
                f"gaussian-noise has sigma_dn={self.sigma_dn}, sigma_fraction={self.sigma_fraction}; expected one of "
                "the two, 0 or more, as in gaussian-noise:sigma_dn=4"
            )

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:
        """The noisy scene, in the dtype of the input."""
        if self.sigma_dn is not None:
            return Modified(scene=with_noise(scene, self.sigma_dn, rng=rng))
        return Modified(scene=with_noise(scene, (self.sigma_fraction or 0.0) * scene.required_peak(), rng=rng))


def with_noise(scene: Scene, sigma_dn: Strength, *, rng: np.random.Generator) -> Scene:
    """White Gaussian noise added, of one standard deviation, or one for each band, or as the pixels' levels say.

    Samples of 8 bits get `orbiq.numerics.normal_by_bins`, whose grain is far below a level, all others exact numbers.
    Integers are rounded and clipped to 0…peak (signed ones from their least value), floats are neither.
    """
    if scene.array.dtype == np.uint8:
        return by_strips(scene, _quick(scene, sigma_dn, rng))
    wide: Any = np.float64 if scene.array.dtype.itemsize > 2 else np.float32

    def noisy(part: Array, _: slice) -> Array:
        noise = rng.standard_normal(part.shape, wide)
        noise *= _strength(sigma_dn, part)
        noise += part
        return noise

    return by_strips(scene, noisy)


def _quick(scene: Scene, sigma_dn: Strength, rng: np.random.Generator) -> Change:
    """The same for samples of 8 bits."""
    from orbiq.modifiers.noise_kernel import looked_up, rounded_sum

    high = np.float32(min(scene.required_peak(), 255.0))

    def noisy(part: Array, _: slice) -> Array:
        noise = normal_by_bins(rng, part.size, look_up=looked_up).reshape(part.shape)
        strength = _strength(sigma_dn, part)
        if strength.size > 1:
            noise *= strength
        one = np.float32(1) if strength.size > 1 else np.float32(strength.item())
        out = np.empty(part.shape, np.uint8)
        rounded_sum(np.ascontiguousarray(part).ravel(), noise.ravel(), one, high, out.ravel())
        return out

    return noisy


def _strength(sigma_dn: Strength, part: Array) -> Array:
    return np.asarray(sigma_dn(part) if callable(sigma_dn) else sigma_dn, np.float32)
