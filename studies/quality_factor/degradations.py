"""How well the degradation regressors tell blur, sharpness, noise, sharpening and scale of images they never saw.

    ORBIQ_TEST_DATA=… python degradations.py [--model FILE] [--sets val test usc] [--every 1]

Each image is shrunk (airports 4 ×, USC-SIPI 2 ×) to a blur of 0.5 px, so that its own, which nobody knows exactly, hardly
counts; then orbiq's own modifiers degrade it: one at a time, and several at once. Writes results/degradations_values.csv
(one row an image, degradation and parameter) and results/degradations_measures.csv: errors, distance in intervals,
recall, coverage of the 90 % intervals, and agreement with `edges` and `snr` where these can say anything.
"""

import argparse
import csv
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import nan, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from orbiq.arrays import Scene
from orbiq.imageio import read_image
from orbiq.metrics.natural_edges import edges
from orbiq.metrics.noise import snr
from orbiq.modifiers.base import MODIFIERS
from orbiq.predictors.degradation_labels import PARAMETERS, Degradation, Parameter, noise_after_blur
from orbiq.predictors.degradation_pieces import shrunk
from orbiq.predictors.degradation_validation import judged
from orbiq.predictors.degradations import Degradations
from orbiq.registry import build

HERE = Path(__file__).parent
BASE_PX = 0.5
ROUNDING_DN2 = 1 / 12
BLURS_PX = (0.75, 1.0, 1.5, 2.0, 2.5, 3.0)
SNRS = (8.0, 15.0, 30.0, 60.0)
AMOUNTS = (0.5, 1.0, 1.5)
SCALES = (1.2, 1.4, 1.6, 1.8, 2.0)
N_COMBINED = 6
NATIVE_PX = 512
NATIVE_BLURS_PX = (1.0, 2.0)
NATIVE_SNRS = (40.0, 15.0)


@dataclass(frozen=True, kw_only=True)
class Set:
    """Images of one imager: what is known of its blur and noise, and by how much its images are shrunk."""

    folder: str
    sigma_px: float
    noise_dn: float
    factor: float


SETS = {
    "train": Set(folder="satellogic-airports/train/images", sigma_px=1.06, noise_dn=1.2, factor=4),
    "val": Set(folder="satellogic-airports/val/images", sigma_px=1.06, noise_dn=1.2, factor=4),
    "test": Set(folder="satellogic-airports/test/images", sigma_px=1.06, noise_dn=1.2, factor=4),
    "usc": Set(folder="usc-sipi/aerials", sigma_px=0.45, noise_dn=4.0, factor=2),
}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """An image after degradations that are known."""

    kind: str
    scene: Scene
    truth: dict[str, float]


def based(path: Path, known: Set) -> tuple[Scene, float]:
    """An image shrunk to a blur of 0.5 px, as uint8, and the noise that is left in it."""
    array = read_image(path).array
    added_px = sqrt((known.factor * BASE_PX) ** 2 - known.sigma_px**2)
    bands = [shrunk(array[..., k].astype(np.float32), known.factor, blur_px=added_px) for k in range(array.shape[2])]
    pixels = np.clip(np.rint(np.stack(bands, 2)), 0, 255).astype(np.uint8)
    return Scene(array=pixels, peak=255.0, name=path.stem), noise_after_blur(known.noise_dn, added_px)


def variants(scene: Scene, noise_dn: float, rng: np.random.Generator) -> Iterator[Variant]:
    """As it is, with one degradation, and with several, in the order blur, noise, grid, sharpening."""
    level = float(np.mean(np.median(scene.array, (0, 1))))
    yield _variant("none", scene, noise_dn, rng)
    for blur_px in BLURS_PX:
        yield _variant("blur", scene, noise_dn, rng, blur_px=blur_px)
    for ratio in SNRS:
        yield _variant("noise", scene, noise_dn, rng, added_dn=level / ratio)
    for amount in AMOUNTS:
        yield _variant("sharpening", scene, noise_dn, rng, amount=amount)
    for scale in SCALES:
        yield _variant("gsd", scene, noise_dn, rng, scale=scale)
    for _ in range(N_COMBINED):
        chosen = {
            "blur_px": rng.uniform(0.9, 2.5) if rng.random() < 0.7 else BASE_PX,
            "added_dn": level / np.exp(rng.uniform(np.log(10), np.log(60))),
            "scale": rng.uniform(1.1, 2) if rng.random() < 0.5 else 1.0,
            "amount": rng.uniform(0.2, 1.8) if rng.random() < 0.5 else 0.0,
        }
        yield _variant("several", scene, noise_dn, rng, **chosen)


def _variant(
    kind: str,
    scene: Scene,
    noise_dn: float,
    rng: np.random.Generator,
    *,
    blur_px: float = BASE_PX,
    added_dn: float = 0.0,
    scale: float = 1.0,
    amount: float = 0.0,
) -> Variant:
    steps: list[dict[str, Any]] = []
    if blur_px > BASE_PX:
        added_px = sqrt(blur_px**2 - BASE_PX**2)
        steps.append({"name": "blur", "psf": "gaussian", "sigma_px": added_px})
        noise_dn = noise_after_blur(noise_dn, added_px)
    if added_dn:
        steps.append({"name": "gaussian-noise", "sigma_dn": added_dn})
    if scale > 1:
        steps.append({"name": "gsd", "factor": scale, "back": True})
    if amount:
        steps.append({"name": "sharpen", "amount": amount})
    for step in steps:
        scene = build(MODIFIERS, step)(scene, rng=rng).scene
    rounded = ROUNDING_DN2 if scale > 1 or amount else 0.0
    truth = Degradation(
        sigma_px=blur_px, early_dn=sqrt(noise_dn**2 + added_dn**2 + rounded), gsd_scale=scale, sharpening=amount
    ).labels()
    ratio = float(np.mean([np.median(scene.array[..., k]) for k in range(scene.shape[2])])) / truth.pop("noise")
    return Variant(kind=kind, scene=scene, truth=truth | {"snr": ratio})


NAMES = ("blur", "rer", "snr", "sharpening", "gsd_scale")
PARAMETERS_TOLD = {name: PARAMETERS[name] for name in NAMES if name != "snr"} | {
    "snr": Parameter(low=2.0, high=160.0, n=PARAMETERS["noise"].n, log=True)
}


def rows_of(path: Path, of: str, model: Degradations, *, classic: bool) -> list[dict[str, Any]]:
    """What is told of each variant of an image, beside the truth and what `edges` and `snr` measure."""
    scene, noise_dn = based(path, SETS[of])
    rng = np.random.default_rng(zlib.crc32(scene.name.encode()))
    rows = []
    for number, variant in enumerate(variants(scene, noise_dn, rng)):
        told = model.measure(variant.scene)
        classified = model.measure(variant.scene, by="intervals")
        measured = _classic(variant.scene) if classic and variant.kind in {"none", "blur", "noise"} else {}
        for name in NAMES:
            estimate = getattr(told, name)
            row = {"set": of, "image": scene.name, "variant": number, "kind": variant.kind, "parameter": name}
            row |= {"truth": variant.truth[name], "told": estimate.value, "low": estimate.low, "high": estimate.high}
            row |= {"by_intervals": getattr(classified, name).value, "measured": measured.get(name, nan)}
            rows.append(row | {"score": told.score})
    return rows


def native_rows(path: Path, of: str, model: Degradations) -> list[dict[str, Any]]:
    """RER and SNR of the middle of an image that was not shrunk, after blur and after noise, as told and as measured."""
    picture = read_image(path).array
    rows, cols = (slice((side - NATIVE_PX) // 2, (side + NATIVE_PX) // 2) for side in picture.shape[:2])
    scene = Scene(array=np.ascontiguousarray(picture[rows, cols]), peak=255.0, name=path.stem)
    level = float(np.mean(np.median(scene.array, (0, 1))))
    steps: list[tuple[str, dict[str, Any]]] = [("none", {})]
    steps += [("blur", {"name": "gaussian-blur", "sigma_px": sigma}) for sigma in NATIVE_BLURS_PX]
    steps += [("noise", {"name": "gaussian-noise", "sigma_dn": level / ratio}) for ratio in NATIVE_SNRS]
    out = []
    for number, (kind, step) in enumerate(steps):
        rng = np.random.default_rng(zlib.crc32(scene.name.encode()))
        image = build(MODIFIERS, step)(scene, rng=rng).scene if step else scene
        told, measured = model.measure(image), _classic(image)
        for name in ("rer", "snr"):
            estimate = getattr(told, name)
            row = {"set": f"{of}-native", "image": scene.name, "variant": number, "kind": kind, "parameter": name}
            row |= {"truth": nan, "told": estimate.value, "low": estimate.low, "high": estimate.high}
            out.append(row | {"by_intervals": nan, "measured": measured[name], "score": told.score})
    return out


def _classic(scene: Scene) -> dict[str, float]:
    """RER of the natural edges where they agree, SNR of homogeneous patches: NaN where they say nothing."""
    found, noise = edges(scene.array), snr(scene.array, method="homogeneous-patches")
    return {"rer": nan if found.whole.caution else found.whole.rer, "snr": noise.snr}


def counts(row: dict[str, Any]) -> bool:
    """Whether the truth of a row is known: the noise of an image to which none was added is not."""
    return row["parameter"] != "snr" or row["kind"] in {"noise", "several"}


def measures(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By set, kind of degradation and parameter."""
    out = []
    groups = {(row["set"], row["kind"], row["parameter"]) for row in rows}
    groups |= {(of, "single", name) for of, _, name in groups} | {("all", kind, name) for _, kind, name in groups}
    groups |= {("all", "single", name) for name in NAMES}
    for of, kind, name in sorted(groups):
        chosen = [r for r in rows if r["parameter"] == name and (of in (r["set"], "all")) and counts(r)]
        chosen = [r for r in chosen if r["kind"] == kind or (kind == "single" and r["kind"] != "several")]
        if chosen:
            out.append({"set": of, "kind": kind, "parameter": name} | _told(chosen, PARAMETERS_TOLD[name]))
    return out


def _told(rows: list[dict[str, Any]], parameter: Parameter) -> dict[str, Any]:
    truth, told, low, high, classified = (
        np.array([row[key] for row in rows]) for key in ("truth", "told", "low", "high", "by_intervals")
    )
    found = judged(truth, told, parameter=parameter, low=low, high=high)
    others = judged(truth, classified, parameter=parameter)
    said = {"n": found.n, "mae": found.mae, "relative": found.relative, "bias": found.bias, "coverage": found.coverage}
    for prefix, one in (("", found), ("intervals_", others)):
        said |= {f"{prefix}med_r": one.med_r} | {f"{prefix}r_at_{k}": share for k, share in one.recall.items()}
    return said | {"intervals_mae": others.mae, "intervals_relative": others.relative}


def agreement(rows: list[dict[str, Any]], name: str) -> dict[str, float]:
    """Spearman's correlation of what is told with what is measured, and the slope of a line through 0."""
    chosen = [r for r in rows if r["parameter"] == name and np.isfinite(r["measured"])]
    told, measured = (np.array([r[key] for r in chosen]) for key in ("told", "measured"))
    if len(chosen) < 3:
        return {"n": len(chosen)}
    slope = float(told @ measured / (measured @ measured))
    return {"n": len(chosen), "spearman": float(spearmanr(told, measured).statistic), "slope": slope}


def falls(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Of the images with a single degradation, by kind, how many score lower than undegraded."""
    scores = {(r["set"], r["image"], r["variant"]): (r["kind"], r["score"]) for r in rows}
    clean = {key[:2]: score for key, (kind, score) in scores.items() if kind == "none"}
    told: dict[str, list[bool]] = {}
    for key, (kind, score) in scores.items():
        if kind not in ("none", "several"):
            told.setdefault(kind, []).append(score < clean[key[:2]])
    return {kind: f"{sum(lower)} of {len(lower)}" for kind, lower in told.items()}


def main() -> None:
    """Judge, write, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="aerial")
    parser.add_argument("--sets", nargs="+", default=["val", "test", "usc"])
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--no-classic", action="store_true", help="without edges and snr, which take longest")
    parser.add_argument("--no-native", action="store_true", help="without images that were not shrunk")
    parser.add_argument("--output", type=Path, default=HERE / "results")
    args = parser.parse_args()
    model, data = Degradations.load(args.model), Path(os.environ["ORBIQ_TEST_DATA"])
    rows = []
    for of in args.sets:
        paths = sorted(p for p in (data / SETS[of].folder).iterdir() if p.suffix in (".png", ".tiff"))
        for path in paths[-5:] if of == "train" else paths[:: args.every]:
            rows += rows_of(path, of, model, classic=not args.no_classic)
            rows += [] if args.no_native else native_rows(path, of, model)
    found = measures([row for row in rows if np.isfinite(row["truth"])])
    _write(args.output / "degradations_values.csv", rows)
    _write(args.output / "degradations_measures.csv", found)
    for row in found:
        print(" ".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()))
    for native in (False, True):
        chosen = [row for row in rows if row["set"].endswith("-native") == native]
        print("native" if native else "shrunk", {name: agreement(chosen, name) for name in ("rer", "snr")})
    print(falls(rows))


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)


if __name__ == "__main__":
    main()
