"""Figures of `accuracy.py`: the truth beside what is predicted, and how images differ (paper 002, figure 8b)."""

from pathlib import Path
from typing import Any

import numpy as np

from orbiq.reports.style import COLOURS, INK, drawing, new_figures, save, sign


def draw(rows: list[dict], out: Path) -> None:
    """`accuracy.png`: left all qualities of libjpeg, right those from 80 on, a thin line an image."""
    plain = [row for row in rows if row["coder"] == "libjpeg 4:2:0"]
    sources = list(dict.fromkeys(row["source"] for row in plain))
    with drawing():
        figure, (both,) = new_figures((11.5, 5.2), rows=1, cols=2)
        for axes, least in zip(both, (10, 80), strict=True):
            axes.plot([least, 100], [least, 100], color=INK, lw=0.8, zorder=1)
            for k, source in enumerate(sources):
                _lines(axes, [row for row in plain if row["source"] == source], source, least, k)
            axes.set(xlabel="quality at which the image was coded", ylabel="predicted quality", xlim=(least, 100.5))
        both[0].legend(loc="upper left", title="thin: an image")
        save(figure, out / "accuracy.png")


def _lines(axes: Any, rows: list[dict], source: str, least: int, k: int) -> None:
    for image in dict.fromkeys(row["image"] for row in rows):
        part = sorted((r["quality"], r["predicted"]) for r in rows if r["image"] == image and r["quality"] >= least)
        axes.plot(*zip(*part, strict=True), color=COLOURS[k], lw=0.6, alpha=0.35)
    qualities = sorted({row["quality"] for row in rows if row["quality"] >= least})
    means = [np.mean([row["predicted"] for row in rows if row["quality"] == quality]) for quality in qualities]
    axes.plot(qualities, means, label=source, **sign(k))
