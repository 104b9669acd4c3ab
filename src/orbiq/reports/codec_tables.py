"""Codecs side by side in tables: Bjøntegaard's deltas, every setting with its rate, scores, speed, memory, passes."""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

import numpy as np

from orbiq.analysis.downlink import Downlink, carried
from orbiq.analysis.rate_distortion import MeanDelta
from orbiq.codec_comparisons import Comparison
from orbiq.codec_trials import Trial
from orbiq.metrics.base import ScoreSpec
from orbiq.reports.codec_blocks import block_columns
from orbiq.reports.tables import Cell, Heading, Row, Table, number_cell, text_cell
from orbiq.reports.wording import number_text, percent_text, plural

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
        *(Heading(text=text) for text in _pass_headings(downlink, found)),
    )
    by_point: dict[str, list[Trial]] = {}
    for trial in found:
        by_point.setdefault(trial.point, []).append(trial)
    rows = tuple(
        _point_row(point, several, specs, memory=bool(of_memory), passes=_passes(several, downlink, found))
        for point, several in by_point.items()
    )
    n_images = len({(trial.group, trial.image) for trial in found})
    caption = f"Means of {plural(n_images, 'image')}. Rates count the mask; speeds are wall time."
    if of_memory:
        caption += (
            f" Memory: its peak above what was held before, in a fresh process, on {of_memory[0].image}, the largest."
        )
    return Table(caption=caption, headings=headings, rows=rows, sortable=True, reasons_of="rows")


def _point_row(point: str, several: Sequence[Trial], specs: Specs, *, memory: bool, passes: Sequence[Cell]) -> Row:
    good = [trial for trial in several if not trial.reason]
    why = next((trial.reason for trial in several if trial.reason), "")
    if good and why:
        why = f"{plural(len(several) - len(good), 'image')}: {why}"

    def cell(values: Sequence[float], reason: str = "the metric gave NaN") -> Cell:
        mean = float(np.mean(values)) if values else float("nan")
        return number_cell(mean, text=number_text(mean), reason=why or reason)

    def score_cell(name: str) -> Cell:
        reasons = [trial.score_reasons[name] for trial in good if name in trial.score_reasons]
        return cell([trial.scores[name] for trial in good if name in trial.scores], *reasons[:1])

    exact = sum(trial.exact for trial in good)
    text = "yes" if exact == len(several) else "no" if not exact else f"{exact} of {len(several)}"
    return Row(
        cells=(
            Cell(text=point, reason=why if good else ""),
            cell([trial.bits_per_pixel for trial in good]),
            cell([trial.bits_per_sample for trial in good]),
            *(score_cell(name) for name in specs),
            cell([trial.encode_mb_s for trial in good]),
            cell([trial.decode_mb_s for trial in good]),
            *(_memory_cells(several) if memory else ()),
            Cell(text=text if good else "–"),
            *passes,
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


def _pass_headings(downlink: Downlink | None, found: Sequence[Trial]) -> list[str]:
    """Images; the ground where its pixels' size is known, and the strip where a swath was stated."""
    if downlink is None:
        return []
    area = ["km² a pass"] if any(t.gsd_m > 0 for t in found) or downlink.swath_km else []
    return ["images a pass", *area, *(["km of strip a pass"] if downlink.swath_km else [])]


def _passes(several: Sequence[Trial], downlink: Downlink | None, found: Sequence[Trial]) -> list[Cell]:
    good = [trial for trial in several if not trial.reason]
    headings = _pass_headings(downlink, found)
    if downlink is None or not good:
        return [Cell(text="–")] * len(headings)
    bytes_per_image = float(np.mean([t.n_bytes for t in good]))
    ground_km2 = float(np.mean([8 * t.n_bytes / t.bits_per_pixel * t.gsd_m**2 / 1e6 for t in good]))
    told = carried(downlink, bytes_per_image=bytes_per_image, ground_km2=ground_km2)
    values = (told.images, told.area_km2, told.strip_km) if told else (None, None, None)
    why = "nobody said gsd_m, metres a pixel: state it in dataset.json"
    return [number_cell(value, reason=why) for value in values[: len(headings)]]


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
        | {"reason": trial.reason or "; ".join(dict.fromkeys(trial.score_reasons.values())) or None}
        for trial in found
    ]
