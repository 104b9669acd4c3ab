"""The quality-factor predictor as a part of a loss, for networks that learn to restore images without clean ones."""

from pathlib import Path

import torch
from torch import nn

from orbiq.errors import SettingError
from orbiq.learning.restoring import restored
from orbiq.predictors.quality_factor import FIELD, KIND
from orbiq.predictors.quality_network import built, folded, network_input, qualities
from orbiq.predictors.shipped import model_file, weights_of


class QualityLoss(nn.Module):
    """`weight` · (1 − mean predicted quality / 100) of a batch, to be added to a loss of consistency.

    `predictor` is "rgb", "grey" or the file of one; frozen, its own parameters are no parameters of this module's
    training. A batch is (n, bands, rows, cols) on a scale where `peak` is white (1 unless stated), 34 pixels or more a
    side; a predictor of single bands looks at each by itself. The predictor has seen whole levels 0 … 255; what a
    network gives is not rounded, for rounding has no gradient. 0 is the best, `weight` the worst.

    By itself it has no hold on what the image shows: H. Cui, UCB/EECS-2023-130, 5.3, saw colours turn and dots appear,
    so weigh it against consistency. Raises SettingError for batches that do not fit.

    >>> loss = QualityLoss("rgb", weight=0.1)
    >>> image = torch.rand(1, 3, 64, 64, requires_grad=True)
    >>> value = loss(image)
    >>> value.backward()
    >>> bool(0 <= value <= 0.1), image.grad.shape
    (True, torch.Size([1, 3, 64, 64]))
    """

    def __init__(self, predictor: str | Path = "rgb", weight: float = 1.0, *, peak: float = 1.0) -> None:
        super().__init__()
        if not weight >= 0 or not peak > 0:
            raise SettingError(f"a quality loss of weight {weight:g} and peak {peak:g} cannot be: expected ≥ 0 and > 0")
        path = model_file(str(predictor), kind=KIND)
        self.network = folded(restored(built, weights_of(path, kind=KIND), path))
        self.bands = int(self.network[0].in_channels)
        self.weight, self.peak = weight, peak

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The loss of a batch, a scalar."""
        if images.ndim != 4 or images.shape[1] % self.bands or min(images.shape[2:]) < FIELD.size:
            of = "any number of bands" if self.bands == 1 else f"{self.bands} bands"
            raise SettingError(
                f"a batch of {tuple(images.shape)} has no predicted quality: expected (n, bands, rows, cols), {of}, "
                f"{FIELD.size} pixels a side or more"
            )
        units = images.reshape(-1, self.bands, *images.shape[2:]) * (255 / self.peak)
        return self.weight * (1 - qualities(self.network(network_input(units))).mean())

    def train(self, mode: bool = True) -> "QualityLoss":
        """Frozen: the predictor stays as it is."""
        super().train(mode)
        self.network.eval()
        return self
