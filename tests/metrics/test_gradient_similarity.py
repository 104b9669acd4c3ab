"""GMSD: two values by hand, laws, the paper in plain NumPy, and values of the authors' MATLAB."""

from math import sqrt

import cv2
import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve2d

from orbiq.arrays import Scene
from orbiq.errors import ImageError, UnknownName
from orbiq.metrics.gradient_similarity import gmsd, gmsd_map
from orbiq.tiles import tiling


def _pair(seed=0, *, shape=(60, 70, 3), noise=20):
    rng = np.random.default_rng(seed)
    image = np.cumsum(rng.normal(0, 12, shape), axis=1) + 120
    return tuple(np.clip(np.rint(a), 0, 255).astype(np.uint8) for a in (image, image + rng.normal(0, noise, shape)))


def _plain(x, y):
    """From the paper, of one band on a scale of 255."""

    def same(plane, kernel):
        full = convolve2d(plane, kernel)
        top, left = kernel.shape[0] // 2, kernel.shape[1] // 2
        return full[top : top + plane.shape[0], left : left + plane.shape[1]]

    def gradient(plane):
        half = same(plane.astype(float), np.full((2, 2), 0.25))[::2, ::2]
        prewitt = np.array([[1, 0, -1]] * 3) / 3
        return np.hypot(same(half, prewitt), same(half, prewitt.T))

    a, b = gradient(x), gradient(y)
    return np.std((2 * a * b + 170) / (a**2 + b**2 + 170), ddof=1)


def test_two_values_by_hand():
    """Halves are (0, 0) and (0, 30): gradients 0, 0 and 10, 0, similarities 170/270 and 1."""
    black = np.zeros((2, 4), np.uint8)
    image = np.array([[0, 0, 30, 30]] * 2, np.uint8)
    assert gmsd(black, image) == pytest.approx((1 - 170 / 270) / sqrt(2), rel=1e-12)
    assert gmsd_map(black, image)[..., 0] == pytest.approx(np.array([[170 / 270, 1]]), rel=1e-12)


def test_what_does_not_vary_is_not_seen():
    assert gmsd(np.full((8, 8), 50, np.uint8), np.full((8, 8), 50, np.uint8)) == 0


@given(seed=st.integers(0, 99), rows=st.integers(2, 40), cols=st.integers(3, 40))
@settings(max_examples=10, deadline=None)
def test_zero_for_equal_images_and_symmetric(seed, rows, cols):
    first, second = _pair(seed, shape=(rows, cols, 2))
    assert gmsd(first, first) == 0
    assert gmsd(first, second) == gmsd(second, first)


@given(seed=st.integers(0, 99), size=st.integers(8, 50), odd=st.integers(0, 1))
@settings(max_examples=10, deadline=None)
def test_tiled_is_whole(seed, size, odd):
    pair = _pair(seed, shape=(60 + odd, 71 - odd, 3))
    with tiling(size=10**6):
        whole, whole_map = gmsd(*pair), gmsd_map(*pair)
    with tiling(size=size):
        assert gmsd(*pair) == pytest.approx(whole, rel=1e-10)
        assert np.array_equal(gmsd_map(*pair), whole_map)


@given(seed=st.integers(0, 99), top=st.integers(0, 20), left=st.integers(0, 20))
@settings(max_examples=10, deadline=None)
def test_masked_is_cropped(seed, top, left):
    first, second = _pair(seed)
    mask = np.zeros(first.shape[:2], bool)
    mask[top : top + 31, left : left + 36] = True
    cropped = gmsd(first[top : top + 31, left : left + 36], second[top : top + 31, left : left + 36])
    spoilt = np.where(mask[..., None], second, 255)
    assert gmsd(first, spoilt, mask=mask) == pytest.approx(cropped, rel=1e-10)
    assert gmsd(Scene(array=first, mask=mask), spoilt) == pytest.approx(cropped, rel=1e-10)


def test_a_hole_is_black_in_both_images_and_does_not_count():
    first, second = _pair()
    mask = np.ones(first.shape[:2], bool)
    mask[20:30, 20:30] = False
    blackened = [np.where(mask[..., None], a, 0) for a in (first, second)]
    masked = gmsd(first, second, mask=mask)
    values = gmsd_map(*blackened)[mask[::2, ::2]]
    assert masked == pytest.approx(values.std(axis=0, ddof=1).mean(), rel=1e-10)
    assert np.isnan(gmsd_map(first, second, mask=mask)[10:15, 10:15]).all()


def test_the_smallest_tiles_see_a_hole():
    first, second = _pair(shape=(12, 12, 1))
    mask = np.ones((12, 12), bool)
    mask[4:6, 6:8] = False
    with tiling(size=2):
        tiled = gmsd(first, second, mask=mask)
    assert tiled == pytest.approx(gmsd(first, second, mask=mask), rel=1e-10)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_units_do_not_matter(dtype):
    first, second = _pair()
    score = gmsd(first, second)
    assert gmsd(first.astype(dtype), second.astype(dtype), peak=255) == pytest.approx(score, rel=1e-12)
    scaled = gmsd((16 * first.astype(float)).astype(dtype), (16 * second.astype(float)).astype(dtype), peak=4080)
    assert scaled == pytest.approx(score, rel=1e-12)


def test_float32_is_float64_at_an_offset():
    first, second = (a.astype(np.float32) + np.float32(50_000) for a in _pair())
    single, double = gmsd(first, second, peak=65535), gmsd(first.astype(float), second.astype(float), peak=65535)
    assert single == pytest.approx(double, rel=1e-12)


def test_bands():
    first, second = _pair()
    each = [gmsd(first[..., k], second[..., k]) for k in range(3)]
    assert gmsd(first, second) == pytest.approx(np.mean(each), rel=1e-12)
    luma = [a @ np.array([0.299, 0.587, 0.114]) for a in (first, second)]
    assert gmsd(first, second, bands="luma") == pytest.approx(gmsd(*luma, peak=255), rel=1e-12)
    assert gmsd_map(first, second, bands="luma").shape == (30, 35, 1)


def test_windows_of_other_memory_layouts():
    first, second = _pair()
    score = gmsd(first[3:50:2, 5:60], second[3:50:2, 5:60])
    assert gmsd(*(np.ascontiguousarray(a[3:50:2, 5:60]) for a in (first, second))) == score
    assert gmsd(np.asfortranarray(first), second[..., ::-1][..., ::-1]) == gmsd(first, second)


def test_more_noise_is_worse():
    scores = [gmsd(*_pair(noise=noise)) for noise in (2, 5, 10, 20)]
    assert scores == sorted(scores)


@pytest.mark.parametrize(
    ("first", "second", "options", "message"),
    [
        (np.zeros((8, 8)), np.zeros((8, 9)), {"peak": 1}, "Crop or resample"),
        (np.zeros((8, 8)), np.zeros((8, 8)), {}, "peak=4095"),
        (np.ones((8, 8)) * 2, np.zeros((8, 8)), {"peak": 1}, "above its peak"),
        (np.full((8, 8), np.nan), np.zeros((8, 8)), {"peak": 1}, "NaN or infinite"),
        (np.zeros((8, 8), complex), np.zeros((8, 8), complex), {"peak": 1}, "real part"),
        (np.zeros((8, 8)), np.zeros((8, 8)), {"peak": 1, "mask": np.zeros((8, 8), bool)}, "no valid pixel"),
        (np.zeros((2, 2)), np.zeros((2, 2)), {"peak": 1}, "no valid pair of 2 × 2 pixels"),
        (np.zeros((8, 8)), np.zeros((8, 8)), {"peak": 1, "bands": "luma"}, "needs red, green and blue"),
    ],
)
def test_what_is_refused(first, second, options, message):
    with pytest.raises(ImageError, match=message):
        gmsd(first, second, **options)


def test_unknown_choice_of_bands():
    with pytest.raises(UnknownName, match="choice of bands"):
        gmsd(np.zeros((8, 8)), np.zeros((8, 8)), peak=1, bands="all")


@pytest.mark.parametrize("shape", [(33, 40), (20, 21), (3, 3)])
def test_agrees_with_the_paper_in_plain_numpy(shape):
    first, second = _pair(5, shape=shape)
    assert gmsd(first, second) == pytest.approx(_plain(first, second), rel=1e-10)


def test_synthetic_pair():
    """piq 0.8.0 gives .01704423: it divides by n, not n − 1."""
    x, y = np.meshgrid(np.arange(256), np.arange(256))
    waves = 60 * np.sin(2 * np.pi * x / 37) + 40 * np.cos(2 * np.pi * y / 23) + 20 * np.sin(2 * np.pi * (x + y) / 11)
    first = np.round(127.5 + waves)
    second = np.clip(np.round(first + np.random.default_rng(42).normal(0, 10, first.shape)), 0, 255)
    assert gmsd(first.astype(np.uint8), second.astype(np.uint8)) == pytest.approx(0.01704423, abs=1e-6)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_golden(test_data):
    folder = test_data / "iqa-golden" / "piq"
    grey = []
    for name in ("goldhill.gif", "goldhill_jpeg.gif"):
        with rasterio.open(folder / name) as source:
            grey.append(source.read(1))
    assert gmsd(*grey) == pytest.approx(0.138012587141798, abs=1e-9)
    colour = [cv2.imread(str(folder / name))[..., ::-1] for name in ("I01.BMP", "i01_01_5.bmp")]
    assert gmsd(*colour, bands="luma") == pytest.approx(0.094124655829098, abs=1e-9)
