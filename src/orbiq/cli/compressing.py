"""orbiq compress, decompress, info: files that a codec makes of images, and back."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from orbiq.cli.measuring import AsJson, Nodata, Peak
from orbiq.cli.show import guarded, print_json, progress, size_text
from orbiq.errors import SettingError, StorageError

if TYPE_CHECKING:
    from orbiq.compressing import Written
    from orbiq.progress import Progress

Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE|FOLDER", help="Where to; beside the input, by its name, unless stated."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command(
        name="compress",
        help="Code images by a codec, each into a file of its own.\n\n"
        "fixed-quality brings every block to the quality asked for, takes images of any size, and its .obq keeps the "
        "place on the ground, nodata, mask and tags. Other codecs leave files of their standard, with pixels alone. "
        "`orbiq list codecs` says what there is.\n\n"
        "\b\nExamples:\n  orbiq compress scene.tif -c fixed-quality:psnr_db=40,block=64 --peak 4095\n"
        "  orbiq compress scene.tif -c fixed-quality:mse=6.5,residual=true -o coded\n"
        "  orbiq compress scene.tif -c fixed-quality:psnr_db=38 \\\n"
        "      --regions ships.geojson --region-psnr-db 1=50\n"
        "  orbiq compress *.png -c jpegxl:psnr_db=45 -o coded                  # .jxl\n"
        "  orbiq compress scene.tif -c jpeg2000:rate_bpp=0.5 --peak 4095       # .j2k",
    )(guarded(compress))
    app.command(
        name="decompress",
        help="Decode files that a codec made into images that everybody opens, without further loss.\n\n"
        "A .obq becomes a GeoTIFF in its place, or a PNG where it was one; others become TIFF. The suffix of --output "
        "says otherwise.\n\n"
        "\b\nExamples:\n  orbiq decompress scene.obq --output scene-decoded.tif\n"
        "  orbiq decompress scene.obq --window 2048,4096,512,512 --output part.tif\n"
        "  orbiq decompress scene.obq --damaged skip    # no valid pixels where damaged\n"
        "  orbiq decompress scene.obq --model my-sensor.safetensors\n"
        "  orbiq decompress coded/*.jxl --output decoded",
    )(guarded(decompress))
    app.command(
        name="info",
        help="What files of images and streams say of themselves: size, rate, place; of a .obq model, blocks, λ, and "
        "what its bytes are spent on.\n\n"
        "\b\nExamples:\n  orbiq info scene.obq\n  orbiq info scene.obq scene.tif --json",
    )(guarded(info))


def compress(
    image: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Files of images.")],
    codec: Annotated[str, typer.Option("--codec", "-c", metavar="SPEC", help="A codec with its settings or target.")],
    output: Output = None,
    peak: Peak = None,
    nodata: Nodata = None,
    regions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Regions of the image: a class map, GeoJSON or COCO. fixed-quality alone."),
    ] = None,
    region_psnr_db: Annotated[
        str, typer.Option("--region-psnr-db", metavar="N=DB,...", help="PSNR of regions by number, as 1=50,2=35.")
    ] = "",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Images to files of a codec."""
    from orbiq.compressing import Stated, check_sources, coder_of, suffix_of
    from orbiq.compressing import compress as compressed
    from orbiq.measuring import Stated as Checked
    from orbiq.regions import region_targets

    Checked(peak=peak)
    if (regions is None) != (not region_psnr_db):
        raise SettingError("--regions and --region-psnr-db go together: the file of regions, and the PSNR of some")
    if regions is not None and len(image) > 1:
        raise SettingError(f"--regions are those of one image, and there are {len(image)}; code them one by one")
    coder = coder_of(codec)
    targets = region_targets(region_psnr_db)
    stated = Stated(peak=peak, nodata=nodata, regions=regions, region_psnr_db=targets)
    check_sources(image, coder, stated)
    paths = _outputs(image, lambda one: suffix_of(one, coder), output=output, force=force)
    with progress(quiet=as_json) as show:
        found = [
            compressed(source, path, coder, stated=stated, progress=inner)
            for source, path, inner in _each(image, paths, show)
        ]
    _show_written(found, codec=codec, as_json=as_json)


def decompress(
    file: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files that a codec made.")],
    output: Output = None,
    window: Annotated[
        str, typer.Option(metavar="ROW,COL,ROWS,COLS", help="A part alone, in pixels; it keeps its place.")
    ] = "",
    damaged: Annotated[
        Literal["refuse", "skip"], typer.Option(help="Damaged tiles of a .obq: an error, or left out.")
    ] = "refuse",
    model: Annotated[
        str, typer.Option(metavar="FILE", help="The model that coded a .obq, where it is none of orbiq's own.")
    ] = "",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Files of a codec to images."""
    from orbiq.decompressing import Window, suffix_of
    from orbiq.decompressing import decompress as decompressed

    part = Window.of(window) if window else None
    paths = _outputs(file, suffix_of, output=output, force=force, free=True)
    with progress(quiet=as_json) as show:
        found = [
            decompressed(source, path, window=part, damaged=damaged, model=model, progress=inner)
            for source, path, inner in _each(file, paths, show)
        ]
    if as_json:
        images = [{**vars(one), "source": str(one.source), "path": str(one.path)} for one in found]
        print_json({"schema": 1, "images": images})
        return
    for one in found:
        rows, cols, bands = one.shape
        size = size_text(one.path.stat().st_size)
        print(f"{one.path}: {rows} × {cols} pixels, {bands} {'band' if bands == 1 else 'bands'} of {one.dtype}, {size}")
        for warning in one.warnings:
            typer.echo(f"orbiq: {one.source}: {warning}", err=True)


def info(
    file: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of images or streams.")],
    model: Annotated[
        str, typer.Option(metavar="FILE", help="The model that coded a .obq, where it is none of orbiq's own.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """What files say of themselves."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from orbiq.reports.coded_files import info_lines
    from orbiq.stream_info import facts_of

    found = [facts_of(one, model=model) for one in file]
    if as_json:
        print_json({"schema": 1, "files": found})
        return
    for facts in found:
        table = Table(title=Text(facts["file"]), title_justify="left", box=None, pad_edge=False, show_header=False)
        for name, value in info_lines(facts):
            table.add_row(Text(name, style="dim"), Text(value))
        Console(highlight=False).print(table)


def _each(sources: Sequence[Path], paths: Sequence[Path], show: "Progress") -> "Iterator[tuple[Path, Path, Progress]]":
    """Source, path, and who is told of the progress within: several files are counted, one shows its own pieces."""
    from orbiq.progress import Quiet

    several = len(sources) > 1
    if several:
        show.stage("files", len(sources))
    for done, (source, path) in enumerate(zip(sources, paths, strict=True), 1):
        yield source, path, Quiet() if several else show
        if several:
            show.tick(done)


def _outputs(
    sources: Sequence[Path],
    suffix_of: Callable[[Path], str],
    *,
    output: Path | None,
    force: bool,
    free: bool = False,
) -> list[Path]:
    """Where each goes, checked to be free and writable; with `free` a stated file's suffix is the user's choice."""
    if output is not None and len(sources) > 1 and not output.is_dir():
        raise SettingError(
            f"--output is {str(output)!r}; expected a folder that exists, for there are {len(sources)} files"
        )
    into = output if output is not None and output.is_dir() else None
    paths = []
    for source in sources:
        if output is not None and into is None:
            if not free and output.suffix.lower() != suffix_of(source):
                raise SettingError(
                    f"--output is {str(output)!r}; expected a name that ends in {suffix_of(source)}, or a folder that "
                    "exists"
                )
            paths.append(output)
        else:
            paths.append((into or source.parent) / f"{source.stem}{suffix_of(source)}")
    for k, (source, path) in enumerate(zip(sources, paths, strict=True)):
        _check_free(source, path, force=force)
        if path in paths[:k]:
            other = sources[paths.index(path)]
            raise SettingError(f"{str(source)!r} and {str(other)!r} would both become {str(path)!r}; code them apart")
    return paths


def _check_free(source: Path, path: Path, *, force: bool) -> None:
    if path.exists() and path.resolve() == source.resolve():
        raise SettingError(f"{str(path)!r} would replace itself; name another --output")
    if path.exists() and not force:
        raise SettingError(f"{str(path)!r} exists; name another --output, or replace it with --force")
    if not path.parent.is_dir():
        raise SettingError(f"{str(path)!r} lies in a folder that does not exist; make {str(path.parent)!r} first")
    if not os.access(path.parent, os.W_OK):
        raise StorageError(f"{str(path)!r} cannot be written: its folder is not writable. Name another --output.")


def _show_written(found: "list[Written]", *, codec: str, as_json: bool) -> None:
    from rich.console import Console

    from orbiq.reports.coded_files import file_row, file_table, quality_table
    from orbiq.reports.terminal import rich_table

    if as_json:
        print_json({"schema": 1, "codec": codec, "files": [file_row(one) for one in found]})
        return
    console = Console(highlight=False)
    console.print(rich_table(file_table(found, codec=codec)))
    if table := quality_table(found):
        console.print()
        console.print(rich_table(table))
    if any(block.out_of_reach > 0 for one in found for block in one.blocks):
        print("Blocks out of reach are as good as the model makes them; residual=true brings them to their target.")
    if lost := list(dict.fromkeys(word for one in found for word in one.lost)):
        suffix = found[0].path.suffix
        print(f"{suffix} files hold pixels alone; not kept: {', '.join(lost)}. fixed-quality keeps them.")
