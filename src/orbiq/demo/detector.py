"""A small airplane detector as a black box: it reads two folders, trains, and writes two JSON files.

This is a stranger's script. It knows nothing of orbiq; all it does is accept

    python detector.py --trainds DIR --testds DIR --outputpath DIR --seed 1 --epochs 40

and write results.json (what happened while training) and output.json (what was found in the test images, as
a COCO result list). The detector looks at every second pixel through a window of 24 × 24 pixels; a network
with one hidden layer says whether an airplane is centred there, and how large it is.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # several runs share the machine

import cv2
import numpy as np

cv2.setNumThreads(1)

Array = np.ndarray[Any, Any]
Net = dict[str, Array]
Split = list[tuple[int, Array, list[Array]]]  # image id, grey image, outlines of its airplanes (n, 2)

STEP = 2  # pixels per cell of the search grid
CELLS = 12  # a window is CELLS × CELLS cells
SIZE = 14.0  # of a typical airplane in pixels, the unit of its box
NEGATIVES = 60  # windows without an airplane, per training image and round
HIDDEN = 96
BATCH = 128


def read_split(folder: Path) -> tuple[Split, int]:
    """The images of a dataset with COCO annotations, and the id of its category."""
    truth = json.loads(next(folder.glob("annotations*.json")).read_text())
    split = []
    for entry in truth["images"]:
        image = cv2.imread(str(folder / "images" / entry["file_name"]), cv2.IMREAD_GRAYSCALE)
        if image is None:
            sys.exit(f"no image could be read from {folder / 'images' / entry['file_name']}")
        mine = [a for a in truth["annotations"] if a["image_id"] == entry["id"]]
        split.append((entry["id"], image.astype(np.float32), [np.reshape(a["segmentation"][0], (-1, 2)) for a in mine]))
    return split, truth["categories"][0]["id"]


def turned(image: Array, outlines: list[Array], rng: np.random.Generator) -> tuple[Array, Array]:
    """The image turned by any angle, and its airplanes as (centre x, y, width, height)."""
    rows, cols = image.shape
    turn = cv2.getRotationMatrix2D((cols / 2, rows / 2), rng.uniform(0, 360), 1)
    edges = turn[:, 2] - 0.5 + turn[:, :2] @ (0.5, 0.5)  # OpenCV counts from pixel centres, outlines from edges
    image = cv2.warpAffine(image, np.c_[turn[:, :2], edges], (cols, rows), borderValue=float(image.mean()))
    placed = [outline @ turn[:, :2].T + turn[:, 2] for outline in outlines]
    boxes = [np.r_[(p.min(0) + p.max(0)) / 2, np.ptp(p, axis=0)] for p in placed]
    return image, np.array([b for b in boxes if (b[:2] > 0).all() and (b[:2] < (cols, rows)).all()]).reshape(-1, 4)


def windows(image: Array) -> Array:
    """A view (rows, cols, CELLS, CELLS) of the window around each cell corner, grey values around a local mean of 0."""
    flat = (image - cv2.blur(image, (41, 41))) / 40
    cells = cv2.resize(flat, None, fx=1 / STEP, fy=1 / STEP, interpolation=cv2.INTER_AREA)
    return np.lib.stride_tricks.sliding_window_view(np.pad(cells, CELLS // 2), (CELLS, CELLS))


def candidates(view: Array) -> tuple[Array, Array]:
    """The windows worth a look, those with something bright in the middle: their centres (n, 2) and values."""
    half = CELLS // 2
    found = np.argwhere(view[:, :, half - 1 : half + 1, half - 1 : half + 1].max(axis=(2, 3)) > 0.35)
    values = view[tuple(found.T)]
    contrast = values.std(axis=(1, 2), keepdims=True) + 0.1
    return found[:, ::-1].astype(np.float32) * STEP, (values - values.mean(axis=(1, 2), keepdims=True)) / contrast


def choose(split: Split, rng: np.random.Generator, net: Net | None = None) -> tuple[Array, Array]:
    """Windows of every image in a new pose: all close to an airplane, and others, of those that fool the network."""
    xs, ys = [], []
    for _, upright, outlines in split:
        image, boxes = turned(upright, outlines, rng)
        centres, values = candidates(windows(image))
        away = np.linalg.norm(centres[:, None] - boxes[None, :, :2], axis=2)
        away = np.hstack([away, np.full((len(centres), 1), 1e6)])  # at least one column where there is no airplane
        near = np.flatnonzero(away.min(1) < 1.2 * STEP)
        others = rng.permutation(np.flatnonzero(away.min(1) > 2.5 * STEP))[: 6 * NEGATIVES]
        if net is not None:
            others = others[judge(net, values[others])[0] > 0.1]
        others = others[:NEGATIVES]
        box = boxes[away[near].argmin(1)]
        box = np.hstack([(box[:, :2] - centres[near]) / SIZE, np.log(box[:, 2:] / SIZE)])
        xs += [values[near], values[others]]
        ys += [np.insert(box, 0, 1, axis=1), np.zeros((len(others), 5))]
    return np.concatenate(xs), np.concatenate(ys).astype(np.float32)


def posed(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """The same windows turned by a random quarter of a circle and perhaps mirrored, with their boxes."""
    y = y.copy()
    for _ in range(rng.integers(4)):
        x, y = np.rot90(x, axes=(1, 2)), y[:, [0, 2, 1, 4, 3]] * (1, 1, -1, 1, 1)
    if rng.integers(2):
        x, y = x[:, :, ::-1], y * (1, -1, 1, 1, 1)
    return x.reshape(len(x), -1), y.astype(np.float32)


def sigmoid(logit: Array) -> Array:
    """1 / (1 + exp(−logit))."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logit, -30, 30))))


def forward(net: Net, x: Array) -> tuple[Array, Array]:
    """Hidden layer and the five outputs: airplane or not (a logit), offset x and y, log width, log height."""
    hidden = np.maximum(x @ net["w1"] + net["b1"], 0)
    return hidden, hidden @ net["w2"] + net["b2"]


def judge(net: Net, x: Array) -> tuple[Array, Array]:
    """Scores (n,) and boxes (n, 4) of windows."""
    out = forward(net, x.reshape(len(x), -1))[1]
    return sigmoid(out[:, 0]), out[:, 1:]


def gradient(net: Net, x: Array, wanted: Array) -> tuple[Net, float]:
    """Slope and value of the loss: cross-entropy of airplane or not, plus the squared error of the box where one is."""
    hidden, out = forward(net, x)
    is_plane = wanted[:, :1]
    p = sigmoid(out[:, :1])
    error = np.hstack([p - is_plane, 2 * is_plane * (out[:, 1:] - wanted[:, 1:])]) / len(x)
    back = (error @ net["w2"].T) * (hidden > 0)
    slope = {"w1": x.T @ back, "b1": back.sum(0), "w2": hidden.T @ error, "b2": error.sum(0)}
    box_loss = (is_plane * (out[:, 1:] - wanted[:, 1:]) ** 2).sum(axis=1).mean()
    return slope, float(-np.log(np.where(is_plane > 0, p, 1 - p) + 1e-7).mean() + box_loss)


def train(split: Split, epochs: int, rng: np.random.Generator) -> tuple[Net, list[float]]:
    """Adam over random batches; every fourth epoch new poses join, and what fools the network so far."""
    net = {
        "w1": rng.normal(0, (2 / CELLS**2) ** 0.5, (CELLS**2, HIDDEN)).astype(np.float32),
        "b1": np.zeros(HIDDEN, np.float32),
        "w2": rng.normal(0, (1 / HIDDEN) ** 0.5, (HIDDEN, 5)).astype(np.float32),
        "b2": np.zeros(5, np.float32),
    }
    first, second = ({k: np.zeros_like(v) for k, v in net.items()} for _ in range(2))
    x, y = choose(split, rng)
    losses, step = [], 0
    for epoch in range(epochs):
        if epoch % 4 == 3 and epoch < 0.8 * epochs:
            x, y = (np.concatenate(pair) for pair in zip((x, y), choose(split, rng, net), strict=True))
        batch_losses = []
        for batch in np.array_split(rng.permutation(len(x)), len(x) // BATCH + 1):
            slope, loss = gradient(net, *posed(x[batch], y[batch], rng))
            batch_losses.append(loss)
            step += 1
            pace = 3e-3 * (1 - epoch / epochs) * (1 - 0.999**step) ** 0.5 / (1 - 0.9**step)
            for k, g in slope.items():
                first[k] += 0.1 * (g - first[k])
                second[k] += 0.001 * (g * g - second[k])
                net[k] -= pace * first[k] / (np.sqrt(second[k]) + 1e-8)
        losses.append(float(np.mean(batch_losses)))
    return net, losses


def detect(net: Net, image: Array) -> list[tuple[list[float], float]]:
    """Boxes (x, y, w, h) and scores of what looks like an airplane; each box is the mean of those that agree."""
    centres, values = candidates(windows(image))
    score, out = judge(net, values)
    likely = np.argsort(-score)[:400]
    score, out, centres = score[likely], out[likely], centres[likely]
    centre, size = centres + SIZE * out[:, :2], SIZE * np.exp(np.clip(out[:, 2:], -2, 2))
    low, high, area = centre - size / 2, centre + size / 2, size.prod(1)
    left, kept = np.flatnonzero(score > 0.05), []
    while len(left):
        best = left[0]
        shared = np.clip(np.minimum(high[left], high[best]) - np.maximum(low[left], low[best]), 0, None).prod(1)
        overlap = shared / (area[left] + area[best] - shared)
        agree = left[overlap > 0.5]
        weight = score[agree] / score[agree].sum()
        corner, extent = weight @ low[agree], weight @ size[agree]
        kept.append(([*corner.tolist(), *extent.tolist()], float(score[best])))
        left = left[overlap < 0.2]
    return kept


def main() -> None:
    """Read, train, detect, write."""
    parser = argparse.ArgumentParser(description="train and judge a small airplane detector")
    parser.add_argument("--trainds", type=Path, required=True)
    parser.add_argument("--testds", type=Path, required=True)
    parser.add_argument("--outputpath", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=40)
    args, _ = parser.parse_known_args()

    split, category = read_split(args.trainds)
    net, losses = train(split, args.epochs, np.random.default_rng(args.seed))
    found = [
        {"image_id": image_id, "category_id": category, "bbox": box, "score": score}
        for image_id, image, _ in read_split(args.testds)[0]
        for box, score in detect(net, image)
    ]
    args.outputpath.mkdir(parents=True, exist_ok=True)
    (args.outputpath / "results.json").write_text(json.dumps({"epochs": args.epochs, "train_loss": losses}))
    (args.outputpath / "output.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
