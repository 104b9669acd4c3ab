"""The entropy coder: known answers, laws, robustness, agreement, and a stream that must decode for ever."""

import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbiq.codecs.rans import PRECISION_BITS, Tables, code_length_bits, decode, encode, gaussian_tables
from orbiq.codecs.rans import tables_from_masses as from_masses
from orbiq.errors import ImageError, SettingError

INT32 = (-(2**31), 2**31 - 1)
SCALES = np.geomspace(0.11, 256, 64)
GAUSSIAN = gaussian_tables(SCALES.tolist())
COIN = Tables.unpacked(np.array([1, 0, 2, 32_767, 32_767, 2], np.int32))
QUARTERS = Tables.unpacked(np.array([1, 0, 2, 32_768, 16_384, 16_384], np.int32))


def under_first(symbols):
    return np.zeros(len(symbols), np.uint8)


def drawn(n, *, seed=0, scales=64):
    """Symbols that follow the Gaussian tables, and `which`."""
    rng = np.random.default_rng(seed)
    which = rng.integers(0, scales, n).astype(np.uint8)
    return np.rint(rng.normal(size=n) * SCALES[which]).astype(np.int32), which


# known answers


@pytest.mark.parametrize("n", [1_000, 100_000])
def test_tosses_of_a_coin_take_a_bit_each(n):
    tosses = np.random.default_rng(3).integers(0, 2, n).astype(np.int32)
    assert 0 < len(encode(tosses, under_first(tosses), COIN)) - n / 8 <= (8 if n == 1_000 else 26)
    assert code_length_bits(tosses, under_first(tosses), COIN) == pytest.approx(n, rel=1e-4)


# 7 bits a byte: 2^15 is bit 1 of the third byte, 2^33 bit 5 of the fifth; all bytes but the last have 80 besides
@pytest.mark.parametrize(
    ("symbols", "stream"),
    [
        ([], "00 8080808008"),  # the state 2^31 as it was at first
        ([0], "00 8080808010"),  # (2^31 / 2^15) · 2^16 = 2^32
        ([1], "00 8080828020"),  # (2^31 / 2^14) · 2^16 + 2^15
        ([2], "02 8080838020 40"),  # start 3 · 2^14; 1 above the table: 0, then 1
        ([-3], "02 8080838020 b0"),  # 3 below the table: 1, then 0 11
    ],
)
def test_streams_worked_out_by_hand(symbols, stream):
    symbols = np.array(symbols, np.int32)
    assert encode(symbols, under_first(symbols), QUARTERS).hex() == stream.replace(" ", "")


@pytest.mark.parametrize(
    ("value", "bits"), [(0, 1), (1, 2), (2, 2 + 2), (3, 2 + 4), (4, 2 + 4), (5, 2 + 6), (-1, 2 + 2)]
)
def test_code_lengths(value, bits):
    assert code_length_bits(np.array([value], np.int32), np.zeros(1, np.uint8), QUARTERS) == bits


def test_gaussian_tables_hold_the_masses_of_whole_numbers():
    tables = gaussian_tables([1.0])
    assert tables.lowest.tolist() == [-4]
    # Φ(0.5) − Φ(−0.5) = 0.382925, Φ(1.5) − Φ(0.5) = 0.241730; beyond ±4.5: 6.8e-6, less than one in 65,536
    assert tables.frequencies[4:6] / 65_536 == pytest.approx([0.382925, 0.241730], abs=2e-5)
    assert tables.frequencies[-1] == 1


# laws


@st.composite
def tables_and_symbols(draw):
    counts = draw(st.lists(st.integers(1, 40), min_size=1, max_size=6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    masses = [rng.dirichlet(np.full(n + 1, 0.3))[:-1] for n in counts]
    lowest = [draw(st.integers(-50, 50) | st.sampled_from([-(2**31), 2**31 - 1 - n])) for n in counts]
    n = draw(st.sampled_from([0, 1, 2, 3, 5, 1000]))
    which = rng.integers(0, len(counts), n).astype(draw(st.sampled_from([np.uint8, np.uint16])))
    near = np.array(lowest)[which] + rng.integers(-3, 45, n)
    wild = rng.integers(*INT32, n, endpoint=True)
    symbols = np.where(rng.random(n) < draw(st.sampled_from([0, 0.01, 1])), wild, near).clip(*INT32)
    symbols[: draw(st.integers(0, 2))] = draw(st.sampled_from(INT32))
    return from_masses(zip(lowest, masses, strict=True)), symbols.astype(np.int32), which


@given(tables_and_symbols())
@settings(deadline=None, max_examples=300)
def test_round_trip_in_the_ideal_length(case):
    tables, symbols, which = case
    stream = encode(symbols, which, tables)
    back = decode(stream, which, tables)
    assert back.dtype == np.int32
    assert np.array_equal(back, symbols)
    assert encode(symbols, which, tables) == stream
    ideal = code_length_bits(symbols, which, tables) / 8
    assert ideal <= len(stream) <= ideal * 1.001 + 10
    kept = Tables.unpacked(tables.packed())
    assert encode(symbols, which, kept) == stream
    assert np.array_equal(kept.packed(), tables.packed())


@pytest.mark.parametrize("n", [60_000, 60_001, 60_002, 60_003])
def test_round_trip_in_four_lanes(n):
    symbols, which = drawn(n)
    symbols[::1_000] = INT32[0]
    symbols[1::1_000] = INT32[1]
    stream = encode(symbols, which, GAUSSIAN)
    assert stream[0] & 1
    assert np.array_equal(decode(stream, which, GAUSSIAN), symbols)
    ideal = code_length_bits(symbols, which, GAUSSIAN) / 8
    assert ideal <= len(stream) <= ideal * 1.001 + 26


def test_frequencies_sum_to_all():
    for tables in (GAUSSIAN, from_masses([(0, np.full(65_535, 1 / 65_535)), (5, np.zeros(3)), (-7, np.ones(1))])):
        assert len(tables) == tables.lowest.size
        ends = np.cumsum(tables.count + 1)
        sums = [f.astype(int).sum() for f in np.split(tables.frequencies, ends)[:-1]]
        assert sums == [1 << PRECISION_BITS] * len(tables)
        assert tables.frequencies.min() == 1


def test_arrays_that_are_not_contiguous():
    symbols, which = drawn(2_000)
    stream = encode(symbols[::2], which[::2], GAUSSIAN)
    assert stream == encode(symbols[::2].copy(), which[::2].copy(), GAUSSIAN)
    assert np.array_equal(decode(stream, which[::2], GAUSSIAN), symbols[::2])


def test_threads_agree():
    cases = [drawn(20_000, seed=k) for k in range(8)]
    with ThreadPoolExecutor(4) as pool:
        streams = list(pool.map(lambda case: encode(*case, GAUSSIAN), cases))
        backs = list(pool.map(lambda s, case: decode(s, case[1], GAUSSIAN), streams, cases))
    assert all(np.array_equal(back, case[0]) for back, case in zip(backs, cases, strict=True))


# robustness


def returns_symbols_or_refuses(stream, which):
    """Whether it returned symbols."""
    try:
        back = decode(stream, which, GAUSSIAN)
    except ImageError as error:
        assert "bytes of entropy-coded data are damaged" in str(error)  # noqa: PT017
        return False
    assert back.dtype == np.int32
    assert back.shape == which.shape
    return True


@pytest.mark.parametrize("n", [0, 3, 500, 30_000])
def test_damaged_streams(n):
    symbols, which = drawn(n)
    symbols[::50] *= 1_000
    stream = encode(symbols, which, GAUSSIAN)
    rng = np.random.default_rng(5)
    passed = 0
    for _ in range(500):
        broken = bytearray(stream)
        for _ in range(rng.integers(1, 4)):
            broken[rng.integers(len(broken))] ^= 1 << rng.integers(8)
        at, length = rng.integers(len(stream), size=2)
        passed += returns_symbols_or_refuses(bytes(broken), which)
        passed += returns_symbols_or_refuses(stream[:at], which)
        passed += returns_symbols_or_refuses(stream[:at] + rng.bytes(length), which)
        passed += returns_symbols_or_refuses(stream + rng.bytes(length + 1), which)
    assert passed < 20 + 500 * (n == 3)  # three symbols hold so few bits that many streams are as good


@given(st.binary(max_size=300), st.integers(0, 400))
@settings(deadline=None, max_examples=300)
def test_any_bytes(noise, n):
    _, which = drawn(n)
    returns_symbols_or_refuses(noise, which)
    # a head and states that can be, so that words and excess bits are read
    returns_symbols_or_refuses(bytes([2 * (len(noise) // 2)]) + b"\x80\x80\x80\x80\x10" + noise, which)


@pytest.mark.parametrize(
    "stream",
    [
        "",
        "00",
        "80808080808080808001",  # a number of ten bytes
        "00 8080808007",  # a state below 2^31
        "00 ffffffffffffffffff01",  # and one above 2^63
        "00 8080808010 00",  # a quarter of a word
        "00 8080808010 00000000",  # a word too many
        "02 8080808010 00",  # excess that nobody asked for
        "00 8080838020",  # an escape without excess
        "02 8080838020 41",  # excess that ends in a one
        "02 8080838020 00",  # excess without an end
        "10 8080838020 0000000080000000",  # 2^32 above the table
    ],
)
def test_streams_that_cannot_be(stream):
    stream = bytes.fromhex(stream.replace(" ", ""))
    with pytest.raises(ImageError, match=f"{len(stream)} bytes of entropy-coded data are damaged, or belong to other"):
        decode(stream, np.zeros(1, np.uint8), QUARTERS)


ONE = np.zeros(1, np.uint8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: encode(np.zeros(1, np.int64), ONE, COIN), "symbols are int64 (1,); expected int32 (1,)"),
        (lambda: code_length_bits(np.zeros(2, np.int32), ONE, COIN), "symbols are int32 (2,); expected int32 (1,)"),
        (lambda: decode(b"", ONE + 1, COIN), "`which` names table 1, but there are 1, counted from 0"),
        (lambda: decode(b"", ONE.astype(np.int32), COIN), "`which` is int32 (1,); expected a row of uint8 or uint16"),
        (lambda: gaussian_tables([0.0]), "a scale is 0; expected a standard deviation above 0"),
        (lambda: gaussian_tables([float("nan")]), "a scale is nan; expected a standard deviation above 0"),
        (lambda: gaussian_tables([]), "0 tables with 0 lowest values; expected 1 to 65,536 of each"),
        (lambda: from_masses([(0, np.array([0.7, 0.7]))]), "numbers ≥ 0 with a sum of at most 1"),
        (lambda: from_masses([(0, np.array([np.nan]))]), "numbers ≥ 0 with a sum of at most 1"),
        (lambda: from_masses([(2**31, np.ones(1))]), "a table of 1 values from 2147483648; expected at most"),
        (lambda: from_masses([(2**31 - 1, np.full(2, 0.5))]), "a table reaches up to 2147483648; expected int32"),
        (lambda: Tables(lowest=ONE, count=ONE, frequencies=ONE), "tables of uint8, uint8, uint8; expected int32"),
        (lambda: Tables.unpacked(np.array([1.0])), "(1,) float64 are no packed tables: expected int32"),
        (lambda: Tables.unpacked(np.array([], np.int32)), "(0,) int32 are no packed tables"),
        (lambda: Tables.unpacked(np.array([2, 0, 1], np.int32)), "(3,) int32 are no packed tables"),
        (
            lambda: Tables.unpacked(np.array([1, 0, 1], np.int32)),
            "the tables hold 0 frequencies; expected one of every",
        ),
        (lambda: Tables.unpacked(np.array([1, 0, 2, 65_535, 1], np.int32)), "the tables hold 2 frequencies"),
        (lambda: Tables.unpacked(np.array([1, 0, 1, 65_536, 0], np.int32)), "must be 1 or more, and sum to 65,536"),
        (lambda: Tables.unpacked(np.array([1, 0, 1, 65_535, 2], np.int32)), "must be 1 or more, and sum to 65,536"),
    ],
)
def test_refused(call, message):
    with pytest.raises(SettingError, match=re.escape(message)):
        call()


# agreement


@pytest.mark.parametrize("scale", [0.11, 0.5, 3.0, 256.0])
def test_length_is_the_entropy_of_the_gaussian(scale):
    symbols = np.rint(np.random.default_rng(11).normal(size=200_000) * scale).astype(np.int32)
    which = under_first(symbols)
    counts = np.unique_counts(symbols).counts
    entropy = -(counts * np.log2(counts / symbols.size)).sum()  # of this very sample: a little below the Gaussian's
    length = code_length_bits(symbols, which, gaussian_tables([scale]))
    assert entropy <= length + 40
    assert length <= entropy * 1.01 + 60


def test_another_decoder_agrees():
    """Written after the description of the format alone, in Python's integers."""
    for n in (100, 20_000):
        symbols, which = drawn(n, seed=2)
        symbols[::40] += 5_000
        assert by_the_book(encode(symbols, which, GAUSSIAN), which, GAUSSIAN) == symbols.tolist()


def by_the_book(stream, which, tables):
    head, stream = leb128(stream)
    states = []
    for _ in range(4 if head % 2 else 1):
        state, stream = leb128(stream)
        states.append(state)
    bits = iter("".join(f"{byte:08b}" for byte in stream[: head // 2]))
    words = iter(np.frombuffer(stream[head // 2 :], "<u4").tolist())
    frequencies = np.split(tables.frequencies.astype(int), np.cumsum(tables.count + 1))
    starts = [np.cumsum(f) - f for f in frequencies]
    symbols = []
    for k, t in enumerate(which):
        lane = k % len(states)
        slot = states[lane] % 65_536
        s = int(np.searchsorted(starts[t], slot, side="right")) - 1
        states[lane] = int(frequencies[t][s]) * (states[lane] // 65_536) + slot - int(starts[t][s])
        if states[lane] < 2**31:
            states[lane] = states[lane] * 2**32 + next(words)
        if s == tables.count[t]:
            below = next(bits) == "1"
            zeros = 0
            while next(bits) == "0":
                zeros += 1
            distance = int("1" + "".join(next(bits) for _ in range(zeros)), 2)
            s = -distance if below else s - 1 + distance
        symbols.append(s + int(tables.lowest[t]))
    assert set(states) == {2**31}
    assert next(words, None) is None
    return symbols


def leb128(stream):
    n = next(k for k, byte in enumerate(stream) if byte < 128) + 1
    return sum((byte & 127) << 7 * k for k, byte in enumerate(stream[:n])), stream[n:]


# golden

GOLDEN_TABLES = [2, -2, -1, 5, 2, 4_000, 16_000, 25_000, 16_000, 4_000, 536, 9_000, 50_000, 6_536]
GOLDEN_SYMBOLS = [0, -1, 1, 0, 0, 2, -2, 0, 7, 0, -1, 0, 0, -40, 0, 1, 0, 2_147_483_647, 0, -1, -2_147_483_648, 0, 0, 1]
ONE_LANE = "26f18ee6a68bd7c64021609d00000001fffffffe00000007ffffffe48046a3ca"
FOUR_LANES = "27e0bcfdb0c1dbd8029880e0e79a9406d081c791beb502d082a1b9846721609d00000001fffffffe00000007ffffffe4"


def test_golden_streams_decode_for_ever():
    tables = Tables.unpacked(np.array(GOLDEN_TABLES, np.int32))
    symbols = np.array(GOLDEN_SYMBOLS, np.int32)
    which = np.arange(24, dtype=np.uint8) % 2
    for stream in ONE_LANE, FOUR_LANES:
        assert decode(bytes.fromhex(stream), which, tables).tolist() == GOLDEN_SYMBOLS
    assert encode(symbols, which, tables).hex() == ONE_LANE
