"""What folding may have moved, against scenes of which it is known what it moved."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbiq.arrays import Scene
from orbiq.errors import ImageError, SettingError
from orbiq.imageio import read_image
from orbiq.metrics.folding import SPECS, aliasing, folded_share
from orbiq.tiles import tiling

PREFILTERS = (1.0, 0.7, 0.5, 0.3, 0.1, 0.03)
"""MTF at the Nyquist frequency of the coarse pixels; 1 is none."""


def _spectrum(seed=0, *, n=1024, slope=3.0):
    """Of a periodic scene whose power falls with frequency^-slope in two dimensions, by one less along an axis."""
    rows, cols = np.meshgrid(np.fft.fftfreq(n), np.fft.fftfreq(n), indexing="ij")
    distance = np.hypot(rows, cols)
    distance[0, 0] = np.inf
    return np.fft.fft2(np.random.default_rng(seed).normal(size=(n, n))) * distance ** (-slope / 2)


def _sampled(spectrum, mtf_nyquist, factor=4):
    """The scene through a Gaussian and every `factor`-th pixel, and what share of its detail was folded, along x and y."""
    fy, fx = np.meshgrid(*(np.fft.fftfreq(n) * factor for n in spectrum.shape), indexing="ij")
    seen = spectrum * mtf_nyquist ** (4 * (fx**2 + fy**2))
    image, past_x, past_y = (
        np.fft.ifft2(np.where(kept, seen, 0)).real[::factor, ::factor]
        for kept in (True, np.abs(fx) > 0.5, np.abs(fy) > 0.5)
    )
    along_x = (np.diff(past_x, axis=1) ** 2).sum() / (np.diff(image, axis=1) ** 2).sum()
    along_y = (np.diff(past_y, axis=0) ** 2).sum() / (np.diff(image, axis=0) ** 2).sum()
    return image, along_x, along_y


# known answers


@pytest.mark.parametrize("slope", [2.5, 3.0, 3.5])
def test_the_bound_holds_and_falls_with_the_prefilter(slope):
    spectrum = _spectrum(slope=slope)
    bounds = []
    for mtf in PREFILTERS:
        image, along_x, along_y = _sampled(spectrum, mtf)
        found = aliasing(image)
        assert found["aliasing_x"] >= along_x
        assert found["aliasing_y"] >= along_y
        bounds.append(found["aliasing"])
    assert all(a > b for a, b in pairwise(bounds))
    assert bounds[0] / bounds[-1] > 30


@pytest.mark.parametrize("mtf", PREFILTERS)
def test_with_the_mtf_stated_it_is_the_share(mtf):
    """Of a scene of f⁻² along an axis, as the model has it: within a third, as blocks of 32 pixels blur the spectrum."""
    image, along_x, along_y = _sampled(_spectrum(1), mtf)
    found = aliasing(image, mtf_nyquist=mtf)
    assert found["aliasing_x"] == pytest.approx(along_x, rel=1 / 3, abs=5e-5)
    assert found["aliasing_y"] == pytest.approx(along_y, rel=1 / 3, abs=5e-5)
    assert found["aliasing"] <= aliasing(image)["aliasing"]


def test_the_axis_that_was_not_filtered_is_told_apart():
    rows = np.fft.fftfreq(1024)[:, None] * 4
    image, *_ = _sampled(_spectrum(2) * 0.03 ** (4 * rows**2), 1.0)
    found = aliasing(image)
    assert found["aliasing_x"] > 10 * found["aliasing_y"]
    assert found["aliasing"] == pytest.approx((found["aliasing_x"] + found["aliasing_y"]) / 2)


def test_white_noise_is_half_of_what_may_be_folded_unless_it_is_known():
    noise = np.random.default_rng(3).normal(100, 5, (256, 256))
    assert aliasing(noise)["aliasing"] == pytest.approx(0.5, abs=0.03)
    image, *_ = _sampled(_spectrum(4), 0.1)
    image = 20 * image / image.std()
    noisy = image + np.random.default_rng(5).normal(0, 1, image.shape)
    clean = aliasing(image)["aliasing"]
    assert aliasing(noisy)["aliasing"] > 5 * clean
    assert aliasing(noisy, noise_sigma=1)["aliasing"] < 4 * clean


def test_what_is_folded_onto_nyquist_is_half():
    share = folded_share(np.array([0, 0.1, 0.25, 0.4, 0.5]), 0.2)
    assert np.all(np.diff(share) > 0)
    assert share[-1] == pytest.approx(0.5, abs=1e-6)


# laws


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(20, 200))
def test_tiled_is_whole_and_masked_is_cropped_at_blocks(seed, size):
    image = np.random.default_rng(seed).random((150, 170, 2)).cumsum(axis=0)
    mask = np.zeros(image.shape[:2], bool)
    mask[32:140, 64:] = True
    spoilt = np.where(mask[..., None], image, np.nan)
    with tiling(size=10**6):
        whole, cropped = aliasing(image), aliasing(image[32:140, 64:])
    with tiling(size=size):
        assert aliasing(image) == pytest.approx(whole, abs=1e-12)
        assert aliasing(spoilt, mask=mask) == pytest.approx(cropped, abs=1e-12)
        assert aliasing(Scene(array=spoilt, mask=mask)) == pytest.approx(cropped, abs=1e-12)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), gain=st.sampled_from([0.1, 30.0]), offset=st.sampled_from([0.0, 50_000.0]))
def test_units_do_not_matter(seed, gain, offset):
    image = np.random.default_rng(seed).random((64, 64)).cumsum(axis=1)
    assert aliasing(gain * image + offset) == pytest.approx(aliasing(image), abs=1e-7)
    assert aliasing(gain * image, noise_sigma=gain * 0.1) == pytest.approx(aliasing(image, noise_sigma=0.1), abs=1e-9)


def test_turning_the_image_swaps_the_axes():
    image = np.random.default_rng(1).random((96, 64)).cumsum(axis=1)
    found, turned = aliasing(image), aliasing(image.T)
    assert found["aliasing_x"] == pytest.approx(turned["aliasing_y"])
    assert found["aliasing_y"] == pytest.approx(turned["aliasing_x"])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_any_dtype_and_two_or_three_dimensions(dtype):
    image = np.random.default_rng(1).integers(0, 256, (64, 64))
    assert aliasing(image.astype(dtype)) == aliasing(image[..., None])


# real scenes


def test_real_scenes_decimated_with_and_without_prefilter(test_data):
    scene = read_image(test_data / "usc-sipi/aerials/2.1.05.tiff").array[..., 1].astype(float)
    mirrored = np.block([[scene, scene[:, ::-1]], [scene[::-1], scene[::-1, ::-1]]])  # periodic, without a seam
    spectrum = np.fft.fft2(mirrored)
    for factor in (2, 4):
        bounds = []
        for mtf in (1.0, 0.5, 0.1):
            image, along_x, along_y = _sampled(spectrum, mtf, factor)
            truth = (along_x + along_y) / 2
            bounds.append(aliasing(image)["aliasing"])
            assert bounds[-1] > truth
            # the scene was seen through a lens already, so that the prefilter alone overstates the MTF
            assert 0.7 * truth < aliasing(image, mtf_nyquist=mtf)["aliasing"] < 2.2 * truth
        assert bounds[0] > 2 * bounds[1] > 10 * bounds[2]


# bad input


def test_bad_input():
    image = np.random.default_rng(0).random((64, 64))
    with pytest.raises(ImageError, match=r"has no valid block of 32 × 32 pixels to measure"):
        aliasing(image[:31])
    with pytest.raises(ImageError, match="has no valid detail to measure"):
        aliasing(np.full((64, 64), 0.1))
    with pytest.raises(ImageError, match="NaN or infinite"):
        aliasing(np.where(image == image.max(), np.inf, image))
    with pytest.raises(ImageError, match="holds complex"):
        aliasing(image * 1j)


def test_the_range_ends_where_all_may_be_folded():
    assert {score.high for score in SPECS["aliasing"].scores} == {0.5}


@pytest.mark.parametrize(
    "wrong", [{"mtf_nyquist": 0}, {"mtf_nyquist": 1.1}, {"noise_sigma": -1}, {"noise_sigma": float("nan")}]
)
def test_bad_settings(wrong):
    with pytest.raises(SettingError, match=f"{next(iter(wrong))} is .*; expected"):
        aliasing(np.ones((64, 64)), **wrong)
