"""The scale on which edges are compared, and their directions, for many edges at once.

The bent RER, y = −ln(−ln(1 − RER)), grows with the blur, nearly in proportion to ln σ, and its errors are nearly
normal.
"""

import numpy as np

from orbiq.arrays import Array, FloatArray

Z95 = 1.959963984540054


def bent(rer: FloatArray) -> FloatArray:
    """RER on the bent scale; NaN outside 0 … 1.

    >>> bent(np.array([1 - np.exp(-1), 1.5])).round(9).tolist()
    [-0.0, nan]
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        y = -np.log(-np.log(1 - np.asarray(rer, float)))
    return np.asarray(np.where(np.isfinite(y), y, np.nan))


def unbent(y: FloatArray | float) -> FloatArray:
    """The inverse of `bent`."""
    return np.asarray(1 - np.exp(-np.exp(-np.asarray(y, float))))


def ln_sigma(y: FloatArray | float) -> FloatArray:
    """The ln σ of the Gaussian, in pixels, whose bent RER is y.

    >>> float(ln_sigma(bent(np.array(0.6826894921))).round(6)) == round(float(np.log(0.5)), 6)
    True
    """
    from scipy.special import erfinv

    return np.asarray(np.log(0.5 / (np.sqrt(2) * erfinv(unbent(y)))))


def errors(fits: Array) -> FloatArray:
    """Standard error of the bent RER of fits (`edge_kernel.EDGE`) by their own intervals."""
    return np.asarray(np.abs(bent(fits["high"][:, 0]) - bent(fits["low"][:, 0])) / (2 * Z95))


def directions(fits: Array) -> Array:
    """As `Edge.direction`: "x" where the normal lies within 15° of the rows' direction, "y" of the columns', else
    "other".
    """
    off = np.abs((fits["normal_deg"] + 90) % 180 - 90)
    return np.where(off <= 15, "x", np.where(off >= 75, "y", "other"))
