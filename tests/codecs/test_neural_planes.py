"""Pixels to what the networks see and back: known answers, laws, and samples that no sensor can have."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbiq.codecs.neural_planes import COLOUR, TURN_UNIT, Scaling, scaling_of
from orbiq.errors import ImageError
from tests.codecs.pictures import picture

NO_TURN = (0, 0, 0)
QUARTER = round(np.pi / 2 / TURN_UNIT)


def turned(turn):
    return Scaling(depth_bits=8, centres=(0, 0, 0), turn=turn)


def colours(shape=(60, 80), dtype="uint8", *, seed=0):
    """A picture whose bands have much in common."""
    rng = np.random.default_rng(seed)
    mixed = picture((*shape, 3), seed=seed).astype(float) @ (rng.normal(size=(3, 3)) + 1)
    mixed = (mixed - mixed.min()) / np.ptp(mixed)
    return np.rint(mixed * np.iinfo(dtype).max).astype(dtype)


def correlations(planes):
    """Of the differences from a pixel to the next in its row, of (planes, rows, cols): their products, the largest 1."""
    differences = np.diff(planes.astype(np.float64), axis=2).reshape(3, -1)
    products = differences @ differences.T
    return products / products.max()


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


def test_a_turn_is_a_vector_of_rotation():
    # a quarter about the third plane's axis: the first axis comes to lie where the second was, and it where −first was
    axes = turned((0, 0, QUARTER)).axes
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    assert axes == pytest.approx(turn @ COLOUR, abs=TURN_UNIT)
    assert turned(NO_TURN).axes == pytest.approx(COLOUR, abs=1e-15)


@pytest.mark.parametrize(
    ("steps", "signs"),
    [
        ([(0, 0, 90), (40, 0, 0), (0, 10, 0)], (1, 1, 1)),
        ([(90, 0, 0), (0, 0, 40), (0, 10, 0)], (1, -1, 1)),  # nearer to red less blue the other way about
        ([(90, -9, 0), (4, 40, 0), (0, 0, 10)], (1, -1, -1)),  # left-handed with each as near as it can be: the least
    ],
)
def test_what_bands_differ_by_in_turn_become_planes_the_most_varied_first(steps, signs):
    array = np.full((3, 2, 3), 100, np.uint8)
    array[:, 1] += np.array(steps).astype(np.uint8)
    axes = np.array(steps) / np.linalg.norm(steps, axis=1)[:, None] * np.array(signs)[:, None]
    assert scaling_of(array, bits=8).axes == pytest.approx(axes, abs=2 * TURN_UNIT)


@pytest.mark.parametrize(
    "array",
    [
        np.repeat(picture((20, 30, 1)), 3, axis=2),
        np.full((20, 30, 3), 77, np.uint8),
        np.zeros((5, 1, 3), np.uint16),
        picture((40, 1, 3)),
    ],
    ids=["grey", "constant", "black", "one column"],
)
def test_colours_that_say_nothing_of_their_axes_are_not_turned(array):
    assert scaling_of(array, bits=8).turn == NO_TURN


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


turns = st.tuples(*[st.integers(-(1 << 13), 1 << 13)] * 3)


@given(turns)
@settings(max_examples=60, deadline=None)
def test_axes_are_orthonormal_and_right_handed_for_any_turn(turn):
    axes = turned(turn).axes
    assert axes @ axes.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(axes) == pytest.approx(1)


@given(turns, st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_turned_planes_keep_the_squared_error_too(turn, seed):
    scaling = turned(turn)
    one, other = colours(seed=seed), colours(seed=seed + 10)
    squared = np.square(scaling.seen(one) - scaling.seen(other)).sum() * scaling.dn**2
    assert squared == pytest.approx(np.square(one.astype(float) - other).sum(), rel=1e-5)


@given(st.sampled_from(["uint8", "uint16"]), turns, st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_turned_pixels_come_back_exactly_when_rounded(dtype, turn, seed):
    array = colours(dtype=dtype, seed=seed)
    found = scaling_of(array, bits=8 * array.itemsize)
    for scaling in (found, Scaling(depth_bits=found.depth_bits, centres=found.centres, turn=turn)):
        back = scaling.pixels(scaling.seen(array))
        assert np.abs(back - array.astype(float)).max() < 0.1
        assert np.array_equal(np.rint(back), array)


@given(st.sampled_from(["uint8", "uint16"]), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_differences_of_neighbours_are_uncorrelated_along_the_axes_found(dtype, seed):
    array = colours(dtype=dtype, seed=seed)
    scaling = scaling_of(array, bits=8 * array.itemsize)
    found = correlations(scaling.seen(array))
    assert found - np.diag(np.diag(found)) == pytest.approx(np.zeros((3, 3)), abs=2 * TURN_UNIT)
    assert (np.diff(np.diag(found)) <= 2 * TURN_UNIT).all()


def test_the_usual_axes_leave_more_in_common():
    array = colours()
    usual = Scaling(depth_bits=8, centres=(128, 128, 128))
    assert np.abs(correlations(usual.seen(array)) - np.eye(3)).max() > 0.1


@given(st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_each_axis_points_to_the_side_of_the_usual_one_but_for_one_at_most(seed):
    axes = scaling_of(colours(seed=seed), bits=8).axes
    assert ((axes * COLOUR).sum(1) < -2 * TURN_UNIT).sum() <= 1


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_the_smallest_images_have_a_turn_of_half_a_circle_at_most(rows, cols, seed):
    array = np.random.default_rng(seed).integers(0, 2, (rows, cols, 3)).astype(np.uint8)
    assert np.linalg.norm(scaling_of(array, bits=8).turn) * TURN_UNIT <= np.pi + 2 * TURN_UNIT


def test_pixels_that_are_not_valid_turn_nothing():
    array, mask = colours(), np.ones((60, 80), bool)
    usual = scaling_of(array[:, :50], bits=8)
    mask[:, 50:] = False
    array[:, 50:] = np.random.default_rng(1).integers(0, 256, (60, 30, 3))
    assert scaling_of(array, mask, bits=8) == usual
    assert scaling_of(array, bits=8).turn != usual.turn
    # a valid pixel between others has no neighbour: nothing differs
    alone = np.zeros((60, 80), bool)
    alone[::2, ::2] = True
    assert scaling_of(array, alone, bits=8).turn == NO_TURN


def test_one_band_or_four_are_never_turned():
    for bands in (1, 2, 4):
        assert scaling_of(picture((20, 20, bands)), bits=8).turn == NO_TURN


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
