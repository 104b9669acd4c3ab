"""The unrolled network: data consistency is solved exactly, gradients are those of the solution, files are checked."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the unrolled network needs the extra learned: torch")

import torch

from orbiq.errors import ImageError, SettingError
from orbiq.learning.weights import read_weights, write_weights
from orbiq.mri.masks import Sampling
from orbiq.mri.phantoms import phantom
from orbiq.mri.reconstruction import to_kspace, zero_filled
from orbiq.mri.unrolled import (
    KIND,
    Shape,
    Unrolled,
    conjugate_gradients,
    consistent,
    load_unrolled,
    reconstruct,
    save_unrolled,
)


def network(seed=0, *, stirred=True, **shape):
    """An untrained network; stirred, its denoiser does something."""
    torch.manual_seed(seed)
    made = Unrolled(Shape(**{"iterations": 2, "width": 4} | shape))
    if stirred:
        torch.nn.init.normal_(made.denoiser.last.weight, std=0.05)
    return made.eval()


def sampled(size=(32, 24), rate=3.0, pattern="random"):
    kspace = to_kspace(phantom(1, size).image)
    return kspace, Sampling(rate=rate, pattern=pattern).mask(size, rng=np.random.default_rng(0))


def drawn(*shape, dtype=torch.complex128, seed=0):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


# known answers


@pytest.mark.parametrize("pattern", ["random", "radial"])
def test_data_consistency_has_a_closed_form_for_one_coil(pattern):
    """Each sample is the weighted mean of the one that was taken and the denoiser's."""
    kspace, mask = sampled(pattern=pattern)
    lmbda, denoised = 0.3, to_kspace(phantom(2, (32, 24)).image)
    expected = np.where(mask, (kspace + lmbda * denoised) / (1 + lmbda), denoised)
    right = zero_filled(kspace + lmbda * denoised * 0, mask) + lmbda * zero_filled(denoised, np.ones_like(mask))
    taken = torch.fft.ifftshift(torch.from_numpy(mask))
    found = consistent(torch.from_numpy(right)[None], taken[None], torch.tensor(lmbda))[0].numpy()
    assert to_kspace(found) == pytest.approx(expected, abs=1e-4)


def test_conjugate_gradients_solve_any_hermitian_positive_system():
    basis = drawn(12, 12)
    matrix = basis @ basis.mH + torch.eye(12)
    truth = drawn(3, 1, 12, seed=1)
    found = conjugate_gradients(lambda x: (matrix @ x.mT).mT, (matrix @ truth.mT).mT)
    assert torch.allclose(found, truth, atol=1e-4)


def test_conjugate_gradients_of_nothing_are_nothing():
    assert not conjugate_gradients(lambda x: 2 * x, torch.zeros(2, 3, 3, dtype=torch.complex64)).any()


def test_a_network_that_has_learnt_nothing_fills_with_zeros():
    """Without denoiser the zero-filled image is where both parts agree."""
    kspace, mask = sampled()
    found = reconstruct(network(stirred=False, iterations=3), kspace, mask)
    filled = to_kspace(zero_filled(kspace, mask))
    assert to_kspace(found)[~mask] == pytest.approx(filled[~mask], abs=1e-5)
    assert to_kspace(found)[mask] == pytest.approx(filled[mask], abs=1e-4)


# laws


def test_the_gradient_is_that_of_the_solution():
    taken = torch.rand(2, 5, 4, generator=torch.Generator().manual_seed(0)) < 0.5
    right, lmbda = drawn(2, 5, 4).requires_grad_(), torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda r, w: consistent(r, taken, w), (right, lmbda), eps=1e-5, atol=1e-4)


def test_every_weight_gets_a_gradient():
    made = network().train()
    kspace, mask = sampled()
    truth = torch.from_numpy(phantom(1, (32, 24)).image)[None]
    found = made(torch.from_numpy(kspace)[None].to(torch.complex64), torch.from_numpy(mask)[None])
    (found - truth).abs().mean().backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_samples_pull_the_image_to_them_as_lambda_says():
    kspace, mask = sampled()
    errors = []
    for log_lmbda in (-8.0, 0.0, 4.0):
        made = network(iterations=1)
        made.log_lmbda.data.fill_(log_lmbda)
        errors.append(np.abs(to_kspace(reconstruct(made, kspace, mask)) - kspace)[mask].max())
    assert errors[0] < 1e-3 < errors[1] < errors[2]


def test_a_brighter_image_gives_the_same_one_brighter():
    kspace, mask = sampled()
    once, times = (reconstruct(network(), kspace * by, mask) for by in (1, 4095))
    assert times == pytest.approx(4095 * once, rel=1e-3, abs=1)


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (1, 9), (5, 1)])
def test_any_size(size):
    kspace = to_kspace(np.random.default_rng(0).standard_normal(size))
    mask = Sampling(rate=2).mask(size, rng=np.random.default_rng(0))
    found = reconstruct(network(), kspace, mask)
    assert (found.shape, found.dtype) == (size, np.complex64)
    assert np.isfinite(found).all()


def test_images_of_a_batch_are_reconstructed_each_by_itself():
    made, pairs = network(), [sampled(rate=rate) for rate in (2.0, 5.0)]
    together = made(*(torch.from_numpy(np.stack(part)) for part in zip(*pairs, strict=True)))
    for found, (kspace, mask) in zip(together.detach().numpy(), pairs, strict=True):
        assert found == pytest.approx(reconstruct(made, kspace, mask), abs=1e-4)


def test_samples_outside_the_mask_are_not_looked_at():
    kspace, mask = sampled()
    spoilt = np.where(mask, kspace, np.nan)
    assert (reconstruct(network(), spoilt, mask) == reconstruct(network(), kspace, mask)).all()


def test_nothing_taken_is_nothing():
    assert not reconstruct(network(stirred=False), np.ones((8, 8)), np.zeros((8, 8), bool)).any()


# files


def test_what_is_loaded_gives_the_same(tmp_path):
    made, (kspace, mask) = network(3, iterations=3, width=5), sampled()
    save_unrolled(tmp_path / "a.safetensors", made, card={"name": "a"})
    again = load_unrolled(tmp_path / "a.safetensors")
    assert again.shape == Shape(iterations=3, width=5)
    assert not again.training
    assert (reconstruct(again, kspace, mask) == reconstruct(made, kspace, mask)).all()
    assert read_weights(tmp_path / "a.safetensors", kind=KIND).description["card"] == {"name": "a"}


def test_a_file_of_another_kind_is_refused(tmp_path):
    write_weights(tmp_path / "a.safetensors", {"w": np.zeros(3)}, {"kind": "fixed-quality"})
    with pytest.raises(SettingError, match="holds weights of kind 'fixed-quality'; expected 'unrolled-reconstruction'"):
        load_unrolled(tmp_path / "a.safetensors")


@pytest.mark.parametrize("kept", [0, 20, -1])
def test_a_broken_file_is_refused(tmp_path, kept):
    path = tmp_path / "a.safetensors"
    save_unrolled(path, network())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(SettingError, match="is no file of weights that orbiq wrote, or is damaged"):
        load_unrolled(path)


def altered(path, change):
    save_unrolled(path, network())
    weights = read_weights(path, kind=KIND)
    change(weights)
    write_weights(path, weights.arrays, weights.description)


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.arrays.pop("log_lmbda"),
        lambda w: w.arrays.update(more=np.zeros(2, np.float32)),
        lambda w: w.description.update(shape={"iterations": 2, "width": 7}),
        lambda w: w.description.update(shape={"depth": 7}),
        lambda w: w.description.pop("shape"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, change):
    altered(tmp_path / "a.safetensors", change)
    with pytest.raises(SettingError, match="does not hold the weights of the unrolled network that it says it does"):
        load_unrolled(tmp_path / "a.safetensors")


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    altered(tmp_path / "a.safetensors", lambda w: w.arrays.update(log_lmbda=np.float32(np.nan).reshape(())))
    with pytest.raises(SettingError, match="holds weights that are no finite numbers"):
        load_unrolled(tmp_path / "a.safetensors")


# refusals


@pytest.mark.parametrize("shape", [{"iterations": 0}, {"width": 0}])
def test_a_shape_that_cannot_be_is_refused(shape):
    with pytest.raises(SettingError, match="cannot be: expected at least one of either, as 5 and 32"):
        Shape(**shape)


def test_samples_that_do_not_fit_are_refused():
    kspace, mask = sampled()
    with pytest.raises(ImageError, match=r"the mask is bool \(24, 32\) and k-space \(32, 24\)"):
        reconstruct(network(), kspace, mask.T)
    with pytest.raises(ImageError, match="one coil of one slice at a time"):
        reconstruct(network(), kspace[None], mask)
    with pytest.raises(ImageError, match="k-space has NaN"):
        reconstruct(network(), kspace * np.nan, mask)
