"""blur: every PSF by its MTF, dtype, mask, peak, and settings that cannot be."""

from math import pi

import numpy as np
import pytest

from orbiq.arrays import Scene
from orbiq.errors import SettingError, UnknownName
from orbiq.metrics.single_edge import slanted_edge
from orbiq.modifiers.base import MODIFIERS
from orbiq.modifiers.psf import Blur, GaussianBlur
from orbiq.numerics import image_rng
from orbiq.registry import build, parse_spec

SPECS = (
    "gaussian,sigma_px=0.5",
    "jitter,sigma_px=0.4",
    "box,width_px=1.5",
    "airy,cutoff_cpp=1.2,obscuration=0.3",
    "defocus,diameter_px=1.2",
    "motion,length_px=1.5,angle_deg=0",
)


def made(text):
    return build(MODIFIERS, parse_spec(f"blur:psf={text}")[0])


def apply(modifier, scene):
    return modifier(scene, rng=image_rng(0, "a")).scene


def edge(sigma_px):
    from scipy.special import ndtr

    rows, cols = np.mgrid[:64, :64] - 31.5
    angle = np.arctan(0.1)
    return 50 + 150 * ndtr((cols * np.cos(angle) + rows * np.sin(angle)) / sigma_px)


@pytest.mark.parametrize("text", SPECS)
def test_a_wave_loses_contrast_by_the_mtf(text):
    blur = made(text)
    for f in (0.1, 0.3, 0.45):
        wave = np.cos(2 * pi * f * np.arange(400))[None, :, None].repeat(3, 0)
        seen = apply(blur, Scene(array=wave)).array
        inner = np.s_[:, 100:-100]
        got = (seen[inner] * wave[inner]).sum() / (wave[inner] ** 2).sum()
        assert got == pytest.approx(float(blur.spread().mtf(np.array(f), np.array(0.0))), abs=1e-3)


@pytest.mark.parametrize("sigma_px", [0.3, 0.5, 1.0])
def test_a_slanted_edge_has_the_blur_at_widths_that_a_kernel_cannot_hold(sigma_px):
    before = slanted_edge(edge(0.8), shape="gaussian").mtf_nyquist
    after = apply(Blur(psf="gaussian", sigma_px=sigma_px), Scene(array=edge(0.8)[:, :, None])).array
    measured = slanted_edge(after, shape="gaussian").mtf_nyquist
    assert measured == pytest.approx(before * np.exp(-((pi * sigma_px) ** 2) / 2), abs=1e-3)


@pytest.mark.parametrize("text", SPECS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_flat_ground_dtype_mask_and_peak_stay(text, dtype):
    array = np.full((9, 7, 4), 100, dtype)
    array[:3, :3] = 7
    mask = np.ones((9, 7), bool)
    mask[:3, :3] = False
    seen = apply(made(text), Scene(array=array, mask=mask, peak=120))
    assert seen.array.dtype == dtype
    assert seen.peak == 120
    assert np.allclose(seen.array, array, atol=1e-4)


def test_rings_stay_between_nothing_and_the_peak():
    step = np.zeros((16, 32, 1), np.uint16)
    step[:, 16:] = 4095
    seen = apply(made("box,width_px=1"), Scene(array=step, peak=4095)).array
    assert (seen.min(), seen.max()) == (0, 4095)


def test_no_width_is_the_same_image_and_wide_ones_agree_with_gaussian_blur():
    array = np.random.default_rng(0).integers(0, 4096, (40, 50, 2), dtype=np.uint16)
    scene = Scene(array=array, peak=4095)
    assert np.array_equal(apply(Blur(psf="gaussian", sigma_px=0), scene).array, array)
    wide, kernel = (
        apply(b, scene).array.astype(int) for b in (Blur(psf="gaussian", sigma_px=2), GaussianBlur(sigma_px=2))
    )
    assert np.abs(wide - kernel).max() <= 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gaussian", "psf=gaussian needs sigma_px: write blur:psf=gaussian,sigma_px="),
        ("box,width_px=1,sigma_px=1", "psf=box takes no sigma_px; it takes width_px"),
        ("box,width_px=-1", "width_px is -1.0; expected a finite number of pixels"),
        ("airy,cutoff_cpp=0", "cutoff_cpp is 0.0; expected more than 0"),
        ("motion,length_px=2,angle_deg=nan", "angle_deg is nan; expected degrees"),
        ("gausian,sigma_px=1", "psf.*gausian.*expected|no psf of blur named 'gausian'"),
    ],
)
def test_what_cannot_be_is_said(text, message):
    with pytest.raises((SettingError, UnknownName), match=message):
        made(text)
