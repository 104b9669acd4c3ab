"""JPEG and the lossless yardstick."""

import cv2
import imagecodecs
import numpy as np
import pytest

from orbiq.codecs.standard import Jpeg, lossless_coding
from orbiq.errors import ImageError

RNG = np.random.default_rng(7)
SMOOTH = cv2.GaussianBlur(RNG.integers(0, 255, (64, 96, 3), np.uint8).astype(np.float32), (0, 0), 3)
PICTURE = cv2.normalize(SMOOTH, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def psnr_db(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


def test_the_stream_is_opencvs_stream():
    _, expected = cv2.imencode(".jpg", PICTURE[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 50])
    assert Jpeg(quality=50).encode(PICTURE) == expected.tobytes()


def test_red_stays_red():
    red = np.zeros((32, 32, 3), np.uint8)
    red[:, :, 0] = 200
    back = Jpeg(quality=90).decode(Jpeg(quality=90).encode(red))
    assert back[..., 0].mean() > 190
    assert back[..., 2].mean() < 10


@pytest.mark.parametrize("bands", [1, 2, 3, 4, 7])
def test_any_number_of_bands(bands):
    array = np.repeat(PICTURE[:, :, :1], bands, axis=2)
    codec = Jpeg(quality=95)
    back = codec.decode(codec.encode(array))
    assert back.shape == array.shape
    assert back.dtype == np.uint8
    assert psnr_db(back, array) > 35


def test_more_quality_more_bytes_better_picture():
    sizes = [len(Jpeg(quality=q).encode(PICTURE)) for q in (5, 30, 60, 95)]
    errors = [psnr_db(Jpeg(quality=q).decode(Jpeg(quality=q).encode(PICTURE)), PICTURE) for q in (5, 30, 60, 95)]
    assert sizes == sorted(sizes)
    assert errors == sorted(errors)


def test_full_chroma_is_larger():
    assert len(Jpeg(quality=80, subsampling="444").encode(PICTURE)) > len(Jpeg(quality=80).encode(PICTURE))


def test_refuses_what_it_cannot_hold():
    with pytest.raises(ImageError, match="jpeg takes uint8; the image is uint16"):
        Jpeg(quality=50).encode(PICTURE.astype(np.uint16))
    with pytest.raises(ImageError, match="are not a JPEG stream"):
        Jpeg(quality=50).decode(b"\xff\xd8nonsense")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_lossless_coding_is_what_jpeg_ls_gives(dtype):
    array = PICTURE.astype(dtype) - (100 if dtype == "int16" else 0)
    name, size = lossless_coding(array.astype(dtype))
    stored = (array.astype(np.int32) + 32768).astype(np.uint16) if dtype == "int16" else array
    streams = [imagecodecs.jpegls_encode(np.ascontiguousarray(stored[:, :, k])) for k in range(3)]
    assert (name, size) == ("jpeg-ls", sum(map(len, streams)))
    assert (np.stack([imagecodecs.jpegls_decode(s) for s in streams], axis=2) == stored).all()


def test_floats_are_deflated():
    name, size = lossless_coding(SMOOTH.astype(np.float32))
    assert name == "deflate"
    assert 0 < size < SMOOTH.nbytes
