"""What optics and detector do to an image: blur and bit depth."""

from dataclasses import dataclass
from math import ceil, inf, log2
from typing import ClassVar

import numpy as np

from orbiq.arrays import Array, Scene, cast_like
from orbiq.errors import SettingError
from orbiq.modifiers.base import Modified
from orbiq.optics import blur


@dataclass(frozen=True, kw_only=True)
class GaussianBlur:
    """Blur by a Gaussian point spread function of `sigma_px` > 0 pixels.

    Kernel exp(−x²/2σ²), half width ⌈4σ⌉, sum 1; reflected borders; masked pixels take no part (normalised
    filter) and keep their values. An edge of Gaussian spread s before has √(s² + σ²) after, and with it
    RER = erf(1/(2√2·√(s² + σ²))). The kernel is sampled at pixel centres: below about 0.7 px its MTF
    is not the Gaussian's; `blur:psf=gaussian` is right there too.
    """

    name: ClassVar[str] = "gaussian-blur"
    sigma_px: float

    def __post_init__(self) -> None:
        if not 0 < self.sigma_px < inf:
            raise SettingError(f"gaussian-blur:sigma_px is {self.sigma_px}; expected more than 0 pixels")

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002  blur draws nothing
        """The blurred scene, in the dtype of the input."""
        # float32 holds 16-bit samples exactly, and takes half the time
        values = scene.array.astype(np.float32) if scene.array.dtype.itemsize <= 2 else scene.array
        blurred = blur(values, self.sigma_px, mask=scene.mask)
        return Modified(scene=scene.with_array(cast_like(blurred, scene.array, peak=scene.peak)))


@dataclass(frozen=True, kw_only=True)
class Quantize:
    """Keep the `bits` most significant bits of each sample.

    With B = ⌈log₂(peak + 1)⌉ bits in the data and a step of 2^(B − bits): ⌊x / step⌋ · step, and with
    `centred` half a step more, so that the mean stays where it was. Floats: B levels over peak, step = peak / 2^bits.
    """

    name: ClassVar[str] = "quantize"
    bits: int
    centred: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 16:
            raise SettingError(f"quantize:bits is {self.bits}; expected 1 to 16")

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002  quantising draws nothing
        """The quantised scene, in the dtype of the input."""
        peak = scene.required_peak()
        if np.issubdtype(scene.array.dtype, np.floating):
            return Modified(scene=scene.with_array(self._floats(scene.array, peak)))
        depth = ceil(log2(peak + 1))
        if self.bits > depth:
            raise SettingError(f"quantize:bits is {self.bits}; {scene.name!r} has {depth} bits (peak {peak:g})")
        step = 1 << (depth - self.bits)
        values = scene.array.astype(np.int32) // step * step + (step // 2 if self.centred else 0)
        return Modified(scene=scene.with_array(cast_like(values, scene.array, peak=peak)))

    def _floats(self, array: Array, peak: float) -> Array:
        step = peak / 2**self.bits
        level = np.minimum(np.floor(array / step), 2**self.bits - 1)
        values: Array = ((level + (0.5 if self.centred else 0)) * step).astype(array.dtype)
        return values
