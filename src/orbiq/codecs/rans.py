"""Entropy coding of integers under tables of integer frequencies: rANS, four states interleaved.

Nothing but integers decides what is decoded: tables are kept as they are, in a model file, and are never computed
again from real numbers, so that a stream decodes alike on every machine.

A *table* holds `count` values lowest, lowest + 1, … and one escape after them, each with a frequency ≥ 1; they sum
to 2^16. The *start* of a symbol is the sum of the frequencies before it. A stream says neither the number of symbols
nor which table each was coded under: the decoder must know both. A stream is, in this order:

    head      LEB128 number (7 bits a byte, least significant first): 2 · excess bytes + (1 if there are four lanes)
    states    LEB128 numbers, one a lane (one lane or four), each in [2^31, 2^63)
    excess    the excess bytes, see below
    words     32 bits each, little-endian, up to the end of the stream

*Decoding.* Symbol k = 0, 1, … belongs to lane k mod lanes, whose state is x. slot = x mod 2^16; the symbol is the one
with start ≤ slot < start + frequency; x becomes frequency · ⌊x / 2^16⌋ + slot − start; and if that is below 2^31, it
becomes x · 2^32 + the next word. After the last symbol every state must be 2^31, and no word may be left.

*Encoding* goes the other way, from the last symbol to the first, all states 2^31 before: while x ≥ frequency · 2^47,
x mod 2^32 becomes the word before those written so far and x becomes ⌊x / 2^32⌋ (once at most); then x becomes
⌊x / frequency⌋ · 2^16 + x mod frequency + start. This encoder takes one lane where Σ −log2(frequency / 2^16) is at
most 8 KiB, as each lane costs some 5 bytes; else four, which run side by side in the processor.

*Excess.* Each escape, in the order of the symbols, is followed here by where the value lies: a bit, 1 if it is below
the table, and its distance d ≥ 1 from the table's nearest value: as many zeros as d has bits after the leading one,
then the bits of d (Exp-Golomb of order 0 of d − 1). Most significant bit of a byte first; zeros fill the last byte.

The whole length is Σ −log2(frequency / 2^16) + excess bits, and some 6 bytes with one lane, 22 with four.

Sources: J. Duda, "Asymmetric numeral systems", arXiv:1311.2540 (2013); F. Giesen, "Interleaved entropy coders",
arXiv:1402.3392 (2014).
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from orbiq.arrays import Array, FloatArray
from orbiq.codecs.frames import leb128, read_leb128
from orbiq.errors import ImageError, SettingError

if TYPE_CHECKING:
    from orbiq.codecs.rans_kernel import Lookup

PRECISION_BITS = 16
"""Frequencies of a table sum to 2^16."""
_TOTAL = 1 << PRECISION_BITS
_LEAST_STATE = 1 << 31
_STATE_LIMIT = 1 << 63
_TAIL_MASS = 2.0**-12
_WORDS_OF_ONE_LANE = 2048
_MOST_TABLES = 1 << 16


@dataclass(frozen=True, eq=False, kw_only=True)
class Tables:
    """Frequencies of values, and of one escape after them, for each of some tables.

    `lowest` int32 (tables,): the lowest value; `count` int32 (tables,): the number of values, 1 to 65,535;
    `frequencies` uint16, for one table after the other: `count` of values, one of the escape, all ≥ 1, sum 2^16.

    >>> tables = tables_from_masses([(-1, np.array([0.25, 0.5, 0.125]))])
    >>> tables.frequencies.tolist()  # in 65,536; the escape has what is missing to 1
    [16384, 32768, 8192, 8192]
    """

    lowest: Array
    count: Array
    frequencies: Array

    def __post_init__(self) -> None:
        kinds = [str(array.dtype) for array in (self.lowest, self.count, self.frequencies)]
        if kinds != ["int32", "int32", "uint16"]:
            raise SettingError(f"tables of {', '.join(kinds)}; expected int32 lowest, int32 count, uint16 frequencies")
        n = self.count.size
        if self.lowest.shape != (n,) or not 1 <= n <= _MOST_TABLES:
            raise SettingError(f"{n} tables with {self.lowest.size} lowest values; expected 1 to 65,536 of each")
        if self.count.min() < 1 or self.frequencies.shape != (self.count.sum(dtype=np.int64) + n,):
            raise SettingError(
                f"the tables hold {self.frequencies.size} frequencies; "
                "expected one of every value and one of the escape, for at least one value a table"
            )
        highest = self.lowest.astype(np.int64) + self.count - 1
        if highest.max() > np.iinfo(np.int32).max:
            raise SettingError(f"a table reaches up to {highest.max()}; expected int32 values")
        sums = np.add.reduceat(self.frequencies.astype(np.int64), self._offsets)
        if self.frequencies.min() < 1 or (sums != _TOTAL).any():
            raise SettingError("frequencies of a table must be 1 or more, and sum to 65,536")

    def __len__(self) -> int:
        """Number of tables."""
        return int(self.count.size)

    @property
    def _offsets(self) -> Array:
        """Where in `frequencies` each table begins."""
        lengths = self.count.astype(np.int64) + 1
        return np.cumsum(lengths) - lengths

    def packed(self) -> Array:
        """All as one int32 array: number of tables, lowest, count, frequencies."""
        parts = [[self.count.size], self.lowest, self.count, self.frequencies]
        return np.concatenate([np.asarray(part, np.int32) for part in parts])

    @staticmethod
    def unpacked(array: Array) -> "Tables":
        """The inverse of `packed`; SettingError when the array holds no tables.

        >>> Tables.unpacked(np.array([1, 0, 1, 65_535, 1], np.int32)).packed().tolist()
        [1, 0, 1, 65535, 1]
        """
        n = int(array[0]) if array.ndim == 1 and array.dtype == np.int32 and array.size else 0
        if not 1 <= n <= (array.size - 1) // 2:
            raise SettingError(f"{array.shape} {array.dtype} are no packed tables: expected int32, their number first")
        lowest, count, frequencies = np.split(array[1:], [n, 2 * n])
        if frequencies.size and not 1 <= frequencies.min() <= frequencies.max() < _TOTAL:
            raise SettingError("frequencies of a table must be 1 or more, and sum to 65,536")
        return Tables(lowest=lowest.copy(), count=count.copy(), frequencies=frequencies.astype(np.uint16))

    @cached_property
    def lookup(self) -> "Lookup":
        """What the compiled loops look up, made on first use."""
        from orbiq.codecs.rans_kernel import COARSE_BITS, COST_BITS, Lookup

        frequencies = np.split(self.frequencies.astype(np.int64), self._offsets[1:])
        starts = [np.concatenate([[0], np.cumsum(f)]) for f in frequencies]
        first = self._offsets + np.arange(self.count.size)
        intervals = np.arange(0, _TOTAL, _TOTAL >> COARSE_BITS)
        coarse = [at + np.searchsorted(s, intervals, side="right") - 1 for at, s in zip(first, starts, strict=True)]
        costs = [np.append((PRECISION_BITS - np.log2(f)) * 2.0**COST_BITS, 0) for f in frequencies]
        return Lookup(
            cumulative=np.concatenate(starts).astype(np.int32),
            costs=np.rint(np.concatenate(costs)).astype(np.int32),
            first=first,
            lowest=self.lowest.astype(np.int64),
            n_values=self.count.astype(np.int64),
            coarse=np.array(coarse, np.int32),
        )


def gaussian_tables(scales: Sequence[float]) -> Tables:
    """One table for each standard deviation: a value k has the mass of [k − 1/2, k + 1/2] under N(0, scale²).

    Values −r … r, r the smallest integer ≥ 0 that leaves at most 2^-12 outside ±(r + 1/2), but at most 16,383; the
    escape has that rest. Rounded to frequencies as in `tables_from_masses`. Keep the outcome (`Tables.packed`): Φ may
    differ in its last digit elsewhere.

    >>> gaussian_tables([0.11, 1.0]).count.tolist()  # up to 3.67 scales, 0.40 and 3.67
    [1, 9]
    """
    return tables_from_masses([_gaussian_masses(float(scale)) for scale in scales])


def _gaussian_masses(scale: float) -> tuple[int, FloatArray]:
    if not 0 < scale < np.inf:
        raise SettingError(f"a scale is {scale:g}; expected a standard deviation above 0")
    reach = int(min(max(np.ceil(-ndtri(_TAIL_MASS / 2) * scale - 0.5), 0), 16_383))
    distance = np.abs(np.arange(-reach, reach + 1))  # the lower tail, where Φ loses no digits
    return -reach, ndtr((0.5 - distance) / scale) - ndtr((-0.5 - distance) / scale)


def tables_from_masses(tables: Iterable[tuple[int, FloatArray]]) -> Tables:
    """One table for each (lowest value, masses of it and those after it); what the masses lack of 1 is the escape's.

    Frequencies are the masses · 2^16 rounded, at least 1; what is then too much or missing is taken or given one by
    one where it costs least in expected length, the first of equals.
    """
    lowest, all_frequencies = [], []
    for low, masses in tables:
        if masses.ndim != 1 or not masses.size or not (masses >= 0).all() or masses.sum() > 1 + 1e-6:
            raise SettingError("masses of a table must be a row of numbers ≥ 0 with a sum of at most 1")
        if masses.size >= _TOTAL or not -(2**31) <= low < 2**31:
            raise SettingError(f"a table of {masses.size} values from {low}; expected at most 65,535 int32 values")
        lowest.append(low)
        all_frequencies.append(_frequencies(np.append(masses, max(0.0, 1.0 - masses.sum()))))
    return Tables(
        lowest=np.array(lowest, np.int32),
        count=np.array([f.size - 1 for f in all_frequencies], np.int32),
        frequencies=np.concatenate([*all_frequencies, []]).astype(np.uint16),
    )


def _frequencies(masses: FloatArray) -> Array:
    frequencies = np.maximum(np.rint(masses * _TOTAL), 1).astype(np.int64)
    surplus = int(frequencies.sum()) - _TOTAL
    step = -1 if surplus > 0 else 1

    def loss(k: int) -> float:
        f = int(frequencies[k])
        return float(masses[k] * np.log2(f / (f + step))) if f + step else np.inf

    heap = [(loss(k), k) for k in range(masses.size)]
    heapq.heapify(heap)
    for _ in range(abs(surplus)):
        k = heap[0][1]
        frequencies[k] += step
        heapq.heapreplace(heap, (loss(k), k))
    return frequencies


def encode(symbols: Array, which: Array, tables: Tables) -> bytes:
    """The stream of `symbols`, int32 (n,), each under table `which`, uint8 or uint16 (n,).

    A value outside its table costs its escape and 2 bits, and 2 more for every doubling of the distance. SettingError
    when `which` is not as long, or names a table that does not exist.

    Sixteen tosses of a coin double the state sixteen times, from 2^31 to a little above 2^47: 48 bits, which are 7
    bytes of 7 bits behind the head's one.

    >>> coin = Tables.unpacked(np.array([1, 0, 2, 32_767, 32_767, 2], np.int32))
    >>> tosses = np.array([0, 1] * 8, np.int32)
    >>> len(encode(tosses, np.zeros(16, np.uint8), coin))
    8
    """
    from orbiq.codecs import rans_kernel

    which = _checked(which, tables)
    symbols = _checked_symbols(symbols, which)
    cost, excess_bits = rans_kernel.lengths(symbols, which, tables.lookup)
    excess = np.zeros((excess_bits + 7) // 8, np.uint8)
    if excess_bits:
        rans_kernel.write_excess(symbols, which, tables.lookup, excess)
    few = cost <= _WORDS_OF_ONE_LANE * 32 << rans_kernel.COST_BITS
    states = np.full(1 if few else 4, _LEAST_STATE, np.int64)
    words = np.empty(symbols.size + 1, np.uint32)
    at = rans_kernel.encode(symbols, which, tables.lookup, states, words)
    head = [2 * excess.size + (states.size == 4), *states.tolist()]
    return b"".join([*map(leb128, head), excess.tobytes(), words[at:].astype("<u4").tobytes()])


def decode(stream: bytes, which: Array, tables: Tables) -> Array:
    """The int32 symbols (n,) of a stream of `encode`, from the same `which` and tables.

    ImageError when the stream is damaged and that shows: nearly always, but it is no checksum.

    >>> tables = gaussian_tables([1.0, 4.0])
    >>> which = np.array([0, 1, 1], np.uint8)
    >>> decode(encode(np.array([0, -3, 1000], np.int32), which, tables), which, tables).tolist()
    [0, -3, 1000]
    """
    from orbiq.codecs import rans_kernel

    which = _checked(which, tables)
    states, excess, words = _opened(stream)
    out = np.empty(which.size, np.int32)
    if words.size - 4 > which.size:
        raise _damaged(stream)
    at, bits = rans_kernel.decode(words, excess, which, tables.lookup, states, out)
    left = 8 * excess.size - bits
    if at != words.size - 4 or bits < 0 or not 0 <= left < 8 or (states != _LEAST_STATE).any():
        raise _damaged(stream)
    if left and excess[-1] & (1 << left) - 1:
        raise _damaged(stream)
    return out


def code_length_bits(symbols: Array, which: Array, tables: Tables) -> float:
    """Ideal length of `symbols` (see `encode`): Σ −log2(frequency / 2^16), and the bits of excess.

    >>> quarters = tables_from_masses([(0, np.full(3, 0.25))])  # and a quarter for the escape
    >>> code_length_bits(np.array([0, 2, 3], np.int32), np.zeros(3, np.uint8), quarters)  # 3 is 1 outside: 2 bits
    8.0
    """
    from orbiq.codecs import rans_kernel

    which = _checked(which, tables)
    symbols = _checked_symbols(symbols, which)
    cost, excess_bits = rans_kernel.lengths(symbols, which, tables.lookup)
    return float(cost / 2.0**rans_kernel.COST_BITS + excess_bits)


def _checked(which: Array, tables: Tables) -> Array:
    """`which` itself, contiguous: the compiled loops rely on it."""
    if which.ndim != 1 or which.dtype not in (np.uint8, np.uint16):
        raise SettingError(f"`which` is {which.dtype} {which.shape}; expected a row of uint8 or uint16")
    if which.size and which.max() >= len(tables):
        raise SettingError(f"`which` names table {which.max()}, but there are {len(tables)}, counted from 0")
    return np.ascontiguousarray(which)


def _checked_symbols(symbols: Array, which: Array) -> Array:
    if symbols.shape != which.shape or symbols.dtype != np.int32:
        raise SettingError(f"symbols are {symbols.dtype} {symbols.shape}; expected int32 {which.shape}, as `which` is")
    return np.ascontiguousarray(symbols)


def _opened(stream: bytes) -> tuple[Array, Array, Array]:
    """States, excess bytes, and words with four of padding after them."""
    try:
        (head,), at = read_leb128(stream, 0, 1)
        states, at = read_leb128(stream, at, 4 if head & 1 else 1)
    except (IndexError, ValueError):
        raise _damaged(stream) from None
    behind = at + head // 2
    if behind > len(stream) or (len(stream) - behind) % 4 or not all(_LEAST_STATE <= s < _STATE_LIMIT for s in states):
        raise _damaged(stream)
    words = np.zeros((len(stream) - behind) // 4 + 4, np.uint32)
    words[:-4] = np.frombuffer(stream, "<u4", offset=behind)
    return np.array(states, np.int64), np.frombuffer(stream[at:behind], np.uint8).copy(), words


def _damaged(stream: bytes) -> ImageError:
    return ImageError(f"{len(stream)} bytes of entropy-coded data are damaged, or belong to other tables")
