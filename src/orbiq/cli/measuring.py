"""orbiq measure, compare: metrics of images."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orbiq.cli.show import EXIT_FAILED_RUNS, guarded, print_json, progress
from orbiq.errors import ImageError, SettingError

if TYPE_CHECKING:
    from orbiq.measuring import Reading, Subject, Summary
    from orbiq.metrics.chosen import Metric

Metrics = Annotated[list[str], typer.Option("--metrics", "-m", help="Names with options, by comma; may be repeated.")]
Out = Annotated[Path | None, typer.Option(help="Write a row a score of each image: .csv, .parquet or .json.")]
Maps = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Write maps per pixel (GeoTIFF, PNG) and the edges found (GeoJSON, PNG)."),
]
Plot = Annotated[Path | None, typer.Option(metavar="FILE", help="Write a picture of the scores: .png or .svg.")]
Each = Annotated[bool, typer.Option("--each", help="A row an image instead of means.")]
Peak = Annotated[float | None, typer.Option(help="Largest value the data can hold, where no file says it.")]
Gsd = Annotated[float | None, typer.Option("--gsd-m", help="Metres on the ground per pixel, where no file says it.")]
Nodata = Annotated[float | None, typer.Option(help="Value of pixels without data, where no file says it.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Images at a time; as many as there are cores.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

_TABLES, _PICTURES = (".csv", ".parquet", ".json"), (".png", ".svg")


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command(
        name="measure",
        help="Measure images by themselves: noise, sharpness, naturalness.\n\n"
        "PATH is an image, a folder of images, a dataset or a variant. "
        "`orbiq list metrics` says what there is.\n\n"
        "\b\nExamples:\n  orbiq measure scene.tif --metrics snr,rer,fwhm,mtf,piqe\n"
        "  orbiq measure data/airports 'data/airports#jpeg-q20-1a2b3c' --metrics snr,rer --plot scores.png\n"
        "  orbiq measure scene.tif --metrics rer,mtf --maps maps    # maps/edges/scene.png and scene.geojson\n"
        "  orbiq measure scene.png --metrics qf,qf_map --maps maps          # damage by a network: maps/qf/scene.png\n"
        "  orbiq measure data/airports --metrics snr:method=homogeneous-patches --each --out snr.csv",
    )(guarded(measure))
    app.command(
        name="compare",
        help="Compare images with their references: errors, similarity, spectra.\n\n"
        "REFERENCE and PATH are two images, or two folders, datasets or variants whose images share names.\n\n"
        "\b\nExamples:\n  orbiq compare original.tif coded.tif --metrics psnr,ssim,sam\n"
        "  orbiq compare data/airports 'data/airports#jpeg-q20-1a2b3c' --metrics psnr,ssim,gmsd --plot scores.png\n"
        "  orbiq compare a.tif b.tif --metrics ssim:variant=ssim.m --peak 4095 --maps maps",
    )(guarded(compare))


def measure(
    path: Annotated[list[Path], typer.Argument(help="Images, folders of images, datasets or variants.")],
    metrics: Metrics,
    peak: Peak = None,
    gsd_m: Gsd = None,
    nodata: Nodata = None,
    each: Each = False,
    out: Out = None,
    maps: Maps = None,
    plot: Plot = None,
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> None:
    """Metrics of one image at a time."""
    from orbiq.measuring import Stated, subjects_of

    _check_outputs(out=out, plot=plot, maps=maps)
    chosen, stated = chosen_metrics(metrics, paired=False, maps=maps), Stated(peak=peak, gsd_m=gsd_m, nodata=nodata)
    subjects = [subject for one in path for subject in _grouped(subjects_of(one, stated=stated), one, path)]
    found = _measured(subjects, chosen, maps=maps, jobs=jobs, quiet=as_json)
    _show(found, each=each, out=out, plot=plot, maps=maps, as_json=as_json)


def compare(
    reference: Annotated[Path, typer.Argument(help="What the images were made from.")],
    path: Annotated[list[Path], typer.Argument(help="Images, folders of images, datasets or variants.")],
    metrics: Metrics,
    peak: Peak = None,
    gsd_m: Gsd = None,
    nodata: Nodata = None,
    each: Each = False,
    out: Out = None,
    maps: Maps = None,
    plot: Plot = None,
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> None:
    """Metrics of images beside their references."""
    from orbiq.measuring import Stated, paired_subjects

    _check_outputs(out=out, plot=plot, maps=maps)
    chosen, stated = chosen_metrics(metrics, paired=True, maps=maps), Stated(peak=peak, gsd_m=gsd_m, nodata=nodata)
    subjects = [
        subject for one in path for subject in _grouped(paired_subjects(reference, one, stated=stated), one, path)
    ]
    found = _measured(subjects, chosen, maps=maps, jobs=jobs, quiet=as_json)
    _show(found, each=each, out=out, plot=plot, maps=maps, as_json=as_json)


def _check_outputs(*, out: Path | None, plot: Path | None, maps: Path | None) -> None:
    """Refuse what could not be written, before anything is measured."""
    for option, path, suffixes in (("--out", out, _TABLES), ("--plot", plot, _PICTURES)):
        if path is not None and path.is_dir():
            raise SettingError(f"{option} is {str(path)!r}, a folder; name a file, as {path / 'scores'!s}{suffixes[0]}")
        if path is not None and path.suffix.lower() not in suffixes:
            raise SettingError(f"{option} is {str(path)!r}; expected a name that ends in {' or '.join(suffixes)}")
    if maps is not None and maps.exists() and not maps.is_dir():
        raise SettingError(f"--maps is {str(maps)!r}, a file; name a folder, which is made where there is none")


def chosen_metrics(texts: Sequence[str], *, paired: bool, maps: Path | None = None) -> "list[Metric]":
    """The metrics of `--metrics`, checked to need no more than there is."""
    from orbiq.maps import check_maps
    from orbiq.metrics.applied import check_needs
    from orbiq.metrics.chosen import load_metric, split_metrics
    from orbiq.registry import look_in
    from orbiq.settings import metric_config

    look_in(Path.cwd())
    metrics = [load_metric(metric_config(one)) for text in texts for one in split_metrics(text)]
    if not metrics:
        raise SettingError("--metrics names no metric; expected for example snr,rer. See: orbiq list metrics")
    check_needs(metrics, paired=paired)
    if maps is not None:
        check_maps(metrics)
    return metrics


def _grouped(subjects: "list[Subject]", path: Path, paths: Sequence[Path]) -> "list[Subject]":
    """Two paths of one name are told apart by how they were given."""
    from dataclasses import replace

    if sum(other.resolve() == path.resolve() for other in paths) > 1:
        raise SettingError(f"{str(path)!r} is given twice; name it once, so that its images count once")
    alike = sum(other.name == path.name for other in paths) > 1
    return [replace(subject, group=str(path)) for subject in subjects] if alike else subjects


def _measured(
    subjects: "list[Subject]", metrics: "list[Metric]", *, maps: Path | None, jobs: int | None, quiet: bool
) -> "list[Reading]":
    from orbiq.maps import check_places
    from orbiq.measuring import measured, readings
    from orbiq.reports.map_pictures import write_map_pictures

    if maps is not None:
        check_places(subjects)
    found = []
    with progress(quiet=quiet) as show:
        if not _compiled_before():
            show.say("The first time, code is compiled for this machine: up to a minute more, once.")
        for subject, applied in measured(subjects, metrics, jobs=jobs or os.cpu_count() or 1, progress=show):
            found += readings(subject, applied)
            if maps is not None:
                write_map_pictures(subject, applied, maps)
    return found


def _compiled_before() -> bool:
    """Whether numba has kept compiled code beside the metrics."""
    import orbiq.metrics

    return any(Path(next(iter(orbiq.metrics.__path__)), "__pycache__").glob("*.nbi"))


def _show(
    found: "list[Reading]", *, each: bool, out: Path | None, plot: Path | None, maps: Path | None, as_json: bool
) -> None:
    from orbiq.measuring import summaries
    from orbiq.reports.readings import draw_readings, reading_rows

    summed = summaries(found)
    nothing = all(item.n_images == 0 for item in summed)
    reasons = {reason for item in summed for reason in item.reasons}
    if nothing and len(reasons) == 1:
        raise ImageError(reasons.pop())
    if out is not None:
        _write(out, found)
    if plot is not None:
        draw_readings(found, plot, summaries=summed)
    if as_json:
        print_json({"schema": 1, "images": reading_rows(found), "means": [_summary_row(item) for item in summed]})
    else:
        _print(found, each=each)
        if written := [str(path) for path in (out, plot, maps) if path is not None]:
            print(f"Written: {', '.join(written)}")
    if nothing:
        raise typer.Exit(EXIT_FAILED_RUNS)


def _summary_row(item: "Summary") -> dict[str, object]:
    return {key: value for key, value in vars(item).items() if key != "spec"}


def _write(out: Path, found: "list[Reading]") -> None:
    from orbiq.analysis.table import write_table
    from orbiq.cache import without_nan, write_json
    from orbiq.reports.readings import reading_rows

    rows = reading_rows(found)
    if out.suffix.lower() == ".json":
        write_json(out, without_nan({"schema": 1, "images": rows}))
    else:
        write_table(out, rows)


def _print(found: "list[Reading]", *, each: bool) -> None:
    from rich.console import Console

    from orbiq.measuring import summaries
    from orbiq.reports.readings import readings_table, summary_table
    from orbiq.reports.terminal import rich_table

    table = readings_table(found) if each else summary_table(summaries(found))
    Console(highlight=False).print(rich_table(table))
