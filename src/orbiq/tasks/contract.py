"""The contract between orbiq and a black box: a command line and two JSON files. Read this if you write one.

**The command line.** Your command is called with

    --trainds DIR           the training dataset (--valds DIR, --testds DIR where the experiment has them)
    --outputpath DIR        an empty folder for whatever you want to keep
    --name value            every parameter of the experiment, for example --epochs 20
    --seed N                under the name that `seed_argument` states, when it states one
    --modelpath DIR         for an evaluation command of its own: the --outputpath of its training
    --mlfuri --mlfexpid --mlfrunid    where to log live, when `monitoring: true`

and the variables SM_CHANNEL_TRAINDS, SM_CHANNEL_VALDS, SM_CHANNEL_TESTDS and SM_OUTPUT_DATA_DIR say the same. A
dataset is a folder with one subfolder of images and its annotations. Exit with 0 when all went well.

**results.json** (in the output folder): an object.

    {"learning_rate": 0.1,                a number or a word: a parameter of the run
     "train_loss": [1.34, 1.29, 1.24],    a list: a metric, its steps are 0, 1, 2, …
     "val_loss": [[10, 1.4], [20, 1.3]]}  pairs: a metric at those steps

A number that is the experiment's objective, or a list's last value, counts as a score too. NaN means "could not
be computed".

**output.json** (optional): what your model said of the judged images (test, else val, else train).

    [{"image_id": 85, "category_id": 1, "bbox": [x, y, width, height], "score": 0.97}, …]    COCO detections
    {"values": {"7/00012.png": 6.8, …}}                 a number for each image
    {"labels": {"a.png": "airport", …}}                 a class for each image
    {"probabilities": {"a.png": {"airport": 0.9, "beach": 0.1}, …}}    or all classes' probabilities, sum 1
    {"masks": {"a.png": "masks/a.png", …}}              a class map for each image, a file below the output folder
    ["generated/a.png", …]                              pictures that your model made, below the output folder

Images go by their names in the dataset that was given. A class map is a PNG or TIFF of one band in the size of the
image, each pixel the number of its class.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, isfinite, nan
from pathlib import Path, PurePosixPath
from typing import Any

from orbiq.errors import ContractError, SettingError
from orbiq.records import Series

RESULTS_FILE = "results.json"
OUTPUT_FILE = "output.json"
FORMS = ("values", "labels", "probabilities", "masks")
"""Keys of output.json under which something is said by image."""
RESERVED = (
    "trainds", "valds", "testds", "outputpath", "modelpath", "mlfuri", "mlfexpid", "mlfrunid",
)  # fmt: skip
"""Arguments that orbiq itself passes; no parameter may have such a name."""
LARGEST_JSON_BYTES = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Results:
    """What results.json said: parameters, and metrics by step; `notes` says what was odd but no error."""

    task_params: dict[str, Any] = field(default_factory=dict)
    series: dict[str, Series] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def check_params(params: Mapping[str, Any], *, seed_argument: str | None) -> None:
    """Refuse parameter names that orbiq passes itself, names that make no flag, and numbers that are not finite."""
    if seed_argument in RESERVED:
        raise SettingError(f"seed_argument {seed_argument!r} is reserved: orbiq passes --{seed_argument} itself")
    for name, value in params.items():
        if name in RESERVED or name == seed_argument:
            raise SettingError(
                f"parameter {name!r} is reserved: orbiq passes --{name} itself. Rename it in params and in your script."
            )
        if not name.replace("-", "_").isidentifier():
            raise SettingError(f"parameter {name!r} makes no command line flag; use letters, digits, - and _")
        if any(isinstance(v, float) and not isfinite(v) for v in (value if isinstance(value, list) else [value])):
            raise SettingError(f"parameter {name!r} is {value}; a number that is not finite goes as a word, in quotes")


def flags(params: Mapping[str, Any]) -> list[str]:
    """Parameters as a command line: `--name value`; true and false as words; lists as JSON.

    >>> flags({"epochs": 20, "flip": True})
    ['--epochs', '20', '--flip', 'true']
    """
    return [text for name, value in params.items() for text in (f"--{name}", _flag_text(value))]


def _flag_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def read_results(output: Path) -> Results:
    """Read results.json; ContractError says what is wrong with it, in words for the author of the black box."""
    path = output / RESULTS_FILE
    if not path.is_file():
        raise ContractError(
            f"the task wrote no {RESULTS_FILE} into its --outputpath; it holds an object such as "
            '{"learning_rate": 0.1, "train_loss": [1.3, 1.2]}'
        )
    data = _load(path)
    if not isinstance(data, dict):
        raise ContractError(f'{RESULTS_FILE} holds a {_kind(data)}; expected an object such as {{"mse": 0.1}}')
    task_params: dict[str, Any] = {}
    series: dict[str, Series] = {}
    notes = []
    for written, value in data.items():
        name = written.encode(errors="backslashreplace").decode()  # JSON can name half a character
        if isinstance(value, list):
            series[name] = _series(name, value)
        elif isinstance(value, dict):
            raise ContractError(
                f"{RESULTS_FILE}: {name!r} is an object; expected a number, a word or a list of numbers"
            )
        else:
            task_params[name] = _limited(value)
        if value is None or (isinstance(value, float) and value != value):  # noqa: PLR0124  only NaN differs from itself
            task_params[name] = nan
            notes.append(f"{RESULTS_FILE}: {name} is {'null' if value is None else 'NaN'}")
    return Results(task_params=task_params, series=series, notes=tuple(notes))


def _series(name: str, values: list[Any]) -> Series:
    points: Series = []
    for step, value in enumerate(values):
        pair = value if isinstance(value, list) else [step, value]
        if len(pair) != 2 or not all(_is_number(v) for v in pair) or pair[0] is None:
            raise ContractError(
                f"{RESULTS_FILE}: {name}[{step}] is {json.dumps(value)[:60]}; expected a number or [step, number]"
            )
        points.append((float(_limited(pair[0])), nan if pair[1] is None else float(_limited(pair[1]))))
    return points


def _limited(value: Any) -> Any:
    """The value; a whole number that no float can hold is infinite, as it would be with a decimal point."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > sys.float_info.max:
        return inf if value > 0 else -inf
    return value


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def read_predictions(output: Path) -> Any:
    """What output.json says, or None when there is none; paths of class maps and generated images are checked."""
    path = output / OUTPUT_FILE
    if not path.is_file():
        return None
    data = _load(path)
    if isinstance(data, list) and data and all(isinstance(v, str) for v in data):
        return [checked_relative(v, output) for v in data]
    if isinstance(data, dict) and "masks" in data:
        return {**data, "masks": _checked_masks(data["masks"], output)}
    return data


def _checked_masks(masks: Any, folder: Path) -> dict[str, str]:
    if not isinstance(masks, dict) or not all(isinstance(v, str) for v in masks.values()):
        raise ContractError(
            f'{OUTPUT_FILE}: "masks" is no object from image to path; expected {{"masks": {{"a.png": "masks/a.png"}}}}'
        )
    return {name: checked_relative(path, folder) for name, path in masks.items()}


def checked_relative(name: str, folder: Path) -> str:
    """A relative path that stays below `folder` and is there."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts:
        raise ContractError(f"{OUTPUT_FILE} names {name!r}, which leaves the output folder; name files below it")
    if not _lies_in(pure, folder):
        raise ContractError(f"{OUTPUT_FILE} names {name!r}, which is not in the output folder")
    return pure.as_posix()


def _lies_in(name: PurePosixPath, folder: Path) -> bool:
    try:
        inside = (folder / name).resolve()
        return inside.is_relative_to(folder.resolve()) and inside.is_file()
    except (OSError, ValueError):  # too long, or with a zero byte: no file has such a name
        return False


def _load(path: Path) -> Any:
    try:
        text = path.read_bytes() if path.stat().st_size <= LARGEST_JSON_BYTES else None
    except OSError as error:
        raise ContractError(f"{path.name} cannot be read: {error.strerror}") from None
    if text is None:
        raise ContractError(f"{path.name} is too large; at most {LARGEST_JSON_BYTES / 1e9:.1f} GB are read")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ContractError(f"{path.name} is no JSON: {error}. Write it with json.dump, at the end.") from None


def _kind(value: Any) -> str:
    return {list: "list", str: "string", bool: "boolean", type(None): "null"}.get(type(value), "number")
