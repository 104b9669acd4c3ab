"""Local moments under any symmetric window, against sums over every window; also wider than a strip."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from orbiq.metrics.moments_kernel import local_moments, similarity_maps, similarity_ring
from orbiq.metrics.windows import gaussian_taps, uniform_taps, whole_windows

SHAPES = {3: (9, 11), 7: (7, 7), 8: (20, 1400), 11: (13, 1300), 16: (40, 41), 17: (18, 700)}


def _by_sums(x, y, taps):
    size = taps.size
    weights = np.outer(taps, taps)
    a, b = (sliding_window_view(v, (size, size)) for v in (x, y))
    ma, mb = (np.einsum("rcij,ij->rc", v, weights) for v in (a, b))
    da, db = a - ma[..., None, None], b - mb[..., None, None]
    second = [np.einsum("rcij,rcij,ij->rc", p, q, weights) for p, q in ((da, da), (db, db), (da, db))]
    return np.array([ma, mb, *second])


def _pair(shape, offset=0.0):
    return np.random.default_rng(0).normal(offset, 2, (2, *shape))


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("uniform", [True, False])
def test_moments_are_the_sums_over_windows(size, uniform):
    taps = uniform_taps(size) if uniform else gaussian_taps(size, size / 6)
    x, y = _pair(SHAPES[size])
    np.testing.assert_allclose(local_moments(x, y, taps, 0.0), _by_sums(x, y, taps), atol=1e-12)


def test_a_pivot_saves_small_variances_on_a_large_offset():
    x, y = _pair((30, 40), 1e8)
    taps = gaussian_taps(11, 1.5)
    true = _by_sums(x, y, taps)
    np.testing.assert_allclose(local_moments(x, y, taps, 1e8), true, rtol=1e-12, atol=1e-6)
    flat = np.full((12, 12), 3.7)
    assert not local_moments(flat, flat, taps, 3.7)[2:].any()
    assert (local_moments(flat, flat, taps, 0.0)[2:4] >= 0).all()


@pytest.mark.parametrize("size", SHAPES)
def test_similarity_follows_from_the_moments(size):
    x, y = _pair(SHAPES[size], 5.0)
    taps = gaussian_taps(size, size / 6)
    ssim, contrast = np.empty((2, x.shape[0] - size + 1, x.shape[1] - size + 1))
    similarity_maps(x, y, taps, 0.3, 0.7, 1.25, similarity_ring(size), ssim, contrast)
    mx, my, vx, vy, cov = _by_sums(x, y, taps)
    expected = (2.5 * cov + 0.7) / (1.25 * (vx + vy) + 0.7)
    np.testing.assert_allclose(contrast, expected, atol=1e-12)
    np.testing.assert_allclose(ssim, expected * (2 * mx * my + 0.3) / (mx**2 + my**2 + 0.3), atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 3, 11])
def test_windows_are_whole_where_all_pixels_are_valid(size):
    mask = np.random.default_rng(1).random((14, 15)) > 0.05
    expected = sliding_window_view(mask, (size, size)).all(axis=(2, 3))
    assert np.array_equal(whole_windows(mask, size), expected)
    assert whole_windows(mask[:5], 6).shape == (0, 10)
