"""Casting back to whole numbers: large arrays take a quicker way, which must give the same."""

import numpy as np
import pytest

from orbiq.arrays import cast_like


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("beyond", [[], [1e12, np.inf]])
def test_large_arrays_are_cast_as_small_ones_are(dtype, kind, beyond):
    info = np.iinfo(dtype)
    edges = [-1e12, -np.inf, info.max, info.max + 0.5, info.min - 0.5, 2e9, *beyond]
    values = np.concatenate(
        [np.random.default_rng(0).uniform(info.min - 99, info.max + 99, 5000), np.arange(9) - 4.5, edges]
    )
    image = np.repeat(values.astype(kind)[:, None, None], 3, axis=2)
    for peak in (None, info.max // 3, float(info.max)):
        high = info.max if peak is None else min(info.max, peak)
        expected = np.clip(np.rint(image), info.min, high).astype(dtype)
        assert np.array_equal(cast_like(image, np.zeros(1, dtype), peak=peak), expected)
        for small in (image[:1, 0, :1], image[:4, 0, :1], image[:2, :, :2]):
            assert np.array_equal(
                cast_like(small, np.zeros(1, dtype), peak=peak), np.clip(np.rint(small), info.min, high).astype(dtype)
            )


def test_halves_go_to_even():
    assert cast_like(np.full((80, 80), 2.5), np.zeros(1, np.uint8)).max() == 2
