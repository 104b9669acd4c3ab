"""A fixed-quality codec from a user's own images: trained, calibrated, and written with its card.

<folder>/checkpoint.safetensors   from which a training that was stopped goes on
<folder>/curves.jsonl             what was told on the way
<folder>/model.safetensors        what `fixed-quality:model=…` names
<folder>/card.md                  what it was trained on and how it does
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil, log2
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from orbiq.arrays import Array, Raster, Scene, required_peak
from orbiq.cache import write_bytes
from orbiq.codecs.neural import FixedQuality
from orbiq.errors import ImageError
from orbiq.measuring import Subject
from orbiq.progress import Progress, Quiet
from orbiq.training_images import names, somewhere, sources

if TYPE_CHECKING:
    from orbiq.codecs.neural_calibration import Fit
    from orbiq.codecs.neural_container import Head
    from orbiq.codecs.neural_training import Batches, Pixels, Shape
    from orbiq.learning.loop import Log, Plan

MODEL, CARD = "model.safetensors", "card.md"
_LARGEST_PX = 2048
"""Side of the part of an image that is looked at in one visit."""
_CALIBRATION_PX = 512
_CALIBRATION_IMAGES = 24
_PURPOSE = (
    "A fixed-quality codec: transforms, hyperprior and mask after Mijares i Verdú et al. "
    "(doi:10.1109/JSTARS.2024.3422215), for `orbiq compress --codec fixed-quality:model=…`."
)


@dataclass(frozen=True, kw_only=True)
class Training:
    """All that a training is: images, network, batches, and how long."""

    subjects: tuple[Subject, ...]
    shape: "Shape"
    batches: "Batches"
    plan: "Plan"
    device: str = "cpu"
    start: str = ""
    """What to begin with: the folder of another training, or a model, by its file or its name."""


def bits_of(raster: Raster) -> int:
    """Significant bits of an image's samples, from its peak: those below 0 take one more.

    ImageError for samples that the codec does not take, and where nobody stated a peak.
    """
    if str(raster.dtype) not in FixedQuality.dtypes:
        raise ImageError(
            f"image {raster.name!r} is {raster.dtype}; a codec is trained on uint8, uint16 or int16: scale it first"
        )
    bits = ceil(log2(required_peak(raster) + 1)) + (raster.dtype.kind == "i")
    return min(max(1, bits), 8 * raster.dtype.itemsize)


def trained(training: Training, folder: Path, *, log: "Log", progress: Progress | None = None) -> "Fit":
    """Train from where the folder's checkpoint is, then calibrate and write the model and its card."""
    from orbiq.codecs.neural_training import CodecTraining
    from orbiq.learning.loop import fit

    show = progress or Quiet()
    subjects = training.subjects

    def read(number: int, rng: np.random.Generator) -> "Pixels":
        return _part(subjects[number], rng)

    work = CodecTraining(training.shape, training.batches, read, len(subjects), device=training.device)
    settings = work.settings() | {"images": names(subjects)}
    _check(training)
    mean = fit(
        work, training.plan, folder=folder, settings=settings, log=log, start=_beginning(training.start), progress=show
    )
    work.module.load_state_dict(mean)
    scores = work.last_judged or work.judged()
    return written(work.module.cpu(), training, folder, scores=scores, progress=show)


def shape_of(start: str, **stated: int | None) -> "Shape":
    """The shape of a network: as stated, else as that of what the training begins with, else the usual one."""
    from orbiq.codecs.neural import model_file
    from orbiq.codecs.neural_model import KIND
    from orbiq.codecs.neural_training import Shape
    from orbiq.learning.checkpoints import settings_of
    from orbiq.learning.weights import read_weights

    found: dict[str, Any] = {}
    if start:
        folder = Path(start)
        found = settings_of(folder) if folder.is_dir() else read_weights(model_file(start), kind=KIND).description
        found = found["shape"]
    return Shape(**found | {name: value for name, value in stated.items() if value is not None})


def _beginning(start: str) -> "Mapping[str, Any] | None":
    """Weights by name, None for a training from the start."""
    from orbiq.codecs.neural import model_file
    from orbiq.codecs.neural_model import KIND, trained_state
    from orbiq.learning.checkpoints import averaged
    from orbiq.learning.weights import read_weights

    if not start:
        return None
    return averaged(Path(start)) if Path(start).is_dir() else trained_state(read_weights(model_file(start), kind=KIND))


def written(networks: Any, training: Training, folder: Path, *, scores: dict[str, float], progress: Progress) -> "Fit":
    """Fit tables and calibration to networks, and write them."""
    from orbiq.codecs.neural_model import KIND, N_LEVELS, kept_arrays
    from orbiq.learning.card import Card, card_text
    from orbiq.learning.checkpoints import checkpoint_step

    shape = training.shape
    lmbdas = shape.least_lmbda * (shape.most_lmbda / shape.least_lmbda) ** (np.arange(N_LEVELS) / (N_LEVELS - 1))
    card = Card(
        name=folder.resolve().name,
        purpose=_PURPOSE,
        data=sources(training.subjects),
        steps=max(training.plan.steps, checkpoint_step(folder)),
        settings={"shape": asdict(shape), "batches": asdict(training.batches), "plan": asdict(training.plan)},
        judged_on="images that were held back from training, at four λ",
        scores=scores,
    )
    arrays = kept_arrays(networks, lmbdas)
    description = {"kind": KIND, "schema": 1, "shape": asdict(shape), "card": card.description()}
    path = folder / MODEL
    fitted, digest = fitted_model(path, arrays, description, training.subjects, progress=progress)
    write_bytes(folder / CARD, card_text(card, digest=digest).encode())
    return fitted


def fitted_model(
    path: Path,
    arrays: Mapping[str, Array],
    description: Mapping[str, Any],
    subjects: Sequence[Subject],
    *,
    progress: Progress | None = None,
) -> "tuple[Fit, str]":
    """Write a model with tables and a calibration of its own; the calibration, and the file's digest."""
    from orbiq.codecs.neural_tables import fitted_neighbours, fitted_tables
    from orbiq.learning.weights import write_weights

    show = progress or Quiet()
    codec, arrays = FixedQuality(model=str(path)), {k: v for k, v in arrays.items() if not k.startswith("neighbour")}
    description = dict(description) | {"calibration": {"alpha": 1.0, "a": 1.0, "b": 0.0}}
    # how a latent is rounded depends on the tables, and they on it: twice
    for what, fit in (("neighbours", fitted_neighbours), ("tables", fitted_tables), ("tables", fitted_tables)):
        write_weights(path, arrays, description)
        show.stage(what, min(len(subjects), _CALIBRATION_IMAGES))
        arrays |= fit(codec.loaded(), _parts(codec, subjects, show))
    write_weights(path, arrays, description)
    fitted = calibrated(codec, subjects, progress=show)
    return fitted, write_weights(path, arrays, description | {"calibration": fitted.description()})


def calibrated(codec: FixedQuality, subjects: Sequence[Subject], *, progress: Progress | None = None) -> "Fit":
    """α, a and b of a codec's model on parts of some images."""
    from orbiq.codecs.neural_calibration import fit_calibration

    show = progress or Quiet()
    show.stage("calibration", min(len(subjects), _CALIBRATION_IMAGES))
    asked = codec.quality if codec.has_target else None
    return fit_calibration(codec.loaded(), _parts(codec, subjects, show), asked=asked)


def _parts(codec: FixedQuality, subjects: Sequence[Subject], progress: Progress) -> "Iterator[tuple[Scene, Head]]":
    """The middles of some images, and what a stream of theirs would say first."""
    model = codec.loaded()
    for done, subject in enumerate(_calibrated_on(subjects), 1):
        with subject.opened() as raster:
            rows, cols = (_middle(side, _CALIBRATION_PX) for side in raster.shape[:2])
            array, mask = raster.window(rows, cols)
            scene = Scene(array=array, mask=mask, peak=raster.peak, name=raster.name)
            yield scene, replace(codec, bits=bits_of(raster)).head(scene, model)
        progress.tick(done)


def _calibrated_on(subjects: Sequence[Subject]) -> list[Subject]:
    """Some, from all of them."""
    return [subjects[k] for k in np.unique(np.linspace(0, len(subjects) - 1, _CALIBRATION_IMAGES).astype(int))]


def _check(training: Training) -> None:
    """Before hours of training, whether its images will do in the end; ImageError where one does not."""
    for subject in _calibrated_on(training.subjects):
        with subject.opened() as raster:
            bits_of(raster)
            if training.shape.bands == 3 and raster.shape[2] != 3:
                raise ImageError(
                    f"image {raster.name!r} has {raster.shape[2]} bands; a codec of three bands at once is trained on "
                    "images of three: leave it out, or train with 1 band at a time"
                )


def _part(subject: Subject, rng: np.random.Generator) -> "Pixels":
    with subject.opened() as raster:
        bits = bits_of(raster)
        rows, cols = (somewhere(side, rng, largest_px=_LARGEST_PX) for side in raster.shape[:2])
        array, mask = raster.window(rows, cols)
    return array, mask, bits


def _middle(side: int, size: int) -> slice:
    first = max(0, (side - size) // 2)
    return slice(first, min(first + size, side))
