"""Undersampling masks: how many samples, which ones, and the same ones again."""

from itertools import pairwise

import numpy as np
import pytest

from orbiq.errors import ImageError, SettingError
from orbiq.mri.masks import Sampling, achieved_rate

PATTERNS = ("random", "equispaced", "radial")
SHAPES = [(320, 320), (64, 96), (33, 17), (640, 368)]
RATES = (1, 1.5, 2, 3.7, 4, 6, 8, 10)


def mask_of(pattern="random", rate=4.0, shape=(64, 96), *, seed=0, **settings):
    return Sampling(pattern=pattern, rate=rate, **settings).mask(shape, rng=np.random.default_rng(seed))


# known answers


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (64, 96)])
def test_rate_1_takes_all(pattern, shape):
    assert mask_of(pattern, 1, shape).all()


def test_equispaced_lines_lie_as_far_apart_as_the_rate():
    lines = np.flatnonzero(mask_of("equispaced", 4, (1, 64), centre_share=0)[0])
    assert set(np.diff(lines)) == {4}
    assert lines.size == 16


def test_the_centre_is_the_share_of_the_lines_about_frequency_0():
    for pattern in ("random", "equispaced"):
        mask = mask_of(pattern, 5, (4, 100), centre_share=0.2)
        assert np.flatnonzero(mask[0]).tolist() == list(range(40, 60))


def test_the_radial_centre_is_an_ellipse():
    mask = mask_of("radial", 4, (100, 60), centre_share=0.3)
    v, u = np.ogrid[:100, :60]
    assert mask[np.hypot((v - 50) / 100, (u - 30) / 60) <= 0.15].all()


def test_one_spoke_is_a_line_through_frequency_0():
    mask = mask_of("radial", 64, (64, 64), centre_share=0)
    rows, cols = np.nonzero(mask)
    assert rows.size in (64, 65, 63)
    assert mask[32, 32]
    assert np.linalg.matrix_rank(np.stack([rows - 32, cols - 32]), tol=0.4 * 64**0.5) == 1


def test_rates_count_the_centre():
    assert achieved_rate(np.array([[True, False], [False, False]])) == 4
    assert achieved_rate(np.zeros((2, 2), bool)) == float("inf")


# laws


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_achieved_rate_is_as_near_as_stated(pattern, rate, shape):
    mask = mask_of(pattern, rate, shape)
    assert (mask.dtype, mask.shape) == (bool, shape)
    if pattern == "radial":
        assert 0 <= mask.sum() - mask.size / rate <= max(shape) + 1
    else:
        assert mask[0].sum() == max(1, round(shape[1] / rate))
        assert (mask == mask[0]).all()
    assert mask[shape[0] // 2, shape[1] // 2]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_generator_decides(pattern):
    assert (mask_of(pattern, seed=3) == mask_of(pattern, seed=3)).all()
    assert any((mask_of(pattern, seed=3) != mask_of(pattern, seed=k)).any() for k in (4, 5, 6))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_rate_draws_as_much(pattern):
    rng, other = np.random.default_rng(1), np.random.default_rng(1)
    Sampling(pattern=pattern, rate=2).mask((32, 32), rng=rng)
    Sampling(pattern=pattern, rate=7).mask((32, 32), rng=other)
    assert rng.random() == other.random()


@pytest.mark.parametrize("pattern", ["random", "radial"])
def test_masks_of_a_sweep_are_nested(pattern):
    masks = [mask_of(pattern, rate, (64, 96)) for rate in RATES]
    for more, fewer in pairwise(masks):
        assert more[fewer].all()


def test_random_lines_are_all_equally_probable():
    shares = np.mean([mask_of("random", 4, (1, 40), seed=k, centre_share=0)[0] for k in range(2000)], axis=0)
    assert np.abs(shares - 0.25).max() < 4 * np.sqrt(0.25 * 0.75 / 2000)


# refusals


@pytest.mark.parametrize("rate", [0, 0.99, -3, float("nan"), float("inf")])
def test_a_rate_below_1_is_refused(rate):
    with pytest.raises(SettingError, match=r"sampling rate is .*; expected 1 \(all samples\) or more, as 4"):
        Sampling(rate=rate)


def test_an_unknown_pattern_is_refused():
    with pytest.raises(SettingError, match="sampling pattern is 'spiral'; expected random, equispaced, radial"):
        Sampling(pattern="spiral", rate=2)


@pytest.mark.parametrize(("pattern", "share"), [("random", 0.26), ("equispaced", -0.1), ("radial", 0.6)])
def test_a_centre_that_takes_too_much_is_refused(pattern, share):
    with pytest.raises(SettingError, match=r"centre_share is .*; expected 0 to 0\.\d+, .* lower it, or the rate"):
        Sampling(pattern=pattern, rate=4, centre_share=share)


def test_an_image_without_pixels_is_refused():
    with pytest.raises(ImageError, match="an image of 0 × 3 pixels has no Fourier samples"):
        mask_of(shape=(0, 3))
