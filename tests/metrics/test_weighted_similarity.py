"""Information-weighted structural similarity: its laws, a plain version of the paper, the authors' values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from orbiq.errors import ImageError
from orbiq.metrics.weighted_similarity import iw_ssim
from orbiq.tiles import tiling
from tests.metrics.known_pairs import goldhill, i01, synthetic_pair

WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])


def _scene(seed=0, shape=(180, 203, 1)):
    rng = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(rng.normal(0, 400, shape), (2, 2, 0)) + 128
    return np.clip(image, 0, 255), np.clip(image + rng.normal(0, 20, shape), 0, 255)


# known answers


def test_constant_images_hold_no_information_and_score_their_means():
    """Level 5 of the pyramid is 16 times the mean, so that the constant matters less."""
    flat, c1 = np.full((176, 190), 50.0), (2.55 / 16) ** 2
    expected = ((2 * 50 * 150 + c1) / (50**2 + 150**2 + c1)) ** (0.1333 / WEIGHTS.sum())
    assert iw_ssim(flat, 3 * flat, peak=255) == pytest.approx(expected, abs=1e-12)


def test_a_negative_scores_0_and_not_nan():
    noise, _ = _scene()
    assert iw_ssim(noise, 255 - noise, peak=255) == 0


# laws


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_identity_range_and_gain(seed):
    x, y = _scene(seed, (176, 180, 1))
    score = iw_ssim(x, y, peak=255)
    assert iw_ssim(x, x, peak=255) == pytest.approx(1, abs=1e-12)
    assert 0 <= score < 1
    assert iw_ssim(x * 16, y * 16, peak=255 * 16) == pytest.approx(score, abs=1e-10)


@pytest.mark.parametrize("shape", [(200, 213, 2), (177, 600, 1)])
def test_tiled_is_whole(shape):
    x, y = _scene(2, shape)
    mask = np.ones(shape[:2], bool)
    mask[-1, 200] = False
    mask[:3, :4] = False
    for valid in (None, mask):
        with tiling(size=10**6):
            whole = iw_ssim(x, y, peak=255, mask=valid)
        for size in (48, 112):
            with tiling(size=size, threads=2):
                assert iw_ssim(x, y, peak=255, mask=valid) == pytest.approx(whole, abs=1e-11)


def test_tiled_is_whole_where_neighbours_say_the_same():
    """Smooth scenes, whose neighbours' covariance has eigenvalues down to rounding."""
    x = np.tile(np.linspace(0, 200, 240), (190, 1))
    y = ndimage.gaussian_filter(x + np.random.default_rng(0).normal(0, 5, x.shape), 3)
    scores = []
    for size in (32, 64, 10**6):
        with tiling(size=size):
            scores.append((iw_ssim(x, y, peak=255), iw_ssim(y, x, peak=255)))
    np.testing.assert_allclose(scores[:2], [scores[2]] * 2, rtol=0, atol=1e-11)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 3), st.integers(0, 23))
def test_masked_is_cropped_wherever_the_mask_begins(top, left):
    x, y = _scene(3)
    inner = slice(top, top + 177), slice(left, left + 180)
    cropped = iw_ssim(x[inner], y[inner], peak=255)
    mask = np.zeros(x.shape[:2], bool)
    mask[inner] = True
    x[~mask], y[~mask] = np.nan, 1e9
    assert iw_ssim(x, y, peak=255, mask=mask) == pytest.approx(cropped, abs=1e-11)


def test_what_lies_under_a_mask_does_not_matter():
    x, y = _scene(4, (300, 320, 1))
    mask = np.ones(x.shape[:2], bool)
    mask[200:, 250:] = False
    score = iw_ssim(x, y, peak=255, mask=mask)
    x[~mask], y[~mask] = 0, 255
    assert iw_ssim(x, y, peak=255, mask=mask) == score
    assert iw_ssim(x, y, peak=255) != pytest.approx(score, abs=1e-3)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_dtypes_of_the_same_values_score_the_same(dtype):
    x, y = (np.round(a) for a in _scene(5))
    assert iw_ssim(x.astype(dtype), y.astype(dtype), peak=255) == iw_ssim(x, y, peak=255)


def test_float32_at_an_offset_is_float64():
    x, y = ((a + 50000).astype(np.float32) for a in _scene(6))
    assert iw_ssim(x, y, peak=65535) == iw_ssim(x.astype(float), y.astype(float), peak=65535)
    assert iw_ssim(x[..., 0], y[..., 0], peak=65535) == iw_ssim(x, y, peak=65535)


# agreement


@pytest.mark.parametrize("shape", [(176, 256), (201, 179)])
def test_a_plain_version_of_the_paper_says_the_same(shape):
    x, y = (a[..., 0] for a in _scene(7, (*shape, 1)))
    assert iw_ssim(x, y, peak=255) == pytest.approx(_plain(x, y), abs=1e-9)


def _plain(x, y):
    """The paper, level by level, with filters over the whole image."""
    xs, ys = _pyramid(x), _pyramid(y)
    score = 1.0
    for k, (a, b) in enumerate(zip(xs, ys, strict=True)):
        luminance, contrast = _similarity(a, b)
        if k == 4:
            mean = (luminance * contrast).mean()
        else:
            bits = _bits(a, b, xs[k + 1] if k < 3 else None)[4:-4, 4:-4]
            mean = (contrast * bits).sum() / bits.sum()
        score *= mean ** (WEIGHTS[k] / WEIGHTS.sum())
    return score


def _pyramid(image):
    taps, levels = np.array([1, 4, 6, 4, 1]) / 16 * np.sqrt(2), []
    for _ in range(4):
        low = _filtered(image, taps)[::2, ::2]
        zeros = np.zeros_like(image)
        zeros[::2, ::2] = low
        levels.append(image - _filtered(zeros, taps))
        image = low
    return [*levels, image]


def _filtered(image, taps):
    return ndimage.correlate1d(ndimage.correlate1d(image, taps, axis=0, mode="mirror"), taps, axis=1, mode="mirror")


def _similarity(a, b):
    gauss = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
    inner = slice(5, -5), slice(5, -5)
    ma, mb, aa, bb, ab = (_filtered(v, gauss / gauss.sum())[inner] for v in (a, b, a * a, b * b, a * b))
    contrast = (2 * (ab - ma * mb) + 7.65**2) / (aa - ma**2 + bb - mb**2 + 7.65**2)
    return (2 * ma * mb + 2.55**2) / (ma**2 + mb**2 + 2.55**2), contrast


def _bits(a, b, parent):
    near_a, near_b = (sliding_window_view(v, (3, 3)) for v in (a, b))
    flat_a, flat_b = (v.reshape(*v.shape[:2], 9) for v in (near_a, near_b))
    away_a, away_b = (v - v.mean(axis=2, keepdims=True) for v in (flat_a, flat_b))
    var_a, var_b, cov = ((p * q).mean(axis=2) for p, q in ((away_a, away_a), (away_b, away_b), (away_a, away_b)))
    gain = cov / var_a
    rest = var_b - gain * cov
    u = flat_a
    if parent is not None:
        u = np.concatenate([u, _enlarged(parent, a.shape)[1:-1, 1:-1, None]], axis=2)
    k = u.shape[2]
    covariance = np.einsum("rci,rcj->ij", u, u) / u[..., 0].size
    scale = np.einsum("rci,ij,rcj->rc", u, np.linalg.inv(covariance), u) / k
    noise = 0.4
    return sum(
        np.log2(1 + ((rest + (1 + gain**2) * noise) * scale * power + noise * rest) / noise**2)
        for power in np.linalg.eigvalsh(covariance)
    )


def _enlarged(plane, shape):
    """By bilinear interpolation to 4·n − 3 pixels, one more extrapolated on each side, every other one kept."""
    for axis in (0, 1):
        plane = np.moveaxis(plane, axis, 0)
        n = plane.shape[0]
        at = np.clip((np.arange(4 * n - 3) + 0.5) * n / (4 * n - 3) - 0.5, 0, n - 1)
        wide = np.stack([np.interp(at, np.arange(n), col) for col in plane.T], axis=1)
        wide = np.concatenate([2 * wide[:1] - wide[1:2], wide, 2 * wide[-1:] - wide[-2:-1]])
        plane = np.moveaxis(wide[::2][: shape[axis]], 0, axis)
    return plane


# golden


def test_the_synthetic_pair():
    assert iw_ssim(*synthetic_pair()) == pytest.approx(0.97105254, abs=1e-7)


def test_goldhill(test_data):
    assert iw_ssim(*goldhill(test_data)) == pytest.approx(0.886297251092821, abs=1e-9)


def test_i01(test_data):
    """The value that is quoted was computed with the noisy image as reference."""
    image, reference = i01(test_data)
    assert iw_ssim(reference, image, bands="luma") == pytest.approx(0.946804801436296, abs=1e-9)
    assert iw_ssim(image, reference, bands="luma") == pytest.approx(0.946239579, abs=1e-8)


# bad input


def test_bad_input_is_one_sentence():
    x, y = (a.astype(np.uint8) for a in _scene(8))
    with pytest.raises(ImageError, match=r"image has 175 × 203 valid rows and cols; iw_ssim needs 176 × 176 at least"):
        iw_ssim(x[:175], y[:175])
    mask = np.ones((180, 203), bool)
    mask[::20, ::20] = False
    with pytest.raises(ImageError, match=r"no valid window of 176 × 176 pixels, 11 × 11 at the fifth scale"):
        iw_ssim(x, y, mask=mask)
    with pytest.raises(ImageError, match="mask of reference holds no valid pixel"):
        iw_ssim(x, y, mask=np.zeros((180, 203), bool))
    with pytest.raises(ImageError, match=r"reference is \(180, 203, 1\) but image is \(180, 202, 1\)"):
        iw_ssim(x, y[:, 1:])
    with pytest.raises(ImageError, match="NaN or infinite"):
        iw_ssim(x, np.where(y == y[3, 4], np.nan, y.astype(float)))
    with pytest.raises(ImageError, match="nobody said the largest value"):
        iw_ssim(x.astype(float), y)
    with pytest.raises(ImageError, match="above its peak of 9"):
        iw_ssim(x, y, peak=9)
    with pytest.raises(ImageError, match="complex128; expected real numbers"):
        iw_ssim(x.astype(complex), y)
    with pytest.raises(ImageError, match="has 1 bands but bands='luma' needs red, green and blue"):
        iw_ssim(x, y, bands="luma")
