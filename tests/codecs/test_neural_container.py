"""The container of fixed-quality streams: bytes worked out by hand, every part damaged, and a reader of its own."""

import json
import zlib
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbiq.arrays import DTYPES
from orbiq.codecs.frames import leb128
from orbiq.codecs.neural_container import MAGIC, Container, Head, is_container, packed, read_head, unpacked
from orbiq.codecs.neural_planes import Scaling
from orbiq.errors import ImageError

HEAD = Head(
    model="00112233445566ff",
    dtype="uint16",
    bits=12,
    shape=(300, 70, 1),
    tile_px=256,
    block=(64, 32),
    joint=False,
    residual=True,
    scalings=(Scaling(depth_bits=11, centres=(900,)),),
)
MASK = np.random.default_rng(1).random((300, 70)) > 0.3
FULL = Container(head=HEAD, tiles=(b"first", b""), mask=MASK, notes={"epsg": 32631, "x": [1.5, None]})
PLAIN = Container(head=HEAD, tiles=(b"first", b"second"))
COLOURS = replace(HEAD, shape=(9, 70, 3), joint=True, scalings=(Scaling(depth_bits=11, centres=(900, 0, -1)),))


def turned(*turn):
    """An image of three bands, its colours turned."""
    return Container(head=replace(COLOURS, scalings=(replace(COLOURS.scalings[0], turn=turn),)), tiles=(b"tile",))


def crc(data):
    return zlib.crc32(data).to_bytes(4, "little")


def around(said, behind=b""):
    """A stream with this head, its length (below 128) and checksum right."""
    return MAGIC + b"\x01" + bytes([len(said)]) + crc(said) + said + behind


def head_of(container):
    """The bytes of the head."""
    stream = packed(container)
    return stream[10 : 10 + stream[5]]


# known answers


def test_a_stream_worked_out_by_hand():
    head = replace(HEAD, shape=(9, 300, 2), bits=16, block=(0, 0), residual=False)
    head = replace(head, scalings=(Scaling(depth_bits=8, centres=(0,)), Scaling(depth_bits=9, centres=(-32768,))))
    said = bytes.fromhex(
        "00112233445566ff 01 10 00"  # model, uint16, 16 bits, no flags
        "09 ac02 02 04 00 00"  # 300 = 0x2c + 2 · 128; tiles of 4 · 64
        "08 808002 09 00"  # depth 8, 32768 = 2 · 128²; depth 9, −32768 + 32768
        "01 00 00 02"  # two tiles across, of two bands each
    )
    tiles = b"a", b"", b"", b"bc"
    expected = bytes.fromhex("894f4251 01 1c") + crc(said) + said + b"".join(crc(tile) + tile for tile in tiles)
    assert packed(Container(head=head, tiles=tiles)) == expected


@pytest.mark.parametrize(
    ("turn", "flags", "coded"),
    [
        ((0, 0, 0), "05", ""),
        ((1, 0, 0), "15", "02 00 00"),
        ((-1, 63, -64), "15", "01 7e 7f"),
        ((64, -65, 0), "15", "8001 8101 00"),  # 128 and 129
        ((8192, -8192, 0), "15", "808001 ff7f 00"),  # 2^14 and 2^14 − 1
    ],
)
def test_a_turn_stands_behind_the_scaling_where_there_is_one(turn, flags, coded):
    said = bytes.fromhex(
        f"00112233445566ff 01 0c {flags}"
        "09 46 03 04 04 02"
        "0b 848702 808002 ffff01"  # 900, 0 and −1, each + 32768
        f"{coded} 04"
    )
    assert head_of(turned(*turn)) == said
    assert packed(turned(*turn)) == around(said, crc(b"tile") + b"tile")


def test_the_range_of_samples_follows_bits_and_sign():
    assert (HEAD.lowest, HEAD.highest) == (0, 4095)
    signed = replace(HEAD, dtype="int16")
    assert (signed.lowest, signed.highest) == (-2048, 2047)


# laws


def test_everything_comes_back():
    back = unpacked(packed(FULL))
    assert back.head == HEAD
    assert back.tiles == FULL.tiles
    assert np.array_equal(back.mask, MASK)
    assert back.notes == FULL.notes
    assert unpacked(packed(PLAIN)).mask is unpacked(packed(PLAIN)).notes is None
    assert packed(back) == packed(FULL)
    assert read_head(packed(FULL)) == HEAD


@st.composite
def containers(draw):
    joint = draw(st.booleans())
    bands = 3 if joint else draw(st.integers(1, 7))
    dtype = draw(st.sampled_from(["uint8", "uint16", "int16"]))
    tile_px = 64 * draw(st.integers(1, 64))
    block = tuple(16 * draw(st.sampled_from([k for k in range(1, 257) if tile_px // 16 % k == 0])) for _ in "rc")
    shape = (draw(st.integers(1, 3 * tile_px)), draw(st.integers(1, 2 * tile_px)), bands)
    centre = st.integers(-32768, 65535)
    turns = st.one_of(st.just((0, 0, 0)), st.tuples(*[st.integers(-8192, 8192)] * 3))
    turn = draw(turns) if joint else (0, 0, 0)
    scalings = tuple(
        Scaling(depth_bits=draw(st.integers(1, 16)), centres=tuple(draw(centre) for _ in group), turn=turn)
        for group in ([(0, 1, 2)] if joint else [(k,) for k in range(bands)])
    )
    head = Head(
        model=draw(st.binary(min_size=8, max_size=8)).hex(),
        dtype=dtype,
        bits=draw(st.integers(1, 8 if dtype == "uint8" else 16)),
        shape=shape,
        tile_px=tile_px,
        block=draw(st.sampled_from([(0, 0), block])),
        joint=joint,
        residual=draw(st.booleans()),
        scalings=scalings,
    )
    n = head.grid[0] * head.grid[1] * len(scalings)
    return Container(head=head, tiles=tuple(draw(st.lists(st.binary(max_size=300), min_size=n, max_size=n))))


@given(containers())
@settings(max_examples=60, deadline=None)
def test_any_container_comes_back_from_its_bytes(container):
    back = unpacked(packed(container))
    assert back == container
    assert back.head.groups == container.head.groups


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_changed_byte_or_an_end_cut_off_never_goes_unnoticed(data):
    stream = packed(FULL)
    at = data.draw(st.integers(0, len(stream) - 1))
    changed = bytes([stream[at] ^ data.draw(st.integers(1, 255))])
    for broken in (stream[:at] + changed + stream[at + 1 :], stream[:at]):
        with pytest.raises(ImageError, match="fixed-quality stream"):
            unpacked(broken)


@given(st.binary(max_size=120))
@settings(max_examples=200, deadline=None)
def test_any_head_with_the_right_checksum_is_read_or_refused(said):
    with suppress(ImageError):
        unpacked(around(said))


def test_damaged_tiles_can_be_left_out():
    stream = bytearray(packed(PLAIN))
    stream[-1] ^= 1
    assert unpacked(bytes(stream), damaged=True).tiles == (b"first", None)
    assert unpacked(packed(PLAIN)[:-8], damaged=True).tiles == (b"first", None)
    with pytest.raises(ImageError, match=r"1 of 2 tiles .* are damaged or cut off, tile 1 first: fetch the file again"):
        unpacked(bytes(stream))
    with pytest.raises(ImageError, match="whose tiles are damaged is not written again"):
        packed(unpacked(bytes(stream), damaged=True))


@pytest.mark.parametrize("damaged", [False, True])
def test_mask_and_notes_must_be_whole(damaged):
    stream = bytearray(packed(FULL))
    stream[len(head_of(FULL)) + 20] ^= 1
    with pytest.raises(ImageError, match="the mask or the notes of a fixed-quality stream are damaged"):
        unpacked(bytes(stream), damaged=damaged)


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (b"", "0 bytes are no fixed-quality stream"),
        (b"\x89PNG\r\n", "6 bytes are no fixed-quality stream: they do not start with its magic bytes"),
        (MAGIC, "is of version none; this orbiq reads 1"),
        (MAGIC + b"\x02rest", "is of version 2; this orbiq reads 1: use a newer one"),
        (MAGIC + b"\x01", "the head of a fixed-quality stream is damaged or cut off"),
        (MAGIC + b"\x01" + b"\xff" * 20, "the head of a fixed-quality stream is damaged or cut off"),
        (packed(PLAIN)[:20], "the head of a fixed-quality stream is damaged or cut off"),
    ],
)
def test_what_is_no_stream_is_refused(stream, message):
    assert is_container(stream) == stream.startswith(MAGIC)
    with pytest.raises(ImageError, match=message):
        read_head(stream)


@pytest.mark.parametrize(
    ("at", "new", "message"),
    [
        (8, "09", "12 bits of kind 9"),
        (8, "03", "12 bits of float32"),
        (8, "00", "12 bits of uint8"),
        (9, "00", "0 bits of uint16"),
        (9, "11", "17 bits of uint16"),
        (10, "01", "flags 0x01 with 1 bands"),
        (10, "10", "flags 0x10 with 1 bands"),
        (13, "00", "300 rows, 0 cols, 1 bands"),
        (14, "00", "300 rows, 70 cols, 0 bands"),
        (14, "ffffff7f", "300 rows, 70 cols, 268435455 bands"),
        (13, "ffffffffffff01", "300 rows, 8796093022207 cols"),
        (15, "00", "tiles of 0 pixels"),
        (15, "41", "tiles of 4160 pixels"),
        (15, "ffffffffff7f", "tiles of 281474976710592 pixels"),
        (16, "00", "with blocks of 0x32"),
        (16, "03", "with blocks of 48x32"),
        (18, "00", "a depth of 0 bits"),
        (19, "80808001", "a centre of 2064384 DN"),
        (13, "ffff7f", "16384 parts in a head"),
        (13, "ffffffffffffffffffff", "a number is too long"),
    ],
)
def test_a_head_that_cannot_be_is_refused_before_anything_is_made_for_it(at, new, message):
    said = head_of(PLAIN)
    end = at + 1
    while at > 10 and said[end - 1] > 0x7F:
        end += 1
    with pytest.raises(ImageError, match=f"the head of a fixed-quality stream cannot be: .*{message}"):
        unpacked(around(said[:at] + bytes.fromhex(new) + said[end:]))


@pytest.mark.parametrize("length", [0, 5, 10, 14, 18, 22])
def test_a_head_that_is_too_short_or_too_long_is_refused(length):
    with pytest.raises(ImageError, match=f"{length} bytes are too few|parts in a head of {length} bytes"):
        read_head(around(head_of(PLAIN)[:length]))
    with pytest.raises(ImageError, match="3 bytes too many"):
        read_head(around(head_of(PLAIN) + b"\0\0\0"))


@pytest.mark.parametrize(
    ("flag", "part", "message"),
    [
        (2, zlib.compress(bytes(10)), "mask .* does not fit its image"),
        (2, zlib.compress(bytes(10**6)), "holds more than the 2625 bytes that it can"),
        (2, b"neither", "cannot be inflated: Error -3"),
        (2, zlib.compress(bytes(2625))[:-6], "cannot be inflated: it ends early"),
        (8, zlib.compress(b"[" * 100_000), "notes .* are no JSON"),
        (8, zlib.compress(b"\xff"), "notes .* are no JSON"),
        (8, zlib.compress(b"[1]"), "notes .* are a list; expected an object"),
        (8, zlib.compress(bytes(1 << 25)), "holds more than the 16777216 bytes"),
    ],
)
def test_parts_that_fit_their_checksum_and_nothing_else(flag, part, message):
    said = head_of(PLAIN)
    number = bytes([len(part) & 0x7F | 0x80, len(part) >> 7 & 0x7F | 0x80, len(part) >> 14])
    said = said[:10] + bytes([flag]) + said[11:-2] + number + b"\0\0"
    with pytest.raises(ImageError, match=message):
        unpacked(around(said, crc(part) + part + 2 * crc(b"")))


@pytest.mark.parametrize("turn", [(8193, 0, 0), (0, -8193, 0), (0, 5, 1 << 40)])
def test_colours_turned_too_far_are_neither_written_nor_read(turn):
    message = f"cannot be: colours turned by {', '.join(map(str, turn))}"
    with pytest.raises(ImageError, match=message):
        packed(turned(*turn))
    said = head_of(turned(1, 1, 1))
    coded = b"".join(leb128(2 * t if t >= 0 else -2 * t - 1) for t in turn)
    with pytest.raises(ImageError, match=message):
        read_head(around(said[:-4] + coded + said[-1:]))


@pytest.mark.parametrize(("flags", "bands"), [(0x10, 1), (0x10, 3), (0x11, 2), (0x20, 3)])
def test_colours_are_turned_only_where_three_bands_are_coded_jointly(flags, bands):
    said = bytearray(head_of(turned(1, 2, 3)))
    said[10], said[13] = flags, bands
    with pytest.raises(ImageError, match=f"cannot be: flags {flags:#04x} with {bands} bands"):
        read_head(around(bytes(said)))


def test_a_turn_that_is_cut_off_is_refused():
    said = head_of(turned(1, 2, 3))
    for end in (-4, -3, -2):
        with pytest.raises(ImageError, match=f"{len(said) + end} bytes are too few"):
            read_head(around(said[:end]))
    with pytest.raises(ImageError, match="a number is too long"):
        read_head(around(said[:-4] + b"\xff" * 12 + said[-4:]))


def test_notes_that_could_not_be_read_are_not_written():
    with pytest.raises(ImageError, match="notes of 16777226 bytes; a fixed-quality stream holds 16777216"):
        packed(replace(PLAIN, notes={"x": "x" * ((1 << 24) + 2)}))


def test_what_could_not_be_read_is_not_written():
    with pytest.raises(ImageError, match="cannot be: 20 bits of uint16"):
        packed(replace(PLAIN, head=replace(HEAD, bits=20)))
    with pytest.raises(ImageError, match="cannot be: tiles of 128 pixels with blocks of 96x32"):
        packed(replace(PLAIN, head=replace(HEAD, tile_px=128, block=(96, 32))))
    with pytest.raises(ImageError, match=r"the mask is \(70, 300\) and the image \(300, 70\)"):
        packed(replace(FULL, mask=MASK.T))


# agreement


def test_a_reader_written_from_the_description_alone_finds_the_same():
    assert plainly_read(packed(FULL)) == {
        "model": HEAD.model,
        "dtype": "uint16",
        "bits": 12,
        "shape": [300, 70, 1],
        "tile": 256,
        "block": [64, 32],
        "scalings": [(11, [900])],
        "turn": [0, 0, 0],
        "mask": MASK.tolist(),
        "notes": FULL.notes,
        "tiles": [b"first", b""],
    }
    found = plainly_read(packed(turned(-700, 0, 8192)))
    assert found["turn"] == [-700, 0, 8192]
    assert found["scalings"] == [(11, [900, 0, -1])]
    assert found["tiles"] == [b"tile"]


def plainly_read(stream):
    assert stream[:5] == bytes.fromhex("89 4F 42 51 01")
    rest = iter(stream[5:])

    def take(n):
        return bytes(next(rest) for _ in range(n))

    def number():
        digits = []
        while not digits or digits[-1] >= 128:
            digits.append(next(rest))
        return sum((digit % 128) * 128**k for k, digit in enumerate(digits))

    def checked(n):
        check, part = int.from_bytes(take(4), "little"), take(n)
        assert zlib.crc32(part) == check
        return part

    whole = checked(number())
    behind, rest = rest, iter(whole)
    found = {"model": take(8).hex(), "dtype": DTYPES[take(1)[0]], "bits": take(1)[0]}
    flags = take(1)[0]
    found |= {"shape": [number() for _ in range(3)], "tile": 64 * number(), "block": [16 * number() for _ in range(2)]}
    rows, cols, bands = found["shape"]
    groups = [3] if flags & 1 else [1] * bands
    found["scalings"] = [(take(1)[0], [number() - 32768 for _ in range(n)]) for n in groups]
    coded = [number() for _ in range(3)] if flags & 16 else [0, 0, 0]
    found["turn"] = [-(n + 1) // 2 if n % 2 else n // 2 for n in coded]
    n_tiles = -(-rows // found["tile"]) * -(-cols // found["tile"]) * len(groups)
    lengths = [number() for _ in range((flags >> 1 & 1) + (flags >> 3 & 1) + n_tiles)]
    assert not list(rest)
    rest = behind
    if flags & 2:
        bits = "".join(f"{byte:08b}" for byte in zlib.decompress(checked(lengths.pop(0))))
        found["mask"] = [[bits[r * cols + c] == "1" for c in range(cols)] for r in range(rows)]
    if flags & 8:
        found["notes"] = json.loads(zlib.decompress(checked(lengths.pop(0))))
    found["tiles"] = [checked(n) for n in lengths]
    return found
