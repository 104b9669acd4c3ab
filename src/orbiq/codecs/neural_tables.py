"""The entropy coder's tables, as the symbols of images fall rather than as a distribution would have them.

Training takes latents for Gaussian and draws noise in place of rounding; what is coded has heavier tails, and more
zeros where rounding looks at the bits (`neural_rounding`). Each of the 64 tables becomes the histogram of the symbols
that the hyper-decoder gives to it, with a little of what it was. Hyperlatents get several sets of tables, of which each
plane of a tile takes the one that suits it: a plane of colours at a low quality has few of them. The sets are found as
centres usually are (Lloyd 1982, doi:10.1109/TIT.1982.1056489): each takes the planes that it codes in the fewest bits,
and is fitted to them again.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from orbiq.arrays import Array, FloatArray, Raster
from orbiq.codecs.neural_container import Head
from orbiq.codecs.neural_model import N_LEVELS, Model
from orbiq.codecs.neural_neighbours import MASK_ONE, WEIGHT_ONE
from orbiq.codecs.neural_networks import SCALE_STEP
from orbiq.codecs.neural_pieces import Pieces
from orbiq.codecs.neural_tiles import Coded
from orbiq.codecs.rans import Tables, tables_from_masses

N_SETS = 8
_LOOKS = 6
"""Levels at which each image is looked at."""
_OF_GAUSSIAN = 30.0
"""Symbols that the Gaussian counts for."""
_OF_ALL = 4.0
"""Hyperlatents that the distribution over all sets counts for in one of them."""
_LEAST_REACH = 2
_LEAST_EXPLAINED, _LEAST_LATENTS, _MOST_WEIGHT = 0.2, 1000, 4.0
"""Of a channel's power: less is not worth the trouble; and of few latents, or with large weights, it is chance."""
_WIDEST = 64
"""Hyperlatents farther from 0 are escaped."""
_ROUNDS = 6


def fitted_neighbours(model: Model, images: Iterable[tuple[Raster, Head]]) -> dict[str, Array]:
    """How the model's channels are foretold from their neighbours where it pays, as its file names it; least squares.

    The model must not foretell any yet: its symbols are what is foretold.
    """
    products, powers, counts = np.zeros((model.channels, 4, 5)), np.zeros(model.channels), np.zeros(model.channels)
    for coded in _looks(model, images):
        for unit in coded.symbols.astype(np.float64):
            power = np.square(unit[:, 1:, 1:-1]).sum((1, 2))
            there = power > 0
            even = unit[there] / np.sqrt(power[there])[:, None, None]  # fine levels count no more than coarse ones
            values = even[:, 1:, 1:-1]
            around = (even[:, 1:, :-2], even[:, :-1, 1:-1], even[:, :-1, :-2], even[:, :-1, 2:])
            rows = [[(one * other).sum((1, 2)) for other in (*around, values)] for one in around]
            products[there] += np.moveaxis(np.array(rows), 2, 0)
            powers[there] += 1
            counts[there] += values.shape[1] * values.shape[2]
    found = []
    for channel, (product, power) in enumerate(zip(products, powers, strict=True)):
        if counts[channel] >= _LEAST_LATENTS and np.linalg.matrix_rank(product[:, :4]) == 4:
            weights = np.linalg.solve(product[:, :4], product[:, 4])
            explained = float(weights @ product[:, 4] / power)
            if _LEAST_EXPLAINED < explained < 1 and np.abs(weights).max() < _MOST_WEIGHT:
                narrower = round(np.log(1 - explained) / 2 / SCALE_STEP)
                found.append([channel, narrower, *np.rint(weights * WEIGHT_ONE).astype(int).tolist()])
    said = np.array(found, np.int16).reshape(-1, 6)
    masks = np.maximum(np.rint(model.masks.numpy()[:, said[:, 0]].T.astype(np.float64) * MASK_ONE), 1)
    return {"neighbours": said, "neighbour_masks": masks.astype(np.int32)}


def fitted_tables(model: Model, images: Iterable[tuple[Raster, Head]]) -> dict[str, Array]:
    """Tables of latents and of hyperlatents, as a model's file names them, fitted to images at levels of all kinds."""
    counts = [np.zeros(2 * reach + 1) for reach in _reaches(model.scale_tables)]
    escaped = np.zeros(len(counts))
    seen: list[Array] = []
    for coded in _looks(model, images):
        _count(coded, counts, escaped)
        seen += [_histogram(unit) for unit in coded.hyper]
    scales = tables_from_masses(_masses(model.scale_tables, counts, escaped))
    return {"tables.scales": scales.packed(), "tables.hyperlatents": _hyper_tables(np.stack(seen)).packed()}


def _looks(model: Model, images: Iterable[tuple[Raster, Head]]) -> Iterable[Coded]:
    """Tiles of images at some levels, one in each sixth of the range, so that every quality counts alike."""
    rng = np.random.default_rng(0)
    for raster, head in images:
        pieces = Pieces(model, raster, head)
        for level in (np.arange(_LOOKS) + rng.random(_LOOKS)) * N_LEVELS / _LOOKS:
            for group in range(len(head.groups)):
                yield from _tiles(pieces, group, int(level))


def _tiles(pieces: Pieces, group: int, level: int) -> Iterable[Coded]:
    for piece in pieces.all(group):
        rows, cols = pieces.place(piece.area)
        levels = np.full((rows.stop - rows.start, cols.stop - cols.start), level, np.uint8)
        yield from (coded for _, coded in pieces.rounded(piece, levels))


def _reaches(tables: Tables) -> list[int]:
    """Of each table: as far as its Gaussian, and to ±2 at least."""
    return [max(int(-low), _LEAST_REACH) for low in tables.lowest]


def _count(coded: Coded, counts: Sequence[FloatArray], escaped: FloatArray) -> None:
    """Add a tile's symbols to the histograms of their tables."""
    order = np.argsort(coded.tables.ravel(), kind="stable")
    symbols = coded.symbols.ravel()[order]
    ends = np.cumsum(np.bincount(coded.tables.ravel(), minlength=len(counts)))
    for table, part in enumerate(np.split(symbols, ends[:-1])):
        reach = len(counts[table]) // 2
        near = part[np.abs(part) <= reach]
        counts[table] += np.bincount(near + reach, minlength=2 * reach + 1)
        escaped[table] += part.size - near.size


def _masses(gaussians: Tables, counts: Sequence[FloatArray], escaped: FloatArray) -> Iterable[tuple[int, FloatArray]]:
    first = 0
    for low, n, found, away in zip(gaussians.lowest, gaussians.count, counts, escaped, strict=True):
        reach = len(found) // 2
        usual = np.zeros(2 * reach + 1)
        usual[low + reach : low + reach + n] = gaussians.frequencies[first : first + n] / 2.0**16
        first += n + 1
        even = (found + found[::-1]) / 2
        yield -reach, (even + _OF_GAUSSIAN * usual) / (even.sum() + away + _OF_GAUSSIAN)


def _histogram(unit: Array) -> Array:
    """(channels, 2 · 64 + 2): how often each value, and one farther from 0, comes in each channel."""
    channels, width = unit.shape[0], 2 * _WIDEST + 2
    places = np.where(np.abs(unit) <= _WIDEST, unit + _WIDEST, width - 1).reshape(channels, -1)
    flat = (places + width * np.arange(channels)[:, None]).ravel()
    return np.bincount(flat, minlength=channels * width).reshape(channels, width).astype(np.float32)


def _hyper_tables(seen: Array) -> Tables:
    """Of histograms (planes, channels, values): the tables of all channels, set after set."""
    pooled = _shares(seen.sum(0) + 1e-3)
    own_bits = -(seen * np.log2(pooled)).sum((1, 2))
    # at first by how much there is to code
    which = np.argsort(np.argsort(own_bits)) * N_SETS // len(seen)
    for _ in range(_ROUNDS):
        sets = [_shares(seen[which == k].sum(0) + _OF_ALL * pooled) for k in range(N_SETS)]
        bits = np.stack([-(seen * np.log2(one)).sum((1, 2)) for one in sets])
        which = bits.argmin(0)
    return tables_from_masses(_trimmed(channel) for one in sets for channel in one)


def _shares(counts: FloatArray) -> FloatArray:
    return np.asarray(counts / counts.sum(-1, keepdims=True))


def _trimmed(masses: FloatArray) -> tuple[int, FloatArray]:
    """From the first value that a table of 2^16 has room for to the last; the rest is escaped."""
    known = np.flatnonzero(masses[:-1] > 2.0**-15)
    first, last = (int(known[0]), int(known[-1])) if known.size else (_WIDEST, _WIDEST)
    return first - _WIDEST, masses[first : last + 1].astype(np.float64)
