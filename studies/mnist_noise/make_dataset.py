"""Write a class-balanced subset of MNIST as two orbiq datasets with class folders.

Reads the four idx files as they are distributed (`train-images-idx3-ubyte.gz`, ...) and writes

    <out>/mnist-train/dataset.json           <out>/mnist-test/dataset.json
    <out>/mnist-train/images/<digit>/NNNNN.png   <out>/mnist-test/images/<digit>/NNNNN.png

The folder name is the label; NNNNN is the position of the image in its idx file, so that every image can be
traced. Images are uint8, 28 x 28, one band, peak 255. The same seed and sizes give the same files. A dataset is
whole or absent: it is written aside and renamed at the end; one that is already whole is left alone.

Source: MNIST, the format: http://yann.lecun.com/exdb/mnist/; L. Deng, "The MNIST database of handwritten digit
images for machine learning research", 2012, DOI 10.1109/MSP.2012.2211477.
"""

import argparse
import gzip
import json
import shutil
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

DATASET_JSON = {"schema": 1, "peak": 255, "params": {"source": "MNIST"}}
N_DIGITS = 10
UINT8_CODE = 8  # third byte of the idx magic number: the samples are unsigned bytes


def read_idx(path: Path) -> np.ndarray:
    """Return the uint8 array of a gzipped idx file; ValueError if the file is something else or cut short."""
    raw = gzip.decompress(path.read_bytes())
    if raw[:3] != bytes([0, 0, UINT8_CODE]):
        raise ValueError(f"{path.name}: not an idx file of unsigned bytes (starts with {raw[:4].hex() or 'nothing'})")
    n_dims = raw[3]
    shape = tuple(int(size) for size in np.frombuffer(raw, dtype=">u4", count=n_dims, offset=4))
    samples = np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * n_dims)
    if samples.size != np.prod(shape):
        raise ValueError(f"{path.name}: {samples.size} samples, but its header says {shape}")
    return samples.reshape(shape)


def balanced_subset(labels: np.ndarray, *, n_images: int, rng: np.random.Generator) -> dict[int, np.ndarray]:
    """Return, for each digit, the sorted positions of `n_images / 10` images drawn without replacement."""
    if n_images <= 0 or n_images % N_DIGITS:
        raise ValueError(f"subset of {n_images} images: a balanced one needs a positive multiple of {N_DIGITS}")
    n_each = n_images // N_DIGITS
    subset = {}
    for digit in range(N_DIGITS):
        candidates = np.flatnonzero(labels == digit)
        if candidates.size < n_each:
            raise ValueError(f"digit {digit}: {n_each} images asked for, MNIST holds {candidates.size}; ask for fewer")
        subset[digit] = np.sort(rng.choice(candidates, size=n_each, replace=False))
    return subset


def image_path(digit: int, position: int) -> Path:
    """Return where an image lies inside its dataset, e.g. images/7/00012.png."""
    return Path("images", str(digit), f"{position:05d}.png")


def is_whole(dataset: Path, subset: dict[int, np.ndarray]) -> bool:
    """Return whether `dataset` holds exactly the images of `subset`; ValueError if it holds others."""
    if not dataset.exists():
        return False
    expected = {image_path(digit, position) for digit, positions in subset.items() for position in positions}
    found = {path.relative_to(dataset) for path in dataset.glob("images/*/*.png")}
    if found != expected or not (dataset / "dataset.json").is_file():
        raise ValueError(
            f"{dataset} exists with {len(found)} images, not the {len(expected)} of this seed and size; "
            "remove it or choose another --out"
        )
    return True


def write_dataset(dataset: Path, *, images: np.ndarray, subset: dict[int, np.ndarray]) -> None:
    """Write the images of `subset` and dataset.json aside, then rename the folder to `dataset`."""
    dataset.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{dataset.name}-", dir=dataset.parent))
    try:
        for digit, positions in subset.items():
            (aside / "images" / str(digit)).mkdir(parents=True)
            for position in positions:
                path = aside / image_path(digit, position)
                if not cv2.imwrite(str(path), images[position]):
                    raise OSError(f"{path}: could not be written")
        (aside / "dataset.json").write_text(json.dumps(DATASET_JSON, indent=2) + "\n")
        aside.chmod(0o755)  # mkdtemp makes folders that only the owner can read
        aside.rename(dataset)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def make(mnist: Path, dataset: Path, *, prefix: str, n_images: int, seed: int) -> None:
    """Make one dataset from the idx pair named `prefix` ("train" or "t10k"), unless it is there already."""
    labels = read_idx(mnist / f"{prefix}-labels-idx1-ubyte.gz")
    subset = balanced_subset(labels, n_images=n_images, rng=np.random.default_rng(seed))
    if is_whole(dataset, subset):
        print(f"{dataset}: already there with {n_images} images, nothing done")
        return
    write_dataset(dataset, images=read_idx(mnist / f"{prefix}-images-idx3-ubyte.gz"), subset=subset)
    print(f"{dataset}: {n_images} images written")


def main() -> int:
    parser = argparse.ArgumentParser(description="Write a class-balanced subset of MNIST as two orbiq datasets.")
    parser.add_argument("--mnist", type=Path, required=True, help="folder with the four idx .gz files")
    parser.add_argument("--out", type=Path, required=True, help="folder that receives mnist-train and mnist-test")
    parser.add_argument("--train", type=int, default=6000, help="number of train images (default %(default)s)")
    parser.add_argument("--test", type=int, default=2000, help="number of test images (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draw (default %(default)s)")
    args = parser.parse_args()
    try:
        make(args.mnist, args.out / "mnist-train", prefix="train", n_images=args.train, seed=args.seed)
        make(args.mnist, args.out / "mnist-test", prefix="t10k", n_images=args.test, seed=args.seed)
    except (OSError, EOFError, ValueError) as error:
        print(f"make_dataset: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
