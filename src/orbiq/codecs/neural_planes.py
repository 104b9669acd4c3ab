"""Between the pixels of any sensor and the planes that the networks see.

A network sees (x − centre) · 2^(2 − depth_bits): the `depth_bits` that the stream states make the full range ±2,
whether a band has 8 bits or 16. The depth is that of the values that occur, so that twelve bits in a container of
sixteen, or a scene of little contrast, use the range; one hot pixel changes nothing. The squared error in the network's
eyes is that in DN², times a power of four.

Three bands coded jointly are turned into a sum and two differences first, by an orthonormal matrix, so that the squared
error of the three planes together is that of the three bands.
"""

from dataclasses import dataclass
from math import ceil, log2

import numpy as np

from orbiq.arrays import Array, BoolArray
from orbiq.errors import ImageError

COLOUR = np.array(
    [
        [3**-0.5, 3**-0.5, 3**-0.5],
        [2**-0.5, 0, -(2**-0.5)],
        [-(6**-0.5), 2 * 6**-0.5, -(6**-0.5)],
    ]
)
"""Rows: sum, red less blue, green less both; orthonormal."""
LEAST_DEPTH_BITS = 2
_ROOM = 1.25
"""Of the range between the outermost thousandths: what lies outside the middle."""
_SAMPLES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """`depth_bits` of all planes that are coded together, and the DN in the middle of each one's range."""

    depth_bits: int
    centres: tuple[int, ...]

    @property
    def dn(self) -> float:
        """DN in one unit of the network's input.

        >>> Scaling(depth_bits=8, centres=(128,)).dn
        64.0
        """
        return 2.0 ** (self.depth_bits - 2)

    def seen(self, array: Array) -> Array:
        """(rows, cols, planes) of pixels to (planes, rows, cols) float32 as a network sees them."""
        values = (array.astype(np.float32) - np.array(self.centres, np.float32)) * np.float32(1 / self.dn)
        if len(self.centres) == 3:
            values = values @ COLOUR.T.astype(np.float32)
        return np.ascontiguousarray(np.moveaxis(values, 2, 0))

    def pixels(self, seen: Array) -> Array:
        """The way back, not yet rounded: float32 (rows, cols, planes); ImageError where they are no finite numbers."""
        values = np.moveaxis(seen, 0, 2)
        if len(self.centres) == 3:
            values = values @ COLOUR.astype(np.float32)
        values = np.asarray(values * np.float32(self.dn) + np.array(self.centres, np.float32), np.float32)
        # the sum is finite where all are, for no sensor's samples come near the end of float32
        if not np.isfinite(values.sum(dtype=np.float64)):
            raise ImageError("a fixed-quality stream is damaged: its latents lie far beyond those of any image")
        return values


def scaling_of(array: Array, mask: BoolArray | None = None, *, bits: int) -> Scaling:
    """The scaling that suits some pixels (rows, cols, planes), of which no more than `bits` bits are used.

    >>> scaling_of(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), bits=8)
    Scaling(depth_bits=8, centres=(128,))
    """
    flat = array.reshape(-1, array.shape[2]) if mask is None else array[mask]
    flat = flat[:: max(1, len(flat) // _SAMPLES)]
    if not len(flat):
        return Scaling(depth_bits=bits, centres=(1 << (bits - 1),) * array.shape[2])
    low, high = np.percentile(flat, [0.1, 99.9], axis=0)
    spread = float((high - low).max()) * _ROOM
    depth = min(max(ceil(log2(max(spread, 1.0))), LEAST_DEPTH_BITS), bits)
    return Scaling(depth_bits=depth, centres=tuple(int(v) for v in np.rint((low + high) / 2)))
