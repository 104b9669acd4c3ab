"""Pairs of images whose scores were published, or computed by implementations that reproduce published ones."""

from pathlib import Path

import numpy as np
from PIL import Image


def synthetic_pair() -> tuple[np.ndarray, np.ndarray]:
    """Three waves, and the same with noise: needs no file. Sums 8400393 and 8399527."""
    y, x = np.mgrid[:256, :256]
    waves = 60 * np.sin(2 * np.pi * x / 37) + 40 * np.cos(2 * np.pi * y / 23) + 20 * np.sin(2 * np.pi * (x + y) / 11)
    reference = np.round(127.5 + waves)
    noisy = np.clip(np.round(reference + np.random.default_rng(42).normal(0, 10, reference.shape)), 0, 255)
    assert (reference.sum(), noisy.sum()) == (8400393, 8399527)
    return reference.astype(np.uint8), noisy.astype(np.uint8)


def goldhill(test_data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Grey, 512 × 512, and its JPEG."""
    return _pair(test_data, "goldhill.gif", "goldhill_jpeg.gif")


def i01(test_data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Colour, 384 × 512, and a noisy one."""
    return _pair(test_data, "I01.BMP", "i01_01_5.bmp")


def _pair(test_data: Path, *names: str) -> tuple[np.ndarray, np.ndarray]:
    first, second = (np.asarray(Image.open(test_data / "iqa-golden" / "piq" / name)) for name in names)
    return first, second
