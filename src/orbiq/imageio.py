"""The one door for image files: nothing else in orbiq opens or writes one.

An array is (rows, cols, bands) in its native dtype, red first. What is read is decided by a file's
content, not by its suffix; what is written by the suffix. A truncated or damaged file is an
ImageError that names it, never half an image. A file is written whole or not at all.

PNG, JPEG and BMP go through OpenCV; TIFF, GeoTIFF and JPEG 2000 through GDAL; the files that a codec leaves (JPEG XL,
WebP, AVIF, JPEG-LS, JPEG of 12 bits, bare codestreams of JPEG 2000) through that codec's decoder. Everything is written
without loss: those files and JPEG are read, but written only as the bytes that a codec made (`write_bytes`), for a
second lossy coding would be an effect that nobody asked for. JPEG orientation tags are not applied,
since annotations count stored pixels. PNG palettes are expanded; of a PNG or BMP only the pixels return.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import cv2
import numpy as np

from orbiq.arrays import CLASS_DTYPES, DTYPES, Array, BoolArray, Raster, Scene
from orbiq.codestream_headers import one_tile, stream_header
from orbiq.decoding import decoded_picture
from orbiq.errors import ImageError, OrbiqError, StorageError
from orbiq.georasters import open_windows, raster_profile, raster_shape, read_raster
from orbiq.imagebytes import check_directories, check_whole, header_shape, sniff
from orbiq.pictures import Format, Picture, Profile, valid_mask
from orbiq.rasterwriting import encode_raster, pixel_sink, raster_sink

__all__ = [
    "IMAGE_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "Picture",
    "Profile",
    "encode_image",
    "image_shape",
    "open_class_map",
    "open_pixel_sink",
    "open_raster",
    "open_sink",
    "read_class_map",
    "read_image",
    "read_profile",
    "valid_mask",
    "write_bytes",
    "write_image",
]

_WRITTEN: dict[str, Format] = {
    ".png": "png",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".bmp": "bmp",
    ".jp2": "jp2",
}
WRITABLE_SUFFIXES = frozenset(_WRITTEN)
"""Suffixes that `write_image` takes: those that lose nothing."""
IMAGE_SUFFIXES = WRITABLE_SUFFIXES | {".jpg", ".jpeg", ".jls", ".jxl", ".webp", ".avif", ".j2k", ".j2c"}
"""Suffixes, lower case, of the files that count as images."""
_HEAD_BYTES = 64 * 1024
_FIRST_BYTES = 512  # enough to tell the format


def read_image(path: str | Path) -> Picture:
    """The picture in the file at `path`; ImageError where it is missing, unreadable, truncated or of another kind."""
    return _read(path, DTYPES)


def read_class_map(path: str | Path) -> Picture:
    """As `read_image`, of a map whose pixels are numbers of classes: a TIFF may hold int8, int32 and uint32 as well."""
    return _read(path, CLASS_DTYPES)


def _read(path: str | Path, dtypes: Sequence[str]) -> Picture:
    name, head = str(path), _bytes_of(path, _FIRST_BYTES)
    if (kind := sniff(head, name)) == "tiff":
        with Path(path).open("rb") as stream:
            check_directories(stream, name)
    if _is_raster(head, kind):
        return read_raster(name, kind, dtypes=dtypes)
    data = _bytes_of(path)
    check_whole(data, kind, name)
    array = decoded_picture(data, kind, name)
    profile = _profile(path, data[:_HEAD_BYTES], kind)
    alpha = _alpha_band(array, kind)
    mask = None if alpha is None and profile.nodata is None else valid_mask(array, nodata=profile.nodata, alpha=alpha)
    return Picture(array=array, mask=mask, profile=profile)


def _is_raster(head: bytes, kind: Format) -> bool:
    """Whether GDAL reads the pixels: not those of a codec's own codestream, which another library decodes otherwise."""
    return kind == "tiff" or (kind == "jp2" and not one_tile(head))


def _alpha_band(array: Array, kind: Format) -> int | None:
    """The last of two or four bands, but in JPEG 2000 and JPEG-LS, which hold any bands."""
    return array.shape[2] - 1 if array.shape[2] in {2, 4} and kind not in {"jp2", "jpegls"} else None


def _profile(path: str | Path, head: bytes, kind: Format) -> Profile:
    """What a file says beside its pixels; a JPEG XL file of fewer than 16 bits states the peak."""
    if kind in ("tiff", "jp2"):
        return raster_profile(str(path), kind)
    header = stream_header(head, kind)
    if header is None:
        return Profile(format=kind)
    # the depths of the others are those that their standards have, and say nothing of the data
    stated = kind == "jxl" and 8 < header.bits < 16
    return Profile(
        format=kind,
        colorinterp={2: ("gray", "alpha"), 4: ("red", "green", "blue", "alpha")}.get(header.bands, ()),
        options={"nbits": header.bits} if stated else {},
        peak=2.0**header.bits - 1 if stated else None,
    )


@contextmanager
def open_raster(
    path: str | Path,
    *,
    peak: float | None = None,
    gsd_m: float | None = None,
    nodata: float | None = None,
    name: str | None = None,
) -> Iterator[Raster]:
    """The image at `path` as pixels to be measured, read piece by piece where its format allows (TIFF, JPEG 2000).

    An alpha band is part of the mask and no band. `peak`, `gsd_m` and `name` go before what the file says; `nodata`
    counts only for files that have none. uint8 has a peak of 255. Raises ImageError, as `read_image` does.
    """
    with _windows(path, DTYPES, peak=peak, gsd_m=gsd_m, nodata=nodata, name=name) as raster:
        if raster is not None:
            yield raster
            return
    picture = read_image(path)
    profile = picture.profile
    array = picture.array[..., : _alpha_band(picture.array, profile.format)]
    peak = profile.peak if peak is None else peak
    more = None if nodata is None or profile.nodata is not None else valid_mask(array, nodata=nodata)
    mask = more if picture.mask is None else picture.mask if more is None else picture.mask & more
    yield Scene(array=array, mask=mask, peak=peak, gsd_m=gsd_m, name=name or str(path))


@contextmanager
def open_class_map(path: str | Path, *, name: str | None = None) -> Iterator[Raster]:
    """As `open_raster`, of a map whose pixels are numbers of classes: a TIFF may hold int8, int32, uint32 as well."""
    with _windows(path, CLASS_DTYPES, name=name) as raster:
        if raster is not None:
            yield raster
            return
    with open_raster(path, name=name) as whole:
        yield whole


@contextmanager
def _windows(path: str | Path, dtypes: Sequence[str], **stated: Any) -> Iterator[Raster | None]:
    """The file to be read piece by piece, None where its format allows no such thing."""
    kind = sniff(head := _bytes_of(path, _FIRST_BYTES), str(path))
    if not _is_raster(head, kind):
        yield None
        return
    if kind == "tiff":
        with Path(path).open("rb") as stream:
            check_directories(stream, str(path))
    with open_windows(str(path), kind, dtypes=dtypes, **stated) as raster:
        yield raster


def image_shape(path: str | Path) -> tuple[int, int, int, np.dtype[np.generic]]:
    """(rows, cols, bands, dtype) of the image at `path`, from its header where that is enough."""
    name = str(path)
    head = _bytes_of(path, _HEAD_BYTES)
    kind = sniff(head, name)
    if kind in ("tiff", "jp2"):
        return raster_shape(name)
    shape = header_shape(head, kind, name)
    if shape is None:
        array = read_image(path).array
        return *array.shape, array.dtype
    return shape


def read_profile(path: str | Path) -> Profile:
    """What the image at `path` says beside its pixels, which are not read."""
    head = _bytes_of(path, _HEAD_BYTES)
    return _profile(path, head, sniff(head, str(path)))


def write_image(
    path: str | Path, array: Array, *, profile: Profile | None = None, mask: BoolArray | None = None
) -> None:
    """Write `array` (rows, cols, bands) to `path`, without loss, whole or not at all; its suffix says the format.

    `profile` what else a TIFF or JPEG 2000 file shall say; PNG and BMP hold pixels alone. `mask`
    (rows, cols), True where valid, is stored in a TIFF where nodata, NaN and alpha do not say the same.
    Raises ImageError where the format cannot hold the array, StorageError where the disk refuses.
    """
    write_bytes(path, encode_image(array, Path(path).suffix, profile=profile, mask=mask))


@contextmanager
def open_sink(
    path: str | Path, shape: tuple[int, int, int], *, profile: Profile | None = None
) -> Iterator[Callable[[slice, slice, Array], None]]:
    """A float32 GeoTIFF of `shape` (rows, cols, bands) to be written piece by piece: a function (rows, cols, array).

    NaN is nodata; `profile` places it on the ground. The file appears when the block ends, whole or not at all;
    StorageError where the disk refuses.
    """
    with _stored(path), raster_sink(Path(path), shape, profile=profile) as write:
        yield write


@contextmanager
def open_pixel_sink(
    path: str | Path,
    shape: tuple[int, int, int],
    dtype: str,
    *,
    highest: int,
    profile: Profile,
    masked: bool = False,
) -> Iterator[Callable[[slice, slice, Array, BoolArray | None], None]]:
    """A GeoTIFF of integers to be written piece by piece: a function (rows, cols, array, mask), True where valid.

    `profile` says what the file says beside its pixels, `highest` the largest value there will be; a mask goes into
    the file where `masked`. It appears when the block ends, whole or not at all; StorageError where the disk refuses.
    """
    with _stored(path), pixel_sink(Path(path), shape, dtype, highest=highest, profile=profile, masked=masked) as write:
        yield write


@contextmanager
def _stored(path: str | Path) -> Iterator[None]:
    """StorageError where the disk refuses a file that GDAL writes."""
    from rasterio.errors import RasterioError

    try:
        yield
    except (OSError, RasterioError) as error:
        if isinstance(error, OrbiqError):
            raise
        raise StorageError(
            f"{str(path)!r} cannot be written: {error}. Free some space, or name another folder."
        ) from error


def encode_image(
    array: Array, suffix: str, *, profile: Profile | None = None, mask: BoolArray | None = None
) -> bytes | memoryview:
    """The bytes that `write_image` writes for a file of this suffix.

    >>> bytes(encode_image(np.zeros((2, 2, 1), np.uint8), ".png")[1:4])
    b'PNG'
    """
    kind = _WRITTEN.get(suffix.lower())
    if kind is None:
        raise ImageError(
            f"an image cannot be written as {suffix or 'a file without suffix'!r}; expected one of "
            f"{', '.join(sorted(WRITABLE_SUFFIXES))}, which lose nothing. "
            "For JPEG and the like, encode with the codec and store its bytes."
        )
    _check_fit(array, kind)
    if kind in ("tiff", "jp2"):
        return encode_raster(array, kind, profile=profile, mask=mask)
    swapped = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}.get(array.shape[2])
    pixels = array if swapped is None else cv2.cvtColor(array, swapped)
    _, data = cv2.imencode(f".{kind}", pixels)
    return data.data


def write_bytes(path: str | Path, data: bytes | memoryview) -> None:
    """Write the bytes of an image file, whole or not at all; StorageError where the disk refuses.

    They are not forced to the disk at once, as a record's are: an image can be made again.
    """
    path = Path(path)
    aside = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
    try:
        try:
            with aside.open("xb") as sink:
                sink.write(data)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(
            f"{str(path)!r} cannot be written: {reason}. Free some space, or name a folder that is writable."
        ) from error


def _bytes_of(path: str | Path, limit: int = -1) -> bytes:
    try:
        with Path(path).open("rb") as source:
            return source.read(limit)
    except FileNotFoundError:
        raise ImageError(
            f"image {str(path)!r} does not exist. Correct the path, or take it out of the annotations."
        ) from None
    except IsADirectoryError:
        raise ImageError(f"{str(path)!r} is a folder; expected an image file.") from None
    except OSError as error:
        raise StorageError(f"image {str(path)!r} cannot be read: {error.strerror}. Check its permissions.") from error


_HOLDS: dict[Format, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "png": (("uint8", "uint16"), (1, 3, 4)),
    "bmp": (("uint8",), (1, 3)),
    "jp2": (("uint8", "uint16", "int16"), ()),
    "tiff": (CLASS_DTYPES, ()),
}


def _check_fit(array: Array, kind: Format) -> None:
    dtypes, bands = _HOLDS[kind]
    if array.ndim != 3 or 0 in array.shape:
        raise ImageError(f"an array of shape {array.shape} is no image; expected (rows, cols, bands), none of them 0.")
    if array.dtype.name not in dtypes or (bands and array.shape[2] not in bands):
        counts = " or ".join(map(str, bands)) or "any number of"
        raise ImageError(
            f"{kind} cannot hold {array.shape[2]} bands of {array.dtype}; "
            f"it holds {counts} bands of {', '.join(dtypes)}. Write .tif instead."
        )
