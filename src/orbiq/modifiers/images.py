"""Single images of a dataset: modified and stored, or weighed as they are, as many at a time as there are cores."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

import cv2
import numpy as np

from orbiq.arrays import IDENTITY, Scene
from orbiq.cache import storage_errors
from orbiq.codecs.standard import lossless_coding
from orbiq.datasets.folder import Dataset, read_scene
from orbiq.datasets.visible import Move
from orbiq.errors import DatasetError, OrbiqError, SettingError, StorageError
from orbiq.imageio import WRITABLE_SUFFIXES, Profile, write_image
from orbiq.modifiers.alpha import joined, parted
from orbiq.modifiers.base import Chain, Modified, chain_text
from orbiq.modifiers.encoded import check_encoded, encoded_suffix, kept_without
from orbiq.modifiers.placing import moved_profile
from orbiq.numerics import image_rng
from orbiq.pictures import representable
from orbiq.records import Rate

Store = Literal["source", "encoded"]
Tick = Callable[[int, int], None]
"""Called with (done, total) while images are worked on."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What came of one image."""

    name: str
    new_name: str
    n_bytes: int
    shape: tuple[int, int, int]
    coding: str
    move: Move
    achieved: dict[str, float]
    notes: tuple[str, ...] = ()


def make_images(
    source: Dataset, chain: Chain, *, images_dir: Path, seed: int, store: Store, jobs: int | None, tick: Tick | None
) -> Iterable[Made]:
    """Modify every image of `source` and store it in `images_dir`."""
    with storage_errors(images_dir):
        for parent in {images_dir / PurePosixPath(name).parent for name in source.images}:
            parent.mkdir(parents=True, exist_ok=True)

    def work(name: str) -> Made:
        return _make_image(source, name, chain=chain, images_dir=images_dir, seed=seed, store=store)

    return _each(work, source.images, jobs=jobs, tick=tick)


def _make_image(source: Dataset, name: str, *, chain: Chain, images_dir: Path, seed: int, store: Store) -> Made:
    scene, profile = read_scene(source, name)
    scene, alpha = parted(scene, profile)
    try:
        if store == "encoded":
            check_encoded(source, profile)
        modified = chain(scene, rng=image_rng(seed, name))
        nodata = source.nodata if profile.nodata is None else profile.nodata
        modified = replace(modified, scene=apart_from_nodata(modified.scene, nodata))
        move = Move(
            affine=modified.affine,
            before=scene.shape[:2],
            after=modified.scene.shape[:2],
            between=modified.between,
        )
        new_name = _stored_name(name, modified, profile=profile, store=store)
        if store == "encoded":
            path = images_dir / new_name
            modified = kept_without(modified, path, profile, alpha=alpha is not None, peak=source.peak)
        else:
            whole = replace(modified, scene=joined(modified.scene, alpha, move))
            _store(images_dir / new_name, whole, profile=profile)
        coding, n_bytes = modified.coding, modified.encoded_bytes
        if n_bytes is None:
            coding, n_bytes = lossless_coding(modified.scene.array)
    except StorageError:
        raise
    except OrbiqError as error:
        raise type(error)(f"{source.name}/{name}: {error}") from error
    except Exception as error:  # a user's own modifier may fail as it likes
        what = f"{type(error).__name__}: {error}"
        raise SettingError(f"modifier {chain_text(chain)} failed on {source.name}/{name}: {what}") from error
    return Made(
        name=name,
        new_name=new_name,
        n_bytes=n_bytes,
        shape=modified.scene.shape,
        coding=coding,
        move=move,
        achieved=modified.achieved,
        notes=modified.notes,
    )


def apart_from_nodata(scene: Scene, nodata: float | None) -> Scene:
    """The scene without valid pixels that hold nodata in all bands: they would be masked when the file is read.

    Where noise, a codec or a darker level brought a pixel there, its first band takes the next value above, or below
    where nodata is the peak.

    >>> dark = Scene(array=np.array([[[0, 0], [0, 7]]], np.uint8))
    >>> apart_from_nodata(dark, 0).array.tolist()
    [[[1, 0], [0, 7]]]
    """
    dtype = scene.array.dtype
    if nodata is None or np.isnan(nodata) or not representable(nodata, dtype):
        return scene
    lost = (scene.array == nodata).all(axis=2)
    if scene.mask is not None:
        lost &= scene.mask
    if not lost.any():
        return scene
    array, value = scene.array.copy(), dtype.type(nodata)
    whole = dtype.kind in "iu"
    highest = min(np.iinfo(dtype).max, scene.peak or np.inf) if whole else np.inf
    up = nodata < highest
    array[lost, 0] = nodata + (1 if up else -1) if whole else np.nextafter(value, dtype.type(np.inf if up else -np.inf))
    return replace(scene, array=array)


def _stored_name(name: str, modified: Modified, *, profile: Profile, store: Store) -> str:
    pure = PurePosixPath(name)
    if store == "encoded":
        return pure.with_suffix(encoded_suffix(modified, name)).as_posix()
    if pure.suffix.lower() in WRITABLE_SUFFIXES:
        return name
    # a JPEG source is stored as PNG, where that holds it: a second lossy coding would be an effect nobody asked for
    held = modified.scene.shape[2] in {1, 3} and modified.scene.array.dtype.name in {"uint8", "uint16"}
    held = held and (profile.crs, profile.transform, profile.peak) == (None, None, None)
    return pure.with_suffix(".png" if held else ".tif").as_posix()


def _store(path: Path, modified: Modified, *, profile: Profile) -> None:
    array = modified.scene.array
    if path.suffix.lower() in {".png", ".bmp"}:
        write_image(path, array)
    else:
        placed = moved_profile(profile, modified.affine)
        if modified.scene.transform != profile.transform:  # a modifier that says nothing of it has forgotten it
            placed = placed.with_transform(modified.scene.transform)
        write_image(path, array, profile=placed, mask=modified.scene.mask)


def weigh_images(source: Dataset, *, jobs: int | None, tick: Tick | None) -> Iterable[Made]:
    """Weigh every image of a dataset in the stated lossless coding."""
    return _each(lambda name: _weighed(source, name), source.images, jobs=jobs, tick=tick)


def _weighed(source: Dataset, name: str) -> Made:
    scene, _ = parted(*read_scene(source, name))
    coding, n_bytes = lossless_coding(scene.array)
    still = Move(affine=IDENTITY, before=scene.shape[:2], after=scene.shape[:2])
    return Made(name=name, new_name=name, n_bytes=n_bytes, shape=scene.shape, coding=coding, move=still, achieved={})


def _each(
    work: Callable[[str], Made], names: tuple[str, ...], *, jobs: int | None, tick: Tick | None
) -> Iterable[Made]:
    """Results in the order of the names; as many at work as there are cores, none queued in memory."""
    cv2.setNumThreads(1)  # the images are the parallel axis
    with ThreadPoolExecutor(max_workers=jobs or os.cpu_count() or 1) as pool:
        futures = [pool.submit(work, name) for name in names]
        try:
            for done, future in enumerate(futures, start=1):
                yield future.result()
                if tick:
                    tick(done, len(names))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def rate_of(made: list[Made]) -> Rate:
    """The rate of all images together."""
    if not made:
        raise DatasetError("a dataset without images has no rate")
    total = sum(m.n_bytes for m in made)
    pixels = sum(m.shape[0] * m.shape[1] for m in made)
    samples = sum(m.shape[0] * m.shape[1] * m.shape[2] for m in made)
    codings = sorted({m.coding for m in made})
    return Rate(
        bytes_per_image=total / len(made),
        bits_per_pixel=8 * total / pixels,
        bits_per_sample=8 * total / samples,
        total_bytes=total,
        n_images=len(made),
        coding="+".join(codings),
        lossless=bool({"jpeg-ls", "deflate"} & set(codings)),
    )


def refuse_collisions(made: list[Made], source: Dataset) -> None:
    """Two images must not become one file, as a.png and a.tif could when a codec's own files are kept."""
    seen: dict[str, str] = {}
    for m in made:
        if m.new_name in seen:
            raise DatasetError(
                f"dataset {source.name!r} has {seen[m.new_name]!r} and {m.name!r}, which would both become "
                f"{m.new_name!r}. Rename one of them."
            )
        seen[m.new_name] = m.name
