"""Rounding that looks at the bits: limits worked out by hand, what it may never do, and a rounding of its own."""

from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbiq.codecs.neural_rounding import BITS_A_STEP, rounded, rounded_one, thresholds
from orbiq.codecs.rans import code_length_bits, gaussian_tables, tables_from_masses

PEAKED = -2, np.array([1, 2, 8, 2, 1]) / 16
"""0, ±1 and ±2 cost 1, 3 and 4 bits; the escape has an eighth, so that ±3 cost 3 + 2, and ±4 and ±5 3 + 4."""
FLAT = -24, np.full(49, 1 / 64)
STEEP = -1, np.array([1, 1 << 15, 1]) / (1 << 16)
HOLLOW = -1, np.array([0.25, 0.125, 0.25])
"""0 costs more than ±1."""
MIDDLES = np.arange(1, 25) - 0.5


def limits_of(*masses):
    return thresholds(tables_from_masses(masses))


def whole(values, limits):
    values = np.asarray(values, np.float32)
    return rounded(values, np.zeros(values.size, np.uint8), limits)


# known answers


def test_a_limit_is_the_middle_and_half_the_saved_bits_by_what_a_step_is_worth():
    (found,) = limits_of(PEAKED)
    saved = np.array([2, 1, 1, 2, 0, 2])
    assert found[1:7] == pytest.approx(MIDDLES[:6] + saved / (2 * BITS_A_STEP), rel=1e-6)


def test_a_value_below_its_limit_goes_to_the_smaller_of_its_neighbours():
    limits = limits_of(PEAKED)
    away = 2 / (2 * BITS_A_STEP)
    values = [0.5 + away - 1e-3, 0.5 + away + 1e-3, -0.5 - away + 1e-3, -0.5 - away - 1e-3]
    assert whole(values, limits).tolist() == [0, 1, 0, -1]


def test_a_limit_goes_no_further_than_a_quarter_however_much_is_saved():
    assert limits_of(STEEP)[0, 1] == 0.75
    assert whole([0.74, 0.76, -0.74, -0.76], limits_of(STEEP)).tolist() == [0, 1, 0, -1]


@pytest.mark.parametrize("masses", [FLAT, HOLLOW])
def test_nothing_is_rounded_otherwise_where_the_smaller_number_saves_no_bits(masses):
    limits = limits_of(masses)
    assert limits[0, 1] == 0.5
    values = np.linspace(-1.49, 1.49, 200, dtype=np.float32)
    assert np.array_equal(whole(values, limits), np.rint(values))


def test_a_flat_table_rounds_as_usual():
    values = np.linspace(-30, 30, 2401, dtype=np.float32)  # the middles are among them
    assert limits_of(FLAT)[0, 1:] == pytest.approx(MIDDLES)
    assert np.array_equal(whole(values, limits_of(FLAT)), np.rint(values))


def test_from_24_on_values_are_rounded_as_usual():
    limits = limits_of(
        (-22, np.full(45, 1 / 64))
    )  # the rest is escaped: 24 at two bits more than 23, 23 than 22 at none
    assert limits[0, 22:].tolist() == [21.5, 22.5, 23.5]
    assert whole([23.51, 24.51, 1e6], limits).tolist() == [24, 25, 1e6]


def test_the_cost_of_both_signs_is_their_mean():
    lopsided = -1, np.array([1, 4, 2]) / 8  # 3, 1 and 2 bits
    assert limits_of(lopsided)[0, 1] == pytest.approx(0.5 + 1.5 / (2 * BITS_A_STEP))


def test_every_value_goes_by_its_own_table():
    limits = limits_of(FLAT, STEEP)
    values = np.full(4, 0.6, np.float32)
    assert rounded(values, np.array([0, 1, 1, 0], np.uint8), limits).tolist() == [1, 0, 0, 1]


def test_limits_of_many_tables_stand_in_rows_of_single_precision():
    limits = thresholds(gaussian_tables([0.3, 1.0, 40.0]))
    assert (limits.shape, limits.dtype) == ((3, 25), np.float32)
    assert (limits[:, 0] == 0).all()


# laws


@st.composite
def limits_and_values(draw):
    """Of a random table and of Gaussian ones, with values in its reach and far from it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    reach = draw(st.integers(0, 30))
    masses = rng.dirichlet(np.full(2 * reach + 2, draw(st.sampled_from([0.1, 1.0, 10.0]))))[:-1]
    tables = tables_from_masses([(-reach, masses)]), gaussian_tables([draw(st.floats(0.05, 50))])
    values = (rng.normal(size=300) * draw(st.sampled_from([0.5, 3.0, 30.0, 1e5]))).astype(np.float32)
    return draw(st.sampled_from(tables)), values


@given(limits_and_values())
@settings(max_examples=60, deadline=None)
def test_it_is_whole_symmetric_never_larger_and_never_further_than_three_quarters(drawn):
    tables, values = drawn
    limits = thresholds(tables)
    found = whole(values, limits)
    assert np.array_equal(found, np.rint(found))
    assert np.array_equal(whole(-values, limits), -found)
    assert np.abs(values - found).max() <= 0.75
    assert (np.abs(found) <= np.abs(np.rint(values))).all()
    assert (found * values >= 0).all()
    assert np.array_equal(whole(found, limits), found)


@given(st.floats(0.05, 60))
@settings(max_examples=40, deadline=None)
def test_whole_numbers_stay(scale):
    numbers = np.arange(-40, 41, dtype=np.float32)
    assert np.array_equal(whole(numbers, thresholds(gaussian_tables([scale]))), numbers)


def test_a_larger_value_is_never_rounded_to_a_smaller_number():
    values = np.linspace(-26, 26, 10_001)
    for limits in (limits_of(PEAKED), limits_of(STEEP), thresholds(gaussian_tables([2.0]))):
        assert (np.diff(whole(values, limits)) >= 0).all()


# agreement


@given(limits_and_values())
@settings(max_examples=40, deadline=None)
def test_costs_compared_one_by_one_come_to_the_same(drawn):
    tables, values = drawn
    limits = thresholds(tables)
    found, bits = whole(values, limits), [mean_bits(k, tables) for k in range(25)]
    for value, number in zip(values.tolist(), found.tolist(), strict=True):
        expected, margin = by_cost(value, bits)
        if margin > 1e-4:  # else single precision decides
            assert number == expected == rounded_one(value, 0, limits)


def mean_bits(k, tables):
    return sum(code_length_bits(np.array([v], np.int32), np.zeros(1, np.uint8), tables) for v in (k, -k)) / 2


def by_cost(value, bits):
    """A number, and how far the nearest point of decision is."""
    size = abs(value)
    k = floor(size + 0.5)
    margin = abs(size - k + 0.5)
    if 0 < k < 24:
        gain = (bits[k] - bits[k - 1]) - BITS_A_STEP * ((size - k + 1) ** 2 - (size - k) ** 2)
        margin = min(margin, abs(gain), abs(size - k + 0.25))
        if gain > 0 and size - k < -0.25:
            k -= 1
    return (k if value >= 0 else -k), margin
