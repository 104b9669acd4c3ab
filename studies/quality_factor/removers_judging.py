"""How removers are judged: on images that nothing was trained on, each beside the coded image and the clean one."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import sets
from removers_networks import BANDS, Way, folder_of, in_bands, is_trained, remover_of, restored, rounded

from orbiq.analysis.table import write_table
from orbiq.arrays import Array, BoolArray
from orbiq.bootstrap import mean_interval
from orbiq.metrics.pointwise import psnr
from orbiq.metrics.structural_similarity import ssim
from orbiq.predictors.quality_factor import QualityFactor
from orbiq.predictors.quality_labels import libjpeg

QUALITIES = (10, 20, 40, 60)
SOURCES = ("airports", "USC-SIPI aerials", "USC-SIPI photographs")
MARGINS = {"psnr": 0.01, "ssim": 0.0005, "colour": -0.01}
"""By more than which an image is helped; by more than which the other way, harmed. Colour differences help by falling."""
CELL_PX, FAR, NEAR = 8, 10, 5
"""Sides of the cells whose mean colours are compared; differences CIE 1976 that are seen at once, and hardly.

Invented are pixels whose colour was hardly wrong in the coded image, and is at first sight in the restored one.
"""


def judge(size: str, bands: str, way: Way, predictor: str) -> Path:
    """A row an image and quality, in a file beside the checkpoint that is named after the predictor; once it is trained."""
    folder = folder_of(size, bands, way)
    path = folder / f"judged-{QualityFactor.load(predictor).digest[:8]}.csv"
    if path.exists() or not is_trained(folder):
        return path
    remover, rows = remover_of(folder, size, bands=BANDS[bands]), []
    for case in coded_images(bands, predictor):
        now = rounded(restored(remover, case.coded))
        row = {"network": size, "bands": bands, "way": way.name} | case.about
        row |= {f"{key}_coded": value for key, value in case.measured.items()} | measured(case.clean, now, predictor)
        shift = (now.astype(float) - case.coded).mean((0, 1))
        shifts = dict(zip(("red", "green", "blue") if bands == "rgb" else ("grey",), shift, strict=True))
        row |= {f"shift_{band}": shifts.get(band, float("nan")) for band in ("red", "green", "blue", "grey")}
        invented = case.near & (differences(case.clean, now) > FAR)
        rows.append(row | {"invented_percent": 100 * float(invented.mean())})
    write_table(path, rows)
    print(folder.name, {key: round(float(np.mean([row[key] for row in rows])), 3) for key in case.measured}, flush=True)
    return path


class Case(NamedTuple):
    """An image that was coded, its measures, and where its colours are hardly wrong."""

    about: dict[str, str | int]
    clean: Array
    coded: Array
    measured: dict[str, float]
    near: BoolArray


@cache
def coded_images(bands: str, predictor: str) -> list[Case]:
    """All that is judged."""
    found, judged = [], sets.judged()
    for source in SOURCES:
        for name, image in judged[source]:
            clean = in_bands(image, BANDS[bands])
            for quality in QUALITIES:
                coded = libjpeg(quality)(clean)
                about = {"source": source, "image": name, "quality": quality}
                near = differences(clean, coded) < NEAR
                found.append(Case(about, clean, coded, measured(clean, coded, predictor), near))
    return found


def measured(clean: Array, image: Array, predictor: str) -> dict[str, float]:
    """PSNR in dB, SSIM, predicted quality, and the mean difference CIE 1976 of the mean colours of 8 × 8 pixels."""
    means = [
        np.stack([cells(band) for band in np.moveaxis(levels.astype(float), 2, 0)], 2) for levels in (clean, image)
    ]
    return {
        "psnr": psnr(clean, image),
        "ssim": ssim(clean, image),
        "predicted": QualityFactor.load(predictor).score(image),
        "colour": float(differences(*means).mean()),
    }


def cells(band: Array) -> Array:
    """Means of 8 × 8 pixels."""
    rows, cols = (side // CELL_PX for side in band.shape)
    whole = band[: rows * CELL_PX, : cols * CELL_PX]
    return whole.reshape(rows, CELL_PX, cols, CELL_PX).mean((1, 3))


def differences(clean: Array, image: Array) -> Array:
    """CIE 1976, at each pixel."""
    return np.sqrt(((lab(clean) - lab(image)) ** 2).sum(2))


def lab(image: Array) -> Array:
    """L*a*b* of sRGB 0 … 255 (rows, cols, 3), or of grey (rows, cols, 1).

    >>> lab(np.full((1, 1, 3), 255)).round(1).ravel().tolist()
    [100.0, 0.0, 0.0]
    """
    levels = np.broadcast_to(image, (*image.shape[:2], 3)) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
    )
    xyz = linear @ (to_xyz / to_xyz.sum(1, keepdims=True)).T
    x, y, z = np.moveaxis(np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29), 2, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 2)


def summary(rows: list[dict]) -> list[dict]:
    """By network, bands, way, quality and source: means and gains, with 95 % intervals over the images."""
    parts: dict[tuple, list[dict]] = {}
    for row in rows:
        for source in ("all", row["source"]):
            key = *(row[name] for name in ("network", "bands", "way", "quality")), source
            parts.setdefault(key, []).append(row)
    return [_told(key, part) for key, part in parts.items()]


def _told(key: tuple, part: list[dict]) -> dict:
    told = dict(zip(("network", "bands", "way", "quality", "source"), key, strict=True)) | {"images": len(part)}
    harmed = np.ones(len(part), bool)
    for name in ("psnr", "ssim", "predicted", "colour"):
        before, after = (np.array([row[name + end] for row in part]) for end in ("_coded", ""))
        told |= {f"{name}_coded": before.mean(), name: after.mean(), **_mean(f"{name}_gain", after - before)}
        if name in MARGINS:
            shares = (after - before) / MARGINS[name]
            told |= _mean(f"{name}_helped", shares > 1) | {f"{name}_harmed": np.mean(shares < -1)}
        if name in ("psnr", "ssim"):
            harmed &= shares < -1
    told |= {"psnr_and_ssim_harmed": harmed.mean()}
    told |= {name: np.mean([row[name] for row in part]) for name in part[0] if name.startswith("shift_")}
    told |= _mean("invented_percent", np.array([row["invented_percent"] for row in part]))
    return {name: short(value) for name, value in told.items()}


def _mean(name: str, values: Array) -> dict[str, float]:
    low, high = mean_interval(values.astype(float), rng=np.random.default_rng(0))
    return {name: values.mean(), f"{name}_low": low, f"{name}_high": high}


def short(value: object) -> object:
    return round(float(value), 4) if isinstance(value, float) else value
