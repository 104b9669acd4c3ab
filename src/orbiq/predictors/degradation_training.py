"""Training the degradation regressors on pieces whose degradation is known.

Pieces are made once and summed up as the network sees them: a few hundred numbers each, which many steps then learn
from. The loss of a piece is the mean over parameters of ln b + |place − predicted| / b (a Laplace distribution whose
spread b is predicted too), and a share of the binary cross-entropy of the intervals, as QMRNet has it.
"""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from orbiq.arrays import Array, FloatArray
from orbiq.cache import read_json_or, write_bytes, write_json
from orbiq.errors import SettingError
from orbiq.predictors.degradation_labels import PARAMETERS
from orbiq.predictors.degradation_network import (
    DegradationNetwork,
    Told,
    network_input,
)
from orbiq.predictors.degradation_pieces import Source, base_of, piece_of
from orbiq.predictors.degradation_validation import calibrated_widths, calibration_error
from orbiq.progress import Progress, Quiet

_SIDES_PX = (124, 156, 204, 252)
"""Of pieces; those of a visit are alike."""
_PIECES_A_VISIT = 8
_VISITS_A_FILE = 48
_MAKERS = 2
_MAKING = 3
"""Of the seeds."""
VERSION = 1
"""Of how pieces are made and summed up."""


@dataclass(frozen=True, kw_only=True)
class Batches:
    """`images` summaries a step, of some `pieces` pieces in all, each seen whole and in part; `seed` decides them all.

    `intervals` is the weight of the loss of the intervals, `values` that of values and spreads.
    """

    images: int = 256
    pieces: int = 24_000
    seed: int = 0
    intervals: float = 0.1
    values: float = 1.0

    def __post_init__(self) -> None:
        if self.images < 2 or self.pieces < self.images:
            raise SettingError(
                f"batches of {self.images} of {self.pieces} pieces cannot be: expected at least 2, and as many pieces"
            )


class Pieces(NamedTuple):
    """Summaries of pieces (n, features), and the places of their labels (n, 5)."""

    summaries: torch.Tensor
    places: torch.Tensor


class DegradationTraining:
    """What `orbiq.learning.loop.fit` trains: on pieces of `sources`, judged on those of `held_back`.

    Pieces are kept in the folder `kept`, where there is one, and not made again; SettingError where those in it are of
    other sources, as `said` tells, or of another seed.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        held_back: Sequence[Source],
        batches: Batches,
        *,
        network: dict[str, Any] | None = None,
        kept: Path | None = None,
        said: Mapping[str, Any] | None = None,
        device: str = "cpu",
        progress: Progress | None = None,
    ) -> None:
        if not sources or not held_back:
            raise SettingError(f"{len(sources)} images to train on and {len(held_back)} to judge by: expected of both")
        self.batches, self.device = batches, torch.device(device)
        torch.manual_seed(batches.seed)
        self.module = DegradationNetwork(**(network or {}))
        if kept is not None:
            _check_kept(kept, {"seed": batches.seed, "version": VERSION, **(said or {})})
        maker = _Maker(self.module, batches.seed, kept, progress or Quiet())
        self.pieces = Pieces(*(part.to(self.device) for part in maker.made(sources, batches.pieces, "pieces")))
        self.judged_by = Pieces(*(part.to(self.device) for part in maker.made(held_back, batches.pieces // 10, "held")))
        self.module.to(self.device)
        self.last_judged: dict[str, float] = {}

    def settings(self) -> dict[str, Any]:
        """What makes one training another."""
        return {"network": self.module.settings(), "batches": asdict(self.batches)}

    def loss(self, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Of the batch of a step."""
        rng = np.random.default_rng([self.batches.seed, 1, step])
        torch.manual_seed(int(rng.integers(2**31)))
        chosen = torch.from_numpy(rng.integers(len(self.pieces.places), size=self.batches.images)).to(self.device)
        return self._loss(self.module(self.pieces.summaries[chosen]), self.pieces.places[chosen])

    def judged(self) -> dict[str, float]:
        """Loss, mean absolute errors of places by parameter, and the share within 90 % of the Laplace distribution."""
        with torch.no_grad():
            told = self.module.eval()(self.judged_by.summaries)
        loss, _ = self._loss(told, self.judged_by.places)
        errors = (told.places - self.judged_by.places).abs()
        inside = torch.where(errors.isnan(), torch.nan, (errors <= torch.exp(told.ln_spreads) * 2.302585).float())
        within = inside.nanmean(0)
        scores = {"loss": float(loss)}
        scores |= {f"mae_{name}": float(error) for name, error in zip(PARAMETERS, errors.nanmean(0), strict=True)}
        scores |= {f"within_{name}": float(share) for name, share in zip(PARAMETERS, within, strict=True)}
        self.last_judged = scores
        return scores

    def calibration(self) -> dict[str, dict[str, float]]:
        """By parameter, how many spreads hold 90 and 95 % of the truths of pieces of images that were held back."""
        return {name: calibrated_widths(*known) for name, known in self._held_back_errors().items()}

    def calibration_errors(self, widths: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        """By parameter, how far shares from 50 to 95 % are off with spreads so scaled that they hold at 90 %."""
        scales = {name: width["0.9"] / np.log(10) for name, width in widths.items()}
        known = self._held_back_errors().items()
        return {name: calibration_error(errors, spreads * scales[name]) for name, (errors, spreads) in known}

    def _held_back_errors(self) -> dict[str, tuple[FloatArray, FloatArray]]:
        """Errors and spreads of the places, by parameter, where there are labels."""
        with torch.no_grad():
            told = self.module.eval()(self.judged_by.summaries)
        errors = (told.places - self.judged_by.places).cpu().double().numpy()
        spreads = np.exp(told.ln_spreads.cpu().double().numpy())
        known = np.isfinite(errors)
        return {name: (errors[known[:, k], k], spreads[known[:, k], k]) for k, name in enumerate(PARAMETERS)}

    def _loss(self, told: Told, truth: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        known = ~truth.isnan()
        truth = truth.nan_to_num()
        laplace = ((told.places - truth).abs() / torch.exp(told.ln_spreads) + told.ln_spreads)[known].mean()
        crossed = nn.functional.binary_cross_entropy_with_logits(told.logits, one_hot(truth), reduction="none")
        counts = torch.tensor([parameter.n for parameter in PARAMETERS.values()], device=known.device)
        crossed = (crossed * known.repeat_interleave(counts, 1)).sum(1).mean()
        loss = self.batches.values * laplace + self.batches.intervals * crossed
        return loss, {"laplace": laplace.detach(), "crossed": crossed.detach()}


def _check_kept(folder: Path, said: dict[str, Any]) -> None:
    path = folder / "pieces.json"
    if not path.exists():
        write_json(path, said)
    elif read_json_or(path, None) != json.loads(json.dumps(said)):
        raise SettingError(
            f"{str(folder)!r} holds pieces of other images, of another seed or another version of orbiq. Name another "
            "folder, or remove it to begin anew."
        )


class _Maker:
    """Makes pieces and sums them up, visit by visit, some visits a file."""

    def __init__(self, network: DegradationNetwork, seed: int, kept: Path | None, progress: Progress) -> None:
        self._network, self._seed, self._kept, self._progress = network, seed, kept, progress

    def made(self, sources: Sequence[Source], pieces: int, name: str) -> Pieces:
        """At least so many pieces; each gives two summaries."""
        visits = -(-pieces // _PIECES_A_VISIT)
        files = -(-visits // _VISITS_A_FILE)
        self._progress.stage(f"{name} for training", files)
        parts = []
        for number in range(files):
            first = number * _VISITS_A_FILE
            parts.append(self._part(sources, range(first, min(first + _VISITS_A_FILE, visits)), name))
            self._progress.tick(number + 1)
        return Pieces(*(torch.from_numpy(np.concatenate(part)) for part in zip(*parts, strict=True)))

    def _part(self, sources: Sequence[Source], visits: range, name: str) -> tuple[Array, Array]:
        path = None if self._kept is None else self._kept / f"{name}-{visits.start:06d}-{visits.stop:06d}.npz"
        if path is not None and path.exists():
            with np.load(path) as stored:
                return stored["summaries"].astype(np.float32), stored["places"]
        with ThreadPoolExecutor(_MAKERS) as makers:
            done = list(makers.map(lambda k: self._visit(sources, k, name), visits))
        summaries, places = (np.concatenate(part) for part in zip(*done, strict=True))
        if path is not None:
            out = BytesIO()
            np.savez(out, summaries=summaries, places=places)
            write_bytes(path, out.getvalue())
        return summaries, places

    def _visit(self, sources: Sequence[Source], number: int, name: str) -> tuple[Array, Array]:
        rng = np.random.default_rng([self._seed, _MAKING, len(name), number])
        source = sources[int(rng.integers(len(sources)))]
        side = int(rng.choice(_SIDES_PX))
        base = base_of(source, piece_px=side, rng=rng)
        made = [piece_of(base, piece_px=side, rng=rng) for _ in range(_PIECES_A_VISIT)]
        summaries = np.concatenate([self._summaries(pixels, rng) for pixels, _ in made])
        known = np.isfinite(summaries).all(1)  # not where all is clipped
        return summaries[known], np.repeat([places for _, places in made], 2, axis=0)[known]

    def _summaries(self, pixels: Array, rng: np.random.Generator) -> Array:
        """Of a piece, and of a part of it."""
        with torch.inference_mode():
            parts = self._network.parts(network_input(torch.from_numpy(pixels)[None, None])).double()
            whole = parts.shape[2]
            size = int(rng.integers(max(whole // 2, 1), whole + 1))
            row, col = rng.integers(whole - size + 1, size=2)
            chosen = parts[:, :, row : row + size, col : col + size]
            sums = torch.cat([parts.sum((2, 3)), chosen.sum((2, 3))])
            return np.asarray(self._network.summary(sums).float().numpy())


def one_hot(places: torch.Tensor) -> torch.Tensor:
    """(n, 5) places in the ranges to (n, sum of intervals): 1 where the value lies, 0 elsewhere."""
    parts = []
    for k, parameter in enumerate(PARAMETERS.values()):
        number = (places[:, k] * parameter.n + 1e-6).long().clamp(0, parameter.n - 1)
        parts.append(nn.functional.one_hot(number, parameter.n))
    return torch.cat(parts, 1).float()
