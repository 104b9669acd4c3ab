"""What is known of one edge once it is measured.

An edge is described along its normal unless said otherwise. Pixel (0, 0) has its centre at row 0, col 0.
"""

from dataclasses import dataclass
from math import cos, pi, radians, sin
from typing import Literal

import numpy as np

from orbiq.arrays import Array, FloatArray

Direction = Literal["x", "y", "other"]
Interval = tuple[float, float]
_NEAR_AXIS_DEG = 15.0
WIDEST_BOX_PX = 1.6
"""The widest box that is fitted: that of a square pixel across its diagonal is 1.41 px wide."""


@dataclass(frozen=True, kw_only=True)
class EdgeShape:
    """A response to a step: box ⊗ Gaussian along the normal, plus a lobe and a skewness, and its share in the result.

    E(x) = (1 + a)·B(x; σ) − a·B(x; ρσ) − κ/6·(z² − 1)·φ(z), where B is the unit step seen through a Gaussian of σ =
    `sigma_px` and a box of `box_px`, a = `lobe`, ρ = `lobe_ratio`, κ = `skew`, z = x/√(σ² + box²/12).
    """

    weight: float
    sigma_px: float
    box_px: float = 0.0
    lobe: float = 0.0
    lobe_ratio: float = 2.0
    skew: float = 0.0

    def mtf(self, cycles_per_px: FloatArray) -> FloatArray:
        """|Fourier transform of dE/dx|, 1 at 0, at frequencies in cycles per pixel of the normal."""
        f = np.asarray(cycles_per_px, float)
        square = 2 * (pi * f) ** 2
        wide = np.exp(-square * (self.sigma_px * self.lobe_ratio) ** 2)
        even = ((1 + self.lobe) * np.exp(-square * self.sigma_px**2) - self.lobe * wide) * np.sinc(self.box_px * f)
        spread = (self.sigma_px**2 + self.box_px**2 / 12) ** 0.5
        odd = self.skew / 6 * (2 * pi * f * spread) ** 3 * np.exp(-square * spread**2)
        return np.asarray(np.hypot(even, odd))


@dataclass(frozen=True, kw_only=True)
class Edge:
    """One edge: sharpness with 95 % intervals, geometry, light, and what speaks against it.

    `rer` in 0 … about 1, higher is sharper; `fwhm_px` in pixels, lower is sharper; `mtf_nyquist` and
    `mtf_half_nyquist`, the MTF at 0.5 and 0.25 cycles per pixel, higher is sharper. All hold along the normal, or along
    rows or columns where `along` says so.
    """

    rer: float
    rer_interval: Interval
    fwhm_px: float
    fwhm_interval: Interval
    mtf_nyquist: float
    mtf_nyquist_interval: Interval
    mtf_half_nyquist: float
    mtf_half_nyquist_interval: Interval
    along: Literal["normal", "row", "column"]
    angle_deg: float
    """Between the edge and the column axis, in (−90, 90]: 0 is a vertical edge, 90 a horizontal one, positive leans
    "/"."""
    normal_deg: float
    """Direction from dark to bright, in (−180, 180]: 0 is towards growing columns, 90 towards growing rows."""
    row: float
    """Of the middle of the edge."""
    col: float
    length_px: float
    curvature_per_px: float
    """1/radius in 1/pixels, positive where the edge bends towards the bright side."""
    contrast: float
    """Bright level minus dark level at the edge, > 0, in the unit of the image."""
    snr: float
    """contrast / noise: a ratio, not decibels; inf without noise."""
    shapes: tuple[EdgeShape, ...]
    """The fitted responses, heaviest first; the scores are their weighted mean."""
    flags: tuple[str, ...] = ()
    """Reasons for caution; see `slanted_edge`."""
    n_pixels: int
    """Pixels that took part."""

    @property
    def direction(self) -> Direction:
        """Where the response runs: "x" along rows, within 15° (a nearly vertical edge), "y" along columns, or
        "other".
        """
        if abs(self.angle_deg) <= _NEAR_AXIS_DEG:
            return "x"
        return "y" if abs(self.angle_deg) >= 90 - _NEAR_AXIS_DEG else "other"

    @property
    def accepted(self) -> bool:
        """Whether no flag speaks against the numbers themselves ("curved", "gradient", … are accounted for)."""
        return not set(self.flags) & REFUSING

    @property
    def sigma_px(self) -> float:
        """σ of the Gaussian of the heaviest shape, in pixels along the normal."""
        return self.shapes[0].sigma_px

    @property
    def box_px(self) -> float:
        """Width of the box of the heaviest shape, in pixels along the normal; 0 is a pure Gaussian."""
        return self.shapes[0].box_px

    def mtf(self, cycles_per_px: FloatArray | float) -> FloatArray:
        """|MTF| at frequencies in cycles per pixel along the line that `along` names; 1 at 0, higher is sharper."""
        f = np.asarray(cycles_per_px, float) * self._stretch
        return np.asarray(sum(shape.weight * shape.mtf(f) for shape in self.shapes))

    def points(self, n: int = 2) -> Array:
        """`n` points along the edge, from end to end: (n, 2) of row, col."""
        v = np.linspace(-0.5, 0.5, n) * self.length_px
        u = self.curvature_per_px / 2 * v**2
        c, s = cos(radians(self.normal_deg)), sin(radians(self.normal_deg))
        return np.stack([self.row + u * s + v * c, self.col + u * c - v * s], axis=1)

    @property
    def _stretch(self) -> float:
        if self.along == "normal":
            return 1.0
        angle = radians(self.angle_deg)
        return 1 / max(abs(cos(angle) if self.along == "row" else sin(angle)), 1e-3)


REFUSING = frozenset({"noisy", "short", "tails", "misfit", "clipped", "coarse", "outliers", "unslanted"})
"""Flags under which an edge is not accepted."""
