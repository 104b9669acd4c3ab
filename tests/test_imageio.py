"""The one door for image files."""

import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from orbiq.errors import ImageError, StorageError
from orbiq.imageio import (
    IMAGE_SUFFIXES,
    WRITABLE_SUFFIXES,
    Profile,
    encode_image,
    image_shape,
    read_image,
    write_bytes,
    write_image,
)


def random_array(shape, dtype="uint8", seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, size=shape, endpoint=True).astype(dtype)


def names_in(folder):
    return [path.name for path in folder.iterdir()]


def test_red_comes_first(tmp_path):
    red = np.zeros((4, 5, 3), np.uint8)
    red[..., 0] = 200
    for suffix in sorted(WRITABLE_SUFFIXES):
        write_image(tmp_path / f"a{suffix}", red)
        assert np.array_equal(read_image(tmp_path / f"a{suffix}").array, red), suffix


@pytest.mark.parametrize(
    ("suffix", "dtype", "bands"),
    [
        *[(".png", dtype, bands) for dtype in ("uint8", "uint16") for bands in (1, 3, 4)],
        *[(".bmp", "uint8", bands) for bands in (1, 3)],
        *[(".jp2", dtype, bands) for dtype in ("uint8", "uint16", "int16") for bands in (1, 3, 5)],
        *[
            (".tif", dtype, bands)
            for dtype in ("uint8", "uint16", "int16", "float32", "float64")
            for bands in (1, 2, 3, 4, 13)
        ],
        (".TIFF", "uint8", 3),
    ],
)
def test_what_is_written_is_read(tmp_path, suffix, dtype, bands):
    array = random_array((37, 53, bands), dtype)
    before = array.copy()
    path = tmp_path / f"a{suffix}"
    write_image(path, array)
    picture = read_image(path)
    assert picture.array.dtype == array.dtype
    assert np.array_equal(picture.array, array)
    assert picture.array.flags.c_contiguous
    assert image_shape(path) == (37, 53, bands, np.dtype(dtype))
    assert np.array_equal(array, before)
    assert names_in(tmp_path) == [path.name]


def test_a_read_picture_has_no_mask_when_all_is_valid(tmp_path):
    write_image(tmp_path / "a.png", random_array((8, 8, 3)))
    assert read_image(tmp_path / "a.png").mask is None


def test_transparent_pixels_are_invalid(tmp_path):
    array = random_array((8, 8, 4))
    array[..., 3] = 255
    array[:2, :, 3] = 0
    for suffix in (".png", ".tif"):
        profile = Profile(format="tiff", colorinterp=("red", "green", "blue", "alpha"))
        write_image(tmp_path / f"a{suffix}", array, profile=profile)
        assert np.array_equal(read_image(tmp_path / f"a{suffix}").mask, array[..., 3] > 0)


@pytest.mark.parametrize(
    "colour", ["gray", "gray1bit", "gray+trns", "gray+alpha", "palette", "palette+trns", "rgb+trns"]
)
def test_every_kind_of_png(tmp_path, colour):
    gray, rgb = random_array((9, 11)), random_array((9, 11, 3))
    path = tmp_path / "a.png"
    images = {
        "gray": (Image.fromarray(gray), {}, "L"),
        "gray1bit": (Image.fromarray(gray > 128), {}, "L"),
        "gray+trns": (Image.fromarray(gray), {"transparency": 5}, "L"),
        "gray+alpha": (Image.merge("LA", [Image.fromarray(gray), Image.fromarray(gray[::-1])]), {}, "RGBA"),
        "palette": (Image.fromarray(rgb).quantize(16), {}, "RGB"),
        "palette+trns": (Image.fromarray(rgb).quantize(16), {"transparency": 3}, "RGBA"),
        "rgb+trns": (Image.fromarray(rgb), {"transparency": (1, 2, 3)}, "RGBA"),
    }
    image, options, mode = images[colour]
    image.save(path, **options)
    expected = np.asarray(Image.open(path).convert(mode)).reshape(9, 11, -1)
    assert np.array_equal(read_image(path).array, expected)
    assert image_shape(path) == (*expected.shape, expected.dtype)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"exif": None}])
def test_jpeg_is_read_as_opencv_decodes_it_and_not_turned(tmp_path, options):
    if "exif" in options:
        exif = Image.Exif()
        exif[0x112] = 6
        options = {"exif": exif}
    path = tmp_path / "a.jpg"
    Image.fromarray(random_array((40, 64, 3))).save(path, **options)
    expected = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert expected.shape == (40, 64, 3)
    assert np.array_equal(read_image(path).array, expected)
    assert image_shape(path) == (40, 64, 3, np.uint8)
    with path.open("ab") as stream:
        stream.write(b"\0" * 99)
    assert np.array_equal(read_image(path).array, expected), "bytes after the end marker are legal"


def test_gray_jpeg_has_one_band(tmp_path):
    Image.fromarray(random_array((40, 64))).save(tmp_path / "a.jpeg")
    assert read_image(tmp_path / "a.jpeg").array.shape == (40, 64, 1)
    assert image_shape(tmp_path / "a.jpeg") == (40, 64, 1, np.uint8)


def test_content_decides_not_the_suffix(tmp_path):
    array = random_array((8, 8, 3))
    for suffix, kind in ((".png", "png"), (".bmp", "bmp"), (".tif", "tiff"), (".jp2", "jp2")):
        (tmp_path / "a.jpg").write_bytes(encode_image(array, suffix))
        picture = read_image(tmp_path / "a.jpg")
        assert (picture.profile.format, np.array_equal(picture.array, array)) == (kind, True)


def test_a_png_has_opencvs_own_size(tmp_path):
    array = random_array((64, 64, 3))
    write_image(tmp_path / "a.png", array)
    cv2.imwrite(str(tmp_path / "b.png"), array[..., ::-1])
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_writing_replaces_and_keeps_ordinary_permissions(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    (tmp_path / "reference").write_bytes(b"")
    write_image(path, random_array((4, 4, 1)))
    assert image_shape(path) == (4, 4, 1, np.uint8)
    assert path.stat().st_mode == (tmp_path / "reference").stat().st_mode


def test_threads_write_the_same_file_whole(tmp_path):
    arrays = [np.full((64, 64, 1), k, np.uint8) for k in range(8)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda array: write_image(tmp_path / "a.png", array), arrays))
    assert len(np.unique(read_image(tmp_path / "a.png").array)) == 1
    assert names_in(tmp_path) == ["a.png"]


def encoded(suffix):
    if suffix == ".jpg":
        return cv2.imencode(".jpg", cv2.GaussianBlur(random_array((64, 64, 3)), (0, 0), 2))[1].tobytes()
    return bytes(encode_image(random_array((64, 64, 3)), suffix))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".jp2"])
@pytest.mark.parametrize("keep", [3, 20, 60, 0.2, 0.5, 0.9, -10, -1])
def test_a_truncated_file_is_named_never_half_read(tmp_path, suffix, keep):
    data = encoded(suffix)
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(ImageError, match=f"cut{suffix}.*Copy it again|cut{suffix}.*begins with"):
        read_image(path)


def test_a_flipped_bit_in_a_png_is_seen(tmp_path):
    data = bytearray(encoded(".png"))
    data[len(data) // 2] ^= 1
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageError, match="checksum of PNG chunk b'IDAT'"):
        read_image(tmp_path / "a.png")


def test_a_png_with_too_few_rows_is_refused(tmp_path):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(bytes(9 * 3)))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + rows + chunk(b"IEND", b""))
    with pytest.raises(ImageError, match=r"a\.png' cannot be decoded"):
        read_image(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IEND", b""))
    with pytest.raises(ImageError, match="holds no pixels"):
        read_image(tmp_path / "b.png")


def test_a_jpeg_of_headers_alone_is_refused(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0\x00\x04ab\xff\xd9")
    with pytest.raises(ImageError, match="holds no pixels"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("look", [read_image, image_shape])
def test_what_is_no_image_is_named(tmp_path, look):
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(ImageError, match=r"empty\.png' is empty \(0 bytes\)"):
        look(tmp_path / "empty.png")
    (tmp_path / "page.png").write_bytes(b"<html>not found</html>")
    with pytest.raises(ImageError, match=r"page\.png' begins with b'<html>no', which is no PNG"):
        look(tmp_path / "page.png")
    with pytest.raises(ImageError, match=r"gone\.png' does not exist"):
        look(tmp_path / "gone.png")
    with pytest.raises(ImageError, match="is a folder"):
        look(tmp_path)


@pytest.mark.parametrize(
    ("suffix", "array", "message"),
    [
        (".png", np.zeros((2, 2, 2), np.uint8), "png cannot hold 2 bands of uint8; it holds 1 or 3 or 4 bands"),
        (".png", np.zeros((2, 2, 1), np.float32), "cannot hold 1 bands of float32.*Write .tif instead"),
        (".bmp", np.zeros((2, 2, 1), np.uint16), "bmp cannot hold"),
        (".jp2", np.zeros((2, 2, 1), np.float64), "jp2 cannot hold"),
        (".tif", np.zeros((2, 2, 1), np.int64), "tiff cannot hold 1 bands of int64"),
        (".tif", np.zeros((2, 2), np.uint8), r"shape \(2, 2\) is no image; expected \(rows, cols, bands\)"),
        (".jpg", np.zeros((2, 2, 3), np.uint8), "cannot be written as '.jpg'.*encode with the codec"),
        (".gif", np.zeros((2, 2, 3), np.uint8), "cannot be written as '.gif'; expected one of .bmp, .jp2"),
        ("", np.zeros((2, 2, 3), np.uint8), "a file without suffix"),
    ],
)
def test_what_a_format_cannot_hold_is_said(tmp_path, suffix, array, message):
    with pytest.raises(ImageError, match=message):
        write_image(tmp_path / f"a{suffix}", array)
    assert names_in(tmp_path) == []


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    write_image(path, np.zeros((4, 4, 1), np.uint8))
    before = path.read_bytes()

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StorageError, match=r"a\.png' cannot be written: No space left on device\. Free some space"):
        write_image(path, np.ones((4, 4, 1), np.uint8))
    assert path.read_bytes() == before
    assert names_in(tmp_path) == ["a.png"]


def test_a_folder_that_is_not_there_or_not_readable(tmp_path, monkeypatch):
    with pytest.raises(StorageError, match="cannot be written: No such file or directory"):
        write_bytes(tmp_path / "none" / "a.jpg", b"1")

    def denied(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(StorageError, match="cannot be read: Permission denied"):
        read_image(tmp_path / "a.png")


def test_the_suffixes_agree():
    codecs_own = {".jls", ".jxl", ".webp", ".avif", ".j2k", ".j2c"}
    assert {".jpg", ".jpeg"} | codecs_own == IMAGE_SUFFIXES - WRITABLE_SUFFIXES
    assert WRITABLE_SUFFIXES < IMAGE_SUFFIXES


REAL = [
    "geotiff-misc/RGB.byte.tif",
    "geotiff-misc/cog_gcps.tif",
    "geotiff-misc/cog_nodata_nan.tif",
    "landsat8/LC81070352015122LGN00_B3.tif",
    "landsat5-tm/LT52240631988227CUB02_B4.TIF",
    "spacenet-solaris/ms1.tif",
    "spacenet-solaris/sample_geotiff.tif",
    "pan-12bit-s2p/pair_img_01.tif",
    "sentinel2-ravaen/lahinch/S2/2017-09-18.tif",
    "iquaflow-test-datasets/ds_geo_dataset/images/sample_geotiff_733601_3725139.tif",
    "iquaflow-test-datasets/ds_inria_dataset/images/bellingham1+1024.tif",
    "tree-crowns-deepforest/OSBS_029.tif",
    "uc-merced-tif/harbor92.tif",
]


@pytest.mark.parametrize("name", REAL)
def test_a_real_geotiff_keeps_everything(test_data, tmp_path, name):
    first = read_image(test_data / name)
    write_image(tmp_path / "a.tif", first.array, profile=first.profile, mask=first.mask)
    second = read_image(tmp_path / "a.tif")
    assert np.array_equal(first.array, second.array, equal_nan=first.array.dtype.kind == "f")
    assert first.profile == second.profile
    assert np.array_equal(first.mask, second.mask)
    assert image_shape(test_data / name) == (*first.array.shape, first.array.dtype)
    assert (tmp_path / "a.tif").stat().st_size < 1.1 * (test_data / name).stat().st_size


def test_real_masks(test_data):
    assert read_image(test_data / "geotiff-misc/RGB.byte.tif").mask.mean() == pytest.approx(0.6746, abs=1e-4)
    flood = read_image(test_data / "sentinel2-ravaen/lahinch/S2/2017-09-18.tif")
    assert np.array_equal(flood.mask, ~np.isnan(flood.array).any(axis=2))
    assert not flood.mask.all()


def test_a_sensor_model_survives(test_data, tmp_path):
    picture = read_image(test_data / "pan-12bit-s2p/pair_img_01.tif")
    write_image(tmp_path / "a.tif", picture.array, profile=picture.profile)
    rpc = read_image(tmp_path / "a.tif").profile.tags["RPC"]
    assert rpc == picture.profile.tags["RPC"]
    assert "LINE_NUM_COEFF" in rpc


@pytest.mark.parametrize(
    "name", ["kodak/kodim01.png", "iqa-golden/iqa-pytorch/ref_dir/I04.bmp", "usc-sipi/misc/4.2.03.tiff"]
)
def test_real_pictures_agree_with_pillow(test_data, name):
    expected = np.asarray(Image.open(test_data / name).convert("RGB"))
    assert np.array_equal(read_image(test_data / name).array, expected)
