"""Noise added to samples of 8 bits, compiled. Imported on use, because numba takes a moment."""

import numpy as np
from numba import njit

from orbiq.arrays import Array

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def looked_up(table: Array, places: Array, out: Array) -> None:
    """`out` = table[places]: float32 by uint16, twice as fast as NumPy, which checks every place."""
    for k in range(places.size):
        out[k] = table[places[k]]


@_compiled  # type: ignore[untyped-decorator]
def rounded_sum(samples: Array, noise: Array, strength: np.float32, high: np.float32, out: Array) -> None:
    """`out` = samples + strength·noise, rounded half to even and clipped to 0…high: (n,) uint8, float32, uint8."""
    for k in range(samples.size):
        value = np.rint(np.float32(samples[k]) + strength * noise[k])
        out[k] = np.uint8(min(max(value, np.float32(0)), high))
