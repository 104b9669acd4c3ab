"""Masks: the class map of each image, a file of the same name in `masks/` (or `<images>_mask/`).

The mask of `7/0012.tif` is `7/0012` or `7/0012_mask` with any image suffix, for a variant may store its images
in another format.
"""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from orbiq.datasets.folder import Dataset, image_names
from orbiq.errors import DatasetError


def mask_paths(dataset: Dataset) -> dict[str, Path]:
    """Image name → the file of its mask, for all images; DatasetError where one has none, or two."""
    if dataset.masks_dir is None:
        raise DatasetError(
            f"dataset {dataset.name!r} has no masks; expected a class map of each image in masks/ or "
            f"{dataset.images_dir.name}_mask/, named as the image is."
        )
    by_stem: dict[str, list[str]] = {}
    for name in image_names(dataset.masks_dir):
        by_stem.setdefault(_stem(name), []).append(name)
    return {image: dataset.masks_dir / _only(_masks_of(image, by_stem), image, dataset) for image in dataset.images}


def _masks_of(image: str, by_stem: dict[str, list[str]]) -> list[str]:
    stem = _stem(image)
    return [*by_stem.get(stem, ()), *by_stem.get(f"{stem}_mask", ())]


def _only(found: Iterable[str], image: str, dataset: Dataset) -> str:
    names = list(found)
    if len(names) == 1:
        return names[0]
    where = f"{dataset.masks_dir.name if dataset.masks_dir else 'masks'}/"
    came = f"both {where}{names[0]} and {where}{names[1]}" if names else f"no mask in {where}"
    raise DatasetError(
        f"image {image!r} of dataset {dataset.name!r} has {came}; expected one file such as {where}{_stem(image)}.png."
    )


def _stem(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()
