"""The study's tables and its figure from the runs of both experiments, all of it into results/.

    table.csv             every run
    levels.csv            every variant: AP50 with its interval, the share that is kept, the rates of train and test
    operating_points.csv  every codec, each by itself against the reference
    answer_*.json         the whole analysis, with method and variance components
    ap50.svg              AP50 against bits per pixel

python studies/airports_codecs/figure.py
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd

import orbiq
from orbiq.analysis.answer import analyse
from orbiq.analysis.downlink import Downlink
from orbiq.records import read_records
from orbiq.reports.style import INK, MUTED, Plot, drawing, log_axis, save, sign

HERE = Path(__file__).parent
RESULTS = HERE / "results"
REGIMES = {"retrained": "trained and judged on coded images", "clean": "trained on clean images, judged on coded ones"}
CODECS = ("jpeg", "jpeg2000", "jpegxl", "webp", "avif", "quantized")
RUN_COLUMNS = ["variant", "family", "rate_bpp", "repetition", "seed", "ap50", "ap", "ar_100", "bits_per_pixel"]
LEVEL_COLUMNS = ["variant", "family", "cost", "cost_ratio", "score", "low", "high", "retention", "retention_fit"]
LEVEL_COLUMNS += ["retention_low", "chance_kept", "n_runs", "rep_sd"]
LINK = Downlink(rate_mbps=100, pass_s=500)
PIXELS = 1024 * 1024
SPLIT = 0.6  # AP50 below it has a scale of its own
APART = 0.028  # how far codecs of the same rate are moved apart, as a share of it
CAPTION = (
    "Small marks: single runs. Lines: their means. Rings: the cheapest rate that is shown to keep 95 % of the reference's AP50. "
    "Codecs of the same rate stand side by side."
)


def runs_of(regime: str) -> Path:
    return HERE / "orbiq-runs" / f"airports-codecs-{regime}"


def operating_points(point: dict[str, Any]) -> list[dict[str, Any]]:
    """What each codec by itself comes to: the cheapest rate shown to be enough, the cheapest in the middle, the curve."""
    found = []
    for codec in CODECS:
        levels = sorted((v for v in point["levels"] if v["family"] == codec), key=lambda v: v["cost"])
        middle = [v for v in levels if v["retention_fit"] >= point["keep"]]
        shown = [v for v in middle if v["chance_kept"] >= point["confidence"]]
        curve = next(f for f in point["families"] if f["family"] == codec)
        said: dict[str, Any] = {"codec": codec}
        for name, of in (("shown", shown), ("middle", middle)):
            said[name] = of[0]["variant"] if of else ""
            said[f"{name}_bpp"] = of[0]["cost"] if of else None
        said["images_per_pass"] = str(LINK.images_per_pass(bits_per_image=shown[0]["cost"] * PIXELS)) if shown else ""
        said["best_chance"] = max(v["chance_kept"] for v in levels)
        said |= {f"curve_{name}_bpp": curve[name] for name in ("central", "low", "high", "conservative")}
        found.append(said | {"note": curve["reason"]})
    return found


def levels_of(regime: str, point: dict[str, Any]) -> pd.DataFrame:
    """The variants of a regime, with the rates of the images that the detector was trained on."""
    trained = {r.variant: r.splits["train"].rate.bits_per_pixel for r in read_records(runs_of(regime))}
    levels = pd.DataFrame(point["levels"])[LEVEL_COLUMNS].rename(columns={"cost": "bits_per_pixel"})
    levels.insert(3, "train_bits_per_pixel", levels["variant"].map(trained))
    return levels


def draw(tables: dict[str, pd.DataFrame], points: dict[str, dict[str, Any]], out: Path) -> None:
    """AP50 against bits per pixel, a column for each regime; what lies far below has a row and a scale of its own."""
    with drawing():
        figure = Plot(figsize=(12.4, 7.0), layout="constrained")
        panels = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(3.2, 1))
        for column, (regime, title) in zip(panels.T, REGIMES.items(), strict=True):
            for axes in column:
                draw_panel(axes, tables[regime], points[regime])
            column[0].set_title(title, loc="left", fontsize=11)
            column[0].tick_params(axis="x", length=0)
            column[1].set_xlabel("bits per pixel (RGB)")
        panels[0, 0].set_ylim(SPLIT, 0.81)
        panels[1, 0].set_ylim(0.18, SPLIT)
        panels[0, 0].set_ylabel("AP50")
        panels[1, 0].set_ylabel("AP50, another scale")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=8, handlelength=2.6)
        figure.supxlabel(CAPTION, fontsize=8.5, x=0.01, ha="left")
        save(figure, out)


def draw_panel(axes: Any, table: pd.DataFrame, point: dict[str, Any]) -> None:
    shown = {row["shown"] for row in operating_points(point)}
    for k, codec in enumerate(CODECS):
        rows, look, aside = table[table["family"] == codec], sign(k), 1 + APART * (k - (len(CODECS) - 1) / 2)
        small = look | {"linestyle": "none", "markersize": 3, "alpha": 0.55, "markeredgewidth": 0}
        axes.plot(aside * rows["bits_per_pixel"], rows["ap50"], **small)
        means = rows.groupby("bits_per_pixel", as_index=False).agg({"ap50": "mean", "variant": "first"})
        axes.plot(aside * means["bits_per_pixel"], means["ap50"], label=codec, **look | {"linewidth": 1.5})
        ring = means[means["variant"].isin(shown)]
        axes.plot(aside * ring["bits_per_pixel"], ring["ap50"], "o", ms=15, mfc="none", mec=look["color"], mew=1.5)
    rows = table[table["variant"] == "reference"]
    axes.plot(rows["bits_per_pixel"], rows["ap50"], "*", color=INK, markersize=4, alpha=0.4, markeredgewidth=0)
    axes.plot(rows["bits_per_pixel"].iloc[:1], [rows["ap50"].mean()], "*", color=INK, markersize=12, label="reference")
    for value, dashes in ((point["reference"], "-"), (point["threshold"], (0, (5, 3)))):
        axes.axhline(value, color=MUTED, linewidth=1.1, linestyle=dashes, zorder=1.5)
    axes.annotate("95 % of it", (0.99, point["threshold"]), xycoords=("axes fraction", "data"), xytext=(0, -3),
                  textcoords="offset points", ha="right", va="top", fontsize=9, color=MUTED, annotation_clip=True)  # fmt: skip
    log_axis(axes, 0.1, 12)


def main() -> None:
    RESULTS.mkdir(exist_ok=True)
    tables, points = {}, {}
    for regime in REGIMES:
        tables[regime] = orbiq.table(runs_of(regime)).sort_values(["family", "bits_per_pixel", "repetition"])
        points[regime] = analyse(runs_of(regime))["operating_point"]
        (RESULTS / f"answer_{regime}.json").write_text(json.dumps(points[regime], indent=1) + "\n")
    write("table", {regime: table[RUN_COLUMNS] for regime, table in tables.items()})
    write("levels", {regime: levels_of(regime, point) for regime, point in points.items()})
    write("operating_points", {regime: pd.DataFrame(operating_points(point)) for regime, point in points.items()})
    draw(tables, points, RESULTS / "ap50.svg")


def write(name: str, by_regime: dict[str, pd.DataFrame]) -> None:
    """Write the tables of all regimes as one."""
    table = pd.concat(by_regime, names=["regime"]).reset_index("regime")
    table.to_csv(RESULTS / f"{name}.csv", index=False, float_format="%.5g")
    if name != "table":
        print(table.to_string(index=False, float_format="{:.4g}".format))


if __name__ == "__main__":
    main()
