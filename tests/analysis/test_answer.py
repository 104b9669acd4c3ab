"""The question that an experiment's settings ask."""

import pytest

from orbiq.analysis.answer import higher_is_better
from orbiq.errors import SettingError


def test_the_direction_is_that_of_the_metric_unless_stated():
    assert higher_is_better("ap50/plane", None, ["coco-detection:max_dets=[1,10,500]"])
    assert not higher_is_better("mse", None, ["regression"])
    assert higher_is_better("mse", "higher", ["regression"])
    assert not higher_is_better("mine", "lower", [])
    with pytest.raises(SettingError, match=r"which way the score 'mine' is better is not known"):
        higher_is_better("mine", None, [])


def test_a_bias_is_no_objective():
    with pytest.raises(SettingError, match=r"score 'bias' is best at 0, neither high nor low.* as mae for a bias"):
        higher_is_better("bias", None, ["regression"])
