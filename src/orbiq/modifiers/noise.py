"""Noise."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from orbiq.arrays import FloatArray, Scene, cast_like
from orbiq.errors import SettingError
from orbiq.modifiers.base import Modified


@dataclass(frozen=True, kw_only=True)
class GaussianNoise:
    """Add white Gaussian noise of a standard deviation, then clip to what the data can hold.

    Say either `sigma_dn`, in the unit of the data, or `sigma_fraction`, as a fraction of the full range 0…peak.
    Integers are rounded and clipped to 0…peak; floats are neither. Every band has its own noise. The levels of a
    sweep share their noise up to its strength, image by image.
    """

    name: ClassVar[str] = "gaussian-noise"
    sigma_dn: float | None = None
    sigma_fraction: float | None = None

    def __post_init__(self) -> None:
        given = [v for v in (self.sigma_dn, self.sigma_fraction) if v is not None]
        if len(given) != 1 or not given[0] >= 0:
            raise SettingError(
                f"gaussian-noise has sigma_dn={self.sigma_dn}, sigma_fraction={self.sigma_fraction}; expected one of "
                "the two, 0 or more, as in gaussian-noise:sigma_dn=4"
            )

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:
        """The noisy scene, in the dtype of the input."""
        integers = np.issubdtype(scene.array.dtype, np.integer)
        peak = scene.required_peak() if integers or self.sigma_fraction is not None else None
        sigma_dn = self.sigma_dn if self.sigma_dn is not None else (self.sigma_fraction or 0.0) * (peak or 0.0)
        return Modified(scene=with_noise(scene, sigma_dn, rng=rng, peak=peak if integers else None))


def with_noise(
    scene: Scene, sigma_dn: float | FloatArray, *, rng: np.random.Generator, peak: float | None = None
) -> Scene:
    """White Gaussian noise added, of one standard deviation or of one for each band (or pixel and band), in its unit.

    Integers are rounded and clipped to 0…peak (signed ones from their least value), floats are neither.
    """
    wide = np.float64 if scene.array.dtype.itemsize > 2 else np.float32
    strength = np.asarray(sigma_dn, np.float32)
    values = scene.array + strength * rng.standard_normal(scene.array.shape, dtype=wide)
    if np.issubdtype(scene.array.dtype, np.unsignedinteger):
        values = np.maximum(values, 0)
    return scene.with_array(cast_like(values, scene.array, peak=peak))
