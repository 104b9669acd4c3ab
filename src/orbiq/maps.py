"""Maps of a metric over the pixels of an image, written tile by tile as GeoTIFF, however large the image."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from orbiq.arrays import Affine, Array, Raster
from orbiq.errors import ImageError
from orbiq.imageio import open_sink, read_profile
from orbiq.measuring import Subject
from orbiq.metrics.base import MapSpec
from orbiq.metrics.chosen import Metric
from orbiq.tiles import Tile, map_tiles

_LEAST = 32
"""Pixels around a tile, at least."""


def write_maps(subject: Subject, metrics: Sequence[Metric], folder: Path) -> Iterator[Path]:
    """One GeoTIFF for each metric that has a map: float32, NaN where it has no value.

    They go to `<folder>/<metric>/<image>.tif`, or `<folder>/<metric>/<group>/<image>.tif` for images of a folder.

    Maps lie where the image lies on the ground. Of metrics with the same map only the first gives one.
    """
    done: set[str] = set()
    for metric in metrics:
        spec = metric.spec.map if metric.spec else None
        if spec is None or spec.function in done:
            continue
        done.add(spec.function)
        place = "" if subject.group == subject.name else _safe(subject.group)
        name = Path(subject.name).with_suffix("")  # relative and below its folder, as all names of a dataset
        path = folder / spec.function.removesuffix("_map") / place / f"{name}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_map(path, metric, spec, subject=subject)
        yield path


def _safe(group: str) -> str:
    return group.strip("./").replace("/", "-") or "images"


def _write_map(path: Path, metric: Metric, spec: MapSpec, *, subject: Subject) -> None:
    function: Callable[..., Array] = getattr(import_module(metric.function.__module__), spec.function)
    with ExitStack() as stack:
        rasters = [stack.enter_context(subject.opened())]
        if subject.reference is not None:
            rasters.insert(0, stack.enter_context(subject.reference.opened()))
        options = _options(metric, function, rasters[0])
        # more than a window needs, so that the last tile of an image is no smaller than a window
        margin = -(-max(spec.margin, _LEAST) // spec.step) * spec.step

        def over(tile: Tile) -> tuple[Tile, Array | None]:
            if tile.mask is not None and not tile.mask.any():
                return tile, None
            return tile, _cut(function(*tile.arrays, mask=tile.mask, **options), tile, step=spec.step)

        parts = map_tiles(rasters, over, margin=margin, align=spec.step)
        _store(path, parts, spec=spec, like=rasters[-1], source=subject.path)


def _store(
    path: Path, parts: Iterator[tuple[Tile, Array | None]], *, spec: MapSpec, like: Raster, source: Path
) -> None:
    profile = read_profile(source)
    placed = profile.with_transform(_scaled(profile.transform, spec.step))
    known = ((tile, array) for tile, array in parts if array is not None and array.size)
    first = next(known, None)
    if first is None:
        raise ImageError(f"{like.name} has no valid pixel to map. Check its mask and nodata value.")
    shape = (like.shape[0] // spec.step, like.shape[1] // spec.step, first[1].shape[2])
    with open_sink(path, shape, profile=placed) as write:  # what is not written is NaN
        for tile, array in chain([first], known):
            write(*_place(tile, array, spec.step), array)


def _options(metric: Metric, function: Callable[..., Any], raster: Raster) -> dict[str, Any]:
    """The metric's options that its map has too, and the image's peak where the map takes one."""
    known = inspect.signature(function).parameters
    options = {key: value for key, value in metric.options.items() if key in known}
    if "peak" in known and raster.peak is not None:
        options.setdefault("peak", raster.peak)
    return options


def _cut(array: Array, tile: Tile, *, step: int) -> Array:
    """The core of a tile's map."""
    array = array if array.ndim == 3 else array[..., None]
    rows, cols = (slice(part.start // step, part.stop // step) for part in tile.core)
    return np.asarray(array[rows, cols])


def _place(tile: Tile, array: Array, step: int) -> tuple[slice, slice]:
    row, col = tile.rows.start // step, tile.cols.start // step
    return slice(row, row + array.shape[0]), slice(col, col + array.shape[1])


def _scaled(transform: Affine | None, step: int) -> Affine | None:
    if transform is None:
        return None
    a, b, c, d, e, f = transform
    return a * step, b * step, c, d * step, e * step, f
