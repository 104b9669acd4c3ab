"""TIFF, GeoTIFF and JPEG 2000 read through GDAL, with everything that such a file says beside its pixels.

Any number of bands; uint8, uint16, int16, float32, float64; whole, or window by window.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from orbiq.arrays import DTYPES, Affine, Array, BoolArray, Calibration
from orbiq.calibrations import calibrations
from orbiq.errors import ImageError
from orbiq.pictures import Format, Gcp, Picture, Profile, valid_mask

_OWN_NAMESPACES = frozenset(
    {"IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "SUBDATASETS", "EXIF", "IMD", "IMAGERY", "TIFF", "xml:gml.root-instance"}
)
"""Namespaces that GDAL makes up from the file or from its neighbours, and that cannot be written."""
NODATA_TAG = "ORBIQ_NODATA"
"""JPEG 2000 has no place for nodata, so it travels as a tag."""


def read_raster(path: str, kind: Format, *, dtypes: Sequence[str] = DTYPES) -> Picture:
    """The picture in a TIFF or JPEG 2000 file; ImageError where its pixels are none of `dtypes`."""
    with _opened(path) as source:
        dtype = _dtype(source, path, dtypes)
        array = np.ascontiguousarray(np.moveaxis(source.read(), 0, 2)).astype(dtype, copy=False)
        profile = _profile(source, kind)
        mask = _mask(source, array, profile=profile)
    return Picture(array=array, mask=mask, profile=profile)


@dataclass(frozen=True, eq=False, kw_only=True)
class RasterFile:
    """An open TIFF or JPEG 2000 file that is read window by window, a `orbiq.arrays.Raster`.

    Its alpha band, where it has one, is part of the mask and no band. `nodata` beside the file's own, which goes first.
    """

    source: Any
    profile: Profile
    name: str
    dtype: np.dtype[Any]
    peak: float | None = None
    gsd_m: float | None = None
    nodata: float | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(rows, cols, bands)."""
        return self.source.height, self.source.width, self.source.count - (self._alpha is not None)

    @property
    def transform(self) -> Affine | None:
        """Pixel → ground."""
        return self.profile.transform

    @property
    def calibrations(self) -> tuple[Calibration, ...]:
        """Radiance or reflectance, as the file scales them."""
        return self.profile.calibrations

    @property
    def _alpha(self) -> int | None:
        return self.profile.colorinterp.index("alpha") if "alpha" in self.profile.colorinterp else None

    def window(self, rows: slice, cols: slice) -> tuple[Array, BoolArray | None]:
        """Pixels and mask of a part, from the disk."""
        from rasterio.errors import RasterioError
        from rasterio.windows import Window

        window = Window(cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start)
        try:
            array = np.moveaxis(self.source.read(window=window), 0, 2).astype(self.dtype, copy=False)
        except RasterioError as error:
            raise _unreadable(self.name, error) from error
        mask = _mask(self.source, array, profile=self.profile, nodata=self.nodata, window=window)
        return array if self._alpha is None else np.delete(array, self._alpha, axis=2), mask


@contextmanager
def open_windows(path: str, kind: Format, *, dtypes: Sequence[str] = DTYPES, **stated: Any) -> Iterator[RasterFile]:
    """A TIFF or JPEG 2000 file to be read piece by piece; `stated` are peak, gsd_m, nodata and name."""
    with _opened(path) as source:
        profile = _profile(source, kind)
        known = {"name": path, "peak": profile.peak} | {key: v for key, v in stated.items() if v is not None}
        yield RasterFile(source=source, profile=profile, dtype=_dtype(source, path, dtypes), **known)


def _mask(
    source: Any, array: Array, *, profile: Profile, nodata: float | None = None, window: Any = None
) -> BoolArray | None:
    alpha = profile.colorinterp.index("alpha") if "alpha" in profile.colorinterp else None
    nodata = nodata if profile.nodata is None else profile.nodata
    mask = valid_mask(array, nodata=nodata, alpha=alpha)
    if alpha is None and any("per_dataset" in {flag.name for flag in flags} for flags in source.mask_flag_enums):
        stated = source.dataset_mask(window=window) > 0
        mask = stated if mask is None else mask & stated
        mask = None if mask.all() else mask
    return mask


def raster_profile(path: str, kind: Format) -> Profile:
    """What a TIFF or JPEG 2000 file says beside its pixels, which are not read."""
    with _opened(path) as source:
        return _profile(source, kind)


def raster_shape(path: str) -> tuple[int, int, int, np.dtype[np.generic]]:
    """(rows, cols, bands, dtype) from the header of a TIFF or JPEG 2000 file."""
    with _opened(path) as source:
        return source.height, source.width, source.count, _dtype(source, path)


@contextmanager
def quiet() -> Iterator[None]:
    """GDAL without its notices, and as orbiq wants it."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    # that an image has no place on the ground is no news here; catch_warnings would not do, threads share the filters
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    # an internal mask, for a sidecar .msk would be left behind when a file is moved; a block cache of 64 MB, for by
    # default it takes a twentieth of the memory
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True, GDAL_CACHEMAX=64):
        yield


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    import rasterio
    from rasterio.errors import RasterioError

    with quiet():
        try:
            with rasterio.open(path) as source:
                yield source
        except (RasterioError, MemoryError) as error:
            raise _unreadable(path, error) from error


def _unreadable(path: str, error: Exception) -> ImageError:
    reason = str(error.__cause__ or error or "its header promises more pixels than memory holds")
    return ImageError(
        f"image {path!r} cannot be read: {reason.rstrip('.')}. Copy it again or take it out of the dataset."
    )


def _dtype(source: Any, path: str, dtypes: Sequence[str] = DTYPES) -> np.dtype[np.generic]:
    names = set(source.dtypes)
    if len(names) != 1 or not names <= set(dtypes):
        raise ImageError(
            f"image {path!r} holds {', '.join(sorted(names))}; expected one of {', '.join(dtypes)} in all bands. "
            f"{_way_to(dtypes, names)}"
        )
    dtype: np.dtype[np.generic] = np.dtype(names.pop())
    return dtype


def _way_to(dtypes: Sequence[str], names: set[str]) -> str:
    """How to make a file of one of the dtypes, without changing its values."""
    if any(name.startswith("complex") for name in names):
        return "Take its magnitude first; gdal_translate -ot Float64 keeps the real part alone."
    if "int32" in dtypes:
        return "Write the numbers of the classes in fewer bits, for example with gdal_translate -ot UInt16."
    kind = "Int16" if names <= {"int8", "uint8", "int16"} else "Float64"
    return f"Convert it first, for example with gdal_translate -ot {kind}."


def _profile(source: Any, kind: Format) -> Profile:
    points, points_crs = source.gcps
    transform: Affine | None = None if source.transform.is_identity else tuple(source.transform)[:6]
    tags = _tags(source)
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
        tags=tags,
        options=_options(source),
        peak=_peak(source),
        calibrations=_calibrations(source, tags),
    )


def _calibrations(source: Any, tags: dict[str, dict[str, str]]) -> tuple[Calibration, ...]:
    """Of the bands but alpha."""
    bands = [k for k, interp in enumerate(source.colorinterp) if interp.name != "alpha"]
    scales, offsets, units, descriptions = (
        [values[k] for k in bands] for values in (source.scales, source.offsets, source.units, source.descriptions)
    )
    beside = {"IMD": source.tags(ns="IMD")} if "IMD" in source.tag_namespaces() else {}
    return calibrations(
        scales=scales,
        offsets=offsets,
        units=units,
        descriptions=descriptions,
        tags=tags | beside,
        file_name=Path(source.name).name,
    )


def _nodata(source: Any) -> float | None:
    stated = source.tags().get(NODATA_TAG) if source.nodata is None else source.nodata
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
        space: {k: v for k, v in some.items() if not k.startswith(("STATISTICS_", NODATA_TAG))}
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
