"""NLPD: flat images by hand, laws, the pyramid in plain NumPy, and values of the authors' MATLAB."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbiq.arrays import Scene
from orbiq.errors import ImageError
from orbiq.metrics.laplacian_distance import nlpd
from orbiq.tiles import tiling


def _pair(seed=0, *, shape=(70, 81, 2), noise=15):
    rng = np.random.default_rng(seed)
    image = np.cumsum(rng.normal(0, 10, shape), axis=1) + 120
    return tuple(np.clip(np.rint(a), 0, 255).astype(np.uint8) for a in (image, image + rng.normal(0, noise, shape)))


def _plain_level(plane):
    """The finest level of the paper, pixel by pixel: what the smaller image does not explain, over what is around."""
    taps = np.array([0.05, 0.25, 0.4, 0.25, 0.05])
    rows, cols = plane.shape
    mirrored = np.pad(plane, 2, mode="symmetric")
    window = np.outer(taps, taps)
    smaller = np.array(
        [[np.sum(window * mirrored[r : r + 5, c : c + 5]) for c in range(0, cols, 2)] for r in range(0, rows, 2)]
    )
    zeros = np.zeros((2 * smaller.shape[0] + 4, 2 * smaller.shape[1] + 4))
    zeros[::2, ::2] = 4 * np.pad(smaller, 1, mode="edge")
    level = np.array(
        [
            [plane[r, c] - np.sum(window * np.pad(zeros, 2)[r + 2 : r + 7, c + 2 : c + 7]) for c in range(cols)]
            for r in range(rows)
        ]
    )
    around = np.pad(np.abs(level), 2)
    weights = {(1, 0): 0.1011, (0, 1): 0.1493, (0, -1): 0.1460, (0, -2): 0.0072, (-1, 0): 0.1015}
    total = 0.0248 + sum(w * around[2 + i : 2 + i + rows, 2 + j : 2 + j + cols] for (i, j), w in weights.items())
    return level / total


@pytest.mark.parametrize(("rows", "cols"), [(32, 32), (32, 31 * 2)])
def test_flat_images_by_hand(rows, cols):
    """Only the last level holds anything: one value, or two in a row, that see each other to the left and right."""
    first, second = np.full((rows, cols), 51.0), np.full((rows, cols), 102.0)
    if cols == 32:
        expected = (0.4 - 0.2) / 0.2782 / 6
    else:
        z = [(y / (0.2782 + 0.2215 * y), y / (0.2782 + 0.0717 * y)) for y in (0.2, 0.4)]
        expected = np.sqrt(np.mean((np.array(z[1]) - np.array(z[0])) ** 2)) / 6
    assert nlpd(first, second, peak=255) == pytest.approx(expected, rel=1e-9)


@given(seed=st.integers(0, 99), rows=st.integers(32, 60), cols=st.integers(32, 60))
@settings(max_examples=8, deadline=None)
def test_zero_for_equal_images_and_symmetric(seed, rows, cols):
    first, second = _pair(seed, shape=(rows, cols, 2))
    assert nlpd(first, first) == 0
    assert nlpd(first, second) == nlpd(second, first)


@pytest.mark.parametrize(("size", "shape"), [(32, (70, 301, 1)), (64, (330, 90, 1)), (128, (257, 416, 1))])
def test_tiled_is_whole(size, shape):
    pair = _pair(1, shape=shape)
    with tiling(size=10**6):
        whole = nlpd(*pair)
    with tiling(size=size):
        assert nlpd(*pair) == pytest.approx(whole, rel=1e-10)


@given(seed=st.integers(0, 99), top=st.integers(0, 20), left=st.integers(0, 20))
@settings(max_examples=6, deadline=None)
def test_masked_is_cropped(seed, top, left):
    first, second = _pair(seed)
    mask = np.zeros(first.shape[:2], bool)
    mask[top : top + 45, left : left + 52] = True
    cropped = nlpd(first[top : top + 45, left : left + 52], second[top : top + 45, left : left + 52])
    spoilt = np.where(mask[..., None], second, 255)
    assert nlpd(first, spoilt, mask=mask) == pytest.approx(cropped, rel=1e-10)
    assert nlpd(Scene(array=first, mask=mask), spoilt) == pytest.approx(cropped, rel=1e-10)


def test_what_lies_in_a_hole_does_not_matter():
    first, second = _pair()
    mask = np.ones(first.shape[:2], bool)
    mask[21:30, 21:30] = False
    spoilt = np.where(mask[..., None], second, 255).astype(np.uint8)
    assert nlpd(first, spoilt, mask=mask) == nlpd(first, second, mask=mask)
    assert nlpd(first, second, mask=mask) == pytest.approx(nlpd(first, second), rel=0.1)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_units_do_not_matter(dtype):
    first, second = _pair()
    score = nlpd(first, second)
    scaled = [(16 * a.astype(float)).astype(dtype) for a in (first, second)]
    assert nlpd(*scaled, peak=4080) == pytest.approx(score, rel=1e-10)


def test_float32_is_float64_at_an_offset():
    first, second = (a.astype(np.float32) + np.float32(50_000) for a in _pair())
    single = nlpd(first, second, peak=65535)
    assert single == pytest.approx(nlpd(first.astype(float), second.astype(float), peak=65535), rel=1e-12)


def test_bands():
    first, second = _pair(shape=(40, 40, 3))
    each = [nlpd(first[..., k], second[..., k]) for k in range(3)]
    assert nlpd(first, second) == pytest.approx(np.mean(each), rel=1e-12)
    luma = [a @ np.array([0.299, 0.587, 0.114]) for a in (first, second)]
    assert nlpd(first, second, bands="luma") == pytest.approx(nlpd(*luma, peak=255), rel=1e-10)


def test_more_noise_is_worse():
    scores = [nlpd(*_pair(noise=noise)) for noise in (2, 5, 10, 20)]
    assert scores == sorted(scores)


@pytest.mark.parametrize(
    ("first", "second", "options", "message"),
    [
        (np.zeros((40, 40)), np.zeros((40, 41)), {"peak": 1}, "Crop or resample"),
        (np.zeros((40, 40)), np.zeros((40, 40)), {}, "peak=4095"),
        (np.full((40, 40), 2), np.zeros((40, 40)), {"peak": 1}, "above its peak"),
        (np.full((40, 40), np.nan), np.zeros((40, 40)), {"peak": 1}, "NaN or infinite"),
        (np.zeros((40, 40), complex), np.zeros((40, 40)), {"peak": 1}, "real part"),
        (np.zeros((40, 40)), np.zeros((40, 40)), {"peak": 1, "mask": np.zeros((40, 40), bool)}, "no valid pixel"),
        (np.zeros((31, 40)), np.zeros((31, 40)), {"peak": 1}, "no valid rectangle of 32 × 32"),
        (np.zeros((40, 40)), np.zeros((40, 40)), {"peak": 1, "bands": "luma"}, "needs red, green and blue"),
    ],
)
def test_what_is_refused(first, second, options, message):
    with pytest.raises(ImageError, match=message):
        nlpd(first, second, **options)


def test_a_hole_over_all_of_the_last_level_is_refused():
    mask = np.ones((40, 40), bool)
    mask[::32, ::32] = False
    with pytest.raises(ImageError, match="no valid pixel at the corners of blocks of 32 × 32"):
        nlpd(np.zeros((40, 40)), np.zeros((40, 40)), peak=1, mask=mask)


@pytest.mark.parametrize("shape", [(32, 33), (35, 40)])
def test_finest_level_agrees_with_the_paper_pixel_by_pixel(shape):
    from orbiq.metrics.laplacian_distance import _normalised

    plane = _pair(4, shape=shape)[0] / 255
    assert _normalised(plane)[0] == pytest.approx(_plain_level(plane), abs=1e-12)


@pytest.mark.parametrize(("name", "expected"), [("I03", 0.561610096893874), ("I04", 0.019534798560102)])
def test_golden(test_data, name, expected):
    """The authors' values are of grey images as MATLAB's rgb2gray makes them, rounded."""
    folder = test_data / "iqa-golden" / "iqa-pytorch"
    colour = [cv2.imread(str(folder / kind / f"{name}.bmp"))[..., ::-1] for kind in ("ref_dir", "dist_dir")]
    weights = np.array([0.298936021293776, 0.587043074451121, 0.114020904255103])
    grey = [np.floor(image @ weights + 0.5).astype(np.uint8) for image in colour]
    assert nlpd(*grey) == pytest.approx(expected, abs=1e-12)
