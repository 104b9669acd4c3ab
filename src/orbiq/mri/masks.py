"""Which Fourier samples of an image are taken: the masks of undersampled magnetic resonance imaging.

A mask is bool (rows, cols), True where a sample is taken, frequency 0 at (rows // 2, cols // 2) as in
`orbiq.mri.reconstruction`. A Cartesian line is a column of it: rows are read out, columns are phase encodings. The rate
R of a mask is the number of all samples over that of those taken, the centre included: 1 takes all, 4 a quarter.
"""

from dataclasses import dataclass
from math import inf, pi, sqrt
from typing import Literal, get_args

import numpy as np

from orbiq.arrays import BoolArray
from orbiq.errors import ImageError, SettingError

Pattern = Literal["random", "equispaced", "radial"]
_GOLDEN_RAD = pi * (sqrt(5) - 1) / 2
"""Between one spoke and the next, 111.25°: however many there are, they lie about evenly (Winkelmann et al. 2007)."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How Fourier samples are chosen.

    `pattern`: "random" lines, each set of them as probable as another; "equispaced" lines, the first drawn; or "radial"
    spokes through frequency 0, each the golden angle after the last, the first angle drawn, on the nearest samples of
    the grid. `rate` R ≥ 1, any real number. `centre_share` in 0…1: the fully sampled centre, as a share of the side:
    that share of the lines, or an ellipse that spans it of either side; one line or sample at least, if above 0.

    Cartesian patterns take cols/R lines, rounded, at least one: no rate is nearer. Radial ones take spokes until
    rows·cols/R samples are taken: less than a spoke too many. Masks of one generator's state are nested for "random"
    and "radial": what is taken at one rate is taken at every lower rate.

    SettingError for an unknown pattern, a rate below 1, or a centre that alone takes more than the rate allows.

    Lines as Zbontar et al., fastMRI: an open dataset and benchmarks for accelerated MRI (arXiv:1811.08839); spokes as
    Winkelmann et al., An optimal radial profile order based on the golden ratio for time-resolved MRI, IEEE TMI 26,
    2007, doi:10.1109/TMI.2006.885337.

    >>> Sampling(pattern="equispaced", rate=2, centre_share=0).mask((1, 8), rng=np.random.default_rng(0)).sum()
    np.int64(4)
    """

    pattern: Pattern = "random"
    rate: float
    centre_share: float = 0.04

    def __post_init__(self) -> None:
        if self.pattern not in get_args(Pattern):
            raise SettingError(f"sampling pattern is {self.pattern!r}; expected {', '.join(get_args(Pattern))}")
        if not 1 <= self.rate < inf:
            raise SettingError(f"sampling rate is {self.rate}; expected 1 (all samples) or more, as 4 for a quarter")
        most = self._most_centre()
        if not 0 <= self.centre_share <= most:
            raise SettingError(
                f"centre_share is {self.centre_share}; expected 0 to {most:.3g}, the most that a {self.pattern} mask "
                f"of rate {self.rate:g} has room for: lower it, or the rate"
            )

    def mask(self, shape: tuple[int, int], *, rng: np.random.Generator) -> BoolArray:
        """The mask of an image of (rows, cols), as bool (rows, cols); ImageError where a side is below 1.

        What is drawn from `rng` does not depend on the rate.
        """
        rows, cols = shape
        if min(shape) < 1:
            raise ImageError(f"an image of {rows} × {cols} pixels has no Fourier samples; expected sides of 1 or more")
        if self.pattern == "radial":
            return _spokes(shape, self.rate, self.centre_share, first_rad=pi * rng.random())
        draws = rng.random(cols if self.pattern == "random" else 1)
        return np.broadcast_to(self._lines(cols, draws), shape).copy()

    def _most_centre(self) -> float:
        return min(1.0, sqrt(4 / (pi * self.rate))) if self.pattern == "radial" else 1 / self.rate

    def _lines(self, cols: int, draws: np.ndarray) -> BoolArray:
        """Which columns are taken."""
        number = max(1, round(cols / self.rate))
        width = min(number, max(round(self.centre_share * cols), self.centre_share > 0))
        taken = np.zeros(cols, bool)
        first = cols // 2 - width // 2
        taken[first : first + width] = True
        outside, wanted = np.flatnonzero(~taken), number - width
        if self.pattern == "random":
            taken[outside[np.argsort(draws[outside], kind="stable")[:wanted]]] = True
        elif wanted:
            taken[outside[((np.arange(wanted) + draws[0]) * (outside.size / wanted)).astype(int)]] = True
        return taken


def achieved_rate(mask: BoolArray) -> float:
    """All samples over those taken, the centre included; inf where none is.

    >>> achieved_rate(np.array([[True, False, False, False]]))
    4.0
    """
    taken = int(mask.sum())
    return mask.size / taken if taken else inf


def _spokes(shape: tuple[int, int], rate: float, centre_share: float, *, first_rad: float) -> BoolArray:
    """The centre, and spokes until there are enough samples."""
    if rate == 1:
        return np.ones(shape, bool)
    rows, cols = shape
    v, u = np.ogrid[:rows, :cols]
    taken = np.hypot((v - rows // 2) / rows, (u - cols // 2) / cols) <= centre_share / 2
    taken[rows // 2, cols // 2] |= centre_share > 0
    number, wanted = 0, rows * cols / rate
    while taken.sum() < wanted:
        taken[_spoke(shape, first_rad + number * _GOLDEN_RAD)] = True
        number += 1
    return np.asarray(taken)


def _spoke(shape: tuple[int, int], angle_rad: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the samples nearest to a line through frequency 0, one for each step along its longer side.

    The angle is that of the grid stretched to a square, so that spokes of an oblong one reach into its corners too.
    """
    half = max(shape) / 2
    steps = np.arange(-np.ceil(half), np.ceil(half) + 1) / half
    down, across = np.sin(angle_rad), np.cos(angle_rad)
    longer = max(abs(down), abs(across))
    v, u = (
        np.rint(steps * d / longer * side / 2).astype(int) + side // 2
        for d, side in zip((down, across), shape, strict=True)
    )
    within = (v >= 0) & (v < shape[0]) & (u >= 0) & (u < shape[1])
    return v[within], u[within]
