"""mtf, rer and snr: targets against known truth, what is measured afterwards, and what cannot be reached."""

from math import erf, pi, sqrt

import numpy as np
import pytest

from orbiq.arrays import Scene
from orbiq.errors import ImageError, SettingError
from orbiq.imageio import read_image
from orbiq.metrics.natural_edges import edges
from orbiq.modifiers import targets_noise
from orbiq.modifiers.sensor import Sensor
from orbiq.modifiers.targets import Mtf, Rer
from orbiq.modifiers.targets_noise import Snr
from orbiq.numerics import image_rng
from tests.modifiers.tilted import tilted_squares

SIGMA_PX = 0.6
TRUE_RER = erf(1 / (2 * sqrt(2) * SIGMA_PX))
TRUE_MTF = float(np.exp(-((pi * SIGMA_PX) ** 2) / 2))
NOISE_DN = 20.0


def apply(modifier, scene):
    return modifier(scene, rng=image_rng(0, scene.name))


def fields(bands=1):
    return tilted_squares(sigma_px=SIGMA_PX, noise_dn=NOISE_DN, size=256, bands=bands)


# known answers


@pytest.mark.parametrize("rer", [0.25, 0.35, 0.5])
@pytest.mark.parametrize("now", [None, TRUE_RER])
def test_rer_is_reached_within_two_percent(rer, now):
    got = apply(Rer(rer=rer, now=now), fields())
    assert got.achieved["achieved_rer"] == pytest.approx(rer, rel=0.02)
    assert edges(got.scene.array, peak=4095).rer == got.achieved["achieved_rer"]


@pytest.mark.parametrize("nyquist", [0.02, 0.05, 0.1, 0.15])
@pytest.mark.parametrize("now", [None, TRUE_MTF])
def test_mtf_is_reached_within_a_hundredth(nyquist, now):
    achieved = apply(Mtf(nyquist=nyquist, now=now), fields()).achieved
    assert achieved["achieved_mtf_nyquist"] == pytest.approx(nyquist, abs=0.01)


@pytest.mark.parametrize("snr", [10, 25, 40])
@pytest.mark.parametrize("level_dn", [None, 1500.0])
@pytest.mark.parametrize("stated", [False, True])
def test_snr_is_reached_within_three_percent(snr, level_dn, stated):
    scene = fields()
    level = float(np.median(scene.array)) if level_dn is None else level_dn
    now = level / NOISE_DN if stated else None
    got = apply(Snr(snr=snr, level_dn=level_dn, now=now), scene)
    added = (got.scene.array.astype(float) - scene.array)[scene.array > 600]
    assert level / np.hypot(added.std(), NOISE_DN) == pytest.approx(snr, rel=0.03)
    if level_dn is None:
        assert got.achieved["achieved_snr"] == pytest.approx(snr, rel=0.03)


def test_each_band_gets_the_noise_that_it_lacks():
    rng = np.random.default_rng(3)
    sigmas = np.array([10.0, 30.0])
    array = (2000 + rng.normal(size=(256, 256, 2)) * sigmas).astype(np.float32)
    got = apply(Snr(snr=40), Scene(array=array, name="a"))
    assert got.scene.array.std(axis=(0, 1)) == pytest.approx([50, 50], rel=0.03)


@pytest.mark.parametrize("name", ["airport_045.png", "airport_047.png", "airport_053.png"])
def test_rer_is_reached_on_real_images(test_data, name):
    array = read_image(test_data / "satellogic-airports" / "test" / "images" / name).array
    got = apply(Rer(rer=0.3), Scene(array=array, name=name))
    assert got.achieved["achieved_rer"] == pytest.approx(0.3, rel=0.02)


# laws


def test_a_target_that_is_there_already_changes_nothing():
    scene = fields()
    for same in (Rer(rer=0.5, now=0.5), Mtf(nyquist=0.2, now=0.2), Snr(snr=30, now=30)):
        assert np.array_equal(apply(same, scene).scene.array, scene.array)


def test_a_reached_rer_never_blackens_the_image():
    scene = fields()
    present = edges(scene.array, peak=4095).rer
    kept = apply(Rer(rer=present), scene).scene.array
    assert kept.astype(float).mean() == pytest.approx(scene.array.mean(), rel=1e-3)
    with pytest.raises(
        SettingError,
        match=r"rer:rer is 0.8 but 'fields.tif' has 0\.\d+ by its own edges; blur can reach that or less, or state",
    ):
        apply(Rer(rer=0.8), scene)


def test_masked_pixels_stay_and_bands_are_kept():
    given = fields(bands=2)
    mask = np.ones(given.shape[:2], bool)
    mask[:40] = False
    array = given.array.copy()
    array[:40] = 0
    scene = Scene(array=array, mask=mask, peak=4095, name="a")
    for modifier in (Rer(rer=0.3), Mtf(nyquist=0.05), Snr(snr=20)):
        got = apply(modifier, scene).scene
        assert got.array.shape == array.shape
        assert (got.array[:40] == 0).all()
        assert got.array[40:].max() <= 4095


def test_what_cannot_be_measured_afterwards_is_left_out():
    flat = Scene(array=np.full((20, 20, 1), 90, np.uint8), name="flat")
    assert apply(Rer(rer=0.3, now=0.5), flat).achieved.keys() == {"blur_sigma_px"}
    assert apply(Mtf(nyquist=0.1, now=0.5), flat).achieved.keys() == {"blur_sigma_px"}
    tiny = Scene(array=flat.array[:4, :4], name="tiny")
    assert apply(Snr(snr=20, now=50), tiny).achieved == {"noise_dn": pytest.approx((4.5**2 - 1.8**2) ** 0.5)}


# what cannot be


@pytest.mark.parametrize("modifier", [Rer(rer=0.3), Mtf(nyquist=0.1)])
def test_without_edges_the_present_value_must_be_stated(modifier):
    flat = Scene(array=np.full((20, 20, 1), 90, np.uint8), name="flat")
    with pytest.raises(SettingError, match="was not stated and 'flat' does not show it: no edge.*State "):
        apply(modifier, flat)


def test_targets_out_of_reach_say_what_can_be_reached():
    with pytest.raises(
        SettingError, match=r"mtf:nyquist is 0.9 but 'fields.tif' has 0\.\d+ by its own edges; blur can reach"
    ):
        apply(Mtf(nyquist=0.9), fields())
    with pytest.raises(SettingError, match=r"snr:snr is 900 but 'fields.tif' has \d+\.?\d* at \d+ DN; noise can"):
        apply(Snr(snr=900), fields())
    with pytest.raises(SettingError, match=r"snr:now was not stated and band 2 of 'b' does not show it"):
        rng = np.random.default_rng(0)
        half = np.stack([1000 + rng.normal(0, 9, (99, 99)), rng.normal(size=(99, 99)).cumsum(0) ** 2 + 1], axis=-1)
        apply(Snr(snr=10), Scene(array=half, name="b"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mtf(nyquist=0), "mtf:nyquist is 0; expected more than 0"),
        (lambda: Mtf(nyquist=0.3, now=0.2), "mtf:nyquist is 0.3 but the stated image has 0.2; blur can reach"),
        (lambda: Rer(rer=1), "rer:rer is 1; expected more than 0 and less than 1"),
        (lambda: Rer(rer=0.5, now=0.4), "rer:rer is 0.5 but the stated image has 0.4; blur can reach"),
        (lambda: Snr(snr=0), "snr:snr is 0; expected a finite number above 0"),
        (lambda: Snr(snr=50, now=20), "snr:snr is 50 but the stated image has 20; noise reaches no more"),
    ],
)
def test_settings_that_cannot_be(make, message):
    with pytest.raises(SettingError, match=message):
        make()


def test_peak_and_level_are_never_guessed():
    with pytest.raises(ImageError, match="nobody said the largest value"):
        apply(Snr(snr=10, now=20), Scene(array=np.ones((9, 9, 1), np.uint16), name="a"))
    with pytest.raises(SettingError, match="'a' has no valid pixel above 0: state snr:level_dn"):
        apply(Snr(snr=10, now=20), Scene(array=np.zeros((9, 9, 1), np.uint8), name="a"))


def test_a_tile_without_a_valid_pixel_passes_with_a_note():
    scene = Scene(array=np.zeros((9, 9, 2), np.uint16), mask=np.zeros((9, 9), bool), peak=4095, gsd_m=1, name="a")
    for modifier in (Rer(rer=0.3), Mtf(nyquist=0.1), Snr(snr=20), Sensor(mtf_nyquist=0.1, snr=20, bits=8)):
        got = apply(modifier, scene)
        assert np.array_equal(got.scene.array, scene.array)
        assert got.notes == ("nothing was done, no pixel is valid",)
    assert apply(Sensor(factor=2, mtf_nyquist=0.1, snr=20), scene).scene.shape == (4, 4, 2)


def test_noise_may_differ_by_band():
    flat = Scene(array=np.full((200, 200, 2), 1000, np.float32), name="a")
    got = apply(Snr(snr=(20.0, 50.0), now=(1e6, 1e6)), flat).scene.array
    assert got.std(axis=(0, 1)) == pytest.approx([50, 20], rel=0.02)
    with pytest.raises(SettingError, match="snr:snr has 2 values and the image 1 bands"):
        apply(Snr(snr=(20.0, 50.0), now=1e6), Scene(array=flat.array[..., :1], name="a"))


def test_what_the_image_had_is_told():
    done = apply(Rer(rer=0.3), fields())
    assert done.achieved["present_rer"] == edges(fields().array, peak=4095).rer
    assert apply(Rer(rer=0.3, now=0.6), fields()).achieved.keys() == {"blur_sigma_px", "achieved_rer"}
    assert apply(Snr(snr=15), fields()).achieved["present_snr"] == pytest.approx(900 / NOISE_DN, rel=0.05)


def test_noise_is_bounded_by_the_smoothest_ground():
    rng = np.random.default_rng(2)
    rows, cols = np.mgrid[:320, :320]
    ground = 1000 + rng.normal(0, 3, (320, 320)) + np.where(cols < 160, 60 * np.sin(rows / 2), 0) + 0.2 * rows
    scene = Scene(array=ground[..., None], name="a")
    assert targets_noise._smoothest(scene, 0, 1000) == pytest.approx(3, rel=0.15)
    known = {"levels": np.array([1000.0]), "now_dn": np.array([np.nan])}
    assert targets_noise.bounded(scene, wanted=np.array([20.0]), **known)[0] == pytest.approx(1.5, rel=0.15)
    assert np.isnan(targets_noise.bounded(scene, wanted=np.array([8.0]), **known))[0]
    assert np.isnan(targets_noise.bounded(scene, levels=np.array([9.0]), now_dn=np.array([np.nan]), wanted=np.ones(1)))


@pytest.mark.parametrize("snr", [10, 15])
def test_snr_is_reached_on_a_structured_12_bit_image(test_data, snr):
    array = read_image(test_data / "pan-12bit-s2p" / "pair_img_02.tif").array
    got = apply(Snr(snr=snr), Scene(array=array, peak=4095, name="pan"))
    assert got.achieved["achieved_snr"] == pytest.approx(snr, rel=0.03)
