"""Levels of light: known answers, identity, dtype, mask, peak."""

import numpy as np
import pytest

from orbiq.arrays import Scene
from orbiq.errors import ImageError, SettingError
from orbiq.modifiers.radiometry import Gain, Gamma, Haze, Saturation, Vignetting
from orbiq.numerics import image_rng

SAME = (
    Gain(),
    Gamma(gamma=1),
    Haze(transmission=1, airlight_dn=500),
    Vignetting(loss=0),
    Saturation(level_dn=4095),
)


def apply(modifier, array, **about):
    scene = Scene(array=np.asarray(array), name="a", **about)
    return modifier(scene, rng=image_rng(0, "a")).scene.array


def row(values, dtype=np.uint16):
    return np.array(values, dtype)[None, :, None]


@pytest.mark.parametrize(
    ("modifier", "expected"),
    [
        (Gain(gain=2, offset_dn=-300), [0, 1700, 4095]),
        (Gamma(gamma=0.5), [0, 2024, 4095]),  # 4095·√(1000/4095) = 2023.6
        (Haze(transmission=0.5, airlight_dn=2000), [1000, 1500, 3048]),  # 3047.5, to even
        (Saturation(level_dn=900), [0, 900, 900]),
    ],
)
def test_known_answers_are_clipped_to_what_the_data_can_hold(modifier, expected):
    assert apply(modifier, row([0, 1000, 4095]), peak=4095)[0, :, 0].tolist() == expected


def test_vignetting_takes_nothing_at_the_centre_and_its_loss_at_the_corners():
    seen = apply(Vignetting(loss=0.4), np.full((101, 201, 2), 100.0))
    assert seen[50, 100, 0] == pytest.approx(100)
    assert seen[0, 0, 1] == pytest.approx(60, abs=0.7)  # the corner pixel's centre lies a little inside
    assert np.allclose(seen, seen[::-1, ::-1])


def test_haze_leaves_its_share_of_the_contrast():
    image = np.random.default_rng(0).normal(100, 10, (30, 30, 1))
    assert apply(Haze(transmission=0.3, airlight_dn=200), image).std() == pytest.approx(0.3 * image.std())


@pytest.mark.parametrize("modifier", SAME)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_settings_that_say_nothing_change_nothing(modifier, dtype):
    array = np.random.default_rng(1).integers(0, 256, (7, 5, 3)).astype(dtype)
    seen = apply(modifier, array, peak=255)
    assert seen.dtype == array.dtype
    assert np.allclose(seen, array, rtol=1e-6)


@pytest.mark.parametrize("modifier", [Gain(gain=3), Haze(transmission=0.2, airlight_dn=50), Vignetting(loss=1)])
def test_masked_pixels_stay(modifier):
    array = np.full((6, 6, 2), 40, np.uint8)
    mask = np.arange(36).reshape(6, 6) % 3 > 0
    seen = apply(modifier, array, mask=mask)
    assert (seen[~mask] == 40).all()
    assert (seen[mask] != 40).any()


def test_floats_are_not_clipped_and_signed_data_keep_their_sign():
    assert apply(Gain(gain=2, offset_dn=-1), np.array([[[0.25], [0.75]]])).ravel().tolist() == [-0.5, 0.5]
    assert apply(Gain(gain=2), row([-100, 100], np.int16), peak=150).ravel().tolist() == [-200, 150]


def test_peak_is_never_guessed():
    with pytest.raises(ImageError, match="nobody said the largest value"):
        apply(Gain(gain=2), row([1, 2]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gain(gain=-1), "gain:gain is -1; expected a finite number, 0 or more"),
        (lambda: Gain(offset_dn=float("nan")), "gain:offset_dn is nan; expected a finite number"),
        (lambda: Gamma(gamma=0), "gamma:gamma is 0; expected more than 0"),
        (lambda: Haze(transmission=1.2, airlight_dn=1), "haze:transmission is 1.2; expected 0 to 1"),
        (lambda: Vignetting(loss=2), "vignetting:loss is 2; expected 0 to 1"),
        (lambda: Saturation(level_dn=-1), "saturation:level_dn is -1; expected a finite number, 0 or more"),
    ],
)
def test_settings_that_cannot_be(make, message):
    with pytest.raises(SettingError, match=message):
        make()
