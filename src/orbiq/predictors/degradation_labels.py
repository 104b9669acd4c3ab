"""What the degradation regressors learn to tell, and what each degradation makes of it: known answers, by formula.

Levels and noise are in DN of a range 0 … 255, to which the network's input is scaled. Lengths are in pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import hypot, pi, sqrt

import numpy as np
from scipy import ndimage
from scipy.special import ndtr

from orbiq.arrays import FloatArray, Scene
from orbiq.modifiers.geometry_gsd import Gsd
from orbiq.modifiers.geometry_resampling import keys_cubic
from orbiq.optics import gaussian_kernel, psf_sigma

SHARPEN_SIGMA_PX = 1.0
"""Of the unsharp mask whose amount is told: the default of orbiq's `sharpen`."""
GSD_SIGMA = psf_sigma(0.2)
"""σ of the blur of `gsd:factor=s,back=True`, in new pixels."""
_LINE_PX = 256


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """What is told: its range, cut into `n` intervals, equal in the logarithm where `log`.

    >>> scale = Parameter(low=1.0, high=2.0, n=10)
    >>> scale.interval(np.array([1.0, 1.55, 2.0])).tolist()
    [0.0, 5.0, 9.0]
    >>> round(float(scale.place(np.array(1.55))), 6), round(float(scale.value(np.array(0.55))), 6)
    (0.55, 1.55)
    """

    low: float
    high: float
    n: int
    log: bool = False
    unit: str = ""

    def place(self, values: FloatArray) -> FloatArray:
        """0 at the low end of the range, 1 at the high end; values outside of it are taken to its ends."""
        within = np.clip(values, self.low, self.high)
        low, high, at = (np.log(v) if self.log else np.asarray(v) for v in (self.low, self.high, within))
        return np.asarray((at - low) / (high - low), float)

    def value(self, places: FloatArray) -> FloatArray:
        """The inverse of `place`; places outside 0 … 1 are taken to the ends."""
        at = np.clip(places, 0.0, 1.0)
        if self.log:
            return np.asarray(self.low * (self.high / self.low) ** at, float)
        return np.asarray(self.low + (self.high - self.low) * at, float)

    def interval(self, values: FloatArray) -> FloatArray:
        """The number of the interval that holds each value, 0 … n − 1."""
        return np.asarray(np.minimum((self.place(values) * self.n + 1e-9).astype(int), self.n - 1), float)


PARAMETERS: Mapping[str, Parameter] = {
    "blur": Parameter(low=0.3, high=4.0, n=50, log=True, unit="px"),
    "rer": Parameter(low=0.08, high=2.0, n=40, log=True),
    "noise": Parameter(low=0.3, high=25.0, n=40, log=True, unit="DN"),
    "sharpening": Parameter(low=0.0, high=2.0, n=9),
    "gsd_scale": Parameter(low=1.0, high=2.0, n=10),
}
"""As many intervals as QMRNet has (doi:10.3390/rs15092451), of wider ranges; noise stands for its SNR."""


@dataclass(frozen=True, kw_only=True)
class Degradation:
    """What was done to a sharp and quiet image, in this order.

    `sigma_px` of a Gaussian blur in all, the image's own included; `early_dn` of white noise in all; `gsd_scale` s:
    onto a grid coarser by s and back on the old one, as `gsd:factor=s,back=True` does (1 is not at all); `sharpening`,
    the amount; `late_dn` of white noise more.
    """

    sigma_px: float
    early_dn: float = 0.0
    gsd_scale: float = 1.0
    sharpening: float = 0.0
    late_dn: float = 0.0

    def labels(self) -> dict[str, float]:
        """The value of each of `PARAMETERS`: total blur, RER, total noise, sharpening and scale.

        >>> told = Degradation(sigma_px=3.0, early_dn=3.0, late_dn=4.0).labels()
        >>> told["blur"], told["noise"], round(told["rer"], 4)  # erf(1/(2√2·3)) = 0.1324
        (3.0, 5.0, 0.1324)
        """
        early_dn = self.early_dn * noise_gain(sharpening=self.sharpening, gsd_scale=self.gsd_scale)
        return {
            "blur": self.blur,
            "rer": edge_response(self.blur, sharpening=self.sharpening, gsd_scale=self.gsd_scale),
            "noise": hypot(early_dn, self.late_dn),
            "sharpening": self.sharpening,
            "gsd_scale": self.gsd_scale,
        }

    @property
    def blur(self) -> float:
        """σ of the whole point spread function before sharpening, with that of the coarser grid."""
        return hypot(self.sigma_px, GSD_SIGMA * self.gsd_scale if self.gsd_scale > 1 else 0.0)


def edge_response(sigma_px: float, *, sharpening: float = 0.0, gsd_scale: float = 1.0) -> float:
    """RER = E(½) − E(−½) of a step E seen through a Gaussian of σ and then sharpened by L + a·(L − G∗L).

    (1 + a)·R(σ) − a·R(√(σ² + 1)) with R(σ) = erf(1/(2√2·σ)). Where a grid `gsd_scale` times as coarse was interpolated
    back, E is also the mean over Keys' cubic kernel of that width: that of the edge in all places to the grid.

    >>> round(edge_response(1.0), 4), round(edge_response(1.0, sharpening=1.0), 4)  # 2·0.3829 − 0.2763
    (0.3829, 0.4895)
    """

    def response(sigma: float) -> float:
        if gsd_scale <= 1:
            return float(ndtr(0.5 / sigma) - ndtr(-0.5 / sigma))
        x = (np.arange(-400, 400) + 0.5) / 200
        weight = keys_cubic(x) / 200
        places = x * gsd_scale
        return float(weight @ (ndtr((0.5 - places) / sigma) - ndtr((-0.5 - places) / sigma)))

    blurred = sqrt(sigma_px**2 + SHARPEN_SIGMA_PX**2)
    return (1 + sharpening) * response(sigma_px) - sharpening * response(blurred)


def noise_gain(*, sharpening: float = 0.0, gsd_scale: float = 1.0) -> float:
    """By how much a coarser grid and sharpening change the standard deviation of white noise.

    Sharpening alone: √Σh², h = (1 + a)·δ − a·G. After `gsd:factor=s,back=True` noise is no longer white, and what
    sharpening makes of it follows from the variance of the noise, of its blur, and of their covariance.

    >>> noise_gain()
    1.0
    """
    plain, covariance, blurred = _noise_moments(gsd_scale)
    one = 1 + sharpening
    return sqrt(one**2 * plain - 2 * one * sharpening * covariance + sharpening**2 * blurred)


@lru_cache(maxsize=64)
def _noise_moments(gsd_scale: float) -> tuple[float, float, float]:
    """Of white noise of variance 1 after a coarser grid: variance, covariance with its blur, variance of its blur."""
    kernel = gaussian_kernel(SHARPEN_SIGMA_PX)
    if gsd_scale <= 1:
        return 1.0, float(kernel.max() ** 2), float((kernel**2).sum() ** 2)
    # rows and cols are filtered by the same matrix A: of the unit matrix it makes A·Aᵀ, the covariance along a line
    scene = Scene(array=np.eye(_LINE_PX)[:, :, None])
    line = Gsd(factor=gsd_scale, back=True)(scene, rng=np.random.default_rng(0)).scene.array[..., 0]
    smooth = ndimage.correlate1d(line, kernel, axis=0)
    both = ndimage.correlate1d(smooth, kernel, axis=1)
    inner = slice(_LINE_PX // 8, -_LINE_PX // 8)
    plain, covariance, blurred = (float(np.diagonal(part)[inner].mean()) ** 2 for part in (line, smooth, both))
    return plain, covariance, blurred


def noise_after_blur(noise_dn: float, sigma_px: float) -> float:
    """What a Gaussian point spread function leaves of white noise: σₙ/(2√π·σ) from σ = 1/(2√π) px on."""
    return noise_dn / max(1.0, 2 * sqrt(pi) * sigma_px)
