"""Training the quality-factor predictor: on one's own clean images, which need no labels.

Each piece is coded at a quality that is drawn (`orbiq.predictors.quality_labels`), and the network is to say which. The
loss of a piece is half the mean squared error of its map and half that of the map's mean; of the classifier the cross
entropy, at each value of the map, and of the classes' mean probability, alike.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.errors import SettingError
from orbiq.learning.pools import VISITS_A_POOL, Pools, split_off, window_within
from orbiq.predictors.quality_factor import FIELD
from orbiq.predictors.quality_labels import CLASSES, GRID_PX, Draws, damaged
from orbiq.predictors.quality_network import QualityNetwork, network_input, qualities

Read = Callable[[int, np.random.Generator], tuple[Array, BoolArray | None]]
"""A part of an image by its number: levels, uint8 (rows, cols, bands), and its mask."""
_PIECES_A_VISIT = 32
_USES_A_PIECE = 2
_JUDGED_IMAGES, _JUDGED_PIECES = 12, 48
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True, kw_only=True)
class Batches:
    """`images` pieces of `patch_px` a step; `seed` decides them all; `draws` what happens to them."""

    images: int = 16
    patch_px: int = 96
    seed: int = 0
    draws: Draws = field(default_factory=Draws)

    def __post_init__(self) -> None:
        if self.images < 1 or self.patch_px < FIELD.size or self.patch_px % FIELD.step:
            raise SettingError(
                f"a batch of {self.images} patches of {self.patch_px} pixels cannot be: expected at least one, and a "
                f"multiple of {FIELD.step} pixels from {FIELD.size} on"
            )


def fresh_network(*, bands: int, outputs: int = 1, seed: int = 0) -> QualityNetwork:
    """An untrained one; SettingError unless it takes 1 or 3 bands."""
    if bands not in {1, 3}:
        raise SettingError(f"bands is {bands}; expected 3 (red, green and blue together) or 1 (each by itself)")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return QualityNetwork(bands=bands, outputs=outputs)


class _Pieces(NamedTuple):
    """Pixels (n, bands, rows, cols) of uint8, and their qualities 0 … 100."""

    pixels: torch.Tensor
    quality: torch.Tensor


class QualityTraining:
    """What `orbiq.learning.loop.fit` trains: `count` clean images, of which `read` gives a part when it is its turn."""

    def __init__(
        self,
        network: QualityNetwork,
        batches: Batches,
        read: Read,
        count: int,
        *,
        device: str = "cpu",
    ) -> None:
        self.judged_by, self.trained_on = split_off(count, seed=batches.seed)
        self.batches, self.read, self.device = batches, read, torch.device(device)
        self.module = network.to(self.device, memory_format=torch.channels_last)
        self._pools = Pools(self._visit, self.trained_on, seed=batches.seed, gather=self._gathered)
        self._held_back: _Pieces | None = None
        self.last_judged: dict[str, float] = {}

    def settings(self) -> dict[str, Any]:
        """What makes one training another."""
        return {"network": self.module.settings(), "batches": asdict(self.batches)}

    def loss(self, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Of the batch of a step."""
        rng = np.random.default_rng([self.batches.seed, 1, step])
        steps_a_pool = _USES_A_PIECE * VISITS_A_POOL * _PIECES_A_VISIT // self.batches.images or 1
        pool = self._pools.pool(step // steps_a_pool)
        chosen = torch.from_numpy(rng.integers(len(pool.quality), size=self.batches.images)).to(self.device)
        pixels, truth = _turned(pool.pixels[chosen], rng), pool.quality[chosen] / 100
        logits = self.module(network_input(pixels)).float()
        error = (qualities(logits).mean((1, 2)) - truth).abs().mean()
        return self._loss(logits, truth), {"mae": 100 * error.detach()}

    def judged(self) -> dict[str, float]:
        """Loss, and errors of the means of pieces (in points of quality) from images that are held back."""
        if self._held_back is None:
            rng = np.random.default_rng([self.batches.seed, 2])
            self._held_back = self._gathered(
                [self._pieces(k, rng, _JUDGED_PIECES) for k in self.judged_by][:_JUDGED_IMAGES]
            )
        said, losses = [], []
        with torch.no_grad():
            for pixels, quality in zip(*(part.split(64) for part in self._held_back), strict=True):
                logits = self.module(network_input(pixels)).float()
                losses.append(float(self._loss(logits, quality / 100)) * len(quality))
                said.append(100 * qualities(logits).mean((1, 2)))
        errors = torch.cat(said) - self._held_back.quality
        self.last_judged = {"loss": sum(losses) / len(errors)} | _errors(errors, self._held_back.quality)
        return self.last_judged

    def _loss(self, logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        if logits.shape[1] == 1:
            seen = qualities(logits)
            each = (seen - truth[:, None, None]).square().mean()
            return (each + (seen.mean((1, 2)) - truth).square().mean()) / 2
        wanted = (truth[:, None] - torch.tensor(CLASSES, device=truth.device) / 100).abs().argmin(1)
        everywhere = wanted[:, None, None].expand(-1, *logits.shape[2:])
        together = nn.functional.nll_loss(torch.log_softmax(logits, 1).exp().mean((2, 3)).clamp_min(1e-8).log(), wanted)
        return (nn.functional.cross_entropy(logits, everywhere) + together) / 2

    def _visit(self, number: int, rng: np.random.Generator) -> _Pieces:
        return self._pieces(number, rng, _PIECES_A_VISIT)

    def _gathered(self, pieces: list[_Pieces]) -> _Pieces:
        pixels, quality = (torch.cat(part).to(self.device) for part in zip(*pieces, strict=True))
        return _Pieces(pixels, quality)

    def _pieces(self, number: int, rng: np.random.Generator, n: int) -> _Pieces:
        (whole, mask), draws = self.read(number, rng), self.batches.draws
        size = self.batches.patch_px + 2 * GRID_PX
        if min(whole.shape[:2]) < size:
            pad = [(0, max(0, size - side)) for side in whole.shape[:2]]
            whole = np.pad(whole, (*pad, (0, 0)), mode="symmetric")
            mask = None if mask is None else np.pad(mask, pad, mode="symmetric")
        clean = [clean_piece(whole, mask, size=size, bands=self.module.bands, rng=rng) for _ in range(n)]
        drawn = zip(clean, draws.qualities(rng, n), strict=True)
        pixels, quality = zip(*(damaged(piece, float(q), draws, rng) for piece, q in drawn), strict=True)
        stacked = np.ascontiguousarray(np.stack(pixels).transpose(0, 3, 1, 2))
        return _Pieces(torch.from_numpy(stacked), torch.tensor(quality, dtype=torch.float32))


def _errors(errors: torch.Tensor, truth: torch.Tensor) -> dict[str, float]:
    high = truth >= 80
    found = {"mae": errors.abs().mean(), "mae_80_100": errors[high].abs().mean()}
    found["within_2_80_100"] = (errors[high].abs() <= 2).float().mean()
    return {name: float(value) for name, value in found.items()}


def clean_piece(whole: Array, mask: BoolArray | None, *, size: int, bands: int, rng: np.random.Generator) -> Array:
    """A piece of an image, turned, and sometimes at half the size or with another contrast."""
    halved = rng.random() < 0.25 and min(whole.shape[:2]) >= 2 * size
    px = 2 * size if halved else size
    piece = _bands(whole[window_within(whole.shape, mask, px=px, rng=rng)], bands, rng)
    if not halved and rng.random() < 0.7:
        return _oriented(piece, rng)
    values = piece.astype(np.float32)
    if halved:
        values = values.reshape(size, 2, size, 2, bands).mean((1, 3))
    if rng.random() < 0.5:
        middle = values.mean()
        values = middle + (values - middle) * rng.uniform(0.5, 1.5) + rng.uniform(-20, 20)
    return _oriented(np.clip(np.rint(values), 0, 255).astype(np.uint8), rng)


def _bands(piece: Array, bands: int, rng: np.random.Generator) -> Array:
    """As many bands as the network sees."""
    found = piece.shape[2]
    if bands == found:
        return piece
    if bands == 1 and found == 3 and rng.random() < 0.5:
        luma: FloatArray = piece @ _LUMA
        return np.rint(luma).astype(np.uint8)[..., None]
    return piece[..., rng.choice(found, bands, replace=found < bands)]


def _oriented(piece: Array, rng: np.random.Generator) -> Array:
    turned = np.rot90(piece, int(rng.integers(4)))
    return np.ascontiguousarray(turned[:, ::-1] if rng.random() < 0.5 else turned)


def _turned(pixels: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """A batch as it is or transposed, so that a piece used twice is not seen twice; the grid of blocks stays."""
    return pixels.transpose(2, 3) if rng.random() < 0.5 else pixels
