"""Settings that may differ by band: one number for all, or a list with one for each.

In a sweep a list is the values to try, so that one for the bands is written in another: mtf: {nyquist: [[0.30, 0.28]]}.
"""

from collections.abc import Callable
from math import inf

import numpy as np

from orbiq.arrays import FloatArray
from orbiq.errors import SettingError

PerBand = float | tuple[float, ...]


def for_bands(value: PerBand, n_bands: int, setting: str) -> FloatArray:
    """The setting of each band.

    >>> for_bands(0.3, 2, "mtf:nyquist").tolist()
    [0.3, 0.3]
    """
    values = np.asarray(value, float)
    if values.ndim and values.size != n_bands:
        raise SettingError(
            f"{setting} has {values.size} values and the image {n_bands} bands; expected one, or one each"
        )
    return np.broadcast_to(values, (n_bands,))


def check_each(value: PerBand | None, check: Callable[[float], None], setting: str) -> None:
    """Check every number of a setting; SettingError where there is none in the list, or something else."""
    for number in value if isinstance(value, tuple) else () if value is None else (value,):
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise SettingError(f"{setting} is {value}; expected a number, or a list with one for each band")
        check(number)
    if value == ():
        raise SettingError(f"{setting} is an empty list; expected a number, or a list with one for each band")


def between_0_and_1(setting: str, value: float) -> None:
    """SettingError for an MTF that cannot be."""
    if not 0 < value <= 1:
        raise SettingError(f"{setting} is {value}; expected more than 0, at most 1, for example 0.2")


def above_0(setting: str, value: float) -> None:
    """SettingError for what must be a finite number above 0."""
    if not 0 < value < inf:
        raise SettingError(f"{setting} is {value}; expected a finite number above 0, for example 50")
