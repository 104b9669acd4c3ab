"""How much information each place of a scene holds: a Gaussian scale mixture of the levels of its Laplacian pyramid.

The u of a place are its 3 × 3 neighbours at a level, row by row, and the pixel of the next level that lies there, its
parent. Their covariance is that of the whole image, taken in a pass of its own. Wang & Li 2011,
doi:10.1109/TIP.2010.2092435.
"""

from dataclasses import dataclass

import numpy as np

from orbiq.arrays import Array, FloatArray
from orbiq.metrics.pyramids import around_core
from orbiq.tiles import Tile

NEIGHBOURS = 9
MOST = NEIGHBOURS + 1
NOISE = 0.4
"""Variance of what a viewer adds to an image of peak 255."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Mixture:
    """Covariance C of the k values u (9, or 10 with the parent) at a level of the reference.

    `whitening` (k, k) is upper triangular, and |whitening·u|² = uᵀ·C⁻¹·u; `powers` are the eigenvalues of C.
    """

    whitening: FloatArray
    powers: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Place:
    """A rectangle of a level: `rows` and `cols` within a tile's part of it, and what it takes to find its parents.

    `first` is the tile's own first row and col in the level; `size` the rows and cols of the whole next level.
    """

    rows: slice
    cols: slice
    first: tuple[int, int]
    size: tuple[int, int]

    def inner(self, by: int) -> "Place":
        """Without its `by` outermost pixels on each side; empty where there are no more."""
        rows, cols = (slice(s.start + by, max(s.stop - by, s.start + by)) for s in (self.rows, self.cols))
        return Place(rows=rows, cols=cols, first=self.first, size=self.size)

    def of(self, plane: Array) -> Array:
        """The pixels of the place."""
        return np.ascontiguousarray(plane[self.rows, self.cols])

    def parents(self, coarser: FloatArray) -> FloatArray:
        """For each pixel of the place its parent in the tile's part of the next level, between four of its pixels."""
        for axis, part in enumerate((self.rows, self.cols)):
            at = parent_positions(self.first[axis] + part.start, part.stop - part.start, self.size[axis])
            at = np.clip(at - self.first[axis] // 2, 0, coarser.shape[axis] - 1)
            before = np.minimum(at.astype(int), coarser.shape[axis] - 2)
            share = (at - before)[:, None] if axis == 0 else at - before
            coarser = (1 - share) * coarser.take(before, axis) + share * coarser.take(before + 1, axis)
        return np.ascontiguousarray(coarser)


def parent_positions(first: int, count: int, size: int) -> FloatArray:
    """Where `count` pixels of a level lie in the next one of `size` pixels, from its first pixel's centre on.

    The authors enlarge the next level to 4·size − 3 pixels by bilinear interpolation, outer border on outer border, and
    keep every other one: so parents drift by three quarters of a pixel from one end of the image to the other.

    >>> parent_positions(0, 8, 4).round(3).tolist()
    [0.0, 0.0, 0.577, 1.192, 1.808, 2.423, 3.0, 3.0]
    """
    at = (2 * np.arange(first, first + count) - 0.5) * size / (4 * size - 3) - 0.5
    return np.clip(at, 0, size - 1)


def place(tile: Tile, level: int, radius: int, *, shape: tuple[int, ...]) -> Place:
    """The core of a tile and `radius` pixels of the level around it; `shape` of the whole image."""
    rows, cols = around_core(tile, level, radius)
    next_rows, next_cols = (-(-side // 2 ** (level + 1)) for side in shape[:2])
    first = (tile.rows.start - tile.top) >> level, (tile.cols.start - tile.left) >> level
    return Place(rows=rows, cols=cols, first=first, size=(next_rows, next_cols))


def mixture(products: FloatArray, size: int) -> Mixture:
    """Of `size` = 9 or 10 values, from the sums of `information_kernel.neighbour_products` over the image."""
    covariance = products[:size, :size] / max(products[MOST, MOST], 1)
    powers, axes = np.linalg.eigh(covariance)
    powers = np.maximum(powers, 0)
    # what neighbours never do holds no information: its power is nothing but rounding
    known = powers > 1e-12 * powers[-1]
    steps = np.where(known, 1 / np.sqrt(np.where(known, powers, 1)), 0)
    return Mixture(whitening=np.asarray(np.linalg.qr(steps[:, None] * axes.T, mode="r")), powers=powers)
