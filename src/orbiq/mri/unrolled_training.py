"""Training the unrolled network: on phantoms, or on whatever complex images are given.

An image of a batch is a strip of whole rows: lines that are left out fold over along the rows, and each row does so by
itself, so that a strip shows at a fraction of the cost what the whole would. The loss of a strip is the logarithm of
the mean of |x − truth| over that of |truth|, so that low rates count as much as high ones. Rates are drawn
log-uniformly; patterns and the share of the centre are drawn too. Training begins with one iteration and goes on with
one more every `grow` steps, in the manner of the paper: the next begin with what the first have learnt, at a part of
the cost.

    network = trained(Path("work/unrolled"), plan=Plan(steps=2000, rate=3e-3, decay=600))
    save_unrolled("unrolled.safetensors", network)
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import log10
from pathlib import Path
from typing import Any

import numpy as np
import torch

from orbiq.arrays import Array, BoolArray
from orbiq.errors import ImageError, SettingError
from orbiq.learning.loop import Log, Plan, fit
from orbiq.mri.masks import Sampling
from orbiq.mri.phantoms import phantom
from orbiq.mri.reconstruction import to_kspace
from orbiq.mri.unrolled import Shape, Unrolled, reconstruct
from orbiq.progress import Progress

Read = Callable[[int], Array]
"""From a number to a complex image (rows, cols): square, and all of one size."""
JUDGED_RATES = (2.0, 4.0, 8.0)
_N_JUDGED = 4
_FLOOR = 0.01
"""Of an error that is worth lowering, as a share of the image: about that of the noise."""
_PATTERNS: Any = ("random", "equispaced", "radial")
_PATTERN_SHARES = (0.4, 0.4, 0.2)


@dataclass(frozen=True, kw_only=True)
class Batches:
    """`strips` of `rows` rows a step, at rates from 1 to `most_rate`, of `count` images; `seed` decides them all."""

    strips: int = 4
    rows: int = 32
    most_rate: float = 12.0
    count: int = 150
    side: int = 320
    """Of phantoms, in pixels."""
    grow: int = 120
    """Steps with each number of iterations before the last; 0 begins with all."""
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.strips, self.rows, self.side, self.count, self.grow + 1) < 1 or not self.most_rate >= 1:
            raise SettingError(
                f"batches of {self.strips} strips of {self.rows} rows, out of {self.count} images of side {self.side}, "
                f"at rates up to {self.most_rate:g}, growing every {self.grow} steps, cannot be: expected at least 1 "
                "of each, and 0 steps or more"
            )


class ReconstructionTraining:
    """What `orbiq.learning.loop.fit` trains; `read` gives image 0 to count − 1, and those that it is judged by after.

    Without `read` they are phantoms: image k is that of the seed 10⁶·seed + k.
    """

    def __init__(self, shape: Shape, batches: Batches, *, read: Read | None = None) -> None:
        self.shape, self.batches = shape, batches
        torch.manual_seed(batches.seed)
        self.module = Unrolled(shape).to(memory_format=torch.channels_last)
        self._read = lru_cache(maxsize=batches.count)(read or self._phantom)

    def settings(self) -> dict[str, Any]:
        """What makes one training another."""
        return {"shape": asdict(self.shape), "batches": asdict(self.batches)}

    def loss(self, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Of the batch of a step."""
        rng = np.random.default_rng([self.batches.seed, 1, step])
        truth = _stacked([self._strip(rng) for _ in range(self.batches.strips)])
        masks = np.stack([self._mask(truth.shape[1:], rng) for _ in range(self.batches.strips)])
        images = torch.from_numpy(truth)
        kspace, taken = torch.from_numpy(to_kspace(truth)), torch.from_numpy(masks)
        found = self.module(kspace, taken, iterations=self.iterations_at(step))
        missed = (found - images).abs().mean((1, 2)) / images.abs().mean((1, 2)).clamp_min(1e-12)
        loss = (missed + _FLOOR).log().mean()
        return loss, {"lmbda": self.module.log_lmbda.detach().exp()}

    def iterations_at(self, step: int) -> int:
        """How many iterations a step is trained with."""
        return min(self.shape.iterations, 1 + step // self.batches.grow) if self.batches.grow else self.shape.iterations

    def judged(self) -> dict[str, float]:
        """PSNR (against each image's own largest magnitude) of magnitudes at three rates of random lines."""
        scores = {}
        for rate in JUDGED_RATES:
            psnrs = []
            for k in range(_N_JUDGED):
                image = np.asarray(self._read(self.batches.count + k), np.complex64)
                mask = Sampling(rate=rate).mask((image.shape[0], image.shape[1]), rng=np.random.default_rng(k))
                truth = np.abs(image)
                mse = np.square(np.abs(reconstruct(self.module, to_kspace(image), mask)) - truth).mean()
                psnrs.append(10 * log10(float(truth.max()) ** 2 / max(float(mse), 1e-30)))
            scores[f"psnr_db_{rate:g}"] = float(np.mean(psnrs))
        return scores

    def _phantom(self, number: int) -> Array:
        return phantom(10**6 * self.batches.seed + number, (self.batches.side, self.batches.side)).image

    def _strip(self, rng: np.random.Generator) -> Array:
        """Whole rows or columns of an image, either way round, at any turn of the phase."""
        image = self._read(int(rng.integers(self.batches.count)))
        image = image.T if rng.random() < 0.5 else image
        rows = min(self.batches.rows, *image.shape)
        first = int(rng.integers(image.shape[0] - rows + 1))
        strip = image[first : first + rows, :: rng.choice([-1, 1])][:: rng.choice([-1, 1])]
        return np.asarray(strip * np.exp(2j * np.pi * rng.random()), np.complex64)

    def _mask(self, shape: tuple[int, ...], rng: np.random.Generator) -> BoolArray:
        rate = float(self.batches.most_rate ** rng.random())
        pattern = _PATTERNS[int(rng.choice(len(_PATTERNS), p=_PATTERN_SHARES))]
        share = rng.uniform(0, min(0.1, 0.9 / rate))
        return Sampling(pattern=pattern, rate=rate, centre_share=share).mask((shape[0], shape[1]), rng=rng)


def _stacked(strips: list[Array]) -> Array:
    if len(shapes := {strip.shape for strip in strips}) > 1:
        raise ImageError(
            f"strips are {sorted(shapes)} (rows, cols); expected square images of one size: cut them to it"
        )
    return np.stack(strips)


def trained(
    folder: Path,
    *,
    plan: Plan,
    shape: Shape | None = None,
    batches: Batches | None = None,
    read: Read | None = None,
    log: Log = lambda _step, _values: None,
    progress: Progress | None = None,
) -> Unrolled:
    """Train from the checkpoint in `folder` where there is one; the network with the averaged weights, ready to use.

    With `plan.half_precision` the denoiser computes in bfloat16 while it learns; data consistency never does.
    """
    work = ReconstructionTraining(shape or Shape(), batches or Batches(), read=read)
    mean = fit(work, plan, folder=folder, settings=work.settings(), log=log, progress=progress)
    work.module.load_state_dict(mean)
    network: Unrolled = work.module.eval()
    return network
