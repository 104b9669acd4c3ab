"""Point spread functions by their MTF: closed forms, the transfer that pixels really get, laws, mask and borders."""

from math import pi

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from orbiq.errors import ImageError, SettingError
from orbiq.optics import blur
from orbiq.optics_transfer import airy_psf, box_psf, defocus_psf, gaussian_psf, motion_psf, through

PSFS = {
    "narrow gaussian": gaussian_psf(0.3),
    "gaussian": gaussian_psf(1.4),
    "box": box_psf(1.0),
    "wide box": box_psf(2.5),
    "motion": motion_psf(3.0, angle_deg=30),
    "defocus": defocus_psf(2.5),
    "airy": airy_psf(0.8),
    "obscured": airy_psf(1.3, obscuration=0.4),
}


def wave(fx, fy, shape=(97, 301)):
    rows, cols = np.indices(shape)
    return np.cos(2 * pi * (fx * cols + fy * rows))[:, :, None]


@pytest.mark.parametrize("name", PSFS)
@pytest.mark.parametrize(("fx", "fy"), [(0.05, 0.0), (0.2, 0.1), (0.0, 0.35), (0.43, 0.0), (0.3, 0.3), (0.48, 0.0)])
def test_a_wave_loses_what_the_formula_says(name, fx, fy):
    given = wave(fx, fy)
    seen = through(given, PSFS[name])
    inner = np.s_[40:-40, 60:-60]
    got = float((seen[inner] * given[inner]).sum() / (given[inner] ** 2).sum())
    expected = float(PSFS[name].mtf(np.array(fx), np.array(fy)))
    assert got == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("name", PSFS)
def test_an_impulse_has_the_mtf_up_to_nyquist(name):
    impulse = np.zeros((801, 801, 1))
    impulse[400, 400] = 1
    spread = np.fft.fft2(np.fft.ifftshift(through(impulse, PSFS[name])[..., 0]))
    f = np.fft.fftfreq(801)
    near = np.abs(f) < (0.45 if name == "motion" else 0.5)
    assert np.abs(spread - PSFS[name].mtf(f[None, :], f[:, None]))[np.ix_(near, near)].max() < 1e-3


@pytest.mark.parametrize("width_px", [3.0, 5.0])
def test_fine_boxes_agree_with_sums_over_the_detector(width_px):
    image = gaussian_filter(np.random.default_rng(0).normal(size=(80, 80)), 3)
    width = int(width_px)
    kernel = np.ones(width) / width
    summed = np.apply_along_axis(np.convolve, 1, np.apply_along_axis(np.convolve, 0, image, kernel), kernel)
    cut = width // 2
    summed = summed[cut:-cut, cut:-cut]
    # a box of samples has the transfer sin(πwf)/(w·sin πf): the same light where the image is smooth
    assert np.abs(through(image[..., None], box_psf(width_px))[20:-20, 20:-20, 0] - summed[20:-20, 20:-20]).max() < 2e-3


@pytest.mark.parametrize("obscuration", [0.0, 0.3, 0.7])
def test_the_pupil_autocorrelates_to_the_airy_mtf(obscuration):
    y, x = np.mgrid[-2:2:1024j, -2:2:1024j]
    radius = np.hypot(x, y)
    pupil = ((radius <= 1) & (radius >= obscuration)).astype(float)
    spectrum = np.fft.fft2(pupil)
    shared = np.fft.ifft2(np.abs(spectrum) ** 2).real / pupil.sum()
    shifts = np.arange(0, 512, 32)
    distance = shifts * 4 / 1023
    expected = airy_psf(1.0, obscuration=obscuration).mtf(distance / 2, np.zeros(len(shifts)))
    assert np.abs(shared[0, shifts] - expected).max() < 5e-3


def test_gaussians_add_their_variances_at_any_width():
    image = np.random.default_rng(1).normal(size=(70, 90, 2))
    for first, second, both in [(3.0, 4.0, 5.0), (0.3, 0.4, 0.5)]:
        twice = through(through(image, gaussian_psf(first)), gaussian_psf(second))
        assert np.allclose(twice, through(image, gaussian_psf(both)), atol=2e-4)


@pytest.mark.parametrize("psf", [gaussian_psf(0), box_psf(0), defocus_psf(0), motion_psf(0)])
@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 1, 3), (33, 40, 2)])
def test_no_width_changes_nothing(psf, shape):
    image = np.random.default_rng(2).normal(size=shape)
    assert np.allclose(through(image, psf), image, atol=1e-12)


def test_wide_gaussians_agree_with_the_kernel():
    image = np.random.default_rng(3).normal(size=(60, 45, 1))
    assert np.abs(through(image, gaussian_psf(2.0)) - blur(image, 2.0)).max() < 1e-3


@pytest.mark.parametrize("name", PSFS)
def test_masked_pixels_lend_nothing_and_stay(name):
    rng = np.random.default_rng(4)
    mask = rng.random((30, 40)) < 0.8
    image = np.where(mask[..., None], 5.0, np.nan)
    seen = through(image, PSFS[name], mask=mask)
    assert np.allclose(seen[mask], 5)
    assert np.isnan(seen[~mask]).all()


def test_blocks_leave_no_seam(monkeypatch):
    image = np.random.default_rng(5).normal(size=(300, 270, 1))
    whole = {name: through(image, psf) for name, psf in PSFS.items()}
    monkeypatch.setattr("orbiq.optics_transfer._CORE", 100)
    for name, psf in PSFS.items():
        assert np.abs(through(image, psf) - whole[name]).max() < 5e-3, name
        assert np.sqrt(np.mean((through(image, psf) - whole[name]) ** 2)) < 1e-3, name


def test_dtype_and_input_are_kept():
    image = np.random.default_rng(6).random((9, 11, 3)).astype(np.float32)
    before = image.copy()
    assert through(image, box_psf(1.5)).dtype == np.float32
    assert through(image.astype(np.uint8), box_psf(1.5)).dtype == np.float32
    assert through(image.astype(np.int32), box_psf(1.5)).dtype == np.float64
    assert np.array_equal(image, before)


def test_what_cannot_be_is_said():
    with pytest.raises(SettingError, match="sigma_px is -1; expected a finite number of pixels"):
        gaussian_psf(-1)
    with pytest.raises(SettingError, match="cutoff_cpp is 0; expected more than 0"):
        airy_psf(0)
    with pytest.raises(SettingError, match="obscuration is 1; expected a ratio"):
        airy_psf(1, obscuration=1)
    with pytest.raises(ImageError, match="expected .rows, cols, bands."):
        through(np.zeros((4, 4)), box_psf(1))
    with pytest.raises(ImageError, match="make them agree"):
        through(np.zeros((4, 4, 1)), box_psf(1), mask=np.ones((3, 4), bool))
