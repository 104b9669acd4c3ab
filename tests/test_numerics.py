"""Random numbers: by image alone, and normal ones by bins."""

import numpy as np
import pytest
from scipy import stats

from orbiq.numerics import image_rng, normal_by_bins


def test_a_generator_belongs_to_seed_and_name():
    drawn = [image_rng(seed, name).random() for seed in (0, 1) for name in ("a.png", "b.png")]
    assert len(set(drawn)) == 4
    assert image_rng(0, "a.png").random() == drawn[0]


def test_numbers_by_bins_are_normal():
    values = normal_by_bins(np.random.default_rng(4), 4_000_000).astype(float)
    assert values.mean() == pytest.approx(0, abs=2e-3)
    assert values.std() == pytest.approx(1, abs=1e-3)
    assert stats.kurtosis(values) == pytest.approx(0, abs=0.01)
    assert stats.kstest(values, "norm").statistic < 1.36 / 2000 + 2**-16
    for z in (3, 4, 4.5):
        expected = 2 * stats.norm.sf(z) * values.size
        assert (abs(values) > z).sum() == pytest.approx(expected, abs=4 * expected**0.5)
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 2e-3


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 4097])
def test_any_number_of_them(size):
    values = normal_by_bins(np.random.default_rng(0), size)
    assert values.shape == (size,)
    assert values.dtype == np.float32
    assert np.array_equal(values, normal_by_bins(np.random.default_rng(0), size))
