"""Aliasing: what part of an image's detail sampling may have folded back from beyond the Nyquist frequency.

Images are as `orbiq.metrics.inputs` says: (rows, cols) or (rows, cols, bands), any real dtype, arithmetic in float64,
linear in light. Spectra are means of periodograms (Hann window) over the lines of whole valid blocks of 32 × 32 pixels,
side by side from the image's corner on: the score of a masked image is that of a cropped one where the crop begins at a
multiple of 32 pixels. No `peak` is needed: the score does not change with gain and offset.
"""

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.errors import SettingError
from orbiq.metrics.base import MetricSpec, ScoreSpec
from orbiq.metrics.blocks import whole_blocks
from orbiq.metrics.inputs import Images, Pixels, no_pixels, one_image
from orbiq.tiles import Tile

SPECS = {
    "aliasing": MetricSpec(
        name="aliasing",
        scores=tuple(
            ScoreSpec(name=name, low=0, high=0.5, higher_is_better=False)
            for name in ("aliasing", "aliasing_x", "aliasing_y")
        ),
        needs="image",
    )
}
_BLOCK = 32
_FREQUENCIES = np.arange(_BLOCK // 2 + 1) / _BLOCK
"""In cycles per pixel."""
_HANN = np.sin(np.pi * np.arange(_BLOCK) / _BLOCK) ** 2 / np.sqrt(_BLOCK * 3 / 8)
"""Of power 1: white noise of σ has a spectrum of σ². Without a window, steep spectra would leak up to Nyquist."""
_FOLDS = 8


def aliasing(
    image: Pixels,
    *,
    mtf_nyquist: float | None = None,
    noise_sigma: float = 0.0,
    mask: BoolArray | None = None,
) -> dict[str, float]:
    """The share of detail that folding may have moved, by axis (x along rows) and the mean of both.

    Detail is the power of differences between neighbouring pixels, Σ 4·sin²(πf)·P(f) over frequencies f along the axis;
    the share is Σ 4·sin²(πf)·A(f) over that, A(f) the power in P(f) that came from f ± 1, f ± 2 … cycles per pixel.
    No unit, [0, 0.5], lower is better, 0.5 where all of it may be folded: of power at one
    frequency at most half can come from beyond. Mean over bands.

    - From the image alone an upper bound. What reaches the detectors falls with frequency, so what is folded onto f is
      at most what it is at Nyquist, where it is half of all: A(f) ≤ min(P(f), P(½))/2. An image whose spectrum has died
      away at Nyquist cannot be aliased by much; one that ends abruptly may be.
    - With `mtf_nyquist`, the MTF at Nyquist of all that came before sampling (`edges` measures it), an estimate within
      that bound: A(f) = P(f)·ρ/(1 + ρ), ρ = Σ B(k ± f)/B(f) over k ≥ 1, B(f) = f⁻²·MTF(f)², for the spectrum of
      natural scenes seen through a Gaussian.

    Noise is not folded but counts as if it were: state its `noise_sigma` in DN to leave it out. Of an image that was
    sharpened or resampled it says nothing. Raises ImageError where no block is whole or nothing varies, SettingError
    for an MTF outside (0, 1] or a noise < 0. Folded power as a measure of sampled imagers: Wittenstein et al. 1982,
    "The definition of the OTF and the measurement of aliasing for sampled imaging systems", Optica Acta 29(1); the
    sampled spectrum: Park, Schowengerdt and Kaczynski 1984, doi:10.1364/AO.23.002572; scenes: Field 1987,
    doi:10.1364/JOSAA.4.002379.

    >>> stripes = np.tile([0.0, 1.0], (64, 32))  # all at Nyquist: half of it may come from the other side
    >>> {name: round(value, 3) for name, value in aliasing(stripes + stripes.T).items()}
    {'aliasing': 0.5, 'aliasing_x': 0.5, 'aliasing_y': 0.5}
    """
    if mtf_nyquist is not None and not 0 < mtf_nyquist <= 1:
        raise SettingError(f"mtf_nyquist is {mtf_nyquist}; expected 0 < MTF ≤ 1, for example 0.2")
    if not 0 <= noise_sigma < float("inf"):
        raise SettingError(f"noise_sigma is {noise_sigma}; expected a number of DN ≥ 0")
    images = one_image(image, mask=mask)
    power = np.maximum(_spectra(images) - noise_sigma**2, 0)
    by_axis = [_shares(spectra, mtf_nyquist) for spectra in power]
    if any(not shares.size for shares in by_axis):
        raise no_pixels(images, "detail")
    along_x, along_y = (float(shares.mean()) for shares in by_axis)
    return {"aliasing": (along_x + along_y) / 2, "aliasing_x": along_x, "aliasing_y": along_y}


def folded_share(frequencies: FloatArray, mtf_nyquist: float) -> FloatArray:
    """The share of power at each frequency that came from beyond Nyquist, for a scene of f⁻² seen through a Gaussian.

    >>> folded_share(np.array([0.0, 0.5]), 0.1).round(6).tolist()  # at Nyquist one half comes from each side
    [0.0, 0.5]
    """
    folded = np.zeros_like(frequencies)
    for k in range(1, _FOLDS + 1):
        for source in (k - frequencies, k + frequencies):
            folded += (frequencies / source) ** 2 * mtf_nyquist ** (8 * (source**2 - frequencies**2))
    return folded / (1 + folded)


def _shares(power: FloatArray, mtf_nyquist: float | None) -> FloatArray:
    """Of each band that varies, from its spectrum (frequencies, bands)."""
    # the spectrum has a mirror image beyond every frequency but 0 and Nyquist
    twice = np.where((_FREQUENCIES == 0) | (_FREQUENCIES == 0.5), 1, 2)
    weight = (twice * 4 * np.sin(np.pi * _FREQUENCIES) ** 2)[:, None]
    folded = np.minimum(power, power[-1]) / 2
    if mtf_nyquist is not None:
        folded = np.minimum(folded, power * folded_share(_FREQUENCIES, mtf_nyquist)[:, None])
    detail = (weight * power).sum(axis=0)
    return np.asarray((weight * folded).sum(axis=0)[detail > 0] / detail[detail > 0])


def _spectra(images: Images) -> FloatArray:
    """Mean power along rows and along columns (2, frequencies, bands)."""
    count, total = 0, np.zeros((2, _FREQUENCIES.size, images.bands))
    for tile_count, tile_total in images.map(_tile_spectra, align=_BLOCK):
        count, total = count + tile_count, total + tile_total
    if not count:
        raise no_pixels(images, f"block of {_BLOCK} × {_BLOCK} pixels")
    return total / count


def _tile_spectra(tile: Tile) -> tuple[int, FloatArray]:
    """Number of lines along each axis, and the sum over them of their power."""
    count, total = 0, np.zeros((2, _FREQUENCIES.size, tile.arrays[0].shape[2]))
    for (blocks,) in whole_blocks(tile, side=_BLOCK):
        count += len(blocks) * _BLOCK
        for band in range(blocks.shape[-1]):
            rows = blocks[..., band]
            for axis, lines in enumerate((rows, rows.swapaxes(1, 2))):
                varying = lines - lines.mean(axis=-1, keepdims=True)
                total[axis, :, band] += (np.abs(np.fft.rfft(varying * _HANN)) ** 2).sum(axis=(0, 1))
    return count, total
