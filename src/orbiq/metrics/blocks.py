"""Blocks side by side from the image's corner on; a block counts only where all its pixels are valid."""

from collections.abc import Iterator

import numpy as np

from orbiq.arrays import Array, FloatArray
from orbiq.errors import SettingError
from orbiq.tiles import Tile

_SAMPLES = 1 << 18
"""Values of one image at a time, however many bands there are."""


def whole_blocks(tile: Tile, *, side: int) -> Iterator[tuple[FloatArray, ...]]:
    """The whole and valid blocks of every image, a few of a row at a time: (blocks, side, side, bands), float64.

    The tile has no margin and begins at a multiple of `side`.

    >>> tile = Tile(arrays=(np.ones((5, 4, 1)),), mask=None, rows=slice(0, 5), cols=slice(0, 4), top=0, left=0)
    >>> [images[0].shape for images in whole_blocks(tile, side=2)]
    [(2, 2, 2, 1), (2, 2, 2, 1)]
    """
    for top in range(0, tile.arrays[0].shape[0] - side + 1, side):
        rows = slice(top, top + side)
        blocks = [_side_by_side(array[rows], side) for array in tile.arrays]
        if tile.mask is not None:
            masks = _side_by_side(tile.mask[rows, :, None], side)
            whole = np.flatnonzero(np.all(masks, axis=(1, 2, 3)))
            blocks = [block[whole] for block in blocks]
        step = max(1, _SAMPLES // (side**2 * max(block.shape[-1] for block in blocks)))
        for first in range(0, len(blocks[0]), step):
            yield tuple(block[first : first + step].astype(float) for block in blocks)


def check_block(block: int) -> int:
    """The block as an int, whatever whole number it is; refuse what is no block."""
    if not isinstance(block, int | np.integer) or not 2 <= block <= 512:
        raise SettingError(f"block is {block}; expected a whole number of pixels from 2 to 512")
    return int(block)


def _side_by_side(rows: Array, side: int) -> Array:
    number, bands = rows.shape[1] // side, rows.shape[2]
    return rows[:, : number * side].reshape(side, number, side, bands).swapaxes(0, 1)


def centred(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Means (…, bands) over the pixels of blocks (…, pixels, bands), and what is left without them.

    Equal values leave exactly 0.

    >>> means, rest = centred(np.array([[0.1], [0.1], [0.1]]))
    >>> rest.tolist()
    [[0.0], [0.0], [0.0]]
    """
    first = values[..., :1, :]
    rest = values - first
    mean = rest.mean(axis=-2, keepdims=True)
    return (first + mean)[..., 0, :], rest - mean
