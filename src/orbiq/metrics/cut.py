"""Images cut to what is valid, for metrics that halve or decimate them."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from orbiq.arrays import Affine, Array, BoolArray, Raster, Scene
from orbiq.metrics.inputs import Images, no_pixels
from orbiq.tiles import Tile, map_tiles


def cut_to_mask(images: Images) -> Images:
    """The smallest rectangle that holds all valid pixels, for metrics that halve the image.

    Where such a metric halves, pixels pair up from the first row and col: so a masked image scores as the cropped one
    only if both begin at the same place. Raises ImageError where no pixel is valid.
    """
    if _borders_valid(images):
        return images
    rows, cols = _box(images)
    return replace(
        images,
        rasters=tuple(Part(raster=raster, rows=rows, cols=cols) for raster in images.rasters),
        mask=None if images.mask is None else images.mask[rows, cols],
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Part:
    """A rectangle of a raster, itself a `orbiq.arrays.Raster`."""

    raster: Raster
    rows: slice
    cols: slice

    @property
    def shape(self) -> tuple[int, int, int]:
        """(rows, cols, bands)."""
        return self.rows.stop - self.rows.start, self.cols.stop - self.cols.start, self.raster.shape[2]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the pixels."""
        return self.raster.dtype

    @property
    def peak(self) -> float | None:
        """As the whole states it."""
        return self.raster.peak

    @property
    def gsd_m(self) -> float | None:
        """Metres on the ground per pixel."""
        return self.raster.gsd_m

    @property
    def transform(self) -> Affine | None:
        """Pixel of the part → ground."""
        if self.raster.transform is None:
            return None
        a, b, c, d, e, f = self.raster.transform
        x, y = self.cols.start, self.rows.start
        return a, b, a * x + b * y + c, d, e, d * x + e * y + f

    @property
    def name(self) -> str:
        """As the whole."""
        return self.raster.name

    def window(self, rows: slice, cols: slice) -> tuple[Array, BoolArray | None]:
        """Pixels and mask of a window within the part."""
        top, left = self.rows.start, self.cols.start
        return self.raster.window(slice(top + rows.start, top + rows.stop), slice(left + cols.start, left + cols.stop))


def _borders_valid(images: Images) -> bool:
    """Whether a look at the four outermost lines shows that no row or col is wholly masked there."""
    if images.mask is None and all(isinstance(r, Scene) and r.mask is None for r in images.rasters):
        return True
    rows, cols, _ = images.shape
    lines = (
        (slice(0, 1), slice(0, cols)),
        (slice(rows - 1, rows), slice(0, cols)),
        (slice(0, rows), slice(0, 1)),
        (slice(0, rows), slice(cols - 1, cols)),
    )
    return all(_any_valid(images, *line) for line in lines)


def _any_valid(images: Images, rows: slice, cols: slice) -> bool:
    masks = [raster.window(rows, cols)[1] for raster in images.rasters]
    if images.mask is not None:
        masks.append(images.mask[rows, cols])
    stated = [mask for mask in masks if mask is not None]
    return not stated or bool(np.logical_and.reduce(stated).any())


def _box(images: Images) -> tuple[slice, slice]:
    rows, cols = np.zeros(images.shape[0], bool), np.zeros(images.shape[1], bool)

    def look(tile: Tile) -> None:
        mask = np.ones(tile.arrays[0].shape[:2], bool) if tile.mask is None else tile.mask
        rows[tile.rows] |= mask.any(axis=1)
        cols[tile.cols] |= mask.any(axis=0)

    for _ in map_tiles(images.rasters, look, mask=images.mask):
        pass
    if not rows.any():
        raise no_pixels(images)
    return _span(rows), _span(cols)


def _span(valid: BoolArray) -> slice:
    """From the first to the last that is True."""
    places = np.flatnonzero(valid)
    return slice(int(places[0]), int(places[-1]) + 1)
