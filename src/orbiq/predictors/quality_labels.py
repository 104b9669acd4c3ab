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

Weighting = Literal["log", "uniform", "classes"]
CLASSES = (0, 20, 40, 60, 80)
"""The qualities that the classifier tells apart."""
SUBSAMPLINGS = ("420", "444", "422")
GRID_PX = 8
LOSSLESS = 100.0


@dataclass(frozen=True, kw_only=True)
class Draws:
    """How qualities are drawn, and how images are coded.

    `weighting` "uniform": every quality 1 … 100 alike; "log": ln(101 − q) alike, which puts two thirds of them at 80
    and above (H. Cui, UCB/EECS-2023-130, 4.1, weights by a logarithm too, without its formula); "classes": 0, 20, 40,
    60, 80, the last two twice as often. Shares, 0 to 1: `lossless` of images that are not coded at all, and called 100;
    `twice` of those coded twice; `otherwise` of codings by another coder than libjpeg's; `cut` of images that do not
    begin at the border of a block.
    """

    weighting: Weighting = "log"
    lossless: float = 0.08
    twice: float = 0.15
    otherwise: float = 0.15
    cut: float = 0.5

    def __post_init__(self) -> None:
        if self.weighting not in get_args(Weighting):
            raise unknown("weighting of qualities", self.weighting, get_args(Weighting))
        for name in ("lossless", "twice", "otherwise", "cut"):
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
    if draws.weighting != "classes" and rng.random() < draws.lossless:
        return _inner(pixels, rng.integers(0, 2 * GRID_PX + 1, 2)), LOSSLESS
    coded = pixels
    if rng.random() < draws.twice:  # the first time as well, or on a grid aside
        better = max(float(draws.qualities(rng, 1)[0]), quality)
        first, second = rng.permutation([better, quality])
        coded, quality = _coder(first, draws, rng)(pixels), second
        coded = _inner(coded, rng.integers(0, GRID_PX + 1, 2) * (rng.random() < draws.cut), size=GRID_PX)
        label = min(first, second)
    else:
        coded, label = _inner(pixels, np.zeros(2, int), size=GRID_PX), quality
    coded = _coder(quality, draws, rng)(np.ascontiguousarray(coded))
    # of a whole image, the network's fields begin 1 or 5 pixels behind the border of a block
    place = rng.integers(0, GRID_PX + 1, 2) if rng.random() < draws.cut else 1 + 4 * rng.integers(0, 2, 2)
    return _inner(coded, place, size=GRID_PX), float(label)


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
    return pixels[top : top + rows - size, left : left + cols - size]
