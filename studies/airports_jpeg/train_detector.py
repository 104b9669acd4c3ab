"""Train a small airplane detector from scratch on satellite images.

A black-box training run, meant to be started many times by a study: one
process trains one network on tiles cut from the training images and then
detects airplanes on the test images.

Input: three folders (``--trainds``, ``--valds``, ``--testds``). Each holds one
sub-folder of images (PNG or JPEG; folders with "mask" in their name are
skipped) and one COCO ``*.json``. All COCO categories are merged into one.

Output, written to ``--outputpath``:

* ``results.json``: parameters as scalars, metrics as lists of [step, value];
* ``output.json``: COCO results list for the test images
  (image_id, category_id = 1, bbox = [x, y, width, height] in pixels, score).

Method: an anchor-free detector at stride 4 that predicts a heatmap of object
centres ("Objects as Points", arXiv 1904.07850) and, in a Gaussian-weighted
area around each centre, the distances to the four box sides trained with an
IoU-type loss (TTFNet, arXiv 1909.00700; distance-IoU, arXiv 1911.08287).
Weights are averaged over steps and test images are seen in several
orientations, both of which steady the box sizes.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDE_PX = 4  # one cell of the output maps covers 4 x 4 image pixels
SIZE_UNIT_PX = 8.0  # the network predicts log(distance / SIZE_UNIT_PX)
PAD_MULTIPLE_PX = 32  # deepest stride of the network
# (quarter turns, mirrored) of the test views, the most different ones first
VIEWS = [(0, False), (2, False), (1, True), (3, True), (1, False), (3, False), (0, True), (2, True)]
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg"}


# ---------------------------------------------------------------- data set


class Sample:
    """One image: RGB uint8 pixels and its boxes as [x0, y0, x1, y1] px."""

    def __init__(self, image_id: int, rgb: np.ndarray, boxes_px: np.ndarray):
        self.image_id, self.rgb, self.boxes_px = image_id, rgb, boxes_px


def image_folder(dataset_dir: Path) -> Path:
    """The one sub-folder with images (``images`` wins when present)."""
    folders = sorted(p for p in dataset_dir.iterdir() if p.is_dir() and "mask" not in p.name)
    folders = [p for p in folders if any(f.suffix.lower() in IMAGE_SUFFIXES for f in p.iterdir())]
    if not folders:
        raise FileNotFoundError(f"no image folder in {dataset_dir.name}")
    return next((p for p in folders if p.name == "images"), folders[0])


def find_image(folder: Path, file_name: str) -> Path:
    """The named image, or the same stem with another image suffix."""
    path = folder / Path(file_name).name
    if path.exists():
        return path
    for other in sorted(folder.glob(path.stem + ".*")):
        if other.suffix.lower() in IMAGE_SUFFIXES:
            return other
    raise FileNotFoundError(f"image {file_name} is missing")


def load_dataset(dataset_dir: Path) -> list[Sample]:
    """Read every image of the COCO file, with all categories merged."""
    coco = json.loads(sorted(dataset_dir.glob("*.json"))[0].read_text())
    folder = image_folder(dataset_dir)
    boxes: dict[int, list[list[float]]] = {image["id"]: [] for image in coco["images"]}
    for ann in coco["annotations"]:
        x, y, w, h = ann["bbox"]
        if w > 0 and h > 0 and not ann.get("iscrowd", 0):
            boxes[ann["image_id"]].append([x, y, x + w, y + h])
    samples = []
    for image in sorted(coco["images"], key=lambda i: i["id"]):
        bgr = cv2.imread(str(find_image(folder, image["file_name"])), cv2.IMREAD_COLOR)
        rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        boxes_px = np.array(boxes[image["id"]], np.float32).reshape(-1, 4)
        samples.append(Sample(image["id"], rgb, boxes_px))
    return samples


# ---------------------------------------------------------------- tiles


def tile_affine(sample: Sample, tile_px: int, args: argparse.Namespace, rng: np.random.Generator) -> np.ndarray:
    """2 x 3 matrix image -> tile: random zoom, place, and one of 8 orientations."""
    zoom = args.scale * math.exp(rng.uniform(-1, 1) * math.log(args.zoom))
    height_px, width_px = sample.rgb.shape[:2]
    half_px = tile_px / 2 / zoom
    if len(sample.boxes_px) and rng.random() < args.object_tiles:
        x0, y0, x1, y1 = sample.boxes_px[rng.integers(len(sample.boxes_px))]
        centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2]) + rng.uniform(-0.8, 0.8, 2) * half_px
    else:
        centre = rng.uniform(0, 1, 2) * [width_px, height_px]
    # Tiles may hang over the image edge a little, as test images do.
    limit = np.array([width_px, height_px], float)
    margin = np.minimum(half_px * 0.9, limit / 2)
    centre = np.clip(centre, margin, limit - margin)
    quarter = rng.integers(4) * math.pi / 2
    turn = np.round([[math.cos(quarter), -math.sin(quarter)], [math.sin(quarter), math.cos(quarter)]])
    if rng.random() < 0.5:
        turn = turn @ np.diag([-1.0, 1.0])
    linear = zoom * turn
    return np.hstack([linear, (tile_px / 2 - linear @ centre)[:, None]])


def jitter_colours(tile: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random contrast, brightness and colour cast on a float tile in 0..1."""
    gain = math.exp(rng.uniform(-0.3, 0.3)) * np.exp(rng.uniform(-0.08, 0.08, 3))
    shift = rng.uniform(-0.1, 0.1)
    mean = tile.mean()
    return ((tile - mean) * gain + mean + shift).astype(np.float32)


def cut_tile(sample: Sample, args: argparse.Namespace, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One augmented tile, its full boxes and their boxes clipped to the tile (px)."""
    affine = tile_affine(sample, args.tile, args, rng)
    # warpAffine maps pixel centres to integers, the boxes live on pixel edges.
    pixel_affine = affine.copy()
    pixel_affine[:, 2] += affine[:, :2] @ [0.5, 0.5] - 0.5
    tile = cv2.warpAffine(sample.rgb, pixel_affine, (args.tile, args.tile), flags=cv2.INTER_LINEAR)
    tile = jitter_colours(tile.astype(np.float32) / 255.0, rng)
    corners = sample.boxes_px.reshape(-1, 2, 2) @ affine[:, :2].T + affine[:, 2]
    full = np.concatenate([corners.min(1), corners.max(1)], 1).astype(np.float32)
    return tile, full, full.clip(0, args.tile)


def area(boxes: np.ndarray) -> np.ndarray:
    """Areas of [x0, y0, x1, y1] boxes."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def make_targets(full: np.ndarray, clipped: np.ndarray, tile_px: int, args: argparse.Namespace) -> np.ndarray:
    """Maps on the output grid: heat, heat weight, box weight, x0, y0, x1, y1 (px)."""
    cells = tile_px // STRIDE_PX
    maps = np.zeros((7, cells, cells), np.float32)
    maps[1] = 1.0
    position_px = (np.arange(cells) + 0.5) * STRIDE_PX
    seen = area(clipped) / np.maximum(area(full), 1e-6)
    for i in np.argsort(-area(full)):  # small boxes last: they win shared cells
        x0, y0, x1, y1 = clipped[i]
        if seen[i] <= 0:
            continue
        if seen[i] < 0.5:  # too little left to call it an object or background
            a, b, c, d = (np.array([x0, y0, x1, y1]) / STRIDE_PX).astype(int)
            maps[1, b : d + 1, a : c + 1] = 0.0
            continue
        cell = np.minimum((np.array([x0 + x1, y0 + y1]) / 2 / STRIDE_PX).astype(int), cells - 1)
        sigma_px = np.maximum(np.array([x1 - x0, y1 - y0]) * args.sigma, STRIDE_PX * 0.5)
        offset = (position_px[None, :] - position_px[cell][:, None]) / sigma_px[:, None]
        bell = np.exp(-0.5 * offset[1][:, None] ** 2) * np.exp(-0.5 * offset[0][None, :] ** 2)
        maps[0] = np.maximum(maps[0], bell)
        maps[1, cell[1], cell[0]] = 1.0
        region = bell > args.region
        weight = bell[region] / bell[region].sum()
        maps[2][region] = weight
        maps[3:][:, region] = np.array([x0, y0, x1, y1])[:, None]
    return maps


def make_batch(samples: list[Sample], args: argparse.Namespace, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Tiles [N, 3, T, T] and target maps [N, 7, T/4, T/4]."""
    tiles, targets = [], []
    for _ in range(args.batch):
        tile, full, clipped = cut_tile(samples[rng.integers(len(samples))], args, rng)
        tiles.append(tile)
        targets.append(make_targets(full, clipped, args.tile, args))
    images = torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2)
    return images.contiguous(memory_format=torch.channels_last), torch.from_numpy(np.stack(targets))


# ---------------------------------------------------------------- network


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)]
    return nn.Sequential(*layers, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Block(nn.Module):
    """Two 3 x 3 convolutions around a shortcut."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(conv(channels, channels), conv(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Detector(nn.Module):
    """U-shaped network, strides 2 to 32; most layers run at stride 8 and up."""

    def __init__(self, width: int = 32):
        super().__init__()
        c4, c8, c16, c32 = width, 2 * width, 3 * width, 4 * width
        self.stem = nn.Sequential(conv(3, width // 2, stride=2), conv(width // 2, c4, stride=2), Block(c4))
        self.down8 = nn.Sequential(conv(c4, c8, stride=2), Block(c8))
        self.down16 = nn.Sequential(conv(c8, c16, stride=2), Block(c16), Block(c16))
        self.down32 = nn.Sequential(conv(c16, c32, stride=2), Block(c32))
        self.up16, self.up8, self.up4 = conv(c32, c16, 1), conv(c16, c8, 1), conv(c8, c4, 1)
        self.merge16, self.merge8, self.merge4 = conv(c16, c16), conv(c8, c8), Block(c4)
        self.head = nn.Sequential(conv(c4, 2 * width), nn.Conv2d(2 * width, 5, 1))
        with torch.no_grad():
            self.head[1].weight.mul_(0.1)
            # Start at heat 0.02 and a box of 30 px, the usual size.
            self.head[1].bias.copy_(torch.tensor([-4.0] + [math.log(15 / SIZE_UNIT_PX)] * 4))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Heat logits [N, H, W] and side distances l, t, r, b [N, 4, H, W] px."""
        s4 = self.stem((x - 0.4) / 0.2)
        s8 = self.down8(s4)
        s16 = self.down16(s8)
        s32 = self.down32(s16)
        s16 = self.merge16(s16 + F.interpolate(self.up16(s32), scale_factor=2))
        s8 = self.merge8(s8 + F.interpolate(self.up8(s16), scale_factor=2))
        s4 = self.merge4(s4 + F.interpolate(self.up4(s8), scale_factor=2))
        maps = self.head(s4)
        return maps[:, 0], maps[:, 1:].clamp(-3, 4).exp() * SIZE_UNIT_PX


# ---------------------------------------------------------------- losses


def heat_loss(logits: Tensor, heat: Tensor, weight: Tensor) -> Tensor:
    """Penalty-reduced focal loss of arXiv 1904.07850, per object."""
    p = logits.sigmoid()
    positive = (heat == 1).float()
    near = positive * (1 - p) ** 2 * F.logsigmoid(logits)
    far = (1 - positive) * (1 - heat) ** 4 * p**2 * F.logsigmoid(-logits) * weight
    return -(near + far).sum() / positive.sum().clamp(min=1)


def box_loss(sides_px: Tensor, target: Tensor) -> Tensor:
    """Distance-IoU loss over the weighted cells, mean per object."""
    n, y, x = torch.nonzero(target[:, 2] > 0, as_tuple=True)
    weight = target[n, 2, y, x]
    truth = target[n, 3:, y, x]
    centre = (torch.stack([x, y], 1) + 0.5) * STRIDE_PX
    sides = sides_px[n, :, y, x]
    low, high = centre - sides[:, :2], centre + sides[:, 2:]
    inter = (torch.minimum(high, truth[:, 2:]) - torch.maximum(low, truth[:, :2])).clamp(min=0).prod(1)
    union = (high - low).prod(1) + (truth[:, 2:] - truth[:, :2]).prod(1) - inter
    hull = torch.maximum(high, truth[:, 2:]) - torch.minimum(low, truth[:, :2])
    gap = (low + high - truth[:, :2] - truth[:, 2:]) / 2
    loss = 1 - inter / union + gap.square().sum(1) / hull.square().sum(1)
    return (loss * weight).sum() / weight.sum().clamp(min=1)


# ---------------------------------------------------------------- training


def learning_rate(step: int, args: argparse.Namespace) -> float:
    """Linear warm-up, then cosine down to a hundredth."""
    warm = max(1, args.steps // 15)
    if step < warm:
        return args.lr * (step + 1) / warm
    return args.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, args.steps - warm))))


def update_average(average: nn.Module, model: nn.Module, step: int, decay: float) -> None:
    """Exponential average of weights; short memory at first so it can start."""
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for kept, new in zip(average.state_dict().values(), model.state_dict().values()):
            if kept.dtype.is_floating_point:
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)


def train(samples: list[Sample], args: argparse.Namespace) -> tuple[nn.Module, list[list[float]]]:
    """Train on random tiles; returns the averaged network and the loss curve."""
    rng = np.random.default_rng(args.seed)
    model = Detector(args.width).to(memory_format=torch.channels_last)
    average = copy.deepcopy(model).eval()
    optimiser = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=args.decay)
    curve, recent, last_print = [], [], time.monotonic()
    for step in range(args.steps):
        optimiser.param_groups[0]["lr"] = learning_rate(step, args)
        images, target = make_batch(samples, args, rng)
        logits, sides_px = model(images)
        loss = heat_loss(logits, target[:, 0], target[:, 1]) + args.box_weight * box_loss(sides_px, target)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
        update_average(average, model, step, args.average)
        recent.append(loss.item())
        if (step + 1) % 25 == 0 or step + 1 == args.steps:
            curve.append([step + 1, round(sum(recent) / len(recent), 4)])
            recent = []
        if time.monotonic() - last_print > 5:
            last_print = time.monotonic()
            print(f"step {step + 1}/{args.steps} loss {loss.item():.3f}", flush=True)
    return average, curve


# ---------------------------------------------------------------- detection


def orient(image: Tensor, turns: int, flip: bool) -> Tensor:
    """Quarter turns (counter-clockwise), then a left-right flip, of [.., H, W]."""
    image = torch.rot90(image, turns, (-2, -1))
    return image.flip(-1) if flip else image


def restore(heat: Tensor, sides: Tensor, turns: int, flip: bool) -> tuple[Tensor, Tensor]:
    """Bring maps of an oriented image back: undo ``orient`` and rename the sides."""
    if flip:
        heat, sides = heat.flip(-1), sides.flip(-1)[:, [2, 1, 0, 3]]
    heat, sides = torch.rot90(heat, -turns, (-2, -1)), torch.rot90(sides, -turns, (-2, -1))
    for _ in range(turns):  # a turn carries top -> left, right -> top, ...
        sides = sides[:, [3, 0, 1, 2]]
    return heat, sides


@torch.no_grad()
def predict_maps(model: nn.Module, rgb: np.ndarray, orientations: int) -> tuple[Tensor, Tensor]:
    """Heat [H, W] and sides [4, H, W], averaged over orientations of the image."""
    height_px, width_px = rgb.shape[:2]
    pad = (0, -width_px % PAD_MULTIPLE_PX, 0, -height_px % PAD_MULTIPLE_PX)
    image = F.pad(torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255.0, pad)
    heats, sides = [], []
    for turns, flip in VIEWS[:orientations]:
        view = orient(image, turns, flip).contiguous(memory_format=torch.channels_last)
        logits, view_sides = model(view)
        heat, side = restore(logits.sigmoid(), view_sides, turns, flip)
        heats.append(heat[0])
        sides.append(side[0])
    return torch.stack(heats).mean(0), torch.stack(sides).log().mean(0).exp()


def decode(heat: Tensor, sides: Tensor, max_boxes: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [x0, y0, x1, y1] px and scores at the local maxima of the heat."""
    peak = (F.max_pool2d(heat[None], 3, 1, 1)[0] == heat) & (heat > 0.01)
    y, x = torch.nonzero(peak, as_tuple=True)
    scores, order = heat[y, x].sort(descending=True, stable=True)
    y, x = y[order], x[order]
    centre = (torch.stack([x, y], 1) + 0.5) * STRIDE_PX
    side = sides[:, y, x].T
    boxes = torch.cat([centre - side[:, :2], centre + side[:, 2:]], 1).numpy()
    return suppress(boxes, scores.numpy(), max_boxes)


def suppress(boxes: np.ndarray, scores: np.ndarray, max_boxes: int, iou_limit: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Greedy non-maximum suppression; boxes come best first."""
    kept: list[int] = []
    for i in range(len(boxes)):
        if len(kept) == max_boxes:
            break
        if not kept or iou(boxes[i], boxes[kept]).max() < iou_limit:
            kept.append(i)
    return boxes[kept].reshape(-1, 4), scores[kept]


def iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of one box with many."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    inter = (high - low).clip(0).prod(1)
    return inter / np.maximum(area(box[None]) + area(boxes) - inter, 1e-6)


def detect(model: nn.Module, samples: list[Sample], args: argparse.Namespace) -> list[dict]:
    """COCO results for every sample."""
    results = []
    for sample in samples:
        height_px, width_px = sample.rgb.shape[:2]
        size = (round(width_px * args.scale), round(height_px * args.scale))
        enlarged = cv2.resize(sample.rgb, size, interpolation=cv2.INTER_LINEAR)
        boxes, scores = decode(*predict_maps(model, enlarged, args.orientations), args.max_boxes)
        boxes = (boxes / np.tile(np.divide(size, (width_px, height_px)), 2)).clip(0, [width_px, height_px, width_px, height_px])
        for (x0, y0, x1, y1), score in zip(boxes.tolist(), scores.tolist()):
            bbox = [round(v, 2) for v in (x0, y0, x1 - x0, y1 - y0)]
            results.append({"image_id": sample.image_id, "category_id": 1, "bbox": bbox, "score": round(score, 5)})
    return results


# ---------------------------------------------------------------- command line


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("trainds", "valds", "testds", "outputpath"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    add = parser.add_argument
    add("--seed", type=int, default=0)
    add("--threads", type=int, default=1)
    add("--steps", type=int, default=900)
    add("--batch", type=int, default=8, help="tiles per step")
    add("--tile", type=int, default=256, help="tile side in pixels, a multiple of 32")
    add("--scale", type=float, default=1.0, help="enlargement of all images, small airplanes need it")
    add("--width", type=int, default=32, help="channels at stride 4")
    add("--lr", type=float, default=3e-3)
    add("--decay", type=float, default=0.02, help="weight decay")
    add("--average", type=float, default=0.99, help="memory of the weight average")
    add("--zoom", type=float, default=1.3, help="largest random zoom, and its inverse the smallest")
    add("--object-tiles", type=float, default=0.75, help="share of tiles placed near an object")
    add("--sigma", type=float, default=0.09, help="heat bell width as a share of the box side")
    add("--region", type=float, default=0.4, help="cells above this heat learn the box")
    add("--box-weight", type=float, default=2.0, help="weight of the box loss")
    add("--orientations", type=int, default=8, help="views averaged at test time, 1 to 8")
    add("--max-boxes", type=int, default=100, help="boxes kept per image")
    return parser.parse_args(argv)


def seed_everything(seed: int, threads: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # The filling only helps to find reads of unset memory and costs a tenth of the time.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.set_num_threads(threads)
    cv2.setNumThreads(1)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    seed_everything(args.seed, args.threads)
    args.outputpath.mkdir(parents=True, exist_ok=True)
    model, curve = train(load_dataset(args.trainds), args)
    print("training done, detecting", flush=True)
    detections = detect(model, load_dataset(args.testds), args)
    results = {k: v for k, v in vars(args).items() if not isinstance(v, Path)}
    results["train_loss"] = curve
    results["cpu_seconds"] = round(time.process_time(), 1)
    (args.outputpath / "output.json").write_text(json.dumps(detections))
    (args.outputpath / "results.json").write_text(json.dumps(results, indent=1))
    print(f"{len(detections)} boxes, {results['cpu_seconds']} CPU seconds", flush=True)


if __name__ == "__main__":
    main()
