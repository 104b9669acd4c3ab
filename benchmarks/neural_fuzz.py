"""Fixed-quality streams that are damaged in many ways: each decodes, or ends in one sentence.

    python benchmarks/neural_fuzz.py [--files 10000] [--model PATH]

Six streams (dtypes, bands jointly and apart, masks, notes, residuals, one level and many) are damaged by turns, each in
one of these ways: bits flipped; a run of bytes overwritten; an end cut off; two runs swapped; a run left out or put in
twice; and, with all checksums made right again, so that what lies behind them is reached: bytes of the head changed; a
tile, mask or notes changed; parts of other streams put behind a head; larger images and tiles claimed. Every other
round of files is decoded with damaged tiles left out. A file that claims more than 64 million samples is decoded at its
beginning alone, as would anyone who did not trust it. What counts as failure: any error but ImageError, more than 20 s
for a file, or a peak of resident memory of the process, Python and torch and all, above 1 GB (10⁹ bytes, Linux). A
crash would end the run without a result.

The model is the small one of the tests unless another is named. Prints, and writes results/neural_fuzz.json.
"""

import argparse
import json
import lzma
import resource
import signal
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from orbiq.arrays import Scene
from orbiq.codecs.frames import leb128, read_leb128
from orbiq.codecs.neural import FixedQuality
from orbiq.codecs.neural_container import unpacked
from orbiq.codecs.neural_decoding import Decoder
from orbiq.codecs.neural_model import Model, load_model
from orbiq.errors import ImageError

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "tests" / "codecs" / "golden" / "neural_fitted.safetensors.xz"
LIMIT_GB, LIMIT_S = 1.0, 20
MOST_SAMPLES = 1 << 26
Damage = Callable[[bytes, np.random.Generator, Sequence[bytes]], bytes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--model", help="a .safetensors file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(args.model or Path(folder) / "small.safetensors")
        if args.model is None:
            path.write_bytes(lzma.decompress(GOLDEN.read_bytes()))
        result = measured(load_model(str(path)), streams(str(path)), args.files)
    print(json.dumps(result, indent=1))
    if args.model is None and args.files == 10_000:
        (HERE / "results" / "neural_fuzz.json").write_text(json.dumps(result, indent=1) + "\n")


def measured(model: Model, originals: Sequence[bytes], n: int) -> dict[str, Any]:
    """Counts of outcomes for each kind of damage, the slowest file, and the peak of memory."""
    for stream in originals:
        decoded(model, stream, damaged=False)
    before_gb = peak_gb()
    outcomes: dict[str, Counter[str]] = {name: Counter() for name in DAMAGES}
    failures, slowest = [], (0.0, "")
    signal.signal(signal.SIGALRM, too_long)
    for k in range(n):
        rng = np.random.default_rng([20, k])
        name = list(DAMAGES)[k % len(DAMAGES)]
        stream = DAMAGES[name](originals[int(rng.integers(len(originals)))], rng, originals)
        start = time.perf_counter()
        signal.alarm(LIMIT_S)
        try:
            outcome = decoded(model, stream, damaged=bool(k // len(DAMAGES) % 2))
        except Exception as error:  # noqa: BLE001  what may come out is what is asked here
            outcome = "failed"
            failures.append(f"file {k}, {name}: {type(error).__name__}: {error}")
        signal.alarm(0)
        slowest = max(slowest, (time.perf_counter() - start, f"file {k}, {name}"))
        outcomes[name][outcome] += 1
    return {
        "files": n,
        "model": f"{model.width} and {model.channels} channels",
        "outcomes": {name: dict(sorted(counts.items())) for name, counts in outcomes.items()},
        "failures": failures,
        "slowest_s": round(slowest[0], 2),
        "slowest": slowest[1],
        "peak_gb": round(peak_gb(), 3),
        "peak_gb_before": round(before_gb, 3),
        "limit_gb": LIMIT_GB,
        "holds": not failures and peak_gb() < LIMIT_GB,
    }


def decoded(model: Model, stream: bytes, *, damaged: bool) -> str:
    """What came of a file."""
    try:
        decoder = Decoder(model, unpacked(stream, damaged=damaged))
        rows, cols, bands = decoder.head.shape
        if rows * cols * bands > MOST_SAMPLES:
            decoder.window(slice(0, min(rows, 256)), slice(0, min(cols, 256)))
        else:
            decoder.image()
    except ImageError:
        return "refused"
    return "decoded with damaged tiles" if decoder.damaged else "decoded"


def too_long(*_: object) -> None:
    raise TimeoutError(f"more than {LIMIT_S} s")


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


# streams


def streams(model: str) -> list[bytes]:
    """Small ones of every kind."""
    notes = {"epsg": 32631, "transform": [0.5, 0.0, 430000.0, 0.0, -0.5, 4580000.0]}
    made = []
    for shape, dtype, peak, settings in (
        ((150, 170, 1), "uint8", 255, {"mse": 300.0, "block": 16}),
        ((130, 100, 3), "uint16", 4095, {"mse": 60_000.0, "block": "32x64", "residual": True, "bits": 12}),
        ((90, 110, 2), "int16", 2047, {"relative_mse": 1.5, "bits": 12}),
        ((64, 200, 3), "uint8", 255, {"lmbda": 30.0, "block": 0, "bands": "separate"}),
        ((33, 47, 4), "uint16", 65535, {"psnr_db": 25.0, "residual": True}),
        ((700, 600, 1), "uint8", 255, {"lmbda": 4.0, "block": 0}),
    ):
        array = picture(shape, dtype, peak)
        mask = np.random.default_rng(5).random(shape[:2]) > 0.1 if len(made) % 2 else None
        codec = FixedQuality(model=model, corrections=1, **settings)
        scene = Scene(array=array, mask=mask)
        made.append(codec.coded(scene, mask=mask, notes=notes if len(made) % 3 else None)[0])
    return made


def picture(shape: tuple[int, int, int], dtype: str, peak: int) -> Any:
    rough = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    smooth = cv2.GaussianBlur(rough, (0, 0), 5).reshape(shape)
    values = 0.5 + 0.15 * smooth / smooth.std() + 0.02 * rough
    return np.clip(np.rint(values * peak), 0, peak).astype(dtype)


# damage


def bits(stream: bytes, rng: np.random.Generator, _: Sequence[bytes]) -> bytes:
    found = bytearray(stream)
    for at in rng.integers(0, len(found), int(rng.integers(1, 9))):
        found[at] ^= 1 << int(rng.integers(8))
    return bytes(found)


def run(stream: bytes, rng: np.random.Generator, _: Sequence[bytes]) -> bytes:
    start, end = window(stream, rng)
    filler = [bytes(end - start), b"\xff" * (end - start), rng.bytes(end - start)][int(rng.integers(3))]
    return stream[:start] + filler + stream[end:]


def cut(stream: bytes, rng: np.random.Generator, _: Sequence[bytes]) -> bytes:
    return stream[: int(rng.integers(len(stream)))]


def swap(stream: bytes, rng: np.random.Generator, _: Sequence[bytes]) -> bytes:
    (a, b), (c, d) = sorted([window(stream, rng), window(stream, rng)])
    c, d = max(b, c), max(b, d)
    return stream[:a] + stream[c:d] + stream[b:c] + stream[a:b] + stream[d:]


def shift(stream: bytes, rng: np.random.Generator, _: Sequence[bytes]) -> bytes:
    start, end = window(stream, rng)
    return stream[:start] + stream[end:] if rng.random() < 0.5 else stream[:end] + stream[start:]


def head(stream: bytes, rng: np.random.Generator, _: Sequence[bytes]) -> bytes:
    said, parts = opened(stream)
    changed = bytearray(said)
    for at in rng.integers(8, min(len(changed), 40), int(rng.integers(1, 4))):
        changed[at] = int(rng.choice([0, 1, 2, 4, 8, 63, 64, 127, 128, 255, rng.integers(256)]))
    return closed(bytes(changed), parts)


def part(stream: bytes, rng: np.random.Generator, originals: Sequence[bytes]) -> bytes:
    said, parts = opened(stream)
    k = int(rng.integers(len(parts)))
    damages = (bits, run, swap)
    parts[k] = damages[int(rng.integers(3))](parts[k], rng, originals)
    if rng.random() < 0.5:  # the numbers at its beginning decide what is made for it
        parts[k] = bits(parts[k][:12], rng, originals) + parts[k][12:]
    return closed(said, parts)


def splice(stream: bytes, rng: np.random.Generator, originals: Sequence[bytes]) -> bytes:
    said, parts = opened(stream)
    others = [piece for other in originals for piece in opened(other)[1]]
    parts = [others[int(rng.integers(len(others)))] if rng.random() < 0.5 else piece for piece in parts]
    return closed(with_lengths(said, opened(stream)[1], parts), parts)


def claim(stream: bytes, rng: np.random.Generator, _: Sequence[bytes]) -> bytes:
    """As many tiles as there are, but of another size, up to the largest; half of the time only the first is left."""
    said, parts = opened(stream)
    (rows, cols, bands, tile, *_), at = read_leb128(said, 11, 6)
    new = int(rng.choice([1, 2, 16, 32, 64]))
    grown = (((side - 1) // (64 * tile)) * 64 * new + int(rng.integers(1, 64 * new + 1)) for side in (rows, cols))
    flags = said[10] & ~2  # a mask would not fit
    head = said[:10] + bytes([flags]) + b"".join(map(leb128, (*grown, bands, new, 0, 0)))
    kept = parts[1:] if said[10] & 2 else parts
    lengths, begin = lengths_of(said)
    head += said[at:begin] + b"".join(map(leb128, lengths[len(parts) - len(kept) :]))
    good = closed(head, kept)
    return good if rng.random() < 0.5 else good[: -sum(len(piece) + 4 for piece in kept[1:]) or None]


DAMAGES: dict[str, Damage] = {
    "bits": bits,
    "run": run,
    "cut": cut,
    "swap": swap,
    "shift": shift,
    "head": head,
    "part": part,
    "splice": splice,
    "claim": claim,
}


def window(stream: bytes, rng: np.random.Generator) -> tuple[int, int]:
    start = int(rng.integers(len(stream)))
    return start, min(len(stream), start + int(rng.integers(1, 65)))


def opened(stream: bytes) -> tuple[bytes, list[bytes]]:
    """The bytes of the head, and the parts, without their checksums."""
    (length,), at = read_leb128(stream, 5, 1)
    said, at = stream[at + 4 : at + 4 + length], at + 4 + length
    parts = []
    for size in lengths_of(said)[0]:
        parts.append(stream[at + 4 : at + 4 + size])
        at += 4 + size
    return said, parts


def lengths_of(said: bytes) -> tuple[list[int], int]:
    """The lengths of all parts in a good head, and where they begin."""
    (rows, cols, bands, tile, *_), at = read_leb128(said, 11, 6)
    groups = [3] if said[10] & 1 else [1] * bands
    for planes in groups:
        _, at = read_leb128(said, at + 1, planes)
    n_tiles = -(-rows // (64 * tile)) * -(-cols // (64 * tile)) * len(groups)
    return read_leb128(said, at, (said[10] >> 1 & 1) + (said[10] >> 3 & 1) + n_tiles)[0], at


def with_lengths(said: bytes, before: Sequence[bytes], parts: Sequence[bytes]) -> bytes:
    if [len(p) for p in before] == [len(p) for p in parts]:
        return said
    return said[: lengths_of(said)[1]] + b"".join(leb128(len(p)) for p in parts)


def closed(said: bytes, parts: Sequence[bytes]) -> bytes:
    """A stream whose checksums are right."""
    checked = [zlib.crc32(p).to_bytes(4, "little") + p for p in (said, *parts)]
    return b"\x89OBQ\x01" + leb128(len(said)) + b"".join(checked)


if __name__ == "__main__":
    main()
