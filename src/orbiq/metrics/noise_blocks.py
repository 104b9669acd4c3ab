"""SNR by homogeneous blocks, the original's default method.

The spread of small blocks at the image's median level, of which most are taken to be homogeneous. Blocks of textured
ground count too: the noise comes out too high and SNR too low, the more so the less noise there is. Without texture it
comes out 6 % too low: the median spread of nine pixels lies below σ, and the largest spreads are left out.
"""

from itertools import repeat

import numpy as np

from orbiq.metrics.base import Estimate
from orbiq.metrics.inputs import Images
from orbiq.metrics.noise_bands import NOT_ENOUGH, BandNoise, over, refused
from orbiq.metrics.noise_levels import Levels, pixels_of
from orbiq.metrics.noise_spreads import Spreads, core_of, one_dn, spreads_of
from orbiq.tiles import Tile

_FEW = 30


def by_blocks(
    images: Images, levels: tuple[Levels, ...], *, block_size: int, stride: int | None = None
) -> tuple[BandNoise, ...]:
    """Each band's noise: the median spread of the blocks at the median level, those far from the mean left out."""
    step = stride or block_size

    def of_tile(tile: Tile) -> list[Spreads]:
        return [_of_tile(tile, k, band, size=block_size, stride=step) for k, band in enumerate(levels)]

    spreads = list(repeat(spreads_of(np.empty(0)), images.bands))
    for parts in images.map(of_tile, margin=(0, max(block_size - step, 0)), align=step):
        spreads = [total + part for total, part in zip(spreads, parts, strict=True)]
    return tuple(_noise(known, band.median) for known, band in zip(spreads, levels, strict=True))


def _of_tile(tile: Tile, band: int, levels: Levels, *, size: int, stride: int) -> Spreads:
    """In a tile masked pixels are 0, and 0 is no data to this method."""
    from orbiq.metrics.noise_kernel import block_spreads

    half_width = 0.0 if levels.whole else one_dn(levels) / 2
    return spreads_of(block_spreads(pixels_of(tile), band, core_of(tile), size, stride, levels.median, half_width))


def _noise(spreads: Spreads, level: float) -> BandNoise:
    if not spreads.n:
        return refused(level, f"{NOT_ENOUGH}: no block's mean lies at the median level, {level:g} DN")
    kept = _clipped(spreads)
    value, (low, high) = kept.ranked((kept.n - 1) / 2), _median_interval(kept)
    if not value:
        return refused(
            level, "most blocks at the median level hold a single value: the noise is lost in the quantisation"
        )
    noise = Estimate(value=value, low=low, high=high)
    flags = (f"only {kept.n} blocks lie at the median level",) if kept.n < _FEW else ()
    return BandNoise(snr=over(level, noise), noise=noise, level=level, n_areas=kept.n, flags=flags)


def _clipped(spreads: Spreads) -> Spreads:
    """Without those more than 4 standard deviations below or 2 above the mean, again and again until all stay."""
    while True:
        mean, deviation = spreads.mean(), spreads.deviation()
        kept = spreads.between(mean - 4 * deviation, mean + 2 * deviation)
        if kept.n == spreads.n:
            return kept
        spreads = kept


def _median_interval(spreads: Spreads) -> tuple[float, float]:
    """Of any distribution: the ranks between which its median lies with 95 %; NaN for fewer than six."""
    from scipy.stats import binom

    rank = int(binom.ppf(0.025, spreads.n, 0.5)) - 1
    if rank < 0:
        return np.nan, np.nan
    return spreads.ranked(rank), spreads.ranked(spreads.n - 1 - rank)
