"""Any column of a table against any other: lines with spread, bars, scatter, boxes.

One line in a notebook: `orbiq.plot("runs/x", x="bits_per_pixel", y="ap50", legend="family")`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from orbiq.arrays import FloatArray
from orbiq.errors import DatasetError, SettingError, unknown
from orbiq.records import REFERENCE
from orbiq.reports.wording import RATES, axis_label, clean, plural, setting_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

Kind = Literal["line", "bars", "scatter", "box"]
Spread = Literal["range", "t"]
_DECADE = 10.0
_SPREADS = {"range": "from least to greatest", "t": "95 % t-interval of the mean"}


@dataclass(frozen=True, eq=False, kw_only=True)
class _Chart:
    """The rows to draw with columns x (a number), y and legend; `categories` name x = 0, 1, … when x is no number."""

    rows: "DataFrame"
    categories: list[str] | None
    legend: list[str]
    spread: Spread

    def parts(self) -> list[tuple[int, str, "DataFrame"]]:
        """(index, name, rows) of each series."""
        return [(k, name, self.rows[self.rows["legend"] == name]) for k, name in enumerate(self.legend)]

    def places(self) -> tuple[dict[tuple[str, float], float], float]:
        """Where the bar or box of each (series, x) stands, and its width: those that share an x, side by side."""
        shared = self.rows.groupby("x")["legend"].unique()
        width = 0.8 / max(map(len, shared))
        places: dict[tuple[str, float], float] = {}
        for at, here in shared.items():
            x, names = float(cast("float", at)), [name for name in self.legend if name in set(here)]
            places |= {(name, x): x + (k - (len(names) - 1) / 2) * width for k, name in enumerate(names)}
        return places, width


def plot(
    table: "DataFrame | str | Path",
    *,
    kind: Kind = "line",
    x: str,
    y: str,
    legend: str | None = None,
    out: str | Path | None = None,
    title: str | None = None,
    reference: float | str | None = None,
    spread: Spread = "range",
) -> "Figure":
    """Column `y` against column `x`, a series for each value of column `legend`; a figure that a notebook shows.

    `table` is a DataFrame, a .csv or .parquet file, or an experiment's folder. `reference` draws a level: a number, or
    the name of a variant whose mean is meant. Lines and bars show means over rows with the same x; `spread` says what
    their bands are: "range" (from least to greatest) or "t" (95 % t-interval of the mean), and so does the caption.
    The x axis is logarithmic when it is a rate that spans more than a decade. `out` (.png or .svg) saves the figure,
    whole or not at all.

    Raises UnknownName for a column that the table does not have, SettingError for a `y` that holds no numbers.
    """
    from orbiq.reports.style import checked_suffix, drawing, legend_above, new_figure, save

    if kind not in _DRAWERS:
        raise unknown("kind of plot", kind, _DRAWERS)
    if spread not in _SPREADS:
        raise unknown("spread", spread, _SPREADS)
    path = checked_suffix(out, (".png", ".svg"))
    frame = _frame(table)
    chart = _chart(frame, kind=kind, x=x, y=y, legend=legend, spread=spread)
    with drawing():
        figure, axes = new_figure((8.0, 5.0))
        _DRAWERS[kind](axes, chart)
        _draw_axes(axes, chart, kind=kind, x=x)
        axes.set(xlabel=axis_label(x), ylabel=axis_label(y))
        if reference is not None:
            _draw_reference(axes, frame, reference, y=y)
        if title:
            figure.suptitle("\n".join(wrap(clean(title), 70)), x=0.01, ha="left", fontweight="bold")
        if legend is not None:
            legend_above(figure, axes)
        figure.supxlabel(_caption(chart, kind, dropped=len(frame) - len(chart.rows)), fontsize=8.5, x=0.01, ha="left")
    if path is not None:
        save(figure, path)
    return cast("Figure", figure)


def _frame(table: "DataFrame | str | Path") -> "DataFrame":
    import pandas as pd

    if isinstance(table, pd.DataFrame):
        return table
    path = Path(table)
    if path.is_dir():
        from orbiq.analysis.table import table as experiment_table

        return experiment_table(path)
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise SettingError(f"table {path} is no folder and no .csv or .parquet file; give one of these or a DataFrame")
    try:
        return pd.read_csv(path) if path.suffix.lower() == ".csv" else pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DatasetError(f"table {path} cannot be read: {error}. Write it again with `orbiq table`.") from error


def _chart(frame: "DataFrame", *, kind: Kind, x: str, y: str, legend: str | None, spread: Spread) -> _Chart:
    import pandas as pd

    for column in (x, y, *([legend] if legend else [])):
        if column not in frame.columns:
            raise unknown("column", column, map(str, frame.columns))
    rows = pd.DataFrame({"x": frame[x], "y": _numbers(frame[y], y)})
    rows["legend"] = frame[legend].map(_name) if legend else ""
    if legend and pd.api.types.is_numeric_dtype(frame[legend]):  # a bare 0, 1, 2 would not say of what
        rows["legend"] = f"{legend}=" + rows["legend"]
    rows = rows[rows["x"].notna() & rows["y"].notna() & np.isfinite(rows["y"])]
    if rows.empty:
        raise SettingError(f"nothing to draw: no row has both {x!r} and a finite {y!r}; look at `orbiq table`")
    names = sorted(dict.fromkeys(rows["legend"]), key=lambda name: name == REFERENCE)  # drawn last: nothing covers it
    categories = None
    if kind in ("bars", "box") or not pd.api.types.is_numeric_dtype(rows["x"]) or rows["x"].dtype == bool:
        values = _in_order(list(dict.fromkeys(rows["x"])))
        categories = [_name(v) for v in values]
        rows["x"] = rows["x"].map({v: k for k, v in enumerate(values)})
    return _Chart(rows=rows, categories=categories, legend=names, spread=spread)


def _numbers(column: Any, name: str) -> Any:
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.isna().sum() > column.isna().sum():
        odd = column[numbers.isna() & column.notna()].iloc[0]
        raise SettingError(f"column {name!r} holds {odd!r}; y must be numbers. Put it on x or legend instead.")
    return numbers.astype(float)


def _in_order(values: list[Any]) -> list[Any]:
    """Numbers ascending, anything else as it came."""
    numeric = all(isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in values)
    return sorted(values) if numeric else values


def _name(value: Any) -> str:
    from orbiq.reports.style import shown

    return shown(setting_text(value)) or "(empty)"


def _spread_of(values: FloatArray, spread: Spread) -> tuple[float, float, float]:
    """(mean, low, high); a single value is its own range and has no t-interval."""
    mean = float(values.mean())
    if spread == "range":
        return mean, float(values.min()), float(values.max())
    if len(values) < 2:
        return mean, math.nan, math.nan
    from scipy.stats import t

    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
    return mean, mean - half, mean + half


def _summary(rows: "DataFrame", spread: Spread) -> tuple[FloatArray, FloatArray]:
    """x, and (mean, low, high) as rows."""
    groups = [(float(cast("float", x)), g["y"].to_numpy(float)) for x, g in rows.groupby("x", sort=True)]
    return np.array([x for x, _ in groups]), np.array([_spread_of(v, spread) for _, v in groups]).T


def _line(axes: Any, chart: _Chart) -> None:
    from orbiq.reports.style import sign

    for k, name, rows in chart.parts():
        x, (mean, low, high) = _summary(rows, chart.spread)
        axes.fill_between(x, low, high, color=sign(k)["color"], alpha=0.18, linewidth=0)
        axes.plot(x, mean, label=name, **sign(k))


def _scatter(axes: Any, chart: _Chart) -> None:
    from orbiq.reports.style import sign

    for k, name, rows in chart.parts():
        look = sign(k) | {"linestyle": "none"}
        axes.plot(rows["x"], rows["y"], label=name, alpha=0.8, markeredgecolor="white", markeredgewidth=0.6, **look)


def _bars(axes: Any, chart: _Chart) -> None:
    from orbiq.reports.style import HATCHES, INK, sign

    places, width = chart.places()
    for k, name, rows in chart.parts():
        x, (mean, low, high) = _summary(rows, chart.spread)
        place = np.array([places[name, value] for value in x.tolist()])
        look = {"color": sign(k)["color"], "hatch": HATCHES[k % len(HATCHES)], "edgecolor": "white"}
        axes.bar(place, mean, width * 0.92, label=name, **look)
        spread = np.nan_to_num(np.array([mean - low, high - mean]))
        axes.errorbar(place, mean, yerr=spread, fmt="none", ecolor=INK, elinewidth=1.1, capsize=3)


def _box(axes: Any, chart: _Chart) -> None:
    from orbiq.reports.style import HATCHES, INK, sign

    places, width = chart.places()
    for k, name, rows in chart.parts():
        groups = [(float(cast("float", x)), g["y"].to_numpy(float)) for x, g in rows.groupby("x", sort=True)]
        look = {"facecolor": sign(k)["color"], "alpha": 0.75, "hatch": HATCHES[k % len(HATCHES)], "edgecolor": INK}
        drawn = axes.boxplot(
            [v for _, v in groups],
            positions=[places[name, x] for x, _ in groups],
            widths=width * 0.8,
            patch_artist=True,
            manage_ticks=False,
            boxprops=look,
            medianprops={"color": INK, "linewidth": 1.8},
            flierprops={"marker": sign(k)["marker"], "markersize": 4},
        )
        drawn["boxes"][0].set_label(name)


_DRAWERS: dict[str, Callable[[Any, _Chart], None]] = {"line": _line, "bars": _bars, "scatter": _scatter, "box": _box}


def _draw_axes(axes: Any, chart: _Chart, *, kind: Kind, x: str) -> None:
    from orbiq.reports.style import log_axis

    if chart.categories is not None:
        longest = max(map(len, chart.categories)) * len(chart.categories)
        turned = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if longest > 75 else {}
        axes.set_xticks(range(len(chart.categories)), chart.categories, **turned)
        return
    values = chart.rows["x"].to_numpy(float)
    if kind in ("line", "scatter") and x in RATES and values.min() > 0 and values.max() > _DECADE * values.min():
        log_axis(axes, values.min() / 1.15, values.max() * 1.15)


def _draw_reference(axes: Any, frame: "DataFrame", reference: float | str, *, y: str) -> None:
    from orbiq.reports.style import MUTED, shown

    if isinstance(reference, str):
        if "variant" not in frame.columns or reference not in set(frame["variant"]):
            raise unknown("variant", reference, map(str, frame["variant"].unique()) if "variant" in frame else ())
        level, name = float(_numbers(frame.loc[frame["variant"] == reference, y], y).mean()), reference
    else:
        level, name = float(reference), "reference"
    axes.axhline(level, color=MUTED, linewidth=1.2, linestyle=(0, (4, 2)), zorder=1)
    axes.annotate(
        shown(name),
        (0, level),
        xycoords=("axes fraction", "data"),
        xytext=(4, 3),
        textcoords="offset points",
        fontsize=9,
        color=MUTED,
    )


def _caption(chart: _Chart, kind: Kind, *, dropped: int) -> str:
    """What the marks mean, how many rows are behind each, and what was left out."""
    counts = chart.rows.groupby(["legend", "x"]).size()
    behind = f"{counts.min()}–{counts.max()} rows" if counts.min() < counts.max() else plural(int(counts.min()), "row")
    left_out = f" {plural(dropped, 'row')} without a value left out." if dropped else ""
    if kind == "scatter":
        return f"Every mark is a row, {plural(len(chart.rows), 'row')} in all.{left_out}"
    if kind == "box":
        text = f"Box: quartiles and median of {behind}; whiskers: 1.5 times the box at most."
        return text + left_out
    mark = "Band" if kind == "line" else "Whisker"
    if counts.max() == 1:
        return f"Every mark is a single row.{left_out}"
    return f"Mark: mean of {behind}. {mark}: {_SPREADS[chart.spread]}.{left_out}"
