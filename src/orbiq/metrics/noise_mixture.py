"""What windows look like when some are homogeneous and others hold texture: densities, tabulated.

A window has a variance and a score of structure (`orbiq.metrics.noise_windows_kernel`). Relative to the noise, the
variance of homogeneous ground follows χ² and its score the standard normal distribution, independently. Texture raises
the variance by a factor 1 + t. Fine texture leaves the score alone; coarse texture, with 4 or 16 times its share
of the squares in the coarse scale, raises the score with t. How t is distributed over the ground is not known. Two
families of distributions stand for what may be: of one there is the more texture the weaker it is, down to none, of
the other there is little of weak texture. Neither is the truth; what they disagree about is what is not known.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from orbiq.arrays import FloatArray

DEGREES = 253
"""Of freedom of a window's variance."""
LIMIT = 2.33
"""The score above which a window is not looked at: so are 1 % of homogeneous ground."""
EDGES = np.linspace(-3.5, LIMIT, 40)
"""Of the classes of scores."""
LOW, STEP = -1.2, 0.01
"""The first ln(variance / noise variance) of the tables, and their step."""
_LOG_VARIANCES = np.arange(LOW, 4, STEP)
_STRENGTHS = np.arange(0.005, 4, 0.02)  # ln(1 + t)
_WEAK = 0.1  # of a strength: with less, ground is as good as homogeneous, 5 % of σ
_COARSENESS = (4.0, 16.0)
_FALLING = (0.7, 1.5, 3.0, 6.0)
_PEAKED = (0.1, 0.25, 0.6, 1.5, 4.0)


@dataclass(frozen=True, eq=False, kw_only=True)
class Mixture:
    """Densities (kinds of ground, classes of scores, ln variances), and their slopes along ln variance.

    Kinds: homogeneous, with fine texture, with coarse texture. `near`: how much of each is as good as homogeneous.
    """

    densities: FloatArray
    slopes: FloatArray
    near: FloatArray


@cache
def families() -> tuple[tuple[Mixture, ...], tuple[Mixture, ...]]:
    """The mixtures of both families: the weaker the texture the more of it; little of weak texture."""
    falling = tuple(_mixture(np.exp(-power * _STRENGTHS)) for power in _FALLING)
    return falling, tuple(_mixture(_peaked(strength)) for strength in _PEAKED)


def _peaked(strength: float) -> FloatArray:
    """Log-normal in t, with a spread of 0.6, as a density in ln(1 + t)."""
    t = np.expm1(_STRENGTHS)
    density: FloatArray = np.exp(-0.5 * (np.log(t / strength) / 0.6) ** 2) * (1 + t) / t
    return density


def _mixture(coarse: FloatArray) -> Mixture:
    """With so much coarse texture of each strength, and fine texture that falls with the power 1.5."""
    raised = _raised()
    no_structure = _classes(np.zeros(1), np.ones(1))[0]
    seen = np.sum([_coarse_classes(coarseness) for coarseness in _COARSENESS], axis=0)
    fine = np.exp(-1.5 * _STRENGTHS)
    densities = np.stack(
        [
            np.outer(no_structure, _chi_squared(_LOG_VARIANCES)),
            np.outer(no_structure, fine @ raised),
            (seen * coarse[:, None]).T @ raised,
        ]
    )
    densities /= densities.sum(axis=(1, 2), keepdims=True) * STEP
    weak = _STRENGTHS < _WEAK
    taken = coarse * seen.sum(axis=1)
    near = np.array([1.0, fine[weak].sum() / fine.sum(), taken[weak].sum() / taken.sum()])
    return Mixture(densities=densities, slopes=np.gradient(densities, STEP, axis=-1), near=near)


@cache
def _raised() -> FloatArray:
    """(strengths, ln variances): the density of ln variance with texture of each strength."""
    return np.stack([_chi_squared(_LOG_VARIANCES - strength) for strength in _STRENGTHS])


def _chi_squared(log_ratio: FloatArray) -> FloatArray:
    """The density of the logarithm of a mean square with `DEGREES` degrees of freedom, its expectation being 1."""
    from scipy.special import gammaln

    half = DEGREES / 2
    density: FloatArray = np.exp(half * (log_ratio - np.exp(log_ratio) + np.log(half)) - gammaln(half))
    return density


@cache
def _coarse_classes(coarseness: float) -> FloatArray:
    """(strengths, classes): how the scores of coarse texture of each strength fall into the classes."""
    above, below = 2 / (9 * 13), 2 / (9 * 240)
    root = np.cbrt(1 + coarseness * np.expm1(_STRENGTHS))
    scale = np.sqrt(above + root**2 * below)
    return _classes(((1 - below) * root - (1 - above)) / scale, root * np.sqrt(above + below) / scale)


def _classes(mean: FloatArray, deviation: FloatArray) -> FloatArray:
    """The share of normal distributions in each class of scores, (distributions, classes)."""
    from scipy.special import ndtr

    shares: FloatArray = np.diff(ndtr((EDGES - mean[:, None]) / deviation[:, None]), axis=1)
    return shares
