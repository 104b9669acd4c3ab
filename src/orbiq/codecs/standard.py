"""JPEG with 8 and with 12 bits, and the stated lossless coding against which all rates are compared."""

import zlib
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from orbiq.arrays import Array
from orbiq.codecs.bands import check_setting, decoded, encoded
from orbiq.codecs.shuffle import shuffled
from orbiq.codestreams import jpeg, jpeg12
from orbiq.errors import ImageError, SettingError

_SUBSAMPLING = {
    "444": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "422": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "420": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}
LARGEST_SIDE_PX = 65_500


@dataclass(frozen=True, kw_only=True)
class Jpeg:
    """JPEG baseline (ITU-T T.81) through libjpeg-turbo, with libjpeg's quality scale.

    `quality` 1 (smallest) to 100 (best); `subsampling` of chroma: "420" (OpenCV's default), "422" or "444".
    uint8 only. One band is coded as grey, three as Y'CbCr; any other number of bands is coded band by band,
    each as a grey stream (`orbiq.codecs.frames`).

    >>> flat = np.full((16, 16, 3), 128, np.uint8)
    >>> bool((Jpeg(quality=50).decode(Jpeg(quality=50).encode(flat)) == flat).all())
    True
    """

    name: ClassVar[str] = "jpeg"
    dtypes: ClassVar[tuple[str, ...]] = ("uint8",)
    lossless: ClassVar[bool] = False
    knob: ClassVar[str] = "quality"
    knob_range: ClassVar[tuple[float, float]] = (1, 100)
    knob_step: ClassVar[float] = 1

    quality: int
    subsampling: str = "420"

    def __post_init__(self) -> None:
        check_setting("jpeg:quality", self.quality, 1, 100, what="1 (smallest) to 100 (best)")
        if self.subsampling not in _SUBSAMPLING:
            raise SettingError(f"jpeg:subsampling is {self.subsampling!r}; expected 420, 422 or 444")

    def encode(self, array: Array) -> bytes:
        """The JPEG stream, or for other than 1 or 3 bands the streams of the bands in a frame."""
        if max(array.shape[:2]) > LARGEST_SIDE_PX:
            raise ImageError(
                f"jpeg holds up to {LARGEST_SIDE_PX} px a side; the image is {array.shape[:2]} (rows, cols)"
            )
        return encoded(self, array, self._encode_picture, joint=array.shape[2:] == (3,))

    def _encode_picture(self, picture: Array) -> bytes:
        flags = [cv2.IMWRITE_JPEG_QUALITY, self.quality]
        flags += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _SUBSAMPLING[self.subsampling]]
        ok, stream = cv2.imencode(
            ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture, flags
        )
        if not ok:
            raise ImageError(f"jpeg could not code an image of {picture.shape}")
        coded: bytes = stream.tobytes()
        return coded

    def decode(self, stream: bytes) -> Array:
        """(rows, cols, bands) uint8."""
        return decoded(self, stream, lambda bare, _: jpeg(bare))

    def suffix(self, n_bands: int, dtype: str = "uint8") -> str:  # noqa: ARG002  it holds one dtype only
        """`.jpg` for 1 or 3 bands."""
        return ".jpg" if n_bands in {1, 3} else ""


@dataclass(frozen=True, kw_only=True)
class Jpeg12:
    """JPEG with 12 bits a sample (ITU-T T.81, extended sequential) through libjpeg-turbo, on libjpeg's scale.

    `quality` 1 (smallest) to 100 (best); `subsampling` of chroma: "420", "422" or "444". uint16 of 0 to 4095, and
    int16 of −2048 to 2047; values beyond are refused. Bands as in `Jpeg`.

    >>> flat = np.full((16, 16, 1), 2048, np.uint16)
    >>> bool((Jpeg12(quality=50).decode(Jpeg12(quality=50).encode(flat)) == flat).all())
    True
    """

    name: ClassVar[str] = "jpeg12"
    dtypes: ClassVar[tuple[str, ...]] = ("uint16", "int16")
    lossless: ClassVar[bool] = False
    knob: ClassVar[str] = "quality"
    knob_range: ClassVar[tuple[float, float]] = (1, 100)
    knob_step: ClassVar[float] = 1

    quality: int
    subsampling: str = "420"

    def __post_init__(self) -> None:
        check_setting("jpeg12:quality", self.quality, 1, 100, what="1 (smallest) to 100 (best)")
        if self.subsampling not in _SUBSAMPLING:
            raise SettingError(f"jpeg12:subsampling is {self.subsampling!r}; expected 420, 422 or 444")

    def encode(self, array: Array) -> bytes:
        """The JPEG stream of 1 or 3 unsigned bands; else the streams of the bands in a frame."""
        return encoded(self, array, self._encode_picture, joint=array.shape[2:] == (3,), bits=12)

    def _encode_picture(self, picture: Array) -> bytes:
        import imagecodecs

        chroma = self.subsampling if picture.ndim == 3 else None
        return bytes(imagecodecs.jpeg8_encode(picture, self.quality, bitspersample=12, subsampling=chroma))

    def decode(self, stream: bytes) -> Array:
        """(rows, cols, bands)."""
        return decoded(self, stream, lambda bare, _: jpeg12(bare))

    def suffix(self, n_bands: int, dtype: str = "uint8") -> str:
        """`.jpg` for 1 or 3 bands of unsigned samples; few programs open 12 bits."""
        return ".jpg" if n_bands in {1, 3} and dtype != "int16" else ""


def lossless_coding(array: Array) -> tuple[str, int]:
    """(name, bytes) of the stated lossless coding, the yardstick of every rate.

    Integers: JPEG-LS (ITU-T T.87) band by band; int16 with an offset of 32768. Floats: byte shuffle and
    deflate, level 6, band by band.

    >>> lossless_coding(np.zeros((64, 64, 1), np.uint8))[0]
    'jpeg-ls'
    """
    import imagecodecs

    bands = [np.ascontiguousarray(array[:, :, k]) for k in range(array.shape[2])]
    if np.issubdtype(array.dtype, np.floating):
        return "deflate", sum(len(zlib.compress(shuffled(band), 6)) for band in bands)
    if array.dtype == np.int16:
        bands = [(band.astype(np.int32) + 32768).astype(np.uint16) for band in bands]
    return "jpeg-ls", sum(len(imagecodecs.jpegls_encode(band, out=2 * band.nbytes + 1024)) for band in bands)
