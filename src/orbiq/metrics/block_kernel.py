"""Sums over blocks of pixels, compiled; and rows of a window as the compiler likes them."""

import numpy as np
from numba import njit

from orbiq.arrays import Array, FloatArray

_compiled = njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")


def block_sums(image: Array, *, factor: int, first: tuple[int, int], count: tuple[int, int]) -> FloatArray:
    """Sums (rows, cols, bands) of `count` blocks of factor × factor pixels, uint8 or float64.

    The first block begins at pixel `first`; pixels outside the image are 0.
    """
    sums: FloatArray = _block_sums(flat_rows(image), image.shape, factor, first, count)
    return sums


def flat_rows(image: Array) -> tuple[Array, int]:
    """The memory from the first value of an image (rows, cols, bands) to its last, and how far apart rows begin.

    Of a window of a larger image no copy is made, and a compiler still sees that the values of a row lie side by side.
    """
    size, bands = image.itemsize, image.shape[2]
    row, col, band = image.strides
    # of one band numpy may say any stride
    if (band != size and bands > 1) or col != size * bands or row < col * image.shape[1] or row % size:
        image = np.ascontiguousarray(image)
        row = size * bands * image.shape[1]
    length = (image.shape[0] - 1) * row // size + image.shape[1] * bands
    return np.lib.stride_tricks.as_strided(image, (length,), (size,), writeable=False), row // size


@_compiled  # type: ignore[untyped-decorator]  # numba has no types
def _block_sums(
    rows: tuple[Array, int], shape: tuple[int, int, int], factor: int, first: tuple[int, int], count: tuple[int, int]
) -> FloatArray:
    flat, pitch = rows
    height, width, bands = shape
    out = np.zeros((count[0], count[1], bands))
    line = np.empty(width * bands)
    for i in range(count[0]):
        top = first[0] + i * factor
        line[:] = 0.0
        for row in range(max(top, 0), min(top + factor, height)):
            _add(flat[row * pitch : row * pitch + width * bands], line)
        for j in range(count[1]):
            left = first[1] + j * factor
            for col in range(max(left, 0), min(left + factor, width)):
                for b in range(bands):
                    out[i, j, b] += line[col * bands + b]
    return out


@_compiled  # type: ignore[untyped-decorator]
def _add(values: Array, line: FloatArray) -> None:
    for j in range(values.size):
        line[j] += values[j]
