"""PIQE: by hand, laws, the paper in plain NumPy, and values of MATLAB."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from orbiq.arrays import Scene
from orbiq.errors import ImageError, SettingError, UnknownName
from orbiq.metrics.perceived_distortion import piqe, piqe_band, piqe_map
from orbiq.tiles import tiling
from tests.metrics.known_pairs import synthetic_pair


def _image(seed=0, *, shape=(70, 90, 3), smooth=1.0):
    """Texture with smooth parts: blocks of all kinds."""
    rng = np.random.default_rng(seed)
    image = 120 + 60 * ndimage.gaussian_filter(rng.normal(0, 1, shape), (smooth, smooth, 0)) / 0.3
    image[:20] = image[20]
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _plain(plane):
    """Of whole blocks of one band on a scale of 255, from the paper; the surround is that of the authors' code."""
    weights = np.exp(-0.5 * (np.arange(-3, 4) / (7 / 6)) ** 2)
    kernel = np.outer(weights, weights) / weights.sum() ** 2
    plane = plane.astype(float)
    mean = ndimage.correlate(plane, kernel, mode="nearest")
    sigma = np.sqrt(np.abs(ndimage.correlate(plane**2, kernel, mode="nearest") - mean**2))
    values = (plane - mean) / (sigma + 1)
    distortions = []
    for top in range(0, plane.shape[0] - 15, 16):
        for left in range(0, plane.shape[1] - 15, 16):
            block = values[top : top + 16, left : left + 16]
            variance = np.var(block, ddof=1)
            if variance <= 0.1:
                continue
            sides = (block[0], block[-1], block[:, 0], block[:, -1])
            smooth = any(np.std(side[k : k + 6], ddof=1) < 0.1 for side in sides for k in range(11))
            centre, around = np.std(block[:, 7:9], ddof=1), np.std(np.delete(block, [7, 9], axis=1), ddof=1)
            beta = abs(np.sqrt(variance) - centre / around) / max(np.sqrt(variance), centre / around)
            distortions.append(smooth * (1 - variance) + (np.sqrt(variance) > 2 * beta) * variance)
    return 100 * (sum(distortions) + 1) / (len(distortions) + 1)


def test_without_an_active_block_it_is_the_worst():
    """(0 + 1) / (0 + 1)."""
    assert piqe(np.tile(np.arange(64, dtype=np.uint8), (64, 1))) == 100


def test_one_block_by_hand():
    """A chequered block in a flat field: every border is smooth outside, and the map holds what the score is made of."""
    image = np.full((48, 48), 100, np.uint8)
    image[16:32, 16:32] += (50 * (np.indices((16, 16)).sum(axis=0) % 2)).astype(np.uint8)
    distortion = piqe_map(image)[..., 0]
    active = np.isfinite(distortion)
    assert active[1, 1]
    assert piqe(image) == pytest.approx(100 * (distortion[active].sum() + 1) / (active.sum() + 1), rel=1e-12)


def test_words():
    assert [piqe_band(score) for score in (0, 20, 21, 35, 36, 50, 51, 80, 81, 100)] == [
        *["excellent"] * 2, *["good"] * 2, *["fair"] * 2, *["poor"] * 2, *["bad"] * 2,
    ]  # fmt: skip
    with pytest.raises(SettingError, match="from 0 to 100"):
        piqe_band(float("nan"))


@given(seed=st.integers(0, 99), size=st.sampled_from([16, 30, 48]), odd=st.integers(0, 3))
@settings(max_examples=10, deadline=None)
def test_tiled_is_whole(seed, size, odd):
    image = _image(seed, shape=(70 + odd, 90 - odd, 2))
    for variant in ("venkatanath2015", "matlab"):
        with tiling(size=10**6):
            whole = piqe(image, variant=variant)
        with tiling(size=size, threads=2):
            assert piqe(image, variant=variant) == whole
    with tiling(size=10**6):
        whole_map = piqe_map(image)
    with tiling(size=size):
        assert np.array_equal(piqe_map(image), whole_map, equal_nan=True)


@given(seed=st.integers(0, 99), row=st.integers(0, 2), col=st.integers(0, 2), rows=st.integers(20, 38))
@settings(max_examples=10, deadline=None)
def test_masked_is_cropped(seed, row, col, rows):
    """Where the mask begins at a block."""
    image = _image(seed)
    part = slice(16 * row, 16 * row + rows), slice(16 * col, 16 * col + 53)
    mask = np.zeros(image.shape[:2], bool)
    mask[part] = True
    spoilt = np.where(mask[..., None], image, 255)
    for variant in ("venkatanath2015", "matlab"):
        cropped = piqe(image[part], variant=variant)
        with tiling(size=32):
            assert piqe(spoilt, mask=mask, variant=variant) == pytest.approx(cropped, rel=1e-10)
    assert piqe(Scene(array=spoilt, mask=mask)) == pytest.approx(piqe(image[part]), rel=1e-10)


def test_a_hole_takes_its_blocks_away():
    image = _image()
    mask = np.ones(image.shape[:2], bool)
    mask[20, 40] = False
    distortion, holed = piqe_map(image), piqe_map(image, mask=mask)
    assert np.isnan(holed[1, 2]).all()
    others = np.ones(holed.shape[:2], bool)
    others[:, 1:4] = False
    assert np.array_equal(holed[others], distortion[others], equal_nan=True)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_units_do_not_matter(dtype):
    image = _image()
    score = piqe(image)
    assert piqe(image.astype(dtype), peak=255) == pytest.approx(score, rel=1e-12)
    assert piqe((16 * image.astype(float)).astype(dtype), peak=4080) == pytest.approx(score, rel=1e-12)


def test_an_offset_does_not_matter():
    """And float32 is float64, far from zero."""
    image = _image().astype(float) * 4
    score = piqe(image, peak=65535 / 8)
    shifted = image.astype(np.float32) + np.float32(50_000)
    assert piqe(shifted, peak=65535 / 8 * 8) == piqe(shifted.astype(float), peak=65535)
    assert piqe(image + 5000, peak=65535 / 8) == pytest.approx(score, rel=1e-6)


def test_one_hot_pixel_changes_one_place_alone():
    image = _image().astype(np.uint16)
    hot = image.copy()
    hot[40, 40] = 4000
    clean, spoilt = piqe_map(image, peak=4095), piqe_map(hot, peak=4095)
    assert (~np.isclose(clean, spoilt, equal_nan=True)).any(axis=2).sum() == 1
    assert abs(piqe(hot, variant="matlab") - piqe(image, variant="matlab")) > 1


def test_bands():
    image = _image()
    assert piqe(image) == pytest.approx(np.mean([piqe(image[..., k]) for k in range(3)]), rel=1e-12)
    luma = image @ np.array([0.299, 0.587, 0.114])
    assert piqe(image, bands="luma") == pytest.approx(piqe(luma, peak=255), rel=1e-12)
    assert piqe_map(image, bands="luma").shape == (4, 5, 1)


def test_blur_and_noise_are_worse():
    image = _image(shape=(160, 160, 1))
    blurred = [piqe(ndimage.gaussian_filter(image.astype(float), (s, s, 0)), peak=255) for s in (0, 1.5, 3)]
    assert blurred == sorted(blurred)
    noise = np.random.default_rng(1).normal(0, 1, image.shape)
    noisy = [piqe(np.clip(image + s * noise, 0, 255), peak=255) for s in (10, 20, 40)]
    assert noisy == sorted(noisy)


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.zeros((32, 32)), {}, "peak=4095"),
        (np.ones((32, 32)) * 2, {"peak": 1}, "above its peak"),
        (np.full((32, 32), np.nan), {"peak": 1}, "NaN or infinite"),
        (np.zeros((32, 32), complex), {"peak": 1}, "real part"),
        (np.zeros((15, 40)), {"peak": 1}, "no valid block of 16×16 pixels"),
        (np.zeros((32, 32)), {"peak": 1, "mask": np.eye(32, dtype=bool)}, "no valid block of 16×16 pixels"),
        (np.zeros((32, 32)), {"peak": 1, "mask": np.zeros((32, 32), bool)}, "no valid pixel"),
        (np.full((32, 32, 2), 7, np.uint8), {}, "constant in band 1 of 2"),
        (np.full((32, 32, 3), 7, np.uint8), {"bands": "luma"}, "constant in luma"),
        (np.zeros((32, 32), np.uint8), {"variant": "matlab"}, "without any value above 0"),
        (np.zeros((32, 32), np.uint8), {"bands": "luma"}, "needs red, green and blue"),
    ],
)
def test_what_is_refused(image, options, message):
    with pytest.raises(ImageError, match=message):
        piqe(image, **options)


def test_unknown_variant():
    with pytest.raises(UnknownName, match="variant of PIQE named 'mathlab'. Did you mean 'matlab'"):
        piqe(np.zeros((32, 32), np.uint8), variant="mathlab")


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_the_paper_in_plain_numpy(seed):
    image = _image(seed, shape=(75, 83, 1), smooth=0.7 + 0.2 * seed)
    assert piqe(image) == pytest.approx(_plain(image[..., 0]), rel=1e-9)


def test_synthetic_pair():
    """The value was computed in float32."""
    _, noisy = synthetic_pair()
    assert piqe(noisy) == pytest.approx(2.394651, abs=1e-5)
    assert piqe(noisy, variant="matlab") == piqe(noisy)


@pytest.mark.parametrize(("name", "score"), [("I03", 100.0), ("I04", 21.62)])
def test_golden(test_data, name, score):
    image = np.asarray(Image.open(test_data / "iqa-golden" / "iqa-pytorch" / "dist_dir" / f"{name}.bmp"))
    assert piqe(image, variant="matlab", bands="luma") == pytest.approx(score, abs=0.05)
