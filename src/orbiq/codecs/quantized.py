"""A uniform quantiser whose indices are entropy coded: the plainest lossy codec, and the yardstick of the others."""

import zlib
from dataclasses import dataclass
from typing import Any, ClassVar

import imagecodecs
import numpy as np

from orbiq.arrays import DTYPES, Array
from orbiq.codecs.bands import check_setting, decoded, encoded_behind_frame
from orbiq.codecs.frames import Frame
from orbiq.codecs.shuffle import shuffled, unshuffled
from orbiq.errors import ImageError, SettingError

_CODERS = ("deflate", "zstd")
_LARGEST_INDEX = 2**32 - 1
_NAN = 0
"""Index of NaN in bands of floats; all others count from 1."""


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """x' = step · round(x / step): off by at most half a step, and half a DN more where integers are rounded.

    `step` in the unit of the samples, 1e-6 to 65536; for integers a step of 1 or less changes nothing. int16 is
    quantised after adding 32768. The indices of a row are taken as differences from their left neighbour,
    byte-shuffled, and coded by `coder`: "deflate" (level 6) or "zstd" (level 9). NaN stays NaN; infinite samples are
    refused.

    >>> ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    >>> Quantized(step=10).decode(Quantized(step=10).encode(ramp)).ravel()[[4, 6, 14, 16]].tolist()
    [0, 10, 10, 20]
    """

    name: ClassVar[str] = "quantized"
    dtypes: ClassVar[tuple[str, ...]] = DTYPES
    lossless: ClassVar[bool] = False
    knob: ClassVar[str] = "step"
    knob_range: ClassVar[tuple[float, float]] = (65_536, 1e-6)
    knob_step: ClassVar[float] = 0

    step: float
    coder: str = "deflate"

    def __post_init__(self) -> None:
        check_setting("quantized:step", self.step, 1e-6, 65_536, what="1e-6 to 65536, in the samples' unit")
        if self.coder not in _CODERS:
            raise SettingError(f"quantized:coder is {self.coder!r}; expected {' or '.join(_CODERS)}")

    def encode(self, array: Array) -> bytes:
        """The coded indices of the bands behind a frame that says the shape."""
        return encoded_behind_frame(self, array, self._encode_band)

    def _encode_band(self, band: Array) -> bytes:
        step = self.step if band.dtype.kind == "f" else max(self.step, 1.0)
        indices, lowest = _indices(band, step)
        data = shuffled(np.diff(indices, axis=1, prepend=indices.dtype.type(0)))  # modulo 2^bits, as sums will be
        data = zlib.compress(data, 6) if self.coder == "deflate" else bytes(imagecodecs.zstd_encode(data, 9))
        return f"{step:.17g} {lowest} {indices.itemsize} {_CODERS.index(self.coder)}\n".encode() + data

    def decode(self, stream: bytes) -> Array:
        """(rows, cols, bands)."""
        return decoded(self, stream, _decode_band)

    def suffix(self, n_bands: int, dtype: str = "uint8") -> str:  # noqa: ARG002  no file format of its own
        """None: coded indices are no picture file."""
        return ""


def _indices(band: Array, step: float) -> tuple[Array, int]:
    """round(x / step) − lowest, from 1 on in floats, whose NaN is 0; in the narrowest unsigned dtype."""
    floats = band.dtype.kind == "f"
    if floats and np.isinf(band).any():
        raise ImageError("quantized cannot hold infinite samples: make them NaN or finite first")
    levels = np.rint(band.astype(np.float64) / step)
    valid = ~np.isnan(levels)
    lowest = int(levels[valid].min()) - floats if valid.any() else 0
    indices = np.where(valid, levels - lowest, _NAN)
    if indices.max() > _LARGEST_INDEX:
        raise ImageError(
            f"quantized:step {step:g} cuts the samples' range into more than 2^32 levels: choose a larger step"
        )
    return indices.astype(np.min_scalar_type(int(indices.max()))), lowest


def _decode_band(stream: bytes, frame: Frame | None) -> Array:
    if frame is None:
        raise ImageError("these bytes are not a quantized stream: it starts with a frame, which says the shape")
    head, _, data = stream.partition(b"\n")
    step, lowest, itemsize, coder = head.decode("ascii").split()
    kind = np.dtype(f"u{int(itemsize)}")
    raw = zlib.decompress(data) if _CODERS[int(coder)] == "deflate" else bytes(imagecodecs.zstd_decode(data))
    differences = np.frombuffer(unshuffled(raw, kind), kind).reshape(frame.shape[:2])
    indices = np.cumsum(differences, axis=1, dtype=kind)
    return _samples(indices, float(step), int(lowest), np.dtype("uint16" if frame.offset else frame.dtype))


def _samples(indices: Array, step: float, lowest: int, dtype: "np.dtype[Any]") -> Array:
    values = (indices.astype(np.float64) + lowest) * step
    if dtype.kind == "f":
        return np.where(indices == _NAN, np.nan, values).astype(dtype)
    return np.clip(np.rint(values), 0, np.iinfo(dtype).max).astype(dtype)
