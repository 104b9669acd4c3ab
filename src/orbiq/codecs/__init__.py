"""Array to bytes and back.

The public names are listed here and loaded on first use.
"""

from orbiq.lazy import lazily

_PUBLIC = {
    "CODECS": "orbiq.codecs.base",
    "Avif": "orbiq.codecs.modern",
    "Ccsds121": "orbiq.codecs.entropy",
    "Codec": "orbiq.codecs.base",
    "Deflate": "orbiq.codecs.entropy",
    "External": "orbiq.codecs.external",
    "Htj2k": "orbiq.codecs.wavelet",
    "Jpeg": "orbiq.codecs.standard",
    "Jpeg12": "orbiq.codecs.standard",
    "Jpeg2000": "orbiq.codecs.wavelet",
    "JpegLs": "orbiq.codecs.bounded",
    "JpegXl": "orbiq.codecs.modern",
    "Lerc": "orbiq.codecs.bounded",
    "Png": "orbiq.codecs.entropy",
    "Quantized": "orbiq.codecs.quantized",
    "Webp": "orbiq.codecs.modern",
    "lossless_coding": "orbiq.codecs.standard",
}

__all__ = list(_PUBLIC)
__getattr__, __dir__ = lazily(__name__, _PUBLIC)
