"""Any codec by two command lines: vendors' programs that read and write files.

A command is split into arguments as a shell would (quotes hold together), without a shell; in every argument
{input}, {output}, {value}, {rows}, {cols}, {bands}, {bits} are filled in. Files lie in a
temporary folder, which is removed.
"""

import os
import shlex
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tifffile

from orbiq.arrays import Array
from orbiq.codecs.bands import check_bands, check_bits, decoded, encoded, encoded_behind_frame
from orbiq.codecs.frames import Frame
from orbiq.codecs.pnm import pnm_bytes, read_pnm
from orbiq.errors import ImageError, SettingError

_FILES = {"raw": ".raw", "tiff": ".tif", "pgm": ".pgm"}
_TAIL = 300
"""Characters of a failed program's output that the message shows."""


@dataclass(frozen=True, kw_only=True)
class External:
    """A codec outside: `encode_command` makes {output} (the stream) of {input} (a picture file), `decode_command` back.

    `handover`: the picture file on either side: "tiff", "pgm" (PPM for three bands), or "raw" (little-endian samples
    row by row, bands of a pixel beside each other). `stream_suffix`: how the stream's file is called, for programs
    that look at it. `value` fills {value}; it goes from `value_smallest` (the smallest stream) to `value_best`, for
    searching. `bits`: significant bits of 16-bit data, told in {bits} and as maxval of PGM. `bands`: "joint" hands
    three bands over as one picture, "separate" each by itself; any other number goes band by band. `lossless` is the
    user's word. `timeout_s` is for each call.

    >>> copy = External(encode_command="cp {input} {output}", decode_command="cp {input} {output}", handover="pgm")
    >>> ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    >>> bool((copy.decode(copy.encode(ramp)) == ramp).all())
    True
    """

    name: ClassVar[str] = "external"
    dtypes: ClassVar[tuple[str, ...]] = ("uint8", "uint16", "int16")
    knob: ClassVar[str] = "value"
    knob_step: ClassVar[float] = 0

    encode_command: str
    decode_command: str
    handover: str = "tiff"
    stream_suffix: str = ".bin"
    value: float | None = None
    value_smallest: float = 0.0
    value_best: float = 100.0
    bits: int | None = None
    bands: str = "joint"
    lossless: bool = False
    timeout_s: float = 600.0

    def __post_init__(self) -> None:
        for field in ("encode_command", "decode_command"):
            _check_command(f"external:{field}", getattr(self, field), self.value)
        if self.handover not in _FILES:
            raise SettingError(f"external:handover is {self.handover!r}; expected {', '.join(_FILES)}")
        if not self.stream_suffix.startswith(".") or "/" in self.stream_suffix:
            raise SettingError(f"external:stream_suffix is {self.stream_suffix!r}; expected a suffix such as .jp2")
        if not self.timeout_s > 0:
            raise SettingError(f"external:timeout_s is {self.timeout_s}; expected seconds above 0")
        if self.value_smallest == self.value_best:
            raise SettingError(f"external:value_smallest and value_best are both {self.value_best:g}; expected a range")
        check_bits("external", self.bits, range(9, 17))
        check_bands("external", self.bands)

    @property
    def knob_range(self) -> tuple[float, float]:
        """As stated in `value_smallest` and `value_best`."""
        return self.value_smallest, self.value_best

    @property
    def _framed(self) -> bool:
        """Whether decoding must be told the shape."""
        asked = any(place in self.decode_command for place in ("{rows}", "{cols}", "{bands}", "{bits}"))
        return self.handover == "raw" or asked

    def encode(self, array: Array) -> bytes:
        """What the program wrote; in a frame when raw, signed or band by band."""
        joint = self.bands == "joint" and array.shape[2:] == (3,)
        if self._framed:
            return encoded_behind_frame(self, array, self._encode_picture, joint=joint, bits=self.bits)
        return encoded(self, array, self._encode_picture, joint=joint, bits=self.bits)

    def _encode_picture(self, picture: Array) -> bytes:
        bits = 8 if picture.itemsize == 1 else self.bits or 16
        with tempfile.TemporaryDirectory(prefix="orbiq-external-") as folder:
            source, target = (
                Path(folder, f"picture{_FILES[self.handover]}"),
                Path(folder, f"stream{self.stream_suffix}"),
            )
            _write(source, picture, self.handover, bits)
            shape = picture.shape if picture.ndim == 3 else (*picture.shape, 1)
            self._call(self.encode_command, source, target, shape=shape, bits=bits)
            return target.read_bytes()

    def decode(self, stream: bytes) -> Array:
        """(rows, cols, bands), as the program says."""
        return decoded(self, stream, self._decode_picture)

    def _decode_picture(self, stream: bytes, frame: Frame | None) -> Array:
        if self._framed and frame is None:
            raise ImageError("these bytes are no stream of this external codec: it starts with a frame")
        with tempfile.TemporaryDirectory(prefix="orbiq-external-") as folder:
            source, target = (
                Path(folder, f"stream{self.stream_suffix}"),
                Path(folder, f"picture{_FILES[self.handover]}"),
            )
            source.write_bytes(stream)
            shape, bits = _part(frame)
            self._call(self.decode_command, source, target, shape=shape, bits=bits)
            return _read(target, self.handover, frame)

    def _call(self, command: str, source: Path, target: Path, *, shape: tuple[int, ...], bits: int) -> None:
        rows, cols, n_bands = shape
        value = "" if self.value is None else f"{self.value:.10g}"
        filled = {"input": source, "output": target, "value": value, "rows": rows, "cols": cols, "bands": n_bands}
        words = [_filled(word, {**filled, "bits": bits}) for word in shlex.split(command)]
        exit_code, said = _run(words, self.timeout_s)
        if exit_code == 0 and target.is_file() and target.stat().st_size:
            return
        what = f"ended with exit code {exit_code}" if exit_code else "ended well, but left no {output}"
        raise ImageError(f"external program {words[0]!r} {what}; it said: {said or 'nothing'}")

    def suffix(self, n_bands: int, dtype: str = "uint8") -> str:
        """`stream_suffix` when the stream is the program's own."""
        one = n_bands == 1 or (n_bands == 3 and self.bands == "joint")
        return self.stream_suffix if one and dtype != "int16" and not self._framed else ""


def _check_command(subject: str, command: str, value: float | None) -> None:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise SettingError(f"{subject} is {command!r}, which cannot be split into arguments: {error}") from error
    for place in ("{input}", "{output}"):
        if not any(place in word for word in words[1:]):
            raise SettingError(
                f"{subject} is {command!r}; expected a program and its arguments, with {place} among them"
            )
    if value is None and "{value}" in command:
        raise SettingError(f"{subject} asks for {{value}}, and external:value is not stated")


def _filled(word: str, places: dict[str, Any]) -> str:
    for name, content in places.items():
        word = word.replace(f"{{{name}}}", str(content))
    return word


def _run(words: list[str], timeout_s: float) -> tuple[int, str]:
    """Exit code and the end of what was said; a program that takes too long is ended with all that it started."""
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
    except OSError as error:
        raise SettingError(
            f"external program {words[0]!r} cannot be started ({error.strerror}): install it, or state its whole path"
        ) from error
    try:
        said, _ = process.communicate(timeout=timeout_s)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        raise ImageError(
            f"external program {words[0]!r} was not done after {timeout_s:g} s: state a longer timeout_s"
        ) from error
    return process.returncode, said.decode("utf-8", "replace").strip()[-_TAIL:]


def _part(frame: Frame | None) -> tuple[tuple[int, int, int], int]:
    """Shape and bits that decoding tells the program; zeros for a bare stream, where nobody asked."""
    if frame is None:
        return (0, 0, 0), 0
    return (*frame.shape[:2], frame.shape[2] if frame.joint else 1), frame.bits


def _write(path: Path, picture: Array, handover: str, bits: int) -> None:
    if handover == "tiff":
        tifffile.imwrite(path, picture, metadata=None, photometric="minisblack" if picture.ndim == 2 else "rgb")
        return
    data = pnm_bytes(picture, peak=(1 << bits) - 1) if handover == "pgm" else picture.astype(_raw(bits)).tobytes()
    path.write_bytes(data)


def _raw(bits: int) -> "np.dtype[Any]":
    return np.dtype("u1" if bits <= 8 else "<u2")


def _read(path: Path, handover: str, frame: Frame | None) -> Array:
    if handover == "tiff":
        return np.asarray(tifffile.imread(path))
    if handover == "pgm" or frame is None:
        return read_pnm(path.read_bytes())
    (rows, cols, n_bands), bits = _part(frame)
    data, dtype = path.read_bytes(), _raw(bits)
    if len(data) != rows * cols * n_bands * dtype.itemsize:
        expected = f"{rows} × {cols} × {n_bands} samples of {dtype.itemsize} bytes"
        raise ImageError(f"the external program gave {len(data)} bytes; expected {expected}")
    samples = np.frombuffer(data, dtype)
    return samples.reshape(rows, cols, n_bands) if n_bands > 1 else samples.reshape(rows, cols)
