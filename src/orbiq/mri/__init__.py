"""Magnetic resonance imaging: Fourier samples that are dropped, and images that are reconstructed from the rest.

The public names are listed here and loaded on first use.
"""

from orbiq.lazy import lazily

_PUBLIC = {
    "Sampling": "orbiq.mri.masks",
    "achieved_rate": "orbiq.mri.masks",
    "read_header": "orbiq.mri.fastmri",
    "slices": "orbiq.mri.fastmri",
    "Phantom": "orbiq.mri.phantoms",
    "phantom": "orbiq.mri.phantoms",
    "root_sum_of_squares": "orbiq.mri.reconstruction",
    "to_image": "orbiq.mri.reconstruction",
    "to_kspace": "orbiq.mri.reconstruction",
    "total_variation": "orbiq.mri.reconstruction",
    "zero_filled": "orbiq.mri.reconstruction",
    "load_unrolled": "orbiq.mri.unrolled",
    "save_unrolled": "orbiq.mri.unrolled",
}

__all__ = list(_PUBLIC)
__getattr__, __dir__ = lazily(__name__, _PUBLIC)
