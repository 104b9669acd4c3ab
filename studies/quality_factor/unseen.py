"""What a predictor says of damage that it has never seen: other codecs, fewer bits, motion, stripes, shot noise.

    ORBIQ_TEST_DATA=… python unseen.py results rgb work/log/model.safetensors

Each kind at five levels, by orbiq's own modifiers, on parts of 384 × 384 of images that nothing was trained on. Writes
`unseen.csv`: mean prediction by model, kind and level, Spearman's ρ over the levels of the means and of each image.
"""

import sys
from pathlib import Path

import numpy as np
import sets
from scipy.stats import spearmanr

from orbiq.analysis.table import write_table
from orbiq.arrays import Scene
from orbiq.bootstrap import mean_interval
from orbiq.modifiers.base import build_chain
from orbiq.predictors.quality_factor import QualityFactor
from orbiq.registry import parse_spec

LEVELS = {
    "JPEG 2000 (dB)": [f"jpeg2000:psnr_db={v}" for v in (50, 44, 38, 33, 28)],
    "JPEG XL (dB)": [f"jpegxl:psnr_db={v}" for v in (50, 44, 38, 33, 28)],
    "fixed-quality (dB)": [f"fixed-quality:psnr_db={v}" for v in (48, 44, 40, 36, 32)],
    "bits": [f"quantize:bits={v}" for v in (7, 6, 5, 4, 3)],
    "motion (px)": [f"blur:psf=motion,length_px={v}" for v in (1, 2, 4, 6, 9)],
    "defocus (px)": [f"blur:psf=defocus,diameter_px={v}" for v in (1, 2, 3, 5, 8)],
    "GSD and back": [f"gsd:factor={v},back=true" for v in (1.2, 1.5, 2, 3, 4)],
    "shot noise (SNR)": [f"snr:snr={v}" for v in (60, 40, 25, 15, 8)],
    "sharpening": [f"sharpen:amount={v}" for v in (0.5, 1, 2, 3, 5)],
}


def main(out: Path, models: list[str]) -> None:
    images = [
        (f"{source} {name}", np.ascontiguousarray(pixels[:384, :384]))
        for source, found in sets.judged().items()
        for name, pixels in found
    ]
    rows = []
    for model in models:
        predictor = QualityFactor.load(model)
        before = np.array([predictor.score(pixels) for _, pixels in images])
        for kind, specs in LEVELS.items():
            table = np.array([before] + [_scores(predictor, images, spec) for spec in specs])
            means = np.nanmean(table, axis=1)
            places = np.arange(len(means))
            each = [spearmanr(places, column)[0] for column in table.T if np.isfinite(column).all()]
            low, high = mean_interval(np.array(each), rng=np.random.default_rng(0), clusters=list(range(len(each))))
            row = {"model": Path(model).parent.name or model, "kind": kind}
            row |= {f"level_{k}": round(float(m), 2) for k, m in enumerate(means)}
            row |= {"spearman_of_means": round(float(spearmanr(places, means)[0]), 3), "images": len(each)}
            row |= {"spearman_of_images": round(float(np.mean(each)), 3), "low": round(low, 3), "high": round(high, 3)}
            rows.append(row)
            print(row, flush=True)
    write_table(out / "unseen.csv", rows)


def _scores(predictor: QualityFactor, images: list[tuple[str, np.ndarray]], spec: str) -> list[float]:
    chain, found = build_chain(parse_spec(spec)), []
    for k, (name, pixels) in enumerate(images):
        try:
            scene = chain(Scene(array=pixels, peak=255, name=name), rng=np.random.default_rng([9, k])).scene
            found.append(predictor.score(scene.array))
        except Exception as error:  # noqa: BLE001  a target that an image cannot reach
            print(name, spec, str(error)[:80])
            found.append(float("nan"))
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
