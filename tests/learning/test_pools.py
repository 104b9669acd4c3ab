"""Pools of pieces of images: each image in turn, the same whoever asks in whatever order."""

import pytest

from orbiq.errors import SettingError
from orbiq.learning.pools import Pools, split_off


def pools_of(images, *, seed=0):
    return Pools(lambda image, rng: (image, int(rng.integers(1000))), images, seed=seed, gather=list)


def test_each_image_has_its_turn_before_any_has_a_second():
    images = [7, 3, 9, 4]
    pool = pools_of(images).pool(0)
    turns = [tuple(image for image, _ in pool[k : k + 4]) for k in range(0, 16, 4)]
    assert {frozenset(turn) for turn in turns} == {frozenset(images)}
    assert len(set(turns)) > 1


def test_a_pool_depends_on_seed_and_number_alone():
    images = [1, 2, 3]
    in_order = [pools_of(images).pool(k) for k in range(3)]
    one = pools_of(images)
    assert [one.pool(k) for k in (2, 0, 1)] == [in_order[k] for k in (2, 0, 1)]
    assert in_order[0] != in_order[1]
    assert pools_of(images, seed=1).pool(0) != in_order[0]


def test_what_judges_is_not_trained_on():
    judged_by, trained_on = split_off(100, seed=3)
    assert len(judged_by) == 5
    assert sorted(judged_by + trained_on) == list(range(100))
    with pytest.raises(SettingError, match="1 images are too few"):
        split_off(1, seed=0)
