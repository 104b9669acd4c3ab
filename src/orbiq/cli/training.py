"""orbiq train: networks from one's own images."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orbiq.cli.measuring import Nodata, Peak
from orbiq.cli.show import guarded, progress

if TYPE_CHECKING:
    from orbiq.learning.loop import Plan
    from orbiq.tracking.curves import CurveLog


class Weighting(StrEnum):
    """How qualities are drawn."""

    log = "log"
    uniform = "uniform"
    classes = "classes"


Dirs = Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders of images, datasets or images.")]
Output = Annotated[Path, typer.Option(metavar="FOLDER", help="Where checkpoint, curves, model and card go.")]
Steps = Annotated[int, typer.Option(min=1, help="Steps in all.")]
Decay = Annotated[int | None, typer.Option(help="Last steps, over which the rate falls; a fifth of all.")]
Seed = Annotated[int, typer.Option(help="Another seed, another beginning and other patches.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, or auto.")]
Half = Annotated[bool | None, typer.Option(help="Mixed precision; by itself on a GPU. CPUs with AMX gain twofold.")]
Mlflow = Annotated[str | None, typer.Option(help="MLflow's tracking URI; OUTPUT/mlflow.db unless stated; off: none.")]


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    train = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Train a network on your own images.")
    train.command(
        name="codec",
        help="Train a fixed-quality codec on your own images.\n\n"
        "DIR is a folder of images, a dataset, or an image. The folder OUTPUT gets a checkpoint, curves, the model and "
        "its card; the same command again goes on from the checkpoint, also with more --steps. The model is named as "
        "fixed-quality:model=OUTPUT/model.safetensors. On a CPU 40,000 steps take some hours, on a GPU minutes.\n\n"
        "\b\nExamples:\n  orbiq train codec data/scenes --output my-codec\n"
        "  orbiq train codec data/pan --peak 4095 --steps 200000 --decay 40000 --device cuda --output pan-codec\n"
        "  orbiq train codec data/pan --peak 4095 --start aerial --rate 1e-4 --steps 5000 --output tuned\n"
        "  orbiq compress scene.tif --codec fixed-quality:model=my-codec/model.safetensors,psnr_db=45",
    )(guarded(train_codec))
    train.command(
        name="quality-factor",
        help="Train a quality-factor predictor on your own clean images.\n\n"
        "DIR is a folder of images, a dataset, or an image, without compression damage; no labels are needed. The "
        "folder OUTPUT gets a checkpoint, curves, the predictor and its card; the same command again goes on from the "
        "checkpoint, also with more --steps. On one core of a CPU 10,000 steps take a quarter of an hour.\n\n"
        "\b\nExamples:\n  orbiq train quality-factor data/scenes --output my-quality\n"
        "  orbiq train quality-factor data/pan --bands 1 --peak 4095 --device cuda --steps 40000 --output pan-quality\n"
        "  orbiq train quality-factor data/scenes --start rgb --rate 3e-4 --steps 2000 --output tuned\n"
        "  orbiq measure scene.jpg --metrics qf:model=my-quality/model.safetensors",
    )(guarded(train_quality_factor))
    train.command(
        name="degradations",
        help="Train regressors of blur, RER, noise, sharpening and GSD scale on your own images.\n\n"
        "DIR is a folder of images of one imager, a dataset, or an image; no labels are needed. What blur and noise "
        "they have is measured, or stated, and degradations are done to pieces of them and of generated airports. The "
        "folder OUTPUT gets pieces, a checkpoint, curves, the regressors and their card; the same command again goes "
        "on. On one core of a CPU 24,000 pieces take a quarter of an hour, the training five minutes.\n\n"
        "\b\nExamples:\n  orbiq train degradations data/scenes --output my-degradations\n"
        "  orbiq train degradations data/pan --peak 4095 --sigma-px 0.6 --noise-dn 1 --output pan-degradations\n"
        "  orbiq measure scene.tif --metrics degradations:model=my-degradations/model.safetensors",
    )(guarded(train_degradations))
    app.add_typer(train, name="train")


def train_codec(
    dir_: Dirs,
    output: Output,
    steps: Steps = 40_000,
    decay: Decay = None,
    rate: Annotated[float, typer.Option(help="Learning rate.")] = 5e-4,
    batch: Annotated[int, typer.Option(min=1, help="Patches a step.")] = 8,
    patch_px: Annotated[int, typer.Option(help="Side of a patch, a multiple of 64.")] = 128,
    bands: Annotated[
        int | None, typer.Option(help="1: band by band; 3: three bands at once; those of --start, or 1.")
    ] = None,
    width: Annotated[
        int | None, typer.Option(min=1, help="N, channels within the transforms; those of --start, or 64.")
    ] = None,
    latents: Annotated[
        int | None, typer.Option(min=1, help="M, channels of the latents; those of --start, or 192.")
    ] = None,
    start: Annotated[
        str,
        typer.Option(metavar="MODEL", help="What to begin with: aerial, a model's file, or another training's folder."),
    ] = "",
    seed: Seed = 0,
    device: Device = "auto",
    half: Half = None,
    mlflow: Mlflow = None,
    peak: Peak = None,
    nodata: Nodata = None,
) -> None:
    """A codec from images."""
    from orbiq.codec_training import MODEL, Training, shape_of, trained
    from orbiq.learning.devices import check_learned, device_of
    from orbiq.measuring import Stated, subjects_of

    check_learned("training")
    from orbiq.codecs.neural_training import Batches

    stated = Stated(peak=peak, nodata=nodata)
    chosen = device_of(device)
    training = Training(
        subjects=tuple(subject for one in dir_ for subject in subjects_of(one, stated=stated)),
        shape=shape_of(start, bands=bands, width=width, latents=latents),
        batches=Batches(images=batch, patch_px=patch_px, seed=seed),
        plan=_plan(steps, decay, rate, device=chosen, half=half),
        device=chosen,
        start=start,
    )
    params = {"steps": steps, "rate": rate, "batch": batch, "patch_px": patch_px, "seed": seed}
    with _curves(output, "codec", params | asdict(training.shape), mlflow) as log, progress() as show:
        fitted = trained(training, output, log=log, progress=show)
    print(f"{output / MODEL}: {steps:,} steps on {len(training.subjects)} images; alpha {fitted.calibration.alpha:.3g}")


def train_quality_factor(
    dir_: Dirs,
    output: Output,
    steps: Steps = 12_000,
    decay: Decay = None,
    rate: Annotated[float, typer.Option(help="Learning rate.")] = 2e-3,
    batch: Annotated[int, typer.Option(min=1, help="Pieces a step.")] = 16,
    patch_px: Annotated[int, typer.Option(help="Side of a piece, a multiple of 4.")] = 96,
    bands: Annotated[int, typer.Option(help="3: red, green and blue together; 1: each band by itself.")] = 3,
    weighting: Annotated[
        Weighting,
        typer.Option(help="log: two thirds of the qualities from 80 on; uniform; classes: 0, 20, 40, 60, 80."),
    ] = Weighting.log,
    spoilt: Annotated[
        float, typer.Option(min=0, max=1, help="Share of pieces with blur, noise or lost pixels; 0: JPEG alone.")
    ] = 0.25,
    patience: Annotated[
        int, typer.Option(min=0, help="Stop after so many judgings without a lower loss; 0: never.")
    ] = 0,
    start: Annotated[
        str, typer.Option(metavar="MODEL", help="What to begin with: rgb, grey, a file, or another training's folder.")
    ] = "",
    seed: Seed = 0,
    device: Device = "auto",
    half: Half = None,
    mlflow: Mlflow = None,
    peak: Peak = None,
    nodata: Nodata = None,
) -> None:
    """A quality-factor predictor from clean images."""
    from orbiq.learning.devices import check_learned, device_of

    check_learned("training")
    from orbiq.measuring import Stated, subjects_of
    from orbiq.predictor_training import MODEL, Training, trained_quality_factor
    from orbiq.predictors.quality_labels import CLASSES, Draws
    from orbiq.predictors.quality_training import Batches, fresh_network

    stated, chosen = Stated(peak=peak, nodata=nodata), device_of(device)
    batches = Batches(images=batch, patch_px=patch_px, seed=seed, draws=Draws(weighting=weighting.value, spoilt=spoilt))
    training = Training(
        subjects=tuple(subject for one in dir_ for subject in subjects_of(one, stated=stated)),
        plan=_plan(steps, decay, rate, device=chosen, half=half, judge_every=500, patience=patience),
        device=chosen,
        start=start,
    )
    network = fresh_network(bands=bands, outputs=len(CLASSES) if weighting is Weighting.classes else 1, seed=seed)
    params = {"steps": steps, "rate": rate, "batch": batch, "patch_px": patch_px, "seed": seed, "bands": bands}
    with (
        _curves(output, "quality-factor", params | {"weighting": weighting.value, "spoilt": spoilt}, mlflow) as log,
        progress() as show,
    ):
        scores = trained_quality_factor(training, network, batches, output, log=log, progress=show)
    told = f"mean error {scores['mae']:.2f}, from quality 80 on {scores['mae_80_100']:.2f} points"
    print(f"{output / MODEL}: {len(training.subjects)} images; {told}, of pieces that were held back")


def train_degradations(
    dir_: Dirs,
    output: Output,
    steps: Steps = 8_000,
    decay: Annotated[int | None, typer.Option(help="Last steps, over which the rate falls; half of all.")] = None,
    rate: Annotated[float, typer.Option(help="Learning rate.")] = 1e-3,
    batch: Annotated[int, typer.Option(min=2, help="Pieces a step.")] = 256,
    pieces: Annotated[int, typer.Option(min=2, help="Pieces in all.")] = 24_000,
    scenes: Annotated[int, typer.Option(min=0, help="Generated airports beside the images.")] = 30,
    sigma_px: Annotated[
        float | None, typer.Option(help="Blur of the imager, sigma in pixels; measured by edges unless stated.")
    ] = None,
    noise_dn: Annotated[
        float | None, typer.Option(help="Noise of the images in parts of 255; measured by snr unless stated.")
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    mlflow: Mlflow = None,
    peak: Peak = None,
    nodata: Nodata = None,
) -> None:
    """Degradation regressors from images."""
    from orbiq.learning.devices import check_learned, device_of

    check_learned("training")
    from orbiq.degradation_sources import Imager, trained_degradations
    from orbiq.measuring import Stated, subjects_of
    from orbiq.predictor_training import MODEL, Training
    from orbiq.predictors.degradation_training import Batches

    stated, chosen = Stated(peak=peak, nodata=nodata), device_of(device)
    training = Training(
        subjects=tuple(subject for one in dir_ for subject in subjects_of(one, stated=stated)),
        plan=_plan(steps, steps // 2 if decay is None else decay, rate, device=chosen, half=False, judge_every=1000),
        device=chosen,
    )
    batches = Batches(images=batch, pieces=pieces, seed=seed)
    params: dict[str, object] = {"steps": steps, "rate": rate, "batch": batch, "pieces": pieces, "scenes": scenes}
    imager = Imager(sigma_px=sigma_px, noise_dn=noise_dn)
    with _curves(output, "degradations", params | {"seed": seed}, mlflow) as log, progress() as show:
        scores = trained_degradations(training, batches, output, imager=imager, scenes=scenes, log=log, progress=show)
    told = ", ".join(f"{name} {100 * scores[f'mae_{name}']:.1f} %" for name in ("blur", "rer", "noise", "gsd_scale"))
    print(f"{output / MODEL}: {len(training.subjects)} images; mean errors in parts of the ranges: {told}")


def _plan(
    steps: int,
    decay: int | None,
    rate: float,
    *,
    device: str,
    half: bool | None,
    judge_every: int = 2000,
    patience: int = 0,
) -> "Plan":
    from orbiq.learning.loop import Plan

    return Plan(
        steps=steps,
        rate=rate,
        decay=steps // 5 if decay is None else decay,
        judge_every=judge_every,
        half_precision=device != "cpu" if half is None else half,
        patience=patience,
    )


@contextmanager
def _curves(output: Path, what: str, params: dict[str, object], uri: str | None) -> "Iterator[CurveLog]":
    """Curves beside a training and in MLflow; what MLflow did not get is said at the end."""
    from orbiq.learning.checkpoints import checkpoint_step
    from orbiq.tracking.curves import CurveLog

    log = CurveLog(output, uri=uri, name=f"orbiq train {what}", params=params, step=checkpoint_step(output))
    yield log
    log.finish()
    for problem in log.problems:
        print(problem)
