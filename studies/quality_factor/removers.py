"""Predicted quality as a loss for networks that remove what JPEG leaves (paper 002, 5.3): whom it helps, whom it harms.

    ORBIQ_TEST_DATA=… python removers.py train     # into work/removers; goes on where it was stopped
    ORBIQ_TEST_DATA=… python removers.py judge     # what is trained and not yet judged
    ORBIQ_TEST_DATA=… python removers.py tell      # judges what is left; then results/removers*.csv and *.png

`--networks`, `--bands` and `--ways` choose some; `--rgb` and `--grey` take another predictor than orbiq's own. Training
wants the images of `sets.py` in work/training. A remover is trained for consistency alone (L1 between what goes in and
what comes out), for consistency and predicted quality with a weight, or, for comparison, for the clean images.
"""

import argparse
import csv
import json
from collections.abc import Mapping
from functools import cache
from math import isclose
from pathlib import Path

import numpy as np
import removers_figures
import torch
from removers_judging import judge, short, summary
from removers_networks import (
    BANDS,
    HERE,
    SIZES,
    WAYS,
    Way,
    folder_of,
    fresh,
    in_bands,
    restored,
    rounded,
    trained,
)

from orbiq.analysis.table import write_table
from orbiq.arrays import Array, BoolArray
from orbiq.imageio import read_image
from orbiq.metrics.pointwise import psnr
from orbiq.predictors.fields import levels_seen
from orbiq.predictors.quality_factor import QualityFactor
from orbiq.predictors.quality_labels import libjpeg
from orbiq.predictors.quality_loss import QualityLoss

RESULTS = HERE / "results"


def train(size: str, bands: str, way: Way, predictor: str) -> None:
    """Train one, with `curves.jsonl` beside its checkpoint."""
    folder = folder_of(size, bands, way)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "curves.jsonl").open("a") as sink:

        def log(step: int, told: Mapping[str, float]) -> None:
            print(json.dumps({"step": step, **told}), file=sink, flush=True)

        told = trained(folder, size, way, training_images(BANDS[bands]), predictor=predictor, log=log)
    print(folder.name, told, flush=True)


@cache
def training_images(bands: int) -> dict[str, tuple[Array, BoolArray | None]]:
    """Name, pixels and mask of each image that may train; what is no uint8 is stretched, as the predictors saw it."""
    found = {}
    for path in sorted((HERE / "work" / "training").glob("*/*.tif")):
        scene = read_image(path)
        array, mask = scene.array, scene.mask
        if array.dtype != np.uint8:
            low, high = np.percentile(array if mask is None else array[mask], (0.1, 99.9))
            array = levels_seen(array, low_dn=float(low), high_dn=float(high))
        found[f"{path.parent.name}/{path.name}"] = in_bands(array, bands), mask
    return found


def tell(judged: list[Path]) -> None:
    """The tables and the figures of what is judged."""
    rows = [row for path in judged if path.exists() for row in csv.DictReader(path.open())]
    numbers = list(rows[0])[list(rows[0]).index("psnr_coded") :]
    rows = [row | {key: float(row[key] or "nan") for key in numbers} | {"quality": int(row["quality"])} for row in rows]
    write_table(RESULTS / "removers_images.csv", [{k: short(v) for k, v in row.items()} for row in rows])
    table = summary(rows)
    write_table(RESULTS / "removers.csv", table)
    removers_figures.curves(table, RESULTS / "removers.png")
    removers_figures.crops(RESULTS / "removers_crops.png")


def check(predictors: dict[str, str]) -> None:
    """A network that adds nothing gives the coded image; a loss of quality is what the predictor says."""
    for bands, predictor in predictors.items():
        clean = in_bands(np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.uint8), BANDS[bands])
        coded = libjpeg(20)(clean)
        for size in SIZES:
            remover = fresh(size, bands=BANDS[bands])
            torch.nn.init.zeros_(remover.layers[-1].weight)
            torch.nn.init.zeros_(remover.layers[-1].bias)
            if psnr(clean, rounded(restored(remover, coded))) != psnr(clean, coded):
                raise RuntimeError(f"{size} of {bands} changes an image to which it adds nothing")
        inner = coded[1:-1, 1:-1]  # where the fields of the predictor's map lie
        batch = torch.from_numpy(inner.transpose(2, 0, 1).copy())[None] / 255
        said = 1 - float(QualityLoss(predictor)(batch))
        if not isclose(said, QualityFactor.load(predictor).score(coded) / 100, abs_tol=1e-4):
            raise RuntimeError(f"the loss of {bands} sees a quality of {said:.3f}, and the predictor another")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "judge", "tell"])
    parser.add_argument("--networks", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--bands", nargs="+", choices=BANDS, default=list(BANDS))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    for bands in BANDS:
        parser.add_argument(f"--{bands}", default=bands, help="a predictor's name or file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    predictors = {bands: getattr(options, bands) for bands in options.bands}
    if options.what != "train" or any(WAYS[name].weight for name in options.ways):
        check(predictors)
    chosen = [
        (size, bands, WAYS[name]) for size in options.networks for bands in options.bands for name in options.ways
    ]
    if options.what == "train":
        for size, bands, way in chosen:
            train(size, bands, way, predictors[bands])
        return
    judged = [judge(size, bands, way, predictors[bands]) for size, bands, way in chosen]
    if options.what == "tell":
        tell(judged)


if __name__ == "__main__":
    main()
