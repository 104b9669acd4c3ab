"""Spectra and levels: exact small angles, nodata that takes no part, cubes of hundreds of bands."""

from math import atan, degrees, pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from orbiq.arrays import Scene
from orbiq.errors import ImageError, SettingError
from orbiq.imageio import open_raster, write_image
from orbiq.metrics import regression
from orbiq.metrics.spectral import (
    SPECS,
    ergas,
    rase,
    relative_bias,
    sam,
    sam_map,
    spectral_angles,
    spectral_correlation,
)
from orbiq.tiles import tiling


def _ergas(*pair, **known):
    return ergas(*pair, ratio=0.25, **known)


ALL = (sam, spectral_correlation, _ergas, rase, relative_bias)


def _pair(seed=0, shape=(23, 31, 5)):
    rng = np.random.default_rng(seed)
    image = rng.integers(1, 4096, shape).astype(np.uint16)
    return image, np.clip(image + rng.normal(0, 200, shape), 0, 4095).astype(np.uint16)


def _synthetic_pair():
    """The licence-free pair that needs no data, as three bands."""
    y, x = np.mgrid[:256, :256]
    waves = 60 * np.sin(2 * pi * x / 37) + 40 * np.cos(2 * pi * y / 23) + 20 * np.sin(2 * pi * (x + y) / 11)
    first = np.round(127.5 + waves)
    second = np.clip(np.round(first + np.random.default_rng(42).normal(0, 10, first.shape)), 0, 255)
    return tuple(
        np.stack([band, band.T // 2, 255 - band[::-1]], axis=2)
        for band in (first.astype(np.uint8), second.astype(np.uint8))
    )


# known answers


@pytest.mark.parametrize("angle_deg", [0, 1e-7, 1e-4, 1, 45, 90, 179.999, 180])
def test_angles_of_known_size(angle_deg):
    turned = np.array([[[np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))]]])
    assert sam(np.array([[[1.0, 0.0]]]), 700 * turned) == pytest.approx(angle_deg, rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_equal_images_have_an_angle_of_exactly_0(dtype):
    """1e-4 rad in float32 by way of arccos."""
    image = (np.random.default_rng(1).random((30, 30, 7)) * 200).astype(dtype)
    assert sam(image, image) == 0
    assert sam(image.astype(float), 2.0 * image) == 0


def test_a_pixel_without_a_spectrum_takes_no_part_and_is_counted():
    first, second = np.ones((2, 3, 2)), np.ones((2, 3, 2))
    second[..., 1] = 2
    first[0, 0] = 0
    second[1, 1] = 0
    found = spectral_angles(first, second)
    assert (found.pixels, found.zero_pixels) == (4, 2)
    assert found.mean_deg == pytest.approx(degrees(atan(2)) - 45)
    assert found.mean_rad == pytest.approx(np.radians(found.mean_deg))
    assert np.isnan(sam_map(first, second)).tolist() == [[True, False, False], [False, True, False]]


def test_bias_of_1_percent_and_error_of_10_percent():
    image = np.random.default_rng(2).random((20, 20, 4)) + 1
    assert relative_bias(image, 1.01 * image) == pytest.approx(0.01, abs=1e-15)
    flat = np.full((5, 5, 3), [10.0, 100.0, 1000.0])
    assert ergas(flat, 1.1 * flat, ratio=1) == pytest.approx(10)
    assert ergas(flat, 1.1 * flat, ratio=0.25) == pytest.approx(2.5)
    assert rase(flat, flat + 37) == pytest.approx(10)


def test_correlation_ignores_gain_and_offset_of_a_pixel():
    image = np.random.default_rng(3).random((6, 7, 12))
    offset = np.random.default_rng(4).random((6, 7, 1))
    assert spectral_correlation(image, 5 * offset + (1 + offset) * image) == pytest.approx(1, abs=1e-12)
    assert spectral_correlation(image, -image) == pytest.approx(-1, abs=1e-12)


def test_grey_pixels_do_not_correlate_by_their_rounding():
    rng = np.random.default_rng(0)
    grey = rng.uniform(0.2, 1, (40, 40, 1)) * np.ones(9)
    rounded = grey * (1 + rng.integers(-2, 3, grey.shape) * np.finfo(float).eps)
    with pytest.raises(ImageError, match="has no valid pixel whose bands differ to measure"):
        spectral_correlation(rounded, rounded[::-1])
    rounded[0, 0] = np.arange(9)
    assert spectral_correlation(rounded, rounded) == pytest.approx(1, abs=1e-12)


def test_a_bias_has_one_direction_wherever_it_is_measured():
    ours = SPECS["relative_bias"].scores[0]
    other = {score.name: score for spec in regression.SPECS.values() for score in spec.scores}["bias"]
    assert (ours.best, ours.higher_is_better) == (other.best, other.higher_is_better) == (0, False)


def test_pixels_of_equal_bands_do_not_correlate():
    image = np.random.default_rng(3).random((2, 2, 4))
    image[0, 0] = 0.1
    assert spectral_correlation(image, image) == pytest.approx(1, abs=1e-15)
    with pytest.raises(ImageError, match="has no valid pixel whose bands differ to measure"):
        spectral_correlation(np.full((2, 2, 4), 0.1), image)


# laws


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(5, 40), bands=st.integers(3, 9))
@pytest.mark.parametrize("metric", ALL)
def test_tiled_is_whole_and_masked_is_cropped(metric, seed, size, bands):
    first, second = _pair(seed, (23, 31, bands))
    mask = np.zeros(first.shape[:2], bool)
    mask[4:20, 3:] = True
    spoilt = np.where(mask[..., None], second, np.nan)
    with tiling(size=10**6):
        whole, cropped = metric(first, second), metric(first[4:20, 3:], second[4:20, 3:])
    with tiling(size=size):
        assert metric(first, second) == pytest.approx(whole, abs=1e-10)
        assert metric(first, spoilt, mask=mask) == pytest.approx(cropped, abs=1e-10)
        assert metric(Scene(array=first, mask=mask), Scene(array=spoilt)) == pytest.approx(cropped, abs=1e-10)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), gain=st.sampled_from([0.3, 7.0, 1e4]))
def test_symmetry_and_brightness(seed, gain):
    first, second = (v.astype(float) for v in _pair(seed))
    assert sam(first, second) == pytest.approx(sam(second, first), abs=1e-12)
    assert sam(first, gain * second) == pytest.approx(sam(first, second), abs=1e-9)
    assert spectral_correlation(first, second) == pytest.approx(spectral_correlation(second, first), abs=1e-12)
    for metric in (_ergas, rase, relative_bias):
        assert metric(gain * first, gain * second) == pytest.approx(metric(first, second), rel=1e-9)


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_any_dtype(metric, dtype):
    first, second = (v // 16 for v in _pair())
    assert metric(first.astype(dtype), second.astype(dtype)) == metric(first, second)


@pytest.mark.parametrize("metric", ALL)
def test_precise_at_an_offset_of_50000(metric):
    rng = np.random.default_rng(6)
    first = (50_000 + rng.normal(0, 1, (40, 40, 6))).astype(np.float32)
    second = (first + rng.normal(0, 1, first.shape)).astype(np.float32)
    assert metric(first, second) == metric(first.astype(float), second.astype(float))
    long = [v.astype(np.longdouble) for v in (first, second)]
    assert metric(first, second) == pytest.approx(float(_by_hand(metric, *long)), rel=1e-9)


def _by_hand(metric, x, y):
    """The definitions in long double."""
    if metric is sam:
        cosine = (x * y).sum(2) / np.sqrt((x**2).sum(2) * (y**2).sum(2))
        return np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean()
    if metric is spectral_correlation:
        a, b = (v - v.mean(2, keepdims=True) for v in (x, y))
        return ((a * b).sum(2) / np.sqrt((a**2).sum(2) * (b**2).sum(2))).mean()
    error, mean = np.sqrt(((y - x) ** 2).mean((0, 1))), x.mean((0, 1))
    if metric is rase:
        return 100 * np.sqrt((error**2).mean()) / mean.mean()
    return 25 * np.sqrt(((error / mean) ** 2).mean()) if metric is _ergas else ((y - x).mean((0, 1)) / mean).mean()


def test_the_map_is_of_the_same_angles():
    first, second = _pair()
    with tiling(size=7):
        assert sam_map(first, second).mean() == pytest.approx(sam(first, second), abs=1e-10)


def test_a_file_with_nodata(tmp_path):
    first, second = _pair()
    mask = np.ones(first.shape[:2], bool)
    mask[:6] = False
    write_image(tmp_path / "image.tif", second, mask=mask)
    with open_raster(tmp_path / "image.tif") as raster:
        assert sam(first, raster) == pytest.approx(sam(first[6:], second[6:]), abs=1e-12)


# golden: values of torchmetrics 1.9.0 and sewar 0.4.10, which agree


def test_the_licence_free_pair():
    first, second = _synthetic_pair()
    assert (int(first[..., 0].sum()), int(second[..., 0].sum())) == (8400393, 8399527)
    assert ergas(first, second, ratio=1 / 4) == pytest.approx(1.9645757422604364, abs=1e-12)
    assert spectral_angles(first, second).mean_rad == pytest.approx(0.049609499937264316, abs=1e-11)


def test_i01_and_its_distortion(test_data):
    folder = test_data / "iqa-golden/piq"
    first, second = (np.array(Image.open(folder / name).convert("RGB")) for name in ("I01.BMP", "i01_01_5.bmp"))
    assert ergas(first, second, ratio=1 / 4) == pytest.approx(5.50398331122638, abs=1e-12)
    assert spectral_angles(first, second).mean_rad == pytest.approx(0.17791487088019647, abs=1e-12)


def test_a_cube_of_198_bands(test_data):
    file = test_data / "hyperspectral/jasperRidge2_R198.img"
    cube = np.fromfile(file, np.int16).reshape(198, 100, 100).transpose(1, 2, 0)
    noisy = cube + np.random.default_rng(0).normal(0, 30, cube.shape)
    for metric in ALL:
        with tiling(size=32):
            tiled = metric(cube, noisy)
        assert tiled == pytest.approx(float(_by_hand(metric, cube.astype(np.longdouble), noisy)), rel=1e-6)


# bad input


def test_bad_input():
    first, second = _pair()
    with pytest.raises(ImageError, match="image has 1 band, but a comparison of spectra needs at least 2"):
        sam(first[..., 0], second[..., 0])
    with pytest.raises(ImageError, match="image has 2 bands, but a comparison of spectra needs at least 3"):
        spectral_correlation(first[..., :2], second[..., :2])
    with pytest.raises(ImageError, match="has no valid pixel that is not 0 in all bands to measure"):
        sam(first, np.zeros_like(second))
    with pytest.raises(ImageError, match="band 2 of the reference has mean 0"):
        ergas(first * np.array([1, 0, 1, 1, 1]), second, ratio=0.5)
    with pytest.raises(ImageError, match="band 1 of the reference has mean 0"):
        relative_bias(0 * first, second)
    with pytest.raises(ImageError, match="the reference has mean 0"):
        rase(0 * first, second)


@pytest.mark.parametrize("metric", [_ergas, rase, relative_bias])
def test_levels_below_no_light_are_refused(metric):
    first, second = _pair()
    with pytest.raises(ImageError, match=r"has mean -\d.*expected above 0 \(0 = no light\)"):
        metric(-first.astype(float), second)


@pytest.mark.parametrize("ratio", [None, 0, 4, -0.25, float("nan")])
def test_ergas_does_not_guess_the_ratio(ratio):
    with pytest.raises(SettingError, match=r"ratio of ergas is .*; expected the sharpened pixel size"):
        ergas(*_pair(), ratio=ratio)


@pytest.mark.parametrize("metric", ALL)
def test_bad_input_of_any(metric):
    first, second = _pair()
    with pytest.raises(ImageError, match="reference is .* but image is"):
        metric(first, second[1:])
    with pytest.raises(ImageError, match="NaN or infinite"):
        metric(first, np.where(second == second.max(), np.nan, second))
    with pytest.raises(ImageError, match="holds no valid pixel"):
        metric(first, second, mask=np.zeros(first.shape[:2], bool))
    with pytest.raises(ImageError, match="holds complex"):
        metric(first, second * 1j)
