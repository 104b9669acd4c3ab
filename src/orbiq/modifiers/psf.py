"""Blur by a point spread function: with a stated MTF, or by the kernel of a Gaussian."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import ClassVar, Literal, get_args

import numpy as np

from orbiq.arrays import Scene, cast_like
from orbiq.errors import SettingError, unknown
from orbiq.modifiers.base import Modified
from orbiq.optics import blur
from orbiq.optics_transfer import Psf, airy_psf, box_psf, defocus_psf, gaussian_psf, motion_psf, through

Shape = Literal["gaussian", "box", "airy", "defocus", "motion", "jitter"]
_TAKES = {
    "gaussian": ("sigma_px",),
    "box": ("width_px",),
    "airy": ("cutoff_cpp", "obscuration"),
    "defocus": ("diameter_px",),
    "motion": ("length_px", "angle_deg"),
    "jitter": ("sigma_px",),
}
_OPTIONAL = {"obscuration": 0.0, "angle_deg": 0.0}


@dataclass(frozen=True, kw_only=True)
class Blur:
    """The image seen through a point spread function, applied by its MTF in the frequency domain: right at any width.

    `psf` and what it takes, f in cycles per pixel:

        gaussian, jitter  sigma_px                  exp(−2π²σ²f²), jitter a random one of that standard deviation
        box               width_px                  sinc(w·fx)·sinc(w·fy), a square detector
        airy              cutoff_cpp, obscuration   diffraction of a round aperture, 0 from cutoff = D·pitch/(λ·F) on
        defocus           diameter_px               2·J₁(πdf)/(πdf), a disc
        motion            length_px, angle_deg      sinc(L·(fx·cos + fy·sin)), from +x (columns) to +y (rows)

    Borders are mirrored; masked pixels take no part and keep their values. Sharp edges may ring beside a narrow PSF,
    which keeps contrast at Nyquist; `gaussian-blur` filters with a kernel that has no negative weight.
    """

    name: ClassVar[str] = "blur"
    psf: Shape
    sigma_px: float | None = None
    width_px: float | None = None
    cutoff_cpp: float | None = None
    obscuration: float = 0.0
    diameter_px: float | None = None
    length_px: float | None = None
    angle_deg: float = 0.0

    def __post_init__(self) -> None:
        if self.psf not in get_args(Shape):
            raise unknown("psf of blur", self.psf, get_args(Shape))
        takes = _TAKES[self.psf]
        for setting in {name for names in _TAKES.values() for name in names}:
            value = getattr(self, setting)
            if setting not in takes and value != _OPTIONAL.get(setting):
                raise SettingError(f"blur:psf={self.psf} takes no {setting}; it takes {', '.join(takes)}")
        if getattr(self, takes[0]) is None:
            raise SettingError(f"blur:psf={self.psf} needs {takes[0]}: write blur:psf={self.psf},{takes[0]}=…")
        if not np.isfinite(self.angle_deg):
            raise SettingError(f"blur:angle_deg is {self.angle_deg}; expected degrees, for example 45")
        try:
            self.spread()
        except SettingError as error:
            raise SettingError(f"blur:{error}") from None

    def spread(self) -> Psf:
        """The point spread function that the settings describe."""
        if self.psf == "box":
            return box_psf(self.width_px or 0.0)
        if self.psf == "airy":
            return airy_psf(self.cutoff_cpp or 0.0, obscuration=self.obscuration)
        if self.psf == "defocus":
            return defocus_psf(self.diameter_px or 0.0)
        if self.psf == "motion":
            return motion_psf(self.length_px or 0.0, angle_deg=self.angle_deg)
        return gaussian_psf(self.sigma_px or 0.0)

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002  blur draws nothing
        """The blurred scene, in the dtype of the input."""
        return Modified(scene=seen_through(scene, self.spread()))


def seen_through(scene: Scene, psf: Psf | Sequence[Psf]) -> Scene:
    """The scene through a PSF (or one for each band), in its dtype; integers stay at the peak or below."""
    cast = partial(cast_like, like=scene.array[:0], peak=scene.peak)
    return scene.with_array(through(scene.array, psf, mask=scene.mask, cast=cast))


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
        cast = partial(cast_like, like=scene.array[:0], peak=scene.peak)
        return Modified(scene=scene.with_array(blur(scene.array, self.sigma_px, mask=scene.mask, cast=cast)))
