"""How every figure looks: colours that everybody can tell apart, a second sign beside each colour, quiet axes.

The colours are Okabe and Ito's (Color Universal Design, 2008); each comes with its own marker, dashes and hatching, so
that nothing is told by colour alone. Text is never read as mathematics and names are cleaned before they are drawn.
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from orbiq.cache import write_bytes
from orbiq.errors import SettingError
from orbiq.reports.wording import clean, number_text

INK, MUTED, GRID, PAPER = "#1c2430", "#5a6473", "#dde1e7", "#ffffff"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1c2430")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[Any, ...] = (
    "-",
    (0, (6, 2)),
    (0, (1.5, 1.5)),
    (0, (6, 2, 1.5, 2)),
    (0, (3, 1)),
    (0, (8, 3)),
    (0, (1, 3)),
)
HATCHES = ("", "///", "...", "xxx", "---", "\\\\\\", "ooo")
_RC = {
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.9,
    "lines.markersize": 6.5,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "figure.dpi": 110,
    "savefig.dpi": 160,
}


class Plot(Figure):
    """A matplotlib figure that shows itself in a notebook, whatever its backend."""

    def _repr_png_(self) -> bytes:
        return picture_bytes(self, "png")


@contextmanager
def drawing() -> Iterator[None]:
    """The settings under which figures are made and saved; the caller's own stay as they are."""
    with mpl.rc_context(_RC), warnings.catch_warnings():
        # names in scripts that the font does not have become boxes; that is no reason to warn a reader of a report
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def new_figure(size_inch: tuple[float, float]) -> tuple[Plot, Any]:
    """A figure of (width, height) inches and its axes."""
    figure = Plot(figsize=size_inch, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def new_figures(size_inch: tuple[float, float], *, rows: int, cols: int, **shared: Any) -> tuple[Plot, Any]:
    """A figure of (width, height) inches and its axes (rows, cols); `shared` as matplotlib's sharex and sharey."""
    figure = Plot(figsize=size_inch, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, cols, squeeze=False, **shared)


def sign(index: int) -> dict[str, Any]:
    """Colour, marker and dashes of the series at `index`; when the colours run out, the dashes have moved on."""
    turn = index // len(COLOURS)
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": DASHES[(index + turn) % len(DASHES)],
    }


def shown(name: object) -> str:
    """A name as a figure may show it: cleaned, on one line, not too long, and never taken for a hidden legend entry."""
    text = " ".join(clean(str(name)).split())
    text = text if len(text) <= 44 else f"{text[:26]}…{text[-17:]}"
    return f"\N{ZERO WIDTH SPACE}{text}" if text.startswith("_") else text


def log_axis(axes: Any, low: float, high: float) -> None:
    """A logarithmic x axis from `low` to `high` whose ticks are plain numbers, 1, 2, 5 of each decade, or more."""
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    inside: list[float] = []
    for steps in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
        if len(inside) < 3:
            inside = [t for e in range(-6, 13) for m in steps if low <= (t := m * 10.0**e) <= high]
    if len(inside) > 9:
        inside = [t for t in inside if number_text(t).strip("0.")[:1] in ("1", "")]
    axes.xaxis.set_major_locator(FixedLocator(inside or [low, high]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda t, _: f"{t:,.10g}".replace(",", "\N{NARROW NO-BREAK SPACE}")))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def legend_above(figure: Plot, axes: Any, columns: int = 4) -> None:
    """The legend in rows above the axes, where it covers nothing."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, loc="outside upper left", ncols=min(columns, len(labels)), handlelength=2.6)


def picture_bytes(figure: Plot, kind: str, *, text_as_text: bool = False) -> bytes:
    """The figure as PNG or SVG, the same bytes for the same figure."""
    stream = io.BytesIO()
    settings = {"svg.hashsalt": "orbiq", "svg.fonttype": "none" if text_as_text else "path"}
    with drawing(), mpl.rc_context(settings):
        metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        figure.savefig(stream, format=kind, metadata=metadata)
    return stream.getvalue()


def save(figure: Plot, path: Path) -> None:
    """Write the figure as PNG or SVG, by suffix; whole or not at all."""
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("png", "svg"):
        raise SettingError(f"figure {path.name!r} ends in {path.suffix!r}; expected .png or .svg")
    write_bytes(path, picture_bytes(figure, kind))


def checked_suffix(out: str | Path | None, suffixes: Sequence[str]) -> Path | None:
    """The output path once its suffix is one of these; so that a long drawing does not end in a wrong name."""
    if out is None:
        return None
    path = Path(out)
    if path.suffix.lower() not in suffixes:
        raise SettingError(f"output {path.name!r} ends in {path.suffix!r}; expected {' or '.join(suffixes)}")
    return path
