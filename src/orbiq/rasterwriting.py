"""TIFF, GeoTIFF and JPEG 2000 written through GDAL, without loss, with everything that `orbiq.georasters` reads.

A source that was stored with a lossy coding (JPEG in TIFF, WebP, LERC, JXL) is stored as DEFLATE. Statistics that a
source recorded about its pixels (STATISTICS_*) are left behind: they would be false afterwards.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from orbiq.arrays import Array, BoolArray
from orbiq.georasters import NODATA_TAG, quiet
from orbiq.pictures import Format, Profile, representable, valid_mask

_LOSSLESS = frozenset({"deflate", "lzw", "packbits", "zstd", "lzma"})
_PREDICTED = frozenset({"deflate", "lzw", "zstd"})
_LAYOUT = frozenset({"tiled", "blockxsize", "blockysize"})
_TIFF_OPTIONS = _LAYOUT | {"compress", "predictor", "interleave", "nbits"}
_TILE_PX = 256


def encode_raster(
    array: Array, kind: Format, *, profile: Profile | None = None, mask: BoolArray | None = None
) -> bytes:
    """The bytes of a TIFF or JPEG 2000 file of `array`, without loss.

    `mask` (rows, cols), True where valid, is stored in a TIFF where nodata, NaN and alpha do not say the same.
    """
    from rasterio.io import MemoryFile

    profile = profile or Profile(format=kind)
    rows, cols, bands = array.shape
    settings = _geography(profile, array) | (
        _tiff_options(profile, array) if kind == "tiff" else _jp2_options(profile, array)
    )
    driver = "GTiff" if kind == "tiff" else "JP2OpenJPEG"
    # the suffix matters: without one GDAL writes JPEG 2000 as a bare codestream that knows no place
    with quiet(), MemoryFile(ext=".tif" if kind == "tiff" else ".jp2") as memory:
        with memory.open(driver=driver, height=rows, width=cols, count=bands, dtype=array.dtype, **settings) as sink:
            _describe(sink, profile, array)
            sink.write(np.moveaxis(array, 2, 0))
            if kind == "tiff" and mask is not None:
                _write_mask(sink, array, mask=mask, profile=profile)
        return bytes(memory.getbuffer())


@contextmanager
def raster_sink(
    path: Path, shape: tuple[int, int, int], *, profile: Profile | None = None
) -> Iterator[Callable[[slice, slice, Array], None]]:
    """A float32 GeoTIFF of `shape` (rows, cols, bands) to be written window by window, with NaN as nodata.

    Gives a function (rows, cols, array). The file appears when the block ends, whole, or not at all.
    """
    import rasterio
    from rasterio.windows import Window

    rows, cols, bands = shape
    known = profile or Profile(format="tiff")
    placed = {key: v for key, v in _geography(known, np.empty(0, np.float32)).items() if key != "nodata"}
    options = {"compress": "deflate", "predictor": 3, "tiled": True, "bigtiff": "if_safer", "nodata": float("nan")}
    aside = path.with_name(f".{path.stem}.{uuid4().hex[:8]}.part.tif")
    settings = {"driver": "GTiff", "height": rows, "width": cols, "count": bands, "dtype": "float32", **options}
    try:
        with quiet(), rasterio.open(aside, "w", **settings, **placed) as sink:

            def write(rows: slice, cols: slice, array: Array) -> None:
                window = Window(cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start)
                sink.write(np.moveaxis(array.astype(np.float32), 2, 0), window=window)

            yield write
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def pixel_sink(
    path: Path, shape: tuple[int, int, int], dtype: str, *, highest: int, profile: Profile, masked: bool = False
) -> Iterator[Callable[[slice, slice, Array, BoolArray | None], None]]:
    """A GeoTIFF of integers to be written window by window: a function (rows, cols, array, mask).

    `profile` says what the file says beside its pixels, `highest` the largest value there will be. Its tiles have 256
    pixels a side, whatever the profile's; a mask goes into the file where `masked`. The file appears when the block
    ends, whole, or not at all.
    """
    import rasterio
    from rasterio.windows import Window

    rows, cols, bands = shape
    like = np.full((1, 1, bands), highest, dtype)
    options = {key: v for key, v in _tiff_options(profile, like).items() if key not in _LAYOUT}
    if max(rows, cols) > _TILE_PX:
        options |= {"tiled": True, "blockxsize": _TILE_PX, "blockysize": _TILE_PX}
    aside = path.with_name(f".{path.stem}.{uuid4().hex[:8]}.part.tif")
    settings = {"driver": "GTiff", "height": rows, "width": cols, "count": bands, "dtype": dtype, **options}
    try:
        with quiet(), rasterio.open(aside, "w", **settings, **_geography(profile, like)) as sink:
            _describe(sink, profile, like)

            def write(rows: slice, cols: slice, array: Array, mask: BoolArray | None) -> None:
                window = Window(cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start)
                sink.write(np.moveaxis(array, 2, 0), window=window)
                if masked:
                    sink.write_mask(np.ones(array.shape[:2], bool) if mask is None else mask, window=window)

            yield write
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _geography(profile: Profile, array: Array) -> dict[str, Any]:
    from rasterio.crs import CRS
    from rasterio.transform import Affine as RasterAffine

    settings: dict[str, Any] = {}
    if profile.crs:
        settings["crs"] = CRS.from_wkt(profile.crs)
    if profile.transform:
        settings["transform"] = RasterAffine(*profile.transform)
    if profile.nodata is not None and representable(profile.nodata, array.dtype):
        settings["nodata"] = profile.nodata
    return settings


def _tiff_options(profile: Profile, array: Array) -> dict[str, Any]:
    options = {key: value for key, value in profile.options.items() if key in _TIFF_OPTIONS}
    if profile.compress is not None and profile.compress not in _LOSSLESS:
        options["compress"] = "deflate"
    floating = np.issubdtype(array.dtype, np.floating)
    # predictor 3 is for floating point alone, and none goes without a compression that knows it
    if options.get("compress") not in _PREDICTED or (options.get("predictor") == 3 and not floating):
        options.pop("predictor", None)
    if "nbits" in options and (floating or array.max() >= 2 ** int(options["nbits"])):
        del options["nbits"]
    if options.get("interleave") not in ("pixel", "band"):
        options.pop("interleave", None)
    # three bands of which nobody says what they are come from a PNG or from an array: red, green, blue
    interpretation = profile.colorinterp or ("red", "green", "blue") * (array.shape[2] == 3)
    coloured = interpretation[:3] == ("red", "green", "blue") and array.shape[2] >= 3
    options["photometric"] = "rgb" if coloured else "palette" if _has_palette(profile, array) else "minisblack"
    return options | {"bigtiff": "if_safer"}


def _jp2_options(profile: Profile, array: Array) -> dict[str, Any]:
    bits = profile.options.get("nbits")
    fits = bits is not None and array.max() < 2 ** int(bits)
    return {"REVERSIBLE": "YES", "QUALITY": "100", "YCBCR420": "NO", "WRITE_METADATA": "YES"} | (
        {"NBITS": str(bits)} if fits else {}
    )


def _has_palette(profile: Profile, array: Array) -> bool:
    return profile.colormap is not None and array.shape[2] == 1 and array.dtype in (np.uint8, np.uint16)


def _describe(sink: Any, profile: Profile, array: Array) -> None:
    from rasterio.enums import ColorInterp

    bands = array.shape[2]
    for space, tags in profile.tags.items():
        # GDAL adds half a pixel to control points of AREA_OR_POINT=Point when it writes them and again when it reads
        kept = {k: v for k, v in tags.items() if not (profile.gcps and k == "AREA_OR_POINT")}
        _write_tags(sink, space, kept)
    if _has_palette(profile, array):
        sink.write_colormap(1, profile.colormap)
    elif len(profile.colorinterp) == bands:
        sink.colorinterp = [ColorInterp[name] for name in profile.colorinterp]
    for attribute, unset in (("scales", 1.0), ("offsets", 0.0), ("units", None), ("descriptions", None)):
        values = getattr(profile, attribute)
        if len(values) == bands and any(value not in (unset, "") for value in values):
            setattr(sink, attribute, values)
    if sink.driver == "JP2OpenJPEG" and profile.nodata is not None:
        sink.update_tags(**{NODATA_TAG: profile.nodata})
    _write_gcps(sink, profile)


def _write_tags(sink: Any, space: str, tags: Mapping[str, str]) -> None:
    if space.startswith("xml:"):
        # GDAL keeps one text here, rasterio writes "key=value": the text's own first "=" is that sign
        for text in tags.values():
            key, _, value = text.partition("=")
            sink.update_tags(ns=space, **{key: value})
    elif not space.isdecimal():
        sink.update_tags(ns=space or None, **tags)
    elif int(space) <= sink.count:
        sink.update_tags(int(space), **tags)


def _write_gcps(sink: Any, profile: Profile) -> None:
    from rasterio.control import GroundControlPoint
    from rasterio.crs import CRS

    if profile.gcps:
        points = [
            GroundControlPoint(row=row, col=col, x=x, y=y, z=z, id=name) for row, col, x, y, z, name in profile.gcps
        ]
        sink.gcps = (points, CRS.from_wkt(profile.gcps_crs) if profile.gcps_crs else CRS())


def _write_mask(sink: Any, array: Array, *, mask: BoolArray, profile: Profile) -> None:
    alpha = profile.colorinterp.index("alpha") if "alpha" in profile.colorinterp else None
    implied = valid_mask(array, nodata=profile.nodata, alpha=alpha)
    if alpha is None and not np.array_equal(np.ones_like(mask) if implied is None else implied, mask):
        sink.write_mask(mask)
