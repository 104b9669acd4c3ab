"""sensor: a whole target solved, verified and refused."""

from math import pi, sqrt

import numpy as np
import pytest

from orbiq.arrays import Scene
from orbiq.errors import SettingError
from orbiq.imageio import read_image
from orbiq.modifiers.base import MODIFIERS
from orbiq.modifiers.sensor import Sensor, noise_kept
from orbiq.modifiers.targets import mtf_now
from orbiq.numerics import image_rng
from orbiq.registry import build, config, parse_spec
from tests.modifiers.tilted import tilted_squares

SIGMA_PX, NOISE_DN, SIZE = 0.8, 12.0, 576


def apply(modifier, scene):
    return modifier(scene, rng=image_rng(0, scene.name))


def fields(bands=1):
    return tilted_squares(sigma_px=SIGMA_PX, noise_dn=NOISE_DN, size=SIZE, bands=bands)


def true_mtf(blur_sigma_px, factor):
    total = sqrt(SIGMA_PX**2 + blur_sigma_px**2)
    return float(np.exp(-2 * (pi * total * 0.5 / factor) ** 2))


# known answers


@pytest.mark.parametrize(("factor", "nyquist"), [(1, 0.02), (1.5, 0.1), (2, 0.2), (2, 0.3), (3, 0.15)])
def test_the_whole_target_is_reached_and_verified(factor, nyquist):
    got = apply(Sensor(gsd_m=0.5 * factor, mtf_nyquist=nyquist, snr=25, bits=8), fields())
    assert got.scene.shape == (int(SIZE / factor), int(SIZE / factor), 1)
    assert got.scene.gsd_m == 0.5 * factor
    assert true_mtf(got.achieved["blur_sigma_px"], factor) == pytest.approx(nyquist, abs=0.01)
    assert got.achieved["achieved_mtf_nyquist"] == pytest.approx(nyquist, abs=0.01)
    noise = np.hypot(got.achieved["noise_dn"], NOISE_DN * noise_kept(got.achieved["blur_sigma_px"]))
    assert noise == pytest.approx(900 / 25, rel=0.03)
    if factor < 3:  # else too little ground is left to measure it
        assert got.achieved["achieved_snr"] == pytest.approx(25, rel=0.03)
    assert set(np.unique(got.scene.array % 16)) == {8}  # 8 of 12 bits, in the middle of their step
    if factor > 1:
        assert got.achieved["achieved_gsd_m"] == 0.5 * factor


def test_noise_that_the_scene_has_is_averaged_by_the_blur_and_taken_off():
    flat = Scene(
        array=(2000 + np.random.default_rng(5).normal(0, 60, (400, 400, 1))).astype(np.float32), gsd_m=1, name="flat"
    )
    got = apply(Sensor(factor=2, mtf_nyquist=0.2, now_nyquist=0.5, snr=40, now_snr=2000 / 60), flat)
    kept = 60 * noise_kept(got.achieved["blur_sigma_px"])
    assert got.achieved["noise_dn"] == pytest.approx(sqrt(50**2 - kept**2), rel=0.01)
    assert got.scene.array.std() == pytest.approx(50, rel=0.02)


def test_noise_kept_is_what_white_noise_loses():
    from orbiq.optics_transfer import gaussian_psf, through

    noise = np.random.default_rng(1).normal(size=(600, 600, 1))
    for sigma_px in (0.2, 0.5, 1.0, 2.0):
        assert through(noise, gaussian_psf(sigma_px)).std() == pytest.approx(noise_kept(sigma_px), rel=0.02)


def test_each_band_has_its_own_mtf():
    impulse = np.zeros((129, 129, 2))
    impulse[64, 64] = 1.0
    got = apply(Sensor(mtf_nyquist=(0.3, 0.1), now_nyquist=1.0), Scene(array=impulse, name="point"))
    spread = np.abs(np.fft.fft2(got.scene.array, axes=(0, 1)))
    at = spread[0, 51], 51 / 129  # near Nyquist
    sigmas = [sqrt(-2 * np.log(m)) / pi for m in (0.3, 0.1)]
    assert at[0] == pytest.approx([np.exp(-2 * (pi * s * at[1]) ** 2) for s in sigmas], abs=1e-3)


def test_a_coarser_gsd_alone_keeps_the_mtf_at_nyquist():
    got = apply(Sensor(factor=2, now_nyquist=0.25), fields())
    sigma = got.achieved["blur_sigma_px"]
    now = sqrt(-2 * np.log(0.25)) / pi
    assert np.exp(-2 * (pi * sqrt(now**2 + sigma**2) * 0.25) ** 2) == pytest.approx(0.25, abs=1e-9)


def test_a_real_image_on_a_coarser_grid(test_data):
    name = "airport_045.png"
    array = read_image(test_data / "satellogic-airports" / "test" / "images" / name).array
    scene = Scene(array=array, gsd_m=1.0, name=name)
    got = apply(Sensor(gsd_m=2, mtf_nyquist=0.08, snr=12), scene)
    assert got.scene.array.shape == (512, 512, 3)
    assert got.achieved["achieved_gsd_m"] == 2
    assert got.achieved["achieved_snr"] == pytest.approx(12, rel=0.03)
    # few edges of the coarse grid are sharp on the ground: theory is taken at its word, and a note says so
    lacking = [2 / pi * sqrt(-2 * np.log(0.08 / now)) for now in mtf_now(scene, 0.25, "")[0]]
    assert got.achieved["blur_sigma_px"] == pytest.approx(np.mean(lacking), rel=1e-6)
    said = " with care, the edges disagree"
    assert [note.split(said)[0] for note in got.notes] == ["the present MTF", "achieved_mtf_nyquist"]


# laws


def test_settings_make_the_round_trip():
    sensor = Sensor(gsd_m=2, mtf_nyquist=(0.2, 0.1), snr=50, bits=11, now_nyquist=0.3)
    assert build(MODIFIERS, config(sensor)) == sensor
    (step,) = parse_spec("sensor:gsd_m=2,mtf_nyquist=[0.2,0.1],snr=50,bits=11,now_nyquist=0.3")
    assert build(MODIFIERS, step) == sensor


def test_masked_pixels_stay_out_of_it():
    given = fields()
    array, mask = given.array.copy(), np.ones(given.shape[:2], bool)
    array[:64], mask[:64] = 0, False
    scene = Scene(array=array, mask=mask, peak=4095, gsd_m=0.5, name="a")
    got = apply(Sensor(factor=2, mtf_nyquist=0.2, snr=25), scene).scene
    assert not got.mask[:31].any()
    assert got.mask[33:].all()
    assert (got.array[:31] == 0).all()
    assert got.array[33:].min() > 600


# what cannot be


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "sensor has no target; state one, as sensor:gsd_m=2"),
        ({"gsd_m": 2, "factor": 2}, "sensor has gsd_m=2, factor=2; expected one of them"),
        ({"factor": 0.5}, "sensor:factor is 0.5; expected 1 or more"),
        ({"gsd_m": -1}, "sensor:gsd_m is -1; expected metres above 0"),
        ({"mtf_nyquist": 1.5}, "sensor:mtf_nyquist is 1.5; expected more than 0, at most 1"),
        ({"mtf_nyquist": ()}, "sensor:mtf_nyquist is an empty list"),
        ({"mtf_nyquist": ("a",)}, "sensor:mtf_nyquist is .*; expected a number, or a list"),
        ({"snr": 0}, "sensor:snr is 0; expected a finite number above 0"),
        ({"bits": 17}, "sensor:bits is 17; expected 1 to 16"),
    ],
)
def test_settings_that_cannot_be(settings, words):
    with pytest.raises(SettingError, match=words):
        Sensor(**settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"factor": 2, "mtf_nyquist": 0.9},
            r"sensor:mtf_nyquist is 0.9 but 'fields.tif' has 0\.\d+ there by its own edges; blur can.*or state",
        ),
        ({"snr": 900}, r"sensor:snr is 900 but 'fields.tif' has \d+\.?\d* at \d+ DN; noise can reach that or less"),
        (
            {"mtf_nyquist": (0.1, 0.1)},
            "sensor:mtf_nyquist has 2 values and the image 1 bands; expected one, or one each",
        ),
        ({"gsd_m": 0.2}, "sensor:gsd_m is 0.2, finer than the 0.5 m of 'fields.tif'"),
        ({"bits": 14}, "sensor:bits is 14; 'fields.tif' has 12 bits"),
    ],
)
def test_targets_out_of_reach_say_what_can_be_reached(settings, words):
    with pytest.raises(SettingError, match=words):
        apply(Sensor(**settings), fields())


def test_without_edges_the_present_mtf_must_be_stated():
    flat = Scene(array=np.full((40, 40, 1), 90, np.uint8), name="flat")
    with pytest.raises(SettingError, match="sensor:now_nyquist was not stated and 'flat' does not show it: no edge"):
        apply(Sensor(factor=2, mtf_nyquist=0.1), flat)
    assert apply(Sensor(factor=2, mtf_nyquist=0.1, now_nyquist=0.5), flat).scene.shape == (20, 20, 1)
