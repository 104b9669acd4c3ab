"""The solver of knobs, on functions whose answer is known."""

from math import log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbiq.errors import SettingError
from orbiq.modifiers.solver import MOST_TRIALS, Scale, solved

QUALITY = Scale(low=1, high=100, step=1)
DISTANCE = Scale(low=25, high=0.01)


def solve(function, *, scale=QUALITY, target, aim="at most"):
    return solved(lambda knob: (function(knob), knob), scale=scale, target=target, aim=aim, what="rate")


# known answers


def test_a_rate_is_the_largest_that_fits():
    found = solve(lambda q: 0.01 * q**1.5, target=2.95)
    assert (found.knob, found.outcome) == (44, 44)
    assert 0.01 * 45**1.5 > 1.02 * 2.95 > 2.95 >= found.value


def test_a_rate_hardly_above_counts_as_met():
    assert solve(float, target=49.9).knob == 50


def test_a_quality_is_the_first_that_reaches_it():
    found = solve(lambda q: 20 + 8 * log(q), target=45.0, aim="at least")
    assert found.knob == 23
    assert 20 + 8 * log(22) < 45


def test_an_error_is_the_first_that_is_no_more():
    found = solve(lambda d: 3 * d, scale=DISTANCE, target=6.0, aim="no more than")
    assert found.value == pytest.approx(6.0, rel=2e-3)
    assert found.value <= 6


def test_a_knob_down_to_no_error_is_searched_near_nothing_too():
    found = solve(float, scale=Scale(low=255, high=0, step=1), target=2.0, aim="no more than")
    assert found.knob == 2


def test_of_the_trials_that_reach_a_quality_the_cheapest_is_taken():
    tried = {}

    def trial(knob):  # one quality for all from 30 on, the middle ones the dearest
        tried[knob] = 100 - abs(knob - 60)
        return (40.0 if knob >= 30 else 20.0), tried[knob]

    found = solved(trial, scale=QUALITY, target=35, aim="at least", what="psnr", cost=lambda size: size)
    assert found.outcome == min(size for knob, size in tried.items() if knob >= 30)


# laws


@settings(max_examples=60, deadline=None)
@given(st.floats(0.2, 3), st.floats(0.02, 0.98), st.sampled_from(["at most", "at least"]))
def test_any_rising_curve_is_met_in_few_trials(power, share, aim):
    target = share * 100**power
    found = solve(lambda q: float(q) ** power, target=target, aim=aim) if target >= 1 else None
    if found is None:
        return
    assert found.n_trials <= 12
    if aim == "at least":
        assert found.value >= target > (found.knob - 1) ** power
    else:
        assert found.value <= 1.02 * target


@settings(max_examples=40, deadline=None)
@given(st.floats(0.05, 20))
def test_a_smooth_knob_comes_within_half_a_percent(target):
    found = solve(lambda d: 8 / (1 + d), scale=DISTANCE, target=min(target, 7.5) if target > 0.35 else 0.4)
    wanted = min(target, 7.5) if target > 0.35 else 0.4
    assert abs(found.value / wanted - 1) <= 0.02
    assert found.n_trials <= MOST_TRIALS


def test_each_setting_is_tried_once():
    tried = []
    solve(lambda q: tried.append(q) or float(q), target=37.5)
    assert len(tried) == len(set(tried))


def test_a_bump_is_met_where_it_is_met():
    found = solve(lambda q: float(q) + (6 if q % 2 else 0), target=50.0)
    assert found.value <= 51


# out of reach


def test_what_cannot_be_reached_is_said():
    with pytest.raises(SettingError, match="rate of 0.5 is out of reach: at least 1, at 1"):
        solve(float, target=0.5)
    with pytest.raises(SettingError, match="rate of 200 is out of reach: at most 100, at 100"):
        solve(float, target=200, aim="at least")
    with pytest.raises(SettingError, match="rate of 0.01 is out of reach: at least 0.03, at 0.01"):
        solve(lambda d: 3 * d, scale=DISTANCE, target=0.01, aim="no more than")


def test_a_budget_above_the_best_picture_takes_the_best_picture():
    assert solve(float, target=1000).knob == 100
