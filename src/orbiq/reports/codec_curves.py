"""Codecs side by side, to look at: rate–distortion curves, and the page."""

from collections.abc import Callable, Sequence
from functools import partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from orbiq.analysis.downlink import Downlink
from orbiq.codec_blocks import BlockMap
from orbiq.codec_comparisons import Comparison
from orbiq.codec_trials import Trial
from orbiq.metrics.base import ScoreSpec
from orbiq.reports.codec_blocks import (
    block_table,
    colour_reach,
    groups,
    histogram_figure,
    map_figure,
    share_table,
)
from orbiq.reports.codec_tables import Specs, comparison_table, point_table
from orbiq.reports.curves import embedded
from orbiq.reports.rendering import figure_markup, write_page
from orbiq.reports.wording import plural

if TYPE_CHECKING:
    from orbiq.reports.style import Plot


def published_points(path: Path) -> list[Trial]:
    """Points of others from a CSV with columns codec, bits_per_pixel and a score each: psnr, ssim, …

    Raises SettingError for a file without these columns, or with a value that is no number.
    """
    import pandas as pd

    from orbiq.errors import SettingError

    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise SettingError(f"published points {path.name!r} cannot be read as CSV: {why}") from None
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
