"""Do the blind metrics rise with blur, noise and compression? NIQE is judged on images that its model has not seen.

    python studies/niqe_model/evaluate.py DATA

Writes results/summary.csv beside this file, and prints it.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pandas as pd
from scipy import ndimage, stats

from orbiq.arrays import Array, Scene
from orbiq.errors import ImageError
from orbiq.imageio import read_image
from orbiq.metrics.artefacts import blockiness, ringing
from orbiq.metrics.natural_quality import niqe
from orbiq.metrics.perceived_distortion import piqe

HERE = Path(__file__).parent
# group, pattern, peak; every set that the fit did not see and that holds undegraded images of some size
JUDGED = [
    ("aerial (usc-sipi)", "usc-sipi/aerials/*.tiff", 255),
    ("photographs (usc-sipi)", "usc-sipi/misc/[45b]*.tiff", 255),
    ("photographs (iqa-golden)", "iqa-golden/piq/I01.BMP", 255),
    ("photographs (iqa-golden)", "iqa-golden/iqa-pytorch/ref_dir/*.bmp", 255),
    ("airports, test split", "satellogic-airports/test/images/*.png", 255),
    ("SPOT, 8 bits (worldstrat)", "worldstrat/HR.png", 255),
    ("Pleiades, 12 bits (s2p)", "pan-12bit-s2p/*.tif", 4095),
    ("WorldView, 16 bits (spacenet)", "spacenet-solaris/sample_geotiff.tif", 8191),
    ("256×256, JPEG 75 (uc-merced-jpg)", "uc-merced-jpg/*/*0.jpg", 255),
]


def blurred(image: Array, peak: float, sigma_px: float) -> Array:
    return whole(ndimage.gaussian_filter(image.astype(float), (sigma_px, sigma_px, 0)), image, peak)


def noisy(image: Array, peak: float, sigma: float) -> Array:
    """`sigma` on a scale of 0…255."""
    noise = np.random.default_rng(1).normal(0, sigma * peak / 255, image.shape)
    return whole(image + noise, image, peak)


def jpeg(image: Array, peak: float, quality: float) -> Array:
    del peak
    return imagecodecs.jpeg8_decode(imagecodecs.jpeg8_encode(image.squeeze(), level=int(quality))).reshape(image.shape)


def jpeg2000(image: Array, peak: float, psnr_db: float) -> Array:
    del peak
    coded = imagecodecs.jpeg2k_encode(np.ascontiguousarray(image.squeeze()), level=psnr_db)
    return imagecodecs.jpeg2k_decode(coded).reshape(image.shape)


def whole(values: Array, like: Array, peak: float) -> Array:
    return np.clip(np.rint(values), 0, peak).astype(like.dtype)


CHAINS: dict[str, tuple[Callable[[Array, float, float], Array], list[float]]] = {
    "blur, sigma_px": (blurred, [0.5, 0.8, 1.2, 1.8, 2.7]),
    "noise, sigma of 255": (noisy, [2, 5, 10, 20, 40]),
    "jpeg, quality": (jpeg, [90, 75, 50, 30, 10]),
    "jpeg2000, psnr_db": (jpeg2000, [40, 35, 32, 29, 26]),
}


def of_enough_edges(image: Scene) -> float:
    """Ringing, NaN where there are too few edges."""
    try:
        return ringing(image)
    except ImageError:
        return np.nan


METRICS: dict[str, Callable[[Scene], float]] = {
    "niqe": niqe,
    "piqe": piqe,
    "blockiness": lambda image: blockiness(image).value,
    "ringing": of_enough_edges,
}


def main() -> None:
    rows = [row for scene, group in scenes(Path(sys.argv[1])) for row in scored(scene, group)]
    table = pd.DataFrame(rows)
    summary = pd.DataFrame([summed(part, *key) for key, part in table.groupby(["metric", "group", "chain"])])
    overall = pd.DataFrame([summed(part, key[0], "all", key[1]) for key, part in table.groupby(["metric", "chain"])])
    (HERE / "results").mkdir(exist_ok=True)
    summary = pd.concat([overall, summary]).round(3)
    summary.to_csv(HERE / "results" / "summary.csv", index=False)
    print(summary.to_markdown(index=False) if "--markdown" in sys.argv else summary.to_string(index=False))


def scenes(data: Path) -> Iterator[tuple[Scene, str]]:
    for group, pattern, peak in JUDGED:
        for path in sorted(data.glob(pattern)):
            picture = read_image(path)
            array = picture.array[:1024, :1024]
            yield Scene(array=array, peak=peak, name=path.stem), group


def scored(scene: Scene, group: str) -> Iterator[dict[str, Any]]:
    for chain, (function, levels) in CHAINS.items():
        if scene.array.dtype != np.uint8 and chain.startswith("jpeg"):
            continue
        for step, level in enumerate([np.nan, *levels]):
            array = function(scene.array, float(scene.peak or 0), level) if step else scene.array
            image = Scene(array=array, peak=scene.peak, name=scene.name)
            known = {"group": group, "image": scene.name, "chain": chain, "step": step, "level": level}
            yield from ({**known, "metric": metric, "score": score(image)} for metric, score in METRICS.items())


def summed(part: pd.DataFrame, metric: str, group: str, chain: str) -> dict[str, Any]:
    """Mean score of each step; and how well it is ranked: within an image, and over all images together."""
    by_step = part.pivot_table(index=["group", "image"], columns="step", values="score").to_numpy()
    steps = np.arange(by_step.shape[1])
    by_step = by_step[~np.isnan(by_step).any(axis=1)]
    within = [stats.spearmanr(row, steps).statistic for row in by_step]
    return {
        "metric": metric,
        "group": group,
        "chain": chain,
        "images": len(by_step),
        **{f"step_{k}": by_step[:, k].mean() for k in steps},
        "rho_within": np.mean(within),
        "rho_pooled": stats.spearmanr(by_step.ravel(), np.tile(steps, len(by_step))).statistic,
        "steps_up": (np.diff(by_step, axis=1) > 0).mean(),
    }


if __name__ == "__main__":
    main()
