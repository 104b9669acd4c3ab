"""Weighted sums of rows, compiled. Imported on use, because numba takes a moment."""

from numba import njit

from orbiq.arrays import Array

_compiled = njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def sums_of_rows(source: Array, places: Array, weights: Array, out: Array) -> None:
    """`out`[k] = Σ weights[k, t] · source[places[k, t]], four terms at a time: whole rows are vectors.

    `source` (n, m), `weights` (rows, taps), `out` (rows, m) of one float type, `places` (rows, taps) int64.
    """
    n_rows, n_taps = weights.shape
    length = source.shape[1]
    for k in range(n_rows):
        row = out[k]
        row[:] = 0
        whole = n_taps - n_taps % 4
        for t in range(0, whole, 4):
            a, b = source[places[k, t]], source[places[k, t + 1]]
            c, d = source[places[k, t + 2]], source[places[k, t + 3]]
            wa, wb, wc, wd = weights[k, t], weights[k, t + 1], weights[k, t + 2], weights[k, t + 3]
            for j in range(length):
                row[j] += wa * a[j] + wb * b[j] + wc * c[j] + wd * d[j]
        for t in range(whole, n_taps):
            a, wa = source[places[k, t]], weights[k, t]
            for j in range(length):
                row[j] += wa * a[j]
