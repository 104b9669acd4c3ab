"""Quality of a sharpened image without a reference, from the multispectral (MS) and panchromatic ones it is made of.

Images are as `orbiq.metrics.inputs` says, arithmetic in float64, linear in light with 0 for no light. `ms` is (rows,
cols, bands); `fused` and `pan` (one band) have a whole number ≥ 2 times its rows and cols, on the same ground. Only
ground that is valid in all of them takes part; `mask` (rows, cols) is of the fused image. Bands are compared by the
universal quality index Q in blocks side by side, `block` × `block` pixels of the MS image and the same ground in the
others: a block counts only where all its pixels are valid. So the score of masked images is that of cropped ones where
the crop begins at a multiple of `block` MS pixels; elsewhere blocks lie otherwise.
"""

from math import inf

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.errors import ImageError, SettingError
from orbiq.metrics.base import MetricSpec, ScoreSpec
from orbiq.metrics.blocks import centred, check_block, whole_blocks
from orbiq.metrics.inputs import Images, Pixels, no_pixels
from orbiq.metrics.pansharpening_grids import Grids, grids
from orbiq.metrics.universal_quality import similarity
from orbiq.tiles import Tile

SPECS = {
    name: MetricSpec(
        name=name,
        scores=(ScoreSpec(name=name, low=0, high=1 if name == "qnr" else 2, higher_is_better=name == "qnr"),),
        needs="triple",
    )
    for name in ("d_lambda", "d_s", "qnr")
}


def d_lambda(ms: Pixels, fused: Pixels, *, p: float = 1, block: int = 8, mask: BoolArray | None = None) -> float:
    """Spectral distortion Dλ: how much sharpening changed the relations between bands,

    (mean over pairs of bands i ≠ j of |Q(fusedᵢ, fusedⱼ) − Q(msᵢ, msⱼ)|ᵖ)^(1/p), Q the mean over blocks. No unit,
    [0, 1] where all Q are ≥ 0 (2 at most), lower is better. Raises ImageError for fewer than two bands, sizes that do
    not fit, or no valid block, SettingError unless 1 ≤ p < ∞. Alparone et al. 2008, doi:10.14358/PERS.74.2.193.

    >>> ms = np.array([[[1.0, 2.0], [2.0, 4.0]], [[3.0, 6.0], [4.0, 8.0]]])
    >>> round(d_lambda(ms, np.kron(ms, np.ones((2, 2, 1))), block=2), 12)  # the bands are the same, in larger pixels
    0.0
    """
    return _spectral(*_qualities(grids(ms, fused, None, mask=mask), block), p)


def d_s(
    pan: Pixels,
    ms: Pixels,
    fused: Pixels,
    *,
    q: float = 1,
    block: int = 8,
    pan_mtf_nyquist: float = 0.3,
    mask: BoolArray | None = None,
) -> float:
    """Spatial distortion Ds: how much sharpening changed each band's relation to the panchromatic image,

    (mean over bands of |Q(fusedᵢ, pan) − Q(msᵢ, coarse pan)|^q)^(1/q), Q the mean over blocks. No unit, [0, 1] where
    all Q are ≥ 0 (2 at most), lower is better. The coarse pan is `pan` seen through a Gaussian PSF whose MTF is
    `pan_mtf_nyquist` at the Nyquist frequency of the MS image, at the centres of MS pixels: state that of your MS
    sensor where you know it. (The paper asks for a low-pass filter that cuts off there.) At borders and masked
    pixels the filter is normalised. Raises ImageError for sizes that do not fit or no valid block, SettingError
    unless 1 ≤ q < ∞ or for an MTF outside (0, 1]. Alparone et al. 2008, doi:10.14358/PERS.74.2.193; Gaussians that
    fit the sensor: Aiazzi et al. 2006, doi:10.14358/PERS.72.5.591.

    >>> ms = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> fine = np.kron(ms, np.ones((2, 2)))
    >>> round(d_s(fine, ms, fine, block=2, pan_mtf_nyquist=1), 12)  # everything the same, in larger pixels
    0.0
    """
    return _spatial(*_qualities(grids(ms, fused, pan, mask=mask, pan_mtf_nyquist=pan_mtf_nyquist), block), q)


def qnr(
    pan: Pixels,
    ms: Pixels,
    fused: Pixels,
    *,
    alpha: float = 1,
    beta: float = 1,
    block: int = 8,
    pan_mtf_nyquist: float = 0.3,
    mask: BoolArray | None = None,
) -> float:
    """Quality with no reference: (1 − Dλ)^α·(1 − Ds)^β, of `d_lambda` and `d_s` with p = q = 1.

    No unit, [0, 1], higher is better, 1 where sharpening changed no relation. Arguments and errors as of these;
    SettingError too unless 0 ≤ α, β < ∞.
    Alparone et al. 2008, doi:10.14358/PERS.74.2.193.

    >>> ms = np.array([[[1.0, 2.0], [2.0, 4.0]], [[3.0, 6.0], [4.0, 8.0]]])
    >>> fused = np.kron(ms, np.ones((2, 2, 1)))
    >>> round(qnr(fused[..., 0], ms, fused, block=2, pan_mtf_nyquist=1), 12)
    1.0
    """
    for name, value in (("alpha", alpha), ("beta", beta)):
        if not 0 <= value < inf:
            raise SettingError(f"{name} of qnr is {value}; expected a finite number from 0 on")
    coarse, fine = _qualities(grids(ms, fused, pan, mask=mask, pan_mtf_nyquist=pan_mtf_nyquist), block)
    bands = len(fine) - 1
    kept = 1 - _spectral(coarse[:bands, :bands], fine[:bands, :bands], 1), 1 - _spatial(coarse, fine, 1)
    return float(max(kept[0], 0) ** alpha * max(kept[1], 0) ** beta)


def _spectral(coarse: FloatArray, fine: FloatArray, power: float) -> float:
    """Over the pairs of bands, from Q of every pair (bands, bands)."""
    if len(fine) < 2:
        raise ImageError("ms has 1 band, but spectral distortion compares bands; expected at least 2.")
    pairs = np.triu_indices(len(fine), 1)
    return _mean_power(fine[pairs] - coarse[pairs], power)


def _spatial(coarse: FloatArray, fine: FloatArray, power: float) -> float:
    """Over the bands, of which the last is the pan."""
    return _mean_power(fine[:-1, -1] - coarse[:-1, -1], power)


def _mean_power(differences: FloatArray, power: float) -> float:
    if not 1 <= power < inf:
        raise SettingError(f"exponent is {power}; expected a finite number from 1 on")
    sizes = np.abs(differences)
    largest = float(sizes.max())
    if largest == 0:
        return 0.0
    # relative to the largest, no power vanishes altogether
    return largest * float(np.mean((sizes / largest) ** power) ** (1 / power))


def _qualities(scales: Grids, block: int) -> tuple[FloatArray, FloatArray]:
    """Q of every pair of bands, the pan's the last: (bands, bands) of the coarse images, and of the fine ones."""
    block = check_block(block)
    return _mean_quality(scales.coarse, block), _mean_quality(scales.fine, block * scales.ratio)


def _mean_quality(images: Images, block: int) -> FloatArray:
    count, total = 0, np.zeros(())
    for tile_count, tile_total in images.map(lambda tile: _tile_quality(tile, block), align=block):
        count, total = count + tile_count, total + tile_total
    if not count:
        raise no_pixels(images, f"block of {block} × {block} pixels")
    return total / count


def _tile_quality(tile: Tile, block: int) -> tuple[int, FloatArray]:
    """Number of blocks, and the sum over them of Q of every pair of bands."""
    bands = sum(array.shape[2] for array in tile.arrays)
    count, total = 0, np.zeros((bands, bands))
    for images in whole_blocks(tile, side=block):
        together = np.concatenate(images, axis=-1)
        mean, rest = centred(together.reshape(len(together), block**2, bands))
        product = np.swapaxes(rest, 1, 2) @ rest
        square = np.einsum("nbb->nb", product)
        spread = square[:, :, None] + square[:, None, :]
        structure = np.divide(2 * product, spread, out=np.ones_like(spread), where=spread > 0)
        total += (similarity(mean[:, :, None], mean[:, None, :]) * structure).sum(axis=0)
        count += len(together)
    return count, total
