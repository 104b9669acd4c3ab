"""Hypercomplex quality index, against numbers multiplied one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from orbiq.errors import ImageError, SettingError, UnknownName
from orbiq.metrics.hypercomplex_quality import q2n
from orbiq.metrics.universal_quality import uqi
from orbiq.tiles import tiling

VARIANTS = ("normalised", "plain")


def _pair(seed=0, shape=(64, 96, 5)):
    rng = np.random.default_rng(seed)
    image = rng.integers(200, 4096, shape).astype(np.uint16)
    return image, np.clip(image * 0.9 + rng.normal(0, 500, shape), 0, 4095).astype(np.uint16)


def _conjugate(x):
    return np.concatenate([x[:1], -x[1:]])


def _product(x, y):
    """Of two hypercomplex numbers, by doubling: complex numbers, quaternions, octonions …"""
    if len(x) == 1:
        return x * y
    half = len(x) // 2
    a, b, c, d = x[:half], x[half:], y[:half], y[half:]
    return np.concatenate(
        [
            _product(a, c) - _product(_conjugate(d), b),
            _product(d, a) + _product(b, _conjugate(c)),
        ]
    )


def _of_one_block(x, y, variant):
    """Q of blocks (pixels, bands), pixel by pixel."""
    x, y = x.astype(float), y.astype(float)
    filling = 0.0
    if variant == "normalised":
        mean, deviation = x.mean(0), x.std(0, ddof=1)
        x, y = (x - mean) / deviation + 1, (y - mean) / deviation + 1
        filling = 1.0
    size = 1
    while size < x.shape[1]:
        size *= 2
    z, v = (np.pad(a, ((0, 0), (0, size - a.shape[1])), constant_values=filling) for a in (x, y))
    n = len(z)
    mean_product = sum(_product(p, _conjugate(q)) for p, q in zip(z, v, strict=True)) / n
    covariance = n / (n - 1) * (mean_product - _product(z.mean(0), _conjugate(v.mean(0))))
    spread = z.var(0, ddof=1).sum() + v.var(0, ddof=1).sum()
    level_z, level_v = np.linalg.norm(z.mean(0)), np.linalg.norm(v.mean(0))
    bias = 2 * level_z * level_v / (level_z**2 + level_v**2)
    return np.linalg.norm(covariance) * 2 / spread * bias


def _pixel_by_pixel(x, y, block, variant):
    values = []
    for top in range(0, x.shape[0] - block + 1, block):
        for left in range(0, x.shape[1] - block + 1, block):
            here = slice(top, top + block), slice(left, left + block)
            values.append(_of_one_block(*(v[here].reshape(block**2, -1) for v in (x, y)), variant))
    return np.mean(values)


# known answers


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("bands", [1, 3, 4])
def test_equal_is_1_and_independent_noise_next_to_0(variant, bands):
    rng = np.random.default_rng(0)
    first, second = rng.normal(500, 20, (2, 128, 128, bands))
    assert q2n(first, first, variant=variant) == pytest.approx(1, abs=1e-12)
    assert q2n(first, second, variant=variant) < 0.05 * np.sqrt(bands)


def test_one_band_is_the_modulus_of_the_universal_index():
    first, second = _pair(shape=(16, 16, 1))
    whole = q2n(first, second, block=16, variant="plain")
    assert whole == pytest.approx(abs(uqi(first, second, window=16)), abs=1e-12)


def test_a_constant_band_counts_as_it_is_or_not_at_all():
    first, _ = _pair(shape=(32, 32, 2))
    first[..., 1] = 77
    changed = first.copy()
    changed[0, 0, 1] = 78
    assert q2n(first, first) == pytest.approx(1, abs=1e-12)
    assert q2n(first, changed) == 0
    assert q2n(first, changed, variant="plain") > 0.999


@pytest.mark.parametrize("variant", VARIANTS)
def test_constant_images_score_their_means(variant):
    flat = np.full((32, 32, 3), 10.0)
    assert q2n(flat, flat, variant=variant) == pytest.approx(1)
    assert q2n(flat, 2 * flat, variant=variant) == pytest.approx(0.8 if variant == "plain" else 0)


def test_swapped_bands_are_a_spectral_distortion():
    first, _ = _pair()
    assert q2n(first, first[..., [1, 0, 2, 3, 4]]) < 0.9


# laws


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(8, 70), block=st.sampled_from([4, 7, 16]))
@pytest.mark.parametrize("variant", VARIANTS)
def test_tiled_is_whole_and_masked_is_cropped_at_blocks(variant, seed, size, block):
    first, second = _pair(seed, (45, 52, 3))
    mask = np.zeros(first.shape[:2], bool)
    mask[block:40, block:] = True
    spoilt = np.where(mask[..., None], second, np.nan)
    with tiling(size=10**6):
        whole = q2n(first, second, block=block, variant=variant)
        cropped = q2n(first[block:40, block:], second[block:40, block:], block=block, variant=variant)
    with tiling(size=size):
        assert q2n(first, second, block=block, variant=variant) == pytest.approx(whole, abs=1e-12)
        assert q2n(first, spoilt, block=block, variant=variant, mask=mask) == pytest.approx(cropped, abs=1e-12)


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**32 - 1), gain=st.sampled_from([0.3, 8.0, 1e4]))
@pytest.mark.parametrize("variant", VARIANTS)
def test_units_do_not_matter(variant, seed, gain):
    first, second = (v.astype(float) for v in _pair(seed, (32, 64, 3)))
    score = q2n(first, second, variant=variant)
    assert 0 <= score <= 1
    assert q2n(gain * first, gain * second, variant=variant) == pytest.approx(score, abs=1e-9)


def test_plain_is_symmetric():
    first, second = _pair()
    assert q2n(first, second, variant="plain") == pytest.approx(q2n(second, first, variant="plain"), abs=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_any_dtype(dtype):
    first, second = (v // 16 for v in _pair())
    assert q2n(first.astype(dtype), second.astype(dtype)) == q2n(first, second)


def test_precise_at_an_offset_of_50000():
    rng = np.random.default_rng(2)
    first = (50_000 + rng.normal(0, 1, (32, 64, 3))).astype(np.float32)
    second = (first + rng.normal(0, 1, first.shape)).astype(np.float32)
    score = q2n(first, second)
    assert score == q2n(first.astype(float), second.astype(float))
    assert score == pytest.approx(q2n(first - 50_000.0, second - 50_000.0), abs=1e-9)


# agreement


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("bands", [1, 2, 3, 4, 5, 8, 11])
def test_as_numbers_multiplied_one_by_one(variant, bands):
    first, second = _pair(bands, (9, 17, bands))
    by_hand = _pixel_by_pixel(first, second, 8, variant)
    assert q2n(first, second, block=8, variant=variant) == pytest.approx(by_hand, abs=1e-12)


# golden: values of sewar 0.4.10


def test_the_licence_free_pair():
    y, x = np.mgrid[:256, :256]
    waves = 60 * np.sin(2 * np.pi * x / 37) + 40 * np.cos(2 * np.pi * y / 23) + 20 * np.sin(2 * np.pi * (x + y) / 11)
    a = np.round(127.5 + waves)
    b = np.clip(np.round(a + np.random.default_rng(42).normal(0, 10, a.shape)), 0, 255)
    first, second = (np.stack([v, v.T // 2, 255 - v[::-1]], axis=2).astype(np.uint8) for v in (a, b))
    first, second = (np.concatenate([v, v[::-1], v[:, ::-1, :2]], axis=2) for v in (first, second))
    values = {1: 0.981918973364079, 2: 0.9818976321695254, 3: 0.9819240076694888, 4: 0.9819312567281195}
    for bands, value in (values | {8: 0.9819243268128205}).items():
        assert q2n(first[..., :bands], second[..., :bands]) == pytest.approx(value, abs=1e-12)


def test_i01_and_its_distortion(test_data):
    folder = test_data / "iqa-golden/piq"
    first, second = (np.array(Image.open(folder / name).convert("RGB")) for name in ("I01.BMP", "i01_01_5.bmp"))
    assert q2n(first, second) == pytest.approx(0.6859014398601176, abs=1e-12)


def test_a_cube_of_198_bands(test_data):
    file = test_data / "hyperspectral/jasperRidge2_R198.img"
    cube = np.fromfile(file, np.int16).reshape(198, 100, 100).transpose(1, 2, 0)[:64, :32]
    noisy = cube + np.random.default_rng(0).normal(0, 30, cube.shape)
    assert q2n(cube, cube) == pytest.approx(1, abs=1e-12)
    assert 0.5 < q2n(cube, noisy) < q2n(cube, (cube + noisy) / 2) < 1


@pytest.mark.parametrize("variant", ["normalised", "plain"])
def test_an_inverted_image_scores_as_its_original(variant):
    image = np.random.default_rng(0).normal(0, 1, (64, 64, 4))
    inverted = 2 * image.reshape(2, 32, 2, 32, 4).mean(axis=(1, 3), keepdims=True) - image.reshape(2, 32, 2, 32, 4)
    assert q2n(image, inverted.reshape(image.shape), variant=variant) == pytest.approx(1, abs=1e-9)


def test_a_block_of_any_whole_number():
    first, second = np.random.default_rng(0).random((2, 70, 70, 3))
    assert q2n(first, second, block=np.uint8(32)) == q2n(first, second, block=32)


# bad input


def test_bad_input():
    first, second = _pair()
    with pytest.raises(ImageError, match=r"has no valid block of 32 × 32 pixels to measure"):
        q2n(first[:31], second[:31])
    with pytest.raises(SettingError, match="block is 1"):
        q2n(first, second, block=1)
    with pytest.raises(UnknownName, match="no variant of q2n named 'raw'"):
        q2n(first, second, variant="raw")
    with pytest.raises(ImageError, match="reference is .* but image is"):
        q2n(first, second[1:])
    with pytest.raises(ImageError, match="NaN or infinite"):
        q2n(first, np.where(second == second.max(), np.nan, second))
    with pytest.raises(ImageError, match="holds no valid pixel"):
        q2n(first, second, mask=np.zeros(first.shape[:2], bool))
