"""The picture formats of the web's second generation: JPEG XL, WebP and AVIF."""

from dataclasses import dataclass
from typing import ClassVar

import imagecodecs
import numpy as np

from orbiq.arrays import Array
from orbiq.codecs.bands import check_bands, check_bits, check_setting, decoded, encoded, encoded_behind_frame
from orbiq.codecs.frames import Frame
from orbiq.codestreams import avif, jpegxl, webp
from orbiq.errors import ImageError, SettingError

_QUALITY = "1 (smallest) to 100 (best)"


@dataclass(frozen=True, kw_only=True)
class JpegXl:
    """JPEG XL (ISO/IEC 18181) through libjxl.

    `distance`: butteraugli distance, 0.01 (best) to 25 (smallest), samples taken as sRGB; None is lossless. `effort` 1
    (fast) to 9 (small). `bits`: significant bits of 16-bit data, 9 to 16; None is 16: the distance is relative to
    the full range. `bands`: "joint" codes three bands as one colour picture (XYB or a reversible transform); any
    other number goes band by band, because libjxl codes all beyond the third as lossless extra channels.

    >>> ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    >>> bool((JpegXl().decode(JpegXl().encode(ramp)) == ramp).all())
    True
    """

    name: ClassVar[str] = "jpegxl"
    dtypes: ClassVar[tuple[str, ...]] = ("uint8", "uint16", "int16")
    knob: ClassVar[str] = "distance"
    knob_range: ClassVar[tuple[float, float]] = (25, 0.01)
    knob_step: ClassVar[float] = 0

    distance: float | None = None
    effort: int = 5
    bits: int | None = None
    bands: str = "joint"

    def __post_init__(self) -> None:
        if self.distance is not None:
            what = "0.01 (best) to 25 (smallest), or none for lossless"
            check_setting("jpegxl:distance", self.distance, 0.01, 25, what=what)
        check_setting("jpegxl:effort", self.effort, 1, 9, what="1 (fast) to 9 (small)")
        check_bits("jpegxl", self.bits, range(9, 17))
        check_bands("jpegxl", self.bands)

    @property
    def lossless(self) -> bool:
        """Without a distance."""
        return self.distance is None

    def encode(self, array: Array) -> bytes:
        """The JPEG XL file; in a frame when signed or band by band."""
        joint = self.bands == "joint" and array.shape[2:] == (3,)
        return encoded(self, array, self._encode_picture, joint=joint, bits=self.bits)

    def _encode_picture(self, picture: Array) -> bytes:
        return bytes(
            imagecodecs.jpegxl_encode(
                picture,
                distance=self.distance,
                lossless=self.lossless,
                effort=self.effort,
                bitspersample=self.bits if picture.itemsize > 1 else None,
                usecontainer=False,
                numthreads=1,
            )
        )

    def decode(self, stream: bytes) -> Array:
        """(rows, cols, bands)."""
        return decoded(self, stream, lambda bare, _: jpegxl(bare))

    def suffix(self, n_bands: int, dtype: str = "uint8") -> str:
        """`.jxl` for one picture of unsigned samples."""
        one = n_bands == 1 or (n_bands == 3 and self.bands == "joint")
        return ".jxl" if one and dtype != "int16" else ""


@dataclass(frozen=True, kw_only=True)
class Webp:
    """WebP (RFC 9649) through libwebp: 8 bits, chroma always 4:2:0 when lossy.

    `quality` 1 (smallest) to 100 (best, still lossy); None is lossless. `method` 0 (fast) to 6 (small). Three bands
    are one colour picture. WebP has no grey: any other number goes band by band, each as a picture of equal
    colours, which costs next to nothing.

    >>> ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    >>> bool((Webp().decode(Webp().encode(ramp)) == ramp).all())
    True
    """

    name: ClassVar[str] = "webp"
    dtypes: ClassVar[tuple[str, ...]] = ("uint8",)
    knob: ClassVar[str] = "quality"
    knob_range: ClassVar[tuple[float, float]] = (1, 100)
    knob_step: ClassVar[float] = 1
    LARGEST_SIDE_PX: ClassVar[int] = 16_383

    quality: int | None = None
    method: int = 4

    def __post_init__(self) -> None:
        if self.quality is not None:
            check_setting("webp:quality", self.quality, 1, 100, what=f"{_QUALITY}, or none for lossless")
        check_setting("webp:method", self.method, 0, 6, what="0 (fast) to 6 (small)")

    @property
    def lossless(self) -> bool:
        """Without a quality."""
        return self.quality is None

    def encode(self, array: Array) -> bytes:
        """The WebP file of three bands; else the files of the bands in a frame."""
        if max(array.shape[:2]) > self.LARGEST_SIDE_PX:
            raise ImageError(
                f"webp holds up to {self.LARGEST_SIDE_PX} px a side; the image is {array.shape[:2]} (rows, cols): "
                "cut it into tiles, or choose another codec"
            )
        if array.shape[2:] == (3,):
            return encoded(self, array, self._encode_picture, joint=True)
        return encoded_behind_frame(self, array, self._encode_grey)

    def _encode_grey(self, band: Array) -> bytes:
        return self._encode_picture(np.repeat(band[:, :, None], 3, axis=2))

    def _encode_picture(self, picture: Array) -> bytes:
        # lossless is stated: left out, libwebp is asked for a lossless file whatever the quality
        return bytes(
            imagecodecs.webp_encode(picture, self.quality, lossless=self.lossless, method=self.method, numthreads=1)
        )

    def decode(self, stream: bytes) -> Array:
        """(rows, cols, bands) uint8."""
        return decoded(self, stream, _decode_webp)

    def suffix(self, n_bands: int, dtype: str = "uint8") -> str:  # noqa: ARG002  it holds one dtype only
        """`.webp` for three bands."""
        return ".webp" if n_bands == 3 else ""


def _decode_webp(stream: bytes, frame: Frame | None) -> Array:
    picture = webp(stream)
    return picture if frame is None or frame.joint else picture[:, :, 1]


_PIXELS = {"444": "yuv444", "422": "yuv422", "420": "yuv420"}


@dataclass(frozen=True, kw_only=True)
class Avif:
    """AVIF (AV1 image file format) through libavif: 8 bits; 10 or 12 of 16-bit data.

    `quality` 1 (smallest) to 100; 100 with 4:4:4 is lossless. `subsampling` of chroma: "444" (default), "422" or "420".
    `speed` 0 (small) to 10 (fast). `bits`: 10 or 12 significant bits of 16-bit data; None is 12, the most there is.
    Three bands are one colour picture; any other number goes band by band, each as a monochrome picture.

    >>> ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    >>> bool((Avif(quality=100).decode(Avif(quality=100).encode(ramp)) == ramp).all())
    True
    """

    name: ClassVar[str] = "avif"
    dtypes: ClassVar[tuple[str, ...]] = ("uint8", "uint16", "int16")
    knob: ClassVar[str] = "quality"
    knob_range: ClassVar[tuple[float, float]] = (1, 100)
    knob_step: ClassVar[float] = 1

    quality: int
    subsampling: str = "444"
    speed: int = 6
    bits: int | None = None

    def __post_init__(self) -> None:
        check_setting("avif:quality", self.quality, 1, 100, what=_QUALITY)
        check_setting("avif:speed", self.speed, 0, 10, what="0 (small) to 10 (fast)")
        check_bits("avif", self.bits, (10, 12))
        if self.subsampling not in _PIXELS:
            raise SettingError(f"avif:subsampling is {self.subsampling!r}; expected 420, 422 or 444")

    @property
    def lossless(self) -> bool:
        """At quality 100 with full chroma."""
        return self.quality == 100 and self.subsampling == "444"

    def encode(self, array: Array) -> bytes:
        """The AVIF file; in a frame when signed or band by band."""
        return encoded(self, array, self._encode_picture, joint=array.shape[2:] == (3,), bits=self.bits or 12)

    def _encode_picture(self, picture: Array) -> bytes:
        pixels = _PIXELS[self.subsampling]
        if picture.ndim == 2 and self.quality < 100:  # one band given as such would be lossless at any quality
            picture, pixels = np.repeat(picture[:, :, None], 3, axis=2), "yuv400"
        return bytes(
            imagecodecs.avif_encode(
                picture,
                level=self.quality,
                speed=self.speed,
                pixelformat=pixels if picture.ndim == 3 else None,
                bitspersample=(self.bits or 12) if picture.itemsize > 1 else None,
                numthreads=1,
            )
        )

    def decode(self, stream: bytes) -> Array:
        """(rows, cols, bands)."""
        return decoded(self, stream, _decode_avif)

    def suffix(self, n_bands: int, dtype: str = "uint8") -> str:
        """`.avif` for one or three bands of unsigned samples."""
        return ".avif" if n_bands in {1, 3} and dtype != "int16" else ""


def _decode_avif(stream: bytes, frame: Frame | None) -> Array:
    picture = avif(stream)
    grey = frame is not None and not frame.joint
    return picture[:, :, 0] if grey and picture.ndim == 3 else picture
