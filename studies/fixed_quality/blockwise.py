"""What quality by blocks costs in rate: against one λ for all of an image, at the same PSNR of the whole.

    ORBIQ_TEST_DATA=… python blockwise.py [--model FILE]

An image coded at one λ gives a curve of rate over PSNR; coded block by block it gives a point, whose rate is compared
with the curve's at its PSNR. Writes results/blockwise.csv: the mean difference in % over images, with its 95 %
bootstrap interval, for each size of block and each target.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import sets
from scipy.interpolate import PchipInterpolator

from orbiq.arrays import Scene
from orbiq.bootstrap import mean_interval
from orbiq.codecs.neural import FixedQuality

HERE = Path(__file__).parent
LMBDAS = (0.03, 0.06, 0.12, 0.25, 0.5, 0.9)
ASKED = {
    "airports": ({}, 1.0, (36.0, 40.0, 44.0)),
    "pan 12 bit": ({"bits": 12, "peak": 4095.0}, 4.0, (46.0, 50.0, 54.0)),
}
"""Settings, what λ is multiplied by, for ten bits of twelve are used, and targets in dB."""


def coded(codec: FixedQuality, scene: Scene) -> tuple[float, float]:
    """Bits per pixel, and the PSNR of the whole."""
    stream = codec.encode(scene.array)
    error = codec.decode(stream).astype(float) - scene.array
    return 8 * len(stream) / scene.n_pixels, float(10 * np.log10(scene.required_peak() ** 2 / np.mean(error**2)))


def rows(model: str, every: int) -> list[dict]:
    """One for each sensor, block and target."""
    found = []
    for name, (settings, times, targets) in ASKED.items():
        scenes = sets.judged()[name][::every]
        base = {"model": model, **settings}
        curves = []
        for scene in scenes:
            points = sorted(coded(FixedQuality(lmbda=times * lmbda, **base), scene)[::-1] for lmbda in LMBDAS)
            quality, rate = np.array(points).T
            curves.append(PchipInterpolator(quality, np.log(rate), extrapolate=False))
        for block in (64, 32, 16):
            for target in targets:
                costs = []
                for scene, curve in zip(scenes, curves, strict=True):
                    rate, quality = coded(FixedQuality(psnr_db=target, block=block, **base), scene)
                    costs.append(100 * (rate / np.exp(curve(quality)) - 1))
                values = np.array(costs)
                low, high = mean_interval(values, rng=np.random.default_rng(0))
                row = {"sensor": name, "block": block, "psnr_db": target, "n_images": int(np.isfinite(values).sum())}
                found.append(row | {"cost_pct": np.nanmean(values), "low_pct": low, "high_pct": high})
                print(found[-1], flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="aerial")
    parser.add_argument("--every", type=int, default=1, help="take every n-th image")
    options = parser.parse_args()
    found = rows(options.model, options.every)
    with (HERE / "results" / "blockwise.csv").open("w", newline="") as sink:
        writer = csv.DictWriter(sink, list(found[0]))
        writer.writeheader()
        writer.writerows({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()} for row in found)


if __name__ == "__main__":
    main()
