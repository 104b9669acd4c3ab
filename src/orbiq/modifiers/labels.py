"""Labels follow: annotations, masks and dataset.json carried into a variant, renamed and moved with the images."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from math import isclose
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from orbiq.arrays import IDENTITY, Affine
from orbiq.cache import read_json_or, storage_errors, write_json
from orbiq.datasets.annotations import moved
from orbiq.datasets.coco import read_coco, write_coco
from orbiq.datasets.folder import Dataset, image_names
from orbiq.datasets.shapes import scale_of_area
from orbiq.errors import DatasetError
from orbiq.imageio import read_class_map, read_profile, write_image
from orbiq.modifiers.base import composed
from orbiq.modifiers.geometry_resampling import inverse

Moves = Mapping[str, tuple[str, Affine, tuple[int, int, int]]]
"""Image name → its new name, the affine map of its pixels, its new shape."""


def carry_labels(source: Dataset, work: Path, *, moves: Moves, params: Mapping[str, Any]) -> None:
    """Write the annotations, masks and dataset.json of `source` into the variant folder `work`."""
    renamed = {name: new for name, (new, _, _) in moves.items() if new != name}
    shifted = {name: affine for name, (_, affine, _) in moves.items() if affine != IDENTITY}
    _refuse_unmovable(source, shifted)
    with storage_errors(work):
        if source.annotations_path is not None:
            _carry_coco(source.annotations_path, work, moves=moves, changed=bool(renamed or shifted))
        if source.geojson_path is not None:
            _carry_geojson(source.geojson_path, work, renamed=renamed)
        if source.masks_dir is not None:
            _carry_masks(source.masks_dir, work / source.masks_dir.name, moves=moves, shifted=shifted)
    _carry_description(source, work, renamed=renamed, params=params)
    _carry_gsd(work, [affine for _, affine, _ in moves.values()])


def _refuse_unmovable(source: Dataset, shifted: Mapping[str, Affine]) -> None:
    """What says where an image lies in a way that does not follow its pixels yet must not be wrong afterwards."""
    for name in shifted:
        profile = read_profile(source.image_path(name))
        if profile.gcps or "RPC" in profile.tags:
            what = "ground control points" if profile.gcps else "rational polynomial coefficients (RPC)"
            raise DatasetError(
                f"image {name!r} of dataset {source.name!r} is placed by {what}, which do not follow when pixels move. "
                "Orthorectify it first, or remove them."
            )
        if source.geojson_path is not None and profile.transform is None:
            raise DatasetError(
                f"image {name!r} of dataset {source.name!r} has no place on the ground, so the outlines of "
                f"{source.geojson_path.name} are pixels, which do not follow. Write them as COCO annotations."
            )


def _carry_gsd(work: Path, affines: list[Affine]) -> None:
    """gsd_m of dataset.json divided by the scale of the images; left out where they have several."""
    content = read_json_or(work / "dataset.json", None)
    scales = [scale_of_area(affine) ** 0.5 for affine in affines]
    if content is None or content.get("gsd_m") is None or all(isclose(scale, 1) for scale in scales):
        return
    gsd_m = content.pop("gsd_m")
    if all(isclose(scale, scales[0]) for scale in scales):
        content["gsd_m"] = gsd_m / scales[0]
    write_json(work / "dataset.json", content)


def _carry_coco(path: Path, work: Path, *, moves: Moves, changed: bool) -> None:
    if not changed:
        shutil.copyfile(path, work / path.name)
        return
    affines = {name: affine for name, (_, affine, _) in moves.items()}
    sizes = {name: shape[:2] for name, (_, _, shape) in moves.items()}
    annotations = moved(read_coco(path), affines, sizes)
    images = tuple(
        replace(image, file_name=moves[image.file_name][0]) if image.file_name in moves else image
        for image in annotations.images
    )
    write_coco(work / path.name, replace(annotations, images=images))


def _carry_geojson(path: Path, work: Path, *, renamed: Mapping[str, str]) -> None:
    if not renamed:
        shutil.copyfile(path, work / path.name)
        return
    content = json.loads(path.read_text(encoding="utf-8"))
    for feature in content.get("features", []):
        properties = feature.get("properties") or {}
        name = str(properties.get("image_filename"))
        if name in renamed:
            properties["image_filename"] = renamed[name]
    write_json(work / path.name, content)


def _carry_masks(masks: Path, target: Path, *, moves: Moves, shifted: Mapping[str, Affine]) -> None:
    shutil.copytree(masks, target)
    if not shifted:
        return
    by_stem = {PurePosixPath(name).with_suffix("").as_posix(): name for name in shifted}
    for mask in image_names(target):
        stem = PurePosixPath(mask).with_suffix("").as_posix()
        name = by_stem.get(stem) or by_stem.get(stem.removesuffix("_mask"))
        if name is not None:
            _move_mask(target / mask, affine=shifted[name], shape=moves[name][2])


def _move_mask(path: Path, *, affine: Affine, shape: tuple[int, int, int]) -> None:
    picture = read_class_map(path)
    a, b, c, d, e, f = affine
    # cv2 counts from pixel centres, the affine from pixel corners: shift by half a pixel before and after
    matrix = np.array([[a, b, c + (a + b - 1) / 2], [d, e, f + (d + e - 1) / 2]], float)
    dtype = picture.array.dtype
    stored = picture.array.view(np.int32) if dtype == np.uint32 else picture.array  # cv2 moves no uint32
    warped = cv2.warpAffine(stored, matrix, (shape[1], shape[0]), flags=cv2.INTER_NEAREST)
    placed = picture.profile.transform
    profile = picture.profile.with_transform(None if placed is None else composed(inverse(affine), placed))
    write_image(path, warped.view(dtype).reshape(*shape[:2], -1), profile=profile)


def _carry_description(source: Dataset, work: Path, *, renamed: Mapping[str, str], params: Mapping[str, Any]) -> None:
    """dataset.json, where the source has one, with the modifier's parameters added and its images renamed."""
    content = read_json_or(source.path / "dataset.json", None)
    if content is None:
        return  # one JSON less that a script could take for the annotations
    content["params"] = {**content.get("params", {}), **params}
    if "scenes" in content:
        content["scenes"] = {renamed.get(name, name): scene for name, scene in content["scenes"].items()}
    write_json(work / "dataset.json", content)
