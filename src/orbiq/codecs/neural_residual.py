"""What brings every block to its target for certain: the error that is left, quantised just finely enough.

For a block of pixels that misses its target the error goes into the stream in whole multiples of a step, of which the
next larger in `STEPS` would miss it; a step of 1 leaves no error. Another machine may round a sample of the networks'
picture the other way, one in a hundred of 16 bits and far fewer of 8: `aimed` leaves room for that, so that targets are
kept there too, but what is without error where it was coded may have such samples off by one elsewhere.

A tile's residual is:

    length               LEB128, of the next
    steps and tables     deflated: for each block the number of its step (0: none), then for each block that has one the
                         table of its multiples
    multiples            rANS, block by block, band by band, row by row
"""

import math
import zlib
from dataclasses import dataclass

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.codecs.frames import leb128, read_leb128
from orbiq.codecs.neural_networks import LOWEST_SCALE, N_SCALES, SCALE_STEP
from orbiq.codecs.rans import Tables, decode, encode
from orbiq.errors import ImageError

STEPS = (0, *range(1, 17), *(round(16 * 2 ** (k / 4)) for k in range(1, 49)))
"""Step of each number; by quarters of an octave beyond 16, to 65,536."""
GLOBAL_BLOCK = (64, 64)
"""Pixels of a block where one level of quality holds for all of the image."""
_TURNED = {1: 1e-4, 2: 1e-2}
"""Share of samples of so many bytes that another machine may round the other way: above what was measured, 0.6 %."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Blocks:
    """The windows of a tile of `shape` pixels that are blocks of `size`, row by row."""

    shape: tuple[int, int]
    size: tuple[int, int]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and cols of blocks."""
        return -(-self.shape[0] // self.size[0]), -(-self.shape[1] // self.size[1])

    def windows(self) -> list[tuple[slice, slice]]:
        """Of each block."""
        rows, cols = self.size
        return [
            (slice(top, min(top + rows, self.shape[0])), slice(left, min(left + cols, self.shape[1])))
            for top in range(0, self.shape[0], rows)
            for left in range(0, self.shape[1], cols)
        ]


def residual_of(
    original: Array, decoded: Array, mask: BoolArray | None, *, target: FloatArray, blocks: Blocks, tables: Tables
) -> bytes:
    """The residual of a tile (rows, cols, bands) that brings each block to its `target` (grid of blocks, DN²)."""
    error = original.astype(np.int32) - decoded
    if mask is not None:
        error[~mask] = 0
    numbers, chosen, multiples, which = np.zeros(target.size, np.uint8), [], [], []
    for k, window in enumerate(blocks.windows()):
        n = error[window].size if mask is None else int(mask[window].sum()) * error.shape[2]
        goal = float(target.flat[k])
        if n == 0 or not math.isfinite(goal):
            continue
        number = _number(error[window], n * aimed(max(goal, 0.0), n, turned=_TURNED[original.itemsize]))
        if not number:
            continue
        numbers[k] = number
        multiple = _multiples(error[window], STEPS[number])
        table = _table(multiple)
        chosen.append(table)
        multiples.append(np.moveaxis(multiple, 2, 0).ravel())
        which.append(np.full(multiple.size, table, np.uint8))
    if not chosen:
        return b""
    said = zlib.compress(numbers.tobytes() + bytes(chosen), 9)
    return leb128(len(said)) + said + encode(np.concatenate(multiples), np.concatenate(which), tables)


def aimed(target: float, n: int, *, turned: float) -> float:
    """The mean squared error to aim at, so that `n` samples keep a target though a share is `turned` by ±1 elsewhere.

    One that is turned adds 1 ± 2 · its error to the sum: on average `turned` to the mean, with a standard deviation of
    2 · √(target · turned / n), four of which are allowed for.

    >>> round(aimed(100.0, 4096, turned=0.01), 3)
    99.855
    """
    return float(max(0.0, target - 2 * turned - 8 * math.sqrt(target * turned / n)))


def _number(error: Array, allowed: float) -> int:
    """The number of the largest step that leaves no more than `allowed`, summed; 0 where none is needed."""
    if np.square(error, dtype=np.float64).sum() <= allowed:
        return 0
    low, high = 1, len(STEPS) - 1
    while low < high:  # the error that is left grows with the step, but for a little
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _left(error, STEPS[middle]) <= allowed else (low, middle - 1)
    while low > 1 and _left(error, STEPS[low]) > allowed:
        low -= 1
    return low


def _left(error: Array, step: int) -> float:
    return float(np.square(error - _multiples(error, step) * step, dtype=np.float64).sum())


def _multiples(error: Array, step: int) -> Array:
    """Rounded to the nearest, halves towards 0."""
    return np.asarray(np.sign(error) * ((np.abs(error) + (step - 1) // 2) // step), np.int32)


def _table(multiples: Array) -> int:
    """The table whose standard deviation is nearest, by ratio."""
    spread = max(float(np.sqrt(np.mean(np.square(multiples, dtype=np.float64)))), LOWEST_SCALE)
    return int(np.clip(np.rint(np.log(spread / LOWEST_SCALE) / SCALE_STEP), 0, N_SCALES - 1))


def with_residual(decoded: Array, residual: bytes, *, blocks: Blocks, tables: Tables, low: int, high: int) -> Array:
    """A decoded tile with its residual added, between `low` and `high`; ImageError where the residual is damaged."""
    if not residual:
        return decoded
    windows, bands = blocks.windows(), decoded.shape[2]
    numbers, chosen, coded = _said(residual, len(windows))
    coded_blocks = [(window, STEPS[number]) for window, number in zip(windows, numbers, strict=True) if number]
    sizes = [(w[0].stop - w[0].start) * (w[1].stop - w[1].start) * bands for w, _ in coded_blocks]
    multiples = decode(coded, np.repeat(chosen, np.array(sizes, np.int64)), tables)
    whole, at = decoded.astype(np.int64), 0
    for (window, step), size in zip(coded_blocks, sizes, strict=True):
        shape = (bands, window[0].stop - window[0].start, window[1].stop - window[1].start)
        part = multiples[at : at + size].reshape(shape).astype(np.int64)
        whole[window] += np.moveaxis(part, 0, 2) * step
        at += size
    return np.clip(whole, low, high).astype(decoded.dtype)


def _said(residual: bytes, n_blocks: int) -> tuple[Array, Array, bytes]:
    """Numbers of steps of all blocks, tables of those that have one, and the coded multiples."""
    try:
        (length,), at = read_leb128(residual, 0, 1)
        said = zlib.decompressobj().decompress(residual[at : at + length], 2 * n_blocks)
    except (IndexError, ValueError, zlib.error) as error:
        raise ImageError(f"the residual of a tile is damaged: {error}") from None
    values = np.frombuffer(said, np.uint8)
    numbers, chosen = values[:n_blocks], values[n_blocks:]
    fits = len(numbers) == n_blocks and len(chosen) == int((numbers > 0).sum())
    if not fits or numbers.max(initial=0) >= len(STEPS) or chosen.max(initial=0) >= N_SCALES:
        raise ImageError("the residual of a tile is damaged: its steps and tables do not fit its blocks")
    return numbers, chosen, residual[at + length :]
