"""Synthetic scenes with a stated share of homogeneous ground, for noise.py: float images without noise, 8-bit levels.

Homogeneous is ground whose only structure is a slope of at most 0.03 DN a pixel; it lies in ellipses and rectangles,
26 to 96 pixels long, each at a level of its own. All else is textured. Estimators were developed on the kinds
`DEVELOPED_ON` and seeds below 1000; they are judged on `JUDGED_ON` and other seeds.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

FloatArray = NDArray[np.float64]
DEVELOPED_ON = ("power-law", "modulated", "leaves", "gravel")
JUDGED_ON = ("fields", "urban", "canopy", "waves")
_SLOPE = 0.03


def scene(kind: str, *, size: int, share: float, rng: np.random.Generator) -> tuple[FloatArray, NDArray[np.bool_]]:
    """The image (size, size), levels 8 … 247, and where it is homogeneous; `share` is reached or just passed."""
    image = TEXTURES[kind](size, rng)
    places = homogeneous_places(size, share, rng)
    for k in range(1, places.max() + 1):
        rows, cols = np.nonzero(places == k)
        slope_y, slope_x = rng.uniform(-_SLOPE, _SLOPE, 2)
        image[rows, cols] = rng.uniform(20, 220) + slope_y * (rows - rows.mean()) + slope_x * (cols - cols.mean())
    return np.clip(gaussian_filter(image, 0.5), 8, 247), places > 0


def homogeneous_places(size: int, share: float, rng: np.random.Generator) -> NDArray[np.int32]:
    """Numbers from 1 on where the homogeneous pieces lie, 0 elsewhere."""
    places = np.zeros((size, size), np.int32)
    rows, cols = np.mgrid[:size, :size]
    covered, k = 0, 0
    while covered < share * size * size:
        radius, stretch, angle = rng.uniform(13, 30), rng.uniform(1, 1.6), rng.uniform(0, np.pi)
        row, col = rng.uniform(0, size, 2)
        window = tuple(slice(max(int(at - 70), 0), int(at + 70)) for at in (row, col))
        y, x = rows[window] - row, cols[window] - col
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        if rng.random() < 0.5:
            inside = np.hypot(along / stretch, across) < radius
        else:
            inside = (abs(along) < radius * stretch) & (abs(across) < radius)
        if not places[window][inside].any():
            k += 1
            places[window][inside] = k
            covered += int(inside.sum())
    return places


def power_law(size: int, rng: np.random.Generator, exponent: float) -> FloatArray:
    """A Gaussian field whose amplitude falls as frequency^−exponent: mean 0, standard deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequency[0, 0] = np.inf
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((size, size))) * frequency**-exponent, s=(size, size))
    return field / field.std()


def _power_law(size: int, rng: np.random.Generator) -> FloatArray:
    return 110 + 35 * power_law(size, rng, rng.uniform(0.9, 1.3))


def _modulated(size: int, rng: np.random.Generator) -> FloatArray:
    """Texture whose contrast differs from place to place: some of it is as weak as the noise."""
    contrast = np.exp(rng.uniform(0.6, 1.1) * power_law(size, rng, 1.6))
    texture = rng.uniform(8, 20) * contrast * power_law(size, rng, rng.uniform(0.7, 1.1))
    return 110 + 30 * power_law(size, rng, 1.6) + texture


def _leaves(size: int, rng: np.random.Generator) -> FloatArray:
    """Textured discs of all sizes that hide one another."""
    textures = [power_law(size, rng, 1.0), power_law(size, rng, 0.6)]
    image = 110 + 25 * textures[0]
    rows, cols = np.mgrid[:size, :size]
    for _ in range(size * size // 100):
        radius = 6 / np.sqrt(rng.random() + (24 / size) ** 2)
        row, col = rng.uniform(-20, size + 20, 2)
        window = tuple(slice(max(int(at - radius), 0), max(int(at + radius) + 2, 0)) for at in (row, col))
        inside = np.hypot(rows[window] - row, cols[window] - col) < radius
        leaf = rng.uniform(40, 190) + rng.uniform(4, 25) * textures[rng.integers(2)][window]
        image[window][inside] = leaf[inside]
    return image


def _gravel(size: int, rng: np.random.Generator) -> FloatArray:
    """Sheets of ground, each with a grain of one or two pixels of its own strength."""
    sheets = np.digitize(power_law(size, rng, 1.5), np.linspace(-2, 2, 25))
    strength = np.exp(rng.uniform(np.log(0.5), np.log(15), 26))[sheets]
    grain = gaussian_filter(rng.standard_normal((size, size)), rng.uniform(0.1, 0.6))
    return rng.uniform(50, 180, 26)[sheets] + strength * grain / grain.std() + 5 * power_law(size, rng, 1.0)


def _fields(size: int, rng: np.random.Generator) -> FloatArray:
    """Parcels with furrows of their own direction, width and contrast."""
    n = size * size // 1600
    seeds = rng.uniform(0, size, (n, 2))
    rows, cols = np.mgrid[:size, :size]
    parcel = cKDTree(seeds).query(np.stack([rows, cols], axis=-1).reshape(-1, 2))[1].reshape(size, size)
    level, contrast, period = rng.uniform(40, 190, n), rng.uniform(2, 12, n), rng.uniform(3, 9, n)
    angle, roughness = rng.uniform(0, np.pi, n), rng.uniform(2, 8, n)
    along = cols * np.cos(angle[parcel]) + rows * np.sin(angle[parcel])
    furrows = contrast[parcel] * np.sin(2 * np.pi * along / period[parcel])
    return level[parcel] + furrows + roughness[parcel] * power_law(size, rng, 1.0)


def _urban(size: int, rng: np.random.Generator) -> FloatArray:
    """Roofs and yards: straight edges everywhere, fine grain within."""
    image = 100 + 20 * power_law(size, rng, 0.8)
    for _ in range(size * size // 700):
        row, col = rng.integers(0, size, 2)
        height, width = rng.integers(4, 22, 2)
        roof = image[row : row + height, col : col + width]
        roof[:] = rng.uniform(30, 220) + rng.uniform(2, 10) * rng.standard_normal(roof.shape)
    return image


def _canopy(size: int, rng: np.random.Generator) -> FloatArray:
    """Grain of one size whose contrast spans two decades."""
    grain = gaussian_filter(rng.standard_normal((size, size)), rng.uniform(0.8, 1.6))
    contrast = np.exp(power_law(size, rng, 1.3))
    return 90 + 20 * power_law(size, rng, 1.4) + 9 * contrast * grain / grain.std()


def _waves(size: int, rng: np.random.Generator) -> FloatArray:
    """Swell from one direction under gusts: texture of one narrow band of frequencies, in places very weak."""
    y, x = np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None]
    angle, frequency = rng.uniform(0, np.pi), rng.uniform(0.05, 0.2)
    distance = np.hypot(x - frequency * np.cos(angle), y - frequency * np.sin(angle))
    swell = np.fft.ifft2(np.fft.fft2(rng.standard_normal((size, size))) * np.exp(-((distance / 0.03) ** 2))).real
    gusts = np.exp(0.8 * power_law(size, rng, 1.5))
    return 70 + 15 * power_law(size, rng, 1.5) + rng.uniform(4, 10) * gusts * swell / swell.std()


TEXTURES = {
    "power-law": _power_law,
    "modulated": _modulated,
    "leaves": _leaves,
    "gravel": _gravel,
    "fields": _fields,
    "urban": _urban,
    "canopy": _canopy,
    "waves": _waves,
}


def observed(clean: FloatArray, *, a: float, b: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """As an 8-bit camera sees it: noise of variance a·L + b, rounded and clipped."""
    noisy = clean + rng.standard_normal(clean.shape) * np.sqrt(a * clean + b)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
