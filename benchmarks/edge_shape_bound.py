"""What no estimator of a single edge can do: tell a Gaussian from a box ⊗ Gaussian below 0.6 px.

    python benchmarks/edge_shape_bound.py

For a true response the other shape that looks most like it is found (48 rows, SNR 100; width, position and levels
free): χ² says how far apart the two lie in noise, d = √χ². They differ in FWHM by Δ. Whoever is not told the shape sees
the log likelihood ratio, N(±d²/2, d²), and a width with the standard error s of the Cramér–Rao bound; all that is left
is where between the two to put the answer. The place that covers both best gives the smallest 95th percentile of
|error| over both shapes, evenly weighted; the worse of the two cannot have a smaller one.
Prints it and writes results/edge_shape_bound.json.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, minimize
from scipy.special import ndtr
from scipy.stats import norm

Field = npt.NDArray[np.float64]
Response = Callable[[float], Field]

ROWS, NOISE = 48, 0.01
X = np.linspace(-12, 12, 24001)


def gaussian(sigma: float) -> Field:
    return np.asarray(ndtr(X / sigma))


def box(sigma: float) -> Field:
    """A box of one pixel and a Gaussian: the difference of two integrals of Φ."""
    left, right = (X + 0.5) / sigma, (X - 0.5) / sigma
    integrals = [z * ndtr(z) + norm.pdf(z) for z in (left, right)]
    return np.asarray(sigma * (integrals[0] - integrals[1]))


def gaussian_fwhm(sigma: float) -> float:
    return 2.354820045 * sigma


def box_fwhm(sigma: float) -> float:
    def above_half(u: float) -> float:
        line = ndtr((np.array([u, 0]) + 0.5) / sigma) - ndtr((np.array([u, 0]) - 0.5) / sigma)
        return float(line[0] - line[1] / 2)

    return float(2 * brentq(above_half, 0, 5))


def look_alike(true: Field, other: Response, start: float) -> tuple[float, float]:
    """(width of the other shape, χ²) that comes closest."""

    def chi2(p: Field) -> float:
        left = p[1] + p[2] * other(abs(p[0])) - true
        return float(ROWS * (X[1] - X[0]) * (left @ left) / NOISE**2)

    options = {"xatol": 1e-8, "fatol": 1e-10, "maxiter": 4000}
    best = minimize(chi2, [start, 0, 1], method="Nelder-Mead", options=options)
    return abs(float(best.x[0])), float(best.fun)


def smallest_p95(d: float, apart: float, error: float) -> float:
    """The least t so that |error| ≤ t in 95 % of all cases, half of them of either shape; all in %."""
    ratio, place = np.linspace(-8, 8, 1601) * d, np.linspace(0, apart, 121)
    here, there = norm.pdf(ratio, -d * d / 2, d), norm.pdf(ratio, d * d / 2, d)

    def covered(t: float) -> float:
        first = norm.cdf((t - place) / error) - norm.cdf((-t - place) / error)
        second = norm.cdf((t - place + apart) / error) - norm.cdf((-t - place + apart) / error)
        best = (here[:, None] * first + there[:, None] * second).max(axis=1)
        return float((ratio[1] - ratio[0]) * best.sum() / 2 - 0.95)

    return float(brentq(covered, 0.01, 20))


def main() -> None:
    table: list[dict[str, Any]] = []
    for sigma in (0.4, 0.45, 0.5, 0.55):
        twin, chi2 = look_alike(box(sigma), gaussian, float(np.hypot(sigma, 0.29)))
        pairs = [("box ⊗ Gaussian", twin, chi2, box_fwhm(sigma), gaussian_fwhm(twin), twin)]
        twin, chi2 = look_alike(gaussian(sigma), box, float(np.sqrt(max(sigma**2 - 0.083, 0.01))))
        pairs += [("Gaussian", twin, chi2, gaussian_fwhm(sigma), box_fwhm(twin), sigma)]
        for shape, twin, chi2, own, others, spread in pairs:
            apart, error = 100 * abs(others / own - 1), 100 * NOISE / np.sqrt(0.141 * ROWS * spread)
            row = {"true": shape, "sigma_px": sigma, "twin_sigma_px": round(twin, 3), "chi2": round(chi2, 2)}
            row |= {"fwhm_apart_percent": round(apart, 2), "fwhm_error_percent": round(float(error), 2)}
            row |= {"smallest_p95_percent": round(smallest_p95(chi2**0.5, apart, float(error)), 2)}
            table.append(row)
            print(row)
    (Path(__file__).parent / "results" / "edge_shape_bound.json").write_text(
        json.dumps(table, indent=1, ensure_ascii=False) + "\n"
    )


if __name__ == "__main__":
    main()
