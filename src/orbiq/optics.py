"""The optics of an imager: point spread function, modulation transfer, blur and decimation.

Images are (rows, cols) or (rows, cols, bands), linear in light, without NaN where the mask is True. The
point spread function (PSF) is a Gaussian and stands for everything between ground and sample: optics,
detector, motion. Its modulation transfer function (MTF) is G(f) = exp(−2π²σ²f²), f in cycles per unit of σ.
"""

from collections.abc import Callable
from math import ceil, inf, log, pi, sqrt
from typing import Any, Literal

import cv2
import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.errors import ImageError, SettingError

_STRIP_SAMPLES = 1 << 17  # what stays in the cache
_READ_AS_THEY_ARE = (np.uint8, np.uint16, np.int16)
"""Dtypes that OpenCV filters into floats without a copy."""


def psf_sigma(mtf_nyquist: float, *, gsd: float = 1.0) -> float:
    """Standard deviation of the Gaussian PSF whose MTF at the Nyquist frequency 1/(2·gsd) is `mtf_nyquist`.

    σ = (gsd/π)·sqrt(−2·ln MTF): the total blur, in the unit of `gsd` (metres, or pixels of a finer grid).
    An MTF of 1 is no blur at all. Raises SettingError outside 0 < MTF ≤ 1 or gsd ≤ 0. Source: Michel et
    al., "Revisiting remote sensing cross-sensor single image super-resolution", arXiv:2209.14698.

    >>> round(psf_sigma(0.2, gsd=4), 3)
    2.284
    """
    if not 0 < mtf_nyquist <= 1:
        raise SettingError(f"MTF at Nyquist is {mtf_nyquist}; expected 0 < MTF ≤ 1, for example 0.2")
    return _positive(gsd, "gsd") / pi * sqrt(-2 * log(mtf_nyquist))


def mtf_at_nyquist(sigma: float, *, gsd: float = 1.0) -> float:
    """MTF of a Gaussian PSF at the Nyquist frequency 1/(2·gsd): the inverse of `psf_sigma`.

    exp(−π²σ²/(2·gsd²)), in (0, 1]; σ ≥ 0 and `gsd` > 0 share one unit. Raises SettingError otherwise.

    >>> round(mtf_at_nyquist(psf_sigma(0.2, gsd=4), gsd=4), 12)
    0.2
    """
    return float(np.exp(-((pi * _sigma(sigma) / _positive(gsd, "gsd")) ** 2) / 2))


def gaussian_kernel(sigma_px: float) -> FloatArray:
    """Samples of a Gaussian, σ in pixels, half width ceil(4σ), sum 1: shape (2·ceil(4σ) + 1,).

    Its MTF agrees with G(f) to 1e-3 up to f = 1/4 cycle per pixel from σ = 0.8 px on (measured); a narrower
    Gaussian aliases, because one sample per pixel cannot hold it: take a finer grid. A half width of 3σ or
    less, as often seen, raises the MTF instead. σ = 0 gives [1].

    >>> gaussian_kernel(0).tolist()
    [1.0]
    """
    half = ceil(4 * _sigma(sigma_px))
    if half == 0:
        return np.ones(1)
    kernel = np.exp(-((np.arange(-half, half + 1) / sigma_px) ** 2) / 2)
    return np.asarray(kernel / kernel.sum(), float)


def blur(
    image: Array, sigma_px: float, *, mask: BoolArray | None = None, cast: Callable[[Array], Array] | None = None
) -> Array:
    """The image seen through a Gaussian PSF of `sigma_px` pixels; float32 stays float32, all else gives float64.

    The border is mirrored (zero padding would darken it). With `mask` (rows, cols), True where valid, the
    blur is normalised: blur(mask·image) / blur(mask), so that masked pixels lend nothing to their neighbours,
    and they keep their own values. `cast` takes each strip of some rows back into the image's dtype, so that there is
    no whole image of floats; samples of up to 16 bits are then computed in float32, which holds them exactly. Raises
    SettingError for σ < 0, ImageError for shapes that do not fit.

    >>> blur(np.full((3, 3), 7.0), 1.0, mask=np.eye(3, dtype=bool)).round(9).tolist()[0]
    [7.0, 7.0, 7.0]
    """
    if image.ndim not in {2, 3} or image.size == 0:
        raise ImageError(f"image to blur has shape {image.shape}; expected (rows, cols) or (rows, cols, bands)")
    if mask is not None and mask.shape != image.shape[:2]:
        raise ImageError(f"mask is {mask.shape} but the image is {image.shape[:2]} (rows, cols); make them agree")
    kernel = gaussian_kernel(sigma_px)
    small = image.dtype == np.float32 or (cast is not None and image.dtype in _READ_AS_THEY_ARE)
    precise: Any = np.float32 if small else np.float64
    out = np.empty(image.shape, precise if cast is None else image.dtype)
    half, n_rows = kernel.size // 2, image.shape[0]
    height = max(2 * half, _STRIP_SAMPLES * n_rows // image.size, 1)
    for first in range(0, n_rows, height):
        rows = slice(first, min(first + height, n_rows))
        window = slice(max(first - half, 0), min(rows.stop + half, n_rows))
        seen = _blurred(image[window], None if mask is None else mask[window], kernel, precise)
        seen = seen[first - window.start :][: rows.stop - first]
        out[rows] = seen if cast is None else cast(seen)
    return out


def _blurred(image: Array, mask: BoolArray | None, kernel: FloatArray, precise: Any) -> Array:
    if mask is None or mask.all():
        return _separable(image, kernel, precise)
    valid = mask.reshape(mask.shape + (1,) * (image.ndim - 2)).astype(bool)
    weight = _separable(mask.astype(precise), kernel, precise).reshape(valid.shape)
    lit = _separable(np.where(valid, image, 0).astype(precise), kernel, precise)
    return np.where(valid, lit / np.where(valid, weight, 1), image)


def decimate(image: Array, factor: int, *, method: Literal["sample", "mean"] = "sample") -> Array:
    """Every `factor`-th pixel, with pixel centres kept: c_k = k·s + (s − 1)/2 in the finer grid.

    "sample" takes the value at the centre: exact for odd factors; for even ones the centre lies between
    pixels and the value is the mean of the 2 × 2 pixels around it (bilinear), which multiplies the MTF by
    cos(π/(2s)) at the new Nyquist frequency. "mean" integrates over the s × s pixels of a cell, an ideal
    square detector, whose MTF there is close to 2/π. Rows and columns that fill no whole cell are
    left out. Odd "sample" keeps the dtype; all else is float. Blur first, or the result aliases. Raises
    SettingError for a factor below 1, ImageError for an image smaller than one cell.

    >>> decimate(np.arange(9).reshape(1, 9).repeat(3, 0), 3).tolist()
    [[1, 4, 7]]
    >>> decimate(np.arange(4.0).reshape(1, 4).repeat(2, 0), 2).tolist()
    [[0.5, 2.5]]
    """
    if factor < 1 or factor != int(factor):
        raise SettingError(f"decimation factor is {factor}; expected a whole number ≥ 1")
    rows, cols = image.shape[0] // factor, image.shape[1] // factor
    if rows == 0 or cols == 0:
        raise ImageError(f"image of {image.shape[:2]} (rows, cols) holds no cell of {factor} × {factor} pixels")
    whole = image[: rows * factor, : cols * factor]
    if method == "sample" and factor % 2:
        return whole[factor // 2 :: factor, factor // 2 :: factor].copy()
    cells = whole.reshape(rows, factor, cols, factor, *image.shape[2:])
    if method == "sample":
        middle = slice(factor // 2 - 1, factor // 2 + 1)
        cells = cells[:, middle, :, middle]
    return np.asarray(cells.mean(axis=(1, 3)))


def _separable(image: Array, kernel: FloatArray, precise: Any) -> Array:
    """Rows, then columns; in groups of bands, because OpenCV takes no more than 128 at once and drops a single one."""
    values = image if image.dtype in _READ_AS_THEY_ARE else image.astype(precise, copy=False)
    depth = cv2.CV_32F if precise is np.float32 else cv2.CV_64F
    flat = values.reshape(*values.shape[:2], -1)
    if flat.shape[2] <= 4:
        whole = np.ascontiguousarray(flat)
        return np.asarray(cv2.sepFilter2D(whole, depth, kernel, kernel, borderType=cv2.BORDER_REFLECT)).reshape(
            values.shape
        )
    out = np.empty(flat.shape, precise)
    for first in range(0, flat.shape[2], 64):
        group = np.ascontiguousarray(flat[:, :, first : first + 64])
        filtered = cv2.sepFilter2D(group, depth, kernel, kernel, borderType=cv2.BORDER_REFLECT)
        out[:, :, first : first + 64] = filtered.reshape(group.shape)
    return out.reshape(values.shape)


def _sigma(sigma: float) -> float:
    if not 0 <= sigma < inf:
        raise SettingError(f"sigma of the point spread function is {sigma}; expected a finite number ≥ 0")
    return float(sigma)


def _positive(value: float, name: str) -> float:
    if not 0 < value < inf:
        raise SettingError(f"{name} is {value}; expected a finite number > 0")
    return float(value)
