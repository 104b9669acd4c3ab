"""Codecs that promise a largest error: JPEG-LS and LERC."""

from dataclasses import dataclass
from typing import ClassVar

import imagecodecs
import numpy as np

from orbiq.arrays import Array
from orbiq.codecs.bands import check_bands, check_setting, decoded, encoded, encoded_behind_frame
from orbiq.codecs.frames import Frame
from orbiq.codestreams import jpegls
from orbiq.errors import ImageError

_LARGEST_OF_8_BITS = 80
"""The standard stops at MAXVAL / 2 = 127, but streams grow again long before."""


@dataclass(frozen=True, kw_only=True)
class JpegLs:
    """JPEG-LS (ITU-T T.87) through CharLS: no sample is off by more than `max_error`.

    `max_error` in DN, 0 (lossless) to 255, the most that the standard has; 8-bit data are never off by
    more than 80.
    `bands`: "joint" interleaves three bands in one stream, without any transform, for the standard part has none; any
    other number goes band by band.

    >>> ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    >>> off = JpegLs(max_error=2).decode(JpegLs(max_error=2).encode(ramp)).astype(int) - ramp
    >>> int(abs(off).max()) <= 2
    True
    """

    name: ClassVar[str] = "jpegls"
    dtypes: ClassVar[tuple[str, ...]] = ("uint8", "uint16", "int16")
    knob: ClassVar[str] = "max_error"
    knob_range: ClassVar[tuple[float, float]] = (255, 0)
    knob_step: ClassVar[float] = 1

    max_error: int = 0
    bands: str = "joint"

    def __post_init__(self) -> None:
        check_setting("jpegls:max_error", self.max_error, 0, 255, what="0 (lossless) to 255 DN")
        check_bands("jpegls", self.bands)

    @property
    def lossless(self) -> bool:
        """With max_error 0."""
        return self.max_error == 0

    def encode(self, array: Array) -> bytes:
        """The JPEG-LS stream; in a frame when signed or band by band."""
        return encoded(self, array, self._encode_picture, joint=self.bands == "joint" and array.shape[2:] == (3,))

    def _encode_picture(self, picture: Array) -> bytes:
        near = min(self.max_error, _LARGEST_OF_8_BITS) if picture.itemsize == 1 else self.max_error
        room = 2 * picture.nbytes + 1024  # noise grows, and left to itself the encoder then runs out of room
        return bytes(imagecodecs.jpegls_encode(picture, near, out=room))

    def decode(self, stream: bytes) -> Array:
        """(rows, cols, bands)."""
        return decoded(self, stream, lambda bare, _: jpegls(bare))

    def suffix(self, n_bands: int, dtype: str = "uint8") -> str:
        """`.jls` for one picture of unsigned samples."""
        one = n_bands == 1 or (n_bands == 3 and self.bands == "joint")
        return ".jls" if one and dtype != "int16" else ""


@dataclass(frozen=True, kw_only=True)
class Lerc:
    """LERC (Limited Error Raster Compression, Esri) version 2: integers and floats within `max_error`.

    `max_error` in the unit of the samples, 0 (lossless) to 65535. `bands`: "joint" is one stream of all bands,
    "separate" one for each. NaN comes back as NaN: it goes into LERC's own mask of valid pixels, then always band by
    band. Infinite samples are refused.

    >>> kelvin = np.linspace(280, 300, 64).reshape(8, 8, 1)
    >>> back = Lerc(max_error=0.05).decode(Lerc(max_error=0.05).encode(kelvin))
    >>> bool(abs(back - kelvin).max() <= 0.05)
    True
    """

    name: ClassVar[str] = "lerc"
    dtypes: ClassVar[tuple[str, ...]] = ("uint8", "uint16", "int16", "float32", "float64")
    knob: ClassVar[str] = "max_error"
    knob_range: ClassVar[tuple[float, float]] = (65_535, 0)
    knob_step: ClassVar[float] = 0

    max_error: float = 0.0
    bands: str = "joint"

    def __post_init__(self) -> None:
        check_setting("lerc:max_error", self.max_error, 0, 65_535, what="0 (lossless) to 65535, in the samples' unit")
        check_bands("lerc", self.bands)

    @property
    def lossless(self) -> bool:
        """With max_error 0."""
        return self.max_error == 0

    def encode(self, array: Array) -> bytes:
        """The LERC stream; in a frame when signed or band by band."""
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            if np.isinf(array).any():
                raise ImageError("lerc cannot hold infinite samples: make them NaN or finite first")
            return encoded_behind_frame(self, array, self._encode_holed)
        return encoded(self, array, self._encode_picture, joint=self.bands == "joint")

    def _encode_picture(self, picture: Array) -> bytes:
        return bytes(imagecodecs.lerc_encode(picture, self.max_error, out=_zeros(picture)))

    def _encode_holed(self, band: Array) -> bytes:
        # without a mask LERC gives NaN back as 0
        valid = ~np.isnan(band)
        filled = np.where(valid, band, 0).astype(band.dtype)
        return bytes(imagecodecs.lerc_encode(filled, self.max_error, masks=valid, out=_zeros(band)))

    def decode(self, stream: bytes) -> Array:
        """(rows, cols, bands)."""
        return decoded(self, stream, _decode_lerc)

    def suffix(self, n_bands: int, dtype: str = "uint8") -> str:  # noqa: ARG002  no file format of its own
        """None: a bare LERC stream is no picture file."""
        return ""


def _zeros(picture: Array) -> bytearray:
    """A buffer for any stream of the picture: LERC leaves its last bytes unwritten, so that they must be known ones."""
    n_bands = picture.shape[2] if picture.ndim == 3 else 1
    return bytearray(picture.nbytes + picture.size // 4 + 32 * n_bands + 4096)


def _decode_lerc(stream: bytes, _: Frame | None) -> Array:
    picture, valid = imagecodecs.lerc_decode(stream, masks=True)
    if valid is None or picture.dtype.kind != "f":
        return np.asarray(picture)
    return np.where(valid.reshape(picture.shape), picture, np.nan).astype(picture.dtype)
