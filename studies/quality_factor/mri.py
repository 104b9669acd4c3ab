"""Can the predictor see how many Fourier samples a magnetic resonance image was reconstructed from?

    python mri.py train          the unrolled network, on phantoms: nine minutes on one core
    python mri.py reconstruct    unseen phantoms at each rate: results/mri_reconstruction.csv and .png
    python mri.py phantoms       images for the predictor to train on, in work/mri-phantoms
    orbiq train quality-factor work/mri-phantoms --bands 1 --steps 4000 --half --output work/mri-quality
    orbiq train quality-factor work/mri-phantoms --bands 1 --steps 1800 --half --spoilt 0.5 --start work/mri-quality
        --output work/mri-quality-spoilt
    python mri.py predict        results/mri_prediction.csv, mri_spearman.csv, and figures of each predictor

After H. Cui, UCB/EECS-2023-130, section 5.2, figures 13 to 15. Images are phantoms (`orbiq.mri.phantom`) of 320×320
pixels, for measured data may not be passed on: seeds below 10,000 train, those from 500,000 on are what is judged.
Samples are on spokes (`radial`) or on columns (`random`), 4 % of the side the centre. Weights go to work/.

Predictions are of magnitudes as 8-bit images, 1.1 (a little above the brightest tissue) being 255: the mean of the map
over the `patch` of 160×160 pixels in the middle; over the `whole`; over the `foreground`, which is what a threshold
finds in the image itself, values that see anything else being left out; and over the `background`, those that see
nothing of it. ρ is Spearman's, between rate and prediction: of all images together, with its 95 % bootstrap interval
over images, and the mean of that of each image by itself. Of the two predictors one was trained with a quarter of
pieces that blur, noise or lost pixels had spoilt, the other went on with half of them.

What came, of 8 images: with the unrolled network ρ of the patch is 0.10 and 0.15 (spokes), not −0.9. Both predictors
tell JPEG, Gaussian blur and noise on unseen phantoms, but take reconstructions of a tenth of the samples for clean ones.
The whole has ρ −0.64 and −0.67, and all of that is the background; over the foreground nothing is left of it.
The weights of the unrolled network that these figures come from were trained with one decay more, at step 2000.
"""

import argparse
import csv
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path

import matplotlib as mpl
import numpy as np
from scipy.ndimage import binary_fill_holes, binary_opening, uniform_filter
from scipy.stats import spearmanr

from orbiq.imageio import write_image
from orbiq.learning.loop import Plan
from orbiq.mri.masks import Sampling
from orbiq.mri.phantoms import Phantom, phantom
from orbiq.mri.reconstruction import to_kspace, total_variation, zero_filled
from orbiq.numerics import image_rng
from orbiq.predictors.quality_factor import QualityFactor

mpl.use("Agg")
import matplotlib.pyplot as plt  # after the choice of what draws

HERE = Path(__file__).parent
RESULTS, WORK = HERE / "results", HERE / "work"
UNROLLED, RECONSTRUCTED = WORK / "unrolled.safetensors", WORK / "mri-reconstructed"
PREDICTORS = {"spoilt 0.25": WORK / "mri-quality", "spoilt 0.5": WORK / "mri-quality-spoilt"}
METHODS = ("zero-filled", "total-variation", "unrolled")
REGIONS = ("patch", "whole", "foreground", "background")
WHITE = 1.1
Said = dict[tuple[str, str, str], dict[str, np.ndarray]]
"""By predictor, pattern and method, then by region: (images, rates)."""
PATCH_PX = 160
PATTERNS = ("radial", "random")
RATES = (1, 2, 4, 6, 8, 10)
FIRST_UNSEEN = 500_000
PLAN = Plan(steps=2800, rate=3e-3, warmup=20, decay=600, mean_of=60, judge_every=500, half_precision=True)


def train() -> None:
    """The unrolled network."""
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

    ways = (zero_filled, total_variation, partial(reconstruct, load_unrolled(UNROLLED)))
    return dict(zip(METHODS, ways, strict=True))


def unseen(count: int, *, first: int = FIRST_UNSEEN) -> Iterator[tuple[str, Phantom]]:
    """Phantoms that nothing was trained on, with names."""
    return ((str(k), phantom(k)) for k in range(first, first + count))


def taken(name: str, shape: tuple[int, int], rate: float, *, pattern: str) -> np.ndarray:
    """The samples of an image at a rate: of higher rates, some of those of lower ones."""
    return Sampling(pattern=pattern, rate=rate).mask(shape, rng=image_rng(0, name))


def reconstruct(count: int) -> None:
    """NRMSE and PSNR of magnitudes, against the phantom's own largest one, in the mean over images."""
    rows = []
    RECONSTRUCTED.mkdir(exist_ok=True)
    for pattern, (method, found_by), rate in product(PATTERNS, methods().items(), RATES):
        scores, kept = [], []
        for name, made in unseen(count):
            truth = made.magnitude
            found = np.abs(found_by(to_kspace(made.image), taken(name, truth.shape, rate, pattern=pattern)))
            nrmse = np.linalg.norm(found - truth) / np.linalg.norm(truth)
            scores.append((nrmse, 10 * np.log10(truth.max() ** 2 / max(np.square(found - truth).mean(), 1e-20))))
            kept.append(levels(found))
        np.save(file_of(pattern, method, rate), np.stack(kept))
        nrmse, psnr_db = np.mean(scores, axis=0)
        row = {"pattern": pattern, "method": method, "rate": rate, "n_images": count}
        rows.append(row | {"nrmse": float(f"{nrmse:.3g}"), "psnr_db": round(float(psnr_db), 2)})
        print(rows[-1], flush=True)
    write_rows(RESULTS / "mri_reconstruction.csv", rows)
    picture()


def file_of(pattern: str, method: str, rate: int) -> Path:
    """Where the images (images, rows, cols, 1) of 8 bits of a way to reconstruct are kept."""
    return RECONSTRUCTED / f"{pattern}-{method}-{rate}.npy"


def picture() -> None:
    """The middle of a joint at some rates of spokes, by each method."""
    name, made = next(pair for pair in unseen(20) if pair[1].body[0].any())
    shown = (2, 4, 8)
    figure, axes = plt.subplots(3, 1 + len(shown), figsize=(10, 7.8), layout="constrained")
    for line, (method, found_by) in zip(axes, methods().items(), strict=True):
        masks = [taken(name, made.magnitude.shape, rate, pattern="radial") for rate in shown]
        images = [made.magnitude, *(np.abs(found_by(to_kspace(made.image), mask)) for mask in masks)]
        for axis, image, title in zip(line, images, ("all samples", *(f"R = {r}" for r in shown)), strict=True):
            axis.imshow(image[80:240, 80:240], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axis.set(xticks=[], yticks=[], title=title)
        line[0].set_ylabel(method)
    figure.savefig(RESULTS / "mri_reconstruction.png", dpi=100)


def write_phantoms(count: int = 300) -> None:
    """Clean images for the predictor."""
    folder = WORK / "mri-phantoms"
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(1000, 1000 + count):
        write_image(folder / f"{seed}.png", levels(phantom(seed).magnitude))


def levels(magnitude: np.ndarray) -> np.ndarray:
    """As uint8 (rows, cols, 1)."""
    return np.clip(np.rint(magnitude * (255 / WHITE)), 0, 255).astype(np.uint8)[..., None]


def foreground(image: np.ndarray) -> np.ndarray:
    """Where an image of 8 bits shows a body, from itself alone: bool (rows, cols)."""
    smooth = uniform_filter(image[..., 0].astype(float), 9)
    return binary_fill_holes(binary_opening(smooth > 0.15 * np.percentile(smooth, 95), iterations=4))


def by_region(predictor: QualityFactor, image: np.ndarray) -> list[float]:
    """The mean prediction of each region."""
    whole, body = predictor.map(image)[..., 0], foreground(image)
    side = PATCH_PX // 4
    top, left = ((cells - side) // 2 for cells in whole.shape)
    inside, outside = (predictor.map(image, mask=mask) for mask in (body, ~body))
    parts = (whole[top : top + side, left : left + side], whole, inside, outside)
    return [float(np.nanmean(part)) for part in parts]


def predict() -> None:
    """Tables and figures of what the predictors say of what `reconstruct` left."""
    said: Said = {}
    loaded = {name: QualityFactor.load(folder / "model.safetensors") for name, folder in PREDICTORS.items()}
    for (name, predictor), pattern, method in product(loaded.items(), PATTERNS, METHODS):
        images = [np.load(file_of(pattern, method, rate)) for rate in RATES]
        values = np.array([[by_region(predictor, image) for image in of_rate] for of_rate in images])
        said[name, pattern, method] = dict(zip(REGIONS, values.transpose(2, 1, 0), strict=True))
        print(name, pattern, method, values.mean(1).T.round(1).tolist(), flush=True)
    tell(said)
    for name, predictor in loaded.items():
        short = PREDICTORS[name].name.replace("-", "_")
        curves({key[1:]: regions for key, regions in said.items() if key[0] == name}, RESULTS / f"{short}.png")
        maps(predictor, RESULTS / f"{short}_maps.png")


def tell(said: Said) -> None:
    """The two tables."""
    means, relations = [], []
    for (predictor, pattern, method), regions in said.items():
        for region, values in regions.items():
            about = {
                "predictor": predictor,
                "pattern": pattern,
                "method": method,
                "region": region,
                "n_images": len(values),
            }
            for rate, column in zip(RATES, values.T, strict=True):
                spread = {"mean": round(column.mean(), 2), "sd": round(column.std(ddof=1), 2)}
                means.append(about | {"rate": rate} | spread)
            relations.append(about | relation(values))
            print(relations[-1])
    write_rows(RESULTS / "mri_prediction.csv", means)
    write_rows(RESULTS / "mri_spearman.csv", relations)


def relation(values: np.ndarray) -> dict[str, float]:
    """Spearman's ρ of rates and predictions (images, rates)."""

    def together(chosen: np.ndarray) -> float:
        return float(spearmanr(np.tile(RATES, len(chosen)), chosen.ravel()).statistic)

    rng = np.random.default_rng(0)
    drawn = [together(values[rng.integers(len(values), size=len(values))]) for _ in range(1000)]
    low, high = np.percentile(drawn, (2.5, 97.5))
    each = np.mean([spearmanr(RATES, row).statistic for row in values])
    found = {"spearman": together(values), "low": low, "high": high, "mean_of_each": each}
    return {name: round(float(value), 3) for name, value in found.items()}


def curves(said: dict[tuple[str, str], dict[str, np.ndarray]], path: Path) -> None:
    """Figure 14: prediction against rate, with the standard deviation over images."""
    figure, axes = plt.subplots(2, len(REGIONS), figsize=(13, 6.4), sharey=True, sharex=True, layout="constrained")
    for (line, pattern), (column, region) in product(enumerate(PATTERNS), enumerate(REGIONS)):
        axis = axes[line, column]
        for k, method in enumerate(m for p, m in said if p == pattern):
            values = said[pattern, method][region]
            at = np.array(RATES) + 0.12 * (k - 1)
            axis.errorbar(at, values.mean(0), values.std(0, ddof=1), marker="o", capsize=3, label=method)
        axis.set(title=f"{pattern}: {region}", xticks=RATES)
        axis.grid(alpha=0.3)
    for axis in axes[-1]:
        axis.set_xlabel("rate R")
    for axis in axes[:, 0]:
        axis.set_ylabel("predicted quality")
    axes[0, 0].legend(fontsize=8)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def maps(predictor: QualityFactor, path: Path) -> None:
    """Figure 15: a joint by the unrolled network at each rate of spokes, and the predictor's map of it."""
    number = next(k for k, (_, made) in enumerate(unseen(20)) if made.body[0].any())
    figure, axes = plt.subplots(2, len(RATES), figsize=(13, 4.9), layout="constrained")
    for (above, below), rate in zip(axes.T, RATES, strict=True):
        image = np.load(file_of("radial", "unrolled", rate))[number]
        rows, cols = image.shape[:2]
        above.imshow(image[..., 0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        corner = (cols - PATCH_PX) / 2, (rows - PATCH_PX) / 2
        above.add_patch(plt.Rectangle(corner, PATCH_PX, PATCH_PX, fill=False, color="tab:orange"))
        shown = below.imshow(predictor.map(image)[..., 0], vmin=0, vmax=100, extent=(0, cols, rows, 0))
        above.set(xticks=[], yticks=[], title=f"R = {rate}")
        below.set(xticks=[], yticks=[])
    figure.colorbar(shown, ax=axes, label="predicted quality", shrink=0.6)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def write_rows(path: Path, rows: list[dict]) -> None:
    with path.open("w", newline="") as sink:
        writer = csv.DictWriter(sink, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "reconstruct", "phantoms", "predict"])
    parser.add_argument("--count", type=int, default=8, help="unseen images")
    options = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    if options.what == "reconstruct":
        reconstruct(options.count)
    else:
        {"train": train, "phantoms": write_phantoms, "predict": predict}[options.what]()


if __name__ == "__main__":
    main()
