"""Phantoms: the same from the same seed, dark around, with detail up to the finest that pixels can hold."""

import numpy as np
import pytest

from orbiq.errors import SettingError
from orbiq.mri.phantom_parts import Canvas, arc, coverage
from orbiq.mri.phantoms import phantom
from orbiq.mri.reconstruction import to_kspace

KINDS = ("knee", "brain")


def canvas(size=(64, 64), **settings):
    return Canvas(size, np.random.default_rng(0), **{"bend": 0.0} | settings)


# known answers


@pytest.mark.parametrize("bent", [0.0, 0.01])
def test_an_ellipse_has_the_area_of_one(bent):
    covered = coverage(canvas((200, 300), bend=bent).ellipse(0.1, -0.2, 0.5, 0.3, angle_rad=0.4))
    assert covered.sum() == pytest.approx(np.pi * 0.5 * 0.3 * 100**2, rel=0.01 if not bent else 0.1)


def test_a_line_has_the_area_of_one():
    drawn = canvas().curves([arc((-0.5, 0.1), (0.5, 0.1), 0.0)], 1)
    assert drawn.sum() == pytest.approx(32, rel=0.35)
    rows = np.flatnonzero(drawn.any(axis=1))
    assert (rows[0], rows[-1]) == (34, 36)  # about 31.5 + 0.1 · 32


def test_an_arc_bends_to_the_left_of_its_way():
    x, y = arc((0, 0), (1, 0), 0.25, points=3)[1]
    assert (x, y) == (0.5, -0.25)


def test_textures_keep_to_their_band():
    texture = canvas((128, 128)).texture(0.1, 0.2)
    v, u = np.meshgrid(*[np.fft.fftshift(np.fft.fftfreq(128))] * 2)
    energy = np.abs(to_kspace(texture)) ** 2
    assert (texture.mean(), texture.std()) == pytest.approx((0, 1), abs=1e-3)
    assert energy[np.hypot(v, u) < 0.03].sum() < 0.02 * energy.sum()
    assert energy[np.hypot(v, u) > 0.4].sum() < 0.02 * energy.sum()


def test_fibres_lie_as_they_are_told():
    fibres = canvas((128, 128)).texture(0, 0.2, along_rad=0.0, stretch=6.0)
    along, across = (np.abs(np.diff(fibres, axis=axis)).mean() for axis in (1, 0))
    assert across > 2.5 * along


# laws


@pytest.mark.parametrize("size", [(320, 320), (64, 200), (16, 17)])
def test_seed_and_size_decide(size):
    made, again, other = phantom(3, size), phantom(3, size), phantom(4, size)
    assert (made.image.dtype, made.image.shape, made.body.dtype) == (np.complex64, size, bool)
    assert (made.image == again.image).all()
    assert (made.body == again.body).all()
    assert (made.image != other.image).any()
    assert np.isfinite(made.image).all()


def test_a_seed_chooses_a_kind():
    same = [
        [(phantom(k, (32, 32)).body == phantom(k, (32, 32), kind=kind).body).all() for k in range(8)] for kind in KINDS
    ]
    assert np.logical_xor(*same).all()
    assert all(any(of) for of in same)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_the_background_is_near_black_with_rician_noise(kind, seed):
    made = phantom(seed, kind=kind)
    outside = made.magnitude[~made.body]
    assert 0.3 < made.body.mean() < 0.75
    assert 0.002 < outside.mean() < 0.02
    # the standard deviation over the mean of Rayleigh's distribution; edges of the body add a little
    assert np.median(outside) / np.quantile(outside, 0.25) == pytest.approx(
        (np.log(2) / np.log(4 / 3)) ** 0.5, rel=0.05
    )
    assert 15 * outside.mean() < made.magnitude[made.body].mean() < 1
    assert made.magnitude.max() < 1.5


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_detail_of_a_few_pixels(kind):
    """More energy above a quarter of the sampling frequency than the noise has, by far."""
    for seed in range(3):
        made = phantom(seed, kind=kind)
        rows, cols = np.indices((320, 320)) - 160
        high = np.hypot(rows, cols) > 80
        energy = np.abs(to_kspace(made.magnitude)) ** 2
        noise = np.square(made.magnitude[~made.body]).mean()
        assert energy[high].mean() > 3 * noise
        assert energy[high].sum() > 0.005 * (energy.sum() - energy[160, 160])


@pytest.mark.parametrize("kind", KINDS)
def test_the_phase_is_smooth(kind):
    made = phantom(2, kind=kind)
    bright = made.magnitude > 0.3
    turns = np.angle(made.image[:, 1:] * made.image[:, :-1].conj())[bright[:, 1:] & bright[:, :-1]]
    assert np.abs(turns).mean() < 0.06
    assert np.ptp(np.angle(made.image[bright])) > 0.5


# refusals


def test_a_side_too_small_is_refused():
    with pytest.raises(SettingError, match="a phantom of 8 × 320 pixels is too small: expected sides of 16 or more"):
        phantom(0, (8, 320))


def test_an_unknown_kind_is_refused():
    with pytest.raises(SettingError, match="phantom kind is 'hip'; expected knee, brain"):
        phantom(0, kind="hip")
