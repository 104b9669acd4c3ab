"""Lossless modes on every image of a folder, whole: whether they are, and how small the streams get.

    python benchmarks/lossless.py FOLDER [--jobs 2]

Every image that orbiq reads (PNG, TIFF, JPEG, BMP; whole, all bands) through every codec that declares its dtype, in
its lossless mode at a quick effort. AVIF is passed over where samples need more than its 12 bits. The array that comes
back must be the same to the last bit, NaN as NaN. Prints, and writes results/lossless.json: for each codec and dtype
the images, the samples, and the bits per sample over all of them.
"""

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from orbiq.codecs.base import CODECS
from orbiq.errors import OrbiqError
from orbiq.imageio import read_image
from orbiq.registry import build

LOSSLESS: dict[str, dict[str, Any]] = {
    "jpeg2000": {}, "htj2k": {}, "jpegxl": {"effort": 2}, "jpegls": {}, "webp": {"method": 0},
    "avif": {"quality": 100, "speed": 10}, "ccsds121": {}, "lerc": {}, "png": {"level": 1}, "deflate": {"level": 1},
}  # fmt: skip
SUFFIXES = {".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp"}
Array = npt.NDArray[Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    paths = sorted(p for p in args.folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    sums: dict[tuple[str, str], dict[str, float]] = {}
    n_images = 0
    with ProcessPoolExecutor(args.jobs) as pool:
        for found in pool.map(checked, paths, chunksize=4):
            n_images += bool(found)
            for codec, dtype, n_samples, n_bytes, same in found:
                row = sums.setdefault((codec, dtype), {"images": 0, "not_lossless": 0, "samples": 0, "bytes": 0})
                row["images"] += 1
                row["not_lossless"] += not same
                row["samples"] += n_samples
                row["bytes"] += n_bytes
    table = [
        {"codec": codec, "dtype": dtype, **row, "bits_per_sample": round(8 * row["bytes"] / row["samples"], 3)}
        for (codec, dtype), row in sorted(sums.items())
    ]
    for line in table:
        print(line)
    failed = sum(int(line["not_lossless"]) for line in table)
    print(f"{n_images} images, {sum(int(line['images']) for line in table)} codings, {failed} not lossless")
    results = {"images": n_images, "not_lossless": failed, "codecs": table}
    (Path(__file__).parent / "results" / "lossless.json").write_text(json.dumps(results, indent=1) + "\n")


def checked(path: Path) -> list[tuple[str, str, int, int, bool]]:
    """(codec, dtype, samples, bytes, whether it came back) for every codec that takes the image."""
    try:
        array = read_image(path).array
    except OrbiqError:  # complex samples, and the like
        return []
    return list(through_all(array))


def through_all(array: Array) -> Iterator[tuple[str, str, int, int, bool]]:
    for name, given in LOSSLESS.items():
        codec = build(CODECS, {"name": name, **given})
        if str(array.dtype) not in codec.dtypes or (name == "avif" and beyond_12_bits(array)):
            continue
        stream = codec.encode(array)
        back = codec.decode(stream)
        same = back.dtype == array.dtype and np.array_equal(back, array, equal_nan=array.dtype.kind == "f")
        yield name, str(array.dtype), array.size, len(stream), bool(codec.lossless and same)


def beyond_12_bits(array: Array) -> bool:
    if array.dtype == np.uint8:
        return False
    low, high = (-2048, 2047) if array.dtype == np.int16 else (0, 4095)
    return int(array.min()) < low or int(array.max()) > high


if __name__ == "__main__":
    main()
