"""From what a file says beside its pixels to radiance or reflectance: gain·DN + offset, one pair a band.

Two sources. GDAL's scale and offset of a band, "units value = raw value · scale + offset" (GDAL raster data model,
gdal.org/en/stable/user/raster_data_model.html). And the metadata of Landsat (MTL), as tags of the file or as GDAL reads
them from the *_MTL.txt beside it: with M = RADIANCE_MULT_BAND_x, A = RADIANCE_ADD_BAND_x

    radiance L = M·Q + A in W/(m² sr µm),   reflectance ρ = (M·Q + A) / sin(SUN_ELEVATION) with REFLECTANCE_*

(USGS, Landsat 8 Data Users Handbook, LSDS-1574, section 5). Surface reflectance of level 2 knows no sun elevation.
"""

import re
from collections.abc import Mapping, Sequence
from math import isfinite, radians, sin

from orbiq.arrays import Calibration

_KEY = re.compile(r"(?:(.*)\.)?(REFLECTANCE|RADIANCE)_(MULT|ADD)_BAND_(\w+)")
_NUMBER_IN = re.compile(r"(?:band|b)?[ _]?0*(\d{1,2}[a-z]?)", re.IGNORECASE)
_IN_FILE_NAME = re.compile(r"_b0*(\d{1,2}[a-z]?)(?=[_.]|$)", re.IGNORECASE)


def calibrations(
    *,
    scales: Sequence[float],
    offsets: Sequence[float],
    units: Sequence[str | None],
    tags: Mapping[str, Mapping[str, str]],
    descriptions: Sequence[str | None],
    file_name: str,
) -> tuple[Calibration, ...]:
    """All that a file states, the first to be preferred: GDAL's scale, then reflectance, then radiance.

    `tags` by namespace as in `orbiq.pictures.Profile`, "IMD" among them.

    >>> tags = {"": {"RADIANCE_MULT_BAND_4": "0.01", "RADIANCE_ADD_BAND_4": "-50"}}
    >>> about = {"scales": [1.0], "offsets": [0.0], "units": [None], "descriptions": [None]}
    >>> calibrations(**about, tags=tags, file_name="LC8_B4.TIF")[0].gains
    (0.01,)
    """
    found = []
    if any((scale, offset) != (1, 0) for scale, offset in zip(scales, offsets, strict=True)):
        found += _checked(scales, offsets, quantity=units[0] or "")
    flat = {key.upper(): value for space in tags.values() for key, value in space.items()}
    for quantity in ("REFLECTANCE", "RADIANCE"):
        pairs = _pairs(flat, quantity)
        labels = _labels(list(pairs), flat, descriptions=descriptions, file_name=file_name)
        if labels:
            lift = _sun(flat, pairs[labels[0]][2]) if quantity == "REFLECTANCE" else 1.0
            gains, adds = [pairs[label][0] * lift for label in labels], [pairs[label][1] * lift for label in labels]
            found += _checked(gains, adds, quantity=quantity.lower())
    return tuple(found)


def _checked(gains: Sequence[float], offsets: Sequence[float], *, quantity: str) -> list[Calibration]:
    """Nothing where a gain is 0 or no number: then it is no scale."""
    if not all(gain and isfinite(gain) and isfinite(offset) for gain, offset in zip(gains, offsets, strict=True)):
        return []
    return [Calibration(gains=tuple(map(float, gains)), offsets=tuple(map(float, offsets)), quantity=quantity)]


def _pairs(flat: Mapping[str, str], quantity: str) -> dict[str, tuple[float, float, str]]:
    """Label of a band → (M, A, the group in which they stand); those of level 2 before those of level 1."""
    found: dict[str, dict[str, tuple[float, float, str]]] = {}
    for key, value in flat.items():
        matched = _KEY.fullmatch(key)
        if matched and matched[2] == quantity and matched[3] == "MULT":
            added = flat.get(key.replace("_MULT_", "_ADD_"), "0")
            try:
                pair = float(value), float(added), matched[1] or ""
            except ValueError:
                continue
            found.setdefault(matched[1] or "", {})[matched[4]] = pair
    groups = sorted(found, key=lambda group: "LEVEL2" not in group)
    return found[groups[0]] if groups else {}


def _labels(
    known: Sequence[str], flat: Mapping[str, str], *, descriptions: Sequence[str | None], file_name: str
) -> list[str]:
    """Which of the known labels is each band of the file; none where that is not certain."""
    named = [_NUMBER_IN.fullmatch((text or "").strip().removeprefix("SR_")) for text in descriptions]
    if all(match and match[1].upper() in known for match in named):
        return [match[1].upper() for match in named if match]
    if len(descriptions) == 1:
        names = {value.strip('"').lower(): key for key, value in flat.items() if "FILE_NAME_BAND_" in key}
        label = names.get(file_name.lower(), "").rpartition("FILE_NAME_BAND_")[2]
        match = _IN_FILE_NAME.search(file_name)
        label = label or (match[1].upper() if match else known[0] if len(known) == 1 else "")
        return [label] if label in known else []
    whole = sorted(known, key=lambda label: (len(label), label))
    return whole if len(whole) == len(descriptions) else []


def _sun(flat: Mapping[str, str], group: str) -> float:
    """1/sin of the sun's elevation, 1 where reflectance is that of the surface or nobody states the elevation."""
    stated = {key.rpartition(".")[2]: value.strip('"') for key, value in flat.items()}
    level_2 = "LEVEL2" in group or stated.get("PROCESSING_LEVEL", stated.get("DATA_TYPE", "")).startswith("L2")
    try:
        elevation = float(stated.get("SUN_ELEVATION", "nan"))
    except ValueError:
        return 1.0
    return 1.0 if level_2 or not 0 < elevation <= 90 else 1 / sin(radians(elevation))
