"""Figures 5 and 9 to 11 of the paper in our form, and whether far qualities beside each other show a seam.

    ORBIQ_TEST_DATA=… python pictures.py [--model FILE]

Writes results/blocks.png (PSNR less target of each block: one quality for the whole, and by blocks of 64, 32 and 16),
results/zooms.png (original, whole, by blocks), results/seam.png and results/seam.json: blocks of 64 by turns at the
lowest and the highest quality. The figure is the energy of differences of neighbours across borders of blocks, as a
share of the original's, over the same of those inside. It is told of the picture by turns (`by_turns`); of one that is
cut together from the two pictures that have one quality each (`cut`), which is what far qualities do to it without any
seam being smoothed or made: what is lost on one side of a border is not on the other; and of those two (`lowest`,
`highest`), where borders of blocks are nothing but multiples of the transform's 16 pixels.
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import sets

from orbiq.arrays import Scene
from orbiq.cache import write_json
from orbiq.codecs.fixed_quality import block_mse
from orbiq.codecs.neural import FixedQuality

mpl.use("Agg")
import matplotlib.pyplot as plt  # after the choice of what draws

RESULTS = Path(__file__).parent / "results"
TARGET_DB, BLOCK = 36.0, 64
IMAGE, ZOOM = 3, np.s_[180:340, 150:350]


def decoded(codec: FixedQuality, scene: Scene, targets: np.ndarray | None = None) -> tuple[np.ndarray, float]:
    """The picture, and bits per pixel."""
    stream, _ = codec.coded(scene, block_targets=targets)
    return codec.decode(stream), 8 * len(stream) / scene.n_pixels


def away(picture: np.ndarray, scene: Scene, block: int) -> np.ndarray:
    """PSNR of each block less the target, dB."""
    mse = block_mse(picture, scene.array, None, (block, block)).mse
    return 10 * np.log10(255**2 / np.maximum(mse, 1e-9)) - TARGET_DB


def block_picture(model: str, scene: Scene) -> None:
    """One row: the whole at one quality; the other: by blocks."""
    figure, axes = plt.subplots(2, 3, figsize=(9, 6.4), layout="constrained")
    whole, rate = decoded(FixedQuality(model=model, psnr_db=TARGET_DB, block=0), scene)
    for column, block in enumerate((64, 32, 16)):
        local, local_rate = decoded(FixedQuality(model=model, psnr_db=TARGET_DB, block=block), scene)
        for row, (picture, bpp, name) in enumerate(((whole, rate, "whole"), (local, local_rate, f"blocks of {block}"))):
            shown = axes[row, column].imshow(away(picture, scene, block), cmap="RdBu", vmin=-4, vmax=4)
            axes[row, column].set(xticks=[], yticks=[], title=f"asked: {name}, {bpp:.2f} bpp\nseen by {block} px")
    figure.colorbar(shown, ax=axes, label=f"PSNR less {TARGET_DB:g} dB", shrink=0.7)
    figure.savefig(RESULTS / "blocks.png", dpi=110)


def zoom_picture(model: str, scene: Scene) -> None:
    """Original, one quality for the whole, and blocks of 16."""
    whole, whole_bpp = decoded(FixedQuality(model=model, psnr_db=TARGET_DB, block=0), scene)
    local, local_bpp = decoded(FixedQuality(model=model, psnr_db=TARGET_DB, block=16), scene)
    titles = ("original", f"whole, {whole_bpp:.2f} bpp", f"blocks of 16, {local_bpp:.2f} bpp")
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
    for axis, picture, title in zip(axes, (scene.array, whole, local), titles, strict=True):
        axis.imshow(picture[ZOOM])
        axis.set(xticks=[], yticks=[], title=title)
    figure.savefig(RESULTS / "zooms.png", dpi=120)


def seam(model: str, scene: Scene) -> tuple[np.ndarray, dict[str, float]]:
    """A checkerboard of the lowest and the highest quality, and the figures."""
    codec = FixedQuality(model=model, mse=1.0, block=BLOCK, corrections=0)
    high = np.indices(tuple(-(-side // BLOCK) for side in scene.shape[:2])).sum(0) % 2 == 1
    turns, _ = decoded(codec, scene, np.where(high, 1e-6, 1e6))
    lowest, highest = (decoded(FixedQuality(model=model, lmbda=end), scene)[0] for end in codec.loaded().lmbda_range)
    where = np.kron(high, np.ones((BLOCK, BLOCK), bool))[: scene.shape[0], : scene.shape[1], None]
    pictures = {"by_turns": turns, "cut": np.where(where, highest, lowest), "lowest": lowest, "highest": highest}
    return turns, {name: across_over_inside(picture, scene) for name, picture in pictures.items()}


def across_over_inside(picture: np.ndarray, scene: Scene) -> float:
    """The seam's figure."""
    shares = []
    for turned in (np.asarray, lambda a: np.swapaxes(a, 0, 1)):
        energies = [np.square(np.diff(turned(a).astype(float), axis=1)).mean((0, 2)) for a in (picture, scene.array)]
        border = np.arange(energies[0].size) % BLOCK == BLOCK - 1
        shares.append([e[border].sum() for e in energies] + [e[~border].sum() for e in energies])
    across, across_original, inside, inside_original = np.sum(shares, axis=0)
    return float((across / across_original) / (inside / inside_original))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="aerial")
    model = parser.parse_args().model
    scenes = sets.judged()["airports"]
    block_picture(model, scenes[IMAGE])
    zoom_picture(model, scenes[IMAGE])
    found = [seam(model, scene) for scene in scenes]
    figures = {name: [of[name] for _, of in found] for name in found[0][1]}
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.6), layout="constrained")
    for axis, picture, title in zip(
        axes, (scenes[IMAGE].array, found[IMAGE][0]), ("original", "by turns"), strict=True
    ):
        axis.imshow(picture[128:384, 128:384])
        axis.set(xticks=[], yticks=[], title=title)
    figure.savefig(RESULTS / "seam.png", dpi=120)
    means = {name: float(np.mean(values)) for name, values in figures.items()}
    write_json(RESULTS / "seam.json", {"schema": 1, "across_over_inside": figures, "mean": means})
    print("energy across borders over inside", {name: round(mean, 3) for name, mean in means.items()})


if __name__ == "__main__":
    main()
