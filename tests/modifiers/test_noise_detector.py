"""Shot noise, stripes, dead pixels, unsharp mask: known answers, laws, what cannot be."""

from math import pi

import numpy as np
import pytest

from orbiq.arrays import Scene
from orbiq.errors import ImageError, SettingError
from orbiq.modifiers.detector import Banding, DeadPixels, Misregistration, Sharpen, ShotNoise, Striping
from orbiq.modifiers.noise import GaussianNoise
from orbiq.numerics import image_rng


def apply(modifier, array, seed=0, **about):
    scene = Scene(array=np.asarray(array), name="a", **about)
    return modifier(scene, rng=image_rng(seed, "a")).scene.array


@pytest.mark.parametrize("level", [100.0, 1000.0, 3000.0])
def test_shot_noise_has_the_variance_of_its_level(level):
    flat = np.full((200, 200, 2), level, np.float32)
    assert apply(ShotNoise(shot_dn=0.5, read_dn2=16), flat).var() == pytest.approx(0.5 * level + 16, rel=0.03)


def test_variances_add():
    flat = np.full((200, 200, 1), 1000.0)
    twice = apply(ShotNoise(shot_dn=0, read_dn2=16), apply(ShotNoise(shot_dn=0, read_dn2=9), flat, seed=1), seed=2)
    assert twice.std() == pytest.approx(5, rel=0.02)


def test_stripes_run_along_their_lines_and_have_their_strength():
    flat = np.full((30, 4000, 2), 1000.0)
    seen = apply(Striping(offset_dn=5, gain=0.01), flat)
    assert np.array_equal(seen, np.broadcast_to(seen[:1], seen.shape))
    assert seen[0].std() == pytest.approx(np.hypot(5, 10), rel=0.05)
    assert abs(np.corrcoef(seen[0, :, 0], seen[0, :, 1])[0, 1]) < 0.06
    rows = apply(Striping(offset_dn=5, along="rows"), flat)
    assert np.array_equal(rows, np.broadcast_to(rows[:, :1], rows.shape))


def test_bands_share_what_their_lines_have():
    flat = np.full((8000, 6, 2), 1000.0)
    seen = apply(Banding(width_px=16, offset_dn=5, gain=0.01), flat)
    assert np.array_equal(seen, np.broadcast_to(seen[:, :1], seen.shape))
    changes = np.flatnonzero(np.diff(seen[:, 0, 0]))
    assert set(np.diff(changes)) == {16}
    assert seen[::16, 0].std() == pytest.approx(np.hypot(5, 10), rel=0.08)
    across = apply(Banding(width_px=3, offset_dn=5, along="columns"), flat[:30, :, :])
    assert np.array_equal(across, np.broadcast_to(across[:1], across.shape))


def test_a_band_of_one_line_is_a_stripe():
    flat = np.full((40, 50, 2), 1000.0)
    for along in ("rows", "columns"):
        banded = apply(Banding(width_px=1, offset_dn=5, gain=0.1, along=along), flat)
        assert np.array_equal(banded, apply(Striping(offset_dn=5, gain=0.1, along=along), flat))


@pytest.mark.parametrize(("dx", "dy"), [(0.3, 0.0), (-0.7, 0.25), (2.0, -1.0)])
def test_a_band_is_moved_by_what_was_said(dx, dy):
    y, x = np.mgrid[:80, :90]
    wave = np.cos(2 * pi * (0.06 * x + 0.04 * y))[..., None].repeat(2, 2)
    seen = apply(Misregistration(dx_px=(0.0, dx), dy_px=(0.0, dy)), wave)
    moved = np.cos(2 * pi * (0.06 * (x - dx) + 0.04 * (y - dy)))
    assert np.array_equal(seen[..., 0], wave[..., 0])
    assert np.abs(seen[8:-8, 8:-8, 1] - moved[8:-8, 8:-8]).max() < 0.01


def test_misregistration_is_drawn_for_each_band_but_the_first():
    _, x = np.mgrid[:20, :20]
    ramp = np.stack([x.astype(float)] * 300, axis=-1)
    seen = apply(Misregistration(rms_px=0.4), ramp)
    shifts = (ramp - seen)[8:-8, 8:-8].mean((0, 1))
    assert shifts[0] == 0
    assert shifts[1:].std() == pytest.approx(0.4, rel=0.15)


def test_shifts_are_as_many_as_bands():
    with pytest.raises(SettingError, match="misregistration:dx_px has 2 values and the image 3 bands"):
        apply(Misregistration(dx_px=(0.0, 1.0), dy_px=(0.0, 1.0)), np.zeros((5, 5, 3)))


def test_dead_pixels_are_as_many_as_said():
    seen = apply(DeadPixels(fraction=0.05, value_dn=4095), np.full((200, 200, 2), 7, np.uint16), peak=4095)
    assert set(np.unique(seen)) == {7, 4095}
    assert (seen == 4095).mean() == pytest.approx(0.05, rel=0.06)


@pytest.mark.parametrize("f", [0.05, 0.125, 0.25])
def test_a_wave_gains_contrast_by_the_formula_of_the_unsharp_mask(f):
    wave = np.cos(2 * pi * f * np.arange(200))[None, :, None].repeat(20, 0)
    seen = apply(Sharpen(amount=1.5, sigma_px=1.2), wave)
    inner = np.s_[:, 20:-20]
    gained = (seen[inner] * wave[inner]).sum() / (wave[inner] ** 2).sum()
    assert gained == pytest.approx(1 + 1.5 * (1 - np.exp(-2 * (pi * 1.2 * f) ** 2)), abs=1e-3)


NOTHING = (
    ShotNoise(shot_dn=0), Striping(), Banding(width_px=4), DeadPixels(fraction=0, value_dn=9), Sharpen(amount=0),
    Misregistration(rms_px=0),
)  # fmt: skip
MUCH = (
    ShotNoise(shot_dn=9), Striping(offset_dn=30), Banding(width_px=4, offset_dn=30), DeadPixels(fraction=0.9),
    Sharpen(amount=3),
)  # fmt: skip


@pytest.mark.parametrize("modifier", NOTHING)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_settings_that_say_nothing_change_nothing(modifier, dtype):
    array = np.random.default_rng(1).integers(0, 256, (7, 5, 3)).astype(dtype)
    seen = apply(modifier, array, peak=255)
    assert seen.dtype == dtype
    assert np.array_equal(seen, array)


@pytest.mark.parametrize("modifier", MUCH)
def test_masked_pixels_stay_and_the_peak_holds(modifier):
    array = np.random.default_rng(2).integers(0, 1024, (40, 40, 2), dtype=np.uint16)
    mask = np.arange(1600).reshape(40, 40) % 3 > 0
    seen = apply(modifier, array, mask=mask, peak=1023)
    assert np.array_equal(seen[~mask], array[~mask])
    assert (seen[mask] != array[mask]).any()
    assert seen.max() <= 1023


@pytest.mark.parametrize("modifier", MUCH)
def test_nan_under_the_mask_stays_there_and_one_pixel_will_do(modifier):
    array = np.full((9, 9, 1), 50.0)
    array[4, 4] = np.nan
    seen = apply(modifier, array, mask=~np.isnan(array[..., 0]))
    assert np.isnan(seen).sum() == 1
    assert apply(modifier, np.full((1, 1, 1), 50, np.uint8)).shape == (1, 1, 1)


def test_peak_is_never_guessed():
    with pytest.raises(ImageError, match="nobody said the largest value"):
        apply(Striping(offset_dn=2), np.zeros((3, 3, 1), np.uint16))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ShotNoise(shot_dn=-1), "shot-noise:shot_dn is -1; expected a finite number, 0 or more"),
        (lambda: Striping(along="both"), "striping:along is 'both'; expected columns or rows"),
        (lambda: Striping(gain=float("nan")), "striping:gain is nan; expected a finite number"),
        (lambda: Banding(width_px=0), "banding:width_px is 0; expected 1 line or more"),
        (lambda: Banding(width_px=4, along="x"), "banding:along is 'x'; expected columns or rows"),
        (Misregistration, "misregistration has rms_px=None.*expected rms_px, or both lists"),
        (lambda: Misregistration(dx_px=(1.0,)), "expected rms_px, or both lists"),
        (
            lambda: Misregistration(dx_px=1, dy_px=1),
            "misregistration:dx_px is 1; expected a list with a number for each",
        ),
        (
            lambda: Misregistration(dx_px=(0, "a"), dy_px=(0, 0)),
            "misregistration:dx_px is .*; expected a number, or a list",
        ),
        (
            lambda: Misregistration(dx_px=(0, float("inf")), dy_px=(0, 0)),
            "misregistration:dx_px has inf; expected finite",
        ),
        (lambda: GaussianNoise(sigma_dn=float("inf")), "expected one of the two, 0 or more"),
        (lambda: Misregistration(rms_px=-1), "misregistration:rms_px is -1; expected a finite number, 0 or more"),
        (lambda: DeadPixels(fraction=2), "dead-pixels:fraction is 2; expected 0 to 1"),
        (lambda: Sharpen(amount=-1), "sharpen:amount is -1; expected a finite number, 0 or more"),
        (lambda: Sharpen(amount=1, sigma_px=0), "sharpen:sigma_px is 0; expected more than 0 pixels"),
    ],
)
def test_settings_that_cannot_be(make, message):
    with pytest.raises(SettingError, match=message):
        make()
