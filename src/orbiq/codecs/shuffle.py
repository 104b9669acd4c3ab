"""Byte shuffle: like bytes beside each other deflate better."""

from typing import Any

import numpy as np

from orbiq.arrays import Array


def shuffled(band: Array) -> bytes:
    """All first bytes of the samples, then all second ones, ….

    >>> shuffled(np.array([1, 2], np.uint16)).hex()
    '01020000'
    """
    return np.ascontiguousarray(band).view(np.uint8).reshape(-1, band.dtype.itemsize).T.tobytes()


def unshuffled(data: bytes, dtype: "np.dtype[Any]") -> bytes:
    """The inverse of `shuffled`."""
    return np.frombuffer(data, np.uint8).reshape(dtype.itemsize, -1).T.tobytes()
