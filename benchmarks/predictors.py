"""Predictors of quality on one core: time of a map, tiles against the whole, memory of a large image, CPU against GPU.

    OMP_NUM_THREADS=1 python benchmarks/predictors.py [--rounds 5] [--scene] [--device cuda] [--output FILE]

Of an image of 1024 × 1024 × 3 that is made here: CPU seconds of this process, the best of several rounds that take
turns, for the quality map, for the same network without tiles, checks and masks (*bare*), and for SSIM beside a
reference, a metric that everybody knows the price of. The largest difference between tiles and one piece is in parts
of the scale (1 is 100 points). `--scene` measures a file of 10,000 × 10,000 × 3 in a process of its own and reads its
peak memory. `--device` runs the same weights there too.
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
import torch
from rasterio.windows import Window

from orbiq.learning.restoring import restored
from orbiq.metrics import ssim
from orbiq.predictors import QualityFactor
from orbiq.predictors.quality_factor import KIND
from orbiq.predictors.quality_network import built, folded, network_input, qualities
from orbiq.predictors.shipped import model_file, weights_of
from orbiq.tiles import tiling

SIDE, SCENE_SIDE = 1024, 10_000
MEASURED = """
import pathlib, sys
from orbiq.cli.main import app
try:
    app()
finally:
    print(pathlib.Path("/proc/self/status").read_text(), file=sys.stderr)
"""


def scene(side: int, seed: int = 0) -> np.ndarray:
    """Detail at all scales and noise, uint8 (side, side, 3)."""
    rng = np.random.default_rng(seed)
    total = np.zeros((side, side, 3), np.float32)
    for scale in (1, 3, 9, 27, 81):
        small = rng.normal(size=(side // scale + 2, side // scale + 2, 3)).astype(np.float32)
        total += cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC) * scale**0.7
    return np.clip(np.rint(110 + 3 * total), 0, 255).astype(np.uint8)


def best(works: dict, rounds: int) -> dict[str, float]:
    """CPU seconds of each, the best of the rounds."""
    seconds = dict.fromkeys(works, np.inf)
    for _ in range(rounds):
        for name, work in works.items():
            begun = time.process_time()
            work()
            seconds[name] = min(seconds[name], time.process_time() - begun)
    return seconds


def times(rounds: int) -> dict[str, object]:
    image, other = scene(SIDE), scene(SIDE, 1)
    predictor, network = QualityFactor.load("rgb"), bare_network()
    with tiling(threads=1), torch.inference_mode():
        seconds = best(
            {
                "map_s": lambda: predictor.map(image),
                "bare_s": lambda: bare(network, image),
                "ssim_s": lambda: ssim(other, image),
            },
            rounds,
        )
    with tiling(size=100_000, threads=1):
        whole = predictor.map(image)
    worst = 0.0
    for size in (64, 256, 500):
        with tiling(size=size, threads=2):
            worst = max(worst, float(np.nanmax(np.abs(predictor.map(image) - whole))) / 100)
    return {
        "image": f"{SIDE} × {SIDE} × 3 uint8",
        **{name: round(value, 3) for name, value in seconds.items()},
        "map_over_bare": round(seconds["map_s"] / seconds["bare_s"], 2),
        "map_over_ssim": round(seconds["map_s"] / seconds["ssim_s"], 2),
        "tiled_less_whole": float(f"{worst:.2g}"),
    }


def bare_network() -> torch.nn.Module:
    path = model_file("rgb", kind=KIND)
    return folded(restored(built, weights_of(path, kind=KIND), path))


def bare(network: torch.nn.Module, image: np.ndarray) -> np.ndarray:
    x = torch.from_numpy(image.transpose(2, 0, 1).copy())[None].to(next(network.parameters()).device)
    return 100 * qualities(network(network_input(x))).cpu().numpy()


def elsewhere(device: str) -> dict[str, object]:
    """The largest difference in points between the processor and another device."""
    image, network = scene(SIDE), bare_network()
    with torch.inference_mode():
        here = bare(network, image)
        there = bare(network.to(device), image)
    return {"device": torch.cuda.get_device_name(device), "points_apart": float(f"{np.abs(here - there).max():.2g}")}


def large(side: int) -> dict[str, object]:
    """Peak memory of `orbiq measure` on a file, and what it said."""
    part = scene(SIDE)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "large.tif"
        profile = {"driver": "GTiff", "dtype": "uint8", "count": 3, "height": side, "width": side, "tiled": True}
        with rasterio.open(path, "w", **profile, compress="deflate") as out:
            for row in range(0, side, SIDE):
                for col in range(0, side, SIDE):
                    piece = part[: min(SIDE, side - row), : min(SIDE, side - col)]
                    out.write(piece.transpose(2, 0, 1), window=Window(col, row, piece.shape[1], piece.shape[0]))
        words = ["measure", str(path), "--metrics", "qf,qf_map", "--maps", str(Path(place) / "maps"), "--json"]
        begun = time.monotonic()
        done = subprocess.run([sys.executable, "-c", MEASURED, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    peak_kib = next(int(line.split()[1]) for line in done.stderr.splitlines() if line.startswith("VmHWM"))
    said = {row["score"]: round(row["mean"], 3) for row in json.loads(done.stdout)["means"]}
    return {
        "image": f"{side} × {side} × 3 uint8, score and map",
        "peak_gb": round(peak_kib * 1024 / 1e9, 3),
        "seconds": round(time.monotonic() - begun, 1),
        **said,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scene", action="store_true")
    parser.add_argument("--device")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = [times(args.rounds)]
    print(rows[-1], flush=True)
    if args.scene:
        rows.append(large(SCENE_SIDE))
        print(rows[-1], flush=True)
    if args.device:
        rows.append(elsewhere(args.device))
        print(rows[-1], flush=True)
    if args.output:
        args.output.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
