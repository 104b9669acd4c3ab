"""Where a training stands, on disk: tensors by group and name, and what they are of."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from orbiq.cache import write_bytes
from orbiq.errors import SettingError

CHECKPOINT = "checkpoint.safetensors"
Groups = Mapping[str, Mapping[str, torch.Tensor]]


def write_checkpoint(path: Path, groups: Groups, said: Mapping[str, Any]) -> None:
    """Whole or not at all."""
    from safetensors.torch import save

    tensors = {
        f"{group}/{name}": value.detach().contiguous().cpu().clone()
        for group, values in groups.items()
        for name, value in values.items()
    }
    write_bytes(path, save(tensors, metadata={"orbiq": json.dumps({"kind": "checkpoint", **said})}))


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """What a checkpoint says, and its tensors by "group/name"; SettingError where there is none, or a damaged one."""
    if not path.exists():
        raise SettingError(f"folder {str(path.parent)!r} holds no {path.name}: name the folder of a training")
    try:
        with safe_open(path, framework="pt") as stored:
            said = json.loads(stored.metadata()["orbiq"])
            return said, {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118  it is no mapping
    except Exception as error:  # noqa: BLE001  a damaged file fails in many ways
        raise SettingError(f"checkpoint {str(path)!r} is damaged: {error}. Remove it to begin anew.") from None


def checkpoint_step(folder: Path) -> int:
    """The step that a folder's checkpoint is of; 0 where there is none, or it cannot be read."""
    try:
        with safe_open(folder / CHECKPOINT, framework="pt") as stored:
            return int(json.loads(stored.metadata()["orbiq"])["step"])
    except Exception:  # noqa: BLE001  the training will say what is wrong with it
        return 0


def averaged(folder: Path) -> dict[str, torch.Tensor]:
    """The averaged weights of a folder's checkpoint, by name."""
    _, tensors = read_checkpoint(folder / CHECKPOINT)
    return {key.removeprefix("mean/"): value for key, value in tensors.items() if key.startswith("mean/")}


def settings_of(folder: Path) -> dict[str, Any]:
    """What the training of a folder's checkpoint was."""
    said, _ = read_checkpoint(folder / CHECKPOINT)
    return dict(said["settings"])
