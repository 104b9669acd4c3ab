"""Resampling, intervals and monotone fits.

Resampling is by cluster (a scene, or an image when it stands alone), because crops of one scene are no independent
witnesses. Of n clusters n − 1 are drawn with replacement (Rao and Wu 1988, doi:10.1080/01621459.1988.10478591): the
variance of a resampled mean is then s²/n with s² the unbiased sample variance, whereas n of n gives (n − 1)/n of it,
too little by a half at n = 2.
"""

from collections.abc import Hashable, Sequence

import numpy as np

from orbiq.arrays import Array, FloatArray
from orbiq.errors import SettingError


def cluster_numbers(clusters: Sequence[Hashable]) -> Array:
    """Cluster ids as numbers from 0 in order of appearance.

    >>> cluster_numbers(["b", "a", "b"]).tolist()
    [0, 1, 0]
    """
    known = {name: k for k, name in enumerate(dict.fromkeys(clusters))}
    return np.array([known[name] for name in clusters], np.int64)


def resample_counts(clusters: Array, *, replicates: int, rng: np.random.Generator) -> FloatArray:
    """How often each item stands in each replicate, shape (replicates, items); items of a cluster stay together.

    n − 1 of the n clusters are drawn with replacement. The counts are whole numbers; the Rao–Wu factor n/(n − 1)
    that they lack falls out of every weighted mean or ratio. A single cluster is drawn once: no spread, because
    nothing is known of it.
    """
    n = int(clusters.max()) + 1 if clusters.size else 0
    if n <= 1:
        return np.ones((replicates, clusters.size))
    counts = rng.multinomial(n - 1, np.full(n, 1 / n), size=replicates)
    return counts[:, clusters].astype(float)


def isotonic(values: FloatArray, *, weights: FloatArray | None = None) -> FloatArray:
    """The nearest non-decreasing sequence along the last axis, in weighted least squares.

    fitᵢ = max over a ≤ i of min over b ≥ i of the mean of values a … b: the same as pooling adjacent violators, but
    over any number of replicates at once. `weights` > 0, shape (n,).

    Source: Robertson, Wright and Dykstra 1988, Order Restricted Statistical Inference, theorem 1.4.4.

    >>> isotonic(np.array([1.0, 3.0, 2.0, 4.0])).tolist()
    [1.0, 2.5, 2.5, 4.0]
    """
    values = np.asarray(values, float)
    n = values.shape[-1]
    weights = np.ones(n) if weights is None else np.asarray(weights, float)
    fit = np.full(values.shape, -np.inf)
    for a in range(n):
        means = np.cumsum(values[..., a:] * weights[a:], axis=-1) / np.cumsum(weights[a:])
        lowest = np.minimum.accumulate(means[..., ::-1], axis=-1)[..., ::-1]
        fit[..., a:] = np.maximum(fit[..., a:], lowest)
    return fit


def cautious_isotonic(values: FloatArray, *, weights: FloatArray | None = None) -> FloatArray:
    """The pessimist's monotone fit along the last axis: never above the value itself, never above `isotonic`.

    floorᵢ = min over b ≥ i of the mean of values i … b. A value counts as no better than itself, nor than its mean
    with those that should be at least as good. `isotonic` takes the best of its runs, and so errs upwards where
    values tie, which a test for "good enough" must not.

    >>> cautious_isotonic(np.array([1.0, 3.0, 2.0, 4.0])).tolist()
    [1.0, 2.5, 2.0, 4.0]
    """
    values = np.asarray(values, float)
    n = values.shape[-1]
    weights = np.ones(n) if weights is None else np.asarray(weights, float)
    floors = [
        (np.cumsum(values[..., i:] * weights[i:], axis=-1) / np.cumsum(weights[i:])).min(axis=-1) for i in range(n)
    ]
    return np.stack(floors, axis=-1)


def lower_bound(values: FloatArray, *, confidence: float) -> FloatArray:
    """One-sided bound along axis 0: at least the share `confidence` of the values lies at or above it.

    An order statistic, never interpolated: so "the bound passes" and "the share that passes is large enough" are
    one and the same, and infinite values do no harm. NaN for no values.

    >>> float(lower_bound(np.arange(100.0), confidence=0.95))
    5.0
    """
    _check(confidence)
    if not len(values):
        return np.full(values.shape[1:], np.nan)
    k = int((1 - confidence) * len(values) + 1e-9)
    return np.asarray(np.partition(values, k, axis=0)[k])


def upper_bound(values: FloatArray, *, confidence: float) -> FloatArray:
    """One-sided bound along axis 0: at least the share `confidence` of the values lies at or below it."""
    return -lower_bound(-values, confidence=confidence)


def percentile_interval(values: FloatArray, *, confidence: float) -> tuple[FloatArray, FloatArray]:
    """(low, high) along axis 0 that leave (1 − confidence)/2 of the values out on each side.

    >>> [float(v) for v in percentile_interval(np.arange(101.0), confidence=0.9)]
    [5.0, 95.0]
    """
    one_sided = (1 + confidence) / 2
    return lower_bound(values, confidence=one_sided), upper_bound(values, confidence=one_sided)


def mean_interval(
    values: FloatArray,
    *,
    rng: np.random.Generator,
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    replicates: int = 2000,
) -> tuple[float, float]:
    """Bootstrap interval of the mean of one value per image; NaN values take no part.

    (NaN, NaN) when fewer than two clusters have a value. `clusters`, one id per value, when images share scenes.
    """
    values = np.asarray(values, float)
    known = ~np.isnan(values)
    numbers = cluster_numbers(range(len(values)) if clusters is None else clusters)[known]
    numbers = np.unique(numbers, return_inverse=True)[1]
    if np.unique(numbers).size < 2:
        return np.nan, np.nan
    weights = resample_counts(numbers, replicates=replicates, rng=rng)
    low, high = percentile_interval(weights @ values[known] / weights.sum(axis=1), confidence=confidence)
    return float(low), float(high)


def _check(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise SettingError(f"confidence is {confidence!r}; expected a number between 0 and 1, as in 0.95")
