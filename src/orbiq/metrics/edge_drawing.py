"""The edges of an image to look at: as an overlay picture, and as GeoJSON in map coordinates."""

from math import isnan
from typing import Any

import numpy as np

from orbiq.arrays import IDENTITY, Affine, Array, FloatArray, Raster
from orbiq.errors import SettingError
from orbiq.metrics.edge_summary import Edges, FoundEdge
from orbiq.metrics.inputs import Pixels, one_image

_COUNTS = {"x": (255, 160, 0), "y": (0, 190, 255), "other": (0, 230, 0)}
_LEFT_OUT = (255, 0, 60)
_TICK = 5.0  # pixels, towards the bright side
_ROWS = 512
_PIXELS, _UNKNOWN = 'LOCAL_CS["pixels",UNIT["pixel",1]]', 'LOCAL_CS["unknown",UNIT["unknown",1]]'


def edges_picture(image: Pixels, edges: Edges, *, zoom: int = 2, longest_px: int = 4096) -> Array:
    """The image in grey with its edges upon it: uint8 (rows, cols, 3), red green blue.

    An edge is a line along it with a tick to its bright side: orange where its response runs along x, blue along y,
    green in other directions, red where it was left out. The picture is `zoom` times the image, or smaller by a whole
    factor, so that no side is longer than `longest_px`. The 1st and 99th percentile of the mean over the bands are
    black and white.

    Raises SettingError for a `zoom` or `longest_px` below 1.
    """
    if min(zoom, longest_px) < 1:
        raise SettingError(f"zoom is {zoom} and longest_px is {longest_px}; expected whole numbers ≥ 1")
    raster = one_image(image).rasters[0]
    step = -(-max(raster.shape[:2]) // longest_px)
    zoom = max(1, min(zoom, longest_px // max(raster.shape[:2])))
    grey = _grey(raster, step)
    picture = np.repeat(np.repeat(grey, zoom, axis=0), zoom, axis=1)[..., None].repeat(3, axis=2)
    for edge in edges.left_out:
        _draw(picture, edge, colour=_LEFT_OUT, scale=zoom / step)
    for edge in edges.edges:
        _draw(picture, edge, colour=_COUNTS[edge.direction], scale=zoom / step)
    return picture


def edges_geojson(edges: Edges, *, transform: Affine | None = None, crs: str | None = None) -> dict[str, Any]:
    """A GeoJSON FeatureCollection with a LineString along each edge, and its numbers as properties.

    `transform` pixel → ground as in GeoTIFF, `crs` what it leads to ("EPSG:32631" or WKT), written as the member "crs"
    that GDAL and QGIS read; without `transform` coordinates are pixels, pixel (0, 0) covering [0, 1) × [0, 1). Where
    the system is not known, that member says so, for else they would be taken for degrees. "counts" says whether the
    edge counts in the image's sharpness.

    >>> from orbiq.metrics.natural_edges import edges
    >>> edges_geojson(edges(np.zeros((64, 64), np.uint8)), crs="EPSG:4326")["crs"]["properties"]["name"]
    'EPSG:4326'
    """
    counted = [(edge, True) for edge in edges.edges] + [(edge, False) for edge in edges.left_out]
    system = _named(crs) if crs is not None else _PIXELS if transform is None else _UNKNOWN
    return {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": system}},
        "features": [_feature(edge, counts=counts, transform=transform or IDENTITY) for edge, counts in counted],
    }


def _feature(edge: FoundEdge, *, counts: bool, transform: Affine) -> dict[str, Any]:
    names = ("rer", "fwhm_px", "mtf_nyquist", "mtf_half_nyquist", "angle_deg", "direction", "contrast", "snr", "band")
    properties = {name: getattr(edge, name) for name in names}
    properties |= {"rer_low": edge.rer_interval[0], "rer_high": edge.rer_interval[1], "probability": edge.probability}
    plain = {k: _plain(v) for k, v in properties.items()} | {"counts": counts, "flags": list(edge.flags)}
    line = _on_ground(edge.points(5 if edge.curvature_per_px else 2), transform)
    return {"type": "Feature", "geometry": {"type": "LineString", "coordinates": line}, "properties": plain}


def _on_ground(points: FloatArray, transform: Affine) -> list[list[float]]:
    """Points (n, 2) of row and col, counted from the middle of the first pixel, as x and y on the ground."""
    a, b, c, d, e, f = transform
    x, y = points[:, 1] + 0.5, points[:, 0] + 0.5
    return np.stack([a * x + b * y + c, d * x + e * y + f], axis=1).tolist()  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    """As JSON has it: numbers that are none are null."""
    return value if isinstance(value, str | int) else None if isnan(value) or abs(value) == np.inf else float(value)


def _named(crs: str) -> str:
    """EPSG:… where the reference system has such a number, else as given."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        code = CRS.from_user_input(crs).to_epsg()
    except CRSError as error:
        raise SettingError(f"crs is {crs!r}; expected for example 'EPSG:32631' or WKT ({error})") from None
    return crs if code is None else f"EPSG:{code}"


def _grey(raster: Raster, step: int) -> Array:
    """Every `step`-th pixel, mean over bands, 1st to 99th percentile as 0 to 255; masked and unknown ones are black."""
    rows, cols, _ = raster.shape
    parts = []
    for top in range(0, rows, _ROWS * step):
        array, mask = raster.window(slice(top, min(top + _ROWS * step, rows)), slice(0, cols))
        mean = array[::step, ::step].mean(axis=-1, dtype=float)
        parts.append(mean if mask is None else np.where(mask[::step, ::step], mean, np.nan))
    values = np.concatenate(parts)
    known = np.isfinite(values)
    low, high = np.percentile(values[known], [1, 99]) if known.any() else (0.0, 1.0)
    share = (np.where(known, values, low) - low) / (high - low if high > low else 1.0)
    return np.asarray(np.rint(np.clip(share, 0, 1) * 255), np.uint8)


def _draw(picture: Array, edge: FoundEdge, *, colour: tuple[int, int, int], scale: float) -> None:
    import cv2

    middle = np.array([edge.row, edge.col])
    towards = np.deg2rad(edge.normal_deg)
    tick = np.stack([middle, middle + _TICK * np.array([np.sin(towards), np.cos(towards)])])
    for points in (edge.points(9 if edge.curvature_per_px else 2), tick):
        at = ((points[:, ::-1] + 0.5) * scale - 0.5) * 16
        cv2.polylines(
            picture, [np.rint(at).astype(np.int32)], isClosed=False, color=colour, lineType=cv2.LINE_AA, shift=4
        )
