"""What happens to the level of light: gain and offset, gamma, haze, vignetting, saturation.

Levels are in DN, the unit of the data. The law is computed in floating point, then integers are rounded and
clipped to 0…peak (signed ones from their least value); floats are neither. Nothing here draws anything.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import ClassVar

import numpy as np

from orbiq.arrays import Array, Scene
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


def _with_levels(scene: Scene, law: Callable[[Array], Array]) -> Modified:
    return Modified(scene=by_strips(scene, lambda part, _: law(part.astype(np.float64))))


def _within(setting: str, value: float, *, low: float, high: float) -> None:
    if not low <= value <= high or value == inf:
        wanted = f"{low:g} to {high:g}" if high < inf else f"a finite number, {low:g} or more"
        raise SettingError(f"{setting} is {value}; expected {wanted}")
