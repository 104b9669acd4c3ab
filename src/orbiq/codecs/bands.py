"""Band by band or jointly: what every codec shares between an array and the streams of its standard.

A codec hands in how it codes one picture, (rows, cols) or (rows, cols, bands), contiguous, unsigned or float; this
module checks the array, takes signed samples to unsigned ones, takes the bands apart, frames the streams, and back.
"""

from collections.abc import Callable

import numpy as np

from orbiq.arrays import Array
from orbiq.codecs.base import Codec
from orbiq.codecs.frames import Frame, is_framed, opened
from orbiq.errors import ImageError, OrbiqError, SettingError

Encode = Callable[[Array], bytes]
Decode = Callable[[bytes, Frame | None], Array]
"""A stream, and the frame that it stood in, to (rows, cols) or (rows, cols, bands)."""


def encoded(codec: Codec, array: Array, picture: Encode, *, joint: bool, bits: int | None = None) -> bytes:
    """The bare stream of one picture where a standard's decoder gives the array back; else framed streams."""
    frame = _frame(codec, array, joint=joint, bits=bits)
    streams = _streams(codec, array, frame, picture)
    bare = len(streams) == 1 and frame.offset == 0
    return streams[0] if bare and not is_framed(streams[0]) else frame.around(streams)


def encoded_behind_frame(
    codec: Codec, array: Array, part: Encode, *, joint: bool = False, bits: int | None = None
) -> bytes:
    """For codings that do not say the shape themselves: always framed."""
    frame = _frame(codec, array, joint=joint, bits=bits)
    return frame.around(_streams(codec, array, frame, part))


def decoded(codec: Codec, stream: bytes, picture: Decode) -> Array:
    """The array of a bare or framed stream; ImageError when it is not a stream of this codec."""
    if not stream:
        raise ImageError(f"no bytes are no {codec.name} stream")
    if not is_framed(stream):
        whole = _picture(codec, stream, picture, None)
        if str(whole.dtype) not in codec.dtypes or whole.ndim not in {2, 3}:
            raise ImageError(
                f"{len(stream)} bytes decode to {whole.shape} {whole.dtype}, which {codec.name} never writes"
            )
        return whole[:, :, None] if whole.ndim == 2 else whole
    frame, streams = opened(stream)
    if frame.dtype not in codec.dtypes:
        raise ImageError(f"the stream holds {frame.dtype}, which {codec.name} never writes: is it another codec's?")
    rows, cols, bands = frame.shape
    each = (rows, cols, bands if frame.joint else 1)
    parts = [_fitting(codec, _picture(codec, s, picture, frame), each, frame) for s in streams]
    return _lowered(parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2), frame)


def check_setting(subject: str, value: float, low: float, high: float, *, what: str) -> None:
    """SettingError unless low ≤ value ≤ high; `what` says what the ends mean."""
    if not low <= value <= high:
        raise SettingError(f"{subject} is {value:g}; expected {what}")


def check_bands(codec: str, bands: str) -> None:
    """SettingError unless "joint" or "separate"."""
    if bands not in {"joint", "separate"}:
        raise SettingError(f"{codec}:bands is {bands!r}; expected joint or separate")


def check_bits(codec: str, bits: int | None, choices: range | tuple[int, ...]) -> None:
    """SettingError unless None or one of the choices."""
    if bits is not None and bits not in choices:
        text = f"{choices[0]} to {choices[-1]}" if isinstance(choices, range) else " or ".join(map(str, choices))
        raise SettingError(f"{codec}:bits is {bits}; expected {text}, the significant bits of 16-bit data")


def _frame(codec: Codec, array: Array, *, joint: bool, bits: int | None) -> Frame:
    dtype = str(array.dtype)
    if array.ndim != 3 or 0 in array.shape:
        raise ImageError(f"{codec.name} takes (rows, cols, bands), none of them 0; the array is {array.shape}")
    if dtype not in codec.dtypes:
        raise ImageError(
            f"{codec.name} takes {' or '.join(codec.dtypes)}; the image is {dtype}: convert the dataset first, "
            f"or choose a codec that takes {dtype} (docs/codecs.md lists them)"
        )
    if bits is not None and array.itemsize == 1:
        bits = None  # significant bits are a matter of 16-bit containers
    rows, cols, bands = array.shape
    frame = Frame(dtype=dtype, bits=bits or 8 * array.itemsize, shape=(rows, cols, bands), joint=joint and bands > 1)
    if frame.bits < 8 * array.itemsize:
        _check_values(codec, array, frame)
    return frame


def _check_values(codec: Codec, array: Array, frame: Frame) -> None:
    low, high = -frame.offset, (1 << frame.bits) - 1 - frame.offset
    smallest, largest = int(array.min()), int(array.max())
    if smallest < low or largest > high:
        raise ImageError(
            f"{codec.name} with {frame.bits} bits holds {low} to {high} in {frame.dtype}; the image has {smallest} to "
            f"{largest}: scale or clip it first, or choose more bits or a codec that keeps more"
        )


def _streams(codec: Codec, array: Array, frame: Frame, picture: Encode) -> list[bytes]:
    parts = [array] if frame.joint else (array[:, :, k] for k in range(frame.shape[2]))
    try:
        return [picture(_contiguous(_raised(part, frame))) for part in parts]
    except OrbiqError:
        raise
    except Exception as error:  # every library has its own
        raise ImageError(f"{codec.name} could not code an image of {array.shape} {array.dtype}: {error}") from error


def _contiguous(picture: Array) -> Array:
    # a side of 1 can have any stride, which some libraries stumble over: a copy has the plain ones
    return picture if picture.flags.c_contiguous and 1 not in picture.shape else picture.copy(order="C")


def _raised(part: Array, frame: Frame) -> Array:
    """Signed samples plus the offset, modulo 2^16."""
    return part.astype(np.uint16) + np.uint16(frame.offset) if frame.offset else part


def _lowered(array: Array, frame: Frame) -> Array:
    """The inverse of `_raised`."""
    return (array - np.uint16(frame.offset)).astype(frame.dtype) if frame.offset else array


def _picture(codec: Codec, stream: bytes, picture: Decode, frame: Frame | None) -> Array:
    try:
        return picture(stream, frame)
    except OrbiqError:
        raise
    except Exception as error:  # every library has its own
        raise ImageError(f"{len(stream)} bytes are not a whole {codec.name} stream: {error}") from error


def _fitting(codec: Codec, part: Array, shape: tuple[int, int, int], frame: Frame) -> Array:
    dtype = "uint16" if frame.offset else frame.dtype
    if part.size != shape[0] * shape[1] * shape[2] or part.shape[:2] != shape[:2] or part.dtype != dtype:
        raise ImageError(f"a {codec.name} stream decodes to {part.shape} {part.dtype}; its frame says {shape} {dtype}")
    return part.reshape(shape)
