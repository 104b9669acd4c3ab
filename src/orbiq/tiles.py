"""Work in tiles: pieces of one or several images with a margin around each, so that memory stays bounded.

An image is cut into cores that cover it once. A tile is a core with `margin` pixels more on each side, cut off at
the border of the image: so a tile's border is either far enough from the core or the image's own, and a
computation that needs no more than the margin gives the same on tiles as in one piece. Tiles are read in order by
one thread, computed by several, and come back in order: results do not depend on the number of threads.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

from orbiq.arrays import Array, BoolArray, Raster
from orbiq.errors import ImageError, SettingError

T = TypeVar("T")
Margin = int | tuple[int, int]
"""Pixels around a core: as many on each side, or (above and left, below and right)."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Tile:
    """A part of one or several images that lie on the same pixels.

    `arrays` (rows, cols, bands) of each image with its margin; `mask` True where valid, None when all are; `rows` and
    `cols` the core's place in the image; `top` and `left` how many pixels of margin lie before the core.
    """

    arrays: tuple[Array, ...]
    mask: BoolArray | None
    rows: slice
    cols: slice
    top: int
    left: int

    @property
    def core(self) -> tuple[slice, slice]:
        """Where the core lies within `arrays`: `tile.arrays[0][tile.core]`."""
        height, width = self.rows.stop - self.rows.start, self.cols.stop - self.cols.start
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """How `map_tiles` works: `size` rows and cols of a core, `threads` at most, and who is told (done, total).

    Without a size it is 512 pixels, fewer where images have many bands, so that a tile stays small in memory.
    """

    size: int | None = None
    threads: int = 1
    watch: Callable[[int, int], None] | None = field(default=None, repr=False)


_USUAL = Tiling(threads=os.cpu_count() or 1)
_TILING: ContextVar[Tiling] = ContextVar("tiling", default=_USUAL)


@contextmanager
def tiling(
    *, size: int | None = None, threads: int | None = None, watch: Callable[[int, int], None] | None = None
) -> Iterator[Tiling]:
    """Within this block, images are worked on in tiles of `size` rows and cols by `threads` threads.

    `watch` is told how many tiles of how many are done, by the thread that entered the block.

    >>> with tiling(size=64, threads=1) as chosen:
    ...     chosen
    Tiling(size=64, threads=1)
    """
    now = _TILING.get()
    chosen = Tiling(
        size=now.size if size is None else size,
        threads=now.threads if threads is None else threads,
        watch=watch,
    )
    if (chosen.size is not None and chosen.size < 1) or chosen.threads < 1:
        raise SettingError(f"tiling is {chosen}; expected a size and a number of threads ≥ 1")
    token = _TILING.set(chosen)
    try:
        yield chosen
    finally:
        _TILING.reset(token)


def map_tiles(
    rasters: Sequence[Raster],
    function: Callable[[Tile], T],
    *,
    margin: Margin = 0,
    align: int = 1,
    mask: BoolArray | None = None,
) -> Iterator[T]:
    """`function` of every tile, in the order of rows, then cols.

    `rasters` share rows and cols. Cores begin at multiples of `align`, for computations that halve the image. A
    tile's mask holds where `mask` (rows, cols) and those of all rasters do.

    >>> from orbiq.arrays import Scene
    >>> import numpy as np
    >>> ones = Scene(array=np.ones((3, 5, 1)))
    >>> with tiling(size=2):
    ...     [int(total) for total in map_tiles([ones], lambda tile: tile.arrays[0].sum(), margin=1)]
    [9, 12, 6, 6, 8, 4]
    """
    rows, cols = rasters[0].shape[:2]
    if any(raster.shape[:2] != (rows, cols) for raster in rasters):
        raise ImageError(f"images to tile are {[raster.shape for raster in rasters]}; expected the same rows and cols")
    chosen = _TILING.get()
    size = max(1, round((chosen.size or _usual_size(rasters)) / align)) * align
    before, after = (margin, margin) if isinstance(margin, int) else margin
    places = [(row, col) for row in range(0, rows, size) for col in range(0, cols, size)]
    tiles = (_tile(rasters, row=row, col=col, size=size, before=before, after=after, mask=mask) for row, col in places)
    threaded = chosen.threads > 1 and len(places) > 1
    results = _in_threads(tiles, function, chosen.threads) if threaded else map(function, tiles)
    return results if chosen.watch is None else _watched(results, len(places), chosen.watch)


def _usual_size(rasters: Sequence[Raster]) -> int:
    """512 for up to eight bands in all, then as many pixels fewer as there are bands more; never below 64."""
    bands = sum(raster.shape[2] for raster in rasters)
    return max(64, int(512 * min(1.0, 8 / bands) ** 0.5))


def _watched(results: Iterator[T], total: int, watch: Callable[[int, int], None]) -> Iterator[T]:
    for done, result in enumerate(results, 1):
        yield result
        watch(done, total)


def _tile(
    rasters: Sequence[Raster], *, row: int, col: int, size: int, before: int, after: int, mask: BoolArray | None
) -> Tile:
    height, width = rasters[0].shape[:2]
    core_rows, core_cols = slice(row, min(row + size, height)), slice(col, min(col + size, width))
    rows = slice(max(row - before, 0), min(core_rows.stop + after, height))
    cols = slice(max(col - before, 0), min(core_cols.stop + after, width))
    read = [raster.window(rows, cols) for raster in rasters]
    masks = [part for _, part in read if part is not None] + ([] if mask is None else [mask[rows, cols]])
    together = None
    for part in masks:
        together = part if together is None else together & part
    return Tile(
        arrays=tuple(array for array, _ in read),
        mask=None if together is None or together.all() else together,
        rows=core_rows,
        cols=core_cols,
        top=row - rows.start,
        left=col - cols.start,
    )


def _in_threads(tiles: Iterator[Tile], function: Callable[[Tile], T], threads: int) -> Iterator[T]:
    """A few tiles ahead of the slowest, so that memory stays bounded."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[T]] = deque()
        try:
            for tile in tiles:
                waiting.append(pool.submit(_alone, function, tile))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _alone(function: Callable[[Tile], T], tile: Tile) -> T:
    with tiling(threads=1):
        return function(tile)
