"""Images from Fourier samples: the centred unitary transform, zero filling, and least total variation.

Images and samples ("k-space") are complex (…, rows, cols); frequency 0 is at (rows // 2, cols // 2), and so is the
image's origin. The transform is unitary: its inverse is its adjoint, energies are kept. A mask is bool (rows, cols),
True where a sample was taken (`orbiq.mri.masks`); samples outside it are not looked at. complex64 and float32 give
complex64, all else complex128.
"""

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.errors import ImageError, SettingError

Complex = npt.NDArray[Any]
_AXES = (-2, -1)
_COUPLING = 15.0
"""ρ of the splitting, for images whose brightest pixel is 1. It decides how fast, not what, is found."""


def to_kspace(image: Array) -> Complex:
    """The Fourier samples of an image: F x, F unitary and centred, complex (…, rows, cols).

    F x [k] = 1/√N · Σ x[n] exp(−2πi k·n/side), n and k counted from side // 2 on either axis, N the number of pixels.

    >>> to_kspace(np.ones((2, 2))).real.tolist()
    [[0.0, 0.0], [0.0, 2.0]]
    """
    _check_plane(image, "image")
    return _centred(scipy.fft.fft2, image)


def to_image(kspace: Array) -> Complex:
    """The image of Fourier samples: Fᴴ y, the inverse and the adjoint of `to_kspace`.

    >>> to_image(np.array([[0, 0], [0, 2]])).real.tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    _check_plane(kspace, "k-space")
    return _centred(scipy.fft.ifft2, kspace)


def zero_filled(kspace: Array, mask: BoolArray) -> Complex:
    """Fᴴ M y: the image whose samples are those taken, and 0 where none was; the one of least energy.

    >>> zero_filled(np.array([[4, 3]]), np.array([[False, True]])).real.round(3).tolist()
    [[2.121, 2.121]]
    """
    _check_mask(kspace, mask)
    return to_image(np.where(mask, kspace, 0))


def total_variation(kspace: Array, mask: BoolArray, *, weight: float = 0.0, iterations: int = 60) -> Complex:
    """The image of least total variation that agrees with the samples: complex (…, rows, cols).

    x = argmin ½‖M (F x − y)‖² + w·TV(x), TV(x) = Σ √(|∂ᵣx|² + |∂꜀x|²) of forward differences of the complex image,
    which is taken to go on at its other side. w is `weight` ≥ 0 times the largest magnitude of the zero-filled image,
    so that a brighter image gives the same one, brighter. Weight 0 is its limit: least TV among all images whose
    samples are exactly those taken; a full mask gives the image itself. Noisy samples want about 0.001 to 0.01.

    Found by the alternating direction method of multipliers: x by one exact division in Fourier space, where both
    masks and differences are diagonal; its differences by shrinking. Of the iterates it returns the one of the lowest
    cost that is reached: more iterations never give a higher one. Images of a stack are reconstructed each by itself.

    SettingError for a weight below 0 or no iteration; ImageError where samples and mask do not fit, or are not finite.

    Lustig, Donoho, Pauly, Sparse MRI, MRM 58, 2007, doi:10.1002/mrm.21391, for the cost; Goldstein and Osher, The split
    Bregman method for L1-regularized problems, SIAM J. Imaging Sciences 2, 2009, doi:10.1137/080725891, for the method.

    >>> only_frequency_0 = np.array([[False, False, True, False]])
    >>> np.abs(total_variation(np.array([[7, 7, 2, 7]]), only_frequency_0)).round(3).tolist()
    [[1.0, 1.0, 1.0, 1.0]]
    """
    if iterations < 1:
        raise SettingError(f"total-variation iterations is {iterations}; expected at least 1, as 60")
    best: Complex | None = None
    lowest: Any = inf
    steps = iterates(kspace, mask, weight=weight)
    for _, (image, cost) in zip(range(iterations), steps, strict=False):
        better = cost < lowest
        best = image if best is None else np.where(better[..., None, None], image, best)
        lowest = np.minimum(cost, lowest)
    return np.asarray(best)


def iterates(kspace: Array, mask: BoolArray, *, weight: float) -> Iterator[tuple[Complex, FloatArray]]:
    """The zero-filled image, then one iterate after another, without end; each with its cost, (…) of the stack.

    The cost is that of `total_variation` over w, of samples scaled so that the brightest zero-filled pixel is 1.
    """
    if not 0 <= weight < inf:
        raise SettingError(f"total-variation weight is {weight}; expected 0 (samples are kept) or more, as 0.002")
    check_samples(kspace, mask)
    image = zero_filled(kspace, mask)
    bright = np.abs(image).max(axis=_AXES, keepdims=True)
    scale = np.where(bright > 0, bright, 1)
    image = image / scale
    taken = np.where(mask, kspace, 0).astype(image.dtype) / scale
    pull, stiffness = weight * _COUPLING, _stiffness(kspace.shape[-2:]).astype(image.real.dtype)
    # of a frequency that was not taken and has no stiffness, 0, nothing is known
    divisor = np.where(mask, 1 + pull * stiffness, np.where(stiffness > 0, stiffness, 1))
    duals = np.zeros_like(_differences(image))
    yield image * scale, _cost(image, taken, taken, weight)
    slopes = _differences(image)
    while True:
        shrunk = _shrunk(slopes + duals, 1 / _COUPLING)
        duals += slopes - shrunk
        wanted = to_kspace(_adjoint_differences(shrunk - duals))
        found = np.where(mask, taken + pull * wanted, wanted) / divisor
        image = to_image(found)
        slopes = _differences(image)
        yield image * scale, _cost(image, np.where(mask, found, 0), taken, weight)


def root_sum_of_squares(images: Array, *, axis: int = 0) -> Array:
    """√Σ|x|² over coils: the magnitude image of several coils.

    >>> root_sum_of_squares(np.array([[[3j]], [[4]]])).tolist()
    [[5.0]]
    """
    return np.asarray(np.sqrt(np.square(np.abs(images)).sum(axis=axis)))


def check_samples(kspace: Array, mask: BoolArray) -> None:
    """ImageError where samples and mask do not fit, or those taken are not finite."""
    _check_mask(kspace, mask)
    if not np.isfinite(kspace[..., mask]).all():
        raise ImageError("k-space has NaN or infinite samples; expected numbers wherever the mask takes one")


def _cost(image: Complex, found: Complex, taken: Complex, weight: float) -> FloatArray:
    steepness = np.sqrt(np.square(np.abs(_differences(image))).sum(axis=0)).sum(axis=_AXES, dtype=np.float64)
    if not weight:
        return np.asarray(steepness)
    missed = np.square(np.abs(found - taken)).sum(axis=_AXES, dtype=np.float64)
    return np.asarray(steepness + missed / (2 * weight))


def _differences(image: Complex) -> Complex:
    """∂ᵣx and ∂꜀x: (2, …, rows, cols)."""
    return np.stack([np.roll(image, -1, axis) - image for axis in _AXES])


def _adjoint_differences(slopes: Complex) -> Complex:
    down, across = (np.roll(slope, 1, axis) - slope for axis, slope in zip(_AXES, slopes, strict=True))
    return np.asarray(down + across)


def _stiffness(shape: tuple[int, ...]) -> FloatArray:
    """What differences, then their adjoint, multiply each frequency by."""
    rows, cols = (4 * np.square(np.sin(np.pi * (np.arange(side) - side // 2) / side)) for side in shape)
    return np.asarray(rows[:, None] + cols)


def _shrunk(slopes: Complex, by: float) -> Complex:
    """Each pixel's pair of slopes, shorter by so much, 0 at least."""
    length = np.sqrt(np.square(np.abs(slopes)).sum(axis=0))
    return np.asarray(slopes * (np.maximum(length - by, 0) / np.maximum(length, 1e-30)))


def _centred(transform: Any, array: Array) -> Complex:
    shifted = scipy.fft.ifftshift(array, axes=_AXES)
    return np.asarray(scipy.fft.fftshift(transform(shifted, axes=_AXES, norm="ortho"), axes=_AXES))


def _check_plane(array: Array, what: str) -> None:
    if array.ndim < 2 or 0 in array.shape:
        raise ImageError(f"{what} has shape {array.shape}; expected (…, rows, cols), none of them 0")


def _check_mask(kspace: Array, mask: BoolArray) -> None:
    _check_plane(kspace, "k-space")
    if mask.dtype != bool or mask.shape != kspace.shape[-2:]:
        raise ImageError(
            f"the mask is {mask.dtype} {mask.shape} and k-space {kspace.shape}; expected bool {kspace.shape[-2:]}, "
            "True where a sample was taken, as Sampling(rate=4).mask(kspace.shape[-2:], rng=…) gives it"
        )
