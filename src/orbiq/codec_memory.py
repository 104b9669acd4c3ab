"""How much memory a codec takes at its peak, measured in a process of its own on the largest of the images.

Codecs allocate outside of Python, and a process remembers the most it ever held; so a fresh one loads the image, codes
a corner of it (which loads the library), gives back to the system what is free, sets its high-water mark down to what
it holds (Linux: /proc/self/clear_refs, see proc(5)), encodes, and reads the mark; the same again for decoding. What is
told is the rise: the image is not in it, the stream and the decoded image are. Steps of a page and a rounding of the
kernel's counters make it good to a quarter of a megabyte or so.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import nan, prod
from pathlib import Path
from typing import Any

from orbiq.codec_blocks import settled
from orbiq.codec_trials import Entrant, Trial
from orbiq.errors import OrbiqError
from orbiq.imageio import image_shape
from orbiq.measuring import Subject
from orbiq.metrics.applied import whole_scene
from orbiq.modifiers.compression import build_compressed
from orbiq.tiles import tiling

_MARK = Path("/proc/self/clear_refs")
_CORNER_PX = 64
_DIE_WITH_PARENT = 1
"""prctl(2): PR_SET_PDEATHSIG."""


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The most memory above what was held before, in 10⁶ bytes; NaN with the `reason`."""

    encode_mb: float = nan
    decode_mb: float = nan
    reason: str = ""


def with_memory(found: Sequence[Trial], subjects: Sequence[Subject], codecs: Sequence[Entrant]) -> list[Trial]:
    """The trials, those on the largest image with the memory that they took; one process for each codec."""
    largest = _largest([s for s in subjects if any(_is_of(t, s) and not t.reason for t in found)])
    if largest is None:
        return list(found)
    trials = {t.point: t for t in found if _is_of(t, largest) and not t.reason}
    by_codec: dict[str, list[Entrant]] = {}
    for entrant in codecs:
        if entrant.point in trials:
            by_codec.setdefault(entrant.label, []).append(entrant)
    peaks: dict[str, Peak] = {}
    for several in by_codec.values():
        steps = [_step(entrant, trials[entrant.point]) for entrant in several]
        peaks |= dict(zip([e.point for e in several], measured_peaks(largest, steps), strict=True))
    return [_told(t, peaks[t.point]) if _is_of(t, largest) and t.point in peaks else t for t in found]


def measured_peaks(subject: Subject, steps: Sequence[Mapping[str, Any]]) -> list[Peak]:
    """The peaks of codecs (their configs) on one image, one after another in one fresh process."""
    if not _MARK.exists():
        return [Peak(reason="peak memory is measured on Linux alone")] * len(steps)
    about = {key: getattr(subject, key) for key in ("name", "group", "source", "peak", "gsd_m", "nodata")}
    asked = json.dumps({"parent": os.getpid(), "path": str(subject.path), **about, "steps": list(steps)})
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "orbiq.codec_memory"], input=asked, capture_output=True, text=True, check=False
        )
    except OSError as error:
        return [Peak(reason=f"the process to measure memory in cannot be started: {error.strerror}")] * len(steps)
    if ended.returncode:
        last = ["", *ended.stderr.strip().splitlines()][-1]
        how = f"was ended by signal {-ended.returncode}" if ended.returncode < 0 else f"failed: {last}"
        return [Peak(reason=f"the process to measure memory in {how}")] * len(steps)
    return [Peak(**one) for one in json.loads(ended.stdout)]


def _largest(subjects: Sequence[Subject]) -> Subject | None:
    sizes: dict[Subject, int] = {}
    for subject in subjects:
        with suppress(OrbiqError):
            *shape, dtype = image_shape(subject.path)
            sizes[subject] = prod(shape) * dtype.itemsize
    return max(sizes, key=lambda subject: sizes[subject], default=None)


def _is_of(trial: Trial, subject: Subject) -> bool:
    return (trial.group, trial.image) == (subject.group, subject.name)


def _step(entrant: Entrant, trial: Trial) -> dict[str, Any]:
    coder = settled(entrant, trial)
    return {"name": coder.name, **coder.settings()}


def _told(trial: Trial, peak: Peak) -> Trial:
    return replace(trial, encode_memory_mb=peak.encode_mb, decode_memory_mb=peak.decode_mb, memory_reason=peak.reason)


# in the process of its own


def _main() -> None:
    asked = json.load(sys.stdin)
    _die_with(asked.pop("parent"))
    steps = asked.pop("steps")
    subject = Subject(path=Path(asked.pop("path")), **asked)
    with subject.opened() as raster:
        scene = whole_scene(raster)
    with tiling(threads=1):
        json.dump([_peak(scene, step) for step in steps], sys.stdout)


def _die_with(parent: int) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:  # it had ended before
        sys.exit(1)


def _peak(scene: Any, step: Mapping[str, Any]) -> dict[str, Any]:
    if step["name"] == "external":
        return {"reason": "the memory of other programs is not measured"}
    try:
        coder = build_compressed(step["name"], {key: value for key, value in step.items() if key != "name"})
        codec, array = coder.prepared(scene)
        with suppress(OrbiqError):
            codec.decode(codec.encode(array[:_CORNER_PX, :_CORNER_PX].copy()))
        encode_mb, stream = _rise(lambda: codec.encode(array))
        decode_mb, _ = _rise(lambda: codec.decode(stream))
    except OrbiqError as error:
        return {"reason": str(error)}
    return {"encode_mb": encode_mb, "decode_mb": decode_mb}


def _rise(call: Callable[[], Any]) -> tuple[float, Any]:
    """How far memory rises above what is held now, in 10⁶ bytes, and what the call gives."""
    import ctypes
    import gc

    gc.collect()
    with suppress(AttributeError):  # a C library that is not glibc; free memory may then hide some of the rise
        ctypes.CDLL(None).malloc_trim(0)
    _MARK.write_text("5")
    before = _status_kb("VmRSS")
    result = call()
    return round(max(0, _status_kb("VmHWM") - before) * 1024 / 1e6, 2), result


def _status_kb(key: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


if __name__ == "__main__":
    _main()
