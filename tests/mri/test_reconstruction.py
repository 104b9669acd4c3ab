"""The transform, zero filling and least total variation: answers that are known, laws, and another algorithm's answer."""

from itertools import pairwise

import numpy as np
import pytest

from orbiq.errors import ImageError, SettingError
from orbiq.mri.masks import Sampling
from orbiq.mri.reconstruction import (
    iterates,
    root_sum_of_squares,
    to_image,
    to_kspace,
    total_variation,
    zero_filled,
)

SHAPES = [(8, 8), (7, 9), (1, 5), (6, 1), (1, 1), (3, 16, 11)]


def noise(shape, seed=0):
    real, imaginary = np.random.default_rng(seed).standard_normal((2, *shape))
    return real + 1j * imaginary


def blocks(size=96):
    """A piecewise constant image with a constant phase."""
    image = np.zeros((size, size), complex)
    y, x = (np.indices((size, size)) - size / 2) / (size / 2)
    image[np.hypot(x / 0.7, y / 0.9) < 1] = 0.8
    image[np.hypot(x + 0.2, y / 1.5) < 0.25] = 0.3
    image[20:40, 50:70] = 1.0
    image[60:75, 40:44] = 0.1
    return image * np.exp(0.7j)


def random_mask(shape, rate=4.0, **settings):
    return Sampling(rate=rate, **settings).mask(shape[-2:], rng=np.random.default_rng(5))


def nrmse(found, truth):
    return np.linalg.norm(found - truth) / np.linalg.norm(truth)


def taken_up_to(kspace, mask, iterations, **settings):
    return [cost for _, (_, cost) in zip(range(iterations), iterates(kspace, mask, **settings), strict=False)]


# known answers


def test_a_point_in_the_middle_has_flat_samples():
    image = np.zeros((5, 8))
    image[2, 4] = 1
    assert to_kspace(image) == pytest.approx(np.full((5, 8), 40**-0.5))


def test_a_wave_is_one_sample():
    cols = np.arange(16) - 8
    kspace = to_kspace(np.exp(2j * np.pi * 3 * cols / 16)[None])
    expected = np.zeros((1, 16))
    expected[0, 8 + 3] = 4
    assert kspace == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weight", [0.0, 1e-9])
def test_all_samples_give_the_image(weight):
    image, full = noise((31, 20)), np.ones((31, 20), bool)
    assert zero_filled(to_kspace(image), full) == pytest.approx(image, abs=1e-12)
    assert total_variation(to_kspace(image), full, weight=weight) == pytest.approx(image, abs=1e-6)


def test_a_piecewise_constant_image_comes_back_from_a_quarter_of_its_lines():
    image = blocks()
    kspace, mask = to_kspace(image), random_mask(image.shape, centre_share=0.1)
    filled = nrmse(zero_filled(kspace, mask), image)
    found = nrmse(total_variation(kspace, mask, iterations=300), image)
    assert filled > 0.15
    assert found < 0.15 * filled


def test_a_piecewise_constant_image_comes_back_exactly_from_spokes():
    image = blocks()
    kspace, mask = to_kspace(image), random_mask(image.shape, pattern="radial", rate=3)
    assert nrmse(total_variation(kspace, mask, iterations=400), image) < 1e-3
    assert nrmse(zero_filled(kspace, mask), image) > 0.1


def test_noise_is_smoothed_where_the_weight_says_so():
    image = blocks()
    noisy = image + 0.05 * noise(image.shape)
    full = np.ones(image.shape, bool)
    errors = [nrmse(total_variation(to_kspace(noisy), full, weight=w), image) for w in (0, 0.05, 1.0)]
    assert errors[1] < 0.4 * errors[0]
    assert errors[1] < 0.4 * errors[2]


def test_nothing_taken_is_nothing():
    assert (total_variation(noise((6, 6)), np.zeros((6, 6), bool)) == 0).all()


def test_magnitudes_of_coils_are_added_as_squares():
    assert root_sum_of_squares(np.array([3.0, 4j])[:, None, None]).item() == 5


# laws


@pytest.mark.parametrize("shape", SHAPES)
def test_the_transform_is_unitary(shape):
    x, y = noise(shape), noise(shape, 1)
    assert to_image(to_kspace(x)) == pytest.approx(x)
    assert np.linalg.norm(to_kspace(x)) == pytest.approx(np.linalg.norm(x))
    assert np.vdot(to_kspace(x), y) == pytest.approx(np.vdot(x, to_image(y)))


@pytest.mark.parametrize("shape", SHAPES)
def test_zero_filling_is_the_adjoint_of_sampling(shape):
    x, y, mask = noise(shape), noise(shape, 1), random_mask(shape, 2.0)
    assert np.vdot(mask * to_kspace(x), y) == pytest.approx(np.vdot(x, zero_filled(y, mask)))


@pytest.mark.parametrize("pattern", ["random", "equispaced", "radial"])
def test_without_weight_the_samples_are_kept(pattern):
    kspace = to_kspace(blocks(64) + 0.1 * noise((64, 64)))
    mask = random_mask(kspace.shape, 5, pattern=pattern)
    for image in (zero_filled(kspace, mask), total_variation(kspace, mask)):
        assert to_kspace(image)[mask] == pytest.approx(kspace[mask], abs=1e-10)


@pytest.mark.parametrize("weight", [0.0, 0.002, 0.05])
def test_more_iterations_cost_less(weight):
    kspace = to_kspace(blocks(64) + 0.05 * noise((64, 64)))
    mask = random_mask(kspace.shape)

    def cost(iterations):
        image = total_variation(kspace, mask, weight=weight, iterations=iterations)
        return next(iterates(to_kspace(image), np.ones(mask.shape, bool), weight=0))[1]

    costs = taken_up_to(kspace, mask, 100, weight=weight)
    best = np.minimum.accumulate(costs)
    assert best[-1] < best[30] < best[5] < costs[0]
    assert max(after / before for before, after in pairwise(costs[50:])) < 1 + 1e-4
    assert cost(60) < cost(1) or weight == 0.05


def test_samples_outside_the_mask_are_not_looked_at():
    kspace, mask = noise((16, 16)), random_mask((16, 16))
    spoilt = np.where(mask, kspace, np.nan)
    for found, expected in (
        (zero_filled(spoilt, mask), zero_filled(kspace, mask)),
        (total_variation(spoilt, mask), total_variation(kspace, mask)),
    ):
        assert (found == expected).all()


def test_a_brighter_image_gives_the_same_one_brighter():
    kspace, mask = to_kspace(blocks(32)), random_mask((32, 32))
    once, times = (total_variation(kspace * by, mask, weight=0.01) for by in (1, 4095))
    assert times == pytest.approx(4095 * once, abs=1e-6)


def test_images_of_a_stack_are_reconstructed_each_by_itself():
    images = np.stack([blocks(32), 100 * noise((32, 32)), np.zeros((32, 32))])
    mask = random_mask((32, 32))
    together = total_variation(to_kspace(images), mask, weight=0.01, iterations=20)
    for image, found in zip(images, together, strict=True):
        assert found == pytest.approx(total_variation(to_kspace(image), mask, weight=0.01, iterations=20))


@pytest.mark.parametrize(("given", "expected"), [("complex64", "complex64"), ("complex128", "complex128")])
def test_precision_is_kept(given, expected):
    kspace, mask = noise((8, 8)).astype(given), random_mask((8, 8))
    assert {f(kspace, mask).dtype for f in (zero_filled, total_variation)} == {np.dtype(expected)}


# agreement


@pytest.mark.parametrize("weight", [0.0, 0.01])
def test_a_primal_dual_algorithm_finds_the_same(weight):
    """Chambolle and Pock, A first-order primal-dual algorithm (doi:10.1007/s10851-010-0251-1), algorithm 1."""
    truth = blocks(48)
    kspace, mask = to_kspace(truth + 0.02 * noise((48, 48))), random_mask((48, 48), 3)
    w = weight * np.abs(zero_filled(kspace, mask)).max()
    x = ahead = zero_filled(kspace, mask)
    p = np.zeros((2, 48, 48), complex)
    tau = sigma = 8**-0.5
    for _ in range(3000):
        p = p + sigma * np.stack([np.roll(ahead, -1, 0) - ahead, np.roll(ahead, -1, 1) - ahead])
        p /= np.maximum(1, np.sqrt((np.abs(p) ** 2).sum(0)) / (w or 1))
        divergence = p[0] - np.roll(p[0], 1, 0) + p[1] - np.roll(p[1], 1, 1)
        spectrum = to_kspace(x + tau * divergence)
        kept = (spectrum + tau * kspace) / (1 + tau) if weight else kspace
        before, x = x, to_image(np.where(mask, kept, spectrum))
        ahead = 2 * x - before
    found = total_variation(kspace, mask, weight=weight, iterations=1000)
    assert nrmse(found, x) < 2e-3


# refusals


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf")])
def test_a_weight_below_0_is_refused(weight):
    with pytest.raises(SettingError, match=r"total-variation weight is .*; expected 0 \(samples are kept\) or more"):
        total_variation(noise((4, 4)), np.ones((4, 4), bool), weight=weight)


def test_no_iteration_is_refused():
    with pytest.raises(SettingError, match="iterations is 0; expected at least 1"):
        total_variation(noise((4, 4)), np.ones((4, 4), bool), iterations=0)


@pytest.mark.parametrize("mask", [np.ones((4, 5), bool), np.ones((4, 4)), np.ones((1, 4, 4), bool)])
def test_a_mask_that_does_not_fit_is_refused(mask):
    for reconstruct in (zero_filled, total_variation):
        with pytest.raises(ImageError, match=r"the mask is .* and k-space \(4, 4\); expected bool \(4, 4\)"):
            reconstruct(noise((4, 4)), mask)


def test_samples_that_are_no_numbers_are_refused():
    with pytest.raises(ImageError, match="k-space has NaN or infinite samples"):
        total_variation(np.full((4, 4), np.nan), np.ones((4, 4), bool))


@pytest.mark.parametrize("shape", [(4,), (0, 4)])
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(ImageError, match=r"expected \(…, rows, cols\), none of them 0"):
        to_kspace(np.zeros(shape))
