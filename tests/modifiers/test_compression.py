"""Codecs as modifiers: settings, targets, masks, what cannot be."""

import json

import cv2
import imagecodecs
import numpy as np
import pytest
import rasterio

from orbiq.arrays import Scene
from orbiq.codecs.base import CODECS
from orbiq.errors import ImageError, SettingError, UnknownName
from orbiq.metrics.pointwise import max_error, psnr
from orbiq.metrics.structural_similarity import ssim
from orbiq.modifiers.base import MODIFIERS, build_chain, chain_configs, chain_text
from orbiq.modifiers.variants import modify
from orbiq.numerics import image_rng
from orbiq.registry import build, parse_spec

RNG = np.random.default_rng(8)
NOISE = cv2.GaussianBlur(RNG.normal(size=(96, 128, 3)), (0, 0), 2)
PICTURE = np.clip(128 + 220 * NOISE + RNG.normal(0, 2, NOISE.shape), 0, 255).astype(np.uint8)
DEEP = np.clip(2000 + 3500 * NOISE, 0, 4095).astype(np.uint16)


def through(text, array, **about):
    scene = Scene(array=array, name="a.png", **about)
    return build_chain(parse_spec(text))(scene, rng=image_rng(0, "a.png"))


# known answers


def test_a_knob_is_the_codec_itself():
    said = through("webp:quality=40", PICTURE)
    assert said.stream == CODECS.load("webp")(quality=40).encode(PICTURE)
    assert said.achieved == {}


@pytest.mark.parametrize(
    "text", ["jpeg:rate_bpp=1.2", "jpeg2000:rate_bps=0.5", "jpegxl:rate_bpp=2", "avif:rate_bpp=1.5"]
)
def test_a_rate_is_met(text):
    said = through(text, PICTURE)
    ((goal, wanted),) = [(k, v) for k, v in parse_spec(text)[0].items() if k.startswith("rate")]
    rate = 8 * len(said.stream) / (96 * 128 * (3 if goal == "rate_bps" else 1))
    assert said.achieved[goal] == pytest.approx(rate)
    knob = CODECS.load(text.split(":")[0])
    if knob.knob_step:
        better = through(f"{knob.name}:{knob.knob}={int(said.achieved[knob.knob]) + 1}", PICTURE)
        assert rate <= 1.02 * wanted
        assert 8 * len(better.stream) / (96 * 128) >= wanted
    else:
        assert rate == pytest.approx(wanted, rel=0.02)


@pytest.mark.parametrize(
    "text", ["jpeg:psnr_db=34", "jpegxl:psnr_db=40", "jpeg2000:ssim=0.95", "jpegls:max_error=3", "lerc:mae=1.5"]
)
def test_a_quality_is_reached_at_the_least_cost(text):
    said = through(text, PICTURE)
    name, settings = text.split(":")
    goal, wanted = settings.split("=")
    score = {
        "psnr_db": lambda: psnr(PICTURE, said.scene.array),
        "ssim": lambda: ssim(PICTURE, said.scene.array),
        "max_error": lambda: -max_error(PICTURE, said.scene.array),
        "mae": lambda: -np.abs(PICTURE.astype(float) - said.scene.array).mean(),
    }[goal]()
    wanted = float(wanted) * (1 if score > 0 else -1)
    assert score >= wanted
    if goal in {"psnr_db", "ssim"} and not CODECS.load(name).knob_step:
        assert score == pytest.approx(wanted, rel=0.02)


def test_bits_follow_the_peak():
    asked = through("jpeg2000:level_db=45", DEEP, peak=4095)
    assert psnr(DEEP, asked.scene.array, peak=4095) == pytest.approx(45, abs=2)
    solved = through("jpeg2000:psnr_db=50", DEEP, peak=4095)
    assert psnr(DEEP, solved.scene.array, peak=4095) == pytest.approx(50, abs=0.3)


@pytest.mark.parametrize("text", ["jpegxl:distance=3", "htj2k:step=0.002", "lerc:max_error=50", "quantized:step=99"])
def test_no_value_exceeds_the_peak(text):
    array = np.where(DEEP > 2600, 3000, DEEP).astype(np.uint16)
    said = through(text, array, peak=3000)
    decoded = said.scene.array
    assert decoded.dtype == np.uint16
    assert 2900 < decoded.max() <= 3000
    assert psnr(array, decoded, peak=3000) > 20


def test_a_variant_remembers_what_was_achieved(tmp_path):
    (tmp_path / "set" / "images").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "set" / "images" / "a.png"), PICTURE)
    variant = modify(tmp_path / "set", "jpegxl:psnr_db=38", jobs=1)
    ((_, about),) = json.loads((variant.path / "variant.json").read_text())["images"].items()
    assert set(about["achieved"]) == {"distance", "rate_bpp", "psnr_db"}
    assert about["achieved"]["psnr_db"] >= 38
    assert about["achieved"]["rate_bpp"] == pytest.approx(8 * about["bytes"] / (96 * 128))


# laws


def test_more_rate_never_means_fewer_bytes():
    sizes = [len(through(f"jpegxl:rate_bpp={rate}", PICTURE).stream) for rate in (0.5, 1, 2, 4)]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("text", ["jpeg:rate_bpp=1,subsampling=444", "jpegxl:psnr_db=45", "jpeg2000:ssim=0.9,bits=12"])
def test_targets_are_settings_as_data(text):
    chain = build_chain(parse_spec(text))
    assert build_chain(chain_configs(chain)) == chain
    assert build_chain(parse_spec(chain_text(chain))) == chain


def test_the_old_form_stays_as_it_was():
    chain = build_chain(parse_spec("jpeg:quality=70"))
    assert chain_configs(chain) == [{"name": "jpeg", "quality": 70, "subsampling": "420"}]
    assert chain_text(chain) == "jpeg:quality=70"


def test_every_codec_is_a_modifier():
    assert set(CODECS.built_in) <= set(MODIFIERS)


def test_masked_pixels_cost_little_do_not_ring_and_stay():
    array, mask = PICTURE.copy(), np.ones(PICTURE.shape[:2], bool)
    mask[30:60, 40:90] = False
    array[~mask] = RNG.integers(0, 256, (int((~mask).sum()), 3))
    said = through("jpeg:quality=40", array, mask=mask)
    assert (said.scene.array[~mask] == array[~mask]).all()
    bare = through("jpeg:quality=40", array)
    assert len(said.stream) < len(bare.stream)
    beside = np.zeros_like(mask)
    beside[28:62, 38:92] = True
    beside &= mask
    error = [np.abs(one.scene.array.astype(float) - array)[beside].mean() for one in (said, bare)]
    assert error[0] < error[1]
    assert said.side_bytes > 0


def test_a_rate_counts_the_mask():
    mask = np.random.default_rng(0).random(PICTURE.shape[:2]) > 0.3
    said = through("jpeg:rate_bpp=3", PICTURE, mask=mask)
    assert said.achieved["rate_bpp"] == pytest.approx(8 * said.encoded_bytes / (96 * 128))
    assert said.achieved["rate_bpp"] <= 3.06


def test_an_image_without_a_valid_pixel_costs_almost_nothing():
    masked = np.zeros(PICTURE.shape[:2], bool)
    said = through("jpeg:quality=90", PICTURE, mask=masked)
    assert (said.scene.array == PICTURE).all()
    assert len(said.stream) == len(through("jpeg:quality=90", np.zeros_like(PICTURE)).stream)
    with pytest.raises(ImageError, match="no valid pixel"):
        through("jpeg:psnr_db=30", PICTURE, mask=masked)


@pytest.mark.parametrize("text", ["lerc:psnr_db=50", "jpeg2000:rate_bps=1", "jpegls:mae=2", "quantized:psnr_db=45"])
def test_signed_data_meets_a_target_too(text):
    said = through(text, (DEEP.astype(np.int16) - 2000), peak=2095)
    goal, wanted = text.split(":")[1].split("=")
    assert said.scene.array.dtype == np.int16
    assert said.scene.array.min() < 0
    assert said.achieved[goal] == pytest.approx(float(wanted), rel=0.2 if goal == "mae" else 0.02)


@pytest.mark.parametrize("name", sorted(set(CODECS.built_in) - {"external"}))
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_a_stream_decodes_to_exactly_the_pixels_of_the_variant(name, dtype):
    cls = CODECS.load(name)
    if dtype not in cls.dtypes:
        pytest.skip("the codec does not take it")
    if CODECS[name].extra:
        pytest.importorskip("torch", reason=f"codec {name} needs the extra {CODECS[name].extra}")
    array = {"uint8": PICTURE, "uint16": DEEP, "int16": DEEP.clip(0, 4000).astype(np.int16) - 2000}.get(
        dtype, DEEP.astype(np.float32)
    )
    peak = 2000 if dtype == "int16" else 4095 if dtype != "uint8" else None
    middle = sum(cls.knob_range) / 2 if cls.knob else 0
    knob = {cls.knob: int(middle) if cls.knob_step else middle} if cls.knob else {}
    compressed = build(MODIFIERS, {"name": name, **knob})
    for picture in (array, array[..., :1], np.concatenate([array, array], axis=2)):
        said, codec = compressed.coded(Scene(array=picture, peak=peak, name="a"))
        decoded = codec.decode(said.stream)
        if dtype == "int16" or name == "jpegls":  # they do not know the peak: who receives it clips to it
            decoded = np.minimum(decoded, peak or 255)
        assert np.array_equal(decoded, said.scene.array)
        assert said.encoded_bytes == len(said.stream)


# real images


@pytest.mark.parametrize("name", ["jpeg", "jpeg2000", "htj2k", "jpegxl", "webp", "avif"])
def test_rates_on_photographs(test_data, name):
    knob, step = CODECS.load(name).knob, CODECS.load(name).knob_step
    for path in sorted((test_data / "kodak").glob("*.png"))[:2]:
        array = cv2.imread(str(path))[100:228, 200:392, ::-1]
        for rate in (0.75, 1.5):
            said = through(f"{name}:rate_bpp={rate}", array)
            found = 8 * len(said.stream) / (128 * 192)
            if abs(found / rate - 1) > 0.02:  # then the codec's next step is above
                more = through(f"{name}:{knob}={int(said.achieved[knob]) + 1}", array)
                assert step == 1
                assert found < rate < 8 * len(more.stream) / (128 * 192)


@pytest.mark.parametrize("rate", [0.5, 2.0])
def test_rates_on_a_12_bit_scene(test_data, rate):
    path = min((test_data / "pan-12bit-s2p").glob("*.tif"))
    with rasterio.open(path) as source:
        array = source.read(1, window=((0, 256), (0, 256)))[..., None]
    for name in ("jpeg2000", "jpegxl", "htj2k"):
        said = through(f"{name}:rate_bpp={rate}", array, peak=4095)
        found = 8 * len(said.stream) / 256**2
        if found != pytest.approx(rate, rel=0.02):  # then the codec's next step is above
            knob = CODECS.load(name).knob
            more = through(f"{name}:{knob}={said.achieved[knob] * 1.01}", array, peak=4095)
            assert found < rate < 8 * len(more.stream) / 256**2, name


# what cannot be


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("jpeg", "needs quality: write jpeg:quality=…, or a target in its place, as jpeg:rate_bpp=1"),
        ("jpeg:quality=0", "jpeg:quality is 0; expected 1"),
        ("jpeg:quality=101", "jpeg:quality is 101; expected 1"),
        ("jpeg:rate_bpp=0", "jpeg:rate_bpp is 0; expected a number above 0"),
        ("jpeg:rate_bpp=inf", "jpeg:rate_bpp is inf; expected a number above 0"),
        ("jpeg:ssim=nan", "jpeg:ssim is nan; expected a number"),
        ("jpeg:relative_bias=0.1", "jpeg' has no setting 'relative_bias'"),
        ("jpeg:rate_bpp=few", "jpeg:rate_bpp is 'few'; expected a number above 0"),
        ("jpeg:quality=5,rate_bpp=1", "both quality=5 and the target rate_bpp; name one of the two"),
        ("jpeg:rate_bpp=1,psnr_db=30", "rate_bpp and psnr_db; expected one target"),
        ("jpeg:ssm=0.9", "no setting 'ssm'. Did you mean 'ssim'"),
        ("png:rate_bpp=1", "png has no setting that trades size for quality"),
        ("jpgg:quality=5", "no modifier named 'jpgg'. Did you mean 'jpeg'"),
    ],
)
def test_settings_that_cannot_be_are_refused(text, words):
    with pytest.raises((SettingError, UnknownName), match=words) as told:
        build_chain(parse_spec(text))
    assert told.value.args[0].count("\n") == 0


def test_targets_out_of_reach_say_what_can_be_reached():
    with pytest.raises(
        SettingError, match=r"jpeg:rate_bpp for 'a.png' \(quality 1 to 100\) of 0.001 is out of reach: at least"
    ):
        through("jpeg:rate_bpp=0.001", PICTURE)
    with pytest.raises(SettingError, match=r"jpeg:psnr_db for 'a.png' .* of 90 is out of reach: at most 3"):
        through("jpeg:psnr_db=90", PICTURE)


def test_an_empty_image_is_refused():
    with pytest.raises(ImageError, match=r"shape \(0, 5, 3\); expected"):
        through("jpeg:rate_bpp=1", PICTURE[:0, :5])


def test_a_score_without_a_value_is_no_target(monkeypatch):
    monkeypatch.setattr("orbiq.metrics.structural_similarity.ssim", lambda *_: float("nan"))
    with pytest.raises(ImageError, match=r"ssim of 'a.png' has no value, so ssim cannot be its target; name another"):
        through("jpeg:ssim=0.9", PICTURE)


def test_an_image_that_the_codec_does_not_take():
    with pytest.raises(ImageError, match="jpeg takes uint8; the image is uint16"):
        through("jpeg:rate_bpp=1", DEEP, peak=4095)
    with pytest.raises(ImageError, match="nobody said the largest value"):
        through("jpeg2000:psnr_db=40", DEEP)


# agreement


def test_a_rate_met_by_jpeg_is_the_quality_that_a_full_search_finds():
    sizes = [len(imagecodecs.jpeg8_encode(PICTURE, level=q, subsampling="420")) for q in range(1, 101)]
    wanted = 8 * sizes[59] / (96 * 128)
    assert through(f"jpeg:rate_bpp={wanted * 1.0001}", PICTURE).achieved["quality"] == pytest.approx(60, abs=1)
