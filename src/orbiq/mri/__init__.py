"""Magnetic resonance imaging: Fourier samples that are dropped, and images that are reconstructed from the rest.

The public names are listed here and loaded on first use.
"""

from orbiq.lazy import lazily

_PUBLIC = {
    "Sampling": "orbiq.mri.masks",
    "achieved_rate": "orbiq.mri.masks",
}

__all__ = list(_PUBLIC)
__getattr__, __dir__ = lazily(__name__, _PUBLIC)
