"""Sharpness brought to a target, and measured again by orbiq's own metrics.

A target is reached by what is missing: blur where the image is sharper. An image that is blurrier than it is refused
with what it can reach, and so is one whose present value can neither be measured nor was stated. What was measured
afterwards stands in `achieved`, beside the blur that was applied, and is left out where it cannot be measured.
"""

from dataclasses import dataclass
from functools import lru_cache, partial
from math import isfinite, isnan, sqrt
from typing import ClassVar

import numpy as np
from scipy.special import erfinv

from orbiq.arrays import FloatArray, Scene
from orbiq.errors import SettingError
from orbiq.metrics.edge_summary import Edges
from orbiq.metrics.natural_edges import edges
from orbiq.modifiers.bandwise import PerBand, between_0_and_1, check_each, for_bands
from orbiq.modifiers.base import Modified
from orbiq.modifiers.matching import matched_variance
from orbiq.modifiers.psf import seen_through
from orbiq.optics import psf_sigma
from orbiq.optics_transfer import gaussian_psf

NOTHING_VALID = "nothing was done, no pixel is valid"
_CLOSE = 0.003  # of the RER: nearer than its own interval
_MISSED = 0.02  # of the RER: what nobody would call reached


@dataclass(frozen=True, kw_only=True)
class Mtf:
    """Blur to an MTF of `nyquist` at 0.5 cycles per pixel, given the present one, `now`.

    A Gaussian of σ = (1/π)·√(−2·ln(nyquist / now)) pixels, applied by its MTF, brings every band from `now` to
    `nyquist`, whatever the shape of the present MTF; both may be a list with one number for each band. Where `now` is
    left out it is that of the band's own edges (`orbiq.metrics.edges`; of a band that has too few, the mean of the
    others). `achieved_mtf_nyquist`, the mean over bands, is measured on the result; `blur_sigma_px` was applied.

    Raises SettingError for a target above the present MTF, or where the present one cannot be measured.
    """

    name: ClassVar[str] = "mtf"
    version: ClassVar[int] = 2
    nyquist: PerBand
    now: PerBand | None = None

    def __post_init__(self) -> None:
        check_each(self.nyquist, partial(between_0_and_1, "mtf:nyquist"), "mtf:nyquist")
        check_each(self.now, partial(between_0_and_1, "mtf:now"), "mtf:now")
        if self.now is not None and np.ndim(self.now) == np.ndim(self.nyquist) == 0:
            _refuse_beyond("mtf:nyquist", float(self.nyquist), float(self.now), of="the stated image")  # type: ignore[arg-type]

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002  blur draws nothing
        """The blurred scene, in the dtype of the input."""
        if nothing_valid(scene):
            return Modified(scene=scene, notes=(NOTHING_VALID,))
        bands = scene.shape[2]
        target = for_bands(self.nyquist, bands, "mtf:nyquist")
        now, notes = mtf_now(scene, 0.5, "mtf:now") if self.now is None else (for_bands(self.now, bands, "mtf:now"), ())
        for its_target, its_now in zip(target, now, strict=True):
            _refuse_beyond("mtf:nyquist", its_target, its_now, of=repr(scene.name), unless=self._unless)
        sigmas_px = [psf_sigma(min(ratio, 1.0)) for ratio in target / now]
        out = seen_through(scene, [gaussian_psf(sigma_px) for sigma_px in sigmas_px])
        seen = measured(out)
        present = {"present_mtf_nyquist": float(now.mean())} if self.now is None else {}
        achieved = present | {"blur_sigma_px": float(np.mean(sigmas_px)), "achieved_mtf_nyquist": seen.mtf_nyquist}
        return Modified(scene=out, achieved=told(achieved), notes=(*notes, *notes_on(seen, "achieved_mtf_nyquist")))

    @property
    def _unless(self) -> str:
        return "mtf:now" if self.now is None else ""


@dataclass(frozen=True, kw_only=True)
class Rer:
    """Blur to a relative edge response `rer` = ER(+½) − ER(−½), given the present one, `now`.

    With s(R) = 1 / (2√2·erfinv(R)), the Gaussian of that RER, the blur is a Gaussian of √(s(rer)² − s(now)²) pixels.
    Where `now` is left out it is that of the image's own edges (`orbiq.metrics.edges`), and the blur is corrected by
    what the edges of the result say, since no imager is quite Gaussian. `achieved_rer` is measured on the result;
    `blur_sigma_px` was applied.

    Raises SettingError for a target above the present RER, where the present one cannot be measured, and where the
    edges of the result stay 2 % off and carry no caution.
    """

    name: ClassVar[str] = "rer"
    version: ClassVar[int] = 2
    rer: float
    now: float | None = None

    def __post_init__(self) -> None:
        for setting, value in (("rer:rer", self.rer), ("rer:now", self.now)):
            if value is not None and not 0 < value < 1:
                raise SettingError(f"{setting} is {value}; expected more than 0 and less than 1, for example 0.3")
        if self.now is not None:
            _refuse_beyond("rer:rer", self.rer, self.now, of="the stated image")

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002  blur draws nothing
        """The blurred scene, in the dtype of the input."""
        if nothing_valid(scene):
            return Modified(scene=scene, notes=(NOTHING_VALID,))
        found = self._present(scene) if self.now is None else None
        now = float(self.now or 0.0) if found is None else found.rer
        _refuse_beyond("rer:rer", self.rer, now, of=repr(scene.name), unless="rer:now" if self.now is None else "")
        wanted_px2 = _edge_px2(self.rer)
        first_px2 = max(wanted_px2 - _edge_px2(now), 0.0)

        @lru_cache(maxsize=1)  # the last trial is most often the best
        def blurred(variance_px2: float) -> tuple[Scene, Edges]:
            out = seen_through(scene, gaussian_psf(sqrt(variance_px2)))
            return out, measured(out)

        tried = matched_variance(
            lambda variance_px2: blurred(variance_px2)[1].rer,
            first_px2=first_px2,
            target=self.rer,
            # a stated present RER is taken at its word
            lacks_px2=lambda got: wanted_px2 - _edge_px2(got) if self.now is None else 0.0,
            close=_CLOSE * self.rer,
        )
        best = tried[0]
        out, seen = blurred(best.variance_px2)
        if self.now is None and not seen.caution and abs(best.value - self.rer) > _MISSED * self.rer:
            raise SettingError(
                f"rer:rer is {self.rer:g} but the edges of {scene.name!r} say {best.value:.4g} after {len(tried)} "
                "trials of blur; state rer:now, the present RER"
            )
        before = () if found is None else notes_on(found, "the present RER")
        present = {} if found is None else {"present_rer": found.rer}
        achieved = told(present | {"blur_sigma_px": sqrt(best.variance_px2), "achieved_rer": best.value})
        return Modified(scene=out, achieved=achieved, notes=(*before, *notes_on(seen, "achieved_rer")))

    def _present(self, scene: Scene) -> Edges:
        found = measured(scene)
        if isnan(found.rer):
            raise SettingError(_not_shown(scene, found.reason, "rer:now"))
        return found


def nothing_valid(scene: Scene) -> bool:
    """Whether the mask leaves no pixel, as in a tile outside of the swath."""
    return scene.mask is not None and not scene.mask.any()


def measured(scene: Scene) -> Edges:
    """The sharpness of a scene by its own edges."""
    return edges(scene.array, mask=scene.mask, peak=scene.peak)


def mtf_now(scene: Scene, cycles_per_px: float, setting: str) -> tuple[FloatArray, tuple[str, ...]]:
    """The MTF of each band at a frequency by its own edges, at most 1, and what is odd about it.

    Of a band without enough edges it is the mean of the others.
    """
    found = measured(scene)
    if isnan(found.rer):
        raise SettingError(_not_shown(scene, found.reason, setting))
    per_band = np.array([float(band.mtf(cycles_per_px)) for band in found.per_band or (found,)])
    values = np.minimum(np.where(np.isnan(per_band), np.nanmean(per_band), per_band), 1.0)
    return values, notes_on(found, "the present MTF")


def notes_on(seen: Edges, what: str) -> tuple[str, ...]:
    """Why what was measured of a result is to be taken with care, or is not there."""
    if isnan(seen.rer):
        return (f"{what} is unknown, too few edges of the result are fit to be measured",)
    return (f"{what} with care, {seen.caution}",) if seen.caution else ()


def told(achieved: dict[str, float]) -> dict[str, float]:
    """What is known of it."""
    return {name: value for name, value in achieved.items() if isfinite(value)}


def _not_shown(scene: Scene, reason: str, setting: str) -> str:
    return f"{setting} was not stated and {scene.name!r} does not show it: {reason}. State {setting}"


def _edge_px2(rer: float) -> float:
    """σ² of the Gaussian edge of an RER; an RER of 1 or more is a step.

    >>> from math import erf
    >>> round(_edge_px2(erf(1 / (2 * sqrt(2) * 1.5))), 9)
    2.25
    """
    return 0.0 if rer >= 1 else float(1 / (8 * erfinv(rer) ** 2))


def _refuse_beyond(setting: str, target: float, now: float, *, of: str, unless: str = "") -> None:
    """Blur does not sharpen; `unless` names the setting that would say better what the image has."""
    if target > now:
        by, more = (" by its own edges", f", or state {unless}, the present one") if unless else ("", "")
        raise SettingError(f"{setting} is {target:g} but {of} has {now:.4g}{by}; blur can reach that or less{more}")
