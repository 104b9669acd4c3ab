"""The streams of picture standards to pixels: what a codec and the reader of the files that it leaves share.

A decoder takes a whole stream and gives (rows, cols) or (rows, cols, bands), red first. It raises ImageError, or the
library's own error, for a stream that is damaged. The libraries are loaded on use.
"""

import struct
from typing import Any

import cv2
import numpy as np

from orbiq.arrays import Array
from orbiq.errors import ImageError
from orbiq.imagebytes import header_shape

_IN_RGB = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
HTJ2K_SEAL = b"orbiq crc "
MAIN_HEADER = 4096
"""Bytes at the start of a codestream within which its comment stands."""


def jpeg(stream: bytes) -> Array:
    """JPEG of 8 bits (ITU-T T.81)."""
    check_jpeg_ends(stream)
    shape = header_shape(stream, "jpeg", "stream")
    flags = _IN_RGB if shape and shape[2] == 3 else cv2.IMREAD_UNCHANGED
    picture = cv2.imdecode(np.frombuffer(stream, np.uint8), flags)
    if picture is None:
        raise ImageError(f"{len(stream)} bytes are not a JPEG stream")
    return np.asarray(picture)


def jpeg12(stream: bytes) -> Array:
    """JPEG of 12 bits (ITU-T T.81)."""
    import imagecodecs

    check_jpeg_ends(stream)
    return np.asarray(imagecodecs.jpeg8_decode(stream))


def jpegls(stream: bytes) -> Array:
    """JPEG-LS (ITU-T T.87)."""
    import imagecodecs

    check_jpeg_ends(stream)  # CharLS takes seconds to find that a stream was cut off
    return np.asarray(imagecodecs.jpegls_decode(stream))


def jpegxl(stream: bytes) -> Array:
    """JPEG XL (ISO/IEC 18181)."""
    import imagecodecs

    return np.asarray(imagecodecs.jpegxl_decode(stream, numthreads=1))


def webp(stream: bytes, *, alpha: bool = False) -> Array:
    """WebP (RFC 9649); an alpha band is left out unless asked for."""
    import imagecodecs

    return np.asarray(imagecodecs.webp_decode(stream, hasalpha=None if alpha else False))


def avif(stream: bytes) -> Array:
    """AVIF."""
    import imagecodecs

    return np.asarray(imagecodecs.avif_decode(stream, numthreads=1))


def jpeg2000(stream: bytes) -> Array:
    """A JPEG 2000 codestream (ITU-T T.800)."""
    import imagecodecs

    return np.asarray(imagecodecs.jpeg2k_decode(stream, numthreads=1))


def htj2k(stream: bytes) -> Array:
    """A high-throughput JPEG 2000 codestream (ITU-T T.814) of one tile."""
    import imagecodecs

    check_jpeg_ends(stream, b"\xff\x4f")
    _check_sizes(stream)
    _check_seal(stream)
    # (rows, cols, bands) is asked for: of 2 and of more than 4 bands the decoder otherwise gives (bands, rows, cols)
    return np.asarray(imagecodecs.htj2k_decode(stream, planar=False))


def check_jpeg_ends(stream: bytes, start: bytes = b"\xff\xd8") -> None:
    """ImageError unless a stream of the JPEG family starts and ends (FF D9) as it must.

    Several decoders fill up what is missing without a word.
    """
    if stream[:2] != start or stream[-2:] != b"\xff\xd9":
        raise ImageError(f"{len(stream)} bytes are not a JPEG stream, or not the whole of one")


def _check_sizes(stream: bytes) -> None:
    """ImageError unless SIZ says one tile from the origin: OpenJPH takes minutes over sizes that are nonsense."""
    try:
        marker, _, _, cols, rows, *offset, tile_cols, tile_rows, _, _ = struct.unpack_from(">HHHIIIIIIII", stream, 2)
    except struct.error as error:
        raise ImageError(f"{len(stream)} bytes are not an htj2k stream") from error
    if marker != 0xFF51 or any(offset) or (tile_cols, tile_rows) != (cols, rows):
        raise ImageError(f"{len(stream)} bytes are not an htj2k stream that orbiq wrote: its sizes do not fit together")


def _check_seal(stream: bytes) -> None:
    at = stream.find(HTJ2K_SEAL, 0, MAIN_HEADER)
    stated = stream[at + len(HTJ2K_SEAL) :][:8]
    if at >= 0 and stated != b"%08x" % htj2k_checksum(stream, at):
        raise ImageError(f"{len(stream)} bytes of an htj2k stream were damaged: their checksum does not fit")


def comment_room(stream: bytes, at: int) -> int:
    """Characters of the comment whose text starts at `at`: COM segments state their length + 4 right before."""
    return int.from_bytes(stream[at - 4 : at - 2], "big") - 4


def htj2k_checksum(stream: bytes, at: int) -> int:
    """CRC-32 of all but the comment's text at `at`; libdeflate's is seven times as fast as zlib's."""
    import imagecodecs

    crc32: Any = imagecodecs.deflate_crc32
    return int(crc32(memoryview(stream)[at + comment_room(stream, at) :], crc32(stream[:at])))
