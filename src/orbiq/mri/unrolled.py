"""Reconstruction by an unrolled network: a denoiser that learns, and the samples that it must agree with, by turns.

After Aggarwal, Mani and Jacob, MoDL: Model-Based Deep Learning Architecture for Inverse Problems (IEEE TMI 38, 2019,
doi:10.1109/TMI.2018.2865356), for one coil. With A = M F (`orbiq.mri.reconstruction`) and samples b, from x = Aᴴ b, K
times with the same weights:

    z = x + D(x)                            D a small convolutional network on real and imaginary part
    x = (Aᴴ A + λ)⁻¹ (Aᴴ b + λ z)           conjugate gradients; λ > 0 is learnt

What differs from the paper: D looks at the image at five sizes, for what lines that were left out fold over reaches
across all of it; it has no batch normalisation; one network serves all rates. Images are brought to a root mean square
of 1 on the way.

Needs the extra "learned": torch is imported with this module.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from orbiq.arrays import Array, BoolArray
from orbiq.errors import ImageError, SettingError
from orbiq.learning.weights import Weights, read_weights, write_weights
from orbiq.mri.reconstruction import check_samples

KIND = "unrolled-reconstruction"
"""What its files of weights say that they are."""
_HALVINGS = 4
_AXES = (-2, -1)
_MOST_GRADIENTS = 20
_TOLERANCE = 1e-6
"""Of a residual, as a share of the right side, where conjugate gradients stop: what float32 can hold."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The network: `iterations` K of denoiser and data consistency, and the denoiser's channels inside."""

    iterations: int = 5
    width: int = 32

    def __post_init__(self) -> None:
        if min(self.iterations, self.width) < 1:
            raise SettingError(
                f"an unrolled network of {self.iterations} iterations and {self.width} channels cannot be: expected at "
                "least one of either, as 5 and 32"
            )


class Denoiser(nn.Module):
    """What is to be added to an image, complex (batch, rows, cols) to the same: ten convolutions of 3×3.

    One to `width` channels, one at each half of the size before, one on the way back to each double, where what was
    there is added, and one to real and imaginary part; a ReLU behind each but the last.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.last = _convolution(2, width), _convolution(width, 2)
        self.down, self.up = (nn.ModuleList(_convolution(width, width) for _ in range(_HALVINGS)) for _ in range(2))
        nn.init.zeros_(self.last.weight)  # begins as no change at all
        nn.init.zeros_(self.last.bias)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """In the precision of the loop inside, in that of the image outside."""
        planes = torch.view_as_real(image).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        sizes = [functional.relu(self.first(planes))]
        for layer in self.down:
            sizes.append(functional.relu(layer(functional.avg_pool2d(sizes[-1], 2, ceil_mode=True))))
        planes = sizes.pop()
        for layer in self.up:
            finer = sizes.pop()
            rows, cols = finer.shape[2:]
            planes = finer + functional.relu(layer(functional.interpolate(planes, scale_factor=2.0)[..., :rows, :cols]))
        planes = self.last(planes).to(image.real.dtype)
        return torch.view_as_complex(planes.permute(0, 2, 3, 1).contiguous())


def _convolution(inner: int, outer: int) -> nn.Module:
    return nn.Conv2d(inner, outer, 3, padding=1)


class Unrolled(nn.Module):
    """K times denoiser and data consistency."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.denoiser = Denoiser(shape.width)
        self.log_lmbda = nn.Parameter(torch.tensor(-2.0))

    def forward(self, kspace: torch.Tensor, mask: torch.Tensor, *, iterations: int | None = None) -> torch.Tensor:
        """Images complex (batch, rows, cols) of samples of the same shape and masks, bool, that go with them.

        After fewer `iterations` than K where it says so.
        """
        start = _zero_filled(kspace, mask)
        scale = start.abs().square().mean(_AXES, keepdim=True).sqrt().clamp_min(1e-20)
        start = image = start / scale
        taken, lmbda = torch.fft.ifftshift(mask, dim=_AXES), self.log_lmbda.exp()
        for _ in range(self.shape.iterations if iterations is None else iterations):
            denoised = image + self.denoiser(image)
            image = consistent(start + lmbda * denoised, taken, lmbda)
        return image * scale


def consistent(right: torch.Tensor, taken: torch.Tensor, lmbda: torch.Tensor) -> torch.Tensor:
    """(Aᴴ A + λ)⁻¹ right, by conjugate gradients; `taken` is the mask with frequency 0 at (0, 0).

    The gradient is exact whatever the number of steps was: for x = B⁻¹ r it is B⁻¹ g for r and −Re⟨B⁻¹ g, x⟩ for λ.

    >>> one = torch.full((1, 1, 1), 3 + 0j)
    >>> consistent(one, torch.tensor([[[True]]]), torch.tensor(0.5)).item()
    (2+0j)
    """
    solved: torch.Tensor = _Consistent.apply(right, taken, lmbda)
    return solved


class _Consistent(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, right: torch.Tensor, taken: torch.Tensor, lmbda: torch.Tensor) -> torch.Tensor:
        image = conjugate_gradients(lambda x: _normal(x, taken) + lmbda * x, right)
        ctx.save_for_backward(image, taken, lmbda)
        return image

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, torch.Tensor]:
        image, taken, lmbda = ctx.saved_tensors
        back = conjugate_gradients(lambda x: _normal(x, taken) + lmbda * x, gradients[0])
        return back, None, -(back.conj() * image).real.sum()


def conjugate_gradients(matrix: Callable[[torch.Tensor], torch.Tensor], right: torch.Tensor) -> torch.Tensor:
    """The x of matrix(x) = right, the matrix Hermitian and positive; each image of the batch by itself.

    As many steps as the matrix has different eigenvalues would do but for rounding: those of Aᴴ A + λ are two.

    Hestenes and Stiefel, Methods of conjugate gradients for solving linear systems, 1952, doi:10.6028/jres.049.044.

    >>> conjugate_gradients(lambda x: 4 * x, torch.full((1, 1, 1), 2 + 6j)).item()
    (0.5+1.5j)
    """
    x, residual, direction = torch.zeros_like(right), right, right
    energy = _dot(residual, residual)
    enough = energy * _TOLERANCE**2
    for _ in range(_MOST_GRADIENTS):
        if (energy <= enough).all():
            break
        image = matrix(direction)
        step = energy / _dot(direction, image).clamp_min(1e-30)
        x, residual = x + step * direction, residual - step * image
        before, energy = energy, _dot(residual, residual)
        direction = residual + energy / before.clamp_min(1e-30) * direction
    return x


def reconstruct(network: Unrolled, kspace: Array, mask: BoolArray) -> Array:
    """The image complex64 (rows, cols) of samples (rows, cols), of which those in the mask are looked at.

    ImageError where samples and mask do not fit, or are not finite.

    >>> reconstruct(Unrolled(Shape(width=2)), np.array([[0, 0], [0, 2]]), np.ones((2, 2), bool)).real.round(3).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    check_samples(kspace, mask)
    if kspace.ndim != 2:
        raise ImageError(f"k-space has shape {kspace.shape}; expected (rows, cols), one coil of one slice at a time")
    samples = torch.from_numpy(np.where(mask, kspace, 0).astype(np.complex64))[None]
    with torch.no_grad():
        image = network(samples, torch.from_numpy(np.ascontiguousarray(mask))[None])
    return np.asarray(image[0].numpy())


def save_unrolled(path: str | Path, network: Unrolled, *, card: dict[str, Any] | None = None) -> str:
    """Write the network's weights, with a card where there is one; the SHA-256 (hex) of the file."""
    arrays = {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}
    about = {"kind": KIND, "schema": 1, "shape": asdict(network.shape), "card": card or {}}
    return write_weights(path, arrays, about)


def load_unrolled(path: str | Path) -> Unrolled:
    """The network that `save_unrolled` wrote, ready to use; SettingError where the file is none, or is damaged."""
    weights = read_weights(path, kind=KIND)
    try:
        network: Unrolled = Unrolled(Shape(**weights.description["shape"]))
        network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.arrays.items()})
    except Exception as error:
        raise SettingError(
            f"{str(path)!r} does not hold the weights of the unrolled network that it says it does, as of another "
            "version of orbiq: train it anew"
        ) from error
    _check_finite(path, weights)
    network.eval()
    return network


def _check_finite(path: str | Path, weights: Weights) -> None:
    if not all(np.isfinite(array).all() for array in weights.arrays.values()):
        raise SettingError(f"{str(path)!r} holds weights that are no finite numbers: train the network anew")


def _normal(image: torch.Tensor, taken: torch.Tensor) -> torch.Tensor:
    """Aᴴ A x: the phase of a centred transform goes out with its inverse's, so that the plain one will do."""
    return torch.fft.ifft2(torch.fft.fft2(image) * taken)


def _zero_filled(kspace: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    shifted = torch.fft.ifftshift(torch.where(mask, kspace, 0), dim=_AXES)
    return torch.fft.fftshift(torch.fft.ifft2(shifted, norm="ortho"), dim=_AXES)


def _dot(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Re⟨one, other⟩ of each image: (batch, 1, 1)."""
    return (one.conj() * other).real.sum(_AXES, keepdim=True)
