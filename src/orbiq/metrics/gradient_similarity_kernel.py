"""The loops of `gradient_similarity`, compiled: from pixels to 1 − similarity of gradients at half resolution.

Three rows at half resolution of each image are held, nothing else; what lies outside the tile is 0. Each inner loop has
few arrays, because a compiler must know that they do not overlap before it vectorises.
"""

from typing import Any

import numpy as np
from numba import njit

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.metrics.block_kernel import flat_rows

_FAST: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
_compiled = njit(fastmath={"contract"}, **_FAST)
_summing = njit(fastmath={"contract", "reassoc"}, **_FAST)  # a sum in any order, so that it vectorises
_ALL = np.empty((0, 0), bool)  # instead of a mask
Part = tuple[int, int, int, int]
"""First row, row behind the last, first col, col behind the last, at half resolution."""


def dissimilarity_map(first: Array, second: Array, *, constant: float, part: Part) -> FloatArray:
    """(bands, rows, cols) of 1 − similarity of a part of the halves of two images (rows, cols, bands) of one dtype.

    `constant` is for gradients that are sums of 2 × 2 pixels and of 3 rows or cols, no means.
    """
    out = np.empty((first.shape[2], part[1] - part[0], part[3] - part[2]))
    _run(flat_rows(first), flat_rows(second), first.shape, constant, part, _ring(first), _ALL, out)
    return out


def dissimilarity_sums(
    first: Array, second: Array, *, constant: float, part: Part, valid: BoolArray | None
) -> FloatArray:
    """(bands, 2) sums of 1 − similarity and of its square where `valid` (rows, cols) of the part holds."""
    valid = _ALL if valid is None else np.ascontiguousarray(valid)
    nowhere = np.empty((0, 0, 0))
    sums: FloatArray = _run(
        flat_rows(first), flat_rows(second), first.shape, constant, part, _ring(first), valid, nowhere
    )
    return sums


def _ring(image: Array) -> Array:
    """Three rows of sums for each of two images: whole numbers of 8 bits have exact sums and squares in 32."""
    dtype = np.int32 if image.dtype == np.uint8 else np.float64
    return np.zeros((2, 3, image.shape[2], (image.shape[1] + 1) // 2 + 2), dtype)


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _run(
    first: tuple[Array, int],
    second: tuple[Array, int],
    shape: tuple[int, int, int],
    constant: float,
    part: Part,
    ring: Array,
    valid: BoolArray,
    out: FloatArray,
) -> FloatArray:
    top, bottom, left, right = part
    bands, cols = ring.shape[2], ring.shape[3]
    sums = np.zeros((bands, 2))
    line = np.zeros(2 * cols * bands, ring.dtype)
    energy = np.empty((2, cols - 2), ring.dtype)
    found = np.empty(right - left)
    for row in range(top - 1, bottom + 1):
        _halve(first, shape, row, line, ring[0, row % 3])
        _halve(second, shape, row, line, ring[1, row % 3])
        if row > top:
            for b in range(bands):
                for k in range(2):
                    above, here, below = ring[k, (row + 1) % 3, b], ring[k, (row + 2) % 3, b], ring[k, row % 3, b]
                    _energy(above, here, below, energy[k])
                _compare(energy[0, left:right], energy[1, left:right], constant, found)
                if out.size:
                    out[b, row - 1 - top] = found
                if valid.size:
                    _choose(valid[row - 1 - top], found)
                _sum(found, sums[b])
    return sums


@_compiled  # type: ignore[untyped-decorator]
def _halve(image: tuple[Array, int], shape: tuple[int, int, int], row: int, line: Array, out: Array) -> None:
    """Sums of 2 × 2 pixels of a row of the half image, by band, with a 0 before and behind."""
    if row < 0 or 2 * row >= shape[0]:
        out[:] = 0
        return
    flat, pitch = image
    _, width, bands = shape
    start = 2 * row * pitch
    upper = flat[start : start + width * bands]
    if 2 * row + 1 < shape[0]:
        _add(upper, flat[start + pitch : start + pitch + width * bands], line)
    else:
        _put(upper, line)
    last = out.shape[1] - 1
    if bands == 3:
        _pair_three(line, out[0, 1:last], out[1, 1:last], out[2, 1:last])
    else:
        for b in range(bands):
            _pair(line[b:], bands, out[b, 1:last])


@_compiled  # type: ignore[untyped-decorator]
def _put(values: Array, line: Array) -> None:
    for j in range(values.size):
        line[j] = values[j]


@_compiled  # type: ignore[untyped-decorator]
def _add(first: Array, second: Array, line: Array) -> None:
    for j in range(first.size):
        line[j] = first[j] + second[j]


@_compiled  # type: ignore[untyped-decorator]
def _pair(line: FloatArray, bands: int, out: FloatArray) -> None:
    for c in range(out.size):
        out[c] = line[2 * c * bands] + line[(2 * c + 1) * bands]


@_compiled  # type: ignore[untyped-decorator]
def _pair_three(line: Array, red: Array, green: Array, blue: Array) -> None:
    for c in range(red.size):
        red[c] = line[6 * c] + line[6 * c + 3]
        green[c] = line[6 * c + 1] + line[6 * c + 4]
        blue[c] = line[6 * c + 2] + line[6 * c + 5]


@_compiled  # type: ignore[untyped-decorator]
def _energy(above: Array, here: Array, below: Array, out: Array) -> None:
    """Squared gradient of Prewitt's 3 × 3 filters."""
    for c in range(out.size):
        across = (above[c] + here[c] + below[c]) - (above[c + 2] + here[c + 2] + below[c + 2])
        down = (above[c] + above[c + 1] + above[c + 2]) - (below[c] + below[c + 1] + below[c + 2])
        out[c] = across * across + down * down


@_compiled  # type: ignore[untyped-decorator]
def _compare(first: Array, second: Array, constant: float, out: FloatArray) -> None:
    for c in range(out.size):
        p, q = float(first[c]), float(second[c])
        both = p + q
        out[c] = (both - 2 * np.sqrt(p * q)) / (both + constant)


@_compiled  # type: ignore[untyped-decorator]
def _choose(valid: BoolArray, found: FloatArray) -> None:
    for c in range(found.size):
        found[c] = found[c] if valid[c] else 0.0


@_summing  # type: ignore[untyped-decorator]
def _sum(values: FloatArray, out: FloatArray) -> None:
    total, squares = 0.0, 0.0
    for c in range(values.size):
        total += values[c]
        squares += values[c] * values[c]
    out[0] += total
    out[1] += squares
