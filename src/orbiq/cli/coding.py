"""orbiq codecs: codecs side by side on the same images."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orbiq.cli.measuring import AsJson, Metrics, Nodata, Peak, chosen_metrics
from orbiq.cli.show import EXIT_FAILED_RUNS, guarded, print_json, progress
from orbiq.errors import SettingError

if TYPE_CHECKING:
    from orbiq.analysis.downlink import Downlink
    from orbiq.codec_blocks import BlockMap
    from orbiq.codec_comparisons import Comparison
    from orbiq.codec_trials import Trial
    from orbiq.metrics.base import ScoreSpec
    from orbiq.metrics.chosen import Metric

_OUTPUTS = {"--out": (".csv", ".parquet", ".json"), "--plot": (".png", ".svg"), "--report": (".html",)}


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command(
        name="codecs",
        help="Codecs side by side: bits per pixel, quality, speed, and Bjøntegaard's deltas against an anchor.\n\n"
        "PATH is an image, a folder of images, a dataset or a variant. Each --codec names one codec; lists are swept: "
        "the settings of its knob make a curve. `orbiq list codecs` says what there is.\n\n"
        "\b\nExamples:\n  orbiq codecs kodak --codec jpeg:quality=[10,30,50,70,90] --codec webp:quality=[10,40,80] \\\n"
        "      --codec jpeg2000:level_db=[28,31,34,37,40] --metrics psnr,ssim --anchor jpeg2000 --report codecs.html\n"
        "  orbiq codecs data/airports -c jpeg -c jpeg2000 -c jpegxl --rates 0.25,0.5,1,2 -m psnr,ssim,sam\n"
        "  orbiq codecs scene.tif --codec jpegls:max_error=[0,1,2,4] --codec ccsds121 --metrics max_error,psnr "
        "--peak 4095",
    )(guarded(codecs))


def codecs(
    path: Annotated[list[Path], typer.Argument(help="Images, folders of images, datasets or variants.")],
    codec: Annotated[list[str], typer.Option("--codec", "-c", help="A codec with its settings; may be repeated.")],
    rates: Annotated[
        str, typer.Option(help="Bits per pixel, by comma, for codecs whose knob is not set: 0.25,0.5,1,2.")
    ] = "",
    metrics: Metrics = ["psnr"],  # noqa: B006  typer copies it
    anchor: Annotated[
        str, typer.Option(help="The codec that the others are set against; the first unless named.")
    ] = "",
    published: Annotated[
        Path | None, typer.Option(help="Points of others: a CSV with codec, bits_per_pixel and a column a score.")
    ] = None,
    downlink: Annotated[
        str,
        typer.Option(help="A link, to count the images a pass: rate_mbps=520,pass_s=600,efficiency=0.9,swath_km=10."),
    ] = "",
    peak: Peak = None,
    nodata: Nodata = None,
    out: Annotated[Path | None, typer.Option(help="Write a row a trial: .csv, .parquet or .json.")] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the first score's curves, .png or .svg; beside it histograms and maps of the blocks.",
        ),
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page: .html.")] = None,
    memory: Annotated[
        bool, typer.Option(help="Measure peak memory too, on the largest image, in a process of its own a codec.")
    ] = True,
    jobs: Annotated[int, typer.Option(min=1, help="Images at a time; speeds are honest with 1 alone.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Codecs on the same images."""
    from orbiq.analysis.downlink import Downlink
    from orbiq.codec_blocks import block_maps
    from orbiq.codec_comparisons import comparisons
    from orbiq.codec_memory import with_memory
    from orbiq.codec_trials import entrants, trials
    from orbiq.measuring import Stated, subjects_of
    from orbiq.reports.codec_curves import published_points, write_codec_page

    _check_outputs({"--out": out, "--plot": plot, "--report": report})
    chosen, several = chosen_metrics(metrics, paired=True), entrants(codec, rates_bpp=_rates(rates))
    labels = list(dict.fromkeys(entrant.label for entrant in several))
    if anchor and anchor not in labels:
        raise SettingError(f"--anchor is {anchor!r}; expected one of {', '.join(labels)}")
    others, link = published_points(published) if published else [], Downlink.of(downlink) if downlink else None
    subjects = [s for one in path for s in subjects_of(one, stated=Stated(peak=peak, nodata=nodata))]
    found: list[Trial] = []
    with progress(quiet=as_json) as show:
        for of_image in trials(subjects, several, chosen, jobs=jobs, progress=show):
            found += of_image
        maps = block_maps(subjects, several, found) if plot or report else []
        found = with_memory(found, subjects, several) if memory else found
    specs = {name: spec for name, spec in _specs(chosen).items() if any(name in t.scores for t in found)}
    compared = comparisons(found, specs, anchor=anchor or labels[0]) if len(labels) > 1 else []
    written = [*_tabled(found, out)]
    if plot:
        written += _plotted(plot, [*found, *others], specs, maps)
    if report:
        write_codec_page(report, found, compared, specs, published=others, downlink=link, maps=maps)
        written.append(report)
    _show(found, compared, specs, link=link, as_json=as_json, written=written)
    if all(trial.reason for trial in found):
        raise typer.Exit(EXIT_FAILED_RUNS)


def _rates(text: str) -> list[float]:
    try:
        rates = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        rates = [0.0]
    if not all(0 < rate < float("inf") for rate in rates):
        raise SettingError(f"--rates is {text!r}; expected numbers of bits per pixel above 0, as 0.25,0.5,1,2")
    return rates


def _check_outputs(named: dict[str, Path | None]) -> None:
    for option, path in named.items():
        if path is not None and (path.is_dir() or path.suffix.lower() not in _OUTPUTS[option]):
            raise SettingError(
                f"{option} is {str(path)!r}; expected a file that ends in {' or '.join(_OUTPUTS[option])}"
            )


def _specs(metrics: "Sequence[Metric]") -> "dict[str, ScoreSpec | None]":
    """The meaning of each score, by its name; main scores alone, for a curve a score of `edges` would be many."""
    known: dict[str, ScoreSpec | None] = {}
    for metric in metrics:
        if metric.spec is not None:
            known[metric.spec.scores[0].name] = metric.spec.scores[0]
    return known


def _tabled(found: "list[Trial]", out: Path | None) -> list[Path]:
    from orbiq.analysis.table import write_table
    from orbiq.cache import without_nan, write_json
    from orbiq.reports.codec_tables import trial_rows

    if out is None:
        return []
    if out.suffix.lower() == ".json":
        write_json(out, without_nan({"schema": 1, "trials": trial_rows(found)}))
    else:
        write_table(out, trial_rows(found))
    return [out]


def _plotted(
    plot: Path, found: "list[Trial]", specs: "dict[str, ScoreSpec | None]", maps: "list[BlockMap]"
) -> list[Path]:
    """The curves at `plot`; beside them, where there are blocks, their histograms and maps."""
    from orbiq.reports.codec_blocks import colour_reach, histogram_figure, map_figure
    from orbiq.reports.codec_curves import curve_figure
    from orbiq.reports.style import save

    name, spec = next(iter(specs.items()))
    figures = {plot: curve_figure(found, name, spec)}
    if maps:
        figures[plot.with_stem(f"{plot.stem}-blocks")] = histogram_figure(found)
        figures[plot.with_stem(f"{plot.stem}-maps")] = map_figure(maps, reach=colour_reach(maps))
    for path, figure in figures.items():
        save(figure, path)
    return list(figures)


def _show(
    found: "list[Trial]",
    compared: "list[Comparison]",
    specs: "dict[str, ScoreSpec | None]",
    *,
    link: "Downlink | None",
    as_json: bool,
    written: Sequence[Path],
) -> None:
    from dataclasses import asdict

    from rich.console import Console

    from orbiq.reports.codec_blocks import block_table
    from orbiq.reports.codec_tables import comparison_table, point_table, trial_rows
    from orbiq.reports.terminal import rich_table

    if as_json:
        print_json({"schema": 1, "trials": trial_rows(found), "comparisons": [asdict(c) for c in compared]})
        return
    console = Console(highlight=False)
    console.print(rich_table(point_table(found, specs, downlink=link)))
    if compared:
        console.print()
        console.print(rich_table(comparison_table(compared, specs)))
    if blocks := block_table(found):
        console.print()
        console.print(rich_table(blocks))
    if written:
        print(f"Written: {', '.join(map(str, written))}")
