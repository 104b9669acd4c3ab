"""Regression scores: known answers, laws, agreement with scikit-learn."""

import math

import numpy as np
import pytest

from orbiq.errors import ContractError
from orbiq.metrics.base import plain_scores
from orbiq.metrics.regression import REGRESSION_SCORES, regression

TRUTH = {"a.png": 1.0, "b.png": 2.0, "c.png": 6.0}


def test_errors_of_one_two_and_minus_three():
    scored = regression({"a.png": 2, "b.png": 4.0, "c.png": 3.0}, TRUTH)
    assert scored.scores["mse"] == pytest.approx(14 / 3)
    assert scored.scores["rmse"] == pytest.approx(math.sqrt(14 / 3))
    assert scored.scores["mae"] == 2.0
    assert scored.scores["bias"] == 0.0
    assert scored.scores["r2"] == pytest.approx(1 - 14 / 14)
    assert list(scored.scores) == [spec.name for spec in REGRESSION_SCORES]


def test_a_constant_truth_has_no_r2():
    scored = regression({"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 3.0})
    assert math.isnan(scored.scores["r2"])
    assert scored.reasons == {"r2": "the truth is the same for all images"}
    tenths = dict.fromkeys("abc", 0.1)  # whose numerical variance is 2e-34
    assert math.isnan(regression(tenths, tenths).scores["r2"])


@pytest.mark.parametrize("unknown", [math.nan, math.inf, 10**400])
def test_an_unknown_value_makes_the_scores_nan_with_a_reason(unknown):
    scored = regression({**TRUTH, "b.png": unknown}, TRUTH)
    assert all(map(math.isnan, scored.scores.values()))
    assert scored.reasons["mse"] == "the task gave NaN for 1 of 3 images"


def test_no_images_score_nan_with_a_reason():
    assert regression({}, {}).reasons["mse"] == "the truth names no image"


def test_missing_extra_and_wrong_values_are_named():
    with pytest.raises(ContractError, match=r"says nothing of 2 of 3 images, first 'b.png'"):
        regression({"a.png": 1}, TRUTH)
    with pytest.raises(ContractError, match=r"speaks of 1 images that are not judged, first 'd.png'"):
        regression({**TRUTH, "d.png": 1}, TRUTH)
    with pytest.raises(ContractError, match=r"the value of 'a.png' is '1'; expected a number"):
        regression({**TRUTH, "a.png": "1"}, TRUTH)
    with pytest.raises(ContractError, match=r'holds a list; these scores expect \{"values"'):
        regression([1.0], TRUTH)


def test_outcomes_give_the_plain_scores():
    scored = regression({"a.png": 2, "b.png": 4.0, "c.png": 3.0}, TRUTH)
    plain = plain_scores(scored.outcomes)
    assert set(plain) == {"mse", "mae", "bias"}
    assert all(value == pytest.approx(scored.scores[name]) for name, value in plain.items())


def test_scores_equal_scikit_learn():
    from sklearn import metrics

    rng = np.random.default_rng(0)
    true, guess = rng.normal(size=50), rng.normal(size=50)
    names = [f"{k}.png" for k in range(50)]
    scores = regression(dict(zip(names, guess.tolist(), strict=True)), dict(zip(names, true, strict=True))).scores
    assert scores["mse"] == pytest.approx(metrics.mean_squared_error(true, guess))
    assert scores["mae"] == pytest.approx(metrics.mean_absolute_error(true, guess))
    assert scores["r2"] == pytest.approx(metrics.r2_score(true, guess))
