"""Blur, sharpness, noise, sharpening and scale of an image, predicted from its pixels alone by a small trained network.

It goes on from QMRNet (Berga et al. 2023, doi:10.3390/rs15092451; iquaflow, doi:10.1109/JSTARS.2023.3345925): a number
for each degradation that a sensor or a processing chain may leave in an image, and one score from them all. Here one
network tells all five, of images of any size, with intervals, and learnt from degradations whose effect is known.

Images are as `orbiq.metrics.inputs` says; each band is looked at by itself, and what is told is the mean over bands.
0 … peak is seen as 0 … 255. Lengths are in pixels, noise in DN.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from math import isnan, nan
from pathlib import Path
from typing import Any, Literal

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.errors import SettingError, unknown
from orbiq.metrics.base import Estimate, MetricSpec, ScoreSpec
from orbiq.metrics.inputs import Images, Pixels, one_image
from orbiq.metrics.noise_levels import levels_of
from orbiq.predictors.degradation_labels import PARAMETERS
from orbiq.predictors.degradation_scores import Aims
from orbiq.predictors.fields import Field, map_parts
from orbiq.predictors.shipped import model_file, weights_of

KIND = "degradations"
FIELD = Field(step=8, margin=6)
By = Literal["values", "intervals"]
_USUAL = Aims()


def _spec(name: str, *scores: ScoreSpec) -> MetricSpec:
    return MetricSpec(name=name, scores=scores, needs="image", of="degradations")


_SCORES = {
    "score": ScoreSpec(name="degradation_score", low=0, high=1),
    "blur": ScoreSpec(name="blur_px", unit="px", low=0, higher_is_better=False),
    "rer_predicted": ScoreSpec(name="rer_predicted", low=0),
    "snr_predicted": ScoreSpec(name="snr_predicted", low=0),
    "sharpening": ScoreSpec(name="sharpening", low=0, higher_is_better=False),
    "gsd_scale": ScoreSpec(name="gsd_scale", low=1, higher_is_better=False),
}
SPECS = {"degradations": _spec("degradations", *_SCORES.values())} | {k: _spec(k, v) for k, v in _SCORES.items()}


@dataclass(frozen=True, eq=False, kw_only=True)
class Measured:
    """What was predicted of an image, each with its interval; NaN with the reason where nothing could be.

    `blur` is σ of the whole Gaussian point spread function in pixels, without sharpening; `rer` the relative edge
    response, with it; `noise_dn` the noise of a pixel in DN, and `snr` the median level over it, linear; `sharpening`
    the amount of `sharpen` (σ 1 px) and `gsd_scale` the factor of `gsd:factor=…,back=True` that would have left such
    pixels. `n_places` of 8 by 8 pixels were looked at.
    """

    blur: Estimate
    rer: Estimate
    snr: Estimate
    noise_dn: Estimate
    sharpening: Estimate
    gsd_scale: Estimate
    score: float
    n_places: int = 0

    def scores(self) -> dict[str, Estimate]:
        """By the names of the metrics."""
        told = (self.blur, self.rer, self.snr, self.sharpening, self.gsd_scale)
        score = Estimate(value=self.score, reason=self.blur.reason)
        names = (spec.name for spec in _SCORES.values())
        return dict(zip(names, (score, *told), strict=True))


@dataclass(frozen=True, eq=False, kw_only=True)
class Degradations:
    """The trained regressors, ready for use.

    >>> Degradations.load("aerial").measure(np.full((8, 8), 7, np.uint8)).n_places  # a place sees 20 by 20 pixels
    0
    """

    digest: str
    description: dict[str, Any] = field(repr=False)
    run: "Runner" = field(repr=False)

    @classmethod
    def load(cls, model: str | Path = "aerial") -> "Degradations":
        """Those that come with orbiq, "aerial", or the file of some that `orbiq train degradations` made.

        Raises SettingError for a file that is none, or damaged; MissingExtra without torch.
        """
        path = model_file(str(model), kind=KIND)
        return _loaded(path, path.stat().st_mtime_ns if path.exists() else 0)

    def measure(
        self,
        image: Pixels,
        *,
        mask: BoolArray | None = None,
        peak: float | None = None,
        by: By = "values",
        level: float = 0.9,
        aims: Aims = _USUAL,
    ) -> Measured:
        """All of an image's degradations, with intervals that hold the truth in a share `level` of cases, 0.9 or 0.95.

        `by` "values" takes the values that were predicted with their spreads (calibrated on images held back from
        training), "intervals" the middle of the likeliest interval, which has no interval of its own. Memory does not
        grow with the image. Raises ImageError for pixels that do not fit.
        """
        if by not in ("values", "intervals"):
            raise unknown("way to predict (by)", by, ("values", "intervals"))
        images = one_image(image, mask=mask, peak=peak, peaked=True)
        sums = self._sums(images)
        known = np.flatnonzero(sums[:, 0])
        if not known.size:
            return _nothing(images)
        told = self.run.told(sums[known])
        bands = {name: self._band_estimates(name, told, by=by, level=level) for name in PARAMETERS}
        levels = [level.median for band, level in enumerate(levels_of(images)) if band in known]
        return _measured(images, bands, levels, n_places=int(sums[:, 0].max()), aims=aims)

    def score(self, image: Pixels, *, aims: Aims = _USUAL, **seen: Any) -> float:
        """The weighted score, 0 … 1, higher is better: see `orbiq.predictors.degradation_scores.Aims`."""
        return self.measure(image, aims=aims, **seen).score

    def _sums(self, images: Images) -> FloatArray:
        """What the network gives of places, summed over those of an image: (bands, planes)."""
        scale, planes = 255 / (images.peak or nan), self.run.planes

        def network(pixels: Array) -> Array:
            seen = (pixels.astype(np.float64) * scale).astype(np.float32)
            return np.concatenate([self.run.parts(seen[..., band]) for band in range(images.bands)])

        total = np.zeros(images.bands * planes)
        for part in map_parts(images, network, field=FIELD, planes=images.bands * planes):
            total += part.values[:, np.isfinite(part.values[0])].sum(1, dtype=np.float64)
        return total.reshape(images.bands, planes)

    def _band_estimates(self, name: str, told: "Predicted", *, by: By, level: float) -> list[Estimate]:
        parameter, widths = PARAMETERS[name], self.description.get("calibration", {}).get(name, {})
        if by == "intervals":
            return [Estimate(value=float(parameter.value(place))) for place in told.classified[name]]
        if widths and f"{level:g}" not in widths:
            raise SettingError(f"intervals of {level:g} are not known; expected {', '.join(widths)}")
        half = widths.get(f"{level:g}", nan)
        places, spreads = told.places[name], told.spreads[name]
        ends = (parameter.value(places + side * half * spreads) for side in (0.0, -1.0, 1.0))
        return [Estimate(value=float(v), low=float(low), high=float(high)) for v, low, high in zip(*ends, strict=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class Predicted:
    """By parameter, of each band: places in its range, their spreads, and the middle of the likeliest interval."""

    places: Mapping[str, FloatArray]
    spreads: Mapping[str, FloatArray]
    classified: Mapping[str, FloatArray]


@dataclass(frozen=True, eq=False, kw_only=True)
class Runner:
    """The network as functions: `parts` of a plane of 0 … 255 are (planes, rows, cols), `told` looks at their sums."""

    planes: int
    parts: Callable[[Array], Array]
    told: Callable[[FloatArray], Predicted]


def degradations(
    image: Pixels,
    *,
    mask: BoolArray | None = None,
    peak: float | None = None,
    model: str = "aerial",
    by: By = "values",
    level: float = 0.95,
) -> Measured:
    """Blur, RER, SNR, sharpening and GSD scale of an image by trained regressors, and a score of them all.

    The arguments are those of `Degradations.measure`, and `model` the name or file of the regressors; intervals hold
    95 % unless stated. `rer_predicted` and `snr_predicted` mean what `edges` and `snr` measure, of images that show too
    few edges or too little homogeneous ground for these too. Of blur (px), sharpening and scale (from 1) lower is
    better, of RER, SNR and the score (0 … 1) higher. Raises ImageError for pixels that do not fit, MissingExtra without
    torch. Berga et al. 2023, doi:10.3390/rs15092451.
    """
    return Degradations.load(model).measure(image, mask=mask, peak=peak, by=by, level=level)


@cache
def _loaded(path: Path, _changed: int) -> Degradations:
    from orbiq.learning.devices import check_learned

    check_learned("the degradation regressors")
    from orbiq.learning.restoring import restored
    from orbiq.predictors.degradation_network import built
    from orbiq.predictors.degradation_running import runner

    weights = weights_of(path, kind=KIND)
    return Degradations(
        digest=weights.digest, description=weights.description, run=runner(restored(built, weights, path))
    )


def _measured(
    images: Images, bands: Mapping[str, list[Estimate]], levels: list[float], *, n_places: int, aims: Aims
) -> Measured:
    scale = (images.peak or nan) / 255
    noise = [_scaled(estimate, scale) for estimate in bands["noise"]]
    snr = _mean([_over(level, sigma) for level, sigma in zip(levels, noise, strict=True)])
    means = {name: _mean(bands[name]) for name in ("blur", "rer", "sharpening", "gsd_scale")}
    values = {name: estimate.value for name, estimate in means.items()} | {"snr": snr.value}
    return Measured(
        blur=means["blur"],
        rer=means["rer"],
        snr=snr,
        noise_dn=_mean(noise),
        sharpening=means["sharpening"],
        gsd_scale=means["gsd_scale"],
        score=nan if isnan(snr.value) else aims.score(values),
        n_places=n_places,
    )


def _scaled(estimate: Estimate, scale: float) -> Estimate:
    return Estimate(value=estimate.value * scale, low=estimate.low * scale, high=estimate.high * scale)


def _over(level: float, noise: Estimate) -> Estimate:
    return Estimate(value=level / noise.value, low=level / noise.high, high=level / noise.low)


def _mean(estimates: list[Estimate]) -> Estimate:
    """Of bands: errors are taken to be common to all, for they share the scene."""
    known = [estimate for estimate in estimates if not isnan(estimate.value)]
    if not known:
        return Estimate(value=nan, reason="no pixel is above 0")
    value, low, high = (sum(getattr(e, end) for e in known) / len(known) for end in ("value", "low", "high"))
    return Estimate(value=value, low=low, high=high)


def _nothing(images: Images) -> Measured:
    none = Estimate(
        value=nan,
        reason=f"{images.name} of {images.shape} (rows, cols, bands) has no {FIELD.size}×{FIELD.size} pixels that are "
        "all valid and not clipped: check its size, mask and peak",
    )
    return Measured(blur=none, rer=none, snr=none, noise_dn=none, sharpening=none, gsd_scale=none, score=nan)
