"""Labels follow: annotations, masks and dataset.json carried into a variant, renamed and moved with the images."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from math import isclose
from pathlib import Path, PurePosixPath
from typing import Any

from orbiq.arrays import Array
from orbiq.cache import read_json_or, storage_errors, write_json
from orbiq.datasets.coco import read_coco, write_coco
from orbiq.datasets.folder import Dataset, image_names
from orbiq.datasets.geojson import moved_geojson
from orbiq.datasets.moving import moved
from orbiq.datasets.shapes import moved_pixels, scale_of_area
from orbiq.datasets.visible import Move, hide_unseen
from orbiq.errors import DatasetError
from orbiq.imageio import read_class_map, write_image
from orbiq.modifiers.placing import moved_profile
from orbiq.pictures import representable

Moves = Mapping[str, Move]
"""Image name → how its pixels moved."""


def carry_labels(
    source: Dataset,
    work: Path,
    *,
    moves: Moves,
    names: Mapping[str, str],
    params: Mapping[str, Any],
    min_visible: float = 0.0,
) -> int:
    """Write the annotations, masks and dataset.json of `source` into the variant folder `work`.

    `names`: image name → its new one. Returns how many objects were dropped, see `orbiq.datasets.moving.moved`.
    """
    renamed = {name: new for name, new in names.items() if new != name}
    changed = {name: move for name, move in moves.items() if move.changes}
    dropped = 0
    with storage_errors(work):
        if source.annotations_path is not None:
            dropped += _carry_coco(source, work, moves=changed, renamed=renamed, min_visible=min_visible)
        if source.geojson_path is not None:
            dropped += _carry_geojson(source, work, moves=changed, renamed=renamed, min_visible=min_visible)
        if source.masks_dir is not None:
            _carry_masks(source.masks_dir, work / source.masks_dir.name, moves=changed)
    _carry_description(source, work, renamed=renamed, params=params)
    _carry_gsd(work, list(moves.values()))
    return dropped


def _carry_gsd(work: Path, moves: list[Move]) -> None:
    """gsd_m of dataset.json divided by the scale of the images; left out where they have several."""
    content = read_json_or(work / "dataset.json", None)
    scales = [scale_of_area(move.affine) ** 0.5 for move in moves]
    if content is None or content.get("gsd_m") is None or all(isclose(scale, 1) for scale in scales):
        return
    gsd_m = content.pop("gsd_m")
    if all(isclose(scale, scales[0]) for scale in scales):
        content["gsd_m"] = gsd_m / scales[0]
    write_json(work / "dataset.json", content)


def _carry_coco(source: Dataset, work: Path, *, moves: Moves, renamed: Mapping[str, str], min_visible: float) -> int:
    path = source.annotations_path or work
    if not moves and not renamed:
        shutil.copyfile(path, work / path.name)
        return 0
    before = read_coco(path)
    after = moved(before, moves, min_visible=min_visible)
    images = tuple(replace(i, file_name=renamed.get(i.file_name, i.file_name)) for i in after.images)
    write_coco(work / path.name, replace(after, images=images))
    return len(before.objects) - len(after.objects)


def _carry_geojson(source: Dataset, work: Path, *, moves: Moves, renamed: Mapping[str, str], min_visible: float) -> int:
    path = source.geojson_path or work
    if not moves and not renamed:
        shutil.copyfile(path, work / path.name)
        return 0
    content, dropped = moved_geojson(path, images_dir=source.images_dir, moves=moves, min_visible=min_visible)
    for feature in content["features"]:
        properties = feature.get("properties") or {}
        name = str(properties.get("image_filename"))
        if name in renamed:
            properties["image_filename"] = renamed[name]
    write_json(work / path.name, content)
    return dropped


def _carry_masks(masks: Path, target: Path, *, moves: Moves) -> None:
    shutil.copytree(masks, target)
    if not moves:
        return
    by_stem = {PurePosixPath(name).with_suffix("").as_posix(): name for name in moves}
    for mask in image_names(target):
        stem = PurePosixPath(mask).with_suffix("").as_posix()
        name = by_stem.get(stem) or by_stem.get(stem.removesuffix("_mask"))
        if name is not None:
            _move_mask(target / mask, name=mask, image=name, move=moves[name])


def _move_mask(path: Path, *, name: str, image: str, move: Move) -> None:
    picture = read_class_map(path)
    if picture.array.shape[:2] != move.before:
        raise DatasetError(
            f"mask {name!r} has {picture.array.shape[0]} × {picture.array.shape[1]} pixels and its image {image!r} "
            f"{move.before[0]} × {move.before[1]}; expected as many, for masks move with their images. Resample it."
        )
    nodata = picture.profile.nodata
    fill = nodata if nodata is not None and representable(nodata, picture.array.dtype) else 0
    array = _moved(picture.array, move, fill=fill)
    mask = None if picture.mask is None else _moved(picture.mask, move, fill=False)
    write_image(path, array, profile=moved_profile(picture.profile, move.affine), mask=mask)


def _moved(array: Array, move: Move, *, fill: float) -> Array:
    moved = moved_pixels(array, move.affine, size=move.after, fill=fill)
    hide_unseen(moved, move, fill=fill)
    return moved


def _carry_description(source: Dataset, work: Path, *, renamed: Mapping[str, str], params: Mapping[str, Any]) -> None:
    """dataset.json, where the source has one, with the modifier's parameters added and its images renamed."""
    content = read_json_or(source.path / "dataset.json", None)
    if content is None:
        return  # one JSON less that a script could take for the annotations
    content["params"] = {**content.get("params", {}), **params}
    if "scenes" in content:
        content["scenes"] = {renamed.get(name, name): scene for name, scene in content["scenes"].items()}
    write_json(work / "dataset.json", content)
