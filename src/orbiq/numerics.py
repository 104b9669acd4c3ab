"""Randomness that is handed in: one generator for an image, the same in any order and on any number of workers."""

import hashlib
from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

_BINS = 1 << 16
Floats = npt.NDArray[np.float32]
Bins = npt.NDArray[np.uint16]


def image_rng(seed: int, name: str) -> np.random.Generator:
    """The generator of one image: from hash(seed, image name) alone.

    Children for the positions in a chain come from `rng.spawn`. The levels of one sweep share it, so that
    their noise differs in strength only.

    >>> image_rng(0, "a.png").integers(100) == image_rng(0, "a.png").integers(100)
    np.True_
    """
    digest = hashlib.sha256(f"{seed}/{name}".encode(errors="surrogateescape")).digest()
    return np.random.default_rng(np.frombuffer(digest, np.uint32))


def name_seed(seed: int, *names: object) -> int:
    """A seed in [0, 2³¹) for a thing by its names, for example the training of repetition 2.

    >>> name_seed(0, "repetition", 1) != name_seed(0, "repetition", 2)
    True
    """
    digest = hashlib.sha256("/".join(map(str, (seed, *names))).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def normal_by_bins(
    rng: np.random.Generator, size: int, *, look_up: Callable[[Floats, Bins, Floats], None] | None = None
) -> Floats:
    """`size` numbers whose distribution is normal but for 2⁻¹⁶, several times as fast as exact ones.

    One of 65,536 equally probable bins of the normal distribution is drawn by 16 bits, and its mean is taken: a bin is
    4e-5 wide at 0, 0.003 at ±3, and 0.3 the last but one, at ±4.1. The first and the last, beyond ±4.17, have no mean
    to be taken: they give 0, and as many places as they would have had, drawn by themselves, get the numbers
    themselves. Mean 0, variance 1 − 3e-5. For samples of 8 bits: rounding hides all of it. `look_up` puts means[bins]
    into its last argument, where a faster one than NumPy's is at hand.

    >>> float(normal_by_bins(np.random.default_rng(0), 100_000).std().round(2))
    1.0
    """
    from scipy.special import ndtri

    raw = np.asarray(rng.bit_generator.random_raw(-(-size // 4)), "<u8")
    bins = raw.view("<u2")[:size]
    values = np.empty(size, np.float32)
    if look_up is None:
        np.take(_means_of_bins(), bins, out=values)
    else:
        look_up(_means_of_bins(), bins, values)
    beyond = rng.binomial(size, 2 / _BINS)
    if beyond:
        share = rng.uniform(-1, 1, beyond)
        values[rng.integers(size, size=beyond)] = np.copysign(ndtri((1 - np.abs(share)) / _BINS), share)
    return values


@cache
def _means_of_bins() -> Floats:
    """The means of the normal distribution between its quantiles k / 65,536, the difference of its density there; 0 in
    the first and the last.
    """
    from scipy.special import ndtri

    edges = ndtri(np.arange(_BINS + 1) / _BINS)
    density = np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi)
    means = (density[:-1] - density[1:]) * _BINS
    means[[0, -1]] = 0
    return np.asarray(means, np.float32)
