"""From many edges of one band to one sharpness: which of them show the imager alone, and what those say together."""

from dataclasses import dataclass

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.bootstrap import resample_counts
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
_CLUSTER = 64  # pixels; edges in one such square are no independent witnesses
_FEW_CLUSTERS = 8
_MODEL_ERROR = 0.006  # of the bent RER; no number of edges averages it out
_LEANING = 12.0  # log-likelihood that a variation with direction must gain
_FOR_LEANING = 20  # edges


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample:
    """Edges fit to be judged: their fits, bent RER and its variance, and clusters."""

    fits: Array
    y: FloatArray
    variance: FloatArray
    clusters: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Mixture:
    """What explains a sample best: where the ideal edges lie, what they share beyond their errors, the shares of the
    parts, how the bent RER leans with each edge's direction, and how likely each edge is an ideal one.
    """

    centre: float
    shared: float
    shares: FloatArray
    lean: FloatArray
    probability: FloatArray

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
    squares = np.stack([fits["row"] // _CLUSTER, fits["col"] // _CLUSTER], axis=1)
    clusters = np.unique(squares, axis=0, return_inverse=True)[1].ravel()
    return Sample(fits=fits, y=bent(fits["scores"][:, 0]), variance=variance, clusters=clusters)


def mixed(sample: Sample) -> Mixture:
    """The mixture of ideal and other edges that explains a sample best."""
    from orbiq.metrics import edge_mixture as kernel

    y, v, shares = sample.y, sample.variance, np.empty(kernel.N_PARTS)
    lean = _lean(sample)
    _, centre, shared = kernel.fitted(y - lean, v, shares)
    probability = kernel.membership(y - lean, v, shared, centre, shares)
    return Mixture(centre=centre, shared=shared, shares=shares, lean=lean, probability=probability)


def _lean(sample: Sample) -> FloatArray:
    """How much blurrier than the mean over all directions each edge's direction is, 0 where that is not certain."""
    from orbiq.metrics.edge_mixture import leaned

    angle = 2 * np.deg2rad(sample.fits["normal_deg"])
    double, by = np.stack([np.cos(angle), np.sin(angle)], axis=1), np.zeros(2)
    seen_all_round = angle.size >= _FOR_LEANING and np.linalg.eigvalsh(np.cov(double.T))[0] > 0.1
    if not seen_all_round or leaned(sample.y, sample.variance, double, by) < _LEANING:
        return np.zeros(angle.size)
    return np.asarray(double @ by)


def agreed(sample: Sample, mixture: Mixture, *, of: BoolArray, level: bool) -> Agreement:
    """What some edges of the sample say together, the mean over all directions with `level`, else as they lie.

    At least one of them must be a member of the mixture's ideal part.
    """
    members = np.flatnonzero(of & mixture.members)
    lean = mixture.lean if level else np.zeros(of.size)
    weights = mixture.probability[members] / (sample.variance[members] + mixture.shared**2)
    counts = np.concatenate([np.ones((1, int(of.sum()))), _resampled(sample.clusters[of])])
    found = _centres(sample, mixture, of=of, lean=lean, counts=counts)
    own = 1 / np.sqrt(weights.sum())
    return Agreement(
        y=float(found[0]),
        error=_error(found[1:], least=float(own), n_clusters=np.unique(sample.clusters[members]).size),
        members=members,
        weights=weights / weights.sum(),
        stretches=ln_sigma(found[0]) - ln_sigma(sample.y[members]),
    )


def _resampled(clusters: Array) -> FloatArray:
    """How often each edge stands in each replicate; edges of a cluster stay together unless there are few clusters."""
    numbers = np.unique(clusters, return_inverse=True)[1].ravel()
    if numbers.max() + 1 < _FEW_CLUSTERS:
        numbers = np.arange(clusters.size)
    return resample_counts(numbers, replicates=_REPLICATES, rng=np.random.default_rng(0))


def _centres(sample: Sample, mixture: Mixture, *, of: BoolArray, lean: FloatArray, counts: FloatArray) -> FloatArray:
    """Where the ideal edges lie, for each row of `counts`."""
    from orbiq.metrics.edge_mixture import centres

    y, v = sample.y[of] - lean[of], sample.variance[of]
    weights = mixture.probability[of] / (v + mixture.shared**2)
    middle, reach = float(np.average(y, weights=weights)), max(6 / np.sqrt(weights.sum()), 0.03)
    grid = np.linspace(middle - reach, middle + reach, 13)
    return np.asarray(centres(y, v, mixture.shared, grid, mixture.shares, counts, 2))


def _error(found: FloatArray, *, least: float, n_clusters: int) -> float:
    """Half the width of the 95 % interval from replicates, but never better than the edges' own errors."""
    from scipy.special import stdtrit

    low, high = np.percentile(found, [15.865, 84.135])
    return float(stdtrit(max(n_clusters - 1, 2), 0.975) * np.hypot(max((high - low) / 2, least), _MODEL_ERROR))
