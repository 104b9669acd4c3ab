"""Train a small ResNet-18 to regress the digit of MNIST images: a black box by orbiq's task contract.

Reads `<trainds>/<one folder>/<digit>/*.png` and the same under `<testds>`; the folder name is the label. Writes
into `--outputpath`

    results.json   epochs, n_parameters, mse (test set, final model), train_mse and test_mse_by_epoch as
                   [[epoch, mse], ...]; mse in squared digits, lower is better; a network that always answers
                   4.5 scores 8.25 on a balanced test set
    output.json    {"values": {"7/00012.png": predicted digit, ...}} for the test set, paths relative to its
                   image folder

It is a classification task, but the loss is the mean squared error of one linear output, as in the paper, so that
a far digit costs more than a near one. The settings below and the defaults were chosen on train images held out
from the fit, and are the same for every noise level. The same seed, settings and thread count give the same files.

Source: iquaflow, section II-A and fig. 2, DOI 10.1109/JSTARS.2023.3342475; the network: K. He et al., "Deep
residual learning for image recognition", DOI 10.1109/CVPR.2016.90.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

WIDTHS = (16, 32, 64, 128)  # channels of the four stages; a quarter of ResNet-18's
MAX_SHIFT_PX = 2
WEIGHT_DECAY = 0.05
EMA_DECAY = 0.98  # per step
WARM_UP = 0.2  # part of the steps in which the learning rate rises
EVALUATION_BATCH = 250


@dataclass(frozen=True, kw_only=True)
class Digits:
    """Images uint8 (n, rows, cols), their digits float32 (n,) and their paths below the image folder."""

    images: np.ndarray
    labels: np.ndarray
    names: list[str]


def image_folder(dataset: Path) -> Path:
    """Return the one folder of `dataset` that holds images; ValueError if there is none or more than one."""
    if not dataset.is_dir():
        raise ValueError(f"{dataset}: no such dataset folder")
    folders = [path for path in sorted(dataset.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    folders = [path for path in folders if "mask" not in path.name]
    if len(folders) != 1:
        raise ValueError(f"{dataset}: expected one image folder, found {[path.name for path in folders]}")
    return folders[0]


def read_image(path: Path) -> np.ndarray:
    """Return the pixels of an 8-bit, one-band PNG; ValueError for anything else."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype != np.uint8 or image.ndim != 2:
        found = "unreadable" if image is None else f"{image.dtype} of shape {image.shape}"
        raise ValueError(f"{path}: {found}; expected uint8 (rows, cols)")
    return image


def read_digits(dataset: Path) -> Digits:
    """Read a dataset with class folders 0..9; ValueError if it has no images, or not all of one size."""
    folder = image_folder(dataset)
    paths = sorted(folder.glob("[0-9]/*.png"))
    if not paths:
        raise ValueError(f"{folder}: no images in class folders; expected <digit>/*.png")
    images = [read_image(path) for path in paths]
    sizes = {image.shape for image in images}
    if len(sizes) != 1:
        raise ValueError(f"{folder}: images of several sizes {sorted(sizes)}; expected one")
    labels = np.array([int(path.parent.name) for path in paths], dtype=np.float32)
    return Digits(images=np.stack(images), labels=labels, names=[p.relative_to(folder).as_posix() for p in paths])


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, as in He et al., fig. 5 left."""

    def __init__(self, n_in: int, n_out: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(n_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or n_in != n_out:
            self.shortcut = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, n_in, rows, cols) to (n, n_out, rows / stride, cols / stride)."""
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class ResNet18(nn.Module):
    """ResNet-18 (blocks 2, 2, 2, 2) for one band, with one linear output: the digit.

    The stem halves the image once and has no max-pool: 28 x 28 becomes 14, 14, 7, 4, 2. Images are float32 in
    0..255; `mean` and `std` (of the train images) scale them, `centre` (of the train labels) is added to the
    output, so that an untrained network answers near the mean digit.
    """

    def __init__(self, *, mean: float, std: float, centre: float) -> None:
        super().__init__()
        self.mean, self.std, self.centre = mean, std, centre
        self.stem = nn.Sequential(
            nn.Conv2d(1, WIDTHS[0], 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(WIDTHS[0]), nn.ReLU()
        )
        blocks, n_in = [], WIDTHS[0]
        for stage, n_out in enumerate(WIDTHS):
            blocks += [BasicBlock(n_in, n_out, stride=1 if stage == 0 else 2), BasicBlock(n_out, n_out, stride=1)]
            n_in = n_out
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(n_in, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (n, rows, cols) to digits (n,)."""
        x = ((images - self.mean) / self.std).unsqueeze(1).contiguous(memory_format=torch.channels_last)
        features = self.blocks(self.stem(x)).mean(dim=(2, 3))
        return self.head(features).squeeze(1) + self.centre


def shifted(images: torch.Tensor, *, generator: torch.Generator) -> torch.Tensor:
    """Move each image (n, rows, cols) by up to MAX_SHIFT_PX pixels in rows and columns, drawn for each."""
    n, rows, cols = images.shape
    # reflect: a border of zeros would stand out from the noise
    padded = F.pad(images.unsqueeze(1), [MAX_SHIFT_PX] * 4, mode="reflect").squeeze(1)
    start = torch.randint(0, 2 * MAX_SHIFT_PX + 1, (2, n, 1), generator=generator)
    row = (start[0] + torch.arange(rows)).unsqueeze(2)
    col = (start[1] + torch.arange(cols)).unsqueeze(1)
    return padded[torch.arange(n).view(n, 1, 1), row, col]


class Trainer:
    """The network, the running average of its weights, which is what predicts, and their optimiser."""

    def __init__(self, train: Digits, *, args: argparse.Namespace) -> None:
        self.images = torch.from_numpy(train.images).float()
        self.labels = torch.from_numpy(train.labels)
        self.batch = min(args.batch, len(self.labels))
        self.generator = torch.Generator().manual_seed(args.seed)
        network = ResNet18(
            mean=self.images.mean().item(), std=self.images.std().item() + 1e-6, centre=self.labels.mean().item()
        )
        self.network = network.to(memory_format=torch.channels_last)
        # the average of the last steps varies less between repetitions than the last step does
        self.average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY), use_buffers=True)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=args.lr, weight_decay=WEIGHT_DECAY)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            max_lr=args.lr,
            total_steps=args.epochs * (len(self.labels) // self.batch),
            pct_start=WARM_UP,
        )

    def step(self, chosen: torch.Tensor) -> float:
        """Take one optimiser step on the images at the positions `chosen`; return their MSE before it."""
        images = shifted(self.images[chosen], generator=self.generator)
        loss = F.mse_loss(self.network(images), self.labels[chosen])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.average.update_parameters(self.network)
        return float(loss.item())

    def epoch(self) -> float:
        """See every train image once, in a drawn order; return the mean of the batch MSEs."""
        self.network.train()
        order = torch.randperm(len(self.labels), generator=self.generator)
        n_steps = len(order) // self.batch  # the rest of the order, less than a batch, waits for another epoch
        return float(np.mean([self.step(chosen) for chosen in order[: n_steps * self.batch].split(self.batch)]))

    def predict(self, digits: Digits) -> np.ndarray:
        """Return the predicted digit of each image, float32 (n,)."""
        self.average.eval()
        with torch.no_grad():
            batches = torch.from_numpy(digits.images).split(EVALUATION_BATCH)
            return torch.cat([self.average(batch.float()) for batch in batches]).numpy()


def mean_squared_error(predicted: np.ndarray, digits: Digits) -> float:
    """Return the MSE of predicted digits, in squared digits; lower is better."""
    return float(np.mean((predicted.astype(np.float64) - digits.labels) ** 2))


def fit(train: Digits, test: Digits, *, args: argparse.Namespace) -> tuple[dict[str, Any], np.ndarray]:
    """Train, and return what results.json holds and the final predictions for the test set."""
    torch.manual_seed(args.seed)
    trainer = Trainer(train, args=args)
    n_parameters = sum(parameter.numel() for parameter in trainer.network.parameters())
    print(f"{len(train.labels)} train, {len(test.labels)} test images, {n_parameters} parameters", flush=True)
    train_mse, test_mse = [], []
    for epoch in range(1, args.epochs + 1):
        train_mse.append([epoch, trainer.epoch()])
        predicted = trainer.predict(test)
        test_mse.append([epoch, mean_squared_error(predicted, test)])
        print(f"epoch {epoch}/{args.epochs}: train {train_mse[-1][1]:.3f}, test {test_mse[-1][1]:.3f}", flush=True)
    results = {"epochs": args.epochs, "n_parameters": n_parameters, "mse": test_mse[-1][1]}
    return results | {"train_mse": train_mse, "test_mse_by_epoch": test_mse}, predicted


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` to `path`."""
    path.write_text(json.dumps(content, indent=1) + "\n")


def parse_arguments() -> argparse.Namespace:
    """Read the command line of the task contract; every other option is a parameter of the experiment."""
    parser = argparse.ArgumentParser(description="Regress the digit of MNIST images with a small ResNet-18.")
    parser.add_argument("--trainds", type=Path, required=True, help="dataset to train on")
    parser.add_argument("--testds", type=Path, required=True, help="dataset to predict")
    parser.add_argument("--outputpath", type=Path, required=True, help="folder for results.json and output.json")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and shifts (default %(default)s)")
    parser.add_argument("--epochs", type=int, default=10, help="default %(default)s")
    parser.add_argument("--lr", type=float, default=4e-3, help="largest learning rate (default %(default)s)")
    parser.add_argument("--batch", type=int, default=128, help="images in a step (default %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default %(default)s)")
    args = parser.parse_args()
    for name in ("epochs", "lr", "batch", "threads"):
        if getattr(args, name) <= 0:
            parser.error(f"--{name} is {getattr(args, name)}; it must be above 0")
    return args


def main() -> int:
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(mode=True)
    try:
        train, test = read_digits(args.trainds), read_digits(args.testds)
    except ValueError as error:
        print(f"train: {error}", file=sys.stderr)
        return 2
    results, predicted = fit(train, test, args=args)
    args.outputpath.mkdir(parents=True, exist_ok=True)
    values = {name: float(value) for name, value in zip(test.names, predicted, strict=True)}
    write_json(args.outputpath / "output.json", {"values": values})
    write_json(args.outputpath / "results.json", results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
