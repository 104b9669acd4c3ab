"""Regression scores: known answers, laws, agreement with scikit-learn."""

import math

import numpy as np
import pytest

from orbiq.errors import ContractError, DatasetError, SettingError
from orbiq.metrics.base import plain_scores
from orbiq.metrics.outcomes import read_outcomes, write_outcomes
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


@pytest.mark.parametrize("number", [np.float32, np.float64, np.int64, np.uint8, np.longdouble])
def test_numbers_of_numpy_are_numbers(number):
    scored = regression({"a": number(2), "b": number(5)}, {"a": number(3), "b": number(3)})
    assert (scored.scores["mse"], scored.scores["bias"]) == (2.5, 0.5)


@pytest.mark.parametrize("unknown", [math.nan, math.inf, 10**400, 1e200, np.float32(np.nan), np.longdouble("1e400")])
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


@pytest.mark.parametrize("unknown", [math.nan, -math.inf, 1e200, 10**400, np.float32(np.inf)])
def test_a_truth_that_is_not_finite_is_said_of_the_truth(unknown):
    with pytest.raises(DatasetError, match=r"the true value of 'b.png' is .*; expected a finite number below 1e\+150"):
        regression(TRUTH, {**TRUTH, "b.png": unknown})


@pytest.mark.parametrize("wrong", ["1", None, True, 1j])
def test_a_truth_that_is_no_number_is_said_of_the_truth(wrong):
    with pytest.raises(DatasetError, match=r"the true value of 'b.png' is .*; expected a number"):
        regression(TRUTH, {**TRUTH, "b.png": wrong})


def made_up(seed, n=50):
    rng = np.random.default_rng(seed)
    names = [f"{k}.png" for k in range(n)]
    true = rng.normal(size=n)
    guess = true + rng.normal(scale=0.5, size=n)
    return dict(zip(names, guess.tolist(), strict=True)), dict(zip(names, true.tolist(), strict=True))


def test_outcomes_give_the_plain_scores():
    scored = regression({"a.png": 2, "b.png": 4.0, "c.png": 3.0}, TRUTH)
    assert plain_scores(scored.outcomes) == scored.scores
    assert set(scored.scores) == {spec.name for spec in REGRESSION_SCORES}


@pytest.mark.parametrize("seed", range(5))
def test_an_image_of_weight_2_stands_twice(seed):
    said, true = made_up(seed, n=12)
    weights = np.random.default_rng(seed).integers(0, 4, 12)
    weighted = regression(said, true).outcomes.scores(weights[None].astype(float))
    copies = [(f"{name}/{k}", name) for name, w in zip(true, weights, strict=True) for k in range(w)]
    repeated = regression({c: said[n] for c, n in copies}, {c: true[n] for c, n in copies}).scores
    assert {name: values[0] for name, values in weighted.items()} == pytest.approx(repeated)


def test_the_order_of_images_plays_no_part():
    said, true = made_up(0)
    assert regression(said, dict(reversed(true.items()))).scores == pytest.approx(regression(said, true).scores)


@pytest.mark.parametrize("offset", [0.0, 5e4, 1e9])
def test_r2_does_not_depend_on_the_origin(offset):
    said, true = made_up(0)
    moved = regression({k: v + offset for k, v in said.items()}, {k: v + offset for k, v in true.items()})
    assert moved.scores["r2"] == pytest.approx(regression(said, true).scores["r2"], abs=1e-6)


def test_weights_that_leave_one_value_or_nothing_have_no_r2():
    outcomes = regression({"a": 1.5, "b": 2.5, "c": 3}, {"a": 1.1, "b": 1.1, "c": 1000.3}).outcomes
    scores = outcomes.scores(np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 7.0], [0.0, 0.0, 0.0]]))
    assert np.isnan(scores["r2"]).all()
    assert np.isnan(scores["mse"]).tolist() == [False, False, True]


def test_rounding_makes_no_spread():
    rng = np.random.default_rng(0)
    for value in rng.normal(size=200):
        true = dict.fromkeys("abcdefg", float(value)) | {"h": 1e3}
        outcomes = regression(dict.fromkeys(true, 0.0), true).outcomes
        weights = np.append(rng.integers(1, 5, 7), 0).astype(float)
        assert np.isnan(outcomes.scores(weights[None])["r2"]).all()


def test_outcomes_come_back_equal(tmp_path):
    outcomes = regression(*made_up(0)).outcomes
    write_outcomes(tmp_path / "o.parquet", outcomes)
    back = read_outcomes(tmp_path / "o.parquet")
    assert back.images == outcomes.images
    weights = np.random.default_rng(0).integers(0, 4, (20, 50)).astype(float)
    for name, values in outcomes.scores(weights).items():
        np.testing.assert_array_equal(back.scores(weights)[name], values)


def test_weights_that_cannot_be():
    with pytest.raises(SettingError, match=r"expected \(replicates, 50 images\), none below 0"):
        regression(*made_up(0)).outcomes.scores(np.ones((3, 2)))


def test_scores_equal_scikit_learn():
    from sklearn import metrics

    said, truth = made_up(0)
    true, guess = (np.array(list(v.values())) for v in (truth, said))
    weight = np.random.default_rng(1).uniform(size=50)
    for found, given in ((regression(said, truth).scores, None), (regression(said, truth).outcomes, weight)):
        scores = found if given is None else {k: v[0] for k, v in found.scores(given[None]).items()}
        assert scores["mse"] == pytest.approx(metrics.mean_squared_error(true, guess, sample_weight=given))
        assert scores["rmse"] == pytest.approx(metrics.root_mean_squared_error(true, guess, sample_weight=given))
        assert scores["mae"] == pytest.approx(metrics.mean_absolute_error(true, guess, sample_weight=given))
        assert scores["r2"] == pytest.approx(metrics.r2_score(true, guess, sample_weight=given))
        assert scores["bias"] == pytest.approx(np.average(guess - true, weights=given))
