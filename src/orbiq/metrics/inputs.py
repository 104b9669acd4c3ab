"""What metrics of images are given, checked: one sentence where it is unfit, never a silent number.

An image is an array (rows, cols) or (rows, cols, bands), a `Scene`, or a file opened with
`orbiq.imageio.open_raster`; real numbers of any dtype. `mask` (rows, cols) is True where a pixel is valid. **What lies
outside the mask is treated as what lies outside the image**: a window counts only where all its pixels are valid,
and a metric that pads with zeros at the border does so at the mask's border too. So the score of a masked image is
that of the cropped one; with metrics of blocks, of an image cropped at the border of a block. NaN and infinite pixels
must be masked, and so must a nodata value: only where a peak is known can it be told from data.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from orbiq.arrays import Array, BoolArray, Raster, Scene, required_peak
from orbiq.errors import ImageError
from orbiq.tiles import Margin, Tile, map_tiles

T = TypeVar("T")
Pixels = Array | Raster
"""An array (rows, cols) or (rows, cols, bands), a Scene, or an opened file."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Images:
    """One or several images on the same pixels, checked, ready to be worked on in tiles.

    `peak` is None where the metric needs none.
    """

    rasters: tuple[Raster, ...]
    mask: BoolArray | None = None
    peak: float | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(rows, cols, bands) of the first."""
        return self.rasters[0].shape

    @property
    def bands(self) -> int:
        """Bands of the first."""
        return self.shape[2]

    @property
    def name(self) -> str:
        """What messages call the last: the one that is judged."""
        return self.rasters[-1].name

    def map(self, function: Callable[[Tile], T], *, margin: Margin = 0, align: int = 1) -> Iterator[T]:
        """`function` of every tile in order; in a tile, masked pixels are 0 and all others are checked.

        `margin` and `align` as in `orbiq.tiles.map_tiles`. Arrays keep their dtype: convert before you compute.
        """
        return map_tiles(
            self.rasters, lambda tile: function(self._checked(tile)), margin=margin, align=align, mask=self.mask
        )

    def _checked(self, tile: Tile) -> Tile:
        arrays = tile.arrays
        if tile.mask is not None:
            arrays = tuple(np.where(tile.mask[..., None], array, array.dtype.type(0)) for array in arrays)
        for k, (array, raster) in enumerate(zip(arrays, self.rasters, strict=True)):
            # a restored image of floats may overshoot the peak; a reference, or whole numbers, may not
            limited = k == 0 or np.issubdtype(array.dtype, np.integer)
            _check_values(array, raster.name, peak=self.peak, reach=1.0 if limited else _OVERSHOOT)
        return replace(tile, arrays=arrays)


def one_image(
    image: Pixels, *, mask: BoolArray | None = None, peak: float | None = None, peaked: bool = False
) -> Images:
    """One image, checked. With `peaked` its peak is needed: as given, as the image states it, or 255 for uint8."""
    raster = _raster(image, "image")
    _check_mask(mask, raster)
    return Images(rasters=(raster,), mask=mask, peak=_peak(peak, raster) if peaked else None)


def pair_of_images(
    reference: Pixels,
    image: Pixels,
    *,
    mask: BoolArray | None = None,
    peak: float | None = None,
    peaked: bool = False,
) -> Images:
    """The undegraded image and the one that is judged, checked to be of one shape.

    >>> pair_of_images(np.zeros((2, 2)), np.zeros((2, 3)))
    Traceback (most recent call last):
    orbiq.errors.ImageError: reference is (2, 2, 1) but image is (2, 3, 1) (rows, cols, bands). Crop or resample ...
    """
    rasters = _raster(reference, "reference"), _raster(image, "image")
    if rasters[0].shape != rasters[1].shape:
        raise ImageError(
            f"{rasters[0].name} is {rasters[0].shape} but {rasters[1].name} is {rasters[1].shape} (rows, cols, bands). "
            "Crop or resample one of them first; metrics never resize."
        )
    _check_mask(mask, rasters[0])
    if peaked and peak is None:
        _check_peaks_agree(*rasters)
    return Images(rasters=rasters, mask=mask, peak=_peak(peak, rasters[0]) if peaked else None)


def checked_image(image: Pixels, *, name: str = "image") -> Raster:
    """One image as a raster, for metrics of images of several sizes (pansharpening); its values are not checked yet."""
    return _raster(image, name)


def no_pixels(images: Images, window: str = "pixel") -> ImageError:
    """The error for an image whose mask leaves nothing to measure; `window` names what a metric needs at least."""
    return ImageError(
        f"{images.name} of {images.shape} (rows, cols, bands) has no valid {window} to measure. "
        "Check its size, mask and nodata value."
    )


def refuse_masked(image: object, name: str) -> None:
    """Raises ImageError for a numpy masked array, whose mask would be lost."""
    if isinstance(image, np.ma.MaskedArray):
        raise ImageError(
            f"{name} is a masked array; pass its .data, and mask=~np.ma.getmaskarray(image).any(axis=-1), "
            "True where a pixel is valid."
        )


def _raster(image: Pixels, role: str) -> Raster:
    refuse_masked(image, role)
    if not isinstance(image, np.ndarray):
        if not hasattr(image, "window"):
            raise ImageError(
                f"{role} is a {type(image).__name__}; expected an array (rows, cols) or (rows, cols, bands), a Scene, "
                "or a file opened with orbiq.imageio.open_raster."
            )
        if image.name:
            _check_kind(image.dtype, image.name)
            return image
        return _raster(replace(image, name=role), role) if isinstance(image, Scene) else image
    _check_kind(image.dtype, role)
    if image.ndim not in {2, 3} or 0 in image.shape:
        raise ImageError(
            f"{role} has shape {image.shape}; expected (rows, cols) or (rows, cols, bands), none of them 0. "
            "Take one image at a time."
        )
    return Scene(array=image if image.ndim == 3 else image[..., None], name=role)


def _check_kind(dtype: np.dtype[Any], name: str) -> None:
    if dtype.kind not in "uif":
        ways = {"c": "Take its magnitude or its real part first.", "b": "Convert it to uint8 first."}
        way = ways.get(dtype.kind, "Convert it to a dtype of numbers first.")
        raise ImageError(f"{name} holds {dtype}; expected real numbers. {way}")


def _check_mask(mask: BoolArray | None, raster: Raster) -> None:
    if mask is None:
        return
    if not isinstance(mask, np.ndarray) or mask.dtype != bool or mask.shape != raster.shape[:2]:
        came = f"{mask.dtype} {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise ImageError(
            f"mask is {came} but {raster.name} is {raster.shape[:2]} (rows, cols); "
            "expected bool of the same rows and cols, True where a pixel is valid."
        )
    if not mask.any():
        raise ImageError(f"the mask of {raster.name} holds no valid pixel; expected True where a pixel is valid.")


def _peak(peak: float | None, raster: Raster) -> float:
    if peak is None:
        try:
            peak = required_peak(raster)
        except ImageError as error:
            raise ImageError(f"{error} Or say --peak 4095 to the command, peak=4095 in Python.") from None
    if isinstance(peak, str | bool) or not 0 < peak < float("inf"):
        raise ImageError(f"peak is {peak}; expected a finite number > 0, the largest value that the data can hold.")
    return float(peak)


def _check_peaks_agree(reference: Raster, image: Raster) -> None:
    """Two images that state different peaks are in different units."""
    stated = [255.0 if r.peak is None and r.dtype == np.uint8 else r.peak for r in (reference, image)]
    if None not in stated and stated[0] != stated[1]:
        raise ImageError(
            f"{reference.name} has a peak of {stated[0]:g} but {image.name} one of {stated[1]:g}. "
            "Bring them to one scale, or state the peak of both, for example peak=4095."
        )


_OVERSHOOT = 1e4
"""A float image that is judged may pass the peak so many times; what is beyond is no light but a nodata value."""


def _check_values(array: Array, name: str, *, peak: float | None, reach: float = 1.0) -> None:
    floating = array.dtype.kind == "f"
    if not floating and (peak is None or peak >= np.iinfo(array.dtype).max):
        return
    highest = float(array.max())
    lowest = float(array.min()) if floating else 0.0
    # a maximum of NaN is NaN, so two reductions see every value that is no number
    if not np.isfinite([lowest, highest]).all():
        count = int((~np.isfinite(array)).any(axis=-1).sum())
        raise ImageError(
            f"{name} has pixels that are NaN or infinite ({count} in one tile); "
            "mask them, for example mask=np.isfinite(image).all(axis=-1), or write nodata in their place."
        )
    if peak is not None and highest > peak * reach:
        raise ImageError(
            f"{name} reaches {highest:g}, above its peak of {peak:g}; "
            "state the largest value that the data can hold, for example peak=4095 for 12-bit data."
        )
    if peak is not None and lowest < -_OVERSHOOT * peak:
        raise ImageError(
            f"{name} reaches {lowest:g}, far below 0 with a peak of {peak:g}; is this nodata? Mask it, for example "
            f"mask=(image > {lowest:g}).all(axis=-1)."
        )
