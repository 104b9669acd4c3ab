"""Between the pixels of any sensor and the planes that the networks see.

A network sees (x − centre) · 2^(2 − depth_bits): the `depth_bits` that the stream states make the full range ±2,
whether a band has 8 bits or 16. The depth is that of the values that occur, so that twelve bits in a container of
sixteen, or a scene of little contrast, use the range; one hot pixel changes nothing. The squared error in the network's
eyes is that in DN², times a power of four.

Three bands coded jointly are turned into three planes first, by an orthonormal matrix, so that the squared error of the
planes together is that of the bands. The planes are those of the image's own colours that have least to do with one
another (the Karhunen-Loève transform of what differs from a pixel to the next); the stream states them as a turn from
the usual ones, a sum and two differences.
"""

from dataclasses import dataclass
from math import ceil, log2

import numpy as np
from scipy.spatial.transform import Rotation

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.errors import ImageError

COLOUR = np.array(
    [
        [3**-0.5, 3**-0.5, 3**-0.5],
        [2**-0.5, 0, -(2**-0.5)],
        [-(6**-0.5), 2 * 6**-0.5, -(6**-0.5)],
    ]
)
"""Rows: sum, red less blue, green less both; orthonormal, and right-handed."""
TURN_UNIT = 2.0**-10
"""Radians in one of the three numbers of a turn."""
_LITTLE = 1e-6
"""Of the colours' variance: what decides for the usual axes where a grey image leaves it open."""
LEAST_DEPTH_BITS = 2
_ROOM = 1.25
"""Of the range between the outermost thousandths: what lies outside the middle."""
_SAMPLES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """`depth_bits` of all planes that are coded together, and the DN in the middle of each one's range.

    `turn` is the rotation from the usual axes of three planes to the image's own: a vector along the axis of rotation,
    as long as the angle, in units of 2⁻¹⁰ radians.
    """

    depth_bits: int
    centres: tuple[int, ...]
    turn: tuple[int, int, int] = (0, 0, 0)

    @property
    def axes(self) -> FloatArray:
        """What three bands are multiplied with, one plane a row; orthonormal.

        >>> Scaling(depth_bits=8, centres=(1, 2, 3)).axes[0].round(3).tolist()  # the sum, if nothing is turned
        [0.577, 0.577, 0.577]
        """
        return np.asarray(Rotation.from_rotvec(np.array(self.turn) * TURN_UNIT).as_matrix() @ COLOUR)

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
            values = values @ self.axes.T.astype(np.float32)
        return np.ascontiguousarray(np.moveaxis(values, 2, 0))

    def pixels(self, seen: Array) -> Array:
        """The way back, not yet rounded: float32 (rows, cols, planes); ImageError where they are no finite numbers."""
        values = np.moveaxis(seen, 0, 2)
        if len(self.centres) == 3:
            values = values @ self.axes.astype(np.float32)
        values = np.asarray(values * np.float32(self.dn) + np.array(self.centres, np.float32), np.float32)
        # the sum is finite where all are, for no sensor's samples come near the end of float32
        if not np.isfinite(values.sum(dtype=np.float64)):
            raise ImageError("a fixed-quality stream is damaged: its latents lie far beyond those of any image")
        return values


def scaling_of(array: Array, mask: BoolArray | None = None, *, bits: int) -> Scaling:
    """The scaling that suits some pixels (rows, cols, planes), of which no more than `bits` bits are used.

    Neighbours in a row are neighbours in the image; rows may be any of it.

    >>> scaling_of(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), bits=8)
    Scaling(depth_bits=8, centres=(128,), turn=(0, 0, 0))
    """
    flat = array.reshape(-1, array.shape[2]) if mask is None else array[mask]
    flat = flat[:: max(1, len(flat) // _SAMPLES)]
    if not len(flat):
        return Scaling(depth_bits=bits, centres=(1 << (bits - 1),) * array.shape[2])
    low, high = np.percentile(flat, [0.1, 99.9], axis=0)
    spread = float((high - low).max()) * _ROOM
    depth = min(max(ceil(log2(max(spread, 1.0))), LEAST_DEPTH_BITS), bits)
    centres = tuple(int(v) for v in np.rint((low + high) / 2))
    return Scaling(depth_bits=depth, centres=centres, turn=_turn_of(array, mask) if len(centres) == 3 else (0, 0, 0))


def _turn_of(array: Array, mask: BoolArray | None) -> tuple[int, int, int]:
    """The turn to axes along which the differences of neighbours in a row are uncorrelated, the most varied first."""
    step = max(1, array.shape[0] * array.shape[1] // _SAMPLES)
    array, mask = array[::step], None if mask is None else mask[::step]
    differences = np.diff(array.astype(np.float64), axis=1)
    known = differences.reshape(-1, 3) if mask is None else differences[mask[:, 1:] & mask[:, :-1]]
    usual = COLOUR.T @ np.diag([3.0, 2.0, 1.0]) @ COLOUR
    products = known.T @ known
    _, vectors = np.linalg.eigh(products + (_LITTLE * np.trace(products) or 1.0) * usual)
    axes = vectors.T[::-1]
    along = (axes * COLOUR).sum(1)
    axes = axes * np.where(along < 0, -1.0, 1.0)[:, None]
    if np.linalg.det(axes) < 0:
        axes[np.abs(along).argmin()] *= -1
    vector = Rotation.from_matrix(axes @ COLOUR.T).as_rotvec() / TURN_UNIT
    first, second, third = (int(v) for v in np.rint(vector))
    return first, second, third
