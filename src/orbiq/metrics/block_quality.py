"""Quality block by block: how even it is over an image, and how far from a target.

Images are as `orbiq.metrics.inputs` says: (rows, cols) or (rows, cols, bands), any real dtype, arithmetic in float64.
A codec that keeps a mean error may spoil one block and waste bits on another; a mission that asks for a quality asks
for it everywhere.
"""

from dataclasses import dataclass
from math import nan

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.errors import SettingError
from orbiq.metrics.inputs import Pixels, pair_of_images
from orbiq.tiles import Tile


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """How blocks lie about a target, in dB; positive is better than the target.

    `mean_db` and `std_db` over the blocks with an error; `worst_db` of all; `below` the share, 0 to 1, of all blocks
    that miss the target; `n_exact` of `n_blocks` have no error at all, and take no part in mean and spread.
    """

    mean_db: float
    std_db: float
    worst_db: float
    below: float
    n_blocks: int
    n_exact: int


def block_psnr(
    reference: Pixels, image: Pixels, *, block_px: int, peak: float | None = None, mask: BoolArray | None = None
) -> FloatArray:
    """PSNR of each block of `block_px` × `block_px` pixels, over all bands: (⌈rows/block⌉, ⌈cols/block⌉) in dB.

    10·log₁₀(peak² / mean squared error of the block); higher is better, inf where nothing differs, NaN where no pixel
    is valid. Blocks at the right and lower border may be smaller, and count with the pixels that they have. `peak` as
    for `psnr`. Raises ImageError as `psnr` does, SettingError for a block below 1 pixel.

    >>> image = np.zeros((4, 4), np.uint8)
    >>> image[0, 0] = 2  # mean squared error 1 in the first block
    >>> block_psnr(np.zeros((4, 4), np.uint8), image, block_px=2).round(2).tolist()
    [[48.13, inf], [inf, inf]]
    """
    if block_px < 1 or block_px != int(block_px):
        raise SettingError(f"block_px is {block_px}; expected a whole number of pixels, as in 64, 32 or 16")
    images = pair_of_images(reference, image, mask=mask, peak=peak, peaked=True)
    squares, counts = (np.zeros([-(-n // block_px) for n in images.shape[:2]]) for _ in range(2))

    def put(tile: Tile) -> None:
        first, second = tile.arrays
        error = (np.subtract(second, first, dtype=float) ** 2).sum(axis=2)
        valid = np.ones(error.shape) if tile.mask is None else tile.mask.astype(float)
        top, left = tile.rows.start // block_px, tile.cols.start // block_px
        for values, sums in ((error, squares), (valid, counts)):
            found = _block_sums(values, block_px)
            sums[top : top + found.shape[0], left : left + found.shape[1]] = found

    for _ in images.map(put, align=block_px):
        pass
    with np.errstate(divide="ignore", invalid="ignore"):
        mse = np.where(counts > 0, squares / (counts * images.bands), np.nan)
        return np.asarray(20 * np.log10(float(images.peak or nan)) - 10 * np.log10(mse))


def deviation(psnr_db: FloatArray, target_db: float) -> Deviation:
    """How the blocks of `block_psnr` lie about a target.

    Mean and standard deviation of block PSNR less target, as Mijares i Verdú et al. 2024 tell them ("Fixed-quality
    compression of remote sensing images with neural networks", table II). NaN throughout where no block is valid.

    >>> said = deviation(np.array([[40.0, 42.0], [np.inf, np.nan]]), 40.5)
    >>> said.mean_db, said.std_db, said.worst_db, said.n_blocks, said.n_exact
    (0.5, 1.0, -0.5, 3, 1)
    """
    known = psnr_db[~np.isnan(psnr_db)] - target_db
    finite = known[np.isfinite(known)]
    return Deviation(
        mean_db=float(finite.mean()) if finite.size else nan,
        std_db=float(finite.std()) if finite.size else nan,
        worst_db=float(known.min()) if known.size else nan,
        below=float((known < 0).mean()) if known.size else nan,
        n_blocks=int(known.size),
        n_exact=int(known.size - finite.size),
    )


def _block_sums(values: FloatArray, block_px: int) -> FloatArray:
    """Sums over blocks that begin at the first row and column; the last ones may be cut off."""
    rows = np.add.reduceat(values, np.arange(0, values.shape[0], block_px), axis=0)
    return np.asarray(np.add.reduceat(rows, np.arange(0, values.shape[1], block_px), axis=1))
