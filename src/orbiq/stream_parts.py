"""A fixed-quality stream taken apart: its model, what its bytes are spent on, and the λ of its blocks."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from orbiq.arrays import Array
from orbiq.codecs.frames import read_leb128
from orbiq.codecs.neural_container import Container, Head, is_container, unpacked
from orbiq.errors import ImageError, MissingExtra, SettingError, StorageError

if TYPE_CHECKING:
    from orbiq.codecs.neural_model import Model

SUFFIX = ".obq"
_ONE_LEVEL = 255
"""How the first byte of a tile says that all of its blocks have the level of the second."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Bytes by part; together they are the stream."""

    head: int
    mask_and_notes: int
    levels: int
    hyperlatents: int
    latents: int
    residual: int
    damaged: int


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """An ImageError that does not say which file it is about does so."""
    try:
        yield
    except ImageError as error:
        if str(path) in str(error):
            raise
        raise ImageError(f"{str(path)!r}: {error}") from error


def is_stream(path: Path) -> bool:
    """Whether a file is a stream of the fixed-quality codec, whatever its name."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return is_container(stream.read(4))


def read_container(path: Path) -> tuple[bytes, Container]:
    """The stream in a file, and its container, in which damaged tiles are None."""
    try:
        stream = path.read_bytes()
    except OSError as error:
        raise StorageError(f"{str(path)!r} cannot be read: {error.strerror}. Check its permissions.") from error
    with naming(path):
        return stream, unpacked(stream, damaged=True)


def parts_of(stream: bytes, container: Container) -> Parts:
    """What the bytes of a stream are spent on."""
    (said,), at = read_leb128(stream, 5, 1)
    first = at + 4 + said
    spent = np.zeros(4, np.int64)
    for tile in container.tiles:
        if tile is not None:
            spent += _tile_parts(tile)
    levels, hyperlatents, latents, residual = map(int, spent)
    sums = {"levels": levels, "hyperlatents": hyperlatents, "latents": latents, "residual": residual}
    whole = [tile for tile in container.tiles if tile is not None]
    if len(whole) < len(container.tiles):  # what lies between them cannot be told apart
        rest = len(stream) - first - sum(sums.values()) - 4 * len(whole)
        return Parts(head=first + 4 * len(whole), mask_and_notes=0, damaged=max(rest, 0), **sums)
    extras = len(stream) - first - sum(sums.values()) - 4 * len(whole)
    return Parts(head=first + 4 * len(whole), mask_and_notes=extras, damaged=0, **sums)


def _tile_parts(tile: bytes) -> Array:
    """Bytes of levels, with what says how long all are, of hyperlatents, latents and residual."""
    try:
        lengths, at = read_leb128(tile, 2 if tile[0] == _ONE_LEVEL else 1, 3)
    except (IndexError, ValueError):
        raise ImageError(f"a tile of {len(tile)} bytes is damaged: its head cannot be") from None
    levels, hyperlatents, latents = lengths
    return np.array([at + levels, hyperlatents, latents, len(tile) - at - sum(lengths)])


def model_of(head: Head, named: str = "") -> "Model":
    """The model that a stream was coded with: the one named, or that of orbiq's own whose digest it holds."""
    try:
        from orbiq.codecs.neural import SHIPPED, model_file
        from orbiq.codecs.neural_model import load_model
    except ModuleNotFoundError as error:
        raise MissingExtra(f"codec 'fixed-quality' needs {error.name!r}: pip install 'orbiq[learned]'") from error
    if named:
        return load_model(named)
    known = {path.stem: _digest(path) for path in sorted(SHIPPED.glob("*.safetensors"))}
    for name, digest in known.items():
        if digest == head.model:
            return load_model(model_file(name))
    own = ", ".join(f"{name} {digest}" for name, digest in known.items()) or "none"
    raise SettingError(
        f"the stream was coded with model {head.model}, which is none of orbiq's own ({own}); name its file: "
        "--model FILE.safetensors"
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def damaged_tiles(container: Container) -> list[tuple[int, int]]:
    """(row, col) among the tiles of those of which a group is damaged."""
    n_groups, cols = len(container.head.groups), container.head.grid[1]
    bad = {k // n_groups for k, tile in enumerate(container.tiles) if tile is None}
    return [divmod(number, cols) for number in sorted(bad)]


def levels_of(container: Container, model: "Model") -> Array:
    """The level of every block of every group, tile by tile; damaged tiles have none."""
    from orbiq.codecs.neural_networks import STRIDE
    from orbiq.codecs.neural_passes import latent_grid
    from orbiq.codecs.neural_tiles import decoded_levels, parts_of_tile

    head = container.head
    grid, side = latent_grid(head.shape), head.tile_px // STRIDE
    block = grid if head.block == (0, 0) else (head.block[0] // STRIDE, head.block[1] // STRIDE)
    found = [np.empty(0, np.uint8)]
    for number, tile in enumerate(container.tiles):
        if tile is None:
            continue
        place = divmod(number // len(head.groups), head.grid[1])
        shape = [min(side, whole - k * side) for k, whole in zip(place, grid, strict=True)]
        blocks = (-(-shape[0] // block[0]), -(-shape[1] // block[1]))
        first, levels, *_ = parts_of_tile(tile)
        found.append(decoded_levels(model, first, levels, shape=blocks).ravel())
    return np.concatenate(found)
