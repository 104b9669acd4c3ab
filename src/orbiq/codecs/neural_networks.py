"""The networks of the fixed-quality codec: transforms, hyperprior, and the mask that turns quality into step size.

After Mijares i Verdú et al., Fixed-Quality Compression of Remote Sensing Images With Neural Networks (IEEE JSTARS 17,
2024, doi:10.1109/JSTARS.2024.3422215). An image x becomes latents y = g_a(x), 1/16 as many rows and columns, in M
channels. A mask M(λ) multiplies them before they are rounded and divides them after: a quantiser whose step, 1/M, the
user's λ sets, for each 16×16 pixels by itself. Hyperlatents z = h_a(M·y), 1/64, tell the decoder the spread of each
latent.

What differs from the paper, and why. The loss weighs the squared error with λ² rather than λ, so that the mask, which
at high rates grows with the square root of that weight, is linear in λ over the whole range (equation 3) and not over
part of it. The hyper-decoder is given log M(λ), which it knows anyway, and needs no bits for it. h_a sees logarithms,
for masked latents span three decades. λ varies within a training image, as it will in use.

Network inputs are (batch, bands, rows, cols) in units of 64 parts of 255, with 0 in the middle of the range; sides are
multiples of 16, whole hyperlatents where they are multiples of 64.
"""

from math import log
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

UNIT = 64.0
"""DN of an 8-bit range in one unit of a network's input."""
STRIDE = 16
"""Pixels a latent, along each side."""
HYPER_STRIDE = 4
"""Latents a hyperlatent, along each side."""
N_SCALES = 64
LOWEST_SCALE, HIGHEST_SCALE = 0.11, 256.0
SCALE_STEP = log(HIGHEST_SCALE / LOWEST_SCALE) / (N_SCALES - 1)
"""Between neighbouring standard deviations of the entropy coder's table, as logarithms."""
N_LOGISTICS = 3
_LEAST_MASK = 1e-2
_LEAST_LIKELIHOOD = 1e-9


class Gdn(nn.Module):
    """Divisive normalisation of the first order: x / (β + γ|x|), channels mixed by γ; multiplied where `inverse`.

    Ballé et al., Density modeling of images using a generalized normalization transformation (arXiv:1511.06281), in the
    form that Johnston et al. simplified (arXiv:1912.08771). β and γ stay positive as squares of what is trained.
    """

    def __init__(self, channels: int, *, inverse: bool = False) -> None:
        super().__init__()
        self.inverse = inverse
        self.root_beta = nn.Parameter(torch.ones(channels))
        self.root_gamma = nn.Parameter(torch.sqrt(0.01 * torch.eye(channels) + 1e-5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As many channels as came."""
        gamma, beta = self.root_gamma.square()[:, :, None, None], self.root_beta.square() + 1e-6
        norm = functional.conv2d(x.abs(), gamma.to(x.dtype), beta.to(x.dtype))
        return x * norm if self.inverse else x / norm


def _down(inner: int, outer: int, *, bias: bool = True) -> nn.Module:
    return nn.Conv2d(inner, outer, 5, 2, 2, bias=bias)


def _up(inner: int, outer: int) -> nn.Module:
    return nn.ConvTranspose2d(inner, outer, 5, 2, 2, 1)


class Modulation(nn.Module):
    """The mask of each channel from λ / λ_max, above 0: two dense layers with ReLU, of 64 and `channels`."""

    def __init__(self, channels: int, *, gain: float = 20.0) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(1, 64), nn.Linear(64, channels)
        nn.init.uniform_(self.hidden.weight, 0.5, 1.5)
        nn.init.constant_(self.out.weight, gain / 64)
        nn.init.zeros_(self.hidden.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, share: torch.Tensor) -> torch.Tensor:
        """`share` (batch, 1, rows, cols) of λ_max to masks (batch, channels, rows, cols)."""
        hidden = functional.relu(self.hidden(share.movedim(1, -1)))
        return (functional.relu(self.out(hidden)) + _LEAST_MASK).movedim(-1, 1)


class Prior(nn.Module):
    """The distribution of the hyperlatents of each channel: a mixture of three logistics."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, N_LOGISTICS))
        self.centre = nn.Parameter(torch.tensor([-0.5, 0.0, 0.5]).repeat(channels, 1))
        self.log_scale = nn.Parameter(torch.full((channels, N_LOGISTICS), -1.2))

    def likelihood(self, z: torch.Tensor) -> torch.Tensor:
        """Of [z − ½, z + ½], z being (batch, channels, rows, cols)."""
        share = functional.softmax(self.weight, dim=1)[:, None, None, :]
        scale = self.log_scale.exp()[:, None, None, :]
        away = z[..., None] - self.centre[:, None, None, :]
        # on the lighter side, where a difference of sigmoids keeps its digits
        away = -away.abs()
        mass = torch.sigmoid((away + 0.5) / scale) - torch.sigmoid((away - 0.5) / scale)
        return (share * mass).sum(-1).clamp_min(_LEAST_LIKELIHOOD)


class Passed(NamedTuple):
    """What a training pass gives: the picture, and the bits of latents and hyperlatents of each image."""

    picture: torch.Tensor
    latent_bits: torch.Tensor
    hyper_bits: torch.Tensor


class Networks(nn.Module):
    """g_a, g_s, h_a, h_s, mask and prior, for `bands` planes at a time, N = `width` and M = `latents` channels."""

    def __init__(self, *, bands: int = 1, width: int = 64, latents: int = 192) -> None:
        super().__init__()
        n, m = width, latents
        self.analysis = nn.Sequential(_down(bands, n), Gdn(n), _down(n, n), Gdn(n), _down(n, n), Gdn(n))
        self.to_latents = _down(n, m, bias=False)
        self.synthesis = nn.Sequential(
            _up(m, n), Gdn(n, inverse=True), _up(n, n), Gdn(n, inverse=True), _up(n, n), Gdn(n, inverse=True)
        )
        self.to_picture = _up(n, bands)
        self.hyper_analysis = nn.Sequential(
            nn.Conv2d(m + 1, n, 3, 1, 1), nn.ReLU(), _down(n, n), nn.ReLU(), _down(n, m, bias=False)
        )
        self.hyper_synthesis = nn.Sequential(_up(m, n), nn.ReLU(), _up(n, n), nn.ReLU(), nn.Conv2d(n, m, 3, 1, 1))
        self.modulation = Modulation(m)
        self.prior = Prior(m)
        self._begin_as_hadamard(bands)

    def _begin_as_hadamard(self, bands: int) -> None:
        """Begin with a Hadamard transform of 16×16 and its inverse, for from noise the way to an inverse is long."""
        down = [layer for layer in self.analysis if isinstance(layer, nn.Conv2d)] + [self.to_latents]
        up = [layer for layer in self.synthesis if isinstance(layer, nn.ConvTranspose2d)] + [self.to_picture]
        held = [(0, 0)] * bands
        with torch.no_grad():
            for analysing, synthesising in zip(down, reversed(up), strict=True):
                held = _split(held, analysing, synthesising)

    def latents(self, x: torch.Tensor) -> torch.Tensor:
        """g_a."""
        y: torch.Tensor = self.to_latents(self.analysis(x))
        return y

    def picture(self, y: torch.Tensor) -> torch.Tensor:
        """g_s; its last layer in full precision, for its rounding would be seen."""
        inner = self.synthesis(y)
        with torch.autocast(y.device.type, enabled=False):
            picture: torch.Tensor = self.to_picture(inner.float())
        return picture

    def hyperlatents(self, masked: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        """h_a of masked latents, and λ / λ_max at each of them."""
        z: torch.Tensor = self.hyper_analysis(torch.cat([masked.abs().log1p(), share.log()], dim=1))
        return z

    def scale_index(self, z: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Place of each latent's standard deviation in the table, not yet rounded or cut at its ends."""
        index: torch.Tensor = self.hyper_synthesis(z)
        return index + (mask / LOWEST_SCALE).log() / SCALE_STEP

    def forward(self, x: torch.Tensor, share: torch.Tensor) -> Passed:
        """A training pass: noise in place of rounding where bits are counted, rounding where the picture is made."""
        y = self.latents(x).float()
        mask = self.modulation(share)
        masked = y * mask
        z = self.hyperlatents(masked, share).float()
        index = self.scale_index(_rounded(z), mask).float()
        scale = LOWEST_SCALE * (index.clamp(0, N_SCALES - 1) * SCALE_STEP).exp()
        likely = _gaussian(_noisy(masked), scale)
        picture = self.picture(_rounded(masked) / mask)
        return Passed(picture, _bits(likely), _bits(self.prior.likelihood(_noisy(z))))


def _split(held: list[tuple[int, int]], down: nn.Conv2d, up: nn.ConvTranspose2d) -> list[tuple[int, int]]:
    """Let two layers, one the other's inverse, split each channel into four by sums and differences of neighbours.

    `held` says the sequencies (rows, cols) of each channel that comes in; returns those of the channels that go out,
    the lowest of all, as many as there are. Other channels keep a tenth of their random beginning.
    """
    parts = [
        (2 * row + (row % 2 ^ high_row), 2 * col + (col % 2 ^ high_col), parent, high_row, high_col)
        for parent, (row, col) in enumerate(held)
        for high_row in (0, 1)
        for high_col in (0, 1)
    ]
    kept = sorted(parts, key=lambda part: part[0] ** 2 + part[1] ** 2)[: down.out_channels]
    for layer in (down, up):
        layer.weight.mul_(0.1)
        if layer.bias is not None:
            layer.bias.zero_()
    for k, (_, _, parent, high_row, high_col) in enumerate(kept):
        row, col = (torch.tensor([1.0, -1.0 if high else 1.0]) / 2**0.5 for high in (high_row, high_col))
        for kernel in (down.weight[k, parent], up.weight[k, parent]):
            kernel.zero_()
            kernel[2:4, 2:4] = row[:, None] * col
    return [(row, col) for row, col, *_ in kept]


def _noisy(x: torch.Tensor) -> torch.Tensor:
    return x + torch.rand_like(x) - 0.5


def _rounded(x: torch.Tensor) -> torch.Tensor:
    """Rounded, with the gradient of x."""
    return x + (x.round() - x).detach()


def _gaussian(y: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Probability of [y − ½, y + ½] under a Gaussian about 0."""
    root = 1 / (scale * 2**0.5)
    near, far = (0.5 - y.abs()) * root, (-0.5 - y.abs()) * root
    return (0.5 * (torch.erfc(-near) - torch.erfc(-far))).clamp_min(_LEAST_LIKELIHOOD)


def _bits(likely: torch.Tensor) -> Any:
    return -likely.log2().flatten(1).sum(1)
