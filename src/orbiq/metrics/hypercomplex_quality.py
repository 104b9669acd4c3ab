"""Universal quality index of all bands together, as one hypercomplex number per pixel, against a reference.

Images are as `orbiq.metrics.inputs` says: (rows, cols) or (rows, cols, bands), any real dtype, arithmetic in float64,
any number of bands. No `peak` is needed. Blocks lie side by side from the image's corner on; those at the far borders
that are not whole, and those with masked pixels, take no part. So the score of a masked image is that of a
cropped one where the crop begins at a multiple of `block`; elsewhere blocks lie otherwise.
"""

from functools import cache
from typing import Literal, get_args

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.errors import unknown
from orbiq.metrics.base import MetricSpec, ScoreSpec
from orbiq.metrics.blocks import centred, check_block, whole_blocks
from orbiq.metrics.inputs import Pixels, no_pixels, pair_of_images
from orbiq.tiles import Tile

SPECS = {"q2n": MetricSpec(name="q2n", scores=(ScoreSpec(name="q2n", low=0, high=1),), needs="pair")}
Variant = Literal["normalised", "plain"]


def q2n(
    reference: Pixels,
    image: Pixels,
    *,
    block: int = 32,
    variant: Variant = "normalised",
    mask: BoolArray | None = None,
) -> float:
    """Hypercomplex quality index Q2ⁿ (Q4 of four bands, Q8 of eight): mean over blocks of `block` × `block` pixels of

    Q = |σzv| · 2/(σz² + σv²) · 2·|z̄|·|v̄|/(|z̄|² + |v̄|²).

    The bands of a pixel are the components of a hypercomplex number, z of the reference and v of the image, as many as
    the next power of two holds (the rest is 0); σzv is the sample covariance of z with v's conjugate by the
    Cayley-Dickson product, |·| the modulus: one number that falls with loss of correlation, change of contrast, bias
    and spectral distortion. No unit, [0, 1], higher is better, 1 for equal images. The modulus has no sign: an image
    whose contrast is inverted in every block scores as its original (`uqi` tells them apart). Above 8 components |z·v|
    may exceed |z|·|v|, and Q with it 1; it is capped there. Variants:

    - "normalised", as its authors' program: first each band of a block, in both images, is shifted and scaled so that
      the reference has mean 1 and standard deviation 1 there, and components beyond the last band are 1. Where a
      band of the reference is constant, any change of it makes Q 0.
    - "plain": the equation by itself; the brightest bands weigh most.

    That program mirrors the image to fill its last blocks; here these take no part. Raises ImageError where shapes
    differ or no block is whole, SettingError for a block outside 2 … 512. Garzelli and Nencini 2009,
    doi:10.1109/LGRS.2009.2022650; of four bands, Alparone et al. 2004, doi:10.1109/LGRS.2004.836784.

    >>> pair = np.array([[1.0, 3.0], [1.0, 3.0]])
    >>> round(q2n(pair, 3 * pair, block=2, variant="plain"), 9)  # one band: twice 2·3/(1 + 3²), as of uqi
    0.36
    """
    if variant not in get_args(Variant):
        raise unknown("variant of q2n", variant, get_args(Variant))
    block = check_block(block)
    images = pair_of_images(reference, image, mask=mask)
    found = list(images.map(lambda tile: _of_tile(tile, block, variant), align=block))
    values = np.concatenate(found)
    if not values.size:
        raise no_pixels(images, f"block of {block} × {block} pixels")
    return float(values.mean())


def _of_tile(tile: Tile, block: int, variant: Variant) -> FloatArray:
    """Q of each block."""
    found = [np.empty(0)]
    for first, second in whole_blocks(tile, side=block):
        shape = (len(first), block**2, first.shape[-1])
        found.append(_quality(first.reshape(shape), second.reshape(shape), variant))
    return np.concatenate(found)


def _quality(z: FloatArray, v: FloatArray, variant: Variant) -> FloatArray:
    """Q of blocks (blocks, pixels, bands)."""
    mean_z, rest_z = centred(z)
    mean_v, rest_v = centred(v)
    constant = np.zeros(len(z), bool)
    if variant == "normalised":
        scale = np.sqrt(np.einsum("npb,npb->nb", rest_z, rest_z) / (z.shape[1] - 1))
        changed = (mean_v != mean_z) | rest_v.any(axis=1)
        constant = ((scale == 0) & changed).any(axis=1)
        scale = np.where(scale == 0, 1, scale)
        mean_v = _padded((mean_v - mean_z) / scale + 1)
        mean_z = np.ones_like(mean_v)
        rest_z, rest_v = rest_z / scale[:, None], rest_v / scale[:, None]
    bias = _ratio(2 * _modulus(mean_z) * _modulus(mean_v), _modulus(mean_z) ** 2 + _modulus(mean_v) ** 2)
    spread = (rest_z**2).sum(axis=(1, 2)) + (rest_v**2).sum(axis=(1, 2))
    found = bias * _ratio(2 * _modulus(_covariance(rest_z, rest_v)), spread)
    return np.where(constant, 0, np.minimum(found, 1))


def _covariance(z: FloatArray, v: FloatArray) -> FloatArray:
    """Σ over the pixels of z·v*, (blocks, components).

    The product of basis elements a and b is ± the element a xor b: all follows from the products of bands.
    """
    bands = z.shape[2]
    product = np.swapaxes(z, 1, 2) @ v
    size = 1 << (bands - 1).bit_length()
    signs, element = _conjugate_product(size)
    signed = (product * signs[:bands, :bands]).reshape(len(z), -1)
    place = element[:bands, :bands].ravel()
    return np.array([np.bincount(place, weights=row, minlength=size) for row in signed]).reshape(len(z), size)


@cache
def _conjugate_product(size: int) -> tuple[Array, Array]:
    """Signs and elements (size, size) of eₐ·(e_b)*."""
    conjugate = np.where(np.arange(size) == 0, 1, -1)
    elements = np.arange(size)
    return _signs(size) * conjugate, elements[:, None] ^ elements


def _signs(size: int) -> Array:
    """The signs of eₐ·e_b by the Cayley-Dickson construction, (a, b)(c, d) = (ac − d*b, da + bc*).

    >>> _signs(4).tolist()  # 1, i, j, k: i·j = k, j·i = −k
    [[1, 1, 1, 1], [1, -1, 1, -1], [1, -1, -1, 1], [1, 1, -1, -1]]
    """
    if size == 1:
        return np.ones((1, 1), int)
    half = _signs(size // 2)
    conjugate = np.where(np.arange(size // 2) == 0, 1, -1)
    return np.block([[half, half.T], [half * conjugate, -half.T * conjugate]])


def _padded(means: FloatArray) -> FloatArray:
    size = 1 << (means.shape[1] - 1).bit_length()
    return np.pad(means, ((0, 0), (0, size - means.shape[1])), constant_values=1)


def _modulus(numbers: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.norm(numbers, axis=1))


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """1 where both are 0: nothing there differs."""
    return np.divide(part, whole, out=np.ones_like(whole), where=whole > 0)
