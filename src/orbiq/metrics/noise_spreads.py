"""The spreads of many blocks or patches, gathered tile by tile."""

from dataclasses import dataclass

import numpy as np

from orbiq.arrays import Array, FloatArray
from orbiq.metrics.noise_levels import Levels
from orbiq.tiles import Tile

_FRACTION = 128
"""Of data that are no whole numbers, the median level's 128th part is what a DN is to 8-bit data."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Spreads:
    """Standard deviations, and how often each occurs: of whole numbers there are few different ones."""

    values: FloatArray
    counts: Array

    def __add__(self, other: "Spreads") -> "Spreads":
        if not other.n:
            return self
        values, places = np.unique(np.concatenate([self.values, other.values]), return_inverse=True)
        counts = np.bincount(places, weights=np.concatenate([self.counts, other.counts]))
        return Spreads(values=values, counts=counts.astype(np.int64))

    @property
    def n(self) -> int:
        """How many they are."""
        return int(self.counts.sum())

    def mean(self) -> float:
        """The mean of them all."""
        return float(self.values @ self.counts) / self.n

    def deviation(self) -> float:
        """The standard deviation of them all, with n."""
        return float(np.sqrt((self.values - self.mean()) ** 2 @ self.counts / self.n))

    def between(self, low: float, high: float) -> "Spreads":
        """Those within [low, high]."""
        kept = (self.values >= low) & (self.values <= high)
        return Spreads(values=self.values[kept], counts=self.counts[kept])

    def ranked(self, rank: float) -> float:
        """The one before which `rank` others come; at half a rank, the mean of both neighbours."""
        places = np.searchsorted(np.cumsum(self.counts), [np.floor(rank), np.ceil(rank)], side="right")
        return float(self.values[places].mean())


def spreads_of(values: FloatArray) -> Spreads:
    """Of plain values."""
    different, counts = np.unique(values, return_counts=True)
    return Spreads(values=different, counts=counts)


def core_of(tile: Tile) -> tuple[int, int, int, int]:
    """Where the core begins within the tile, and its rows and cols."""
    return tile.top, tile.left, tile.rows.stop - tile.rows.start, tile.cols.stop - tile.cols.start


def one_dn(levels: Levels) -> float:
    """How wide a level is."""
    return 1.0 if levels.whole else levels.median / _FRACTION
