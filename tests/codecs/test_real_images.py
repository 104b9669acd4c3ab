"""Lossless is lossless on real images too: 8 and 16 bits, signed, floats with NaN, 1 to 198 bands."""

import numpy as np
import pytest

from orbiq.errors import OrbiqError
from orbiq.imageio import read_image
from tests.codecs.pictures import codec_of

LOSSLESS = {
    "jpeg2000": {},
    "htj2k": {},
    "jpegxl": {"effort": 2},
    "jpegls": {},
    "webp": {"method": 0},
    "avif": {"quality": 100, "speed": 10},
    "ccsds121": {},
    "lerc": {},
    "png": {"level": 1},
    "deflate": {"level": 1},
}
SUFFIXES = {".png", ".tif", ".tiff", ".jpg", ".bmp", ".img"}


def images(folder):
    """(name, centre crop) of every image of a folder that orbiq reads; 256 px wide, of many like images 96 px."""
    for k, path in enumerate(sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)):
        try:
            array = read_image(path).array
        except OrbiqError:  # complex samples, and the like
            continue
        side_px = 256 if k < 30 else 96
        row, col = (max(side - side_px, 0) // 2 for side in array.shape[:2])
        yield str(path.relative_to(folder)), array[row : row + side_px, col : col + side_px]


def check(array, name):
    for codec_name, given in LOSSLESS.items():
        codec = codec_of(codec_name, **given)
        assert codec.lossless
        if str(array.dtype) not in codec.dtypes or (codec_name == "avif" and beyond_12_bits(array)):
            continue
        back = codec.decode(codec.encode(array))
        assert back.dtype == array.dtype
        assert np.array_equal(back, array, equal_nan=array.dtype.kind == "f"), (codec_name, name)


def beyond_12_bits(array):
    if array.dtype == np.uint8:
        return False
    low, high = (-2048, 2047) if array.dtype == np.int16 else (0, 4095)
    return int(array.min()) < low or int(array.max()) > high


@pytest.mark.slow
def test_every_image(test_data):
    n_images, dtypes = 0, set()
    for folder in sorted(p for p in test_data.iterdir() if p.is_dir()):
        for name, array in images(folder):
            check(array, f"{folder.name}/{name}")
            n_images += 1
            dtypes.add(str(array.dtype))
    assert n_images >= 20
    assert {"uint8", "uint16", "float32", "float64"} <= dtypes


def test_a_signed_cube_of_198_bands(test_data):
    path = test_data / "hyperspectral" / "jasperRidge2_R198.img"
    lines = np.fromfile(path, "<i2").reshape(100, 198, 100)  # line by line, as its header says
    cube = np.moveaxis(lines, 1, 2)[20:60, 20:60].copy()
    assert cube.min() < 0
    check(cube, path.name)
