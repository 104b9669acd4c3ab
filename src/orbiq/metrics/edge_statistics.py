"""From many edges of one band to one sharpness: which of them show the imager alone, and what those say together."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.bootstrap import resample_counts
from orbiq.metrics.edge_boundaries import boundaries
from orbiq.metrics.edge_scales import bent, errors, ln_sigma

_MOST_ERROR = 0.25  # of the bent RER
_MOST_MISFIT = 0.1  # of the contrast
_MOST_LIGHT = 0.5
_MOST_OUTLIERS = 0.1
_MOST_SAGITTA = 0.5  # pixels
_INFLATION = 1.2  # of an edge's own error: pixels of natural ground are no independent witnesses
_MISFIT = 2.0  # error of the bent RER per misfit
_LEAST_PROBABILITY = 0.3
_REPLICATES = 100
_AT_ONCE = 10**6  # edges times replicates
_FEW_LINES = 8
_ALIKE = 0.25  # correlation of what is wrong with edges of one boundary
_MODEL_ERROR = 0.006  # of the bent RER
_MOST_SHARED = 0.05  # of the bent RER: ideal edges of one imager agree better
_LEAST_IDEAL = 0.45  # of the edges fit to be judged, counted by boundaries
_LEAST_MEMBERS = 1 / 3  # of all edges that were fitted
_DISAGREEMENT = 0.1  # error of the bent RER where edges do not agree
_LEANING = 12.0  # log-likelihood that a variation with direction must gain
_FOR_LEANING = 20  # edges


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample:
    """Edges fit to be judged: their fits, bent RER and its variance, the boundary on the ground that each lies on, and
    how many independent witnesses it is.
    """

    fits: Array
    y: FloatArray
    variance: FloatArray
    lines: Array
    counts: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Mixture:
    """What explains a sample best: where the ideal edges lie, what they share beyond their errors, the shares of the
    parts, how the bent RER leans with each edge's direction, and how likely each edge is an ideal one.

    `clear` says whether enough edges agree well enough for their centre to be the imager's: where a line runs along
    every boundary of the ground, a kerb or a parapet, there may be no ideal edge at all.
    """

    centre: float
    shared: float
    shares: FloatArray
    lean: FloatArray
    probability: FloatArray
    clear: bool

    @property
    def members(self) -> BoolArray:
        """The edges that count."""
        return np.asarray(self.probability >= _LEAST_PROBABILITY)


@dataclass(frozen=True, eq=False, kw_only=True)
class Agreement:
    """What a group of edges says together: their bent RER and half the width of its 95 % interval.

    `members` (of the sample) count, with `weights` that sum to 1; `stretches` is how much must be added to ln σ of each
    of them to give it the common RER.
    """

    y: float
    error: float
    members: Array
    weights: FloatArray
    stretches: FloatArray


def fit_to_be_judged(fits: Array) -> BoolArray:
    """Found, one straight edge, precise enough, and without terms that speak of its surroundings.

    Skewness speaks of them always; a lobe does unless half of the edges have one: then it is the imager's.
    """
    sagitta = np.abs(fits["curvature_per_px"]) * fits["length_px"] ** 2 / 8
    fit = (fits["status"] == 0) & (errors(fits) < _MOST_ERROR) & (sagitta < _MOST_SAGITTA)
    fit &= (fits["misfit"] < _MOST_MISFIT) & (fits["light"] < _MOST_LIGHT) & (fits["outliers"] < _MOST_OUTLIERS)
    fit &= np.isfinite(bent(fits["scores"][:, 0]))
    lobe, skew = fits["shapes"][:, 0, 2] != 0, fits["shapes"][:, 0, 4] != 0
    fit &= ~skew
    sharpened = fit.any() and lobe[fit].mean() > 0.5
    return np.asarray(fit if sharpened else fit & ~lobe)


def sample_of(fits: Array) -> Sample:
    """The fits as a sample."""
    variance = (_INFLATION * errors(fits)) ** 2 + (_MISFIT * fits["misfit"]) ** 2
    lines = boundaries(fits)
    counts = 1 / (1 + _ALIKE * (np.bincount(lines, minlength=1)[lines] - 1))
    return Sample(fits=fits, y=bent(fits["scores"][:, 0]), variance=variance, lines=lines, counts=counts)


def mixed(sample: Sample, *, n_found: int) -> Mixture:
    """The mixture of ideal and other edges that explains a sample best; `n_found` edges were fitted in all."""
    from orbiq.metrics import edge_mixture as kernel

    y, v, shares = sample.y, sample.variance, np.empty(kernel.N_PARTS)
    lean = _lean(sample)
    _, centre, shared = kernel.fitted(y - lean, v, sample.counts, shares)
    probability = kernel.membership(y - lean, v, shared, centre, shares)
    clear = shared <= _MOST_SHARED and shares[kernel.IDEAL] >= _LEAST_IDEAL
    clear &= (probability >= _LEAST_PROBABILITY).sum() >= _LEAST_MEMBERS * n_found
    return Mixture(centre=centre, shared=shared, shares=shares, lean=lean, probability=probability, clear=bool(clear))


def _lean(sample: Sample) -> FloatArray:
    """How much blurrier than the mean over all directions each edge's direction is, 0 where that is not certain."""
    from orbiq.metrics.edge_mixture import leaned

    angle = 2 * np.deg2rad(sample.fits["normal_deg"])
    double, by = np.stack([np.cos(angle), np.sin(angle)], axis=1), np.zeros(2)
    seen_all_round = angle.size >= _FOR_LEANING and np.linalg.eigvalsh(np.cov(double.T))[0] > 0.1
    if not seen_all_round or leaned(sample.y, sample.variance, sample.counts, double, by) < _LEANING:
        return np.zeros(angle.size)
    return np.asarray(double @ by)


def agreed(sample: Sample, mixture: Mixture, *, of: BoolArray, level: bool) -> Agreement:
    """What some edges of the sample say together, the mean over all directions with `level`, else as they lie.

    At least one of them must be a member of the mixture's ideal part.
    """
    members = np.flatnonzero(of & mixture.members)
    lean = mixture.lean if level else np.zeros(of.size)
    weights = sample.counts[members] * mixture.probability[members]
    weights /= sample.variance[members] + mixture.shared**2
    once = np.ones((1, int(of.sum())))
    found = np.concatenate(
        [_centres(sample, mixture, of=of, lean=lean, counts=c) for c in (once, *_resampled(sample.lines[of]))]
    )
    own = 1 / np.sqrt(weights.sum())
    return Agreement(
        y=float(found[0]),
        error=_error(
            found[1:],
            least=float(own),
            common=_MODEL_ERROR if mixture.clear else _DISAGREEMENT,
            n_lines=np.unique(sample.lines[members]).size,
        ),
        members=members,
        weights=weights / weights.sum(),
        stretches=ln_sigma(found[0]) - ln_sigma(sample.y[members]),
    )


def _resampled(lines: Array) -> Iterator[FloatArray]:
    """How often each edge stands in each replicate, some replicates at a time; edges of a boundary stay together unless
    there are few.
    """
    numbers = np.unique(lines, return_inverse=True)[1].ravel()
    if numbers.max() + 1 < _FEW_LINES:
        numbers = np.arange(lines.size)
    rng, at_once = np.random.default_rng(0), max(_AT_ONCE // lines.size, 1)
    for first in range(0, _REPLICATES, at_once):
        yield resample_counts(numbers, replicates=min(at_once, _REPLICATES - first), rng=rng)


def _centres(sample: Sample, mixture: Mixture, *, of: BoolArray, lean: FloatArray, counts: FloatArray) -> FloatArray:
    """Where the ideal edges lie, for each row of `counts`, which tells how often each edge stands in a replicate."""
    from orbiq.metrics.edge_mixture import centres

    y, v = sample.y[of] - lean[of], sample.variance[of]
    weights = sample.counts[of] * mixture.probability[of] / (v + mixture.shared**2)
    middle, reach = float(np.average(y, weights=weights)), max(6 / np.sqrt(weights.sum()), 0.03)
    grid = np.linspace(middle - reach, middle + reach, 13)
    return np.asarray(centres(y, v, mixture.shared, grid, mixture.shares, counts * sample.counts[of], 2))


def _error(found: FloatArray, *, least: float, common: float, n_lines: int) -> float:
    """Half the width of the 95 % interval from replicates, but never better than the edges' own errors; `common` is
    what no number of edges averages out.
    """
    from scipy.special import stdtrit

    low, high = np.percentile(found, [15.865, 84.135])
    return float(stdtrit(max(n_lines - 1, 2), 0.975) * np.hypot(max((high - low) / 2, least), common))
