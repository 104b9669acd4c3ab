"""Pixels to what the networks see and back: known answers, laws, and samples that no sensor can have."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbiq.codecs.neural_planes import COLOUR, Scaling, scaling_of
from orbiq.errors import ImageError
from tests.codecs.pictures import picture

# known answers


@pytest.mark.parametrize(
    ("dtype", "low", "high", "bits", "depth_bits", "centre"),
    [
        ("uint8", 0, 255, 8, 8, 128),
        ("uint8", 100, 101, 8, 2, 100),
        ("uint16", 0, 4095, 16, 13, 2048),  # a quarter of room on 4095 is more than 4096
        ("uint16", 0, 4095, 12, 12, 2048),
        ("uint16", 0, 65535, 16, 16, 32768),
        ("int16", -2048, 2047, 12, 12, 0),
        ("int16", -32768, 32767, 16, 16, 0),
    ],
)
def test_the_depth_follows_the_values_and_not_the_container(dtype, low, high, bits, depth_bits, centre):
    ramp = np.linspace(low, high, 4096).astype(dtype).reshape(64, 64, 1)
    scaling = scaling_of(ramp, bits=bits)
    assert scaling.depth_bits == depth_bits
    assert scaling.centres[0] == pytest.approx(centre, abs=1)


def test_the_whole_range_of_8_bits_is_seen_as_plus_and_minus_two():
    seen = Scaling(depth_bits=8, centres=(128,)).seen(np.array([[[0], [128], [255]]], np.uint8))
    assert seen.tolist() == [[[-2.0, 0.0, 127 / 64]]]


def test_grey_has_no_colour():
    seen = Scaling(depth_bits=8, centres=(10, 20, 30)).seen(np.array([[[74, 84, 94]]], np.uint8))
    assert seen.ravel() == pytest.approx([3**0.5, 0, 0], abs=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_no_image_holds_is_refused(value):
    seen = np.zeros((1, 8, 8), np.float32)
    seen[0, 3, 4] = value
    with pytest.raises(ImageError, match="stream is damaged: its latents lie far beyond those of any image"):
        Scaling(depth_bits=8, centres=(128,)).pixels(seen)


# laws


@given(st.sampled_from(["uint8", "uint16", "int16"]), st.sampled_from([1, 3, 4]), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_there_and_back_is_the_same(dtype, bands, seed):
    array = picture((9, 13, bands), dtype, seed=seed)
    scaling = scaling_of(array, bits=8 if dtype == "uint8" else 12)
    assert scaling.pixels(scaling.seen(array)) == pytest.approx(array.astype(float), abs=2e-3)


def test_joint_planes_keep_the_squared_error():
    assert pytest.approx(np.eye(3), abs=1e-12) == COLOUR @ COLOUR.T
    scaling = Scaling(depth_bits=8, centres=(1, 2, 3))
    one, other = (picture((20, 20, 3), seed=seed) for seed in (1, 2))
    squared = np.square(scaling.seen(one) - scaling.seen(other)).sum() * scaling.dn**2
    assert squared == pytest.approx(np.square(one.astype(float) - other).sum(), rel=1e-5)


def test_one_hot_pixel_changes_next_to_nothing_and_pixels_that_are_not_valid_nothing():
    array = picture((64, 64, 1), "uint16")
    usual = scaling_of(array, bits=16)
    array[5, 5] = 65535
    hot = scaling_of(array, bits=16)
    assert hot.depth_bits == usual.depth_bits
    assert hot.centres[0] == pytest.approx(usual.centres[0], abs=8)
    mask = np.ones((64, 64), bool)
    array[:32] = 65535
    mask[:32] = False
    assert scaling_of(array, mask, bits=16) == scaling_of(array[32:], bits=16)


def test_an_image_without_valid_pixels_has_a_scaling_too():
    nothing = np.zeros((4, 4, 2), np.uint16)
    assert scaling_of(nothing, np.zeros((4, 4), bool), bits=12) == Scaling(depth_bits=12, centres=(2048, 2048))
