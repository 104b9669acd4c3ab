"""A dataset is a folder: images in one subfolder, ground truth and `dataset.json` beside it.

    airports/
      images/            any name without "mask"; class subfolders are labels
      annotations.json   COCO, or *.geojson (optional)
      masks/             or images_mask/ (optional)
      dataset.json       what the pixels do not say (optional)

`dataset.json` may hold: schema (1), name, images, annotations (names of the above where they are ambiguous), peak (the
largest value the data can hold), gsd_m (metres on the ground per pixel), nodata, scenes ({image: scene id}) and
params (the user's own keys and values). Nothing else: an unknown key is an error that says what was meant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import Any

import numpy as np

from orbiq.arrays import Scene
from orbiq.datasets.description import Description, read_description
from orbiq.errors import DatasetError
from orbiq.imageio import IMAGE_SUFFIXES, Picture, Profile, read_image, valid_mask

NOT_ANNOTATIONS = frozenset({"dataset.json", "variant.json"})
NOT_IMAGES = frozenset({"stats"})


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset folder, looked at but not read.

    `images` names relative to `images_dir`, POSIX, sorted; `scene_ids` image → scene (images of one scene are not
    independent); `params` the user's own keys; `peak`, `gsd_m` and `nodata` as dataset.json states them.
    """

    path: Path
    name: str
    images_dir: Path
    images: tuple[str, ...]
    annotations_path: Path | None = None
    geojson_path: Path | None = None
    masks_dir: Path | None = None
    peak: float | None = None
    gsd_m: float | None = None
    nodata: float | None = None
    scene_ids: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    params: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def labels(self) -> dict[str, str | None]:
        """Image → the class folder it lies in ("beach/01.png" → "beach"), None where it lies in none."""
        return {name: (str(PurePosixPath(name).parent) if "/" in name else None) for name in self.images}

    def image_path(self, name: str) -> Path:
        """Where the image of this name is."""
        return self.images_dir / name


def open_dataset(path: str | Path) -> Dataset:
    """The dataset in the folder at `path`; DatasetError says what is missing and what is expected."""
    folder = _existing_folder(Path(path))
    described = read_description(folder)
    annotations = _annotations_path(folder, described)
    images_dir = _images_dir(folder, described, annotations)
    images = tuple(image_names(images_dir))
    _known_images(described, images, folder)
    return Dataset(
        path=folder,
        name=described.name or folder.name,
        images_dir=images_dir,
        images=images,
        annotations_path=annotations,
        geojson_path=next(iter(_visible(folder, "*.geojson")), None),
        masks_dir=_masks_dir(folder, images_dir),
        peak=described.peak,
        gsd_m=described.gsd_m,
        nodata=described.nodata,
        scene_ids=MappingProxyType(dict(described.scenes)),
        params=MappingProxyType(dict(described.params)),
    )


def image_names(folder: Path) -> list[str]:
    """Names of all images below `folder`, relative to it, POSIX, sorted; hidden files and folders are passed over."""
    found = []
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)
        if path.suffix.lower() in IMAGE_SUFFIXES and not hidden and path.is_file():
            found.append(name.as_posix())
    return sorted(found)


def check_images(dataset: Dataset) -> None:
    """Refuse a dataset whose files cannot be what its annotations say, without decoding any.

    DatasetError where an annotated image does not exist, where a file name climbs out of the folder (absolute,
    `..`, or a link that leads outside), or where an image has zero bytes; it names the first few.
    """
    from orbiq.datasets.coco import read_coco

    if dataset.annotations_path is not None:
        names = [image.file_name for image in read_coco(dataset.annotations_path).images]
        for name in names:
            _refuse_climbing(name, dataset)
        missing = sorted(set(names) - set(dataset.images))
        if missing:
            raise DatasetError(
                f"{dataset.annotations_path.name} of dataset {str(dataset.path)!r} lists {len(missing)} images "
                f"that are not in {dataset.images_dir.name}/: {_some(missing)}. "
                "Names are relative to that folder; add the files or remove the entries."
            )
    for name in dataset.images:
        _refuse_climbing(name, dataset)
    empty = [name for name in dataset.images if dataset.image_path(name).stat().st_size == 0]
    if empty:
        raise DatasetError(
            f"dataset {str(dataset.path)!r} has {len(empty)} empty images (0 bytes): {_some(empty)}. "
            "Copy them again or remove them, and their annotations."
        )


def read_scene(dataset: Dataset, name: str) -> tuple[Scene, Profile]:
    """The image of this name as modifiers and metrics take it, and what must survive when it is written again.

    What dataset.json states goes before what the file states, save nodata, which it states only for files
    that have none.
    """
    picture = read_image(dataset.image_path(name))
    scene = Scene(
        array=picture.array,
        mask=_mask(picture, dataset.nodata),
        peak=_peak(picture, dataset.peak),
        gsd_m=dataset.gsd_m,
        transform=picture.profile.transform,
        calibrations=picture.profile.calibrations,
        name=name,
    )
    return scene, picture.profile


def _peak(picture: Picture, stated: float | None) -> float | None:
    if stated is not None:
        return stated
    if picture.profile.peak is None and picture.array.dtype == np.uint8:
        return 255.0
    return picture.profile.peak


def _mask(picture: Picture, nodata: float | None) -> Any:
    if nodata is None or picture.profile.nodata is not None:
        return picture.mask
    more = valid_mask(picture.array, nodata=nodata)
    return more if picture.mask is None else picture.mask if more is None else picture.mask & more


def _existing_folder(path: Path) -> Path:
    if not path.exists():
        raise DatasetError(f"dataset {str(path)!r} does not exist; expected a folder of images. Correct the path.")
    if not path.is_dir():
        raise DatasetError(
            f"dataset {str(path)!r} is a file; expected the folder that holds images/ and its annotations."
        )
    # "." has no name of its own, and variants are called after the dataset
    return path if path.name not in ("", "..") else path.resolve()


def _visible(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if path.is_file() and not path.name.startswith("."))


def _annotations_path(folder: Path, described: Description) -> Path | None:
    if described.annotations is not None:
        path = folder / described.annotations
        if not path.is_file():
            raise DatasetError(
                f"dataset.json of {str(folder)!r} names annotations {described.annotations!r}, which do not exist."
            )
        return path
    return next((path for path in _visible(folder, "*.json") if path.name not in NOT_ANNOTATIONS), None)


def _images_dir(folder: Path, described: Description, annotations: Path | None) -> Path:
    if described.images is not None:
        named = folder / described.images
        if not named.is_dir() or not image_names(named):
            raise DatasetError(
                f"dataset.json of {str(folder)!r} names images folder {described.images!r}, which holds no images."
            )
        return named
    candidates = [path for path in sorted(folder.iterdir()) if _may_hold_images(path) and image_names(path)]
    if len(candidates) > 1:
        return _pointed_at(candidates, folder=folder, annotations=annotations)
    if not candidates:
        loose = [path.name for path in sorted(folder.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES]
        found = f"images directly in it ({_some(loose)})" if loose else "no images"
        raise DatasetError(
            f"dataset {str(folder)!r} has {found}; expected a subfolder of images, for example "
            f"{folder.name}/images/*.png ({', '.join(sorted(IMAGE_SUFFIXES))})."
        )
    return candidates[0]


def _may_hold_images(path: Path) -> bool:
    name = path.name.lower()
    return path.is_dir() and not name.startswith(".") and "mask" not in name and name not in NOT_IMAGES


def _pointed_at(candidates: list[Path], *, folder: Path, annotations: Path | None) -> Path:
    from orbiq.datasets.coco import read_coco

    names = {image.file_name for image in read_coco(annotations).images} if annotations else set()
    fitting = [path for path in candidates if names and names <= set(image_names(path))]
    if len(fitting) == 1:
        return fitting[0]
    raise DatasetError(
        f"dataset {str(folder)!r} has {len(candidates)} folders with images: "
        f"{_some([path.name for path in candidates])}. Say which in dataset.json, for example "
        f'{{"schema": 1, "images": "{candidates[0].name}"}}, or put class folders into one images folder.'
    )


def _masks_dir(folder: Path, images_dir: Path) -> Path | None:
    candidates = (folder / "masks", folder / f"{images_dir.name}_mask")
    return next((path for path in candidates if path.is_dir()), None)


def _known_images(described: Description, images: tuple[str, ...], folder: Path) -> None:
    strangers = sorted(set(described.scenes) - set(images))
    if strangers:
        raise DatasetError(
            f"dataset.json of {str(folder)!r} gives a scene to {len(strangers)} images that do not exist: "
            f"{_some(strangers)}. Names are relative to the images folder."
        )


def _refuse_climbing(name: str, dataset: Dataset) -> None:
    pure = PurePosixPath(name.replace("\\", "/"))
    outside = pure.is_absolute() or PureWindowsPath(name).drive != "" or ".." in pure.parts
    outside = outside or not (dataset.images_dir / name).resolve().is_relative_to(dataset.path.resolve())
    if outside:
        raise DatasetError(
            f"image {name!r} of dataset {str(dataset.path)!r} lies outside the dataset's folder; expected a name "
            f"relative to {dataset.images_dir.name}/, without '..' and no link that leads outside. "
            "Copy the file into the folder."
        )


def _some(names: list[str], most: int = 5) -> str:
    more = f", and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
