"""Degradation regressors from a user's own images: what `orbiq train degradations` does.

Training needs images of known blur and noise. Both are measured here, folder by folder, for the images of a folder are
taken to be of one imager, or are stated; what is left unknown is shrunk away (`orbiq.predictors.degradation_pieces`).
Generated airports, whose blur is exact and which have no noise, stand beside them.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from math import exp, inf, pi, sqrt
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import erfinv

from orbiq.arrays import Array, BoolArray
from orbiq.datasets.scenes import AirportScenes, airport_scene
from orbiq.errors import ImageError
from orbiq.learning.card import Card
from orbiq.measuring import Subject
from orbiq.metrics.natural_edges import edges
from orbiq.metrics.noise import snr
from orbiq.predictor_training import Training, check_subjects, reader, write_predictor
from orbiq.predictors.degradation_pieces import Source
from orbiq.progress import Progress, Quiet
from orbiq.training_images import names, sources

if TYPE_CHECKING:
    from orbiq.learning.loop import Log
    from orbiq.predictors.degradation_training import Batches

SCENE_SIGMA_PX = 0.3
_USUAL_SIGMA_PX, _USUAL_NOISE_DN = 1.0, 1.2
"""Where images show neither: of a decent imager, on the safe side."""
_LOOKED_AT = 12
"""Images of a folder, to measure its imager by."""
_HELD_BACK = 8
"""The last of so many images of a folder, by name: neighbours in name are often neighbours on the ground."""
_SCENE_PX = 640
_SCENE_GSD_M = (0.5, 0.7, 1.0, 1.5, 2.2)
_SCENE_PEAK = 4095
_PURPOSE = (
    "Tells blur, RER, noise, sharpening and GSD scale of an image from its pixels, after QMRNet "
    "(doi:10.3390/rs15092451), for `orbiq measure --metrics degradations:model=…`."
)


@dataclass(frozen=True, kw_only=True)
class Imager:
    """σ of an imager's blur in its pixels and its noise in DN of 0 … 255, as measured or stated; None to measure."""

    sigma_px: float | None = None
    noise_dn: float | None = None


_MEASURED = Imager()


def trained_degradations(
    training: Training,
    batches: "Batches",
    folder: Path,
    *,
    imager: Imager = _MEASURED,
    scenes: int = 30,
    log: "Log",
    progress: Progress | None = None,
) -> dict[str, float]:
    """Make pieces, train from where the folder's checkpoint is, write regressors and card; their scores when judged."""
    from orbiq.learning.checkpoints import checkpoint_step
    from orbiq.learning.loop import fit
    from orbiq.predictors.degradation_training import DegradationTraining
    from orbiq.predictors.degradations import KIND

    check_subjects(training.subjects, bands=1)
    found, imagers = sources_of(training.subjects, imager, progress=progress)
    generated = [_scene(k, batches.seed) for k in range(scenes)]
    kept, held_back = _split([*found.values(), generated])
    said = {"images": names(training.subjects), "scenes": scenes, "imagers": {k: asdict(v) for k, v in imagers.items()}}
    work = DegradationTraining(
        kept, held_back, batches, kept=folder / "pieces", said=said, device=training.device, progress=progress
    )
    settings = work.settings() | said
    mean = fit(work, training.plan, folder=folder, settings=settings, log=log, progress=progress)
    work.module.load_state_dict(mean)
    scores, widths = work.judged(), work.calibration()
    off = {f"calibration_error_{name}": error for name, error in work.calibration_errors(widths).items()}
    card = Card(
        name=folder.resolve().name,
        purpose=_PURPOSE,
        data=(*sources(training.subjects), {"name": "generated airports", "images": scenes}),
        steps=checkpoint_step(folder),
        settings=work.settings() | {"imagers": said["imagers"], "plan": asdict(training.plan)},
        judged_on="pieces of images that were held back from training (parts of the ranges)",
        scores=scores | off,
    )
    arrays = {name: value.cpu().numpy() for name, value in work.module.state_dict().items()}
    description = {"kind": KIND, "network": work.module.settings(), "calibration": widths}
    write_predictor(folder, arrays, card, description=description)
    return scores


def sources_of(
    subjects: Sequence[Subject], stated: Imager, *, progress: Progress | None = None
) -> tuple[dict[str, list[Source]], dict[str, Imager]]:
    """Images as sources, by folder, and what was measured of each folder's imager, or stated."""
    read = reader(subjects)
    numbers: dict[str, list[int]] = {}
    for number, subject in enumerate(subjects):
        numbers.setdefault(subject.group, []).append(number)
    show = progress or Quiet()
    show.stage("blur and noise of the images", len(numbers))
    imagers, found = {}, {}
    for done, (group, its) in enumerate(numbers.items(), 1):
        imagers[group] = imager = measured(read, its, stated)
        found[group] = [
            Source(
                read=_plane_of(read, number, subjects[number].name),
                sigma_px=imager.sigma_px or _USUAL_SIGMA_PX,
                noise_dn=_USUAL_NOISE_DN if imager.noise_dn is None else imager.noise_dn,
                name=subjects[number].name,
            )
            for number in its
        ]
        show.tick(done)
    return found, imagers


Read = Callable[[int, np.random.Generator], tuple[Array, BoolArray | None]]


def measured(read: Read, numbers: Sequence[int], stated: Imager) -> Imager:
    """An imager as stated, else by the medians over some images of what `edges` and `snr` say, else as usual."""
    sigmas, noises = [], []
    if stated.sigma_px is None or stated.noise_dn is None:
        chosen = np.unique(np.linspace(0, len(numbers) - 1, _LOOKED_AT).astype(int))
        for place in chosen:
            array, mask = read(numbers[place], np.random.default_rng(0))
            if mask is not None and not mask.any():
                continue
            sigmas.append(_sigma_of(edges(array, mask=mask).whole.rer))
            noises.append(snr(array, mask=mask, method="homogeneous-patches").noise)
    sigma_px, noise_dn = _median(sigmas, _USUAL_SIGMA_PX), _median(noises, _USUAL_NOISE_DN)
    return replace(
        stated,
        sigma_px=sigma_px if stated.sigma_px is None else stated.sigma_px,
        noise_dn=noise_dn if stated.noise_dn is None else stated.noise_dn,
    )


def _sigma_of(rer: float) -> float:
    """σ of the Gaussian that has an RER of erf(1/(2√2·σ)).

    >>> round(_sigma_of(0.3829), 3)
    1.0
    """
    return float(1 / (2 * sqrt(2) * erfinv(min(rer, 0.999))))


def _median(values: Sequence[float], usual: float) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.median(known)) if known else usual


def _plane_of(read: Read, number: int, name: str) -> Callable[[np.random.Generator], Array]:
    """A band of the part of an image that is looked at, or of a piece of it that is all valid."""

    def plane(rng: np.random.Generator) -> Array:
        array, mask = read(number, rng)
        band = array[..., int(rng.integers(array.shape[2]))].astype(np.float32)
        return band if mask is None or mask.all() else band[_valid_part(mask, name, rng)]

    return plane


def _valid_part(mask: BoolArray, name: str, rng: np.random.Generator) -> tuple[slice, slice]:
    for side in (640, 480, 360, 300):
        for _ in range(12):
            first = [int(rng.integers(max(n - side, 0) + 1)) for n in mask.shape]
            rows, cols = (slice(begin, begin + side) for begin in first)
            if mask[rows, cols].all():
                return rows, cols
    raise ImageError(f"image {name!r} has no 300 × 300 pixels that are all valid: leave it out")


def _scene(number: int, seed: int) -> Source:
    """A generated airport, painted when it is looked at first: blurred by 0.3 px, without noise."""
    painted: list[Array] = []

    def plane(rng: np.random.Generator) -> Array:
        if not painted:
            settings = AirportScenes(
                rows=_SCENE_PX,
                cols=_SCENE_PX,
                gsd_m=_SCENE_GSD_M[number % len(_SCENE_GSD_M)],
                mtf_nyquist=exp(-((pi * SCENE_SIGMA_PX) ** 2) / 2),
                snr=inf,
                bit_depth=12,
                haze=(0.0, 0.3)[number % 2],
                n_airplanes=(1, 3) if number % len(_SCENE_GSD_M) < 2 else (4, 12),  # as many as have room
                wingspan_m=(14.0, 40.0),
                seed=seed,
            )
            painted.append((airport_scene(settings, number).image * (255 / _SCENE_PEAK)).astype(np.float32))
        return np.asarray(painted[0][..., int(rng.integers(3))])

    return Source(read=plane, sigma_px=SCENE_SIGMA_PX, noise_dn=0.0, name=f"scene {number}")


def _split(groups: Sequence[Sequence[Source]]) -> tuple[list[Source], list[Source]]:
    """To train on, and held back: of each folder the last eighth, of one image none."""
    kept: list[Source] = []
    held_back: list[Source] = []
    for group in groups:
        ordered = sorted(group, key=lambda source: source.name)
        n_held = -(-len(ordered) // _HELD_BACK) if len(ordered) > 1 else 0
        kept += ordered[: len(ordered) - n_held]
        held_back += ordered[len(ordered) - n_held :]
    return kept, held_back
