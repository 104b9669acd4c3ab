"""Phase congruency: where the Fourier components of an image agree in phase, whatever the contrast.

A bank of log-Gabor filters, 4 scales by 4 orientations, over the image as a whole, which repeats at its borders. Kovesi
1999, "Image features from phase congruency", Videre 1(3), with the constants of FSIM (doi:10.1109/TIP.2011.2109730):
wavelengths 6, 12, 24 and 48 px, σ on frequency 0.55, angular spread π/4/1.2, k = 2, no weight for frequency spread.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import log, pi, sqrt

import numpy as np

from orbiq.arrays import FloatArray

_SCALES, _ORIENTATIONS = 4, 4
_SHORTEST_PX, _TIMES = 6.0, 2.0
_SIGMA_ON_F = 0.55
_SPREAD_RAD = pi / _ORIENTATIONS / 1.2
_CUTOFF, _ORDER = 0.45, 15  # of the low pass that takes the corners of the spectrum away
_K = 2.0
_NOISE_SHARE = 1 / 1.7  # Kovesi's empirical factor


@dataclass(frozen=True, eq=False, kw_only=True)
class Bank:
    """`radial` (scales, rows, cols) and `angular` (orientations, rows, cols): a filter is the product of two.

    `finest` (orientations,) is the sum of squares of the filter of the finest scale; `noise` what white noise of unit
    power in it puts into the energy squared.
    """

    radial: FloatArray
    angular: FloatArray
    finest: FloatArray
    noise: FloatArray


def phase_congruency(image: FloatArray) -> FloatArray:
    """Phase congruency (rows, cols) of an image (rows, cols) on a scale of 255: [0, 1], 0 where nothing is.

    Energy beyond what noise would give, over the sum of amplitudes, both summed over orientations. Noise is estimated
    from the median response of the finest filters.

    >>> float(phase_congruency(np.zeros((8, 8))).max())
    0.0
    """
    # scipy.fft and numba take a moment to import
    from scipy.fft import fft2, ifft2

    from orbiq.metrics.phase_kernel import add_energy

    filters = bank(*image.shape)
    spectrum = fft2(image)
    energy, amplitude = np.zeros(image.size), np.zeros(image.size)
    for k in range(_ORIENTATIONS):
        responses = ifft2(spectrum * filters.angular[k] * filters.radial, overwrite_x=True)
        finest = responses[0]
        median = float(np.median(finest.real**2 + finest.imag**2))
        threshold = _threshold(median / log(2) / filters.finest[k] * filters.noise[k])
        add_energy(responses.reshape(_SCALES, -1), threshold, energy, amplitude)
    # an image without structure leaves rounding errors, which agree in nothing
    congruency = np.divide(energy, amplitude, out=np.zeros(image.size), where=amplitude > 0)
    return congruency.reshape(image.shape)


@lru_cache(maxsize=2)
def bank(rows: int, cols: int) -> Bank:
    """The filters for images of a size."""
    down, right = np.meshgrid(_frequencies(rows), _frequencies(cols), indexing="ij")
    frequency = np.hypot(down, right)
    angle = np.arctan2(-down, right)
    low_pass = 1 / (1 + (frequency / _CUTOFF) ** (2 * _ORDER))
    frequency[0, 0] = 1.0
    radial = np.stack([low_pass * _log_gabor(frequency, _SHORTEST_PX * _TIMES**s) for s in range(_SCALES)])
    radial[:, 0, 0] = 0.0
    angular = np.stack([_angular(angle, k * pi / _ORIENTATIONS) for k in range(_ORIENTATIONS)])
    finest = np.array([np.sum((radial[0] * a) ** 2) for a in angular])
    return Bank(radial=radial, angular=angular, finest=finest, noise=np.array([_noise(radial, a) for a in angular]))


def _frequencies(n: int) -> FloatArray:
    """In cycles per pixel, in the order of the Fourier transform; of an odd number both ends are the Nyquist's."""
    if n % 2:
        return np.asarray(np.fft.ifftshift(np.arange(-(n - 1) // 2, (n + 1) // 2) / (n - 1)), float)
    return np.asarray(np.fft.fftfreq(n), float)


def _log_gabor(frequency: FloatArray, wavelength_px: float) -> FloatArray:
    return np.asarray(np.exp(-(np.log(frequency * wavelength_px) ** 2) / (2 * log(_SIGMA_ON_F) ** 2)))


def _angular(angle: FloatArray, centre: float) -> FloatArray:
    away = np.abs((angle - centre + pi) % (2 * pi) - pi)
    return np.asarray(np.exp(-(away**2) / (2 * _SPREAD_RAD**2)))


def _noise(radial: FloatArray, angular: FloatArray) -> float:
    """2·Σₛ Σₓ hₛ² + 4·Σ_{s<t} Σₓ hₛ·hₜ of the even impulse responses h, from their spectra by Parseval."""
    mirrored = np.roll(angular[::-1, ::-1], 1, axis=(0, 1))
    spectra = (radial * ((angular + mirrored) / 2)).reshape(_SCALES, -1)
    return 2 * float(np.sum(spectra.sum(axis=0) ** 2))


def _threshold(power: float) -> float:
    """Mean of Rayleigh's distribution of the energy of noise, and k standard deviations more."""
    tau = sqrt(power / 2)
    return (tau * sqrt(pi / 2) + _K * tau * sqrt(2 - pi / 2)) * _NOISE_SHARE
