"""The loop over pixels of `orbiq.metrics.phase`, compiled."""

from typing import Any

import numpy as np
from numba import njit

from orbiq.arrays import FloatArray

_compiled = njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
_FLOOR = 1e-4  # Kovesi's, beside the length of a mean response that may be 0


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def add_energy(responses: Any, noise: float, energy: FloatArray, amplitude: FloatArray) -> None:
    """Adds what one orientation has, of complex `responses` (scales, pixels): energy beyond `noise`, and amplitudes."""
    for n in range(energy.size):
        even, odd, total = 0.0, 0.0, 0.0
        for s in range(responses.shape[0]):
            e, o = responses[s, n].real, responses[s, n].imag
            even += e
            odd += o
            total += np.sqrt(e * e + o * o)
        length = np.sqrt(even * even + odd * odd) + _FLOOR
        even /= length
        odd /= length
        found = 0.0
        for s in range(responses.shape[0]):
            e, o = responses[s, n].real, responses[s, n].imag
            found += e * even + o * odd - abs(e * odd - o * even)
        energy[n] += max(found - noise, 0.0)
        amplitude[n] += total
