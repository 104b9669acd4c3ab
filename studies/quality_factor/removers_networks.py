"""Small networks that remove what JPEG leaves, and their training: with the clean images, and without any.

Batches are (n, bands, rows, cols) from 0, black, to 1, white; images (rows, cols, bands) of uint8.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.learning.checkpoints import averaged, checkpoint_step
from orbiq.learning.loop import Log, Plan, fit
from orbiq.learning.pools import VISITS_A_POOL, Pools, split_off, window_within
from orbiq.predictors.quality_labels import libjpeg
from orbiq.predictors.quality_loss import QualityLoss

HERE = Path(__file__).parent
WORK = HERE / "work" / "removers"
BANDS = {"rgb": 3, "grey": 1}
SIZES = {"ar-cnn": ((9, 7, 1, 5), (64, 32, 16)), "sr-cnn": ((9, 5, 5), (64, 32))}
"""Kernels and channels: Dong et al. 2015, arXiv:1504.06993 and arXiv:1501.00092."""
Image = tuple[Array, BoolArray | None]
"""Pixels and mask."""
QUALITIES = (10, 60)
"""The least and the most that training draws."""
PLAN = Plan(steps=2000, rate=1e-3, warmup=100, decay=800, mean_of=100, judge_every=1000, half_precision=True)
_LUMA = np.array([0.299, 0.587, 0.114])
_PIECES_A_VISIT, _USES_A_PIECE, _GRID_PX = 32, 2, 8


class Remover(nn.Module):
    """What a network adds to a coded image: it begins near the identity, and can stay there."""

    def __init__(self, size: str, *, bands: int) -> None:
        super().__init__()
        kernels, widths = SIZES[size]
        layers: list[nn.Module] = []
        before = bands
        for kernel, width in zip(kernels, (*widths, bands), strict=True):
            layers += [nn.Conv2d(before, width, kernel, padding=kernel // 2), nn.ReLU(inplace=True)]
            before = width
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, coded: torch.Tensor) -> torch.Tensor:
        """The restored images."""
        return coded + self.layers(coded - 0.5).float()


@dataclass(frozen=True, kw_only=True)
class Way:
    """What a remover is trained to do: to give the clean image, or to keep to the coded one (L1, both).

    To that comes `weight` · (1 − predicted quality / 100); 0 leaves consistency alone, whose optimum is the identity.
    """

    clean: bool = False
    weight: float = 0.0

    @property
    def name(self) -> str:
        """In files and figures."""
        return "clean" if self.clean else f"quality-{self.weight:g}" if self.weight else "consistency"


WEIGHTS = (0.003, 0.01, 0.03, 0.1)
WAYS = {way.name: way for way in (Way(), *(Way(weight=weight) for weight in WEIGHTS), Way(clean=True))}


@dataclass(frozen=True, kw_only=True)
class Batches:
    """`images` pieces of `patch_px` a step, coded at qualities that `seed` decides."""

    images: int = 8
    patch_px: int = 64
    seed: int = 0


class _Pairs(NamedTuple):
    """Pieces (n, bands, rows, cols) of uint8, coded and clean."""

    coded: torch.Tensor
    clean: torch.Tensor


class Removing:
    """What `orbiq.learning.loop.fit` trains; a loss of quality is none of its parameters."""

    def __init__(
        self,
        remover: Remover,
        way: Way,
        images: list[Image],
        *,
        batches: Batches,
        quality: QualityLoss | None,
    ) -> None:
        self.module = remover.to(memory_format=torch.channels_last)
        self.way, self.images, self.batches, self.quality = way, images, batches, quality
        judged_by, trained_on = split_off(len(images), seed=batches.seed)
        self._pools = Pools(self._pieces, trained_on, seed=batches.seed, gather=_gathered)
        rng = np.random.default_rng([batches.seed, 2])
        self._held_back = _gathered([self._pieces(k, rng) for k in judged_by])

    def loss(self, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Of the batch of a step."""
        rng = np.random.default_rng([self.batches.seed, 1, step])
        steps_a_pool = _USES_A_PIECE * VISITS_A_POOL * _PIECES_A_VISIT // self.batches.images
        pool = self._pools.pool(step // steps_a_pool)
        chosen = torch.from_numpy(rng.integers(len(pool.coded), size=self.batches.images))
        return self._loss(_Pairs(pool.coded[chosen], pool.clean[chosen]))

    def judged(self) -> dict[str, float]:
        """On pieces of the images that are held back: the losses, and PSNR in dB, coded and restored."""
        with torch.no_grad():
            loss, told = self._loss(self._held_back)
        return {"loss": float(loss)} | {name: float(value) for name, value in told.items()}

    def _loss(self, pairs: _Pairs) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        coded, clean = (part.contiguous(memory_format=torch.channels_last) / 255 for part in pairs)
        restored = self.module(coded)
        loss = (restored - (clean if self.way.clean else coded)).abs().mean()
        told = {"l1": loss.detach(), "gain_db": _psnr(clean, restored.detach()) - _psnr(clean, coded)}
        if self.quality is not None:
            term = self.quality(restored)
            told |= {"predicted": 100 * (1 - term.detach() / self.way.weight)}
            loss = loss + term
        return loss, told

    def _pieces(self, number: int, rng: np.random.Generator) -> _Pairs:
        whole, mask = self.images[number]
        size, side = self.batches.patch_px, self.batches.patch_px + 2 * _GRID_PX
        coded, clean = [], []
        for quality in rng.integers(QUALITIES[0], QUALITIES[1] + 1, _PIECES_A_VISIT):
            piece = np.rot90(whole[window_within(whole.shape, mask, px=side, rng=rng)], int(rng.integers(4)))
            # cut behind the coder: the network pads, and must not learn where blocks begin from where pieces do
            top, left = (int(k) for k in rng.integers(0, side - size + 1, 2))
            place = slice(top, top + size), slice(left, left + size)
            coded.append(libjpeg(float(quality))(np.ascontiguousarray(piece))[place])
            clean.append(piece[place])
        return _Pairs(*(torch.from_numpy(np.stack(part).transpose(0, 3, 1, 2).copy()) for part in (coded, clean)))


def trained(
    folder: Path, size: str, way: Way, images: Mapping[str, Image], *, predictor: str, log: Log
) -> dict[str, float]:
    """Train, or go on, or find that it is done: the checkpoint in `folder`; scores on what was held back."""
    first = next(iter(images.values()))[0]
    quality = QualityLoss(predictor, way.weight) if way.weight else None
    batches, remover = Batches(), fresh(size, bands=first.shape[2])
    settings = {"size": size, "way": asdict(way), "batches": asdict(batches), "images": list(images)}
    settings |= {"predictor": _digest(quality), "steps": PLAN.steps}
    work = Removing(remover, way, list(images.values()), batches=batches, quality=quality)
    remover.load_state_dict(fit(work, PLAN, folder=folder, settings=settings, log=log))
    return {name: round(value, 4) for name, value in work.judged().items()}


def folder_of(size: str, bands: str, way: Way) -> Path:
    """Of a training."""
    return WORK / f"{size}-{bands}-{way.name}"


def is_trained(folder: Path) -> bool:
    """To the end."""
    return checkpoint_step(folder) == PLAN.steps


def fresh(size: str, *, bands: int, seed: int = 0) -> Remover:
    """An untrained one."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Remover(size, bands=bands)


def remover_of(folder: Path, size: str, *, bands: int) -> Remover:
    """The trained one of a folder's checkpoint."""
    remover = fresh(size, bands=bands)
    remover.load_state_dict(averaged(folder))
    return remover.to(memory_format=torch.channels_last).eval()


def restored(remover: nn.Module, coded: Array) -> FloatArray:
    """An image through the network, in levels 0 … 255 that are not rounded."""
    batch = torch.from_numpy(coded.transpose(2, 0, 1).copy())[None].contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        levels = 255 * remover(batch / 255)[0].permute(1, 2, 0).numpy()
    return np.clip(levels, 0, 255)


def rounded(levels: FloatArray) -> Array:
    """As a file can hold it."""
    return np.ascontiguousarray(np.rint(levels).astype(np.uint8))


def in_bands(image: Array, bands: int) -> Array:
    """Red, green and blue, or their luma (rows, cols, 1), uint8."""
    return image if bands == 3 else np.rint(image @ _LUMA).astype(np.uint8)[..., None]


def _gathered(pieces: list[_Pairs]) -> _Pairs:
    return _Pairs(*(torch.cat(part) for part in zip(*pieces, strict=True)))


def _psnr(clean: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    return -10 * (image - clean).square().mean().log10()


def _digest(quality: QualityLoss | None) -> str:
    """Tells one predictor from another."""
    tensors = [] if quality is None else quality.network.parameters()
    return hashlib.sha256(b"".join(weights.numpy().tobytes() for weights in tensors)).hexdigest()[:16]
