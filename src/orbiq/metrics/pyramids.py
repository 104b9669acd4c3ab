"""Images at halves of their size: means of 2 × 2 pixels, and the Laplacian pyramid."""

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.tiles import Tile

_ROWS = 32
"""Rows of halves that are made at a time."""


def around_core(tile: Tile, level: int, radius: int) -> tuple[slice, slice]:
    """The core of a tile and `radius` pixels around it, in pixels of level 0, 1, … as far as the tile has them.

    The tile and its core begin at multiples of 2^level.
    """
    factor = 2**level
    places = []
    for part, before, side in zip((tile.rows, tile.cols), (tile.top, tile.left), tile.arrays[0].shape[:2], strict=True):
        first, last = before // factor, -(-(before + part.stop - part.start) // factor)
        places.append(slice(max(first - radius, 0), min(last + radius, -(-side // factor))))
    return places[0], places[1]


def halved(plane: Array) -> FloatArray:
    """Means of 2 × 2 pixels, (⌈rows / 2⌉, ⌈cols / 2⌉); what lacks at an odd end repeats the last row or col.

    >>> halved(np.array([[1, 3, 5], [5, 7, 9]], np.uint8)).tolist()
    [[4.0, 7.0]]
    """
    # numba takes half a second to import
    from orbiq.metrics.pyramids_kernel import halve

    out = np.empty([(side + 1) // 2 for side in plane.shape])
    piece = np.empty((2 * _ROWS, plane.shape[1]))
    for first in range(0, out.shape[0], _ROWS):
        rows = plane[2 * first : 2 * (first + _ROWS)]
        piece[: len(rows)] = rows
        halve(piece[: len(rows)], out[first : first + _ROWS])
    return out


def halved_mask(mask: BoolArray) -> BoolArray:
    """Where `halved` takes means of valid pixels alone.

    >>> halved_mask(np.array([[True, True, True], [False, True, True]])).tolist()
    [[False, True]]
    """
    mask = np.pad(mask, [(0, size % 2) for size in mask.shape], mode="edge")
    rows = mask[::2] & mask[1::2]
    return np.asarray(rows[:, ::2] & rows[:, 1::2])


def laplacian(plane: FloatArray, levels: int) -> list[FloatArray]:
    """The Laplacian pyramid: `levels` − 1 differences from what the next level explains, and the rest.

    A level is (1, 4, 6, 4, 1)/16 along rows and cols, every second pixel kept and doubled; the image is mirrored about
    its outermost pixels. Burt & Adelson 1983, doi:10.1109/TCOM.1983.1095851; the doubling is that of matlabPyrTools.

    >>> [level.round(9).tolist() for level in laplacian(np.full((3, 3), 5.0), 2)]
    [[[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], [[10.0, 10.0], [10.0, 10.0]]]
    """
    # numba takes half a second to import
    from orbiq.metrics.pyramids_kernel import differences, reduce

    pyramid = []
    for _ in range(levels - 1):
        smaller = reduce(plane)
        pyramid.append(differences(plane, smaller))
        plane = 2 * smaller
    return [*pyramid, plane]


def laplacian_masks(mask: BoolArray, levels: int) -> list[BoolArray]:
    """Where the levels of `laplacian` follow from valid pixels alone."""
    from orbiq.metrics.pyramids_kernel import differences, reduce

    masks = []
    for _ in range(levels - 1):
        ones = mask.astype(float)
        smaller = np.where(reduce(ones) == 1, 1.0, 0.0)  # weights are multiples of 2⁻⁸: sums of them are exact
        masks.append(mask & (differences(ones, smaller) == 0))
        mask = smaller == 1
    return [*masks, mask]
