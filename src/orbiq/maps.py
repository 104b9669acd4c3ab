"""What a metric says of the places of an image, as files.

Maps over the pixels are written tile by tile as GeoTIFF, however large the image; what was found at places of it is
drawn upon it, and written as GeoJSON.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from importlib import import_module
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from orbiq.arrays import Affine, Array, Raster
from orbiq.cache import storage_errors, write_json
from orbiq.errors import ImageError, SettingError
from orbiq.imageio import open_sink, read_profile, write_image
from orbiq.measuring import Subject
from orbiq.metrics.applied import Applied
from orbiq.metrics.base import MapSpec, MetricSpec, OverlaySpec
from orbiq.metrics.catalogue import METRICS, metric_spec
from orbiq.metrics.chosen import Metric
from orbiq.tiles import Tile, map_tiles

_LEAST = 32
"""Pixels around a tile, at least."""


def check_maps(metrics: Sequence[Metric]) -> None:
    """Refuse metrics of which none says anything of the places of an image; SettingError."""
    if not any(metric.spec and _has_places(metric.spec) for metric in metrics):
        known = ", ".join(name for name in METRICS.built_in if _has_places(metric_spec(name)))
        raise SettingError(
            f"no map can be written of {', '.join(metric.text for metric in metrics) or 'no metric'}; "
            f"these have one: {known}. Leave --maps out, or add one of them."
        )


def _has_places(spec: MetricSpec) -> bool:
    return spec.map is not None or spec.overlay is not None


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
        path = _place_for(subject, folder / spec.function.removesuffix("_map"), ".tif")
        _write_map(path, metric, spec, subject=subject)
        yield path


def write_overlays(subject: Subject, applied: Sequence[Applied], folder: Path) -> Iterator[Path]:
    """For each metric that found something at places of the image, a PNG of them upon it, and a GeoJSON.

    They go to `<folder>/<what was found>/`, as maps do, each whole or not at all. The GeoJSON is in the image's
    coordinates on the ground, in pixels where it has none. Of metrics that found the same only the first gives them.
    """
    done: set[OverlaySpec] = set()
    for said in applied:
        spec = said.metric.spec.overlay if said.metric.spec else None
        if spec is None or spec in done or said.result is None:
            continue
        done.add(spec)
        module, place = import_module(spec.module), folder / spec.picture.removesuffix("_picture")
        picture, geojson = _place_for(subject, place, ".png"), _place_for(subject, place, ".geojson")
        with subject.opened() as image:
            write_image(picture, getattr(module, spec.picture)(image, said.result))
        profile = read_profile(subject.path)
        crs = profile.crs if profile.transform else None
        write_json(geojson, getattr(module, spec.geojson)(said.result, transform=profile.transform, crs=crs))
        yield from (picture, geojson)


def check_places(subjects: Sequence[Subject]) -> None:
    """Refuse images whose files would overwrite each other's, a.png and a.tif; SettingError."""
    taken: dict[str, Subject] = {}
    for subject in subjects:
        other = taken.setdefault(_stem(subject), subject)
        if other.path != subject.path:
            raise SettingError(
                f"the maps of {str(other.path)!r} and {str(subject.path)!r} would both be called {_stem(subject)!r}. "
                "Give one of them another name, or measure one after the other with --maps of their own."
            )


def _stem(subject: Subject) -> str:
    """What files about an image are called: those of a folder or dataset lie in a folder of its name."""
    place = "" if subject.group == subject.name else _safe(subject.group)
    # relative and below its folder, as all names of a dataset
    return (PurePosixPath(place) / PurePosixPath(subject.name).with_suffix("")).as_posix()


def _place_for(subject: Subject, folder: Path, suffix: str) -> Path:
    path = folder / f"{_stem(subject)}{suffix}"
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    return path


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
