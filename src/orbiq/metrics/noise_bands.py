"""What a measurement of noise says: of each band, and of the image."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf, isnan, log10, nan, sqrt

from orbiq.metrics.base import Estimate

NOT_ENOUGH = "not enough homogeneous area"
NO_LEVEL = "no pixel is above 0"
UNKNOWN = Estimate(value=nan, reason="this method does not give it")


@dataclass(frozen=True, kw_only=True)
class BandNoise:
    """The noise of one band.

    `snr` = level / noise; `noise` its standard deviation in DN at the `level`, the band's median, in DN; `a` (DN) and
    `b` (DN²) of the noise-level function σ²(L) = a·L + b; `n_areas` blocks or patches that it was measured in; `flags`
    what a reader must know about them.
    """

    snr: Estimate
    noise: Estimate
    level: float
    a: Estimate = UNKNOWN
    b: Estimate = UNKNOWN
    n_areas: int = 0
    flags: tuple[str, ...] = ()

    def sigma(self, level: float) -> float:
        """σ(level) = √(a·level + b) in DN, NaN where it is unknown.

        >>> BandNoise(snr=UNKNOWN, noise=UNKNOWN, level=9, a=Estimate(value=1), b=Estimate(value=16)).sigma(9)
        5.0
        """
        variance = self.a.value * level + self.b.value
        return sqrt(variance) if variance >= 0 else nan


@dataclass(frozen=True, kw_only=True)
class Snr:
    """Signal over noise of an image: the mean over the bands that could be measured, and each band in `per_band`.

    `snr` = level / noise, linear; `snr_db` = 20·log₁₀ of it; `interval` of `snr`, 95 %; `noise` in DN, `level` in DN;
    `a`, `b` and their intervals by "homogeneous-patches" alone; `reason` why a value is NaN; `flags` what a reader must
    know about the bands. Intervals of the mean are the means of the bands' ends: errors are taken to be common to all
    bands, for they share the scene.
    """

    method: str
    per_band: tuple[BandNoise, ...]
    _means: dict[str, Estimate] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = ("snr", "noise", "a", "b")
        means = {name: _mean([getattr(band, name) for band in self.per_band]) for name in names}
        object.__setattr__(self, "_means", means)

    @property
    def snr(self) -> float:
        """Median level over noise: no unit, higher is better."""
        return self._means["snr"].value

    @property
    def snr_db(self) -> float:
        """20·log₁₀(snr)."""
        return _db(self.snr)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of `snr`."""
        return self._means["snr"].low, self._means["snr"].high

    @property
    def noise(self) -> float:
        """Standard deviation of the noise at the median level, in DN."""
        return self._means["noise"].value

    @property
    def noise_interval(self) -> tuple[float, float]:
        """95 % interval of `noise`, in DN."""
        return self._means["noise"].low, self._means["noise"].high

    @property
    def level(self) -> float:
        """The median of the valid pixels above 0, in DN: the mean over the bands that have any."""
        known = [band.level for band in self.per_band if not isnan(band.level)]
        return sum(known) / len(known) if known else nan

    @property
    def a(self) -> float:
        """Slope of σ²(L) = a·L + b, in DN."""
        return self._means["a"].value

    @property
    def a_interval(self) -> tuple[float, float]:
        """95 % interval of `a`."""
        return self._means["a"].low, self._means["a"].high

    @property
    def b(self) -> float:
        """Variance at level 0, in DN²."""
        return self._means["b"].value

    @property
    def b_interval(self) -> tuple[float, float]:
        """95 % interval of `b`."""
        return self._means["b"].low, self._means["b"].high

    @property
    def reason(self) -> str:
        """Why `snr` is NaN; empty where it is not."""
        return self._means["snr"].reason

    @property
    def flags(self) -> tuple[str, ...]:
        """What a reader must know, by band: "band 2: correlated noise …"."""
        said = []
        for k, band in enumerate(self.per_band):
            # where no band can be measured, `reason` says why
            missing = [band.snr.reason] if band.snr.reason and not self.reason else []
            said += [(f"band {k + 1}: " if len(self.per_band) > 1 else "") + flag for flag in (*band.flags, *missing)]
        return tuple(said)

    def scores(self) -> dict[str, Estimate]:
        """By the names of the metric `snr`; what the method does not give is left out."""
        snr, noise = self._means["snr"], self._means["noise"]
        in_db = Estimate(value=_db(snr.value), low=_db(snr.low), high=_db(snr.high), reason=snr.reason)
        scores = {"snr": snr, "snr_db": in_db, "noise_dn": noise, "level_dn": Estimate(value=self.level)}
        if isnan(self.level):
            scores["level_dn"] = Estimate(value=nan, reason=NO_LEVEL)
        if self.method != "homogeneous-patches":
            return scores
        return scores | {"noise_slope_dn": self._means["a"], "noise_floor_dn2": self._means["b"]}


def refused(level: float, reason: str = NOT_ENOUGH, *, n_areas: int = 0, flags: tuple[str, ...] = ()) -> BandNoise:
    """A band whose noise cannot be measured, and why."""
    # without a level nothing can lie at it, whatever else is amiss
    unknown = Estimate(value=nan, reason=NO_LEVEL if isnan(level) else reason)
    return BandNoise(snr=unknown, noise=unknown, a=unknown, b=unknown, level=level, n_areas=n_areas, flags=flags)


def over(level: float, noise: Estimate) -> Estimate:
    """The ratio level / noise, with the ends of the interval swapped; inf without noise."""
    value, low, high = (inf if sigma == 0 else level / sigma for sigma in (noise.value, noise.high, noise.low))
    return Estimate(value=value, low=low, high=high, reason=noise.reason)


def _mean(estimates: Iterable[Estimate]) -> Estimate:
    """Over those that have a value; of none the first reason."""
    listed = list(estimates)
    known = [estimate for estimate in listed if not isnan(estimate.value)]
    if not known:
        return Estimate(value=nan, reason=listed[0].reason)
    ends = (sum(getattr(estimate, end) for estimate in known) / len(known) for end in ("value", "low", "high"))
    value, low, high = ends
    return Estimate(value=value, low=low, high=high)


def _db(ratio: float) -> float:
    if ratio <= 0:
        return -inf
    return ratio if isnan(ratio) or ratio == inf else 20 * log10(ratio)
