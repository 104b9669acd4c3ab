"""What the codecs cost above the libraries that they call.

    python benchmarks/codecs.py [--size 1024] [--rounds 40]

CPU time of one thread to encode and to decode a textured picture of 12 or 8 bits through `orbiq.codecs`, over that of
the bare call of imagecodecs (OpenCV for jpeg) with the same settings, in turns, the median of the rounds. The streams
must be the same to the byte, but for the frame that headerless codings need. Prints the ratios with the goal (≤ 1.05)
and writes results/codecs.json.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import numpy.typing as npt

from orbiq.codecs.base import CODECS
from orbiq.registry import build

Array = npt.NDArray[Any]
Call = Callable[[Array], Any]
GOAL = 1.05


def bare() -> dict[str, tuple[str, dict[str, Any], Call, Call]]:
    """Codec → what it is measured on, its settings, the library's own encode and decode."""
    return {
        "jpeg": (
            "rgb",
            {"quality": 80},
            lambda a: cv2.imencode(
                ".jpg",
                cv2.cvtColor(a, cv2.COLOR_RGB2BGR),
                [
                    cv2.IMWRITE_JPEG_QUALITY,
                    80,
                    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
                    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
                ],
            )[1].tobytes(),
            lambda s: cv2.cvtColor(cv2.imdecode(np.frombuffer(s, np.uint8), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGR2RGB),
        ),
        "jpeg2000": (
            "pan",
            {"level_db": 50.0, "bits": 12},
            lambda a: imagecodecs.jpeg2k_encode(
                a[..., 0], 50, codecformat="j2k", reversible=False, bitspersample=12, numthreads=1
            ),
            imagecodecs.jpeg2k_decode,
        ),
        "jpegxl": (
            "rgb",
            {"distance": 1.0},
            lambda a: imagecodecs.jpegxl_encode(a, distance=1.0, effort=5, numthreads=1),
            lambda s: imagecodecs.jpegxl_decode(s, numthreads=1),
        ),
        "jpegls": (
            "pan",
            {"max_error": 2},
            lambda a: imagecodecs.jpegls_encode(a[..., 0], level=2),
            imagecodecs.jpegls_decode,
        ),
        "webp": (
            "rgb",
            {"quality": 80},
            lambda a: imagecodecs.webp_encode(a, level=80, lossless=False, method=4, numthreads=1),
            imagecodecs.webp_decode,
        ),
        "png": ("rgb", {}, lambda a: imagecodecs.png_encode(a, level=6), imagecodecs.png_decode),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=40)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    pictures = made(args.size)
    table = []
    for name, (data, settings, encode, decode) in bare().items():
        codec, array = build(CODECS, {"name": name, **settings}), pictures[data]
        stream = codec.encode(array)
        same = stream == bytes(encode(array))
        row = {"codec": name, "settings": settings, "data": data, "same_stream": same}
        row["encode_over_bare"] = ratio(codec.encode, encode, array, args.rounds)
        row["decode_over_bare"] = ratio(codec.decode, decode, stream, args.rounds)
        row["goal"] = GOAL
        row["holds"] = max(row["encode_over_bare"], row["decode_over_bare"]) <= GOAL
        table.append(row)
        print(row, flush=True)
    results = Path(__file__).parent / "results"
    (results / "codecs.json").write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n")


def made(size: int) -> dict[str, Array]:
    """A pan picture of 12 bits and a colour picture of 8, textured, the same at every call."""
    rng = np.random.default_rng(1)
    field = cv2.GaussianBlur(rng.normal(size=(size, size, 3)), (0, 0), 3) * 9 + rng.normal(0, 0.05, (size, size, 3))
    rgb = np.clip(128 + 40 * field, 0, 255).astype(np.uint8)
    return {"rgb": rgb, "pan": np.clip(1500 + 500 * field[..., :1], 0, 4095).astype(np.uint16)}


def ratio(ours: Call, theirs: Call, given: Any, rounds: int) -> float:
    """Median of the CPU time of ours over theirs, in turns."""
    ours(given), theirs(given)
    found = []
    for turn in range(rounds):  # who comes second finds the caches as the first left them
        first, second = (ours, theirs) if turn % 2 else (theirs, ours)
        times = {first: cpu_s(first, given), second: cpu_s(second, given)}
        found.append(times[ours] / times[theirs])
    return round(statistics.median(found), 3)


def cpu_s(call: Call, given: Any) -> float:
    start = time.process_time()
    call(given)
    return time.process_time() - start


if __name__ == "__main__":
    main()
