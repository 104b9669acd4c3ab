"""Spectra and levels of all bands, against a reference.

Images are as `orbiq.metrics.inputs` says: (rows, cols) or (rows, cols, bands), any real dtype, arithmetic in float64,
any number of bands (a hyperspectral cube has hundreds). Values are linear in light with 0 for no light: angles
between spectra and shares of a mean change with an offset. No `peak` is needed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import radians, sqrt

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.errors import ImageError, SettingError
from orbiq.metrics.base import MapSpec, MetricSpec, ScoreSpec
from orbiq.metrics.inputs import Images, Pixels, no_pixels, pair_of_images
from orbiq.tiles import Tile

SPECS = {
    "sam": MetricSpec(
        name="sam",
        scores=(ScoreSpec(name="sam", unit="deg", low=0, high=180, higher_is_better=False),),
        needs="pair",
        map=MapSpec(function="sam_map", margin=0, unit="deg"),
    ),
    "ergas": MetricSpec(name="ergas", scores=(ScoreSpec(name="ergas", low=0, higher_is_better=False),), needs="pair"),
    "rase": MetricSpec(
        name="rase", scores=(ScoreSpec(name="rase", unit="%", low=0, higher_is_better=False),), needs="pair"
    ),
    "spectral_correlation": MetricSpec(
        name="spectral_correlation",
        scores=(ScoreSpec(name="spectral_correlation", low=-1, high=1),),
        needs="pair",
    ),
    "relative_bias": MetricSpec(
        name="relative_bias", scores=(ScoreSpec(name="relative_bias", higher_is_better=False, best=0),), needs="pair"
    ),
}
_SAMPLES = 1 << 17
"""Values of one image that are worked on at once: they stay in the cache, however many bands there are."""
_ROUNDING = 16 * float(np.finfo(float).eps)
"""Of the largest value of a spectrum: what its values may be off by."""


@dataclass(frozen=True, kw_only=True)
class SpectralAngles:
    """The angles between the spectra of two images.

    `mean_deg` over the `pixels` that have an angle; `zero_pixels` are valid but 0 in all bands of one image or both,
    so that they have no direction.
    """

    mean_deg: float
    pixels: int
    zero_pixels: int

    @property
    def mean_rad(self) -> float:
        """The mean in radians, as many papers give it."""
        return radians(self.mean_deg)


def sam(reference: Pixels, image: Pixels, *, mask: BoolArray | None = None) -> float:
    """Spectral angle (spectral angle mapper): the mean over pixels of the angle between the spectra x and y,

    arccos(x·y / (|x|·|y|)), computed as 2·atan2(|x̂ − ŷ|, |x̂ + ŷ|) of the unit vectors, which is exact for small angles
    too: equal images give 0. In degrees (many libraries give radians: `spectral_angles(…).mean_rad`), [0, 180], lower
    is better; does not change with brightness. A pixel that is 0 in all bands has no angle and takes no part;
    `spectral_angles` counts these. Raises ImageError for one band, shapes that differ, and where no pixel has an angle.
    Yuhas, Goetz and Boardman 1992, https://ntrs.nasa.gov/citations/19940012238; Kruse et al. 1993,
    doi:10.1016/0034-4257(93)90013-N.

    >>> sam(np.array([[[1, 0]]]), np.array([[[2, 2]]]))
    45.0
    """
    return spectral_angles(reference, image, mask=mask).mean_deg


def spectral_angles(reference: Pixels, image: Pixels, *, mask: BoolArray | None = None) -> SpectralAngles:
    """The mean spectral angle as of `sam`, in degrees and radians, and how many pixels have none.

    >>> spectral_angles(np.array([[[1, 0], [0, 0]]]), np.array([[[2, 2], [1, 1]]]))
    SpectralAngles(mean_deg=45.0, pixels=1, zero_pixels=1)
    """
    images = _spectral_pair(reference, image, mask=mask, least=2)
    total, valid, known = _mean_of(images, _angles_deg)
    if not known:
        raise no_pixels(images, "pixel that is not 0 in all bands")
    return SpectralAngles(mean_deg=total / known, pixels=known, zero_pixels=valid - known)


def sam_map(reference: Pixels, image: Pixels, *, mask: BoolArray | None = None) -> FloatArray:
    """The spectral angle of each pixel in degrees, (rows, cols), NaN where masked and where a spectrum is 0.

    >>> sam_map(np.array([[[1, 0], [0, 0]]]), np.array([[[2, 2], [1, 1]]])).tolist()
    [[45.0, nan]]
    """
    images = _spectral_pair(reference, image, mask=mask, least=2)
    out = np.full(images.shape[:2], np.nan)

    def put(tile: Tile) -> None:
        angles = np.concatenate([_angles_deg(x, y) for x, y in _spectra(tile)])
        valid = slice(None) if tile.mask is None else tile.mask.ravel()
        here = np.full(tile.arrays[0].shape[:2], np.nan)
        here.ravel()[valid] = angles
        out[tile.rows, tile.cols] = here

    for _ in images.map(put):
        pass
    return out


def spectral_correlation(reference: Pixels, image: Pixels, *, mask: BoolArray | None = None) -> float:
    """Correlation of the spectra (spectral correlation mapper): mean over pixels of Pearson's r along the bands,

    Σ(x − x̄)·(y − ȳ) / √(Σ(x − x̄)²·Σ(y − ȳ)²). No unit, [−1, 1], higher is better; unlike `sam` it changes neither with
    brightness nor with an offset of a pixel. A pixel of equal values in all bands (but for what
    rounding to float64 leaves) has none and takes no part. Raises
    ImageError for fewer than three bands (two always correlate by ±1), shapes that differ, and where no pixel has one.
    De Carvalho and Meneses 2000, "Spectral correlation mapper (SCM): an improvement on the spectral angle mapper
    (SAM)", 9th JPL Airborne Earth Science Workshop.

    >>> round(spectral_correlation(np.array([[[1, 2, 3]]]), np.array([[[1, 3, 2]]])), 9)  # (1·1 + 0 + 1·0)/√(2·2)
    0.5
    """
    images = _spectral_pair(reference, image, mask=mask, least=3)
    total, _, known = _mean_of(images, _correlations)
    if not known:
        raise no_pixels(images, "pixel whose bands differ")
    return total / known


def ergas(reference: Pixels, image: Pixels, *, ratio: float | None = None, mask: BoolArray | None = None) -> float:
    """Relative dimensionless global error in synthesis (ERGAS): 100·ratio·√(mean over bands of (RMSE / mean)²).

    `ratio` = h/l, the pixel size of the sharpened image over that of the original multispectral one, for example 0.25
    for 0.5 m and 2 m: part of the definition, so that it must be stated (some libraries take its inverse). RMSE and
    mean are of each band, the mean that of the reference. No unit, [0, ∞), lower is better; below 3 counts as good.
    Raises SettingError unless 0 < ratio ≤ 1, ImageError where shapes differ or a band of the reference has a mean ≤ 0.
    Wald 2000, "Quality of high resolution synthesised images: is there a simple criterion?",
    https://hal.science/hal-00395027.

    >>> ergas(np.array([[[10.0, 20.0]]]), np.array([[[11.0, 22.0]]]), ratio=0.25)  # 10 % in both bands
    2.5
    """
    if ratio is None or not 0 < ratio <= 1:
        raise SettingError(
            f"ratio of ergas is {ratio}; expected the sharpened pixel size over the original one, above 0 and at most "
            "1, for example ratio=0.25, to the command as ergas:ratio=0.25."
        )
    levels = _band_levels(pair_of_images(reference, image, mask=mask))
    return 100 * ratio * sqrt(float(np.mean(levels.squared_error / _divisor(levels) ** 2)))


def rase(reference: Pixels, image: Pixels, *, mask: BoolArray | None = None) -> float:
    """Relative average spectral error: 100/M·√(mean over bands of RMSE²), M the mean of the reference over all bands.

    In percent, [0, ∞), lower is better. Over the whole image, as published (some libraries take means of windows of
    8 × 8, which is another number). Raises ImageError where shapes differ or the mean is ≤ 0. Ranchin and Wald 2000,
    "Fusion of high spatial and spectral resolution images: the ARSIS concept and its implementation",
    Photogrammetric Engineering and Remote Sensing 66(1), 49-61, https://hal.science/hal-00356168.

    >>> rase(np.array([[[10.0, 30.0]]]), np.array([[[13.0, 29.0]]]))  # √((9 + 1)/2)/20
    11.180339887498949
    """
    levels = _band_levels(pair_of_images(reference, image, mask=mask))
    mean = float(levels.reference.mean())
    if mean <= 0:
        raise ImageError(
            f"the reference has mean {mean:g}, which rase divides by; expected above 0 (0 = no light). "
            "Take values with 0 for no light."
        )
    return 100 * sqrt(float(levels.squared_error.mean())) / mean


def relative_bias(reference: Pixels, image: Pixels, *, mask: BoolArray | None = None) -> float:
    """Relative bias: mean over bands of (mean of the image − mean of the reference) / mean of the reference.

    Image − reference: above 0 the image is too bright (0.01 by 1 %), below 0 too dark. No unit, best at 0. Raises
    ImageError where shapes differ or a band of the reference has a mean ≤ 0. Bands of opposite bias cancel: look at
    single bands too. One of the criteria of Wald, Ranchin and Mangolini 1997, "Fusion of satellite images of different
    spatial resolutions: assessing the quality of resulting images", Photogrammetric Engineering and Remote Sensing
    63(6), 691-699, https://hal.science/hal-00365304.

    >>> relative_bias(np.array([[10.0, 20.0]]), np.array([[12.0, 21.0]]))
    0.1
    """
    levels = _band_levels(pair_of_images(reference, image, mask=mask))
    return float(np.mean(levels.difference / _divisor(levels)))


@dataclass(frozen=True, eq=False, kw_only=True)
class _Levels:
    """Of each band (bands,): mean of the reference, mean of (image − reference), and of its square."""

    reference: FloatArray
    difference: FloatArray
    squared_error: FloatArray


def _divisor(levels: _Levels) -> FloatArray:
    dark = np.flatnonzero(levels.reference <= 0)
    if dark.size:
        raise ImageError(
            f"band {dark[0] + 1} of the reference has mean {levels.reference[dark[0]]:g}, which its error is divided "
            "by; expected above 0 (0 = no light). Leave it out, or take values with 0 for no light."
        )
    return levels.reference


def _band_levels(images: Images) -> _Levels:
    count, sums = 0, np.zeros((3, images.bands))
    for tile_count, tile_sums in images.map(_tile_levels):
        count, sums = count + tile_count, sums + tile_sums
    if not count:
        raise no_pixels(images)
    reference, difference, squared_error = sums / count
    return _Levels(reference=reference, difference=difference, squared_error=squared_error)


def _tile_levels(tile: Tile) -> tuple[int, FloatArray]:
    count, sums = 0, np.zeros((3, tile.arrays[0].shape[2]))
    for x, y in _spectra(tile):
        error = y - x
        count += len(x)
        sums += x.sum(axis=0), error.sum(axis=0), np.einsum("pb,pb->b", error, error)
    return count, sums


def _spectral_pair(reference: Pixels, image: Pixels, *, mask: BoolArray | None, least: int) -> Images:
    images = pair_of_images(reference, image, mask=mask)
    if images.bands < least:
        raise ImageError(
            f"{images.name} has {images.bands} band{'s' * (images.bands > 1)}, "
            f"but a comparison of spectra needs at least {least}."
        )
    return images


def _mean_of(images: Images, function: Callable[[FloatArray, FloatArray], FloatArray]) -> tuple[float, int, int]:
    """Sum over the pixels that have a value, valid pixels, and those that have one."""

    def sums(tile: Tile) -> tuple[float, int, int]:
        values = [function(x, y) for x, y in _spectra(tile)]
        known = [v[~np.isnan(v)] for v in values]
        return sum(float(v.sum()) for v in known), sum(v.size for v in values), sum(v.size for v in known)

    totals = list(images.map(sums))
    return sum(t[0] for t in totals), sum(t[1] for t in totals), sum(t[2] for t in totals)


def _spectra(tile: Tile) -> Iterator[tuple[FloatArray, FloatArray]]:
    """The valid pixels of both images, some at a time: (pixels, bands)."""
    bands = tile.arrays[0].shape[2]
    step = max(1, _SAMPLES // (bands * tile.arrays[0].shape[1]))
    for top in range(0, tile.arrays[0].shape[0], step):
        valid = slice(None) if tile.mask is None else tile.mask[top : top + step].ravel()
        first, second = (a[top : top + step].reshape(-1, bands)[valid].astype(float) for a in tile.arrays)
        yield first, second


def _angles_deg(x: FloatArray, y: FloatArray) -> FloatArray:
    """Of each pixel (pixels, bands), NaN where one is 0."""
    with np.errstate(invalid="ignore"):  # 0/0 is the NaN that is wanted
        x = x / _length(x)[:, None]
        y = y / _length(y)[:, None]
    return np.asarray(np.degrees(2 * np.arctan2(_length(x - y), _length(x + y))))


def _correlations(x: FloatArray, y: FloatArray) -> FloatArray:
    """Of each pixel (pixels, bands), NaN where one has equal values, but for rounding."""
    rounding = [_ROUNDING * sqrt(v.shape[1]) * np.abs(v).max(axis=1) for v in (x, y)]
    # the offset first, then the rest of the mean: nothing cancels
    x, y = (v - v[:, :1] for v in (x, y))
    x, y = (v - v.mean(axis=1, keepdims=True) for v in (x, y))
    lengths = _length(x), _length(y)
    known = (lengths[0] > rounding[0]) & (lengths[1] > rounding[1])
    r = np.full(len(x), np.nan)
    np.divide(np.einsum("pb,pb->p", x, y), lengths[0] * lengths[1], out=r, where=known)
    return np.asarray(np.clip(r, -1, 1))


def _length(vectors: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(np.einsum("pb,pb->p", vectors, vectors)))
