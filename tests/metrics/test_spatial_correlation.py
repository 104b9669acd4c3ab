"""Spatial correlation coefficient: both definitions, borders included."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage, signal

from orbiq.errors import ImageError, SettingError, UnknownName
from orbiq.metrics.spatial_correlation import details, scc
from orbiq.tiles import tiling

VARIANTS = ("windows", "global")


def _pair(seed=0, shape=(29, 34, 2)):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 4096, shape).astype(np.uint16)
    return image, np.clip(image + rng.normal(0, 900, shape), 0, 4095).astype(np.uint16)


def _by_scipy(x, y, window=8):
    """One band by filters of SciPy: symmetric border for the Laplacian, zeros for the window."""
    kernel = np.full((3, 3), -1.0)
    kernel[1, 1] = 8
    a, b = (ndimage.correlate(v.astype(float), kernel, mode="reflect") for v in (x, y))
    mean = np.full((window, window), 1 / window**2)

    def average(v):
        return signal.correlate2d(v, mean, mode="full")[(window - 1) // 2 :, (window - 1) // 2 :][
            : v.shape[0], : v.shape[1]
        ]

    va, vb = average(a * a) - average(a) ** 2, average(b * b) - average(b) ** 2
    return ((average(a * b) - average(a) * average(b)) / np.sqrt(va * vb)).mean()


# known answers


def test_details_of_a_dot_a_slope_and_a_flat():
    dot = np.zeros((5, 5))
    dot[2, 2] = 1
    assert details(dot)[2, 2] == 8
    assert details(dot)[1:4, 1:4].sum() == 0
    slope = 0.1 * np.add.outer(np.arange(9.0), 3 * np.arange(7.0))
    assert not details(slope)[1:-1, 1:-1].any()
    assert not details(np.full((4, 4), 0.1)).any()


def test_details_at_a_mask_are_those_of_the_crop():
    image = np.random.default_rng(0).random((12, 13))
    mask = np.zeros(image.shape, bool)
    mask[2:9, 3:11] = True
    assert details(image, mask)[2:9, 3:11] == pytest.approx(details(image[2:9, 3:11].copy()), abs=1e-14)


@pytest.mark.parametrize("variant", VARIANTS)
def test_equal_is_1_inverse_is_minus_1_independent_is_0(variant):
    noise, other = np.random.default_rng(1).normal(0, 1, (2, 200, 200))
    assert scc(noise, noise, variant=variant) == pytest.approx(1, abs=1e-12)
    assert scc(noise, -noise, variant=variant) == pytest.approx(-1, abs=1e-12)
    assert abs(scc(noise, other, variant=variant)) < 0.02


@pytest.mark.parametrize("variant", VARIANTS)
def test_equal_images_score_1_where_most_is_flat(variant):
    image = np.full((64, 64), 0.1)
    image[30:34, 30:34] = np.arange(16).reshape(4, 4)
    assert scc(image, image, variant=variant) == pytest.approx(1, abs=1e-12)
    flattened = np.full_like(image, 0.1)
    assert scc(image, flattened, variant=variant) == 0


# laws


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(8, 40), window=st.integers(2, 11))
@pytest.mark.parametrize("variant", VARIANTS)
def test_tiled_is_whole_and_masked_is_cropped(variant, seed, size, window):
    first, second = _pair(seed)
    mask = np.zeros(first.shape[:2], bool)
    mask[4:25, 3:] = True
    spoilt = np.where(mask[..., None], second, np.nan)
    with tiling(size=10**6):
        whole = scc(first, second, variant=variant, window=window)
        cropped = scc(first[4:25, 3:], second[4:25, 3:], variant=variant, window=window)
    with tiling(size=size):
        assert scc(first, second, variant=variant, window=window) == pytest.approx(whole, abs=1e-12)
        assert scc(first, spoilt, variant=variant, window=window, mask=mask) == pytest.approx(cropped, abs=1e-12)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), gain=st.sampled_from([0.25, 8.0]), offset=st.sampled_from([-1024.0, 65536.0]))
@pytest.mark.parametrize("variant", VARIANTS)
def test_symmetry_gain_and_offset(variant, seed, gain, offset):
    first, second = (v.astype(float) for v in _pair(seed))
    score = scc(first, second, variant=variant)
    assert scc(second, first, variant=variant) == pytest.approx(score, abs=1e-12)
    assert scc(first, gain * second + offset, variant=variant) == pytest.approx(score, abs=1e-9)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_any_dtype(variant, dtype):
    first, second = (v // 16 for v in _pair())
    assert scc(first.astype(dtype), second.astype(dtype), variant=variant) == scc(first, second, variant=variant)


def test_precise_at_an_offset_of_50000():
    rng = np.random.default_rng(2)
    first = (50_000 + rng.normal(0, 1, (40, 40))).astype(np.float32)
    second = (first + rng.normal(0, 1, first.shape)).astype(np.float32)
    assert scc(first, second) == scc(first.astype(float), second.astype(float))
    assert scc(first, second) == pytest.approx(scc(first - 50_000.0, second - 50_000.0), abs=1e-9)


# agreement


@pytest.mark.parametrize("window", [5, 8])
def test_as_filters_of_scipy(window):
    first, second = _pair(3, (40, 33))
    assert scc(first, second, window=window) == pytest.approx(_by_scipy(first, second, window), abs=1e-12)


def test_global_is_the_correlation_of_the_laplacians():
    first, second = (v.astype(float) for v in _pair(4, (40, 33)))
    kernel = np.where(np.arange(9) == 4, 8.0, -1.0).reshape(3, 3)
    a, b = (ndimage.correlate(v, kernel, mode="reflect").ravel() for v in (first, second))
    assert scc(first, second, variant="global") == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-12)


# golden: value of torchmetrics 1.9.0 and sewar 0.4.10, which agree


def test_i01_and_its_distortion(test_data):
    folder = test_data / "iqa-golden/piq"
    first, second = (np.array(Image.open(folder / name).convert("RGB")) for name in ("I01.BMP", "i01_01_5.bmp"))
    assert scc(first, second) == pytest.approx(0.45784726510477713, abs=1e-12)


def test_the_licence_free_pair():
    y, x = np.mgrid[:256, :256]
    waves = 60 * np.sin(2 * np.pi * x / 37) + 40 * np.cos(2 * np.pi * y / 23) + 20 * np.sin(2 * np.pi * (x + y) / 11)
    first = np.round(127.5 + waves)
    second = np.clip(np.round(first + np.random.default_rng(42).normal(0, 10, first.shape)), 0, 255)
    assert scc(first, second) == pytest.approx(0.29427233739655034, abs=1e-12)


@pytest.mark.parametrize("mask", [None, np.arange(40 * 50).reshape(40, 50) >= 50 * 5])
def test_what_rounding_leaves_of_a_smooth_surface_is_no_detail(mask):
    """The details of a quadratic surface are constant: whole numbers say so exactly."""
    rows, cols = np.mgrid[:40, :50]
    first, second = 3 * rows**2 + cols**2, rows**2 + rows * cols + 5 * cols**2
    exact = scc(first, second, mask=mask)
    assert scc(0.1 * first, 0.7 * second, mask=mask) == pytest.approx(exact, abs=1e-12)
    with tiling(size=16):
        assert scc(0.1 * first, 0.7 * second, mask=mask) == pytest.approx(exact, abs=1e-12)


def test_faint_detail_on_a_bright_ground_counts():
    faint, other = np.random.default_rng(3).normal(0, 1e-9, (2, 60, 60))
    assert scc(50_000 + faint, 50_000 + faint) == pytest.approx(1, abs=1e-9)
    bright = np.zeros((60, 60))
    bright[:, 40:] = 1e12
    assert scc(bright + 1e9 * faint, bright + 1e9 * faint) == pytest.approx(1, abs=1e-9)
    assert abs(scc(faint, other)) < 0.1


# bad input


def test_bad_input():
    first, second = _pair()
    with pytest.raises(ImageError, match="has no valid detail to measure"):
        scc(np.full((20, 20), 7), np.full((20, 20), 9))
    with pytest.raises(ImageError, match="has no valid detail to measure"):
        scc(np.full((20, 20), 7), np.full((20, 20), 9), variant="global")
    with pytest.raises(UnknownName, match="no variant of scc named 'local'"):
        scc(first, second, variant="local")
    with pytest.raises(SettingError, match="window is 0"):
        scc(first, second, window=0)
    with pytest.raises(ImageError, match="reference is .* but image is"):
        scc(first, second[1:])
    with pytest.raises(ImageError, match="NaN or infinite"):
        scc(first, np.where(second == second.max(), np.nan, second))
