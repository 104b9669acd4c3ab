"""A tile of latents to bytes and back: levels of quality, hyperlatents, latents, each a rANS stream of integers.

A tile is coded by itself: its hyperlatents see no other tile's latents, so that any tile can be decoded alone. A tile
of a group of planes is:

    table                one byte: which of the 64 tables codes the levels; 255: one level, in the byte that follows
    lengths              LEB128, of the next three
    levels               differences from the level above or to the left (`_predicted`), block by block
    hyperlatents         one byte a unit, if the model has several sets of tables: its set; then unit by unit, channel
                         by channel, each by its channel's table of that set
    symbols              unit by unit, channel by channel: latents masked, less what was foretold by hyperlatents and
                         neighbours, rounded, each by the table that the hyper-decoder names
    residual             what `neural_residual` says; nothing where no block has any
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import numpy.typing as npt
import torch

from orbiq.arrays import Array
from orbiq.codecs.frames import leb128, read_leb128
from orbiq.codecs.neural_model import MOST_HYPERLATENT, N_LEVELS, Model
from orbiq.codecs.neural_neighbours import joined, split
from orbiq.codecs.neural_networks import HYPER_STRIDE, N_SCALES
from orbiq.codecs.neural_rounding import rounded
from orbiq.codecs.rans import code_length_bits, decode, encode
from orbiq.errors import ImageError

Ints = npt.NDArray[np.int32]
_ONE_LEVEL = 255


@dataclass(frozen=True, eq=False, kw_only=True)
class Coded:
    """A tile as it is coded; arrays are (units, channels, rows, cols) but the level of each block.

    A unit is what the networks code at a time: a band, each plane of three, or three planes at once. `symbols` are what
    is left of masked latents after foretelling, rounded; `tables` which table codes each; `hyper` the hyperlatents;
    `latents` what the symbols stand for, not masked; `means` what the hyper-decoder says of them, while a
    tile is being coded.
    """

    symbols: Ints
    tables: Array
    hyper: Ints
    latents: torch.Tensor
    levels: Array
    residual: bytes = b""
    means: torch.Tensor = field(default_factory=lambda: torch.empty(0))


def level_of_each(levels: Array, *, block: tuple[int, int], shape: tuple[int, ...]) -> Array:
    """Levels of blocks (of `block` latents) to one of each of `shape` latents.

    >>> level_of_each(np.array([[1, 2]]), block=(1, 2), shape=(1, 3)).tolist()
    [[1, 1, 2]]
    """
    grown = np.repeat(np.repeat(levels, block[0], axis=0), block[1], axis=1)
    return np.ascontiguousarray(grown[: shape[0], : shape[1]])


def rounded_tile(model: Model, latents: torch.Tensor, levels: Array, *, block: tuple[int, int]) -> Coded:
    """Latents (units, channels, rows, cols) of a tile as they are coded with these levels; `block` in latents."""
    each = _each(levels, block, latents.shape)
    mask = model.mask(each)
    masked = latents * mask
    z = model.hyperlatents(masked, each)
    foretold = model.foretold(z, each)
    left = (masked - foretold.mean * mask).contiguous().numpy()
    whole = rounded(left.ravel(), foretold.tables.ravel(), model.thresholds).reshape(left.shape)
    symbols = whole.astype(np.int32)
    for k, (channel, weights, masks) in product(range(len(left)), model.neighbours):
        place = k, channel
        symbols[place], whole[place] = split(
            left[place], foretold.tables[place], model.thresholds, masks[each[k].numpy()], weights
        )
    return Coded(
        symbols=symbols,
        tables=foretold.tables,
        hyper=z.numpy().astype(np.int32),
        latents=torch.from_numpy(whole) / mask + foretold.mean,
        levels=levels,
        means=foretold.mean,
    )


def encoded_tile(model: Model, tile: Coded) -> bytes:
    """The bytes of a tile."""
    head, levels = _encoded_levels(model, tile.levels)
    sets, _ = _best_sets(model, tile.hyper)
    named = bytes(sets) if model.hyper_sets > 1 else b""
    hyper = named + encode(tile.hyper.ravel(), _hyper_which(tile.hyper.shape, sets), model.hyper_tables)
    symbols = encode(tile.symbols.ravel(), tile.tables.ravel(), model.scale_tables)
    parts = [levels, hyper, symbols]
    return b"".join([head, *(leb128(len(part)) for part in parts), *parts, tile.residual])


def code_length(model: Model, tile: Coded) -> float:
    """Bits that a tile will take, but for its levels and a few bytes."""
    _, bits = _best_sets(model, tile.hyper)
    return float(bits + code_length_bits(tile.symbols.ravel(), tile.tables.ravel(), model.scale_tables))


def _each(levels: Array, block: tuple[int, int], shape: tuple[int, ...]) -> torch.Tensor:
    """The level of each latent, for every unit."""
    units, _, rows, cols = shape
    return torch.from_numpy(level_of_each(levels, block=block, shape=(rows, cols))).expand(units, rows, cols)


def decoded_tile(model: Model, stream: bytes, *, units: int, shape: tuple[int, int], block: tuple[int, int]) -> Coded:
    """The tile of `units` and `shape` latents that some bytes stand for; ImageError where they are damaged."""
    rows, cols = shape
    hyper_shape = (units, model.channels, -(-rows // HYPER_STRIDE), -(-cols // HYPER_STRIDE))
    head, coded_levels, coded_hyper, coded_symbols, residual = parts_of_tile(stream)
    levels = decoded_levels(model, head, coded_levels, shape=(-(-rows // block[0]), -(-cols // block[1])))
    hyper = _decoded_hyper(model, coded_hyper, hyper_shape)
    if max(hyper.max(), -int(hyper.min())) > MOST_HYPERLATENT:
        raise ImageError("a tile is damaged: its hyperlatents are out of range")
    each = _each(levels, block, (units, 0, rows, cols))
    tables, mean = model.foretold(torch.from_numpy(hyper), each)
    symbols = decode(coded_symbols, tables.ravel(), model.scale_tables).reshape(tables.shape)
    whole = symbols.astype(np.float32)
    for k, (channel, weights, masks) in product(range(units), model.neighbours):
        whole[k, channel] = joined(symbols[k, channel].astype(np.int64), masks[each[k].numpy()], weights)
    latents = torch.from_numpy(whole) / model.mask(each) + mean
    return Coded(symbols=symbols, tables=tables, hyper=hyper, latents=latents, levels=levels, residual=residual)


def _decoded_hyper(model: Model, coded: bytes, shape: tuple[int, ...]) -> Ints:
    n = shape[0] if model.hyper_sets > 1 else 0
    sets = coded[:n] if n else bytes(shape[0])
    if len(sets) < shape[0] or max(sets) >= model.hyper_sets:
        raise ImageError(f"a tile is damaged: the sets of its tables are {list(sets)} of {model.hyper_sets}")
    return decode(coded[n:], _hyper_which(shape, sets), model.hyper_tables).reshape(shape)


def parts_of_tile(stream: bytes) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """Head, levels, hyperlatents, symbols, residual."""
    try:
        at = 2 if stream[0] == _ONE_LEVEL else 1
        lengths, end = read_leb128(stream, at, 3)
    except (IndexError, ValueError):
        raise ImageError(f"a tile of {len(stream)} bytes is damaged: its head cannot be") from None
    if end + sum(lengths) > len(stream):
        raise ImageError(f"a tile of {len(stream)} bytes is damaged: its parts need {end + sum(lengths)}")
    parts = []
    for length in lengths:
        parts.append(stream[end : end + length])
        end += length
    return stream[:at], parts[0], parts[1], parts[2], stream[end:]


def _hyper_which(shape: tuple[int, ...], sets: Sequence[int]) -> Array:
    """The table of each hyperlatent: its channel's, of the set of its unit."""
    _, channels, rows, cols = shape
    first = np.array(list(sets), np.uint16)[:, None] * np.uint16(channels)
    return np.repeat((first + np.arange(channels, dtype=np.uint16)).ravel(), rows * cols)


def _best_sets(model: Model, hyper: Ints) -> tuple[list[int], float]:
    """Of each unit the set that codes its hyperlatents in the fewest bits, and how many these are together."""
    bits = [
        [
            code_length_bits(unit.ravel(), _hyper_which((1, *unit.shape), [one]), model.hyper_tables)
            for one in range(model.hyper_sets)
        ]
        for unit in hyper
    ]
    return [int(np.argmin(of_unit)) for of_unit in bits], float(sum(min(of_unit) for of_unit in bits))


def _encoded_levels(model: Model, levels: Array) -> tuple[bytes, bytes]:
    """Head, and the coded differences."""
    if (levels == levels.flat[0]).all():
        return bytes([_ONE_LEVEL, int(levels.flat[0])]), b""
    differences = (levels.astype(np.int32) - _predicted(levels.astype(np.int32))).ravel()
    costs = [
        code_length_bits(differences, np.full(differences.size, table, np.uint8), model.scale_tables)
        for table in range(N_SCALES)
    ]
    best = int(np.argmin(costs))
    return bytes([best]), encode(differences, np.full(differences.size, best, np.uint8), model.scale_tables)


def _predicted(levels: Ints) -> Ints:
    """The level to the left; in the first column the one above; 128 for the first of all."""
    predicted = np.empty_like(levels)
    predicted[:, 1:] = levels[:, :-1]
    predicted[1:, 0] = levels[:-1, 0]
    predicted[0, 0] = N_LEVELS // 2
    return predicted


def decoded_levels(model: Model, head: bytes, coded: bytes, *, shape: tuple[int, int]) -> Array:
    """Levels of blocks (rows, cols) from the head and the coded differences of a tile."""
    if head[0] == _ONE_LEVEL:
        return np.full(shape, head[1], np.uint8)
    if head[0] >= N_SCALES:
        raise ImageError(f"a tile is damaged: its levels are coded by table {head[0]}")
    which = np.full(shape[0] * shape[1], head[0], np.uint8)
    differences = decode(coded, which, model.scale_tables).reshape(shape)
    first = np.cumsum(differences[:, 0]) + N_LEVELS // 2
    rows = np.concatenate([first[:, None], differences[:, 1:]], axis=1)
    levels = np.cumsum(rows, axis=1)
    if levels.min() < 0 or levels.max() >= N_LEVELS:
        raise ImageError("a tile is damaged: its levels of quality are out of range")
    return levels.astype(np.uint8)
