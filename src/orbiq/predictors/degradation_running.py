"""The trained network of the degradation regressors as functions of arrays."""

import numpy as np
import torch

from orbiq.arrays import Array, FloatArray
from orbiq.predictors.degradation_labels import PARAMETERS
from orbiq.predictors.degradation_network import DegradationNetwork, network_input
from orbiq.predictors.degradations import Predicted, Runner


def runner(network: DegradationNetwork) -> Runner:
    """Of a network that was trained."""

    def parts(plane: Array) -> Array:
        with torch.inference_mode():
            x = network_input(torch.from_numpy(np.ascontiguousarray(plane)))[None, None]
            return np.asarray(network.parts(x)[0].numpy())

    def told(sums: FloatArray) -> Predicted:
        with torch.inference_mode():
            out = network(network.summary(torch.from_numpy(sums)).float())
        return predicted(*(part.numpy().astype(float) for part in out))

    return Runner(planes=network.sums, parts=parts, told=told)


def predicted(places: FloatArray, ln_spreads: FloatArray, logits: FloatArray) -> Predicted:
    """By parameter, of the network's output (n, …)."""
    counts = [parameter.n for parameter in PARAMETERS.values()]
    by_name = zip(PARAMETERS, np.split(logits, np.cumsum(counts)[:-1], axis=1), strict=True)
    return Predicted(
        places={name: places[:, k] for k, name in enumerate(PARAMETERS)},
        spreads={name: np.exp(ln_spreads[:, k]) for k, name in enumerate(PARAMETERS)},
        classified={name: _likeliest(part) for name, part in by_name},
    )


def _likeliest(logits: FloatArray) -> FloatArray:
    """The middle of the likeliest interval, as a place in 0 … 1."""
    return np.asarray((logits.argmax(1) + 0.5) / logits.shape[1], float)
