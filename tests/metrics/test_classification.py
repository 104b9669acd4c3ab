"""Classification scores."""

import math

import pytest

from orbiq.errors import ContractError
from orbiq.metrics.classification import classification


def test_two_of_three_are_right():
    scored = classification({"a": "beach", "b": "beach", "c": 7}, {"a": "beach", "b": "forest", "c": "7"})
    assert scored.scores == {"accuracy": pytest.approx(2 / 3)}
    assert scored.outcomes.values["accuracy"].tolist() == [1.0, 0.0, 1.0]


def test_no_images_score_nan_with_a_reason():
    scored = classification({}, {})
    assert math.isnan(scored.scores["accuracy"])
    assert scored.reasons == {"accuracy": "the truth names no image"}


def test_missing_images_are_named():
    with pytest.raises(ContractError, match="says nothing of 1 of 1 images, first 'a'"):
        classification({}, {"a": "beach"})
