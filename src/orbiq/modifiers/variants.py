"""Variants: the modified dataset, made once, whole or absent, and reused.

A variant is a folder `<dataset>#<slug>-<short hash>` beside its source (or in `variants_dir`) with the same
structure, annotations carried along, and `variant.json`: source fingerprint, settings, version, seed, achieved
values, bytes of each image, time. The hash is that of source, settings and seed, so a changed source makes another
variant.
"""

import errno
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import cv2

import orbiq
from orbiq.arrays import IDENTITY, Affine
from orbiq.cache import (
    content_key,
    fingerprint,
    finished_or_absent,
    read_json_or,
    replaced_folder,
    storage_errors,
    without_nan,
    write_json,
)
from orbiq.codecs.standard import lossless_coding
from orbiq.datasets.folder import Dataset, check_images, open_dataset, read_scene
from orbiq.errors import DatasetError, OrbiqError, SettingError, StorageError
from orbiq.imageio import Profile, image_shape, write_bytes, write_image
from orbiq.modifiers.base import Chain, Modified, build_chain, chain_configs, chain_text
from orbiq.modifiers.labels import carry_labels
from orbiq.numerics import image_rng
from orbiq.records import REFERENCE, Rate
from orbiq.registry import Config, parse_spec

Store = Literal["source", "encoded"]
Tick = Callable[[int, int], None]
"""Called with (done, total) while a variant is made."""
VARIANT_FILE = "variant.json"
_LOSSY_SUFFIXES = {".jpg", ".jpeg"}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A dataset as the task gets it: `name` in text form ("reference" for the source), folder, rate, key."""

    name: str
    path: Path
    rate: Rate
    key: str
    source: str
    """The source dataset's name."""
    reused: bool = False


@dataclass(frozen=True, kw_only=True)
class _Made:
    """What came of one image."""

    name: str
    new_name: str
    n_bytes: int
    shape: tuple[int, int, int]
    coding: str
    affine: Affine
    achieved: dict[str, float]


def modify(
    dataset: str | Path,
    modifier: str | list[Config],
    *,
    seed: int = 0,
    store: Store = "source",
    variants_dir: Path | None = None,
    jobs: int | None = None,
    tick: Tick | None = None,
) -> Variant:
    """Make (or reuse) the variant of a dataset under a modifier, in one line.

        orbiq.modify("data/airports", "jpeg:quality=50").path

    Raises SettingError for a wrong modifier, DatasetError or ImageError for a dataset that cannot be read,
    StorageError where there is no room or right to write.
    """
    source = open_dataset(dataset)
    chain = build_chain(parse_spec(modifier) if isinstance(modifier, str) else modifier)
    mark = fingerprint(source.path)
    return make_variant(
        source, chain, source_key=mark, seed=seed, store=store, variants_dir=variants_dir, jobs=jobs, tick=tick
    )


def variant_key(chain: Chain, *, source_key: str, seed: int, store: Store) -> str:
    """The content key of a variant: source, settings, seed, how it is stored, and the modifiers' versions."""
    versions = [getattr(step, "version", 1) for step in chain.steps]
    return content_key(
        {"source": source_key, "modifier": chain_configs(chain), "versions": versions, "seed": seed, "store": store}
    )


def variant_path(source: Dataset, chain: Chain, *, key: str, variants_dir: Path | None) -> Path:
    """`<dataset>#<slug>-<short hash>` beside the source, or in `variants_dir`."""
    slug = re.sub(r"[^\w.=,+-]+", "_", chain_text(chain).replace(":", "-").replace(">", "+"))[:80]
    parent = variants_dir if variants_dir is not None else source.path.parent
    return parent / f"{source.path.name}#{slug}-{key[:8]}"


def make_variant(
    source: Dataset,
    chain: Chain,
    *,
    source_key: str,
    seed: int,
    store: Store = "source",
    variants_dir: Path | None = None,
    jobs: int | None = None,
    tick: Tick | None = None,
) -> Variant:
    """The variant of `source` under `chain`; an existing one of the same key is reused."""
    key = variant_key(chain, source_key=source_key, seed=seed, store=store)
    folder = variant_path(source, chain, key=key, variants_dir=variants_dir)
    reused = finished_variant(folder, key=key)
    if reused is not None:
        return reused
    check_images(source)
    started = time.time()
    with _placed(folder) as work:
        images_dir = work / source.images_dir.name
        made = list(_all_images(source, chain, images_dir=images_dir, seed=seed, store=store, jobs=jobs, tick=tick))
        _refuse_collisions(made, source)
        carry_labels(source, work, moves={m.name: (m.new_name, m.affine, m.shape) for m in made}, params=_params(chain))
        about = {
            "schema": 1,
            "orbiq": orbiq.__version__,
            "key": key,
            "name": chain_text(chain),
            "source": {"name": source.name, "fingerprint": source_key},
            "modifier": chain_configs(chain),
            "seed": seed,
            "store": store,
            "rate": vars(_rate(made)),
            "images": {m.new_name: _about(m) for m in made},
            "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
            "duration_s": round(time.time() - started, 3),
        }
        write_json(work / VARIANT_FILE, without_nan(about))
        if finished_variant(folder, key=key) is None:
            replaced_folder(folder)  # a damaged one; what another orbiq has just finished stays
    done = finished_variant(folder, key=key)
    if done is None:
        raise DatasetError(f"variant {folder.name!r} is not what was just written; is something else changing it?")
    return Variant(**{**vars(done), "reused": False})


@contextmanager
def _placed(folder: Path) -> Iterator[Path]:
    """The folder to fill; where nothing can be written beside the source, the way out is another place."""
    try:
        with finished_or_absent(folder) as work:
            yield work
    except StorageError as error:
        if getattr(error.__cause__, "errno", None) not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        raise StorageError(
            f"{folder.parent} cannot be written, where the variant {folder.name} would stand beside its dataset. "
            "State variants_dir: in the experiment (--out of orbiq modify), a folder that can."
        ) from error


def _about(made: _Made) -> dict[str, Any]:
    renamed = {"source": made.name} if made.name != made.new_name else {}
    return {"bytes": made.n_bytes, **renamed, **({"achieved": made.achieved} if made.achieved else {})}


def source_names(variant: Path) -> dict[str, str]:
    """Image name in a variant's folder → its name in the source, of those that were renamed."""
    about = read_json_or(variant / VARIANT_FILE, {})
    return {name: image["source"] for name, image in about.get("images", {}).items() if "source" in image}


def finished_variant(folder: Path, *, key: str) -> Variant | None:
    """The variant in a folder when it is the one of this key; None otherwise."""
    about = read_json_or(folder / VARIANT_FILE, {})
    if about.get("key") != key:
        return None
    try:
        rate, source = Rate(**about["rate"]), about["source"]["name"]
        return Variant(name=about["name"], path=folder, rate=rate, key=key, source=source, reused=True)
    except (KeyError, TypeError):  # damaged
        return None


def reference_variant(
    source: Dataset, *, source_key: str, rates_dir: Path, jobs: int | None = None, tick: Tick | None = None
) -> Variant:
    """The unmodified dataset, in place, weighed in the stated lossless coding (remembered in `rates_dir`)."""
    remembered = rates_dir / f"{source_key[:16]}.json"
    known = read_json_or(remembered, {})
    reused = set(known) == {f.name for f in fields(Rate)}
    if not reused:
        check_images(source)
        made = list(_each(lambda name: _weighed(source, name), source.images, jobs=jobs, tick=tick))
        known = vars(_rate(made))
        write_json(remembered, known)
    return Variant(
        name=REFERENCE, path=source.path, rate=Rate(**known), key=source_key, source=source.name, reused=reused
    )


def _all_images(
    source: Dataset, chain: Chain, *, images_dir: Path, seed: int, store: Store, jobs: int | None, tick: Tick | None
) -> Iterable[_Made]:
    with storage_errors(images_dir):
        for parent in {images_dir / PurePosixPath(name).parent for name in source.images}:
            parent.mkdir(parents=True, exist_ok=True)

    def work(name: str) -> _Made:
        return _make_image(source, name, chain=chain, images_dir=images_dir, seed=seed, store=store)

    return _each(work, source.images, jobs=jobs, tick=tick)


def _make_image(source: Dataset, name: str, *, chain: Chain, images_dir: Path, seed: int, store: Store) -> _Made:
    scene, profile = read_scene(source, name)
    try:
        modified = chain(scene, rng=image_rng(seed, name))
        new_name = _stored_name(name, modified, store=store)
        _store(images_dir / new_name, modified, profile=profile, store=store)
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
    return _Made(
        name=name,
        new_name=new_name,
        n_bytes=n_bytes,
        shape=modified.scene.shape,
        coding=coding,
        affine=modified.affine,
        achieved=modified.achieved,
    )


def _stored_name(name: str, modified: Modified, *, store: Store) -> str:
    pure = PurePosixPath(name)
    if store == "encoded":
        if modified.stream is None or not modified.suffix:
            raise SettingError(
                f"store: encoded keeps the codec's own files, and the last step leaves none for {name!r} "
                f"({modified.scene.shape[2]} bands). Use store: source, or end the chain with a codec that has files."
            )
        return pure.with_suffix(modified.suffix).as_posix()
    # a JPEG source is stored as PNG: a second lossy coding would be an effect that nobody asked for
    return pure.with_suffix(".png").as_posix() if pure.suffix.lower() in _LOSSY_SUFFIXES else name


def _store(path: Path, modified: Modified, *, profile: Profile, store: Store) -> None:
    if store == "encoded" and modified.stream is not None:
        write_bytes(path, modified.stream)
        return
    array = modified.scene.array
    if path.suffix.lower() in {".png", ".bmp"}:
        write_image(path, array)
    else:
        write_image(path, array, profile=profile.with_transform(modified.scene.transform), mask=modified.scene.mask)


def _weighed(source: Dataset, name: str) -> _Made:
    scene, _ = read_scene(source, name)
    coding, n_bytes = lossless_coding(scene.array)
    return _Made(
        name=name, new_name=name, n_bytes=n_bytes, shape=scene.shape, coding=coding, affine=IDENTITY, achieved={}
    )


def _each(
    work: Callable[[str], _Made], names: tuple[str, ...], *, jobs: int | None, tick: Tick | None
) -> Iterable[_Made]:
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


def _rate(made: list[_Made]) -> Rate:
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


def _refuse_collisions(made: list[_Made], source: Dataset) -> None:
    seen: dict[str, str] = {}
    for m in made:
        if m.new_name in seen:
            raise DatasetError(
                f"dataset {source.name!r} has {seen[m.new_name]!r} and {m.name!r}, which would both become "
                f"{m.new_name!r}. Rename one of them."
            )
        seen[m.new_name] = m.name


def _params(chain: Chain) -> dict[str, Any]:
    return {"modifier": chain_text(chain)}


def estimated_bytes(source: Dataset) -> int:
    """About how much disk a variant of this dataset takes: as much as its pixels take uncompressed, halved."""
    total = 0
    for name in source.images[:20]:
        rows, cols, bands, dtype = image_shape(source.image_path(name))
        total += rows * cols * bands * dtype.itemsize
    return total * len(source.images) // max(1, min(20, len(source.images))) // 2
