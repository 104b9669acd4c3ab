"""Plain NumPy versions of some metrics, straight from the papers: peers for `metrics.py`, and nothing of orbiq's.

FSIM: Zhang et al. 2011, doi:10.1109/TIP.2011.2109730. PIQE: Venkatanath et al. 2015, doi:10.1109/NCC.2015.7084843.
SNR by homogeneous blocks and by homogeneous area: the methods of iquaflow, arXiv:2205.14233.
"""

from typing import Any

import numpy as np


def fsim(reference: Any, image: Any, *, peak: float) -> float:
    """Mean over bands."""
    pair = [np.atleast_3d(a).astype(float) * (255 / peak) for a in (reference, image)]
    return float(np.mean([fsim_of_band(pair[0][..., k], pair[1][..., k]) for k in range(pair[0].shape[2])]))


def fsim_of_band(x: Any, y: Any) -> float:
    factor = max(1, int(min(x.shape) / 256 + 0.5))
    x, y = box_means(x, factor), box_means(y, factor)
    p, q = phase_congruency(x), phase_congruency(y)
    g, h = scharr(x), scharr(y)
    similarity = (2 * p * q + 0.85) / (p**2 + q**2 + 0.85) * (2 * g * h + 160) / (g**2 + h**2 + 160)
    weights = np.maximum(p, q)
    return float(np.sum(similarity * weights) / np.sum(weights))


def box_means(plane: Any, factor: int) -> Any:
    if factor == 1:
        return plane
    before = (factor + 1) // 2 - 1
    rows, cols = (-(-n // factor) for n in plane.shape)
    wide = np.zeros((rows * factor + before, cols * factor + before))
    wide[before : before + plane.shape[0], before : before + plane.shape[1]] = plane
    return wide[: rows * factor, : cols * factor].reshape(rows, factor, cols, factor).mean(axis=(1, 3))


def scharr(plane: Any) -> Any:
    wide = np.pad(plane, 1)
    across, down = wide[:, :-2] - wide[:, 2:], wide[:-2] - wide[2:]
    gx = (3 * across[:-2] + 10 * across[1:-1] + 3 * across[2:]) / 16
    gy = (3 * down[:, :-2] + 10 * down[:, 1:-1] + 3 * down[:, 2:]) / 16
    return np.sqrt(gx**2 + gy**2)


def log_gabors(radius: Any) -> list[Any]:
    """Four scales, without the mean; `radius` is changed at 0."""
    low_pass = 1 / (1 + (radius / 0.45) ** 30)
    radius[0, 0] = 1
    found = []
    for wavelength in (6, 12, 24, 48):
        one = np.exp(-(np.log(radius * wavelength) ** 2) / (2 * np.log(0.55) ** 2)) * low_pass
        one[0, 0] = 0
        found.append(one)
    return found


def phase_congruency(image: Any) -> Any:
    rows, cols = image.shape
    axes = [np.arange(-(n // 2), (n + 1) // 2) / (n - n % 2) for n in (rows, cols)]
    down, right = np.meshgrid(*axes, indexing="ij")
    angle = np.fft.ifftshift(np.arctan2(-down, right))
    scales = log_gabors(np.fft.ifftshift(np.hypot(down, right)))
    spectrum = np.fft.fft2(image)
    energies, amplitudes = np.zeros((2, rows, cols))
    for theta in np.arange(4) * np.pi / 4:
        turned = np.abs(np.arctan2(np.sin(angle - theta), np.cos(angle - theta)))
        spread = np.exp(-(turned**2) / (2 * (np.pi / 4 / 1.2) ** 2))
        energy, amplitude = oriented(spectrum, [scale * spread for scale in scales])
        energies += energy
        amplitudes += amplitude
    return energies / amplitudes


def oriented(spectrum: Any, filters: list[Any]) -> tuple[Any, Any]:
    """Energy above the noise, and amplitude, of one orientation."""
    responses = [np.fft.ifft2(spectrum * f) for f in filters]
    impulses = [np.fft.ifft2(f).real * np.sqrt(f.size) for f in filters]
    total = np.sum(responses, axis=0)
    mean = total / (np.abs(total) + 1e-4)
    energy = sum((r * mean.conj()).real - np.abs((r * mean.conj()).imag) for r in responses)
    power = np.median(np.abs(responses[0]) ** 2) / np.log(2) / np.sum(filters[0] ** 2)
    squares = sum(np.sum(h**2) for h in impulses)
    products = sum(np.sum(impulses[i] * impulses[j]) for i in range(4) for j in range(i + 1, 4))
    tau = np.sqrt(power * squares + 2 * power * products)
    noise = (tau * np.sqrt(np.pi / 2) + 2 * np.sqrt((2 - np.pi / 2) * tau**2)) / 1.7
    return np.maximum(energy - noise, 0), sum(np.abs(r) for r in responses)


def piqe(image: Any, *, peak: float) -> float:
    """Mean over bands."""
    bands = np.atleast_3d(image).astype(float) * (255 / peak)
    return float(np.mean([piqe_of_band(np.floor(bands[..., k] + 0.5)) for k in range(bands.shape[2])]))


def piqe_of_band(x: Any, size: int = 16) -> float:
    from scipy.ndimage import gaussian_filter

    blurred, squares = (gaussian_filter(a, 7 / 6, radius=3, mode="nearest") for a in (x, x * x))
    coefficients = (x - blurred) / (np.sqrt(np.abs(squares - blurred**2)) + 1)
    blocks = in_blocks(coefficients, size).reshape(-1, size, size)
    variance = blocks.var(axis=(1, 2), ddof=1)
    blocks, variance = blocks[variance > 0.1], variance[variance > 0.1]
    if not len(blocks):
        return 100.0
    sides = np.stack([blocks[:, 0], blocks[:, -1], blocks[:, :, 0], blocks[:, :, -1]], axis=1)
    segments = np.lib.stride_tricks.sliding_window_view(sides, 6, axis=2)
    distorted = (segments.std(axis=3, ddof=1) < 0.1).any(axis=(1, 2))
    half = size // 2
    around = np.concatenate([blocks[:, :, : half - 1], blocks[:, :, half + 1 :]], axis=2)
    centre = blocks[:, :, half - 1 : half + 1].std(axis=(1, 2), ddof=1) / around.std(axis=(1, 2), ddof=1)
    spread = np.sqrt(variance)
    noisy = spread > 2 * np.abs(spread - centre) / np.maximum(spread, centre)
    share = distorted * (1 - variance) + noisy * variance
    return float(100 * (share.sum() + 1) / (len(blocks) + 1))


def in_blocks(a: Any, size: int) -> Any:
    """(blocks, pixels of a block), border left out."""
    rows, cols = (n // size for n in a.shape)
    cut = a[: rows * size, : cols * size].reshape(rows, size, cols, size)
    return cut.swapaxes(1, 2).reshape(rows * cols, size * size)


def with_level(image: Any) -> tuple[Any, float]:
    """The band as floats without zeros, and its median."""
    band = np.where(image == 0, np.nan, image.astype(float))
    return band, float(np.nanmedian(band))


def snr_blocks(image: Any, *, peak: float, size: int = 3) -> float:
    from scipy.stats import sigmaclip

    del peak
    band, level = with_level(image)
    blocks = in_blocks(band, size)
    spreads = blocks.std(axis=1, ddof=1)[np.rint(blocks.mean(axis=1)) == level]
    return level / float(np.median(sigmaclip(spreads, high=2)[0]))


def snr_area(image: Any, *, peak: float, size: int = 5, radius: int = 1, threshold: float = 0.6) -> float:
    from skimage.feature import local_binary_pattern

    del peak
    points = 8 * radius
    pattern = local_binary_pattern(image, points, radius, "uniform")
    flat = in_blocks((pattern <= radius - 1) | (pattern >= points - radius + 1), size).mean(axis=1)
    band, level = with_level(image)
    blocks = in_blocks(band, size)
    means, spreads = blocks.mean(axis=1), blocks.std(axis=1, ddof=1)
    kept = (flat >= threshold) & (flat < 1) & (np.nan_to_num(means).astype(int) == level)
    return float(np.mean(means[kept] / spreads[kept]))
