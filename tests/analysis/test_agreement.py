"""Image scores against the task's score, over the variants."""

from math import inf, isnan, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from orbiq.analysis.agreement import agreements, best_sentence, foretelling_error, rank_correlation, rank_interval

VARIANTS = [f"v{k}" for k in range(7)]
TASK = dict(zip(VARIANTS, [0.1, 0.2, 0.4, 0.5, 0.55, 0.6, 0.61], strict=True))


def _one(values, task=TASK):
    return agreements(task, {("m", "m"): values}, families={})[0]


def test_a_perfect_order_is_one_and_never_certain():
    said = _one({v: s**3 for v, s in TASK.items()})
    assert said.rank_correlation == 1.0
    assert said.high == 1.0
    assert 0.6 < said.low < 0.95


def test_foretelling_by_the_neighbours():
    # left out, 0 is told as 1 (its one neighbour), 1 as (0 + 2)/2, 2 as 1: errors 1, 0, 1
    error, without = foretelling_error(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 2.0]))
    assert error == pytest.approx(np.sqrt(2 / 3))
    assert without == pytest.approx(np.sqrt((1.5**2 + 0 + 1.5**2) / 3))


def test_a_falling_score_foretells_as_well_as_a_rising_one():
    rising, falling = _one(TASK), _one({v: -s for v, s in TASK.items()})
    assert rising.error == pytest.approx(falling.error)
    assert rising.rank_correlation == -falling.rank_correlation


def test_the_infinite_psnr_of_the_reference_is_ranked_last():
    values = {v: 20 + k for k, v in enumerate(TASK)} | {"v6": inf}
    assert _one(values).rank_correlation == 1.0


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"v0": 1.0, "v1": 2.0}, "known for 2 variants; at least 5 are needed"),
        (dict.fromkeys(VARIANTS, 3.0), "the same for all variants"),
        (dict.fromkeys(VARIANTS, nan), "known for 0 variants"),
    ],
)
def test_what_cannot_be_told_says_why(values, reason):
    said = _one(values)
    assert isnan(said.rank_correlation)
    assert said.reason.startswith(reason)


def test_a_task_that_never_changes_says_so():
    assert _one(TASK, dict.fromkeys(VARIANTS, 0.5)).reason == "the task scores the same on all variants"


def test_the_best_comes_first_and_is_named():
    noise = dict(zip(VARIANTS, np.random.default_rng(1).normal(size=7), strict=True))
    found = agreements(TASK, {("noise", "noise"): noise, ("ssim", "ssim"): TASK}, families={})
    assert [a.score for a in found] == ["ssim", "noise"]
    assert best_sentence(found, score="ap50").startswith("ssim foretells ap50 best: a variant left out is told within")
    assert "Next is noise" in best_sentence(found, score="ap50")


def test_noise_alone_is_not_called_best():
    noise = dict(zip(VARIANTS, [3.0, -1.0, 4.0, -1.5, 2.5, -2.0, 0.0], strict=True))
    sentence = best_sentence(agreements(TASK, {("n", "n"): noise}, families={}), score="ap50")
    assert sentence == "No image score foretells ap50 better than its mean over the variants does."
    assert best_sentence([], score="ap50") == ""


def test_the_interval_covers_what_it_says():
    """Spearman's ρ of normal pairs is (6/π)·asin(r/2)."""
    rng, r, n = np.random.default_rng(5), 0.7, 12
    truth = 6 / np.pi * np.arcsin(r / 2)
    hits = 0
    for _ in range(1500):
        x = rng.normal(size=n)
        y = r * x + np.sqrt(1 - r * r) * rng.normal(size=n)
        low, high = rank_interval(rank_correlation(x, y), n=n)
        hits += low <= truth <= high
    assert 0.92 < hits / 1500 < 0.98


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=5, max_size=15))
def test_equal_to_scipy_also_with_ties(pairs):
    x, y = np.array(pairs, float).T
    if len(set(x)) > 1 and len(set(y)) > 1:
        assert rank_correlation(x, y) == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)


@given(st.floats(-0.99, 0.99), st.integers(5, 50))
def test_the_interval_holds_the_estimate(rho, n):
    low, high = rank_interval(rho, n=n)
    assert -1 <= low <= rho <= high <= 1
