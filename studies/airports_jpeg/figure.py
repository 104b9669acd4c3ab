"""The study's tables and figure from its runs: results/table.csv, results/levels.csv, results/curve.svg, results/answer.json.

python studies/airports_jpeg/figure.py
"""

import json
from pathlib import Path

import pandas as pd

import orbiq
from orbiq.analysis.answer import analyse
from orbiq.reports.curves import score_curve

HERE = Path(__file__).parent
RUNS = HERE / "orbiq-runs" / "airports-jpeg"
RESULTS = HERE / "results"
RUN_COLUMNS = ["variant", "quality", "repetition", "seed", "ap50", "ap", "ar_100", "bytes_per_image", "bits_per_pixel"]
LEVEL_COLUMNS = [
    "variant",
    "cost",
    "cost_ratio",
    "bytes_per_image",
    "score",
    "low",
    "high",
    "retention",
    "retention_low",
]


def main() -> None:
    RESULTS.mkdir(exist_ok=True)
    table = orbiq.table(RUNS).sort_values(["bits_per_pixel", "repetition"])
    table[RUN_COLUMNS].to_csv(RESULTS / "table.csv", index=False, float_format="%.5g")
    point = analyse(RUNS)["operating_point"]
    levels = pd.DataFrame(point["levels"])[[*LEVEL_COLUMNS, "chance_kept"]].rename(columns={"cost": "bits_per_pixel"})
    levels.to_csv(RESULTS / "levels.csv", index=False, float_format="%.4g")
    (RESULTS / "answer.json").write_text(json.dumps(point, indent=1) + "\n")
    (RESULTS / "curve.svg").write_text(score_curve(point))
    orbiq.plot(RUNS, x="bits_per_pixel", y="ap50", legend="family", out=RESULTS / "ap50.png")
    print(levels.to_string(index=False))
    print(point["sentence"])
    print(point["advice"] or "")


if __name__ == "__main__":
    main()
