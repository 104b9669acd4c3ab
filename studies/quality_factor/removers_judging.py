"""How removers are judged: on images that nothing was trained on, each beside the coded image and the clean one."""

from functools import cache

import numpy as np
import sets
from removers_networks import BANDS, Way, folder_of, in_bands, remover_of, restored

from orbiq.analysis.table import write_table
from orbiq.arrays import Array
from orbiq.bootstrap import mean_interval
from orbiq.metrics.pointwise import psnr
from orbiq.metrics.structural_similarity import ssim
from orbiq.predictors.quality_factor import QualityFactor
from orbiq.predictors.quality_labels import libjpeg

QUALITIES = (10, 20, 40, 60)
SOURCES = ("airports", "USC-SIPI aerials", "USC-SIPI photographs")
CELL_PX, FAR, NEAR = 8, 10, 5
"""Sides of the cells whose mean colours are compared; differences CIE 1976 that are seen at once, and hardly."""


def judge(size: str, bands: str, way: Way, predictor: str) -> None:
    """`judged.csv` beside the checkpoint: a row an image and quality, unless it is there."""
    folder = folder_of(size, bands, way)
    if (folder / "judged.csv").exists() or not (folder / "checkpoint.safetensors").exists():
        return
    remover, rows = remover_of(folder, size, bands=BANDS[bands]), []
    for (source, name, quality), (clean, coded, before) in coded_images(bands, predictor).items():
        row = {"network": size, "bands": bands, "way": way.name, "source": source, "image": name, "quality": quality}
        now = restored(remover, coded)
        row |= {f"{key}_coded": value for key, value in before.items()} | measured(clean, now, predictor)
        shift = (now.astype(float) - coded).mean((0, 1))
        shifts = dict(zip(("red", "green", "blue") if bands == "rgb" else ("grey",), shift, strict=True))
        row |= {f"shift_{band}": shifts.get(band, float("nan")) for band in ("red", "green", "blue", "grey")}
        rows.append(row | {"invented_percent": invented_percent(clean, coded, now)})
    write_table(folder / "judged.csv", rows)
    print(folder.name, {key: round(float(np.mean([row[key] for row in rows])), 3) for key in before}, flush=True)


@cache
def coded_images(bands: str, predictor: str) -> dict[tuple[str, str, int], tuple[Array, Array, dict[str, float]]]:
    """Clean and coded image, and the latter's measures, by source, name and quality."""
    found, judged = {}, sets.judged()
    for source in SOURCES:
        for name, image in judged[source]:
            clean = in_bands(image, BANDS[bands])
            for quality in QUALITIES:
                coded = libjpeg(quality)(clean)
                found[source, name, quality] = clean, coded, measured(clean, coded, predictor)
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


def invented_percent(clean: Array, coded: Array, now: Array) -> float:
    """Percent of the pixels whose colour was hardly wrong, and now is at first sight."""
    return 100 * float(((differences(clean, coded) < NEAR) & (differences(clean, now) > FAR)).mean())


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
    for name in ("psnr", "ssim", "predicted", "colour"):
        before, after = (np.array([row[name + end] for row in part]) for end in ("_coded", ""))
        gain, better = after - before, (after < before) if name == "colour" else (after > before)
        told |= {f"{name}_coded": before.mean(), name: after.mean(), f"{name}_gain": gain.mean()}
        told |= _interval(f"{name}_gain", gain)
        if name != "predicted":
            told |= {f"{name}_better": better.mean(), **_interval(f"{name}_better", better.astype(float))}
            told |= {f"{name}_worse": ((after != before) & ~better).mean()}
    harmed = [row["psnr"] < row["psnr_coded"] and row["ssim"] < row["ssim_coded"] for row in part]
    told |= {"psnr_and_ssim_worse": np.mean(harmed)}
    told |= {name: np.mean([row[name] for row in part]) for name in part[0] if name.startswith("shift_")}
    invented = np.array([row["invented_percent"] for row in part])
    told |= {"invented_percent": invented.mean(), **_interval("invented_percent", invented)}
    return {name: short(value) for name, value in told.items()}


def _interval(name: str, values: Array) -> dict[str, float]:
    low, high = mean_interval(values, rng=np.random.default_rng(0))
    return {f"{name}_low": low, f"{name}_high": high}


def short(value: object) -> object:
    return round(float(value), 4) if isinstance(value, float) else value
