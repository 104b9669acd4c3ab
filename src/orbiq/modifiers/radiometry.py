"""What happens to the level of light: gain and offset, gamma, haze, vignetting, saturation, bits.

Levels are in DN, the unit of the data. The law is computed in floating point, then integers are rounded and
clipped to 0…peak (signed ones from their least value); floats are neither. Nothing here draws anything.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, inf, log2
from typing import ClassVar

import numpy as np

from orbiq.arrays import Array, Scene, cast_like
from orbiq.errors import SettingError
from orbiq.modifiers.base import Modified
from orbiq.modifiers.strips import by_strips


@dataclass(frozen=True, kw_only=True)
class Gain:
    """Gain and offset: gain·L + offset_dn. A gain ≥ 0, a finite offset in DN."""

    name: ClassVar[str] = "gain"
    gain: float = 1.0
    offset_dn: float = 0.0

    def __post_init__(self) -> None:
        _within("gain:gain", self.gain, low=0, high=inf)
        if not np.isfinite(self.offset_dn):
            raise SettingError(f"gain:offset_dn is {self.offset_dn}; expected a finite number in DN")

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002
        """The scene at other levels, in the dtype of the input."""
        return _with_levels(scene, lambda level: level * self.gain + self.offset_dn)


@dataclass(frozen=True, kw_only=True)
class Gamma:
    """Gamma: peak·(L/peak)^gamma; below 1 brighter, above 1 darker; levels below 0 count as 0. Needs the peak."""

    name: ClassVar[str] = "gamma"
    gamma: float

    def __post_init__(self) -> None:
        if not 0 < self.gamma < inf:
            raise SettingError(f"gamma:gamma is {self.gamma}; expected more than 0, for example 0.45")

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002
        """The scene at other levels, in the dtype of the input."""
        peak = scene.required_peak()
        return _with_levels(scene, lambda level: peak * (np.maximum(level, 0) / peak) ** self.gamma)


@dataclass(frozen=True, kw_only=True)
class Haze:
    """Haze of one depth: t·L + (1 − t)·airlight_dn, with the transmission t in 0…1. Contrast falls to t of it.

    Source: Koschmieder's law, as in He et al. 2011, doi:10.1109/TPAMI.2010.168.
    """

    name: ClassVar[str] = "haze"
    transmission: float
    airlight_dn: float

    def __post_init__(self) -> None:
        _within("haze:transmission", self.transmission, low=0, high=1)
        _within("haze:airlight_dn", self.airlight_dn, low=0, high=inf)

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002
        """The scene at other levels, in the dtype of the input."""
        airlight_dn = (1 - self.transmission) * self.airlight_dn
        return _with_levels(scene, lambda level: level * self.transmission + airlight_dn)


@dataclass(frozen=True, kw_only=True)
class Vignetting:
    """Light lost towards the corners: L·(1 − loss·r²), r the distance from the centre, 1 at the image's corners."""

    name: ClassVar[str] = "vignetting"
    loss: float

    def __post_init__(self) -> None:
        _within("vignetting:loss", self.loss, low=0, high=1)

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002
        """The scene at other levels, in the dtype of the input."""
        rows, cols, _ = scene.shape
        y = (np.arange(rows)[:, None] + 0.5 - rows / 2) ** 2
        x = (np.arange(cols)[None, :] + 0.5 - cols / 2) ** 2
        corner = (rows**2 + cols**2) / 4

        def darker(part: Array, strip: slice) -> Array:
            kept = 1 - self.loss * (y[strip] + x) / corner
            return part * kept[..., None]

        return Modified(scene=by_strips(scene, darker))


@dataclass(frozen=True, kw_only=True)
class Saturation:
    """The detector is full: min(L, level_dn). The peak stays as it was stated."""

    name: ClassVar[str] = "saturation"
    level_dn: float

    def __post_init__(self) -> None:
        _within("saturation:level_dn", self.level_dn, low=0, high=inf)

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002
        """The scene with nothing above the level, in the dtype of the input."""
        return _with_levels(scene, lambda level: np.minimum(level, self.level_dn))


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


def _with_levels(scene: Scene, law: Callable[[Array], Array]) -> Modified:
    return Modified(scene=by_strips(scene, lambda part, _: law(part.astype(np.float64))))


def _within(setting: str, value: float, *, low: float, high: float) -> None:
    if not low <= value <= high or value == inf:
        wanted = f"{low:g} to {high:g}" if high < inf else f"a finite number, {low:g} or more"
        raise SettingError(f"{setting} is {value}; expected {wanted}")
