"""Bits of a place and sums over neighbours, against the formulas."""

import numpy as np
import pytest

from orbiq.metrics.information import mixture, parent_positions
from orbiq.metrics.information_kernel import information_weights, neighbour_products

NONE = np.empty((0, 0))


def test_a_flat_place_shares_only_what_noise_shows():
    rng = np.random.default_rng(0)
    y = rng.normal(0, 5, (3, 3))
    bits = information_weights(np.zeros((3, 3)), y, NONE, np.eye(9), np.arange(1.0, 10), 0.4)
    assert bits.item() == pytest.approx(9 * np.log2(1 + y.var() / 0.4))
    assert information_weights(np.zeros((3, 3)), np.zeros((3, 3)), NONE, np.eye(9), np.ones(9), 0.4).item() == 0


def test_an_equal_image_shares_what_the_scene_holds():
    """Gain 1, no noise between: Σ log₂(1 + 2·s·λ/n)."""
    rng = np.random.default_rng(1)
    x, parent, powers = rng.normal(0, 5, (3, 3)), np.array([[2.0]]), np.linspace(1, 30, 10)
    whitening = np.triu(rng.normal(0, 1, (10, 10)))
    scale = (whitening @ [*x.ravel(), 2.0]) @ (whitening @ [*x.ravel(), 2.0]) / 10
    bits = information_weights(x, x, parent, whitening, powers, 0.4)
    assert bits.item() == pytest.approx(np.log2(1 + 2 * scale * powers / 0.4).sum())


@pytest.mark.parametrize("with_parents", [True, False])
def test_products_are_of_all_valid_places(with_parents):
    rng = np.random.default_rng(2)
    x, parents, valid = rng.normal(0, 1, (9, 12)), rng.normal(0, 1, (7, 10)), rng.random((7, 10)) > 0.3
    u = [
        [*x[r : r + 3, c : c + 3].ravel(), parents[r, c] * with_parents, 1.0]
        for r in range(7)
        for c in range(10)
        if valid[r, c]
    ]
    products = neighbour_products(x, parents if with_parents else None, valid)
    np.testing.assert_allclose(products, np.transpose(u) @ u, atol=1e-12)
    assert products[-1, -1] == valid.sum()
    assert neighbour_products(x, None, None)[-1, -1] == 70


@pytest.mark.parametrize("size", [9, 10])
def test_whitening_undoes_the_covariance(size):
    rng = np.random.default_rng(3)
    u = rng.normal(0, 1, (500, 11)) @ rng.normal(0, 1, (11, 11))
    u[:, 10] = 1
    found = mixture(u.T @ u, size)
    covariance = u[:, :size].T @ u[:, :size] / 500
    np.testing.assert_allclose(found.whitening.T @ found.whitening, np.linalg.inv(covariance), rtol=1e-8)
    assert np.array_equal(found.whitening, np.triu(found.whitening))
    np.testing.assert_allclose(found.powers, np.linalg.eigvalsh(covariance))


def test_what_neighbours_never_do_is_left_out():
    u = np.zeros((100, 11))
    u[:, 0] = np.random.default_rng(4).normal(0, 1, 100)
    found = mixture(u.T @ u + np.diag([0.0] * 10 + [100]), 9)
    assert np.linalg.matrix_rank(found.whitening) == 1
    assert not mixture(np.zeros((11, 11)), 9).whitening.any()


def test_parents_drift_from_one_end_to_the_other():
    at = parent_positions(0, 200, 100)
    assert (at[0], at[-1]) == (0, 99)
    away = at[2:-2] - np.arange(2, 198) / 2
    assert away[0] == pytest.approx(-0.625, abs=0.02)
    assert away[-1] == pytest.approx(0.125, abs=0.02)
    np.testing.assert_allclose(parent_positions(30, 50, 100), at[30:80])
