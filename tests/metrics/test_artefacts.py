"""Entropy, blockiness and ringing: by hand, laws, plain NumPy, and codecs on real images."""

from math import log2

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

from orbiq.arrays import Scene
from orbiq.errors import ImageError, SettingError
from orbiq.imageio import read_image
from orbiq.metrics.artefacts import blockiness, entropy, ringing
from orbiq.tiles import tiling


def _image(seed=0, *, shape=(96, 120, 2)):
    """Fields with borders, texture and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    fields = 60 + 90 * (np.sin(0.9 * np.floor((x + 0.13 * y) / 19) + 2.1 * np.floor((y - 0.11 * x) / 23)) > 0)
    image = ndimage.gaussian_filter(fields.astype(float), 0.7)[..., None] + rng.normal(0, 2, shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _jpeg(image, quality):
    return imagecodecs.jpeg8_decode(imagecodecs.jpeg8_encode(image, level=quality)).reshape(image.shape)


# entropy


def test_entropy_by_hand():
    assert entropy(np.full((4, 4), 9, np.uint8)) == 0
    assert all(entropy(np.full((1, n), 9, np.uint8)) == 0 for n in range(1, 50))  # never below by rounding
    assert entropy(np.array([[0, 0], [0, 1]], np.uint8)) == pytest.approx(0.75 * log2(4 / 3) + 0.25 * 2)
    bands = np.array([[[0, 0], [0, 1]], [[0, 2], [0, 3]]], np.uint8)
    assert entropy(bands) == 1  # 0 and 2 bits
    assert entropy(np.array([[-3.2, 0.1, 0.9, 1.1]]), bin_width=1) == 1.5  # bins −4, 0, 0, 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "uint32", "int64"])
def test_entropy_of_whole_numbers_does_not_depend_on_their_type(dtype):
    image = _image()
    shift = -100 if np.dtype(dtype).kind == "i" else 0
    assert entropy((image.astype(int) + shift).astype(dtype)) == pytest.approx(entropy(image), rel=1e-12)


@given(values=st.lists(st.integers(-300, 300), min_size=1, max_size=60), width=st.sampled_from([0.5, 1, 7]))
@settings(max_examples=30, deadline=None)
def test_entropy_is_that_of_scipy(values, width):
    _, counts = np.unique(np.floor(np.array(values) / width), return_counts=True)
    expected = stats.entropy(counts, base=2)
    assert entropy(np.array([values], np.int16), bin_width=width) == pytest.approx(expected, abs=1e-12)
    assert entropy(np.array([values], float), bin_width=width) == pytest.approx(expected, abs=1e-12)


def test_entropy_of_floats_needs_a_bin():
    with pytest.raises(SettingError, match="bin_width=1 takes 1 DN"):
        entropy(np.zeros((2, 2)))
    for width in (0, -1, float("nan"), float("inf")):
        with pytest.raises(SettingError, match="expected a finite number > 0"):
            entropy(np.zeros((2, 2)), bin_width=width)


# blockiness


def _plain_blockiness(plane):
    """Along the columns of one band."""
    sums = [[] for _ in range(8)]
    for c in range(2, plane.shape[1] - 1):
        step = plane[:, c - 2 : c + 2].astype(float) @ [-1, 3, -3, 1]
        sums[c % 8].append(np.sqrt(np.abs(step)))
    profile = np.array([np.mean(part) for part in sums])
    on = profile.argmax()
    others = np.delete(profile, on).mean(), profile[(on + 4) % 8], (profile[(on + 2) % 8] + profile[(on - 2) % 8]) / 2
    return 1 - max(others) / profile[on], on


def test_flat_blocks_are_all_grid():
    """Between two levels, a step of d at a border counts 2·d there and d one pixel to each side, 0 elsewhere."""
    rows, cols = np.mgrid[3:67, 5:77]
    image = ((rows // 8 + cols // 8) % 2 * 40).astype(np.uint8)
    found = blockiness(image)
    assert found.phase_px == (5, 3)
    assert found.value == pytest.approx(1 - (2 / 7) / np.sqrt(2), rel=1e-9)
    assert found.scores()["blockiness"].value == found.value


@pytest.mark.parametrize("seed", range(3))
def test_blockiness_in_plain_numpy(seed):
    image = _jpeg(_image(seed, shape=(96, 120, 1)), 40)
    across, col = _plain_blockiness(image[..., 0])
    down, row = _plain_blockiness(image[..., 0].T)
    found = blockiness(image)
    assert found.value == pytest.approx((across + down) / 2, rel=1e-10)
    assert found.phase_px == (row, col) == (0, 0)


@given(top=st.integers(0, 9), left=st.integers(0, 9), quality=st.sampled_from([20, 60]))
@settings(max_examples=10, deadline=None)
def test_the_grid_of_a_cropped_image_is_found(top, left, quality):
    coded = _jpeg(_image(shape=(160, 160, 1)), quality)
    assert blockiness(coded[top:, left:]).phase_px == (-top % 8, -left % 8)


def test_blockiness_grows_with_compression_and_is_nothing_without():
    image = _image(shape=(256, 256, 1))
    values = [blockiness(_jpeg(image, quality)).value for quality in (90, 70, 50, 30, 10)]
    assert values == sorted(values)
    assert -0.02 < blockiness(image).value < 0.05 < values[0]


def test_an_enlarged_image_shows_no_grid():
    image = _image(shape=(128, 128, 1)).astype(float)
    for factor in (2, 4):
        enlarged = ndimage.zoom(image, (factor, factor, 1), order=1)[: 128 * factor, : 128 * factor]
        assert blockiness(enlarged).value < 0.1


def test_a_gain_and_an_offset_do_not_matter():
    image = _jpeg(_image(shape=(96, 120, 1)), 50)
    for measure in (lambda a: blockiness(a).value, ringing):
        assert measure(3 * image.astype(np.float32) + 50_000) == pytest.approx(measure(image), rel=1e-9)


def test_one_direction_may_be_without_steps():
    image = np.tile((np.arange(64) // 8 % 2 * 50).astype(np.uint8), (64, 1))
    assert blockiness(image).value == pytest.approx(1 - (2 / 7) / np.sqrt(2), rel=1e-9)
    assert blockiness(image).phase_px == (0, 0)
    with pytest.raises(ImageError, match="no steps at all"):
        blockiness(np.full((64, 64), 3, np.uint8))


# ringing


def test_a_clean_edge_does_not_ring():
    """Nothing near, nothing far."""
    image = np.where(np.arange(256) % 64 < 32, 50, 150) + np.zeros((64, 1))
    with pytest.raises(ImageError, match="expected 50"):
        ringing(image[:2])
    assert ringing(image) == 0


def test_ripples_by_hand():
    """Beside each edge 4, −4, 4, −4 … for 8 px and then nothing: near is all there is."""
    line = np.where(np.arange(320) % 80 < 40, 50.0, 150.0)
    ripple = np.where(np.minimum(np.arange(320) % 40, 39 - np.arange(320) % 40) < 8, 4.0, 0.0)
    image = np.tile(line + ripple * (-1) ** np.arange(320), (40, 1))
    assert ringing(image) == pytest.approx(1.0)


def test_noise_is_no_ringing_and_blur_is_none():
    image = _image(shape=(400, 400, 1)).astype(float)
    noisy = image + np.random.default_rng(1).normal(0, 6, image.shape)
    blurred = ndimage.gaussian_filter(image, (1, 1, 0))
    assert abs(ringing(noisy)) < 0.03
    assert abs(ringing(blurred)) < 0.03


def test_coding_rings():
    image = ndimage.gaussian_filter(_image(shape=(400, 400, 1)).astype(float), (0.5, 0.5, 0)).astype(np.uint8)
    values = [ringing(image)] + [ringing(_jpeg(image, quality)) for quality in (80, 50, 20)]
    assert values == sorted(values)
    assert values[-1] > values[0] + 0.05
    coded = imagecodecs.jpeg2k_encode(image[..., 0], level=34)
    assert ringing(imagecodecs.jpeg2k_decode(coded)) > values[0] + 0.03


def test_too_few_edges():
    with pytest.raises(ImageError, match="sides of strong edges in band 2 .*expected 50"):
        ringing(np.stack([_image(shape=(200, 200, 1))[..., 0], np.full((200, 200), 7, np.uint8)], axis=-1))


# laws of all


MEASURES = {"entropy": entropy, "blockiness": lambda a, **more: blockiness(a, **more).value, "ringing": ringing}


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("size", [7, 32, 50])
def test_tiled_is_whole(name, size):
    image = _image(shape=(97, 121, 2))
    with tiling(size=10**6):
        whole = MEASURES[name](image)
    with tiling(size=size, threads=2):
        assert MEASURES[name](image) == pytest.approx(whole, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("corner", [(0, 0), (13, 21), (40, 3)])
def test_masked_is_cropped(name, corner):
    image = _image(shape=(150, 160, 1))
    part = tuple(slice(start, start + 101) for start in corner)
    mask = np.zeros(image.shape[:2], bool)
    mask[part] = True
    spoilt = np.where(mask[..., None], image, 255)
    cropped = MEASURES[name](image[part])
    with tiling(size=32):
        assert MEASURES[name](spoilt, mask=mask) == pytest.approx(cropped, rel=1e-10)
    assert MEASURES[name](Scene(array=spoilt, mask=mask)) == pytest.approx(cropped, rel=1e-10)


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.full((20, 20), np.nan), {}, "NaN or infinite"),
        (np.zeros((20, 20), complex), {}, "real part"),
        (np.zeros((20, 20), np.uint8), {"mask": np.zeros((20, 20), bool)}, "no valid pixel"),
    ],
)
def test_what_is_refused(name, image, options, message):
    with pytest.raises(ImageError, match=message):
        MEASURES[name](image, **options)


def test_too_small_for_a_grid():
    with pytest.raises(ImageError, match="no valid run of 4 pixels at each of 8 phases"):
        blockiness(_image(shape=(10, 40, 1)))


# real images


def _aerials(test_data):
    paths = sorted((test_data / "usc-sipi" / "aerials").glob("2.1.*.tiff"))
    return [np.ascontiguousarray(read_image(path).array[..., 1:2]) for path in paths[:3]]


def test_aerial_images_have_no_grid_and_their_jpegs_have(test_data):
    for image in _aerials(test_data):
        values = [blockiness(image).value] + [blockiness(_jpeg(image, q)).value for q in (90, 70, 40, 15)]
        assert values == sorted(values)
        assert values[0] < 0.03
        assert values[-1] > 0.3


def test_aerial_images_ring_when_they_are_coded(test_data):
    for image in _aerials(test_data):
        blurred = np.rint(ndimage.gaussian_filter(image.astype(float), (1, 1, 0))).astype(np.uint8)
        assert abs(ringing(blurred) - ringing(image)) < 0.02
        assert ringing(_jpeg(image, 15)) > ringing(image) + 0.02
