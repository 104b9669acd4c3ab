"""Universal quality index: the paper's formula on every window, also where others go wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from orbiq.arrays import Scene
from orbiq.errors import ImageError, SettingError
from orbiq.metrics.universal_quality import uqi, uqi_map
from orbiq.tiles import tiling


def _scene(seed=0, shape=(40, 50, 2)):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 4096, shape).astype(np.uint16)
    return image, np.clip(image + rng.normal(0, 300, shape), 0, 4095).astype(np.uint16)


def _by_the_formula(x, y, window=8):
    """Window by window, with NumPy's own (co)variances."""
    values = []
    for top in range(x.shape[0] - window + 1):
        for left in range(x.shape[1] - window + 1):
            here = slice(top, top + window), slice(left, left + window)
            a, b = x[here].ravel().astype(float), y[here].ravel().astype(float)
            (va, c), (_, vb) = np.cov(a, b)
            values.append(4 * c * a.mean() * b.mean() / ((va + vb) * (a.mean() ** 2 + b.mean() ** 2)))
    return np.mean(values)


# known answers


def test_independent_noise_scores_0():
    """0.975 by a widely used library, which takes means where the formula has sums."""
    rng = np.random.default_rng(3)
    assert abs(uqi(*rng.normal(128, 30, (2, 512, 512)))) < 0.004


@pytest.mark.parametrize(
    ("first", "second", "score"), [(3.0, 3.0, 1), (1.0, 2.0, 0.8), (0.0, 0.0, 1), (0.0, 5.0, 0), (2.0, -2.0, -1)]
)
def test_constant_windows_score_their_means(first, second, score):
    assert uqi(np.full((9, 9), first), np.full((9, 9), second)) == pytest.approx(score, abs=1e-15)


def test_a_constant_against_texture_is_0():
    texture = np.random.default_rng(0).normal(100, 5, (16, 16))
    assert uqi(texture, np.full_like(texture, 0.1)) == pytest.approx(0, abs=1e-12)


def test_means_of_0_leave_the_structure():
    """The authors' program says 1 here, whatever the structure."""
    wave = np.tile([[1.0, -1.0], [-1.0, 1.0]], (4, 4))
    assert uqi(wave, -wave) == -1
    assert uqi(wave, 3 * wave) == pytest.approx(0.6)


# laws


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(8, 30), window=st.integers(2, 9))
def test_tiled_is_whole_and_masked_is_cropped(seed, size, window):
    x, y = _scene(seed, (41, 37, 2))
    with tiling(size=10**6):
        whole = uqi(x, y, window=window)
        cropped = uqi(x[3:30, 5:], y[3:30, 5:], window=window)
    mask = np.zeros(x.shape[:2], bool)
    mask[3:30, 5:] = True
    spoilt = np.where(mask[..., None], y, 0).astype(float)
    spoilt[~mask] = np.nan
    with tiling(size=size):
        assert uqi(x, y, window=window) == pytest.approx(whole, abs=1e-12)
        assert uqi(x, spoilt, window=window, mask=mask) == pytest.approx(cropped, abs=1e-12)
        assert np.nanmean(uqi_map(x, spoilt, window=window, mask=mask)) == pytest.approx(cropped, abs=1e-12)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), gain=st.sampled_from([0.25, 3.0, 1e4]))
def test_identity_symmetry_and_gain(seed, gain):
    x, y = (v.astype(float) for v in _scene(seed))
    assert uqi(x, x) == pytest.approx(1, abs=1e-15)
    assert uqi(x, y) == pytest.approx(uqi(y, x), abs=1e-15)
    assert uqi(gain * x, gain * y) == pytest.approx(uqi(x, y), abs=1e-13)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_any_dtype_and_two_or_three_dimensions(dtype):
    x, y = (v // 16 for v in _scene())
    assert uqi(x.astype(dtype), y.astype(dtype)) == uqi(x, y)
    assert uqi(x[..., 0].astype(dtype), y[..., 0]) == uqi(x[..., :1], y[..., :1])


def test_precise_at_an_offset_of_50000():
    rng = np.random.default_rng(5)
    x = (50_000 + rng.normal(0, 0.5, (30, 30))).astype(np.float32)
    y = (x + rng.normal(0, 0.5, x.shape)).astype(np.float32)
    assert uqi(x, y) == uqi(x.astype(float), y.astype(float))
    assert uqi(x, y) == pytest.approx(_by_the_formula(x, y), abs=1e-9)
    # the means are next to equal there, so that the structure is all that is left: that of the differences
    assert uqi(x - 49_000.0, y - 49_000.0) == pytest.approx(uqi(x, y), abs=1e-5)


def test_the_map_lies_where_the_windows_are():
    x = np.zeros((12, 12))
    x[6, 6] = 1
    found = uqi_map(x, np.zeros((12, 12)), window=3)[..., 0]
    assert np.isnan(found[0]).all()
    assert np.isnan(found[:, -1]).all()
    assert np.argwhere(found == 0).tolist() == [[r, c] for r in (5, 6, 7) for c in (5, 6, 7)]


# agreement


@pytest.mark.parametrize("window", [5, 8])
def test_as_the_formula_window_by_window(window):
    x, y = _scene(2, (20, 23))
    assert uqi(x, y, window=window) == pytest.approx(_by_the_formula(x, y, window), abs=1e-12)


# golden


def test_goldhill_and_its_jpeg(test_data):
    """By the formula on whole windows of 8 × 8; without the outermost four pixels it is 0.4968, 0.992 by sewar."""
    folder = test_data / "iqa-golden/piq"
    first, second = (np.array(Image.open(folder / name)) for name in ("goldhill.gif", "goldhill_jpeg.gif"))
    assert uqi(first, second) == pytest.approx(0.4962637466, abs=1e-9)


def test_a_window_of_any_whole_number():
    first, second = np.random.default_rng(0).random((2, 30, 30))
    assert uqi(first, second, window=np.uint8(16)) == uqi(first, second, window=16)


# bad input


def test_bad_input():
    x, y = _scene()
    with pytest.raises(ImageError, match=r"has no valid window of 8 × 8 pixels to measure"):
        uqi(x[:7], y[:7])
    with pytest.raises(ImageError, match=r"has no valid window of 8 × 8 pixels to measure"):
        uqi(x, y, mask=np.indices(x.shape[:2]).sum(0) % 5 > 0)
    with pytest.raises(ImageError, match="holds complex128; expected real numbers"):
        uqi(x, y.astype(complex))
    with pytest.raises(ImageError, match="NaN or infinite"):
        uqi(x, np.where(y == y.max(), np.nan, y))
    with pytest.raises(SettingError, match="window is 1"):
        uqi(x, y, window=1)
    with pytest.raises(ImageError, match="reference is .* but image is"):
        uqi(x, y[:-1])


def test_nodata_of_a_scene_counts():
    x, y = _scene()
    mask = np.ones(x.shape[:2], bool)
    mask[:, :9] = False
    assert uqi(Scene(array=x), Scene(array=y, mask=mask)) == pytest.approx(uqi(x[:, 9:], y[:, 9:]), abs=1e-13)
