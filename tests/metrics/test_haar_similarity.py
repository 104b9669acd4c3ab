"""HaarPSI: a step by hand, laws, the paper in plain NumPy, and a value of the authors' MATLAB."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve2d

from orbiq.arrays import Scene
from orbiq.errors import ImageError
from orbiq.metrics.haar_similarity import haarpsi, haarpsi_map
from orbiq.tiles import tiling


def _pair(seed=0, *, shape=(60, 71, 3), noise=15):
    rng = np.random.default_rng(seed)
    image = np.cumsum(rng.normal(0, 10, shape), axis=1) + 120
    return tuple(np.clip(np.rint(a), 0, 255).astype(np.uint8) for a in (image, image + rng.normal(0, noise, shape)))


def _plain(first, second):
    """From the paper, of red, green and blue or one band on a scale of 255."""
    yiq = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])

    def same(plane, kernel):
        full = convolve2d(plane, kernel)
        top, left = kernel.shape[0] // 2, kernel.shape[1] // 2
        return full[top : top + plane.shape[0], left : left + plane.shape[1]]

    def alike(a, b):
        return (2 * a * b + 30) / (a**2 + b**2 + 30)

    def amplitudes(plane):
        for turned in (False, True):
            found = []
            for scale in (1, 2, 3):
                wavelet = np.full((2**scale, 2**scale), 2.0**-scale)
                wavelet[: 2 ** (scale - 1)] *= -1
                found.append(np.abs(same(plane, wavelet.T if turned else wavelet)))
            yield found

    box = np.full((2, 2), 0.25)
    images = [np.atleast_3d(image.astype(float)) for image in (first, second)]
    axes = [np.moveaxis(a @ yiq.T if a.shape[2] == 3 else a, 2, 0) for a in images]
    (x, *x_chroma), (y, *y_chroma) = [[same(plane, box)[::2, ::2] for plane in planes] for planes in axes]
    similarities, weights = [], []
    for a, b in zip(amplitudes(x), amplitudes(y), strict=True):
        similarities.append((alike(a[0], b[0]) + alike(a[1], b[1])) / 2)
        weights.append(np.maximum(a[2], b[2]))
    if x_chroma:
        pairs = zip(x_chroma, y_chroma, strict=True)
        similarities.append(sum(alike(np.abs(same(a, box)), np.abs(same(b, box))) for a, b in pairs) / 2)
        weights.append((weights[0] + weights[1]) / 2)
    mean = np.sum(np.array(weights) / (1 + np.exp(-4.2 * np.array(similarities)))) / np.sum(weights)
    return (np.log(mean / (1 - mean)) / 4.2) ** 2


def test_a_step_by_hand():
    """At and beside a step of height h against nothing, wavelets of 2 and 4 have amplitudes h, 2·h and 0, h."""
    nothing, step = np.zeros((40, 40), np.uint8), np.zeros((40, 40), np.uint8)
    step[:, 20:] = 10
    at, beside = (30 / 130 + 30 / 430) / 2, (1 + 30 / 130) / 2
    row = haarpsi_map(nothing, step)[10]
    assert row[6:13] == pytest.approx(np.array([1, 1, beside, at, beside, 1, 1]) ** 2, rel=1e-9)
    assert np.isnan(row[:6]).all()


@given(seed=st.integers(0, 99), rows=st.integers(4, 40), cols=st.integers(4, 40), bands=st.sampled_from([1, 3]))
@settings(max_examples=8, deadline=None)
def test_one_for_equal_images_and_symmetric(seed, rows, cols, bands):
    first, second = _pair(seed, shape=(rows, cols, bands))
    assert haarpsi(first, first) == pytest.approx(1, abs=1e-12)
    assert haarpsi(first, second) == pytest.approx(haarpsi(second, first), rel=1e-12)
    assert 0 <= haarpsi(first, second) <= 1


@given(seed=st.integers(0, 99), size=st.integers(12, 50), odd=st.integers(0, 1))
@settings(max_examples=8, deadline=None)
def test_tiled_is_whole(seed, size, odd):
    pair = _pair(seed, shape=(60 + odd, 71 - odd, 3))
    with tiling(size=10**6):
        whole, whole_map = haarpsi(*pair), haarpsi_map(*pair)
    with tiling(size=size):
        assert haarpsi(*pair) == pytest.approx(whole, rel=1e-10)
        assert haarpsi_map(*pair) == pytest.approx(whole_map, rel=1e-10, nan_ok=True)


@given(seed=st.integers(0, 99), top=st.integers(0, 20), left=st.integers(0, 20))
@settings(max_examples=8, deadline=None)
def test_masked_is_cropped(seed, top, left):
    first, second = _pair(seed)
    mask = np.zeros(first.shape[:2], bool)
    mask[top : top + 31, left : left + 36] = True
    cropped = haarpsi(first[top : top + 31, left : left + 36], second[top : top + 31, left : left + 36])
    spoilt = np.where(mask[..., None], second, 255)
    assert haarpsi(first, spoilt, mask=mask) == pytest.approx(cropped, rel=1e-10)
    assert haarpsi(Scene(array=first, mask=mask), spoilt) == pytest.approx(cropped, rel=1e-10)


def test_a_hole_is_black_in_both_images_and_does_not_count():
    first, second = _pair()
    mask = np.ones(first.shape[:2], bool)
    mask[20:30, 20:30] = False
    blackened = [np.where(mask[..., None], a, 0) for a in (first, second)]
    assert haarpsi(first, second, mask=mask) == haarpsi(*blackened, mask=mask)
    assert haarpsi(first, second, mask=mask) == pytest.approx(haarpsi(first, second), abs=0.02)
    assert np.isnan(haarpsi_map(first, second, mask=mask)[10:15, 10:15]).all()


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_units_do_not_matter(dtype):
    first, second = _pair()
    score = haarpsi(first, second)
    scaled = [(16 * a.astype(float)).astype(dtype) for a in (first, second)]
    assert haarpsi(*scaled, peak=4080) == pytest.approx(score, rel=1e-10)


def test_float32_is_float64_at_an_offset():
    first, second = (a.astype(np.float32) + np.float32(50_000) for a in _pair())
    single = haarpsi(first, second, peak=65535)
    assert single == pytest.approx(haarpsi(first.astype(float), second.astype(float), peak=65535), rel=1e-12)


def test_chroma_counts():
    first, second = _pair()
    assert haarpsi(first, second[..., ::-1]) < haarpsi(first, second)
    grey = [np.repeat(a[..., :1], 3, axis=2) for a in (first, second)]
    assert haarpsi(*grey) > haarpsi(first[..., 0], second[..., 0])


def test_more_noise_is_worse():
    scores = [haarpsi(*_pair(noise=noise)) for noise in (2, 5, 10, 20)]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("first", "second", "options", "message"),
    [
        (np.zeros((8, 8)), np.zeros((8, 9)), {"peak": 1}, "Crop or resample"),
        (np.zeros((8, 8)), np.zeros((8, 8)), {}, "peak=4095"),
        (np.full((8, 8), 2), np.zeros((8, 8)), {"peak": 1}, "above its peak"),
        (np.full((8, 8), np.nan), np.zeros((8, 8)), {"peak": 1}, "NaN or infinite"),
        (np.zeros((8, 8), complex), np.zeros((8, 8)), {"peak": 1}, "real part"),
        (np.zeros((8, 8)), np.zeros((8, 8)), {"peak": 1, "mask": np.zeros((8, 8), bool)}, "no valid pixel"),
        (np.zeros((8, 8)), np.zeros((8, 8)), {"peak": 1}, "are constant"),
        (np.ones((9, 9, 3)), np.zeros((9, 9, 3)), {"peak": 1}, "are constant"),
        (
            np.zeros((8, 8, 4)),
            np.zeros((8, 8, 4)),
            {"peak": 1},
            "has 4 bands but haarpsi needs red, green and blue, or",
        ),
    ],
)
def test_what_is_refused(first, second, options, message):
    with pytest.raises(ImageError, match=message):
        haarpsi(first, second, **options)


@pytest.mark.parametrize("shape", [(33, 40, 3), (20, 21), (5, 7, 3)])
def test_agrees_with_the_paper_in_plain_numpy(shape):
    first, second = _pair(5, shape=shape)
    assert haarpsi(first, second) == pytest.approx(_plain(first, second), rel=1e-10)


def test_synthetic_pair():
    """piq 0.8.0's value, which takes grey for three equal bands."""
    x, y = np.meshgrid(np.arange(256), np.arange(256))
    waves = 60 * np.sin(2 * np.pi * x / 37) + 40 * np.cos(2 * np.pi * y / 23) + 20 * np.sin(2 * np.pi * (x + y) / 11)
    first = np.round(127.5 + waves)
    second = np.clip(np.round(first + np.random.default_rng(42).normal(0, 10, first.shape)), 0, 255)
    colour = [np.repeat(a[..., None].astype(np.uint8), 3, axis=2) for a in (first, second)]
    assert haarpsi(*colour) == pytest.approx(0.92558101, abs=1e-7)


def test_golden(test_data):
    folder = test_data / "iqa-golden" / "piq"
    colour = [cv2.imread(str(folder / name))[..., ::-1] for name in ("I01.BMP", "i01_01_5.bmp")]
    assert haarpsi(*colour) == pytest.approx(0.71706527, abs=1e-8)
