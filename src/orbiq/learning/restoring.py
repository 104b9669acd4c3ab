"""Trained networks from their files."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from orbiq.errors import SettingError
from orbiq.learning.weights import Weights

Network = TypeVar("Network", bound=nn.Module)


def restored(build: Callable[[Mapping[str, Any]], Network], weights: Weights, path: Path) -> Network:
    """The network that `build` makes of what a file says of it, with the file's weights, frozen and ready for use.

    SettingError where tensors are missing or do not fit.
    """
    try:
        network = build(weights.description["network"])
        network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.arrays.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        what = " ".join(str(error).split())[:120]
        raise SettingError(f"{str(path)!r} does not hold the network that it describes: {what}") from None
    network.requires_grad_(requires_grad=False).eval()
    return network
