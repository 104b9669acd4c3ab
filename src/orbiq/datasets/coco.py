"""Ground truth as COCO JSON: `images`, `annotations`, `categories`, and whatever else the file says.

Beyond COCO two keys of an annotation are known: `rotated_bbox` [cx, cy, width, height, angle_deg], the angle from +x
towards +y (clockwise to the eye), and `mask_rle` for a mask beside polygons; and three of an image: `scene`,
`label`, `value`. Every unknown key is kept and written again, after the known ones.

Format: https://cocodataset.org/#format-data (Lin et al. 2014, doi:10.1007/978-3-319-10602-1_48).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

from orbiq.cache import without_nan, write_text
from orbiq.datasets.annotations import Annotations, Category, ImageEntry, Object
from orbiq.datasets.shapes import Point
from orbiq.errors import DatasetError

Json = dict[str, Any]


def read_coco(path: str | Path) -> Annotations:
    """The ground truth in a COCO file; DatasetError names the file, the entry and what was expected.

    A polygon may be given flat ([x, y, …]) instead of as a list of polygons.
    """
    path = Path(path)
    text = _text_of(path)
    try:
        return from_coco(_parsed(text))
    except DatasetError as error:
        raise DatasetError(f"annotations {str(path)!r}: {error}") from error


def write_coco(path: str | Path, annotations: Annotations) -> None:
    """Write ground truth as a COCO file, whole or not at all; StorageError where the disk refuses."""
    text = json.dumps(without_nan(to_coco(annotations)), ensure_ascii=False, allow_nan=False)
    write_text(Path(path), text + "\n")


def from_coco(content: Json) -> Annotations:
    """The ground truth in the content of a COCO file.

    >>> image = {"id": 7, "file_name": "a.png", "license": 3}
    >>> read = from_coco({"images": [image], "annotations": [], "categories": []})
    >>> read.images[0].file_name, read.images[0].extra
    ('a.png', {'license': 3})
    """
    lists = {key: _list_of(content, key) for key in ("images", "annotations", "categories")}
    return Annotations(
        images=tuple(_image(entry, i) for i, entry in enumerate(lists["images"])),
        categories=tuple(_category(entry, i) for i, entry in enumerate(lists["categories"])),
        objects=tuple(_object(entry, i) for i, entry in enumerate(lists["annotations"])),
        extra={key: value for key, value in content.items() if key not in lists},
    )


def to_coco(annotations: Annotations) -> Json:
    """The content of a COCO file with this ground truth."""
    return {
        **annotations.extra,
        "images": [_image_json(image) for image in annotations.images],
        "annotations": [_object_json(thing) for thing in annotations.objects],
        "categories": [{"id": c.id, "name": c.name, **c.extra} for c in annotations.categories],
    }


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DatasetError(f"annotations {str(path)!r} do not exist. Correct the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"annotations {str(path)!r} cannot be read: {error}. Expected COCO JSON in UTF-8."
        ) from error


def _parsed(text: str) -> Json:
    if not text.strip():
        raise DatasetError("the file is empty; expected COCO JSON. Fill it, or remove it.")
    try:
        content = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise DatasetError(f"broken JSON: {error.msg} in {where}. Write the file again.") from error
    if not isinstance(content, dict):
        hint = " A list is what detections look like: those are a task's output." if isinstance(content, list) else ""
        raise DatasetError(
            f"the file holds {_kind(content)}; expected a COCO object with images, annotations and categories.{hint}"
        )
    return content


def _refuse_constant(text: str) -> None:
    raise DatasetError(f"the file holds {text}, which is no JSON number. Write null, or leave the key out.")


_KINDS = {list: "a list", dict: "an object", str: "a text", bool: "true or false", type(None): "null"}


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "a number")


def _list_of(content: Json, key: str) -> list[Json]:
    if key not in content:
        raise DatasetError(
            f"the key {key!r} is missing; found {', '.join(content) or 'none'}. Expected COCO ground truth."
        )
    entries = content[key]
    if not isinstance(entries, list):
        raise DatasetError(f"{key!r} is {_kind(entries)}; expected a list of objects.")
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise DatasetError(f"{key}[{i}] is {_kind(entry)}; expected an object.")
    return entries


def _image(entry: Json, index: int) -> ImageEntry:
    where = f"images[{index}]"
    rows, cols = _side(entry, "height", where), _side(entry, "width", where)
    whole = {
        key: entry[key]
        for key, kinds in (("scene", str), ("label", int | str), ("value", int | float))
        if isinstance(entry.get(key), kinds) and not isinstance(entry[key], bool)
    }
    return ImageEntry(
        id=_id(entry, "id", where),
        file_name=_text(entry, "file_name", where),
        rows=rows,
        cols=cols,
        **whole,
        extra=_rest(entry, {"id", "file_name", "height", "width", *whole}),
    )


def _category(entry: Json, index: int) -> Category:
    where = f"categories[{index}]"
    return Category(id=_id(entry, "id", where), name=_text(entry, "name", where), extra=_rest(entry, {"id", "name"}))


def _object(entry: Json, index: int) -> Object:
    where = f"annotations[{index}]"
    known = {
        "id",
        "image_id",
        "category_id",
        "bbox",
        "rotated_bbox",
        "segmentation",
        "mask_rle",
        "keypoints",
        "area",
        "iscrowd",
    }
    segmentation = entry.get("segmentation")
    rle = segmentation if isinstance(segmentation, dict) else entry.get("mask_rle")
    return Object(
        id=_id(entry, "id", where),
        image_id=_id(entry, "image_id", where),
        category_id=_id(entry, "category_id", where),
        bbox=_numbers(entry, "bbox", where, count=4),
        rbox=_numbers(entry, "rotated_bbox", where, count=5),
        polygons=() if isinstance(segmentation, dict) else _polygons(segmentation, where),
        mask=None if rle is None else _rle(rle, where),
        keypoints=_keypoints(entry, where),
        area=_numbers({"area": [entry["area"]]}, "area", where, count=1)[0] if entry.get("area") is not None else None,
        iscrowd=bool(entry.get("iscrowd", 0)),
        # an empty list says something else than no key; the model has no place for it, the file does
        extra=_rest(entry, {key for key in known if entry.get(key) not in ([], None)} | {"iscrowd"}),
    )


def _rest(entry: Json, used: set[str]) -> Json:
    return {key: value for key, value in entry.items() if key not in used}


def _required(entry: Json, key: str, where: str) -> Any:
    if key not in entry:
        raise DatasetError(f"{where} has no {key!r}; found {', '.join(entry) or 'nothing'}.")
    return entry[key]


def _id(entry: Json, key: str, where: str) -> int | str:
    value = _required(entry, key, where)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise DatasetError(f"{where} has {key} {value!r}; expected a whole number or a text.")
    return value


def _text(entry: Json, key: str, where: str) -> str:
    value = _required(entry, key, where)
    if not isinstance(value, str) or not value:
        raise DatasetError(f"{where} has {key} {value!r}; expected a text.")
    return value


def _side(entry: Json, key: str, where: str) -> int | None:
    value = entry.get(key)
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or value < 1
    ):
        raise DatasetError(f"{where} has {key} {value!r}; expected a whole number of pixels ≥ 1.")
    return value if value is None else int(value)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numbers(entry: Mapping[str, Any], key: str, where: str, *, count: int) -> Any:
    values = entry.get(key)
    if values is None or values == []:
        return None
    if not isinstance(values, list) or len(values) != count or not all(map(_is_number, values)):
        raise DatasetError(f"{where} has {key} {values!r}; expected {count} numbers.")
    return tuple(values)


def _polygons(segmentation: Any, where: str) -> tuple[tuple[Point, ...], ...]:
    if not segmentation:
        return ()
    rings = [segmentation] if isinstance(segmentation, list) and _is_number(segmentation[0]) else segmentation
    for ring in rings if isinstance(rings, list) else [None]:
        if not isinstance(ring, list) or len(ring) % 2 or not all(map(_is_number, ring)):
            raise DatasetError(
                f"{where} has a segmentation that is no list of polygons [x, y, x, y, …] and no run-length code."
            )
    return tuple(tuple(zip(ring[::2], ring[1::2], strict=True)) for ring in rings)


def _rle(value: Any, where: str) -> Json:
    size = value.get("size") if isinstance(value, dict) else None
    if not isinstance(size, list) or len(size) != 2 or not isinstance(value.get("counts"), str | list):
        raise DatasetError(f'{where} has a run-length code without {{"size": [rows, cols], "counts": …}}.')
    return dict(value)


def _keypoints(entry: Json, where: str) -> tuple[tuple[float, float, float], ...]:
    values = entry.get("keypoints") or []
    if not isinstance(values, list) or len(values) % 3 or not all(map(_is_number, values)):
        raise DatasetError(f"{where} has keypoints that are no list [x, y, visibility, …].")
    return tuple(zip(values[::3], values[1::3], values[2::3], strict=True))


def _image_json(image: ImageEntry) -> Json:
    known = {
        "id": image.id,
        "file_name": image.file_name,
        "width": image.cols,
        "height": image.rows,
        "scene": image.scene,
        "label": image.label,
        "value": image.value,
    }
    return {**{key: value for key, value in known.items() if value is not None}, **image.extra}


def _object_json(thing: Object) -> Json:
    polygons = [[value for point in ring for value in point] for ring in thing.polygons]
    known = {
        "id": thing.id,
        "image_id": thing.image_id,
        "category_id": thing.category_id,
        "bbox": None if thing.bbox is None else list(thing.bbox),
        "rotated_bbox": None if thing.rbox is None else list(thing.rbox),
        "segmentation": polygons or (None if thing.mask is None else dict(thing.mask)),
        "mask_rle": dict(thing.mask) if polygons and thing.mask is not None else None,
        "keypoints": [value for point in thing.keypoints for value in point] or None,
        "area": thing.area,
        "iscrowd": int(thing.iscrowd),
    }
    return {**{key: value for key, value in known.items() if value is not None}, **thing.extra}
