"""Pictures of results/degradations_values.csv: what was told over what was true, with the 90 % intervals.

python degradation_figures.py
"""

import csv
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt

RESULTS = Path(__file__).parent / "results"
PANELS = {
    "blur": ("σ of the blur (px)", "log", (0.5, 1, 2, 3), ("none", "blur", "several")),
    "rer": ("RER", "log", (0.1, 0.2, 0.5, 1), ("none", "blur", "sharpening", "gsd", "several")),
    "snr": ("SNR", "log", (5, 10, 20, 50, 100, 200), ("noise", "several")),
    "gsd_scale": ("GSD scale", "linear", (1, 1.25, 1.5, 1.75, 2), ("none", "gsd", "several")),
}
COLOURS = {"none": "0.5", "blur": "C0", "noise": "C3", "sharpening": "C2", "gsd": "C1", "several": "C4"}


def main() -> None:
    """Draw results/degradations_told.png."""
    with (RESULTS / "degradations_values.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["truth"] != "nan"]
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.6), layout="constrained")
    for axis, (name, (label, scale, ticks, kinds)) in zip(axes, PANELS.items(), strict=True):
        for kind in kinds:
            chosen = [row for row in rows if row["parameter"] == name and row["kind"] == kind]
            truth, told, low, high = (
                np.array([float(r[key]) for r in chosen]) for key in ("truth", "told", "low", "high")
            )
            ends = np.maximum(np.stack([told - low, high - told]), 0)
            axis.errorbar(truth, told, ends, fmt=".", ms=3, lw=0.4, color=COLOURS[kind], alpha=0.6, label=kind)
        axis.plot(ticks, ticks, color="k", lw=0.7)
        axis.set(xscale=scale, yscale=scale, xlabel=f"{label}, true", ylabel="told")
        for line in (axis.xaxis, axis.yaxis):
            line.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
            line.set_ticks([], minor=True)
        axis.legend(fontsize=7)
    figure.savefig(RESULTS / "degradations_told.png", dpi=110)


if __name__ == "__main__":
    main()
