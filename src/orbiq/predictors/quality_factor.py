"""The quality-factor predictor: how good an image is, on the scale of JPEG, from the image alone.

A network that was trained to tell at which quality clean images had been coded says of every place of an image how it
looks: 100 as never coded, 0 as coded to blocks. After H. Cui, "Reference-Free Image Quality Metric for Degradation and
Reconstruction Artifacts", UCB/EECS-2023-130, 2023.

Images are as `orbiq.metrics.inputs` says. The network sees whole numbers 0 … 255: `low_dn` of the image is black, 0
unless stated, and `high_dn` white, the peak unless stated. State them where data use a part of their range, as the
coder or viewer did through which the damage came.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from math import nan, sqrt
from pathlib import Path
from typing import Any

import numpy as np

from orbiq.arrays import Array, BoolArray
from orbiq.errors import ImageError
from orbiq.learning.weights import Weights
from orbiq.metrics.base import Estimate, MapSpec, MetricSpec, ScoreSpec
from orbiq.metrics.inputs import Images, Pixels, one_image
from orbiq.predictors.fields import Field, Part, levels_seen, map_parts, varied
from orbiq.predictors.shipped import model_file, weights_of

KIND = "quality-factor"
FIELD = Field(step=4, margin=15)
AUTO = "auto"
_BINS = 2000
"""Of 0 … 100, for percentiles: bounded memory, however large the image."""
_MAP = MapSpec(function="qf_map", margin=16, step=FIELD.step)


def _score(name: str, *, better: bool = True) -> ScoreSpec:
    return ScoreSpec(name=name, low=0, high=100, higher_is_better=better)


SPECS = {
    "qf": MetricSpec(name="qf", scores=(_score("qf"),), needs="image", map=_MAP),
    "qf_map": MetricSpec(
        name="qf_map",
        scores=(_score("qf_median"), _score("qf_p05"), _score("qf_p95"), _score("qf_sd", better=False)),
        needs="image",
        of="qf",
        map=_MAP,
    ),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Quality:
    """The predicted quality of an image, 0 … 100, higher is better: the mean of its map, and how the map spreads.

    `low` and `high` hold the true JPEG quality of 95 of 100 images of the predictor's training sources that were held
    back; NaN where its file does not say. `reason` tells why there is no value.

    >>> Quality(mean=97.5, median=99.0).scores()["qf_median"].value
    99.0
    """

    mean: float
    low: float = nan
    high: float = nan
    sd: float = nan
    median: float = nan
    p05: float = nan
    p95: float = nan
    n_cells: int = 0
    reason: str = ""

    def scores(self) -> dict[str, Estimate]:
        """By the names of the metrics `qf` and `qf_map`."""
        spread = {"qf_median": self.median, "qf_p05": self.p05, "qf_p95": self.p95, "qf_sd": self.sd}
        whole = Estimate(value=self.mean, low=self.low, high=self.high, reason=self.reason)
        return {"qf": whole} | {name: Estimate(value=v, reason=self.reason) for name, v in spread.items()}


@dataclass(frozen=True, eq=False, kw_only=True)
class QualityFactor:
    """A trained predictor, ready for use: of three bands together, or of each band by itself.

    `QualityFactor.load("rgb").score(image)` is one number, `.map(image)` one for each 4 by 4 pixels.
    """

    bands: int
    digest: str
    description: dict[str, Any] = field(repr=False)
    network: Callable[[Array], Array] = field(repr=False)

    @classmethod
    def load(cls, model: str | Path = "rgb") -> "QualityFactor":
        """One that comes with orbiq, "rgb" or "grey", or the file of one that `orbiq train quality-factor` made.

        Raises SettingError for a file that is none, or damaged; MissingExtra without torch.
        """
        path = model_file(str(model), kind=KIND)
        return _loaded(path, path.stat().st_mtime_ns if path.exists() else 0)

    def map(
        self,
        image: Pixels,
        *,
        mask: BoolArray | None = None,
        peak: float | None = None,
        low_dn: float = 0.0,
        high_dn: float | None = None,
    ) -> Array:
        """Predicted quality, 0 … 100, of each 4 by 4 pixels: (rows // 4, cols // 4, planes), float32.

        A value sees 34 by 34 pixels about it, and is NaN where they are not all within the image and its mask, and
        where they are one flat colour, of which nothing can be told. Planes are one, or the bands for a predictor of
        single bands. Raises ImageError for pixels that do not fit.
        """
        images = self._checked(image, mask=mask, peak=peak)
        rows, cols = (side // FIELD.step for side in images.shape[:2])
        out = np.full((rows, cols, self._planes(images)), np.nan, np.float32)
        for part in self._parts(images, low_dn=low_dn, high_dn=high_dn):
            out[part.rows, part.cols] = np.moveaxis(part.values, 0, -1)
        return out

    def score(self, image: Pixels, **seen: Any) -> float:
        """The mean of `map`, which takes the same options; NaN where no value of it is known."""
        return self.measured(image, **seen).mean

    def measured(
        self,
        image: Pixels,
        *,
        mask: BoolArray | None = None,
        peak: float | None = None,
        low_dn: float = 0.0,
        high_dn: float | None = None,
    ) -> Quality:
        """The mean of the map with its interval, and how the map spreads; memory does not grow with the image."""
        images = self._checked(image, mask=mask, peak=peak)
        counts, total, squares = np.zeros(_BINS, np.int64), 0.0, 0.0
        for part in self._parts(images, low_dn=low_dn, high_dn=high_dn):
            known = part.values[np.isfinite(part.values)].astype(float)
            counts += np.histogram(known, _BINS, (0, 100))[0]
            total, squares = total + known.sum(), squares + (known**2).sum()
        n = int(counts.sum())
        if not n:
            return Quality(mean=nan, reason=_nothing(images))
        mean = total / n
        median, p05, p95 = (_percentile(counts, share) for share in (0.5, 0.05, 0.95))
        low, high = self._interval(mean)
        sd = sqrt(max(0.0, squares / n - mean**2))
        return Quality(mean=mean, low=low, high=high, sd=sd, median=median, p05=p05, p95=p95, n_cells=n)

    def _checked(self, image: Pixels, *, mask: BoolArray | None, peak: float | None) -> Images:
        images = one_image(image, mask=mask, peak=peak, peaked=True)
        if self.bands not in (1, images.bands):
            raise ImageError(
                f"{images.name} has {images.bands} bands; this predictor takes {self.bands} together. "
                "Select them first, or take model=grey, which looks at each band by itself."
            )
        return images

    def _planes(self, images: Images) -> int:
        return images.bands // self.bands

    def _parts(self, images: Images, *, low_dn: float, high_dn: float | None) -> Iterator[Part]:
        white = float(images.peak or nan) if high_dn is None else high_dn

        def network(pixels: Array) -> Array:
            seen = levels_seen(pixels, low_dn=low_dn, high_dn=white)
            units = seen[None] if self.bands == seen.shape[2] else np.moveaxis(seen, 2, 0)[..., None]
            return np.concatenate([np.where(varied(unit, FIELD), self.network(unit), np.nan) for unit in units])

        return map_parts(images, network, field=FIELD, planes=self._planes(images))

    def _interval(self, mean: float) -> tuple[float, float]:
        known = self.description.get("interval")
        if not known:
            return nan, nan
        low, high = (mean + float(np.interp(mean, known["predicted"], known[end])) for end in ("low", "high"))
        return max(0.0, low), min(100.0, high)


def qf(
    image: Pixels,
    *,
    peak: float | None = None,
    mask: BoolArray | None = None,
    model: str = AUTO,
    low_dn: float = 0.0,
    high_dn: float | None = None,
) -> Quality:
    """Predicted JPEG quality factor of an image without reference: 0 … 100, higher is better.

    The mean over the map of `QualityFactor.map`; its median, 5th and 95th percentile and standard deviation are the
    metric `qf_map`. `model` "auto" is "rgb" for three bands and "grey", each band by itself, for others; else the name
    or file of a predictor. `low_dn` and `high_dn` are what is seen as black and white, 0 and the peak unless stated.

    It has learnt JPEG on aerial images and photographs; blur, noise and other codecs lower it too, but not by a scale
    that anyone could state: compare images of one sensor. Raises ImageError for pixels that do not fit, MissingExtra
    without torch. H. Cui, UCB/EECS-2023-130, 2023.
    """
    return _chosen(image, model).measured(image, peak=peak, mask=mask, low_dn=low_dn, high_dn=high_dn)


def qf_map(
    image: Pixels,
    *,
    peak: float | None = None,
    mask: BoolArray | None = None,
    model: str = AUTO,
    low_dn: float = 0.0,
    high_dn: float | None = None,
) -> Array:
    """The map of `qf`: see `QualityFactor.map`."""
    return _chosen(image, model).map(image, peak=peak, mask=mask, low_dn=low_dn, high_dn=high_dn)


def _chosen(image: Pixels, model: str) -> QualityFactor:
    if model != AUTO:
        return QualityFactor.load(model)
    return QualityFactor.load("rgb" if one_image(image).bands == 3 else "grey")


@cache
def _loaded(path: Path, _changed: int) -> QualityFactor:
    from orbiq.learning.devices import check_learned

    check_learned("the quality-factor predictor")
    weights = weights_of(path, kind=KIND)
    return QualityFactor(
        bands=int(weights.description["network"]["bands"]),
        digest=weights.digest,
        description=weights.description,
        network=_runner(weights, path),
    )


def _runner(weights: Weights, path: Path) -> Callable[[Array], Array]:
    """The network as a function of pixels 0 … 255 (rows, cols, bands), giving 0 … 100 (1, rows, cols)."""
    import torch

    from orbiq.learning.restoring import restored
    from orbiq.predictors.quality_network import built, folded, network_input, qualities

    network = folded(restored(built, weights, path))

    def run(pixels: Array) -> Array:
        x = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]
        with torch.inference_mode():
            values = qualities(network(network_input(x)))
        return np.asarray(100 * values.numpy())

    return run


def _percentile(counts: Array, share: float) -> float:
    """Within the bin in which it lies, in proportion."""
    below, wanted = np.cumsum(counts), share * counts.sum()
    at = int(np.searchsorted(below, wanted))
    return float((at + 1 - (below[at] - wanted) / counts[at]) * 100 / _BINS)


def _nothing(images: Images) -> str:
    return (
        f"{images.name} of {images.shape} (rows, cols, bands) has no {FIELD.size}×{FIELD.size} pixels that are all "
        "valid and not one flat colour; a value of the map sees so many: check its size, mask and nodata value"
    )
