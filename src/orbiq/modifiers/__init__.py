"""What is done to images, and the variants that come of it.

The public names are listed here and loaded on first use.
"""

from orbiq.lazy import lazily

_PUBLIC = {
    "Chain": "orbiq.modifiers.base",
    "MODIFIERS": "orbiq.modifiers.base",
    "Modified": "orbiq.modifiers.base",
    "Modifier": "orbiq.modifiers.base",
    "GaussianBlur": "orbiq.modifiers.psf",
    "Quantize": "orbiq.modifiers.radiometry",
    "GaussianNoise": "orbiq.modifiers.noise",
    "Variant": "orbiq.modifiers.variants",
    "modify": "orbiq.modifiers.variants",
}

__all__ = list(_PUBLIC)
__getattr__, __dir__ = lazily(__name__, _PUBLIC)
