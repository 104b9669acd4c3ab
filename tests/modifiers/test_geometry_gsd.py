"""A coarser GSD: its MTF, its grid, its masks, and what cannot be."""

import numpy as np
import pytest

from orbiq.arrays import Scene
from orbiq.datasets.shapes import moved_points
from orbiq.errors import ImageError, SettingError
from orbiq.modifiers.geometry_gsd import Gsd
from orbiq.numerics import image_rng
from orbiq.optics import blur, decimate, psf_sigma
from tests.modifiers.test_geometry import UTM, centroid, disc


def through(modifier, array, **about):
    return modifier(Scene(array=array, name="a.tif", **about), rng=image_rng(0, "a.tif"))


@pytest.mark.parametrize(("factor", "mtf"), [(2.0, 0.2), (2.5, 0.1), (3.0, 0.3), (4.0, 0.2), (7.3, 0.4)])
def test_the_mtf_at_the_new_nyquist_is_the_stated_one(factor, mtf):
    x = np.arange(400)
    wave = np.cos(np.pi * ((x + 0.5) / factor - 0.5))  # crests in the new pixels' centres
    found = through(Gsd(factor=factor, mtf_nyquist=mtf), np.tile(wave, (40, 1))[..., None]).scene.array[2, 8:-8, 0]
    assert np.abs(np.abs(found) - mtf).max() < 1e-3


def test_what_blurs_already_is_taken_off():
    x = np.arange(200)
    wave = 0.5 ** (1 / 9) * np.cos(np.pi * ((x + 0.5) / 3 - 0.5))  # a Gaussian of MTF 0.5 at 1/2, seen at 1/6
    said = through(Gsd(factor=3.0, mtf_nyquist=0.2, now_nyquist=0.5), np.tile(wave, (30, 1))[..., None])
    assert np.abs(np.abs(said.scene.array[3, 8:-8, 0]) - 0.2).max() < 1e-3


@pytest.mark.parametrize("factor", [1.0, 1.5, 2.0, 2.7])
@pytest.mark.parametrize("psf", ["gaussian", "box"])
def test_a_disc_keeps_its_place(factor, psf):
    array = disc(40.3, 30.6, 9)
    said = through(Gsd(factor=factor, psf=psf), array, transform=UTM, gsd_m=0.5)
    ((x, y),) = moved_points([centroid(array)], said.affine)
    assert centroid(said.scene.array) == pytest.approx((x, y), abs=0.02)
    assert said.scene.gsd_m == 0.5 * factor
    assert moved_points([(x, y)], said.scene.transform)[0] == pytest.approx(
        moved_points([centroid(array)], UTM)[0], rel=1e-9
    )
    assert centroid(through(Gsd(factor=factor, psf=psf, back=True), array).scene.array) == pytest.approx(
        centroid(array), abs=0.02
    )


def test_gsd_in_metres_is_exact():
    assert through(Gsd(gsd_m=0.7), np.zeros((9, 9, 1)), gsd_m=0.3).scene.gsd_m == 0.7


@pytest.mark.parametrize("factor", [3, 5])
def test_agrees_with_blur_and_decimation(factor):
    array = np.random.default_rng(1).normal(size=(45, 60, 2))
    expected = decimate(blur(array, psf_sigma(0.2, gsd=factor)), factor)
    assert np.abs(through(Gsd(factor=float(factor)), array).scene.array - expected).max() < 1e-9


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("bands", [1, 3, 8, 200])
def test_masked_pixels_take_no_part(dtype, bands):
    array = np.full((24, 31, bands), 100, dtype)
    mask = np.ones((24, 31), bool)
    mask[4:12, 6:20] = False
    array[~mask] = 7
    said = through(Gsd(factor=2.0), array, mask=mask).scene
    assert said.array.dtype == dtype
    assert said.shape == (12, 15, bands)
    assert np.allclose(said.array[said.mask], 100, rtol=1e-6, atol=0)
    assert (said.array[~said.mask] == 7).all()
    back = through(Gsd(factor=2.0, back=True), array, mask=mask).scene
    assert np.allclose(back.array, array, rtol=1e-6, atol=0)
    assert np.array_equal(back.array[~mask], array[~mask])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "expected one of them, as gsd:factor=2"),
        ({"factor": 0.5}, "gsd:factor is 0.5; expected 1 or more"),
        ({"gsd_m": 0.0}, "gsd:gsd_m is 0.0; expected metres above 0"),
        ({"factor": 2.0, "mtf_nyquist": 0.0}, "gsd:mtf_nyquist is 0.0; expected more than 0"),
        ({"factor": 2.0, "psf": "disc"}, "gsd:psf is 'disc'; expected gaussian or box"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, words):
    with pytest.raises(SettingError, match=words):
        Gsd(**settings)


def test_what_a_scene_cannot_give_is_said():
    with pytest.raises(ImageError, match="nobody said the GSD of image 'a.tif'; state gsd_m"):
        through(Gsd(gsd_m=1.0), np.zeros((4, 4, 1)))
    with pytest.raises(SettingError, match="gsd:gsd_m is 0.2, finer than the 0.5 m"):
        through(Gsd(gsd_m=0.2), np.zeros((4, 4, 1)), gsd_m=0.5)
    with pytest.raises(ImageError, match="has 1 × 1 pixels, fewer than one of the new GSD"):
        through(Gsd(factor=2.0), np.zeros((1, 1, 1)))
    with pytest.raises(SettingError, match="out of reach: the scene's own blur leaves at most 0.1"):
        through(Gsd(factor=1.0, mtf_nyquist=0.2, now_nyquist=0.1), np.zeros((4, 4, 1)))
