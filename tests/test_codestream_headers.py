"""Headers against what decoding gives, over sides, depths and codecs."""

import imagecodecs
import numpy as np
import pytest

from orbiq.codestream_headers import one_tile, stream_header
from tests.codecs.pictures import codec_of, picture, tiled

KINDS = {".jls": "jpegls", ".jxl": "jxl", ".webp": "webp", ".avif": "avif"}
CODECS = [
    ("jpegxl", {}),
    ("jpegxl", {"distance": 2.0, "bits": 12}),
    ("webp", {}),
    ("webp", {"quality": 40}),
    ("avif", {"quality": 50}),
    ("avif", {"quality": 100}),
    ("jpegls", {}),
    ("jpegls", {"max_error": 3}),
]


@pytest.mark.parametrize(("name", "settings"), CODECS)
@pytest.mark.parametrize("sides", [(1, 1), (8, 8), (48, 64), (97, 131), (1, 700), (600, 600)])
def test_a_header_says_what_decoding_gives(name, settings, sides):
    codec = codec_of(name, **settings)
    for dtype in {"uint8", "uint16"} & set(codec.dtypes):
        for bands in (1, 3):
            if not codec.suffix(bands, dtype):
                continue
            stream = codec.encode(picture((*sides, bands), dtype))
            array = codec.decode(stream)
            header = stream_header(stream[:512], KINDS[codec.suffix(bands, dtype)])
            assert header is not None
            assert header.shape == (*array.shape, array.dtype)


def test_alpha_counts_as_a_band():
    four = picture((20, 30, 4))
    for kind, data in (("webp", imagecodecs.webp_encode(four, lossless=True)), ("avif", imagecodecs.avif_encode(four))):
        header = stream_header(data, kind)
        assert header is not None
        assert (header.rows, header.cols, header.bands) == (20, 30, 4)


def test_what_is_more_than_a_codec_writes_is_left_to_the_decoder():
    four = picture((20, 30, 4))
    assert stream_header(imagecodecs.jpegxl_encode(four, lossless=True), "jxl") is None
    assert stream_header(imagecodecs.jpegxl_encode(four[..., :3].astype(np.float32) / 255), "jxl") is None
    assert stream_header(b"BM", "bmp") is None


@pytest.mark.parametrize(("name", "settings"), CODECS)
def test_a_header_that_is_cut_off_is_none(name, settings):
    codec = codec_of(name, **settings)
    stream = codec.encode(picture((20, 30, 3)))
    kind = KINDS[codec.suffix(3)]
    whole = stream_header(stream, kind)
    for length in range(64):
        assert stream_header(stream[:length], kind) in (None, whole)


def test_one_tile_or_several():
    array = picture((140, 150, 3))
    assert one_tile(codec_of("jpeg2000").encode(array))
    assert one_tile(codec_of("htj2k").encode(array))
    assert not one_tile(tiled(array))
    assert not one_tile(imagecodecs.jpeg2k_encode(array, codecformat="jp2", reversible=True))
