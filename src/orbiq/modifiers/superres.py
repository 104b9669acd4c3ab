"""Super-resolution as a modifier: a hook that any model fills, and bicubic interpolation as the baseline."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from orbiq.arrays import Array, Scene
from orbiq.errors import ImageError, SettingError
from orbiq.modifiers.base import Modified
from orbiq.modifiers.filling import filled
from orbiq.modifiers.geometry import resized
from orbiq.modifiers.geometry_resampling import cast_of, finished
from orbiq.registry import is_own, load_target, own_code

BICUBIC = "bicubic"


@dataclass(frozen=True, kw_only=True)
class SuperResolve:
    """The image `scale` times as fine, by `model`: "bicubic", or a function of the user's, `mymodule:upscale`.

    The function is given the array (rows, cols, bands) in its own dtype, masked pixels filled smoothly, and returns
    (scale·rows, scale·cols, bands) real numbers in the same unit, corners on corners; whole numbers are rounded and
    clipped to the peak. GSD, geotransform, mask and labels follow. A change of the function's file makes a new variant.
    Raises SettingError for a model that cannot be loaded, ImageError for a result of another shape or without numbers.

    >>> scene = Scene(array=np.full((2, 3, 1), 7, np.uint8))
    >>> SuperResolve(scale=2)(scene, rng=np.random.default_rng(0)).scene.array.shape
    (4, 6, 1)
    """

    name: ClassVar[str] = "super-resolve"
    scale: int
    model: str = BICUBIC

    def __post_init__(self) -> None:
        if self.scale < 2:
            raise SettingError(f"super-resolve:scale is {self.scale}; expected a whole number of 2 or more")
        if self.model != BICUBIC and not is_own(self.model):
            raise SettingError(
                f"super-resolve:model is {self.model!r}; expected bicubic, or your own as mymodule:upscale"
            )

    @property
    def version(self) -> int | str:
        """What a variant's key holds of the model: its own code."""
        return 2 if self.model == BICUBIC else own_code(self._function())

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002  draws nothing
        """The finer scene, in the dtype of the input."""
        rows, cols, bands = scene.shape
        size = self.scale * rows, self.scale * cols
        if self.model == BICUBIC:
            return resized(scene, size, method="bicubic")
        values = np.asarray(self._function()(filled(scene)))
        _check(values, (*size, bands), self.model)
        valid = None if scene.mask is None else _repeated(scene.mask, self.scale)
        affine = (float(self.scale), 0.0, 0.0, 0.0, float(self.scale), 0.0)
        return finished(scene, cast_of(scene)(values), valid=valid, affine=affine)

    def _function(self) -> Any:
        return load_target(self.model, kind="super-resolution model", name=self.model)


def _check(values: Array, shape: tuple[int, int, int], model: str) -> None:
    if values.shape != shape or values.dtype.kind not in "buif":
        raise ImageError(
            f"super-resolution model {model} gave {values.shape} of {values.dtype}; expected {shape} (rows, cols, "
            "bands) of real numbers"
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ImageError(f"super-resolution model {model} gave NaN or infinite values; expected numbers in every pixel")


def _repeated(mask: Array, scale: int) -> Array:
    return mask.repeat(scale, axis=0).repeat(scale, axis=1)
