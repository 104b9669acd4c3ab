"""Bjøntegaard deltas: closed forms, laws, an independent integration, what cannot be said."""

from math import inf, isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from orbiq.analysis.rate_distortion import Curve, Delta, bd_metric, bd_rate, mean_curve, mean_delta
from orbiq.errors import SettingError


def curve(rates, qualities):
    return Curve(rates=np.asarray(rates, float), qualities=np.asarray(qualities, float))


ANCHOR = curve([0.25, 0.5, 1.0, 2.0], [29.0, 32.1, 35.0, 38.3])

# known answers


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.3, 2.0])
def test_the_same_curve_at_another_rate(factor):
    other = curve(ANCHOR.rates * factor, ANCHOR.qualities)
    assert bd_rate(other, ANCHOR).value == pytest.approx(100 * (factor - 1))
    assert bd_rate(other, ANCHOR).overlap == pytest.approx(1)


def test_six_db_a_bit():
    # 20·log10(2) dB for each doubling: one dB more at every rate is worth a sixth of a doubling
    rates = np.array([0.25, 0.5, 1, 2])
    line = curve(rates, 6.0206 * np.log2(rates) + 36)
    better = curve(rates, line.qualities + 1)
    assert bd_metric(better, line).value == pytest.approx(1)
    assert bd_rate(better, line).value == pytest.approx(100 * (2 ** (-1 / 6.0206) - 1), rel=1e-9)


# laws

factors = st.floats(0.3, 3)


@settings(max_examples=30, deadline=None)
@given(factors, st.integers(0, 1000))
def test_units_of_rate_and_order_of_points_do_not_matter(unit, seed):
    rng = np.random.default_rng(seed)
    test = curve(np.cumsum(rng.uniform(0.1, 1, 5)), 28 + np.cumsum(rng.uniform(0.5, 3, 5)))
    order = rng.permutation(5)
    moved = curve(test.rates[order] * unit, test.qualities[order])
    anchor = curve(ANCHOR.rates * unit, ANCHOR.qualities)
    assert bd_rate(moved, anchor).value == pytest.approx(bd_rate(test, ANCHOR).value, rel=1e-6, nan_ok=True)


def test_there_and_back_cancel():
    test = curve([0.2, 0.4, 0.9, 2.1], [29.0, 32.3, 35.2, 38.3])
    there, back = bd_rate(test, ANCHOR).value, bd_rate(ANCHOR, test).value
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1)


def test_a_point_that_nobody_would_choose_changes_nothing():
    worse = curve([*ANCHOR.rates, 1.5], [*ANCHOR.qualities, 34.0])
    assert bd_rate(worse, ANCHOR).value == pytest.approx(0, abs=1e-12)


def test_a_lossless_end_of_infinite_psnr_takes_no_part():
    ended = curve([*ANCHOR.rates, 9.0], [*ANCHOR.qualities, inf])
    assert bd_rate(ended, ANCHOR).value == pytest.approx(0, abs=1e-12)


# agreement


def test_agrees_with_a_sum_over_the_common_range():
    test = curve([0.1, 0.35, 0.8, 1.7], [26.5, 31.0, 34.9, 37.0])
    q = np.linspace(29.0, 37.0, 200001)
    gap = np.mean([PchipInterpolator(test.qualities, np.log10(test.rates))(q)], axis=0)
    gap = gap - PchipInterpolator(ANCHOR.qualities, np.log10(ANCHOR.rates))(q)
    mean = np.trapezoid(gap, q) / 8
    assert bd_rate(test, ANCHOR).value == pytest.approx(100 * (10**mean - 1), rel=1e-6)
    assert bd_rate(test, ANCHOR).overlap == pytest.approx(8 / 9.3)


# what cannot be said


def test_curves_that_do_not_meet():
    said = bd_rate(curve([1, 2, 3], [50.0, 51, 52]), ANCHOR)
    assert isnan(said.value)
    assert "share no range: test 50 to 52, anchor 29 to 38.3" in said.reason
    assert said.overlap == 0


def test_too_few_points():
    assert "the test has 2 points" in bd_rate(curve([1, 2], [30, 32]), ANCHOR).reason
    assert "the anchor has 1 points" in bd_metric(ANCHOR, curve([1, 2, 3], [30, 30, 30])).reason


def test_the_mean_over_images_has_an_interval_and_counts_what_is_missing():
    deltas = [Delta(value=v) for v in (-12.0, -8.0, -10.0, -11.0)] + [Delta(value=nan, reason="no common range")]
    said = mean_delta(deltas)
    assert said.value == pytest.approx(-10.25)
    assert -12 <= said.low < said.value < said.high <= -8
    assert (said.n_images, said.n_missing, said.reasons) == (4, 1, ("no common range",))


def test_mean_curve_is_the_mean_point_by_point():
    both = mean_curve([curve([1, 2], [30, 34]), curve([3, 4], [32, 36])])
    assert both.rates.tolist() == [2, 3]
    assert both.qualities.tolist() == [31, 35]


def test_bad_curves_are_refused():
    with pytest.raises(SettingError, match="rates that are not above 0"):
        curve([0, 1, 2], [1, 2, 3])
    with pytest.raises(SettingError, match="one of each for every point"):
        curve([1, 2, 3], [1, 2])
    with pytest.raises(SettingError, match=r"have \[2, 3\] points"):
        mean_curve([curve([1, 2], [1, 2]), curve([1, 2, 3], [1, 2, 3])])
