"""How far blocks lie from the PSNR that was asked for, to look at: tables, histograms, maps.

In the form of Mijares i Verdú et al. 2024 ("Fixed-quality compression of remote sensing images with neural networks"):
table II (mean; standard deviation over the blocks of all images), figure 4 (histograms), figure 5 (maps of one image).
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from orbiq.codec_blocks import BlockMap, spread_evenly
from orbiq.codec_trials import BLOCKS_PX, Trial
from orbiq.metrics.block_quality import BIN_DB, Deviation, pooled
from orbiq.registry import parse_spec
from orbiq.reports.tables import Cell, Heading, Row, Table, number_cell, text_cell
from orbiq.reports.wording import percent_text

if TYPE_CHECKING:
    from orbiq.reports.style import Plot

_SHARES = {"within_half_db": "within ±0.5 dB", "within_1_db": "within ±1 dB", "below": "below"}
_NO_ERROR = "no block has an error"
_WIDEST_DB = 15.0
_MOST_ROWS = 8


def block_table(found: Sequence[Trial]) -> Table | None:
    """Table II: a row a setting; mean and standard deviation of PSNR less target, of whole images and of blocks."""
    by_point = _by_point(found)
    headings = (
        Heading(text="setting", numeric=False),
        Heading(text="asked (dB)", minor=True),
        Heading(text="whole images"),
        *(Heading(text=f"{side} × {side} px") for side in BLOCKS_PX),
    )
    caption = (
        "PSNR less the PSNR asked for, in dB, of all images' blocks: mean; standard deviation. Above 0 is better than "
        "asked. Where a rate or a knob was set, each image is held against its own PSNR."
    )
    rows = tuple(_row(point, several) for point, several in by_point.items())
    return Table(caption=caption, headings=headings, rows=rows) if rows else None


def share_table(found: Sequence[Trial]) -> Table | None:
    """A row a setting and size of block: the shares of all images' blocks near the target and below it, the worst."""
    headings = (
        Heading(text="setting", numeric=False),
        Heading(text="blocks of (px)"),
        *(Heading(text=text) for text in _SHARES.values()),
        Heading(text="worst (dB)"),
        Heading(text="blocks"),
        Heading(text="without error"),
    )
    rows = []
    for point, several in _by_point(found).items():
        for side in BLOCKS_PX:
            said = pooled([trial.blocks[side] for trial in several])
            shares = [getattr(said, name) for name in _SHARES]
            rows.append(
                Row(
                    cells=(
                        text_cell(point),
                        number_cell(side),
                        *(number_cell(share, text=percent_text(share, places=0)) for share in shares),
                        number_cell(said.worst_db, text=_signed(said.worst_db)),
                        number_cell(said.n_blocks, text=_counted(said.n_blocks)),
                        number_cell(said.n_exact, text=_counted(said.n_exact)),
                    )
                )
            )
    caption = "Shares of the blocks of all images, by how far their PSNR lies from the one asked for."
    return Table(caption=caption, headings=headings, rows=tuple(rows)) if rows else None


def block_columns(trial: Trial) -> dict[str, float]:
    """What a row of the tidy table says of blocks."""
    told = {"target_db": trial.target_db, "missed_db": trial.missed_db}
    for side in BLOCKS_PX:
        said = trial.blocks.get(side)
        for name in ("mean_db", "std_db", "worst_db", *_SHARES):
            told[f"blocks_{side}px_{name}"] = getattr(said, name) if said else math.nan
    return told


def _by_point(found: Sequence[Trial]) -> dict[str, list[Trial]]:
    by_point: dict[str, list[Trial]] = {}
    for trial in found:
        if trial.blocks:
            by_point.setdefault(trial.point, []).append(trial)
    return by_point


def _row(point: str, several: Sequence[Trial]) -> Row:
    asked = {trial.target_db for trial in several}
    missed = np.array([trial.missed_db for trial in several])
    target = asked.pop() if len(asked) == 1 else math.nan
    return Row(
        cells=(
            text_cell(point),
            number_cell(target, text=f"{target:.2f}", reason="none: every image is held against its own"),
            _mean_and_spread(float(missed.mean()), float(missed.std())),
            *(_of_blocks(pooled([trial.blocks[side] for trial in several])) for side in BLOCKS_PX),
        )
    )


def _of_blocks(said: Deviation) -> Cell:
    return _mean_and_spread(said.mean_db, said.std_db)


def _mean_and_spread(mean: float, spread: float) -> Cell:
    return number_cell(mean, text=f"{_signed(mean)}; {spread:.2f}", reason=_NO_ERROR)


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")


def _counted(count: int) -> str:
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def groups(found: Sequence[Trial]) -> dict[str, dict[str, str]]:
    """What was asked ("psnr_db=40") → codec → setting, in order: codecs that were asked the same stand together."""
    told: dict[str, dict[str, str]] = {}
    for trial in found:
        if trial.blocks:
            (point,), (codec,) = parse_spec(trial.point), parse_spec(trial.codec)
            asked = ", ".join(f"{key}={value}" for key, value in point.items() if key not in codec)
            told.setdefault(asked, {})[trial.codec] = trial.point
    return told


def histogram_figure(found: Sequence[Trial], *, narrow: bool = False) -> "Plot":
    """Figure 4: a row for what was asked, a column a size of block; share of all images' blocks, a line a codec.

    Where more than 8 things were asked, 8 of them, evenly spread.
    """
    from orbiq.reports.style import MUTED, drawing, new_figures, shown, sign

    told, by_point = dict(spread_evenly(list(groups(found).items()), most=_MOST_ROWS)), _by_point(found)
    codecs = list(dict.fromkeys(trial.codec for trial in found if trial.blocks))
    drawn = [point for points in told.values() for point in points.values()]
    said = {(p, side): pooled([t.blocks[side] for t in by_point[p]]) for p in drawn for side in BLOCKS_PX}
    reach, top = _reach(list(said.values())), 0.6 if narrow else 0.5
    with drawing():
        size = (4.6, top + 1.25 * len(told)) if narrow else (9.6, top + 1.7 * len(told))
        figure, grid = new_figures(size, rows=len(told), cols=len(BLOCKS_PX), sharex=True, sharey="row")
        for row, (asked, points) in zip(grid, told.items(), strict=True):
            for axes, side in zip(row, BLOCKS_PX, strict=True):
                _draw_histograms(axes, {c: said[p, side] for c, p in points.items()}, codecs=codecs, reach=reach)
                axes.axvline(0, color=MUTED, linewidth=1)
                axes.set_xlim(-reach, reach)
            row[0].set_ylabel(shown(asked) or "as it is", fontsize=8 if narrow else 9.5)
        for axes, side in zip(grid[0], BLOCKS_PX, strict=True):
            axes.set_title(f"{side} × {side} px", fontsize=9 if narrow else 10.5)
        figure.supxlabel("PSNR less target (dB) · up: share of blocks for each 0.1 dB", fontsize=8.5 if narrow else 10)
        lines = [_line(sign(codecs.index(c))) for c in codecs]
        figure.legend(lines, [shown(c) for c in codecs], loc="outside upper left", ncols=2 if narrow else 4)
    return figure


def _line(look: Mapping[str, Any]) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=look["color"], linestyle=look["linestyle"])


def _draw_histograms(axes: Any, said: Mapping[str, Deviation], *, codecs: Sequence[str], reach: float) -> None:
    from orbiq.reports.style import sign

    step = _bin_steps(list(said.values()))
    for codec, deviations in said.items():
        places, shares = binned(deviations, step=step)
        inside = np.abs(places) <= reach + step * BIN_DB
        look = sign(codecs.index(codec))
        axes.plot(
            places[inside],
            100 * shares[inside] / step,
            drawstyle="steps-mid",
            color=look["color"],
            linestyle=look["linestyle"],
            linewidth=1.4,
        )
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes.tick_params(labelsize=8)


def binned(said: Deviation, *, step: int) -> tuple[Any, Any]:
    """(centres in dB, shares of the blocks that have an error) of bins of `step` (odd) times 0.1 dB, none left out."""
    if not said.bins:
        return np.zeros(1), np.zeros(1)
    fine = np.array(list(said.bins))
    coarse = np.floor_divide(fine + step // 2, step)
    first, last = coarse.min() - 1, coarse.max() + 1
    shares = np.bincount(coarse - first, weights=list(said.bins.values()), minlength=last - first + 1)
    return np.arange(first, last + 1) * step * BIN_DB, shares / shares.sum()


def _bin_steps(several: Sequence[Deviation]) -> int:
    """An odd number of bins to put together, so that few blocks make a shape and no comb (Scott 1979)."""
    widths = [3.49 * said.std_db / math.cbrt(n) for said in several if (n := said.n_blocks - said.n_exact) > 1]
    return max(1, 2 * round((max(widths, default=0) / 2 / BIN_DB - 1) / 2) + 1)


def _reach(several: Sequence[Deviation]) -> float:
    """Half the width of the axes: where all but 1 in 50 blocks of the widest histogram lie, 15 dB at most."""
    reach = 1.0
    for said in several:
        if said.bins:
            places, counts = np.abs(list(said.bins)) * BIN_DB, np.array(list(said.bins.values()))
            order = np.argsort(places)
            far = np.searchsorted(np.cumsum(counts[order]), 0.98 * counts.sum())
            reach = max(reach, float(places[order][min(far, order.size - 1)]))
    return min(_WIDEST_DB, math.ceil(reach))


def colour_reach(maps: Sequence[BlockMap]) -> float:
    """The deviation at which the colours of all maps end: the 98th percentile, from 0.5 to 15 dB."""
    parts = [np.abs(part[np.isfinite(part)]) for one in maps for part in one.deviations.values()]
    values = np.concatenate(parts) if parts else np.empty(0)
    return float(np.clip(math.ceil(2 * np.percentile(values, 98)) / 2 if values.size else 0.5, 0.5, _WIDEST_DB))


def map_figure(maps: Sequence[BlockMap], *, reach: float, narrow: bool = False) -> "Plot":
    """Figure 5: a row a setting, a column a size of block; blue is better than asked, red worse, grey has no value."""
    from orbiq.reports.style import drawing, new_figures, shown

    finest = maps[0].deviations[min(BLOCKS_PX)].shape
    wide, shape = 4.6 if narrow else 9.6, min(max(finest[0] / finest[1], 0.2), 2.0)
    height = len(maps) * ((wide - (0.85 if narrow else 1.15)) / 3 * shape + 0.25) + 0.1
    with drawing():
        figure, grid = new_figures((wide, height), rows=len(maps), cols=len(BLOCKS_PX))
        for row, one in zip(grid, maps, strict=True):
            for axes, side in zip(row, BLOCKS_PX, strict=True):
                picture = _draw_map(axes, one.deviations[side], reach=reach)
                axes.set_title(_map_title(one.deviations[side], side), fontsize=7 if narrow else 9)
            row[0].set_ylabel(shown(one.point), fontsize=6.5 if narrow else 9)
        bar = figure.colorbar(picture, ax=grid, aspect=30, pad=0.02, extend="both", shrink=min(1, 3 / height))
        bar.set_label("PSNR less target (dB)", fontsize=8 if narrow else 9)
        bar.ax.tick_params(labelsize=8)
    return figure


def _draw_map(axes: Any, deviations: Any, *, reach: float) -> Any:
    values = np.where(np.isposinf(deviations), reach, deviations)
    axes.set_facecolor("#c9ced6")
    axes.grid(visible=False)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes.imshow(values, cmap="RdBu", vmin=-reach, vmax=reach, interpolation="none")


def _map_title(deviations: Any, side: int) -> str:
    finite = deviations[np.isfinite(deviations)]
    return f"{side} px: {_signed(float(finite.mean()))}; {finite.std():.2f}" if finite.size else f"{side} px"
