"""Pixels on another grid: separable kernels at exact positions, masks, and where the new grid lies on the ground.

Grids are aligned at their corners: pixel (0, 0) covers [0, 1) × [0, 1), and along an axis that shrinks by s the new
pixel k has its centre at c_k = (k + ½)·s − ½ of the old ones. Weights are computed at these positions, not looked up
in a table, for any number of bands. The border is mirrored.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from orbiq.arrays import Affine, Array, BoolArray, FloatArray, Scene, cast_like
from orbiq.datasets.shapes import inverse, scale_of_area
from orbiq.errors import SettingError
from orbiq.modifiers.base import Modified, composed

Method = Literal["nearest", "bilinear", "bicubic", "lanczos", "area"]
Kernel = Callable[[FloatArray], FloatArray]
_STRIP_SAMPLES = 1 << 16


def keys_cubic(x: FloatArray) -> FloatArray:
    """The cubic kernel of Keys with a = −½, of half width 2 (Keys 1981, doi:10.1109/TASSP.1981.1163711).

    >>> keys_cubic(np.array([0.0, 0.5, 1.0, 1.5])).tolist()
    [1.0, 0.5625, 0.0, -0.0625]
    """
    x = np.abs(x)
    near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.asarray(np.where(x <= 1, near, np.where(x < 2, far, 0.0)), float)


def lanczos3(x: FloatArray) -> FloatArray:
    """sinc(x)·sinc(x/3), of half width 3."""
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


def _triangle(x: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(0.0, 1 - np.abs(x)), float)


_KERNELS: dict[str, tuple[Kernel, float]] = {
    "bilinear": (_triangle, 1),
    "bicubic": (keys_cubic, 2),
    "lanczos": (lanczos3, 3),
}
METHODS = ("nearest", *_KERNELS, "area")


def check_method(what: str, method: str, known: tuple[str, ...] = METHODS) -> None:
    """SettingError where nobody knows the method."""
    if method not in known:
        raise SettingError(f"{what}:method is {method!r}; expected one of {', '.join(known)}")


def cell_centres(n: int, step: float) -> FloatArray:
    """Where the centres of n cells of `step` pixels lie: c_k = (k + ½)·step − ½.

    >>> cell_centres(3, 2.0).tolist()
    [0.5, 2.5, 4.5]
    """
    return np.asarray((np.arange(n) + 0.5) * step - 0.5, float)


@dataclass(frozen=True, eq=False, kw_only=True)
class Weights:
    """For each new cell along an axis the places of the old samples that it needs and their weights, (cells, taps)."""

    places: npt.NDArray[np.int64]
    values: FloatArray

    def part(self, cells: slice) -> tuple["Weights", slice]:
        """Those of some cells, and which samples these need; places count from the first of them."""
        places = self.places[cells]
        first, last = int(places.min()), int(places.max())
        return Weights(places=places - first, values=self.values[cells]), slice(first, last + 1)


def kernel_weights(n: int, centres: FloatArray, kernel: Kernel, *, half: float) -> Weights:
    """Weighted means of n samples around `centres`: weights by a kernel of half width `half`, adding up to 1."""
    first = np.ceil(centres - half).astype(np.int64)
    taps = first[:, None] + np.arange(int(2 * half) + 1)
    weights = kernel(taps - centres[:, None])
    folded = taps % (2 * n)
    folded = np.where(folded < n, folded, 2 * n - 1 - folded)
    return Weights(places=folded, values=weights / weights.sum(axis=1, keepdims=True))


def method_weights(n: int, centres: FloatArray, method: str, *, step: float = 1.0) -> Weights:
    """The weights of a method by name; where the grid shrinks by `step` the kernel widens by as much."""
    stretch = max(step, 1.0)
    if method == "nearest":
        return kernel_weights(n, nearest(n, centres).astype(float), _triangle, half=0.25)
    if method == "area":
        return kernel_weights(n, centres, _overlap(stretch), half=ceil(stretch / 2 + 0.5))
    kernel, half = _KERNELS[method]
    return kernel_weights(n, centres, lambda x: kernel(x / stretch), half=half * stretch)


def _overlap(width: float) -> Kernel:
    """How much of a pixel at x lies in a cell of `width` around 0."""
    return lambda x: np.clip((width + 1) / 2 - np.abs(x), 0.0, 1.0)


def nearest(n: int, centres: FloatArray) -> Any:
    """The pixel in which each centre lies, at the border the last one."""
    return np.clip(np.floor(centres + 0.5).astype(np.int64), 0, n - 1)


def separable(array: Array, rows: Weights, cols: Weights, *, cast: Callable[[Array], Array] | None = None) -> Array:
    """The rows' weights, then the columns', for each band of (rows, cols, bands): floats, or what `cast` makes of them.

    Strip by strip of the result, from the rows of `array` that the strip needs: memory does not grow with the image,
    and strips stay in the cache.
    """
    kept = []
    for cells in _strips(array, rows):
        weights, needed = rows.part(cells)
        part = _weighted(working(array[needed]), weights, cols)
        kept.append(part if cast is None else cast(part))
    return kept[0] if len(kept) == 1 else np.concatenate(kept)


def separable_means(
    scene: Scene, rows: Weights, cols: Weights, *, cast: Callable[[Array], Array]
) -> tuple[Array, BoolArray]:
    """As `separable`, by means over valid pixels, and where at least half of the weight is on such."""
    mask = np.ones(scene.shape[:2], bool) if scene.mask is None else scene.mask
    values, valid = [], []
    for cells in _strips(scene.array, rows):
        weights, needed = rows.part(cells)
        part, lit = working(scene.array[needed]), mask[needed, :, None]
        weight = _weighted(lit.astype(part.dtype), weights, cols)
        valid.append(weight[..., 0] >= 0.5)
        means = _weighted(np.where(lit, part, 0), weights, cols) / np.where(weight >= 0.5, weight, 1)
        values.append(cast(means))
    return np.concatenate(values), np.concatenate(valid)


def _strips(array: Array, rows: Weights) -> Iterator[slice]:
    """The new rows in strips."""
    n_rows = rows.values.shape[0]
    height = max(16, _STRIP_SAMPLES // (array.shape[1] * array.shape[2]))
    return (slice(first, min(first + height, n_rows)) for first in range(0, n_rows, height))


def _weighted(part: Array, rows: Weights, cols: Weights) -> Array:
    """Weights along both axes, on the pixels of a strip."""
    height, width, bands = part.shape
    down = _sums(part.reshape(height, -1), rows).reshape(-1, width, bands)
    turned = np.ascontiguousarray(down.swapaxes(0, 1))
    across = _sums(turned.reshape(width, -1), cols)
    return np.ascontiguousarray(across.reshape(-1, down.shape[0], bands).swapaxes(0, 1))


def _sums(source: Array, weights: Weights) -> Array:
    from orbiq.modifiers.geometry_kernel import sums_of_rows

    out = np.empty((weights.values.shape[0], source.shape[1]), source.dtype)
    sums_of_rows(np.ascontiguousarray(source), weights.places, weights.values.astype(source.dtype), out)
    return out


def working(array: Array) -> Array:
    """The values as floats: float32 holds 16-bit samples exactly."""
    return array.astype(np.float64 if array.dtype == np.float64 else np.float32, copy=False)


def cast_of(scene: Scene) -> Callable[[Array], Array]:
    """Floats back in the scene's dtype; what is not finite is 0."""
    like, peak = scene.array[:0], scene.peak
    if like.dtype.kind in "iu":  # sums of whole numbers are finite
        return lambda values: cast_like(values, like, peak=peak)
    return lambda values: np.where(np.isfinite(values), values, 0).astype(like.dtype)


def finished(scene: Scene, array: Array, *, valid: BoolArray | None, affine: Affine) -> Modified:
    """The scene with an array of its own on another grid; where not `valid` it takes nodata, and the mask says so.

    Nodata is the value of a pixel that was masked before, 0 where there was none.
    """
    if valid is not None and valid.all():
        valid = None
    if valid is not None:
        masked = scene.mask is not None and not scene.mask.all()
        array[~valid] = scene.array[~scene.mask][0] if masked and scene.mask is not None else 0
    return regridded(scene, array, mask=valid, affine=affine)


def regridded(scene: Scene, array: Array, *, mask: BoolArray | None, affine: Affine) -> Modified:
    """The scene on the grid to which `affine` takes pixel coordinates: its transform and GSD follow."""
    transform = None if scene.transform is None else composed(inverse(affine), scene.transform)
    gsd_m = None if scene.gsd_m is None else scene.gsd_m / scale_of_area(affine) ** 0.5
    moved = replace(scene, array=array, mask=mask, transform=transform, gsd_m=gsd_m)
    return Modified(scene=moved, affine=affine)
