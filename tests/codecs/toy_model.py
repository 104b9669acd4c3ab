"""A model that nobody trained, and works all the same: its transforms begin as a cosine transform and its inverse.

What it foretells of latents is chance.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from orbiq.codecs.neural_model import KIND, N_LEVELS, kept_arrays
from orbiq.codecs.neural_networks import Networks
from orbiq.learning.weights import write_weights

LMBDAS = 0.02, 64.0
WIDTH, LATENTS = 8, 12


def toy_model(path: Path, *, seed: int = 7, bands: int = 1) -> str:
    """Write one of 8 and 12 channels; its path as the codec's setting wants it. Another seed is another model."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        networks = Networks(bands=bands, width=WIDTH, latents=LATENTS)
        torch.nn.init.normal_(networks.hyper_synthesis[-1].weight.data[LATENTS:], std=0.1)
    description = {
        "kind": KIND,
        "shape": {
            "bands": bands,
            "width": WIDTH,
            "latents": LATENTS,
            "least_lmbda": LMBDAS[0],
            "most_lmbda": LMBDAS[1],
        },
        "calibration": {"alpha": 1.0, "a": 20 / LMBDAS[1], "b": 0.01},
    }
    write_weights(path, kept_arrays(networks, np.geomspace(*LMBDAS, N_LEVELS)), description)
    return str(path)


@contextmanager
def machine(*, threads: int = 1, mkldnn: bool = True) -> Iterator[None]:
    """As if on one with so many cores, and with or without the usual library of convolutions."""
    before = torch.get_num_threads(), torch.backends.mkldnn.enabled
    torch.set_num_threads(threads)
    torch._C._set_mkldnn_enabled(mkldnn)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch._C._set_mkldnn_enabled(before[1])
