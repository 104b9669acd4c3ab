"""What a predicted class map has in common with the true one: pixels, and boundaries within a tolerance.

The boundary of a class are its pixels that touch another class by a side. The image's border is none, nor is that
of an area that takes no part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from orbiq.arrays import Array, BoolArray
from orbiq.metrics.segmentation_input import NO_CLASS, Labels
from orbiq.tiles import Tile, map_tiles

_SPAN = 1 << 20
"""Class numbers no farther apart than this are looked up in a table."""
_PAIRS = 1 << 20
"""Pairs of classes that are counted in a table; where there could be more, they are sorted."""
_CLOSE_PX = 5
"""So far a boundary is looked for step by step; farther, in a tree of points."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Counts:
    """Pixel counts of one image, or of a part of it, by class number.

    `pixels` (n, 3): true class, predicted class (NO_CLASS where none was predicted), count. `boundary` (n, 5): class,
    true boundary pixels, those of them near a predicted one of the class, predicted ones, those near a true one.
    """

    pixels: Array
    boundary: Array


def count_image(truth: Labels, prediction: Labels, *, tolerance_px: float) -> Counts:
    """Counts of one image, made in tiles: they do not depend on the tiles' size."""
    margin = int(tolerance_px) + 1  # one more to see whether a pixel at the tolerance is of a boundary
    count = partial(_count_tile, tolerance_px=tolerance_px)
    parts = list(map_tiles([truth, prediction], count, margin=margin))
    return Counts(
        pixels=_merged([part.pixels for part in parts], n_keys=2),
        boundary=_merged([part.boundary for part in parts], n_keys=1),
    )


def _disc(radius_px: float) -> Array:
    """(row, col) steps no longer than the radius, the shortest first."""
    reach = int(radius_px)
    rows, cols = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    squared = (rows**2 + cols**2).ravel()
    order = np.argsort(squared, kind="stable")
    within = order[squared[order] <= radius_px**2 + 1e-9]
    return np.asarray(np.stack([rows.ravel(), cols.ravel()], axis=1)[within])


def _count_tile(tile: Tile, *, tolerance_px: float) -> Counts:
    truth, said = (array[..., 0] for array in tile.arrays)
    judged = truth != NO_CLASS
    inner = np.zeros(judged.shape, bool)
    inner[tile.core] = True
    counted = judged & inner
    true_edge, said_edge = (np.where(_is_edge(labels, judged), labels, NO_CLASS) for labels in (truth, said))
    return Counts(
        pixels=_pairs(truth[counted], said[counted]),
        boundary=_merged(
            [
                _near(true_edge, said_edge, inner=inner, tolerance_px=tolerance_px)[:, [0, 1, 2, 3, 3]],
                _near(said_edge, true_edge, inner=inner, tolerance_px=tolerance_px)[:, [0, 3, 3, 1, 2]],
            ],
            n_keys=1,
        ),
    )


def _is_edge(labels: Array, judged: BoolArray) -> BoolArray:
    """Where a judged pixel touches, by a side, a judged pixel of another class."""
    edge = np.zeros(labels.shape, bool)
    for first, second in (((slice(1, None), slice(None)), (slice(None, -1), slice(None))), _COLS):
        differ = (labels[first] != labels[second]) & judged[first] & judged[second]
        edge[first] |= differ
        edge[second] |= differ
    return edge


_COLS = (slice(None), slice(1, None)), (slice(None), slice(None, -1))


def _near(edge: Array, other: Array, *, inner: BoolArray, tolerance_px: float) -> Array:
    """(class, boundary pixels, those near a pixel of the class in the other map, 0) of the core, by class."""
    rows, cols = np.nonzero((edge != NO_CLASS) & inner)
    labels = edge[rows, cols]
    steps = _disc(min(tolerance_px, _CLOSE_PX))
    reach = int(steps.max())
    padded = np.pad(other, reach, constant_values=NO_CLASS)
    flat, at = padded.ravel(), (rows + reach) * padded.shape[1] + cols + reach
    looking = np.arange(len(labels))
    for row, col in steps:
        found = flat[at[looking] + (row * padded.shape[1] + col)] == labels[looking]
        looking = looking[~found]
    if tolerance_px > _CLOSE_PX and looking.size:
        points = np.stack([rows[looking], cols[looking], labels[looking]], axis=1)
        looking = looking[~_within(points, other, tolerance_px=tolerance_px)]
    ids, numbers = _numbered(labels)
    total = np.bincount(numbers, minlength=len(ids))
    missed = np.bincount(numbers[looking], minlength=len(ids))
    return np.stack([ids, total, total - missed, np.zeros_like(total)], axis=1)


def _within(points: Array, other: Array, *, tolerance_px: float) -> BoolArray:
    """Which (row, col, class) lie within the tolerance of a pixel of their class in the other map."""
    from scipy.spatial import cKDTree

    rows, cols = np.nonzero(other != NO_CLASS)
    if not rows.size:
        return np.zeros(len(points), bool)
    _, numbers = _numbered(np.concatenate([points[:, 2], other[rows, cols]]))
    apart = numbers * (2 * tolerance_px + 1)  # classes as a third axis, on which none is near another
    tree = cKDTree(np.stack([rows, cols, apart[len(points) :]], axis=1))
    places = np.stack([points[:, 0], points[:, 1], apart[: len(points)]], axis=1)
    distance, _ = tree.query(places, distance_upper_bound=tolerance_px + 1e-9)
    return np.asarray(np.isfinite(distance))


def _pairs(truth: Array, said: Array) -> Array:
    """(true class, predicted class, count) of pixels."""
    ids, numbers = _numbered(np.concatenate([truth, said]))
    n = len(ids)
    keys = numbers[: len(truth)] * n + numbers[len(truth) :]
    if n * n <= _PAIRS:
        counts = np.bincount(keys, minlength=n * n)
        found = np.flatnonzero(counts)
        counts = counts[found]
    else:
        found, counts = np.unique(keys, return_counts=True)
    return np.stack([ids[found // max(n, 1)], ids[found % max(n, 1)], counts], axis=1)


def _numbered(values: Array) -> tuple[Array, Array]:
    """(the different values, rising; the number of each value among them)."""
    if not values.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    low, high = int(values.min()), int(values.max())
    if high - low > _SPAN:
        ids, numbers = np.unique(values, return_inverse=True)
        return ids, numbers
    present = np.bincount(values - low) > 0
    return np.flatnonzero(present) + low, (np.cumsum(present) - 1)[values - low]


def _merged(parts: Sequence[Array], *, n_keys: int) -> Array:
    """Rows of the parts with those of the same first `n_keys` numbers added up."""
    rows = np.concatenate(parts)
    keys, inverse = np.unique(rows[:, :n_keys], axis=0, return_inverse=True)
    sums = np.zeros((len(keys), rows.shape[1] - n_keys), np.int64)
    np.add.at(sums, inverse.ravel(), rows[:, n_keys:])
    return np.concatenate([keys, sums], axis=1)
