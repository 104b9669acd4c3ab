"""How true the slanted edge is: thousands of synthetic edges of known response, against the bounds that it promises.

    python benchmarks/edges.py [--quick] [--seed 1]

Edges are made from closed forms, apart from the code that fits them: a step seen through a Gaussian, through a box of a
pixel and a Gaussian, or through a square pixel and a Gaussian, sampled at pixel centres; both axes, 2–15° and
75–88°, either sign.
SNR is contrast over the standard deviation of the noise. Prints each figure with its limit, and writes
results/edges.json. The file of known angle and width is looked for under ORBIQ_TEST_DATA.
"""

import argparse
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from scipy.optimize import brentq
from scipy.special import ndtr

from orbiq.errors import ImageError
from orbiq.metrics.edge_model import Edge
from orbiq.metrics.single_edge import slanted_edge

Field = npt.NDArray[np.float64]
Rng = np.random.Generator

FREQUENCIES = np.linspace(0, 0.5, 26)
SIGMAS = (0.4, 0.45, 0.5, 0.6, 0.7, 0.85, 1.0, 1.3, 1.7, 2.3, 3.0)


def integrals(x: Field, sigma: float) -> tuple[Field, Field, Field]:
    """Φ(x/σ), its integral and the integral of that."""
    density = sigma * np.exp(-((x / sigma) ** 2) / 2) / math.sqrt(2 * math.pi)
    below = ndtr(x / sigma)
    return below, x * below + density, ((x * x + sigma**2) * below + x * density) / 2


@dataclass(frozen=True)
class Truth:
    """A response along the normal: Gaussian of sigma_px, convolved with one or two boxes."""

    sigma_px: float
    boxes: tuple[float, ...] = ()

    def step(self, x: Field | float) -> Field:
        """E(x)."""
        x = np.asarray(x, float)
        if not self.boxes:
            return integrals(x, self.sigma_px)[0]
        a = self.boxes[0]
        if len(self.boxes) == 1:
            return (integrals(x + a / 2, self.sigma_px)[1] - integrals(x - a / 2, self.sigma_px)[1]) / a
        b = self.boxes[1]
        corners = ((a + b, 1), (a - b, -1), (b - a, -1), (-a - b, 1))
        return sum(sign * integrals(x + at / 2, self.sigma_px)[2] for at, sign in corners) / (a * b)

    def line(self, x: Field | float) -> Field:
        """dE/dx."""
        h = 1e-5
        return (self.step(x + h) - self.step(x - h)) / (2 * h)

    @property
    def rer(self) -> float:
        """E(½) − E(−½)."""
        return float(self.step(0.5) - self.step(-0.5))

    @property
    def fwhm_px(self) -> float:
        """Full width at half maximum of dE/dx."""
        if not self.boxes:
            return 2 * math.sqrt(2 * math.log(2)) * self.sigma_px
        half = self.line(0.0) / 2
        return 2 * brentq(lambda x: self.line(x) - half, 0, 10 * self.sigma_px + 2, xtol=1e-12)

    def mtf(self, f: Field | float) -> Field:
        """At f cycles per pixel of the normal."""
        out = np.exp(-2 * (math.pi * self.sigma_px * np.asarray(f)) ** 2)
        for box in self.boxes:
            out = out * np.sinc(box * np.asarray(f))
        return out


@dataclass
class Scene:
    """How an edge lies in its window; `bend` is the sagitta over the window in pixels."""

    angle_deg: float
    offset: float = 0.0
    polarity: int = 1
    shape: tuple[int, int] = (48, 48)
    low: float = 0.2
    high: float = 0.7
    bend: float = 0.0
    rows: np.ndarray = field(init=False)
    cols: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        grid = np.mgrid[: self.shape[0], : self.shape[1]].astype(float)
        self.rows, self.cols = grid[0] - (self.shape[0] - 1) / 2, grid[1] - (self.shape[1] - 1) / 2

    def distance(self) -> Field:
        """From the edge, positive on the bright side."""
        a = math.radians(self.angle_deg)
        u, v = self.cols * math.cos(a) + self.rows * math.sin(a), self.rows * math.cos(a) - self.cols * math.sin(a)
        if self.bend == 0:
            return self.polarity * (u - self.offset)
        radius = (max(self.shape) / 2) ** 2 / (2 * self.bend)
        return self.polarity * (radius - np.hypot(u - self.offset - radius, v))

    def image(self, truth: Truth) -> Field:
        """The pixels."""
        return self.low + (self.high - self.low) * truth.step(self.distance())


def any_scene(rng: Rng, **more: Any) -> Scene:
    angle = rng.uniform(2, 15) if rng.random() < 0.5 else rng.uniform(75, 88)
    return Scene(angle * rng.choice((-1, 1)), rng.uniform(-1, 1), int(rng.choice((-1, 1))), **more)


def truth_of(kind: str, sigma: float, scene: Scene) -> Truth:
    a = math.radians(scene.angle_deg)
    boxes = {"gaussian": (), "box": (1.0,), "square pixel": (abs(math.cos(a)), abs(math.sin(a)))}
    return Truth(sigma, boxes[kind])


def errors(edge: Edge, truth: Truth) -> tuple[float, float, float]:
    """Relative errors of RER and FWHM, and the largest of the MTF up to Nyquist."""
    worst = np.abs(edge.mtf(FREQUENCIES) - truth.mtf(FREQUENCIES)).max()
    return edge.rer / truth.rer - 1, edge.fwhm_px / truth.fwhm_px - 1, float(worst)


class Table:
    """Lines of claim, limit and figure."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def add(self, claim: str, figure: float, *, most: float | None = None, least: float | None = None) -> None:
        """One line, shown at once."""
        kept = None
        if most is not None or least is not None:
            kept = bool((most is None or figure <= most) and (least is None or figure >= least))
        limit = "" if kept is None else (f"≤ {most:g}" if least is None else f"{least:g} … {most:g}")
        self.lines.append({"claim": claim, "figure": float(f"{figure:.5g}"), "limit": limit, "kept": kept})
        print(
            f"{claim:<78} {limit:>14} {figure:>10.5g}  {'' if kept is None else 'kept' if kept else 'MISSED'}",
            flush=True,
        )


def quantised(
    name: str,
    table: Table,
    rng: Rng,
    n: int,
    convert: Callable[[Field], npt.NDArray[Any]],
    limits: tuple[float, float],
) -> None:
    """Edges without noise, as numbers of this type."""
    for kind in ("gaussian", "box", "square pixel"):
        found = []
        for k in range(n):
            scene = any_scene(rng)
            truth = truth_of(kind, SIGMAS[k % len(SIGMAS)], scene)
            found.append(np.abs(errors(slanted_edge(convert(scene.image(truth))), truth)))
        worst = np.max(found, axis=0)
        table.add(f"{name}, {kind}: worst RER, %", 100 * worst[0], most=limits[0])
        table.add(f"{name}, {kind}: worst FWHM, %", 100 * worst[1], most=limits[0])
        table.add(f"{name}, {kind}: worst MTF", worst[2], most=limits[1])


def noisy(snr: float, rng: Rng, n: int, kind: str, **options: Any) -> Field:
    """(sigma, errors of RER, FWHM, MTF, whether the interval holds RER, FWHM, MTF at Nyquist and half) of n edges."""
    rows = []
    for k in range(n):
        scene = any_scene(rng)
        truth = truth_of(kind, SIGMAS[k % len(SIGMAS)], scene)
        image = scene.image(truth) + rng.normal(0, (scene.high - scene.low) / snr, scene.shape)
        edge = slanted_edge(image, **options)
        held = [
            low <= true <= high
            for (low, high), true in (
                (edge.rer_interval, truth.rer),
                (edge.fwhm_interval, truth.fwhm_px),
                (edge.mtf_nyquist_interval, truth.mtf(0.5)),
                (edge.mtf_half_nyquist_interval, truth.mtf(0.25)),
            )
        ]
        plain = not set(edge.flags) & {"overshoot", "wide tails"}
        rows.append((truth.sigma_px, *errors(edge, truth), *held, plain))
    return np.array(rows, float)


def with_noise(table: Table, rng: Rng, n: int) -> None:
    """The lines of SNR 100 and 30."""
    by_kind = {(snr, kind): noisy(snr, rng, n, kind) for snr in (100, 30) for kind in ("gaussian", "box")}
    for kind in ("gaussian", "box"):
        tail = accuracy(table, by_kind[100, kind], f"SNR 100, {kind}")
        tail(1, "RER")
        table.add(f"SNR 30, {kind}: p95 of RER, %", 100 * p95(by_kind[30, kind][:, 1]), most=3)
        table.add(f"SNR 30, {kind}: bias (median) of RER, %", 100 * abs(np.median(by_kind[30, kind][:, 1])), most=0.2)
    accuracy(table, np.concatenate([by_kind[100, "gaussian"], by_kind[100, "box"]]), "SNR 100, both")
    for snr in (100, 30):
        efficiency(table, by_kind[snr, "gaussian"], snr)
        both = np.concatenate([by_kind[snr, "gaussian"], by_kind[snr, "box"]])
        for at, name in ((4, "RER"), (5, "FWHM"), (6, "MTF at Nyquist"), (7, "MTF at half Nyquist")):
            for kind in ("gaussian", "box"):
                table.add(
                    f"SNR {snr}, {kind}: intervals that hold the {name}, %", 100 * by_kind[snr, kind][:, at].mean()
                )
            table.add(
                f"SNR {snr}, both: intervals that hold the {name}, %", 100 * both[:, at].mean(), least=93, most=97
            )
    known = noisy(100, rng, n // 2, "box", shape="box")
    fine = known[:, 0] < 0.6
    table.add("SNR 100, box, shape='box' stated: p95 of FWHM below 0.6 px, %", 100 * p95(known[fine, 2]), most=1.7)
    table.add("SNR 100, box, shape='box' stated: p95 of FWHM from 0.6 px, %", 100 * p95(known[~fine, 2]), most=1.2)


def accuracy(table: Table, rows: Field, name: str) -> Callable[[int, str], None]:
    fine = rows[:, 0] < 0.6
    table.add(f"{name}: p95 of RER, %", 100 * p95(rows[:, 1]), most=1)
    table.add(f"{name}: p95 of FWHM below sigma 0.6 px, %", 100 * p95(rows[fine, 2]), most=1.7)
    table.add(f"{name}: p95 of FWHM from sigma 0.6 px, %", 100 * p95(rows[~fine, 2]), most=1.2)
    table.add(f"{name}: p95 of the worst MTF", p95(rows[:, 3]), most=0.01)

    def tail(at: int, label: str) -> None:
        by = [100 * p95(rows[rows[:, 0] == sigma, at]) for sigma in SIGMAS]
        table.add(f"{name}: p95 of {label} at its worst sigma ({SIGMAS[int(np.argmax(by))]} px), %", max(by))

    tail(2, "FWHM")
    return tail


def efficiency(table: Table, rows: Field, snr: float) -> None:
    """Root mean square error over the bound std(σ)/σ = (1/SNR)/√(0.141·N·σ) of N = 48 rows, Gaussian edges."""
    rows = rows[rows[:, 8] > 0]
    ratio = rows[:, 2] * snr * np.sqrt(0.141 * 48 * rows[:, 0])
    by = [np.sqrt(np.mean(ratio[rows[:, 0] == sigma] ** 2)) for sigma in SIGMAS]
    table.add(f"SNR {snr}, gaussian: RMSE of FWHM over the bound, all sigma", np.sqrt(np.mean(ratio**2)), most=1.3)
    worst = int(np.argmax(by))
    table.add(
        f"SNR {snr}, gaussian: RMSE of FWHM over the bound, worst sigma ({SIGMAS[worst]} px)", by[worst], most=1.3
    )
    print("    by sigma:", " ".join(f"{sigma}: {value:.2f}" for sigma, value in zip(SIGMAS, by, strict=True)))


def p95(values: npt.ArrayLike) -> float:
    return float(np.percentile(np.abs(values), 95))


def unsharp(truth: Truth, share: float, x: Field) -> Field:
    """The step sharpened by adding back what a blur of twice the width takes, until it overshoots by `share`."""
    wide = Truth(2 * truth.sigma_px, truth.boxes)
    grid = np.linspace(0, 12 * truth.sigma_px, 4000)

    def peak(a: float) -> float:
        return ((1 + a) * truth.step(grid) - a * wide.step(grid)).max() - 1 - share

    a = brentq(peak, 0, 5)
    return (1 + a) * truth.step(x) - a * wide.step(x)


def sharpened_rer(truth: Truth, share: float) -> float:
    return float(np.diff(unsharp(truth, share, np.array([-0.5, 0.5])))[0])


def not_ideal(table: Table, rng: Rng, n: int) -> None:
    """Curved, lit unevenly, sharpened, with holes: the share of edges off by more than 3 % in RER without a flag."""
    cases = {
        "curved by 2 px": (lambda s, t: Scene(s.angle_deg, s.offset, s.polarity, bend=2.0).image(t), {"curved"}),
        "curved by 0.5 px": (lambda s, t: Scene(s.angle_deg, s.offset, s.polarity, bend=0.5).image(t), {"curved"}),
        "light added, 20 % of the contrast": (lambda s, t: s.image(t) + 0.1 * slope(s), {"gradient"}),
        "light times 1 ± 20 %": (lambda s, t: s.image(t) * (1 + 0.2 * slope(s)), {"gradient"}),
        "5 % overshoot": (lambda s, t: s.low + (s.high - s.low) * unsharp(t, 0.05, s.distance()), {"overshoot"}),
        "10 % nodata": (lambda s, t: np.where(holes(s), np.nan, s.image(t)), set()),
        "3 % wild pixels": (lambda s, t: np.where(wild(s), 1.5, s.image(t)), set()),
    }
    for name, (make, flags) in cases.items():
        off, flagged, errors_ = 0, 0, []
        for k in range(n):
            scene = any_scene(rng)
            truth = Truth(SIGMAS[k % len(SIGMAS)])
            image = make(scene, truth) + rng.normal(0, (scene.high - scene.low) / 100, scene.shape)
            true = sharpened_rer(truth, 0.05) if name == "5 % overshoot" else truth.rer
            try:
                edge = slanted_edge(image, mask=np.isfinite(image))
            except ImageError:
                flagged += 1
                continue
            errors_.append(abs(edge.rer / true - 1))
            marked = bool(set(edge.flags) & flags) or not edge.accepted
            flagged += marked
            off += errors_[-1] > 0.03 and not marked
        table.add(f"{name}: edges off by more than 3 % and not flagged, %", 100 * off / n, most=0)
        table.add(f"{name}: p95 of RER, %", 100 * p95(errors_))
        table.add(f"{name}: edges flagged, %", 100 * flagged / n)


def slope(scene: Scene) -> Field:
    """A plane from −1 to 1 over the window, along its diagonal."""
    return (scene.rows + scene.cols) / (scene.rows + scene.cols).max()


def holes(scene: Scene) -> npt.NDArray[np.bool_]:
    """A block of a tenth of the window on the edge, and every 50th pixel."""
    flat = (np.arange(scene.rows.size).reshape(scene.rows.shape) * 7919) % 50 == 0
    return flat | ((np.abs(scene.rows - 10) < 7) & (np.abs(scene.cols - 3) < 7))


def wild(scene: Scene) -> npt.NDArray[np.bool_]:
    return (np.arange(scene.rows.size).reshape(scene.rows.shape) * 7919) % 33 == 0


def known_file(table: Table) -> None:
    """The edge whose file name states its angle, and its width along the row."""
    folder = os.environ.get("ORBIQ_TEST_DATA")
    path = Path(folder or "") / "slanted-edge" / "myedge_angle_16.776550_fwhm_2.101313.tif"
    if folder and path.is_file():
        edge = slanted_edge(tifffile.imread(path), along="row")
        table.add("known file: FWHM along the row, error in %", 100 * abs(edge.fwhm_px / 2.101313 - 1), most=1)
        table.add("known file: angle, error in %", 100 * abs(edge.angle_deg / 16.776550 - 1), most=1)
        across = slanted_edge(tifffile.imread(path))
        table.add("known file: FWHM along the normal, error in %", 100 * abs(across.fwhm_px / 2.012 - 1), most=1)


def cost(table: Table, rng: Rng) -> None:
    """CPU time of one edge."""
    for shape in ((24, 32), (48, 48)):
        scenes = [any_scene(rng, shape=shape) for _ in range(200)]
        images = [s.image(Truth(rng.uniform(0.5, 1.5))) + rng.normal(0, 0.005, shape) for s in scenes]
        slanted_edge(images[0])
        start = time.process_time()
        for image in images:
            slanted_edge(image)
        table.add(
            f"CPU of one edge of {shape[0]} × {shape[1]} pixels, ms", (time.process_time() - start) / len(images) * 1e3
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the edges, nothing written")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    table, rng, share = Table(), np.random.default_rng(args.seed), 10 if args.quick else 1
    quantised("float", table, rng, 440 // share, lambda image: image, (0.1, 0.001))
    quantised("16 bit", table, rng, 440 // share, lambda image: np.round(image * 65535).astype(np.uint16), (0.1, 0.001))
    quantised("8 bit", table, rng, 440 // share, lambda image: np.round(image * 255).astype(np.uint8), (1, 0.01))
    with_noise(table, rng, 4400 // share)
    not_ideal(table, rng, 440 // share)
    known_file(table)
    cost(table, rng)
    missed = [line["claim"] for line in table.lines if line["kept"] is False]
    print(f"{len(missed)} of {sum(line['kept'] is not None for line in table.lines)} limits missed")
    if not args.quick:
        results = Path(__file__).parent / "results"
        results.mkdir(exist_ok=True)
        (results / "edges.json").write_text(json.dumps({"seed": args.seed, "lines": table.lines}, indent=1) + "\n")


if __name__ == "__main__":
    main()
