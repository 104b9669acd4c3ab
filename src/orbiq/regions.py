"""Regions of an image that are to have a quality of their own, to a target for every block of a codec.

A file of regions is a class map of the image's size, whose values are their numbers; or GeoJSON with outlines in the
file's crs (pixels, where the image has no place on the ground), their number the property `region`, or else `class_id`;
or COCO, whose categories are regions. Of outlines that overlap each counts. A block takes the strictest target of the
regions that touch it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.datasets.coco import read_coco
from orbiq.datasets.geojson import outlines_in_pixels
from orbiq.datasets.shapes import box_corners, decoded_mask
from orbiq.errors import DatasetError, ImageError, SettingError
from orbiq.imageio import open_class_map
from orbiq.pictures import Profile

_OUTLINES = (".json", ".geojson")
_STRIP_PIXELS = 1 << 24
OTHER = None
"""Stands for all that is no region with a target of its own."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The blocks of an image: its name and profile, and (rows, cols) of the image and of a block, in pixels."""

    name: str
    profile: Profile
    shape: tuple[int, int]
    block: tuple[int, int]

    @property
    def blocks(self) -> tuple[int, int]:
        """How many there are.

        >>> Grid(name="", profile=Profile(format="tiff"), shape=(100, 64), block=(64, 64)).blocks
        (2, 1)
        """
        return -(-self.shape[0] // self.block[0]), -(-self.shape[1] // self.block[1])


def region_targets(text: str) -> dict[int, float]:
    """The PSNR of each region, in dB.

    >>> region_targets("1=50,2=35")
    {1: 50.0, 2: 35.0}
    """
    found: dict[int, float] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        number, _, value = part.partition("=")
        try:
            region, wanted = int(number), float(value)
        except ValueError:
            region, wanted = 0, nan
        if not isfinite(wanted):
            raise SettingError(
                f"--region-psnr-db has {part!r}; expected the number of a region and its PSNR in dB, as 1=50,2=35"
            )
        if region in found:
            raise SettingError(f"--region-psnr-db names region {region} twice; name it once")
        found[region] = wanted
    return found


def block_targets(path: Path, targets: Mapping[int, float], *, own: float, grid: Grid) -> FloatArray:
    """The target of each block (rows, cols of blocks), the least of its regions'; NaN where that is the image's own.

    `targets` by number of region and the image's `own` target are mean squared errors.
    """
    strictest = np.full(grid.blocks, inf)
    for region, touched in _touched(path, set(targets), grid):
        value = own if region is OTHER else targets[region]
        strictest = np.where(touched, np.minimum(strictest, value), strictest)
    return np.where(strictest == own, nan, strictest)


def _touched(path: Path, wanted: set[int], grid: Grid) -> Iterator[tuple[int | None, BoolArray]]:
    """The blocks that each of the regions wanted touches, and those that anything else does."""
    if path.suffix.lower() in _OUTLINES:
        return _by_outlines(path, wanted, grid)
    return _by_map(path, wanted, grid)


def _by_map(path: Path, wanted: set[int], grid: Grid) -> Iterator[tuple[int | None, BoolArray]]:
    rows, cols = grid.shape
    with open_class_map(path) as classes:
        if classes.shape != (rows, cols, 1):
            raise ImageError(
                f"regions {str(path)!r} are {classes.shape} and image {grid.name!r} is {grid.shape} (rows, cols); "
                "expected a class map of one band and of the image's size: make one on its grid, or give outlines as "
                "GeoJSON"
            )
        seen = {region: np.zeros(grid.blocks, bool) for region in (*sorted(wanted), OTHER)}
        step = grid.block[0] * max(1, _STRIP_PIXELS // (cols * grid.block[0]))
        for top in range(0, rows, step):
            numbers = classes.window(slice(top, min(top + step, rows)), slice(0, cols))[0][:, :, 0]
            first = top // grid.block[0]
            other = np.ones(numbers.shape, bool)
            for region in sorted(wanted):
                there = numbers == region
                other &= ~there
                part = _any_of(there, grid.block)
                seen[region][first : first + len(part)] = part
            part = _any_of(other, grid.block)
            seen[OTHER][first : first + len(part)] = part
    if not any(seen[region].any() for region in wanted):
        raise ImageError(
            f"regions {str(path)!r} hold none of the numbers {', '.join(map(str, sorted(wanted)))} that "
            "--region-psnr-db names; expected its pixels to be numbers of regions"
        )
    yield from seen.items()


def _any_of(there: BoolArray, block: tuple[int, int]) -> BoolArray:
    rows, cols = (np.arange(0, side, size) for side, size in zip(there.shape, block, strict=True))
    down = np.logical_or.reduceat(there, rows, axis=0)
    return np.asarray(np.logical_or.reduceat(down, cols, axis=1))


def _by_outlines(path: Path, wanted: set[int], grid: Grid) -> Iterator[tuple[int | None, BoolArray]]:
    import shapely

    outlines = [(region, shape) for region, shape in _outlines(path, grid) if region in wanted]
    if not outlines:
        raise DatasetError(
            f"regions {str(path)!r} hold no outline in image {grid.name!r} with one of the numbers "
            f"{', '.join(map(str, sorted(wanted)))} that --region-psnr-db names; expected them as the property "
            "'region' or 'class_id', or as category_id"
        )
    boxes = _boxes(grid)
    for region, shape in outlines:
        shapely.prepare(shape)
        yield region, np.asarray(shapely.intersects(shape, boxes) & ~shapely.touches(shape, boxes))
    together = shapely.union_all([shape for _, shape in outlines])
    shapely.prepare(together)
    yield OTHER, np.asarray(~shapely.covers(together, boxes))


def _boxes(grid: Grid) -> Any:
    """The blocks as shapes (rows, cols), in pixels."""
    import shapely

    (rows, cols), (high, wide) = grid.shape, grid.block
    top, left = np.arange(0, rows, high)[:, None], np.arange(0, cols, wide)[None]
    return shapely.box(left, top, np.minimum(left + wide, cols), np.minimum(top + high, rows))


def _outlines(path: Path, grid: Grid) -> Iterator[tuple[int, Any]]:
    """Number and shapely shape, in pixels of the image."""
    if _is_coco(path):
        yield from _coco_outlines(path, grid)
        return
    for properties, shape in outlines_in_pixels(path, grid=grid.profile):
        if properties.get("image_filename", grid.name) != grid.name:
            continue
        region = properties.get("region", properties.get("class_id"))
        if not isinstance(region, int):
            raise DatasetError(
                f"an outline in {str(path)!r} has the region {region!r}; expected a whole number as its property "
                "'region' or 'class_id'"
            )
        yield region, shape


def _is_coco(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return False  # whoever reads it says what is wrong
    return isinstance(content, dict) and "annotations" in content


def _coco_outlines(path: Path, grid: Grid) -> Iterator[tuple[int, Any]]:
    import shapely

    found = read_coco(path)
    mine = [image.file_name for image in found.images if Path(image.file_name).name == grid.name]
    if not mine:
        raise DatasetError(
            f"regions {str(path)!r} name no image {grid.name!r}; expected one with that file_name, for a region lies "
            "in an image"
        )
    for thing in found.by_image[mine[0]]:
        rings = thing.polygons or ((box_corners(thing.bbox),) if thing.bbox else ())
        if thing.mask is not None:
            yield int(thing.category_id), _pixels_as_shape(decoded_mask(thing.mask))
        elif rings:
            yield int(thing.category_id), shapely.union_all([shapely.Polygon(ring).buffer(0) for ring in rings])


def _pixels_as_shape(mask: BoolArray) -> Any:
    """The True pixels as one shape, by runs of their rows."""
    import shapely

    padded = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(padded == 1)
    _, ends = np.nonzero(padded == -1)
    return shapely.union_all(shapely.box(starts, rows, ends, rows + 1))
