"""Rows, cols, bands and depth of JPEG XL, WebP, AVIF and JPEG-LS files, from their first bytes.

Only what the codecs write is understood; None stands for anything more, which decoding then tells.

JPEG XL: ISO/IEC 18181-1, annex D. WebP: RFC 9649. AVIF: ISO/IEC 23008-12 and 14496-12. JPEG-LS: ITU-T T.87, annex C.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from orbiq.pictures import Format


@dataclass(frozen=True, kw_only=True)
class Header:
    """What the first bytes of a file state; `bits` of a sample."""

    rows: int
    cols: int
    bands: int
    bits: int

    @property
    def shape(self) -> tuple[int, int, int, np.dtype[Any]]:
        """(rows, cols, bands, dtype) as decoding gives them."""
        return self.rows, self.cols, self.bands, np.dtype("uint8" if self.bits <= 8 else "uint16")


def stream_header(head: bytes, kind: Format) -> Header | None:
    """The header of a file whose first bytes are `head`; None where it does not tell, or is cut off."""
    reader = _READERS.get(kind)
    try:
        return None if reader is None else reader(head)
    except (struct.error, IndexError):
        return None


def one_tile(head: bytes) -> bool:
    """Whether a file is a bare codestream of JPEG 2000 in one tile: what orbiq's codecs write."""
    if not head.startswith(b"\xff\x4f\xff\x51") or len(head) < 40:
        return False
    cols, rows, left, top, tile_cols, tile_rows, tile_left, tile_top = struct.unpack_from(">8I", head, 8)
    return not any((left, top, tile_left, tile_top)) and tile_cols >= cols and tile_rows >= rows


def _jpegls(head: bytes) -> Header | None:
    at = 2
    while head[at] == 0xFF:
        marker, (length,) = head[at + 1], struct.unpack_from(">H", head, at + 2)
        if marker == 0xF7:
            bits, rows, cols, bands = struct.unpack_from(">BHHB", head, at + 4)
            return Header(rows=rows, cols=cols, bands=bands, bits=bits) if rows and cols else None
        at += 2 + length
    return None


def _webp(head: bytes) -> Header | None:
    kind = head[12:16]
    if kind == b"VP8 ":
        cols, rows = struct.unpack_from("<HH", head, 26)
        return Header(rows=rows & 0x3FFF, cols=cols & 0x3FFF, bands=3, bits=8)
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", head, 21)
        return Header(
            rows=(bits >> 14 & 0x3FFF) + 1, cols=(bits & 0x3FFF) + 1, bands=4 if bits >> 28 & 1 else 3, bits=8
        )
    flags = head[20]
    if kind != b"VP8X" or flags & 0x02:  # animated
        return None
    cols, rows = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (24, 27))
    return Header(rows=rows, cols=cols, bands=4 if flags & 0x10 else 3, bits=8)


def _avif(head: bytes) -> Header | None:
    meta = next((body for name, body in _boxes(head) if name == b"meta"), b"")[4:]
    properties = next((body for name, body in _boxes(meta) if name == b"iprp"), b"")
    held: dict[bytes, bytes] = {}
    for name, body in _boxes(next((body for name, body in _boxes(properties) if name == b"ipco"), b"")):
        held.setdefault(name, body)  # the picture's own come before those of its alpha
    if not held.keys() >= {b"ispe", b"av1C"} or held.keys() & {b"irot", b"imir", b"clap"}:
        return None
    cols, rows = struct.unpack_from(">II", held[b"ispe"], 4)
    depth, more = held[b"av1C"][2], b"auxC" in held
    if more and not held[b"auxC"][4:].rstrip(b"\0").endswith(b"alpha"):
        return None
    bits = (12 if depth & 0x20 else 10) if depth & 0x40 else 8
    return Header(rows=rows, cols=cols, bands=(1 if depth & 0x10 else 3) + more, bits=bits)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, content) of the boxes of an ISO base media file."""
    at = 0
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        if length < 8:
            return
        yield name, data[at + 8 : at + length]
        at += length


class _Bits:
    """A reader of bits, least significant first."""

    def __init__(self, data: bytes) -> None:
        self._left = iter(data[k // 8] >> k % 8 & 1 for k in range(8 * len(data)))

    def number(self, count: int) -> int:
        """The next `count` bits."""
        try:
            return sum(next(self._left) << k for k in range(count))
        except RuntimeError:
            raise IndexError from None

    def chosen(self, *ways: tuple[int, int]) -> int:
        """A number in one of four ways: (base, bits on top of it)."""
        base, count = ways[self.number(2)]
        return base + self.number(count)


_SIDES = ((1, 9), (1, 13), (1, 18), (1, 30))
_RATIOS = ((1, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def _jpegxl(head: bytes) -> Header | None:
    if not head.startswith(b"\xff\x0a"):
        boxes = dict(_boxes(head))
        head = boxes.get(b"jxlc", b"") or boxes.get(b"jxlp", b"")[4:]
    bits = _Bits(head[2:64])
    small = bits.number(1) == 1
    rows, ratio = _side(bits, small=small), bits.number(3)
    cols = rows * _RATIOS[ratio][0] // _RATIOS[ratio][1] if ratio else _side(bits, small=small)
    if bits.number(1):  # all as by default
        return Header(rows=rows, cols=cols, bands=3, bits=8)
    if bits.number(1) and bits.number(6):  # turned, a preview, an animation
        return None
    if bits.number(1):  # floats
        return None
    depth = bits.chosen((8, 0), (10, 0), (12, 0), (1, 6))
    bits.number(1)  # how the decoder may hold them
    if bits.chosen((0, 0), (1, 0), (2, 4), (1, 12)):  # bands beyond the colours
        return None
    bits.number(1)  # XYB or not
    grey = not bits.number(1) and not bits.number(1) and bits.chosen((0, 0), (1, 0), (2, 4), (18, 6)) == 1
    return Header(rows=rows, cols=cols, bands=1 if grey else 3, bits=depth)


def _side(bits: _Bits, *, small: bool) -> int:
    return 8 * (bits.number(5) + 1) if small else bits.chosen(*_SIDES)


_READERS: dict[Format, Callable[[bytes], Header | None]] = {
    "jpegls": _jpegls,
    "jxl": _jpegxl,
    "webp": _webp,
    "avif": _avif,
}
