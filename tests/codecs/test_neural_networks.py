"""The networks before any training: a cosine transform and its inverse; normalisation, likelihoods and mask by hand."""

import numpy as np
import pytest
from scipy.fft import dctn
from scipy.special import ndtr

pytest.importorskip("torch", reason="the fixed-quality codec needs the extra learned: torch")

import torch

from orbiq.codecs.neural_networks import (
    LOWEST_SCALE,
    SCALE_STEP,
    STRIDE,
    Gdn,
    Modulation,
    Networks,
    Prior,
    _gaussian,
    _rounded,
)

pytestmark = pytest.mark.usefixtures("one_core")


@pytest.fixture(autouse=True)
def _same_chance():
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(5)
        yield


def linear(networks):
    """Without what their normalisations and inverses leave between them."""
    for layer in networks.modules():
        if isinstance(layer, Gdn):
            layer.root_gamma.zero_()
    return networks


# known answers


def test_normalisation_by_hand():
    """β 4 and 1, γ rows (1, 0) and (4, 9): channel values 2 and −3 become 2 / (4 + 2) and −3 / (1 + 8 + 27)."""
    layer = Gdn(2)
    layer.root_beta.copy_(torch.tensor([2.0, 1.0]))
    layer.root_gamma.copy_(torch.tensor([[1.0, 0.0], [2.0, 3.0]]))
    x = torch.tensor([2.0, -3.0])[None, :, None, None]
    assert layer(x).flatten().tolist() == pytest.approx([2 / 6, -3 / 36], rel=1e-5)
    layer.inverse = True
    assert layer(x).flatten().tolist() == pytest.approx([12, -108], rel=1e-5)


def test_latents_of_a_flat_picture_are_sixteen_times_its_value():
    y = linear(Networks(width=16, latents=8)).latents(torch.full((1, 1, 64, 64), 0.5))
    assert y[0, :, 1:-1, 1:-1].std((1, 2)).max() < 1e-5
    assert y[0, :, 1, 1].tolist() == pytest.approx([8, *[0] * 7], abs=1e-4)


def test_nothing_is_foretold_of_nothing():
    networks = Networks(width=8, latents=6)
    networks.hyper_synthesis[-1].bias.zero_()
    mask = torch.full((1, 6, 8, 8), LOWEST_SCALE) * np.exp(3 * SCALE_STEP)
    index, mean = networks.foretold(torch.zeros(1, 6, 2, 2), mask)
    assert index.shape == mean.shape == (1, 6, 8, 8)
    assert (mean == 0).all()


# laws


@pytest.mark.parametrize("bands", [1, 3])
def test_an_untrained_network_of_all_cosines_is_its_own_inverse(bands):
    networks = Networks(bands=bands, width=64 * bands, latents=256 * bands)
    x = torch.randn(1, bands, 64, 48)
    # what normalising leaves is small, and grows with the values
    assert (networks.picture(networks.latents(x)) - x).abs().max() < 3e-3
    linear(networks)
    assert (networks.picture(networks.latents(x)) - x).abs().max() < 1e-5


@pytest.mark.parametrize(("bands", "width", "latents"), [(1, 64, 192), (3, 192, 300), (1, 64, 10)])
def test_with_fewer_latents_twice_is_once(bands, width, latents):
    networks = linear(Networks(bands=bands, width=width, latents=latents))
    once = networks.picture(networks.latents(torch.randn(1, bands, 64, 64)))
    assert torch.allclose(networks.picture(networks.latents(once)), once, atol=1e-5)


@pytest.mark.parametrize("bands", [1, 3])
def test_sizes(bands):
    networks = Networks(bands=bands, width=8, latents=12)
    y = networks.latents(torch.zeros(2, bands, 128, 64))
    assert y.shape == (2, 12, 8, 4)
    assert networks.picture(y).shape == (2, bands, 128, 64)
    assert networks.hyperlatents(y, torch.ones(2, 1, 8, 4)).shape == (2, 12, 2, 1)
    passed = networks(torch.zeros(2, bands, 128, 64), torch.ones(2, 1, 8, 4))
    assert passed.picture.shape == (2, bands, 128, 64)
    assert passed.latent_bits.shape == passed.hyper_bits.shape == (2,)


def test_masks_are_above_0_and_rise():
    share = torch.linspace(0, 1, 500)[None, None, None]
    mask = Modulation(12)(share)
    assert mask.shape == (1, 12, 1, 500)
    assert mask.min() > 0
    assert (mask.diff() > 0).all()


def test_masks_never_vanish_whatever_is_learnt():
    layer = Modulation(12)
    layer.out.weight.neg_()
    assert layer(torch.rand(1, 1, 4, 4)).min() > 0


def test_probabilities_of_all_hyperlatents_sum_to_1():
    prior = Prior(5)
    prior.weight.normal_()
    prior.centre.normal_(std=9)
    prior.log_scale.uniform_(-2, 1)
    z = torch.arange(-200.0, 201)
    likely = prior.likelihood(z[None, None, None].expand(1, 5, 1, -1))
    assert likely.sum(-1).flatten().tolist() == pytest.approx([1] * 5, abs=1e-5)


@pytest.mark.parametrize("scale", [0.11, 1.0, 30.0])
@pytest.mark.parametrize("shift", [0.0, 0.25, -0.5])
def test_probabilities_of_all_latents_sum_to_1(scale, shift):
    y = torch.arange(-300.0, 301) + shift
    assert float(_gaussian(y, torch.full_like(y, scale)).sum()) == pytest.approx(1, abs=1e-5)


def test_rounding_lets_gradients_through():
    with torch.enable_grad():
        x = torch.tensor([0.4, 1.6, -2.5], requires_grad=True)
        rounded = _rounded(x)
        rounded.square().sum().backward()
    assert rounded.tolist() == [0, 2, -2]
    assert x.grad.tolist() == [0, 4, -4]


def test_a_louder_picture_costs_more_bits():
    networks = Networks(width=8, latents=12)
    x = torch.randn(1, 1, 64, 64)
    bits = [float(networks(x * gain, torch.ones(1, 1, 4, 4)).latent_bits) for gain in (0.1, 1.0)]
    assert bits[0] < bits[1]


# agreement


def test_untrained_latents_are_the_cosine_transform_of_sixteen_pixels():
    networks = linear(Networks(width=64, latents=256))
    x = torch.randn(1, 1, 32, 48)
    cells = x[0, 0].numpy().reshape(2, STRIDE, 3, STRIDE).transpose(0, 2, 1, 3)
    expected = dctn(cells, axes=(2, 3), norm="ortho")
    order = sorted(np.ndindex(STRIDE, STRIDE), key=lambda one: one[0] ** 2 + one[1] ** 2)
    for channel, (row, col) in enumerate(order):
        assert np.allclose(networks.latents(x)[0, channel], expected[:, :, row, col], atol=1e-4), (row, col)


def test_gaussian_masses_agree_with_scipy():
    y = np.linspace(-8, 8, 33)
    for scale in (0.2, 1.0, 5.0):
        expected = np.maximum(ndtr((0.5 - np.abs(y)) / scale) - ndtr((-0.5 - np.abs(y)) / scale), 1e-9)
        found = _gaussian(torch.from_numpy(y).float(), torch.full((33,), scale))
        assert found.numpy() == pytest.approx(expected, rel=1e-3, abs=1e-9)
