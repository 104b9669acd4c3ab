"""A whole sensor as a target: GSD, MTF, SNR and bits, from which the operations follow."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import erf, log, pi, sqrt
from typing import ClassVar

import numpy as np

from orbiq.arrays import FloatArray, Scene
from orbiq.errors import SettingError
from orbiq.metrics.edge_summary import Edges
from orbiq.modifiers.bandwise import PerBand, above_0, between_0_and_1, check_each, for_bands
from orbiq.modifiers.base import Modified
from orbiq.modifiers.geometry_gsd import Gsd, coarser
from orbiq.modifiers.matching import matched_variance
from orbiq.modifiers.psf import seen_through
from orbiq.modifiers.radiometry import Quantize
from orbiq.modifiers.targets import NOTHING_VALID, measured, mtf_now, notes_on, nothing_valid, told
from orbiq.modifiers.targets_noise import bounded, brought_to_snr, levels_of, noise_at
from orbiq.optics import mtf_at_nyquist, psf_sigma
from orbiq.optics_transfer import gaussian_psf

_CLOSE = 0.003  # of the MTF, absolute
_MISSED = 0.01


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """The scene as a sensor of a stated GSD, MTF, SNR and bit depth would give it; at least one of them.

    In the order of the light: blur and sampling, noise, quantisation.

    `gsd_m`, or `factor` ≥ 1 times the present GSD: s, the new pixel in old ones, is 1 where neither is stated.
    `mtf_nyquist`, the whole system's MTF at the new Nyquist frequency, 1/(2s) cycles per old pixel. A Gaussian whose
    MTF there is `mtf_nyquist` over the present one is what lacks; the present one is measured by the scene's own
    edges at that frequency, or follows from `now_nyquist`, the present MTF at 0.5 cycles per old pixel, by a
    Gaussian. Where the edges of the result say something else, the blur is corrected; not where `now_nyquist` was
    stated, nor by edges of a coarser grid that carry a caution: there few are sharp on the ground. A coarser GSD
    without `mtf_nyquist` keeps the MTF at Nyquist that the scene has at its own.
    `snr`, linear, at `level_dn` or the median of the result: what lacks to it is added as white noise. What the
    scene has, measured or by `now_snr`, has been averaged by blur of σ pixels, to erf(πσ)/(2√π·σ) of it.
    MTF, SNR, what they are now, and `level_dn` may each be a list with one number for each band.
    `bits`, counted from the peak as `quantize` does, levels in the middle of their step.

    `achieved` has the operations (`blur_sigma_px` in old pixels, `noise_dn`) and what came out: `achieved_gsd_m`,
    exact; `achieved_mtf_nyquist`, by the edges before noise is added; `achieved_snr` before quantisation.

    Raises SettingError for a target that the scene cannot reach, with what it can, or whose present value is unknown.

    >>> scene = Scene(array=np.array([[[10, 20]] * 4] * 4, np.uint8), gsd_m=0.5)
    >>> coarse = Sensor(gsd_m=1, mtf_nyquist=0.2, now_nyquist=0.3, bits=4)(scene, rng=np.random.default_rng(0))
    >>> coarse.scene.array[0, 0].tolist(), round(coarse.achieved["blur_sigma_px"], 2)
    ([8, 24], 1.03)
    """

    name: ClassVar[str] = "sensor"
    gsd_m: float | None = None
    factor: float | None = None
    mtf_nyquist: PerBand | None = None
    snr: PerBand | None = None
    bits: int | None = None
    now_nyquist: PerBand | None = None
    now_snr: PerBand | None = None
    level_dn: PerBand | None = None

    def __post_init__(self) -> None:
        if all(v is None for v in (self.gsd_m, self.factor, self.mtf_nyquist, self.snr, self.bits)):
            raise SettingError("sensor has no target; state one, as sensor:gsd_m=2,mtf_nyquist=0.2,snr=60,bits=11")
        if self.gsd_m is not None and self.factor is not None:
            raise SettingError(f"sensor has gsd_m={self.gsd_m}, factor={self.factor}; expected one of them")
        self._gsd()
        for what in ("mtf_nyquist", "now_nyquist"):
            check_each(getattr(self, what), partial(between_0_and_1, f"sensor:{what}"), f"sensor:{what}")
        for what in ("snr", "now_snr", "level_dn"):
            check_each(getattr(self, what), partial(above_0, f"sensor:{what}"), f"sensor:{what}")
        if self.bits is not None and not 1 <= self.bits <= 16:
            raise SettingError(f"sensor:bits is {self.bits}; expected 1 to 16")

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:
        """The scene as the sensor gives it, in the dtype of the input."""
        with _under_our_name():
            seen, sigmas_px = self._through_optics(scene)
            if self.snr is not None and not nothing_valid(scene):
                noisy = self._with_noise(self.snr, scene, seen.scene, sigmas_px, rng)
                seen = replace(
                    seen, scene=noisy.scene, achieved=seen.achieved | noisy.achieved, notes=seen.notes + noisy.notes
                )
            if self.bits is not None:
                quantised = Quantize(bits=self.bits, centred=True)(seen.scene, rng=rng)
                seen = replace(seen, scene=quantised.scene)
        return replace(seen, notes=(*seen.notes, NOTHING_VALID)) if nothing_valid(scene) else seen

    def _gsd(self) -> Gsd:
        """The GSD alone; the old one where none is stated."""
        with _under_our_name():
            return Gsd(gsd_m=self.gsd_m, factor=1.0 if self.gsd_m is None and self.factor is None else self.factor)

    def _through_optics(self, scene: Scene) -> tuple[Modified, FloatArray]:
        """The scene on the new grid, and the σ of the blur of each band in old pixels."""
        gsd = self._gsd()
        step, bands = gsd.step(scene), scene.shape[2]
        if step == 1 and self.mtf_nyquist is None:
            return Modified(scene=scene), np.zeros(bands)
        if nothing_valid(scene):
            return _imaged(scene, gsd, np.zeros(bands)), np.zeros(bands)
        now, notes = self._now_at_new_nyquist(scene, step)
        target = self._target(scene, step, now)
        if (target > now * (1 + 1e-9)).any():
            k = int(np.argmax(target / now))
            raise SettingError(
                f"sensor:mtf_nyquist is {target[k]:g} but {scene.name!r} has {now[k]:.4g} there"
                f"{'' if bands == 1 else f' in band {k + 1}'}{'' if self.now_nyquist else ' by its own edges'}; blur "
                f"can reach that or less{'' if self.now_nyquist else ', or state sensor:now_nyquist, the present MTF'}"
            )
        seen, sigmas_px = self._solved(scene, gsd, target=target, now=now)
        return replace(seen, notes=(*notes, *seen.notes)), sigmas_px

    def _solved(self, scene: Scene, gsd: Gsd, *, target: FloatArray, now: FloatArray) -> tuple[Modified, FloatArray]:
        """Blurred by what lacks, corrected by what the edges of the result say, if the present MTF was not stated."""
        step, wanted = gsd.step(scene), float(target.mean())
        lacking_px2 = np.array([psf_sigma(min(r, 1.0), gsd=step) ** 2 for r in target / now])

        def sigmas_px(mean_px2: float) -> FloatArray:
            return np.asarray(np.sqrt(np.maximum(lacking_px2 + mean_px2 - lacking_px2.mean(), 0)), float)

        @lru_cache(maxsize=1)  # the last trial is most often the best
        def imaged(mean_px2: float) -> tuple[Modified, Edges]:
            out = _imaged(scene, gsd, sigmas_px(mean_px2))
            return out, measured(out.scene)

        first_px2 = float(lacking_px2.mean())
        # a stated present MTF is taken at its word, and so is theory where a coarser grid shows no clear edges
        trusted = self.now_nyquist is not None or (step > 1 and bool(imaged(first_px2)[1].caution))
        tried = matched_variance(
            lambda mean_px2: imaged(mean_px2)[1].mtf_nyquist,
            first_px2=first_px2,
            target=wanted,
            lacks_px2=lambda got: 0.0 if trusted else 2 * log(max(got, 1e-6) / wanted) * (step / pi) ** 2,
            close=_CLOSE,
        )
        best = tried[0]
        if not trusted and abs(best.value - wanted) > _MISSED:
            blurry = best.variance_px2 == 0 and best.value < wanted
            said = "at that GSD without any blur" if blurry else f"after {len(tried)} trials of blur"
            raise SettingError(
                f"sensor:mtf_nyquist is {wanted:.4g} but the edges of {scene.name!r} say {best.value:.4g} {said}; "
                "ask for less, or state sensor:now_nyquist, the present MTF"
            )
        applied_px = sigmas_px(best.variance_px2)
        present = {} if self.now_nyquist is not None else {"present_mtf_new_nyquist": float(now.mean())}
        achieved = told(present | {"blur_sigma_px": float(applied_px.mean()), "achieved_mtf_nyquist": best.value})
        out, seen = imaged(best.variance_px2)
        notes = notes_on(seen, "achieved_mtf_nyquist")
        return replace(out, achieved=out.achieved | achieved, notes=notes), applied_px

    def _now_at_new_nyquist(self, scene: Scene, step: float) -> tuple[FloatArray, tuple[str, ...]]:
        """The present MTF of each band at 1/(2s) cycles per old pixel, and what is odd about it."""
        if self.now_nyquist is None:
            return mtf_now(scene, 0.5 / step, "sensor:now_nyquist")
        now = for_bands(self.now_nyquist, scene.shape[2], "sensor:now_nyquist")
        return np.array([mtf_at_nyquist(psf_sigma(m), gsd=step) for m in now]), ()

    def _target(self, scene: Scene, step: float, now: FloatArray) -> FloatArray:
        if self.mtf_nyquist is not None:
            return for_bands(self.mtf_nyquist, scene.shape[2], "sensor:mtf_nyquist")
        own = now if step == 1 else self._now_at_new_nyquist(scene, 1.0)[0]
        return np.minimum(np.maximum(own, 1e-3), now)  # an MTF of 0 is no target

    def _with_noise(
        self, snr: PerBand, scene: Scene, seen: Scene, sigmas_px: FloatArray, rng: np.random.Generator
    ) -> Modified:
        levels = levels_of(seen, self.level_dn, setting="sensor:level_dn")
        bands = scene.shape[2]
        stated = None if self.now_snr is None else levels / for_bands(self.now_snr, bands, "sensor:now_snr")
        before = noise_at(scene, levels) if stated is None else stated
        kept, target = np.array([noise_kept(sigma) for sigma in sigmas_px]), for_bands(snr, bands, "sensor:snr")
        now_dn = kept * bounded(scene, levels=levels, wanted=levels / target / kept, now_dn=before)
        return brought_to_snr(
            seen,
            target,
            levels=levels,
            now_dn=now_dn,
            rng=rng,
            taken_at_its_word=self.now_snr is not None,
            setting="sensor:snr",
            stated="sensor:now_snr",
        )


@contextmanager
def _under_our_name() -> Iterator[None]:
    """What the steps refuse is a setting of the sensor."""
    try:
        yield
    except SettingError as error:
        raise SettingError(re.sub(r"\b(gsd|quantize):", "sensor:", str(error))) from None


def _imaged(scene: Scene, gsd: Gsd, sigmas_px: FloatArray) -> Modified:
    """Through a Gaussian PSF of σ old pixels for each band, on the new grid."""
    step = gsd.step(scene)
    if step == 1:
        return Modified(scene=seen_through(scene, [gaussian_psf(sigma) for sigma in sigmas_px]))
    return gsd.on_new_grid(scene, partial(coarser, sigmas_px=sigmas_px))


def noise_kept(sigma_px: float) -> float:
    """What a Gaussian blur of σ pixels leaves of white noise: erf(πσ)/(2√π·σ), 1 without blur.

    The root of the integral of the MTF squared over the frequencies of the grid, in both directions.

    >>> round(noise_kept(1.0), 4), noise_kept(0.0)
    (0.2821, 1.0)
    """
    return 1.0 if sigma_px < 1e-6 else erf(pi * sigma_px) / (2 * sqrt(pi) * sigma_px)
