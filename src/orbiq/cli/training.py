"""orbiq train: networks from one's own images."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from orbiq.cli.measuring import Nodata, Peak
from orbiq.cli.show import guarded, progress


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
    app.add_typer(train, name="train")


def train_codec(
    dir_: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders of images, datasets or images.")],
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where checkpoint, curves, model and card go.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps in all.")] = 40_000,
    decay: Annotated[int | None, typer.Option(help="Last steps, over which the rate falls; a fifth of all.")] = None,
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
    seed: Annotated[int, typer.Option(help="Another seed, another beginning and other patches.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, or auto.")] = "auto",
    half: Annotated[
        bool | None, typer.Option(help="Mixed precision; by itself on a GPU. CPUs with AMX gain twofold.")
    ] = None,
    mlflow: Annotated[
        str | None, typer.Option(help="MLflow's tracking URI; OUTPUT/mlflow.db unless stated; off: none.")
    ] = None,
    peak: Peak = None,
    nodata: Nodata = None,
) -> None:
    """A codec from images."""
    from orbiq.codec_training import MODEL, Training, check_learned, device_of, shape_of, trained
    from orbiq.measuring import Stated, subjects_of

    check_learned("training")
    from orbiq.codecs.neural_training import Batches
    from orbiq.learning.loop import Plan, checkpoint_step
    from orbiq.tracking.curves import CurveLog

    stated = Stated(peak=peak, nodata=nodata)
    chosen = device_of(device)
    training = Training(
        subjects=tuple(subject for one in dir_ for subject in subjects_of(one, stated=stated)),
        shape=shape_of(start, bands=bands, width=width, latents=latents),
        batches=Batches(images=batch, patch_px=patch_px, seed=seed),
        plan=Plan(
            steps=steps,
            rate=rate,
            decay=steps // 5 if decay is None else decay,
            half_precision=chosen != "cpu" if half is None else half,
        ),
        device=chosen,
        start=start,
    )
    params = {"steps": steps, "rate": rate, "batch": batch, "patch_px": patch_px, "seed": seed}
    log = CurveLog(
        output,
        uri=mlflow,
        name="orbiq train codec",
        params=params | asdict(training.shape),
        step=checkpoint_step(output),
    )
    with progress() as show:
        fitted = trained(training, output, log=log, progress=show)
    log.finish()
    for problem in log.problems:
        print(problem)
    print(f"{output / MODEL}: {steps:,} steps on {len(training.subjects)} images; alpha {fitted.calibration.alpha:.3g}")
