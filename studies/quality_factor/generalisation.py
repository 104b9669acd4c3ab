"""What a predictor that has seen JPEG alone says of blur and noise (paper 002, 5.1): the same patches at every level.

    ORBIQ_TEST_DATA=… python generalisation.py results rgb

Ten levels of Gaussian blur 0 … 3 px, Gaussian noise 0 … 5 % of 255, and salt-and-pepper noise 0 … 5 % of the pixels, on
patches of 256 × 256 of images that nothing was trained on. Writes `generalisation.csv` and `generalisation.png`.
"""

import sys
from pathlib import Path

import numpy as np
import sets
from scipy.stats import spearmanr

from orbiq.analysis.table import write_table
from orbiq.bootstrap import mean_interval
from orbiq.optics import blur
from orbiq.predictors.quality_factor import QualityFactor
from orbiq.reports.style import drawing, new_figures, save, sign

LEVELS = np.linspace(0, 1, 10)
PATCH_PX, PATCHES = 256, 2


def damaged(patch: np.ndarray, artefact: str, level: float, rng: np.random.Generator) -> np.ndarray:
    """A patch at a level 0 … 1 of an artefact, rounded to uint8; a rng of the same seed gives the same noise."""
    values = patch.astype(float)
    if artefact == "Gaussian blur":
        values = blur(values, 3 * level) if level else values
    elif artefact == "Gaussian noise":
        values = values + rng.normal(0, 0.05 * 255 * level, patch.shape) if level else values
    else:
        drawn = rng.random(patch.shape[:2])
        values[drawn < 0.05 * level] = np.where(rng.random(patch.shape[:2]) < 0.5, 0, 255)[drawn < 0.05 * level, None]
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def patches() -> list[tuple[str, str, np.ndarray]]:
    """(source, name, pixels) at places that are drawn."""
    found = []
    for source, images in sets.judged().items():
        for k, (name, pixels) in enumerate(images):
            rng = np.random.default_rng([3, k])
            for n in range(PATCHES):
                row, col = (int(rng.integers(max(1, side - PATCH_PX + 1))) for side in pixels.shape[:2])
                found.append((source, f"{name} {n}", pixels[row : row + PATCH_PX, col : col + PATCH_PX]))
    return found


def main(out: Path, model: str) -> None:
    predictor, chosen, rows = QualityFactor.load(model), patches(), []
    for artefact in ("Gaussian blur", "Gaussian noise", "salt and pepper"):
        table = np.array(
            [
                [predictor.score(damaged(patch, artefact, level, np.random.default_rng([5, k]))) for level in LEVELS]
                for k, (_, _, patch) in enumerate(chosen)
            ]
        )
        for source in [*dict.fromkeys(source for source, _, _ in chosen), "all"]:
            part = table[[source in (one, "all") for one, _, _ in chosen]]
            means = part.mean(0)
            drop = means[0] - means[-1]
            for level, values in zip(LEVELS, part.T, strict=True):
                low, high = mean_interval(values, rng=np.random.default_rng(0), clusters=list(range(len(values))))
                rows.append(
                    {"artefact": artefact, "source": source, "level": round(float(level), 4), "patches": len(values)}
                    | {"mean": round(values.mean(), 3), "low": round(low, 3), "high": round(high, 3)}
                    | {"sd": round(values.std(ddof=1), 3), "spearman": round(float(spearmanr(LEVELS, means)[0]), 4)}
                    | {"drop_in_first_half": round(float((means[0] - means[[4, 5]].mean()) / drop), 3)}
                )
            print(artefact, source, rows[-1], [round(m, 1) for m in means], flush=True)
    write_table(out / "generalisation.csv", rows)
    draw(rows, out / "generalisation.png")


def draw(rows: list[dict], path: Path) -> None:
    """Mean prediction by level, a line a source."""
    units = {
        "Gaussian blur": (3, "σ, px"),
        "Gaussian noise": (5, "σ, % of 255"),
        "salt and pepper": (5, "% of the pixels"),
    }
    with drawing():
        figure, (panels,) = new_figures((12.5, 4.6), rows=1, cols=3, sharey=True)
        for axes, (artefact, (most, unit)) in zip(panels, units.items(), strict=True):
            known = [row for row in rows if row["artefact"] == artefact]
            for k, source in enumerate(dict.fromkeys(row["source"] for row in known)):
                part = [row for row in known if row["source"] == source]
                x = [most * row["level"] for row in part]
                axes.plot(x, [row["mean"] for row in part], label=source, **sign(k))
                axes.fill_between(
                    x, [r["low"] for r in part], [r["high"] for r in part], alpha=0.15, color=sign(k)["color"]
                )
            axes.set(title=artefact, xlabel=unit)
        panels[0].set(ylabel="predicted quality")
        panels[0].legend(loc="upper right", fontsize=9)
        save(figure, path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
