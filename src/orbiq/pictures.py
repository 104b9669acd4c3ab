"""What an image file holds: its pixels, which of them are valid, and everything else that must survive a round trip.

A pixel is invalid where all bands equal nodata, where any band is NaN, or where the file itself says
so by a mask or an alpha band of 0. `mask` is True where a pixel is valid, and None when all are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from orbiq.arrays import Affine, Array, BoolArray, Calibration

Format = Literal["png", "jpeg", "tiff", "bmp", "jp2", "jpegls", "jxl", "webp", "avif"]
Gcp = tuple[float, float, float, float, float, str]
"""A ground control point: (row, col) in pixels, x, y, z on the ground, and its id."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What an image file says beside its pixels.

    `format` the coding the file had; `crs` as WKT; `transform` pixel → ground as in `orbiq.arrays`;
    `gcps` and `gcps_crs` ground control points; `nodata`; `colorinterp` and `descriptions` one a band;
    `tags` by namespace: "" for the dataset, "2" for the second band, "RPC" for a sensor model, …;
    `scales`, `offsets`, `units` one a band; `colormap` of a palette; `options` how it was stored, in
    GDAL's creation options (compress, tiled, blockxsize, predictor, nbits, photometric, …); `peak` the
    largest value the data can hold where the file states fewer bits than the dtype has; `calibrations` what
    all this says of radiance and reflectance, files beside it included (`orbiq.calibrations`).
    """

    format: Format
    crs: str | None = None
    transform: Affine | None = None
    gcps: tuple[Gcp, ...] = ()
    gcps_crs: str | None = None
    nodata: float | None = None
    colorinterp: tuple[str, ...] = ()
    descriptions: tuple[str | None, ...] = ()
    scales: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()
    units: tuple[str | None, ...] = ()
    colormap: Mapping[int, tuple[int, ...]] | None = None
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    options: Mapping[str, str | int] = field(default_factory=dict)
    peak: float | None = None
    calibrations: tuple[Calibration, ...] = field(default=(), compare=False)

    @property
    def compress(self) -> str | None:
        """How the file is compressed, lower case, None when it is not or when its format has but one way."""
        name = self.options.get("compress")
        return None if name is None else str(name)

    def with_transform(self, transform: Affine | None) -> "Profile":
        """The same, placed elsewhere on the ground."""
        return replace(self, transform=transform)


@dataclass(frozen=True, eq=False, kw_only=True)
class Picture:
    """An image file in memory: `array` (rows, cols, bands) in native dtype, red first; `mask`; `profile`."""

    array: Array
    mask: BoolArray | None = None
    profile: Profile


def valid_mask(array: Array, *, nodata: float | None = None, alpha: int | None = None) -> BoolArray | None:
    """Where the pixels of `array` (rows, cols, bands) are valid; None when they all are.

    `nodata` makes a pixel invalid where all bands (the alpha band apart) equal it; `alpha` is the index of the
    band whose 0 means transparent; NaN in any band always makes a pixel invalid.

    >>> valid_mask(np.array([[[0, 0], [0, 7]]], np.uint8), nodata=0)
    array([[False,  True]])
    >>> valid_mask(np.array([[[0, 0], [0, 7]]], np.uint8)) is None
    True
    """
    invalid = np.zeros(array.shape[:2], dtype=bool)
    colours = array if alpha is None else np.delete(array, alpha, axis=2)
    if np.issubdtype(array.dtype, np.floating):
        invalid |= np.isnan(array).any(axis=2)
    if nodata is not None and representable(nodata, array.dtype) and colours.shape[2] > 0:
        invalid |= (colours == array.dtype.type(nodata)).all(axis=2)
    if alpha is not None:
        invalid |= array[..., alpha] == 0
    return ~invalid if invalid.any() else None


def representable(value: float, dtype: np.dtype[Any]) -> bool:
    """Whether `dtype` can hold `value`; a float dtype can where the value is within its range.

    >>> representable(-9999, np.dtype("uint8")), representable(-9999, np.dtype("float32"))
    (False, True)
    """
    if np.issubdtype(dtype, np.floating):
        return not np.isfinite(value) or abs(value) <= float(np.finfo(dtype).max)
    info = np.iinfo(dtype)
    return bool(np.isfinite(value)) and info.min <= value <= info.max and float(value).is_integer()
