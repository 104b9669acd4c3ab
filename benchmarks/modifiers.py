"""What modifiers cost above the plain OpenCV and NumPy lines that do the same, beside albumentations, and by workers.

    python benchmarks/modifiers.py [--rounds 20] [--images 12] [--file-rounds 9]

**In memory**: one picture of 1024×1024×3 uint8, one thread, CPU time, in turns, the median of the rounds. `plain` does
the same work: blur in float32 with the same kernel, rounded; noise from the same generator, added in float32, rounded
and clipped (drawn for the whole picture and not by strips, so that the numbers differ; `numpy_normal` draws numpy's);
JPEG there and back; gsd by 2 with the same weights at the new pixels' centres, which lie between old ones: a kernel of
even phase through cv2.sepFilter2D, every second pixel kept. `differs` is the share of samples in which the results
differ; `by_most` is 1 where a sum in another order was rounded at a half. albumentations 2.0.8 (pip install --no-deps
with albucore, stringzilla, simsimd) is passed over where it is not installed; its blur of 8-bit pictures is in fixed
point of 8 bits and cut at 3.5 σ, so that it also stands there with the picture as float32, which is the work that is
done here; its noise is OpenCV's.

**On files**: `orbiq.modify` of a folder of PNGs, with 1 and with 2 jobs, beside one and two bare Python processes that
read, change (the plain functions above) and write them with OpenCV. The clock runs from the first to the last picture,
imports are not counted. `scaling` is how much faster 2 are than 1, by wall time, in turns. Rounds in which two bare
processes are less than 1.5 times as fast as one are thrown away: something else had the second core. The median of the
others, and how many they are.

Prints the figures with the goals (plain ≥ 0.95, albumentations ≥ 3, scaling ≥ 0.9 of that of bare processes), and
writes results/modifiers.json.
"""

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from orbiq.arrays import Scene
from orbiq.modifiers.base import MODIFIERS
from orbiq.modifiers.variants import modify
from orbiq.numerics import image_rng, normal_by_bins
from orbiq.optics import psf_sigma
from orbiq.registry import build, spec_text

Image = npt.NDArray[np.uint8]
SIGMA_PX, SIGMA_DN, QUALITY, FACTOR = 1.5, 4.0, 50, 2
QUIET = 1.5
GOALS = {"plain": 0.95, "albumentations": 3.0, "scaling_over_bare": 0.9}


def plain_blur(image: Image) -> Image:
    size = 2 * ceil(4 * SIGMA_PX) + 1
    values = image.astype(np.float32)
    return rounded(cv2.GaussianBlur(values, (size, size), SIGMA_PX, borderType=cv2.BORDER_REFLECT))


def plain_noise(image: Image) -> Image:
    noise = normal_by_bins(image_rng(0, "a.png"), image.size).reshape(image.shape)
    return rounded(image + np.float32(SIGMA_DN) * noise)


def exact_noise(image: Image) -> Image:
    noise = image_rng(0, "a.png").standard_normal(image.shape, dtype=np.float32)
    return rounded(image + np.float32(SIGMA_DN) * noise)


def plain_jpeg(image: Image) -> Image:
    _, stream = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return np.asarray(cv2.cvtColor(cv2.imdecode(stream, -1), cv2.COLOR_BGR2RGB))


def plain_gsd(image: Image) -> Image:
    sigma, centre = psf_sigma(0.2, gsd=FACTOR), (FACTOR - 1) / 2
    half = ceil(4 * sigma)
    first = ceil(centre - half)
    kernel = np.exp(-(((np.arange(2 * half + 1) + first - centre) / sigma) ** 2) / 2)
    kernel /= kernel.sum()
    anchor = (-first, -first)
    values = image.astype(np.float32)
    seen = cv2.sepFilter2D(values, -1, kernel, kernel, anchor=anchor, borderType=cv2.BORDER_REFLECT)
    return rounded(seen[::FACTOR, ::FACTOR])


def rounded(values: npt.NDArray[np.float32]) -> Image:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


CASES: dict[str, tuple[dict[str, Any], Callable[[Image], Image]]] = {
    "blur": ({"name": "gaussian-blur", "sigma_px": SIGMA_PX}, plain_blur),
    "noise": ({"name": "gaussian-noise", "sigma_dn": SIGMA_DN}, plain_noise),
    "jpeg": ({"name": "jpeg", "quality": QUALITY}, plain_jpeg),
    "gsd": ({"name": "gsd", "factor": FACTOR}, plain_gsd),
}


def rivals() -> dict[str, dict[str, Callable[[Image], Image]]]:
    """The same in albumentations, nothing where it is not installed."""
    if importlib.util.find_spec("albumentations") is None:
        return {}
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations

    share = SIGMA_DN / 255
    blur = albumentations.GaussianBlur(sigma_limit=(SIGMA_PX, SIGMA_PX), blur_limit=0, p=1)
    noise = albumentations.GaussNoise(std_range=(share, share), p=1)
    jpeg = albumentations.ImageCompression(quality_range=(QUALITY, QUALITY), p=1)

    def in_float(image: Image) -> Image:
        return rounded(255 * blur(image=image.astype(np.float32) / 255)["image"])

    return {
        "blur": {"albumentations": lambda i: blur(image=i)["image"], "albumentations_in_float32": in_float},
        "noise": {"albumentations": lambda i: noise(image=i)["image"]},
        "jpeg": {"albumentations": lambda i: jpeg(image=i)["image"]},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--file-rounds", type=int, default=9)
    parser.add_argument("--bare", nargs=5, metavar=("CASE", "FROM", "TO", "PART", "PARTS"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.bare:
        bare(*args.bare)
        return
    table = in_memory(args.rounds)
    with tempfile.TemporaryDirectory() as place:
        for row, found in zip(table, on_files(Path(place), args.images, args.file_rounds), strict=True):
            row["files"] = found
            print(row, flush=True)
    told = {"goals": GOALS, "modifiers": table}
    (Path(__file__).parent / "results" / "modifiers.json").write_text(json.dumps(told, indent=1) + "\n")


def in_memory(rounds: int) -> list[dict[str, Any]]:
    image, table, others = picture(0), [], rivals()
    for name, (settings, plain) in CASES.items():
        modifier, scene = build(MODIFIERS, settings), Scene(array=image, name="a.png")

        def ours(_: Image, modifier: Any = modifier, scene: Scene = scene) -> Image:
            array: Image = modifier(scene, rng=image_rng(0, "a.png")).scene.array
            return array

        exact = {"numpy_normal": exact_noise} if name == "noise" else {}
        peers = {"plain": plain} | exact | others.get(name, {})
        times = timed({"orbiq": ours} | peers, image, rounds)
        off = np.abs(ours(image).astype(int) - plain(image))
        row: dict[str, Any] = {"modifier": name, "differs": float((off > 0).mean()), "by_most": int(off.max())}
        row["orbiq_ms"] = round(1000 * statistics.median(times["orbiq"]), 2)
        for peer in peers:
            row[f"times_faster_than_{peer}"] = round(
                statistics.median(t / o for t, o in zip(times[peer], times["orbiq"], strict=True)), 3
            )
        print(row, flush=True)
        table.append(row)
    return table


def picture(seed: int) -> Image:
    rng = np.random.default_rng(seed)
    field = cv2.GaussianBlur(rng.normal(size=(1024, 1024, 3)), (0, 0), 2) * 200
    return np.clip(110 + field + rng.normal(0, 2, field.shape), 0, 255).astype(np.uint8)


def timed(calls: dict[str, Callable[[Image], Image]], image: Image, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each call in each round, in turns, after a first call."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name in sorted(calls, reverse=bool(turn % 2)):  # who comes second finds the caches as the first left them
            start = time.process_time()
            calls[name](image)
            if turn:
                times[name].append(time.process_time() - start)
    return times


def on_files(place: Path, n_images: int, rounds: int) -> list[dict[str, float | None]]:
    dataset = place / "data"
    (dataset / "images").mkdir(parents=True)
    for k in range(n_images):
        cv2.imwrite(str(dataset / "images" / f"p{k:03d}.png"), picture(k))
    return [scaled(name, dataset, rounds) for name in CASES]


def scaled(name: str, dataset: Path, rounds: int) -> dict[str, float | None]:
    """How much faster two workers are than one: orbiq's, and bare processes."""
    found = []
    for _ in range(rounds):
        bare_s = [bare_wall_s(name, dataset / "images", n) for n in (1, 2)]
        orbiq_s = [orbiq_wall_s(name, dataset, n) for n in (1, 2)]
        found.append((bare_s[0] / bare_s[1], orbiq_s[0] / orbiq_s[1]))
    quiet = [(bare_gain, orbiq_gain) for bare_gain, orbiq_gain in found if bare_gain >= QUIET]
    if not quiet:
        return {"scaling_over_bare": None, "rounds": 0}
    return {
        "scaling_over_bare": round(statistics.median(ours / theirs for theirs, ours in quiet), 3),
        "scaling_of_orbiq": round(statistics.median(ours for _, ours in quiet), 3),
        "scaling_of_bare": round(statistics.median(theirs for theirs, _ in quiet), 3),
        "rounds": len(quiet),
    }


def orbiq_wall_s(name: str, dataset: Path, jobs: int) -> float:
    for old in dataset.parent.glob("data#*"):
        shutil.rmtree(old)
    started = time.monotonic()
    modify(dataset, spec_text([CASES[name][0]]), jobs=jobs)
    return time.monotonic() - started


def bare_wall_s(name: str, source: Path, parts: int) -> float:
    """From the first process that begins to the last that ends; the monotonic clock is the system's."""
    target = source.parent.parent / "out"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    command = [sys.executable, __file__, "--bare", name, str(source), str(target)]
    running = [
        subprocess.Popen([*command, str(k), str(parts)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for k in range(parts)
    ]
    for process in running:
        if not process.stdout or process.stdout.readline() != "ready\n":
            raise SystemExit("a bare process failed")
    started = time.monotonic()
    for process in running:
        if process.stdin:
            process.stdin.write("go\n")
            process.stdin.flush()
    codes = [process.wait() for process in running]
    wall_s = time.monotonic() - started
    if any(codes):
        raise SystemExit("a bare process failed")
    return wall_s


def bare(name: str, source: str, target: str, part: str, parts: str) -> None:
    """Wait for the word, then read, change and write every so many pictures."""
    print("ready", flush=True)
    sys.stdin.readline()
    for path in sorted(Path(source).iterdir())[int(part) :: int(parts)]:
        cv2.imwrite(str(Path(target) / path.name), CASES[name][1](cv2.imread(str(path), -1)))


if __name__ == "__main__":
    main()
