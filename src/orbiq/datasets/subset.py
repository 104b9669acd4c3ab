"""A small part of a dataset, as a dataset of its own."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

from orbiq.cache import read_json_or, write_json
from orbiq.datasets.coco import read_coco, write_coco
from orbiq.datasets.folder import Dataset


def write_subset(source: Dataset, names: list[str], folder: Path) -> Path:
    """Copy the images of these names, and what belongs to them, into a new dataset folder; returns it."""
    for name in names:
        target = folder / source.images_dir.name / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.image_path(name), target)
    if source.annotations_path is not None:
        annotations = read_coco(source.annotations_path)
        images = tuple(image for image in annotations.images if image.file_name in names)
        kept = {image.id for image in images}
        objects = tuple(thing for thing in annotations.objects if thing.image_id in kept)
        write_coco(folder / source.annotations_path.name, replace(annotations, images=images, objects=objects))
    if source.geojson_path is not None:
        content = json.loads(source.geojson_path.read_text(encoding="utf-8"))
        features = content.get("features", [])
        content["features"] = [f for f in features if (f.get("properties") or {}).get("image_filename") in names]
        write_json(folder / source.geojson_path.name, content)
    if source.masks_dir is not None:
        shutil.copytree(source.masks_dir, folder / source.masks_dir.name)
    description = read_json_or(source.path / "dataset.json", None)
    if description is not None:
        if "scenes" in description:
            description["scenes"] = {k: v for k, v in description["scenes"].items() if k in names}
        write_json(folder / "dataset.json", description)
    return folder


def some_images(source: Dataset, count: int) -> list[str]:
    """Up to `count` image names, spread over the dataset, those with objects first when it has annotations."""
    names = list(source.images)
    if source.annotations_path is not None:
        annotations = read_coco(source.annotations_path)
        busy = {thing.image_id for thing in annotations.objects}
        with_objects = {image.file_name for image in annotations.images if image.id in busy}
        names = [n for n in names if n in with_objects] or names
    step = max(1, len(names) // count)
    return names[::step][:count]
