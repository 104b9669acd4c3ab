"""What a downlink carries: images, area and strip of a pass, at a number of bits per pixel.

An operating point says how few bits a pixel may have; this says what that is worth to a mission.
"""

from dataclasses import dataclass
from math import floor, inf

from orbiq.errors import SettingError


@dataclass(frozen=True, kw_only=True)
class Downlink:
    """A link: `rate_mbps` megabits (10⁶) a second while a pass of `pass_s` seconds lasts.

    `efficiency` (0, 1] is what framing, error correction and hand-over leave for images; 1 where `rate_mbps` is already
    what is left.

    >>> link = Downlink(rate_mbps=520, pass_s=600)
    >>> link.images_per_pass(bits_per_image=8e8)  # 312 Gbit a pass, 100 MB an image
    390
    """

    rate_mbps: float
    pass_s: float
    efficiency: float = 1.0

    def __post_init__(self) -> None:
        for name in ("rate_mbps", "pass_s"):
            if not 0 < getattr(self, name) < inf:
                raise SettingError(f"downlink:{name} is {getattr(self, name)}; expected a finite number above 0")
        if not 0 < self.efficiency <= 1:
            raise SettingError(f"downlink:efficiency is {self.efficiency}; expected a share of 1, as in 0.87")

    @property
    def bits_per_pass(self) -> float:
        """Bits of images that a pass carries."""
        return self.rate_mbps * 1e6 * self.pass_s * self.efficiency

    def images_per_pass(self, *, bits_per_image: float) -> int:
        """Whole images a pass."""
        return floor(self.bits_per_pass / _above_0(bits_per_image, "bits_per_image"))

    def area_km2_per_pass(self, *, bits_per_pixel: float, gsd_m: float) -> float:
        """Ground a pass, in km², at `bits_per_pixel` (all bands) and a ground sample distance in metres.

        >>> Downlink(rate_mbps=100, pass_s=500).area_km2_per_pass(bits_per_pixel=2, gsd_m=1)  # 25 Gpixel of 1 m²
        25000.0
        """
        pixels = self.bits_per_pass / _above_0(bits_per_pixel, "bits_per_pixel")
        return pixels * _above_0(gsd_m, "gsd_m") ** 2 / 1e6

    def strip_km_per_pass(self, *, bits_per_pixel: float, gsd_m: float, swath_km: float) -> float:
        """Length of the strip of ground a pass, in km, for a swath of `swath_km` across the track."""
        return self.area_km2_per_pass(bits_per_pixel=bits_per_pixel, gsd_m=gsd_m) / _above_0(swath_km, "swath_km")


def _above_0(value: float, name: str) -> float:
    if not 0 < value < inf:
        raise SettingError(f"{name} is {value}; expected a finite number above 0")
    return float(value)
