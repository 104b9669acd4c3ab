"""The study's table and figure from its runs: results/table.csv, results/mse.svg, results/summary.csv.

    python studies/mnist_noise/figure.py

The reference is noise of sigma 0. The summary holds the mean over repetitions, and a 95 % interval of it by Student's t.
"""

from pathlib import Path

import pandas as pd
from scipy import stats

import orbiq

HERE = Path(__file__).parent
RUNS = HERE / "orbiq-runs" / "mnist-noise"
RESULTS = HERE / "results"


def main() -> None:
    RESULTS.mkdir(exist_ok=True)
    table = orbiq.table(RUNS)
    table["sigma_fraction"] = table["sigma_fraction"].fillna(0.0)
    table = table.sort_values(["sigma_fraction", "repetition"])
    columns = ["variant", "sigma_fraction", "repetition", "seed", "mse", "mae", "bias", "bits_per_pixel", "status"]
    table[columns].to_csv(RESULTS / "table.csv", index=False, float_format="%.5g")
    summary = table.groupby("sigma_fraction")["mse"].agg(["mean", "std", "count"]).reset_index()
    half = stats.t.ppf(0.975, summary["count"] - 1) * summary["std"] / summary["count"] ** 0.5
    summary["low"], summary["high"] = summary["mean"] - half, summary["mean"] + half
    summary.to_csv(RESULTS / "summary.csv", index=False, float_format="%.4g")
    print(summary.to_string(index=False))
    frame = pd.DataFrame({"sigma (of the full range)": table["sigma_fraction"], "MSE": table["mse"]})
    for suffix in ("svg", "png"):
        orbiq.plot(
            frame,
            x="sigma (of the full range)",
            y="MSE",
            out=RESULTS / f"mse.{suffix}",
            title="MNIST: error of the predicted digit under noise",
        )


if __name__ == "__main__":
    main()
