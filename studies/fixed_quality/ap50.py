"""What a detector of airplanes keeps under this codec and under JPEG 2000, at the same bits per pixel.

    python ap50.py --dataset data/test --trainings FOLDER [--model FILE]

FOLDER holds the detectors that `orbiq run ../airports_codecs/clean.yaml` trained on clean images, one a repetition
(orbiq-runs/airports-codecs-clean/trainings); they are judged here on the test images as each codec leaves them. Writes
results/ap50.csv: AP50 (one class) in the mean over repetitions, and the mean difference from the reference with its
95 % interval, resampled over repetitions.
"""

import argparse
import csv
import sys
from pathlib import Path

import numpy as np
import torch

import orbiq
from orbiq.bootstrap import mean_interval
from orbiq.datasets.coco import read_coco
from orbiq.metrics.detection import coco_detection

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "airports_jpeg"))
from train_detector import Detector, detect, load_dataset, parse_args, settle  # noqa: E402  a neighbour's script

RATES_BPP = (0.125, 0.25, 0.5, 1.0)


def ap50(weights: Path, dataset: Path) -> float:
    """Of one detector on one dataset, the two classes merged."""
    folders = [text for name in ("trainds", "valds", "testds", "outputpath") for text in (f"--{name}", str(dataset))]
    args = parse_args(folders)
    settle(args)
    model = Detector().to(memory_format=torch.channels_last)
    model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    found = detect(model.eval(), load_dataset(dataset), args)
    truth = read_coco(dataset / "annotations.json")
    return coco_detection(found, truth, merge_categories=True).scores["ap50"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--trainings", type=Path, required=True)
    parser.add_argument("--model", default="aerial")
    options = parser.parse_args()
    detectors = sorted(options.trainings.glob("*/output/weights.pt"))
    codecs = (f"fixed-quality:model={options.model},", "jpeg2000:")
    specs = [f"{codec}rate_bpp={rate}" for rate in RATES_BPP for codec in codecs]
    found, reference = [], None
    for spec in ["", *specs]:
        variant = orbiq.modify(options.dataset, spec, variants_dir=HERE / "work") if spec else None
        folder = variant.path if variant else options.dataset
        scores = np.array([ap50(weights, folder) for weights in detectors])
        reference = scores if reference is None else reference
        low, high = mean_interval(scores - reference, rng=np.random.default_rng(0)) if spec else (0.0, 0.0)
        found.append(
            {
                "codec": spec or "reference",
                "ap50": scores.mean(),
                "difference": (scores - reference).mean(),
                "low": low,
                "high": high,
                "repetitions": scores.size,
            }
        )
        print(found[-1], flush=True)
    with (HERE / "results" / "ap50.csv").open("w", newline="") as sink:
        writer = csv.DictWriter(sink, list(found[0]))
        writer.writeheader()
        writer.writerows({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in found)


if __name__ == "__main__":
    main()
