"""Files of others in the formats that codecs leave: alpha, more bands, floats, damage."""

import imagecodecs
import numpy as np
import pytest

from orbiq.errors import ImageError
from orbiq.imageio import image_shape, open_raster, read_image, read_profile
from tests.codecs.pictures import codec_of, picture, tiled


def written(path, data):
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", ["webp", "avif"])
def test_alpha_is_a_mask(tmp_path, kind):
    four = picture((20, 30, 4))
    four[..., 3] = 255
    four[:4, :, 3] = 0
    data = (
        imagecodecs.webp_encode(four, lossless=True)
        if kind == "webp"
        else imagecodecs.avif_encode(four, level=100, pixelformat="yuv444")
    )
    path = written(tmp_path / f"a.{kind}", data)
    read = read_image(path)
    assert image_shape(path) == (20, 30, 4, np.dtype("uint8"))
    assert np.array_equal(read.array[4:], four[4:])
    assert read.mask is not None
    assert read.mask.sum() == 16 * 30
    with open_raster(path) as raster:
        assert raster.shape == (20, 30, 3)
        assert raster.window(slice(0, 20), slice(0, 30))[1].sum() == 16 * 30


def test_grey_with_alpha(tmp_path):
    two = picture((20, 30, 2))
    two[..., 1] = 255
    two[:4, :, 1] = 0
    path = written(tmp_path / "a.avif", imagecodecs.avif_encode(two, level=100))
    assert image_shape(path) == (20, 30, 2, np.dtype("uint8"))
    assert read_profile(path).colorinterp == ("gray", "alpha")
    with open_raster(path) as raster:
        array, mask = raster.window(slice(0, 20), slice(0, 30))
        assert array.shape == (20, 30, 1)
        assert mask.sum() == 16 * 30


def test_alpha_is_no_light_for_modifiers(tmp_path):
    from orbiq.datasets.folder import open_dataset
    from orbiq.modifiers import modify

    four = picture((20, 30, 4))
    four[..., 3] = 255
    four[:4, :, 3] = 0
    (tmp_path / "made" / "images").mkdir(parents=True)
    for kind, data in (
        ("webp", imagecodecs.webp_encode(four, lossless=True)),
        ("avif", imagecodecs.avif_encode(four, level=100, pixelformat="yuv444")),
    ):
        written(tmp_path / "made" / "images" / f"{kind}.{kind}", data)
    variant = modify(tmp_path / "made", "quantize:bits=3")
    dataset = open_dataset(variant.path)
    assert dataset.images == ("avif.png", "webp.png")
    for name in dataset.images:
        assert np.array_equal(read_image(dataset.image_path(name)).array[..., 3], four[..., 3])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: imagecodecs.jpegxl_encode(picture((20, 30, 4)), lossless=True), "4 bands, and JPEG XL's extra ones"),
        (lambda: imagecodecs.jpegxl_encode(picture((20, 30, 1)).astype(np.float16)), "of float16; expected one pict"),
        (lambda: b"\xff\x0a" + b"\x55" * 50, "cannot be decoded: "),
        (lambda: b"RIFF\x20\0\0\0WEBPVP8 " + bytes(40), "cannot be decoded: "),
        (lambda: b"\0\0\0\x1cftypavif" + bytes(40), "cannot be decoded: "),
        (lambda: codec_of("jpeg2000").encode(picture((20, 30, 1)))[:-2], "not the whole of one"),
    ],
)
def test_what_cannot_be_an_image_is_one_sentence(tmp_path, data, message):
    path = written(tmp_path / "a.jxl", data())
    with pytest.raises(ImageError, match=message) as said:
        read_image(path)
    assert "\n" not in str(said.value)
    assert "a.jxl" in str(said.value)


def test_content_decides_not_the_suffix(tmp_path):
    array = picture((20, 30, 3))
    for name in ("jpegls", "jpegxl", "webp", "jpeg2000", "htj2k"):
        assert np.array_equal(read_image(written(tmp_path / "a.png", codec_of(name).encode(array))).array, array)


def test_tiles_of_a_bare_codestream_are_read_piece_by_piece(tmp_path):
    array = picture((140, 150, 3))
    path = written(tmp_path / "a.j2k", tiled(array))
    assert np.array_equal(read_image(path).array, array)
    with open_raster(path) as raster:
        assert np.array_equal(raster.window(slice(3, 9), slice(7, 30))[0], array[3:9, 7:30])


def test_a_depth_below_sixteen_states_the_peak_where_it_follows_the_data(tmp_path):
    array = picture((20, 30, 1), "uint16")
    peaks = {"jpegxl": ({"bits": 12}, 4095), "jpeg2000": ({"bits": 12}, 4095), "avif": ({"quality": 90}, None)}
    for name, (settings, peak) in peaks.items():
        codec = codec_of(name, **settings)
        path = written(tmp_path / f"a{codec.suffix(1, 'uint16')}", codec.encode(array))
        assert read_profile(path).peak == peak
        assert read_image(path).profile.peak == peak
