"""Weighted sums over images, which the scores of outcomes are made of."""

import numpy as np

from orbiq.arrays import Array, FloatArray
from orbiq.errors import SettingError


def checked_weights(weights: FloatArray, n_images: int) -> FloatArray:
    """Image weights of shape (replicates, images), float64; SettingError where they are not, or below 0."""
    weights = np.asarray(weights, float)
    if weights.ndim != 2 or weights.shape[1] != n_images or not (weights >= 0).all():
        raise SettingError(
            f"weights have shape {weights.shape}; expected (replicates, {n_images} images), none below 0"
        )
    return weights


def summed(weights: FloatArray, *, image: Array, column: Array, value: Array, n_columns: int) -> FloatArray:
    """Σ over rows of weight[image] · value, by column: shape (replicates, n_columns).

    Row i is about image number image[i] and adds to column[i]; a column below 0 takes no part.

    >>> weights = np.array([[1.0, 2.0]])
    >>> summed(weights, image=np.array([0, 1]), column=np.array([0, 0]), value=np.array([3, 4]), n_columns=2).tolist()
    [[11.0, 0.0]]
    """
    from scipy.sparse import coo_array

    counted = column >= 0
    places = (image[counted], column[counted])
    table = coo_array((np.asarray(value[counted], float), places), shape=(weights.shape[1], n_columns))
    return np.ascontiguousarray(np.asarray(table.T @ weights.T).T)


def ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Shares part / whole, NaN where whole is 0."""
    unknown = np.full(np.broadcast(part, whole).shape, np.nan)
    return np.asarray(np.divide(part, whole, out=unknown, where=whole > 0))


def mean_of_known(values: FloatArray) -> FloatArray:
    """Mean along the last axis of what is not NaN; NaN where nothing is left."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1).astype(float))
