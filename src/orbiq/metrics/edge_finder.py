"""The natural edges of an image, found and fitted tile by tile.

After Cenci et al. 2021, Remote Sensing 13, 1593, doi:10.3390/rs13081593: boundaries of fields, roofs and roads stand
in for a calibration target. Each cell of 16 × 16 pixels, counted from the image's first pixel, nominates at most one
place; each block of 256 × 256 ranks its places, those with the least noise over step first, and those that are much
blurrier than its sharper quarter last. How many ranks are fitted depends on how many blocks have any: all of a small
image, six a block of a large one. Nothing depends on the tiles.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.metrics.inputs import Images
from orbiq.metrics.planes import planes
from orbiq.tiles import Tile

BLOCK = 256
LEAST_RANKS = 6  # of each block that are fitted in any case
USUAL_FITS = 96  # of an image, where its blocks have as many places


@dataclass(frozen=True, eq=False, kw_only=True)
class Found:
    """The edges of one band, by row: places (`edge_finder_kernel.PLACE`) and their fits (`edge_kernel.EDGE`)."""

    places: Array
    fits: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class _Part:
    """What a tile holds of one band: first ranks fitted, the others cut out for later, and how many blocks have any."""

    places: Array
    fits: Array
    later: Array
    ranks: Array
    windows: FloatArray
    masks: BoolArray
    blocks: int

    def up_to(self, rank: int) -> "_Part":
        """Without the later places from a rank on."""
        keep = self.ranks < rank
        if keep.all():
            return self
        kept = {name: getattr(self, name)[keep] for name in ("later", "ranks", "windows", "masks")}
        return _Part(places=self.places, fits=self.fits, blocks=self.blocks, **kept)


@dataclass(eq=False, kw_only=True)
class _Band:
    """The parts of one band so far. Later places are given up as soon as there are too many blocks for their rank."""

    parts: list[_Part] = field(default_factory=list)
    blocks: int = 0

    def add(self, part: _Part) -> None:
        self.blocks += part.blocks
        self.parts.append(part)
        if any(part.ranks.size for part in self.parts):
            self.parts = [part.up_to(_ranks(self.blocks)) for part in self.parts]

    def found(self) -> Found:
        """All places that count, fitted."""
        from orbiq.metrics import edge_finder_kernel as kernel

        places, fits = [part.places for part in self.parts], [part.fits for part in self.parts]
        for part in self.parts:
            if part.later.size:
                places.append(part.later)
                fits.append(_fitted(part.later, windows=part.windows, masks=part.masks))
        if not places:
            places, fits = [np.zeros(0, kernel.PLACE)], [_no_fits(0)]
        together = np.concatenate(places)
        order = np.lexsort((together["col"], together["row"]))
        return _thinned(Found(places=together[order], fits=np.concatenate(fits)[order]))


def _ranks(blocks: int) -> int:
    """How many places of each block are fitted where so many blocks have any."""
    return max(LEAST_RANKS, USUAL_FITS // max(blocks, 1))


def find_edges(images: Images, *, ceiling: float) -> list[Found]:
    """The edges of each band of the one image in `images`; values from `ceiling` on count as clipped."""
    from orbiq.metrics.edge_finder_kernel import HALO

    bands = [_Band() for _ in range(images.bands)]
    parts: Iterable[list[_Part]] = images.map(lambda tile: _searched(tile, ceiling), margin=HALO, align=BLOCK)
    for of_bands in parts:
        for band, part in zip(bands, of_bands, strict=True):
            band.add(part)
    return [band.found() for band in bands]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Plane:
    """One band of a tile: `values`, which are `valid`, and which have a slope of valid pixels alone (`clear`)."""

    tile: Tile
    values: FloatArray
    valid: BoolArray
    clear: BoolArray


def _searched(tile: Tile, ceiling: float) -> list[_Part]:
    """What a tile holds of each band."""
    valid = np.ones(tile.arrays[0].shape[:2], bool) if tile.mask is None else tile.mask
    clear = _eroded(valid)
    bands = [_Plane(tile=tile, values=values, valid=valid, clear=clear) for (values,) in planes(tile)]
    return [_part(band, ceiling) for band in bands]


def _part(band: _Plane, ceiling: float) -> _Part:
    from orbiq.metrics import edge_finder_kernel as kernel

    places, blocks = _nominated(band, ceiling)
    ranks = np.empty(places.size, np.int64)
    kernel.ranked(places, blocks, ranks)
    keep = (ranks >= 0) & (ranks < _ranks(blocks.size - 1))
    places, ranks = places[keep], ranks[keep]
    windows, masks = _cut(band, places)
    places["row"] += band.tile.rows.start - band.tile.top
    places["col"] += band.tile.cols.start - band.tile.left
    now, later = ranks < LEAST_RANKS, ranks >= LEAST_RANKS
    return _Part(
        places=places[now],
        fits=_fitted(places[now], windows=windows[now], masks=masks[now]),
        later=places[later],
        ranks=ranks[later],
        windows=windows[later],
        masks=masks[later],
        blocks=blocks.size - 1,
    )


def _nominated(band: _Plane, ceiling: float) -> tuple[Array, Array]:
    """(places in the tile's pixels, by block, the best first; where each block begins, and the end)."""
    from orbiq.metrics import edge_finder_kernel as kernel
    from orbiq.metrics.edge_seed import gradients

    (rows, cols), values = band.tile.core, band.values
    gx, gy = np.empty_like(values), np.empty_like(values)
    gradients(values, gx, gy)
    cells = -(-(rows.stop - rows.start) // kernel.CELL) * -(-(cols.stop - cols.start) // kernel.CELL)
    out = np.zeros(cells, kernel.PLACE)
    core = np.array([rows.start, cols.start, rows.stop, cols.stop])
    places = out[: kernel.nominated(values, band.valid, band.clear, gx, gy, core, ceiling, out)]
    row, col = (places["row"] - rows.start) // BLOCK, (places["col"] - cols.start) // BLOCK
    block = row * (1 + values.shape[1] // BLOCK) + col
    order = np.argsort(block, kind="stable")
    places, block = places[order], block[order]
    first = np.append(np.flatnonzero(np.diff(block, prepend=-1)), block.size)
    blurred = np.empty(places.size, bool)
    kernel.blurred(places, first, blurred)
    return places[np.lexsort((places["doubt"], blurred, block))], first


def _eroded(mask: BoolArray) -> BoolArray:
    """Pixels whose slope comes of valid pixels alone."""
    import cv2

    from orbiq.metrics.edge_seed import RADIUS

    box = np.ones((2 * RADIUS + 1, 2 * RADIUS + 1), np.uint8)
    return np.asarray(cv2.erode(mask.astype(np.uint8), box, borderType=cv2.BORDER_CONSTANT, borderValue=0), bool)


def _cut(band: _Plane, places: Array) -> tuple[FloatArray, BoolArray]:
    """The surroundings of places in the tile's pixels, and which of their pixels are valid."""
    from orbiq.metrics import edge_finder_kernel as kernel

    shape = (places.size, kernel.WINDOW, kernel.WINDOW)
    windows, masks = np.empty(shape), np.empty(shape, bool)
    kernel.cut_out(band.values, band.valid, places, windows, masks)
    return windows, masks


def _fitted(places: Array, *, windows: FloatArray, masks: BoolArray) -> Array:
    from orbiq.metrics.edge_finder_kernel import measured

    fits = _no_fits(places.size)
    measured(windows, masks, places, fits)
    return fits


def _no_fits(number: int) -> Array:
    from orbiq.metrics.edge_kernel import EDGE

    return np.zeros(number, EDGE)


def _thinned(found: Found) -> Found:
    """Without the worse of two edges that lie too close together on either side of a block's border."""
    from scipy.spatial import cKDTree

    from orbiq.metrics.edge_finder_kernel import APART

    places = found.places
    if places.size < 2:
        return found
    middles = np.stack([places["row"] + places["drow"], places["col"] + places["dcol"]], axis=1)
    keep = np.ones(places.size, bool)
    pairs = cKDTree(middles).query_pairs(APART, output_type="ndarray")
    merit = np.lexsort((np.arange(places.size), places["doubt"])).argsort()
    worse = merit[pairs].max(axis=1)
    for pair in pairs[np.argsort(worse, kind="stable")]:
        if keep[pair].all():
            keep[pair[np.argmax(merit[pair])]] = False
    return Found(places=places[keep], fits=found.fits[keep])
