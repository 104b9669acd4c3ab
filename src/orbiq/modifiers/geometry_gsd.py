"""A coarser ground sampling distance, as a sensor of that GSD would see the scene."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import ceil, exp, inf, pi
from typing import ClassVar, Literal

import numpy as np

from orbiq.arrays import FloatArray, Scene
from orbiq.errors import ImageError, SettingError
from orbiq.modifiers.bandwise import PerBand, between_0_and_1, check_each, for_bands
from orbiq.modifiers.base import Modified
from orbiq.modifiers.filling import filled
from orbiq.modifiers.geometry_resampling import (
    Kernel,
    Weights,
    cast_of,
    cell_centres,
    finished,
    kernel_weights,
    method_weights,
    separable,
    separable_means,
)
from orbiq.optics import psf_sigma

_REACH_PX = 40  # of the narrow PSF's weights
_SAMPLED_PX = 0.8  # from this σ on one weight per pixel holds a Gaussian to 1e-3 of its MTF


@dataclass(frozen=True, kw_only=True)
class Gsd:
    """To a GSD coarser by `factor` ≥ 1 (any real number), or to `gsd_m` metres of a scene whose own is known.

    The Gaussian PSF of σ = (s/π)·√(−2·ln m) pixels, whose MTF at the new Nyquist frequency is m = `mtf_nyquist`
    (default 0.2, see `orbiq.optics.psf_sigma`), is weighted exactly at the new pixels' centres (k + ½)·s − ½. It is
    added to what blurs the scene already: its MTF at its own Nyquist frequency, if `now_nyquist` states it, is taken
    off in squares. Both may be a list with one number for each band. `psf` box is the mean over the new pixel's area
    instead. Masked pixels take no part; a new pixel is valid where half of its weight is. Rows and columns that fill no
    whole pixel are left out. `back` gives the old grid again, by bicubic interpolation.

    Below σ = 0.8 px one weight per pixel does not hold a Gaussian: there the weights are those of its MTF up to 0.45
    cycles per pixel, from where it falls to 0 at 0.5, and some are negative.

    >>> scene = Scene(array=np.array([[[1.0], [3.0]], [[5.0], [7.0]]]), gsd_m=0.5)
    >>> coarse = Gsd(gsd_m=1.0, psf="box")(scene, rng=np.random.default_rng(0)).scene
    >>> coarse.array.tolist(), coarse.gsd_m
    ([[[4.0]]], 1.0)
    """

    name: ClassVar[str] = "gsd"
    version: ClassVar[int] = 2
    factor: float | None = None
    gsd_m: float | None = None
    mtf_nyquist: PerBand = 0.2
    now_nyquist: PerBand = 1.0
    psf: Literal["gaussian", "box"] = "gaussian"
    back: bool = False

    def __post_init__(self) -> None:
        if (self.factor is None) == (self.gsd_m is None):
            raise SettingError(
                f"gsd has factor={self.factor}, gsd_m={self.gsd_m}; expected one of them, as gsd:factor=2"
            )
        if self.factor is not None and not 1 <= self.factor < inf:
            raise SettingError(f"gsd:factor is {self.factor}; expected 1 or more; for a finer GSD use resize")
        if self.gsd_m is not None and not 0 < self.gsd_m < inf:
            raise SettingError(f"gsd:gsd_m is {self.gsd_m}; expected metres above 0")
        for what in ("mtf_nyquist", "now_nyquist"):
            setting = f"gsd:{what}"
            check_each(getattr(self, what), partial(between_0_and_1, setting), setting)
        if self.psf not in ("gaussian", "box"):
            raise SettingError(f"gsd:psf is {self.psf!r}; expected gaussian or box")

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002  draws nothing
        """The scene at its coarser GSD."""
        coarse = self.on_new_grid(scene, self._seen)
        return Modified(scene=_on_old_grid(scene, coarse.scene, self.step(scene))) if self.back else coarse

    def on_new_grid(self, scene: Scene, seen: Callable[..., Modified]) -> Modified:
        """The scene on the grid of its new GSD, as `seen(scene, rows=…, cols=…, step=…)` gives its pixels."""
        step = self.step(scene)
        rows, cols = (int(n / step + 1e-9) for n in scene.shape[:2])
        if min(rows, cols) == 0:
            raise ImageError(
                f"image {scene.name!r} has {scene.shape[0]} × {scene.shape[1]} pixels, fewer than one of the new GSD "
                f"({step:g} × as coarse); take a smaller factor, or leave that image out"
            )
        coarse = seen(scene, rows=rows, cols=cols, step=step)
        gsd_m = None if scene.gsd_m is None else self.gsd_m or scene.gsd_m * step
        achieved = {} if gsd_m is None else {"achieved_gsd_m": gsd_m}
        return replace(coarse, scene=replace(coarse.scene, gsd_m=gsd_m), achieved=achieved)

    def _seen(self, scene: Scene, *, rows: int, cols: int, step: float) -> Modified:
        if self.psf == "box":
            weights = (
                method_weights(n, cell_centres(m, step), "area", step=step)
                for n, m in zip(scene.shape, (rows, cols), strict=False)
            )
            return weighted(scene, *weights, step=step)
        sigmas_px = self._missing_px(scene.shape[2], step)
        return coarser(scene, sigmas_px=sigmas_px, rows=rows, cols=cols, step=step)

    def step(self, scene: Scene) -> float:
        """The side of a new pixel in old ones."""
        if self.factor is not None or self.gsd_m is None:
            return self.factor or 1.0
        if scene.gsd_m is None:
            raise ImageError(
                f"nobody said the GSD of image {scene.name!r}; state gsd_m in dataset.json, or use gsd:factor=…"
            )
        if self.gsd_m < scene.gsd_m:
            raise SettingError(
                f"gsd:gsd_m is {self.gsd_m:g}, finer than the {scene.gsd_m:g} m of {scene.name!r}; expected as coarse "
                "or coarser; for a finer grid use resize"
            )
        return self.gsd_m / scene.gsd_m

    def _missing_px(self, bands: int, step: float) -> FloatArray:
        """σ of the blur that each band lacks."""
        target = for_bands(self.mtf_nyquist, bands, "gsd:mtf_nyquist")
        now = for_bands(self.now_nyquist, bands, "gsd:now_nyquist")
        total = np.array([psf_sigma(m, gsd=step) for m in target])
        present = np.array([psf_sigma(m) for m in now])
        if (total < present).any():
            k = int(np.argmax(present - total))
            best = exp(-((pi * present[k] / step) ** 2) / 2)
            raise SettingError(
                f"gsd:mtf_nyquist is {target[k]:g}, out of reach: the scene's own blur leaves at most {best:.3g}"
            )
        return np.asarray(np.sqrt(total**2 - present**2), float)


def coarser(scene: Scene, *, sigmas_px: FloatArray, rows: int, cols: int, step: float) -> Modified:
    """The scene through a Gaussian PSF of σ pixels for each band, on `rows` × `cols` pixels `step` times as large."""
    if sigmas_px.min() < _SAMPLED_PX:
        return _band_limited(scene, sigmas_px, rows=rows, cols=cols, step=step)
    centres = cell_centres(rows, step), cell_centres(cols, step)
    if (sigmas_px == sigmas_px[0]).all():
        return weighted(scene, *_gaussian_weights(scene, centres, sigmas_px[0]), step=step)
    parts = [
        weighted(
            replace(scene, array=scene.array[..., k : k + 1]), *_gaussian_weights(scene, centres, sigma), step=step
        )
        for k, sigma in enumerate(sigmas_px)
    ]
    array = np.concatenate([part.scene.array for part in parts], axis=2)
    masks = [part.scene.mask for part in parts if part.scene.mask is not None]
    return replace(
        parts[0], scene=replace(parts[0].scene, array=array, mask=np.logical_and.reduce(masks) if masks else None)
    )


def _gaussian_weights(scene: Scene, centres: tuple[FloatArray, FloatArray], sigma_px: float) -> tuple[Weights, Weights]:
    def kernel(x: FloatArray) -> FloatArray:
        return np.asarray(np.exp(-((x / sigma_px) ** 2) / 2), float)

    half = ceil(4 * sigma_px)
    rows, cols = (kernel_weights(n, c, kernel, half=half) for n, c in zip(scene.shape[:2], centres, strict=True))
    return rows, cols


def _band_limited(scene: Scene, sigmas_px: FloatArray, *, rows: int, cols: int, step: float) -> Modified:
    """A narrow PSF: with negative weights masked pixels cannot be left out, so they are filled."""
    source = filled(scene)
    centres = cell_centres(rows, step), cell_centres(cols, step)
    out = np.empty((rows, cols, scene.shape[2]), source.dtype)
    for band, sigma_px in enumerate(sigmas_px):
        kernel = _kernel_of(sigma_px)
        weights = (kernel_weights(n, c, kernel, half=_REACH_PX) for n, c in zip(scene.shape, centres, strict=False))
        out[..., band : band + 1] = separable(source[..., band : band + 1], *weights, cast=cast_of(scene))
    valid = None
    if scene.mask is not None:
        area = (method_weights(n, c, "area", step=step) for n, c in zip(scene.shape, centres, strict=False))
        valid = separable(scene.mask[..., None], *area)[..., 0] >= 0.5
    return finished(scene, out, valid=valid, affine=(1 / step, 0.0, 0.0, 0.0, 1 / step, 0.0))


@lru_cache(maxsize=64)
def _kernel_of(sigma_px: float) -> Kernel:
    """∫ exp(−2π²σ²f²)·T(f)·cos(2πfx) df over −½ … ½, T = 1 up to 0.45 and smoothly 0 at 0.5; looked up by 1/512 px."""
    f = (np.arange(400) + 0.5) / 800
    t = np.clip((f - 0.45) / 0.05, 0, 1)
    spectrum = np.exp(-2 * (pi * sigma_px * f) ** 2) * (1 - t * t * (3 - 2 * t))
    places = np.arange(-(_REACH_PX + 1) * 512, (_REACH_PX + 1) * 512 + 1) / 512
    values = np.concatenate([np.cos(2 * pi * np.outer(part, f)) @ spectrum for part in np.array_split(places, 32)])
    return lambda x: np.interp(x, places, values / 400)


def weighted(scene: Scene, rows: Weights, cols: Weights, *, step: float) -> Modified:
    """Weighted means over valid pixels."""
    affine = (1 / step, 0.0, 0.0, 0.0, 1 / step, 0.0)
    if scene.mask is None:
        return finished(scene, separable(scene.array, rows, cols, cast=cast_of(scene)), valid=None, affine=affine)
    array, valid = separable_means(scene, rows, cols, cast=cast_of(scene))
    return finished(scene, array, valid=valid, affine=affine)


def _on_old_grid(scene: Scene, coarse: Scene, step: float) -> Scene:
    weights = (
        method_weights(m, cell_centres(n, 1 / step), "bicubic")
        for n, m in zip(scene.shape[:2], coarse.shape[:2], strict=True)
    )
    return scene.with_array(separable(filled(coarse), *weights, cast=cast_of(scene)))
