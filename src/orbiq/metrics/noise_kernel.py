"""The inner loops of the original's two methods of measuring SNR, compiled. Import on use: numba takes a moment.

Images (rows, cols, bands) come in their own dtype: to convert them first would take longer than the loops.
"""

import numpy as np
from numba import njit

from orbiq.arrays import Array, BoolArray, FloatArray

_compiled = njit(cache=True, nogil=True, error_model="numpy")
Core = tuple[int, int, int, int]
"""Where a core begins, its rows and its cols."""


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def count_values(values: Array, first: int, counts: Array) -> bool:
    """How often each whole number from `first` on occurs in each band, added to `counts` (tables, bands, numbers).

    The tables take turns from pixel to pixel, for a processor waits before it counts the same number again. False, and
    half done, where a value is not whole.
    """
    rows, cols, bands = values.shape
    mask = counts.shape[0] - 1  # the number of tables is a power of 2
    for r in range(rows):
        for k in range(bands):
            for c in range(cols):
                value = values[r, c, k]
                place = int(value) - first
                if place + first != value:
                    return False
                counts[c & mask, k, place] += 1
    return True


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def block_spreads(
    values: Array, band: int, core: Core, size: int, stride: int, level: float, half_width: float
) -> FloatArray:
    """Standard deviation, with n − 1, of each block of `size` whose mean lies at `level`.

    Blocks begin at every `stride`-th place of the `core`, as far as they fit into `values`; those that hold a 0 do not
    count. At the level: the mean rounds to it (halves to even) where `half_width` is 0, else it lies within
    `half_width` of it.
    """
    rows, cols = values.shape[0], values.shape[1]
    n = size * size
    first_row, first_col, height, width = core
    found = np.empty(((height + stride - 1) // stride) * ((width + stride - 1) // stride))
    n_found = 0
    sums = np.empty(cols)
    reach = max(half_width, 0.5) * n + 1e-6 * n * abs(level)
    for top in range(first_row, min(first_row + height, rows - size + 1), stride):
        _column_sums(values, band, top, size, level, sums)
        for left in range(first_col, min(first_col + width, cols - size + 1), stride):
            total = 0.0
            for c in range(left, left + size):
                total += sums[c]
            if abs(total) > reach:
                continue
            mean = total / n
            at_level = np.rint((total + level * n) / n) == level if half_width == 0 else abs(mean) <= half_width
            if at_level and not _holds_zero(values, band, top, left, size):
                found[n_found] = _spread(values, band, top, left, size, level + mean)
                n_found += 1
    return found[:n_found]


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def flat_spreads(
    values: Array,
    band: int,
    mask: BoolArray,
    core: Core,
    size: int,
    stride: int,
    level: float,
    dn: float,
    circle: FloatArray,
    threshold: float,
    n_wanted: int,
) -> tuple[int, FloatArray]:
    """How many patches are flat, counted up to `n_wanted`, and the spread of the flat ones whose mean is at the level.

    Places as in `block_spreads`. At the level: the mean lies within level … level + `dn`, and no
    pixel is 0. A patch is flat when the share of its flat pixels is at least `threshold` and below 1. `circle` as
    `orbiq.metrics.noise_area.circle_of` makes it; outside of `values` there is 0.
    """
    rows, cols = values.shape[0], values.shape[1]
    first_row, first_col, height, width = core
    found = np.empty(((height + stride - 1) // stride) * ((width + stride - 1) // stride))
    n_found = n_flat = 0
    sums = np.empty(cols)
    for top in range(first_row, min(first_row + height, rows - size + 1), stride):
        _column_sums(values, band, top, size, level, sums)
        for left in range(first_col, min(first_col + width, cols - size + 1), stride):
            total = 0.0
            for c in range(left, left + size):
                total += sums[c]
            mean = total / (size * size)
            at_level = 0 <= mean < dn
            if not (at_level or n_flat < n_wanted) or _masked(mask, top, left, size):
                continue
            share = _flat_share(values, band, top, left, size, circle)
            if threshold <= share < 1:
                n_flat += 1
                if at_level and not _holds_zero(values, band, top, left, size):
                    found[n_found] = _spread(values, band, top, left, size, level + mean)
                    n_found += 1
    return min(n_flat, n_wanted), found[:n_found]


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _column_sums(values: Array, band: int, top: int, size: int, level: float, sums: FloatArray) -> None:
    """Of value − `level` over `size` rows from `top` on: near the level nothing is lost."""
    for c in range(sums.size):
        sums[c] = values[top, c, band] - level
    for r in range(top + 1, top + size):
        for c in range(sums.size):
            sums[c] += values[r, c, band] - level


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _holds_zero(values: Array, band: int, top: int, left: int, size: int) -> bool:
    for r in range(top, top + size):
        for c in range(left, left + size):
            if values[r, c, band] == 0:
                return True
    return False


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _masked(mask: BoolArray, top: int, left: int, size: int) -> bool:
    for r in range(top, top + size):
        for c in range(left, left + size):
            if not mask[r, c]:
                return True
    return False


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _spread(values: Array, band: int, top: int, left: int, size: int, mean: float) -> float:
    total = 0.0
    for r in range(top, top + size):
        for c in range(left, left + size):
            total += (values[r, c, band] - mean) ** 2
    return float(np.sqrt(total / (size * size - 1)))


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _flat_share(values: Array, band: int, top: int, left: int, size: int, circle: FloatArray) -> float:
    """The share of pixels of a patch whose local binary pattern is that of a flat surface, a spot, or of no shape."""
    n_flat = 0
    n_points = circle.shape[0]
    radius = n_points // 8
    side = size + 2 * radius
    ground = np.zeros((side, side))  # the patch and what its points touch, 0 where there is nothing
    for r in range(max(radius - top, 0), min(side, values.shape[0] - top + radius)):
        for c in range(max(radius - left, 0), min(side, values.shape[1] - left + radius)):
            ground[r, c] = values[top + r - radius, left + c - radius, band]
    for r in range(radius, radius + size):
        for c in range(radius, radius + size):
            n_above = n_changes = 0
            before = False
            for k in range(n_points):
                above = _sampled(ground, r, c, circle, k) >= ground[r, c]
                n_above += above
                n_changes += k > 0 and above != before
                before = above
            n_flat += n_changes > 2 or n_above < radius or n_above > n_points - radius
    return n_flat / (size * size)


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _sampled(ground: FloatArray, r: int, c: int, circle: FloatArray, k: int) -> float:
    """Bilinear at a point of the circle around (r, c)."""
    top, left = r + int(circle[k, 0]), c + int(circle[k, 1])
    bottom, right = r + int(circle[k, 2]), c + int(circle[k, 3])
    down, across = circle[k, 4], circle[k, 5]
    upper = (1 - across) * ground[top, left] + across * ground[top, right]
    lower = (1 - across) * ground[bottom, left] + across * ground[bottom, right]
    return float((1 - down) * upper + down * lower)
