"""JPEG 2000 and its high-throughput kin: wavelets, 8 to 16 bit, signed or not, any number of bands."""

from dataclasses import dataclass
from typing import ClassVar

import imagecodecs

from orbiq.arrays import Array
from orbiq.codecs.bands import check_bands, check_bits, check_setting, decoded, encoded
from orbiq.codestreams import HTJ2K_SEAL, MAIN_HEADER, comment_room, htj2k, htj2k_checksum, jpeg2000


@dataclass(frozen=True, kw_only=True)
class Jpeg2000:
    """JPEG 2000 part 1 (ITU-T T.800) through OpenJPEG: a bare codestream, one tile, 64×64 code blocks.

    `level_db`: aimed PSNR in dB against a peak of 2^bits − 1 (9/7 wavelet), 1 to 150; None is lossless (5/3).
    `bits`: significant bits of 16-bit data, 9 to 16; None is 16. 12-bit data called 16-bit would come out
    24 dB worse than asked. `bands`: "joint" is one codestream for all bands, with the standard's colour transform
    where they are three; "separate" is one codestream for each.

    >>> import numpy as np
    >>> ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    >>> bool((Jpeg2000().decode(Jpeg2000().encode(ramp)) == ramp).all())
    True
    """

    name: ClassVar[str] = "jpeg2000"
    dtypes: ClassVar[tuple[str, ...]] = ("uint8", "uint16", "int16")
    knob: ClassVar[str] = "level_db"
    knob_range: ClassVar[tuple[float, float]] = (1, 150)
    knob_step: ClassVar[float] = 0

    level_db: float | None = None
    bits: int | None = None
    bands: str = "joint"

    def __post_init__(self) -> None:
        if self.level_db is not None:  # level 0 would be lossless
            check_setting("jpeg2000:level_db", self.level_db, 1, 150, what="1 to 150 dB, or none for lossless")
        check_bits("jpeg2000", self.bits, range(9, 17))
        check_bands("jpeg2000", self.bands)

    @property
    def lossless(self) -> bool:
        """Without level_db."""
        return self.level_db is None

    def encode(self, array: Array) -> bytes:
        """The codestream; in a frame when signed or band by band."""
        return encoded(self, array, self._encode_picture, joint=self.bands == "joint", bits=self.bits)

    def _encode_picture(self, picture: Array) -> bytes:
        return bytes(
            imagecodecs.jpeg2k_encode(
                picture,
                self.level_db,  # type: ignore[arg-type]
                codecformat="j2k",
                reversible=self.lossless,
                bitspersample=self.bits if picture.itemsize > 1 else None,
                mct=picture.ndim == 3 and picture.shape[2] == 3,
                numthreads=1,
            )
        )

    def decode(self, stream: bytes) -> Array:
        """(rows, cols, bands)."""
        return decoded(self, stream, lambda bare, _: jpeg2000(bare))

    def suffix(self, n_bands: int, dtype: str = "uint8") -> str:
        """`.j2k` for one codestream of unsigned samples."""
        return ".j2k" if dtype != "int16" and (self.bands == "joint" or n_bands == 1) else ""


@dataclass(frozen=True, kw_only=True)
class Htj2k:
    """High-throughput JPEG 2000, part 15 (ITU-T T.814), through OpenJPH: a bare codestream.

    `step`: quantisation step as a fraction of the full range of the dtype (2^8 or 2^16), 1e-6 (best) to 0.5 (smallest);
    None is lossless. `bands`: "joint" applies the standard's colour transform to three bands; any other number is
    coded band by band.

    >>> import numpy as np
    >>> ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    >>> bool((Htj2k().decode(Htj2k().encode(ramp)) == ramp).all())
    True
    """

    name: ClassVar[str] = "htj2k"
    dtypes: ClassVar[tuple[str, ...]] = ("uint8", "uint16", "int16")
    knob: ClassVar[str] = "step"
    knob_range: ClassVar[tuple[float, float]] = (0.5, 1e-6)
    knob_step: ClassVar[float] = 0

    step: float | None = None
    bands: str = "joint"

    def __post_init__(self) -> None:
        if self.step is not None:  # from 1 on, and below 0, OpenJPH does not follow it
            what = "1e-6 (best) to 0.5 (smallest), or none for lossless"
            check_setting("htj2k:step", self.step, 1e-6, 0.5, what=what)
        check_bands("htj2k", self.bands)

    @property
    def lossless(self) -> bool:
        """Without a step."""
        return self.step is None

    def encode(self, array: Array) -> bytes:
        """The codestream; in a frame when signed or band by band."""
        joint = self.bands == "joint" and array.shape[2:] == (3,)
        return encoded(self, array, self._encode_picture, joint=joint)

    def _encode_picture(self, picture: Array) -> bytes:
        # reversible is stated: left out, a level would make it lossy and no level lossless
        return _sealed(bytes(imagecodecs.htj2k_encode(picture, level=self.step, reversible=self.lossless)))

    def decode(self, stream: bytes) -> Array:
        """(rows, cols, bands)."""
        return decoded(self, stream, lambda bare, _: htj2k(bare))

    def suffix(self, n_bands: int, dtype: str = "uint8") -> str:
        """`.j2c` for one codestream of unsigned samples."""
        one = n_bands == 1 or (n_bands == 3 and self.bands == "joint")
        return ".j2c" if one and dtype != "int16" else ""


_COMMENT = b"OpenJPH Ver "


def _sealed(stream: bytes) -> bytes:
    """The stream with a checksum in place of the library's name in its comment, because OpenJPH crashes on damage."""
    at = stream.find(_COMMENT, 0, MAIN_HEADER)
    if at < 0 or comment_room(stream, at) < len(HTJ2K_SEAL) + 8:
        return stream
    seal = (HTJ2K_SEAL + b"%08x" % htj2k_checksum(stream, at)).ljust(comment_room(stream, at))
    return b"".join([stream[:at], seal, stream[at + len(seal) :]])
