"""After training: the network's scale on whole images, and how far off it is.

A value of the map is the mean of all qualities that its 34 by 34 pixels may have; means of such means lean towards what
was most often trained on. So the last layer's logits are scaled and shifted to where means over larger parts of the
training images are right; and parts of images that were held back tell how far from the truth a prediction is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.optimize import minimize

from orbiq.arrays import Array, FloatArray
from orbiq.predictors.quality_factor import FIELD
from orbiq.predictors.quality_labels import GRID_PX, Draws, damaged
from orbiq.predictors.quality_network import QualityNetwork, network_input, qualities
from orbiq.predictors.quality_training import QualityTraining, clean_piece

_PART_PX, _IMAGES, _DRAWS = 256, 16, 20
_CELLS = 400
"""Of each part, enough for its mean."""


def straightened(network: QualityNetwork, training: QualityTraining) -> tuple[float, float]:
    """Scale and shift of the last layer's logits, which are changed in place.

    Those with the least mean squared error of the means of parts of training images, whose qualities are drawn half
    alike and half as in training. (1, 0) for a classifier, which stays as it is.
    """
    if network.outputs > 1:
        return 1.0, 0.0
    rng = np.random.default_rng([training.batches.seed, 6])
    logits, truths = [], []
    for pixels, truth in _parts(network, training, training.trained_on[:_IMAGES], rng):
        seen = _logits(network, pixels)[0, 0].ravel()
        logits.append(rng.choice(seen, _CELLS))
        truths.append(truth / 100)
    if not truths:
        return 1.0, 0.0
    seen, wanted = np.stack(logits).astype(float), np.array(truths)

    def error(change: FloatArray) -> float:
        means = (1 / (1 + np.exp(-(change[0] * seen + change[1])))).mean(1)
        return float(np.mean((means - wanted) ** 2))

    scale, shift = (float(value) for value in minimize(error, (1.0, 0.0), method="Nelder-Mead").x)
    last = network.layers[-1]
    with torch.no_grad():
        last.weight.mul_(scale)
        last.bias.mul_(scale).add_(shift)
    return scale, shift


def interval(network: QualityNetwork, training: QualityTraining) -> dict[str, list[float]]:
    """Where the truth of images that were held back lies about what is predicted of them: 95 of 100 times between.

    `predicted`, and `low` and `high` to add to it; empty where their images are smaller than a field.
    """
    rng = np.random.default_rng([training.batches.seed, 5])
    parts = _parts(network, training, training.judged_by[:_IMAGES], rng)
    found = [
        (100 * float(qualities(torch.from_numpy(_logits(network, pixels))).mean()), truth) for pixels, truth in parts
    ]
    return _band(np.array(found)) if found else {}


def _parts(
    network: QualityNetwork, training: QualityTraining, images: Sequence[int], rng: np.random.Generator
) -> Iterator[tuple[Array, float]]:
    """Parts of images, damaged, and their qualities."""
    draws = training.batches.draws
    alike = replace(draws, weighting="uniform") if network.outputs == 1 else draws
    for number in images:
        whole, mask = training.read(number, rng)
        size = min(_PART_PX, *(side - 2 * GRID_PX for side in whole.shape[:2]))
        if size < FIELD.size:
            continue
        for quality in np.concatenate([_drawn(one, rng) for one in (alike, draws)]):
            piece = clean_piece(whole, mask, size=size + 2 * GRID_PX, bands=network.bands, rng=rng)
            yield damaged(piece, float(quality), draws, rng)


def _drawn(draws: Draws, rng: np.random.Generator) -> FloatArray:
    return draws.qualities(rng, _DRAWS // 2)


def _logits(network: QualityNetwork, pixels: Array) -> Array:
    tensor = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]
    with torch.inference_mode():
        logits: Array = network.eval()(network_input(tensor)).numpy()
    return logits


def _band(found: FloatArray) -> dict[str, list[float]]:
    """Quantiles of truth − predicted among the nearest quarter of all, at nine places of what was predicted."""
    predicted, error = found[:, 0], found[:, 1] - found[:, 0]
    places = np.quantile(predicted, np.linspace(0, 1, 9))
    near = [np.argsort(np.abs(predicted - place))[: max(20, len(found) // 4)] for place in places]
    low, high = ([float(np.quantile(error[k], share)) for k in near] for share in (0.025, 0.975))
    return {"predicted": [float(place) for place in places], "low": low, "high": high}
