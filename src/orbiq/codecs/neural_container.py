"""The file of the fixed-quality codec: what a decoder has to know, and where each tile lies.

All numbers are little-endian; LEB128 numbers have 7 bits a byte, the least significant first. In this order:

    89 4F 42 51            magic
    01                     version
    length (LEB128), CRC-32 of the head (4 bytes), head:
        model              first 8 bytes of the SHA-256 of the model's file
        dtype              one byte: its position in `arrays.DTYPES`
        bits               one byte: significant bits of a sample
        flags              one byte: 1 three bands jointly, 2 a mask, 4 a residual layer, 8 notes, 16 turned colours
        rows, cols, bands  LEB128
        tile               LEB128, in units of 64 pixels, up to 64 of them
        block              rows and cols of a block, LEB128, in units of 16 pixels, the tile a multiple of both; or
                           0 0: one level for all
        scalings           for each group of planes depth_bits (1 byte), and each plane's centre + 32768 (LEB128)
        turn               of the colours, if flagged: three numbers (`neural_planes`), each t as 2t, or −2t − 1 below 0
                           (LEB128)
        lengths            of mask and notes where there are any, then of every tile (LEB128)
    mask                   CRC-32 (4 bytes) and deflated bits, 1 where valid, row by row
    notes                  CRC-32 (4 bytes) and deflated JSON: place on the ground and the like
    tiles                  each a CRC-32 (4 bytes) and what `neural_tiles` says; row by row, each group by group

A group is a band, or three bands coded jointly. Whoever wants a window reads the head and the tiles that it touches.
What may follow the last tile is not read. A head cannot claim more tiles than it has bytes, and no tile is large, so
that whoever decodes tile by tile needs memory for those that are there, and not for what a damaged head claims.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from orbiq.arrays import DTYPES, BoolArray
from orbiq.codecs.frames import leb128, read_leb128
from orbiq.codecs.neural_planes import Scaling
from orbiq.errors import ImageError

MAGIC = b"\x89OBQ"
VERSION = 1
TILE_UNIT, BLOCK_UNIT = 64, 16
MOST_TILE_PX = 4096
"""Side of the largest tile."""
_JOINT, _MASKED, _RESIDUAL, _NOTED, _TURNED = 1, 2, 4, 8, 16
_BITS = {"uint8": 8, "uint16": 16, "int16": 16}
_CENTRE_OFFSET = 1 << 15
_MOST_TURN = 1 << 13
_MOST_PIXELS = 1 << 40
_MOST_NOTES_BYTES = 1 << 24
_WORD = 4


@dataclass(frozen=True, kw_only=True)
class Head:
    """What the head says; `block` in pixels, (0, 0) for one level of quality in all of the image."""

    model: str
    dtype: str
    bits: int
    shape: tuple[int, int, int]
    tile_px: int
    block: tuple[int, int]
    joint: bool
    residual: bool
    scalings: tuple[Scaling, ...]

    @property
    def lowest(self) -> int:
        """The smallest value that a sample can have."""
        return -(1 << (self.bits - 1)) if self.dtype == "int16" else 0

    @property
    def highest(self) -> int:
        """The largest value that a sample can have."""
        return self.lowest + (1 << self.bits) - 1

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and cols of tiles."""
        rows, cols, _ = self.shape
        return -(-rows // self.tile_px), -(-cols // self.tile_px)

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The bands of each group.

        >>> scalings = (Scaling(depth_bits=8, centres=(128,)),) * 2
        >>> Head(model="", dtype="uint8", bits=8, shape=(9, 9, 2), tile_px=512, block=(0, 0), joint=False,
        ...      residual=False, scalings=scalings).groups
        ((0,), (1,))
        """
        return ((0, 1, 2),) if self.joint else tuple((k,) for k in range(self.shape[2]))


@dataclass(frozen=True, kw_only=True)
class Container:
    """A head, the tiles' bytes in their order (None where one is damaged), mask, and notes."""

    head: Head
    tiles: tuple[bytes | None, ...]
    mask: BoolArray | None = None
    notes: Mapping[str, Any] | None = None


class _Opened(NamedTuple):
    """A head, its flags, the lengths of all parts, and where the first of them begins."""

    head: Head
    flags: int
    lengths: list[int]
    at: int = 0


def packed(container: Container) -> bytes:
    """The file; ImageError where tiles are missing, or where it could not be read."""
    head = container.head
    if None in container.tiles:
        raise ImageError("a fixed-quality stream whose tiles are damaged is not written again: fetch the file again")
    mask, notes = _mask_bytes(container), _notes_bytes(container.notes)
    parts = [part for part in (mask, notes) if part] + [tile for tile in container.tiles if tile is not None]
    flags = _JOINT * head.joint | _MASKED * bool(mask) | _RESIDUAL * head.residual | _NOTED * bool(notes)
    turn = head.scalings[0].turn if head.joint else (0, 0, 0)
    flags |= _TURNED * any(turn)
    numbers = [*head.shape, head.tile_px // TILE_UNIT, *(side // BLOCK_UNIT for side in head.block)]
    said = b"".join(
        [
            bytes.fromhex(head.model),
            bytes([DTYPES.index(head.dtype), head.bits, flags]),
            *(leb128(n) for n in numbers),
            *(_scaling_bytes(scaling) for scaling in head.scalings),
            *(leb128(2 * t if t >= 0 else -2 * t - 1) for t in turn if any(turn)),
            *(leb128(len(part)) for part in parts),
        ]
    )
    _understood(said)
    checked = [_crc(part) + part for part in parts]
    return b"".join([MAGIC, bytes([VERSION]), leb128(len(said)), _crc(said), said, *checked])


def _mask_bytes(container: Container) -> bytes:
    mask, shape = container.mask, container.head.shape[:2]
    if mask is None:
        return b""
    if mask.shape != shape:
        raise ImageError(f"the mask is {mask.shape} and the image {shape} (rows, cols): expected the same")
    return zlib.compress(np.packbits(mask).tobytes(), 9)


def _notes_bytes(notes: Mapping[str, Any] | None) -> bytes:
    if notes is None:
        return b""
    text = json.dumps(notes, sort_keys=True, separators=(",", ":")).encode()
    if len(text) > _MOST_NOTES_BYTES:
        raise ImageError(f"notes of {len(text)} bytes; a fixed-quality stream holds {_MOST_NOTES_BYTES}: shorten them")
    return zlib.compress(text, 9)


def unpacked(stream: bytes, *, damaged: bool = False) -> Container:
    """The container of a file; ImageError where it is none, or damaged.

    With `damaged` a tile whose checksum does not fit, or that was cut off, is None; head and mask must be whole.
    """
    head, flags, lengths, at = _head(stream)
    parts = []
    for length in lengths:
        parts.append(_part(stream, at, length))
        at += _WORD + length
    extras = [parts.pop(0) for bit in (_MASKED, _NOTED) if flags & bit]
    if None in extras:
        raise ImageError("the mask or the notes of a fixed-quality stream are damaged: fetch the file again")
    mask = _mask(extras.pop(0) or b"", head) if flags & _MASKED else None
    notes = _notes(extras.pop(0) or b"") if flags & _NOTED else None
    if not damaged and (bad := [k for k, part in enumerate(parts) if part is None]):
        raise ImageError(
            f"{len(bad)} of {len(parts)} tiles of a fixed-quality stream are damaged or cut off, tile {bad[0]} first: "
            "fetch the file again, or decode it with damaged tiles left out"
        )
    return Container(head=head, tiles=tuple(parts), mask=mask, notes=notes)


def is_container(stream: bytes) -> bool:
    """Whether a stream starts like one."""
    return stream[:4] == MAGIC


def read_head(stream: bytes) -> Head:
    """The head alone."""
    return _head(stream).head


def _head(stream: bytes) -> _Opened:
    if not is_container(stream):
        raise ImageError(f"{len(stream)} bytes are no fixed-quality stream: they do not start with its magic bytes")
    if len(stream) < 5 or stream[4] != VERSION:
        found = stream[4] if len(stream) > 4 else "none"
        raise ImageError(f"a fixed-quality stream is of version {found}; this orbiq reads {VERSION}: use a newer one")
    try:
        (length,), at = read_leb128(stream, 5, 1)
    except (ValueError, IndexError):
        length, at = len(stream), 5
    begin = at + _WORD
    said = stream[begin : begin + length]
    if len(said) < length or _crc(said) != stream[at:begin]:
        raise ImageError("the head of a fixed-quality stream is damaged or cut off: fetch the file again")
    return _understood(said)._replace(at=begin + length)


def _understood(said: bytes) -> _Opened:
    try:
        return _parsed(said)
    except IndexError:
        raise ImageError(f"the head of a fixed-quality stream cannot be: {len(said)} bytes are too few") from None
    except ValueError as error:
        raise ImageError(
            f"the head of a fixed-quality stream cannot be: {str(error) or 'a number is too long'}"
        ) from None


def _parsed(said: bytes) -> _Opened:
    dtype, bits, flags = DTYPES[said[8]] if said[8] < len(DTYPES) else f"kind {said[8]}", said[9], said[10]
    (rows, cols, bands, tile, *block), at = read_leb128(said, 11, 6)
    tile_px, (block_rows, block_cols) = tile * TILE_UNIT, (side * BLOCK_UNIT for side in block)
    if 0 in (rows, cols, bands) or rows * cols * bands > _MOST_PIXELS or bands > len(said):
        raise ValueError(f"{rows} rows, {cols} cols, {bands} bands")
    if not 1 <= bits <= _BITS.get(dtype, 0):
        raise ValueError(f"{bits} bits of {dtype}")
    joint = bool(flags & _JOINT)
    known = _JOINT | _MASKED | _RESIDUAL | _NOTED | _TURNED
    if flags & ~known or (joint and bands != 3) or (flags & _TURNED and not joint):
        raise ValueError(f"flags {flags:#04x} with {bands} bands")
    whole = (block_rows, block_cols) == (0, 0)
    if not 0 < tile_px <= MOST_TILE_PX or not (whole or _divide(tile_px, block_rows, block_cols)):
        raise ValueError(f"tiles of {tile_px} pixels with blocks of {block_rows}x{block_cols}")
    scalings, at = _scalings(said, at, [3] if joint else [1] * bands)
    if flags & _TURNED:
        scalings[0], at = _turned(scalings[0], said, at)
    head = Head(
        model=said[:8].hex(),
        dtype=dtype,
        bits=bits,
        shape=(rows, cols, bands),
        tile_px=tile_px,
        block=(block_rows, block_cols),
        joint=joint,
        residual=bool(flags & _RESIDUAL),
        scalings=tuple(scalings),
    )
    n_parts = bool(flags & _MASKED) + bool(flags & _NOTED) + head.grid[0] * head.grid[1] * len(scalings)
    if n_parts > len(said):
        raise ValueError(f"{n_parts} parts in a head of {len(said)} bytes")
    lengths, at = read_leb128(said, at, n_parts)
    if at != len(said):
        raise ValueError(f"{len(said) - at} bytes too many")
    return _Opened(head, flags, lengths)


def _divide(whole: int, *parts: int) -> bool:
    return all(part > 0 and whole % part == 0 for part in parts)


def _scalings(said: bytes, at: int, groups: Sequence[int]) -> tuple[list[Scaling], int]:
    scalings = []
    for planes in groups:
        depth = said[at]
        centres, at = read_leb128(said, at + 1, planes)
        if not 1 <= depth <= 16:
            raise ValueError(f"a depth of {depth} bits")
        if max(centres) >= 3 * _CENTRE_OFFSET:
            raise ValueError(f"a centre of {max(centres) - _CENTRE_OFFSET} DN")
        scalings.append(Scaling(depth_bits=depth, centres=tuple(c - _CENTRE_OFFSET for c in centres)))
    return scalings, at


def _turned(scaling: Scaling, said: bytes, at: int) -> tuple[Scaling, int]:
    coded, at = read_leb128(said, at, 3)
    first, second, third = (code // 2 if code % 2 == 0 else -(code + 1) // 2 for code in coded)
    if max(coded) > 2 * _MOST_TURN:
        raise ValueError(f"colours turned by {first}, {second}, {third}")
    return replace(scaling, turn=(first, second, third)), at


def _scaling_bytes(scaling: Scaling) -> bytes:
    return bytes([scaling.depth_bits]) + b"".join(leb128(c + _CENTRE_OFFSET) for c in scaling.centres)


def _part(stream: bytes, at: int, length: int) -> bytes | None:
    """The bytes of a part, None where they are cut off or do not fit their checksum."""
    part = stream[at + _WORD : at + _WORD + length]
    return part if len(part) == length and _crc(part) == stream[at : at + _WORD] else None


def _mask(data: bytes, head: Head) -> BoolArray:
    rows, cols, _ = head.shape
    size = -(-rows * cols // 8)
    bits = np.frombuffer(_inflated(data, size), np.uint8)
    if bits.size != size:
        raise ImageError("the mask of a fixed-quality stream does not fit its image")
    return np.unpackbits(bits, count=rows * cols).astype(bool).reshape(rows, cols)


def _notes(data: bytes) -> dict[str, Any]:
    try:
        notes = json.loads(_inflated(data, _MOST_NOTES_BYTES))
    except (ValueError, RecursionError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"the notes of a fixed-quality stream are no JSON: {error}") from None
    if not isinstance(notes, dict):
        raise ImageError(f"the notes of a fixed-quality stream are a {type(notes).__name__}; expected an object")
    return notes


def _inflated(data: bytes, most: int) -> bytes:
    """Deflated bytes, of which there may not be more than `most`: a few bytes could claim gigabytes."""
    machine = zlib.decompressobj()
    try:
        inflated = machine.decompress(data, most + 1)
    except zlib.error as error:
        raise ImageError(f"a part of a fixed-quality stream cannot be inflated: {error}") from None
    if len(inflated) > most:
        raise ImageError(f"a part of a fixed-quality stream holds more than the {most} bytes that it can")
    if not machine.eof:
        raise ImageError("a part of a fixed-quality stream cannot be inflated: it ends early")
    return inflated


def _crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(_WORD, "little")
