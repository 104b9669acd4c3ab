"""Rate–distortion curves against each other: how much rate one codec saves at the same quality, and the reverse.

A curve is a codec's points (rate, quality) on one image or on the mean of a set. Between its points it is a monotone
cubic (PCHIP: Fritsch and Carlson 1980, doi:10.1137/0717021) of log₁₀ rate over quality, which cannot overshoot as the
cubic of the first proposal does (Bjøntegaard 2001, ITU-T VCEG-M33; Bjøntegaard 2008, VCEG-AI11 for the piecewise form):

    BD-rate   = 100·(10^D − 1) %,  D = mean of (log₁₀ r_test − log₁₀ r_anchor) over the qualities that both reach
    BD-metric = mean of (q_test − q_anchor) over the log rates that both reach, in the metric's unit

Negative BD-rate: the test needs less rate. What lies outside the common range takes no part; `overlap` says how much
of the anchor's range it is, for a figure from a sliver of the curves says little of them.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from orbiq.arrays import FloatArray
from orbiq.bootstrap import mean_interval
from orbiq.errors import SettingError

LEAST_POINTS = 3


@dataclass(frozen=True, eq=False, kw_only=True)
class Curve:
    """Points of a codec: `rates` > 0 (any unit, the same in both curves) and `qualities` (higher is better)."""

    rates: FloatArray
    qualities: FloatArray

    def __post_init__(self) -> None:
        if np.ndim(self.rates) != 1 or np.shape(self.rates) != np.shape(self.qualities):
            raise SettingError(
                f"a curve has rates of {np.shape(self.rates)} and qualities of {np.shape(self.qualities)}; "
                "expected one of each for every point"
            )
        if not (np.asarray(self.rates, float) > 0).all():
            raise SettingError("a curve has rates that are not above 0; expected bits per pixel, or bytes")


@dataclass(frozen=True, kw_only=True)
class Delta:
    """BD-rate in % or BD-metric in the metric's unit, the share of the anchor's range that both curves cover, and the
    `reason` where it is NaN.
    """

    value: float
    overlap: float = nan
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class MeanDelta:
    """The mean over images with its 95 % bootstrap interval; `n_missing` images have none, for `reasons`."""

    value: float
    low: float
    high: float
    n_images: int
    n_missing: int
    reasons: tuple[str, ...] = ()


def bd_rate(test: Curve, anchor: Curve) -> Delta:
    """How much more rate `test` needs than `anchor` at the same quality, in %; lower is better for `test`.

    NaN with a reason where a curve has fewer than 3 points of their own quality, or the two share no quality. Points
    that cost more and are no better than another are left out: nobody would choose them.

    >>> anchor = Curve(rates=np.array([1.0, 2.0, 4.0, 8.0]), qualities=np.array([30.0, 33.0, 36.0, 39.0]))
    >>> round(bd_rate(Curve(rates=anchor.rates / 2, qualities=anchor.qualities), anchor).value, 9)
    -50.0
    """
    lines = [_front(test), _front(anchor)]
    found = _mean_gap([(q, r) for r, q in lines])
    return Delta(value=float(100 * (10**found.value - 1)), overlap=found.overlap, reason=found.reason)


def bd_metric(test: Curve, anchor: Curve) -> Delta:
    """How much better `test` is than `anchor` at the same rate, in the metric's unit; higher is better for `test`.

    >>> anchor = Curve(rates=np.array([1.0, 2.0, 4.0, 8.0]), qualities=np.array([30.0, 33.0, 36.0, 39.0]))
    >>> round(bd_metric(Curve(rates=anchor.rates, qualities=anchor.qualities + 0.5), anchor).value, 9)
    0.5
    """
    return _mean_gap([_front(test), _front(anchor)])


def mean_delta(deltas: Sequence[Delta], *, scenes: Sequence[Hashable] | None = None, seed: int = 0) -> MeanDelta:
    """The mean of the deltas of images, its interval resampled over images, or over `scenes` where they share some.

    >>> mean_delta([Delta(value=-10.0), Delta(value=-20.0), Delta(value=nan, reason="no common quality")]).value
    -15.0
    """
    values = np.array([delta.value for delta in deltas], float)
    known = values[~np.isnan(values)]
    low, high = mean_interval(values, rng=np.random.default_rng(seed), clusters=scenes)
    return MeanDelta(
        value=float(known.mean()) if known.size else nan,
        low=low,
        high=high,
        n_images=int(known.size),
        n_missing=int(values.size - known.size),
        reasons=tuple(dict.fromkeys(delta.reason for delta in deltas if delta.reason)),
    )


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """The mean curve of images that share their settings point by point: mean rate and mean quality of each.

    This is how most papers average; `mean_delta` of each image's own figure is the other way, and the two differ.
    Raises SettingError where the numbers of points differ.
    """
    sizes = {len(curve.rates) for curve in curves}
    if len(sizes) != 1:
        raise SettingError(f"curves to average have {sorted(sizes)} points; expected as many in each")
    return Curve(
        rates=np.mean([curve.rates for curve in curves], axis=0),
        qualities=np.mean([curve.qualities for curve in curves], axis=0),
    )


def _front(curve: Curve) -> tuple[FloatArray, FloatArray]:
    """(log₁₀ rates, qualities), both strictly rising: the points that no cheaper point equals; infinite ones go."""
    rates, qualities = np.asarray(curve.rates, float), np.asarray(curve.qualities, float)
    finite = np.isfinite(qualities) & np.isfinite(rates)
    rates, qualities = rates[finite], qualities[finite]
    order = np.lexsort((-qualities, rates))
    rates, qualities = rates[order], qualities[order]
    best = np.maximum.accumulate(np.concatenate([[-np.inf], qualities]))[:-1]
    keep = qualities > best
    return np.log10(rates[keep]), qualities[keep]


def _mean_gap(lines: Sequence[tuple[FloatArray, FloatArray]]) -> Delta:
    """Mean of (first − second) over the common range of x, for two lines (x, y) with rising x."""
    from scipy.interpolate import PchipInterpolator

    for who, (x, _) in zip(("test", "anchor"), lines, strict=True):
        if x.size < LEAST_POINTS:
            told = f"the {who} has {x.size} points that no cheaper one equals; expected at least {LEAST_POINTS}"
            return Delta(value=nan, reason=told)
    low, high = max(x[0] for x, _ in lines), min(x[-1] for x, _ in lines)
    if not high > low:
        (a, _), (b, _) = lines
        told = f"the curves share no range: test {a[0]:.4g} to {a[-1]:.4g}, anchor {b[0]:.4g} to {b[-1]:.4g}"
        return Delta(value=nan, overlap=0.0, reason=told)
    first, second = (float(PchipInterpolator(x, y).integrate(low, high)) for x, y in lines)
    anchor = lines[1][0]
    return Delta(value=float((first - second) / (high - low)), overlap=float((high - low) / (anchor[-1] - anchor[0])))
