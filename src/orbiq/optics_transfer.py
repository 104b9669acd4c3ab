"""Point spread functions by their modulation transfer functions, and images seen through them.

An MTF takes frequencies (fx along columns, fy along rows, in cycles per pixel) and gives the amplitude that is left:
1 at f = 0, negative where a defocus or a motion turns contrast around. It is applied in the frequency domain, so that
it holds at any width, up to the Nyquist frequency of 0.5 cycles per pixel (oblique motion: up to 0.45, beyond which it
passes into the mean of both diagonals, which samples cannot tell apart at 0.5).
Angles are from +x (columns) to +y (rows).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, cos, inf, pi, radians, sin
from typing import Any

import numpy as np
from scipy import fft, special

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.errors import ImageError, SettingError

_CORE = 1024  # pixels of a block's side: memory stays bounded whatever the image
_MOST_REACH_PX = 2500
_TAIL = 64  # pixels beyond the reach, for what a sharp PSF rings when it is sampled


@dataclass(frozen=True, eq=False, kw_only=True)
class Psf:
    """A point spread function: its MTF of (fx, fy), and how far from its centre it has light, in pixels."""

    mtf: Callable[[FloatArray, FloatArray], FloatArray]
    reach_px: float

    def __post_init__(self) -> None:
        if self.reach_px > _MOST_REACH_PX:
            raise SettingError(
                f"the point spread function reaches {self.reach_px:.0f} pixels from its centre, which takes too much "
                f"memory; expected at most {_MOST_REACH_PX}: blur a coarser image"
            )


def gaussian_psf(sigma_px: float) -> Psf:
    """A Gaussian of standard deviation `sigma_px` ≥ 0: exp(−2π²σ²f²); also random jitter of that standard deviation.

    >>> float(gaussian_psf(1.0).mtf(np.array(0.5), np.array(0.0)).round(4))
    0.0072
    """
    sigma = _length(sigma_px, "sigma_px")
    return Psf(mtf=lambda fx, fy: np.exp(-2 * (pi * sigma) ** 2 * (fx**2 + fy**2)), reach_px=5 * sigma)


def box_psf(width_px: float) -> Psf:
    """A square detector of `width_px` ≥ 0: sinc(w·fx)·sinc(w·fy), with sinc(x) = sin(πx)/(πx).

    >>> float(box_psf(1.0).mtf(np.array(0.5), np.array(0.0)).round(4))  # 2/π
    0.6366
    """
    width = _length(width_px, "width_px")
    return Psf(mtf=lambda fx, fy: np.sinc(width * fx) * np.sinc(width * fy), reach_px=width / 2)


def motion_psf(length_px: float, *, angle_deg: float = 0.0) -> Psf:
    """A linear smear of `length_px` ≥ 0 in the direction `angle_deg`: sinc(L·(fx·cos + fy·sin)).

    >>> float(motion_psf(1.0, angle_deg=90).mtf(np.array(0.5), np.array(0.0)).round(4))  # across it, nothing
    1.0
    """
    length, along = _length(length_px, "length_px"), radians(angle_deg)
    return Psf(
        mtf=lambda fx, fy: np.sinc(length * (fx * cos(along) + fy * sin(along))),
        reach_px=length / 2,
    )


def defocus_psf(diameter_px: float) -> Psf:
    """A defocus as rays see it, a disc of `diameter_px` ≥ 0: 2·J₁(πdf)/(πdf).

    >>> float(defocus_psf(2.4393).mtf(np.array(0.5), np.array(0.0)).round(4))  # J₁(3.8317) = 0
    0.0
    """
    diameter = _length(diameter_px, "diameter_px")

    def mtf(fx: FloatArray, fy: FloatArray) -> FloatArray:
        x = pi * diameter * np.hypot(fx, fy)
        return np.where(x > 1e-6, 2 * special.j1(x) / np.maximum(x, 1e-6), 1.0)

    return Psf(mtf=mtf, reach_px=diameter / 2)


def airy_psf(cutoff_cpp: float, *, obscuration: float = 0.0) -> Psf:
    """The diffraction of a round aperture, incoherent light; `cutoff_cpp` = D·p/(λ·F) > 0 in cycles per pixel.

    D is the aperture's diameter, F the focal length, p the detector's pitch, λ the wavelength, all in one unit.
    The MTF is the autocorrelation of the pupil: of two discs of radius 1 at the distance 2f/cutoff, without an
    `obscuration` (2/π)·(arccos x − x·√(1 − x²)), x = f/cutoff. The central obscuration is the ratio of
    diameters, 0 ≤ ε < 1. Source: Goodman 2005, Introduction to Fourier Optics, 6.3; O'Neill 1956,
    10.1364/JOSA.46.000285.

    >>> float(airy_psf(1.0).mtf(np.array(0.5), np.array(0.0)).round(4))
    0.391
    """
    if not 0 < cutoff_cpp < inf:
        raise SettingError(f"cutoff_cpp is {cutoff_cpp}; expected more than 0 cycles per pixel, for example 1")
    if not 0 <= obscuration < 1:
        raise SettingError(f"obscuration is {obscuration}; expected a ratio of diameters, at least 0 and below 1")

    def mtf(fx: FloatArray, fy: FloatArray) -> FloatArray:
        apart = 2 * np.hypot(fx, fy) / cutoff_cpp
        lit = _overlap(1.0, 1.0, apart)
        if obscuration:
            lit = lit - 2 * _overlap(1.0, obscuration, apart) + _overlap(obscuration, obscuration, apart)
        return lit / (pi * (1 - obscuration**2))

    return Psf(mtf=mtf, reach_px=10 / cutoff_cpp)


def through(
    image: Array,
    psf: Psf | Sequence[Psf],
    *,
    mask: BoolArray | None = None,
    cast: Callable[[Array], Array] | None = None,
) -> Array:
    """The image (rows, cols, bands) seen through a PSF, or through one for each band; float32 or float64.

    The spectrum is multiplied by the MTF, in blocks of 1024 × 1024 pixels that overlap by the PSF's reach and 64 pixels
    more; borders are mirrored. With `mask` (rows, cols), True where valid, the filter is normalised, and masked pixels
    lend nothing and keep their values. Samples of up to 16 bits and float32 are computed in float32, all else in
    float64; `cast` takes each block back into the image's dtype, so that there is no whole image of floats. Raises
    ImageError for shapes that do not fit.

    >>> through(np.full((3, 5, 1), 7.0), box_psf(2.0)).round(9)[0, 0].tolist()
    [7.0]
    """
    if image.ndim != 3 or image.size == 0:
        raise ImageError(f"image to blur has shape {image.shape}; expected (rows, cols, bands)")
    if mask is not None and mask.shape != image.shape[:2]:
        raise ImageError(f"mask is {mask.shape} but the image is {image.shape[:2]} (rows, cols); make them agree")
    psfs = [psf] * image.shape[2] if isinstance(psf, Psf) else list(psf)
    if len(psfs) != image.shape[2]:
        raise ImageError(f"{len(psfs)} point spread functions for {image.shape[2]} bands; expected one for each")
    small = image.dtype.itemsize <= 2 or image.dtype == np.float32
    precise: Any = np.float32 if small else np.float64
    out = np.empty(image.shape, precise if cast is None else image.dtype)
    halo = ceil(max(p.reach_px for p in psfs)) + _TAIL
    transfers: dict[tuple[int, tuple[int, ...]], Array] = {}
    for rows, cols in product(*(list(_blocks(size)) for size in image.shape[:2])):
        at = np.ix_(_mirrored(rows, halo, image.shape[0]), _mirrored(cols, halo, image.shape[1]))
        core = slice(halo, halo + rows.stop - rows.start), slice(halo, halo + cols.stop - cols.start)
        valid = None if mask is None else mask[at]
        for band, its in enumerate(psfs):
            block = image[..., band][at].astype(precise)
            key = id(its), block.shape
            if key not in transfers:
                transfers[key] = _transfer_of(its, block.shape, precise)
            seen = _filtered(block, transfers[key], valid)[core]
            out[rows, cols, band] = seen if cast is None else cast(seen)
    return out


def _transfer_of(psf: Psf, shape: tuple[int, ...], precise: Any) -> Array:
    fy, fx = fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])[None, :]
    return _transfer(psf, fx, fy).astype(precise)


def _filtered(block: Array, transfer: Array, valid: BoolArray | None) -> Array:
    """A block through a filter; with `valid`, by weighted means over valid pixels, the others as they were."""
    if valid is None or valid.all():
        return _multiplied(block, transfer)
    weight = _multiplied(valid.astype(block.dtype), transfer)
    lit = _multiplied(np.where(valid, block, 0), transfer)
    held = valid & (weight > 1e-6)  # else nothing but rings would be left
    return np.where(held, lit / np.where(held, weight, 1), block)


def _multiplied(block: Array, transfer: Array) -> Array:
    return np.asarray(fft.irfft2(fft.rfft2(block) * transfer, s=block.shape))


def _transfer(psf: Psf, fx: FloatArray, fy: FloatArray) -> FloatArray:
    """The MTF on a grid, made continuous across Nyquist, where fx and −fx are one wave: else it rings from afar."""
    across, down = _near_nyquist(fx), _near_nyquist(fy)
    straight, mirrored = psf.mtf(fx, fy), psf.mtf(-fx, fy)  # the same with both signs turned
    share = (across + down - across * down) / 2
    return np.asarray((1 - share) * straight + share * mirrored)


def _near_nyquist(f: FloatArray) -> FloatArray:
    """0 up to 0.45 cycles per pixel, 1 at 0.5, smoothly."""
    t = np.clip((np.abs(f) - 0.45) / 0.05, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _blocks(size: int) -> Iterator[slice]:
    return (slice(first, min(first + _CORE, size)) for first in range(0, size, _CORE))


def _mirrored(part: slice, halo: int, size: int) -> Array:
    """Indices of a part, a halo before it and at least one behind it, mirrored at the image's borders."""
    length = int(fft.next_fast_len(part.stop - part.start + 2 * halo, real=True))
    at = np.arange(part.start - halo, part.start - halo + length) % (2 * size)
    return np.where(at < size, at, 2 * size - 1 - at)


def _overlap(one: float, other: float, apart: FloatArray) -> FloatArray:
    """The area that discs of two radii, the first the larger, share at a distance between their centres."""
    d = np.clip(apart, max(one - other, 1e-9), one + other)
    first = np.clip((d**2 + one**2 - other**2) / (2 * d * one), -1, 1)
    second = np.clip((d**2 + other**2 - one**2) / (2 * d * other), -1, 1)
    kite = np.sqrt(np.maximum((one + other - d) * (d + one - other) * (d - one + other) * (d + one + other), 0))
    return one**2 * np.arccos(first) + other**2 * np.arccos(second) - kite / 2


def _length(value: float, name: str) -> float:
    if not 0 <= value < inf:
        raise SettingError(f"{name} is {value}; expected a finite number of pixels ≥ 0")
    return float(value)
