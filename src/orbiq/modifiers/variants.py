"""Variants: the modified dataset, made once, whole or absent, and reused.

A variant is a folder `<dataset>#<slug>-<short hash>` beside its source (or in `variants_dir`) with the same
structure, annotations carried along, and `variant.json`: source fingerprint, settings, version, seed, achieved
values, objects dropped, bytes of each image, time. The hash is that of source, settings and seed, so a changed source
makes another variant.
"""

import errno
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args

import orbiq
from orbiq.cache import (
    content_key,
    fingerprint,
    finished_or_absent,
    read_json_or,
    replaced_folder,
    without_nan,
    write_json,
)
from orbiq.datasets.folder import Dataset, check_images, open_dataset
from orbiq.errors import DatasetError, SettingError, StorageError
from orbiq.imageio import image_shape
from orbiq.modifiers.base import Chain, build_chain, chain_configs, chain_text
from orbiq.modifiers.images import Made, Store, Tick, make_images, rate_of, refuse_collisions, weigh_images
from orbiq.modifiers.labels import carry_labels
from orbiq.records import REFERENCE, Rate
from orbiq.registry import Config, expand, is_own, name_of, own_code, parse_spec

VARIANT_FILE = "variant.json"


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
    dropped: int = 0
    """Objects of the annotations that the images of the variant no longer show."""
    notes: tuple[str, ...] = ()
    """What was odd about some of the images."""

    def remarks(self, min_visible: float) -> list[str]:
        """What a person must know of it: how many objects were dropped, what was odd."""
        if not self.dropped:
            return list(self.notes)
        few = f"of which less than {min_visible:g} is left" if min_visible else "of which nothing is left"
        dropped = f"{self.dropped} {'object' if self.dropped == 1 else 'objects'} dropped, {few} in the image"
        return [dropped, *self.notes]


def modify(
    dataset: str | Path,
    modifier: str | list[Config],
    *,
    seed: int = 0,
    store: Store = "source",
    min_visible: float = 0.0,
    variants_dir: str | Path | None = None,
    jobs: int | None = None,
    tick: Tick | None = None,
) -> Variant:
    """Make (or reuse) the variant of a dataset under a modifier, in one line.

        orbiq.modify("data/airports", "jpeg:quality=50").path

    `min_visible`: where a modifier moves pixels, an object is dropped of which less than this share (0 to 1) of what
    its image showed still lies inside; at 0 those that lie outside altogether. See `orbiq.datasets.moving.moved`.

    Raises SettingError for a wrong modifier, DatasetError or ImageError for a dataset that cannot be read,
    StorageError where there is no room or right to write.
    """
    source = open_dataset(dataset)
    if store not in get_args(Store):
        raise SettingError(f"store is {store!r}; expected {' or '.join(get_args(Store))}")
    chain = build_chain(_one_chain(modifier) if isinstance(modifier, str) else modifier)
    mark = fingerprint(source.path)
    return make_variant(
        source,
        chain,
        source_key=mark,
        seed=seed,
        store=store,
        min_visible=min_visible,
        variants_dir=None if variants_dir is None else Path(variants_dir),
        jobs=jobs,
        tick=tick,
    )


def _one_chain(text: str) -> list[Config]:
    chains = expand(parse_spec(text))
    if len(chains) > 1:
        raise SettingError(
            f"{text!r} is a sweep of {len(chains)} variants, and this makes one; give one value, or one for each band "
            "in a list of its own, as in mtf:nyquist=[[0.2,0.1]]"
        )
    return chains[0]


def variant_key(chain: Chain, *, source_key: str, seed: int, store: Store, min_visible: float = 0.0) -> str:
    """The content key of a variant: source, settings, seed, how it is stored, the modifiers' versions or own code."""
    if not 0 <= min_visible <= 1:
        raise SettingError(f"min_visible is {min_visible:g}; expected a share of an object's area, from 0 to 1")
    versions = [own_code(step) if is_own(name_of(step)) else getattr(step, "version", 1) for step in chain.steps]
    about = {"source": source_key, "modifier": chain_configs(chain), "versions": versions, "seed": seed, "store": store}
    return content_key(about | ({"min_visible": float(min_visible)} if min_visible else {}))


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
    min_visible: float = 0.0,
    variants_dir: Path | None = None,
    jobs: int | None = None,
    tick: Tick | None = None,
) -> Variant:
    """The variant of `source` under `chain`; an existing one of the same key is reused."""
    key = variant_key(chain, source_key=source_key, seed=seed, store=store, min_visible=min_visible)
    folder = variant_path(source, chain, key=key, variants_dir=variants_dir)
    reused = finished_variant(folder, key=key)
    if reused is not None:
        return reused
    check_images(source)
    started = time.time()
    with _placed(folder) as work:
        images_dir = work / source.images_dir.name
        made = list(make_images(source, chain, images_dir=images_dir, seed=seed, store=store, jobs=jobs, tick=tick))
        refuse_collisions(made, source)
        dropped = carry_labels(
            source,
            work,
            moves={m.name: m.move for m in made},
            names={m.name: m.new_name for m in made},
            params=_params(chain),
            min_visible=min_visible,
        )
        about = {
            "schema": 1,
            "orbiq": orbiq.__version__,
            "key": key,
            "name": chain_text(chain),
            "source": {"name": source.name, "fingerprint": source_key},
            "modifier": chain_configs(chain),
            "seed": seed,
            "store": store,
            "labels": {"dropped": dropped, "min_visible": min_visible},
            "rate": vars(rate_of(made)),
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


def _about(made: Made) -> dict[str, Any]:
    renamed = {"source": made.name} if made.name != made.new_name else {}
    said = {"achieved": made.achieved, "notes": list(made.notes)}
    return {"bytes": made.n_bytes, **renamed, **{key: value for key, value in said.items() if value}}


def _summed(images: Mapping[str, Any]) -> tuple[str, ...]:
    """The notes of all images, each once, and of how many it is."""
    counts = Counter(note for image in images.values() for note in image.get("notes", ()))
    return tuple(f"{n} of {len(images)} images: {note}" for note, n in counts.most_common())


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
        dropped = int(about.get("labels", {}).get("dropped", 0))
        return Variant(
            name=about["name"],
            path=folder,
            rate=rate,
            key=key,
            source=source,
            reused=True,
            dropped=dropped,
            notes=_summed(about["images"]),
        )
    except (KeyError, TypeError, AttributeError):  # damaged
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
        made = list(weigh_images(source, jobs=jobs, tick=tick))
        known = vars(rate_of(made))
        write_json(remembered, known)
    return Variant(
        name=REFERENCE, path=source.path, rate=Rate(**known), key=source_key, source=source.name, reused=reused
    )


def _params(chain: Chain) -> dict[str, Any]:
    return {"modifier": chain_text(chain)}


def estimated_bytes(source: Dataset) -> int:
    """About how much disk a variant of this dataset takes: as much as its pixels take uncompressed, halved."""
    total = 0
    for name in source.images[:20]:
        rows, cols, bands, dtype = image_shape(source.image_path(name))
        total += rows * cols * bands * dtype.itemsize
    return total * len(source.images) // max(1, min(20, len(source.images))) // 2
