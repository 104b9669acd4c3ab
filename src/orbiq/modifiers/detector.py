"""What a detector adds: shot and read noise, stripes and bands, dead pixels, bands that do not lie on one another.

Sharpening, which undoes some of the optics, is here too.

Levels are in DN, the unit of the data. Integers are rounded and clipped to 0…peak (signed ones from their least
value), floats are neither. Every band has draws of its own; the levels of a sweep share theirs.
"""

from dataclasses import dataclass
from functools import partial
from math import inf, isfinite
from typing import ClassVar, Literal, get_args

import numpy as np

from orbiq.arrays import Array, FloatArray, Scene
from orbiq.errors import SettingError
from orbiq.modifiers.bandwise import check_each, for_bands
from orbiq.modifiers.base import Modified
from orbiq.modifiers.filling import filled
from orbiq.modifiers.geometry_resampling import cast_of, cell_centres, method_weights, separable, working
from orbiq.modifiers.noise import with_noise
from orbiq.modifiers.strips import by_strips
from orbiq.optics import blur

Line = Literal["columns", "rows"]


@dataclass(frozen=True, kw_only=True)
class ShotNoise:
    """Shot and read noise: Gaussian of variance σ²(L) = shot_dn·L + read_dn2 at the level L of each pixel.

    `shot_dn` = a ≥ 0 in DN (DN per electron), `read_dn2` = b ≥ 0 in DN². Levels below 0 have read noise alone. It
    adds to the noise that the image has: variances add. `orbiq.metrics.snr(method="homogeneous-patches")`
    measures a and b.
    """

    name: ClassVar[str] = "shot-noise"
    version: ClassVar[int] = 2
    shot_dn: float
    read_dn2: float = 0.0

    def __post_init__(self) -> None:
        _at_least_0("shot-noise:shot_dn", self.shot_dn)
        _at_least_0("shot-noise:read_dn2", self.read_dn2)

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:
        """The noisy scene, in the dtype of the input."""

        def sigma_dn(part: Array) -> FloatArray:
            return np.sqrt(self.shot_dn * np.maximum(part.astype(np.float64), 0) + self.read_dn2)

        return Modified(scene=with_noise(scene, sigma_dn, rng=rng))


@dataclass(frozen=True, kw_only=True)
class Striping:
    """Stripes of detectors that are not quite alike: L·(1 + g) + o, g and o one draw for each line of each band.

    o ~ N(0, offset_dn²) in DN, g ~ N(0, gain²) without unit. `along` "columns" for a scanner whose detectors each see
    one column (push broom), "rows" for one whose detectors each see one row.
    """

    name: ClassVar[str] = "striping"
    offset_dn: float = 0.0
    gain: float = 0.0
    along: Line = "columns"

    def __post_init__(self) -> None:
        _at_least_0("striping:offset_dn", self.offset_dn)
        _at_least_0("striping:gain", self.gain)
        _rows_or_columns("striping:along", self.along)

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:
        """The striped scene, in the dtype of the input."""
        return _striped(scene, self.offset_dn, self.gain, along=self.along, width_px=1, rng=rng)


@dataclass(frozen=True, kw_only=True)
class Banding:
    """Bands of `width_px` lines that share an offset and a gain: L·(1 + g) + o, one draw for each band of lines.

    Sweeps of a whisk broom scanner (`along` rows, Landsat TM has 16 lines in a sweep), or the modules and amplifiers of
    a focal plane (`along` columns, some hundred lines each). o ~ N(0, offset_dn²) in DN, g ~ N(0, gain²) without
    unit. The first band begins anywhere in its width, by one more draw.
    """

    name: ClassVar[str] = "banding"
    width_px: int
    offset_dn: float = 0.0
    gain: float = 0.0
    along: Line = "rows"

    def __post_init__(self) -> None:
        if self.width_px < 1:
            raise SettingError(f"banding:width_px is {self.width_px}; expected 1 line or more, for example 16")
        _at_least_0("banding:offset_dn", self.offset_dn)
        _at_least_0("banding:gain", self.gain)
        _rows_or_columns("banding:along", self.along)

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:
        """The banded scene, in the dtype of the input."""
        return _striped(scene, self.offset_dn, self.gain, along=self.along, width_px=self.width_px, rng=rng)


def _striped(
    scene: Scene, offset_dn: float, gain: float, *, along: Line, width_px: int, rng: np.random.Generator
) -> Modified:
    """Each line, or each `width_px` lines, with an offset and a gain of their own."""
    lines = scene.shape[1 if along == "columns" else 0]
    number = lines if width_px == 1 else -(-lines // width_px) + 1
    drawn = rng.standard_normal((2, number, scene.shape[2]))
    first = int(rng.integers(width_px)) if width_px > 1 else 0
    offsets, gains = drawn[:, (np.arange(lines) + first) // width_px]
    factors, terms = 1 + gain * gains, offset_dn * offsets

    def striped(part: Array, rows: slice) -> Array:
        its = slice(None) if along == "columns" else (rows, None)
        return np.asarray(part * factors[its] + terms[its])

    return Modified(scene=by_strips(scene, striped))


@dataclass(frozen=True, kw_only=True)
class Misregistration:
    """Bands that do not lie on one another: every band after the first is moved by parts of a pixel.

    Either `rms_px` > 0, the standard deviation along x and along y, drawn for each band and image; or `dx_px` and
    `dy_px`, the shifts of all bands to the right and down, one each for all bands (a list; the first may move too).
    Interpolated by Lanczos' kernel of 3 lobes, borders mirrored. Labels and the mask stay with the first band's place.

    >>> scene = Scene(array=np.array([[[1, 1], [2, 2], [3, 3]]], np.uint8))
    >>> moved = Misregistration(dx_px=(0.0, 1.0), dy_px=(0.0, 0.0))(scene, rng=np.random.default_rng(0)).scene
    >>> moved.array[0, :, 1].tolist()
    [1, 1, 2]
    """

    name: ClassVar[str] = "misregistration"
    rms_px: float | None = None
    dx_px: tuple[float, ...] | None = None
    dy_px: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        stated = self.dx_px is not None and self.dy_px is not None
        if (self.rms_px is None) != stated or (self.dx_px is None) != (self.dy_px is None):
            raise SettingError(
                f"misregistration has rms_px={self.rms_px}, dx_px={self.dx_px}, dy_px={self.dy_px}; expected rms_px, "
                "or both lists, as misregistration:rms_px=0.3"
            )
        if self.rms_px is not None:
            _at_least_0("misregistration:rms_px", self.rms_px)
        for what in ("dx_px", "dy_px"):
            shifts, setting = getattr(self, what), f"misregistration:{what}"
            if shifts is not None and not isinstance(shifts, tuple):
                raise SettingError(
                    f"{setting} is {shifts}; expected a list with a number for each band, as [[0,0.3,-0.2]]"
                )
            check_each(shifts, partial(_finite, setting), setting)

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:
        """The scene with moved bands, in the dtype of the input."""
        rows, cols, _ = scene.shape
        source, out = filled(scene), scene.array.copy()
        for band, (dx, dy) in enumerate(self._shifts(scene, rng)):
            if dx == dy == 0:
                continue
            down = method_weights(rows, cell_centres(rows, 1.0) - dy, "lanczos")
            across = method_weights(cols, cell_centres(cols, 1.0) - dx, "lanczos")
            out[..., band : band + 1] = separable(source[..., band : band + 1], down, across, cast=cast_of(scene))
        alone = scene.shape[2] == 1 and self.rms_px is not None
        notes = ("nothing was moved, the first band is the only one",) if alone else ()
        return Modified(scene=scene.with_array(out), notes=notes)

    def _shifts(self, scene: Scene, rng: np.random.Generator) -> list[tuple[float, float]]:
        bands = scene.shape[2]
        if self.dx_px is None or self.dy_px is None:
            drawn = rng.standard_normal((bands, 2)) * (self.rms_px or 0.0)
            drawn[0] = 0
            return [(float(dx), float(dy)) for dx, dy in drawn]
        return list(
            zip(*(for_bands(getattr(self, w), bands, f"misregistration:{w}") for w in ("dx_px", "dy_px")), strict=True)
        )


@dataclass(frozen=True, kw_only=True)
class DeadPixels:
    """Samples that always read `value_dn` (0 dead, the peak hot): a `fraction` in 0…1, drawn sample by sample."""

    name: ClassVar[str] = "dead-pixels"
    fraction: float
    value_dn: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.fraction <= 1:
            raise SettingError(f"dead-pixels:fraction is {self.fraction}; expected 0 to 1, for example 0.001")
        _at_least_0("dead-pixels:value_dn", self.value_dn)

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:
        """The scene with dead samples, in the dtype of the input."""

        def with_dead(part: Array, _: slice) -> Array:
            return np.where(rng.random(part.shape) < self.fraction, self.value_dn, part)

        return Modified(scene=by_strips(scene, with_dead))


@dataclass(frozen=True, kw_only=True)
class Sharpen:
    """Unsharp mask: L + amount·(L − G∗L), G a Gaussian of `sigma_px` pixels (`orbiq.optics.blur`).

    A wave of f cycles per pixel is multiplied by 1 + amount·(1 − exp(−2π²σ²f²)). `amount` ≥ 0; 0 changes nothing.
    Masked pixels take no part and keep their values.
    """

    name: ClassVar[str] = "sharpen"
    amount: float
    sigma_px: float = 1.0

    def __post_init__(self) -> None:
        _at_least_0("sharpen:amount", self.amount)
        if not 0 < self.sigma_px < inf:
            raise SettingError(f"sharpen:sigma_px is {self.sigma_px}; expected more than 0 pixels")

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002  draws nothing
        """The sharpened scene, in the dtype of the input."""
        blurred = blur(working(scene.array), self.sigma_px, mask=scene.mask)
        amount = self.amount

        def sharper(part: Array, rows: slice) -> Array:
            return part + amount * (part - blurred[rows])

        return Modified(scene=by_strips(scene, sharper))


def _rows_or_columns(setting: str, along: str) -> None:
    if along not in get_args(Line):
        raise SettingError(f"{setting} is {along!r}; expected columns or rows")


def _finite(setting: str, value: float) -> None:
    if not isfinite(value):
        raise SettingError(f"{setting} has {value}; expected finite numbers of pixels")


def _at_least_0(setting: str, value: float) -> None:
    if not 0 <= value < inf:
        raise SettingError(f"{setting} is {value}; expected a finite number, 0 or more")
