"""What every method of measuring noise needs first: the exact median of each band, and what its values look like.

Whole numbers within −32768 … 65535 are counted in one pass, whatever their dtype. Other values take a few passes more:
the bits of positive floats rise with their value, so the median is found 16 bits at a time, exactly, in memory that
does not depend on the size of the image.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from orbiq.arrays import Array
from orbiq.metrics.inputs import Images, no_pixels
from orbiq.tiles import Tile

_LOWEST, _HIGHEST = -(2**15), 2**16 - 1
_FITS_CACHE = 4096


@dataclass(frozen=True, kw_only=True)
class Levels:
    """The values of one band.

    `median` of the values > 0, NaN where there are none: 0 is no data to the original methods. `step` what the values
    are multiples of, 0 where they are not whole numbers. `low` and `high` the ends where clipped values pile up, ∓inf
    where they do not.
    """

    median: float
    step: float
    low: float = -np.inf
    high: float = np.inf

    @property
    def whole(self) -> bool:
        """Whether all values are whole numbers."""
        return self.step > 0


def pixels_of(tile: Tile) -> Array:
    """A tile of one image, in a dtype that compiled loops know: halves and swapped bytes are none."""
    [values] = tile.arrays
    if values.dtype.kind != "f":
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    return values.astype(np.float32 if values.dtype.itemsize <= 4 else np.float64, copy=False)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Counts:
    """How often each whole number from `first` on occurs, (bands, numbers)."""

    first: int
    counts: Array

    def __add__(self, other: "_Counts") -> "_Counts":
        first = min(self.first, other.first)
        end = max(part.first + part.counts.shape[1] for part in (self, other))
        total = np.zeros((self.counts.shape[0], end - first), np.int64)
        for part in (self, other):
            start = part.first - first
            total[:, start : start + part.counts.shape[1]] += part.counts
        return _Counts(first=first, counts=total)


def levels_of(images: Images) -> tuple[Levels, ...]:
    """The `Levels` of each band, over valid pixels."""
    total = _totals(images, slice(None))
    if total is not None:
        return tuple(_of_counts(counts, total.first) for counts in total.counts)
    return tuple(_of_band(images, band) for band in range(images.bands))


def _of_band(images: Images, band: int) -> Levels:
    """Of one band of several that cannot all be counted."""
    total = _totals(images, slice(band, band + 1)) if images.bands > 1 else None
    return _searched(images, band) if total is None else _of_counts(total.counts[0], total.first)


def _totals(images: Images, bands: slice) -> _Counts | None:
    """The counts of some bands, None where they hold a value that cannot be counted."""
    total: _Counts | None = None
    n_pixels = 0
    for counted, pixels in images.map(lambda tile: _counted(tile, bands)):
        if counted is None:
            return None
        total = counted if total is None else total + counted
        n_pixels += pixels
    if not n_pixels:
        raise no_pixels(images)
    return total


def _counted(tile: Tile, bands: slice) -> tuple[_Counts | None, int]:
    """The counts of a tile, None where its values cannot be counted, and its number of valid pixels."""
    from orbiq.metrics.noise_kernel import count_values

    values = pixels_of(tile)[..., bands]
    n_masked = 0 if tile.mask is None else int((~tile.mask).sum())
    n_pixels = values.shape[0] * values.shape[1] - n_masked
    low, high = float(values.min()), float(values.max())
    if low < _LOWEST or high > _HIGHEST:
        return None, n_pixels
    first = int(np.floor(low))
    n = int(np.floor(high)) - first + 1
    tables = np.zeros((4 if n <= _FITS_CACHE else 1, values.shape[2], n), np.int64)
    if not count_values(values, first, tables):
        return None, n_pixels
    counts = tables.sum(axis=0)
    if n_masked:  # they are 0 in a tile
        counts[:, -first] -= n_masked
    return _Counts(first=first, counts=counts), n_pixels


def _of_counts(counts: Array, first: int) -> Levels:
    places = np.flatnonzero(counts)
    positive = np.where(np.arange(first, first + counts.size) > 0, counts, 0)
    total = np.cumsum(positive)
    middle = np.searchsorted(total, [(total[-1] - 1) // 2, total[-1] // 2], side="right")
    return Levels(
        median=first + float(middle.mean()) if total[-1] else np.nan,
        step=float(np.gcd.reduce(np.diff(places))) if places.size > 1 else 1.0,
        low=float(places[0] + first) if _piled_up(counts[places[:2]]) else -np.inf,
        high=float(places[-1] + first) if _piled_up(counts[places[-2:][::-1]]) else np.inf,
    )


def _piled_up(counts: Array) -> bool:
    """Whether the outermost value is far more frequent than the next: what lay beyond was clipped to it."""
    return counts.size > 1 and bool(counts[0] > 2 * counts[1] + 5)


def _searched(images: Images, band: int) -> Levels:
    """Of a band whose values are no small whole numbers; five equal ones at an end are no chance then."""

    def each(function: Callable[[Array], Array]) -> Iterator[Array]:
        return images.map(lambda tile: function(_values(tile, band)))

    ends = [part for part in each(_ends) if part.size]
    low, high = min(part[0] for part in ends), max(part[1] for part in ends)
    n_low, n_high, n = _sum(each(lambda v: np.array([(v == low).sum(), (v == high).sum(), (v > 0).sum()])))
    return Levels(
        median=_median(each, int(n), bits=_bits(images.rasters[0].dtype)) if n else np.nan,
        step=float(all(part[2] for part in ends)),
        low=float(low) if n_low > 5 and low < high else -np.inf,
        high=float(high) if n_high > 5 and low < high else np.inf,
    )


def _values(tile: Tile, band: int) -> Array:
    values = pixels_of(tile)[..., band]
    values = values if values.dtype == np.float32 else values.astype(np.float64)
    return values.ravel() if tile.mask is None else values[tile.mask]


def _bits(dtype: np.dtype[Any]) -> int:
    """Of the floats that `_values` gives."""
    return 32 if dtype.kind == "f" and dtype.itemsize <= 4 else 64


def _ends(values: Array) -> Array:
    """Least, greatest, whether all are whole; nothing of nothing."""
    return np.array([values.min(), values.max(), (values == np.rint(values)).all()]) if values.size else values


def _sum(parts: Iterable[Array]) -> Array:
    """One at a time: a list of them all may not fit into memory."""
    total = np.zeros((), np.int64)
    for part in parts:
        total = total + part
    return total


def _median(each: Callable[[Callable[[Array], Array]], Iterator[Array]], n: int, *, bits: int) -> float:
    """Of the `n` values > 0: 16 bits of the lower middle in each pass, then the upper one if that is another."""
    prefix, n_before, n_same = 0, 0, n
    for shift in range(bits - 16, -1, -16):
        counts = _sum(each(partial(_digits, bits=bits, shift=shift, prefix=prefix)))
        total = np.cumsum(counts)
        place = int(np.searchsorted(total, (n - 1) // 2 - n_before, side="right"))
        n_same = int(counts[place])
        n_before += int(total[place]) - n_same
        prefix = (prefix << 16) | place
    kinds = {32: (np.uint32, np.float32), 64: (np.uint64, np.float64)}[bits]
    lower = np.array([prefix], kinds[0]).view(kinds[1])[0]
    if n // 2 < n_before + n_same:
        return float(lower)
    upper = min(float(part) for part in each(lambda v: np.asarray(v[v > lower].min(initial=np.inf))))
    return (float(lower) + upper) / 2


def _digits(values: Array, *, bits: int, shift: int, prefix: int) -> Array:
    """How often each next 16 bits occur among the positive values whose bits begin with `prefix`."""
    positive = values[values > 0]
    keys = (positive.view(np.uint32) if bits == 32 else positive.view(np.uint64)).astype(np.uint64)
    if shift + 16 < bits:
        keys = keys[keys >> np.uint64(shift + 16) == prefix]
    return np.bincount(((keys >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.int64), minlength=2**16)
