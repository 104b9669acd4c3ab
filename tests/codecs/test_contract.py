"""What holds for every codec of the registry."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from orbiq.arrays import DTYPES
from orbiq.codecs.base import CODECS
from orbiq.codecs.frames import is_framed
from orbiq.errors import ImageError, SettingError
from orbiq.registry import build, config
from tests.codecs.pictures import PEAKS, SETTINGS, codec_of, picture, psnr_db

CASES = [(name, settings) for name, several in SETTINGS.items() for settings in several]
IDS = [f"{name}-{k}" for name, several in SETTINGS.items() for k in range(len(several))]
EVERY = pytest.mark.parametrize(("name", "settings"), CASES, ids=IDS)


def round_trip(codec, array):
    before = array.copy()
    stream = codec.encode(array)
    assert isinstance(stream, bytes)
    assert np.array_equal(before, array)
    back = codec.decode(stream)
    assert back.shape == array.shape
    assert back.dtype == array.dtype
    if codec.lossless:
        assert np.array_equal(back, array)
    return stream, back


def test_no_codec_escapes():
    assert set(SETTINGS) == set(CODECS.built_in)


def test_the_page_lists_every_codec():
    page = (Path(__file__).parents[2] / "docs" / "codecs.md").read_text()
    for name in CODECS.built_in:
        row = next((line for line in page.splitlines() if line.startswith(f"| `{name}` |")), "")
        codec = CODECS.load(name)
        assert f"`{codec.knob}`" in row or not codec.knob, f"docs/codecs.md has no row of {name} with its knob"


@EVERY
def test_settings_are_data(name, settings):
    codec = codec_of(name, **settings)
    assert build(CODECS, json.loads(json.dumps(config(codec)))) == codec


@EVERY
def test_declares_itself(name, settings):
    codec = codec_of(name, **settings)
    assert codec.name == name
    assert set(codec.dtypes) <= set(DTYPES)
    assert codec.lossless in {True, False}
    assert codec.knob_step in {0, 1}
    assert codec.suffix(1) == "" or codec.suffix(1).startswith(".")
    first, last = codec.knob_range
    assert (codec.knob == "") == (first == last)
    if codec.knob:
        for end in (first, last):
            codec_of(name, **{**settings, codec.knob: int(end) if codec.knob_step else end})


@EVERY
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_declared_dtype_and_number_of_bands(name, settings, dtype):
    codec = codec_of(name, **settings)
    if dtype not in codec.dtypes:
        with pytest.raises(ImageError, match=f"{name} takes .*; the image is {dtype}: .*choose a codec that takes"):
            codec.encode(picture((5, 3, 1), dtype))
        return
    for bands in (1, 3, 4, 8):
        array = picture((17, 33, bands), dtype)
        stream, back = round_trip(codec, array)
        assert stream == codec.encode(array)
        assert psnr_db(back, array, PEAKS[dtype]) > 15


@EVERY
def test_200_bands(name, settings):
    codec = codec_of(name, **settings)
    array = picture((9, 7, 200), codec.dtypes[0])
    array[:, :, 150] = array.min()
    _, back = round_trip(codec, array)
    errors = np.abs(back.astype(float) - array).mean(axis=(0, 1))
    assert errors[150] < errors.max() or errors.max() == 0


@EVERY
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (5, 3), (17, 33)])
def test_odd_sizes(name, settings, size):
    codec = codec_of(name, **settings)
    for dtype in codec.dtypes:
        for bands in (1, 3, 4):
            round_trip(codec, picture((*size, bands), dtype))


@EVERY
def test_bands_keep_their_order(name, settings):
    """Flat bands of different levels; more than four, as decoders then change the axes."""
    codec = codec_of(name, **settings)
    for bands in (3, 5, 8):
        levels = np.linspace(20, 200, bands).astype(codec.dtypes[0])
        array = np.broadcast_to(levels, (bands, 8, bands)).copy()  # rows = bands: a wrong order has the right shape
        _, back = round_trip(codec, array)
        assert np.abs(back.mean(axis=(0, 1)) - levels).max() < 25


@EVERY
def test_the_full_range(name, settings):
    codec = codec_of(name, **settings)
    for dtype in codec.dtypes:
        if np.dtype(dtype).kind == "f":
            continue
        low, high = (np.iinfo(dtype).min, np.iinfo(dtype).max) if codec.lossless else (0, PEAKS[dtype])
        array = np.random.default_rng(1).integers(low, high, (9, 11, 3), endpoint=True).astype(dtype)
        if (name == "avif" or settings.get("bits") == 12) and dtype != "uint8":
            array = array // 16 if dtype == "uint16" else array >> 4
        round_trip(codec, array)


@EVERY
def test_one_or_three_bands_are_the_bare_stream(name, settings):
    codec = codec_of(name, **settings)
    for dtype in codec.dtypes:
        for bands in (1, 3, 4):
            if codec.suffix(bands, dtype):
                assert not is_framed(codec.encode(picture((8, 9, bands), dtype)))


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "external"])
def test_the_stream_alone_says_how_to_decode_it(name):
    """No setting is needed to decode: any codec of the kind decodes what another one of it has coded."""
    codecs = [codec_of(name, **given) for given in SETTINGS[name]]
    for codec in codecs:
        for bands in (1, 3, 4):
            stream = codec.encode(picture((9, 12, bands), codec.dtypes[-1]))
            backs = [other.decode(stream) for other in codecs]
            assert all(np.array_equal(back, backs[0]) for back in backs)


@EVERY
def test_a_view_is_an_image_too(name, settings):
    codec = codec_of(name, **settings)
    array = picture((24, 20, 3), codec.dtypes[0])
    view = array[::2, ::-1]
    assert not view.flags.c_contiguous
    assert codec.encode(view) == codec.encode(view.copy())


@EVERY
def test_broken_streams_are_refused(name, settings):
    codec = codec_of(name, **settings)
    for bands in (1, 4):
        stream = codec.encode(picture((33, 41, bands), codec.dtypes[0]))
        for broken in (b"", b"\xb5", b"nonsense" * 9, stream[: len(stream) // 2], stream[:9]):
            with pytest.raises(ImageError, match="bytes|stream"):
                codec.decode(broken)


@EVERY
def test_another_codecs_frame_is_refused_or_misfits(name, settings):
    codec = codec_of(name, **settings)
    other = codec_of("deflate").encode(picture((5, 5, 2), "uint16"))
    if name != "deflate":
        with pytest.raises(ImageError, match="bytes|stream|cut off"):
            codec.decode(other)


@EVERY
def test_empty_images_are_refused(name, settings):
    codec = codec_of(name, **settings)
    for shape in ((0, 5, 1), (5, 5, 0), (5, 5)):
        with pytest.raises(ImageError, match="none of them 0; the array is"):
            codec.encode(np.zeros(shape, codec.dtypes[0]))


KNOBS = [k for k, (name, given) in enumerate(CASES) if name != "external" and codec_of(name, **given).knob]


@pytest.mark.parametrize("k", KNOBS, ids=[IDS[k] for k in KNOBS])
def test_the_knob_can_be_searched(k):
    """From the first end of its range to the second, streams grow and errors fall."""
    name, settings = CASES[k]
    codec = codec_of(name, **settings)
    first, last = codec.knob_range
    dtype = codec.dtypes[0]
    array = picture((96, 96, 1), dtype)
    low, high = (first, last) if first < last else (max(last, 1e-4), first)
    values = np.linspace(low, high, 9) if codec.knob_step else np.geomspace(max(low, 1), high, 9)
    if codec.knob in {"step", "distance"}:
        values = np.geomspace(max(low, 1e-5), min(high, 200), 9)
    if codec.knob == "lmbda":  # beyond 1 a picture of 8 bits gets no better
        values = np.geomspace(low, 1, 9)
    values = values if first < last else values[::-1]
    sizes, errors = [], []
    for value in values:
        tried = codec_of(name, **{**settings, codec.knob: round(value) if codec.knob_step else float(value)})
        stream = tried.encode(array)
        sizes.append(len(stream))
        errors.append(np.mean((tried.decode(stream).astype(float) - array) ** 2))
    assert all(b >= 0.97 * a for a, b in pairwise(sizes)), sizes
    assert all(b <= 1.05 * a + 1e-9 for a, b in pairwise(errors)), errors
    assert sizes[-1] > 1.5 * sizes[0]


BAD = [
    ("jpeg:quality=0", "jpeg:quality is 0; expected 1 .smallest. to 100 .best."),
    ("jpeg:quality=101", "jpeg:quality is 101"),
    ("jpeg12:quality=0", "jpeg12:quality is 0"),
    ("jpeg2000:level_db=0", "level_db is 0; expected 1 to 150 dB, or none for lossless"),
    ("jpeg2000:bits=8", "jpeg2000:bits is 8; expected 9 to 16"),
    ("jpeg2000:bands=both", "bands is 'both'; expected joint or separate"),
    ("htj2k:step=1", "htj2k:step is 1; expected 1e-6"),
    ("jpegxl:distance=0", "jpegxl:distance is 0; expected 0.01"),
    ("jpegxl:distance=26", "jpegxl:distance is 26"),
    ("jpegls:max_error=256", "jpegls:max_error is 256; expected 0 .lossless. to 255"),
    ("jpegls:max_error=-1", "jpegls:max_error is -1"),
    ("webp:quality=0", "webp:quality is 0"),
    ("webp:quality=101", "webp:quality is 101"),
    ("avif:quality=0", "avif:quality is 0"),
    ("avif:quality=101", "avif:quality is 101"),
    ("avif:quality=50,bits=11", "avif:bits is 11; expected 10 or 12"),
    ("avif:quality=50,subsampling=411", "expected 420, 422 or 444"),
    ("ccsds121:block_samples=12", "block_samples is 12; expected 8, 16, 32 or 64"),
    ("lerc:max_error=-1", "lerc:max_error is -1"),
    ("lerc:max_error=nan", "lerc:max_error is nan"),
    ("quantized:step=0", "quantized:step is 0"),
    ("quantized:step=2,coder=lzma", "coder is 'lzma'; expected deflate or zstd"),
    ("png:level=0", "png:level is 0"),
    ("deflate:level=10", "deflate:level is 10"),
]


@pytest.mark.parametrize(("spec", "message"), BAD, ids=[b[0] for b in BAD])
def test_what_cannot_be_set_is_said(spec, message):
    with pytest.raises(SettingError, match=message):
        build(CODECS, spec)
