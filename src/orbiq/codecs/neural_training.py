"""Training the networks of the fixed-quality codec on a user's own images.

The loss of an image is (bits per pixel + mean of λ²·e²) / λ, e being the error in parts of 255 of the range that the
network sees; it is divided by λ because both parts grow about with it, so that low rates count as much as high ones.
λ is drawn log-uniformly; for half of the images it differs from block to block of 16 to 128 pixels, which is what
asking for a quality block by block does to it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from orbiq.arrays import Array, BoolArray
from orbiq.codecs.neural_networks import STRIDE, UNIT, Networks
from orbiq.codecs.neural_planes import Scaling, scaling_of
from orbiq.errors import ImageError, SettingError
from orbiq.learning.pools import VISITS_A_POOL, Pools, split_off, window_within

Pixels = tuple[Array, BoolArray | None, int]
"""An image (rows, cols, bands), its mask or None, and how many bits it uses."""
JUDGED_LMBDA = (0.03, 0.1, 0.3, 1.0)
_CROPS_A_VISIT = 48
_USES_A_CROP = 4
"""Each turned another way, beside other crops, at another λ."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What is trained: planes at a time (1, or 3 for three bands jointly), N, M, and the range of λ."""

    bands: int = 1
    width: int = 64
    latents: int = 192
    least_lmbda: float = 0.02
    most_lmbda: float = 1.0

    def __post_init__(self) -> None:
        if self.bands not in {1, 3}:
            raise SettingError(f"bands is {self.bands}; expected 1 (band by band) or 3 (three bands jointly)")
        if min(self.width, self.latents) < 1:
            raise SettingError(f"width is {self.width} and latents {self.latents}; expected at least 1 channel")
        if not 0 < self.least_lmbda < self.most_lmbda:
            raise SettingError(
                f"λ runs from {self.least_lmbda:g} to {self.most_lmbda:g}; expected above 0, the smaller first"
            )

    def networks(self) -> Networks:
        """Untrained ones."""
        return Networks(bands=self.bands, width=self.width, latents=self.latents)


@dataclass(frozen=True, kw_only=True)
class Batches:
    """`images` crops of `patch_px` a step; `seed` decides them all."""

    images: int = 8
    patch_px: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        if self.patch_px % (4 * STRIDE) or self.patch_px < 4 * STRIDE or self.images < 1:
            raise SettingError(
                f"a batch of {self.images} patches of {self.patch_px} pixels cannot be: expected at least one, and a "
                f"multiple of {4 * STRIDE} pixels"
            )


class CodecTraining:
    """What `orbiq.learning.loop.fit` trains: `count` images, of which `read` gives a part when it is their turn."""

    def __init__(
        self,
        shape: Shape,
        batches: Batches,
        read: Callable[[int, np.random.Generator], Pixels],
        count: int,
        *,
        device: str = "cpu",
    ) -> None:
        self._judged_by, trained_on = split_off(count, seed=batches.seed)
        self.shape, self.batches, self.read, self.device = shape, batches, read, torch.device(device)
        torch.manual_seed(batches.seed)
        self.module = shape.networks().to(self.device, memory_format=torch.channels_last)
        self._pools = Pools(self._visit, trained_on, seed=batches.seed, gather=self._gathered)
        self._held_back: Array | None = None
        self.last_judged: dict[str, float] = {}

    def settings(self) -> dict[str, Any]:
        """What makes one training another."""
        return {"shape": asdict(self.shape), "batches": asdict(self.batches)}

    def loss(self, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Of the batch of a step."""
        n, px = self.batches.images, self.batches.patch_px
        rng = np.random.default_rng([self.batches.seed, 1, step])
        steps_a_pool = _USES_A_CROP * VISITS_A_POOL * _CROPS_A_VISIT // n or 1
        pool = self._pools.pool(step // steps_a_pool)
        chosen = pool[torch.from_numpy(rng.integers(len(pool), size=n)).to(pool.device)]
        x = _turned(chosen, rng).contiguous(memory_format=torch.channels_last)
        lmbda = np.stack([self._lmbda_map(rng, px // STRIDE) for _ in range(n)])
        torch.manual_seed(int(rng.integers(2**31)))
        return self._loss(x, lmbda)

    def judged(self) -> dict[str, float]:
        """Rate and PSNR (of the range that the network sees) at four λ on crops of images that are held back."""
        if self._held_back is None:
            rng = np.random.default_rng([self.batches.seed, 2])
            self._held_back = np.concatenate([self._crops(k, rng, 8) for k in self._judged_by[:8]])
        scores: dict[str, float] = {}
        parts = [self._held_back[k : k + 16] for k in range(0, len(self._held_back), 16)]
        for lmbda in JUDGED_LMBDA:
            if not self.shape.least_lmbda <= lmbda <= self.shape.most_lmbda:
                continue
            told = [self._rate_and_mse(self._tensor(part), lmbda) for part in parts]
            rate, mse = (float(np.average(v, weights=[len(p) for p in parts])) for v in zip(*told, strict=True))
            scores |= {f"rate_bpp_{lmbda:g}": rate, f"psnr_db_{lmbda:g}": 10 * math.log10(255**2 / mse)}
        self.last_judged = scores
        return scores

    def _rate_and_mse(self, x: torch.Tensor, lmbda: float) -> tuple[float, float]:
        torch.manual_seed(0)
        share = self._share(np.full((len(x), x.shape[2] // STRIDE, x.shape[3] // STRIDE), lmbda))
        with torch.no_grad():
            passed = self.module(x, share)
        bits = passed.latent_bits + passed.hyper_bits
        mse = ((passed.picture - x) * UNIT).square().mean()
        return float(bits.mean()) / (x.shape[2] * x.shape[3]), float(mse)

    def _loss(self, x: torch.Tensor, lmbda: Array) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        passed = self.module(x, self._share(lmbda))
        weight = torch.from_numpy(lmbda.astype(np.float32)).to(self.device)[:, None]
        squared = ((passed.picture.float() - x) * UNIT).square()
        squared = torch.nn.functional.avg_pool2d(squared, STRIDE).mean(1, keepdim=True)
        pixels = x.shape[2] * x.shape[3]
        rate = (passed.latent_bits + passed.hyper_bits) / pixels
        cost = rate + (weight.square() * squared).flatten(1).mean(1)
        loss = (cost / weight.flatten(1).mean(1)).mean()
        told = {"rate_bpp": rate, "hyper_bpp": passed.hyper_bits / pixels, "mse": squared}
        return loss, {name: value.detach().mean() for name, value in told.items()}

    def _share(self, lmbda: Array) -> torch.Tensor:
        share = (lmbda / self.shape.most_lmbda).astype(np.float32)
        return torch.from_numpy(share)[:, None].to(self.device)

    def _tensor(self, crops: Array) -> torch.Tensor:
        return torch.from_numpy(crops).to(self.device, memory_format=torch.channels_last)

    def _lmbda_map(self, rng: np.random.Generator, side: int) -> Array:
        low, high = math.log(self.shape.least_lmbda), math.log(self.shape.most_lmbda)
        if rng.random() < 0.5:
            return np.full((side, side), math.exp(rng.uniform(low, high)))
        block = int(rng.choice([1, 2, 4, 8]))
        cells = -(-side // block)
        # neighbours that differ, about a level that itself varies
        ends = np.sort(rng.uniform(low, high, 2))
        levels = np.exp(rng.uniform(ends[0], ends[1], (cells, cells)))
        return np.kron(levels, np.ones((block, block)))[:side, :side]

    def _visit(self, number: int, rng: np.random.Generator) -> Array:
        return self._crops(number, rng, _CROPS_A_VISIT)

    def _gathered(self, crops: list[Array]) -> torch.Tensor:
        return self._tensor(np.concatenate(crops))

    def _crops(self, number: int, rng: np.random.Generator, n: int) -> Array:
        array, mask, bits = self.read(number, rng)
        px = self.batches.patch_px
        if min(array.shape[:2]) < px:
            array, mask = _enlarged(array, mask, px)
        crops = [self._crop(array, mask, bits=bits, rng=rng) for _ in range(n)]
        return np.stack(crops)

    def _crop(self, array: Array, mask: BoolArray | None, *, bits: int, rng: np.random.Generator) -> Array:
        chosen = self._planes(array, rng)
        scaling = self._scaling(chosen, mask, bits)
        px = self.batches.patch_px
        halved = rng.random() < 0.25 and min(array.shape[:2]) >= 2 * px
        window = window_within(array.shape, mask, px=2 * px if halved else px, rng=rng)
        seen = scaling.seen(chosen[window])
        if halved:
            seen = seen.reshape(len(seen), px, 2, px, 2).mean((2, 4))
        if len(seen) > self.shape.bands:  # three bands of which one plane is wanted
            seen = seen[[int(rng.choice(3, p=[0.5, 0.25, 0.25]))]]
        gain, shift = math.exp(rng.uniform(-0.35, 0.35)), rng.uniform(-0.3, 0.3)
        return np.asarray(seen * gain + shift, np.float32)

    def _planes(self, array: Array, rng: np.random.Generator) -> Array:
        """The bands that are looked at together: one, or three."""
        bands = array.shape[2]
        if bands == 3 and (self.shape.bands == 3 or rng.random() < 0.6):
            return array
        if self.shape.bands == 3:
            return array[:, :, rng.choice(bands, 3, replace=bands < 3)]
        return array[:, :, [int(rng.integers(bands))]]

    def _scaling(self, planes: Array, mask: BoolArray | None, bits: int) -> Scaling:
        return scaling_of(planes[::8, ::8], None if mask is None else mask[::8, ::8], bits=bits)


def _turned(crops: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    turned = torch.rot90(crops, int(rng.integers(4)), (2, 3))
    return turned.flip(3) if rng.random() < 0.5 else turned


def _enlarged(array: Array, mask: BoolArray | None, px: int) -> tuple[Array, BoolArray | None]:
    """By reflection, for images smaller than a patch."""
    rows, cols, bands = array.shape
    if not bands:
        raise ImageError("an image without bands cannot be trained on")
    pad = ((0, max(0, px - rows)), (0, max(0, px - cols)))
    grown = np.pad(array, (*pad, (0, 0)), mode="symmetric")
    return grown, None if mask is None else np.pad(mask, pad, mode="symmetric")


def in_memory(images: Sequence[Pixels]) -> Callable[[int, np.random.Generator], Pixels]:
    """A reader of images that are there already."""
    return lambda number, _: images[number]
