"""Which images the predictors that come with orbiq were trained on, and which ones judge them.

    ORBIQ_TEST_DATA=… python sets.py work/training            # a folder of images for each source
    ORBIQ_TEST_DATA=… python sets.py --judged work/judged     # and of those that judge

Ground that was trained on judges nothing: airports are split by airport, Landsat 8 by columns. Images that had been
coded with loss before they came here, as far as one knows, neither train nor judge.
"""

import os
import sys
from pathlib import Path

import numpy as np

from orbiq.arrays import Array
from orbiq.datasets.scenes import AirportScenes, airport_scene
from orbiq.imageio import read_image, write_image
from orbiq.predictors.fields import levels_seen

DATA = Path(os.environ.get("ORBIQ_TEST_DATA", "."))
TRAINED_COLS, JUDGED_COLS = 900, 964
"""Of Landsat 8: columns up to the first were trained on, those from the second on judge."""


def landsat8() -> Array:
    """Bands 4, 3 and 2 (rows, cols, 3), uint16; 0 is no data."""
    bands = [read_image(path).array[..., :1] for path in sorted((DATA / "landsat8").glob("*.tif"))]
    return np.concatenate(bands[::-1], axis=2)


def write_training_images(folder: Path) -> list[str]:
    """The images that weights which ship may be trained on, each source in a folder; the names of the folders."""
    copies = {
        "satellogic-airports-train": sorted((DATA / "satellogic-airports" / "train").rglob("*.png")),
        "kodak": sorted((DATA / "kodak").glob("*.png")),
        "uc-merced-tif": sorted((DATA / "uc-merced-tif").glob("*.tif")),
        "tree-crowns-deepforest": [DATA / "tree-crowns-deepforest" / "OSBS_029.tif"],
    }
    for name, paths in copies.items():
        for path in paths:
            _write(folder / name / f"{path.stem}.tif", read_image(path).array[..., :3])
    tm = [read_image(path).array[..., :1] for path in sorted((DATA / "landsat5-tm").glob("*.TIF"))]
    _write(folder / "landsat5-tm" / "rgb.tif", np.concatenate([tm[2], tm[1], tm[0]], axis=2))
    left = landsat8()[:, :TRAINED_COLS]
    for row in range(0, left.shape[0] - 700, 425):
        part = left[row : row + 700]
        _write(folder / "landsat8-left" / f"row{row}.tif", part, mask=(part > 0).all(axis=2))
    for k in range(6):
        settings = AirportScenes(rows=768, cols=768, gsd_m=(0.5, 0.7, 1.0)[k % 3], snr=(40, 80, 160)[k % 3], seed=7)
        _write(folder / "airport-scenes" / f"{k}.tif", airport_scene(settings, k).image)
    return [*copies, "landsat5-tm", "landsat8-left", "airport-scenes"]


def judged() -> dict[str, list[tuple[str, Array]]]:
    """Names and images (rows, cols, 3) of uint8 that nothing was trained on, by source; whole, or their middle."""
    right = landsat8()[200:1224, JUDGED_COLS:]
    low, high = np.percentile(right[(right > 0).all(axis=2)], (0.1, 99.9))
    found = {
        "airports": _read("satellogic-airports/test", "*.png") + _read("satellogic-airports/val", "*.png"),
        "USC-SIPI aerials": _read("usc-sipi/aerials", "2.*.tiff"),
        "USC-SIPI photographs": _read("usc-sipi/misc", "4.*.tiff"),
        "Landsat 8": [("right", levels_seen(right, low_dn=float(low), high_dn=float(high)))],
    }
    return {name: [(image, middle(array)) for image, array in images] for name, images in found.items()}


def middle(array: Array, size: int = 512) -> Array:
    """The middle of an image, on the grid of its blocks."""
    top, left = (max(0, side - size) // 2 // 8 * 8 for side in array.shape[:2])
    return np.ascontiguousarray(array[top : top + size, left : left + size])


def _read(folder: str, pattern: str) -> list[tuple[str, Array]]:
    return [(path.name, read_image(path).array[..., :3]) for path in sorted((DATA / folder).rglob(pattern))]


def _write(path: Path, array: Array, **known: Array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.ascontiguousarray(array), **known)


def write_judged_images(folder: Path) -> list[str]:
    """The images that judge, and sets whose past is not known, each in a folder; the names of the folders."""
    others = {
        "aerial-cars": _read("aerial-cars", "*.png"),
        "uc-merced-jpg": _read("uc-merced-jpg", "*1.jpg"),
        "sahi-jpg": _read("aerial-vehicles-sahi", "*.jp*g"),
        "worldstrat": _read("worldstrat", "*.png"),
    }
    for name, images in (judged() | others).items():
        for image, array in images:
            _write(folder / name.replace(" ", "-") / f"{Path(image).stem}.tif", array)
    return [*judged(), *others]


if __name__ == "__main__":
    *_, place = sys.argv[1:]
    write = write_judged_images if "--judged" in sys.argv else write_training_images
    print("\n".join(write(Path(place))))
