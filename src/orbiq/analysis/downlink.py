"""What a downlink carries: images, area and strip of a pass, at a number of bits per pixel.

An operating point says how few bits a pixel may have; this says what that is worth to a mission.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import floor, inf, isfinite, nan
from typing import Any

from orbiq.errors import SettingError
from orbiq.registry import parse_spec


@dataclass(frozen=True, kw_only=True)
class Downlink:
    """A link: `rate_mbps` megabits (10⁶) a second while a pass of `pass_s` seconds lasts.

    `efficiency` (0, 1] is what framing, error correction and hand-over leave for images; 1 where `rate_mbps` is already
    what is left. `swath_km` across the track, where the length of the strip is wanted too.

    >>> link = Downlink(rate_mbps=520, pass_s=600)
    >>> link.images_per_pass(bits_per_image=8e8)  # 312 Gbit a pass, 100 MB an image
    390
    """

    rate_mbps: float
    pass_s: float
    efficiency: float = 1.0
    swath_km: float | None = None

    def __post_init__(self) -> None:
        for name in ("rate_mbps", "pass_s", "swath_km"):
            if getattr(self, name) is not None and not 0 < getattr(self, name) < inf:
                raise SettingError(f"downlink:{name} is {getattr(self, name)}; expected a finite number above 0")
        if not 0 < self.efficiency <= 1:
            raise SettingError(f"downlink:efficiency is {self.efficiency}; expected a share of 1, as in 0.87")

    @classmethod
    def of(cls, given: str | Mapping[str, Any]) -> "Downlink":
        """From settings, or from their text.

        >>> Downlink.of("rate_mbps=520,pass_s=600").bits_per_pass
        312000000000.0
        """
        try:
            settings = parse_spec(f"downlink:{given}")[0] if isinstance(given, str) else dict(given)
        except SettingError:
            settings = {}
        settings.pop("name", None)
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in settings.values())
        known = {"rate_mbps", "pass_s", "efficiency", "swath_km"}
        if not {"rate_mbps", "pass_s"} <= set(settings) <= known or not numbers:
            said = given if isinstance(given, str) else dict(given)
            raise SettingError(
                f"downlink is {said!r}; expected rate_mbps=… and pass_s=…, and perhaps efficiency=0.9 and swath_km=…"
            )
        return cls(**settings)

    def settings(self) -> dict[str, float]:
        """What is stated, as a mapping."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @property
    def bits_per_pass(self) -> float:
        """Bits of images that a pass carries."""
        return self.rate_mbps * 1e6 * self.pass_s * self.efficiency

    def images_per_pass(self, *, bits_per_image: float) -> int:
        """Whole images a pass."""
        return floor(self.bits_per_pass / _above_0(bits_per_image, "bits_per_image"))


@dataclass(frozen=True, kw_only=True)
class Carried:
    """What a pass carries of one variant: whole images, and where they are known the ground and the strip of it."""

    images: int
    area_km2: float = nan
    strip_km: float = nan


def carried(link: Downlink, *, bytes_per_image: float, ground_km2: float = nan) -> Carried | None:
    """Of images of so many bytes, each of `ground_km2`; None where the bytes are not known.

    >>> carried(Downlink(rate_mbps=520, pass_s=600), bytes_per_image=1e8, ground_km2=2.0)
    Carried(images=390, area_km2=780.0, strip_km=nan)
    """
    if not 0 < bytes_per_image < inf:
        return None
    images = link.images_per_pass(bits_per_image=8 * bytes_per_image)
    area = images * ground_km2
    return Carried(images=images, area_km2=area, strip_km=area / link.swath_km if link.swath_km else nan)


def pass_sentence(link: Downlink, *, chosen: Carried, reference: Carried) -> str:
    """What the operating point is worth, after its own sentence."""
    more = [
        f"{_told(a)} {unit} instead of {_told(b)}"
        for a, b, unit in (
            (chosen.area_km2, reference.area_km2, "km²"),
            (chosen.strip_km, reference.strip_km, "km of the strip"),
        )
        if isfinite(a) and isfinite(b)
    ]
    aside = f" ({', '.join(more)})" if more else ""
    left = "" if link.efficiency == 1 else f", {100 * link.efficiency:g} % of it for images,"
    return (
        f"A pass of {link.pass_s:g} s at {link.rate_mbps:g} Mbit/s{left} carries {_told(chosen.images)} such images "
        f"instead of {_told(reference.images)}{aside}."
    )


def _told(value: float) -> str:
    """A count, or a number in three digits."""
    digits = 0 if value >= 100 or float(value).is_integer() else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _above_0(value: float, name: str) -> float:
    if not 0 < value < inf:
        raise SettingError(f"{name} is {value}; expected a finite number above 0")
    return float(value)
