"""Errors in physical units: radiance or reflectance, as the file scales them.

Images are as `orbiq.metrics.inputs` says: (rows, cols) or (rows, cols, bands), any real dtype, arithmetic in float64.
"""

from math import isfinite, sqrt
from typing import Literal

import numpy as np

from orbiq.arrays import BoolArray, Calibration, FloatArray, Raster
from orbiq.errors import ImageError, SettingError
from orbiq.metrics.base import MetricSpec, ScoreSpec
from orbiq.metrics.inputs import Images, Pixels, no_pixels, pair_of_images
from orbiq.tiles import Tile

SPECS = {
    "radiometric_error": MetricSpec(
        name="radiometric_error",
        scores=(
            ScoreSpec(name="radiometric_rmse", low=0, higher_is_better=False),
            ScoreSpec(name="radiometric_bias", best=0.0),
            ScoreSpec(name="radiometric_max_error", low=0, higher_is_better=False),
        ),
        needs="pair",
    )
}
Numbers = float | tuple[float, ...]


def radiometric_error(
    reference: Pixels,
    image: Pixels,
    *,
    gain: Numbers | None = None,
    offset: Numbers | None = None,
    quantity: Literal["reflectance", "radiance"] | None = None,
    mask: BoolArray | None = None,
) -> dict[str, float]:
    """How far radiance or reflectance is off: with e = (gain·DN + offset)_image − (gain·DN + offset)_reference,

        radiometric_rmse = √mean e²,  radiometric_bias = mean e,  radiometric_max_error = max|e|

    over valid pixels and bands, in the unit that the scale gives: 1 for reflectance, W/(m² sr µm) for Landsat's
    radiance; rmse and max_error in [0, ∞), lower is better; bias best at 0.

    The scale is the reference's own (`orbiq.calibrations`: GDAL's scale and offset, or Landsat's *_MULT_BAND_x and
    *_ADD_BAND_x), unless `gain` and `offset` state it: one number, or one for each band. An image that states another
    scale than the reference is scaled by its own. `quantity` chooses where a file states both: reflectance otherwise.

    Raises ImageError where nobody states a scale or no pixel is valid, SettingError for a gain that cannot be. Sources:
    GDAL raster data model; USGS, Landsat 8 Data Users Handbook (LSDS-1574), section 5.

    >>> reference, image = np.array([[1000, 1200]], np.uint16), np.array([[1003, 1196]], np.uint16)
    >>> said = radiometric_error(reference, image, gain=0.0001, offset=-0.1)
    >>> round(said["radiometric_rmse"], 6), round(said["radiometric_bias"], 6)
    (0.000354, -5e-05)
    """
    images = pair_of_images(reference, image, mask=mask)
    if gain is None and offset is None:
        (gains, offsets), (own_gains, own_offsets) = _scales(images, quantity)
    else:
        gains, offsets = (
            _of_bands(value, images.bands, name=name, empty=empty)
            for value, name, empty in ((gain, "gain", 1.0), (offset, "offset", 0.0))
        )
        if not gains.all():
            raise SettingError(f"radiometric_error:gain is {gain}; expected a finite number other than 0")
        own_gains, own_offsets = gains, offsets

    def of_tile(tile: Tile) -> FloatArray:
        first, second = tile.arrays
        # a difference of DN first: where both have one scale, the offsets cancel exactly
        error = np.subtract(second, first, dtype=float) * own_gains
        if own_gains is not gains:
            error += first * (own_gains - gains) + (own_offsets - offsets)
        error = error if tile.mask is None else error[tile.mask]
        flat = error.ravel()
        return np.array([flat.size, flat @ flat, flat.sum(), np.abs(flat).max() if flat.size else 0.0])

    parts = np.array(list(images.map(of_tile)))
    count, squares, total = parts[:, :3].sum(axis=0)
    if not count:
        raise no_pixels(images)
    return {
        "radiometric_rmse": sqrt(squares / count),
        "radiometric_bias": float(total / count),
        "radiometric_max_error": float(parts[:, 3].max()),
    }


Scale = tuple[FloatArray, FloatArray]


def _scales(images: Images, quantity: str | None) -> tuple[Scale, Scale]:
    """(gains, offsets) of the reference and of the image; the same object where the image states none, or the same."""
    if quantity not in (None, "reflectance", "radiance"):
        raise SettingError(f"radiometric_error:quantity is {quantity!r}; expected reflectance or radiance")
    first, second = (_chosen(raster, images.bands, quantity) for raster in images.rasters)
    if first is None:
        name, what = images.rasters[0].name, quantity or "radiance or reflectance"
        raise ImageError(
            f"nobody said how {name!r} scales to {what}: its file has no scale and offset, and no *_MULT_BAND_x for "
            "each band. State it: radiometric_error:gain=0.0001,offset=-0.1; for bands that differ, gain=[0.01,0.02]."
        )
    ours = np.array(first.gains), np.array(first.offsets)
    if second is None or (second.gains, second.offsets) == (first.gains, first.offsets):
        return ours, ours
    return ours, (np.array(second.gains), np.array(second.offsets))


def _chosen(raster: Raster, n_bands: int, quantity: str | None) -> Calibration | None:
    known = [one for one in getattr(raster, "calibrations", ()) if len(one.gains) == n_bands]
    return next((one for one in known if quantity is None or one.quantity in (quantity, "")), None)


def _of_bands(value: Numbers | None, n_bands: int, *, name: str, empty: float) -> FloatArray:
    values = np.atleast_1d(np.asarray(empty if value is None else value, float))
    if values.size not in (1, n_bands) or not all(map(isfinite, values)):
        raise SettingError(
            f"radiometric_error:{name} is {value}; expected a finite number, or one for each of {n_bands} bands"
        )
    return np.broadcast_to(values, (n_bands,))
