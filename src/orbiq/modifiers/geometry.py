"""Pixels moved on their plane: flip, crop, rotate, shift, resize. Labels, masks and the place on the ground follow.

Coordinates are (x, y) in pixels, x to the right, y down, the top-left pixel covering [0, 1) × [0, 1). New pixels that
no old one covers are masked, and hold nodata.
"""

from dataclasses import dataclass
from math import ceil, cos, inf, isfinite, radians, sin
from typing import ClassVar, Literal

import numpy as np

from orbiq.arrays import Affine, Array, BoolArray, Scene
from orbiq.datasets.shapes import inverse
from orbiq.errors import ImageError, SettingError
from orbiq.modifiers.base import Modified
from orbiq.modifiers.filling import filled
from orbiq.modifiers.geometry_resampling import (
    Method,
    cast_of,
    cell_centres,
    check_method,
    finished,
    method_weights,
    nearest,
    regridded,
    separable,
    working,
)

_INTERPOLATORS = ("nearest", "bilinear", "bicubic", "lanczos")
_SPLINES = {"nearest": 0, "bilinear": 1, "spline": 3}


@dataclass(frozen=True, kw_only=True)
class Flip:
    """Mirror left and right (`horizontal`), top and bottom (`vertical`), or `both`; exact.

    >>> scene = Scene(array=np.array([[[1], [2]]], np.uint8))
    >>> Flip()(scene, rng=np.random.default_rng(0)).scene.array[0, :, 0].tolist()
    [2, 1]
    """

    name: ClassVar[str] = "flip"
    version: ClassVar[int] = 2
    axis: Literal["horizontal", "vertical", "both"] = "horizontal"

    def __post_init__(self) -> None:
        if self.axis not in ("horizontal", "vertical", "both"):
            raise SettingError(f"flip:axis is {self.axis!r}; expected horizontal, vertical or both")

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002  draws nothing
        """The mirrored scene."""
        rows, cols, _ = scene.shape
        across, down = self.axis != "vertical", self.axis != "horizontal"
        step = (slice(None, None, -1 if down else 1), slice(None, None, -1 if across else 1))
        x, y = ((-1.0, float(cols)) if across else (1.0, 0.0)), ((-1.0, float(rows)) if down else (1.0, 0.0))
        return _picked(scene, step, affine=(x[0], 0.0, x[1], 0.0, y[0], y[1]))


@dataclass(frozen=True, kw_only=True)
class Crop:
    """Keep `rows` × `cols` pixels from (`top`, `left`) on; where neither is stated, `place`: centre or random.

    A random place is drawn for each image. Centred, an odd rest leaves the smaller half before.

    >>> scene = Scene(array=np.arange(4, dtype=np.uint8).reshape(1, 4, 1))
    >>> Crop(rows=1, cols=2)(scene, rng=np.random.default_rng(0)).scene.array[0, :, 0].tolist()
    [1, 2]
    """

    name: ClassVar[str] = "crop"
    version: ClassVar[int] = 2
    rows: int
    cols: int
    top: int | None = None
    left: int | None = None
    place: Literal["centre", "random"] = "centre"

    def __post_init__(self) -> None:
        if self.rows < 1 or self.cols < 1:
            raise SettingError(f"crop has rows={self.rows}, cols={self.cols}; expected 1 or more of each")
        if self.place not in ("centre", "random"):
            raise SettingError(f"crop:place is {self.place!r}; expected centre or random, or state top and left")
        if (self.top is None) != (self.left is None) or min(self.top or 0, self.left or 0) < 0:
            raise SettingError(f"crop has top={self.top}, left={self.left}; expected both, 0 or more, or neither")

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:
        """The part of the scene."""
        spare = (scene.shape[0] - self.rows, scene.shape[1] - self.cols)
        if self.top is not None and self.left is not None:
            top, left = self.top, self.left
        elif self.place == "random":
            top, left = (int(rng.integers(0, max(n, 0) + 1)) for n in spare)
        else:
            top, left = spare[0] // 2, spare[1] // 2
        if min(spare[0] - top, spare[1] - left, *spare) < 0:
            where = "" if self.top is None else f" from ({top}, {left}) on"
            raise ImageError(
                f"image {scene.name!r} has {scene.shape[0]} × {scene.shape[1]} pixels, too few for a crop of "
                f"{self.rows} × {self.cols}{where}; take fewer, or leave that image out"
            )
        part = (slice(top, top + self.rows), slice(left, left + self.cols))
        return _picked(scene, part, affine=(1.0, 0.0, -float(left), 0.0, 1.0, -float(top)))


@dataclass(frozen=True, kw_only=True)
class Rotate:
    """Turn about the centre by `angle_deg`, from +x towards +y: clockwise to the eye.

    `canvas` grown holds every old pixel; kept has the old size. Quarter turns on a grown canvas are exact. `method`
    spline is the cubic B-spline that passes through the samples; bilinear and nearest are the others.

    >>> scene = Scene(array=np.array([[[1], [2]]], np.uint8))
    >>> Rotate(angle_deg=90)(scene, rng=np.random.default_rng(0)).scene.array[:, 0, 0].tolist()
    [1, 2]
    """

    name: ClassVar[str] = "rotate"
    version: ClassVar[int] = 2
    angle_deg: float
    canvas: Literal["grown", "kept"] = "grown"
    method: Literal["nearest", "bilinear", "spline"] = "spline"

    def __post_init__(self) -> None:
        if not isfinite(self.angle_deg):
            raise SettingError(f"rotate:angle_deg is {self.angle_deg}; expected a finite number of degrees")
        if self.canvas not in ("grown", "kept"):
            raise SettingError(f"rotate:canvas is {self.canvas!r}; expected grown or kept")
        check_method("rotate", self.method, tuple(_SPLINES))

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002  draws nothing
        """The turned scene."""
        rows, cols, _ = scene.shape
        c, s = _turn(self.angle_deg)
        grown = ceil(abs(s) * cols + abs(c) * rows - 1e-9), ceil(abs(c) * cols + abs(s) * rows - 1e-9)
        size = grown if self.canvas == "grown" else (rows, cols)
        x, y = size[1] / 2 - (c * cols - s * rows) / 2, size[0] / 2 - (s * cols + c * rows) / 2
        affine = (c, -s, x, s, c, y)
        if {abs(c), abs(s)} == {0.0, 1.0} and self.canvas == "grown":
            quarters = -round(self.angle_deg / 90)
            mask = None if scene.mask is None else np.rot90(scene.mask, quarters).copy()
            return regridded(scene, np.rot90(scene.array, quarters).copy(), mask=mask, affine=affine)
        return _warped(scene, affine, size=size, order=_SPLINES[self.method])


@dataclass(frozen=True, kw_only=True)
class Shift:
    """Move the picture by `dx_px` to the right and `dy_px` down, of any real number; the size is kept.

    Whole pixels are exact. `method`: nearest, bilinear, bicubic (Keys, a = −½) or lanczos (3 lobes).

    >>> scene = Scene(array=np.array([[[1], [2]]], np.uint8))
    >>> moved = Shift(dx_px=1)(scene, rng=np.random.default_rng(0)).scene
    >>> moved.array[0, :, 0].tolist(), moved.mask.tolist()
    ([0, 1], [[False, True]])
    """

    name: ClassVar[str] = "shift"
    version: ClassVar[int] = 2
    dx_px: float = 0.0
    dy_px: float = 0.0
    method: Method = "bicubic"

    def __post_init__(self) -> None:
        if not (isfinite(self.dx_px) and isfinite(self.dy_px)):
            raise SettingError(f"shift has dx_px={self.dx_px}, dy_px={self.dy_px}; expected finite numbers of pixels")
        check_method("shift", self.method, _INTERPOLATORS)

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002  draws nothing
        """The moved scene."""
        rows, cols, _ = scene.shape
        y, x = cell_centres(rows, 1.0) - self.dy_px, cell_centres(cols, 1.0) - self.dx_px
        if not (_inside(rows, y).any() and _inside(cols, x).any()):
            raise ImageError(
                f"shift by ({self.dx_px:g}, {self.dy_px:g}) pixels leaves nothing of image {scene.name!r} "
                f"({rows} × {cols} pixels); shift by less"
            )
        weights = (method_weights(n, centres, self.method) for n, centres in ((rows, y), (cols, x)))
        array = separable(filled(scene), *weights, cast=cast_of(scene))
        valid = _valid(scene, y, x) & np.outer(_inside(rows, y), _inside(cols, x))
        return finished(scene, array, valid=valid, affine=(1.0, 0.0, self.dx_px, 0.0, 1.0, self.dy_px))


@dataclass(frozen=True, kw_only=True)
class Resize:
    """To `rows` and `cols` (of one alone the other follows), or by `scale`, sizes rounded; corners stay corners.

    `method`: nearest, bilinear, bicubic (Keys, a = −½), lanczos (3 lobes) or area (the share of each pixel in the new
    one). Where the picture shrinks the kernel widens by as much, so that it does not alias; nearest does.

    >>> scene = Scene(array=np.array([[[1], [3]]], np.uint8))
    >>> Resize(rows=1, cols=1, method="area")(scene, rng=np.random.default_rng(0)).scene.array.tolist()
    [[[2]]]
    """

    name: ClassVar[str] = "resize"
    version: ClassVar[int] = 2
    rows: int | None = None
    cols: int | None = None
    scale: float | None = None
    method: Method = "bicubic"

    def __post_init__(self) -> None:
        sizes = [v for v in (self.rows, self.cols) if v is not None]
        if bool(sizes) == (self.scale is not None) or min(sizes, default=1) < 1 or not 0 < _stated(self.scale) < inf:
            raise SettingError(
                f"resize has rows={self.rows}, cols={self.cols}, scale={self.scale}; expected rows or cols or both, "
                "1 or more, or else a scale above 0, as resize:scale=0.5"
            )
        check_method("resize", self.method)

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002  draws nothing
        """The scene at its new size."""
        return resized(scene, self._size(*scene.shape[:2]), method=self.method)

    def _size(self, rows: int, cols: int) -> tuple[int, int]:
        if self.scale is not None:
            return max(1, round(rows * self.scale)), max(1, round(cols * self.scale))
        new_rows = self.rows or max(1, round(rows * (self.cols or 1) / cols))
        return new_rows, self.cols or max(1, round(cols * new_rows / rows))


def _stated(scale: float | None) -> float:
    return 1.0 if scale is None else scale


def resized(scene: Scene, size: tuple[int, int], *, method: str) -> Modified:
    """The scene in `size` (rows, cols), its corners kept."""
    rows, cols, _ = scene.shape
    steps = rows / size[0], cols / size[1]
    y, x = cell_centres(size[0], steps[0]), cell_centres(size[1], steps[1])
    array = separable(
        filled(scene),
        method_weights(rows, y, method, step=steps[0]),
        method_weights(cols, x, method, step=steps[1]),
        cast=cast_of(scene),
    )
    affine = (size[1] / cols, 0.0, 0.0, 0.0, size[0] / rows, 0.0)
    return finished(scene, array, valid=_valid(scene, y, x), affine=affine)


def _picked(scene: Scene, part: tuple[slice, slice], *, affine: Affine) -> Modified:
    mask = None if scene.mask is None else scene.mask[part].copy()
    return regridded(scene, scene.array[part].copy(), mask=mask, affine=affine)


def _valid(scene: Scene, y: Array, x: Array) -> BoolArray:
    """Whether the pixel in which each new centre lies is valid."""
    mask = np.ones(scene.shape[:2], bool) if scene.mask is None else scene.mask
    return np.asarray(mask[np.ix_(nearest(scene.shape[0], y), nearest(scene.shape[1], x))])


def _inside(n: int, centres: Array) -> BoolArray:
    return np.asarray((centres >= -0.5) & (centres < n - 0.5))


def _turn(angle_deg: float) -> tuple[float, float]:
    """Cosine and sine, exact for quarter turns."""
    quarters = angle_deg / 90
    if quarters == int(quarters):
        return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[int(quarters) % 4]
    return cos(radians(angle_deg)), sin(radians(angle_deg))


def _warped(scene: Scene, affine: Affine, *, size: tuple[int, int], order: int) -> Modified:
    """Through any affine map, band by band, at exact positions."""
    from scipy.ndimage import affine_transform

    a, b, c, d, e, f = inverse(affine)
    matrix = np.array([[e, d], [b, a]])
    offset = np.array([f + (d + e - 1) / 2, c + (a + b - 1) / 2])  # from corners to centres
    source, cast = filled(scene), cast_of(scene)
    array = np.empty((*size, scene.shape[2]), scene.array.dtype)
    for k in range(scene.shape[2]):
        plane = affine_transform(working(source[..., k]), matrix, offset, size, order=order, mode="reflect")
        array[..., k] = cast(plane)
    mask = np.ones(scene.shape[:2], bool) if scene.mask is None else scene.mask
    rows, cols = np.ogrid[: size[0], : size[1]]
    y, x = (matrix[k, 0] * rows + matrix[k, 1] * cols + offset[k] for k in (0, 1))
    y, x = np.round(y, 9), np.round(x, 9)
    covered = _inside(mask.shape[0], y) & _inside(mask.shape[1], x)
    valid = covered & mask[nearest(mask.shape[0], y), nearest(mask.shape[1], x)]
    return finished(scene, array, valid=valid, affine=affine)
