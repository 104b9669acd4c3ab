"""The predictors that come with orbiq: their files, and what their bytes must be.

models/<kind>-<name>.safetensors, .md    a predictor and its card
models/digests.json                      SHA-256 of each file
"""

import json
from functools import cache
from pathlib import Path

from orbiq.errors import SettingError
from orbiq.learning.weights import Weights, read_weights

MODELS = Path(__file__).parent / "models"


def model_file(name: str, *, kind: str) -> Path:
    """The file of a predictor that comes with orbiq, or the one at that path; SettingError for a name that is none."""
    if Path(name).suffix:
        return Path(name)
    path = MODELS / f"{kind}-{name}.safetensors"
    if not path.exists():
        known = ", ".join(sorted(p.stem.removeprefix(f"{kind}-") for p in MODELS.glob(f"{kind}-*.safetensors")))
        raise SettingError(f"no {kind} predictor is named {name!r}; expected {known}, or a .safetensors file")
    return path


def weights_of(path: Path, *, kind: str) -> Weights:
    """What a file holds; SettingError where it is not of `kind`, damaged, or not the one that came with orbiq."""
    digest = digests().get(path.name) if path.parent == MODELS else None
    return read_weights(path, kind=kind, digest=digest)


@cache
def digests() -> dict[str, str]:
    """SHA-256 (hex) of the files that come with orbiq."""
    known: dict[str, str] = json.loads((MODELS / "digests.json").read_text())
    return known
