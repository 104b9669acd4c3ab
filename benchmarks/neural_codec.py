"""The fixed-quality codec on one core: what tiling, entropy coding and the container add to the bare networks.

    OMP_NUM_THREADS=1 python benchmarks/neural_codec.py [--rounds 5] [--scene] [--output FILE]

All times are CPU time of this process, the best of several rounds that take turns, of a 12-bit scene of 2048 × 2048
samples that is made here. *bare*: the same networks on the same samples in pieces of 1024, without margins, files or
entropy coding. `--scene` also compresses and decompresses a 10,000 × 10,000 file of 12 bits in processes of their own
and reads their peak memory. `python benchmarks/rans.py` compares the entropy coder with constriction's.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from orbiq.arrays import Scene
from orbiq.codecs.neural import FixedQuality
from orbiq.codecs.neural_container import Head
from orbiq.codecs.neural_model import Model
from orbiq.codecs.neural_passes import areas
from orbiq.imageio import write_image

SIDE, BITS = 2048, 12
SCENE_SIDE = 10_000
MEASURED = """
import pathlib, sys
from orbiq.cli.main import app
try:
    app()
finally:
    print(pathlib.Path("/proc/self/status").read_text(), file=sys.stderr)
"""
"""getrusage would count the memory of the process that began this one too, for it was that before it was another."""


def scene(side: int) -> np.ndarray:
    """Detail at all scales and sensor noise, 12 bits in uint16 (side, side, 1)."""
    rng = np.random.default_rng(0)
    total = np.zeros((side, side), np.float32)
    for scale in (1, 3, 9, 27, 81):
        small = rng.normal(size=(side // scale + 2, side // scale + 2)).astype(np.float32)
        total += cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC) * scale**0.7
    total = 1500 + 60 * total + rng.normal(0, 6, (side, side)).astype(np.float32)
    return np.clip(np.rint(total), 0, 4095).astype(np.uint16)[..., None]


def best(works: dict, rounds: int) -> dict[str, float]:
    """CPU seconds of each, the best of the rounds."""
    seconds = dict.fromkeys(works, np.inf)
    for _ in range(rounds):
        for name, work in works.items():
            begun = time.process_time()
            work()
            seconds[name] = min(seconds[name], time.process_time() - begun)
    return seconds


def bare_passes(model: Model, array: np.ndarray, head: Head) -> dict:
    """The networks alone, on what the codec would give them."""
    pieces = []
    for area in areas(array.shape, head.tile_px):
        rows, cols = area.pixels(array.shape)
        seen = torch.from_numpy(head.scalings[0].seen(array[rows, cols]))[None]
        levels = torch.full((1, *area.shape), 128, dtype=torch.uint8)
        latents = model.latents(seen)
        pieces.append((seen, latents, latents * model.mask(levels), levels))

    def encode() -> None:
        for seen, _, masked, levels in pieces:
            model.latents(seen)
            model.foretold(model.hyperlatents(masked, levels), levels)

    def fixed_quality() -> None:
        for seen, latents, masked, levels in pieces:
            model.latents(seen)
            model.picture(latents)
            model.foretold(model.hyperlatents(masked, levels), levels)

    hyper = [(model.hyperlatents(masked, levels), levels, latents) for _, latents, masked, levels in pieces]

    def decode() -> None:
        for z, levels, latents in hyper:
            model.foretold(z, levels)
            model.picture(latents)

    return {"bare encode": encode, "bare fixed-quality encode": fixed_quality, "bare decode": decode}


def speeds(rounds: int) -> dict[str, float]:
    """Megasamples a CPU second, and the codec's time over that of the bare networks."""
    array = scene(SIDE)
    plain = FixedQuality(lmbda=2.0, bits=BITS)
    asked = FixedQuality(psnr_db=52.0, bits=BITS, corrections=0)
    model = plain.loaded()
    raster = Scene(array=array)
    stream = plain.encode(array)
    works = bare_passes(model, array, plain.head(raster, model)) | {
        "encode": lambda: plain.encode(array),
        "fixed-quality encode": lambda: asked.encode(array),
        "decode": lambda: plain.decode(stream),
    }
    seconds = best(works, rounds)
    found = {f"{name}, megasamples/s": array.size / s / 1e6 for name, s in seconds.items()}
    for name in ("encode", "fixed-quality encode", "decode"):
        found[f"{name}, time over bare"] = seconds[name] / seconds[f"bare {name}"]
    return found


def large_scene(folder: Path) -> dict[str, float]:
    """Peak memory, GB, of compressing and decompressing a large file."""
    image, packed, back = folder / "scene.tif", folder / "scene.obq", folder / "back.tif"
    write_image(image, scene(SCENE_SIDE))
    codec = "fixed-quality:psnr_db=50,corrections=1"
    commands = {
        "compress 10,000², GB": ["compress", image, "--codec", codec, "--peak", "4095", "--output", packed],
        "decompress 10,000², GB": ["decompress", packed, "--output", back],
    }
    found = {}
    for name, command in commands.items():
        run = subprocess.run(
            [sys.executable, "-c", MEASURED, *map(str, command)], capture_output=True, text=True, check=True
        )
        found[name] = float(run.stderr.split("VmHWM:")[-1].split()[0]) * 1024 / 1e9
    found["compress 10,000², bits per pixel"] = 8 * packed.stat().st_size / SCENE_SIDE**2
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scene", action="store_true")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "neural_codec.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = speeds(options.rounds)
    if options.scene:
        with tempfile.TemporaryDirectory() as folder:
            found |= large_scene(Path(folder))
    for name, value in found.items():
        print(f"{name:45s} {value:8.3f}")
    options.output.write_text(json.dumps({"schema": 1, **found}, indent=1) + "\n")
    print("this process peaked at", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "MB")


if __name__ == "__main__":
    main()
