"""What an image file says beside its pixels, as the notes of a fixed-quality stream, and back.

    {"schema": 1, "suffix": ".tif", "alpha": 3, "profile": {"format": "tiff", "crs": "EPSG:32633", "transform": […], …}}

`alpha` is the place of the band that was a mask and is none of the stream; `profile` holds the fields of
`orbiq.pictures.Profile` that say something, a CRS by its EPSG number where that says the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from orbiq.arrays import Array, BoolArray
from orbiq.errors import ImageError
from orbiq.pictures import Profile, representable

Json = dict[str, Any]
SCHEMA = 1
_SILENT: dict[str, Any] = {"scales": 1.0, "offsets": 0.0, "units": None, "descriptions": None}
"""What a band says by default."""
_PLACES = ("crs", "gcps_crs")


@dataclass(frozen=True, kw_only=True)
class Notes:
    """The suffix that the image had, its profile, and the place of its alpha band; None where it had none."""

    suffix: str = ".tif"
    profile: Profile
    alpha: int | None = None


def to_json(notes: Notes) -> Json:
    """As it goes into a stream."""
    said = {f.name: getattr(notes.profile, f.name) for f in fields(Profile) if f.compare}
    said = {name: value for name, value in said.items() if not _is_silent(name, value)}
    said |= {name: _short(said[name]) for name in _PLACES if name in said}
    alpha = {} if notes.alpha is None else {"alpha": notes.alpha}
    return {"schema": SCHEMA, "suffix": notes.suffix, **alpha, "profile": said}


def _is_silent(name: str, value: Any) -> bool:
    if name in _SILENT:
        return all(one == _SILENT[name] for one in value)
    return value is None or value in ((), {})


def from_json(said: Mapping[str, Any] | None) -> Notes:
    """From a stream; one without notes says nothing. ImageError where they cannot be."""
    if said is None:
        return Notes(profile=Profile(format="tiff"))
    if said.get("schema") != SCHEMA:
        raise ImageError(f"the notes of the stream have schema {said.get('schema')!r}; expected {SCHEMA}")
    try:
        profile = {name: _frozen(value) for name, value in said["profile"].items()}
        for name in profile.keys() & _IS.keys():
            _check(name, profile[name])
        profile |= {name: _long(profile[name]) for name in _PLACES if name in profile}
        alpha = said.get("alpha")
        if alpha is not None:
            _check("alpha", alpha)
        return Notes(suffix=str(said["suffix"]), profile=Profile(**profile), alpha=alpha)
    except (KeyError, TypeError, AttributeError) as error:
        raise ImageError(f"the notes of the stream cannot be read: {error}") from error


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_IS: dict[str, Callable[[Any], bool]] = {
    "crs": lambda v: isinstance(v, str),
    "gcps_crs": lambda v: isinstance(v, str),
    "transform": lambda v: isinstance(v, tuple) and len(v) == 6 and all(map(_is_number, v)),
    "nodata": _is_number,
    "peak": lambda v: _is_number(v) and v > 0,
    "alpha": lambda v: isinstance(v, int) and v >= 0,
}


def _check(name: str, value: Any) -> None:
    if not _IS[name](value):
        raise ImageError(f"the notes of the stream have the {name} {value!r}, which cannot be")


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _short(wkt: str) -> str:
    from rasterio.crs import CRS

    number = CRS.from_wkt(wkt).to_epsg(confidence_threshold=100)
    return f"EPSG:{number}" if number is not None and CRS.from_epsg(number).to_wkt() == wkt else wkt


def _long(crs: str) -> str:
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        return str(CRS.from_string(crs).to_wkt())
    except CRSError as error:
        raise ImageError(f"the notes of the stream name the CRS {crs[:60]!r}, which cannot be read: {error}") from error


def to_file(decoded: Array, mask: BoolArray | None, notes: Notes, *, highest: int) -> Array:
    """Decoded pixels (rows, cols, bands) as the image's file has them.

    None is above `highest`. Masked ones are nodata, or 0 where the file states none; valid ones that came out as nodata
    in all bands are moved one step away from it, for they would be masked. The alpha band is back: 0, or all its bits.
    """
    array: Array = np.minimum(decoded, np.array(highest, decoded.dtype))
    nodata = notes.profile.nodata
    stated = nodata is not None and representable(nodata, array.dtype)
    empty = array.dtype.type(nodata if stated else 0)
    if stated:
        lost = (array == empty).all(axis=2) if mask is None else mask & (array == empty).all(axis=2)
        array[lost, 0] = empty + 1 if empty < highest else empty - 1
    if mask is not None:
        array[~mask] = empty
    if notes.alpha is None:
        return array
    opaque = np.full(array.shape[:2], np.iinfo(array.dtype).max, array.dtype)
    alpha = opaque if mask is None else np.where(mask, opaque, 0)
    return np.asarray(np.insert(array, notes.alpha, alpha, axis=2))


def needs_mask(notes: Notes, dtype: str) -> bool:
    """Whether neither nodata nor an alpha band can say which pixels are valid."""
    nodata = notes.profile.nodata
    return notes.alpha is None and (nodata is None or not representable(nodata, np.dtype(dtype)))


def with_nodata(profile: Profile, nodata: float | None) -> Profile:
    """With the nodata that was stated, where the file states none."""
    return profile if nodata is None or profile.nodata is not None else replace(profile, nodata=nodata)
