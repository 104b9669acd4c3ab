"""Where an image lies on the ground, after its pixels moved: geotransform, ground control points, RPC.

A geotransform and control points count from the corner of the first pixel, as labels do. The sensor model of rational
polynomial coefficients (RPC00B, NGA STDI-0002 Appendix E) counts from its centre: the pixel (0, 0) has its centre at
line 0, sample 0. A scale by 2 therefore takes sample s to 2·s + ½, not to 2·s.
"""

from collections.abc import Mapping
from dataclasses import replace

from orbiq.arrays import IDENTITY, Affine
from orbiq.datasets.shapes import about_centres, inverse, keeps_axes, moved_points
from orbiq.errors import ImageError
from orbiq.modifiers.base import composed
from orbiq.pictures import Profile

Rpc = Mapping[str, str]


def moved_profile(profile: Profile, affine: Affine) -> Profile:
    """What a file says beside its pixels, after these went through `affine`.

    ImageError for an RPC under a map that does not keep the axes: its polynomials would mix.
    """
    if affine == IDENTITY:
        return profile
    tags = profile.tags
    if "RPC" in tags:
        tags = {**tags, "RPC": moved_rpc(tags["RPC"], affine)}
    spots = moved_points([(col, row) for row, col, *_ in profile.gcps], affine)
    return replace(
        profile,
        transform=None if profile.transform is None else composed(inverse(affine), profile.transform),
        gcps=tuple((y, x, *point[2:]) for (x, y), point in zip(spots, profile.gcps, strict=True)),
        tags=tags,
    )


def moved_rpc(rpc: Rpc, affine: Affine) -> dict[str, str]:
    """The rational polynomial coefficients that lead to the moved pixels, for scales, mirrors, shifts, quarter turns.

    A line is LINE_SCALE · P(lon, lat, height) + LINE_OFF, P the quotient of two cubic polynomials, and a sample
    likewise. Scales stay positive, as the format wants them: a mirror turns the numerator's sign. A quarter turn takes
    the polynomials of lines for those of samples. ImageError for other turns.

    >>> before = {"LINE_OFF": "9.5", "LINE_SCALE": "10", "SAMP_OFF": "4.5", "SAMP_SCALE": "5"}
    >>> before |= {f"{axis}_{part}_COEFF": "1 -2" for axis in ("LINE", "SAMP") for part in ("NUM", "DEN")}
    >>> after = moved_rpc(before, (-2, 0, 20, 0, 1, 0))  # twice as wide, and mirrored
    >>> after["SAMP_OFF"], after["SAMP_SCALE"], after["SAMP_NUM_COEFF"], after["LINE_OFF"]
    ('9.5', '10.0', '-1.0 2.0', '9.5')
    """
    if not keeps_axes(affine):
        raise ImageError(
            "it is placed by rational polynomial coefficients (RPC), which follow scales, mirrors, crops, shifts and "
            "quarter turns, but not this turn; orthorectify the image first, or remove them"
        )
    a, b, c, d, e, f = about_centres(affine)
    across, down = (("SAMP", a), ("LINE", e)) if b == 0 and d == 0 else (("LINE", b), ("SAMP", d))
    sample = _axis(rpc, *across, offset=c)
    line = _axis(rpc, *down, offset=f)
    named = {f"SAMP_{key}": value for key, value in sample.items()} | {f"LINE_{key}": v for key, v in line.items()}
    return {**rpc, **named}


def _axis(rpc: Rpc, old: str, slope: float, *, offset: float) -> dict[str, str]:
    """One axis of the model after slope · v + offset, v what the axis `old` gave."""
    scale, numerator = abs(slope) * float(rpc[f"{old}_SCALE"]), rpc[f"{old}_NUM_COEFF"]
    if slope < 0:
        numerator = " ".join(repr(-float(value) + 0.0) for value in numerator.split())
    return {
        "OFF": repr(slope * float(rpc[f"{old}_OFF"]) + offset),
        "SCALE": repr(scale),
        "NUM_COEFF": numerator,
        "DEN_COEFF": rpc[f"{old}_DEN_COEFF"],
    }
