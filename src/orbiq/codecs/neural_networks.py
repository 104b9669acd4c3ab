"""The networks of the fixed-quality codec: transforms, hyperprior, and the mask that turns quality into step size.

After Mijares i Verdú et al., Fixed-Quality Compression of Remote Sensing Images With Neural Networks (IEEE JSTARS 17,
2024, doi:10.1109/JSTARS.2024.3422215). An image x becomes latents y = g_a(x), 1/16 as many rows and columns, in M
channels. A mask M(λ) multiplies them before they are rounded and divides them after: a quantiser whose step, 1/M, the
user's λ sets, for each 16×16 pixels by itself. Hyperlatents z = h_a(M·y), 1/64, tell the decoder the spread of each
latent.

What differs from the paper, and why. The hyper-decoder also foretells each latent, and what is coded is the difference:
the mean of 16×16 pixels is seldom near 0, and costs most of the bits of a smooth image otherwise. The loss weighs the
squared error with λ² rather than λ, so that the mask, which at high rates grows with the square root of that weight, is
linear in λ over the whole range (equation 3) and not over part of it. The hyper-decoder is given log M(λ), which it
knows anyway, and needs no bits for it. h_a sees logarithms with their sign, for masked latents span three decades. λ
varies within a training image, as it will in use. Training begins with a cosine transform and its inverse rather than
with noise.

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


_Held = tuple[int, torch.Tensor, torch.Tensor]
"""What a channel measures: a band, by two Walsh functions, down and across."""


class Gdn(nn.Module):
    """Divisive normalisation of the first order: x / (β + γ|x|), channels mixed by γ; multiplied where `inverse`.

    Ballé et al., Density modeling of images using a generalized normalization transformation (arXiv:1511.06281), in the
    form that Johnston et al. simplified (arXiv:1912.08771). β and γ stay positive as squares of what is trained.
    """

    def __init__(self, channels: int, *, inverse: bool = False) -> None:
        super().__init__()
        self.inverse = inverse
        self.root_beta = nn.Parameter(torch.ones(channels))
        self.root_gamma = nn.Parameter(torch.sqrt(0.003 * torch.eye(channels) + 1e-5))

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
        self.hyper_synthesis = nn.Sequential(_up(m, n), nn.ReLU(), _up(n, n), nn.ReLU(), nn.Conv2d(n, 2 * m, 3, 1, 1))
        self.modulation = Modulation(m)
        self.prior = Prior(m)
        self._begin_as_transform(bands)

    def _begin_as_transform(self, bands: int) -> None:
        """Begin with a cosine transform and its inverse, for from noise the way to an inverse is long."""
        down = [layer for layer in self.analysis if isinstance(layer, nn.Conv2d)]
        up = [layer for layer in self.synthesis if isinstance(layer, nn.ConvTranspose2d)]
        held: list[_Held] = [(band, torch.ones(1), torch.ones(1)) for band in range(bands)]
        with torch.no_grad():
            for part in (self.hyper_synthesis[-1].weight, self.hyper_synthesis[-1].bias):
                nn.init.zeros_(part[self.to_latents.out_channels :])  # no foretelling yet
            for analysing, synthesising in zip(down, [self.to_picture, *reversed(up[1:])], strict=True):
                held = _split(held, analysing, synthesising)
            _cosines(held, self.to_latents, up[0])

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
        signed = masked.sign() * masked.abs().log1p()
        z: torch.Tensor = self.hyper_analysis(torch.cat([signed, share.log()], dim=1))
        return z

    def foretold(self, z: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of each latent the place of its spread in the table, not yet rounded or cut, and its mean, not masked."""
        index, mean = self.hyper_synthesis(z).chunk(2, dim=1)
        return index + (mask / LOWEST_SCALE).log() / SCALE_STEP, mean

    def forward(self, x: torch.Tensor, share: torch.Tensor) -> Passed:
        """A training pass: noise in place of rounding where bits are counted, rounding where the picture is made."""
        y = self.latents(x).float()
        mask = self.modulation(share)
        masked = y * mask
        z = self.hyperlatents(masked, share).float()
        index, mean = self.foretold(_rounded(z), mask)
        scale = LOWEST_SCALE * (index.float().clamp(0, N_SCALES - 1) * SCALE_STEP).exp()
        left = masked - mean.float() * mask
        likely = _gaussian(_noisy(left), scale)
        picture = self.picture(_rounded(left) / mask + mean)
        return Passed(picture, _bits(likely), _bits(self.prior.likelihood(_noisy(z))))


def _split(held: list[_Held], down: nn.Conv2d, up: nn.ConvTranspose2d) -> list[_Held]:
    """Let two layers, one the other's inverse, split each channel into four by sums and differences of neighbours.

    `held` says of each channel that comes in the band and the Walsh functions down and across that it measures; returns
    those of the channels that go out, of the lowest sequencies, as many as there are.
    """
    parts = []
    for parent, (band, *walsh) in enumerate(held):
        for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            rows, cols = (
                torch.cat([function, sign * function]) / 2**0.5 for function, sign in zip(walsh, signs, strict=True)
            )
            parts.append(((band, rows, cols), parent, signs))
    parts.sort(key=lambda part: _sequency(part[0][1]) ** 2 + _sequency(part[0][2]) ** 2)
    _quieten(down, up)
    for k, (_, parent, (row_sign, col_sign)) in enumerate(parts[: down.out_channels]):
        down.weight[k].zero_()
        row, col = (torch.tensor([1.0, sign]) / 2**0.5 for sign in (row_sign, col_sign))
        for kernel in (down.weight[k, parent], up.weight[k, parent]):
            kernel[2:4, 2:4] = row[:, None] * col
    return [part[0] for part in parts[: down.out_channels]]


def _sequency(walsh: torch.Tensor) -> int:
    return int((walsh[1:] * walsh[:-1] < 0).sum())


def _cosines(held: list[_Held], down: nn.Conv2d, up: nn.ConvTranspose2d) -> None:
    """Let the innermost layers make the cosines of 16 pixels of what the Walsh functions of 8 measured.

    Of the 256 functions (DCT-II, orthonormal) of a band those of the lowest frequencies have room.
    """
    n, frequency = torch.arange(STRIDE) + 0.5, torch.arange(STRIDE)
    functions = (2 / STRIDE) ** 0.5 * torch.cos(n * frequency[:, None] * torch.pi / STRIDE)
    functions[0] /= 2**0.5
    cells = functions.reshape(STRIDE, 2, 8)
    bands = sorted({band for band, *_ in held})
    order = [(band, row, col) for row in range(STRIDE) for col in range(STRIDE) for band in bands]
    order.sort(key=lambda one: (one[1] ** 2 + one[2] ** 2, one[0]))
    _quieten(down, up)
    for k, (band, row, col) in enumerate(order[: down.out_channels]):
        down.weight[k].zero_()
        for channel, (of, rows, cols) in enumerate(held):
            if of == band:
                part = (cells[row] @ rows)[:, None] * (cells[col] @ cols)
                for kernel in (down.weight[k, channel], up.weight[k, channel]):
                    kernel[2:4, 2:4] = part


def _quieten(down: nn.Conv2d, up: nn.ConvTranspose2d) -> None:
    """Channels that nothing is said of begin with what chance measures, and give nothing to the picture yet."""
    for layer in (down, up):
        if layer.bias is not None:
            layer.bias.zero_()
    down.weight.mul_(0.1)
    up.weight.zero_()


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
