"""Sharpness of a whole image from its natural edges: RER, FWHM and MTF.

Images are as `orbiq.metrics.inputs` says: (rows, cols) or (rows, cols, bands), any real dtype, linear in light,
arithmetic in float64. Each band is measured by itself.
"""

from collections.abc import Sequence
from math import inf, isnan, nan
from typing import Any

import numpy as np

from orbiq.arrays import BoolArray
from orbiq.errors import ImageError, SettingError
from orbiq.metrics.base import MetricSpec, OverlaySpec, ScoreSpec
from orbiq.metrics.edge_finder import Found, find_edges
from orbiq.metrics.edge_model import Direction, Edge
from orbiq.metrics.edge_scales import directions
from orbiq.metrics.edge_statistics import Mixture, Sample, agreed, fit_to_be_judged, mixed, sample_of
from orbiq.metrics.edge_summary import Edges, FoundEdge, Sharpness, mean_over_bands, sharpness
from orbiq.metrics.inputs import Pixels, one_image
from orbiq.metrics.single_edge import edge_from

_GROUPS: tuple[Direction, ...] = ("x", "y", "other")
_CAUTION = "the edges disagree: kerbs, parapets or soft boundaries may hide the imager's own sharpness"
_WHERE = {"x": " along x", "y": " along y", "other": " in other directions"}


def _specs(name: str, *, unit: str = "", high: float = inf, better: bool = True) -> tuple[ScoreSpec, ...]:
    return tuple(
        ScoreSpec(name=name + group, unit=unit, low=0, high=high, higher_is_better=better)
        for group in ("", "_x", "_y", "_other")
    )


_RER, _FWHM = _specs("rer"), _specs("fwhm_px", unit="px", better=False)
_MTF = (*_specs("mtf_nyquist"), *_specs("mtf_half_nyquist"))
_OVERLAY = OverlaySpec(module="orbiq.metrics.edge_drawing", picture="edges_picture", geojson="edges_geojson")


def _spec(name: str, scores: tuple[ScoreSpec, ...]) -> MetricSpec:
    return MetricSpec(name=name, scores=scores, needs="image", of="edges", overlay=_OVERLAY)


SPECS = {
    "edges": _spec("edges", (*_RER, *_FWHM, *_MTF, ScoreSpec(name="n_edges", low=0))),
    "rer": _spec("rer", _RER),
    "fwhm": _spec("fwhm", _FWHM),
    "mtf": _spec("mtf", _MTF),
}


def edges(image: Pixels, *, mask: BoolArray | None = None, peak: float | None = None, least_edges: int = 5) -> Edges:
    """The sharpness of an image from its natural edges: boundaries of fields, roofs, roads.

    Straight edges are looked for, 11 or 17 pixels long, between two plateaus of at least 3 pixels on either side, not
    clipped, not within about 1.5° of rows and columns (2.3° the shorter ones); each is fitted as by `slanted_edge`.
    Boundaries on the ground are never sharper than a step, but many are softer: a mixture of ideal edges, of soft ones,
    and of ones that a line beside them sharpens is fitted to all, and the centre of the ideal ones is the image's
    RER = ER(+½) − ER(−½) along the normal. Where it varies with direction, the mean over all directions is meant, and
    `x` and `y` hold their own. FWHM and MTF come from the same edges, each stretched to that RER. Where fewer than 45 %
    of the edges fit to be judged, or a third of all, are ideal ones, or the ideal ones differ by over 5 % of ln σ, the
    result carries a `caution`: the image may hold no ideal edge at all, and the intervals allow 10 %.

    RER and MTF in 0 … about 1, higher is sharper; FWHM in pixels, lower is sharper. 95 % intervals come from resampling
    boundaries of the ground, and allow 0.6 % of ln σ for what no number of edges averages out. Fewer than `least_edges`
    that count give NaN and the reason, also for each direction. Values from `peak` on are clipped (255 for uint8
    unless stated, unknown otherwise). Of large images six edges of each 256 × 256 pixels are fitted, of small ones
    more, the same whatever the tiles; a masked image has the edges of the cropped one where the crop begins at a
    multiple of 256 pixels. Bands are measured by themselves and averaged over those that have enough edges.

    Raises ImageError for values that are no numbers, SettingError for a `least_edges` below 3. Source of natural edges
    as targets: Cenci et al. 2021, Remote Sensing 13, 1593, doi:10.3390/rs13081593; the mixture is this library's own.

    >>> edges(np.zeros((64, 64), np.uint8)).reason
    'no edge fit to be measured; at least 5 are needed'
    """
    if least_edges < 3:
        raise SettingError(f"least_edges is {least_edges}; expected at least 3, or nothing can be said of their spread")
    images = one_image(image, mask=mask)
    ceiling = _ceiling(images.rasters[0], peak)
    bands = [_of_band(found, band=k, least=least_edges) for k, found in enumerate(find_edges(images, ceiling=ceiling))]
    return bands[0] if len(bands) == 1 else mean_over_bands(bands)


def _ceiling(raster: Any, peak: float | None) -> float:
    """Where values are clipped; infinite where nobody says so."""
    stated = raster.peak if peak is None else peak
    if stated is None:
        return 255.0 if raster.dtype == np.uint8 else inf
    if not 0 < stated < inf:
        raise ImageError(f"peak is {stated}; expected a finite number > 0, the largest value that the data can hold.")
    return float(stated)


def _of_band(found: Found, *, band: int, least: int) -> Edges:
    fits = found.fits[found.fits["status"] == 0]
    fit = fit_to_be_judged(fits) if fits.size else np.zeros(0, bool)
    probability, counts = np.full(fits.size, nan), fit.copy()
    sample, mixture = sample_of(fits[fit]), None
    if fit.sum() >= least:
        mixture = mixed(sample, n_found=fits.size)
        probability[fit], counts[fit] = mixture.probability, mixture.members
    listed = tuple(_edge(record, band=band, probability=p) for record, p in zip(fits, probability, strict=True))
    judged = [edge for edge, good in zip(listed, fit, strict=True) if good]
    groups = {"": np.ones(len(judged), bool)} | {name: directions(sample.fits) == name for name in _GROUPS}
    told = [_group(sample, mixture, of=of, where=name, least=least, listed=judged) for name, of in groups.items()]
    return Edges(
        edges=tuple(edge for edge, good in zip(listed, counts, strict=True) if good),
        left_out=tuple(edge for edge, good in zip(listed, counts, strict=True) if not good),
        whole=told[0],
        x=told[1],
        y=told[2],
        other=told[3],
    )


def _edge(record: Any, *, band: int, probability: float) -> FoundEdge:
    # this very nan, so that equal edges are equal
    return FoundEdge(
        **vars(edge_from(record)), band=band, probability=nan if isnan(probability) else float(probability)
    )


def _group(
    sample: Sample, mixture: Mixture | None, *, of: BoolArray, where: str, least: int, listed: Sequence[Edge]
) -> Sharpness:
    """What some of the sample's edges say; `listed` are the sample's edges."""
    number = int((of if mixture is None else of & mixture.members).sum())
    if mixture is None or number < least:
        words = {0: "no edge", 1: "only 1 edge"}.get(number, f"only {number} edges")
        told = f"{words}{_WHERE.get(where, '')} fit to be measured; at least {least} are needed"
        return Sharpness(n_edges=number, reason=told)
    agreement = agreed(sample, mixture, of=of, level=not where)
    members = [listed[k] for k in agreement.members]
    return sharpness(agreement, members, caution="" if mixture.clear else _CAUTION)
