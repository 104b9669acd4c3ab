"""Array to bytes and back.

The public names are listed here and loaded on first use.
"""

from orbiq.lazy import lazily

_PUBLIC = {
    "CODECS": "orbiq.codecs.base",
    "Codec": "orbiq.codecs.base",
    "Jpeg": "orbiq.codecs.standard",
    "lossless_coding": "orbiq.codecs.standard",
}

__all__ = list(_PUBLIC)
__getattr__, __dir__ = lazily(__name__, _PUBLIC)
