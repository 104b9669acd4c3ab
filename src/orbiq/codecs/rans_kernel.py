"""Compiled loops of `orbiq.codecs.rans`, which says the format. Imported on use: numba takes a moment.

numba checks no bounds. The caller has checked that `which` names tables that exist and that states lie in
[2^31, 2^63); the loops below keep states there, and check every position in words and excess bits themselves.
States are below 2^63, so that they are int64 throughout: numba makes floats of uint64 beside int64.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numba import njit

from orbiq.arrays import Array

Int = Any
"""An integer of 64 bits: mypy tells numpy's from Python's, numba does not."""
F = TypeVar("F")
compiled: Callable[[F], F] = njit(cache=True, nogil=True, error_model="numpy")

_BITS = 16
_TOTAL = 1 << _BITS
_LEAST = 1 << 31
_WORD = 32
_LARGEST, _SMALLEST = 2**31 - 1, -(2**31)
COARSE_BITS = 10
_FINE = _BITS - COARSE_BITS
COST_BITS = 26
"""Costs are integers in units of 2^-26 bit: sums are the same in any order."""
DAMAGED = -1


class Lookup(NamedTuple):
    """Tables as the loops want them: positions count through all tables, each with one more entry, its end of 2^16."""

    cumulative: Array
    """int32: sum of the table's frequencies before this position."""
    costs: Array
    """int32: length of the symbol here, in 2^-26 bit."""
    first: Array
    """int64 (tables,): position of the table's lowest value."""
    lowest: Array
    """int64 (tables,)."""
    n_values: Array
    """int64 (tables,): values without the escape."""
    coarse: Array
    """int32 (tables, 2^COARSE_BITS): position of the symbol that holds the first slot of each interval of slots."""


@compiled
def _bit_length(value: Int) -> Int:
    n = 0
    while value > 0:
        value >>= 1
        n += 1
    return n


@compiled
def _position(value: Int, t: Int, tables: Lookup) -> Int:
    """Of the value, or of the escape."""
    s = value - tables.lowest[t]
    count = tables.n_values[t]
    return tables.first[t] + (s if 0 <= s < count else count)


@compiled
def _distance(value: Int, t: Int, tables: Lookup) -> Int:
    """How far outside the table, at least 1; negative below."""
    s = value - tables.lowest[t]
    return s if s < 0 else s - tables.n_values[t] + 1


@compiled
def lengths(symbols: Array, which: Array, tables: Lookup) -> tuple[Int, Int]:
    """Sum of costs in 2^-26 bit, and number of excess bits."""
    cost = 0
    excess = 0
    for k in range(symbols.size):
        t = which[k]
        s = np.int64(symbols[k]) - tables.lowest[t]
        count = tables.n_values[t]
        if s < 0 or s >= count:
            excess += 2 * _bit_length(abs(_distance(np.int64(symbols[k]), t, tables)))
            s = count
        cost += tables.costs[tables.first[t] + s]
    return cost, excess


@compiled
def write_excess(symbols: Array, which: Array, tables: Lookup, out: Array) -> None:
    """Sign and Exp-Golomb code of every value outside its table into zeros `out`, uint8, most significant bit first."""
    at = 0
    for k in range(symbols.size):
        t = which[k]
        value = np.int64(symbols[k])
        s = value - tables.lowest[t]
        if 0 <= s < tables.n_values[t]:
            continue
        distance = _distance(value, t, tables)
        if distance < 0:
            out[at >> 3] |= 128 >> (at & 7)
            distance = -distance
        n = _bit_length(distance)
        at += n  # the sign and n - 1 zeros
        for j in range(n - 1, -1, -1):
            if distance >> j & 1:
                out[at >> 3] |= 128 >> (at & 7)
            at += 1


@compiled
def _pushed(x: Int, position: Int, tables: Lookup, words: Array, at: Int) -> tuple[Int, Int]:
    """The state that says one symbol more, and the first word written."""
    start = np.int64(tables.cumulative[position])
    frequency = np.int64(tables.cumulative[position + 1]) - start
    words[at - 1] = x & 0xFFFFFFFF  # whether it counts or not: a branch here takes twice the time
    full = np.int64(x >= frequency << 47)
    at -= full
    x >>= full * _WORD
    quotient = np.int64(np.uint64(x) // np.uint64(frequency))  # unsigned: quicker
    return (quotient << _BITS) + (x - quotient * frequency) + start, at


@compiled
def encode(symbols: Array, which: Array, tables: Lookup, states: Array, words: Array) -> Int:
    """Moves the `states` (1 or 4), and fills `words` (one a symbol and one more) from the end: the first one used."""
    k = symbols.size
    at = words.size
    lanes = states.size
    while k > 0 and (lanes == 1 or k & 3):
        k -= 1
        lane = k & (lanes - 1)
        states[lane], at = _pushed(states[lane], _position(symbols[k], which[k], tables), tables, words, at)
    if lanes == 1:
        return at
    a, b, c, d = states[0], states[1], states[2], states[3]
    while k > 0:
        k -= 4
        d, at = _pushed(d, _position(symbols[k + 3], which[k + 3], tables), tables, words, at)
        c, at = _pushed(c, _position(symbols[k + 2], which[k + 2], tables), tables, words, at)
        b, at = _pushed(b, _position(symbols[k + 1], which[k + 1], tables), tables, words, at)
        a, at = _pushed(a, _position(symbols[k], which[k], tables), tables, words, at)
    states[0], states[1], states[2], states[3] = a, b, c, d
    return at


@compiled
def _popped(x: Int, t: Int, tables: Lookup) -> tuple[Int, Int, Int]:
    """The state that says one symbol less, the symbol's position, and its end, which is 2^16 for the escape alone."""
    slot = x & (_TOTAL - 1)
    position = np.int64(tables.coarse[t, slot >> _FINE])
    end = np.int64(tables.cumulative[position + 1])
    while end <= slot:
        position += 1
        end = np.int64(tables.cumulative[position + 1])
    start = np.int64(tables.cumulative[position])
    return (end - start) * (x >> _BITS) + slot - start, position, end


@compiled
def _refilled(x: Int, words: Array, at: Int) -> tuple[Int, Int]:
    """The state in [2^31, 2^63) again, and the word to read next."""
    longer = x << _WORD | np.int64(words[at])  # read in any case: a choice is quicker than a branch
    low = x < _LEAST
    return longer if low else x, at + low


@compiled
def _number(excess: Array, at: Int) -> tuple[Int, Int]:
    """The Exp-Golomb code at bit `at` plus 1, and the bit behind it, or DAMAGED."""
    n_bits = 8 * excess.size
    zeros = 0
    while at < n_bits and not excess[at >> 3] & 128 >> (at & 7):
        at += 1
        zeros += 1
    if zeros > _WORD or at + zeros >= n_bits:
        return 0, DAMAGED
    number: Int = 0
    for j in range(at, at + zeros + 1):
        number = number << 1 | np.int64(excess[j >> 3]) >> (7 - (j & 7)) & 1
    return number, at + zeros + 1


@compiled
def _outside(excess: Array, at: Int, t: Int, tables: Lookup) -> tuple[Int, Int]:
    """The value whose sign and distance stand at bit `at`, and the bit behind them, or DAMAGED."""
    if at >= 8 * excess.size:
        return 0, DAMAGED
    below = excess[at >> 3] & 128 >> (at & 7)
    distance, at = _number(excess, at + 1)
    value = tables.lowest[t] - distance if below else tables.lowest[t] + tables.n_values[t] - 1 + distance
    if value < _SMALLEST or value > _LARGEST:
        return 0, DAMAGED
    return value, at


@compiled
def _decode_fours(
    words: Array, excess: Array, which: Array, tables: Lookup, states: Array, out: Array
) -> tuple[Int, Int]:
    """All whole groups of four symbols: words and excess bits read, or DAMAGED."""
    bias = tables.lowest - tables.first
    n_words = words.size - 4
    a, b, c, d = states[0], states[1], states[2], states[3]
    ends = np.empty(4, np.int64)
    at = bit = 0
    for k in range(0, which.size - 3, 4):
        t, u, v, w = which[k], which[k + 1], which[k + 2], which[k + 3]
        a, p, ends[0] = _popped(a, t, tables)
        b, q, ends[1] = _popped(b, u, tables)
        c, r, ends[2] = _popped(c, v, tables)
        d, s, ends[3] = _popped(d, w, tables)
        a, at = _refilled(a, words, at)
        b, at = _refilled(b, words, at)
        c, at = _refilled(c, words, at)
        d, at = _refilled(d, words, at)
        out[k], out[k + 1], out[k + 2], out[k + 3] = p + bias[t], q + bias[u], r + bias[v], s + bias[w]
        if (ends[0] | ends[1] | ends[2] | ends[3]) & _TOTAL:
            for j in range(4):
                if ends[j] == _TOTAL:
                    out[k + j], bit = _outside(excess, bit, which[k + j], tables)
                    if bit == DAMAGED:
                        return 0, DAMAGED
        if at > n_words:  # the four words after them are padding, so that one check a group is enough
            return DAMAGED, bit
    states[0], states[1], states[2], states[3] = a, b, c, d
    return at, bit


@compiled
def decode(words: Array, excess: Array, which: Array, tables: Lookup, states: Array, out: Array) -> tuple[Int, Int]:
    """Symbols into `out`, moving `states` (1 or 4): words and excess bits read, or DAMAGED.

    The last four `words` are padding.
    """
    at = bit = k = 0
    lanes = states.size
    if lanes == 4:
        at, bit = _decode_fours(words, excess, which, tables, states, out)
        if min(at, bit) == DAMAGED:
            return at, bit
        k = which.size - which.size % 4
    while k < which.size:
        t = which[k]
        lane = k & (lanes - 1)
        x, position, end = _popped(states[lane], t, tables)
        states[lane], at = _refilled(x, words, at)
        if at > words.size - 4:
            return DAMAGED, bit
        out[k] = position - tables.first[t] + tables.lowest[t]
        if end == _TOTAL:
            out[k], bit = _outside(excess, bit, t, tables)
            if bit == DAMAGED:
                return at, DAMAGED
        k += 1
    return at, bit
