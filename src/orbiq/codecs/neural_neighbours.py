"""Latents foretold from their neighbours, in whole numbers: what the hyper-decoder leaves of a picture's means.

A hyperlatent speaks of 64 × 64 pixels and says little of the means of the 16 × 16 within; of what it leaves of them a
third to two thirds can be foretold from those to the left, above, above left and above right, which are a third of all
bits of a smooth picture. Latents of channels that gain by it are coded as what is left after that too: of q, a latent
masked, less what the hyper-decoder says, rounded, the symbol is

    q − ⌊(Σ w · ⌊q' · m / m'⌋ + 128) / 256⌋

over the neighbours q' in the tile, m and m' being the masks of both in whole numbers that the model's file states.
"""

from typing import NamedTuple

import numpy as np

from orbiq.arrays import Array, FloatArray
from orbiq.codecs.neural_rounding import rounded_one
from orbiq.codecs.rans_kernel import Int, compiled

WEIGHT_ONE = 256
MASK_ONE = 1 << 12
_PLACES = ((0, -1), (-1, 0), (-1, -1), (-1, 1))
"""Of the four neighbours."""


class Neighbours(NamedTuple):
    """How a channel is foretold: weights of the four neighbours in 1/256, and the mask at each level in 1/4096."""

    channel: int
    weights: Array
    masks: Array


@compiled
def _foretold(whole: Array, masks: Array, weights: Array, row: Int, col: Int) -> Int:
    """By the neighbours before (row, col) that there are."""
    total = 0
    for k, (down, right) in enumerate(_PLACES):
        i, j = row + down, col + right
        if i >= 0 and 0 <= j < whole.shape[1]:
            total += weights[k] * ((whole[i, j] * masks[row, col]) // masks[i, j])
    return (total + WEIGHT_ONE // 2) // WEIGHT_ONE


@compiled
def split(values: FloatArray, which: Array, limits: Array, masks: Array, weights: Array) -> tuple[Array, Array]:
    """Symbols and whole numbers (rows, cols) of masked latents less what the hyper-decoder says, float32.

    `which` table codes each, with its `limits` (`neural_rounding.thresholds`); `masks` of each, int64.
    """
    symbols = np.zeros(values.shape, np.int64)
    whole = np.zeros(values.shape, np.int64)
    for row in range(values.shape[0]):
        for col in range(values.shape[1]):
            base = _foretold(whole, masks, weights, row, col)
            symbols[row, col] = rounded_one(values[row, col] - base, which[row, col], limits)
            whole[row, col] = symbols[row, col] + base
    return symbols, whole


@compiled
def joined(symbols: Array, masks: Array, weights: Array) -> Array:
    """The whole numbers (rows, cols) that symbols (int64) stand for."""
    whole = np.zeros(symbols.shape, np.int64)
    for row in range(symbols.shape[0]):
        for col in range(symbols.shape[1]):
            whole[row, col] = symbols[row, col] + _foretold(whole, masks, weights, row, col)
    return whole
