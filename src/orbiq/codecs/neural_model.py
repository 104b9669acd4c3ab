"""A trained fixed-quality codec as it is kept and run: half-precision transforms, and integers for all that must agree.

What a decoder computes from the stream before it reads a latent (which of the 64 tables codes it, what it is about, and
by how much it was masked) is computed in integers, in floating point wide enough that no sum is ever rounded: any
machine, number of threads or library comes to the same. Weights of the hyper-decoder are multiples of 2⁻¹², its
activations of 2⁻⁸. The pictures themselves come from ordinary single-precision arithmetic, and can differ by the
rounding of a sample.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from orbiq.arrays import Array
from orbiq.codecs.fixed_quality import Calibration
from orbiq.codecs.neural_neighbours import Neighbours
from orbiq.codecs.neural_networks import LOWEST_SCALE, N_SCALES, SCALE_STEP, Networks
from orbiq.codecs.neural_rounding import thresholds
from orbiq.codecs.rans import Tables, gaussian_tables, tables_from_masses
from orbiq.errors import SettingError
from orbiq.learning.weights import Weights, read_weights

KIND = "fixed-quality-codec"
N_LEVELS = 256
"""Steps of quality, from the least λ to the most, by equal ratios."""
WEIGHT_BITS = 12
ACTIVATION_BITS = 8
_MOST_ACTIVATION = float(1 << 24)
MOST_HYPERLATENT = 1 << 15
_HYPER_LAYERS = (0, 2, 4)
_ONE_AT_A_TIME = Lock()
"""Networks use all cores by themselves: several images at a time would wait for one another's threads."""


class Foretold(NamedTuple):
    """Of each latent (batch, channels, rows, cols): the table that codes it, uint8, and its mean, not masked."""

    tables: Array
    mean: torch.Tensor


class Model:
    """Networks and tables of one file."""

    def __init__(self, weights: Weights) -> None:
        self.description = weights.description
        self.digest = weights.digest[:16]
        self.calibration = Calibration(
            **{key: float(self.description["calibration"][key]) for key in ("alpha", "a", "b")}
        )
        shape = self.description["shape"]
        self.bands, self.width, self.channels = int(shape["bands"]), int(shape["width"]), int(shape["latents"])
        self.lmbda_range = float(shape["least_lmbda"]), float(shape["most_lmbda"])
        self.networks = Networks(bands=self.bands, width=self.width, latents=self.channels)
        self._load(weights.arrays)
        self.scale_tables = Tables.unpacked(weights.arrays["tables.scales"])
        self.hyper_tables = Tables.unpacked(weights.arrays["tables.hyperlatents"])
        self.hyper_sets = len(self.hyper_tables) // self.channels
        if len(self.scale_tables) != N_SCALES or len(self.hyper_tables) != max(self.hyper_sets, 1) * self.channels:
            raise SettingError(
                f"a fixed-quality model has {len(self.scale_tables)} tables of latents and {len(self.hyper_tables)} of "
                f"hyperlatents; expected {N_SCALES}, and sets of {self.channels}: fetch the file again"
            )
        self.thresholds = thresholds(self.scale_tables)
        self.neighbours, self._narrower = _neighbours(weights.arrays, self.channels)
        self.mask_index = torch.from_numpy(weights.arrays["mask_index"].astype(np.float64))
        self.masks = LOWEST_SCALE * (self.mask_index * (SCALE_STEP / (1 << ACTIVATION_BITS))).exp()
        self.masks = self.masks.float()
        self._hyper = [
            tuple(
                torch.from_numpy(weights.arrays[f"hyper.{k}.{part}"].astype(np.float64)) for part in ("weight", "bias")
            )
            for k in _HYPER_LAYERS
        ]

    def _load(self, arrays: Mapping[str, Array]) -> None:
        state = {
            name: torch.from_numpy(a.astype(np.float32))
            for name, a in arrays.items()
            if name in _kept_names(self.networks)
        }
        missing = self.networks.load_state_dict(state, strict=False).missing_keys
        used = ("analysis.", "to_latents.", "synthesis.", "to_picture.", "hyper_analysis.")
        if lost := [name for name in missing if name.startswith(used)]:
            raise SettingError(f"a fixed-quality model lacks {lost[0]}: fetch the file again")
        self.networks.requires_grad_(requires_grad=False).eval()
        self.networks.to(memory_format=torch.channels_last)

    @property
    def lmbdas(self) -> Array:
        """λ of each level."""
        low, high = self.lmbda_range
        return np.asarray(low * (high / low) ** (np.arange(N_LEVELS) / (N_LEVELS - 1)))

    @property
    def magnitudes(self) -> Array:
        """Mean of the mask over channels, at each level."""
        return np.asarray(self.masks.mean(1).numpy(), np.float64)

    def latents(self, seen: torch.Tensor) -> torch.Tensor:
        """(batch, planes, rows, cols) to (batch, channels, rows / 16, cols / 16)."""
        with _ONE_AT_A_TIME, torch.inference_mode():
            return self.networks.latents(seen.contiguous(memory_format=torch.channels_last))

    def picture(self, latents: torch.Tensor) -> torch.Tensor:
        """The way back; latents unmasked."""
        with _ONE_AT_A_TIME, torch.inference_mode():
            return self.networks.picture(latents.contiguous(memory_format=torch.channels_last))

    def mask(self, levels: torch.Tensor) -> torch.Tensor:
        """(batch, rows, cols) of levels to (batch, channels, rows, cols)."""
        return self.masks[levels.long()].permute(0, 3, 1, 2)

    def hyperlatents(self, masked: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
        """Rounded, of masked latents; rows and cols a quarter of theirs, rounded up."""
        share = torch.from_numpy(self.lmbdas / self.lmbda_range[1]).float()[levels.long()][:, None]
        rows, cols = (-side % 4 for side in masked.shape[2:])
        masked, share = (functional.pad(x, (0, cols, 0, rows), mode="replicate") for x in (masked, share))
        with _ONE_AT_A_TIME, torch.inference_mode():
            z = self.networks.hyperlatents(masked, share)
        return z.round().clamp(-MOST_HYPERLATENT, MOST_HYPERLATENT)

    def foretold(self, z: torch.Tensor, levels: torch.Tensor) -> Foretold:
        """What hyperlatents (batch, channels, rows, cols) say of latents with these levels, in exact arithmetic."""
        x = z.double()
        rows, cols = levels.shape[1:]
        with _ONE_AT_A_TIME, torch.inference_mode():
            for k, (weight, bias) in enumerate(self._hyper[:2]):
                x = functional.conv_transpose2d(x, weight, bias, stride=2, padding=2, output_padding=1)
                bits = WEIGHT_BITS - ACTIVATION_BITS if k == 0 else WEIGHT_BITS
                x = (x.relu() * 2.0**-bits).floor().clamp(max=_MOST_ACTIVATION)
            x = functional.conv2d(x, *self._hyper[2], padding=1)[:, :, :rows, :cols]
            x = (x * 2.0**-WEIGHT_BITS).floor()
            fine = x[:, : self.channels] + self.mask_index[levels.long()].permute(0, 3, 1, 2) + self._narrower
            coarse = ((fine + (1 << (ACTIVATION_BITS - 1))) * 2.0**-ACTIVATION_BITS).floor()
            tables = coarse.clamp(0, N_SCALES - 1).to(torch.uint8)
            return Foretold(tables.numpy(), (x[:, self.channels :] * 2.0**-ACTIVATION_BITS).float())


def _neighbours(arrays: Mapping[str, Array], channels: int) -> tuple[list[Neighbours], torch.Tensor]:
    """How channels are foretold from their neighbours, and what that takes from the place of a channel's table."""
    narrower = torch.zeros(channels, 1, 1, dtype=torch.float64)
    if "neighbours" not in arrays:
        return [], narrower
    how, of_levels = arrays["neighbours"], arrays.get("neighbour_masks", np.empty((0, 0)))
    fits = how.shape == (len(of_levels), 6) and of_levels.shape[1:] == (N_LEVELS,)
    if not (fits and (of_levels > 0).all() and ((how[:, 0] >= 0) & (how[:, 0] < channels)).all()):
        raise SettingError(
            f"a fixed-quality model says of neighbours {how.shape} and of their masks {of_levels.shape} numbers; "
            f"expected 6 and {N_LEVELS} for each channel that is foretold, masks above 0: fetch the file again"
        )
    found = []
    for said, masks in zip(how, of_levels, strict=True):
        channel, tables, *weights = (int(v) for v in said)
        narrower[channel] = float(tables << ACTIVATION_BITS)
        found.append(Neighbours(channel, np.array(weights, np.int64), masks.astype(np.int64)))
    return found, narrower


def _kept_names(networks: Networks) -> set[str]:
    """Names of what is kept in half precision: all but the hyper-decoder, whose integers are kept.

    Prior and modulation stand in tables too, which alone are used; they are for who trains on from here.
    """
    return {name for name in networks.state_dict() if not name.startswith("hyper_synthesis.")}


def kept_arrays(networks: Networks, lmbdas: Array) -> dict[str, Array]:
    """What a model's file holds of trained networks."""
    arrays: dict[str, Array] = {}
    state = {name: value.detach().cpu().float() for name, value in networks.state_dict().items()}
    for name in _kept_names(networks):
        arrays[name] = state[name].numpy().astype(np.float16)
    for k, layer in enumerate(_HYPER_LAYERS):
        fraction = WEIGHT_BITS if k == 0 else WEIGHT_BITS + ACTIVATION_BITS
        arrays[f"hyper.{layer}.weight"] = _fixed(state[f"hyper_synthesis.{layer}.weight"], WEIGHT_BITS, np.int16)
        arrays[f"hyper.{layer}.bias"] = _fixed(state[f"hyper_synthesis.{layer}.bias"], fraction, np.int32)
    arrays["mask_index"] = _mask_index(networks, lmbdas)
    scales = [LOWEST_SCALE * math.exp(k * SCALE_STEP) for k in range(N_SCALES)]
    arrays["tables.scales"] = gaussian_tables(scales).packed()
    arrays["tables.hyperlatents"] = _hyper_tables(networks).packed()
    return arrays


def trained_state(weights: Weights) -> dict[str, torch.Tensor]:
    """The networks' state that a model's file holds, in single precision: where another training can begin."""
    state = {}
    for name, array in weights.arrays.items():
        if name.startswith("hyper."):
            _, layer, part = name.split(".")
            bits = WEIGHT_BITS if part == "weight" or layer == "0" else WEIGHT_BITS + ACTIVATION_BITS
            state[f"hyper_synthesis.{layer}.{part}"] = torch.from_numpy(array.astype(np.float32) * 2.0**-bits)
        elif not name.startswith(("tables.", "mask_index", "neighbour")):
            state[name] = torch.from_numpy(array.astype(np.float32))
    return state


def _fixed(values: torch.Tensor, bits: int, dtype: Any) -> Array:
    info = np.iinfo(dtype)
    return np.asarray(np.clip(np.rint(values.double().numpy() * 2.0**bits), info.min, info.max), dtype)


def _mask_index(networks: Networks, lmbdas: Array) -> Array:
    """log(mask / lowest scale) of each level and channel, in 1/256 of the table's step."""
    share = torch.from_numpy(lmbdas / lmbdas[-1]).float()
    with torch.no_grad():
        mask = networks.modulation.cpu().float()(share[None, None, None])[0, :, 0].T
    index = (mask.double() / LOWEST_SCALE).log() / SCALE_STEP * (1 << ACTIVATION_BITS)
    return np.asarray(np.rint(index.numpy()), np.int16)


def _hyper_tables(networks: Networks) -> Tables:
    """Of each channel: the mass of every whole number near its centres; the rest is escaped."""
    reach = 256
    z = torch.arange(-reach, reach + 1).float()
    channels = networks.prior.weight.shape[0]
    with torch.no_grad():
        masses = (
            networks.prior.cpu().float().likelihood(z[None, None, None].expand(1, channels, 1, -1))[0, :, 0].double()
        )
    chosen = []
    for mass in masses.numpy():
        seen = np.flatnonzero(mass > 2.0**-14)
        first, last = (int(seen[0]), int(seen[-1])) if len(seen) else (reach, reach)
        chosen.append((first - reach, mass[first : last + 1]))
    return tables_from_masses(chosen)


def load_model(path: str | Path) -> Model:
    """The model in a file."""
    path = Path(path)
    stamp = path.stat().st_mtime_ns if path.exists() else 0
    return _loaded(path, stamp)


@lru_cache(maxsize=4)
def _loaded(path: Path, stamp: int) -> Model:  # noqa: ARG001  a file that was written anew is read anew
    return Model(read_weights(path, kind=KIND))
