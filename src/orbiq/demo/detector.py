"""A small airplane detector as a black box: it reads two folders, trains, and writes two JSON files.

This is a stranger's script. It knows nothing of orbiq; all it does is accept

    python detector.py --trainds DIR --testds DIR --outputpath DIR --seed 1 --epochs 12

and write results.json (what happened while training) and output.json (what was found in the test images, as
a COCO result list). The detector looks at every second pixel through a window of 28 × 28 pixels; a network
with one hidden layer says whether an airplane is centred there, and how large it is.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

STEP = 2  # pixels per cell of the search grid
CELLS = 14  # a window is CELLS × CELLS cells
NEGATIVES = 160  # windows without an airplane, per training image
HIDDEN = 48


def read_split(folder):
    """[(image id, grey image, centres and sizes of its airplanes (n, 4))] of a dataset with COCO annotations."""
    truth = json.loads(next(p for p in sorted(folder.glob("*.json")) if "annotations" in p.name).read_text())
    split = []
    for entry in truth["images"]:
        image = cv2.imread(str(folder / "images" / entry["file_name"]), cv2.IMREAD_GRAYSCALE)
        boxes = np.array([a["bbox"] for a in truth["annotations"] if a["image_id"] == entry["id"]]).reshape(-1, 4)
        boxes[:, :2] += boxes[:, 2:] / 2
        split.append((entry["id"], image.astype(np.float32), boxes))
    return split, truth["categories"][0]["id"]


def windows(image):
    """Every window of the image as a row of locally normalised grey values, and the centres of the windows."""
    mean = cv2.GaussianBlur(image, (0, 0), 12)
    deviation = np.sqrt(cv2.GaussianBlur((image - mean) ** 2, (0, 0), 12))
    cells = cv2.resize((image - mean) / (deviation + 4), None, fx=1 / STEP, fy=1 / STEP, interpolation=cv2.INTER_AREA)
    cells = np.pad(cells, CELLS // 2)
    view = np.lib.stride_tricks.sliding_window_view(cells, (CELLS, CELLS))
    rows, cols = view.shape[:2]
    centres = np.stack(np.meshgrid(np.arange(cols), np.arange(rows)), -1).reshape(-1, 2) * STEP
    return view.reshape(-1, CELLS * CELLS), centres


def samples(image, boxes, rng):
    """Windows to learn from: those close to an airplane's centre, and some of the others."""
    values, centres = windows(image)
    if len(boxes) == 0:
        chosen = rng.choice(len(centres), NEGATIVES, replace=False)
        return values[chosen], np.zeros((NEGATIVES, 5), np.float32)
    away = boxes[None, :, :2] - centres[:, None]
    distance = np.hypot(away[..., 0], away[..., 1])
    nearest = distance.argmin(1)
    near = np.flatnonzero(distance.min(1) < 1.3 * STEP)
    far = rng.choice(np.flatnonzero(distance.min(1) > 2.5 * STEP), NEGATIVES, replace=False)
    # negatives near airplanes are the hard ones: off centre, and their neighbours
    close = np.flatnonzero((distance.min(1) > 2.5 * STEP) & (distance.min(1) < 8 * STEP))
    far[: NEGATIVES // 3] = rng.choice(close, NEGATIVES // 3)
    offset = away[near, nearest[near]] / 10
    size = np.log(boxes[nearest[near], 2:] / 14)
    positive = np.hstack([np.ones((len(near), 1)), offset, size])
    return values[np.r_[near, far]], np.vstack([positive, np.zeros((len(far), 5))]).astype(np.float32)


def turned(image, boxes, quarter, mirror):
    """The image and its boxes turned by quarters of a circle and, if asked for, mirrored."""
    boxes = boxes.copy()
    for _ in range(quarter):
        x, y, w, h = boxes.T
        boxes = np.stack([y, image.shape[1] - x, h, w], 1)
        image = np.rot90(image)
    if mirror:
        boxes[:, 0] = image.shape[1] - boxes[:, 0]
        image = image[:, ::-1]
    return np.ascontiguousarray(image), boxes


def forward(net, x):
    """Hidden layer and the five outputs: airplane or not (a logit), offset x and y, log width, log height."""
    hidden = np.maximum(x @ net["w1"] + net["b1"], 0)
    return hidden, hidden @ net["w2"] + net["b2"]


def train(split, epochs, rng):
    """Adam on cross-entropy plus squared error of the box; every epoch sees each image in a new pose."""
    n_in = CELLS * CELLS
    net = {
        "w1": rng.normal(0, (2 / n_in) ** 0.5, (n_in, HIDDEN)).astype(np.float32),
        "b1": np.zeros(HIDDEN, np.float32),
        "w2": rng.normal(0, (1 / HIDDEN) ** 0.5, (HIDDEN, 5)).astype(np.float32),
        "b2": np.array([-2, 0, 0, 0, 0], np.float32),
    }
    first, second = ({k: np.zeros_like(v) for k, v in net.items()} for _ in range(2))
    losses, step = [], 0
    for epoch in range(epochs):
        drawn = [samples(*turned(i, b, rng.integers(4), rng.integers(2)), rng) for _, i, b in split]
        x, y = np.concatenate([d[0] for d in drawn]), np.concatenate([d[1] for d in drawn])
        order, epoch_loss = rng.permutation(len(x)), []
        for batch in np.array_split(order, max(1, len(x) // 64)):
            hidden, out = forward(net, x[batch])
            is_plane = y[batch, :1]
            p = 1 / (1 + np.exp(-out[:, :1]))
            error = np.hstack([p - is_plane, is_plane * (out[:, 1:] - y[batch, 1:])]) / len(batch)
            epoch_loss.append(float(-np.log(np.where(is_plane > 0, p, 1 - p) + 1e-7).mean()))
            back = (error @ net["w2"].T) * (hidden > 0)
            slope = {"w1": x[batch].T @ back, "b1": back.sum(0), "w2": hidden.T @ error, "b2": error.sum(0)}
            step += 1
            rate = 3e-3 * (1 - 0.95 * epoch / epochs)
            for k, g in slope.items():
                first[k] += 0.1 * (g - first[k])
                second[k] += 0.001 * (g * g - second[k])
                net[k] -= rate * first[k] / (1 - 0.9**step) / (np.sqrt(second[k] / (1 - 0.999**step)) + 1e-8)
        losses.append(float(np.mean(epoch_loss)))
    return net, losses


def detect(net, image):
    """Boxes (x, y, w, h) and scores of what looks like an airplane, the best of each crowd."""
    values, centres = windows(image)
    out = forward(net, values)[1]
    score = 1 / (1 + np.exp(-out[:, 0]))
    keep = np.flatnonzero(score > 0.05)
    size = 14 * np.exp(np.clip(out[keep, 3:], -2, 2))
    boxes = np.hstack([centres[keep] + 10 * out[keep, 1:3] - size / 2, size])
    chosen = cv2.dnn.NMSBoxes(boxes.tolist(), score[keep].tolist(), 0.05, 0.3)
    return [(boxes[i], float(score[keep][i])) for i in np.array(chosen, int).ravel()]


def main():
    """Read, train, detect, write."""
    parser = argparse.ArgumentParser(description="train and judge a small airplane detector")
    parser.add_argument("--trainds", type=Path, required=True)
    parser.add_argument("--testds", type=Path, required=True)
    parser.add_argument("--outputpath", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=12)
    args, _ = parser.parse_known_args()

    split, category = read_split(args.trainds)
    net, losses = train(split, args.epochs, np.random.default_rng(args.seed))
    found = [
        {"image_id": image_id, "category_id": category, "bbox": [float(v) for v in box], "score": score}
        for image_id, image, _ in read_split(args.testds)[0]
        for box, score in detect(net, image)
    ]
    args.outputpath.mkdir(parents=True, exist_ok=True)
    (args.outputpath / "results.json").write_text(json.dumps({"epochs": args.epochs, "train_loss": losses}))
    (args.outputpath / "output.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
