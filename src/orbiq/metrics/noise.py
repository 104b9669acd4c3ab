"""Signal-to-noise ratio and noise of one image, by band.

Images are as `orbiq.metrics.inputs` says; every band by itself, in DN. Signal is the **median of the valid pixels above
0**, noise the standard deviation of a pixel of homogeneous ground at that level: SNR = level / noise, linear, for an
image without offset (take a black level off first). It is the SNR of this image at its own brightness, not at a stated
radiance or reflectance. Three methods:

- "homogeneous-blocks" and "homogeneous-area" are those of iquaflow (doi:10.1109/JSTARS.2023.3345925) and give its
  numbers. They look at the median level alone, and count weak texture as noise. A pixel of 0 in a band is no data to
  them. They compare levels for equality, which data that are no whole numbers have not: there a DN is the 128th part
  of the median level.
- "homogeneous-patches" tests patches for structure, with statistics that say nothing of their variance, so that picking
  patches does not bias it; it gives the sensor's noise without that of quantisation, as a function of the level
  σ²(L) = a·L + b, with intervals; it flags noise that neighbours share and refuses where too little is homogeneous.
"""

from collections.abc import Mapping
from typing import Any, Literal

from orbiq.arrays import BoolArray
from orbiq.errors import SettingError, unknown
from orbiq.metrics.base import MetricSpec, ScoreSpec
from orbiq.metrics.inputs import Pixels, one_image
from orbiq.metrics.noise_area import by_area
from orbiq.metrics.noise_bands import Snr
from orbiq.metrics.noise_blocks import by_blocks
from orbiq.metrics.noise_levels import levels_of
from orbiq.metrics.noise_patches import by_patches

Method = Literal["homogeneous-blocks", "homogeneous-area", "homogeneous-patches"]
_TAKES = {
    "homogeneous-blocks": ("patch_size", "stride"),
    "homogeneous-area": ("patch_size", "stride", "radius", "lbp_threshold"),
    "homogeneous-patches": ("pitch",),
}
_USUAL = {"patch_size": None, "stride": None, "radius": 1, "lbp_threshold": 0.6, "pitch": 1}
SPECS = {
    "snr": MetricSpec(
        name="snr",
        scores=(
            ScoreSpec(name="snr", low=0),
            ScoreSpec(name="snr_db", unit="dB"),
            ScoreSpec(name="noise_dn", unit="DN", low=0, higher_is_better=False),
            ScoreSpec(name="level_dn", unit="DN"),
            ScoreSpec(name="noise_slope_dn", unit="DN", higher_is_better=False),
            ScoreSpec(name="noise_floor_dn2", unit="DN²", higher_is_better=False),
        ),
        needs="image",
    )
}


def snr(
    image: Pixels,
    *,
    method: Method = "homogeneous-blocks",
    mask: BoolArray | None = None,
    patch_size: int | None = None,
    stride: int | None = None,
    radius: int = 1,
    lbp_threshold: float = 0.6,
    pitch: int = 1,
) -> Snr:
    """Signal-to-noise ratio: level / noise of each band, and their mean.

    `method`, as the module says: "homogeneous-blocks" (the default), "homogeneous-area" or "homogeneous-patches".
    `patch_size` (px, ≥ 2) and `stride` (px) of the first two: 3 and 5 px, each its own stride, if not stated; `radius`
    (px) and `lbp_threshold` (share of flat pixels) of the second. `pitch` (px) of the third: how far apart the pixels
    of a patch lie, 2 to look past noise that neighbours share. Linear, [0, ∞), higher is better; `.snr_db` is 20·log₁₀.
    Where too little ground is homogeneous the value is NaN with `.reason`.
    Raises ImageError for unfit pixels, UnknownName for another method, SettingError for an option the method lacks.

    Each block of a chessboard of 9 and 11 has five of one and four of the other: a variance of 10/9 at the level 10.

    >>> import numpy as np
    >>> round(snr(np.tile(np.array([[9, 11], [11, 9]], np.uint8), (30, 30))).snr ** 2, 6)
    90.0
    """
    options = {"patch_size": patch_size, "stride": stride, "radius": radius, "lbp_threshold": lbp_threshold}
    check_options(method, options | {"pitch": pitch})
    images = one_image(image, mask=mask)
    levels = levels_of(images)
    if method == "homogeneous-blocks":
        bands = by_blocks(images, levels, block_size=patch_size or 3, stride=stride)
    elif method == "homogeneous-area":
        bands = by_area(
            images,
            levels,
            patch_size=patch_size or 5,
            stride=stride,
            radius=radius,
            lbp_threshold=lbp_threshold,
        )
    else:
        bands = by_patches(images, levels, pitch=pitch)
    return Snr(method=method, per_band=bands)


def check_options(method: str, options: Mapping[str, Any]) -> None:
    """Raises UnknownName for a method that is none, SettingError for an option out of range or not of the method."""
    if method not in _TAKES:
        raise unknown("method of snr", method, _TAKES)
    for name, value in options.items():
        if value == _USUAL[name]:
            continue
        if name not in _TAKES[method]:
            raise SettingError(f"{method} takes no {name}; it takes {', '.join(_TAKES[method])}")
        if name == "lbp_threshold":
            if not isinstance(value, int | float) or not 0 <= value < 1:
                raise SettingError(
                    f"lbp_threshold of snr is {value!r}; expected a share of pixels, at least 0, below 1"
                )
            continue
        least = 2 if name == "patch_size" else 1
        if not isinstance(value, int) or value < least:
            raise SettingError(f"{name} of snr is {value!r}; expected a whole number of pixels ≥ {least}")
