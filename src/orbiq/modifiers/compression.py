"""Compression as a modifier: encode, weigh the stream, decode."""

import zlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from orbiq.arrays import Scene
from orbiq.codecs.base import Codec
from orbiq.codecs.standard import Jpeg
from orbiq.modifiers.base import Modified


@dataclass(frozen=True, kw_only=True)
class JpegModifier(Jpeg):
    """JPEG at a quality of 1 (smallest) to 100 (best); see `orbiq.codecs.standard.Jpeg`.

    Masked pixels keep their values; the mask is sent beside the stream and counted.
    """

    name: ClassVar[str] = "jpeg"

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002  a codec draws nothing
        """The decoded image and its stream."""
        return through_codec(self, scene)


def through_codec(codec: Codec, scene: Scene) -> Modified:
    """A scene after a codec, with the real stream and what the mask costs."""
    stream = codec.encode(scene.array)
    return Modified(
        scene=scene.with_array(codec.decode(stream)),
        stream=stream,
        side_bytes=mask_bytes(scene),
        coding=codec.name,
        suffix=codec.suffix(scene.shape[2]),
    )


def mask_bytes(scene: Scene) -> int:
    """Bytes that the mask takes beside a lossy stream: one bit a pixel, deflated; 0 when all pixels are valid."""
    if scene.mask is None:
        return 0
    return len(zlib.compress(np.packbits(scene.mask).tobytes(), 9))
