"""Interpretability on the National Imagery Interpretability Rating Scale, by the General Image Quality Equation.

The scale (NIIRS) goes from 0 to 9; the equation (GIQE) gives it from the ground sampled distance, the relative edge
response (RER) and the signal-to-noise ratio. Its standard error against analysts is 0.3 (version 4): differences
between images of one kind say more than one value does.
"""

from dataclasses import dataclass
from math import exp, hypot, inf, isnan, log, log10, nan, nextafter, sqrt
from typing import Literal

from orbiq.arrays import BoolArray
from orbiq.errors import SettingError
from orbiq.metrics.base import Estimate, MetricSpec, ScoreSpec
from orbiq.metrics.inputs import Pixels, checked_image

SPECS = {"niirs": MetricSpec(name="niirs", scores=(ScoreSpec(name="niirs"),), needs="image")}
Version = Literal[4, 5]
_INCH_M = 0.0254
_TINY = 1e-9
_JUMP = 0.9
"""The RER from which version 4 has other coefficients."""
_SHARPENED = (
    "rer is {:.3g}: above 1 an image was sharpened, and version 5 is for images before that; "
    "measure it before, or take version=4 with its overshoot and gain"
)


@dataclass(frozen=True, kw_only=True)
class Interpretability:
    """A NIIRS value and what it was computed from."""

    niirs: Estimate
    version: int
    gsd_m: float
    rer: Estimate
    snr: Estimate

    def scores(self) -> dict[str, Estimate]:
        """The value with its interval."""
        return {"niirs": self.niirs}


def niirs(
    image: Pixels,
    *,
    version: Version = 5,
    gsd_m: float | None = None,
    rer: float | None = None,
    snr: float | None = None,
    overshoot: float | None = None,
    gain: float | None = None,
    mask: BoolArray | None = None,
) -> Interpretability:
    """NIIRS of an image by `giqe`; RER is measured by `edges` and SNR by `snr` unless stated, with their intervals.

    `gsd_m` metres on the ground per pixel, here or with the image. RER along rows and along columns are combined as the
    version asks for; where the image has too few edges of one of the two, that over all directions is taken. No unit,
    higher is better; NaN with a reason where RER or SNR cannot be measured. SNR measured in an image is mean over
    noise; GIQE's is that of the difference between surfaces of 7 % and 15 % reflectance, which is lower: state it where
    you know it. Raises SettingError where the ground sampled distance is unknown, and as `giqe` does.

    >>> import numpy as np
    >>> round(niirs(np.zeros((4, 4)), gsd_m=0.254, rer=1, snr=float("inf")).niirs.value, 2)
    6.25
    """
    raster = checked_image(image)
    gsd = raster.gsd_m if gsd_m is None else gsd_m
    if gsd is None:
        raise SettingError(
            f"nobody said how many metres on the ground a pixel of {raster.name!r} is. "
            "State it with the image (gsd_m in dataset.json), to the command as --gsd-m 0.5, or in Python as gsd_m=0.5."
        )
    used_rer = _measured_rer(image, mask, version) if rer is None else Estimate(value=rer, low=rer, high=rer)
    used_snr = _measured_snr(image, mask) if snr is None else Estimate(value=snr, low=snr, high=snr)
    value = giqe(gsd_m=gsd, rer=used_rer, snr=used_snr, version=version, overshoot=overshoot, gain=gain)
    return Interpretability(niirs=value, version=version, gsd_m=gsd, rer=used_rer, snr=used_snr)


def giqe(
    *,
    gsd_m: float,
    rer: float | Estimate,
    snr: float | Estimate,
    version: Version = 5,
    overshoot: float | None = None,
    gain: float | None = None,
) -> Estimate:
    """NIIRS by the General Image Quality Equation, with GSD in inches (0.0254 m) and logarithms to base 10.

    - Version 4: 10.251 − a·log GSD + b·log RER − 0.656·H − 0.344·G/SNR, where a = 3.32 and b = 1.559 for RER ≥ 0.9,
      else a = 3.16 and b = 2.817 (so that it jumps at 0.9). RER, the height `overshoot` H and the noise `gain` G are
      those after sharpening, SNR that before; H and G are 1 in an image that was not sharpened, which is the default.
      Fitted to GSD 3 … 80 inches, RER 0.2 … 1.3, SNR 2 … 130, H 0.9 … 1.9, G 1 … 19. Some programs have 0.334 for
      0.344.
    - Version 5, for images before sharpening, as RER and SNR are too:
      9.57 − 3.32·log GSD + 3.32·(1 − e^(−1.9/SNR))·log RER − 2·(log RER)⁴ − 1.8/SNR. Without sharpening no RER is
      above 1, from where on the equation would turn and fall: above 1 by its error alone it counts as 1; where all of
      its interval is above 1 (a plain number is its own interval), the image was sharpened, and NIIRS is unknown.

    `gsd_m` is the geometric mean over both directions; version 4 takes it on the ground, version 5 the mean of that and
    that across the line of sight. RER is their geometric mean in version 4, (largest · smallest²)^⅓ in version 5. No
    unit, higher is better. Intervals of RER and SNR, where given as Estimates, are carried through as independent
    errors, NaN where an end is unknown; one across the jump of version 4 holds both sides of it. NaN, with its reason,
    stays NaN. Raises SettingError for values ≤ 0 or infinite (but for SNR), other versions, and an overshoot or gain
    for version 5. Leachtenauer et al. 1997, doi:10.1364/AO.36.008322; version 5: Harrington et al., "General image
    quality equation, version 5.0", National Geospatial-Intelligence Agency, 2015.

    >>> round(giqe(gsd_m=0.0254, rer=1, snr=float("inf"), version=4).value, 3)  # 10.251 − 0.656: the logarithms are 0
    9.595
    >>> round(giqe(gsd_m=0.254, rer=0.1, snr=34.4, version=4).value, 3)  # 10.251 − 3.16 − 2.817 − 0.656 − 0.01
    3.608
    >>> round(giqe(gsd_m=0.254, rer=1, snr=18).value, 3)  # 9.57 − 3.32 − 0.1
    6.15
    """
    edge, noise = _estimate(rer), _estimate(snr)
    for name, estimate in (("rer", edge), ("snr", noise)):
        if isnan(estimate.value):
            return Estimate(value=nan, reason=f"{name} is unknown: {estimate.reason or 'no reason was given'}")
    _check({"gsd_m": gsd_m, "rer": edge.value, "snr": noise.value, "overshoot": overshoot, "gain": gain}, version)
    if version == 5 and edge.value > 1 and not edge.low <= 1:
        return Estimate(value=nan, reason=_SHARPENED.format(edge.value))

    def equation(edge_response: float, signal_to_noise: float) -> float:
        if edge_response <= 0 or signal_to_noise <= 0:  # an end of an interval
            return -inf
        if version == 5:
            return _giqe5(gsd_m / _INCH_M, min(edge_response, 1), signal_to_noise)
        noise_term = (1 if gain is None else gain) / signal_to_noise
        return _giqe4(gsd_m / _INCH_M, edge_response, 1 if overshoot is None else overshoot, noise_term)

    jump = [r for r in (nextafter(_JUMP, 0), _JUMP) if version == 4 and edge.low <= r <= edge.high]
    return _with_interval(
        equation(edge.value, noise.value),
        [equation(r, noise.value) for r in (edge.low, edge.high, *jump)],
        [equation(edge.value, s) for s in (noise.low, noise.high)],
    )


def _with_interval(value: float, *varied: list[float]) -> Estimate:
    """The value, and how far it goes as one variable after the other takes the ends of its interval."""
    if any(isnan(end) for ends in varied for end in ends):
        return Estimate(value=value)
    return Estimate(
        value=value,
        low=value - sqrt(sum((value - min(*ends, value)) ** 2 for ends in varied)),
        high=value + sqrt(sum((max(*ends, value) - value) ** 2 for ends in varied)),
    )


def _giqe4(gsd_inch: float, rer: float, overshoot: float, noise: float) -> float:
    a, b = (3.32, 1.559) if rer >= _JUMP else (3.16, 2.817)
    return 10.251 - a * log10(gsd_inch) + b * log10(rer) - 0.656 * overshoot - 0.344 * noise


def _giqe5(gsd_inch: float, rer: float, snr: float) -> float:
    edge = 3.32 * (1 - exp(-1.9 / snr)) * log10(rer) - 2 * log10(rer) ** 4
    return 9.57 - 3.32 * log10(gsd_inch) + edge - 1.8 / snr


def _estimate(value: float | Estimate) -> Estimate:
    """A plain number is exact."""
    return value if isinstance(value, Estimate) else Estimate(value=value, low=value, high=value)


def _check(values: dict[str, float | None], version: int) -> None:
    if version not in {4, 5}:
        raise SettingError(f"version of the GIQE is {version!r}; expected 4 or 5")
    for name, value in values.items():
        if value is not None and not (0 < value < inf or (name == "snr" and value == inf)):
            raise SettingError(f"{name} of the GIQE is {value}; expected a number > 0 and below infinity")
    if version == 5 and (values["overshoot"], values["gain"]) != (None, None):
        raise SettingError("version 5 of the GIQE knows no overshoot and no gain: leave them out, or take version=4")


def _measured_rer(image: Pixels, mask: BoolArray | None, version: int) -> Estimate:
    from orbiq.metrics.natural_edges import edges

    scores = edges(image, mask=mask).scores()
    low, high = sorted((scores["rer_x"], scores["rer_y"]), key=lambda rer: rer.value)
    if isnan(low.value + high.value):
        return scores["rer"]
    return _weighted_product(high, low, share=1 / 2 if version == 4 else 1 / 3)


def _weighted_product(one: Estimate, other: Estimate, *, share: float) -> Estimate:
    """oneˢ · other¹⁻ˢ, with independent errors."""
    parts = (share, one), (1 - share, other)
    value = exp(sum(weight * log(part.value) for weight, part in parts))
    below = hypot(*(weight * log(part.value / max(part.low, _TINY)) for weight, part in parts))
    above = hypot(*(weight * log(part.high / part.value) for weight, part in parts))
    return Estimate(value=value, low=value * exp(-below), high=value * exp(above))


def _measured_snr(image: Pixels, mask: BoolArray | None) -> Estimate:
    from orbiq.metrics.noise import snr

    return snr(image, mask=mask).scores()["snr"]
