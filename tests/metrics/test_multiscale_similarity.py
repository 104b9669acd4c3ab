"""Structural similarity at five scales: the formula by hand, its laws, an independent version, published values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.metrics import structural_similarity

from orbiq.errors import ImageError, UnknownName
from orbiq.metrics.multiscale_similarity import WEIGHTS, ms_ssim
from orbiq.tiles import tiling
from tests.metrics.known_pairs import goldhill, i01, synthetic_pair


def _scene(seed=0, shape=(200, 213, 1)):
    rng = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(rng.normal(0, 400, shape), (2, 2, 0)) + 128
    return np.clip(image, 0, 255), np.clip(image + rng.normal(0, 20, shape), 0, 255)


# known answers


def test_constant_images_score_their_means_at_the_last_scale():
    c1 = 2.55**2
    flat = np.full((176, 190), 50.0)
    assert ms_ssim(flat, 3 * flat, peak=255) == pytest.approx(
        ((2 * 50 * 150 + c1) / (50**2 + 150**2 + c1)) ** 0.1333, abs=1e-12
    )


def test_images_that_contradict_each_other_score_0_and_not_nan():
    noise, _ = _scene()
    assert ms_ssim(noise, 255 - noise, peak=255) == 0


def test_brightness_counts_at_the_last_scale_alone():
    """Contrast of scales 1 to 4 does not see brightness."""
    x, _ = _scene(1)
    c1, brighter = 2.55**2, x / 2 + 100
    same = ms_ssim(x / 2 + 20, brighter, peak=255)
    low, high = ((2 * m * (m + 80) + c1) / (m**2 + (m + 80) ** 2 + c1) for m in (60, 110))
    assert low**0.1333 < same < high**0.1333


# laws


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_identity_symmetry_range_and_gain(seed):
    x, y = _scene(seed, (176, 180, 1))
    score = ms_ssim(x, y, peak=255)
    assert ms_ssim(x, x, peak=255) == pytest.approx(1, abs=1e-12)
    assert ms_ssim(y, x, peak=255) == pytest.approx(score, abs=1e-12)
    assert 0 <= score < 1
    assert ms_ssim(x * 16, y * 16, peak=255 * 16) == pytest.approx(score, abs=1e-12)


@pytest.mark.parametrize("shape", [(200, 213, 3), (177, 600, 1)])
def test_tiled_is_whole(shape):
    x, y = _scene(2, shape)
    mask = np.ones(shape[:2], bool)
    mask[170:172, 203] = False
    mask[:20, :30] = False
    for valid in (None, mask):
        with tiling(size=10**6):
            whole = ms_ssim(x, y, peak=255, mask=valid)
        for size in (16, 48, 100):
            with tiling(size=size, threads=2):
                assert ms_ssim(x, y, peak=255, mask=valid) == pytest.approx(whole, abs=1e-12)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 23), st.integers(0, 33))
def test_masked_is_cropped_wherever_the_mask_begins(top, left):
    x, y = _scene(3, (200, 213, 1))
    inner = slice(top, top + 177), slice(left, left + 180)
    cropped = ms_ssim(x[inner], y[inner], peak=255)
    mask = np.zeros(x.shape[:2], bool)
    mask[inner] = True
    x[~mask], y[~mask] = np.nan, 1e9
    assert ms_ssim(x, y, peak=255, mask=mask) == pytest.approx(cropped, abs=1e-12)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_dtypes_of_the_same_values_score_the_same(dtype):
    x, y = (np.round(a) for a in _scene(4))
    assert ms_ssim(x.astype(dtype), y.astype(dtype), peak=255) == pytest.approx(ms_ssim(x, y, peak=255), abs=1e-12)


def test_float32_at_an_offset_is_float64():
    x, y = ((a + 50000).astype(np.float32) for a in _scene(5))
    wide = ms_ssim(x.astype(float), y.astype(float), peak=65535)
    assert ms_ssim(x, y, peak=65535) == pytest.approx(wide, abs=1e-12)
    assert ms_ssim(x[..., 0], y[..., 0], peak=65535) == ms_ssim(x, y, peak=65535)


def test_bands_score_their_mean_and_luma_its_own():
    x, y = _scene(6, (180, 190, 3))
    each = [ms_ssim(x[..., k], y[..., k], peak=255) for k in range(3)]
    assert ms_ssim(x, y, peak=255) == pytest.approx(np.mean(each), abs=1e-12)
    luma = [a @ [0.299, 0.587, 0.114] for a in (x, y)]
    assert ms_ssim(x, y, peak=255, bands="luma") == pytest.approx(ms_ssim(*luma, peak=255), abs=1e-12)


# agreement


@pytest.mark.parametrize("shape", [(176, 256), (201, 179)])
def test_a_version_of_filters_says_the_same(shape):
    """Box filter and every second pixel, symmetric at the border; maps of scikit-image, whose SSIM gives contrast too."""
    x, y = (a[..., 0] for a in _scene(7, (*shape, 1)))
    score = 1.0
    for k, weight in enumerate(WEIGHTS):
        score *= _contrast(x, y, whole=k == 4) ** weight
        x, y = (ndimage.uniform_filter(a, 2, mode="reflect", origin=-1)[::2, ::2] for a in (x, y))
    again = _scene(7, (*shape, 1))
    assert ms_ssim(*again, peak=255) == pytest.approx(score, abs=1e-10)


def _contrast(x, y, *, whole):
    gauss = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    _, full = structural_similarity(x, y, full=True, **gauss)
    mx, my = (ndimage.gaussian_filter(a, 1.5, truncate=3.5) for a in (x, y))
    luminance = (2 * mx * my + 2.55**2) / (mx**2 + my**2 + 2.55**2)
    return (full if whole else full / luminance)[5:-5, 5:-5].mean()


# golden


def test_the_synthetic_pair():
    assert ms_ssim(*synthetic_pair()) == pytest.approx(0.98957467, abs=1e-7)


def test_goldhill(test_data):
    assert ms_ssim(*goldhill(test_data)) == pytest.approx(0.901163, abs=2e-6)


def test_i01(test_data):
    assert ms_ssim(*i01(test_data)) == pytest.approx(0.879965, abs=2e-6)


# bad input


def test_bad_input_is_one_sentence():
    x, y = (a.astype(np.uint8) for a in _scene(8))
    with pytest.raises(ImageError, match=r"image has 175 × 213 valid rows and cols; ms_ssim needs 176 × 176 at least"):
        ms_ssim(x[:175], y[:175])
    mask = np.zeros((200, 213), bool)
    mask[10:180, 5:] = True
    with pytest.raises(ImageError, match=r"image has 170 × 208 valid rows and cols"):
        ms_ssim(x, y, mask=mask)
    mask = np.ones((200, 213), bool)
    mask[::20, ::20] = False
    with pytest.raises(ImageError, match=r"no valid window of 176 × 176 pixels, 11 × 11 at the fifth scale"):
        ms_ssim(x, y, mask=mask)
    with pytest.raises(ImageError, match="mask of reference holds no valid pixel"):
        ms_ssim(x, y, mask=np.zeros((200, 213), bool))
    with pytest.raises(ImageError, match=r"reference is \(200, 213, 1\) but image is \(200, 212, 1\)"):
        ms_ssim(x, y[:, 1:])
    with pytest.raises(ImageError, match="NaN or infinite"):
        ms_ssim(x, np.where(y == y[3, 4], np.nan, y.astype(float)))
    with pytest.raises(ImageError, match="nobody said the largest value"):
        ms_ssim(x.astype(float), y)
    with pytest.raises(ImageError, match="above its peak of 9"):
        ms_ssim(x, y, peak=9)
    with pytest.raises(ImageError, match="complex128; expected real numbers"):
        ms_ssim(x.astype(complex), y)
    with pytest.raises(ImageError, match="has 1 bands but bands='luma' needs red, green and blue"):
        ms_ssim(x, y, bands="luma")
    with pytest.raises(UnknownName, match="no choice of bands named 'rgb'"):
        ms_ssim(x, y, bands="rgb")
