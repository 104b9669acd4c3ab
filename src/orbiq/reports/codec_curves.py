"""Codecs side by side, to look at: rate–distortion curves, Bjøntegaard deltas, speeds; tables, picture and page."""

from collections.abc import Mapping, Sequence
from math import isfinite, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from orbiq.analysis.downlink import Downlink
from orbiq.analysis.rate_distortion import MeanDelta
from orbiq.codec_trials import Comparison, Trial
from orbiq.metrics.base import ScoreSpec
from orbiq.metrics.block_quality import Deviation
from orbiq.reports.rendering import figure_markup, write_page
from orbiq.reports.tables import Cell, Heading, Row, Table, number_cell, text_cell
from orbiq.reports.wording import number_text, percent_text, plural

if TYPE_CHECKING:
    from orbiq.reports.style import Plot

Specs = Mapping[str, ScoreSpec | None]
_PER = {"bits_per_pixel": "bits per pixel", "bits_per_sample": "bits per sample"}


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
    """A row a codec and setting: the means over the images of rate, scores and speed, and whether it was lossless; with
    a downlink, how many such images a pass carries.
    """
    scores = tuple(Heading(text=f"{name} ({s.unit})" if s and s.unit else name) for name, s in specs.items())
    headings = (
        Heading(text="setting", numeric=False),
        Heading(text="bits per pixel"),
        Heading(text="per sample", minor=True),
        *scores,
        Heading(text="encode MB/s", minor=True),
        Heading(text="decode MB/s", minor=True),
        Heading(text="exact"),
        *((Heading(text="images a pass"),) if downlink else ()),
    )
    by_point: dict[str, list[Trial]] = {}
    for trial in found:
        by_point.setdefault(trial.point, []).append(trial)
    rows = tuple(_point_row(point, several, specs, downlink) for point, several in by_point.items())
    n_images = len({(trial.group, trial.image) for trial in found})
    caption = f"Means of {plural(n_images, 'image')}. Rates count the mask; speeds are wall time."
    return Table(caption=caption, headings=headings, rows=rows, sortable=True, reasons_of="rows")


def _point_row(point: str, several: Sequence[Trial], specs: Specs, downlink: Downlink | None) -> Row:
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
            Cell(text=text if good else "–"),
            *((_pass_cell(good, downlink),) if downlink else ()),
        )
    )


def _pass_cell(good: Sequence[Trial], downlink: Downlink) -> Cell:
    if not good:
        return Cell(text="–")
    images = downlink.images_per_pass(bits_per_image=8 * float(np.mean([trial.n_bytes for trial in good])))
    return number_cell(images, text=f"{images:,}".replace(",", "\N{NARROW NO-BREAK SPACE}"))


def block_table(found: Sequence[Trial]) -> Table | None:
    """How far blocks lie from a PSNR that was asked for: means over the images; None where no PSNR was."""
    by_row: dict[tuple[str, int], list[Deviation]] = {}
    for trial in found:
        for side, said in trial.blocks.items():
            by_row.setdefault((trial.point, side), []).append(said)
    headings = (
        Heading(text="target", numeric=False),
        Heading(text="blocks of (px)"),
        Heading(text="mean (dB)"),
        Heading(text="spread (dB)"),
        Heading(text="worst (dB)"),
        Heading(text="blocks below"),
    )
    caption = "PSNR of blocks less the PSNR asked for: above 0 dB is better. Blocks without any error are left out."
    rows = tuple(_block_row(point, side, several) for (point, side), several in by_row.items())
    return Table(caption=caption, headings=headings, rows=rows) if rows else None


def _block_row(point: str, side: int, several: Sequence[Deviation]) -> Row:
    means = [float(np.mean([getattr(said, name) for said in several])) for name in ("mean_db", "std_db", "below")]
    worst = min(said.worst_db for said in several)
    return Row(
        cells=(
            text_cell(point),
            number_cell(side),
            number_cell(means[0], text=f"{means[0]:+.2f}", reason="no block has an error"),
            number_cell(means[1], text=f"{means[1]:.2f}", reason="no block has an error"),
            number_cell(worst, text=f"{worst:+.2f}"),
            number_cell(means[2], text=percent_text(means[2], places=0)),
        )
    )


def trial_rows(found: Sequence[Trial]) -> list[dict[str, Any]]:
    """One row a trial, a column a score: what goes to CSV, Parquet and JSON."""
    plain = ("group", "image", "codec", "point", "knob", "n_bytes", "bits_per_pixel", "bits_per_sample")
    names = list(dict.fromkeys(name for trial in found for name in trial.scores))
    return [
        {name: getattr(trial, name) for name in plain}
        | {name: trial.scores.get(name, float("nan")) for name in names}
        | {"encode_mb_s": trial.encode_mb_s, "decode_mb_s": trial.decode_mb_s, "exact": trial.exact}
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


def curve_figure(found: Sequence[Trial], score: str, spec: ScoreSpec | None, *, rate: str = "bits_per_pixel") -> "Plot":
    """Mean score over mean rate, a line a codec; infinite scores (lossless) stand as a mark at the upper edge."""
    from orbiq.reports.style import drawing, legend_above, log_axis, new_figure, shown, sign

    with drawing():
        figure, axes = new_figure((7.6, 4.6))
        rates: list[float] = []
        for k, codec in enumerate(dict.fromkeys(trial.codec for trial in found)):
            points = _mean_points([t for t in found if t.codec == codec], score, rate)
            if points.size:
                rates += points[:, 0].tolist()
                axes.plot(points[:, 0], points[:, 1], label=shown(codec), **sign(k))
        if rates:
            log_axis(axes, min(rates) / 1.15, max(rates) * 1.15)
        unit = f" ({spec.unit})" if spec and spec.unit else ""
        better = "" if spec is None else f" · {'higher' if spec.higher_is_better else 'lower'} is better"
        axes.set_xlabel(_PER[rate])
        axes.set_ylabel(f"{score}{unit}{better}")
        legend_above(figure, axes)
    return figure


def _mean_points(several: Sequence[Trial], score: str, rate: str) -> Any:
    """(n, 2) of mean rate and mean score of each point, by rate; those that are not finite are left out.

    Published points stand for themselves.
    """
    by_point: dict[Any, list[tuple[float, float]]] = {}
    for k, trial in enumerate(several):
        pair = getattr(trial, rate), trial.scores.get(score, float("nan"))
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
) -> None:
    """One page: a curve a score, the deltas, every setting."""
    from orbiq.reports.style import picture_bytes

    together = [*found, *published]
    curves = [
        (name, figure_markup(picture_bytes(curve_figure(together, name, spec), "svg").decode()))
        for name, spec in specs.items()
    ]
    codecs = list(dict.fromkeys(trial.codec for trial in found))
    n_images = len({(trial.group, trial.image) for trial in found})
    failed = [trial for trial in found if trial.reason]
    notes = list(dict.fromkeys(f"{trial.point} on {trial.image}: {trial.reason}" for trial in failed))
    write_page(
        path,
        "codecs.html",
        sentence=f"{plural(len(codecs), 'codec')} on {plural(n_images, 'image')}: {', '.join(codecs)}.",
        curves=curves,
        comparison=comparison_table(compared, specs) if compared else None,
        blocks=block_table(found),
        points=point_table(found, specs, downlink=downlink),
        notes=notes[:20],
        n_failed=len(failed),
    )
