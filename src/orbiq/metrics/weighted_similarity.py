"""Structural similarity at five scales, weighted by information content, against a reference.

Images are as `orbiq.metrics.inputs` says, scaled to a peak of 255; windows and constants are those of
`orbiq.metrics.structural_similarity`, variant wang2004. Scales are the levels of a Laplacian pyramid that begins with
the first row and col that hold a valid pixel; a value counts only where it follows from valid pixels alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.metrics.base import MetricSpec, ScoreSpec
from orbiq.metrics.cut import cut_to_mask
from orbiq.metrics.information import NEIGHBOURS, NOISE, Mixture, Place, mixture, place
from orbiq.metrics.inputs import Images, Pixels, no_pixels, pair_of_images
from orbiq.metrics.multiscale_similarity import COARSEST, SMALLEST_PX, WEIGHTS, check_size, sum_over, weighted_product
from orbiq.metrics.planes import Bands, check_bands, planes
from orbiq.metrics.pyramids import laplacian, laplacian_masks
from orbiq.metrics.structural_similarity import compare, comparison
from orbiq.metrics.windows import whole_windows
from orbiq.tiles import Tile

SPECS = {"iw_ssim": MetricSpec(name="iw_ssim", scores=(ScoreSpec(name="iw_ssim", low=0, high=1),), needs="pair")}
LEVELS = len(WEIGHTS)
PEAK = 255.0
_MARGIN = 7 * COARSEST
"""Half a window of the last level is 5·16 pixels, and its outermost pixel is made of 2·(16 − 1) more on each side."""
_WITH_PARENT = LEVELS - 2
"""Levels that have a parent: those whose next level is a difference too, and not the rest of the image."""
_HOW = comparison(PEAK)


def iw_ssim(
    reference: Pixels,
    image: Pixels,
    *,
    peak: float | None = None,
    mask: BoolArray | None = None,
    bands: Bands = "each",
) -> float:
    """Structural similarity at five scales, weighted by information: Π over scales of cₛ^wₛ, as `ms_ssim`.

    Scales are the levels of a Laplacian pyramid, and cₛ is the mean of (2·σxy + C₂) / (σx² + σy² + C₂) weighted by the
    bits that reference and image share with a viewer whose noise has variance 0.4 (for a peak of 255), under a Gaussian
    scale mixture of 3 × 3 neighbours and the parent. The last level is the rest of the image: plain mean, and the whole
    SSIM. The exponents are those of `ms_ssim` over their sum. No unit, [0, 1], higher is better, 1 for equal images;
    not symmetric, since the reference models the scene. A scale whose mean is below 0 counts as 0; where no place holds
    information, all count alike. The score is the mean over bands, or that of the luma (`bands`, as of `ssim`).

    Raises ImageError as `ms_ssim` does. Wang & Li 2011, doi:10.1109/TIP.2010.2092435.

    >>> scene = np.random.default_rng(0).integers(0, 256, (176, 176), dtype=np.uint8)
    >>> round(iw_ssim(scene, scene), 9), iw_ssim(scene, 255 - scene)  # a negative contradicts its image
    (1.0, 0.0)
    """
    images = cut_to_mask(pair_of_images(reference, image, mask=mask, peak=peak, peaked=True))
    check_bands(images, bands)
    check_size(images, "iw_ssim")
    mixtures = _mixtures(images, bands)

    def sums(tile: Tile) -> FloatArray:
        parts = _parts(tile, images, bands=bands, radius=_HOW.radius)
        return np.array([[_sums(part, mixtures[k]) for part in band] for k, band in enumerate(parts)])

    total = sum_over(images.map(sums, margin=_MARGIN, align=COARSEST))
    if not total[..., 3].all():
        raise no_pixels(images, f"window of {SMALLEST_PX} × {SMALLEST_PX} pixels, 11 × 11 at the fifth scale,")
    return float(np.mean([_score(band) for band in total]))


@dataclass(frozen=True, eq=False, kw_only=True)
class _Part:
    """A level of a band within a tile: `levels` of reference and image, and where the core is.

    `parents` is the reference's next level; `place` the core and what it takes around it; `mask` and `next_mask` tell
    what is valid in this level and the next, None when all is.
    """

    level: int
    levels: tuple[FloatArray, ...]
    parents: FloatArray | None
    place: Place
    mask: BoolArray | None
    next_mask: BoolArray | None

    def valid(self, size: int) -> BoolArray | None:
        """For each whole window of the place whether it and the parent of its middle are valid."""
        if self.mask is None:
            return None
        valid = whole_windows(self.place.of(self.mask), size)
        if self.parents is None or self.next_mask is None:
            return valid
        # of zeros and ones: 1 only between ones
        return valid & (self.place.inner(size // 2).parents(self.next_mask.astype(float)) > 1 - 1e-9)


def _score(sums: FloatArray) -> float:
    """Of one band, from (levels, 4) sums over windows: similarity times weight, weight, similarity, 1."""
    weighted, weights, plain, windows = sums.T
    informed = weights > 0
    means = np.where(informed, weighted, plain) / np.where(informed, weights, windows)
    return float(weighted_product(means) ** (1 / sum(WEIGHTS)))


def _mixtures(images: Images, bands: Bands) -> list[list[Mixture]]:
    """What the reference is made of, by band and level, from a first pass over the tiles."""

    def products(tile: Tile) -> FloatArray:
        parts = _parts(replace(tile, arrays=tile.arrays[:1]), images, bands=bands, radius=1)
        return np.array([[_products(part) for part in band[:-1]] for band in parts])

    total = sum_over(images.map(products, margin=_MARGIN, align=COARSEST))
    return [[mixture(level, NEIGHBOURS + (k < _WITH_PARENT)) for k, level in enumerate(band)] for band in total]


def _products(part: _Part) -> FloatArray:
    # numba takes half a second to import
    from orbiq.metrics.information_kernel import neighbour_products

    inner = part.place.inner(1)
    parents = None if part.parents is None else inner.parents(part.parents)
    products: FloatArray = neighbour_products(part.place.of(part.levels[0]), parents, part.valid(3))
    return products


def _sums(part: _Part, mixtures: Sequence[Mixture]) -> FloatArray:
    """Over the windows whose middle lies in the core: similarity times weight, weight, similarity, 1."""
    x, y = (level[part.place.rows, part.place.cols] for level in part.levels)
    last = part.level == LEVELS - 1
    weights = None if last or min(x.shape) < _HOW.taps.size else _weights(part, mixtures[part.level])
    valid = part.valid(_HOW.taps.size)
    total = np.zeros(4)
    for rows, ssim, contrast in compare(x, y, _HOW):
        similarity = ssim if last else contrast
        weight = np.ones_like(similarity) if weights is None else weights[rows]
        if valid is not None:
            similarity, weight = similarity[valid[rows]], weight[valid[rows]]
        total += (similarity * weight).sum(), weight.sum(), similarity.sum(), similarity.size
    return total


def _weights(part: _Part, of_scene: Mixture) -> FloatArray:
    """Information at the middle of each whole window of the place."""
    # numba takes half a second to import
    from orbiq.metrics.information_kernel import information_weights

    around, middles = part.place.inner(_HOW.radius - 1), part.place.inner(_HOW.radius)
    x, y = (around.of(level) for level in part.levels)
    parents = np.empty((0, 0)) if part.parents is None else middles.parents(part.parents)
    weights: FloatArray = information_weights(x, y, parents, of_scene.whitening, of_scene.powers, NOISE)
    return weights


def _parts(tile: Tile, images: Images, *, bands: Bands, radius: int) -> Iterator[list[_Part]]:
    """For each band its levels, with `radius` pixels of each around the core."""
    masks = [None] * LEVELS if tile.mask is None else laplacian_masks(tile.mask, LEVELS)
    scale = PEAK / (images.peak or PEAK)
    for of_band in planes(tile, bands):
        pyramids = [laplacian(plane * scale, LEVELS) for plane in of_band]
        yield [
            _Part(
                level=k,
                levels=tuple(pyramid[k] for pyramid in pyramids),
                parents=pyramids[0][k + 1] if k < _WITH_PARENT else None,
                place=place(tile, k, radius, shape=images.shape),
                mask=masks[k],
                next_mask=masks[min(k + 1, LEVELS - 1)],
            )
            for k in range(LEVELS)
        ]
