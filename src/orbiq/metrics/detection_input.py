"""What comes in: a task's detections and the truth, checked and brought to numbers.

Boxes are [x, y, width, height] in pixels, (x, y) the top-left corner. Images and classes are numbered in the
rising order of their ids, the order in which COCO's own code breaks ties.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from orbiq.arrays import Array, FloatArray
from orbiq.errors import ContractError, DatasetError

Id = int | str
_TOO_LARGE = 1e300


class Truth(Protocol):
    """What is needed of a data set's annotations; `orbiq.datasets.annotations.Annotations` has it."""

    @property
    def images(self) -> Sequence[Any]:
        """Each with `id` and `file_name`."""
        ...

    @property
    def categories(self) -> Sequence[Any]:
        """Each with `id` and `name`."""
        ...

    @property
    def objects(self) -> Sequence[Any]:
        """Each with `image_id`, `category_id`, `bbox`, `area` (px², None = width · height) and `iscrowd`."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class TruthTable:
    """The truth as arrays: one row per object, images and classes by number from 0."""

    images: tuple[str, ...]
    classes: tuple[str, ...]
    image_numbers: Mapping[Id, int]
    class_numbers: Mapping[Id, int]
    image: Array
    category: Array
    boxes: FloatArray
    area_px2: FloatArray
    iscrowd: Array


def truth_table(truth: Truth, *, merge_categories: bool) -> TruthTable:
    """The truth as arrays; with `merge_categories` all classes are the one class "object"."""
    images = sorted(truth.images, key=lambda image: _id_order(image.id))
    categories = sorted(truth.categories, key=lambda category: _id_order(category.id))
    names = tuple(str(image.file_name) for image in images)
    _refuse_twins(names)
    image_numbers = {image.id: k for k, image in enumerate(images)}
    class_numbers = {category.id: 0 if merge_categories else k for k, category in enumerate(categories)}
    objects = truth.objects
    for number, item in enumerate(objects, 1):
        _check_object(item, number, image_numbers=image_numbers, class_numbers=class_numbers)
    boxes = np.array([o.bbox for o in objects], float).reshape(-1, 4)
    areas = [o.bbox[2] * o.bbox[3] if o.area is None else o.area for o in objects]
    return TruthTable(
        images=names,
        classes=("object",) if merge_categories else _distinct(categories),
        image_numbers=image_numbers,
        class_numbers=class_numbers,
        image=np.array([image_numbers[o.image_id] for o in objects], np.int64),
        category=np.array([class_numbers[o.category_id] for o in objects], np.int64),
        boxes=boxes,
        area_px2=np.array(areas, float),
        iscrowd=np.array([bool(o.iscrowd) for o in objects], np.int64),
    )


def _id_order(value: Id) -> tuple[bool, Any]:
    return isinstance(value, str), value


def _refuse_twins(names: Sequence[str]) -> None:
    name, count = Counter(names).most_common(1)[0] if names else ("", 1)
    if count > 1:
        raise DatasetError(
            f"image {name!r} is {count} times among the truth's images; a file name must stand once, with one id"
        )


def _distinct(categories: Sequence[Any]) -> tuple[str, ...]:
    """Class names; two classes of one name are told apart by their id."""
    counts = Counter(str(c.name) for c in categories)
    return tuple(str(c.name) if counts[str(c.name)] == 1 else f"{c.name} ({c.id})" for c in categories)


def _check_object(item: Any, number: int, *, image_numbers: Mapping[Id, int], class_numbers: Mapping[Id, int]) -> None:
    subject = f"truth object {number}"
    if item.image_id not in image_numbers:
        raise DatasetError(f"{subject} is in image_id {item.image_id!r}, which is not among the truth's images")
    if item.category_id not in class_numbers:
        raise DatasetError(f"{subject} has category_id {item.category_id!r}, which is not among the truth's categories")
    if item.bbox is None or not all(math.isfinite(v) for v in item.bbox):
        raise DatasetError(
            f"{subject} (image_id {item.image_id!r}) has the box {item.bbox!r}; detection needs four finite numbers "
            "[x, y, width, height] in pixels for every object"
        )


def prediction_table(predictions: Any, table: TruthTable) -> FloatArray:
    """(detections, 7) as [image + 1, x, y, width, height, score, class + 1]; see `coco_detection` for the errors."""
    if not isinstance(predictions, Sequence) or isinstance(predictions, str | bytes):
        raise ContractError(
            f"predictions are {_came(predictions)}; expected a list of detections, each "
            '{"image_id": …, "category_id": …, "bbox": [x, y, width, height], "score": …}; an empty list for none'
        )
    total = len(predictions)
    rows = [_row(entry, f"prediction {n} of {total}", table=table) for n, entry in enumerate(predictions, 1)]
    return np.array(rows, float).reshape(-1, 7)


def _row(entry: Any, subject: str, *, table: TruthTable) -> tuple[float, ...]:
    if not isinstance(entry, Mapping):
        raise ContractError(f"{subject} is {_came(entry)}; expected an object with image_id, category_id, bbox, score")
    for key in ("image_id", "category_id", "bbox", "score"):
        if key not in entry:
            raise ContractError(f"{subject} has no {key!r}; it has {', '.join(map(str, entry)) or 'nothing'}")
    image = _number(entry["image_id"], f"{subject}: image_id", known=table.image_numbers, kind="images")
    category = _number(entry["category_id"], f"{subject}: category_id", known=table.class_numbers, kind="categories")
    box, score = entry["bbox"], entry["score"]
    if not isinstance(box, Sequence) or len(box) != 4 or not all(_is_finite(v) for v in box) or min(box[2:]) < 0:
        raise ContractError(
            f"{subject}: bbox is {_came(box)}; expected four finite numbers [x, y, width, height] in pixels, "
            "width and height ≥ 0"
        )
    if not _is_finite(score):
        raise ContractError(f"{subject}: score is {_came(score)}; expected a finite number, higher for surer")
    return (image + 1.0, *box, score, category + 1.0)


def _number(value: Any, subject: str, *, known: Mapping[Id, int], kind: str) -> int:
    try:
        number = known.get(value)
    except TypeError:  # a list or dict cannot be an id
        number = None
    if number is None or isinstance(value, bool):
        some = ", ".join(repr(k) for k in list(known)[:3]) or "none"
        raise ContractError(f"{subject} is {_came(value)}; expected the id of one of the truth's {kind}, as in {some}")
    return number


def _is_finite(value: Any) -> bool:
    is_number = type(value) in (int, float) or isinstance(value, np.integer | np.floating)
    return is_number and bool(abs(value) < _TOO_LARGE)  # false for NaN; math.isfinite chokes on a huge integer


def _came(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '…'} ({type(value).__name__})"
