"""Levels of pyramids, against filters over the whole image."""

import numpy as np
import pytest
from scipy import ndimage

from orbiq.metrics.pyramids import halved, halved_mask, laplacian, laplacian_masks

SHAPES = [(3, 3), (4, 5), (9, 8), (64, 64), (131, 100)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_halves_are_means_that_repeat_an_odd_end(shape, dtype):
    image = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    wide = np.pad(image.astype(float), ((0, 1), (0, 1)), mode="edge")
    expected = ndimage.uniform_filter(wide, 2, origin=-1)[:-1, :-1][::2, ::2]
    np.testing.assert_allclose(halved(image), expected, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_levels_are_differences_from_the_enlarged_next(shape):
    image = np.random.default_rng(1).normal(0, 1, shape)
    level, rest = laplacian(image, 2)
    taps = np.array([1, 4, 6, 4, 1]) / 16

    def smooth(plane):
        return ndimage.correlate1d(ndimage.correlate1d(plane, taps, axis=0, mode="mirror"), taps, axis=1, mode="mirror")

    low = smooth(image)[::2, ::2]
    zeros = np.zeros(shape)
    zeros[::2, ::2] = low
    np.testing.assert_allclose(rest, 2 * low, atol=1e-12)
    np.testing.assert_allclose(level, image - 4 * smooth(zeros), atol=1e-12)


def test_levels_of_levels_are_those_of_the_rest():
    image = np.random.default_rng(2).normal(0, 1, (37, 50))
    once, rest = laplacian(image, 2)
    for deep, steps in zip(laplacian(image, 4), [once, *laplacian(rest, 3)], strict=True):
        np.testing.assert_allclose(deep, steps, atol=1e-12)


def test_a_masked_pixel_touches_what_is_made_of_it_and_nothing_else():
    rng = np.random.default_rng(3)
    image, mask = rng.normal(0, 1, (80, 91)), np.ones((80, 91), bool)
    mask[33, 41] = mask[0, 0] = False
    spoilt = np.where(mask, image, 1e6)
    masks = laplacian_masks(mask, 4)
    for level, other, valid in zip(laplacian(image, 4), laplacian(spoilt, 4), masks, strict=True):
        assert np.array_equal(level[valid], other[valid])
        assert (abs(level - other)[~valid] > 0).all()
    assert not np.array_equal(halved(image)[~halved_mask(mask)], halved(spoilt)[~halved_mask(mask)])
    assert np.array_equal(halved(image)[halved_mask(mask)], halved(spoilt)[halved_mask(mask)])
