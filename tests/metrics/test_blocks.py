"""Blocks side by side: whole and valid ones only."""

import numpy as np
import pytest

from orbiq.arrays import Scene
from orbiq.errors import SettingError
from orbiq.metrics.blocks import centred, check_block, whole_blocks
from orbiq.metrics.inputs import one_image
from orbiq.tiles import tiling


def _means(image, side, mask=None):
    def of_tile(tile):
        return [float(m) for (blocks,) in whole_blocks(tile, side=side) for m in blocks.mean(axis=(1, 2, 3))]

    return [m for part in one_image(image, mask=mask).map(of_tile, align=side) for m in part]


@pytest.mark.parametrize("size", [2, 4, 7, 100])
def test_every_whole_block_once(size):
    image = np.repeat(np.repeat(np.arange(12.0).reshape(3, 4), 2, 0), 2, 1)
    with tiling(size=size):
        assert sorted(_means(np.pad(image, ((0, 1), (0, 1)), constant_values=99), 2)) == list(range(12))


def test_a_masked_pixel_takes_its_block_out():
    mask = np.ones((4, 6), bool)
    mask[3, 5] = False
    assert _means(np.ones((4, 6)), 2, mask) == [1] * 5
    assert _means(Scene(array=np.ones((4, 6, 1)), mask=mask), 4) == [1]
    assert _means(np.ones((4, 6)), 2, np.indices((4, 6)).sum(0) % 2 > 0) == []


def test_equal_values_leave_exactly_nothing():
    means, rest = centred(np.full((3, 49, 2), 0.1))
    assert not rest.any()
    assert np.all(means == 0.1)


@pytest.mark.parametrize("block", [0, 1, 3.5, 513, 32.0, None, np.nan, "8"])
def test_no_block(block):
    with pytest.raises(SettingError, match=r"block is .*; expected a whole number of pixels from 2 to 512"):
        check_block(block)


def test_a_block_of_numpy_is_a_plain_number():
    assert check_block(np.uint8(32)) ** 2 == 1024
