"""PGM and PPM (netpbm, binary): the plainest files that vendors' programs read and write."""

import re

import numpy as np

from orbiq.arrays import Array
from orbiq.errors import ImageError

_HEAD = re.compile(rb"(P5|P6)(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)\s")


def pnm_bytes(picture: Array, *, peak: int) -> bytes:
    """(rows, cols) as PGM, (rows, cols, 3) as PPM; unsigned, big-endian.

    Two bytes a sample when the peak is above 255.

    >>> pnm_bytes(np.array([[65, 66]], np.uint8), peak=255).split()
    [b'P5', b'2', b'1', b'255', b'AB']
    """
    kind = "P5" if picture.ndim == 2 else "P6"
    samples = picture.astype(">u2" if peak > 255 else "u1")
    return f"{kind}\n{picture.shape[1]} {picture.shape[0]}\n{peak}\n".encode() + samples.tobytes()


def read_pnm(data: bytes) -> Array:
    """(rows, cols) or (rows, cols, 3), uint8 or uint16; ImageError when it is no binary PGM or PPM.

    >>> read_pnm(pnm_bytes(np.array([[1, 700]], np.uint16), peak=4095))
    array([[  1, 700]], dtype=uint16)
    """
    head = _HEAD.match(data)
    if head is None:
        raise ImageError(f"{len(data)} bytes are not a binary PGM or PPM file (P5 or P6)")
    cols, rows, peak = (int(head[k]) for k in (2, 3, 4))
    shape = (rows, cols) if head[1] == b"P5" else (rows, cols, 3)
    dtype = np.dtype(">u2" if peak > 255 else "u1")
    samples = data[head.end() :][: int(np.prod(shape)) * dtype.itemsize]
    if len(samples) != np.prod(shape) * dtype.itemsize:
        raise ImageError(f"a PGM or PPM file of {shape} was cut off: {len(samples)} bytes of samples came")
    return np.frombuffer(samples, dtype).reshape(shape).astype(dtype.newbyteorder("="))
