"""Magnetic resonance images whose Fourier samples were not all taken, as a reconstruction gives them back."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from orbiq.arrays import Array, BoolArray, Scene
from orbiq.cache import file_digest
from orbiq.errors import MissingExtra, SettingError
from orbiq.modifiers.base import Modified
from orbiq.modifiers.filling import filled
from orbiq.modifiers.strips import by_strips
from orbiq.mri.masks import Pattern, Sampling, achieved_rate
from orbiq.mri.reconstruction import to_kspace, total_variation, zero_filled

Reconstruction = Literal["zero-filled", "total-variation", "unrolled"]
_SAMPLES = 1 << 20
"""Of the bands that are reconstructed at once, at most, one band at least."""


@dataclass(frozen=True, kw_only=True)
class Undersample:
    """Take a share 1/`rate` of an image's Fourier samples, and reconstruct it from them.

    Each band is taken as the magnitude image of one coil, all bands with the same samples, drawn image by image; what
    comes back is the magnitude of the reconstruction. `mask`, `rate` ≥ 1 and `centre_share` choose the samples
    (`orbiq.mri.Sampling`): "random" or "equispaced" columns, or "radial" spokes; a band of values below 0 is lifted to
    0 meanwhile. `reconstruction`: "zero-filled"; "total-variation", of least total variation among all images with
    those samples; or "unrolled", by the network whose weights are in the file `model`
    (`orbiq.mri.unrolled_training`). Masked pixels are filled smoothly for it, and keep their values.

    Tells the rate that it came to, all samples over those taken.

    >>> scene = Scene(array=np.arange(64, dtype=np.uint8).reshape(8, 8, 1))
    >>> same = Undersample(rate=1)(scene, rng=np.random.default_rng(0))
    >>> (same.scene.array == scene.array).all(), same.achieved
    (np.True_, {'rate': 1.0})
    """

    name: ClassVar[str] = "undersample"
    rate: float
    mask: Pattern = "random"
    centre_share: float = 0.04
    reconstruction: Reconstruction = "zero-filled"
    model: str = ""

    def __post_init__(self) -> None:
        self._sampling()
        if self.reconstruction not in get_args(Reconstruction):
            known = ", ".join(get_args(Reconstruction))
            raise SettingError(f"undersample:reconstruction is {self.reconstruction!r}; expected {known}")
        if (self.reconstruction == "unrolled") != bool(self.model):
            raise SettingError(
                f"undersample has reconstruction={self.reconstruction} and model={self.model or 'none'}; expected a "
                "file of weights for unrolled, as reconstruction=unrolled,model=unrolled.safetensors, and else none"
            )

    @property
    def version(self) -> int | str:
        """What decides of the result beside the settings: the bytes of the model's file."""
        path = Path(self.model)
        return file_digest(path)[:16] if self.model and path.is_file() else 1

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:
        """The reconstructed scene, in the dtype of the input; integers are rounded and clipped to 0…peak."""
        rows, cols, bands = scene.shape
        taken = self._sampling().mask((rows, cols), rng=rng)
        found, reconstruct = np.empty(scene.shape, _precision(scene)), self._reconstruct()
        source, group = filled(scene), max(1, _SAMPLES // (rows * cols))
        for first in range(0, bands, group):
            images = np.moveaxis(source[..., first : first + group].astype(found.dtype), -1, 0)
            lift = np.minimum(images.min(axis=(1, 2), keepdims=True), 0)
            back = np.abs(reconstruct(to_kspace(images - lift), taken)) + lift
            found[..., first : first + group] = np.moveaxis(back, 0, -1)
        changed = by_strips(scene, lambda _, rows: found[rows])
        return Modified(scene=changed, achieved={"rate": achieved_rate(taken)})

    def _sampling(self) -> Sampling:
        return Sampling(pattern=self.mask, rate=self.rate, centre_share=self.centre_share)

    def _reconstruct(self) -> Any:
        """From samples (bands, rows, cols) and their mask to images."""
        if self.reconstruction == "unrolled":
            return _unrolled(self.model)
        return zero_filled if self.reconstruction == "zero-filled" else total_variation


def _unrolled(model: str) -> Any:
    try:
        from orbiq.mri.unrolled import load_unrolled, reconstruct
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"undersample:reconstruction=unrolled needs {error.name!r}: pip install 'orbiq[learned]'"
        ) from error
    network = load_unrolled(model)

    def each(kspace: Array, mask: BoolArray) -> Array:
        return np.stack([reconstruct(network, plane, mask) for plane in kspace])

    return each


def _precision(scene: Scene) -> Any:
    """Samples of 8 bits and floats of 32 are exact enough in single precision."""
    return np.float32 if scene.dtype in (np.uint8, np.float32) else np.float64
