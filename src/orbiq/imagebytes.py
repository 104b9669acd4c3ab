"""What can be told of an image from its bytes without decoding: its format, its shape, and whether it is whole.

OpenCV decodes a truncated file to a picture with a grey or black rest and says nothing. So the
structure is walked first: chunks and checksums of PNG, markers of JPEG, sizes of BMP. GDAL refuses a
TIFF that lacks pixels, but drops metadata that lie beyond the end (CRS, nodata): so its directories are walked.

A flipped bit within pixels is seen where the format has checksums (PNG), not elsewhere.

PNG: ISO/IEC 15948. JPEG: ITU-T T.81, annex B. TIFF: revision 6.0, and BigTIFF.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from os import SEEK_END
from typing import BinaryIO

import numpy as np

from orbiq.codestream_headers import stream_header
from orbiq.errors import ImageError
from orbiq.pictures import Format

_MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"BM", "bmp"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"\xff\x0a", "jxl"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "jxl"),
)
_JPEG_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_TIFF_TYPE_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def sniff(head: bytes, name: str) -> Format:
    """The format that the first bytes of a file declare; the file's suffix plays no part.

    >>> sniff(b"BM6...", "a.png")
    'bmp'
    """
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return "jpegls" if kind == "jpeg" and _is_jpegls(head) else kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:12] in {b"ftypavif", b"ftypavis"}:
        return "avif"
    if not head:
        raise ImageError(f"image {name!r} is empty (0 bytes). Copy it again or take it out of the dataset.")
    raise ImageError(
        f"image {name!r} begins with {head[:8]!r}, which is no PNG, JPEG, TIFF, BMP, JPEG 2000, "
        "JPEG-LS, JPEG XL, WebP or AVIF. Convert it, or move it out of the images folder."
    )


def _is_jpegls(head: bytes) -> bool:
    """Whether the frame of a stream of the JPEG family is one of JPEG-LS."""
    return next((marker == 0xF7 for marker, _ in _jpeg_segments(head) if marker in _JPEG_FRAMES | {0xF7}), False)


def check_whole(data: bytes, kind: Format, name: str) -> None:
    """Raise ImageError where `data` is not a whole PNG, JPEG or BMP; bytes after the end are legal.

    Of the other formats the decoder says so.
    """
    if kind == "png":
        _check_png(data, name)
    elif kind == "jpeg":
        _check_jpeg(data, name)
    elif kind == "bmp":
        _check_bmp(data, name)


def check_directories(stream: BinaryIO, name: str) -> None:
    """Raise ImageError where a TIFF's directories or what they point to reach beyond its end."""
    size = stream.seek(0, SEEK_END)
    order, big, at = _tiff_start(stream)
    count_code, entry_bytes, inline = ("Q", 20, 8) if big else ("H", 12, 4)
    seen: set[int] = set()
    while at and at not in seen:
        seen.add(at)
        (count,) = _unpacked(stream, at, order + count_code, name)
        first = at + struct.calcsize(count_code)
        if first + count * entry_bytes > size:
            raise _broken(name, f"the TIFF ends at byte {size} within its directory (truncated)")
        for k in range(count):
            layout = order + ("HHQQ" if big else "HHII")
            _, kind, values, pointer = _unpacked(stream, first + k * entry_bytes, layout, name)
            taken = _TIFF_TYPE_BYTES.get(kind, 0) * values
            if taken > inline and pointer + taken > size:
                raise _broken(name, f"the TIFF ends at byte {size} but its directory points beyond (truncated)")
        (at,) = _unpacked(stream, first + count * entry_bytes, order + ("Q" if big else "I"), name)


def _tiff_start(stream: BinaryIO) -> tuple[str, bool, int]:
    """(byte order, whether BigTIFF, position of the first directory)."""
    stream.seek(0)
    head = stream.read(16).ljust(16, b"\0")
    order = "<" if head.startswith(b"II") else ">"
    big = struct.unpack_from(order + "H", head, 2)[0] == 43
    return order, big, struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)[0]


def _unpacked(stream: BinaryIO, at: int, layout: str, name: str) -> tuple[int, ...]:
    stream.seek(at)
    data = stream.read(struct.calcsize(layout))
    if len(data) < struct.calcsize(layout):
        raise _broken(name, f"the TIFF ends before its directory at byte {at} (truncated)")
    return struct.unpack(layout, data)


def header_shape(head: bytes, kind: Format, name: str) -> tuple[int, int, int, np.dtype[np.generic]] | None:
    """(rows, cols, bands, dtype) as decoding would give them, or None where the header alone does not tell."""
    if kind == "png":
        return _png_shape(head, name)
    if kind == "jpeg":
        return _jpeg_shape(head)
    header = stream_header(head, kind)
    return None if header is None else header.shape


def _broken(name: str, what: str) -> ImageError:
    return ImageError(f"image {name!r} is damaged: {what}. Copy it again or take it out of the dataset.")


def _check_png(data: bytes, name: str) -> None:
    view, at, pixels = memoryview(data), 8, 0
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        if zlib.crc32(view[at + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise _broken(name, f"the checksum of PNG chunk {kind!r} at byte {at} is wrong")
        pixels += length if kind == b"IDAT" else 0
        if kind == b"IEND":
            if not pixels:
                raise _broken(name, "the PNG holds no pixels (no IDAT chunk)")
            return
        at = end
    raise _broken(name, f"the PNG ends at byte {len(data)} before its IEND chunk (truncated)")


def _check_jpeg(data: bytes, name: str) -> None:
    scans = 0
    for marker, _ in _jpeg_segments(data):
        scans += marker == 0xDA
        if marker == 0xD9:
            if not scans:
                raise _broken(name, "the JPEG holds no pixels (no scan)")
            return
    raise _broken(name, f"the JPEG ends at byte {len(data)} before its end marker (truncated)")


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """(marker, position of its length field) of each segment; entropy-coded data in between are skipped."""
    at = 2
    while found := _JPEG_MARKER.search(data, at):
        marker, at = data[found.end() - 1], found.end()
        yield marker, at
        if marker == 0xD9 or at + 2 > len(data):
            return
        if marker not in (0x01, 0xD8):
            at += struct.unpack_from(">H", data, at)[0]


def _check_bmp(data: bytes, name: str) -> None:
    if len(data) < 54:
        raise _broken(name, f"a BMP of {len(data)} bytes has no whole header (truncated)")
    start, _, cols, rows, _, bits, packing, _ = struct.unpack_from("<IIiiHHII", data, 10)
    stored = (cols * bits + 31) // 32 * 4 * abs(rows)
    # 1 and 2 are run lengths, whose size the pixels decide: there the file's own size field is all there is
    expected = struct.unpack_from("<I", data, 2)[0] if packing in (1, 2) else start + stored
    if len(data) < expected:
        raise _broken(name, f"the BMP has {len(data)} bytes but its header promises {expected} (truncated)")


def _png_shape(head: bytes, name: str) -> tuple[int, int, int, np.dtype[np.generic]] | None:
    if len(head) < 33:
        raise _broken(name, "the PNG ends within its header (truncated)")
    cols, rows, bits, colour = struct.unpack_from(">IIBB", head, 16)
    bands = {0: 1, 2: 3, 3: 3, 4: 4, 6: 4}.get(colour)
    if bands is None:
        raise _broken(name, f"PNG colour type {colour} does not exist")
    start = head.find(b"IDAT")
    if start < 0:
        return None
    transparent = colour in (2, 3) and b"tRNS" in head[33:start]
    return rows, cols, 4 if transparent else bands, np.dtype("uint16" if bits == 16 else "uint8")


def _jpeg_shape(head: bytes) -> tuple[int, int, int, np.dtype[np.generic]] | None:
    for marker, at in _jpeg_segments(head):
        if marker in _JPEG_FRAMES and at + 8 <= len(head):
            bits, rows, cols, components = struct.unpack_from(">BHHB", head, at + 2)
            return rows, cols, 1 if components == 1 else 3, np.dtype("uint8" if bits <= 8 else "uint16")
    return None
