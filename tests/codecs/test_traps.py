"""The traps of the libraries, each shown as it is, and that the codec does not fall into it."""

import cv2
import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.io import MemoryFile

from orbiq.codecs.frames import is_framed, opened
from orbiq.errors import ImageError
from tests.codecs.pictures import codec_of, picture, psnr_db

RGB = picture((64, 48, 3))
GREY = picture((64, 48, 1))
PAN = picture((96, 80, 1), "uint16")
NOISE = np.random.default_rng(3).integers(0, 256, (40, 40, 1)).astype(np.uint8)


def there_and_back(codec, array):
    return codec.decode(codec.encode(array))


def largest_error(codec, array):
    return np.abs(there_and_back(codec, array).astype(np.float64) - array).max()


def test_webp_is_lossy_when_a_quality_is_stated():
    assert np.array_equal(imagecodecs.webp_decode(imagecodecs.webp_encode(RGB, 50)), RGB), "the trap is gone"
    for quality in (50, 90, 100):
        assert largest_error(codec_of("webp", quality=quality), RGB) > 0
    assert not codec_of("webp", quality=100).lossless
    assert codec_of("webp").lossless
    assert np.array_equal(there_and_back(codec_of("webp"), RGB), RGB)


def test_webp_of_one_band_costs_what_its_grey_costs():
    grey, colour = (len(codec_of("webp", quality=60).encode(a)) for a in (GREY, np.repeat(GREY, 3, axis=2)))
    assert 0 < grey - colour < 12


def test_avif_of_one_band_is_lossy_when_a_quality_is_stated():
    trap = imagecodecs.avif_encode(GREY[:, :, 0], level=20)
    assert np.array_equal(imagecodecs.avif_decode(trap), GREY[:, :, 0]), "the trap is gone"
    streams = [codec_of("avif", quality=q, speed=10).encode(GREY) for q in (20, 60, 95)]
    assert [len(s) for s in streams] == sorted({len(s) for s in streams})
    assert len(streams[0]) < 0.5 * len(trap)
    assert imagecodecs.avif_decode(streams[0]).shape == (64, 48), "a true monochrome file"
    errors = [psnr_db(codec_of("avif", quality=20).decode(s), GREY, 255) for s in streams]
    assert errors == sorted(errors)
    assert errors[0] > 25


def test_avif_of_12_bit_data():
    codec = codec_of("avif", quality=90, speed=10)
    assert psnr_db(there_and_back(codec, PAN), PAN, 4095) > 35
    with pytest.raises(
        ImageError, match=r"avif with 12 bits holds 0 to 4095 in uint16; the image has 0 to 4096: scale"
    ):
        codec.encode(np.array([0, 4096], np.uint16).reshape(1, 2, 1))
    with pytest.raises(ImageError, match="avif with 10 bits holds 0 to 1023"):
        codec_of("avif", quality=90, bits=10).encode(PAN)


def test_htj2k_decoders_give_either_order_of_axes():
    five = picture((5, 5, 5))
    stream = imagecodecs.htj2k_encode(five, reversible=True)
    assert np.array_equal(imagecodecs.htj2k_decode(stream), np.moveaxis(five, 2, 0)), "the trap is gone"
    for bands in (1, 2, 3, 4, 5, 8):
        array = picture((bands, bands, bands))
        for way in ("joint", "separate"):
            assert np.array_equal(there_and_back(codec_of("htj2k", bands=way), array), array)


def test_htj2k_is_lossy_only_by_a_step():
    assert not np.array_equal(imagecodecs.htj2k_decode(imagecodecs.htj2k_encode(RGB, 0.01)), RGB)
    assert largest_error(codec_of("htj2k", step=0.01), RGB) > 0
    assert largest_error(codec_of("htj2k"), RGB) == 0


def test_jpeg2000_reaches_its_level_against_the_peak_of_the_stated_bits():
    for level_db in (40.0, 50.0, 60.0):
        stated = psnr_db(there_and_back(codec_of("jpeg2000", level_db=level_db, bits=12), PAN), PAN, 4095)
        unstated = psnr_db(there_and_back(codec_of("jpeg2000", level_db=level_db), PAN), PAN, 4095)
        assert abs(stated - level_db) < 2
        assert stated - unstated > 18, "24 dB: 20·log10(65535 / 4095)"


def test_jpeg2000_level_0_would_be_lossless():
    assert np.array_equal(imagecodecs.jpeg2k_decode(imagecodecs.jpeg2k_encode(RGB, 0)), RGB)
    assert not codec_of("jpeg2000", level_db=1.0).lossless
    assert largest_error(codec_of("jpeg2000", level_db=1.0), RGB) > 10


def test_jpeg2000_refuses_what_the_stated_bits_cannot_hold():
    with pytest.raises(ImageError, match="jpeg2000 with 10 bits holds 0 to 1023 in uint16"):
        codec_of("jpeg2000", bits=10).encode(PAN)
    signed = picture((8, 8, 1), "int16")
    with pytest.raises(ImageError, match="jpeg2000 with 11 bits holds -1024 to 1023 in int16"):
        codec_of("jpeg2000", bits=11).encode(signed)
    assert np.array_equal(there_and_back(codec_of("jpeg2000", bits=12), signed), signed)


def test_jpegls_takes_any_number_of_bands_within_the_same_error():
    eight = picture((20, 21, 8), "uint16")
    with pytest.raises(ValueError, match="invalid"):
        imagecodecs.jpegls_encode(eight)
    for bound in (0, 1, 7, 255):
        assert largest_error(codec_of("jpegls", max_error=bound), eight) <= bound
    assert largest_error(codec_of("jpegls", max_error=255), NOISE) <= 80


def test_jpegls_of_noise_has_room():
    noise = np.random.default_rng(1).integers(0, 256, (300, 301, 1)).astype(np.uint8)
    with pytest.raises(imagecodecs.JpeglsError, match="too small"):
        imagecodecs.jpegls_encode(noise[:, :, 0])
    assert np.array_equal(there_and_back(codec_of("jpegls"), noise), noise)


def test_jpegxl_codes_no_band_as_a_lossless_extra_channel():
    four = np.concatenate([RGB, GREY], axis=2)
    trap = imagecodecs.jpegxl_decode(imagecodecs.jpegxl_encode(four, distance=2.0, lossless=False))
    assert np.array_equal(trap[:, :, 3], GREY[:, :, 0]), "the trap is gone"
    codec = codec_of("jpegxl", distance=2.0)
    assert not np.array_equal(there_and_back(codec, four)[:, :, 3], GREY[:, :, 0])
    assert len(codec.encode(four)) < len(imagecodecs.jpegxl_encode(four, distance=2.0, lossless=False))


def test_jpeg12_does_not_clip_silently():
    bright = np.full((16, 16), 5000, np.uint16)
    clipped = imagecodecs.jpeg8_decode(imagecodecs.jpeg8_encode(bright, 90, bitspersample=12))
    assert clipped.max() <= 4095, "the trap is gone"
    with pytest.raises(ImageError, match="jpeg12 with 12 bits holds 0 to 4095 in uint16; the image has 5000 to 5000"):
        codec_of("jpeg12", quality=90).encode(bright[:, :, None])


def test_jpegs_that_were_cut_off_are_not_filled_with_grey():
    for name, array in (("jpeg", RGB), ("jpeg12", PAN)):
        stream = codec_of(name, quality=90).encode(array)
        with pytest.raises(ImageError, match="not the whole of one"):
            codec_of(name, quality=90).decode(stream[:-50])
    cut = codec_of("jpeg", quality=90).encode(RGB)[:-50]
    assert imagecodecs.jpeg8_decode(cut).shape == RGB.shape, "the trap is gone"


def test_ccsds121_that_was_cut_off_is_refused():
    stream = codec_of("ccsds121").encode(PAN)
    with pytest.raises(ImageError, match="cut off|not a whole"):
        codec_of("ccsds121").decode(stream[:-60])


def test_ccsds121_of_a_constant_is_next_to_nothing():
    flat = np.full((256, 256, 1), 1234, np.uint16)
    assert len(codec_of("ccsds121").encode(flat)) < 200


def test_lerc_keeps_nan_and_says_no_to_infinity():
    holed = picture((20, 30, 2), "float32")
    holed[3:9, 4, 0] = np.nan
    trap = imagecodecs.lerc_decode(imagecodecs.lerc_encode(holed[:, :, 0], 1.0))
    assert not np.isnan(trap).any(), "the trap is gone"
    for codec in (codec_of("lerc", max_error=1.0), codec_of("lerc"), codec_of("quantized", step=2.0)):
        back = there_and_back(codec, holed)
        assert np.array_equal(np.isnan(back), np.isnan(holed))
        assert np.nanmax(np.abs(back - holed)) <= 1.0 + 1e-3
        with pytest.raises(ImageError, match="cannot hold infinite samples: make them NaN or finite first"):
            codec.encode(np.where(np.isnan(holed), np.inf, holed).astype(np.float32))
    assert np.isnan(there_and_back(codec_of("lerc"), np.full((2, 2, 2), np.nan))).all()


def test_lerc_is_repeatable():
    streams = {codec_of("lerc").encode(RGB) for _ in range(20)}
    assert len(streams) == 1, "the last bytes of LERC's Huffman streams are what was in memory"


SMALL = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4))


@settings(max_examples=40, deadline=None)
@given(SMALL, st.integers(0, 2**32 - 1), st.sampled_from(["uint8", "uint16", "int16"]), st.integers(0, 90))
def test_no_sample_is_off_by_more_than_promised(shape, seed, dtype, bound):
    info = np.iinfo(dtype)
    array = np.random.default_rng(seed).integers(info.min, info.max, shape, endpoint=True).astype(dtype)
    assert largest_error(codec_of("jpegls", max_error=bound), array) <= bound
    assert largest_error(codec_of("lerc", max_error=float(bound)), array) <= bound
    assert largest_error(codec_of("quantized", step=max(bound, 1) * 1.0), array) <= bound / 2 + 0.5


@settings(max_examples=30, deadline=None)
@given(SMALL, st.integers(0, 2**32 - 1), st.sampled_from(["float32", "float64"]), st.floats(0.01, 100))
def test_floats_are_off_by_no_more_than_promised(shape, seed, dtype, bound):
    array = np.random.default_rng(seed).normal(0, 300, shape).astype(dtype)
    rounding = 1e-3 if dtype == "float32" else 1e-9
    assert largest_error(codec_of("lerc", max_error=bound), array) <= bound + rounding
    assert largest_error(codec_of("quantized", step=bound), array) <= bound / 2 + rounding


def test_quantized_keeps_multiples_of_the_step():
    array = (np.arange(64).reshape(8, 8, 1) * 7).astype(np.uint16)
    assert np.array_equal(there_and_back(codec_of("quantized", step=7.0), array), array)
    for dtype in ("uint8", "uint16", "int16"):
        for step in (1.0, 1e-6):
            fine = picture((17, 9, 3), dtype)
            assert np.array_equal(there_and_back(codec_of("quantized", step=step), fine), fine)


def test_quantized_says_when_the_step_is_too_fine():
    wide = np.array([-1e9, 1e9]).reshape(1, 2, 1)
    with pytest.raises(ImageError, match="more than 2\\^32 levels: choose a larger step"):
        codec_of("quantized", step=1e-3).encode(wide)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("jpeg", {"quality": 95}),
        ("png", {}),
        ("webp", {}),
        ("webp", {"quality": 95}),
        ("jpeg2000", {}),
        ("jpeg2000", {"level_db": 50.0}),
        ("htj2k", {}),
        ("avif", {"quality": 90}),
    ],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_bare_streams_open_elsewhere(name, given):
    codec = codec_of(name, **given)
    for array in (RGB, GREY):
        if not codec.suffix(array.shape[2]):
            continue
        stream = codec.encode(array)
        if name in {"jpeg2000", "htj2k"}:
            with MemoryFile(stream, ext=codec.suffix(1)) as file, file.open() as source:
                opened_elsewhere = np.moveaxis(source.read(), 0, 2)
        else:
            read = cv2.imdecode(np.frombuffer(stream, np.uint8), cv2.IMREAD_UNCHANGED)
            opened_elsewhere = read[:, :, ::-1] if read.ndim == 3 else read[:, :, None]
        assert np.abs(opened_elsewhere.astype(int) - codec.decode(stream)).max() <= 2


@pytest.mark.parametrize(("name", "given"), [("jpegls", {}), ("jpeg2000", {"bands": "separate"}), ("png", {})])
def test_the_frame_costs_a_few_bytes(name, given):
    codec = codec_of(name, **given)
    bands = picture((50, 60, 8))
    alone = sum(len(codec.encode(bands[:, :, k : k + 1])) for k in range(8))
    assert len(codec.encode(bands)) - alone == 3 + 3 + 7 * 2


@pytest.mark.parametrize("name", ["jpegls", "jpeg2000", "png", "jpegxl", "ccsds121"])
def test_signed_samples_travel_with_a_stated_offset(name):
    signed = picture((13, 14, 1), "int16")
    codec = codec_of(name)
    frame, streams = opened(codec.encode(signed))
    assert (frame.dtype, frame.offset, frame.shape) == ("int16", 32768, (13, 14, 1))
    raised = codec.encode((signed.astype(int) + 32768).astype(np.uint16))
    assert streams == [raised] if not is_framed(raised) else streams == opened(raised)[1]
    assert codec.suffix(1, "int16") == ""


def test_htj2k_sizes_that_are_nonsense_are_refused():
    stream = bytearray(codec_of("htj2k").encode(GREY))
    for at in (8, 12, 16, 20, 24, 28):  # columns, rows, offsets and tile of the SIZ segment
        broken = bytes(stream[:at]) + b"\x91" + bytes(stream[at + 1 :])
        with pytest.raises(ImageError, match="its sizes do not fit together"):
            codec_of("htj2k").decode(broken)


def test_htj2k_damage_is_seen_before_it_can_do_harm():
    """OpenJPH ends the whole process on some damaged code blocks."""
    for array in (GREY, RGB, picture((5, 5, 4), "int16")):
        stream = codec_of("htj2k").encode(array)
        for at in range(len(stream) - 60, len(stream) - 2, 7):
            broken = bytearray(stream)
            broken[at] ^= 0x10
            with pytest.raises(ImageError, match="were damaged: their checksum does not fit"):
                codec_of("htj2k").decode(bytes(broken))


def test_htj2k_costs_no_byte_more_than_the_librarys():
    for picture_ in (GREY[:, :, 0], RGB):
        bare = imagecodecs.htj2k_encode(picture_, reversible=True)
        assert len(codec_of("htj2k").encode(picture_.reshape(64, 48, -1))) == len(bare)
        assert np.array_equal(codec_of("htj2k").decode(bare), picture_.reshape(64, 48, -1)), "others' streams open too"
