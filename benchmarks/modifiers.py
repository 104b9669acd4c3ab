"""What modifiers cost above the plain OpenCV and NumPy lines that do the same, and beside albumentations.

    python benchmarks/modifiers.py [--rounds 9]

One picture of 1024×1024×3 uint8 in memory, one thread, CPU time, in turns, the median of the rounds. `plain` does the
same work: blur in float32 with the same kernel, rounded; noise from the same generator, added in float32, rounded and
clipped; JPEG there and back. The results of plain and orbiq must be the same to the last digit. albumentations 2.0.8
(pip install --no-deps with albucore, stringzilla, simsimd) is passed over where it is not installed; its blur is in 8
bits throughout and its noise is its own. Variants of whole folders, and two processes, are in variants.py.

Prints how many times faster orbiq is than each, with the goals (plain ≥ 0.95, albumentations ≥ 3), and writes
results/modifiers.json.
"""

import argparse
import importlib.util
import json
import os
import statistics
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
from orbiq.numerics import image_rng
from orbiq.registry import build

Image = npt.NDArray[np.uint8]
SIGMA_PX, SIGMA_DN, QUALITY = 1.5, 4.0, 50
GOALS = {"plain": 0.95, "albumentations": 3.0}


def plain_blur(image: Image) -> Image:
    size = 2 * ceil(4 * SIGMA_PX) + 1
    values = image.astype(np.float32)
    blurred = cv2.GaussianBlur(values, (size, size), SIGMA_PX, borderType=cv2.BORDER_REFLECT)
    return np.clip(np.rint(blurred), 0, 255).astype(np.uint8)


def plain_noise(image: Image) -> Image:
    rng = image_rng(0, "a.png")
    values = image + np.float32(SIGMA_DN) * rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def plain_jpeg(image: Image) -> Image:
    _, stream = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return np.asarray(cv2.cvtColor(cv2.imdecode(stream, -1), cv2.COLOR_BGR2RGB))


CASES: dict[str, tuple[dict[str, Any], Callable[[Image], Image]]] = {
    "blur": ({"name": "gaussian-blur", "sigma_px": SIGMA_PX}, plain_blur),
    "noise": ({"name": "gaussian-noise", "sigma_dn": SIGMA_DN}, plain_noise),
    "jpeg": ({"name": "jpeg", "quality": QUALITY}, plain_jpeg),
}


def rivals() -> dict[str, Callable[[Image], Image]]:
    """The same in albumentations, nothing where it is not installed."""
    if importlib.util.find_spec("albumentations") is None:
        return {}
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations

    share = SIGMA_DN / 255
    known = {
        "blur": albumentations.GaussianBlur(sigma_limit=(SIGMA_PX, SIGMA_PX), blur_limit=0, p=1),
        "noise": albumentations.GaussNoise(std_range=(share, share), p=1),
        "jpeg": albumentations.ImageCompression(quality_range=(QUALITY, QUALITY), p=1),
    }
    return {name: lambda image, t=transform: t(image=image)["image"] for name, transform in known.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    field = cv2.GaussianBlur(rng.normal(size=(1024, 1024, 3)), (0, 0), 2) * 200
    image = np.clip(110 + field + rng.normal(0, 2, field.shape), 0, 255).astype(np.uint8)
    table, others = [], rivals()
    for name, (settings, plain) in CASES.items():
        modifier, scene = build(MODIFIERS, settings), Scene(array=image, name="a.png")

        def ours(_: Image, modifier: Any = modifier, scene: Scene = scene) -> Image:
            array: Image = modifier(scene, rng=image_rng(0, "a.png")).scene.array
            return array

        peers = {"plain": plain} | ({"albumentations": others[name]} if name in others else {})
        times = timed({"orbiq": ours} | peers, image, args.rounds)
        row: dict[str, Any] = {"modifier": name, "same_as_plain": bool((ours(image) == plain(image)).all())}
        for peer in peers:
            row[f"times_faster_than_{peer}"] = round(
                statistics.median(t / o for t, o in zip(times[peer], times["orbiq"], strict=True)), 3
            )
        row["goals"] = GOALS
        table.append(row)
        print(row, flush=True)
    (Path(__file__).parent / "results" / "modifiers.json").write_text(json.dumps(table, indent=1) + "\n")


def timed(calls: dict[str, Callable[[Image], Image]], image: Image, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each call in each round, in turns, after a first call."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            start = time.process_time()
            call(image)
            if turn:
                times[name].append(time.process_time() - start)
    return times


if __name__ == "__main__":
    main()
