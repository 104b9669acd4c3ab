"""A 10,000 × 10,000 uint16 GeoTIFF through sensor and jpeg2000: peak memory and time.

    python benchmarks/large_image.py [--side 10000] [--spec "sensor:…>jpeg2000:…"]

The image, made up and written to a temporary folder, is one of a dataset that `orbiq modify` takes in a process of its
own; its peak resident memory is what the kernel says of it (Linux). The goal is below 2 GB (2·10⁹ bytes), the image
itself being 0.2 GB. Prints, and writes results/large_image.json.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import rasterio
from rasterio.windows import Window

SPEC = "sensor:factor=1.5,mtf_nyquist=0.1,snr=60,bits=11>jpeg2000:rate_bpp=1"
LIMIT_GB = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=10_000)
    parser.add_argument("--spec", action="append", help=f"chains to measure, instead of {SPEC} and jpeg2000 alone")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as place:
        dataset = Path(place) / "large"
        written(dataset, args.side)
        for spec in args.spec or (SPEC, "jpeg2000:rate_bpp=1"):
            rows.append(measured(dataset, spec, args.side))
            print(rows[-1], flush=True)
    if args.spec is None and args.side == 10_000:
        (Path(__file__).parent / "results" / "large_image.json").write_text(json.dumps(rows, indent=1) + "\n")


def written(dataset: Path, side: int) -> None:
    """Straight-edged fields at 12 bits, noise included, strip by strip."""
    (dataset / "images").mkdir(parents=True)
    (dataset / "dataset.json").write_text(json.dumps({"peak": 4095, "gsd_m": 0.5}))
    rng = np.random.default_rng(3)
    profile = {"driver": "GTiff", "dtype": "uint16", "count": 1, "height": side, "width": side, "tiled": True}
    place = rasterio.transform.from_origin(500_000, 4_600_000, 0.5, 0.5)
    path = dataset / "images" / "large.tif"
    with rasterio.open(path, "w", **profile, crs="EPSG:32631", transform=place, compress="deflate") as out:
        for top in range(0, side, 500):
            ground = np.full((500, side), 900.0, np.float32)
            for col in range(60, side, 120):
                for row in (125, 375):
                    box = cv2.boxPoints(((col, row), (70, 70), float(rng.uniform(5, 85))))
                    cv2.fillConvexPoly(ground, np.rint(box * 16).astype(int), float(rng.uniform(1500, 3000)), shift=4)
            seen = cv2.GaussianBlur(ground, (0, 0), 0.8) + rng.normal(0, 8, ground.shape)
            strip = np.rint(seen[: min(500, side - top)]).astype(np.uint16)
            out.write(strip, 1, window=Window(0, top, side, strip.shape[0]))


def measured(dataset: Path, spec: str, side: int) -> dict[str, object]:
    code = (
        "import sys, resource, orbiq\n"
        "v = orbiq.modify(sys.argv[1], sys.argv[2], jobs=1)\n"
        "print(v.rate.bits_per_pixel, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code, str(dataset), spec], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    rate, peak_kib = (float(word) for word in done.stdout.split())
    peak_gb = peak_kib * 1024 / 1e9
    return {
        "spec": spec,
        "image": f"{side} × {side} uint16",
        "peak_gb": round(peak_gb, 3),
        "limit_gb": LIMIT_GB,
        "holds": peak_gb < LIMIT_GB,
        "bits_per_pixel": round(rate, 4),
        "seconds": round(time.monotonic() - start, 1),
    }


if __name__ == "__main__":
    main()
