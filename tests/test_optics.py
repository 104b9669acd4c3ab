"""The Gaussian PSF, blur and decimation against closed forms and an independent implementation."""

from math import ceil, erf, sqrt

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from orbiq.errors import ImageError, SettingError
from orbiq.optics import blur, decimate, gaussian_kernel, mtf_at_nyquist, psf_sigma


def kernel_mtf(kernel, frequency):
    n = np.arange(len(kernel)) - len(kernel) // 2
    return float(kernel @ np.cos(2 * np.pi * frequency * n))


@pytest.mark.parametrize(("factor", "mtf", "sigma"), [(4, 0.2, 2.284), (2, 0.4, 0.862), (3, 0.2, 1.713)])
def test_sigma_of_published_cases(factor, mtf, sigma):
    assert psf_sigma(mtf, gsd=factor) == pytest.approx(sigma, abs=5e-4)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("mtf", [0.05, 0.1, 0.2, 0.3, 0.4])
def test_the_sampled_kernel_has_the_mtf_that_was_asked_for(factor, mtf):
    sigma_px = psf_sigma(mtf, gsd=factor)
    if sigma_px < 0.8:
        pytest.skip("one sample per pixel cannot hold a narrower Gaussian")
    assert kernel_mtf(gaussian_kernel(sigma_px), 1 / (2 * factor)) == pytest.approx(mtf, abs=1e-3)


@pytest.mark.parametrize("sigma_px", [1.0, 1.5, 3.0])
def test_a_gaussian_edge_has_the_relative_edge_response_of_its_sigma(sigma_px):
    fine = 15
    step = np.repeat(np.array([0.0, 1.0]), 40 * fine)
    edge = blur(np.tile(step, (3, 1)), sigma_px * fine)[1]
    response = edge[40 * fine + fine // 2] - edge[40 * fine - fine // 2 - 1]
    assert response == pytest.approx(erf(1 / (2 * sqrt(2) * sigma_px)), abs=1e-3)


def test_decimation_keeps_pixel_centres():
    ramp = np.tile(np.arange(24.0), (24, 1))
    for factor in (1, 2, 3, 4, 5):
        centres = np.arange(24 // factor) * factor + (factor - 1) / 2
        for method in ("sample", "mean"):
            assert np.allclose(decimate(ramp, factor, method=method)[0], centres)


def test_decimation_keeps_bands_and_dtype_and_leaves_out_broken_cells():
    image = np.arange(7 * 8 * 2, dtype=np.uint16).reshape(7, 8, 2)
    small = decimate(image, 3)
    assert small.dtype == np.uint16
    assert np.array_equal(small, image[1:6:3, 1:6:3])


@pytest.mark.parametrize("mtf", [1.0, 0.9, 0.3, 0.01])
def test_sigma_and_mtf_are_inverse(mtf):
    assert mtf_at_nyquist(psf_sigma(mtf, gsd=0.7), gsd=0.7) == pytest.approx(mtf)


def test_two_blurs_add_their_variances():
    image = np.random.default_rng(0).normal(size=(60, 60))
    assert np.allclose(blur(blur(image, 3.0), 4.0)[20:40, 20:40], blur(image, 5.0)[20:40, 20:40], atol=2e-4)


def test_masked_pixels_lend_nothing_and_stay():
    rng = np.random.default_rng(1)
    image, mask = rng.normal(size=(20, 24, 2)), rng.random((20, 24)) < 0.7
    poisoned = np.where(mask[..., None], image, np.nan)
    seen, clean = blur(poisoned, 1.3, mask=mask), blur(image, 1.3, mask=mask)
    assert np.array_equal(seen[mask], clean[mask])
    assert np.isnan(seen[~mask]).all()
    assert np.allclose(blur(image, 1.3, mask=np.ones((20, 24), bool)), blur(image, 1.3))


def test_blur_changes_neither_its_input_nor_float32():
    image = np.random.default_rng(2).random((9, 9, 3)).astype(np.float32)
    before = image.copy()
    assert blur(image, 1.0).dtype == np.float32
    assert blur((image * 255).astype(np.uint8), 1.0).dtype == np.float64
    assert np.array_equal(image, before)
    assert np.array_equal(blur(image, 0.0), image)


@pytest.mark.parametrize("shape", [(17, 23), (17, 23, 1), (5, 4, 3), (6, 6, 200)])
@pytest.mark.parametrize("sigma_px", [0.5, 1.7, 4.0])
def test_blur_agrees_with_scipy(shape, sigma_px):
    image = np.random.default_rng(3).normal(size=shape)
    sigmas = (sigma_px, sigma_px) + (0,) * (len(shape) - 2)
    expected = gaussian_filter(image, sigmas, mode="reflect", truncate=ceil(4 * sigma_px) / sigma_px)
    assert np.allclose(blur(image, sigma_px), expected, atol=1e-12)


def test_what_cannot_be_is_said():
    with pytest.raises(SettingError, match="MTF at Nyquist is 0; expected 0 < MTF"):
        psf_sigma(0)
    with pytest.raises(SettingError, match="gsd is -1"):
        psf_sigma(0.2, gsd=-1)
    with pytest.raises(SettingError, match="sigma of the point spread function is nan"):
        gaussian_kernel(float("nan"))
    with pytest.raises(ImageError, match=r"shape \(4,\)"):
        blur(np.zeros(4), 1.0)
    with pytest.raises(ImageError, match="make them agree"):
        blur(np.zeros((4, 4)), 1.0, mask=np.ones((3, 4), bool))
    with pytest.raises(SettingError, match="factor is 0"):
        decimate(np.zeros((4, 4)), 0)
    with pytest.raises(ImageError, match="holds no cell of 5 × 5"):
        decimate(np.zeros((4, 9)), 5)
