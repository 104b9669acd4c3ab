"""The same small piece of the reference and of each variant, as pictures.

8-bit images of up to four bands are shown as they are. Everything else is pictured by a stretch that is stated, and
that is the same for all variants: from the 2nd to the 98th percentile of the reference's piece, band by band.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.cache import read_json_or
from orbiq.datasets.coco import read_coco
from orbiq.datasets.folder import image_names, open_dataset
from orbiq.errors import DatasetError, OrbiqError
from orbiq.imageio import Picture, encode_image, read_image
from orbiq.records import REFERENCE
from orbiq.reports.wording import number_text

Box = tuple[int, int, int, int]
"""row, col, rows, cols of a piece."""
SIDE_PX = 88
_ENLARGED_PX = 3 * SIDE_PX
_GONE = "The variants' images are no longer here: they were cleaned away. Run the experiment again to see them."


@dataclass(frozen=True, kw_only=True)
class Crop:
    """A piece of one variant as PNG."""

    variant: str
    png: bytes


@dataclass(frozen=True, kw_only=True)
class Look:
    """One place in one image, seen in each variant."""

    image: str
    place: str
    """Which piece, and around what."""
    stretch: str
    """How values became grey; empty when they are shown as they are."""
    width_px: int
    height_px: int
    """Size of the reference's piece."""
    scale: int
    """How often it is enlarged."""
    crops: tuple[Crop, ...]


@dataclass(frozen=True, kw_only=True)
class _Stretch:
    bands: tuple[int, ...]
    low: FloatArray
    high: FloatArray
    as_is: bool


def looks(folder: Path, *, variants: Sequence[str], images: int = 2) -> tuple[tuple[Look, ...], str]:
    """Looks at a few images of an experiment in the named variants, and why there are none (or fewer).

    The first variant is the one whose piece sets place and stretch: the reference.
    """
    places = _image_folders(folder)
    here = [v for v in variants if v in places and places[v].is_dir()]
    if not here or here[0] != REFERENCE:
        return (), _GONE
    names = {v: _by_stem(places[v]) for v in here}
    common = [stem for stem in names[REFERENCE] if all(stem in found for found in names.values())]
    objects = _objects(places[REFERENCE])
    chosen = _chosen(common, objects=objects, names=names[REFERENCE], count=images)
    found: list[Look] = []
    missed = len(variants) - len(here)
    for stem in chosen:
        paths = {v: places[v] / names[v][stem] for v in here}
        with suppress(OrbiqError, OSError):
            if len(found) < images:
                found.append(_look(paths, image=names[REFERENCE][stem], objects=objects))
    if not found:
        return (), _GONE if not common else "The variants' images could not be read."
    return tuple(found), f"{missed} more variants were cleaned away." if missed else ""


def _image_folders(folder: Path) -> dict[str, Path]:
    """Variant → images folder, in the split that is judged."""
    listed = read_json_or(folder / "variants.json", {}).get("variants")
    known = isinstance(listed, list) and all(
        isinstance(e, dict) and {"variant", "images_dir"} <= set(e) for e in listed
    )
    entries = listed if known else []
    for split in ("test", "val", "train"):
        found = {str(e["variant"]): folder / str(e["images_dir"]) for e in entries if e.get("split") == split}
        if found:
            return found
    return {}


def _by_stem(folder: Path) -> dict[str, str]:
    """Name without suffix → name: a variant may keep its codec's own files."""
    return {PurePosixPath(name).with_suffix("").as_posix(): name for name in image_names(folder)}


def _objects(images_dir: Path) -> dict[str, list[tuple[str, Any]]]:
    """File name → (class, bounding box) of its objects; nothing where there is no readable ground truth."""
    with suppress(OrbiqError, OSError):
        dataset = open_dataset(images_dir.parent)
        if dataset.annotations_path is not None:
            truth = read_coco(dataset.annotations_path)
            names = {c.id: c.name for c in truth.categories}
            return {
                name: [(names[o.category_id], o.bbox) for o in objects if o.bbox is not None]
                for name, objects in truth.by_image.items()
            }
    return {}


def _chosen(
    stems: Sequence[str], *, objects: Mapping[str, list[Any]], names: Mapping[str, str], count: int
) -> list[str]:
    """Images with the most objects; without ground truth some from all over the list; then others to fall back on."""
    with_objects = [s for s in stems if objects.get(names[s])]
    if with_objects:
        return sorted(with_objects, key=lambda s: -len(objects[names[s]]))[: 4 * count]
    steps = np.linspace(0, len(stems), min(count, len(stems)), endpoint=False)
    first = [stems[int(k)] for k in steps]
    return [*first, *(s for s in stems if s not in first)][: 4 * count]


def _look(paths: Mapping[str, Path], *, image: str, objects: Mapping[str, list[tuple[str, Any]]]) -> Look:
    reference = read_image(paths[REFERENCE])
    rows, cols = reference.array.shape[:2]
    valid = np.ones((rows, cols), dtype=bool) if reference.mask is None else reference.mask
    side = min(SIDE_PX, rows, cols)
    around = _typical(objects.get(image, []), side)
    box = _around(around[1], side, rows, cols) if around else _liveliest(reference.array, side, valid=valid)
    seen = _piece(valid, box, (rows, cols))
    if not seen.any():
        raise DatasetError(f"{image} has no valid pixel to look at")
    stretch = _stretch(reference, _piece(reference.array, box, (rows, cols)), valid=seen)
    crops = [
        Crop(variant=v, png=_png(_piece(read_image(path).array, box, (rows, cols)), stretch))
        for v, path in paths.items()
    ]
    what = f", around “{around[0]}”" if around else ""
    place = f"rows {box[0]}–{box[0] + box[2]}, columns {box[1]}–{box[1] + box[3]}{what}"
    scale = max(3, _ENLARGED_PX // side)
    return Look(
        image=image,
        place=place,
        stretch=_stretch_text(stretch, reference.array),
        width_px=box[3],
        height_px=box[2],
        scale=scale,
        crops=tuple(crops),
    )


def _typical(objects: list[tuple[str, Any]], side: int) -> tuple[str, Any] | None:
    """The largest object that fits; else the smallest of those that do not."""
    fitting = [o for o in objects if max(o[1][2:]) <= side]
    if fitting:
        return max(fitting, key=lambda o: o[1][2] * o[1][3])
    return min(objects, key=lambda o: o[1][2] * o[1][3], default=None)


def _around(bbox: Any, side: int, rows: int, cols: int) -> Box:
    x, y, width, height = bbox
    row = int(np.clip(y + height / 2 - side / 2, 0, rows - side))
    col = int(np.clip(x + width / 2 - side / 2, 0, cols - side))
    return row, col, side, side


def _liveliest(array: Array, side: int, *, valid: BoolArray) -> Box:
    """The piece of a grid with the most contrast among valid pixels: nothing is seen in an empty sky."""
    rows, cols = array.shape[:2]
    corners = [(r, c) for r in range(0, rows - side + 1, side) for c in range(0, cols - side + 1, side)]
    row, col = max(corners, key=lambda at: _contrast(array, valid, (*at, side, side)))
    return row, col, side, side


def _contrast(array: Array, valid: BoolArray, box: Box) -> float:
    """The standard deviation of the valid pixels of a piece, times their share; -1 where there are none."""
    seen = _piece(valid, box, array.shape[:2])
    if not seen.any():
        return -1.0
    return float(np.nan_to_num(_piece(array, box, array.shape[:2])[seen].std(dtype=float)) * seen.mean())


def _piece(array: Array, box: Box, reference: tuple[int, ...]) -> Array:
    """The same piece of the ground in an image that may have more or fewer pixels than the reference."""
    tall, wide = array.shape[0] / reference[0], array.shape[1] / reference[1]
    row, col, rows, cols = (round(v * s) for v, s in zip(box, (tall, wide, tall, wide), strict=True))
    return array[row : row + max(rows, 1), col : col + max(cols, 1)]


def _stretch(picture: Picture, piece: Array, *, valid: BoolArray) -> _Stretch:
    bands = _shown_bands(picture)
    as_is = piece.dtype == np.uint8 and piece.shape[2] <= 4
    flat = piece[..., list(bands)].reshape(-1, len(bands)).astype(float)
    flat[~np.isfinite(flat) | ~valid.reshape(-1, 1)] = np.nan
    if as_is or np.isnan(flat).all(axis=0).any():
        return _Stretch(bands=bands, low=np.zeros(len(bands)), high=np.full(len(bands), 255.0), as_is=as_is)
    low, high = np.nanpercentile(flat, [2, 98], axis=0)
    return _Stretch(bands=bands, low=low, high=np.maximum(high, low + 1e-12), as_is=False)


def _shown_bands(picture: Picture) -> tuple[int, ...]:
    """Red, green, blue where the file names them; else the first three; else the first."""
    named = {name: k for k, name in enumerate(picture.profile.colorinterp)}
    if {"red", "green", "blue"} <= set(named):
        return named["red"], named["green"], named["blue"]
    return (0, 1, 2) if picture.array.shape[2] >= 3 else (0,)


def _png(piece: Array, stretch: _Stretch) -> bytes:
    values = piece[..., [b for b in stretch.bands if b < piece.shape[2]]]
    if not stretch.as_is:
        share = (values.astype(float) - stretch.low) / (stretch.high - stretch.low)
        values = np.rint(255 * np.clip(np.nan_to_num(share), 0, 1)).astype(np.uint8)
    return bytes(encode_image(np.ascontiguousarray(values), ".png"))


def _stretch_text(stretch: _Stretch, array: Array) -> str:
    if stretch.as_is:
        return ""
    ranges = ", ".join(
        f"band {b + 1}: {number_text(float(low))}–{number_text(float(high))}"
        for b, low, high in zip(stretch.bands, stretch.low, stretch.high, strict=True)
    )
    kind = f"{array.dtype}, {array.shape[2]} band{'s' if array.shape[2] > 1 else ''}"
    return f"{kind}; stretched alike for all variants, 2nd to 98th percentile of the reference's piece ({ranges})"
