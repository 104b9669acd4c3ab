"""Train a small airplane detector from scratch on satellite images: a black box by orbiq's task contract.

Reads `--trainds`, `--testds`: a folder with one sub-folder of images (PNG or JPEG; names with "mask" are passed over)
and one COCO `*.json`, whose categories are merged into one. `--valds` is part of the contract but is not read: the
number of steps is fixed and the weights of the last step are the ones used. Writes into `--outputpath`

    results.json   settings as scalars, and train_loss as [[step, mean loss since the last entry], ...]
    output.json    COCO results of the test images: [{image_id, category_id: 1, bbox: [x, y, width, height], score}]

The network sees tiles cut at random places, zooms and orientations. At every fourth pixel it predicts how likely the
centre of an airplane is there ("Objects as points", arXiv 1904.07850) and how far away the four sides of the box are,
trained in a Gaussian-weighted neighbourhood of the centre (TTFNet, arXiv 1909.00700) with the distance-IoU loss (arXiv
1911.08287). Weights are averaged over the last steps and test images are seen in several orientations: both make the
box sizes steadier.
On a CPU the same seed, settings and thread count give the same files.

Where training and judging are two commands, `train.py` and `evaluate.py` of studies/airports_codecs call what stands here.
"""

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

STRIDE_PX = 4  # one cell of the output maps covers 4 x 4 pixels
PAD_MULTIPLE_PX = 32  # the deepest stride of the network
SIZE_UNIT_PX = 8.0  # the network predicts log(distance / SIZE_UNIT_PX)
WIDTHS = (16, 32, 64, 96, 128)  # channels at strides 2 to 32
USUAL_SIDE_PX = 30.0  # where box sides start in training
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
# (quarter turns, mirrored) of the test views; the most different ones come first
VIEWS = ((0, False), (2, False), (1, True), (3, True), (1, False), (3, False), (0, True), (2, True))

OBJECT_TILES = 0.75  # part of the tiles placed near an object
SIGMA = 0.09  # width of the Gaussian around a centre as a part of the box side
REGION = 0.4  # cells above this value of the Gaussian learn the box
SEEN = 0.5  # boxes cut at the tile edge are objects if this part of them is inside
BOX_WEIGHT = 2.0  # of the box loss against the heat loss
WEIGHT_DECAY = 0.02
WARM_UP = 1 / 15  # part of the steps in which the learning rate rises
EMA_DECAY = 0.99  # per step
REPORT_STEPS = 10  # a few seconds
MIN_SCORE, NMS_IOU, MAX_BOXES = 0.01, 0.5, 100  # what becomes a detection; boxes per image


class Sample(NamedTuple):
    """An image, RGB uint8 (rows, cols, 3), and its boxes [x0, y0, x1, y1] in px."""

    image_id: int
    rgb: np.ndarray
    boxes_px: np.ndarray


def image_folder(dataset: Path) -> Path:
    """Return the one folder of `dataset` that holds images; ValueError if there is none or more than one."""
    folders = [path for path in sorted(dataset.iterdir()) if path.is_dir() and "mask" not in path.name]
    folders = [path for path in folders if any(file.suffix.lower() in IMAGE_SUFFIXES for file in path.iterdir())]
    if len(folders) != 1:
        raise ValueError(f"{dataset}: expected one image folder, found {[path.name for path in folders]}")
    return folders[0]


def read_rgb(folder: Path, file_name: str) -> np.ndarray:
    """Read an image; one converted to another format may have kept its old name in the COCO file."""
    named = folder / Path(file_name).name
    for path in (named, *(named.with_suffix(suffix) for suffix in IMAGE_SUFFIXES)):
        bgr = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.exists() else None
        if bgr is not None:
            return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    raise ValueError(f"{named}: missing or not an image")


def load_dataset(dataset: Path) -> list[Sample]:
    """Read every image of the COCO file, in the order of their ids."""
    [annotation_file] = (p for p in dataset.glob("*.json") if p.name not in {"dataset.json", "variant.json"})
    coco = json.loads(annotation_file.read_text())
    folder = image_folder(dataset)
    boxes: dict[int, list[list[float]]] = {image["id"]: [] for image in coco["images"]}
    for annotation in coco["annotations"]:
        x, y, width, height = annotation["bbox"]
        if width > 0 and height > 0 and not annotation.get("iscrowd", 0):
            boxes[annotation["image_id"]].append([x, y, x + width, y + height])
    files = sorted((image["id"], image["file_name"]) for image in coco["images"])
    return [Sample(key, read_rgb(folder, name), np.array(boxes[key]).reshape(-1, 4)) for key, name in files]


def areas(boxes: np.ndarray) -> np.ndarray:
    return np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)


def tile_affine(sample: Sample, args: argparse.Namespace, rng: np.random.Generator) -> np.ndarray:
    """Draw zoom, place and one of 8 orientations: the matrix (2, 3) from image to tile, both in px from the corner."""
    zoom = math.exp(rng.uniform(-1, 1) * math.log(args.zoom))
    half_px, size_px = args.tile / 2 / zoom, np.array(sample.rgb.shape[1::-1], float)
    centre = rng.uniform(0, 1, 2) * size_px
    if len(sample.boxes_px) and rng.random() < OBJECT_TILES:
        box = sample.boxes_px[rng.integers(len(sample.boxes_px))]
        centre = (box[:2] + box[2:]) / 2 + rng.uniform(-0.8, 0.8, 2) * half_px
    margin = np.minimum(half_px * 0.9, size_px / 2)  # a little beyond the edge is fine: the tile is black there
    centre = np.clip(centre, margin, size_px - margin)
    quarter_turns = np.linalg.matrix_power([[0, -1], [1, 0]], rng.integers(4))
    linear = zoom * quarter_turns @ np.diag([rng.choice([-1, 1]), 1])
    return np.hstack([linear, (args.tile / 2 - linear @ centre)[:, None]])


def cut_tile(sample: Sample, args: argparse.Namespace, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a tile, float32 about 0..1 with random contrast and colours, and the boxes in its frame, not clipped."""
    affine = tile_affine(sample, args, rng)
    corners = sample.boxes_px.reshape(-1, 2, 2) @ affine[:, :2].T + affine[:, 2]
    # OpenCV counts from the middle of the first pixel, the boxes from its corner.
    affine[:, 2] += affine[:, :2] @ [0.5, 0.5] - 0.5
    tile = cv2.warpAffine(sample.rgb, affine, (args.tile, args.tile), flags=cv2.INTER_LINEAR)
    gain = math.exp(rng.uniform(-0.3, 0.3)) * np.exp(rng.uniform(-0.08, 0.08, 3))
    mean, levels = (tile / np.float32(255)).mean(), np.arange(256, dtype=np.uint8)[None, :, None] / np.float32(255)
    levels = (levels - mean) * gain + mean + rng.uniform(-0.1, 0.1)  # a table is quicker than sums over all pixels
    tile = cv2.LUT(tile, levels.astype(np.float32))
    return tile, np.concatenate([corners.min(1), corners.max(1)], axis=1)


def make_targets(boxes: np.ndarray, tile_px: int) -> np.ndarray:
    """Return maps (7, rows, cols) on the output grid: heat, weight of no heat, weight of the box, x0, y0, x1, y1."""
    cells = tile_px // STRIDE_PX
    maps = np.zeros((7, cells, cells), np.float32)
    maps[1] = 1
    position_px = (np.arange(cells) + 0.5) * STRIDE_PX
    clipped = boxes.clip(0, tile_px)
    seen = areas(clipped) / areas(boxes)
    for index in np.argsort(-areas(boxes)):  # small boxes come last: cells that are shared are theirs
        low, high = clipped[index, :2], clipped[index, 2:]
        if seen[index] < SEEN:  # if anything is left, it is too little to call it an object, or no object
            (left, top), (right, bottom) = low // STRIDE_PX, np.ceil(high / STRIDE_PX)
            maps[1, int(top) : int(bottom), int(left) : int(right)] = 0
            continue
        cell = np.minimum((low + high) / 2 // STRIDE_PX, cells - 1).astype(int)
        sigma_px = np.maximum((high - low) * SIGMA, STRIDE_PX / 2)
        bell_x, bell_y = np.exp(-0.5 * ((position_px - position_px[cell][:, None]) / sigma_px[:, None]) ** 2)
        bell = np.outer(bell_y, bell_x)
        maps[0] = np.maximum(maps[0], bell)
        region = bell > REGION
        maps[2, region] = bell[region] / bell[region].sum()
        maps[3:, region] = clipped[index][:, None]
    return maps


def make_batch(samples: list[Sample], args: argparse.Namespace, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return random tiles (n, 3, tile, tile) and their targets (n, 7, tile / 4, tile / 4)."""
    pairs = [cut_tile(samples[rng.integers(len(samples))], args, rng) for _ in range(args.batch)]
    tiles = torch.from_numpy(np.stack([tile for tile, _ in pairs])).permute(0, 3, 1, 2)
    targets = torch.from_numpy(np.stack([make_targets(boxes, args.tile) for _, boxes in pairs]))
    return tiles.contiguous(memory_format=torch.channels_last), targets


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Block(nn.Sequential):
    """Two convolutions beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__(conv(channels, channels), conv(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` plus what the convolutions make of it."""
        return x + super().forward(x)


class Detector(nn.Module):
    """A U of strides 2 to 32 and back to 4; it gets to stride 4 at once, since time goes where maps are large."""

    def __init__(self) -> None:
        super().__init__()
        c2, c4, c8, c16, c32 = WIDTHS
        self.stem = nn.Sequential(conv(3, c2, stride=2), conv(c2, c4, stride=2), Block(c4))
        self.down8 = nn.Sequential(conv(c4, c8, stride=2), Block(c8))
        self.down16 = nn.Sequential(conv(c8, c16, stride=2), Block(c16), Block(c16))
        self.down32 = nn.Sequential(conv(c16, c32, stride=2), Block(c32))
        self.up16, self.up8, self.up4 = conv(c32, c16, 1), conv(c16, c8, 1), conv(c8, c4, 1)
        self.merge16, self.merge8, self.merge4 = conv(c16, c16), conv(c8, c8), Block(c4)
        self.head = conv(c4, c8)
        self.maps = nn.Conv2d(c8, 5, 1)
        with torch.no_grad():  # start with rare objects of the usual size
            self.maps.weight.mul_(0.1)
            self.maps.bias.copy_(torch.tensor([-4.0] + [math.log(USUAL_SIDE_PX / 2 / SIZE_UNIT_PX)] * 4))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return heat logits (n, rows, cols) and distances in px to left, top, right, bottom (n, 4, rows, cols)."""
        s4 = self.stem((x - 0.4) / 0.2)
        s8 = self.down8(s4)
        s16 = self.down16(s8)
        s32 = self.down32(s16)
        s16 = self.merge16(s16 + F.interpolate(self.up16(s32), scale_factor=2))
        s8 = self.merge8(s8 + F.interpolate(self.up8(s16), scale_factor=2))
        s4 = self.merge4(s4 + F.interpolate(self.up4(s8), scale_factor=2))
        maps = self.maps(self.head(s4))
        return maps[:, 0], maps[:, 1:].clamp(-3, 4).exp() * SIZE_UNIT_PX


def heat_loss(logits: Tensor, heat: Tensor, weight: Tensor) -> Tensor:
    """Return the focal loss per object; near a centre, where heat is high, a miss by some cells costs little."""
    likely, is_centre = logits.sigmoid(), (heat == 1).float()
    centre_loss = is_centre * (1 - likely) ** 2 * F.logsigmoid(logits)
    other_loss = weight * (1 - heat) ** 4 * likely**2 * F.logsigmoid(-logits)  # 0 at centres
    return -(centre_loss + other_loss).sum() / is_centre.sum().clamp(min=1)


def box_loss(sides_px: Tensor, target: Tensor) -> Tensor:
    """Return the distance-IoU loss per object."""
    n, row, col = torch.nonzero(target[:, 2], as_tuple=True)
    weight, true_low, true_high = target[n, 2, row, col], target[n, 3:5, row, col], target[n, 5:, row, col]
    place_px = (torch.stack([col, row], 1) + 0.5) * STRIDE_PX
    low, high = place_px - sides_px[n, :2, row, col], place_px + sides_px[n, 2:, row, col]
    common = (torch.minimum(high, true_high) - torch.maximum(low, true_low)).clamp(min=0).prod(1)
    union = (high - low).prod(1) + (true_high - true_low).prod(1) - common
    hull = torch.maximum(high, true_high) - torch.minimum(low, true_low)
    gap = (low + high - true_low - true_high) / 2
    loss = 1 - common / union + gap.square().sum(1) / hull.square().sum(1)
    return (loss * weight).sum() / weight.sum().clamp(min=1)


def train(samples: list[Sample], args: argparse.Namespace) -> tuple[nn.Module, list[list[float]]]:
    """Return the network with averaged weights, and the loss as [[step, mean], ...]."""
    rng = np.random.default_rng(args.seed)
    model = Detector().to(args.device, memory_format=torch.channels_last)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY), use_buffers=True)
    optimiser = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=WEIGHT_DECAY)
    schedule = OneCycleLR(optimiser, args.lr, args.steps, pct_start=WARM_UP, cycle_momentum=False)
    curve: list[list[float]] = []
    losses: list[Tensor] = []
    for step in range(1, args.steps + 1):
        tiles, target = (tensor.to(args.device) for tensor in make_batch(samples, args, rng))
        logits, sides_px = model(tiles)
        loss = heat_loss(logits, target[:, 0], target[:, 1]) + BOX_WEIGHT * box_loss(sides_px, target)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
        schedule.step()
        average.update_parameters(model)
        losses.append(loss.detach())  # as a number only when it is reported: a GPU need not be waited for
        if step % REPORT_STEPS == 0 or step == args.steps:
            curve.append([step, round(float(np.mean([loss.item() for loss in losses])), 4)])
            losses.clear()
            print(f"step {step}/{args.steps}, loss {curve[-1][1]:.3f}", flush=True)
    return average.module.eval(), curve


def undo_view(maps: Tensor, turns: int, mirrored: bool) -> Tensor:
    """Bring the maps (1, 5, rows, cols) of a turned, then mirrored image back to the frame of the image."""
    if mirrored:
        maps = maps.flip(3)[:, [0, 3, 2, 1, 4]]  # left and right change places
    for _ in range(turns):  # a turn to the left had made the left side the bottom, the top the left, and so on
        maps = maps.rot90(-1, (2, 3))[:, [0, 4, 1, 2, 3]]
    return maps


@torch.no_grad()
def predict_maps(model: nn.Module, rgb: np.ndarray, n_views: int) -> tuple[Tensor, Tensor]:
    """Return heat (rows, cols) and side distances in px (4, rows, cols), means over views of the image."""
    device = next(model.parameters()).device
    image = torch.from_numpy(rgb).to(device).permute(2, 0, 1)[None].float() / 255
    image = F.pad(image, (0, -rgb.shape[1] % PAD_MULTIPLE_PX, 0, -rgb.shape[0] % PAD_MULTIPLE_PX))
    views = []
    for turns, mirrored in VIEWS[:n_views]:
        view = image.rot90(turns, (2, 3)).flip(3) if mirrored else image.rot90(turns, (2, 3))
        logits, sides_px = model(view.contiguous(memory_format=torch.channels_last))
        views.append(undo_view(torch.cat([logits.sigmoid()[:, None], sides_px.log()], 1), turns, mirrored))
    mean = torch.cat(views).mean(0).cpu()
    return mean[0], mean[1:].exp()


def decode(heat: Tensor, sides_px: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes and scores, best first, of the local maxima of the heat that no better box covers."""
    is_peak = (F.max_pool2d(heat[None], 3, 1, 1)[0] == heat) & (heat > MIN_SCORE)
    row, col = torch.nonzero(is_peak, as_tuple=True)
    scores, order = heat[row, col].sort(descending=True, stable=True)
    row, col = row[order], col[order]
    place_px = (torch.stack([col, row], 1) + 0.5) * STRIDE_PX
    boxes = torch.cat([place_px - sides_px[:2, row, col].T, place_px + sides_px[2:, row, col].T], 1).numpy()
    kept: list[int] = []
    for index, box in enumerate(boxes):
        if len(kept) < MAX_BOXES and (iou(box, boxes[kept]) < NMS_IOU).all():
            kept.append(index)
    return boxes[kept], scores.numpy()[kept]


def iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    common = np.prod((np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])).clip(0), axis=1)
    return np.asarray(common / (areas(box[None]) + areas(boxes) - common))


def detect(model: nn.Module, samples: list[Sample], args: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the COCO results of all samples."""
    results = []
    for sample in samples:
        size_px = np.array(sample.rgb.shape[1::-1])
        boxes, scores = decode(*predict_maps(model, sample.rgb, args.views))
        for (x0, y0, x1, y1), score in zip(boxes.clip(0, np.tile(size_px, 2)).tolist(), scores.tolist(), strict=True):
            bbox = [round(value, 2) for value in (x0, y0, x1 - x0, y1 - y0)]
            results.append({"image_id": sample.image_id, "category_id": 1, "bbox": bbox, "score": round(score, 5)})
    return results


def parse_args(
    argv: list[str] | None = None, *, folders: tuple[str, ...] = ("trainds", "valds", "testds", "outputpath")
) -> argparse.Namespace:
    """Read the command line, of which `folders` are a must."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    add = parser.add_argument
    for name in folders:
        add(f"--{name}", type=Path, required=True)
    add("--seed", type=int, default=0)
    add("--threads", type=int, default=1, help="threads of torch; other counts, other rounding")
    add("--device", default="cpu", help="cpu or cuda; another device, another rounding")
    add("--steps", type=int, default=1200)
    add("--batch", type=int, default=8, help="tiles per step")
    add("--tile", type=int, default=192, help="tile side in px, a multiple of 32")
    add("--zoom", type=float, default=1.3, help="largest random zoom; its inverse is the smallest")
    add("--lr", type=float, default=3e-3, help="highest learning rate")
    add("--views", type=int, default=4, help="orientations averaged on test images, 1 to 8")
    return parser.parse_args(argv)


def settle(args: argparse.Namespace) -> None:
    """Make torch and OpenCV do the same for the same settings."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)  # noqa: FBT003
    # Filling helps only to find reads of unset memory, and takes a tenth of the time.
    torch.utils.deterministic.fill_uninitialized_memory = False
    cv2.setNumThreads(1)


def write_results(args: argparse.Namespace, **found: list[list[float]]) -> None:
    """Write results.json: the settings, and what was found by step."""
    results = {name: value for name, value in vars(args).items() if not isinstance(value, Path)} | found
    args.outputpath.mkdir(parents=True, exist_ok=True)
    (args.outputpath / "results.json").write_text(json.dumps(results, indent=1) + "\n")


def write_detections(detections: list[dict[str, Any]], args: argparse.Namespace) -> None:
    """Write output.json."""
    (args.outputpath / "output.json").write_text(json.dumps(detections) + "\n")
    print(f"{len(detections)} boxes, {time.process_time():.0f} CPU seconds", flush=True)


def main() -> None:
    args = parse_args()
    settle(args)
    test_samples = load_dataset(args.testds)  # a broken dataset should show before the training
    model, curve = train(load_dataset(args.trainds), args)
    print("trained, now detecting", flush=True)
    detections = detect(model, test_samples, args)
    write_results(args, train_loss=curve)
    write_detections(detections, args)


if __name__ == "__main__":
    main()
