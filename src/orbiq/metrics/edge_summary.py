"""What the edges of an image say together, for people and for tables."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from math import nan
from typing import Any

import numpy as np

from orbiq.arrays import FloatArray
from orbiq.metrics.base import Estimate
from orbiq.metrics.edge_model import Edge, EdgeShape, Interval
from orbiq.metrics.edge_scales import ln_sigma, unbent
from orbiq.metrics.edge_statistics import Agreement

SCORES = ("rer", "fwhm_px", "mtf_nyquist", "mtf_half_nyquist")
_UNKNOWN = (nan, nan)


@dataclass(frozen=True, kw_only=True)
class FoundEdge(Edge):
    """An edge of an image: `band` it was found in, and `probability` that it shows the imager alone.

    The probability is NaN where the fit was not good enough to be judged.
    """

    band: int
    probability: float


@dataclass(frozen=True, kw_only=True)
class Sharpness:
    """What a group of edges says together, along their normals; NaN with a `reason` where they are too few.

    RER and MTF: higher is sharper; FWHM in pixels: lower is sharper. Intervals are of 95 %. `rer_spread` is the
    standard deviation, by quartiles, of the RER of single edges.
    """

    n_edges: int
    rer: float = nan
    rer_interval: Interval = _UNKNOWN
    rer_spread: float = nan
    fwhm_px: float = nan
    fwhm_interval: Interval = _UNKNOWN
    mtf_nyquist: float = nan
    mtf_nyquist_interval: Interval = _UNKNOWN
    mtf_half_nyquist: float = nan
    mtf_half_nyquist_interval: Interval = _UNKNOWN
    reason: str = ""
    caution: str = ""
    """Why the numbers are to be taken with care; their intervals are wide then."""
    parts: tuple[tuple[float, float, Edge], ...] = field(default=(), repr=False)
    """Weight, stretch and edge: what `mtf` is made of."""

    def mtf(self, cycles_per_px: FloatArray | float) -> FloatArray:
        """|MTF| at frequencies in cycles per pixel, 1 at 0; NaN where there are too few edges.

        The weighted mean of the edges' curves, each stretched so that its RER is the common one.
        """
        f = np.asarray(cycles_per_px, float)
        if not self.parts:
            return np.full(f.shape, nan)
        weights, stretches = (np.array([part[k] for part in self.parts]) for k in (0, 1))
        return np.asarray(_curves([edge for _, _, edge in self.parts], f[..., None] * stretches) @ weights)

    def estimates(self, suffix: str) -> dict[str, Estimate]:
        """The scores with their intervals, `suffix` behind each name."""
        intervals = (self.rer_interval, self.fwhm_interval, self.mtf_nyquist_interval, self.mtf_half_nyquist_interval)
        return {
            name + suffix: Estimate(
                value=getattr(self, name), low=low, high=high, reason=self.reason, caution=self.caution
            )
            for name, (low, high) in zip(SCORES, intervals, strict=True)
        }


@dataclass(frozen=True, kw_only=True)
class Edges:
    """The natural edges of an image and what they say together: see `edges`.

    `edges` those that count, `left_out` those that were measured but do not (soft on the ground, or fitted badly);
    `whole` all that count, at the mean over all directions; `x` those whose response runs along rows (within 15°), `y`
    along columns, `other` the rest. With several bands, `per_band` holds each by itself, and the groups are their
    means.
    """

    edges: tuple[FoundEdge, ...]
    left_out: tuple[FoundEdge, ...] = field(repr=False)
    whole: Sharpness
    x: Sharpness
    y: Sharpness
    other: Sharpness
    per_band: tuple["Edges", ...] = field(default=(), repr=False)

    @property
    def n_edges(self) -> int:
        """How many edges count."""
        return self.whole.n_edges

    @property
    def rer(self) -> float:
        """Relative edge response, 0 … about 1, higher is sharper."""
        return self.whole.rer

    @property
    def rer_interval(self) -> Interval:
        """Its 95 % interval."""
        return self.whole.rer_interval

    @property
    def rer_spread(self) -> float:
        """Standard deviation, by quartiles, of the RER of single edges."""
        return self.whole.rer_spread

    @property
    def rer_geometric(self) -> float:
        """√(RER along x · RER along y), as the general image quality equation wants it; NaN where either is unknown."""
        return float(np.sqrt(self.x.rer * self.y.rer))

    @property
    def fwhm_px(self) -> float:
        """Full width at half maximum of the line spread function in pixels; lower is sharper."""
        return self.whole.fwhm_px

    @property
    def mtf_nyquist(self) -> float:
        """MTF at 0.5 cycles per pixel, higher is sharper."""
        return self.whole.mtf_nyquist

    @property
    def mtf_half_nyquist(self) -> float:
        """MTF at 0.25 cycles per pixel, higher is sharper."""
        return self.whole.mtf_half_nyquist

    @property
    def reason(self) -> str:
        """Why the numbers are NaN, "" where they are not."""
        return self.whole.reason

    @property
    def caution(self) -> str:
        """Why the numbers are to be taken with care, "" where nothing is known against them."""
        return self.whole.caution

    def mtf(self, cycles_per_px: FloatArray | float) -> FloatArray:
        """|MTF| at frequencies in cycles per pixel, 1 at 0, higher is sharper."""
        return self.whole.mtf(cycles_per_px)

    def scores(self) -> dict[str, Estimate]:
        """rer, fwhm_px, mtf_nyquist, mtf_half_nyquist, each also with _x, _y and _other, and n_edges."""
        groups = {"": self.whole, "_x": self.x, "_y": self.y, "_other": self.other}
        told = [group.estimates(suffix) for suffix, group in groups.items()]
        by_score = [item for items in zip(*(group.items() for group in told), strict=True) for item in items]
        return dict(by_score) | {"n_edges": Estimate(value=self.n_edges)}


def sharpness(agreement: Agreement, members: Sequence[Edge], *, caution: str) -> Sharpness:
    """The numbers of a group: of each of its `members` stretched to the RER that they agree on, weighted."""
    stretches = np.exp(agreement.stretches)
    spread = np.array([-1, 0, 1]) * agreement.error
    # rows: sharpest, as agreed, blurriest
    by = np.exp(ln_sigma(agreement.y + spread) - ln_sigma(agreement.y))
    widths = np.array([edge.fwhm_px for edge in members]) * stretches * by[:, None]
    fwhm, fwhm_interval = _weighted(widths, agreement.weights)
    nyquist, nyquist_interval = _weighted(_curves(members, 0.5 * stretches * by[:, None]), agreement.weights)
    half, half_interval = _weighted(_curves(members, 0.25 * stretches * by[:, None]), agreement.weights)
    high, rer, low = (float(value) for value in unbent(agreement.y + spread))
    quartiles = np.percentile([edge.rer for edge in members], [25, 75])
    return Sharpness(
        n_edges=len(members),
        rer=rer,
        rer_interval=(low, high),
        rer_spread=float(np.diff(quartiles)[0] / 1.349),
        fwhm_px=fwhm,
        fwhm_interval=fwhm_interval,
        mtf_nyquist=nyquist,
        mtf_nyquist_interval=nyquist_interval,
        mtf_half_nyquist=half,
        mtf_half_nyquist_interval=half_interval,
        caution=caution,
        parts=tuple(zip(agreement.weights.tolist(), stretches.tolist(), members, strict=True)),
    )


def _curves(members: Sequence[Edge], frequencies: FloatArray) -> FloatArray:
    """MTF of each edge at its own frequencies, (…, edges)."""
    total = np.zeros(frequencies.shape)
    for k in range(max(len(edge.shapes) for edge in members)):
        shapes = [edge.shapes[k] if k < len(edge.shapes) else replace(edge.shapes[0], weight=0.0) for edge in members]
        columns: dict[str, Any] = {name: np.array([getattr(shape, name) for shape in shapes]) for name in _SHAPE}
        together = EdgeShape(**columns)  # the formula holds for columns as well
        total += together.weight * together.mtf(frequencies)
    return total


_SHAPE = [known.name for known in fields(EdgeShape)]


def _weighted(values: FloatArray, weights: FloatArray) -> tuple[float, Interval]:
    """Mean and interval of values (3, edges) at the sharp end, the middle and the blurry end of the common blur.

    The interval holds that of the common blur and, in quadrature, the scatter of the edges' shapes.
    """
    ends = values @ weights
    middle = ends[1]
    scatter = 2 * np.sqrt((weights**2 @ (values[1] - middle) ** 2) * weights.size / (weights.size - 1))
    low = middle - np.hypot(middle - ends.min(), scatter)
    return float(middle), (float(max(low, 0.0)), float(middle + np.hypot(ends.max() - middle, scatter)))


def mean_over_bands(bands: Sequence[Edges]) -> Edges:
    """The edges of all bands, and the mean of what each band says that says anything; counts are summed."""
    groups = {name: _mean([getattr(band, name) for band in bands]) for name in ("whole", "x", "y", "other")}
    return Edges(
        edges=tuple(edge for band in bands for edge in band.edges),
        left_out=tuple(edge for band in bands for edge in band.left_out),
        per_band=tuple(bands),
        **groups,
    )


def _mean(bands: Sequence[Sharpness]) -> Sharpness:
    """Intervals are averaged as values are: bands see the same edges, so that their errors do not average out."""
    known = [band for band in bands if not band.reason]
    n_edges = sum(band.n_edges for band in bands)
    if not known:
        return Sharpness(n_edges=n_edges, reason=max(bands, key=lambda band: band.n_edges).reason)
    names = ("rer", "fwhm_px", "mtf_nyquist", "mtf_half_nyquist", "rer_spread")
    values = {name: float(np.mean([getattr(band, name) for band in known])) for name in names}
    ends = {
        name: tuple(float(end) for end in np.mean([getattr(band, name) for band in known], axis=0))
        for name in ("rer_interval", "fwhm_interval", "mtf_nyquist_interval", "mtf_half_nyquist_interval")
    }
    parts = tuple((weight / len(known), stretch, edge) for band in known for weight, stretch, edge in band.parts)
    caution = next((band.caution for band in known if band.caution), "")
    return Sharpness(n_edges=n_edges, caution=caution, parts=parts, **values, **ends)  # type: ignore[arg-type]
