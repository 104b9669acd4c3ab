"""Quality block by block: how even it is over an image, and how far from a target.

Images are as `orbiq.metrics.inputs` says: (rows, cols) or (rows, cols, bands), any real dtype, arithmetic in float64.
A codec that keeps a mean error may spoil one block and waste bits on another; a mission that asks for a quality asks
for it everywhere.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import nan

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.errors import SettingError
from orbiq.metrics.inputs import Pixels, pair_of_images
from orbiq.tiles import Tile

BIN_DB = 0.1
"""Width of the bins in which deviations are counted: bin k is ((k − ½)·0.1 dB, (k + ½)·0.1 dB]."""


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """How blocks lie about a target, in dB; positive is better than the target.

    `mean_db` and `std_db` over the blocks with an error; `worst_db` of all; shares, 0 to 1, of all blocks: `below`
    those that miss the target, `within_half_db` and `within_1_db` those no more than that off; `n_exact` of `n_blocks`
    have no error at all, and take no part in mean and spread. `bins` counts the others, see `BIN_DB`.
    """

    mean_db: float
    std_db: float
    worst_db: float
    below: float
    n_blocks: int
    n_exact: int
    within_half_db: float = nan
    within_1_db: float = nan
    bins: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, kw_only=True)
class BlockErrors:
    """Squared errors of blocks of `block_px` pixels, summed, and of how many samples: (⌈rows/block⌉, ⌈cols/block⌉)."""

    squares: FloatArray
    samples: FloatArray
    block_px: int
    peak: float

    def psnr_db(self, block_px: int) -> FloatArray:
        """PSNR of blocks of `block_px` pixels, a multiple of these; as `block_psnr`."""
        step, rest = divmod(block_px, self.block_px)
        if rest or step < 1:
            raise SettingError(f"block_px is {block_px}; expected a multiple of {self.block_px}")
        return self._psnr(_block_sums(self.squares, step), _block_sums(self.samples, step))

    def whole_db(self) -> float:
        """PSNR of the image."""
        return float(self._psnr(self.squares.sum(), self.samples.sum()))

    def _psnr(self, squares: FloatArray, samples: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            mse = np.where(samples > 0, squares / samples, np.nan)
            return np.asarray(20 * np.log10(self.peak) - 10 * np.log10(mse))


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
    return block_errors(reference, image, block_px=block_px, peak=peak, mask=mask).psnr_db(block_px)


def block_errors(
    reference: Pixels, image: Pixels, *, block_px: int, peak: float | None = None, mask: BoolArray | None = None
) -> BlockErrors:
    """What `block_psnr` of blocks of `block_px` pixels and of their multiples follows from, in one pass."""
    if block_px < 1 or block_px != int(block_px):
        raise SettingError(f"block_px is {block_px}; expected a whole number of pixels, as in 64, 32 or 16")
    images = pair_of_images(reference, image, mask=mask, peak=peak, peaked=True)
    squares, samples = (np.zeros([-(-n // block_px) for n in images.shape[:2]]) for _ in range(2))

    def put(tile: Tile) -> None:
        first, second = tile.arrays
        error = (np.subtract(second, first, dtype=float) ** 2).sum(axis=2)
        valid = np.ones(error.shape) if tile.mask is None else tile.mask.astype(float)
        top, left = tile.rows.start // block_px, tile.cols.start // block_px
        for values, sums in ((error, squares), (valid * images.bands, samples)):
            found = _block_sums(values, block_px)
            sums[top : top + found.shape[0], left : left + found.shape[1]] = found

    for _ in images.map(put, align=block_px):
        pass
    return BlockErrors(squares=squares, samples=samples, block_px=block_px, peak=float(images.peak or nan))


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
    places, counts = np.unique(np.ceil(finite / BIN_DB - 0.5).astype(int), return_counts=True)
    return Deviation(
        mean_db=float(finite.mean()) if finite.size else nan,
        std_db=float(finite.std()) if finite.size else nan,
        worst_db=float(known.min()) if known.size else nan,
        below=float((known < 0).mean()) if known.size else nan,
        n_blocks=int(known.size),
        n_exact=int(known.size - finite.size),
        within_half_db=float((np.abs(known) <= 0.5).mean()) if known.size else nan,
        within_1_db=float((np.abs(known) <= 1).mean()) if known.size else nan,
        bins=dict(zip(places.tolist(), counts.tolist(), strict=True)),
    )


def pooled(several: Sequence[Deviation]) -> Deviation:
    """The deviation of all the blocks of several images together, each block counted once.

    >>> low, high = (deviation(np.array([[db]]), 40) for db in (39.0, 41.0))
    >>> pooled([low, high]).mean_db, pooled([low, high]).std_db
    (0.0, 1.0)
    """
    known = [said for said in several if said.n_blocks]
    if not known:
        return deviation(np.empty(0), 0.0)
    blocks = np.array([said.n_blocks for said in known])
    inexact = np.array([said.n_blocks - said.n_exact for said in known])
    moments = np.array([(said.mean_db, said.std_db**2 + said.mean_db**2) for said in known])[inexact > 0]
    mean, square = inexact[inexact > 0] @ moments / inexact.sum() if inexact.any() else (nan, nan)
    bins: Counter[int] = Counter()
    for said in known:
        bins.update(said.bins)
    shares = {
        name: float(blocks @ [getattr(said, name) for said in known] / blocks.sum())
        for name in ("below", "within_half_db", "within_1_db")
    }
    return Deviation(
        mean_db=float(mean),
        std_db=float(np.sqrt(np.maximum(square - mean**2, 0))),
        worst_db=min(said.worst_db for said in known),
        n_blocks=int(blocks.sum()),
        n_exact=int(blocks.sum() - inexact.sum()),
        bins=dict(sorted(bins.items())),
        **shares,
    )


def _block_sums(values: FloatArray, block_px: int) -> FloatArray:
    """Sums over blocks that begin at the first row and column; the last ones may be cut off."""
    rows = np.add.reduceat(values, np.arange(0, values.shape[0], block_px), axis=0)
    return np.asarray(np.add.reduceat(rows, np.arange(0, values.shape[1], block_px), axis=1))
