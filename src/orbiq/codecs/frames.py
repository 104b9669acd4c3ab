"""The few bytes before a stream that is not a plain picture file.

One band, or bands coded jointly, of an unsigned dtype is the bare stream of its standard, without anything added.
Band by band, signed, and headerless codings stand behind a frame, so that the stream alone says everything that
decoding needs. A frame is, in this order:

    0xB5                 no standard's stream starts with it
    dtype | joint << 7   one byte; the code of the dtype is its position in `arrays.DTYPES`
    bits                 one byte: significant bits; signed samples travel as sample + 2^(bits - 1)
    rows, cols, bands    LEB128 numbers (7 bits a byte, least significant first)
    lengths              LEB128, of every stream but the last; one stream for each band, or a single joint one
    streams
"""

from collections.abc import Sequence
from dataclasses import dataclass

from orbiq.arrays import DTYPES
from orbiq.errors import ImageError

MARK = 0xB5


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What a stream says about the array: dtype, significant bits, (rows, cols, bands), one joint stream or not."""

    dtype: str
    bits: int
    shape: tuple[int, int, int]
    joint: bool = False

    @property
    def offset(self) -> int:
        """What was added to signed samples; 0 for others.

        >>> Frame(dtype="int16", bits=12, shape=(1, 1, 1)).offset
        2048
        """
        return 1 << (self.bits - 1) if self.dtype == "int16" else 0

    def around(self, streams: Sequence[bytes]) -> bytes:
        """Frame and streams in one.

        >>> Frame(dtype="uint8", bits=8, shape=(300, 5, 2)).around([b"abc", b"d"]).hex(" ")
        'b5 00 08 ac 02 05 02 03 61 62 63 64'
        """
        head = bytes([MARK, DTYPES.index(self.dtype) | self.joint << 7, self.bits])
        numbers = [*self.shape, *(len(s) for s in streams[:-1])]
        return b"".join([head, *(leb128(n) for n in numbers), *streams])


def is_framed(stream: bytes) -> bool:
    """Whether a stream starts with a frame."""
    return stream[:1] == bytes([MARK])


def opened(stream: bytes) -> tuple[Frame, list[bytes]]:
    """The frame and the streams behind it; ImageError when it is broken.

    >>> frame, streams = opened(Frame(dtype="uint8", bits=8, shape=(300, 5, 2)).around([b"abc", b"d"]))
    >>> frame.shape, streams
    ((300, 5, 2), [b'abc', b'd'])
    """
    try:
        _, kind, bits = stream[:3]
        numbers, at = read_leb128(stream, 3, 3)
        rows, cols, bands = numbers
        frame = Frame(dtype=DTYPES[kind & 0x7F], bits=bits, shape=(rows, cols, bands), joint=bool(kind >> 7))
        lengths, at = read_leb128(stream, at, 0 if frame.joint else min(bands - 1, len(stream)))
    except (ValueError, IndexError) as error:
        raise ImageError(f"{len(stream)} bytes start like a framed stream, but the frame is broken") from error
    if 0 in frame.shape or not 1 <= bits <= 64:
        raise ImageError(f"a frame says {frame.shape} (rows, cols, bands) and {bits} bits, which cannot be")
    return frame, _cut(stream, at, lengths)


def _cut(stream: bytes, at: int, lengths: list[int]) -> list[bytes]:
    streams = []
    for length in lengths:
        streams.append(stream[at : at + length])
        at += length
    if at > len(stream):
        raise ImageError(f"the stream ends after {len(stream)} bytes; its bands need at least {at}")
    return [*streams, stream[at:]]


def leb128(value: int) -> bytes:
    """A number in 7 bits a byte, the least significant first.

    >>> leb128(300).hex(" ")
    'ac 02'
    """
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_leb128(stream: bytes, at: int, count: int) -> tuple[list[int], int]:
    """`count` LEB128 numbers from position `at`, and the position behind them."""
    values = []
    for _ in range(count):
        value = shift = 0
        while True:
            byte = stream[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift > 56:
                raise ValueError
        values.append(value)
    return values, at
