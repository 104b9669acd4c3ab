"""The four first modifiers: known answers and laws; `test_contract.py` has what all keep to."""

from math import erf, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.special import ndtr

import orbiq
from orbiq.arrays import Scene
from orbiq.errors import ImageError, SettingError
from orbiq.imageio import write_image
from orbiq.modifiers.base import Chain, build_chain, composed
from orbiq.modifiers.noise import GaussianNoise
from orbiq.modifiers.psf import GaussianBlur
from orbiq.modifiers.radiometry import Quantize
from orbiq.numerics import image_rng
from orbiq.registry import parse_spec

RNG = np.random.default_rng(3)


def scene(array, **about):
    array = np.asarray(array)
    return Scene(array=array if array.ndim == 3 else array[:, :, None], name="a.png", **about)


def apply(modifier, given, seed=0):
    return modifier(given, rng=image_rng(seed, given.name)).scene.array


# known answers


@pytest.mark.parametrize("sigma_px", [0.8, 1.0, 2.5])
def test_blurred_edge_has_the_gaussian_rer(sigma_px):
    before_px = 1.0  # the edge as the sensor delivers it
    x_px = np.arange(129) - 63.5
    edge = np.tile(ndtr(x_px / before_px), (64, 1))
    blurred = apply(GaussianBlur(sigma_px=sigma_px), scene(edge, peak=1))[32, :, 0]
    total_px = np.hypot(before_px, sigma_px)
    # relative edge response: from half a pixel before the edge to half a pixel behind it
    assert blurred[64] - blurred[63] == pytest.approx(erf(1 / (2 * sqrt(2) * total_px)), abs=2e-3)


def test_quantize_keeps_the_top_bits():
    given = scene(np.arange(256, dtype=np.uint8).reshape(16, 16))
    assert (apply(Quantize(bits=4), given) == (given.array & 0xF0)).all()
    assert (apply(Quantize(bits=4, centred=True), given) == (given.array & 0xF0) + 8).all()
    assert (apply(Quantize(bits=8), given) == given.array).all()


def test_quantize_counts_bits_from_the_peak():
    given = scene(np.array([[0, 15, 16, 4095]], np.uint16), peak=4095)
    assert apply(Quantize(bits=8), given)[0, :, 0].tolist() == [0, 0, 16, 4080]


def test_quantize_negative_and_float():
    assert apply(Quantize(bits=8), scene(np.array([[-17, -1, 17]], np.int16), peak=4095))[0, :, 0].tolist() == [
        -32,
        -16,
        16,
    ]
    levels = apply(Quantize(bits=1), scene(np.array([[0.1, 0.6, 1.0]], np.float32), peak=1.0))[0, :, 0]
    assert levels.tolist() == [0.0, 0.5, 0.5]


def test_noise_has_the_stated_strength():
    flat = scene(np.full((256, 256, 2), 2000, np.uint16), peak=4095)
    noisy = apply(GaussianNoise(sigma_dn=20.0), flat).astype(float)
    assert noisy.mean() == pytest.approx(2000, abs=0.3)
    assert noisy[..., 0].std() == pytest.approx(np.hypot(20, 1 / sqrt(12)), rel=0.01)
    assert abs(np.corrcoef(noisy[..., 0].ravel(), noisy[..., 1].ravel())[0, 1]) < 0.02
    fraction = apply(GaussianNoise(sigma_fraction=20 / 4095), flat)
    assert np.abs(fraction.astype(int) - noisy).max() <= 1


def test_noise_is_clipped_to_the_peak():
    noisy = apply(GaussianNoise(sigma_fraction=1.0), scene(np.full((64, 64), 2000, np.uint16), peak=4095))
    assert noisy.max() == 4095
    assert noisy.min() == 0


# laws


@settings(max_examples=15, deadline=None)
@given(st.floats(1, 2.5), st.floats(1, 2.5))
def test_blurs_add_in_squares(first_px, second_px):
    image = scene(np.random.default_rng(1).normal(size=(48, 48)))
    twice = apply(GaussianBlur(sigma_px=second_px), scene(apply(GaussianBlur(sigma_px=first_px), image)))
    once = apply(GaussianBlur(sigma_px=float(np.hypot(first_px, second_px))), image)
    assert np.abs(twice - once)[12:-12, 12:-12].max() < 1e-3


def test_blur_keeps_the_mean_of_a_flat_image_and_its_borders():
    flat = scene(np.full((20, 30, 5), 77, np.uint8))
    assert (apply(GaussianBlur(sigma_px=3), flat) == 77).all()


def test_masked_pixels_take_no_part():
    array = np.full((32, 32), 100, np.uint8)
    array[:, :10] = 255
    mask = np.ones((32, 32), bool)
    mask[:, :10] = False
    blurred = apply(GaussianBlur(sigma_px=2), scene(array, mask=mask))
    assert (blurred[:, 10:] == 100).all()
    assert (blurred[:, :10] == 255).all()


def test_nan_does_not_spread():
    array = np.full((32, 32), 5.0, np.float32)
    array[4, 4] = np.nan
    blurred = apply(GaussianBlur(sigma_px=2), scene(array, mask=~np.isnan(array)))
    assert np.isnan(blurred[4, 4, 0])
    assert np.nanmax(np.abs(blurred - 5)) < 1e-5


def test_same_noise_in_any_order_and_common_across_levels():
    flat = scene(np.full((16, 16), 1000, np.int16), peak=4095)
    one, two = (apply(GaussianNoise(sigma_dn=s), flat).astype(int) - 1000 for s in (10.0, 20.0))
    assert np.abs(two - 2 * one).max() <= 2
    assert (apply(GaussianNoise(sigma_dn=10.0), flat) - 1000 == one).all()
    assert (apply(GaussianNoise(sigma_dn=10.0), flat, seed=1) - 1000 != one).any()


def test_chain_is_its_steps_one_after_the_other():
    given = scene(RNG.integers(0, 255, (32, 32, 3), dtype=np.uint8))
    chain = build_chain(parse_spec("gaussian-blur:sigma_px=1>jpeg:quality=40"))
    both = chain(given, rng=image_rng(0, "a.png"))
    blurred = scene(apply(chain.steps[0], given))
    assert (both.scene.array == apply(chain.steps[1], blurred)).all()
    assert both.coding == "jpeg"
    assert both.encoded_bytes == len(both.stream)


def test_a_lossy_step_after_the_codec_leaves_no_stream():
    chain = build_chain(parse_spec("jpeg:quality=40>gaussian-blur:sigma_px=1"))
    assert chain(scene(np.zeros((16, 16, 3), np.uint8)), rng=image_rng(0, "a")).encoded_bytes is None


def test_the_mask_is_paid_for():
    mask = np.ones((64, 64), bool)
    mask[:10] = False
    given = scene(np.full((64, 64, 3), 90, np.uint8), mask=mask)
    modified = build_chain(parse_spec("jpeg:quality=40"))(given, rng=image_rng(0, "a"))
    assert modified.encoded_bytes > len(modified.stream)


def test_affine_composition():
    assert composed((0, -1, 5, 1, 0, 2), (1, 0, 0, 0, 1, 0)) == (0, -1, 5, 1, 0, 2)


# agreement


def test_blur_agrees_with_scipy():
    image = RNG.normal(size=(40, 50))
    expected = ndimage.gaussian_filter(image, 1.7, mode="reflect", truncate=7 / 1.7)
    assert np.abs(apply(GaussianBlur(sigma_px=1.7), scene(image))[..., 0] - expected).max() < 1e-12


def test_peak_is_never_guessed():
    with pytest.raises(ImageError, match=r"is uint16 and nobody said the largest value .* State it"):
        apply(Quantize(bits=4), scene(np.zeros((4, 4), np.uint16)))
    with pytest.raises(SettingError, match="has 8 bits"):
        apply(Quantize(bits=9), scene(np.zeros((4, 4), np.uint8)))
    assert Chain(steps=()).name == "chain"


def test_a_chain_keeps_what_every_step_achieved():
    chain = build_chain(parse_spec("jpeg:rate_bpp=2>jpeg2000:rate_bpp=1"))
    array = np.random.default_rng(0).integers(0, 255, (64, 64, 1), dtype=np.uint8)
    achieved = chain(Scene(array=array, name="a"), rng=image_rng(0, "a")).achieved
    assert achieved["jpeg:rate_bpp"] == pytest.approx(2, rel=0.2)
    assert achieved["rate_bpp"] == pytest.approx(1, rel=0.1)
    assert {"quality", "level_db"} <= achieved.keys()


def test_what_is_odd_about_images_is_noted_and_summed(tmp_path):
    folder = tmp_path / "flat" / "images"
    folder.mkdir(parents=True)
    for name in ("a.png", "b.png"):
        write_image(folder / name, np.full((20, 20, 1), 90, np.uint8))
    variant = orbiq.modify(tmp_path / "flat", "rer:rer=0.3,now=0.5")
    note = "2 of 2 images: achieved_rer is unknown, too few edges of the result are fit to be measured"
    assert variant.notes == (note,)
    assert variant.remarks(0.0) == [note]
    assert orbiq.modify(tmp_path / "flat", "rer:rer=0.3,now=0.5").notes == (note,)


def test_one_variant_is_no_sweep(tmp_path):
    folder = tmp_path / "flat" / "images"
    folder.mkdir(parents=True)
    write_image(folder / "a.png", np.full((20, 20, 1), 90, np.uint8))
    with pytest.raises(SettingError, match="is a sweep of 2 variants, and this makes one"):
        orbiq.modify(tmp_path / "flat", "jpeg:quality=[10,50]")
    with pytest.raises(SettingError, match="store is 'foo'; expected source or encoded"):
        orbiq.modify(tmp_path / "flat", "jpeg:quality=10", store="foo")
    made = orbiq.modify(str(tmp_path / "flat"), "snr:snr=[[20]],now=[[60]]", variants_dir=str(tmp_path / "out"))
    assert made.name == "snr:snr=[[20]],now=[[60]]"
    assert made.path.parent == tmp_path / "out"


def test_other_sizes_need_more_than_pixels():
    with pytest.raises(ImageError, match=r"is \(4, 4, 1\) and was to get pixels of \(2, 4, 1\); for another size"):
        scene(np.zeros((4, 4), np.uint8)).with_array(np.zeros((2, 4, 1), np.uint8))


def test_a_psf_of_kilometres_is_refused_before_memory_is():
    with pytest.raises(SettingError, match="blur:the point spread function reaches 50000 pixels"):
        build_chain(parse_spec("blur:psf=gaussian,sigma_px=10000"))
