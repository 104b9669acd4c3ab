"""Quality of blocks: by hand, laws, against the pooled PSNR."""

from math import inf, isnan

import numpy as np
import pytest

from orbiq.errors import ImageError, SettingError
from orbiq.metrics.block_quality import block_errors, block_psnr, deviation, pooled
from orbiq.metrics.pointwise import psnr
from orbiq.tiles import tiling

RNG = np.random.default_rng(4)
REFERENCE = RNG.integers(0, 4000, (70, 83, 3)).astype(np.uint16)
IMAGE = np.clip(REFERENCE + RNG.integers(-20, 21, REFERENCE.shape), 0, 4095).astype(np.uint16)


# known answers


@pytest.mark.parametrize("block", [1, 16, 32, 64, 200])
def test_each_block_is_its_own_psnr(block):
    found = block_psnr(REFERENCE, IMAGE, block_px=block, peak=4095)
    assert found.shape == (-(-70 // block), -(-83 // block))
    last = np.s_[(found.shape[0] - 1) * block :, (found.shape[1] - 1) * block :]
    for place, cut in (((0, 0), np.s_[:block, :block]), ((-1, -1), last)):
        assert found[place] == pytest.approx(psnr(REFERENCE[cut], IMAGE[cut], peak=4095))


def test_deviation_counts_what_misses_the_target():
    said = deviation(np.array([[39.0, 41.0, 43.0], [inf, np.nan, 40.0]]), 40)
    assert (said.n_blocks, said.n_exact) == (5, 1)
    assert said.mean_db == pytest.approx(0.75)
    assert said.below == pytest.approx(0.2)
    assert said.worst_db == -1
    assert (said.within_half_db, said.within_1_db) == (pytest.approx(0.2), pytest.approx(0.6))


def test_bins_are_the_papers():
    """(−0.05, 0.05] dB is bin 0, (0.05, 0.15] is bin 1."""
    at = np.array([-0.06, -0.04, 0.0, 0.04, 0.06, 0.14, 0.16, -7.0])
    assert deviation(40 + at, 40).bins == {-70: 1, -1: 1, 0: 3, 1: 2, 2: 1}


# laws


def test_mean_square_errors_of_blocks_pool_to_that_of_the_image():
    found = block_psnr(REFERENCE[:64, :80], IMAGE[:64, :80], block_px=16, peak=4095)
    mse = np.mean(4095**2 / 10 ** (found / 10))
    assert 10 * np.log10(4095**2 / mse) == pytest.approx(psnr(REFERENCE[:64, :80], IMAGE[:64, :80], peak=4095))


def test_larger_blocks_follow_from_smaller_ones():
    errors = block_errors(REFERENCE, IMAGE, block_px=16, peak=4095)
    for side in (16, 32, 64):
        assert errors.psnr_db(side) == pytest.approx(block_psnr(REFERENCE, IMAGE, block_px=side, peak=4095))
    assert errors.whole_db() == pytest.approx(psnr(REFERENCE, IMAGE, peak=4095))


def test_pooled_is_that_of_all_blocks_together():
    rng = np.random.default_rng(3)
    several = [rng.normal(40, 2, (5, 7)), rng.normal(43, 1, (2, 3)), np.array([[inf, np.nan]]), np.array([[np.nan]])]
    together = deviation(np.concatenate([part.ravel() for part in several]), 40.3)
    found = pooled([deviation(part, 40.3) for part in several])
    assert found.bins == together.bins
    assert {k: v for k, v in vars(found).items() if k != "bins"} == pytest.approx(
        {k: v for k, v in vars(together).items() if k != "bins"}
    )
    assert isnan(pooled([]).mean_db)
    assert isnan(pooled([deviation(np.array([inf]), 40)]).mean_db)


@pytest.mark.parametrize("size", [16, 33, 64])
def test_tiles_change_nothing(size):
    whole = block_psnr(REFERENCE, IMAGE, block_px=16, peak=4095)
    with tiling(size=size):
        assert np.array_equal(block_psnr(REFERENCE, IMAGE, block_px=16, peak=4095), whole)


def test_masked_is_cropped():
    mask = np.zeros(REFERENCE.shape[:2], bool)
    mask[16:48, 32:64] = True
    masked = block_psnr(REFERENCE, IMAGE, block_px=16, peak=4095, mask=mask)
    cropped = block_psnr(REFERENCE[16:48, 32:64], IMAGE[16:48, 32:64], block_px=16, peak=4095)
    assert masked[1:3, 2:4] == pytest.approx(cropped)
    assert np.isnan(masked).sum() == masked.size - 4


def test_equal_images_have_no_error_anywhere():
    found = block_psnr(REFERENCE, REFERENCE, block_px=32, peak=4095)
    assert (found == inf).all()
    said = deviation(found, 40)
    assert isnan(said.mean_db)
    assert (said.below, said.n_exact) == (0, found.size)


# what is refused


def test_unfit_input_is_refused():
    with pytest.raises(SettingError, match="block_px is 0; expected a whole number"):
        block_psnr(REFERENCE, IMAGE, block_px=0, peak=4095)
    with pytest.raises(SettingError, match="expected a multiple of 16"):
        block_errors(REFERENCE, IMAGE, block_px=16, peak=4095).psnr_db(24)
    with pytest.raises(ImageError, match="peak"):
        block_psnr(REFERENCE, IMAGE, block_px=16)
