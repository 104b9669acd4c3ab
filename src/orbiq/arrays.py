"""What a modifier or a metric gets to see: pixels, and what is known about them.

Images are numpy arrays (rows, cols, bands) in their native dtype (uint8, uint16, int16, float32,
float64), any number of bands ≥ 1. `peak` is the largest value that the data can hold, for example
4095 for 12-bit data in uint16; it is never guessed from dtype or maximum, save that uint8 is 255.
"""

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from orbiq.errors import ImageError

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Affine = tuple[float, float, float, float, float, float]
IDENTITY: Affine = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
"""x' = a·x + b·y + c, y' = d·x + e·y + f in pixel units, pixel (0, 0) covering [0, 1) × [0, 1)."""

DTYPES = ("uint8", "uint16", "int16", "float32", "float64")
CLASS_DTYPES = (*DTYPES, "int8", "int32", "uint32")
"""Those of class maps, whose pixels are numbers of classes and no light."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """From data to a physical quantity: gain·DN + offset, one of each a band; `quantity` is what that gives, or ""."""

    gains: tuple[float, ...]
    offsets: tuple[float, ...]
    quantity: str = ""


class Raster(Protocol):
    """Pixels that can be read piece by piece: a Scene in memory, or a file (`orbiq.imageio.open_raster`)."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(rows, cols, bands)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the pixels."""
        ...

    @property
    def peak(self) -> float | None:
        """The largest value that the data can hold, None when nobody stated it."""
        ...

    @property
    def gsd_m(self) -> float | None:
        """Metres on the ground per pixel."""
        ...

    @property
    def transform(self) -> Affine | None:
        """Pixel → ground, as in GeoTIFF."""
        ...

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    def window(self, rows: slice, cols: slice) -> tuple[Array, BoolArray | None]:
        """Pixels (rows, cols, bands) of a window that lies within, and their mask, True where valid."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Scene:
    """An image and what is known about it.

    `array` (rows, cols, bands); `mask` (rows, cols), True where the pixel is valid, None when all
    are; `peak` in the unit of the array, None when nobody stated it; `gsd_m` metres on the ground
    per pixel; `transform` pixel → ground, as in GeoTIFF; `calibrations` DN → radiance or reflectance,
    as its file states them; `name` relative to the image folder.
    """

    array: Array
    mask: BoolArray | None = None
    peak: float | None = None
    gsd_m: float | None = None
    transform: Affine | None = None
    calibrations: tuple[Calibration, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        if self.array.ndim != 3 or 0 in self.array.shape:
            raise ImageError(
                f"image {self.name!r} has shape {self.array.shape}; expected (rows, cols, bands), none of them 0"
            )
        if self.mask is not None and (self.mask.dtype != bool or self.mask.shape != self.array.shape[:2]):
            raise ImageError(
                f"the mask of image {self.name!r} is {self.mask.dtype} {self.mask.shape}; expected bool "
                f"{self.array.shape[:2]}, True where a pixel is valid, for example mask > 0."
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(rows, cols, bands)."""
        rows, cols, bands = self.array.shape
        return rows, cols, bands

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the pixels."""
        dtype: np.dtype[Any] = self.array.dtype
        return dtype

    def window(self, rows: slice, cols: slice) -> tuple[Array, BoolArray | None]:
        """Pixels and mask of a part, without copying."""
        return self.array[rows, cols], None if self.mask is None else self.mask[rows, cols]

    @property
    def n_pixels(self) -> int:
        """Rows times cols."""
        rows, cols, _ = self.shape
        return rows * cols

    def required_peak(self) -> float:
        """The stated peak, 255 for uint8, and otherwise an error that says how to state it.

        >>> Scene(array=np.zeros((2, 2, 1), np.uint8)).required_peak()
        255.0
        """
        return required_peak(self)

    def with_array(self, array: Array) -> "Scene":
        """The same scene with other pixels; masked pixels keep their old values.

        `array` must have the same shape and dtype.
        """
        if array.shape != self.array.shape:
            raise ImageError(
                f"image {self.name!r} is {self.array.shape} and was to get pixels of {array.shape}; for another size "
                "give dataclasses.replace(scene, array=…, mask=…), and the affine map in Modified"
            )
        if self.mask is not None:
            array = np.where(self.mask[..., None], array, self.array)
        return replace(self, array=array)


def required_peak(raster: Raster) -> float:
    """The stated peak, 255 for uint8, and otherwise an error that says how to state it."""
    if raster.peak is not None:
        return float(raster.peak)
    if raster.dtype == np.uint8:
        return 255.0
    raise ImageError(
        f"image {raster.name!r} is {raster.dtype} and nobody said the largest value that its data can hold. "
        'State it, for example {"peak": 4095} for 12-bit data, in dataset.json beside the folder of images.'
    )


_SATURATED = {np.uint8: 0, np.uint16: 2, np.int16: 3}
"""OpenCV's numbers of these types."""


def cast_like(values: Array, like: Array, *, peak: float | None = None) -> Array:
    """Round and clip float values into the dtype of `like`, never above `peak`.

    >>> cast_like(np.array([-3.0, 1.5, 300.0]), np.zeros(1, np.uint8))
    array([  0,   2, 255], dtype=uint8)
    """
    dtype = like.dtype
    if not np.issubdtype(dtype, np.integer):
        return values.astype(dtype, copy=False)
    info = np.iinfo(dtype)
    high = info.max if peak is None else min(info.max, peak)
    large = values.size > 4096 and values.dtype.type in {np.float32, np.float64}  # OpenCV takes a few for a scalar
    if not large or dtype.type not in _SATURATED or values.max() >= 2**31:
        return np.clip(np.rint(values), info.min, high).astype(dtype)
    import cv2

    # one pass that rounds half to even and saturates, four times as fast
    flat = np.ascontiguousarray(values).reshape(values.shape[0], -1)
    cast = np.asarray(cv2.add(flat, 0.0, dtype=_SATURATED[dtype.type])).reshape(values.shape)
    return cast if high == info.max else np.minimum(cast, dtype.type(high))
