"""Randomness that is handed in: one generator for an image, the same in any order and on any number of workers."""

import hashlib

import numpy as np


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
