"""The fixed-quality codec: ask for a quality, get it, block by block."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray, Raster, Scene
from orbiq.cache import file_digest
from orbiq.codecs.bands import check_bands, check_bits
from orbiq.codecs.neural_container import BLOCK_UNIT, TILE_UNIT, Head, packed, read_head, unpacked
from orbiq.codecs.neural_planes import scaling_of
from orbiq.errors import ImageError, MissingExtra, SettingError

if TYPE_CHECKING:
    from orbiq.codecs.fixed_quality import Calibration
    from orbiq.codecs.neural_levels import Outcome, Quality
    from orbiq.codecs.neural_model import Model
    from orbiq.progress import Progress

SHIPPED = Path(__file__).parent / "models"
_DTYPES = ("uint8", "uint16", "int16")
_USUAL_LMBDA = 0.3
_MOST_CORRECTIONS = 8
_LARGEST_TILE_PX = 1024
_USUAL_TILE_PX = 512
_TARGETS = ("psnr_db", "mse", "relative_mse", "rate_bpp", "lmbda")


class Told(NamedTuple):
    """A stream, what it decodes to, and `neural_levels.shares` of its blocks."""

    stream: bytes
    decoded: Array
    scores: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class FixedQuality:
    """A small neural network that codes every block at the quality that was asked for.

    One of five says what is asked for. `psnr_db`: each block's PSNR, against `peak`, or 2^bits − 1. `mse`: its mean
    squared error in DN². `relative_mse`: that, in units of a band's error without rounding, above 1. `rate_bpp`: bits
    per pixel of the whole stream, all bands, by one λ. `lmbda`: λ itself, in which a picture gets better; the loss
    weighs the squared error, in parts of 255 of the range, with its square. Without any, `lmbda` is 0.3.

    `block` is a side of the blocks in pixels, a multiple of 16, or "ROWSxCOLS", or 0: one quality for the whole image.
    A block is coded by the paper's formula and then `corrections` times corrected by what came of it. With `residual`
    the blocks that still miss their target are mended by what is missing: every one is at or better than its target.
    `bits` are the significant bits of a 16-bit container. `bands`: "joint" turns three bands to the axes of their own
    colours, with one level of quality for the three; any other number, and "separate", is coded band by band.
    `model` is the file of a trained model, or the name of one that comes with orbiq; `calibration` a file of α, a and b
    that `orbiq fit fixed-quality` made.

    Mijares i Verdú et al., IEEE JSTARS 17, 2024, doi:10.1109/JSTARS.2024.3422215.
    """

    name: ClassVar[str] = "fixed-quality"
    dtypes: ClassVar[tuple[str, ...]] = _DTYPES
    lossless: ClassVar[bool] = False
    knob: ClassVar[str] = "lmbda"
    knob_range: ClassVar[tuple[float, float]] = (0.02, 128.0)
    knob_step: ClassVar[float] = 0

    psnr_db: float | tuple[float, ...] | None = None
    mse: float | tuple[float, ...] | None = None
    relative_mse: float | tuple[float, ...] | None = None
    rate_bpp: float | None = None
    lmbda: float | None = None
    block: int | str = 64
    corrections: int = 2
    residual: bool = False
    bits: int | None = None
    peak: float | None = None
    bands: str = "joint"
    model: str = "aerial"
    calibration: str = ""

    def __post_init__(self) -> None:
        stated = [name for name in _TARGETS if getattr(self, name) is not None]
        if len(stated) > 1:
            raise SettingError(f"fixed-quality has {' and '.join(stated)}; expected one of {', '.join(_TARGETS)}")
        for name in stated:
            _check_target(name, getattr(self, name))
        if not 0 <= self.corrections <= _MOST_CORRECTIONS:
            raise SettingError(f"fixed-quality:corrections is {self.corrections}; expected 0 to {_MOST_CORRECTIONS}")
        if self.peak is not None and not 0 < self.peak < math.inf:
            raise SettingError(f"fixed-quality:peak is {self.peak:g}; expected the largest value the data can hold")
        check_bits("fixed-quality", self.bits, range(1, 17))
        check_bands("fixed-quality", self.bands)
        _block(self.block)

    def encode(self, array: Array) -> bytes:
        """The stream; ImageError when dtype or shape do not fit."""
        return self.coded(Scene(array=_checked(array)))[0]

    def told(self, array: Array, mask: BoolArray | None = None) -> Told:
        """Encoded and decoded, with how the blocks came out; pixels outside the mask count in none."""
        from orbiq.codecs.fixed_quality import block_mse
        from orbiq.codecs.neural_levels import shares

        stream, outcomes = self.coded(Scene(array=_checked(array), mask=mask))
        head, decoded = read_head(stream), self.decode(stream)
        size = array.shape[:2] if head.block == (0, 0) else head.block
        for bands, outcome in zip(head.groups, outcomes, strict=True):
            outcome.mse = block_mse(decoded[:, :, list(bands)], array[:, :, list(bands)], mask, size).mse
        return Told(stream, decoded, shares(outcomes))

    def decode(self, stream: bytes) -> Array:
        """(rows, cols, bands)."""
        from orbiq.codecs.neural_decoding import Decoder

        return Decoder(self.loaded(), unpacked(stream)).image()

    def suffix(self, n_bands: int, dtype: str = "uint8") -> str:  # noqa: ARG002  no format that others open
        """None: only orbiq reads it."""
        return ""

    def coded(
        self,
        raster: Raster,
        *,
        mask: BoolArray | None = None,
        notes: Mapping[str, Any] | None = None,
        block_targets: FloatArray | None = None,
        measured: bool = False,
        progress: "Progress | None" = None,
    ) -> "tuple[bytes, list[Outcome]]":
        """The stream of a raster of any size, read piece by piece, and what its blocks came to, if `measured`.

        `mask` (rows, cols), True where valid, and `notes`, any JSON, go into the stream. `block_targets` (rows, cols of
        blocks) are mean squared errors in DN² that go before the codec's own target where they are not NaN.
        """
        from orbiq.codecs.neural_encoding import Encoder

        model = self.loaded()
        head = self.head(raster, model)
        encoder = Encoder(model, raster, head, self._calibration(model), progress=progress)
        container, outcomes = encoder.encoded(
            replace(self.quality(head), block_targets=block_targets), mask=mask, notes=notes
        )
        self._check_reach(raster.name, outcomes)
        if measured:
            encoder.measure(container, outcomes)
        return packed(container), outcomes

    def _check_reach(self, name: str, outcomes: "list[Outcome]") -> None:
        """SettingError where not a single block can come to what was asked for."""
        mse0 = np.concatenate([outcome.mse0[outcome.asked] for outcome in outcomes])
        target = np.concatenate([outcome.target[outcome.asked] for outcome in outcomes])
        if self.residual or not mse0.size or (mse0 < target).any():
            return
        goal = next(goal for goal in _TARGETS if getattr(self, goal) is not None)
        raise SettingError(
            f"fixed-quality:{goal} of {getattr(self, goal)} is out of reach for {name or 'the image'}: even without "
            f"rounding its blocks have a mean squared error of {np.median(mse0):.3g} DN² in the median, and "
            f"{np.median(target):.3g} was asked for; ask for less, or add residual=true"
        )

    def loaded(self) -> "Model":
        """The model."""
        try:
            from orbiq.codecs.neural_model import load_model
        except ModuleNotFoundError as error:
            raise MissingExtra(f"codec 'fixed-quality' needs {error.name!r}: pip install 'orbiq[learned]'") from error
        return load_model(model_file(self.model))

    @property
    def version(self) -> str:
        """What decides of the result beside the settings: the bytes of the model's file, and of a calibration's."""
        files = [model_file(self.model), *([Path(self.calibration)] if self.calibration else [])]
        return "/".join(file_digest(path)[:16] for path in files if path.is_file())

    def _calibration(self, model: "Model") -> "Calibration":
        if not self.calibration:
            return model.calibration
        from orbiq.codecs.fixed_quality import read_calibration

        return read_calibration(self.calibration, model=model.digest)

    def head(self, raster: Raster, model: "Model") -> Head:
        """What the stream of a raster will say before its tiles."""
        rows, cols, bands = raster.shape
        bits = 8 if raster.dtype.itemsize == 1 else self.bits or 16
        if model.bands not in {1, bands}:
            raise SettingError(f"model {self.model!r} codes {model.bands} bands at once; {raster.name!r} has {bands}")
        joint = bands == 3 and (self.bands == "joint" or model.bands == 3)
        block = _block(self.block)
        groups = [[0, 1, 2]] if joint else [[k] for k in range(bands)]
        array, mask = _sampled(raster)
        scalings = tuple(scaling_of(array[:, :, group], mask, bits=bits) for group in groups)
        return Head(
            model=model.digest,
            dtype=str(raster.dtype),
            bits=bits,
            shape=(rows, cols, bands),
            tile_px=_tile_px(block),
            block=block,
            joint=joint,
            residual=False,
            scalings=scalings,
        )

    @property
    def has_target(self) -> bool:
        """Whether blocks, or the whole, are asked to come to an error."""
        return (self.psnr_db, self.mse, self.relative_mse) != (None, None, None)

    def quality(self, head: Head) -> "Quality":
        """What is asked for, for each group of planes of an image."""
        from orbiq.codecs.neural_levels import Quality

        quality = partial(Quality, corrections=self.corrections, residual=self.residual)
        if self.rate_bpp is not None:
            return quality(rate_bpp=self.rate_bpp)
        if self.psnr_db is not None:
            peak = self.peak or 2**head.bits - 1
            return quality(targets=tuple(peak**2 / 10 ** (db / 10) for db in _each(self.psnr_db, head, "psnr_db")))
        if self.mse is not None:
            return quality(targets=_each(self.mse, head, "mse"))
        if self.relative_mse is not None:
            return quality(relative=_each(self.relative_mse, head, "relative_mse"))
        lmbda = _USUAL_LMBDA if self.lmbda is None else self.lmbda
        return quality(lmbdas=tuple(lmbda * 2.0 ** (s.depth_bits - head.bits) for s in head.scalings))


def model_file(name: str) -> Path:
    """The file of a model that comes with orbiq, or the one at that path; SettingError where there is none."""
    if Path(name).suffix:
        return Path(name)
    path = SHIPPED / f"{name}.safetensors"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.safetensors")))
        raise SettingError(f"no fixed-quality model is named {name!r}; expected {known}, or a .safetensors file")
    return path


def _check_target(name: str, value: float | tuple[float, ...]) -> None:
    """A target must be a finite number, and above what it can never reach."""
    least = {"psnr_db": -math.inf, "relative_mse": 1.0}.get(name, 0.0)
    for one in value if isinstance(value, tuple) else (value,):
        if not (math.isfinite(one) and one > least):
            what = "a number of dB" if name == "psnr_db" else f"a number above {least:g}"
            raise SettingError(f"fixed-quality:{name} is {one:g}; expected {what}")


def _checked(array: Array) -> Array:
    if array.ndim != 3 or 0 in array.shape:
        raise ImageError(f"fixed-quality takes (rows, cols, bands), none of them 0; the array is {array.shape}")
    if str(array.dtype) not in _DTYPES:
        raise ImageError(
            f"fixed-quality takes {' or '.join(_DTYPES)}; the image is {array.dtype}: convert the dataset first, or "
            f"choose a codec that takes {array.dtype} (docs/codecs.md lists them)"
        )
    return array


def _each(value: float | tuple[float, ...], head: Head, name: str) -> tuple[float, ...]:
    """A value for each group of planes."""
    n = len(head.groups)
    if isinstance(value, tuple):
        if len(value) != n:
            raise SettingError(f"fixed-quality:{name} has {len(value)} values; the image has {n} bands coded apart")
        return value
    return (value,) * n


def _block(block: int | str) -> tuple[int, int]:
    """(rows, cols) of a block in pixels.

    >>> _block("32x64"), _block(0)
    ((32, 64), (0, 0))
    """
    sides = str(block).split("x")
    try:
        rows, cols = (int(side) for side in (sides if len(sides) == 2 else sides * 2))
    except ValueError:
        rows = cols = -1
    whole = rows == cols == 0
    if len(sides) > 2 or not (whole or (min(rows, cols) > 0 and rows % BLOCK_UNIT == cols % BLOCK_UNIT == 0)):
        raise SettingError(
            f"fixed-quality:block is {block!r}; expected a multiple of 16 pixels, as 64 or 32x64 (rows x cols), or 0: "
            "the whole image"
        )
    if math.lcm(TILE_UNIT, rows or 1, cols or 1) > _LARGEST_TILE_PX:
        raise SettingError(
            f"fixed-quality:block is {block!r}; expected sides whose common multiple with 64 is at most "
            f"{_LARGEST_TILE_PX}, as 16, 32, 64, 128, 256, or 0: the whole image"
        )
    return rows, cols


def _tile_px(block: tuple[int, int]) -> int:
    unit = math.lcm(TILE_UNIT, block[0] or 1, block[1] or 1)
    return unit * max(1, round(_USUAL_TILE_PX / unit))


def _sampled(raster: Raster) -> tuple[Array, BoolArray | None]:
    """Pixels from all over a raster, by strips of rows where it is large."""
    rows, cols, _ = raster.shape
    if rows * cols <= 1 << 22:
        return raster.window(slice(0, rows), slice(0, cols))
    strips = [raster.window(slice(r, r + 1), slice(0, cols)) for r in range(0, rows, max(1, rows * cols >> 22))]
    mask = None if strips[0][1] is None else np.concatenate([m for _, m in strips])
    return np.concatenate([array for array, _ in strips]), mask
