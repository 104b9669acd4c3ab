"""Sharpness and noise brought to a target, and measured again by orbiq's own metrics.

A target is reached by what is missing: blur where the image is sharper, noise where it is cleaner. An image that is
already beyond it is refused with what it can reach, and so is one whose present value can neither be measured nor was
stated. What was measured afterwards stands in `achieved`, and is left out where it cannot be measured.
"""

from dataclasses import dataclass
from math import inf, isfinite, isnan, nan, sqrt
from typing import ClassVar

import numpy as np
from scipy.special import erfinv

from orbiq.arrays import FloatArray, Scene
from orbiq.errors import SettingError
from orbiq.metrics.natural_edges import edges
from orbiq.metrics.noise import snr
from orbiq.metrics.noise_bands import BandNoise
from orbiq.modifiers.base import Modified
from orbiq.modifiers.noise import with_noise
from orbiq.modifiers.psf import seen_through
from orbiq.optics import psf_sigma
from orbiq.optics_transfer import gaussian_psf

_TRIALS = 4
_CLOSE = 0.003  # of the RER: nearer than its own interval


@dataclass(frozen=True, kw_only=True)
class Mtf:
    """Blur to an MTF of `nyquist` at 0.5 cycles per pixel, given the present one, `now`.

    A Gaussian of σ = (1/π)·√(−2·ln(nyquist / now)) pixels, applied by its MTF, brings every band from `now` to
    `nyquist`, whatever the shape of the present MTF. Where `now` is left out it is that of the image's own edges
    (`orbiq.metrics.edges`, the mean over bands). `achieved_mtf_nyquist` is measured on the result.

    Raises SettingError for a target above the present MTF, or where the present one cannot be measured.
    """

    name: ClassVar[str] = "mtf"
    nyquist: float
    now: float | None = None

    def __post_init__(self) -> None:
        _between_0_and_1("mtf:nyquist", self.nyquist)
        if self.now is not None:
            _between_0_and_1("mtf:now", self.now)
            _refuse_beyond("mtf:nyquist", self.nyquist, self.now, of="the stated image")

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002  blur draws nothing
        """The blurred scene, in the dtype of the input."""
        now = _present(scene, "mtf_nyquist", "mtf:now") if self.now is None else self.now
        _refuse_beyond("mtf:nyquist", self.nyquist, now, of=repr(scene.name))
        out = seen_through(scene, gaussian_psf(psf_sigma(self.nyquist / now)))
        return Modified(scene=out, achieved=_told(achieved_mtf_nyquist=_edge_score(out, "mtf_nyquist")[0]))


@dataclass(frozen=True, kw_only=True)
class Rer:
    """Blur to a relative edge response `rer` = ER(+½) − ER(−½), given the present one, `now`.

    With s(R) = 1 / (2√2·erfinv(R)), the Gaussian of that RER, the blur is a Gaussian of √(s(rer)² − s(now)²) pixels.
    Where `now` is left out it is that of the image's own edges (`orbiq.metrics.edges`), and the blur is corrected by
    what the edges of the result say, since no imager is quite Gaussian. `achieved_rer` is measured on the result.

    Raises SettingError for a target above the present RER, or where the present one cannot be measured.
    """

    name: ClassVar[str] = "rer"
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
        now = _present(scene, "rer", "rer:now") if self.now is None else self.now
        _refuse_beyond("rer:rer", self.rer, now, of=repr(scene.name))
        sigma_px = _missing_px(self.rer, now)
        best, best_rer = scene, nan
        for _ in range(_TRIALS if self.now is None else 1):
            out = seen_through(scene, gaussian_psf(sigma_px))
            got = _edge_score(out, "rer")[0]
            if isnan(best_rer) or abs(got - self.rer) < abs(best_rer - self.rer):
                best, best_rer = out, got
            if isnan(got) or abs(got - self.rer) <= _CLOSE * self.rer:
                break
            sigma_px = sqrt(max(sigma_px**2 + _edge_px(self.rer) ** 2 - _edge_px(got) ** 2, 0.0))
        return Modified(scene=best, achieved=_told(achieved_rer=best_rer))


@dataclass(frozen=True, kw_only=True)
class Snr:
    """Add the noise that is missing to a linear signal-to-noise ratio `snr` at `level_dn`, given the present, `now`.

    White Gaussian noise of √((L/snr)² − (L/now)²) in each band, L = `level_dn` or, where it is left out, the median of
    the band's valid pixels above 0 (what `orbiq.metrics.snr` calls level). Where `now` is left out the present noise at
    L is that of the band's noise-level function σ²(L) = a·L + b by `snr(method="homogeneous-patches")`. Integers are
    rounded and clipped to 0…peak. `achieved_snr`, the mean over bands of L / σ(L), is measured on the result.

    Raises SettingError for a target above the present SNR of a band, or where the present noise cannot be measured.
    """

    name: ClassVar[str] = "snr"
    snr: float
    now: float | None = None
    level_dn: float | None = None

    def __post_init__(self) -> None:
        for setting, value in (("snr", self.snr), ("now", self.now), ("level_dn", self.level_dn)):
            if value is not None and not 0 < value < inf:
                raise SettingError(f"snr:{setting} is {value}; expected a finite number above 0, for example 50")
        if self.now is not None and self.snr > self.now:
            raise SettingError(f"snr:snr is {self.snr:g} but the stated image has {self.now:g}; noise reaches no more")

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:
        """The noisy scene, in the dtype of the input."""
        peak = scene.required_peak() if np.issubdtype(scene.array.dtype, np.integer) else None
        levels = _levels(scene) if self.level_dn is None else np.full(scene.shape[2], self.level_dn)
        now = levels / self.now if self.now is not None else self._present(scene, levels)
        missing = np.sqrt(np.maximum((levels / self.snr) ** 2 - now**2, 0))
        out = with_noise(scene, missing, rng=rng, peak=peak)
        ratios = levels / np.array([_sigma(b, level) for b, level in zip(_noise(out), levels, strict=True)])
        return Modified(scene=out, achieved=_told(achieved_snr=float(ratios.mean())))

    def _present(self, scene: Scene, levels: FloatArray) -> FloatArray:
        bands = _noise(scene)
        sigmas = np.array([_sigma(band, level) for band, level in zip(bands, levels, strict=True)])
        for k, (band, level, sigma) in enumerate(zip(bands, levels, sigmas, strict=True)):
            if isnan(sigma):
                why = band.snr.reason or f"its noise at {level:g} DN is unknown"
                raise SettingError(
                    f"snr:now was not stated and {_band(scene, k)} does not show it: {why}. State snr:now"
                )
            if sigma > level / self.snr:
                raise SettingError(
                    f"snr:snr is {self.snr:g} but {_band(scene, k)} has {level / sigma:.4g} at {level:g} DN; noise can "
                    "reach that or less"
                )
        return sigmas


def _levels(scene: Scene) -> FloatArray:
    """The median of the valid pixels above 0 of each band."""
    levels = np.full(scene.shape[2], nan)
    for k in range(scene.shape[2]):
        lit = scene.array[..., k] if scene.mask is None else scene.array[..., k][scene.mask]
        lit = lit[lit > 0]
        if lit.size == 0:
            raise SettingError(f"{_band(scene, k)} has no valid pixel above 0: state snr:level_dn")
        levels[k] = np.median(lit)
    return levels


def _noise(scene: Scene) -> tuple[BandNoise, ...]:
    return snr(scene.array, mask=scene.mask, method="homogeneous-patches").per_band


def _sigma(band: BandNoise, level: float) -> float:
    """The noise at a level: as measured where it is the median, by the noise-level function elsewhere."""
    return band.noise.value if level == band.level else band.sigma(level)


def _band(scene: Scene, k: int) -> str:
    return f"{scene.name!r}" if scene.shape[2] == 1 else f"band {k + 1} of {scene.name!r}"


def _edge_px(rer: float) -> float:
    """σ of the Gaussian edge of an RER; an RER of 1 or more is a step.

    >>> from math import erf
    >>> round(_edge_px(erf(1 / (2 * sqrt(2) * 1.5))), 9)
    1.5
    """
    return 0.0 if rer >= 1 else float(1 / (2 * sqrt(2) * erfinv(rer)))


def _missing_px(target: float, now: float) -> float:
    return sqrt(max(_edge_px(target) ** 2 - _edge_px(now) ** 2, 0.0))


def _edge_score(scene: Scene, score: str) -> tuple[float, str]:
    """A score of the image's own edges, and why it is NaN."""
    found = edges(scene.array, mask=scene.mask, peak=scene.peak)
    return float(getattr(found, score)), found.reason


def _present(scene: Scene, score: str, setting: str) -> float:
    value, reason = _edge_score(scene, score)
    if isnan(value):
        raise SettingError(f"{setting} was not stated and {scene.name!r} does not show it: {reason}. State {setting}")
    return value


def _refuse_beyond(setting: str, target: float, now: float, *, of: str) -> None:
    if target > now:
        raise SettingError(f"{setting} is {target:g} but {of} has {now:.4g}; blur can reach that or less")


def _between_0_and_1(setting: str, value: float) -> None:
    if not 0 < value <= 1:
        raise SettingError(f"{setting} is {value}; expected more than 0, at most 1, for example 0.2")


def _told(**achieved: float) -> dict[str, float]:
    return {name: value for name, value in achieved.items() if isfinite(value)}
