"""How the blocks of a fixed-quality stream came out against their targets."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from orbiq.codecs.neural_levels import Outcome


@dataclass(frozen=True, kw_only=True)
class BlockQuality:
    """How the blocks of a group of bands came out, in dB of PSNR against their targets (above 0 is better).

    `target_db` (least, most) is None where the peak is unknown, `target_mse` likewise in DN². Mean and standard
    deviation `sd_db` are over the blocks in reach: not out of it, nor better at the lowest quality already. `worst_db`
    is over all.
    """

    bands: str
    n_blocks: int
    target_db: tuple[float, float] | None
    target_mse: tuple[float, float]
    mean_db: float
    sd_db: float
    worst_db: float
    out_of_reach: float
    always_better: float


def block_qualities(outcomes: "Sequence[Outcome]", *, n_bands: int, peak: float | None) -> tuple[BlockQuality, ...]:
    """Of each group of bands that has a block with a target; `peak` is what PSNR counts from."""
    names = ["all"] if len(outcomes) == 1 else [str(k + 1) for k in range(n_bands)]
    return tuple(_quality(one, bands, peak) for one, bands in zip(outcomes, names, strict=True) if one.asked.any())


def _quality(outcome: "Outcome", bands: str, peak: float | None) -> BlockQuality:
    asked = outcome.asked & np.isfinite(outcome.mse)
    target, missed = outcome.target[asked], outcome.away_db[asked]
    beyond, better = outcome.out_of_reach[asked], outcome.always_better[asked]
    reached = missed[~beyond & ~better & np.isfinite(missed)]
    ends = (float(target.min()), float(target.max())) if len(target) else (nan, nan)
    decibels = None if peak is None else tuple(float(10 * np.log10(peak**2 / end)) for end in reversed(ends))
    return BlockQuality(
        bands=bands,
        n_blocks=int(asked.sum()),
        target_db=decibels,  # type: ignore[arg-type]
        target_mse=ends,
        mean_db=float(reached.mean()) if len(reached) else nan,
        sd_db=float(reached.std()) if len(reached) else nan,
        worst_db=float(missed.min()) if len(missed) else nan,
        out_of_reach=float(beyond.mean()) if len(missed) else nan,
        always_better=float(better.mean()) if len(missed) else nan,
    )
