"""Can the predictor see how many Fourier samples a magnetic resonance image was reconstructed from?

    python mri.py train          the unrolled network, on phantoms
    python mri.py reconstruct    unseen phantoms at each rate: results/mri_reconstruction.csv and .png

Images are phantoms (`orbiq.mri.phantom`) of 320×320 pixels, for measured data may not be passed on; training takes
seeds from 0, everything else seeds from 500,000 on. Lines are random, 4 % of them the centre. Weights go to work/.
"""

import argparse
import csv
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np

from orbiq.learning.loop import Plan
from orbiq.mri.masks import Sampling
from orbiq.mri.phantoms import Phantom, phantom
from orbiq.mri.reconstruction import to_kspace, total_variation, zero_filled
from orbiq.numerics import image_rng

mpl.use("Agg")
import matplotlib.pyplot as plt  # after the choice of what draws

HERE = Path(__file__).parent
RESULTS, WORK = HERE / "results", HERE / "work"
UNROLLED = WORK / "unrolled.safetensors"
RATES = (1, 2, 4, 6, 8, 10)
FIRST_UNSEEN = 500_000
PLAN = Plan(steps=2000, rate=3e-3, warmup=20, decay=600, mean_of=60, judge_every=500, half_precision=True)


def train() -> None:
    """On one core, in about ten minutes."""
    import torch

    from orbiq.mri.unrolled import save_unrolled
    from orbiq.mri.unrolled_training import trained

    torch.set_num_threads(1)
    begun = time.process_time()

    def log(step: int, values: dict[str, float]) -> None:
        told = {name: round(value, 4) for name, value in values.items()}
        print(step, f"{time.process_time() - begun:.0f} s", told, flush=True)

    save_unrolled(UNROLLED, trained(WORK / "unrolled", plan=PLAN, log=log))


def methods() -> dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """From samples and their mask to an image."""
    from orbiq.mri.unrolled import load_unrolled, reconstruct

    return {
        "zero-filled": zero_filled,
        "total-variation": total_variation,
        "unrolled": partial(reconstruct, load_unrolled(UNROLLED)),
    }


def unseen(count: int, *, first: int = FIRST_UNSEEN) -> Iterator[tuple[str, Phantom]]:
    """Phantoms that nothing was trained on, with names."""
    return ((str(k), phantom(k)) for k in range(first, first + count))


def taken(name: str, shape: tuple[int, int], rate: float) -> np.ndarray:
    """The samples of an image at a rate: of lower rates, some of those of higher ones."""
    return Sampling(rate=rate).mask(shape, rng=image_rng(0, name))


def reconstruct(count: int) -> None:
    """NRMSE and PSNR of magnitudes, against the phantom's own largest one, in the mean over images."""
    rows = []
    for method, found_by in methods().items():
        for rate in RATES:
            scores = []
            for name, made in unseen(count):
                truth = made.magnitude
                found = np.abs(found_by(to_kspace(made.image), taken(name, truth.shape, rate)))
                nrmse = np.linalg.norm(found - truth) / np.linalg.norm(truth)
                psnr_db = 10 * np.log10(truth.max() ** 2 / max(np.square(found - truth).mean(), 1e-20))
                scores.append((nrmse, psnr_db))
            nrmse, psnr_db = np.mean(scores, axis=0)
            row = {"method": method, "rate": rate, "n_images": count, "nrmse": nrmse, "psnr_db": psnr_db}
            rows.append({k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in row.items()})
            print(rows[-1], flush=True)
    write_rows(RESULTS / "mri_reconstruction.csv", rows)
    picture()


def picture() -> None:
    """A joint at each rate, by each method, its middle."""
    name, made = next(pair for pair in unseen(20) if pair[1].body[0].any())
    shown = (2, 4, 8)
    figure, axes = plt.subplots(3, 1 + len(shown), figsize=(10, 7.8), layout="constrained")
    for line, (method, found_by) in zip(axes, methods().items(), strict=True):
        masks = [taken(name, made.magnitude.shape, rate) for rate in shown]
        images = [made.magnitude, *(np.abs(found_by(to_kspace(made.image), mask)) for mask in masks)]
        for axis, image, title in zip(line, images, ("all samples", *(f"R = {r}" for r in shown)), strict=True):
            axis.imshow(image[80:240, 80:240], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axis.set(xticks=[], yticks=[], title=title)
        line[0].set_ylabel(method)
    figure.savefig(RESULTS / "mri_reconstruction.png", dpi=100)


def write_rows(path: Path, rows: list[dict]) -> None:
    with path.open("w", newline="") as sink:
        writer = csv.DictWriter(sink, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "reconstruct"])
    parser.add_argument("--count", type=int, default=16, help="unseen images")
    options = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    if options.what == "train":
        train()
    else:
        reconstruct(options.count)


if __name__ == "__main__":
    main()
