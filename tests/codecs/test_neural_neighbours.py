"""Latents foretold from their neighbours: worked out by hand, there and back, a formula of its own, and damage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbiq.codecs.neural_neighbours import MASK_ONE, WEIGHT_ONE, joined, split
from orbiq.codecs.neural_rounding import rounded, thresholds
from orbiq.codecs.rans import gaussian_tables

LIMITS = thresholds(gaussian_tables([0.11, 0.5, 3.0, 40.0]))
PLACES = {"left": (0, -1), "above": (-1, 0), "above left": (-1, -1), "above right": (-1, 1)}
"""In the order of their weights."""
HUGE = 2**31 - 1


def even(shape):
    """Masks of one quality."""
    return np.full(shape, MASK_ONE, np.int64)


def int64(numbers):
    return np.array(numbers, np.int64)


# known answers


def test_a_picture_of_two_rows_by_hand():
    symbols, weights = int64([[4, 1, -2], [3, 0, 5]]), int64([128, 64, -32, 96])
    # 256ths and a half: 4; 1 + (4·128); −2 + (3·128); 3 + (4·64 + 3·96); 0 + (5·128 + 3·64 − 4·32 + 0·96);
    # 5 + (3·128 + 0·64 − 3·32), where nothing is above right
    assert joined(symbols, even((2, 3)), weights).tolist() == [[4, 3, 0], [5, 3, 6]]


@pytest.mark.parametrize(("place", "at"), [("left", (1, 2)), ("above", (2, 1)), ("above left", (2, 2))])
def test_a_weight_is_of_its_own_neighbour(place, at):
    symbols, weights = np.zeros((3, 4), np.int64), np.zeros(4, np.int64)
    symbols[1, 1], weights[list(PLACES).index(place)] = 9, WEIGHT_ONE
    whole = joined(symbols, even((3, 4)), weights)
    assert whole[1, 1] == whole[at] == 9


def test_above_right_goes_down_to_the_left():
    symbols = np.zeros((3, 4), np.int64)
    symbols[0, 2] = 9
    whole = joined(symbols, even((3, 4)), int64([0, 0, 0, WEIGHT_ONE]))
    assert np.argwhere(whole).tolist() == [[0, 2], [1, 1], [2, 0]]


@pytest.mark.parametrize(
    ("before", "weight", "masks", "foretold"),
    [
        (5, 256, (1, 1), 5),
        (5, 128, (1, 1), 3),  # halves up
        (-5, 128, (1, 1), -2),
        (5, 256, (1, 2), 10),  # twice as fine
        (5, 256, (2, 1), 2),  # half as fine, floored
        (-5, 256, (2, 1), -3),
        (-3, 256, (8192, 4096), -2),
        (7, -256, (3, 2), -4),
        (1, 256, (4096, 1), 0),
        (-1, 256, (4096, 1), -1),
    ],
)
def test_a_neighbour_counts_by_its_weight_and_by_the_ratio_of_masks(before, weight, masks, foretold):
    whole = joined(int64([[before, 0]]), int64([masks]), int64([weight, 0, 0, 0]))
    assert whole.tolist() == [[before, foretold]]


def test_what_neighbours_foretell_exactly_leaves_nothing():
    values = np.full((4, 5), 37, np.float32)
    which = np.zeros((4, 5), np.uint8)
    symbols, whole = split(values, which, LIMITS, even((4, 5)), int64([256, 256, -256, 0]))
    assert (whole == 37).all()
    # the first row goes on from the left, the first column from above
    assert np.argwhere(symbols).tolist() == [[0, 0]]


# laws


@st.composite
def tiles(draw, *, most_weight=400):
    """Values, which table codes each, masks, and weights."""
    side = st.one_of(st.just(1), st.integers(1, 12))
    shape = draw(side), draw(side)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = (rng.laplace(size=shape) * draw(st.sampled_from([0.3, 4.0, 500.0]))).astype(np.float32)
    masks = rng.integers(1, draw(st.sampled_from([2, 50, 1 << 20])), shape)
    which = rng.integers(0, len(LIMITS), shape).astype(np.uint8)
    return values, which, masks, int64([draw(st.integers(-most_weight, most_weight)) for _ in PLACES])


@given(tiles())
@settings(max_examples=150, deadline=None)
def test_symbols_join_to_the_whole_numbers_that_they_were_split_from(tile):
    values, which, masks, weights = tile
    symbols, whole = split(values, which, LIMITS, masks, weights)
    assert symbols.shape == whole.shape == values.shape
    assert np.array_equal(joined(symbols, masks, weights), whole)


@given(tiles())
@settings(max_examples=100, deadline=None)
def test_no_whole_number_is_further_than_three_quarters_from_its_value(tile):
    values, which, masks, weights = tile
    _, whole = split(values, which, LIMITS, masks, weights)
    assert np.abs(whole - values).max() <= 0.7501


@given(tiles(most_weight=0))
@settings(max_examples=60, deadline=None)
def test_without_weights_it_is_rounding_and_nothing_else(tile):
    values, which, masks, weights = tile
    symbols, whole = split(values, which, LIMITS, masks, weights)
    assert np.array_equal(symbols, whole)
    assert np.array_equal(symbols.ravel(), rounded(values.ravel(), which.ravel(), LIMITS))
    assert np.array_equal(joined(symbols, masks, weights), symbols)


@given(tiles(), st.integers(1, 1000))
@settings(max_examples=40, deadline=None)
def test_masks_count_by_their_ratio_alone(tile, times):
    values, which, masks, weights = tile
    one, other = (split(values, which, LIMITS, masks * n, weights) for n in (1, times))
    assert np.array_equal(one, other)


def test_the_input_stays_as_it_was():
    symbols, masks, weights = int64([[4, 1], [3, 0]]), even((2, 2)), int64([128, 64, -32, 96])
    before = [array.copy() for array in (symbols, masks, weights)]
    joined(symbols, masks, weights)
    split(symbols.astype(np.float32), np.zeros((2, 2), np.uint8), LIMITS, masks, weights)
    for one, other in zip(before, (symbols, masks, weights), strict=True):
        assert np.array_equal(one, other)


# agreement


@given(tiles())
@settings(max_examples=60, deadline=None)
def test_the_formula_in_numbers_without_end_comes_to_the_same(tile):
    values, which, masks, weights = tile
    symbols, whole = split(values, which, LIMITS, masks, weights)
    assert plainly_joined(symbols.tolist(), masks.tolist(), weights.tolist()) == whole.tolist()


def plainly_joined(symbols, masks, weights):
    rows, cols = len(symbols), len(symbols[0])
    whole = {}
    for row in range(rows):
        for col in range(cols):
            total = 0
            for weight, (down, right) in zip(weights, PLACES.values(), strict=True):
                at = row + down, col + right
                if at in whole:
                    total += weight * (whole[at] * masks[row][col] // masks[at[0]][at[1]])
            whole[row, col] = symbols[row][col] + (total + 128) // 256
    return [[whole[row, col] for col in range(cols)] for row in range(rows)]


# damage


@given(st.integers(0, 2**32), st.sampled_from([1, 256, 32767]), st.sampled_from([2, HUGE]))
@settings(max_examples=60, deadline=None)
def test_symbols_that_no_image_has_come_to_numbers_all_the_same(seed, weight, mask):
    rng = np.random.default_rng(seed)
    symbols = rng.choice([-HUGE - 1, -1, 0, HUGE], (30, 20))
    masks = rng.integers(1, mask, (30, 20))
    weights = rng.integers(-weight - 1, weight, 4, endpoint=True)
    one, other = (joined(symbols, masks, weights) for _ in range(2))
    assert one.shape == (30, 20)
    assert np.array_equal(one, other)
