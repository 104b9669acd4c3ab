"""What an image itself tells of its coding: entropy, the grid of coding blocks, ripples beside edges.

Images are as `orbiq.metrics.inputs` says: (rows, cols) or (rows, cols, bands), any real dtype, arithmetic in float64.
None of these needs the peak: a gain or an offset changes none of them, save the entropy of rounded data.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.errors import ImageError, SettingError
from orbiq.metrics.base import Estimate, MetricSpec, ScoreSpec
from orbiq.metrics.inputs import Images, Pixels, no_pixels, one_image
from orbiq.tiles import Tile

SPECS = {
    "entropy": MetricSpec(name="entropy", scores=(ScoreSpec(name="entropy", unit="bit", low=0),), needs="image"),
    "blockiness": MetricSpec(
        name="blockiness", scores=(ScoreSpec(name="blockiness", low=0, high=1, higher_is_better=False),), needs="image"
    ),
    "ringing": MetricSpec(
        name="ringing", scores=(ScoreSpec(name="ringing", low=-1, high=1, higher_is_better=False),), needs="image"
    ),
}
_BLOCK = 8
_STRONG = 4.0
"""A strong edge is this many times as steep as the image is on average."""
_RIPPLE_REACH = 24
"""Pixels beside an edge that matter: 6 to its end, 15 from there, and what slopes and peaks look beyond."""
_FEWEST_SIDES = 50
"""Sides of edges without which the mean of their ripples says little."""


def entropy(image: Pixels, *, mask: BoolArray | None = None, bin_width: float | None = None) -> float:
    """First-order entropy −Σ p·log₂ p of the histogram of each band, mean over the bands, in bits per sample.

    What a code that looks at one sample at a time must spend; structure between neighbours does not count. From 0
    (constant) to log₂ of the number of values; noise raises it as detail does. Whole numbers have a bin each;
    floats need `bin_width`, the DN that a bin holds (bins begin at 0), on which the result depends. Raises SettingError
    where it is missing or not above 0, ImageError where no pixel is valid. C. E. Shannon, Bell System
    Technical Journal 27, 1948, doi:10.1002/j.1538-7305.1948.tb01338.x.

    >>> entropy(np.array([[0, 1], [2, 3]], np.uint8))  # four values, equally often
    2.0
    """
    images = one_image(image, mask=mask)
    _check_bin_width(images, bin_width)
    parts = list(images.map(lambda tile: _histograms(tile, bin_width)))
    return float(np.mean([_entropy_of([part[k] for part in parts], images) for k in range(images.bands)]))


def _check_bin_width(images: Images, bin_width: float | None) -> None:
    dtype = images.rasters[0].dtype
    if bin_width is None and dtype.kind == "f":
        for _ in images.map(lambda _: None):  # what is no number is said first
            pass
        raise SettingError(
            f"entropy of {images.name} ({dtype}) depends on the width of a bin, and nobody said it: "
            "bin_width=1 takes 1 DN, to the command as entropy:bin_width=1."
        )
    if bin_width is not None and not 0 < bin_width < float("inf"):
        raise SettingError(f"bin_width is {bin_width}; expected a finite number > 0, the DN that a bin holds.")


def _histograms(tile: Tile, bin_width: float | None) -> list[tuple[Array, Array]]:
    """Of each band the bins in use and how often, in the core of the tile."""
    array = tile.arrays[0][tile.core]
    pixels = array.reshape(-1, array.shape[2]) if tile.mask is None else array[tile.mask[tile.core]]
    return [_histogram(pixels[:, k], bin_width) for k in range(pixels.shape[1])]


def _histogram(values: Array, bin_width: float | None) -> tuple[Array, Array]:
    if bin_width is not None:
        values = np.floor(values / bin_width)
    elif values.dtype.itemsize <= 2 and values.size:
        first = int(values.min())
        counts = np.bincount(values.astype(np.int32) - first)
        used = np.flatnonzero(counts)
        return used + first, counts[used]
    return cast("tuple[Array, Array]", np.unique(values, return_counts=True))


def _entropy_of(parts: list[tuple[Array, Array]], images: Images) -> float:
    bins, counts = np.concatenate([b for b, _ in parts]), np.concatenate([c for _, c in parts])
    if not counts.size:
        raise no_pixels(images)
    _, which = np.unique(bins, return_inverse=True)
    counts = np.bincount(which, weights=counts)
    total = counts.sum()
    # of parts that are none below 0: a difference of logarithms would be, by rounding, for a single value
    return float((counts / total * np.log2(total / counts)).sum())


@dataclass(frozen=True, kw_only=True)
class Blockiness:
    """How much the grid of 8×8 blocks stands out, and the rows and cols where blocks begin, modulo 8.

    Where `value` is near 0 there is no grid, and `phase_px` says nothing.
    """

    value: float
    phase_px: tuple[int, int]

    def scores(self) -> dict[str, Estimate]:
        """The score by name."""
        return {"blockiness": Estimate(value=self.value)}


def blockiness(image: Pixels, *, mask: BoolArray | None = None) -> Blockiness:
    """How much steps at the borders of 8×8 coding blocks stand out: 1 − s_off / s_on, along rows and cols, their mean.

    A step at col c is |−x(c−2) + 3·x(c−1) − 3·x(c) + x(c+1)|, which slopes and curves do not raise; s_p is the mean
    √step at the cols with c mod 8 = p, relative to all, averaged over the bands. s_on is the largest of the eight;
    s_off the largest of the mean of the others, of that 4 px on, and of those 2 px to either side, so that an image
    that was enlarged 2 or 4 times shows no grid. Lower is better: 0.00 to 0.02 for aerial and satellite images without
    a grid, 0.2, 0.3, 0.4 and 0.6 for JPEG of quality 90, 75, 50 and 10 (medians), at most 1. What was enlarged by 8/5
    repeats every 8 px, too. Raises ImageError for a constant image, and where there are no runs of 4 valid pixels at
    all eight phases.

    >>> rows, cols = np.mgrid[:32, :32]
    >>> flat_blocks = blockiness((rows // 8 * 7 + cols // 8 * 11) % 64)
    >>> flat_blocks.phase_px, flat_blocks.value > 0.5
    ((0, 0), True)
    """
    images = one_image(image, mask=mask)
    sums, counts = (sum(part) for part in zip(*images.map(_steps, margin=2), strict=True))
    if not np.asarray(counts).all():
        raise no_pixels(images, window="run of 4 pixels at each of 8 phases, along rows and cols,")
    means = np.asarray(sums) / np.asarray(counts)
    average = means.mean(axis=2, keepdims=True)
    if not average.any():
        raise ImageError(f"{images.name} has no steps at all: nothing in it can be judged. Leave it out.")
    relative = np.divide(means, average, where=average > 0, out=np.full(means.shape, np.nan))
    profiles = [np.nanmean(p, axis=0) if not np.isnan(p).all() else None for p in relative]
    found = [_standing_out(profile) for profile in profiles if profile is not None]
    phases = [0 if profile is None else int(profile.argmax()) for profile in profiles]
    return Blockiness(value=float(np.mean(found)), phase_px=(phases[0], phases[1]))


def _standing_out(profile: FloatArray) -> float:
    on = int(profile.argmax())
    turned = np.roll(profile, -on)
    off = max(turned[1:].mean(), turned[4], (turned[2] + turned[6]) / 2)
    return float(1 - off / turned[0])


def _steps(tile: Tile) -> tuple[FloatArray, FloatArray]:
    """Sums of √step and how many they are (direction, band, phase): along the cols first, then along the rows."""
    array = tile.arrays[0]
    sums, counts = np.zeros((2, 2, array.shape[2], _BLOCK))
    for axis, (along, across) in enumerate(((tile.rows, tile.cols), (tile.cols, tile.rows))):
        before = (tile.top, tile.left) if axis == 0 else (tile.left, tile.top)
        mask = tile.mask if tile.mask is None or axis == 1 else tile.mask.T
        within = slice(before[1], before[1] + across.stop - across.start)
        for k in range(array.shape[2]):
            plane = (array[..., k].T if axis == 0 else array[..., k])[within].astype(float)
            steps = np.sqrt(np.abs(plane[:, 3:] - plane[:, :-3] + 3 * (plane[:, 1:-2] - plane[:, 2:-1])))
            place = np.arange(steps.shape[1]) + 2  # of a step: where its third pixel is
            core = (place >= before[0]) & (place < before[0] + along.stop - along.start)
            phase = (place[core] - before[0] + along.start) % _BLOCK
            known = np.ones(steps.shape, bool) if mask is None else _runs(mask[within])
            sums[axis, k] = np.bincount(phase, np.where(known, steps, 0.0).sum(axis=0)[core], minlength=_BLOCK)
            counts[axis, k] = np.bincount(phase, known.sum(axis=0)[core], minlength=_BLOCK)
    return sums, counts


def _runs(valid: BoolArray) -> BoolArray:
    """Where 4 pixels in a row are valid."""
    return np.asarray(valid[:, 3:] & valid[:, 2:-1] & valid[:, 1:-2] & valid[:, :-3])


def ringing(image: Pixels, *, mask: BoolArray | None = None) -> float:
    """Ripples beside strong edges that are not there farther away: (n − f) / (n + f), mean over the bands.

    Along rows and cols, an edge is a local maximum of the slope |x(c+1) − x(c−1)|/2 above 4 times its mean. On each
    side it ends within 6 px, where the slope reverses; n is the mean √ of Σ|x(c−1) − 2·x(c) + x(c+1)| over the pixels
    2 to 7 from there, f that over the pixels 9 to 14. Sides with another such slope, or an invalid pixel, do not
    count. Texture and noise are alike in both places; ringing, of coding or of sharp cut-off frequencies, stays near
    the edge.

    From −1 to 1, lower is better: 0.016 ± 0.008 for undegraded images, 0.08 ± 0.04 for JPEG of quality 10. It ranks
    variants of one image rather than images. Blurring moves it by 0.01, up or down; sharpening does not, for its
    overshoot is part of the edge (see `edges`); noise hides ringing, and so does coding that leaves nothing but blur.
    Raises ImageError where fewer than 50 sides of edges can be judged in a band.

    >>> rng = np.random.default_rng(0)
    >>> cols = np.arange(256)
    >>> scene = np.where(cols % 64 < 32, 50.0, 150.0) + rng.normal(0, 1, (64, 256))
    >>> ripples = 9 * np.cos(cols * np.pi) * np.exp(-(np.minimum(cols % 32, 31 - cols % 32)) / 3)
    >>> abs(ringing(scene)) < 0.05, ringing(scene + ripples) > 0.2
    (True, True)
    """
    images = one_image(image, mask=mask)
    slopes, counts = (sum(part) for part in zip(*images.map(_slopes, margin=1), strict=True))
    with np.errstate(invalid="ignore"):
        limits = _STRONG * np.asarray(slopes) / np.asarray(counts)
    near, far, sides = np.asarray(sum(images.map(lambda tile: _ripples(tile, limits), margin=_RIPPLE_REACH))).T
    if (sides < _FEWEST_SIDES).any():
        raise ImageError(
            f"{images.name} has {int(sides.min())} sides of strong edges in band {int(sides.argmin()) + 1} "
            f"beside which ripples can be judged; expected {_FEWEST_SIDES}. Take a larger image, or one with edges."
        )
    total = near + far
    return float(np.divide(near - far, total, where=total > 0, out=np.zeros(total.shape)).mean())


def _lines(tile: Tile) -> list[tuple[int, int, FloatArray, BoolArray, tuple[slice, slice]]]:
    """(band, direction, plane, mask, core), turned (0) and as it is (1): what is looked along is the last axis."""
    found = []
    for k in range(tile.arrays[0].shape[2]):
        plane = tile.arrays[0][..., k].astype(float)
        mask = np.ones(plane.shape, bool) if tile.mask is None else tile.mask
        found.append((k, 0, np.ascontiguousarray(plane.T), np.ascontiguousarray(mask.T), tile.core[::-1]))
        found.append((k, 1, plane, mask, tile.core))
    return found


def _slopes(tile: Tile) -> tuple[FloatArray, FloatArray]:
    """Sums of the slope and how many they are (band, direction)."""
    sums, counts = np.zeros((2, tile.arrays[0].shape[2], 2))
    for k, direction, plane, mask, (across, along) in _lines(tile):
        first, last = max(along.start, 1), min(along.stop, plane.shape[1] - 1)
        if last <= first:
            continue
        slopes = np.abs(plane[across, first + 1 : last + 1] - plane[across, first - 1 : last - 1]) / 2
        known = mask[across, first + 1 : last + 1] & mask[across, first:last] & mask[across, first - 1 : last - 1]
        sums[k, direction], counts[k, direction] = slopes[known].sum(), known.sum()
    return sums, counts


def _ripples(tile: Tile, limits: FloatArray) -> FloatArray:
    """Of each band the sums of √activity near the edges and far from them, and of how many sides (band, 3)."""
    from orbiq.metrics.artefacts_kernel import ripples

    sums = np.zeros((tile.arrays[0].shape[2], 3))
    for k, direction, plane, mask, (across, along) in _lines(tile):
        if limits[k, direction] > 0:
            ripples(plane[across], mask[across], along.start, along.stop, limits[k, direction], sums[k])
    return sums
