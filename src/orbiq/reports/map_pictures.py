"""What metrics say of the places of an image, to look at: every GeoTIFF of `orbiq.maps` with a PNG beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from orbiq.arrays import Array, FloatArray, Raster
from orbiq.imageio import open_raster
from orbiq.maps import write_maps, write_overlays
from orbiq.measuring import Subject
from orbiq.metrics.applied import Applied
from orbiq.reports.wording import number_text

_MOST_PX = 1600
"""Rows and cols that a picture has at most."""


def write_map_pictures(subject: Subject, applied: Sequence[Applied], folder: Path) -> list[Path]:
    """All that an image's metrics say of its places.

    Maps as GeoTIFF with float values and as PNG with a scale of colours, upon the image where they are coarser than it;
    overlays as PNG and GeoJSON.
    """
    written = []
    for path in write_maps(subject, [said.metric for said in applied if said.result is not None], folder):
        draw_map(path, title=f"{path.relative_to(folder).parts[0]} of {subject.name}", subject=subject)
        written.append(path)
    return [*written, *write_overlays(subject, applied, folder)]


def draw_map(path: Path, *, title: str, subject: Subject | None = None) -> Path:
    """A PNG beside the map at `path`: the mean of its bands, thinned where it is large, NaN grey; returns its path.

    A map that is coarser than the image of its subject is drawn upon it.
    """
    from orbiq.reports.style import MUTED, drawing, new_figure, save, shown

    with open_raster(path) as raster:
        values, factor = _thinned(raster)
        shape = raster.shape
    image = None if subject is None else _beneath(subject, shape)
    low, high = _range(values)
    rows, cols = values.shape
    with drawing():
        figure, axes = new_figure((8.0, 0.9 + 6.6 * min(rows / cols, 1.6)))
        axes.set_facecolor("#c9ced6")
        place = (0, cols, rows, 0)
        if image is not None:
            black, white = _range(image.values)
            light = {"cmap": "gray", "vmin": 1.5 * black - 0.5 * white, "vmax": white}  # colours are read upon no black
            axes.imshow(image.values, extent=(0, cols * image.across, rows * image.down, 0), **light)
        colours, through = "RdBu_r" if low < 0 else "viridis", 0.55 if image is not None else 1.0
        shown_map = axes.imshow(
            values, cmap=colours, vmin=low, vmax=high, alpha=through, extent=place, interpolation="nearest"
        )
        axes.grid(visible=False)
        axes.set(xticks=[], yticks=[])
        figure.colorbar(shown_map, ax=axes, shrink=0.8, extend="both")
        figure.suptitle(shown(title), x=0.01, ha="left", fontweight="bold")
        bands = f" Mean of {shape[2]} bands." if shape[2] > 1 else ""
        thinned = f" Every {factor}th pixel." if factor > 1 else ""
        nothing = "grey" if image is None else "bare image"
        text = f"Colours from {number_text(low)} to {number_text(high)} (1st to 99th percentile); {nothing}: no value."
        figure.supxlabel(text + bands + thinned, fontsize=8.5, x=0.01, ha="left", color=MUTED)
        target = path.with_suffix(".png")
        save(figure, target)
    return target


class _Beneath(NamedTuple):
    """An image to draw a map upon, and how far it reaches in rows and cols of the map, as parts of it."""

    values: FloatArray
    down: float
    across: float


def _beneath(subject: Subject, shape: tuple[int, int, int]) -> _Beneath | None:
    """The image of a map of `shape`, if the map is coarser."""
    with subject.opened() as raster:
        step = min(raster.shape[0] // shape[0], raster.shape[1] // shape[1])
        if step < 2:
            return None
        values, _ = _thinned(raster)
        down, across = (raster.shape[k] / (shape[k] * step) for k in (0, 1))
    return _Beneath(values, down, across)


def _range(values: FloatArray) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    low, high = (float(v) for v in np.percentile(known, [1, 99])) if known.size else (0.0, 1.0)
    if low < 0 < high:  # signed: one colour each way
        return -max(-low, high), max(-low, high)
    return low, high


def _thinned(raster: Raster) -> tuple[FloatArray, int]:
    """The mean of the bands at every so many pixels, so that it fits a screen; NaN where masked."""
    rows, cols, _ = raster.shape
    factor = max(1, -(-max(rows, cols) // _MOST_PX))
    lines = []
    for row in range(0, rows, 512 * factor):
        array, mask = raster.window(slice(row, min(row + 512 * factor, rows)), slice(0, cols))
        lines.append(_every(array, factor, None if mask is None else mask))
    return np.concatenate(lines), factor


def _every(array: Array, factor: int, mask: Array | None) -> FloatArray:
    values = array[::factor, ::factor].astype(float)
    if mask is not None:
        values[~mask[::factor, ::factor]] = np.nan
    return np.asarray(values.mean(axis=2))
