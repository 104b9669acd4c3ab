"""Weighted local means, variances and covariance of two images under a separable symmetric window, compiled.

Imported on use, because numba takes a moment. Images are float64 (rows, cols), both contiguous, no NaN. A window is
its `taps` (k,): symmetric, the same along rows and cols, at most 129; only whole windows count, so results are
(rows − k + 1, cols − k + 1) and lie half a window inside. Images are at least as large as the window.

    taps = gaussian_taps(11, 1.5)                                # orbiq.metrics.windows
    mean_x, mean_y, var_x, var_y, cov = local_moments(x, y, taps, 0.0)
    similarity_maps(x, y, taps, c1, c2, 1.0, similarity_ring(11), ssim, contrast_structure)

Rows of products stream through a ring of k rows, in strips that stay in the processor's cache: a window costs 2·k
taps instead of k², and nothing of the size of the image is held but the result.
"""

import numpy as np
from numba import njit

from orbiq.arrays import FloatArray

_PITCH = 648
"""Cols of a strip in the ring. A constant: only so does the compiler see that the taps may be loaded as vectors."""
_compiled = njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def local_moments(x: FloatArray, y: FloatArray, taps: FloatArray, pivot: float) -> FloatArray:
    """(5, rows − k + 1, cols − k + 1): mean x, mean y, variance x, variance y, covariance, weighted by the window.

    Variances are E[v²] − E[v]² of v − `pivot`, a number near the values where these are large and vary little, and
    never below 0.
    """
    size = taps.size
    rows, cols = x.shape[0] - size + 1, x.shape[1] - size + 1
    out = np.empty((5, rows, cols))
    ring = np.empty((5, 2 * size * _PITCH))
    tmp = np.empty(_PITCH)
    means = np.empty((5, _PITCH))
    step = _PITCH - size + 1
    for first in range(0, cols, step):
        n = min(step, cols - first)
        stop = first + n + size - 1
        for r in range(rows + size - 1):
            for turn in range(2):
                _put_five(x[r, first:stop], y[r, first:stop], pivot, ring, (r % size + turn * size) * _PITCH)
            if r >= size - 1:
                for q in range(5):
                    _window_means(ring[q, (r + 1) % size * _PITCH :], taps, tmp, means[q, :n])
                _centre(means, pivot, out[:, r - size + 1], first, n)
    return out


def similarity_ring(size: int) -> FloatArray:
    """Working memory of `similarity_maps` for `size` taps, whatever the image."""
    return np.empty((4, 2 * size * _PITCH))


@_compiled  # type: ignore[untyped-decorator]
def similarity_maps(
    x: FloatArray,
    y: FloatArray,
    taps: FloatArray,
    c1: float,
    c2: float,
    correction: float,
    ring: FloatArray,
    ssim: FloatArray,
    contrast: FloatArray,
) -> None:
    """SSIM, and its factor without the means, contrast·structure, written into two arrays (rows − k + 1, cols − k + 1).

    contrast·structure = (2·cov + c2) / (var x + var y + c2), with (co)variances times `correction`, and
    SSIM = contrast·structure · (2·mean x·mean y + c1) / (mean x² + mean y² + c1).
    """
    size = taps.size
    rows, cols = ssim.shape
    tmp = np.empty(_PITCH)
    means = np.empty((4, _PITCH))
    step = _PITCH - size + 1
    for first in range(0, cols, step):
        n = min(step, cols - first)
        stop = first + n + size - 1
        for r in range(rows + size - 1):
            # every row twice, k rows apart: so k rows in their order always follow each other
            for turn in range(2):
                _put_four(x[r, first:stop], y[r, first:stop], ring, (r % size + turn * size) * _PITCH)
            if r >= size - 1:
                for q in range(4):
                    _window_means(ring[q, (r + 1) % size * _PITCH :], taps, tmp, means[q, :n])
                top = r - size + 1
                _compare(means, c1, c2, correction, ssim[top, first : first + n], contrast[top, first : first + n])


@_compiled  # type: ignore[untyped-decorator]
def _put_four(x: FloatArray, y: FloatArray, ring: FloatArray, at: int) -> None:
    sx, sy, squares, product = ring[0, at:], ring[1, at:], ring[2, at:], ring[3, at:]
    for c in range(x.size):
        a, b = x[c], y[c]
        sx[c] = a
        sy[c] = b
        squares[c] = a * a + b * b
        product[c] = a * b


@_compiled  # type: ignore[untyped-decorator]
def _put_five(x: FloatArray, y: FloatArray, pivot: float, ring: FloatArray, at: int) -> None:
    sx, sy, sxx, syy, sxy = ring[0, at:], ring[1, at:], ring[2, at:], ring[3, at:], ring[4, at:]
    for c in range(x.size):
        a, b = x[c] - pivot, y[c] - pivot
        sx[c] = a
        sy[c] = b
        sxx[c] = a * a
        syy[c] = b * b
        sxy[c] = a * b


@_compiled  # type: ignore[untyped-decorator]
def _window_means(rows: FloatArray, taps: FloatArray, tmp: FloatArray, out: FloatArray) -> None:
    """A row of window means from the k rows of the ring that begin with `rows`: down the cols, then along the row."""
    wide = out.size + taps.size - 1
    if taps.size == 11:
        _down_11(rows, taps, tmp, wide)
        _along_11(tmp, taps, out)
    else:
        _down(rows, taps, tmp, wide)
        _along(tmp, taps, out)


@_compiled  # type: ignore[untyped-decorator]
def _down_11(v: FloatArray, taps: FloatArray, out: FloatArray, n: int) -> None:
    a, b, d, e, f, g = taps[0], taps[1], taps[2], taps[3], taps[4], taps[5]
    p = _PITCH
    for c in range(n):
        out[c] = (
            a * (v[c] + v[c + 10 * p])
            + b * (v[c + p] + v[c + 9 * p])
            + d * (v[c + 2 * p] + v[c + 8 * p])
            + e * (v[c + 3 * p] + v[c + 7 * p])
            + f * (v[c + 4 * p] + v[c + 6 * p])
            + g * v[c + 5 * p]
        )


@_compiled  # type: ignore[untyped-decorator]
def _along_11(v: FloatArray, taps: FloatArray, out: FloatArray) -> None:
    a, b, d, e, f, g = taps[0], taps[1], taps[2], taps[3], taps[4], taps[5]
    for c in range(out.size):
        out[c] = (
            a * (v[c] + v[c + 10])
            + b * (v[c + 1] + v[c + 9])
            + d * (v[c + 2] + v[c + 8])
            + e * (v[c + 3] + v[c + 7])
            + f * (v[c + 4] + v[c + 6])
            + g * v[c + 5]
        )


@_compiled  # type: ignore[untyped-decorator]
def _down(v: FloatArray, taps: FloatArray, out: FloatArray, n: int) -> None:
    out[:n] = 0.0
    for j in range((taps.size + 1) // 2):
        other = taps.size - 1 - j
        # the middle one of an odd number would count twice
        weight = taps[j] if j < other else taps[j] / 2
        upper, lower = v[j * _PITCH :], v[other * _PITCH :]
        for c in range(n):
            out[c] += weight * (upper[c] + lower[c])


@_compiled  # type: ignore[untyped-decorator]
def _along(v: FloatArray, taps: FloatArray, out: FloatArray) -> None:
    out[:] = 0.0
    for j in range((taps.size + 1) // 2):
        other = taps.size - 1 - j
        weight = taps[j] if j < other else taps[j] / 2
        left, right = v[j:], v[other:]
        for c in range(out.size):
            out[c] += weight * (left[c] + right[c])


@_compiled  # type: ignore[untyped-decorator]
def _centre(means: FloatArray, pivot: float, out: FloatArray, first: int, n: int) -> None:
    """From means of products to variances, into cols of a row of `out`."""
    sx, sy, sxx, syy, sxy = means[0], means[1], means[2], means[3], means[4]
    for c in range(n):
        a, b = sx[c], sy[c]
        sxx[c] = max(sxx[c] - a * a, 0.0)
        syy[c] = max(syy[c] - b * b, 0.0)
        sxy[c] -= a * b
        sx[c] = a + pivot
        sy[c] = b + pivot
    out[:, first : first + n] = means[:, :n]


@_compiled  # type: ignore[untyped-decorator]
def _compare(
    means: FloatArray, c1: float, c2: float, correction: float, ssim: FloatArray, contrast: FloatArray
) -> None:
    mean_x, mean_y, squares, product = means[0], means[1], means[2], means[3]
    for c in range(ssim.size):
        ab = mean_x[c] * mean_y[c]
        aabb = mean_x[c] * mean_x[c] + mean_y[c] * mean_y[c]
        cov, var = correction * (product[c] - ab), correction * (squares[c] - aabb)
        contrast[c] = (2 * cov + c2) / (var + c2)
        ssim[c] = contrast[c] * ((2 * ab + c1) / (aabb + c1))
