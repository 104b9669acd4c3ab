"""Codecs side by side, to look at: rate–distortion curves, Bjøntegaard deltas, speed, memory; tables and pictures."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import isfinite, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from orbiq.analysis.downlink import Downlink
from orbiq.analysis.rate_distortion import MeanDelta
from orbiq.codec_blocks import BlockMap
from orbiq.codec_trials import Comparison, Trial
from orbiq.metrics.base import ScoreSpec
from orbiq.reports.codec_blocks import (
    block_columns,
    block_table,
    colour_reach,
    groups,
    histogram_figure,
    map_figure,
    share_table,
)
from orbiq.reports.curves import embedded
from orbiq.reports.rendering import figure_markup, write_page
from orbiq.reports.tables import Cell, Heading, Row, Table, number_cell, text_cell
from orbiq.reports.wording import number_text, percent_text, plural

if TYPE_CHECKING:
    from orbiq.reports.style import Plot

Specs = Mapping[str, ScoreSpec | None]
_COSTS = ("encode_mb_s", "decode_mb_s", "encode_memory_mb", "decode_memory_mb")


def comparison_table(found: Sequence[Comparison], specs: Specs) -> Table:
    """A row a codec and score: BD-rate and BD-metric, mean of the images with interval, and of the mean curve."""
    anchor = found[0].anchor if found else ""
    headings = (
        Heading(text="codec", numeric=False),
        Heading(text="score", numeric=False),
        Heading(text="BD-rate"),
        Heading(text="95 % interval"),
        Heading(text="of the mean curve", minor=True),
        Heading(text="BD of the score"),
        Heading(text="95 % interval", minor=True),
        Heading(text="common range", minor=True),
        Heading(text="images", minor=True),
    )
    caption = f"Against {anchor}: rate at the same score (below 0 % needs less), and score at the same rate."
    return Table(caption=caption, headings=headings, rows=tuple(_row(c, specs.get(c.metric)) for c in found))


def _row(c: Comparison, spec: ScoreSpec | None) -> Row:
    why = next(iter((*c.rate.reasons, c.rate_of_mean_curve.reason)), "") or "unknown"
    unit = f" {spec.unit}" if spec and spec.unit else ""
    mean = c.rate_of_mean_curve
    images = f"{c.rate.n_images}" + (f" of {c.rate.n_images + c.rate.n_missing}" if c.rate.n_missing else "")
    return Row(
        cells=(
            text_cell(c.codec),
            text_cell(c.metric),
            number_cell(c.rate.value, text=f"{c.rate.value:+.1f} %", reason=why),
            Cell(text=_interval(c.rate, "+.1f", " %")),
            number_cell(mean.value, text=f"{mean.value:+.1f} %", reason=mean.reason),
            number_cell(c.score.value, text=f"{c.score.value:+.3g}{unit}", reason=why),
            Cell(text=_interval(c.score, "+.3g", unit)),
            number_cell(mean.overlap, text=percent_text(mean.overlap, places=0), reason=mean.reason),
            Cell(text=images, value=float(c.rate.n_images)),
        )
    )


def _interval(delta: MeanDelta, digits: str, unit: str) -> str:
    if isnan(delta.low):
        return ""
    return f"{delta.low:{digits}} to {delta.high:{digits}}{unit}"


def point_table(found: Sequence[Trial], specs: Specs, *, downlink: Downlink | None = None) -> Table:
    """A row a codec and setting: the means over the images of rate, scores and speed, and whether it was lossless; the
    most memory that it took, where that was measured; with a downlink, how many such images a pass carries.
    """
    of_memory = [trial for trial in found if trial.memory_reason or not isnan(trial.encode_memory_mb)]
    scores = tuple(Heading(text=f"{name} ({s.unit})" if s and s.unit else name) for name, s in specs.items())
    headings = (
        Heading(text="setting", numeric=False),
        Heading(text="bits per pixel"),
        Heading(text="per sample", minor=True),
        *scores,
        Heading(text="encode MB/s", minor=True),
        Heading(text="decode MB/s", minor=True),
        *(Heading(text=f"{way} memory MB", minor=True) for way in ("encode", "decode") if of_memory),
        Heading(text="exact"),
        *((Heading(text="images a pass"),) if downlink else ()),
    )
    by_point: dict[str, list[Trial]] = {}
    for trial in found:
        by_point.setdefault(trial.point, []).append(trial)
    rows = tuple(
        _point_row(point, several, specs, downlink=downlink, memory=bool(of_memory))
        for point, several in by_point.items()
    )
    n_images = len({(trial.group, trial.image) for trial in found})
    caption = f"Means of {plural(n_images, 'image')}. Rates count the mask; speeds are wall time."
    if of_memory:
        caption += (
            f" Memory: its peak above what was held before, in a fresh process, on {of_memory[0].image}, the largest."
        )
    return Table(caption=caption, headings=headings, rows=rows, sortable=True, reasons_of="rows")


def _point_row(point: str, several: Sequence[Trial], specs: Specs, *, downlink: Downlink | None, memory: bool) -> Row:
    good = [trial for trial in several if not trial.reason]
    why = next((trial.reason for trial in several if trial.reason), "")
    if good and why:
        why = f"{plural(len(several) - len(good), 'image')}: {why}"

    def cell(values: Sequence[float]) -> Cell:
        mean = float(np.mean(values)) if values else float("nan")
        return number_cell(mean, text=number_text(mean), reason=why or "the metric gave NaN")

    exact = sum(trial.exact for trial in good)
    text = "yes" if exact == len(several) else "no" if not exact else f"{exact} of {len(several)}"
    return Row(
        cells=(
            Cell(text=point, reason=why if good else ""),
            cell([trial.bits_per_pixel for trial in good]),
            cell([trial.bits_per_sample for trial in good]),
            *(cell([trial.scores[name] for trial in good if name in trial.scores]) for name in specs),
            cell([trial.encode_mb_s for trial in good]),
            cell([trial.decode_mb_s for trial in good]),
            *(_memory_cells(several) if memory else ()),
            Cell(text=text if good else "–"),
            *((_pass_cell(good, downlink),) if downlink else ()),
        )
    )


def _memory_cells(several: Sequence[Trial]) -> tuple[Cell, Cell]:
    known = next((t for t in several if t.memory_reason or not isnan(t.encode_memory_mb)), None)
    if known is None:
        why = next((t.reason for t in several if t.reason), "") or "not measured"
        return number_cell(None, reason=why), number_cell(None, reason=why)
    found = known.encode_memory_mb, known.decode_memory_mb
    first, second = (number_cell(mb, text=number_text(mb), reason=known.memory_reason) for mb in found)
    return first, second


def _pass_cell(good: Sequence[Trial], downlink: Downlink) -> Cell:
    if not good:
        return Cell(text="–")
    images = downlink.images_per_pass(bits_per_image=8 * float(np.mean([trial.n_bytes for trial in good])))
    return number_cell(images, text=f"{images:,}".replace(",", "\N{NARROW NO-BREAK SPACE}"))


def trial_rows(found: Sequence[Trial]) -> list[dict[str, Any]]:
    """One row a trial, a column a score: what goes to CSV, Parquet and JSON."""
    plain = ("group", "image", "codec", "point", "knob", "n_bytes", "bits_per_pixel", "bits_per_sample")
    names = list(dict.fromkeys(name for trial in found for name in trial.scores))
    return [
        {name: getattr(trial, name) for name in plain}
        | {name: trial.scores.get(name, float("nan")) for name in names}
        | {name: getattr(trial, name) for name in _COSTS}
        | {"exact": trial.exact}
        | block_columns(trial)
        | {"reason": trial.reason or None}
        for trial in found
    ]


def published_points(path: Path) -> list[Trial]:
    """Points of others from a CSV with columns codec, bits_per_pixel and a score each: psnr, ssim, …

    Raises SettingError for a file without these columns, or with a value that is no number.
    """
    import pandas as pd

    from orbiq.errors import SettingError

    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise SettingError(f"published points {path.name!r} cannot be read as CSV: {error}") from None
    missing = {"codec", "bits_per_pixel"} - set(frame.columns)
    if missing:
        raise SettingError(
            f"published points {path.name!r} have columns {', '.join(map(str, frame.columns))}; expected codec, "
            "bits_per_pixel and a column for each score, as psnr"
        )
    scores = [name for name in frame.columns if name not in {"codec", "bits_per_pixel"}]
    numbers = frame[["bits_per_pixel", *scores]].apply(pd.to_numeric, errors="coerce")
    if numbers["bits_per_pixel"].isna().any():
        row = int(numbers["bits_per_pixel"].isna().idxmax()) + 2
        raise SettingError(f"published points {path.name!r}, line {row}: bits_per_pixel is no number")
    return [
        Trial(
            group="published",
            image="",
            scene="",
            codec=f"{codec} (published)",
            point=f"{codec} (published)",
            knob=float("nan"),
            bits_per_pixel=float(values["bits_per_pixel"]),
            scores={name: float(values[name]) for name in scores},
        )
        for codec, (_, values) in zip(frame["codec"], numbers.iterrows(), strict=True)
    ]


def curve_figure(found: Sequence[Trial], score: str, spec: ScoreSpec | None, *, narrow: bool = False) -> "Plot":
    """Mean score over mean rate, a line a codec; points of infinite scores (lossless) are left out.

    Bits per pixel below; bits per sample above, where all images have as many bands.
    """
    from orbiq.reports.style import drawing, legend_above, log_axis, new_figure, shown, sign

    with drawing():
        figure, axes = new_figure((4.6, 4.4) if narrow else (9.6, 5.0))
        rates: list[float] = []
        for k, codec in enumerate(dict.fromkeys(trial.codec for trial in found)):
            points = _mean_points([t for t in found if t.codec == codec], score)
            if points.size:
                rates += points[:, 0].tolist()
                axes.plot(points[:, 0], points[:, 1], label=shown(codec), **sign(k))
        if rates:
            log_axis(axes, min(rates) / 1.15, max(rates) * 1.15)
            _per_sample(axes, found)
        unit = f" ({spec.unit})" if spec and spec.unit else ""
        better = "" if spec is None else f" · {'higher' if spec.higher_is_better else 'lower'} is better"
        axes.set_xlabel("bits per pixel")
        axes.set_ylabel(f"{score}{unit}{better}")
        legend_above(figure, axes, columns=2 if narrow else 4)
    return figure


def _per_sample(axes: Any, found: Sequence[Trial]) -> None:
    """A second scale of the same axis, where a pixel has the same number of samples throughout, and more than one."""
    from orbiq.reports.style import log_axis

    bands = {round(t.bits_per_pixel / t.bits_per_sample) for t in found if t.bits_per_sample > 0}
    if len(bands) != 1 or bands == {1}:
        return
    above = axes.twiny()
    log_axis(above, *(rate / max(bands) for rate in axes.get_xlim()))
    above.set_xlabel("bits per sample")
    above.spines["top"].set_visible(True)
    above.grid(visible=False)


def _mean_points(several: Sequence[Trial], score: str) -> Any:
    """(n, 2) of mean bits per pixel and mean score of each point, by rate; those that are not finite are left out.

    Published points stand for themselves.
    """
    by_point: dict[Any, list[tuple[float, float]]] = {}
    for k, trial in enumerate(several):
        pair = trial.bits_per_pixel, trial.scores.get(score, float("nan"))
        if isfinite(pair[0]) and isfinite(pair[1]):
            by_point.setdefault(trial.point if trial.image else k, []).append(pair)
    means = np.array([np.mean(pairs, axis=0) for pairs in by_point.values()]).reshape(-1, 2)
    return means[np.argsort(means[:, 0])]


def write_codec_page(
    path: Path,
    found: Sequence[Trial],
    compared: Sequence[Comparison],
    specs: Specs,
    *,
    published: Sequence[Trial] = (),
    downlink: Downlink | None = None,
    maps: Sequence[BlockMap] = (),
) -> None:
    """One page: a curve a score, the deltas, blocks against what was asked, every setting."""
    together = [*found, *published]
    codecs = list(dict.fromkeys(trial.codec for trial in found))
    n_images = len({(trial.group, trial.image) for trial in found})
    failed = [trial for trial in found if trial.reason]
    notes = list(dict.fromkeys(f"{trial.point} on {trial.image}: {trial.reason}" for trial in failed))
    write_page(
        path,
        "codecs.html",
        sentence=f"{plural(len(codecs), 'codec')} on {plural(n_images, 'image')}: {', '.join(codecs)}.",
        curves=[
            (name, *_both_widths(partial(curve_figure, together, name, spec), f"Mean {name} over rate.", f"curve{k}"))
            for k, (name, spec) in enumerate(specs.items())
        ],
        comparison=comparison_table(compared, specs) if compared else None,
        blocks=block_table(found),
        shares=share_table(found),
        histograms=_histograms(found),
        maps=_maps(found, maps),
        mapped=maps[0].image if maps else "",
        points=point_table(found, specs, downlink=downlink),
        notes=notes[:20],
        n_failed=len(failed),
    )


def _histograms(found: Sequence[Trial]) -> tuple[Markup, Markup] | None:
    if not any(trial.blocks for trial in found):
        return None
    return _both_widths(partial(histogram_figure, found), "Histograms of PSNR less target, by size of block.", "blocks")


def _maps(found: Sequence[Trial], maps: Sequence[BlockMap]) -> list[tuple[str, Markup, Markup]]:
    """A figure for each thing asked: its name, wide, narrow."""
    reach = colour_reach(maps)
    told = []
    for k, (asked, points) in enumerate(groups(found).items()):
        mine = [one for one in maps if one.point in points.values()]
        if mine:
            title = f"PSNR less target of each block of {mine[0].image}: {', '.join(one.point for one in mine)}."
            told.append((asked or "as it is", *_both_widths(partial(map_figure, mine, reach=reach), title, f"map{k}")))
    return told


def _both_widths(figure: Callable[..., "Plot"], title: str, ident: str) -> tuple[Markup, Markup]:
    from orbiq.reports.style import drawing, picture_bytes

    told = []
    for narrow in (False, True):
        with drawing():
            drawn = figure(narrow=narrow)
            drawn.patch.set_visible(False)
            for axes in drawn.axes:
                axes.patch.set_visible(bool(axes.images))
            text = picture_bytes(drawn, "svg", text_as_text=True).decode()
        told.append(figure_markup(embedded(text, title=title, ident=f"{ident}{'n' if narrow else 'w'}")))
    return told[0], told[1]
