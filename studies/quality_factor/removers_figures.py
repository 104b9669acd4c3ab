"""Figures of `removers.py`: gains by quality, and what became of small parts of airports."""

from pathlib import Path
from typing import Any

import numpy as np
import sets
from removers_judging import FAR, NEAR, QUALITIES, differences
from removers_networks import BANDS, WAYS, folder_of, in_bands, is_trained, remover_of, restored, rounded

from orbiq.arrays import Array
from orbiq.metrics.pointwise import psnr
from orbiq.predictors.quality_labels import libjpeg
from orbiq.reports.style import INK, drawing, legend_above, new_figures, save, sign

GAINS = {
    "psnr_gain": "PSNR, dB",
    "ssim_gain": "SSIM",
    "colour_gain": "colour difference (lower is better)",
    "predicted_gain": "predicted quality",
}
LABELS = {"ar-cnn": "AR-CNN", "sr-cnn": "SR-CNN", "rgb": "RGB", "grey": "grey"}
CROP_PX, CROP_QUALITY = 128, 20


def label(way: str) -> str:
    """A way in words.

    >>> label("quality-0.03")
    'quality × 0.03'
    """
    return {"clean": "with clean images", "consistency": "consistency alone"}.get(way, way.replace("-", " × "))


def curves(table: list[dict], path: Path) -> None:
    """`removers.png`: what each way changes, by quality, with intervals over the images; a row a network and bands."""
    rows = [row for row in table if row["source"] == "all"]
    shown = list(dict.fromkeys((row["network"], row["bands"]) for row in rows))
    with drawing():
        figure, panels = new_figures((14, 3.1 * len(shown) + 0.6), rows=len(shown), cols=len(GAINS), sharex=True)
        for at, ((network, bands), line) in enumerate(zip(shown, panels, strict=True)):
            part = [row for row in rows if (row["network"], row["bands"]) == (network, bands)]
            for axes, (gain, title) in zip(line, GAINS.items(), strict=True):
                axes.axhline(0, color=INK, lw=0.8, zorder=1)
                for k, way in enumerate(WAYS):
                    _line(axes, [row for row in part if row["way"] == way], gain, k)
                axes.set(title="" if at else title, xticks=QUALITIES)
            line[0].set_ylabel(f"{LABELS[network]}, {LABELS[bands]}\nrestored − coded")
        for axes in panels[-1]:
            axes.set_xlabel("JPEG quality of the coded image")
        legend_above(figure, panels[0][0], columns=6)
        save(figure, path)


def _line(axes: Any, rows: list[dict], gain: str, k: int) -> None:
    if rows:
        x = [row["quality"] + 0.7 * (k - 2.5) for row in rows]
        y, low, high = (np.array([row[gain + end] for row in rows]) for end in ("", "_low", "_high"))
        axes.errorbar(x, y, (y - low, high - y), label=label(rows[0]["way"]), elinewidth=1, **sign(k))


def crops(path: Path, *, network: str = "ar-cnn") -> None:
    """`removers_crops.png`: parts of airports at quality 20, for each kind of bands one of the middle and the worst.

    Of the middle: the image whose PSNR the largest weight changes as the median image's. The worst: where it invents
    most. What is not trained yet is left out.
    """
    lines = [line for bands in BANDS for line in _lines(network, bands)]
    names = [
        name for name in ("clean image", "coded", *(label(way) for way in WAYS)) if any(name in crop for crop in lines)
    ]
    with drawing():
        size = 1.75 * len(names), 2.1 * len(lines) + 0.2
        figure, panels = new_figures(size, rows=len(lines), cols=len(names))
        for axes, name in zip(panels[0], names, strict=True):
            axes.set_title(name, fontsize=9)
        for row, crop in zip(panels, lines, strict=True):
            for axes, name in zip(row, names, strict=True):
                _show(axes, crop.get(name), crop["clean image"])
        save(figure, path)


def _show(axes: Any, image: Array | None, clean: Array) -> None:
    if image is None:
        axes.axis("off")
        return
    pixels = image if image.shape[2] == 3 else image[..., 0]
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set(xticks=[], yticks=[], xlabel="" if image is clean else f"{psnr(clean, image):.2f} dB")
    axes.xaxis.label.set_size(8)
    axes.grid(visible=False)


def _lines(network: str, bands: str) -> list[dict[str, Array]]:
    """The crops of both images by name; none before a weight is trained."""
    folders = {name: folder_of(network, bands, way) for name, way in WAYS.items()}
    known = {name: folder for name, folder in folders.items() if is_trained(folder)}
    weighed = [label(name) for name in known if WAYS[name].weight]
    if not weighed:
        return []
    removers = {name: remover_of(folder, network, bands=BANDS[bands]) for name, folder in known.items()}
    made = []
    for _, image in sets.judged()["airports"]:
        clean = in_bands(image, BANDS[bands])
        coded = libjpeg(CROP_QUALITY)(clean)
        made.append({"clean image": clean, "coded": coded})
        made[-1] |= {label(name): rounded(restored(remover, coded)) for name, remover in removers.items()}
    gains = [psnr(one["clean image"], one[weighed[-1]]) - psnr(one["clean image"], one["coded"]) for one in made]
    middle = made[int(np.argsort(gains)[len(gains) // 2])]
    places = [_most_invented(one, weighed[-1]) for one in made]
    worst = int(np.argmax([count for count, _ in places]))
    chosen = ((middle, _most_detail(middle)), (made[worst], places[worst][1]))
    return [{name: image[place] for name, image in one.items()} for one, place in chosen]


def _most_invented(images: dict[str, Array], name: str) -> tuple[float, tuple[slice, slice]]:
    clean, coded, now = images["clean image"], images["coded"], images[name]
    was, is_now = differences(clean, coded), differences(clean, now)
    return _best_place(((was < NEAR) & (is_now > FAR)).astype(float))


def _most_detail(images: dict[str, Array]) -> tuple[slice, slice]:
    clean = images["clean image"].astype(float).mean(2)
    return _best_place(np.abs(np.diff(clean, axis=0, prepend=clean[:1])))[1]


def _best_place(values: Array) -> tuple[float, tuple[slice, slice]]:
    """The largest sum over a crop on a grid of half crops, and where."""
    step = CROP_PX // 2
    sums = {}
    for top in range(0, values.shape[0] - CROP_PX + 1, step):
        for left in range(0, values.shape[1] - CROP_PX + 1, step):
            place = slice(top, top + CROP_PX), slice(left, left + CROP_PX)
            sums[top, left] = float(values[place].sum()), place
    return max(sums.values(), key=lambda pair: pair[0])
