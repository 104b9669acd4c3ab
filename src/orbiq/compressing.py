"""Images to files that a codec made: streams of the fixed-quality codec, or the bare streams of a standard.

A fixed-quality stream is coded from the image's file piece by piece, with its mask and what the file says beside its
pixels. Other codecs take an image whole, and their files hold pixels alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from orbiq.arrays import BoolArray, FloatArray, Raster, Scene
from orbiq.codecs.base import CODECS
from orbiq.codecs.neural import FixedQuality
from orbiq.codecs.neural_container import unpacked
from orbiq.coded_blocks import BlockQuality, block_qualities
from orbiq.errors import ImageError, SettingError
from orbiq.filled_raster import Filled, surveyed
from orbiq.imageio import image_shape, open_raster, read_profile, write_bytes
from orbiq.modifiers.compression import Compressed, build_compressed, suited
from orbiq.pictures import Profile
from orbiq.progress import Progress
from orbiq.regions import Grid, block_targets
from orbiq.registry import parse_spec
from orbiq.stream_notes import Notes, to_json, with_nodata
from orbiq.stream_parts import SUFFIX, naming, parts_of

_WORTH_SHOWING = 1 << 23
"""So many pixels take long enough to be counted."""


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What is said of an image beside its file: peak, nodata, and a file of regions with the PSNR (dB) of each."""

    peak: float | None = None
    nodata: float | None = None
    regions: Path | None = None
    region_psnr_db: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Written:
    """A file that a codec made: bytes, (rows, cols, bands) of what it holds, and how its blocks came out.

    `source_bytes` are those of the image's file, `level_bytes` those of the map of levels of quality; `lost` what the
    file no longer says; `achieved` what a target came to.
    """

    source: Path
    path: Path
    n_bytes: int
    source_bytes: int
    shape: tuple[int, int, int]
    blocks: tuple[BlockQuality, ...] = ()
    level_bytes: int | None = None
    lost: tuple[str, ...] = ()
    achieved: dict[str, float] = field(default_factory=dict)

    @property
    def n_pixels(self) -> int:
        """Rows times cols."""
        return self.shape[0] * self.shape[1]

    @property
    def n_samples(self) -> int:
        """Of all bands."""
        return self.n_pixels * self.shape[2]


def coder_of(spec: str) -> Compressed:
    """The codec that a spec names, with a target where it has one; SettingError for a chain or a sweep."""
    steps = parse_spec(spec)
    if len(steps) != 1:
        raise SettingError(f"--codec {spec!r} is a chain; expected a single codec, as fixed-quality:psnr_db=40")
    name = steps[0].pop("name")
    return build_compressed(name, steps[0])


def check_sources(sources: Sequence[Path], coder: Compressed, stated: Stated) -> None:
    """Refuse what cannot be coded, before anything is."""
    if stated.region_psnr_db and not _is_fixed(coder):
        raise SettingError(
            f"--regions is for fixed-quality alone, and --codec is {coder.name}: it knows one quality an image"
        )
    if stated.regions is not None and not stated.regions.is_file():
        raise SettingError(
            f"--regions is {str(stated.regions)!r}, which is no file; expected a class map, GeoJSON or COCO"
        )
    for source in sources:
        if source.is_dir():
            raise ImageError(
                f"{str(source)!r} is a folder; expected images: name them, as {source}/*.tif. A dataset as a whole is "
                "coded by orbiq modify"
            )
        _, _, _, dtype = image_shape(source)
        if str(dtype) not in coder.codec.dtypes:
            raise ImageError(
                f"image {str(source)!r} is {dtype}, and {coder.name} takes {' or '.join(coder.codec.dtypes)}: convert "
                f"it, or choose a codec that takes {dtype}"
            )
        if not coder.codec.lossless and read_profile(source).colormap is not None:
            raise ImageError(
                f"image {str(source)!r} has a palette: its pixels are numbers of colours, which {coder.name} would "
                "mix. Expand it first, for example with gdal_translate -expand rgb, or choose a lossless codec"
            )


def suffix_of(source: Path, coder: Compressed) -> str:
    """The suffix of the file that a codec makes of an image; SettingError where it makes none."""
    if _is_fixed(coder):
        return SUFFIX
    n_bands, dtype = _bands_and_dtype(source)
    if suffix := str(coder.codec.suffix(n_bands, dtype)):
        return suffix
    others = ", ".join(["fixed-quality", *_with_files(n_bands, dtype)])
    raise SettingError(
        f"{coder.name} of {n_bands} bands of {dtype} ({str(source)!r}) is no file that others can open; choose one of "
        f"those that are: {others}"
    )


def _bands_and_dtype(source: Path) -> tuple[int, str]:
    """Without an alpha band."""
    with open_raster(source) as raster:
        return raster.shape[2], str(raster.dtype)


def _with_files(n_bands: int, dtype: str) -> Iterator[str]:
    """Codecs that come with orbiq whose stream of such an image is a file."""
    for name in CODECS.built_in:
        cls: Any = CODECS.load(name)
        if name != "external" and dtype in cls.dtypes:
            best = {f.name: cls.knob_range[1] for f in fields(cls) if f.name == cls.knob and f.default is MISSING}
            if cls(**best).suffix(n_bands, dtype):
                yield name


def _is_fixed(coder: Compressed) -> bool:
    return isinstance(coder.codec, FixedQuality)


def compress(
    source: Path, path: Path, coder: Compressed, *, stated: Stated | None = None, progress: Progress | None = None
) -> Written:
    """Write the file at `path`, whole or not at all."""
    stated = stated or Stated()
    peak = getattr(coder.codec, "peak", None) if stated.peak is None else stated.peak
    with naming(source), open_raster(source, peak=peak, nodata=stated.nodata) as raster:
        if _is_fixed(coder):
            stream, written = _fixed(source, raster, coder, stated, progress)
        else:
            stream, written = _standard(source, raster, coder)
    write_bytes(path, stream)
    return replace(written, path=path)


# the fixed-quality codec


def _fixed(
    source: Path, raster: Raster, coder: Compressed, stated: Stated, progress: Progress | None
) -> tuple[bytes, Written]:
    codec, mask = _prepared(coder, raster)
    notes = Notes(
        suffix=source.suffix.lower(),
        profile=replace(with_nodata(read_profile(source), stated.nodata), peak=raster.peak),
        alpha=_alpha(source, raster),
    )
    said = to_json(notes)
    targets = _region_targets(codec, raster, source, stated)
    asked = codec.psnr_db is not None or codec.mse is not None or codec.relative_mse is not None
    shown = progress if raster.shape[0] * raster.shape[1] >= _WORTH_SHOWING else None
    stream, outcomes = codec.coded(
        Filled(raster), mask=mask, notes=said, block_targets=targets, measured=asked, progress=shown
    )
    return stream, replace(
        _written(source, raster, stream),
        blocks=block_qualities(outcomes, n_bands=raster.shape[2], peak=_peak(codec, raster)),
        level_bytes=parts_of(stream, unpacked(stream)).levels,
        achieved={coder.codec.knob: getattr(codec, codec.knob)} if coder.target else {},
    )


def _prepared(coder: Compressed, raster: Raster) -> tuple[FixedQuality, BoolArray | None]:
    """The codec as it suits an image, and the image's mask."""
    codec: FixedQuality = coder.codec
    unknown = raster.dtype != np.uint8 and (raster.peak, codec.peak, codec.bits) == (None, None, None)
    if unknown and codec.psnr_db is not None:
        raise ImageError(
            f"image {raster.name!r} is {raster.dtype} and nobody said the largest value that its data can hold, "
            "against which psnr_db counts. Say it, for example --peak 4095, or ask for mse"
        )
    codec = suited(codec, raster)  # type: ignore[assignment]
    if codec.peak is None and raster.peak is not None:
        codec = replace(codec, peak=float(raster.peak))
    mask, highest = surveyed(raster)
    limit = min(2 ** _bits(codec, raster) - 1 if raster.dtype != np.int16 else inf, raster.peak or inf)
    if highest > limit:
        raise ImageError(
            f"image {raster.name!r} holds {highest:g}, above {limit:g}, the largest value that its data were said to "
            "hold. State a larger peak or more bits, or the nodata of pixels that hold no data"
        )
    if coder.target is not None:
        array, _ = raster.window(slice(0, raster.shape[0]), slice(0, raster.shape[1]))
        scene = Scene(array=array, mask=mask, peak=raster.peak, transform=raster.transform, name=raster.name)
        codec = replace(coder, codec=codec).coded(scene)[1]  # type: ignore[assignment]
    return codec, mask


def _bits(codec: FixedQuality, raster: Raster) -> int:
    return 8 if raster.dtype.itemsize == 1 else codec.bits or 16


def _peak(codec: FixedQuality, raster: Raster) -> float | None:
    """What PSNR counts from; None where the target is an error in DN², and nobody stated it."""
    counted = codec.psnr_db is not None or raster.dtype == np.uint8
    return codec.peak or (2.0 ** _bits(codec, raster) - 1 if counted else None)


def _alpha(source: Path, raster: Raster) -> int | None:
    """The place of the band of the file that the raster has as its mask."""
    interpretation = read_profile(source).colorinterp
    if "alpha" in interpretation:
        return interpretation.index("alpha")
    n_bands = image_shape(source)[2]
    return n_bands - 1 if n_bands > raster.shape[2] else None


def _region_targets(codec: FixedQuality, raster: Raster, source: Path, stated: Stated) -> FloatArray | None:
    if stated.regions is None:
        return None
    wanted = codec.psnr_db if codec.psnr_db is not None else codec.mse
    peak = _peak(codec, raster)
    if not isinstance(wanted, float):
        raise SettingError(
            "--regions needs a target for all that is no region: fixed-quality:psnr_db=40 or mse, as one number"
        )
    if peak is None:
        raise SettingError(
            f"--region-psnr-db counts from the largest value that the data of {raster.name!r} can hold, which nobody "
            "said. Say it, for example --peak 4095"
        )
    block = codec.head(raster, codec.loaded()).block
    if block == (0, 0):
        raise SettingError("--regions needs blocks, and fixed-quality:block is 0; set it, for example block=64")
    own = peak**2 / 10 ** (wanted / 10) if codec.psnr_db is not None else wanted
    targets = {region: peak**2 / 10 ** (db / 10) for region, db in stated.region_psnr_db.items()}
    grid = Grid(name=source.name, profile=read_profile(source), shape=raster.shape[:2], block=block)
    return block_targets(stated.regions, targets, own=own, grid=grid)


def _written(source: Path, raster: Raster, stream: bytes) -> Written:
    return Written(
        source=source,
        path=source,
        n_bytes=len(stream),
        source_bytes=source.stat().st_size,
        shape=raster.shape,
    )


# the others


def _standard(source: Path, raster: Raster, coder: Compressed) -> tuple[bytes, Written]:
    rows, cols, _ = raster.shape
    array, mask = raster.window(slice(0, rows), slice(0, cols))
    scene = Scene(array=array, mask=mask, peak=raster.peak, transform=raster.transform, name=raster.name)
    modified, _ = coder.coded(scene)
    lost = _lost(read_profile(source), masked=mask is not None, alpha=_alpha(source, raster) is not None)
    written = replace(_written(source, raster, modified.stream or b""), lost=lost, achieved=dict(modified.achieved))
    return modified.stream or b"", written


def _lost(profile: Profile, *, masked: bool, alpha: bool) -> tuple[str, ...]:
    """What a bare stream does not hold of what a file says."""
    gone = {
        "its place on the ground": profile.crs is not None or profile.transform is not None or bool(profile.gcps),
        "which pixels are valid": masked or profile.nodata is not None,
        "the alpha band": alpha,
        "its tags": "RPC" in profile.tags,
        "the palette": profile.colormap is not None,
    }
    return tuple(word for word, is_gone in gone.items() if is_gone)
