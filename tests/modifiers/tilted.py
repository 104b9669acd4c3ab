"""Made-up ground whose sharpness and noise are known: tilted squares in closed form."""

from functools import cache
from math import pi

import numpy as np
from scipy.special import ndtr

from orbiq.arrays import Scene

GROUND_DN = 900


@cache
def tilted_squares(*, sigma_px, noise_dn, size, bands=1):
    """Squares of 36 px on flat ground, seen through a Gaussian of `sigma_px`, with white noise: 12 bits, 0.5 m."""
    rng = np.random.default_rng(7)
    rows, cols = np.mgrid[:size, :size]
    image = np.full((size, size), float(GROUND_DN))
    for row in range(32, size, 64):
        for col in range(32, size, 64):
            turn, tone = rng.uniform(0, pi / 2), rng.uniform(1500, 3000)
            x, y = cols - col - rng.uniform(-2, 2), rows - row - rng.uniform(-2, 2)
            cover = 1.0
            for u in (x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)):
                cover = cover * (ndtr((u + 18) / sigma_px) - ndtr((u - 18) / sigma_px))
            image += cover * (tone - GROUND_DN)
    image = np.stack([image] * bands, axis=-1)
    noisy = image + rng.normal(0, noise_dn, image.shape)
    return Scene(array=np.rint(noisy).astype(np.uint16), peak=4095, gsd_m=0.5, name="fields.tif")
