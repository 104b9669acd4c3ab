"""Images whose JPEG quality is known, made from clean ones: what the quality-factor predictor learns from.

Qualities are those of libjpeg, 1 … 100, whose factor of the standard's tables is 50/q below 50 and 2 − q/50 from there
on (ITU-T T.81, annex K). The quality of an image that was coded twice is the lower of both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from orbiq.arrays import Array, FloatArray
from orbiq.codecs.standard import Jpeg
from orbiq.errors import SettingError, unknown
from orbiq.predictors.quality_coder import recoded
from orbiq.predictors.quality_equivalent import equivalent_quality, spoilt

Weighting = Literal["log", "uniform", "classes"]
CLASSES = (0, 20, 40, 60, 80)
"""The qualities that the classifier tells apart."""
SUBSAMPLINGS = ("420", "444", "422")
GRID_PX = 8
LOSSLESS = 100.0
_CODED_TOO = 0.25


@dataclass(frozen=True, kw_only=True)
class Draws:
    """How qualities are drawn, and how images are coded.

    `weighting` "uniform": every quality 1 … 100 alike; "log": ln(101 − q) alike, which puts two thirds of them at 80
    and above (H. Cui, UCB/EECS-2023-130, 4.1, weights by a logarithm too, without its formula); "classes": 0, 20, 40,
    60, 80, the last two twice as often. Shares, 0 to 1: `lossless` of images that are not coded at all, and called 100;
    `spoilt` of those that are damaged in other ways (`orbiq.predictors.quality_equivalent`), some of which are coded
    then; `twice` of the rest are coded twice; `otherwise` of codings are by another coder than libjpeg's; `cut` of
    images do not begin at the border of a block. With classes there are neither lossless nor spoilt ones.
    """

    weighting: Weighting = "log"
    lossless: float = 0.08
    spoilt: float = 0.25
    twice: float = 0.15
    otherwise: float = 0.15
    cut: float = 0.5

    def __post_init__(self) -> None:
        if self.weighting not in get_args(Weighting):
            raise unknown("weighting of qualities", self.weighting, get_args(Weighting))
        for name in ("lossless", "spoilt", "twice", "otherwise", "cut"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingError(f"{name} is {getattr(self, name)}; expected a share of images, 0 to 1")

    def qualities(self, rng: np.random.Generator, n: int) -> FloatArray:
        """`n` of them.

        >>> drawn = Draws(weighting="log").qualities(np.random.default_rng(0), 10_000)
        >>> round(float((drawn >= 80).mean()), 1)  # ln 21.5 / ln 100.5 = 0.666
        0.7
        """
        if self.weighting == "classes":
            shares = np.array([1, 1, 1, 2, 2]) / 7
            return np.asarray(rng.choice(np.array(CLASSES, float), n, p=shares), float)
        if self.weighting == "uniform":
            return rng.integers(1, 101, n).astype(float)
        return np.asarray(np.clip(np.rint(101 - np.exp(rng.uniform(0, np.log(100.5), n))), 1, 100), float)


Coder = Callable[[Array], Array]
"""From an image to what coding leaves of it."""


def libjpeg(quality: float, subsampling: str = "420") -> Coder:
    """Coded and decoded by libjpeg-turbo; quality 0 is 1, as with libjpeg."""
    codec = Jpeg(quality=max(1, int(quality)), subsampling=subsampling)
    return lambda pixels: codec.decode(codec.encode(pixels))


def damaged(pixels: Array, quality: float, draws: Draws, rng: np.random.Generator) -> tuple[Array, float]:
    """A clean image (rows, cols, 1 or 3) of uint8, coded at a quality in a way that is drawn, and the quality it has.

    It comes back with 16 rows and cols less: a training piece is cut with so many more.
    """
    first = rng.random() if draws.weighting != "classes" else 1.0
    if first < draws.lossless:
        return _inner(pixels, rng.integers(0, 2 * GRID_PX + 1, 2)), LOSSLESS
    if first < draws.lossless + draws.spoilt:
        coded, label = _spoilt(pixels, quality, draws, rng)
    elif rng.random() < draws.twice:
        coded, label = _twice(pixels, quality, draws, rng)
    else:
        coded, label = _coder(quality, draws, rng)(_inner(pixels, np.zeros(2, int), size=GRID_PX)), quality
    # of a whole image, the network's fields begin 1 or 5 pixels behind the border of a block
    place = rng.integers(0, GRID_PX + 1, 2) if rng.random() < draws.cut else 1 + 4 * rng.integers(0, 2, 2)
    return _inner(coded, place, size=GRID_PX), float(label)


def _twice(pixels: Array, quality: float, draws: Draws, rng: np.random.Generator) -> tuple[Array, float]:
    """Coded at the quality, and before or after at a better one, on the same grid or one aside."""
    better = max(float(draws.qualities(rng, 1)[0]), quality)
    first, second = rng.permutation([better, quality])
    aside = rng.integers(0, GRID_PX + 1, 2) * (rng.random() < draws.cut)
    coded = _inner(_coder(first, draws, rng)(pixels), aside, size=GRID_PX)
    return _coder(second, draws, rng)(coded), quality


def _spoilt(pixels: Array, quality: float, draws: Draws, rng: np.random.Generator) -> tuple[Array, float]:
    clean = _inner(pixels, np.zeros(2, int), size=GRID_PX)
    damaged = spoilt(clean, rng)
    if rng.random() < _CODED_TOO:
        damaged = _coder(quality, draws, rng)(damaged)
    return damaged, equivalent_quality(clean, damaged)


def _coder(quality: float, draws: Draws, rng: np.random.Generator) -> Coder:
    subsampling = str(rng.choice(SUBSAMPLINGS, p=[0.5, 0.4, 0.1]))
    if rng.random() >= draws.otherwise:
        return libjpeg(quality, subsampling)
    rounding = float(rng.choice([0.5, 0.42, 0.35]))
    return lambda pixels: recoded(pixels, quality=quality, subsampling=subsampling, rounding=rounding)


def _inner(pixels: Array, place: Array, *, size: int = 2 * GRID_PX) -> Array:
    """With `size` rows and cols less, from a place on."""
    rows, cols = pixels.shape[:2]
    top, left = (int(k) for k in place)
    return np.ascontiguousarray(pixels[top : top + rows - size, left : left + cols - size])
