"""What a codec is: an array in, bytes out, and back. A codec knows arrays and bytes only.

A codec is a frozen dataclass whose fields are its settings. Arrays are (rows, cols, bands) in their native
dtype; `decode(encode(array))` has the shape and dtype of `array`.
"""

from typing import ClassVar, Protocol

from orbiq.arrays import Array
from orbiq.registry import Entry, Registry


class Codec(Protocol):
    """Array to bytes and back."""

    name: ClassVar[str]
    dtypes: ClassVar[tuple[str, ...]]
    """The dtypes that it takes."""

    @property
    def lossless(self) -> bool:
        """Whether every array comes back exactly; with some codecs a matter of the settings."""
        ...

    knob: ClassVar[str]
    """The field that trades size for quality; empty when there is none."""

    @property
    def knob_range(self) -> tuple[float, float]:
        """From the smallest stream to the best picture: a falling range where the knob is an error or a step."""
        ...

    knob_step: ClassVar[float]
    """1 when the knob takes whole numbers only; 0 when any value between does."""

    def encode(self, array: Array) -> bytes:
        """The stream; ImageError when dtype or shape do not fit."""
        ...

    def decode(self, stream: bytes) -> Array:
        """The array that the stream stands for."""
        ...

    def suffix(self, n_bands: int, dtype: str = "uint8") -> str:
        """The file name suffix under which the bare stream is a picture file that others can open, or ""."""
        ...


CODECS = Registry(
    "codec",
    {
        "jpeg": Entry("orbiq.codecs.standard:Jpeg", summary="JPEG baseline, 8-bit, OpenCV's quality scale"),
        "jpeg12": Entry("orbiq.codecs.standard:Jpeg12", summary="JPEG with 12 bits a sample"),
        "jpeg2000": Entry("orbiq.codecs.wavelet:Jpeg2000", summary="JPEG 2000, lossless or to an aimed PSNR"),
        "htj2k": Entry("orbiq.codecs.wavelet:Htj2k", summary="high-throughput JPEG 2000, lossless or by a step"),
        "jpegxl": Entry("orbiq.codecs.modern:JpegXl", summary="JPEG XL, lossless or by a butteraugli distance"),
        "webp": Entry("orbiq.codecs.modern:Webp", summary="WebP, 8-bit, lossless or by a quality"),
        "avif": Entry("orbiq.codecs.modern:Avif", summary="AVIF, 8 to 12 bit, by a quality; 100 is lossless"),
        "jpegls": Entry("orbiq.codecs.bounded:JpegLs", summary="JPEG-LS, lossless or to a largest error"),
        "lerc": Entry("orbiq.codecs.bounded:Lerc", summary="LERC, integers and floats, to a largest error"),
        "quantized": Entry(
            "orbiq.codecs.quantized:Quantized", summary="a uniform quantiser, its indices deflated or in zstd"
        ),
        "ccsds121": Entry("orbiq.codecs.entropy:Ccsds121", summary="CCSDS 121.0-B (AEC, libaec), lossless"),
        "png": Entry("orbiq.codecs.entropy:Png", summary="PNG, a lossless reference"),
        "deflate": Entry(
            "orbiq.codecs.entropy:Deflate", summary="byte shuffle and deflate, a lossless reference for every dtype"
        ),
        "fixed-quality": Entry(
            "orbiq.codecs.neural:FixedQuality",
            extra="learned",
            summary="a small neural network that brings every block to the quality asked for",
        ),
        "external": Entry("orbiq.codecs.external:External", summary="any codec by two command lines"),
    },
)
