"""Small datasets and black boxes that tests share."""

import json
from pathlib import Path

import cv2
import numpy as np

from orbiq.settings import Experiment

GOOD_TASK = """
import json, os, sys
args = dict(zip(sys.argv[1::2], sys.argv[2::2]))
size = sum(os.path.getsize(os.path.join(r, f)) for r, _, fs in os.walk(args["--testds"]) for f in fs if f.endswith(".png"))
out = args["--outputpath"]
truth = json.load(open(os.path.join(args["--testds"], "annotations.json")))
found = [dict(image_id=a["image_id"], category_id=a["category_id"], bbox=a["bbox"], score=0.9) for a in truth["annotations"]]
json.dump(found, open(os.path.join(out, "output.json"), "w"))
json.dump({"size": size, "lr": float(args.get("--lr", 0)), "seed_given": args.get("--seed", ""), "loss": [3, 2, 1]}, open(os.path.join(out, "results.json"), "w"))
print("done", flush=True)
"""


def write_dataset(folder: Path, *, n_images: int = 4, seed: int = 0, size: int = 32) -> Path:
    """Noise pictures with one box each."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for k in range(n_images):
        array = cv2.GaussianBlur(rng.integers(0, 255, (size, size, 3), np.uint8), (0, 0), 1.5)
        cv2.imwrite(str(folder / "images" / f"im_{k}.png"), array)
        images.append({"id": k + 1, "file_name": f"im_{k}.png", "width": size, "height": size})
        box = {"bbox": [4.0, 5.0, 10.0, 12.0], "area": 120.0, "iscrowd": 0}
        annotations.append({"id": k + 1, "image_id": k + 1, "category_id": 1, **box})
    categories = [{"id": 1, "name": "airplane"}]
    (folder / "annotations.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    return folder


def write_toy(folder: Path, *, task: str = GOOD_TASK, **settings) -> Experiment:
    """A folder with train and test data, a task, and the experiment on them."""
    for k, split in enumerate(("train", "test")):
        if not (folder / split).exists():
            write_dataset(folder / split, seed=k)
    (folder / "task.py").write_text(task)
    defaults = {
        "name": "toy",
        "datasets": {"train": "train", "test": "test"},
        "modifiers": [{"jpeg": {"quality": [20, 60]}}],
        "task": {"script": "task.py"},
        "repetitions": 2,
        "metrics": ["coco-detection"],
        "objective": {"score": "ap50"},
        "tracking": "off",
        "jobs": 2,
    }
    return Experiment.model_validate({**defaults, **settings}).at(folder)
