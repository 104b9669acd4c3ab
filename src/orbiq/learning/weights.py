"""Files of trained numbers: safetensors, which hold no code, with their description in the header.

A file appears whole or not at all. What is read is checked before it is believed: length, description, and where it is
known the SHA-256 of the whole.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from orbiq.arrays import Array
from orbiq.cache import write_bytes
from orbiq.errors import MissingExtra, SettingError

_DESCRIPTION = "orbiq"


class Weights(NamedTuple):
    """Arrays by name, what the file says of them, and the SHA-256 (hex) of its bytes."""

    arrays: dict[str, Array]
    description: dict[str, Any]
    digest: str


def write_weights(path: str | Path, arrays: Mapping[str, Array], description: Mapping[str, Any]) -> str:
    """Write arrays and a JSON description; the SHA-256 (hex) of the file."""
    save = _safetensors().save
    text = json.dumps(dict(description), sort_keys=True)
    data: bytes = save({name: _plain(array) for name, array in arrays.items()}, metadata={_DESCRIPTION: text})
    write_bytes(Path(path), data)
    return hashlib.sha256(data).hexdigest()


def read_weights(path: str | Path, *, kind: str, digest: str | None = None) -> Weights:
    """What `write_weights` wrote; SettingError where the file is none, is not of `kind`, or has another digest."""
    path = Path(path)
    library = _safetensors()
    try:
        data = path.read_bytes()
        description = json.loads(json.loads(_header(data))["__metadata__"][_DESCRIPTION])
        arrays, of_kind = library.load(data), description.get("kind")
    except OSError as error:
        raise SettingError(f"weights {str(path)!r} cannot be read: {error.strerror}. Correct the path.") from None
    except Exception as error:  # noqa: BLE001  a damaged file fails in many ways
        raise SettingError(f"{str(path)!r} is no file of weights that orbiq wrote, or is damaged: {error}") from None
    if of_kind != kind:
        raise SettingError(f"{str(path)!r} holds weights of kind {of_kind!r}; expected {kind!r}.")
    found = hashlib.sha256(data).hexdigest()
    if digest is not None and found != digest:
        raise SettingError(
            f"{str(path)!r} is not the file that it should be: SHA-256 {found[:12]}…, not {digest[:12]}…"
        )
    return Weights(arrays, description, found)


def _header(data: bytes) -> bytes:
    length = int.from_bytes(data[:8], "little")
    if not 0 < length <= len(data) - 8:
        raise ValueError("its header is cut off")
    return data[8 : 8 + length]


def _plain(array: Array) -> Array:
    import numpy as np

    return np.asarray(array, order="C")


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ModuleNotFoundError as error:
        raise MissingExtra("trained weights need 'safetensors': pip install 'orbiq[learned]'") from error
    return safetensors.numpy
