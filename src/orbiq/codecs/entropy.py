"""Lossless codings: CCSDS 121, and the references PNG and deflate."""

import zlib
from dataclasses import dataclass
from typing import Any, ClassVar

import imagecodecs
import numpy as np

from orbiq.arrays import DTYPES, Array
from orbiq.codecs.bands import check_setting, decoded, encoded, encoded_behind_frame
from orbiq.codecs.frames import Frame
from orbiq.codecs.shuffle import shuffled, unshuffled
from orbiq.errors import ImageError, SettingError

_AEC_PREPROCESS = 8
"""AEC_DATA_PREPROCESS: the unit-delay predictor of the standard."""


@dataclass(frozen=True, kw_only=True)
class Ccsds121:
    """CCSDS 121.0-B lossless data compression (adaptive entropy coding) through libaec, band by band.

    `block_samples` 8, 16, 32 or 64; `reference_blocks`, blocks between reference samples, 1 to 4096. Samples are
    taken row by row through the standard's unit-delay predictor; those of int16 after adding 32768.

    >>> ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    >>> bool((Ccsds121().decode(Ccsds121().encode(ramp)) == ramp).all())
    True
    """

    name: ClassVar[str] = "ccsds121"
    dtypes: ClassVar[tuple[str, ...]] = ("uint8", "uint16", "int16")
    lossless: ClassVar[bool] = True
    knob: ClassVar[str] = ""
    knob_range: ClassVar[tuple[float, float]] = (0, 0)
    knob_step: ClassVar[float] = 0

    block_samples: int = 16
    reference_blocks: int = 128

    def __post_init__(self) -> None:
        if self.block_samples not in {8, 16, 32, 64}:
            raise SettingError(f"ccsds121:block_samples is {self.block_samples}; expected 8, 16, 32 or 64")
        check_setting("ccsds121:reference_blocks", self.reference_blocks, 1, 4096, what="1 to 4096 blocks")

    def encode(self, array: Array) -> bytes:
        """The coded bands behind a frame that says the shape and the coding's two settings."""
        return encoded_behind_frame(self, array, self._encode_band)

    def _encode_band(self, band: Array) -> bytes:
        head = bytes([self.block_samples]) + (self.reference_blocks - 1).to_bytes(2, "little")
        return head + bytes(imagecodecs.aec_encode(band, **_aec(head, band.itemsize)))

    def decode(self, stream: bytes) -> Array:
        """(rows, cols, bands)."""
        return decoded(self, stream, _decode_aec)

    def suffix(self, n_bands: int, dtype: str = "uint8") -> str:  # noqa: ARG002  no file format of its own
        """None: the standard has no file format."""
        return ""


def _aec(head: bytes, itemsize: int) -> dict[str, Any]:
    return {
        "bitspersample": 8 * itemsize,
        "flags": _AEC_PREPROCESS,
        "blocksize": head[0],
        "rsi": int.from_bytes(head[1:3], "little") + 1,
    }


def _decode_aec(stream: bytes, frame: Frame | None) -> Array:
    shape, dtype = _said(frame, "ccsds121")
    if len(stream) < 4 or stream[0] not in {8, 16, 32, 64}:
        raise ImageError(f"{len(stream)} bytes are not a ccsds121 stream of a band")
    block = stream[0] * dtype.itemsize
    size = shape[0] * shape[1] * dtype.itemsize
    whole_blocks = -(-size // block) * block  # libaec decodes the filling of the last one too
    samples = imagecodecs.aec_decode(stream[3:], out=whole_blocks, **_aec(stream[:3], dtype.itemsize))
    return _band(samples[:size], shape, dtype)


@dataclass(frozen=True, kw_only=True)
class Png:
    """PNG (ISO/IEC 15948) through libpng: one band as grey, three as RGB, any other number band by band.

    `level` of deflate, 1 (fast) to 9 (small).

    >>> ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    >>> bool((Png().decode(Png().encode(ramp)) == ramp).all())
    True
    """

    name: ClassVar[str] = "png"
    dtypes: ClassVar[tuple[str, ...]] = ("uint8", "uint16", "int16")
    lossless: ClassVar[bool] = True
    knob: ClassVar[str] = ""
    knob_range: ClassVar[tuple[float, float]] = (0, 0)
    knob_step: ClassVar[float] = 0

    level: int = 6

    def __post_init__(self) -> None:
        check_setting("png:level", self.level, 1, 9, what="1 (fast) to 9 (small)")

    def encode(self, array: Array) -> bytes:
        """The PNG file; in a frame when signed or band by band."""
        return encoded(self, array, self._encode_picture, joint=array.shape[2:] == (3,))

    def _encode_picture(self, picture: Array) -> bytes:
        return bytes(imagecodecs.png_encode(picture, self.level))

    def decode(self, stream: bytes) -> Array:
        """(rows, cols, bands)."""
        return decoded(self, stream, _decode_png)

    def suffix(self, n_bands: int, dtype: str = "uint8") -> str:
        """`.png` for one or three bands of unsigned samples."""
        return ".png" if n_bands in {1, 3} and dtype != "int16" else ""


def _decode_png(stream: bytes, _: Frame | None) -> Array:
    return np.asarray(imagecodecs.png_decode(stream))


@dataclass(frozen=True, kw_only=True)
class Deflate:
    """Byte shuffle and deflate (RFC 1950) of every band: all first bytes of the samples, then all second ones, ….

    `level` 1 (fast) to 9 (small).

    >>> ramp = np.linspace(0, 1, 256).reshape(16, 16, 1)
    >>> bool((Deflate().decode(Deflate().encode(ramp)) == ramp).all())
    True
    """

    name: ClassVar[str] = "deflate"
    dtypes: ClassVar[tuple[str, ...]] = DTYPES
    lossless: ClassVar[bool] = True
    knob: ClassVar[str] = ""
    knob_range: ClassVar[tuple[float, float]] = (0, 0)
    knob_step: ClassVar[float] = 0

    level: int = 6

    def __post_init__(self) -> None:
        check_setting("deflate:level", self.level, 1, 9, what="1 (fast) to 9 (small)")

    def encode(self, array: Array) -> bytes:
        """The deflated bands behind a frame that says the shape."""
        return encoded_behind_frame(self, array, lambda band: zlib.compress(shuffled(band), self.level))

    def decode(self, stream: bytes) -> Array:
        """(rows, cols, bands)."""
        return decoded(self, stream, _decode_deflate)

    def suffix(self, n_bands: int, dtype: str = "uint8") -> str:  # noqa: ARG002  no file format of its own
        """None: deflated samples are no picture file."""
        return ""


def _decode_deflate(stream: bytes, frame: Frame | None) -> Array:
    shape, dtype = _said(frame, "deflate")
    return _band(unshuffled(zlib.decompress(stream), dtype), shape, dtype)


def _said(frame: Frame | None, name: str) -> tuple[tuple[int, int], "np.dtype[Any]"]:
    """Shape and sample type of a coded band, signed ones as they travel."""
    if frame is None:
        raise ImageError(f"these bytes are not a {name} stream: it starts with a frame, which says the shape")
    return frame.shape[:2], np.dtype("uint16" if frame.offset else frame.dtype)


def _band(samples: Any, shape: tuple[int, int], dtype: "np.dtype[Any]") -> Array:
    if len(samples) != shape[0] * shape[1] * dtype.itemsize:
        raise ImageError(f"a band of {shape} {dtype} (rows, cols) was cut off: {len(samples)} bytes of it came")
    return np.frombuffer(samples, dtype).reshape(shape)
