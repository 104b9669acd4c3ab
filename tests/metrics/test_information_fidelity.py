"""VIF: a faint image by hand, laws, the paper in plain NumPy, and values of the authors' MATLAB."""

import cv2
import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve2d

from orbiq.arrays import Scene
from orbiq.errors import ImageError
from orbiq.metrics.information_fidelity import vif
from orbiq.tiles import tiling


def _pair(seed=0, *, shape=(70, 81, 2), noise=15):
    rng = np.random.default_rng(seed)
    image = np.cumsum(rng.normal(0, 10, shape), axis=1) + 120
    return tuple(
        np.clip(np.rint(a), 0, 255).astype(np.uint8) for a in (image, 0.9 * image + rng.normal(0, noise, shape))
    )


def _plain(x, y):
    """From the authors' description, of one band on a scale of 255."""
    kept = told = 0.0
    for scale, size in enumerate((17, 9, 5, 3)):
        taps = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * (size / 5) ** 2))
        window = np.outer(taps, taps) / taps.sum() ** 2
        mean = lambda plane: convolve2d(plane, window, mode="valid")  # noqa: B023, E731
        if scale:
            x, y = mean(x)[::2, ::2], mean(y)[::2, ::2]
        var_x, var_y = mean(x * x) - mean(x) ** 2, mean(y * y) - mean(y) ** 2
        cov = mean(x * y) - mean(x) * mean(y)
        gain = np.maximum(cov / var_x, 0)
        rest = np.maximum(var_y - gain * cov, 0)
        kept += np.log(1 + gain**2 * var_x / (rest + 2)).sum()
        told += np.log(1 + var_x / 2).sum()
    return kept / told


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_a_faint_image_keeps_the_square_of_its_gain(gain):
    """log(1 + g²·s/2) / log(1 + s/2) is g² where s is small."""
    faint = np.random.default_rng(0).normal(0, 0.01, (48, 48)) + 100
    assert vif(faint, gain * faint, peak=255) == pytest.approx(gain**2, rel=1e-4)


def test_strong_images_keep_a_logarithm():
    """Where s is huge, log(1 + g²·s/2) / log(1 + s/2) is 1 + 2·log(g) / log(s/2)."""
    strong = np.tile([[0.0, 200.0], [200.0, 0.0]], (30, 30))
    score = vif(strong, strong / 2, peak=255)
    variance = 200.0**2 / 4
    expected = np.log(1 + variance / 4 / 2) / np.log(1 + variance / 2)
    assert score == pytest.approx(expected, rel=0.02)  # later scales hold little of it


def test_noise_or_nothing_keeps_nothing():
    rng = np.random.default_rng(1)
    first, second = rng.normal(100, 30, (2, 200, 200)).clip(0, 255)
    assert 0 < vif(first, second, peak=255) < 0.01
    assert vif(first, np.full_like(first, 80), peak=255) == 0
    assert vif(first, 255 - first, peak=255) == 0


@given(seed=st.integers(0, 99))
@settings(max_examples=8, deadline=None)
def test_equal_images_keep_all(seed):
    first, _ = _pair(seed)
    assert vif(first, first) == 1


def test_the_reference_comes_first():
    first, _ = _pair()
    assert vif(first, first // 4) < 1 < vif(first // 4, first)


@given(seed=st.integers(0, 99), size=st.integers(8, 60))
@settings(max_examples=8, deadline=None)
def test_tiled_is_whole(seed, size):
    pair = _pair(seed)
    with tiling(size=10**6):
        whole = vif(*pair)
    with tiling(size=size):
        assert vif(*pair) == pytest.approx(whole, rel=1e-10)


@given(seed=st.integers(0, 99), top=st.integers(0, 20), left=st.integers(0, 20))
@settings(max_examples=8, deadline=None)
def test_masked_is_cropped(seed, top, left):
    first, second = _pair(seed)
    mask = np.zeros(first.shape[:2], bool)
    mask[top : top + 45, left : left + 52] = True
    cropped = vif(first[top : top + 45, left : left + 52], second[top : top + 45, left : left + 52])
    spoilt = np.where(mask[..., None], second, 255)
    assert vif(first, spoilt, mask=mask) == pytest.approx(cropped, rel=1e-10)
    assert vif(Scene(array=first, mask=mask), spoilt) == pytest.approx(cropped, rel=1e-10)


def test_what_lies_in_a_hole_does_not_matter():
    first, second = _pair(shape=(120, 130, 1))
    mask = np.ones(first.shape[:2], bool)
    mask[50:54, 60:70] = False
    spoilt = np.where(mask[..., None], second, 255).astype(np.uint8)
    masked = vif(first, second, mask=mask)
    assert vif(first, spoilt, mask=mask) == masked
    assert masked == pytest.approx(vif(first, second), rel=0.1)


@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
def test_units_do_not_matter(dtype):
    first, second = _pair()
    score = vif(first, second)
    assert vif(first.astype(dtype), second.astype(dtype), peak=255) == pytest.approx(score, rel=1e-10)
    scaled = [(16 * a.astype(float)).astype(dtype) for a in (first, second)]
    assert vif(*scaled, peak=4080) == pytest.approx(score, rel=1e-10)
    if dtype.startswith("float"):
        assert vif(*(a / 255 for a in scaled), peak=16) == pytest.approx(score, rel=1e-6)


def test_an_offset_does_not_matter():
    first, second = (a.astype(np.float32) for a in _pair())
    score = vif(first, second, peak=65535)
    raised = vif(first + np.float32(50_000), second + np.float32(50_000), peak=65535)
    assert raised == pytest.approx(score, rel=1e-7)
    double = [a.astype(float) + 50_000 for a in (first, second)]
    assert vif(*double, peak=65535) == pytest.approx(raised, rel=1e-10)


def test_bands():
    first, second = _pair(shape=(50, 50, 3))
    each = [vif(first[..., k], second[..., k]) for k in range(3)]
    assert vif(first, second) == pytest.approx(np.mean(each), rel=1e-12)
    luma = [a @ np.array([0.299, 0.587, 0.114]) for a in (first, second)]
    assert vif(first, second, bands="luma") == pytest.approx(vif(*luma, peak=255), rel=1e-10)


def test_more_noise_is_worse():
    scores = [vif(*_pair(noise=noise)) for noise in (2, 5, 10, 20)]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("first", "second", "options", "message"),
    [
        (np.zeros((48, 48)), np.zeros((48, 49)), {"peak": 1}, "Crop or resample"),
        (np.zeros((48, 48)), np.zeros((48, 48)), {}, "peak=4095"),
        (np.full((48, 48), 2), np.zeros((48, 48)), {"peak": 1}, "above its peak"),
        (np.full((48, 48), np.nan), np.zeros((48, 48)), {"peak": 1}, "NaN or infinite"),
        (np.zeros((48, 48), complex), np.zeros((48, 48)), {"peak": 1}, "real part"),
        (np.zeros((48, 48)), np.zeros((48, 48)), {"peak": 1, "mask": np.zeros((48, 48), bool)}, "no valid pixel"),
        (np.eye(40), np.eye(40), {"peak": 1}, "no valid window of 41 × 41"),
        (np.ones((48, 48)), np.eye(48), {"peak": 1}, "is constant in some band"),
        (np.eye(48), np.eye(48), {"peak": 1, "bands": "luma"}, "needs red, green and blue"),
    ],
)
def test_what_is_refused(first, second, options, message):
    with pytest.raises(ImageError, match=message):
        vif(first, second, **options)


def test_agrees_with_the_paper_in_plain_numpy():
    first, second = _pair(3, shape=(64, 75))
    assert vif(first, second) == pytest.approx(_plain(first.astype(float), second.astype(float)), rel=1e-9)


def test_synthetic_pair():
    """piq 0.8.0's value."""
    x, y = np.meshgrid(np.arange(256), np.arange(256))
    waves = 60 * np.sin(2 * np.pi * x / 37) + 40 * np.cos(2 * np.pi * y / 23) + 20 * np.sin(2 * np.pi * (x + y) / 11)
    first = np.round(127.5 + waves)
    second = np.clip(np.round(first + np.random.default_rng(42).normal(0, 10, first.shape)), 0, 255)
    assert vif(first.astype(np.uint8), second.astype(np.uint8)) == pytest.approx(0.50779631, abs=1e-7)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_golden(test_data):
    folder = test_data / "iqa-golden" / "piq"
    grey = []
    for name in ("goldhill.gif", "goldhill_jpeg.gif"):
        with rasterio.open(folder / name) as source:
            grey.append(source.read(1))
    assert vif(*grey) == pytest.approx(0.2665, abs=1e-4)
    colour = [cv2.imread(str(folder / name))[..., ::-1] for name in ("I01.BMP", "i01_01_5.bmp")]
    assert vif(*colour, bands="luma") == pytest.approx(0.3147, abs=1e-4)
