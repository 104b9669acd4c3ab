"""Making variants: 100 PNGs of 1024×1024×3 through jpeg:quality=50, against OpenCV, in the same run.

    python benchmarks/variants.py [--images 100] [--rounds 3]

Peers: a plain serial OpenCV loop that reads, encodes, decodes and writes PNG at OpenCV's default; and two bare OpenCV
processes that share the work. Prints, and writes to results/variants.json:
  source_over_two   speed of orbiq, stored as PNG, over that of the two bare processes (goal ≥ 0.9)
  encoded_over_loop speed of orbiq with store: encoded over that of the serial loop (goal ≥ 3)
  peak_mb           largest resident memory of orbiq (goal ≤ 400 MB)
Rounds are interleaved and the best of each is taken, since other work on the machine only ever slows.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

LOOP = """
import sys, cv2
cv2.setNumThreads(1)
from pathlib import Path
source, target, part, parts = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
target.mkdir(exist_ok=True)
for path in sorted(source.iterdir())[part::parts]:
    image = cv2.imread(str(path), -1)
    _, stream = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 50])
    cv2.imwrite(str(target / path.name), cv2.imdecode(stream, -1))
"""
ORBIQ = """
import resource, sys
from orbiq.modifiers.variants import modify
modify(sys.argv[1], "jpeg:quality=50", store=sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        figures = measure(Path(place), n_images=args.images, rounds=args.rounds)
    print(json.dumps(figures, indent=1))
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "variants.json").write_text(json.dumps(figures, indent=1) + "\n")


def measure(place: Path, *, n_images: int, rounds: int) -> dict[str, float]:
    dataset = place / "data"
    write_pictures(dataset / "images", n_images)
    walls: dict[str, list[float]] = {"loop": [], "two": [], "source": [], "encoded": []}
    peak_mb = 0.0
    for _ in range(rounds):
        walls["loop"].append(loops(dataset / "images", place / "out", parts=1))
        walls["two"].append(loops(dataset / "images", place / "out", parts=2))
        for store in ("source", "encoded"):
            wall_s, rss_mb = orbiq(dataset, store)
            walls[store].append(wall_s)
            peak_mb = max(peak_mb, rss_mb)
    best = {name: min(values) for name, values in walls.items()}
    return {
        "n_images": n_images,
        "source_over_two": round(best["two"] / best["source"], 3),
        "encoded_over_loop": round(best["loop"] / best["encoded"], 3),
        "peak_mb": round(peak_mb, 1),
        **{f"{name}_s": round(wall_s, 2) for name, wall_s in best.items()},
    }


def write_pictures(folder: Path, n_images: int) -> None:
    """Seeded pictures with the spectrum of a natural scene and some noise, so that PNG and JPEG have usual work."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for k in range(n_images):
        field = sum(
            cv2.resize(rng.normal(size=(size, size, 3)).astype(np.float32), (1024, 1024), interpolation=cv2.INTER_CUBIC)
            * (30 / octave)
            for octave, size in enumerate((8, 32, 128, 512), start=1)
        )
        noisy = 110 + field + rng.normal(scale=2, size=(1024, 1024, 3))
        cv2.imwrite(str(folder / f"p{k:03d}.png"), np.clip(noisy, 0, 255).astype(np.uint8))


def loops(source: Path, target: Path, *, parts: int) -> float:
    """Wall seconds of the OpenCV loop, split over so many processes."""
    shutil.rmtree(target, ignore_errors=True)
    started = time.monotonic()
    command = [sys.executable, "-c", LOOP, str(source), str(target)]
    running = [subprocess.Popen([*command, str(k), str(parts)]) for k in range(parts)]
    codes = [process.wait() for process in running]
    wall_s = time.monotonic() - started
    if any(codes):
        raise SystemExit("the OpenCV loop failed")
    return wall_s


def orbiq(dataset: Path, store: str) -> tuple[float, float]:
    """(wall seconds, peak MB) of making the variant anew, start of Python and fingerprint included."""
    for old in dataset.parent.glob("data#*"):
        shutil.rmtree(old)
    started = time.monotonic()
    said = subprocess.run(
        [sys.executable, "-c", ORBIQ, str(dataset), store], check=True, capture_output=True, text=True
    )
    return time.monotonic() - started, float(said.stdout)


if __name__ == "__main__":
    main()
