"""Predictors from a user's own images: what `orbiq train quality-factor` does.

Training needs clean images, without labels: the damage is done to them here. Images are seen as whole numbers 0 … 255:
uint8 as they are, others stretched from the 0.1st to the 99.9th percentile of the part that is looked at.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from orbiq.arrays import Array, BoolArray, Raster
from orbiq.cache import write_bytes
from orbiq.errors import ImageError
from orbiq.learning.card import Card, card_text
from orbiq.measuring import Subject
from orbiq.predictors.fields import levels_seen
from orbiq.progress import Progress, Quiet
from orbiq.training_images import names, somewhere, sources

if TYPE_CHECKING:
    from orbiq.learning.loop import Log, Plan
    from orbiq.predictors.quality_network import QualityNetwork
    from orbiq.predictors.quality_training import Batches

MODEL, CARD = "model.safetensors", "card.md"
_LARGEST_PX = 1024
"""Side of the part of an image that is looked at in one visit."""
_PERCENTILES = (0.1, 99.9)
_TRIES = 20
_PURPOSE = (
    "Predicts the JPEG quality of an image from the image alone, after H. Cui (UCB/EECS-2023-130), for "
    "`orbiq measure --metrics qf:model=…`."
)


@dataclass(frozen=True, kw_only=True)
class Training:
    """What every training of a predictor is: images, how long, where; `start` is a folder or a file to begin with."""

    subjects: tuple[Subject, ...]
    plan: "Plan"
    device: str = "cpu"
    start: str = ""


def trained_quality_factor(
    training: Training,
    network: "QualityNetwork",
    batches: "Batches",
    folder: Path,
    *,
    log: "Log",
    progress: Progress | None = None,
) -> dict[str, float]:
    """Train from where the folder's checkpoint is, then write the predictor and its card; its scores when judged."""
    from orbiq.learning.checkpoints import checkpoint_step
    from orbiq.learning.loop import fit
    from orbiq.predictors.quality_calibration import interval, straightened
    from orbiq.predictors.quality_factor import KIND
    from orbiq.predictors.quality_network import arrays_of, with_weights
    from orbiq.predictors.quality_training import QualityTraining

    check_subjects(training.subjects, bands=network.bands)
    work = QualityTraining(network, batches, reader(training.subjects), len(training.subjects), device=training.device)
    settings = work.settings() | {"images": names(training.subjects)}
    start = beginning(training.start, kind=KIND)
    mean = fit(work, training.plan, folder=folder, settings=settings, log=log, start=start, progress=progress)
    finished = with_weights(work.module.to("cpu"), mean)
    (progress or Quiet()).say("Its scale on larger parts, and how far off it is on images that were held back …")
    scale, shift = straightened(finished, work)
    description = {"network": network.settings(), "interval": interval(finished, work)}
    arrays = arrays_of(finished)
    work.module.to(training.device)
    scores = work.judged()
    card = Card(
        name=folder.resolve().name,
        purpose=_PURPOSE,
        data=sources(training.subjects),
        steps=checkpoint_step(folder),
        settings=work.settings() | {"plan": asdict(training.plan), "logits": {"scale": scale, "shift": shift}},
        judged_on="pieces of images that were held back from training",
        scores=scores,
    )
    write_predictor(folder, arrays, card, description={"kind": KIND, **description})
    return scores


def write_predictor(folder: Path, arrays: Mapping[str, Array], card: Card, *, description: Mapping[str, Any]) -> Path:
    """The file of a predictor, with its card in its head and beside it; its path."""
    from orbiq.learning.weights import write_weights

    path = folder / MODEL
    digest = write_weights(path, arrays, {"schema": 1, **description, "card": card.description()})
    write_bytes(folder / CARD, card_text(card, digest=digest).encode())
    return path


def beginning(start: str, *, kind: str) -> "Mapping[str, Any] | None":
    """Weights by name to begin with: of another training's folder, or of a predictor by its name or file."""
    if not start:
        return None
    import torch

    from orbiq.learning.checkpoints import averaged
    from orbiq.predictors.shipped import model_file, weights_of

    if Path(start).is_dir():
        return averaged(Path(start))
    arrays = weights_of(model_file(start, kind=kind), kind=kind).arrays
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def check_subjects(subjects: Sequence[Subject], *, bands: int) -> None:
    """Before an hour of training, whether its images will do; ImageError where one does not."""
    for subject in subjects:
        with subject.opened() as raster:
            if raster.dtype.kind not in "uif":
                raise ImageError(f"image {raster.name!r} holds {raster.dtype}; expected real numbers: leave it out")
            if bands > raster.shape[2]:
                raise ImageError(
                    f"image {raster.name!r} has {raster.shape[2]} bands; a predictor of {bands} bands together is "
                    f"trained on images of {bands} or more: leave it out, or train with --bands 1"
                )


def reader(subjects: Sequence[Subject]) -> Callable[[int, np.random.Generator], tuple[Array, BoolArray | None]]:
    """A part of an image by its number, as levels 0 … 255, and its mask."""

    def read(number: int, rng: np.random.Generator) -> tuple[Array, BoolArray | None]:
        with subjects[number].opened() as raster:
            array, mask = _valid_part(raster, rng)
        if array.dtype == np.uint8:
            return array, mask
        low, high = (float(v) for v in np.percentile(array if mask is None else array[mask], _PERCENTILES))
        seen = array if mask is None else np.where(mask[..., None], array, np.asarray(low, array.dtype))
        return levels_seen(seen, low_dn=low, high_dn=max(high, low + 1e-9)), mask

    return read


def _valid_part(raster: Raster, rng: np.random.Generator) -> tuple[Array, BoolArray | None]:
    """A part that is not all masked, if a few tries find one; ImageError else."""
    for _ in range(_TRIES):
        rows, cols = (somewhere(side, rng, largest_px=_LARGEST_PX) for side in raster.shape[:2])
        array, mask = raster.window(rows, cols)
        if mask is None or mask.any():
            return array, mask
    raise ImageError(f"image {raster.name!r} has hardly a valid pixel: leave it out, or check its mask and nodata")
