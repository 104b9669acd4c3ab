"""The bytes of a whole picture file to pixels: PNG, JPEG and BMP, and the bare streams that a codec leaves.

A bare stream goes to the decoder that its codec itself uses, so that the pixels are those of the codec.
"""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from orbiq.arrays import DTYPES, Array
from orbiq.codestreams import (
    HTJ2K_SEAL,
    MAIN_HEADER,
    avif,
    check_jpeg_ends,
    htj2k,
    jpeg12,
    jpeg2000,
    jpegls,
    jpegxl,
    webp,
)
from orbiq.errors import ImageError, OrbiqError
from orbiq.imagebytes import header_shape
from orbiq.pictures import Format


def decoded_picture(data: bytes, kind: Format, name: str) -> Array:
    """The (rows, cols, bands) of a whole file but TIFF and boxed JPEG 2000; ImageError names it where it is damaged.

    `kind` jp2 is a bare codestream. A fourth band of PNG, WebP and AVIF is alpha.
    """
    if kind == "png" and _is_plain(data):
        return _plain_png(data, name)
    if kind in ("png", "bmp"):
        return _decoded(data, name)
    shape = header_shape(data, kind, name) if kind == "jpeg" else None
    plain = kind == "jpeg" and (shape is None or shape[3] == np.uint8)
    return _decoded(data, name) if plain else _decoded_stream(data, kind, name)


def _is_plain(data: bytes) -> bool:
    """Whether a PNG is grey, RGB or RGBA of 8 or 16 bits, without palette or transparent colour."""
    return data[24] in {8, 16} and data[25] in {0, 2, 6} and data.find(b"tRNS", 0, data.find(b"IDAT")) < 0


def _plain_png(data: bytes, name: str) -> Array:
    """As `_decoded`, in four fifths of the time: red comes first already, and the decoder is quicker."""
    import imagecodecs

    try:
        array = imagecodecs.png_decode(data)
    except imagecodecs.PngError as error:
        raise ImageError(f"image {name!r} cannot be decoded: {error}. Copy it again or convert it.") from error
    return np.asarray(array[..., None] if array.ndim == 2 else array)


def _decoded(data: bytes, name: str) -> Array:
    try:
        array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ImageError(f"image {name!r} cannot be decoded: {error.err}. Copy it again or convert it.") from error
    if array is None:
        raise ImageError(f"image {name!r} cannot be decoded. Copy it again or convert it.")
    if array.ndim == 2:
        return np.asarray(array[..., None])
    return np.asarray(cv2.cvtColor(array, cv2.COLOR_BGR2RGB if array.shape[2] == 3 else cv2.COLOR_BGRA2RGBA))


def _decoded_stream(data: bytes, kind: Format, name: str) -> Array:
    try:
        array = _DECODERS[kind](data)
    except OrbiqError as error:
        raise _undecodable(name, str(error)) from error
    except Exception as error:  # every library has its own
        raise _undecodable(name, str(error) or type(error).__name__) from error
    array = array[:, :, None] if array.ndim == 2 else array
    if array.ndim != 3 or array.dtype.name not in DTYPES:
        raise ImageError(
            f"image {name!r} decodes to {array.shape} of {array.dtype}; expected one picture of {', '.join(DTYPES)}. "
            "Convert it to PNG or TIFF first."
        )
    if kind == "jxl" and array.shape[2] not in {1, 3}:
        raise ImageError(
            f"image {name!r} holds {array.shape[2]} bands, and JPEG XL's extra ones may be alpha or anything; expected "
            "1 or 3. Convert it to TIFF first."
        )
    return np.ascontiguousarray(array)


def _undecodable(name: str, what: str) -> ImageError:
    said = " ".join(what.split()).rstrip(".")
    return ImageError(f"image {name!r} cannot be decoded: {said}. Copy it again or take it out of the dataset.")


def _codestream(stream: bytes) -> Array:
    """By the library of the codec that wrote it, for two do not agree on lossy pixels.

    OpenJPH crashes on damage: it gets sealed streams only, which are orbiq's.
    """
    check_jpeg_ends(stream, b"\xff\x4f")
    return htj2k(stream) if stream.find(HTJ2K_SEAL, 0, MAIN_HEADER) >= 0 else jpeg2000(stream)


_DECODERS: dict[Format, Callable[[bytes], Array]] = {
    "jpeg": jpeg12,
    "jpegls": jpegls,
    "jxl": jpegxl,
    "webp": partial(webp, alpha=True),
    "avif": avif,
    "jp2": _codestream,
}
