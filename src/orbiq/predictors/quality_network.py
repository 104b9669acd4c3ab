"""The network of the quality-factor predictor: seven convolutions, from pixels to a map of JPEG quality.

    7×7 · 3×3 · max 2×2 · 3×3 · max 2×2 · 3×3 · 3×3 · 1×1 · 1×1 · sigmoid

with batch normalisation and ReLU between, and nothing padded: a value of the map sees the `RECEPTIVE_FIELD_PX` = 32 by
32 pixels around its own `STEP_PX` = 4 by 4, `MARGIN_PX` = 14 on each side. After H. Cui, UCB/EECS-2023-130, whose
network has two poolings and two 1×1 at the end too; its values see about 11 pixels. Ours see four blocks of JPEG, so
that steps of several coefficients can be told.

Pixels go in as (x − 128) / 64 of 0 … 255, which half precision holds exactly for whole x.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from orbiq.predictors.quality_labels import CLASSES

STEP_PX = 4
MARGIN_PX = 14
RECEPTIVE_FIELD_PX = STEP_PX + 2 * MARGIN_PX
_SIZES = (7, 3, 3, 3, 3, 1, 1)
_POOLED_AFTER = (1, 2)


class QualityNetwork(nn.Module):
    """From (n, bands, rows, cols) to (n, outputs, rows // 4 − 7, cols // 4 − 7), before sigmoid or softmax.

    `widths` are the channels of the first six convolutions; `outputs` 1 for a quality, 5 for classes of it.
    """

    def __init__(self, *, bands: int = 3, widths: tuple[int, ...] = (24, 24, 48, 64, 64, 32), outputs: int = 1) -> None:
        super().__init__()
        self.bands, self.widths, self.outputs = bands, tuple(widths), outputs
        layers: list[nn.Module] = []
        before = bands
        for k, (size, width) in enumerate(zip(_SIZES, (*widths, outputs), strict=True)):
            last = k == len(_SIZES) - 1
            layers.append(nn.Conv2d(before, width, size, bias=last))
            if not last:
                layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            if k in _POOLED_AFTER:
                layers.append(nn.MaxPool2d(2))
            before = width
        self.layers = nn.Sequential(*layers)
        with torch.no_grad():  # damage is in the differences of pixels, not in how bright they are
            first = self.layers[0].weight
            first -= first.mean((1, 2, 3), keepdim=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of the map."""
        return self.layers(x)

    def settings(self) -> dict[str, Any]:
        """What builds the same network."""
        return {"bands": self.bands, "widths": list(self.widths), "outputs": self.outputs}


def network_input(pixels: torch.Tensor) -> torch.Tensor:
    """Of values 0 … 255."""
    return (pixels.float() - 128) / 64


def qualities(logits: torch.Tensor) -> torch.Tensor:
    """(n, rows, cols) in 0 … 1 of a network's output: the sigmoid, or the mean of the classes."""
    logits = logits.float()
    if logits.shape[1] == 1:
        return torch.sigmoid(logits[:, 0])
    values = torch.tensor(CLASSES, dtype=torch.float32, device=logits.device) / 100
    return torch.einsum("nchw,c->nhw", torch.softmax(logits, 1), values)


def built(settings: Mapping[str, Any]) -> QualityNetwork:
    """An untrained network of `QualityNetwork.settings`."""
    widths = tuple(int(width) for width in settings["widths"])
    return QualityNetwork(bands=int(settings["bands"]), widths=widths, outputs=int(settings["outputs"]))


def folded(network: QualityNetwork) -> nn.Sequential:
    """The same function without batch normalisation, for use: its factors go into the convolutions."""
    layers: list[nn.Module] = []
    for layer in network.eval().layers:
        if isinstance(layer, nn.BatchNorm2d):
            layers[-1] = nn.utils.fuse_conv_bn_eval(layers[-1], layer)
        else:
            layers.append(layer)
    return nn.Sequential(*layers).to(memory_format=torch.channels_last).eval().requires_grad_(requires_grad=False)
