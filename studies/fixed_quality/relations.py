"""Figure 3 of the paper for the shipped model: the mask over λ, and the error over 1 / M².

    ORBIQ_TEST_DATA=… python relations.py [--model FILE]

Writes results/relations.json (R² of the line; for each image R² of MSE = MSE0 + c / M² over the levels where the mask is
above a quarter of its largest, and over all; and the reach in dB between the first and the last level) and
results/relations.png.
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import sets

from orbiq.arrays import Scene
from orbiq.cache import write_json
from orbiq.codecs.neural import FixedQuality
from orbiq.codecs.neural_model import N_LEVELS
from orbiq.codecs.neural_pieces import Pieces

mpl.use("Agg")
import matplotlib.pyplot as plt  # after the choice of what draws

HERE = Path(__file__).parent
LEVELS = (*range(0, N_LEVELS, 17),)
SETTINGS = {"airports": {}, "pan 12 bit": {"bits": 12}, "Landsat 8": {"bits": 16, "bands": "separate"}}


def errors(codec: FixedQuality, scene: Scene) -> tuple[float, np.ndarray]:
    """MSE of the first group of planes without rounding, and at each of `LEVELS`, DN²."""
    model = codec.loaded()
    pieces = Pieces(model, scene, codec.head(scene, model))
    return pieces.mean_mse(0, None), np.array([pieces.mean_mse(0, level) for level in LEVELS])


def r2(values: np.ndarray, explained: np.ndarray) -> float:
    return float(1 - np.square(values - explained).sum() / np.square(values - values.mean()).sum())


def line_r2(x: np.ndarray, y: np.ndarray) -> float:
    return r2(y, np.polyval(np.polyfit(x, y, 1), x))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="aerial")
    name = parser.parse_args().model
    model = FixedQuality(model=name).loaded()
    masks = model.magnitudes[list(LEVELS)]
    quarter = masks > masks[-1] / 4
    found = {"schema": 1, "line_r2": line_r2(model.lmbdas, model.magnitudes), "images": {}}
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.plot(model.lmbdas, model.magnitudes)
    left.set(xlabel="λ", ylabel="mean of the mask, M", title=f"R² of a line {found['line_r2']:.5f}")
    for sensor, settings in SETTINGS.items():
        codec = FixedQuality(model=name, **settings)
        for number, scene in enumerate(sets.judged()[sensor][:4]):
            free, mse = errors(codec, scene)
            inverse = 1 / masks**2
            found["images"][f"{sensor} {number}"] = {
                "quadratic_r2": line_r2(inverse[quarter], mse[quarter]),
                "quadratic_r2_all": line_r2(inverse, mse),
                "reach_db": float(10 * np.log10(mse[0] / mse[-1])),
                "mse_over_mse0_first": float(mse[0] / free),
                "mse_over_mse0_last": float(mse[-1] / free),
            }
            right.loglog(1 / masks, mse / free, label=f"{sensor} {number}", lw=1)
            print(sensor, number, found["images"][f"{sensor} {number}"], flush=True)
    right.set(xlabel="1 / M", ylabel="MSE / MSE0", title="each curve an image")
    right.set_xticks([0.2, 0.5, 1, 2, 5], labels=["0.2", "0.5", "1", "2", "5"])
    right.set_xticks([], minor=True)
    right.legend(fontsize=7)
    (HERE / "results").mkdir(exist_ok=True)
    figure.savefig(HERE / "results" / "relations.png", dpi=130)
    write_json(HERE / "results" / "relations.json", found)
    print("line", found["line_r2"])


if __name__ == "__main__":
    main()
