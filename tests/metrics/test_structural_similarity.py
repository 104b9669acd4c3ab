"""Structural similarity: the formula by hand, its laws, scikit-image, published values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from orbiq.arrays import Scene
from orbiq.errors import ImageError, UnknownName
from orbiq.imageio import open_raster
from orbiq.metrics.structural_similarity import ssim, ssim_map
from orbiq.tiles import tiling
from tests.metrics.known_pairs import goldhill, i01, synthetic_pair

VARIANTS = ("wang2004", "ssim.m", "skimage")


def _scene(seed=0, shape=(60, 71, 2), top=255):
    rng = np.random.default_rng(seed)
    image = np.cumsum(rng.normal(0, top / 60, shape), axis=1) + top / 2
    worse = image + rng.normal(0, top / 20, shape)
    return np.clip(image, 0, top), np.clip(worse, 0, top)


def _one_window(x, y, *, peak):
    """SSIM of 11 × 11 pixels by its formula, with variances around the mean."""
    gauss = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weights = np.outer(gauss, gauss) / gauss.sum() ** 2
    mx, my = (weights * x).sum(), (weights * y).sum()
    vx, vy, cov = ((weights * a).sum() for a in ((x - mx) ** 2, (y - my) ** 2, (x - mx) * (y - my)))
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    return (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))


# known answers


def test_one_window_is_the_formula():
    x, y = (plane[:11, :11, 0] for plane in _scene())
    assert ssim(x, y, peak=255) == pytest.approx(_one_window(x, y, peak=255), abs=1e-12)


def test_constant_images_score_their_means():
    c1 = 2.55**2
    flat = np.full((20, 30, 3), 50, np.uint8)
    assert ssim(flat, 3 * flat) == pytest.approx((2 * 50 * 150 + c1) / (50**2 + 150**2 + c1), abs=1e-12)
    assert ssim(flat, flat) == pytest.approx(1, abs=1e-12)
    black = np.zeros((20, 30), np.uint8)
    assert ssim(black, black) == 1


def test_a_negative_contradicts_its_image():
    noise = np.random.default_rng(0).normal(128, 30, (64, 64)).clip(0, 255)
    assert ssim(noise, 255 - noise, peak=255) < -0.8


def test_ssim_m_averages_pairs_of_an_image_of_512():
    x, y = (np.kron(plane[..., 0], np.ones((2, 2))) for plane in _scene(1, (256, 300, 1)))
    assert ssim(x, y, peak=255, variant="ssim.m") == pytest.approx(ssim(x[::2, ::2], y[::2, ::2], peak=255), abs=1e-12)


@pytest.mark.parametrize(("rows", "factor"), [(383, 1), (384, 2), (639, 2), (640, 3)])
def test_ssim_m_rounds_halves_up(rows, factor):
    x, y = (plane[..., 0] for plane in _scene(2, (rows, 700, 1)))
    before, behind = (factor + 1) // 2 - 1, factor // 2
    wide = [np.pad(a, (before, behind), mode="symmetric") for a in (x, y)]
    windows = [np.lib.stride_tricks.sliding_window_view(a, (factor, factor)) for a in wide]
    small = [w[::factor, ::factor].mean(axis=(2, 3)) for w in windows]
    assert ssim(x, y, peak=255, variant="ssim.m") == pytest.approx(ssim(*small, peak=255), abs=1e-12)


def test_luma_is_the_y_of_yiq_and_never_silent():
    x, y = _scene(3, (40, 40, 3))
    luma = [a @ [0.299, 0.587, 0.114] for a in (x, y)]
    assert ssim(x, y, peak=255, bands="luma") == pytest.approx(ssim(*luma, peak=255), abs=1e-12)
    each = [ssim(x[..., k], y[..., k], peak=255) for k in range(3)]
    assert ssim(x, y, peak=255) == pytest.approx(np.mean(each), abs=1e-12)


# laws


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["wang2004", "skimage"]))
def test_identity_symmetry_range_and_gain(seed, variant):
    x, y = _scene(seed, (20, 25, 1))
    score = ssim(x, y, peak=255, variant=variant)
    assert ssim(x, x, peak=255, variant=variant) == pytest.approx(1, abs=1e-12)
    assert ssim(y, x, peak=255, variant=variant) == pytest.approx(score, abs=1e-12)
    assert -1 <= score < 1
    assert ssim(x * 16, y * 16, peak=255 * 16, variant=variant) == pytest.approx(score, abs=1e-12)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("shape", [(60, 71, 2), (700, 661, 1)])
def test_tiled_is_whole(variant, shape):
    x, y = _scene(4, shape)
    mask = np.random.default_rng(0).random(shape[:2]) > 0.0005
    for valid in (None, mask):
        with tiling(size=10**6):
            whole = ssim(x, y, peak=255, variant=variant, mask=valid)
        for size in (48, 100):
            with tiling(size=size, threads=2):
                assert ssim(x, y, peak=255, variant=variant, mask=valid) == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=8, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40))
def test_masked_is_cropped(variant, top, left):
    x, y = _scene(5, (480, 470, 1))
    mask = np.zeros(x.shape[:2], bool)
    inner = slice(top, top + 400), slice(left, left + 410)
    mask[inner] = True
    cropped = ssim(x[inner], y[inner], peak=255, variant=variant)
    x[~mask], y[~mask] = np.nan, 1e9
    assert ssim(x, y, peak=255, variant=variant, mask=mask) == pytest.approx(cropped, abs=1e-12)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_dtypes_of_the_same_values_score_the_same(dtype):
    x, y = (np.round(a) for a in _scene(6))
    assert ssim(x.astype(dtype), y.astype(dtype), peak=255) == ssim(x, y, peak=255)


def test_float32_at_an_offset_is_float64():
    """Where a library in float32 says −4.67."""
    x, y = (a.astype(np.float32) + np.float32(50000) for a in _scene(7, top=200))
    wide = [a.astype(float) for a in (x, y)]
    assert ssim(x, y, peak=65535) == ssim(*wide, peak=65535)
    x, y = (a[:11, :11, 0] for a in wide)
    assert ssim(x, y, peak=65535) == pytest.approx(_one_window(x, y, peak=65535), abs=1e-10)


def test_a_map_is_whole_windows_and_its_mean_the_score():
    x, y = _scene(8)
    mask = np.ones(x.shape[:2], bool)
    mask[30, 40] = False
    for valid in (None, mask):
        similarity = ssim_map(x, y, peak=255, mask=valid)
        assert similarity.shape == x.shape
        assert np.nanmean(similarity) == pytest.approx(ssim(x, y, peak=255, mask=valid), abs=1e-12)
        known = ~np.isnan(similarity[..., 0])
        expected = np.zeros_like(known)
        expected[5:-5, 5:-5] = True
        if valid is not None:
            expected[25:36, 35:46] = False
        assert np.array_equal(known, expected)
        with tiling(size=17):
            np.testing.assert_allclose(ssim_map(x, y, peak=255, mask=valid), similarity, rtol=0, atol=1e-12)
    assert ssim_map(*_scene(9, (12, 12, 3)), peak=255, bands="luma").shape == (12, 12, 1)


def test_a_file_is_its_array(tmp_path):
    import tifffile

    x, y = (np.round(a[..., 0]).astype(np.uint16) for a in _scene(10, (520, 530, 1)))
    for name, array in (("x.tif", x), ("y.tif", y)):
        tifffile.imwrite(tmp_path / name, array, tile=(64, 64))
    with open_raster(tmp_path / "x.tif", peak=255) as first, open_raster(tmp_path / "y.tif", peak=255) as second:
        for variant in VARIANTS:
            assert ssim(first, second, variant=variant) == ssim(x, y, peak=255, variant=variant)


# agreement


@pytest.mark.parametrize("shape", [(64, 80, 3), (40, 700, 1)])
def test_scikit_image_says_the_same(shape):
    x, y = _scene(11, shape)
    gauss = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    theirs, full = structural_similarity(x, y, channel_axis=2, full=True, **gauss)
    assert ssim(x, y, peak=255) == pytest.approx(theirs, abs=1e-10)
    inner = slice(5, -5), slice(5, -5)
    np.testing.assert_allclose(ssim_map(x, y, peak=255)[inner], full[inner], atol=1e-10)
    theirs, full = structural_similarity(x, y, channel_axis=2, full=True, data_range=255)
    assert ssim(x, y, peak=255, variant="skimage") == pytest.approx(theirs, abs=1e-10)
    inner = slice(3, -3), slice(3, -3)
    np.testing.assert_allclose(ssim_map(x, y, peak=255, variant="skimage")[inner], full[inner], atol=1e-10)


# golden


@pytest.mark.parametrize(("variant", "score"), [("wang2004", 0.8723119237), ("skimage", 0.9130765)])
def test_the_synthetic_pair(variant, score):
    assert ssim(*synthetic_pair(), variant=variant) == pytest.approx(score, abs=1e-7)


def test_goldhill(test_data):
    assert ssim(*goldhill(test_data)) == pytest.approx(0.682372, abs=1e-6)
    assert ssim(*goldhill(test_data), variant="ssim.m") == pytest.approx(0.8202, abs=1e-4)
    assert ssim(*goldhill(test_data), variant="skimage") == pytest.approx(0.692595, abs=1e-6)


def test_i01(test_data):
    reference, image = i01(test_data)
    assert ssim(reference, image) == pytest.approx(0.527070, abs=1e-6)
    assert ssim(reference, image, variant="ssim.m") == pytest.approx(0.7820, abs=1e-4)
    # The 0.7842 that is quoted too is of the authors' program for grey images given three bands: it lays them side by
    # side, and windows across the seams count.
    reference, image = (np.concatenate(np.split(a, 3, axis=2), axis=1) for a in (reference, image))
    assert ssim(reference, image, variant="ssim.m") == pytest.approx(0.7842, abs=1e-4)


# bad input


def test_bad_input_is_one_sentence():
    x, y = (a.astype(np.uint8) for a in _scene(12, (30, 30, 1)))
    with pytest.raises(ImageError, match=r"reference is \(30, 30, 1\) but image is \(29, 30, 1\)"):
        ssim(x, y[1:])
    with pytest.raises(ImageError, match="mask of reference holds no valid pixel"):
        ssim(x, y, mask=np.zeros((30, 30), bool))
    with pytest.raises(ImageError, match="NaN or infinite"):
        ssim(x, np.where(y == y[3, 4], np.nan, y.astype(float)))
    with pytest.raises(ImageError, match="nobody said the largest value"):
        ssim(x.astype(float), y)
    with pytest.raises(ImageError, match="above its peak of 9"):
        ssim(x, y, peak=9)
    with pytest.raises(ImageError, match="complex128; expected real numbers"):
        ssim(x.astype(complex), y)
    with pytest.raises(ImageError, match=r"no valid window of 11 × 11 pixels"):
        ssim(x[:10], y[:10])
    with pytest.raises(ImageError, match=r"no valid window of 7 × 7 pixels"):
        ssim(x, y, mask=np.indices((30, 30)).sum(axis=0) % 5 > 0, variant="skimage")
    with pytest.raises(ImageError, match="has 1 bands but bands='luma' needs red, green and blue"):
        ssim(x, y, bands="luma")


def test_unknown_options_are_named():
    x, y = _scene(13, (30, 30, 1))
    with pytest.raises(UnknownName, match="no variant of ssim named 'wang2003'. Did you mean 'wang2004'"):
        ssim(x, y, peak=255, variant="wang2003")
    with pytest.raises(UnknownName, match=r"no variant of ssim_map named 'ssim.m'"):
        ssim_map(x, y, peak=255, variant="ssim.m")
    with pytest.raises(UnknownName, match="no choice of bands named 'all'"):
        ssim(x, y, peak=255, bands="all")


def test_messages_name_the_scene():
    scene = Scene(array=np.zeros((5, 5, 1), np.uint8), name="a.tif")
    with pytest.raises(ImageError, match=r"a.tif of \(5, 5, 1\)"):
        ssim(scene, scene)
