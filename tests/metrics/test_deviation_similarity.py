"""MDSI: two values by hand, laws, the paper in plain NumPy, and values of the authors' MATLAB."""

import cv2
import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve2d

from orbiq.arrays import Scene
from orbiq.errors import ImageError, UnknownName
from orbiq.metrics.deviation_similarity import mdsi
from orbiq.tiles import tiling


def _pair(seed=0, *, shape=(60, 71, 3), noise=15):
    rng = np.random.default_rng(seed)
    image = np.cumsum(rng.normal(0, 10, shape), axis=1) + 120
    return tuple(np.clip(np.rint(a), 0, 255).astype(np.uint8) for a in (image, image + rng.normal(0, noise, shape)))


def _plain(first, second, combination):
    """From the paper, of red, green and blue on a scale of 255."""
    space = np.array([[0.2989, 0.5870, 0.1140], [0.30, 0.04, -0.35], [0.34, -0.60, 0.17]])

    def same(plane, kernel):
        full = convolve2d(plane, kernel)
        top, left = kernel.shape[0] // 2, kernel.shape[1] // 2
        return full[top : top + plane.shape[0], left : left + plane.shape[1]]

    def gradient(plane):
        prewitt = np.array([[1, 0, -1]] * 3) / 3
        return np.hypot(same(plane, prewitt), same(plane, prewitt.T))

    def alike(a, b, constant):
        return (2 * a * b + constant) / (a**2 + b**2 + constant)

    factor = max(1, int(min(first.shape[:2]) / 256 + 0.5))
    box = np.full((factor, factor), 1 / factor**2)
    (l1, h1, m1), (l2, h2, m2) = (
        [same(plane, box)[::factor, ::factor] for plane in np.moveaxis(image @ space.T, 2, 0)]
        for image in (first.astype(float), second.astype(float))
    )
    a, b, fused = gradient(l1), gradient(l2), gradient((l1 + l2) / 2)
    g = (alike(a, b, 140) + alike(b, fused, 55) - alike(a, fused, 55)).astype(complex)
    c = ((2 * (h1 * h2 + m1 * m2) + 550) / (h1**2 + h2**2 + m1**2 + m2**2 + 550)).astype(complex)
    v = (0.6 * g + 0.4 * c if combination == "sum" else g**0.2 * c**0.1) ** 0.25
    return np.abs(v - v.mean()).mean() ** 0.25


def test_two_values_by_hand():
    """Luma (0, 0) and (0, 0.9999·v): gradients 0, 0 and l/3, 0, of both l/6, 0; chroma −0.01·v and −0.09·v at the second."""
    v = 30.0
    g = 0.9999 * v / 3
    gradient = 140 / (g**2 + 140) + (g**2 + 55) / (1.25 * g**2 + 55) - 55 / (0.25 * g**2 + 55)
    chroma = 550 / ((0.01 * v) ** 2 + (0.09 * v) ** 2 + 550)
    values = np.array([0.6 * gradient + 0.4, 0.6 + 0.4 * chroma]) ** 0.25
    found = mdsi(np.array([[0.0, 0.0]]), np.array([[0.0, v]]), peak=255)
    assert found == pytest.approx((abs(values[0] - values[1]) / 2) ** 0.25, rel=1e-9)


@given(seed=st.integers(0, 99), rows=st.integers(2, 40), cols=st.integers(2, 40), bands=st.sampled_from([1, 3]))
@settings(max_examples=8, deadline=None)
def test_zero_for_equal_images(seed, rows, cols, bands):
    first, _ = _pair(seed, shape=(rows, cols, bands))
    assert mdsi(first, first) == 0
    assert mdsi(first, first, combination="product") == 0


@pytest.mark.parametrize("shape", [(390, 400, 3), (641, 650, 1)])
def test_tiled_is_whole(shape):
    pair = _pair(1, shape=shape)
    with tiling(size=10**6):
        whole = mdsi(*pair)
    with tiling(size=97):
        assert mdsi(*pair) == pytest.approx(whole, rel=1e-10)


@given(seed=st.integers(0, 99), top=st.integers(0, 20), left=st.integers(0, 20))
@settings(max_examples=8, deadline=None)
def test_masked_is_cropped(seed, top, left):
    first, second = _pair(seed)
    mask = np.zeros(first.shape[:2], bool)
    mask[top : top + 31, left : left + 36] = True
    cropped = mdsi(first[top : top + 31, left : left + 36], second[top : top + 31, left : left + 36])
    spoilt = np.where(mask[..., None], second, 255)
    assert mdsi(first, spoilt, mask=mask) == pytest.approx(cropped, rel=1e-10)
    assert mdsi(Scene(array=first, mask=mask), spoilt) == pytest.approx(cropped, rel=1e-10)


def test_what_lies_in_a_hole_does_not_matter():
    first, second = _pair()
    mask = np.ones(first.shape[:2], bool)
    mask[20:30, 20:30] = False
    spoilt = np.where(mask[..., None], second, 255).astype(np.uint8)
    assert mdsi(first, spoilt, mask=mask) == mdsi(first, second, mask=mask)
    assert mdsi(first, second, mask=mask) == pytest.approx(mdsi(first, second), abs=0.02)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_units_do_not_matter(dtype):
    first, second = _pair()
    score = mdsi(first, second)
    scaled = [(16 * a.astype(float)).astype(dtype) for a in (first, second)]
    assert mdsi(*scaled, peak=4080) == pytest.approx(score, rel=1e-10)


def test_float32_is_float64_at_an_offset():
    first, second = (a.astype(np.float32) + np.float32(50_000) for a in _pair())
    single = mdsi(first, second, peak=65535)
    assert single == pytest.approx(mdsi(first.astype(float), second.astype(float), peak=65535), rel=1e-12)


def test_one_band_is_all_three():
    first, second = (a[..., :1] for a in _pair())
    three = [np.repeat(a, 3, axis=2) for a in (first, second)]
    assert mdsi(first, second) == mdsi(*three)


def test_more_noise_is_worse():
    scores = [mdsi(*_pair(noise=noise)) for noise in (2, 5, 10, 20)]
    assert scores == sorted(scores)


@pytest.mark.parametrize(
    ("first", "second", "options", "message"),
    [
        (np.zeros((8, 8)), np.zeros((8, 9)), {"peak": 1}, "Crop or resample"),
        (np.zeros((8, 8)), np.zeros((8, 8)), {}, "peak=4095"),
        (np.full((8, 8), 2), np.zeros((8, 8)), {"peak": 1}, "above its peak"),
        (np.full((8, 8), np.nan), np.zeros((8, 8)), {"peak": 1}, "NaN or infinite"),
        (np.zeros((8, 8), complex), np.zeros((8, 8)), {"peak": 1}, "real part"),
        (np.zeros((8, 8)), np.zeros((8, 8)), {"peak": 1, "mask": np.zeros((8, 8), bool)}, "no valid pixel"),
        (np.zeros((1, 1)), np.zeros((1, 1)), {"peak": 1}, "no valid pair of pixels"),
        (np.zeros((8, 8, 2)), np.zeros((8, 8, 2)), {"peak": 1}, "has 2 bands but mdsi needs red, green and blue, or"),
    ],
)
def test_what_is_refused(first, second, options, message):
    with pytest.raises(ImageError, match=message):
        mdsi(first, second, **options)


def test_unknown_combination():
    with pytest.raises(UnknownName, match="'mult'"):
        mdsi(np.zeros((8, 8)), np.zeros((8, 8)), peak=1, combination="mult")


@pytest.mark.parametrize("shape", [(40, 41, 3), (390, 401, 3), (650, 641, 3)])
@pytest.mark.parametrize("combination", ["sum", "product"])
def test_agrees_with_the_paper_in_plain_numpy(shape, combination):
    first, second = _pair(3, shape=shape)
    found = mdsi(first, second, combination=combination)
    assert found == pytest.approx(_plain(first, second, combination), rel=1e-9)


def test_synthetic_pair():
    """piq 0.8.0's value."""
    x, y = np.meshgrid(np.arange(256), np.arange(256))
    waves = 60 * np.sin(2 * np.pi * x / 37) + 40 * np.cos(2 * np.pi * y / 23) + 20 * np.sin(2 * np.pi * (x + y) / 11)
    first = np.round(127.5 + waves)
    second = np.clip(np.round(first + np.random.default_rng(42).normal(0, 10, first.shape)), 0, 255)
    assert mdsi(first.astype(np.uint8), second.astype(np.uint8)) == pytest.approx(0.31050731, abs=1e-7)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_golden(test_data):
    folder = test_data / "iqa-golden" / "piq"
    grey = []
    for name in ("goldhill.gif", "goldhill_jpeg.gif"):
        with rasterio.open(folder / name) as source:
            grey.append(source.read(1))
    colour = [cv2.imread(str(folder / name))[..., ::-1] for name in ("I01.BMP", "i01_01_5.bmp")]
    assert mdsi(*grey) == pytest.approx(0.395910876130775, abs=1e-9)
    assert mdsi(*colour) == pytest.approx(0.338972600511665, abs=1e-9)
    assert mdsi(*grey, combination="product") == pytest.approx(0.328692181289061, abs=1e-9)
    assert mdsi(*colour, combination="product") == pytest.approx(0.258002917257516, abs=1e-9)
