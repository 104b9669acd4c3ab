"""Which images the shipped model was trained on, which ones its formula was fitted to, and which ones judge it.

Ground that was trained on or fitted to judges nothing: airports are split by airport, the hyperspectral cube by rows.
Of Landsat 8 the columns to the left were trained on; the right, and the two panchromatic images, of which nothing was
trained on, are cut into cells of 256 pixels: the formula is fitted to every second, as on a chessboard, and the others
judge.
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from orbiq.arrays import Scene
from orbiq.imageio import read_image, write_image
from orbiq.modifiers.filling import filled

DATA = Path(os.environ.get("ORBIQ_TEST_DATA", "."))
TRAINED_COLS = 900
"""Of Landsat 8: columns up to here were trained on; those from `JUDGED_COLS` judge."""
JUDGED_COLS = 964
CELL_PX = 256


PURPOSE = (
    "The fixed-quality codec that comes with orbiq: band by band, or three bands along the axes of their colours, of 8 to "
    "16 bits. Transforms, hyperprior and mask after Mijares i Verdú et al. (doi:10.1109/JSTARS.2024.3422215). Trained on a "
    "GPU in half precision, the last quarter of the steps in TF32; tables of the entropy coder fitted to images after."
)
HOLDS = (
    "Aerial and satellite images of 0.1 to 30 m, panchromatic and in natural colours, of 8 to 16 bits; what it was judged "
    "on, and how it did, is in studies/fixed_quality."
)
FAILS = (
    "It has seen no radar, no thermal images and no bare hyperspectral bands. Its finest quality is an error of about a "
    "five-hundredth of the range that the values use, and lossless it is not; residual=true goes on from there. Pure text "
    "and line drawings cost more than in codecs made for them, and images that were enlarged before, without anything at "
    "their highest frequencies, more than in JPEG 2000."
)


def landsat8() -> tuple[np.ndarray, np.ndarray]:
    """Bands 2, 3 and 4 (rows, cols, 3), uint16, and where they are valid."""
    bands = [read_image(path).array[..., :1] for path in sorted((DATA / "landsat8").glob("*.tif"))]
    array = np.concatenate(bands, axis=2)
    return array, (array > 0).all(axis=2)


def hyperspectral() -> np.ndarray:
    """Jasper Ridge (100, 100, 198), int16 as the file has it."""
    raw = np.fromfile(DATA / "hyperspectral" / "jasperRidge2_R198.img", "<i2")
    return np.ascontiguousarray(raw.reshape(100, 198, 100).transpose(0, 2, 1))


def airports(split: str, size: int | None = None) -> list[Scene]:
    """The images of a split, or the middle of each."""
    scenes = []
    for path in sorted((DATA / "satellogic-airports" / split).rglob("*.png")):
        array = read_image(path).array
        if size:
            top, left = ((side - size) // 2 for side in array.shape[:2])
            array = np.ascontiguousarray(array[top : top + size, left : left + size])
        scenes.append(Scene(array=array, peak=255, name=path.name))
    return scenes


def cells(scene: Scene, colour: int) -> list[Scene]:
    """The whole cells of one colour of the chessboard, those without valid pixels left out."""
    found = []
    for row, col in np.argwhere(np.indices([side // CELL_PX for side in scene.shape[:2]]).sum(0) % 2 == colour):
        part = tuple(slice(k * CELL_PX, (k + 1) * CELL_PX) for k in (row, col))
        mask = None if scene.mask is None else scene.mask[part]
        if mask is None or mask.any():
            array = np.ascontiguousarray(scene.array[part])
            found.append(Scene(array=array, mask=mask, peak=scene.peak, name=f"{scene.name} {row} {col}"))
    return found


def pan(colour: int) -> list[Scene]:
    """The cells of both panchromatic images, 12 bits."""
    paths = sorted((DATA / "pan-12bit-s2p").glob("*.tif"))
    wholes = [Scene(array=read_image(p).array[:, :, :1], peak=4095, name=p.name) for p in paths]
    return [cell for whole in wholes for cell in cells(whole, colour)]


def landsat8_right(colour: int) -> list[Scene]:
    """The cells of the part of Landsat 8 that was not trained on."""
    array, mask = landsat8()
    part = np.s_[200:1224, JUDGED_COLS:]
    right = Scene(array=array[part], mask=mask[part], peak=65535, name="right")
    return cells(replace(right, array=filled(right)), colour)  # as `orbiq compress` and modifiers do


def fitted() -> dict[str, list[Scene]]:
    """What the formula is fitted to, for each sensor."""
    return {
        "pan 12 bit": pan(0),
        "Landsat 8": landsat8_right(0),
        "airports": airports("train", 512)[::4],
        "hyperspectral": [Scene(array=hyperspectral()[:48], peak=32767, name="top")],
    }


def judged() -> dict[str, list[Scene]]:
    """What judges, for each sensor."""
    return {
        "pan 12 bit": pan(1),
        "Landsat 8": landsat8_right(1),
        "airports": airports("test", 512),
        "hyperspectral": [Scene(array=hyperspectral()[52:], peak=32767, name="bottom")],
    }


def write_training_images(folder: Path) -> list[str]:
    """The images that weights which ship may be trained on, each source in a folder; the names of the folders."""
    copies = {
        "satellogic-airports-train": sorted((DATA / "satellogic-airports" / "train").rglob("*.png")),
        "kodak": sorted((DATA / "kodak").glob("*.png")),
        "uc-merced-tif": sorted((DATA / "uc-merced-tif").glob("*.tif")),
        "tree-crowns-deepforest": [DATA / "tree-crowns-deepforest" / "OSBS_029.tif"],
        "landsat5-tm": sorted((DATA / "landsat5-tm").glob("*.TIF")),
    }
    for name, paths in copies.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for path in paths:
            array = read_image(path).array
            array = array[..., :1] if name == "landsat5-tm" else array[..., :3]
            write_image(folder / name / f"{path.stem}.tif", np.ascontiguousarray(array))
    array, mask = landsat8()
    (folder / "landsat8-left").mkdir(parents=True, exist_ok=True)
    for row in range(0, array.shape[0] - 700, 425):
        part = np.s_[row : row + 700, :TRAINED_COLS]
        write_image(folder / "landsat8-left" / f"row{row}.tif", np.ascontiguousarray(array[part]), mask=mask[part])
    return [*copies, "landsat8-left"]


if __name__ == "__main__":
    print("\n".join(write_training_images(Path("work/training"))))
