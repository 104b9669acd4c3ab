"""Damage of other kinds on the scale of JPEG: blur, noise, and pixels that are lost.

Its quality is that of the JPEG coding (4:4:4) which changes the clean image by as much, in mean absolute error. A
predictor that has seen JPEG alone takes noise for detail that no coder has touched; by this measure it learns that an
image can be spoilt in other ways, without anybody judging images.
"""

from typing import Literal

import numpy as np

from orbiq.arrays import Array
from orbiq.codecs.standard import Jpeg
from orbiq.optics import blur

Artefact = Literal["blur", "noise", "salt-and-pepper"]
ARTEFACTS: tuple[Artefact, ...] = ("blur", "noise", "salt-and-pepper")
_RANGES = {"blur": (0.25, 3.2), "noise": (0.5, 15.0), "salt-and-pepper": (0.001, 0.06)}
"""σ in pixels; σ in levels; the share of pixels."""
_QUALITIES = (1, 3, 6, 10, 20, 35, 50, 65, 80, 90, 95, 98, 100)


def spoilt(pixels: Array, rng: np.random.Generator) -> Array:
    """An image of uint8 with an artefact that is drawn: blur of any σ alike, the others alike in logarithm."""
    artefact = ARTEFACTS[int(rng.integers(len(ARTEFACTS)))]
    low, high = _RANGES[artefact]
    share = rng.random()  # wide blurs are hard to tell apart
    strength = low + share * (high - low) if artefact == "blur" else low * (high / low) ** share
    return with_artefact(pixels, artefact, strength, rng)


def with_artefact(pixels: Array, artefact: Artefact, strength: float, rng: np.random.Generator) -> Array:
    """An image of uint8 with Gaussian blur of σ pixels, Gaussian noise of σ levels in each band, or a share of pixels
    that are black or white; 0 changes nothing.

    >>> grey = np.full((50, 50, 1), 9, np.uint8)
    >>> noisy = with_artefact(grey, "noise", 4.0, np.random.default_rng(0))
    >>> round(float(noisy.std())), bool(with_artefact(noisy, "blur", 3.0, np.random.default_rng(0)).std() < 1)
    (4, True)
    """
    if not strength:
        return pixels.copy()
    if artefact == "salt-and-pepper":
        drawn = rng.random((2, *pixels.shape[:2], 1))
        return np.where(drawn[0] < strength, np.where(drawn[1] < 0.5, 0, 255), pixels).astype(np.uint8)
    values: Array = pixels.astype(np.float32)
    values = blur(values, strength) if artefact == "blur" else values + rng.normal(0, strength, pixels.shape)
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def equivalent_quality(clean: Array, damaged: Array) -> float:
    """The JPEG quality, 1 … 100, at which coding the clean image changes it by as much as the damage did.

    Between qualities that were tried the logarithm of the mean absolute error is interpolated. 100 for no change.

    >>> clean = np.random.default_rng(0).integers(0, 256, (64, 64, 1)).astype(np.uint8)
    >>> coded = Jpeg(quality=50).decode(Jpeg(quality=50).encode(clean))
    >>> equivalent_quality(clean, coded), equivalent_quality(clean, clean)
    (50.0, 100.0)
    """
    wanted = _change(clean, damaged)
    errors = []
    for quality in _QUALITIES:
        codec = Jpeg(quality=quality, subsampling="444")
        errors.append(_change(clean, codec.decode(codec.encode(clean))))
        if errors[-1] < wanted and len(errors) > 1:
            break
    if wanted <= errors[-1]:
        return 100.0
    least = 1e-3
    falling = np.minimum.accumulate(np.maximum(errors, least))
    tried = np.array(_QUALITIES[: len(errors)], float)
    return float(np.interp(-np.log(max(wanted, least)), -np.log(falling), tried))


def _change(clean: Array, damaged: Array) -> float:
    return float(np.abs(clean.astype(np.int16) - damaged).mean())
