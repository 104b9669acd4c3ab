"""Moments of sliding windows: exact where they can be, and no worse than two passes anywhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbiq.errors import SettingError
from orbiq.metrics.window_moments import check_window, sliding_moments


def _by_hand(x, y, window):
    """Two passes over every window, in long double."""
    view = np.lib.stride_tricks.sliding_window_view
    a, b = (view(v.astype(np.longdouble), (window, window)) for v in (x, y))
    ma, mb = (v.mean((-2, -1), keepdims=True) for v in (a, b))
    return (
        ma[..., 0, 0], mb[..., 0, 0],
        ((a - ma) ** 2).sum((-2, -1)), ((b - mb) ** 2).sum((-2, -1)), ((a - ma) * (b - mb)).sum((-2, -1)),
    )  # fmt: skip


def _found(x, y, window):
    m = sliding_moments(x, y, window=window)
    return m.mean_first, m.mean_second, m.square_first, m.square_second, m.product


@pytest.mark.parametrize("value", [0.1, 1 / 3, 50_000.7, -1e-9])
@pytest.mark.parametrize("window", [2, 3, 7, 8])
def test_equal_values_have_exactly_no_variance(value, window):
    found = sliding_moments(np.full((11, 12), value), np.full((11, 12), 3 * value), window=window)
    assert not found.square_first.any()
    assert not found.square_second.any()
    assert not found.product.any()
    assert np.all(found.mean_first == value)


def test_smaller_than_the_window_has_no_windows():
    assert sliding_moments(np.ones((7, 9)), np.ones((7, 9)), window=8).product.size == 0


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    window=st.integers(2, 13),
    offset=st.sampled_from([0.0, 50_000.0, -1e6]),
    spread=st.sampled_from([1.0, 1e-3]),
)
def test_as_two_passes_in_long_double(seed, window, offset, spread):
    rng = np.random.default_rng(seed)
    x, y = offset + spread * rng.normal(size=(2, 16, 19))
    for found, right in zip(_found(x, y, window), _by_hand(x, y, window), strict=True):
        assert np.abs(found - right).max() <= 1e-13 * np.abs(right).max()


def test_a_value_depends_on_its_window_alone():
    x, y = np.random.default_rng(1).normal(50_000, 3, (2, 40, 50))
    whole, part = _found(x, y, 8), _found(x[5:30, 11:44].copy(), y[5:30, 11:44].copy(), 8)
    for a, b in zip(whole, part, strict=True):
        assert np.array_equal(a[5:23, 11:37], b)


@pytest.mark.parametrize("window", [1, 65, 2.5, 0, 8.0, None, np.nan, "8"])
def test_no_window(window):
    with pytest.raises(SettingError, match=r"window is .*; expected a whole number of pixels from 2 to 64"):
        check_window(window)


def test_a_window_of_numpy_is_a_plain_number():
    assert check_window(np.uint8(16)) ** 2 == 256
