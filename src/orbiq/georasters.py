"""TIFF, GeoTIFF and JPEG 2000 through GDAL, with everything that such a file says beside its pixels.

Any number of bands; uint8, uint16, int16, float32, float64. Written losslessly: a source that was
stored with a lossy coding (JPEG in TIFF, WebP, LERC, JXL) is stored as DEFLATE. Statistics that a
source recorded about its pixels (STATISTICS_*) are left behind: they would be false afterwards.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from orbiq.arrays import DTYPES, Affine, Array, BoolArray
from orbiq.errors import ImageError
from orbiq.pictures import Format, Gcp, Picture, Profile, representable, valid_mask

_OWN_NAMESPACES = frozenset(
    {"IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "SUBDATASETS", "EXIF", "IMD", "IMAGERY", "TIFF", "xml:gml.root-instance"}
)
"""Namespaces that GDAL makes up from the file or from its neighbours, and that cannot be written."""
_NODATA_TAG = "ORBIQ_NODATA"
"""JPEG 2000 has no place for nodata, so it travels as a tag."""
_LOSSLESS = frozenset({"deflate", "lzw", "packbits", "zstd", "lzma"})
_PREDICTED = frozenset({"deflate", "lzw", "zstd"})
_TIFF_OPTIONS = frozenset({"compress", "tiled", "blockxsize", "blockysize", "predictor", "interleave", "nbits"})


def read_raster(path: str, kind: Format) -> Picture:
    """The picture in a TIFF or JPEG 2000 file."""
    with _opened(path) as source:
        dtype = _dtype(source, path)
        array = np.ascontiguousarray(np.moveaxis(source.read(), 0, 2)).astype(dtype, copy=False)
        profile = _profile(source, kind)
        alpha = profile.colorinterp.index("alpha") if "alpha" in profile.colorinterp else None
        mask = valid_mask(array, nodata=profile.nodata, alpha=alpha)
        if any("per_dataset" in {flag.name for flag in flags} for flags in source.mask_flag_enums) and alpha is None:
            stated = source.dataset_mask() > 0
            mask = stated if mask is None else mask & stated
            mask = None if mask.all() else mask
    return Picture(array=array, mask=mask, profile=profile)


def raster_profile(path: str, kind: Format) -> Profile:
    """What a TIFF or JPEG 2000 file says beside its pixels, which are not read."""
    with _opened(path) as source:
        return _profile(source, kind)


def raster_shape(path: str) -> tuple[int, int, int, np.dtype[np.generic]]:
    """(rows, cols, bands, dtype) from the header of a TIFF or JPEG 2000 file."""
    with _opened(path) as source:
        return source.height, source.width, source.count, _dtype(source, path)


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
    with _quiet(), MemoryFile(ext=".tif" if kind == "tiff" else ".jp2") as memory:
        with memory.open(driver=driver, height=rows, width=cols, count=bands, dtype=array.dtype, **settings) as sink:
            _describe(sink, profile, array)
            sink.write(np.moveaxis(array, 2, 0))
            if kind == "tiff" and mask is not None:
                _write_mask(sink, array, mask=mask, profile=profile)
        return bytes(memory.getbuffer())


@contextmanager
def _quiet() -> Iterator[None]:
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    # that an image has no place on the ground is no news here; catch_warnings would not do, threads share the filters
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    # an internal mask, for a sidecar .msk would be left behind when a file is moved
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        yield


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    import rasterio
    from rasterio.errors import RasterioError

    with _quiet():
        try:
            with rasterio.open(path) as source:
                yield source
        except (RasterioError, MemoryError) as error:
            reason = str(error.__cause__ or error or "its header promises more pixels than memory holds")
            raise ImageError(
                f"image {path!r} cannot be read: {reason.rstrip('.')}. Copy it again or take it out of the dataset."
            ) from error


def _dtype(source: Any, path: str) -> np.dtype[np.generic]:
    names = set(source.dtypes)
    if len(names) != 1 or not names <= set(DTYPES):
        raise ImageError(
            f"image {path!r} holds {', '.join(sorted(names))}; expected one of {', '.join(DTYPES)} in all bands. "
            "Convert it first, for example with gdal_translate -ot Float32."
        )
    dtype: np.dtype[np.generic] = np.dtype(names.pop())
    return dtype


def _profile(source: Any, kind: Format) -> Profile:
    points, points_crs = source.gcps
    transform: Affine | None = None if source.transform.is_identity else tuple(source.transform)[:6]
    return Profile(
        format=kind,
        crs=source.crs.to_wkt() if source.crs else None,
        transform=transform,
        gcps=tuple(_gcp(point) for point in points),
        gcps_crs=points_crs.to_wkt() if points_crs else None,
        nodata=_nodata(source),
        colorinterp=tuple(interp.name for interp in source.colorinterp),
        descriptions=tuple(source.descriptions),
        scales=tuple(source.scales),
        offsets=tuple(source.offsets),
        units=tuple(source.units),
        colormap=_colormap(source),
        tags=_tags(source),
        options=_options(source),
        peak=_peak(source),
    )


def _nodata(source: Any) -> float | None:
    stated = source.tags().get(_NODATA_TAG) if source.nodata is None else source.nodata
    return None if stated is None else float(stated)


def _gcp(point: Any) -> Gcp:
    return point.row, point.col, point.x, point.y, point.z or 0.0, str(point.id or "")


def _colormap(source: Any) -> dict[int, tuple[int, ...]] | None:
    return dict(source.colormap(1)) if source.colorinterp[0].name == "palette" else None


def _tags(source: Any) -> dict[str, dict[str, str]]:
    tags = {"": source.tags()}
    tags |= {space: source.tags(ns=space) for space in source.tag_namespaces() if space not in _OWN_NAMESPACES}
    tags |= {str(band): source.tags(band) for band in source.indexes}
    kept = {
        space: {k: v for k, v in some.items() if not k.startswith(("STATISTICS_", _NODATA_TAG))}
        for space, some in tags.items()
    }
    return {space: some for space, some in kept.items() if some}


def _options(source: Any) -> dict[str, str | int]:
    structure, stored = source.tags(ns="IMAGE_STRUCTURE"), source.profile
    options: dict[str, str | int] = {}
    if stored.get("compress"):
        options["compress"] = str(stored["compress"]).lower()
    if stored.get("tiled"):
        options |= {"tiled": "yes", "blockxsize": stored["blockxsize"], "blockysize": stored["blockysize"]}
    if "PREDICTOR" in structure:
        options["predictor"] = int(structure["PREDICTOR"])
    if "INTERLEAVE" in structure:
        options["interleave"] = structure["INTERLEAVE"].lower()
    if bits := source.tags(1, ns="IMAGE_STRUCTURE").get("NBITS"):
        options["nbits"] = int(bits)
    return options


def _peak(source: Any) -> float | None:
    bits = source.tags(1, ns="IMAGE_STRUCTURE").get("NBITS")
    unsigned = source.dtypes[0] in ("uint8", "uint16")
    return float(2 ** int(bits) - 1) if bits and unsigned else None


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
        _write_tags(sink, space, tags)
    if _has_palette(profile, array):
        sink.write_colormap(1, profile.colormap)
    elif len(profile.colorinterp) == bands:
        sink.colorinterp = [ColorInterp[name] for name in profile.colorinterp]
    for attribute, unset in (("scales", 1.0), ("offsets", 0.0), ("units", None), ("descriptions", None)):
        values = getattr(profile, attribute)
        if len(values) == bands and any(value not in (unset, "") for value in values):
            setattr(sink, attribute, values)
    if sink.driver == "JP2OpenJPEG" and profile.nodata is not None:
        sink.update_tags(**{_NODATA_TAG: profile.nodata})
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
