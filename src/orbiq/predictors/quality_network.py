"""The network of the quality-factor predictor: seven convolutions, from pixels to a map of JPEG quality.

    7×7 · 3×3 · max 2×2 · 3×3 · max 2×2 · 3×3 · 3×3 · 1×1 · 1×1 · sigmoid

with batch normalisation and ReLU between, and nothing padded. After H. Cui, UCB/EECS-2023-130, whose network has two
poolings and two 1×1 at the end too; its values see about 11 pixels. A value of ours stands for 4 by 4 pixels and sees
15 more on each side, 34 by 34, four blocks of JPEG and their borders, so that the steps of coefficients can be told.

What goes in is asinh(2·(x − mean of the 3×3 pixels about x)), x in levels 0 … 255: damage of one level, beside edges of
a hundred. Without that logarithm nothing was learnt in the first thousand steps, with it most in two hundred.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from orbiq.arrays import Array
from orbiq.predictors.quality_labels import CLASSES

_SIZES = (7, 3, 3, 3, 3, 1, 1)
_POOLED_AFTER = (1, 2)


class QualityNetwork(nn.Module):
    """From what `network_input` gives of (n, bands, rows, cols) to logits (n, outputs, (rows − 34) // 4 + 1, …).

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

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of the map."""
        return self.layers(x)

    def settings(self) -> dict[str, Any]:
        """What builds the same network."""
        return {"bands": self.bands, "widths": list(self.widths), "outputs": self.outputs}


def network_input(pixels: torch.Tensor) -> torch.Tensor:
    """Of levels 0 … 255 (n, bands, rows, cols): (n, bands, rows − 2, cols − 2)."""
    levels = pixels.float().contiguous(memory_format=torch.channels_last)
    around = nn.functional.avg_pool2d(levels, 3, 1)
    return torch.asinh(2 * (levels[:, :, 1:-1, 1:-1] - around)).contiguous(memory_format=torch.channels_last)


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


def with_weights(network: QualityNetwork, mean: Mapping[str, torch.Tensor]) -> QualityNetwork:
    """The network with averaged weights, ready for use."""
    network.load_state_dict(dict(mean))
    network.eval()
    return network


def arrays_of(network: QualityNetwork) -> dict[str, Array]:
    """Its weights as arrays for a file."""
    return {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}


def folded(network: QualityNetwork) -> nn.Sequential:
    """The same function without batch normalisation, for use: its factors go into the convolutions."""
    layers: list[nn.Module] = []
    for layer in network.eval().layers:
        if isinstance(layer, nn.BatchNorm2d):
            layers[-1] = nn.utils.fuse_conv_bn_eval(layers[-1], layer)
        else:
            layers.append(layer)
    return nn.Sequential(*layers).to(memory_format=torch.channels_last).eval().requires_grad_(requires_grad=False)
