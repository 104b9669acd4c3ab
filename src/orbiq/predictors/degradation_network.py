"""The network of the degradation regressors: spectra of places, their means over the image, a head for each parameter.

    57 filters 14×14/2 · |asinh| · mean 4×4 · weighted means over all places · normalisation · three layers, twice

One band goes in, as (x − 128) / 64 of 0 … 255. The filters are fixed, of mean 0 and norm 1: derivatives of Gaussians
at five scales, and waves along rows and columns at six frequencies, aslant at two. asinh, a logarithm with a sign, lets
noise of half a DN and edges of 200 be told by one network, and makes contrast a term, not a factor. A place of 8 by 8
pixels so has a spectrum, from 20 by 20 pixels. Spectra are averaged over the image seven times, with weights from where
nothing is to be seen to where the strongest edges are, and to upright and level ones: there noise is told, here blur.
Places where pixels are clipped count for nothing. Sums over places add up over tiles. Nothing is padded. Of trunks of
convolutions that were learnt from the pixels on, none came near in the time that a CPU has.
"""

from collections.abc import Mapping
from math import log, pi, sqrt
from typing import Any, NamedTuple

import torch
from torch import nn

from orbiq.predictors.degradation_labels import PARAMETERS

FIELD_PX = 20
"""What the spectrum of a place sees."""
STEP_PX = 8
_FILTER_PX = 14
_SCALES_PX = (0.5, 0.8, 1.2, 1.9, 2.9)
_FREQUENCIES = (0.5, 0.43, 0.36, 0.3, 0.24, 0.18)
_ASLANT = (0.42, 0.28)
"""Cycles per pixel."""
_LINEAR_DN = 0.5
"""Up to where asinh is nearly a straight line."""
_POWERS = (-3.0, -1.5, 0.0, 1.5, 3.0)
"""A place of mean magnitude m weighs exp(power · m)."""
_EDGES = 2.5
"""… and exp(2.5 · (mₓ − m_y) + 0.8 · m) or the other way about, with the magnitudes of slopes at a middle scale."""
_SLOPES = (10, 11)
"""Which filters these are."""
_GROUPS = len(_POWERS) + 2
_CLIPPED = 0.02
"""Share of the pixels of a place that may be."""
_TYPICAL = 3.0
"""Mean magnitude of a place; its weight is 1."""
_MOST_PLACES = 30**2
"""Of training pieces; of larger images nobody knows how much surer one may be."""
_NARROWEST, _WIDEST = -6.0, 1.0
"""ln of the spread of a prediction, in parts of the range."""
_FARTHEST = 8.0
"""Standard deviations from the mean of training pieces, to which what is stranger is taken."""


class Told(NamedTuple):
    """For each of n images: places in the parameters' ranges (n, 5), ln of their spreads, logits of all intervals."""

    places: torch.Tensor
    ln_spreads: torch.Tensor
    logits: torch.Tensor


class DegradationNetwork(nn.Module):
    """From the `summary` of n images to what is told of each; `widths` are those of the hidden layers.

    Values with their spreads, and intervals, have layers of their own, so that neither is at the other's cost.
    """

    def __init__(self, *, widths: tuple[int, ...] = (192, 192), dropout: float = 0.05) -> None:
        super().__init__()
        self.widths, self.dropout = tuple(widths), dropout
        self.register_buffer("filters", filter_bank()[:, None])
        self.seen = len(self.filters) + 1
        before = (_GROUPS + 1) * self.seen + 1
        self.normal = nn.BatchNorm1d(before, affine=False)
        self.values = _layers(before, 2 * len(PARAMETERS), widths, dropout)
        self.intervals = _layers(before, sum(parameter.n for parameter in PARAMETERS.values()), widths, dropout)

    def forward(self, summaries: torch.Tensor) -> Told:
        """What is told of images by their summaries (n, features)."""
        usual = self.normal(summaries).clamp(-_FARTHEST, _FARTHEST)
        places, spreads = self.values(usual).chunk(2, 1)
        return Told(places, spreads.clamp(_NARROWEST, _WIDEST), self.intervals(usual))

    def parts(self, x: torch.Tensor) -> torch.Tensor:
        """Of (n, 1, rows, cols), what is summed over places: (n, `sums`, rows, cols of places).

        Whether a place counts, its seven weights, its spectrum with each of them, and the square of it. The spectrum
        has the magnitude of each filter less the mean of all, and that mean.
        """
        seen = torch.asinh(nn.functional.conv2d(x, self.filters, stride=2) * (64 / _LINEAR_DN)).abs()
        magnitudes = nn.functional.avg_pool2d(seen, 4)
        mean = magnitudes.mean(1, keepdim=True)
        spectra = torch.cat([magnitudes - mean, mean], 1)
        within = ((x > network_input(torch.zeros(()))) & (x < network_input(torch.full((), 255.0)))).float()
        counts = (nn.functional.avg_pool2d(within, FIELD_PX, STEP_PX) >= 1 - _CLIPPED).float()
        aslant = _EDGES * (magnitudes[:, _SLOPES[0]] - magnitudes[:, _SLOPES[1]])[:, None]
        brighter = mean - _TYPICAL
        powers = [power * brighter for power in _POWERS] + [0.8 * brighter + aslant, 0.8 * brighter - aslant]
        weights = torch.exp(torch.cat(powers, 1)) * counts
        weighted = (spectra[:, None] * weights[:, :, None]).flatten(1, 2)
        return torch.cat([counts, weights, weighted, spectra.square() * counts], 1)

    @property
    def sums(self) -> int:
        """How many sums `parts` has."""
        return 1 + _GROUPS + (_GROUPS + 1) * self.seen

    def summary(self, sums: torch.Tensor) -> torch.Tensor:
        """Of sums (n, `sums`): means of the spectra, how they spread, and how many places there are, at least 1."""
        count, weights, weighted, squares = sums.split([1, _GROUPS, _GROUPS * self.seen, self.seen], 1)
        means = weighted.unflatten(1, (_GROUPS, -1)) / weights[:, :, None]
        plain = means[:, _POWERS.index(0)]
        spread = (squares / count - plain.square()).clamp_min(0).sqrt()
        size = torch.log(count.clamp(1, _MOST_PLACES)) / log(_MOST_PLACES)
        return torch.cat([means.flatten(1), spread, size], 1)

    def settings(self) -> dict[str, Any]:
        """What builds the same network."""
        return {"widths": list(self.widths), "dropout": self.dropout}


def _layers(before: int, outputs: int, widths: tuple[int, ...], dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Dropout(dropout), nn.Linear(before, width), nn.ReLU()]
        before = width
    return nn.Sequential(*layers, nn.Linear(before, outputs))


def filter_bank() -> torch.Tensor:
    """(57, 14, 14), of norm 1 and mean 0: derivatives of Gaussians at five scales, and waves."""
    at = torch.arange(_FILTER_PX) - (_FILTER_PX - 1) / 2
    y, x = torch.meshgrid(at, at, indexing="ij")
    filters = []
    for sigma in _SCALES_PX:
        bell, u, v = torch.exp(-(x**2 + y**2) / (2 * sigma**2)), x / sigma, y / sigma
        filters += [u * bell, v * bell, (u**2 - 1) * bell, (v**2 - 1) * bell, u * v * bell]
    bell = torch.exp(-(x**2 + y**2) / (2 * 2.6**2))
    directions = [(f, along) for f in _FREQUENCIES for along in (x, y)]
    directions += [(f, along / sqrt(2)) for f in _ASLANT for along in (x + y, x - y)]
    for frequency, along in directions:
        filters += [wave(2 * pi * frequency * along) * bell for wave in (torch.cos, torch.sin)]
    stacked = torch.stack(filters)
    stacked = stacked - stacked.mean((1, 2), keepdim=True)
    return stacked / stacked.norm(dim=(1, 2), keepdim=True)


def network_input(values: torch.Tensor) -> torch.Tensor:
    """Of values 0 … 255."""
    return (values.float() - 128) / 64


def built(settings: Mapping[str, Any]) -> DegradationNetwork:
    """An untrained network of `DegradationNetwork.settings`."""
    return DegradationNetwork(widths=tuple(int(w) for w in settings["widths"]), dropout=float(settings["dropout"]))
