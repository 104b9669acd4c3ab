"""Noise and SNR: blocks by hand and scenes of known noise, laws, plain NumPy, the original's ten images, refusals."""

from math import inf, isnan, log10, nan, sqrt

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.stats import chi2, sigmaclip
from skimage.feature import local_binary_pattern

from orbiq.arrays import Scene
from orbiq.errors import ImageError, SettingError, UnknownName
from orbiq.imageio import open_raster, read_image
from orbiq.metrics.base import Estimate
from orbiq.metrics.noise import snr
from orbiq.metrics.noise_bands import BandNoise, Snr
from orbiq.tiles import tiling

BLOCKS, AREA, PATCHES = METHODS = ("homogeneous-blocks", "homogeneous-area", "homogeneous-patches")


def power_law(shape, exponent, rng):
    """Texture whose amplitude falls as frequency^−exponent: mean 0, standard deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None])
    frequency[0, 0] = inf
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape)) * frequency**-exponent, s=shape)
    return field / field.std()


def textured(rng, *, size=512, share=0.0, levels=(60, 200), piece=48):
    """Texture with square homogeneous pieces, each at a level of its own, on a `share` of the ground."""
    image = 120 + 35 * power_law((size, size), 1.1, rng)
    n = size // piece
    places = rng.permutation(n * n)[: int(np.ceil(share * size**2 / (piece - 6) ** 2))]
    flat = np.zeros((size, size), bool)
    for row, col in zip(*np.divmod(places, n), strict=True):
        # a border of texture remains between pieces
        window = tuple(slice(at * piece + 3, at * piece + piece - 3) for at in (row, col))
        image[window], flat[window] = rng.uniform(*levels), True
    return image.clip(30, 225), flat


def observed(clean, *, b, a=0.0, seed=0):
    """Noise of variance a·L + b on whole numbers."""
    noise = np.random.default_rng(seed).standard_normal(clean.shape)
    return np.clip(np.rint(clean + noise * np.sqrt(a * clean + b)), 0, 255).astype(np.uint8)


def small(seed=0, *, shape=(144, 160), level=100.0, sigma=4.0):
    """Flat on the left, textured on the right; clear of the ends of the range."""
    rng = np.random.default_rng(seed)
    right = np.arange(shape[1]) > 0.6 * shape[1]
    clean = level + 12 * power_law(shape, 1.0, rng) * right
    return np.clip(np.rint(clean + sigma * rng.standard_normal(shape)), 1, 254).astype(np.uint8)


def by_name(said: Snr):
    """All that is said, to compare."""
    return {
        f"{name} {k} {end}": getattr(getattr(band, name), end)
        for k, band in enumerate(said.per_band)
        for name in ("snr", "noise", "a", "b")
        for end in ("value", "low", "high")
    } | {f"areas {k}": band.n_areas for k, band in enumerate(said.per_band)}


def same(said, expected, rel=1e-9):
    assert by_name(said) == pytest.approx(by_name(expected), rel=rel, abs=1e-9, nan_ok=True)
    assert said.flags == expected.flags
    assert said.reason == expected.reason


# known answers


def test_blocks_by_hand():
    """Five of one and four of the other in each block: a variance of 10/9 at a median of 10."""
    said = snr(np.tile(np.array([[9, 11], [11, 9]], np.uint8), (30, 30)))
    assert said.level == 10
    assert said.noise == pytest.approx(sqrt(10 / 9), rel=1e-12)
    assert said.snr == pytest.approx(sqrt(90), rel=1e-12)
    assert said.snr_db == pytest.approx(10 * log10(90), rel=1e-12)
    assert said.per_band[0].n_areas == 400


def test_areas_by_hand():
    """On a chessboard all pixels are flat but the low ones at the border; patches of 13 high and 12 low ones count."""
    said = snr(np.tile(np.array([[9, 11], [11, 9]], np.uint8), (30, 30)), method=AREA)
    assert said.snr == pytest.approx(10 / sqrt(1.04), rel=1e-12)
    assert said.noise == pytest.approx(sqrt(1.04), rel=1e-12)
    assert said.per_band[0].n_areas == 22


def test_without_texture_each_method_has_the_bias_that_it_says():
    image = np.rint(100 + 8 * np.random.default_rng(1).standard_normal((600, 600)))
    assert snr(image, method=PATCHES).noise == pytest.approx(8, rel=0.01)
    # the median of the spreads of nine pixels, the largest of them clipped
    assert snr(image).noise / 8 == pytest.approx(0.94, rel=0.01)
    assert snr(image).noise / 8 < sqrt(chi2.median(8) / 8)
    # the mean of 1 / spread of 25 pixels
    assert snr(image, method=AREA).snr == pytest.approx(100 / 8 * 1.025, rel=0.01)


@pytest.mark.parametrize("sigma", [0.5, 1, 3, 10])
@pytest.mark.parametrize("share", [0.05, 0.15])
def test_noise_of_a_textured_scene_is_within_5_percent(share, sigma):
    for seed in range(3):
        clean, flat = textured(np.random.default_rng(seed), share=share)
        assert flat.mean() >= share
        said = snr(observed(clean, b=sigma**2, seed=seed), method=PATCHES)
        assert said.noise == pytest.approx(sigma, rel=0.05)
        assert said.snr == pytest.approx(said.level / said.noise)
        assert said.flags == ()


def test_strong_noise_is_measured_though_much_of_the_ground_is_clipped():
    for seed in range(3):
        clean, _ = textured(np.random.default_rng(seed), share=0.1, levels=(20, 220))
        assert snr(observed(clean, b=20**2, seed=seed), method=PATCHES).noise == pytest.approx(20, rel=0.05)


@pytest.mark.parametrize(("a", "b"), [(0.2, 2.0), (0.5, 4.0), (0.1, 4.0)])
def test_noise_that_grows_with_the_level_is_within_10_percent(a, b):
    for seed in range(2):
        clean, _ = textured(np.random.default_rng(seed), size=768, share=0.35, levels=(34, 220))
        said = snr(observed(clean, a=a, b=b, seed=seed), method=PATCHES)
        assert said.a == pytest.approx(a, rel=0.1)
        assert said.b == pytest.approx(b, rel=0.1)
        assert said.a_interval[0] < said.a < said.a_interval[1]
        assert said.b_interval[0] < said.b < said.b_interval[1]
        for level in (60, 120, 200):
            assert said.per_band[0].sigma(level) == pytest.approx(sqrt(a * level + b), rel=0.03)
        assert said.noise == pytest.approx(said.per_band[0].sigma(said.level), rel=1e-9)


def test_blocks_count_texture_as_noise():
    clean, _ = textured(np.random.default_rng(0), share=0.1)
    assert snr(observed(clean, b=1)).noise > 3


@pytest.mark.parametrize("step", [1, 4, 8])
def test_the_variance_of_rounding_is_taken_off(step):
    noisy = 1000 + 8 * np.random.default_rng(2).standard_normal((320, 320))
    rounded = (step * np.rint(noisy / step)).astype(np.uint16)
    assert snr(rounded, method=PATCHES).noise == pytest.approx(snr(noisy, method=PATCHES).noise, rel=0.004)


def test_one_level_does_not_tell_a_from_b():
    said = snr(small(shape=(256, 256)), method=PATCHES)
    assert isnan(said.a)
    assert isnan(said.b)
    for name in ("noise_slope_dn", "noise_floor_dn2"):
        assert "at different levels to tell a from b" in said.scores()[name].reason
    assert said.noise == pytest.approx(4, rel=0.05)


# laws


@given(offset=st.integers(0, 60_000))
@settings(max_examples=10, deadline=None)
def test_an_offset_is_no_noise(offset):
    clean, _ = textured(np.random.default_rng(3), size=256, share=0.4)
    image = observed(clean, a=0.1, b=4).astype(np.uint16)
    for method in (BLOCKS, PATCHES):
        plain, moved = snr(image, method=method), snr(image + np.uint16(offset), method=method)
        assert moved.noise == pytest.approx(plain.noise, rel=1e-6)
        assert moved.level == plain.level + offset
        assert moved.snr == pytest.approx(moved.level / moved.noise)
    assert moved.a == pytest.approx(plain.a, rel=1e-5)
    assert moved.b == pytest.approx(plain.b - plain.a * offset, rel=1e-5)


@given(gain=st.integers(1, 250))
@settings(max_examples=10, deadline=None)
def test_units_do_not_matter_to_patches(gain):
    clean, _ = textured(np.random.default_rng(3), size=256, share=0.4)
    image = observed(clean, a=0.1, b=4).astype(np.uint16)
    plain, scaled = snr(image, method=PATCHES), snr(image * np.uint16(gain), method=PATCHES)
    assert scaled.snr == pytest.approx(plain.snr, rel=1e-6)
    assert scaled.interval == pytest.approx(plain.interval, rel=1e-6)
    assert scaled.noise == pytest.approx(gain * plain.noise, rel=1e-6)
    assert scaled.a == pytest.approx(gain * plain.a, rel=1e-5)
    assert scaled.b == pytest.approx(gain**2 * plain.b, rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
@given(power=st.integers(-12, 12))
@settings(max_examples=6, deadline=None)
def test_units_of_data_that_are_no_whole_numbers_do_not_matter(method, power):
    image = small(2) + np.random.default_rng(2).random((144, 160))
    plain, scaled = snr(image, method=method), snr(image * 2.0**power, method=method)
    assert scaled.snr == pytest.approx(plain.snr, rel=1e-9)
    assert scaled.noise == pytest.approx(plain.noise * 2.0**power, rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
@given(sigma=st.floats(2, 6), more=st.floats(1.2, 2), seed=st.integers(0, 99))
@settings(max_examples=6, deadline=None)
def test_more_noise_is_a_lower_snr(method, sigma, more, seed):
    one, other = (snr(small(seed, sigma=s, shape=(240, 240)), method=method) for s in (sigma, more * sigma))
    assert other.snr < one.snr
    assert other.noise > one.noise


@pytest.mark.parametrize("method", [BLOCKS, PATCHES])
def test_turned_images_have_the_same_noise(method):
    image = small(4, shape=(144, 192))
    said = snr(image, method=method).noise
    for turned in (image.T, image[::-1], image[:, ::-1]):
        assert snr(np.ascontiguousarray(turned), method=method).noise == pytest.approx(said, rel=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"method": BLOCKS, "patch_size": 4, "stride": 3},
        {"method": AREA},
        {"method": AREA, "patch_size": 6, "stride": 4, "radius": 2, "lbp_threshold": 0.5},
        {"method": PATCHES},
        {"method": PATCHES, "pitch": 2},
    ],
)
@given(size=st.integers(1, 200), masked=st.booleans())
@settings(max_examples=8, deadline=None)
def test_tiles_of_any_size_change_nothing(options, size, masked):
    shape = (150, 210) if "pitch" not in options else (300, 420)
    image = small(5, shape=shape)
    mask = np.hypot(*(np.mgrid[: shape[0], : shape[1]] - 100)) > 20 if masked else None
    with tiling(size=100_000, threads=1):
        whole = snr(image, mask=mask, **options)
    assert whole.snr > 0
    with tiling(size=max(size, 40), threads=1):
        same(snr(image, mask=mask, **options), whole)


@pytest.mark.parametrize("method", METHODS)
def test_a_masked_image_is_the_cropped_one(method):
    """Cut at a multiple of 3, 5 and 8 pixels, so that blocks are the same ones."""
    image = small(6, shape=(360, 400))
    mask = np.zeros(image.shape, bool)
    mask[120:320, 120:300] = True
    cropped = snr(image[120:320, 120:300].copy(), method=method)
    assert cropped.snr > 0
    spoilt = np.where(mask, image, 255).astype(np.uint8)
    same(snr(spoilt, mask=mask, method=method), cropped)
    same(snr(Scene(array=spoilt[..., None], mask=mask), method=method), cropped)
    same(snr(np.where(mask, image, nan), mask=mask, method=method), cropped)


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
@pytest.mark.parametrize("method", METHODS)
def test_nodata_of_a_file_takes_no_part(method, tmp_path):
    image = small(7).astype(np.uint16)
    mask = np.ones(image.shape, bool)
    mask[40:60, :90] = False
    kind = {"driver": "GTiff", "width": image.shape[1], "height": image.shape[0], "count": 1, "dtype": "uint16"}
    with rasterio.open(tmp_path / "image.tif", "w", nodata=65535, **kind) as file:
        file.write(np.where(mask, image, 65535).astype(np.uint16), 1)
    with open_raster(tmp_path / "image.tif") as raster:
        same(snr(raster, method=method), snr(image, mask=mask, method=method))


def test_a_pixel_of_0_is_no_data_to_blocks():
    image, mask = small(8), np.random.default_rng(8).random((144, 160)) > 0.02
    same(snr(np.where(mask, image, 0).astype(np.uint8)), snr(image, mask=mask))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["int16", "uint32", "int64", "float16", "float32", "float64", ">u2", ">f4"])
def test_whole_numbers_of_any_type_are_the_same(method, dtype):
    same(snr(small(9).astype(dtype), method=method), snr(small(9), method=method))


@pytest.mark.parametrize("method", METHODS)
def test_float32_is_float64_at_a_large_offset(method):
    image = (small(10) + np.random.default_rng(10).random((144, 160)) + 50_000).astype(np.float32)
    single, double = snr(image, method=method), snr(image.astype(float), method=method)
    assert single.noise > 1
    same(single, double, rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_bands_are_measured_by_themselves(method):
    bands = [small(11), small(12, level=60, sigma=2), np.full((144, 160), 9, np.uint8)]
    alone = [snr(band, method=method) for band in bands]
    said = snr(np.stack(bands, axis=-1), method=method)
    assert [str(band) for band in said.per_band] == [str(one.per_band[0]) for one in alone]
    assert said.snr == pytest.approx((alone[0].snr + alone[1].snr) / 2)
    assert said.interval == pytest.approx(np.mean([one.interval for one in alone[:2]], axis=0))
    assert said.noise == pytest.approx((alone[0].noise + alone[1].noise) / 2)
    assert said.level == pytest.approx(np.mean([one.level for one in alone]))
    assert any(flag.startswith("band 3: ") and "single value" in flag for flag in said.flags)
    assert said.reason == ""


@pytest.mark.parametrize("method", METHODS)
def test_a_band_of_whole_numbers_stays_one_beside_fractions(method):
    """As after stacking: its level, its step and its ends are those that it has alone."""
    image = 4.0 * small(14)
    said = snr(np.stack([image, image + 0.3], axis=-1), method=method)
    assert str(said.per_band[0]) == str(snr(image, method=method).per_band[0])


@pytest.mark.parametrize("method", METHODS)
def test_intervals_hold_the_value_and_narrow_with_more_ground(method):
    few, many = (snr(small(13, shape=shape), method=method) for shape in ((144, 160), (600, 640)))
    for said in (few, many):
        (low, high), (noise_low, noise_high) = said.interval, said.noise_interval
        assert low < said.snr < high
        assert noise_low < said.noise < noise_high
    assert np.ptp(many.interval) < np.ptp(few.interval)


def test_intervals_hold_the_truth_about_95_times_in_100():
    held = 0
    for seed in range(40):
        low, high = snr(small(seed, shape=(192, 192)), method=PATCHES).noise_interval
        held += low <= 4 <= high
    assert held >= 36


def test_scores_are_the_estimates_by_name():
    clean, _ = textured(np.random.default_rng(3), size=256, share=0.4)
    said = snr(observed(clean, a=0.1, b=4), method=PATCHES)
    scores = {name: estimate.value for name, estimate in said.scores().items()}
    assert scores == {
        "snr": said.snr, "snr_db": 20 * log10(said.snr), "noise_dn": said.noise, "level_dn": said.level,
        "noise_slope_dn": said.a, "noise_floor_dn2": said.b,
    }  # fmt: skip
    assert set(snr(small()).scores()) == {"snr", "snr_db", "noise_dn", "level_dn"}


def test_decibels_of_nothing_are_nothing():
    missing = BandNoise(snr=Estimate(value=nan, reason="r"), noise=Estimate(value=nan, reason="r"), level=1)
    score = Snr(method=BLOCKS, per_band=(missing,)).scores()["snr_db"]
    assert isnan(score.value)
    assert score.reason == "r"
    endless = BandNoise(snr=Estimate(value=inf, low=0, high=inf), noise=Estimate(value=0), level=1)
    score = Snr(method=BLOCKS, per_band=(endless,)).scores()["snr_db"]
    assert (score.value, score.low, score.high) == (inf, -inf, inf)


# agreement with the original's description, in plain NumPy and scikit-image


def windows(band, size, stride):
    view = np.lib.stride_tricks.sliding_window_view(band, (size, size))[::stride, ::stride]
    return view.reshape(-1, size * size)


def plain_blocks(band, size, stride):
    level = np.median(band[band > 0])
    cut = windows(np.where(band == 0, nan, band), size, stride)
    spreads = cut.std(axis=1, ddof=1)[np.rint(cut.mean(axis=1)) == level]
    return level / np.median(sigmaclip(spreads, high=2)[0]) if spreads.size else nan


def plain_area(band, size, stride, radius, threshold):
    pattern = local_binary_pattern(band, 8 * radius, radius, "uniform")
    share = windows((pattern <= radius - 1) | (pattern >= 7 * radius + 1), size, stride).mean(axis=1)
    flat = (share >= threshold) & (share < 1)
    level = np.median(band[band > 0])
    cut = windows(np.where(band == 0, nan, band), size, stride)[flat]
    cut = cut[~np.isnan(cut).any(axis=1)]
    whole = np.all(band == np.rint(band))
    below = (cut.mean(axis=1) - level) * (1 if whole else 128 / level)
    spreads = cut.std(axis=1, ddof=1)[np.floor(below) == 0] if not whole or level % 1 == 0 else np.empty(0)
    if flat.sum() < 10 or spreads.size < 3 or 2 * np.count_nonzero(spreads) <= spreads.size:
        return nan
    return np.mean(level / spreads[spreads > 0])


@given(seed=st.integers(0, 999), sigma=st.sampled_from([0.5, 2, 6]), size=st.integers(2, 7), stride=st.integers(1, 7))
@settings(max_examples=25, deadline=None)
def test_blocks_agree_with_plain_numpy(seed, sigma, size, stride):
    band = holed(seed, sigma)
    said = snr(band, patch_size=size, stride=stride)
    expected = plain_blocks(band, size, stride)
    assert said.snr == pytest.approx(nan if expected == inf else expected, rel=1e-12, nan_ok=True)


@given(
    seed=st.integers(0, 999),
    sigma=st.sampled_from([0.5, 2, 6]),
    size=st.integers(2, 7),
    stride=st.integers(1, 7),
    radius=st.integers(1, 3),
    threshold=st.sampled_from([0.3, 0.6, 0.8]),
)
@settings(max_examples=25, deadline=None)
@pytest.mark.filterwarnings("ignore:Applying `local_binary_pattern` to floating-point")
def test_areas_agree_with_scikit_image(seed, sigma, size, stride, radius, threshold):
    band = holed(seed, sigma)
    if radius > 1:  # points between equal pixels are above or below by rounding, in scikit-image by where they lie
        band = band * (1 + 1e-3 * np.random.default_rng(seed).random(band.shape))
    options = {"patch_size": size, "stride": stride, "radius": radius, "lbp_threshold": threshold}
    said = snr(band, method=AREA, **options)
    assert said.snr == pytest.approx(plain_area(band, size, stride, radius, threshold), rel=1e-12, nan_ok=True)


def holed(seed, sigma):
    """With a few pixels of 0."""
    band = small(seed, shape=(61, 74), sigma=sigma)
    band[np.random.default_rng(seed).random(band.shape) < 0.003] = 0
    return band


def test_patches_agree_with_the_spread_of_all_homogeneous_pixels():
    clean, flat = textured(np.random.default_rng(14), share=0.3)
    image = observed(clean, b=9, seed=14)
    spread = np.sqrt(np.mean((image - clean)[flat] ** 2) - 1 / 12)
    assert snr(image, method=PATCHES).noise == pytest.approx(spread, rel=0.015)


# golden: the original's own test, on its ten images


def images_of_the_original(test_data):
    paths = sorted((test_data / "iquaflow-test-datasets" / "ds_coco_dataset" / "images").glob("*.jpg"))
    assert len(paths) == 10
    return [read_image(path).array for path in paths]


def test_blocks_of_the_original_s_images(test_data):
    values = [snr(image).snr for image in images_of_the_original(test_data)]
    assert np.mean(values) == pytest.approx(35.55032353607093, rel=1e-9)
    assert np.median(values) == pytest.approx(28.91166092794036, rel=1e-9)
    assert np.std(values) == pytest.approx(21.353973062148025, rel=1e-9)


def test_areas_of_the_original_s_images(test_data):
    values = [snr(image, method=AREA, patch_size=4).snr for image in images_of_the_original(test_data)]
    assert np.mean(values) == pytest.approx(32.24198884869302, rel=1e-9)
    assert np.median(values) == pytest.approx(32.34672691093317, rel=1e-9)
    assert np.std(values) == pytest.approx(16.574449958484983, rel=1e-9)


# refusals


def refused(said, reason):
    assert isnan(said.snr)
    assert isnan(said.noise)
    assert reason in said.reason
    assert "\n" not in said.reason
    level = said.scores().pop("level_dn")
    assert not isnan(level.value) or level.reason
    others = [estimate for name, estimate in said.scores().items() if name != "level_dn"]
    assert all(isnan(estimate.value) and reason in estimate.reason for estimate in others)


def test_texture_without_homogeneous_ground_is_refused():
    for seed in range(3):
        clean, _ = textured(np.random.default_rng(seed))
        refused(
            snr(observed(clean, b=1, seed=seed), method=PATCHES), "not enough homogeneous area: windows of 16 pixels"
        )


def test_homogeneous_ground_far_from_the_median_is_refused():
    clean, _ = textured(np.random.default_rng(0), share=0.05, levels=(34, 36))
    said = snr(observed(clean, a=0.5, b=1), method=PATCHES)
    refused(said, "not enough homogeneous area near the median level of")


def test_a_median_between_two_levels_is_at_no_block():
    image = np.full((30, 30), 10, np.uint8)
    image[:15] = 11
    for method in (BLOCKS, AREA):
        refused(snr(image, method=method), "not enough homogeneous area")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [7, 7.5])
def test_a_constant_image_is_refused(method, value):
    image = np.full((96, 96), value)
    refused(snr(image if value % 1 else image.astype(np.uint8), method=method), "single value")


def test_noise_lost_in_the_quantisation_is_refused():
    clean, _ = textured(np.random.default_rng(0), share=0.3)
    refused(snr(observed(clean, b=0.15**2), method=PATCHES), "quantisation")


def test_single_valued_patches_are_left_out_of_areas_with_a_word():
    """As in the original; where they are most there is nothing to measure."""
    image = np.tile(np.array([[99, 101], [101, 99]], np.uint8), (30, 30))
    image[10:15, 10:15] = image[20:25, 30:35] = 100
    said = snr(image, method=AREA)
    assert said.snr == pytest.approx(plain_area(image, 5, 5, 1, 0.6), rel=1e-12)
    assert said.per_band[0].n_areas == 22
    assert said.flags == ("2 of 24 flat patches hold a single value, and are left out",)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shift", [150, 150.5])
def test_an_image_without_a_pixel_above_0_is_refused(method, shift):
    refused(snr(small() - np.float32(shift) - 100, method=method), "no pixel is above 0")


@pytest.mark.parametrize(
    ("method", "shape", "reason"),
    [
        (BLOCKS, (2, 9), "no block's mean lies at the median level"),
        (AREA, (4, 9), "fewer than 10 flat patches"),
        (PATCHES, (15, 40), "lie on 0.0 % of the image"),
    ],
)
def test_an_image_smaller_than_a_block_is_refused(method, shape, reason):
    refused(snr(small(shape=shape), method=method), reason)


def test_shared_noise_is_refused_or_flagged():
    rng = np.random.default_rng(15)
    white = rng.standard_normal((512, 512))
    clean, _ = textured(rng, share=0.3)
    along_x = np.rint(clean + 4 * (white + 0.4 * np.roll(white, 1, axis=1)))
    said = snr(along_x, method=PATCHES)
    assert isnan(said.noise) or any("correlated noise: neighbours along x" in flag for flag in said.flags)
    striped = np.rint(clean + 3 * white + 3 * white[0])
    [flag] = snr(striped, method=PATCHES).flags
    assert flag.startswith("noise shared along lines, a fixed pattern: neighbours along y correlate by 0.")
    refused(snr(clean + ndimage.gaussian_filter(8 * white, 1.5), method=PATCHES), "pitch=2 looks past a neighbour")


def test_a_pitch_looks_past_noise_that_neighbours_share():
    white = np.random.default_rng(16).standard_normal((384, 385))
    image = np.rint(100 + 5 * (0.8 * white[:, 1:] + 0.6 * white[:, :-1]))
    assert snr(image, method=PATCHES).noise != pytest.approx(5, rel=0.05, nan_ok=True)
    said = snr(image, method=PATCHES, pitch=2)
    assert said.noise == pytest.approx(5, rel=0.03)
    assert said.flags == ()


def test_few_blocks_are_flagged():
    assert snr(small(shape=(24, 24))).flags[0].endswith("blocks lie at the median level")


# bad input


@pytest.mark.parametrize("method", METHODS)
def test_pixels_that_are_no_numbers_are_refused_in_one_sentence(method):
    image = small().astype(float)
    image[3, 4] = nan
    with pytest.raises(ImageError, match=r"image has pixels that are NaN or infinite \(1 in one tile\); mask them"):
        snr(image, method=method)
    with pytest.raises(ImageError, match=r"image holds complex128; expected real numbers"):
        snr(small().astype(complex), method=method)
    with pytest.raises(ImageError, match=r"the mask of image holds no valid pixel"):
        snr(small(), mask=np.zeros((144, 160), bool), method=method)


def test_an_unknown_method_is_refused():
    with pytest.raises(UnknownName, match=r"no method of snr named 'homogeneous-block'. Did you mean 'homogeneous-blo"):
        snr(small(), method="homogeneous-block")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch_size": 1}, r"patch_size of snr is 1; expected a whole number of pixels ≥ 2"),
        ({"stride": 0}, r"stride of snr is 0; expected a whole number of pixels ≥ 1"),
        ({"stride": 1.5}, r"stride of snr is 1.5; expected a whole number"),
        ({"method": AREA, "radius": 0}, r"radius of snr is 0; expected a whole number of pixels ≥ 1"),
        ({"method": AREA, "lbp_threshold": 1.0}, r"lbp_threshold of snr is 1.0; expected a share of pixels"),
        ({"method": AREA, "lbp_threshold": nan}, r"lbp_threshold of snr is nan; expected a share of pixels"),
        ({"method": PATCHES, "pitch": -1}, r"pitch of snr is -1; expected a whole number of pixels ≥ 1"),
        ({"method": PATCHES, "patch_size": 8}, r"homogeneous-patches takes no patch_size; it takes pitch"),
        ({"radius": 2}, r"homogeneous-blocks takes no radius; it takes patch_size, stride"),
        ({"method": AREA, "pitch": 2}, r"homogeneous-area takes no pitch; it takes patch_size, stride, radius"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(SettingError, match=message):
        snr(small(), **options)
