"""A coarser ground sampling distance, as a sensor of that GSD would see the scene."""

from dataclasses import dataclass, replace
from math import ceil, exp, inf, pi, sqrt
from typing import Any, ClassVar, Literal

import numpy as np

from orbiq.arrays import Scene, cast_like
from orbiq.errors import ImageError, SettingError
from orbiq.modifiers.base import Modified
from orbiq.modifiers.filling import filled
from orbiq.modifiers.geometry_resampling import (
    cell_centres,
    finished,
    kernel_weights,
    method_weights,
    separable,
    working,
)
from orbiq.optics import psf_sigma


@dataclass(frozen=True, kw_only=True)
class Gsd:
    """To a GSD coarser by `factor` ≥ 1 (any real number), or to `gsd_m` metres of a scene whose own is known.

    The Gaussian PSF of σ = (s/π)·√(−2·ln m) pixels, whose MTF at the new Nyquist frequency is m = `mtf_nyquist`
    (default 0.2, see `orbiq.optics.psf_sigma`), is weighted exactly at the new pixels' centres (k + ½)·s − ½. It is
    added to what blurs the scene already: its MTF at its own Nyquist frequency, if `now_nyquist` states it, is taken
    off in squares. `psf` box is the mean over the new pixel's area instead. Masked pixels take no part; a new pixel is
    valid where half of its weight is. Rows and columns that fill no whole pixel are left out. `back` gives the old
    grid again, by bicubic interpolation. Below σ = 0.8 px one sample per pixel hardly holds the PSF.

    >>> scene = Scene(array=np.array([[[1.0], [3.0]], [[5.0], [7.0]]]), gsd_m=0.5)
    >>> coarse = Gsd(gsd_m=1.0, psf="box")(scene, rng=np.random.default_rng(0)).scene
    >>> coarse.array.tolist(), coarse.gsd_m
    ([[[4.0]]], 1.0)
    """

    name: ClassVar[str] = "gsd"
    factor: float | None = None
    gsd_m: float | None = None
    mtf_nyquist: float = 0.2
    now_nyquist: float = 1.0
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
            if not 0 < getattr(self, what) <= 1:
                raise SettingError(f"gsd:{what} is {getattr(self, what)}; expected above 0, up to 1")
        if self.psf not in ("gaussian", "box"):
            raise SettingError(f"gsd:psf is {self.psf!r}; expected gaussian or box")

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002  draws nothing
        """The scene at its coarser GSD."""
        step = self._factor(scene)
        rows, cols = (int(n / step + 1e-9) for n in scene.shape[:2])
        if min(rows, cols) == 0:
            raise ImageError(
                f"image {scene.name!r} has {scene.shape[0]} × {scene.shape[1]} pixels, fewer than one of the new GSD "
                f"({step:g} × as coarse); take a smaller factor, or leave that image out"
            )
        weights = self._weights(scene.shape[0], rows, step), self._weights(scene.shape[1], cols, step)
        coarse = _seen(scene, *weights, step=step)
        if self.back:
            return Modified(scene=_on_old_grid(scene, coarse.scene, step))
        gsd_m = None if scene.gsd_m is None else self.gsd_m or scene.gsd_m * step
        return replace(coarse, scene=replace(coarse.scene, gsd_m=gsd_m))

    def _factor(self, scene: Scene) -> float:
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

    def _weights(self, n: int, n_new: int, step: float) -> Any:
        centres = cell_centres(n_new, step)
        if self.psf == "box":
            return method_weights(n, centres, "area", step=step)
        total, now = psf_sigma(self.mtf_nyquist, gsd=step), psf_sigma(self.now_nyquist)
        if total < now:
            best = exp(-((pi * now / step) ** 2) / 2)
            raise SettingError(
                f"gsd:mtf_nyquist is {self.mtf_nyquist:g}, out of reach: the scene's own blur leaves at most {best:.3g}"
            )
        sigma = sqrt(total**2 - now**2)
        if sigma < 1e-6:
            return method_weights(n, centres, "bilinear")
        half = max(ceil(4 * sigma), 1)
        return kernel_weights(n, centres, lambda x: np.asarray(np.exp(-((x / sigma) ** 2) / 2), float), half=half)


def _seen(scene: Scene, rows: Any, cols: Any, *, step: float) -> Modified:
    """Weighted means over valid pixels."""
    affine = (1 / step, 0.0, 0.0, 0.0, 1 / step, 0.0)
    values = working(scene.array)
    if scene.mask is None:
        return finished(scene, separable(values, rows, cols), valid=None, affine=affine)
    mask = scene.mask[..., None]
    weight = separable(mask.astype(values.dtype), rows, cols)
    lit = separable(np.where(mask, values, 0), rows, cols)
    valid = weight[..., 0] >= 0.5
    return finished(scene, lit / np.where(valid[..., None], weight, 1), valid=valid, affine=affine)


def _on_old_grid(scene: Scene, coarse: Scene, step: float) -> Scene:
    weights = (
        method_weights(m, cell_centres(n, 1 / step), "bicubic")
        for n, m in zip(scene.shape[:2], coarse.shape[:2], strict=True)
    )
    values = separable(working(filled(coarse)), *weights)
    return scene.with_array(cast_like(values, scene.array, peak=scene.peak))
