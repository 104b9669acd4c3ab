"""`dataset.json`: what the pixels of a dataset do not say."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import Any

from orbiq.errors import DatasetError, did_you_mean

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Description:
    """The content of dataset.json; see `orbiq.datasets.folder` for the meaning of each key."""

    name: str | None = None
    images: str | None = None
    annotations: str | None = None
    peak: float | None = None
    gsd_m: float | None = None
    nodata: float | None = None
    scenes: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)


def read_description(folder: Path) -> Description:
    """What dataset.json in `folder` says, nothing where there is none; DatasetError where it is not understood."""
    path = folder / "dataset.json"
    if not path.is_file():
        return Description()
    content = _object(path)
    if content.pop("schema", SCHEMA) != SCHEMA:
        raise DatasetError(f"{str(path)!r} has an unknown schema; expected {SCHEMA}. Update orbiq, or the file.")
    known = [item.name for item in fields(Description)]
    for key in set(content) - set(known):
        hint = did_you_mean(key, [*known, "schema"])
        raise DatasetError(f'{str(path)!r} has the unknown key {key!r}. {hint}. Keys of your own go under "params".')
    for key, value in content.items():
        _check(path, key, value)
    return Description(**content)


def _object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"{str(path)!r} is no JSON: {error.msg} in line {error.lineno}, column {error.colno}."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{str(path)!r} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise DatasetError(
            f'{str(path)!r} holds a {type(content).__name__}; expected an object such as {{"peak": 4095}}.'
        )
    return content


def _check(path: Path, key: str, value: Any) -> None:
    expected = {
        "name": (_is_text, "a text"),
        "images": (_is_inside, "the name of a subfolder"),
        "annotations": (_is_inside, "the name of a file in the dataset's folder"),
        "peak": (_is_positive, "a number above 0, such as 4095 for 12-bit data"),
        "gsd_m": (_is_positive, "metres per pixel, a number above 0"),
        "nodata": (_is_number, "a number"),
        "scenes": (_is_texts, "an object from image name to scene id"),
        "params": (_is_object, "an object"),
    }
    fits, words = expected[key]
    if not fits(value):
        raise DatasetError(f"{str(path)!r} says {key} = {value!r}; expected {words}.")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _is_inside(value: Any) -> bool:
    return _is_text(value) and not Path(value).is_absolute() and ".." not in Path(value).parts and value != "."


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_texts(value: Any) -> bool:
    return _is_object(value) and all(_is_text(item) for item in value.values())
