"""The grids of pansharpening: fine images and a coarse one on the same ground, each valid only where all are."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from orbiq.arrays import Affine, Array, BoolArray, FloatArray, Raster
from orbiq.errors import ImageError
from orbiq.metrics.inputs import Images, Pixels, checked_image, one_image
from orbiq.optics import psf_sigma

Window = tuple[Array, BoolArray | None]


@dataclass(frozen=True, eq=False, kw_only=True)
class Grids:
    """The images of both scales, valid on the same ground.

    `coarse` holds ms and what the pan looks like there, `fine` fused and pan; a coarse pixel is `ratio` fine ones long.
    """

    coarse: Images
    fine: Images
    ratio: int


@dataclass(frozen=True, eq=False, kw_only=True)
class View:
    """A raster whose windows are made from those of others."""

    name: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    read: Callable[[slice, slice], Window]
    peak: float | None = None
    gsd_m: float | None = None
    transform: Affine | None = None

    def window(self, rows: slice, cols: slice) -> Window:
        """Pixels and mask of a part."""
        return self.read(rows, cols)


def grids(
    ms: Pixels, fused: Pixels, pan: Pixels | None, *, mask: BoolArray | None, pan_mtf_nyquist: float = 1
) -> Grids:
    """The images checked to fit each other, and their common ground."""
    low, high = checked_image(ms, name="ms"), [checked_image(fused, name="fused")]
    if pan is not None:
        high.append(checked_image(pan, name="pan"))
    ratio = _ratio(low, high)
    common = one_image(high[0], mask=mask).mask
    coarse: list[Raster] = [_where_fine_is_valid(low, high, common, ratio)]
    if pan is not None:
        coarse.append(coarse_pan(high[1], ratio=ratio, mtf_nyquist=pan_mtf_nyquist, mask=common))
    fine = tuple(_where_coarse_is_valid(raster, low, ratio) for raster in high)
    return Grids(coarse=Images(rasters=tuple(coarse)), fine=Images(rasters=fine, mask=common), ratio=ratio)


def coarse_pan(pan: Raster, *, ratio: int, mtf_nyquist: float, mask: BoolArray | None = None) -> Raster:
    """`pan` seen through a Gaussian PSF of that MTF at the coarse Nyquist frequency, at the centres of coarse pixels.

    The filter is normalised over the valid pixels that it sees.
    """
    sigma_px = psf_sigma(mtf_nyquist, gsd=ratio)
    beyond = max(0, ceil(4 * sigma_px - ratio / 2))
    taps = _taps(sigma_px, ratio, beyond)

    def read(rows: slice, cols: slice) -> Window:
        values, valid = _with_zeros_around(pan, mask, (_finer(rows, ratio), _finer(cols, ratio)), beyond)
        light = _thinned(_thinned(np.where(valid, values, 0), taps, ratio).T, taps, ratio).T
        weight = _thinned(_thinned(valid.astype(float), taps, ratio).T, taps, ratio).T
        return np.divide(light, weight, out=np.zeros_like(light), where=weight > 0)[..., None], None

    shape = pan.shape[0] // ratio, pan.shape[1] // ratio, 1
    return View(name=pan.name, shape=shape, dtype=np.dtype(float), read=read)


def _ratio(low: Raster, high: list[Raster]) -> int:
    (rows, cols, bands), size = low.shape, high[0].shape
    ratio = size[0] // rows
    if ratio < 2 or size[:2] != (rows * ratio, cols * ratio) or size[2] != bands:
        raise ImageError(
            f"{high[0].name} is {size} but {low.name} is {low.shape} (rows, cols, bands); expected the same bands, and "
            "rows and cols times one whole number from 2 on. Crop both to the same ground."
        )
    if len(high) > 1 and high[1].shape != (*size[:2], 1):
        raise ImageError(
            f"{high[1].name} is {high[1].shape} but {high[0].name} is {size} (rows, cols, bands); "
            "expected the same rows and cols, and one band."
        )
    return ratio


def _where_fine_is_valid(low: Raster, high: list[Raster], mask: BoolArray | None, ratio: int) -> Raster:
    """The coarse image, valid where all fine pixels of a coarse one are."""

    def read(rows: slice, cols: slice) -> Window:
        array, valid = low.window(rows, cols)
        fine = _finer(rows, ratio), _finer(cols, ratio)
        masks = [raster.window(*fine)[1] for raster in high] + [None if mask is None else mask[fine]]
        for part in masks:
            if part is not None:
                cells = part.reshape(array.shape[0], ratio, array.shape[1], ratio)
                valid = _both(valid, np.all(cells, axis=(1, 3)))
        return array, valid

    return View(name=low.name, shape=low.shape, dtype=low.dtype, read=read)


def _where_coarse_is_valid(raster: Raster, low: Raster, ratio: int) -> Raster:
    """A fine image, valid where the coarse one is."""

    def read(rows: slice, cols: slice) -> Window:
        array, valid = raster.window(rows, cols)
        coarse = (slice(s.start // ratio, -(-s.stop // ratio)) for s in (rows, cols))
        part = low.window(*coarse)[1]
        if part is not None:
            fine = part.repeat(ratio, axis=0).repeat(ratio, axis=1)
            top, left = rows.start % ratio, cols.start % ratio
            valid = _both(valid, fine[top : top + array.shape[0], left : left + array.shape[1]])
        return array, valid

    return View(name=raster.name, shape=raster.shape, dtype=raster.dtype, read=read)


def _both(first: BoolArray | None, second: BoolArray) -> BoolArray:
    return second if first is None else first & second


def _finer(part: slice, ratio: int) -> slice:
    return slice(part.start * ratio, part.stop * ratio)


def _with_zeros_around(
    pan: Raster, mask: BoolArray | None, where: tuple[slice, slice], beyond: int
) -> tuple[FloatArray, BoolArray]:
    """Pixels of a part and `beyond` around it, and which are valid: none beyond the image."""
    wide = [slice(s.start - beyond, s.stop + beyond) for s in where]
    inside = [slice(max(s.start, 0), min(s.stop, n)) for s, n in zip(wide, pan.shape[:2], strict=True)]
    array, valid = pan.window(inside[0], inside[1])
    known = np.ones(array.shape[:2], bool) if valid is None else valid
    if mask is not None:
        known = known & mask[inside[0], inside[1]]
    margins = [(i.start - w.start, w.stop - i.stop) for i, w in zip(inside, wide, strict=True)]
    return np.pad(array[..., 0].astype(float), margins), np.pad(known, margins)


def _taps(sigma_px: float, ratio: int, beyond: int) -> FloatArray:
    """A Gaussian at the pixels of a cell and `beyond` on each side, about the cell's centre, of sum 1."""
    squared = (np.arange(-beyond, ratio + beyond) + 0.5 - ratio / 2) ** 2
    nearest = squared.min()
    weights = np.exp((nearest - squared) / (2 * sigma_px**2)) if sigma_px > 0 else (squared == nearest).astype(float)
    return np.asarray(weights / weights.sum())


def _thinned(values: FloatArray, taps: FloatArray, ratio: int) -> FloatArray:
    """Rows weighted by `taps`, one for each cell of `ratio` rows."""
    cells = (len(values) - len(taps)) // ratio + 1
    total = np.zeros((cells, values.shape[1]))
    for k, tap in enumerate(taps):
        total += tap * values[k : k + (cells - 1) * ratio + 1 : ratio]
    return total
