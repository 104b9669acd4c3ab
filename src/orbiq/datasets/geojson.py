"""Ground truth as GeoJSON: one file of outlines on the ground, each saying in which image it lies.

Every feature has the properties `image_filename` (relative to the images folder) and `class_id`, and a
Polygon or MultiPolygon. Coordinates are in the file's `crs` where it names one, else degrees of longitude and
latitude (RFC 7946); in images that have no place on the ground they are pixels.

Holes count in `area`, but an outline of the one annotation model has none. A feature without geometry is passed over.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from orbiq.arrays import IDENTITY
from orbiq.datasets.annotations import Annotations, Category, ImageEntry, Object
from orbiq.datasets.shapes import hull, inverse
from orbiq.datasets.visible import ROUNDING, Move, moved_shape, rings_of, visible_part
from orbiq.errors import DatasetError
from orbiq.imageio import Profile, image_shape, read_profile

Json = dict[str, Any]
_REQUIRED = ("image_filename", "class_id")


def read_geojson(path: str | Path, *, images_dir: Path, images: Iterable[str]) -> Annotations:
    """The ground truth in a GeoJSON file, in pixels of the images named (relative to `images_dir`).

    Image ids count from 1 in the order given, annotation ids from 1 in the order of the file; further
    properties are kept in `extra`. DatasetError names the feature and what was expected.
    """
    path = Path(path)
    content = _content(path)
    entries = {name: _entry(k, name, images_dir) for k, name in enumerate(images, 1)}
    crs = _crs(content)
    grids = {name: read_profile(images_dir / name) for name in entries}
    objects: list[Object] = []
    for k, feature in enumerate(content["features"]):
        properties = _properties(feature, f"{str(path)!r}: features[{k}]", entries)
        if not _has_outline(feature):
            continue
        name = properties["image_filename"]
        shape = _in_pixels(feature["geometry"], grid=grids[name], crs=crs, where=f"features[{k}]")
        if not shape.is_empty:
            objects.append(_object(len(objects) + 1, shape, properties, image=entries[name]))
    classes = dict.fromkeys(thing.category_id for thing in objects)
    return Annotations(
        images=tuple(entries.values()),
        categories=tuple(Category(id=number, name=str(number)) for number in sorted(classes, key=str)),
        objects=tuple(objects),
    )


def outlines_in_pixels(path: str | Path, *, grid: Profile) -> Iterator[tuple[Json, Any]]:
    """Properties and shapely shape of each outline in a GeoJSON file, in the pixels of an image placed as `grid` says.

    No property is asked for, and holes stay.
    """
    content = _content(Path(path))
    crs = _crs(content)
    for k, feature in enumerate(content["features"]):
        if isinstance(feature, dict) and _has_outline(feature):
            where = f"{str(path)!r}: features[{k}]"
            yield feature.get("properties") or {}, _in_pixels(feature["geometry"], grid=grid, crs=crs, where=where)


def moved_geojson(
    path: str | Path, *, images_dir: Path, moves: Mapping[str, Move], min_visible: float = 0.0
) -> tuple[Json, int]:
    """The content of a GeoJSON file after the pixels of each image (by its name) moved, and how many objects it lost.

    Outlines in pixels move with their image, holes included; those on the ground stay where they are. Either is
    dropped or clipped as by `orbiq.datasets.moving.moved`, and `original_bbox` (pixels) and `original_area` (px²) are
    among its properties. The images in `images_dir` are those before they moved.
    """
    content = _content(Path(path))
    crs, grids = _crs(content), {name: read_profile(images_dir / name) for name, move in moves.items() if move.changes}
    followed = []
    for k, feature in enumerate(content["features"]):
        name = (feature.get("properties") or {}).get("image_filename") if isinstance(feature, dict) else None
        if name not in grids or not _has_outline(feature):
            followed.append(feature)
            continue
        grid = grids[name]
        outline = _in_pixels(feature["geometry"], grid=grid, crs=crs, where=f"{str(path)!r}: features[{k}]")
        after = _followed(feature, outline, moves[name], grid=grid, crs=crs, min_visible=min_visible)
        followed += [] if after is None else [after]
    return {**content, "features": followed}, len(content["features"]) - len(followed)


def _has_outline(feature: Json) -> bool:
    geometry = feature.get("geometry")
    return bool(geometry) and not (isinstance(geometry, dict) and geometry.get("coordinates") == [])


def _followed(feature: Json, outline: Any, move: Move, *, grid: Profile, crs: str, min_visible: float) -> Json | None:
    """A feature in the moved image, `outline` being its geometry in old pixels; None where it is dropped."""
    visible = visible_part(outline, move)
    if visible.whole > 0 and (visible.part == 0 or visible.part < (min_visible - ROUNDING) * visible.inside):
        return None
    left, top, right, bottom = outline.bounds
    original = {"original_bbox": [left, top, right - left, bottom - top], "original_area": float(outline.area)}
    after = {**feature, "properties": {**original, **feature["properties"]}}
    cut = visible.part < (1 - ROUNDING) * visible.whole
    if grid.transform is None:
        return {**after, "geometry": _plain(visible.shape if cut else moved_shape(outline, move.affine))}
    if not cut:
        return after
    return {**after, "geometry": _on_ground(moved_shape(visible.shape, inverse(move.affine)), grid=grid, crs=crs)}


def _on_ground(outline: Any, *, grid: Profile, crs: str) -> Json:
    """An outline in pixels as a geometry in the file's crs: the way back from `_in_pixels`."""
    from rasterio.warp import transform_geom

    geometry = _plain(moved_shape(outline, grid.transform or IDENTITY))
    return geometry if grid.crs is None else _plain(transform_geom(grid.crs, crs, geometry))


def _plain(shape: Any) -> Json:
    """A shapely shape, or what says that it is one, as JSON."""
    from shapely.geometry import mapping

    plain: Json = json.loads(json.dumps(mapping(shape) if hasattr(shape, "geom_type") else shape))
    return plain


def _content(path: Path) -> Json:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise DatasetError(f"annotations {str(path)!r} do not exist. Correct the path.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise DatasetError(f"annotations {str(path)!r} are broken JSON: {error.msg} in {where}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"annotations {str(path)!r} cannot be read: {error}. Expected GeoJSON in UTF-8.") from error
    if not isinstance(content, dict) or not isinstance(content.get("features"), list):
        raise DatasetError(f"annotations {str(path)!r} are no GeoJSON FeatureCollection with a list of features.")
    return content


def _properties(feature: Any, where: str, known: Iterable[str]) -> Json:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    if not isinstance(properties, dict):
        raise DatasetError(f"{where} has no properties; expected {' and '.join(_REQUIRED)}.")
    for key, kinds in (("image_filename", str), ("class_id", int | str)):
        if not isinstance(properties.get(key), kinds) or isinstance(properties[key], bool):
            raise DatasetError(f"{where} has {key} {properties.get(key)!r}; expected {' and '.join(_REQUIRED)}.")
    if properties["image_filename"] not in known:
        raise DatasetError(
            f"{where} lies in image {properties['image_filename']!r}, which does not exist. "
            "Names are relative to the images folder; add the file or remove the feature."
        )
    return properties


def _entry(number: int, name: str, images_dir: Path) -> ImageEntry:
    rows, cols, _, _ = image_shape(images_dir / name)
    return ImageEntry(id=number, file_name=name, rows=rows, cols=cols)


def _crs(content: Json) -> str:
    named = content.get("crs") or {"properties": {"name": "OGC:CRS84"}}
    try:
        return str(named["properties"]["name"])
    except (TypeError, KeyError):
        raise DatasetError(f'crs is {named!r}; expected {{"properties": {{"name": "EPSG:…"}}}}, or none.') from None


def _in_pixels(geometry: Json, *, grid: Profile, crs: str, where: str) -> Any:
    """The geometry as a shapely shape in the pixel coordinates of an image."""
    from rasterio.warp import transform_geom
    from shapely.errors import ShapelyError
    from shapely.geometry import shape

    if not isinstance(geometry, dict) or geometry.get("type") not in ("Polygon", "MultiPolygon"):
        raise DatasetError(f"{where} is no Polygon or MultiPolygon. Draw an outline around it, or remove the feature.")
    try:
        if grid.crs is not None:
            geometry = transform_geom(crs, grid.crs, geometry)
        outline = shape(geometry)
    except (ShapelyError, ValueError, TypeError, KeyError) as error:
        raise DatasetError(
            f"{where} cannot be placed in its image: {error}. Look at its coordinates and crs."
        ) from error
    return outline if grid.transform is None else moved_shape(outline, inverse(grid.transform))


def _object(number: int, outline: Any, properties: Json, *, image: ImageEntry) -> Object:
    polygons = rings_of(outline)
    return Object(
        id=number,
        image_id=image.id,
        category_id=properties["class_id"],
        bbox=hull(point for ring in polygons for point in ring),
        polygons=polygons,
        area=float(outline.area),
        extra={key: value for key, value in properties.items() if key not in _REQUIRED},
    )
