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
    },
)
