"""orbiq fit: what metrics compare with, made from one's own images."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from orbiq.cli.measuring import Nodata, Peak
from orbiq.cli.show import guarded, progress

if TYPE_CHECKING:
    from orbiq.arrays import Raster
    from orbiq.measuring import Subject
    from orbiq.metrics.planes import Bands
    from orbiq.progress import Progress


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    fit = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Fit what a metric compares with.")
    fit.command(
        name="niqe",
        help="Fit a NIQE model to images that are as good as images of their kind can be.\n\n"
        "DIR is a folder of images, a dataset, or an image. Ten images with sharp detail all over are a beginning. "
        "The model is then named where NIQE is measured.\n\n"
        "\b\nExamples:\n  orbiq fit niqe data/pristine --output niqe.json\n"
        "  orbiq measure scene.tif --metrics niqe:model=niqe.json\n"
        "  orbiq fit niqe tiles --peak 4095 --nodata 0 --output niqe-12-bit.json",
    )(guarded(fit_niqe))
    fit.command(
        name="fixed-quality",
        help="Fit a fixed-quality codec's formula to your own sensor, without training.\n\n"
        "DIR is a folder of images, a dataset, or an image: α, a and b of the formula that predicts a block's error "
        "are fitted to theirs. The file is then named where the codec is. Where --codec asks for a quality, "
        "α is right there.\n\n"
        "\b\nExamples:\n  orbiq fit fixed-quality data/pan --peak 4095 --output pan.json\n"
        "  orbiq fit fixed-quality data/pan --codec fixed-quality:psnr_db=50 --peak 4095 --output pan-50.json\n"
        "  orbiq compress scene.tif --codec fixed-quality:psnr_db=45,calibration=pan.json",
    )(guarded(fit_fixed_quality))
    app.add_typer(fit, name="fit")


def fit_niqe(
    dir_: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders of images, datasets or images.")],
    output: Annotated[Path, typer.Option(metavar="FILE", help="The model, a JSON file.")],
    peak: Peak = None,
    nodata: Nodata = None,
    bands: Annotated[str, typer.Option(help="each: every band by itself; luma: of red, green and blue.")] = "each",
    sharpness: Annotated[float, typer.Option(help="Patches as sharp as this share of the image's sharpest.")] = 0.75,
) -> None:
    """A model of undegraded images."""
    from orbiq.measuring import Stated, subjects_of
    from orbiq.metrics import natural_model

    stated = Stated(peak=peak, nodata=nodata)
    groups = {one: subjects_of(one, stated=stated) for one in dir_}
    sources = [{"name": one.resolve().name, "images": [s.name for s in found]} for one, found in groups.items()]
    subjects = [subject for found in groups.values() for subject in found]
    with progress() as show:
        model = natural_model.fit_niqe(
            _opened(subjects, show),
            bands=cast("Bands", bands),  # checked there
            sharpness=sharpness,
            provenance={"sources": sources},
        )
    natural_model.write_niqe_model(model, output)
    print(f"{output}: {model.n_patches} sharp patches of {len(subjects)} images")


def fit_fixed_quality(
    dir_: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders of images, datasets or images.")],
    output: Annotated[Path, typer.Option(metavar="FILE", help="The calibration, a JSON file.")],
    codec: Annotated[str, typer.Option(help="The codec with its model.")] = "fixed-quality",
    peak: Peak = None,
    nodata: Nodata = None,
) -> None:
    """A calibration of one's own imagery."""
    from orbiq.cache import write_json
    from orbiq.codec_training import calibrated
    from orbiq.codecs.base import CODECS
    from orbiq.codecs.neural import FixedQuality
    from orbiq.errors import SettingError
    from orbiq.learning.devices import check_learned
    from orbiq.measuring import Stated, subjects_of
    from orbiq.registry import build

    check_learned("orbiq fit fixed-quality")
    chosen = build(CODECS, codec)
    if not isinstance(chosen, FixedQuality):
        raise SettingError(f"--codec is {codec!r}; expected fixed-quality, with its model as fixed-quality:model=FILE")
    subjects = [s for one in dir_ for s in subjects_of(one, stated=Stated(peak=peak, nodata=nodata))]
    with progress() as show:
        fitted = calibrated(chosen, subjects, progress=show)
    model = chosen.loaded().digest
    write_json(output, {"schema": 1, "kind": "fixed-quality-calibration", "model": model, **fitted.description()})
    c = fitted.calibration
    print(
        f"{output}: alpha {c.alpha:.4g}, a {c.a:.4g}, b {c.b:.4g} from {fitted.n_blocks:,} blocks of "
        f"{fitted.n_images} images; the formula is off by {fitted.error_spread_db:.2f} dB (standard deviation)"
    )


def _opened(subjects: "list[Subject]", show: "Progress") -> "Iterator[Raster]":
    show.stage("images", len(subjects))
    for done, subject in enumerate(subjects, 1):
        with subject.opened() as image:
            yield image
        show.tick(done)
