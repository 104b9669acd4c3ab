"""Sharpness from one straight edge in an image: RER, FWHM and MTF with intervals, by fitting the edge itself."""

from math import inf, radians, tan
from typing import Any, Literal, get_args

import numpy as np

from orbiq.arrays import Array, BoolArray
from orbiq.errors import ImageError, SettingError
from orbiq.metrics.edge_model import WIDEST_BOX_PX, Edge, EdgeShape
from orbiq.metrics.inputs import refuse_masked

Shape = Literal["auto", "gaussian", "box"]
Along = Literal["normal", "row", "column"]


def slanted_edge(roi: Array, *, mask: BoolArray | None = None, shape: Shape = "auto", along: Along = "normal") -> Edge:
    """The sharpness of the one edge in `roi`, with 95 % intervals.

    A step between two levels, seen through box ⊗ Gaussian, is fitted by least squares to all pixels at once, together
    with the edge's position, angle and curvature and the light along it; light across it, a lobe (overshoot or wide
    tails), a skewness and another width of the box are added where the Bayesian information criterion asks for them.
    With E the response to a step from 0 to 1, E(x₅₀) = 0.5, and x in pixels along the edge's normal:

        RER  = E(x₅₀ + 0.5) − E(x₅₀ − 0.5)    (a Gaussian of σ: erf(1/(2√2·σ)); higher is sharper)
        FWHM = full width at half maximum of dE/dx, in pixels    (2.3548·σ; lower is sharper)
        MTF  = |∫ dE/dx·exp(−2πi·f·x) dx|, 1 at f = 0    (exp(−2π²σ²f²); higher is sharper)

    `roi` (rows, cols) or (rows, cols, 1): real numbers linear in light, of any dtype and unit. `mask` (rows, cols):
    True where valid; what is not may be NaN. `shape` states what is known of the response: "gaussian" (no box), "box"
    (a detector of one pixel along the normal and a Gaussian), or "auto": both, averaged by their evidence, a Gaussian
    nine times as likely before it, or a box of free width, up to 1.6 px, where neither will do. One edge of 48 rows at
    an SNR of 100 cannot tell them apart from σ = 0.6 px on, where it matters little, and only half tells them apart
    between 0.4 and 0.6 px, where their FWHM differ by 1 to 3 %: state the shape where you know it. `along` states all
    results along the rows or columns instead of the normal: there the response is wider by 1/|cos| of the angle between
    that line and the normal.

    The intervals come from the Fisher information and the noise that the fit leaves, and from what is undecided
    between the shapes; noise that neighbouring pixels share (after resampling or lossy compression) widens them. Wild
    pixels (over 4.5 standard deviations, and over 5 % of the step) take no part.

    `flags` that are allowed for: "curved" (sagitta > 0.25 px), "gradient" (light changes by > 2 % of the contrast),
    "overshoot" (> 1 %), "wide tails", "asymmetric", "correlated noise". Flags under which the edge is not `accepted`:
    "noisy" (SNR < 10), "short" (< 12 px), "tails" (less than 2.5 σ + 1 px of ground on a side), "misfit" (> 2 % of the
    contrast is left over, or the box is as wide as it may be: smear), "outliers" (> 5 % of the pixels), "clipped" (one
    side has no noise), "coarse" (whole numbers of fewer than 8 steps), "unslanted" (a sharp edge that keeps to the
    pixel grid).

    Raises ImageError where there is no edge to measure: a constant, noise or a ramp, more than one edge, fewer than
    50 valid pixels, no ground on a side; SettingError for an unknown `shape` or `along`. Sources: ISO 12233:2017
    (what is measured); Leachtenauer et al. 1997, 10.1364/AO.36.008322 (RER); Kay 1993, Fundamentals of Statistical
    Signal Processing I, chapter 3 (information); Burnham and Anderson 2002, 10.1007/b97636 (averaging of models).

    >>> from scipy.special import ndtr
    >>> rows, cols = np.mgrid[:32, :32]
    >>> edge = slanted_edge(ndtr(cols - 15.5 + 0.1 * (rows - 15.5)))  # σ = 1 along the row
    >>> round(edge.fwhm_px, 4), round(2.3548 * 100**0.5 / 101**0.5, 4)
    (2.3431, 2.3431)
    >>> edge.direction, round(edge.angle_deg, 2)
    ('x', 5.71)
    """
    which, line = _place(shape, Shape, "shape"), _place(along, Along, "along")
    refuse_masked(roi, "roi")
    values, valid = _checked(np.asarray(roi), mask)
    from orbiq.metrics import edge_kernel as kernel

    out = np.zeros(1, kernel.EDGE)
    windows, frames = np.array([[0, 0, *values.shape]]), np.full((1, 3), np.nan)
    kernel.measure_edges(values, valid, windows, frames, np.array([inf, inf]), which, line, out)
    status = int(out[0]["status"])
    if status != kernel.FOUND:
        raise ImageError(f"roi of {values.shape} (rows, cols) {_REFUSALS[status].format(n=out[0]['n_pixels'])}")
    return edge_from(out[0], along=along)


_REFUSALS = {
    1: "has {n} valid pixels; expected at least 50: take a larger one",
    2: "is constant; expected one edge between a dark and a bright side",
    3: "shows no edge above its noise; take one with more contrast, or a larger one",
    4: "ends too close to its edge; expected flat ground on both sides: take a larger one",
    5: "holds more than one straight edge; cut out one",
}
"""What became of a window, by `edge_kernel`'s status."""


def _place(word: str, words: Any, name: str) -> int:
    known = get_args(words)
    if word not in known:
        raise SettingError(f"{name} is {word!r}; expected one of {', '.join(known)}")
    return known.index(word)


def _checked(roi: Array, mask: BoolArray | None) -> tuple[Array, BoolArray]:
    """(rows, cols) as float64, and where it counts."""
    if np.iscomplexobj(roi) or roi.dtype.kind not in "buif":
        raise ImageError(f"roi has dtype {roi.dtype}; expected real numbers")
    values = roi[..., 0] if roi.ndim == 3 and roi.shape[2] == 1 else roi
    if values.ndim != 2:
        raise ImageError(f"roi has shape {roi.shape}; expected (rows, cols), one band: choose it by image[..., band]")
    if mask is not None and mask.shape != values.shape:
        raise ImageError(f"mask is {mask.shape} but the roi is {values.shape} (rows, cols); make them agree")
    valid = np.ones(values.shape, bool) if mask is None else np.ascontiguousarray(mask, bool)
    if not valid.any():
        raise ImageError("mask of the roi is empty: no pixel takes part; expected True where the roi is valid")
    values = values.astype(np.float64, order="C")  # the loops are compiled for this order
    if not np.isfinite(values[valid]).all():
        raise ImageError("roi holds NaN or infinite values; mask them out: mask=np.isfinite(roi)")
    return values, valid


def edge_from(record: Any, *, along: Along = "normal") -> Edge:
    """The edge of one record of `orbiq.metrics.edge_kernel.EDGE`, as `measure_edges` was asked for by `along`."""
    normal = 180 - (180 - record["normal_deg"]) % 360
    ends = [(float(low), float(high)) for low, high in zip(record["low"], record["high"], strict=True)]
    scores = [float(score) for score in record["scores"]]
    noise, contrast = float(record["noise"]), float(record["contrast"])
    return Edge(
        rer=scores[0],
        rer_interval=ends[0],
        fwhm_px=scores[1],
        fwhm_interval=ends[1],
        mtf_nyquist=scores[2],
        mtf_nyquist_interval=ends[2],
        mtf_half_nyquist=scores[3],
        mtf_half_nyquist_interval=ends[3],
        along=along,
        angle_deg=float(90 - (90 - normal) % 180),
        normal_deg=float(normal),
        row=float(record["row"]),
        col=float(record["col"]),
        length_px=float(record["length_px"]),
        curvature_per_px=float(record["curvature_per_px"]),
        contrast=contrast,
        snr=contrast / noise if noise else inf,
        shapes=_shapes(record),
        flags=_flags(record),
        n_pixels=int(record["n_pixels"]),
    )


def _shapes(record: Any) -> tuple[EdgeShape, ...]:
    weights = (1 - float(record["box_weight"]), float(record["box_weight"]))
    both = [
        EdgeShape(
            weight=weight,
            sigma_px=float(values[0]),
            box_px=float(values[1]),
            lobe=float(values[2]),
            lobe_ratio=float(values[3]),
            skew=float(values[4]),
        )
        for weight, values in zip(weights, record["shapes"], strict=True)
        if weight > 0
    ]
    return tuple(sorted(both, key=lambda shape: -shape.weight))


def _flags(record: Any) -> tuple[str, ...]:
    length, best = float(record["length_px"]), record["shapes"][int(record["box_weight"] > 0.5)]
    spread = float(np.sqrt(best[0] ** 2 + best[1] ** 2 / 12))
    off_axis = abs((float(record["normal_deg"]) + 45) % 90 - 45)
    found = {
        "curved": abs(record["curvature_per_px"]) * length**2 / 8 > 0.25,
        "gradient": record["light"] > 0.02,
        "overshoot": record["overshoot"] > 0.01,
        "wide tails": best[2] < -0.02,
        "asymmetric": abs(best[4]) > 0.1,
        "noisy": record["contrast"] < 10 * record["noise"],
        "short": length < 12,
        "tails": record["sides_px"] < 2.5 * spread + 1,
        "outliers": record["outliers"] > 0.05,
        "clipped": record["clipped"] > 0.5,
        "coarse": record["coarse"] > 1 / 8,
        "correlated noise": record["sharing"] > 1.5,
        # a box at its limit stands for a wider one, whose edge the lobe then imitates
        "misfit": record["misfit"] > 0.02 or best[1] >= WIDEST_BOX_PX,
        "unslanted": spread < 0.8 and length * tan(radians(off_axis)) < 1,
    }
    return tuple(name for name, holds in found.items() if holds)
