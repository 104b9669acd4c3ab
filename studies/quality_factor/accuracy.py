"""How far the predicted quality of coded images lies from the truth, on images that nothing was trained on.

    ORBIQ_TEST_DATA=… python accuracy.py results log=rgb uniform=work/uniform/model.safetensors classes=…

Writes `accuracy.csv` (errors by source, range of quality and coder; 95 % intervals by resampling images), `models.csv` (the
weightings and the classifier side by side), `work/predictions.csv` of the first model, and the figure.
"""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import sets

from orbiq.analysis.table import write_table
from orbiq.bootstrap import mean_interval
from orbiq.predictors.quality_coder import recoded
from orbiq.predictors.quality_factor import Quality, QualityFactor
from orbiq.predictors.quality_labels import CLASSES, libjpeg

LOSSLESS = 100.5
"""In tables: the image as it was."""
WIDE, HIGH = list(range(10, 101, 5)), list(range(80, 101))
BOTH = sorted(set(WIDE) | set(HIGH))
CODERS = {
    "libjpeg 4:2:0": lambda x, q, _: libjpeg(q, "420")(x),
    "libjpeg 4:4:4": lambda x, q, _: libjpeg(q, "444")(x),
    "libjpeg, cut at (3, 5)": lambda x, q, _: libjpeg(q, "420")(x)[3:, 5:],
    "exact cosines 4:2:0": lambda x, q, _: recoded(x, quality=q),
    "rounding 0.38, 4:2:0": lambda x, q, _: recoded(x, quality=q, rounding=0.38),
    "better before, same grid": lambda x, q, rng: libjpeg(q)(libjpeg(rng.integers(q, 101))(x)),
    "better before, other grid": lambda x, q, rng: libjpeg(q)(
        np.ascontiguousarray(libjpeg(rng.integers(q, 101))(x)[3:, 5:])
    ),
    "worse before, same grid": lambda x, q, rng: libjpeg(rng.integers(q, 101))(libjpeg(q)(x)),
}


def predicted(model: QualityFactor, coders: list[str], qualities: list[int]) -> list[dict]:
    """A row for each image, coder and quality."""
    rows = []
    for source, images in sets.judged().items():
        for name, pixels in images:
            rows.append(_row(source, name, "none", LOSSLESS, model.measured(pixels)))
            for coder in coders:
                for quality in qualities:
                    rng = np.random.default_rng([quality, len(name)])
                    rows.append(_row(source, name, coder, quality, model.measured(CODERS[coder](pixels, quality, rng))))
        print(source, len(images), flush=True)
    return rows


def _row(source: str, image: str, coder: str, quality: float, said: Quality) -> dict:
    return {"source": source, "image": image, "coder": coder, "quality": quality, "predicted": said.mean} | {
        "low": said.low,
        "high": said.high,
        "sd_of_map": said.sd,
    }


def errors(rows: list[dict], qualities: list[int], **chosen: str) -> dict:
    """MAE, share within 2 points, share within the predictor's own interval, with intervals over the images."""
    by_image = defaultdict(list)
    for row in rows:
        if row["quality"] in qualities and all(row[key] == value for key, value in chosen.items()):
            by_image[row["image"]].append(row)
    rng = np.random.default_rng(0)
    absolute = np.array([np.mean([abs(r["predicted"] - r["quality"]) for r in part]) for part in by_image.values()])
    close = np.array([np.mean([abs(r["predicted"] - r["quality"]) <= 2 for r in part]) for part in by_image.values()])
    held = np.array([np.mean([r["low"] <= r["quality"] <= r["high"] for r in part]) for part in by_image.values()])
    low, high = mean_interval(absolute, rng=rng, clusters=list(by_image))
    return {
        "images": len(by_image),
        "mae": round(absolute.mean(), 3),
        "mae_low": round(low, 3),
        "mae_high": round(high, 3),
        "mae_sd_of_images": round(absolute.std(ddof=1), 3) if len(absolute) > 1 else float("nan"),
        "within_2": round(close.mean(), 3),
        "within_interval": round(held.mean(), 3),
    }


def main(out: Path, models: dict[str, str]) -> None:
    out.mkdir(exist_ok=True)
    rows = {name: predicted(QualityFactor.load(file), ["libjpeg 4:2:0"], BOTH) for name, file in models.items()}
    write_table(out / "models.csv", [row for name, found in rows.items() for row in compared(name, found)])
    first = next(iter(models))
    others = [*range(10, 80, 10), *range(80, 101, 4)]
    more = predicted(QualityFactor.load(models[first]), [c for c in CODERS if c != "libjpeg 4:2:0"], others)
    everything = rows[first] + [row for row in more if row["coder"] != "none"]
    write_table(Path("work") / "predictions.csv", everything)
    write_table(out / "accuracy.csv", _table(everything))
    import accuracy_figures

    accuracy_figures.draw(everything, out)


def compared(model: str, rows: list[dict]) -> list[dict]:
    """A row for each range of qualities."""
    lossless = [row["predicted"] for row in rows if row["coder"] == "none"]
    whole = {"lossless_mean": round(float(np.mean(lossless)), 2), "right_class": round(_right_class(rows), 3)}
    ranges = {"10-100": WIDE, "80-100": HIGH, "10-40": [q for q in WIDE if q <= 40], "classes": list(CLASSES[1:])}
    found = []
    for label, qualities in ranges.items():
        found.append({"model": model, "qualities": label, **errors(rows, qualities, coder="libjpeg 4:2:0"), **whole})
        print(found[-1], flush=True)
    return found


def _right_class(rows: list[dict]) -> float:
    """Share of the classes' qualities (0 is libjpeg's 1, which is not judged) that the nearest class names."""
    classes = np.array(CLASSES)
    known = [row for row in rows if row["quality"] in CLASSES[1:]]
    return float(np.mean([classes[np.abs(classes - row["predicted"]).argmin()] == row["quality"] for row in known]))


def _table(rows: list[dict]) -> list[dict]:
    found = []
    for coder in CODERS:
        used = sorted({row["quality"] for row in rows if row["coder"] == coder})
        for label, low in (("10-100", 10), ("80-100", 80)):
            qualities = [q for q in (used if coder != "libjpeg 4:2:0" or low == 80 else WIDE) if q >= low]
            found.append({"source": "all", "coder": coder, "qualities": label, **errors(rows, qualities, coder=coder)})
    for source in dict.fromkeys(row["source"] for row in rows):
        for label, qualities in (("10-100", WIDE), ("80-100", HIGH)):
            chosen = errors(rows, qualities, coder="libjpeg 4:2:0", source=source)
            found.append({"source": source, "coder": "libjpeg 4:2:0", "qualities": label, **chosen})
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), dict(word.split("=", 1) for word in sys.argv[2:]))
