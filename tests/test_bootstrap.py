"""Resampling, intervals and monotone fits."""

import numpy as np
import pytest

from orbiq.bootstrap import (
    cautious_isotonic,
    cluster_numbers,
    isotonic,
    lower_bound,
    mean_interval,
    percentile_interval,
    resample_counts,
    upper_bound,
)
from orbiq.errors import SettingError

# known answers


def test_the_variance_of_a_resampled_mean_is_s2_over_n():
    values = np.array([1.0, 2.0, 4.0, 8.0])
    counts = resample_counts(np.arange(4), replicates=200_000, rng=np.random.default_rng(0))
    means = counts @ values / counts.sum(axis=1)
    assert counts.sum(axis=1).tolist()[:3] == [3.0, 3.0, 3.0]
    assert means.mean() == pytest.approx(values.mean(), rel=0.01)
    assert means.var() == pytest.approx(values.var(ddof=1) / 4, rel=0.02)


def test_two_items_have_the_whole_variance_too():
    counts = resample_counts(np.arange(2), replicates=100_000, rng=np.random.default_rng(0))
    assert (counts @ [0.0, 2.0]).var() == pytest.approx(2.0 / 2, rel=0.01)


def test_clusters_stay_together_and_a_single_one_does_not_move():
    numbers = cluster_numbers(["x", "y", "x", "z"])
    counts = resample_counts(numbers, replicates=50, rng=np.random.default_rng(0))
    assert (counts[:, 0] == counts[:, 2]).all()
    assert (resample_counts(np.zeros(3, int), replicates=4, rng=np.random.default_rng(0)) == 1).all()
    assert resample_counts(np.array([], int), replicates=4, rng=np.random.default_rng(0)).shape == (4, 0)


def test_pooling_by_hand():
    assert isotonic(np.array([3.0, 1.0, 2.0])).tolist() == [2.0, 2.0, 2.0]
    assert isotonic(np.array([3.0, 1.0]), weights=np.array([3.0, 1.0])).tolist() == [2.5, 2.5]
    assert cautious_isotonic(np.array([3.0, 1.0, 2.0])).tolist() == [2.0, 1.0, 2.0]


def test_bounds_are_order_statistics_and_take_infinity():
    values = np.array([*np.arange(19.0), np.inf])
    assert lower_bound(values, confidence=0.95) == 1.0
    assert upper_bound(values, confidence=0.95) == 18.0
    assert percentile_interval(values, confidence=0.95) == (0.0, np.inf)
    assert np.isnan(lower_bound(np.array([]), confidence=0.95))
    with pytest.raises(SettingError, match="confidence is 95"):
        lower_bound(values, confidence=95)


def test_an_interval_of_a_mean_needs_two_clusters():
    rng = np.random.default_rng(0)
    assert np.isnan(mean_interval(np.array([1.0, np.nan]), rng=rng)).all()
    assert np.isnan(mean_interval(np.array([1.0, 2.0]), rng=rng, clusters=["s", "s"])).all()
    values = rng.normal(5, 1, 200)
    low, high = mean_interval(values, rng=rng)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(200), rel=0.1)
    assert low < values.mean() < high


# laws


def test_fits_are_monotone_and_the_cautious_one_lies_below():
    values = np.random.default_rng(1).normal(size=(50, 9))
    fit, cautious = isotonic(values), cautious_isotonic(values)
    assert (np.diff(fit, axis=1) >= -1e-12).all()
    assert (cautious <= np.minimum(values, fit) + 1e-12).all()


def test_a_rising_sequence_is_its_own_fit():
    rising = np.sort(np.random.default_rng(2).normal(size=8))
    np.testing.assert_allclose(isotonic(rising), rising)
    np.testing.assert_allclose(cautious_isotonic(rising), rising)


# agreement


def test_isotonic_equals_scipy():
    from scipy.optimize import isotonic_regression

    rng = np.random.default_rng(3)
    values, weights = rng.normal(size=(20, 12)), rng.uniform(0.5, 3, 12)
    expected = [isotonic_regression(row, weights=weights).x for row in values]
    np.testing.assert_allclose(isotonic(values, weights=weights), expected, atol=1e-12)
