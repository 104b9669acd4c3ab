"""Which images the shipped model was trained on, which ones its formula was fitted to, and which ones judge it.

Ground that was trained on or fitted to judges nothing: airports are split by airport, Landsat 8 and the two
panchromatic images by columns, the hyperspectral cube by rows.
"""

import os
from pathlib import Path

import numpy as np

from orbiq.arrays import Scene
from orbiq.imageio import read_image, write_image

DATA = Path(os.environ.get("ORBIQ_TEST_DATA", "."))
TRAINED_COLS = 900
"""Of Landsat 8: columns up to here were trained on; those from `JUDGED_COLS` judge."""
JUDGED_COLS = 964


PURPOSE = (
    "The fixed-quality codec that comes with orbiq: band by band, or three bands as a sum and two differences, of 8 to 16 "
    "bits. Transforms, hyperprior and mask after Mijares i Verdú et al. (doi:10.1109/JSTARS.2024.3422215)."
)
HOLDS = (
    "Aerial and satellite images of 0.1 to 30 m, panchromatic and in natural colours, of 8 to 16 bits; what it was judged "
    "on, and how it did, is in studies/fixed_quality."
)
FAILS = (
    "It has seen no radar, no thermal images and no bare hyperspectral bands. Of an image's finest 16 × 16 patterns it "
    "drops a quarter: sensor noise, and scenes that were decimated without a filter, cap the quality that it reaches; "
    "residual=true goes on from there. Pure text and line drawings cost more than in codecs made for them."
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


def pan(part: slice) -> list[Scene]:
    """Some columns of both panchromatic images, 12 bits."""
    paths = sorted((DATA / "pan-12bit-s2p").glob("*.tif"))
    return [Scene(array=np.ascontiguousarray(read_image(p).array[:, part, :1]), peak=4095, name=p.name) for p in paths]


def fitted() -> dict[str, list[Scene]]:
    """What the formula is fitted to, for each sensor."""
    array, mask = landsat8()
    part = np.s_[400:1424, :TRAINED_COLS]
    return {
        "pan 12 bit": pan(slice(0, 448)),
        "Landsat 8": [Scene(array=array[part], mask=mask[part], peak=65535, name="left")],
        "airports": airports("train", 512)[::4],
        "hyperspectral": [Scene(array=hyperspectral()[:48], peak=32767, name="top")],
    }


def judged() -> dict[str, list[Scene]]:
    """What judges, for each sensor."""
    array, mask = landsat8()
    part = np.s_[200:1224, JUDGED_COLS:]
    return {
        "pan 12 bit": pan(slice(512, 1024)),
        "Landsat 8": [Scene(array=array[part], mask=mask[part], peak=65535, name="right")],
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
