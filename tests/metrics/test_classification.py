"""Classification scores: known answers, laws, agreement with scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbiq.errors import ContractError, DatasetError, SettingError
from orbiq.metrics.base import plain_scores
from orbiq.metrics.classification import CLASSIFICATION_SCORES, classification
from orbiq.metrics.outcomes import read_outcomes, write_outcomes

NAMES = "abcdefgh"
SURE = {"top_k_accuracy", "ece", "brier"}


def made_up(seed, *, n=60, n_classes=4, digits=None):
    """Probabilities of n images, and truth that they often hit; with few digits, many are equal."""
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.full(n_classes, 0.7), size=n)
    if digits is not None:
        table = np.round(table, digits)
        table[:, 0] += 1 - table.sum(axis=1)
        table = np.abs(table) / np.abs(table).sum(axis=1, keepdims=True)
    true = [int(rng.choice(n_classes, p=p)) for p in table]
    said = {f"{k}.png": dict(zip(NAMES, map(float, p), strict=False)) for k, p in enumerate(table)}
    return said, {f"{k}.png": NAMES[c] for k, c in enumerate(true)}, table, np.array(true)


# ---- known answers


def test_two_of_three_are_right():
    scored = classification({"a": "beach", "b": "beach", "c": 7}, {"a": "beach", "b": "forest", "c": "7"})
    assert next(iter(scored.scores)) == "accuracy"
    assert scored.scores["accuracy"] == pytest.approx(2 / 3)
    assert scored.scores["balanced_accuracy"] == pytest.approx((1 + 0 + 1) / 3)
    assert scored.scores["f1/beach"] == pytest.approx(2 / 3)
    assert scored.scores["f1"] == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert scored.outcomes.confusion().tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]  # 7, beach, forest
    assert not SURE & set(scored.scores)
    assert scored.stated is None


def test_the_larger_class_does_not_hide_the_smaller():
    true = {str(k): "sea" for k in range(9)} | {"9": "ship"}
    scores = classification(dict.fromkeys(true, "sea"), true).scores
    assert (scores["accuracy"], scores["balanced_accuracy"]) == (0.9, 0.5)


def test_what_a_class_has_no_share_in_is_nan_with_a_reason():
    scored = classification({"1": "sea", "2": "lake"}, {"1": "sea", "2": "ship"})
    assert scored.reasons == {
        "precision/ship": "no image is said to be of class 'ship'",
        "recall/lake": "the truth has no image of class 'lake'",
    }
    assert all(math.isnan(scored.scores[name]) for name in scored.reasons)
    assert (scored.scores["f1/ship"], scored.scores["f1/lake"]) == (0, 0)


@pytest.mark.parametrize("said", [3, 3.0, np.int64(3), np.float32(3), {3.0: 1}, {np.int8(3): 0.6, 4: 0.4}])
@pytest.mark.parametrize("true", [3, 3.0, "3", np.uint8(3)])
def test_a_whole_number_of_any_type_is_one_class(said, true):
    assert classification({"a": said}, {"a": true}).scores["recall/3"] == 1


def test_whole_options_of_numpy_are_whole(tmp_path):
    said, true, *_ = made_up(0)
    scored = classification(said, true, top_k=np.int64(2), bins=np.uint8(7))
    assert scored.scores == classification(said, true, top_k=2, bins=7).scores
    write_outcomes(tmp_path / "o.parquet", scored.outcomes)


def test_no_images_score_nan_with_a_reason():
    scored = classification({}, {})
    assert all(map(math.isnan, scored.scores.values()))
    assert scored.reasons["accuracy"] == "the truth names no image"


def test_probabilities_say_the_most_probable_class_and_how_sure_it_is():
    said = {"1": {"sea": 0.5, "ship": 0.3, "isle": 0.2}, "2": {"sea": 0.1, "ship": 0.2, "isle": 0.7}}
    scored = classification(said, {"1": "ship", "2": "isle"}, top_k=2, bins=2)
    assert scored.scores["accuracy"] == 0.5
    assert scored.scores["top_k_accuracy"] == 1
    assert scored.scores["ece"] == pytest.approx((0.5 + 0.3) / 2)
    assert scored.scores["brier"] == pytest.approx((0.5**2 + 0.7**2 + 0.2**2 + 0.1**2 + 0.2**2 + 0.3**2) / 2)
    assert scored.stated == {"top_k": 2, "bins": 2}


def test_of_equally_probable_classes_the_first_by_name_is_said():
    said = {"1": {"ship": 0.5, "isle": 0.5, "sea": 0.0}}
    assert classification(said, {"1": "isle"}).scores["accuracy"] == 1
    assert classification(said, {"1": "ship"}, top_k=1).scores["top_k_accuracy"] == 0
    assert classification(said, {"1": "ship"}, top_k=2).scores["top_k_accuracy"] == 1


def test_a_class_that_the_task_does_not_know_is_never_guessed():
    scored = classification({"1": {"sea": 0.5, "isle": 0.5}}, {"1": "ship"}, top_k=2)
    assert scored.scores["top_k_accuracy"] == 0
    assert scored.scores["brier"] == 1.5


def test_more_guesses_than_classes_and_more_bins_than_images_are_nan_with_a_reason():
    said, true, *_ = made_up(0, n=10)
    scored = classification(said, true)
    assert scored.reasons["top_k_accuracy"] == ("any of 4 classes is among the 5 most probable; choose a smaller top_k")
    assert scored.reasons["ece"] == "10 images do not fill 15 bins; choose fewer bins"
    assert math.isnan(scored.scores["ece"])
    assert math.isnan(scored.scores["top_k_accuracy"])


def test_the_specs_name_what_is_given():
    said, true, *_ = made_up(0)
    known = {spec.name for spec in CLASSIFICATION_SCORES}
    assert {name.split("/")[0] for name in classification(said, true).scores} == known
    assert set(classification(said, true, per_class=False).scores) == known - {"precision", "recall"}


# ---- laws


@pytest.mark.parametrize("digits", [None, 1])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_neither_doubling_nor_order_plays_a_part(digits, seed):
    said, true, *_ = made_up(seed, n=30, digits=digits)
    options = {"top_k": 2, "bins": 7}
    scores = classification(said, true, **options).scores
    twice = classification(
        said | {f"x{k}": v for k, v in said.items()}, true | {f"x{k}": v for k, v in true.items()}, **options
    ).scores
    names = list(true)
    np.random.default_rng(seed).shuffle(names)
    turned = classification(said, {name: true[name] for name in names}, **options).scores
    for name, value in scores.items():
        assert twice[name] == pytest.approx(value, abs=1e-12, nan_ok=True), name
        assert turned[name] == pytest.approx(value, abs=1e-12, nan_ok=True), name


@given(seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_an_image_of_weight_2_stands_twice(seed):
    said, true, *_ = made_up(seed, n=20, digits=1)
    weights = np.random.default_rng(seed).integers(0, 4, 20)
    weighted = classification(said, true, top_k=2, bins=4).outcomes.scores(weights[None].astype(float))
    copies = [(f"{name}/{k}", name) for name, w in zip(true, weights, strict=True) for k in range(w)]
    repeated = classification({c: said[n] for c, n in copies}, {c: true[n] for c, n in copies}, top_k=2, bins=4)
    for name, value in repeated.scores.items():
        assert weighted[name][0] == pytest.approx(value, abs=1e-12, nan_ok=True), name


def test_a_known_truth_is_calibrated():
    said, true, *_ = made_up(0, n=4000)
    assert classification(said, true).scores["ece"] < 0.03
    sure = {name: {c: float(c == true[name]) for c in NAMES[:4]} for name in true}
    scores = classification(sure, true, top_k=1).scores
    assert (scores["ece"], scores["brier"], scores["f1"], scores["top_k_accuracy"]) == (0, 0, 1, 1)


def test_labels_and_probabilities_give_the_same_shares():
    said, true, table, _ = made_up(3)
    labels = {name: NAMES[k] for name, k in zip(true, table.argmax(axis=1), strict=True)}
    by_labels, by_probabilities = (classification(v, true).scores for v in (labels, said))
    assert by_labels == {k: v for k, v in by_probabilities.items() if k not in SURE}


def test_no_weight_leaves_nothing():
    said, true, *_ = made_up(0)
    scores = classification(said, true).outcomes.scores(np.zeros((2, 60)))
    assert all(np.isnan(values).all() for values in scores.values())


@pytest.mark.parametrize("with_probabilities", [True, False])
def test_outcomes_come_back_equal(with_probabilities, tmp_path):
    said, true, *_ = made_up(0)
    if not with_probabilities:
        said = dict.fromkeys(true, "é")
    outcomes = classification(said, true, top_k=2).outcomes
    write_outcomes(tmp_path / "o.parquet", outcomes)
    back = read_outcomes(tmp_path / "o.parquet")
    assert (back.images, back.classes) == (outcomes.images, outcomes.classes)
    weights = np.random.default_rng(0).integers(0, 4, (20, 60)).astype(float)
    found = back.scores(weights)
    for name, values in outcomes.scores(weights).items():
        np.testing.assert_array_equal(found[name], values)
    assert np.array_equal(back.confusion(), outcomes.confusion())


# ---- agreement


@pytest.mark.parametrize("seed", range(4))
def test_scores_equal_scikit_learn(seed):
    from sklearn import metrics
    from sklearn.calibration import calibration_curve

    said, true, table, number = made_up(seed)
    guess, sure = table.argmax(axis=1), table.max(axis=1)
    scored = classification(said, true, top_k=2, bins=10)
    scores = scored.scores
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(number, guess))
    assert scores["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(number, guess))
    assert scores["f1"] == pytest.approx(metrics.f1_score(number, guess, average="macro"))
    by_class = metrics.precision_recall_fscore_support(number, guess)
    for values, name in zip(by_class[:3], ("precision", "recall", "f1"), strict=True):
        assert [scores[f"{name}/{c}"] for c in NAMES[:4]] == pytest.approx(values)
    assert scores["top_k_accuracy"] == pytest.approx(metrics.top_k_accuracy_score(number, table, k=2))
    shares, means = calibration_curve(number == guess, sure, n_bins=10, strategy="quantile")
    assert scores["ece"] == pytest.approx(np.abs(shares - means).mean())  # 6 images in each of 10 bins
    assert scores["brier"] == pytest.approx(((table - np.eye(4)[number]) ** 2).sum(axis=1).mean())
    assert np.array_equal(scored.outcomes.confusion(), metrics.confusion_matrix(number, guess))


# ---- what is refused


def test_missing_images_are_named():
    with pytest.raises(ContractError, match="says nothing of 1 of 1 images, first 'a'"):
        classification({}, {"a": "beach"})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "the class of 'a' is None; expected a word or a number"),
        (["beach"], r"the class of 'a' is \['beach'\]; expected a word"),
        ({"beach": 1.5}, "the probability of class 'beach' of 'a' is 1.5; expected 0 to 1"),
        ({"beach": math.nan}, "the probability of class 'beach' of 'a' is nan; expected 0 to 1"),
        ({"beach": "1"}, "the probability of class 'beach' of 'a' is '1'; expected 0 to 1"),
        ({"beach": True}, "the probability of class 'beach' of 'a' is True; expected 0 to 1"),
        ({"beach": 0.5, "sea": 0.4}, "the probabilities of 'a' sum to 0.9; expected 1. Name all classes"),
        ({}, "the probabilities of 'a' sum to 0; expected 1"),
        (math.nan, "the class of 'a' is nan; expected a word or a number"),
        (np.float32(np.inf), r"the class of 'a' is np.float32\(inf\); expected a word or a number"),
        (True, "the class of 'a' is True; expected a word or a number"),
        (np.True_, "the class of 'a' is np.True_; expected a word or a number"),
        ({math.nan: 1.0}, "a class of 'a' is nan; expected a word or a number"),
        ({1: 0.5, "1": 0.3, "2": 0.2}, "the classes of 'a' are 1, '1', '2', some of them the same; name each once"),
    ],
)
def test_what_is_no_class_and_no_probabilities_is_named(value, message):
    with pytest.raises(ContractError, match=message):
        classification({"a": value}, {"a": "beach"})


@pytest.mark.parametrize("true", [math.nan, None, True])
def test_a_truth_that_is_no_class_is_of_the_data_set(true):
    with pytest.raises(DatasetError, match=r"the truth of 'a' is (nan|None|True); expected a word or a number"):
        classification({"a": "beach"}, {"a": true})


def test_classes_and_probabilities_do_not_mix():
    with pytest.raises(ContractError, match="gives a class for some images and probabilities for others"):
        classification({"a": "beach", "b": {"beach": 1}}, {"a": "beach", "b": "beach"})


@pytest.mark.parametrize(
    "options", [{"top_k": 0}, {"bins": 0}, {"top_k": 2.5}, {"bins": 1.5}, {"bins": None}, {"top_k": True}]
)
def test_options_that_cannot_be(options):
    with pytest.raises(SettingError, match="expected whole numbers ≥ 1"):
        classification({}, {}, **options)


def test_weights_that_cannot_be():
    outcomes = classification({"a": "beach"}, {"a": "beach"}).outcomes
    assert plain_scores(outcomes)["accuracy"] == 1
    with pytest.raises(SettingError, match=r"expected \(replicates, 1 images\)"):
        outcomes.scores(np.ones((3, 2)))
