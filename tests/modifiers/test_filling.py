"""Masked pixels before coding: what they are filled with."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbiq.arrays import Scene
from orbiq.modifiers.filling import filled

RNG = np.random.default_rng(4)


def test_a_gap_in_a_flat_image_is_flat():
    array = np.full((37, 50, 2), 700, np.uint16)
    mask = RNG.random((37, 50)) > 0.6
    array[~mask] = 65535
    assert (filled(Scene(array=array, mask=mask, name="a")) == 700).all()


def test_a_gap_on_a_slope_is_bridged():
    slope = np.tile(np.arange(64.0)[None, :, None], (64, 1, 1))
    mask = np.ones((64, 64), bool)
    mask[24:40, 24:40] = False
    smooth = filled(Scene(array=np.where(mask[..., None], slope, -999), mask=mask, name="a"))
    assert np.abs(smooth - slope).max() < 4
    assert np.abs(np.diff(smooth[..., 0], axis=1)).max() < 4


def test_nothing_valid_costs_nothing_and_nothing_masked_is_the_array_itself():
    array = RNG.integers(0, 255, (9, 9, 3), dtype=np.uint8)
    assert not filled(Scene(array=array, mask=np.zeros((9, 9), bool), name="a")).any()
    assert filled(Scene(array=array, name="a")) is array
    assert filled(Scene(array=array, mask=np.ones((9, 9), bool), name="a")) is array


@pytest.mark.parametrize("bands", [1, 5, 200])
def test_any_number_of_bands_and_each_by_itself(bands):
    array = RNG.integers(-900, 900, (13, 8, bands)).astype(np.int16)
    mask = RNG.random((13, 8)) > 0.5
    whole = filled(Scene(array=array, mask=mask, name="a"))
    alone = filled(Scene(array=array[..., -1:], mask=mask, name="a"))
    assert (whole[..., -1:] == alone).all()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.sampled_from(["uint8", "uint16", "int16", "float32", "float64"]),
    st.integers(0, 99),
)
def test_valid_pixels_stay_and_filled_ones_lie_among_them(rows, cols, dtype, seed):
    rng = np.random.default_rng(seed)
    array = rng.integers(0, 250, (rows, cols, 2)).astype(dtype)
    mask = rng.random((rows, cols)) > 0.7
    if array.dtype.kind == "f":
        array[~mask] = np.nan
    before = array.copy()
    full = filled(Scene(array=array, mask=mask, name="a"))
    assert np.array_equal(array, before, equal_nan=array.dtype.kind == "f")
    assert full.dtype == array.dtype
    if mask.any():
        assert (full[mask] == array[mask]).all()
        assert full.min() >= array[mask].min() - 1e-3
        assert full.max() <= array[mask].max() + 1e-3
