"""JPEG, and the stated lossless coding against which all rates are compared."""

import struct
import zlib
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from orbiq.arrays import Array
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
    each as a grey stream behind its length.

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
        if not 1 <= self.quality <= 100:
            raise SettingError(f"jpeg:quality is {self.quality}; expected 1 (smallest) to 100 (best)")
        if self.subsampling not in _SUBSAMPLING:
            raise SettingError(f"jpeg:subsampling is {self.subsampling!r}; expected 420, 422 or 444")

    def encode(self, array: Array) -> bytes:
        """The JPEG stream, or for other than 1 or 3 bands the streams of the bands behind their lengths."""
        if array.dtype != np.uint8:
            raise ImageError(
                f"jpeg takes uint8; the image is {array.dtype}. JPEG baseline has 8 bits a sample: "
                "convert the dataset to 8 bits first, or choose a codec that keeps more"
            )
        if max(array.shape[:2]) > LARGEST_SIDE_PX:
            raise ImageError(
                f"jpeg holds up to {LARGEST_SIDE_PX} px a side; the image is {array.shape[:2]} (rows, cols)"
            )
        if array.shape[2] in {1, 3}:
            return self._encode_picture(array)
        streams = [self._encode_picture(array[:, :, k : k + 1]) for k in range(array.shape[2])]
        return b"".join(struct.pack("<I", len(s)) + s for s in streams)

    def _encode_picture(self, array: Array) -> bytes:
        flags = [cv2.IMWRITE_JPEG_QUALITY, self.quality]
        flags += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _SUBSAMPLING[self.subsampling]]
        picture = cv2.cvtColor(array, cv2.COLOR_RGB2BGR) if array.shape[2] == 3 else np.ascontiguousarray(array)
        ok, stream = cv2.imencode(".jpg", picture, flags)
        if not ok:
            raise ImageError(f"jpeg could not code an image of {array.shape} (rows, cols, bands)")
        return stream.tobytes()

    def decode(self, stream: bytes) -> Array:
        """(rows, cols, bands) uint8."""
        if stream[:2] == b"\xff\xd8":
            return _decode_picture(stream)
        bands, at = [], 0
        while at < len(stream):
            (size,) = struct.unpack_from("<I", stream, at)
            bands.append(_decode_picture(stream[at + 4 : at + 4 + size]))
            at += 4 + size
        return np.concatenate(bands, axis=2)

    def suffix(self, n_bands: int, dtype: str = "uint8") -> str:  # noqa: ARG002  it holds one dtype only
        """`.jpg` for 1 or 3 bands."""
        return ".jpg" if n_bands in {1, 3} else ""


def _decode_picture(stream: bytes) -> Array:
    picture = cv2.imdecode(np.frombuffer(stream, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise ImageError(f"{len(stream)} bytes are not a JPEG stream")
    decoded: Array = picture[:, :, None] if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    return decoded


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
        return "deflate", sum(len(zlib.compress(_shuffled(band), 6)) for band in bands)
    if array.dtype == np.int16:
        bands = [(band.astype(np.int32) + 32768).astype(np.uint16) for band in bands]
    return "jpeg-ls", sum(len(imagecodecs.jpegls_encode(band)) for band in bands)


def _shuffled(band: Array) -> bytes:
    """All first bytes of the samples, then all second ones, …: like bytes beside each other deflate better."""
    return band.view(np.uint8).reshape(-1, band.dtype.itemsize).T.tobytes()
