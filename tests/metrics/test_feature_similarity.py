"""FSIM and FSIMc: laws, the paper in plain NumPy, and values of the authors' MATLAB."""

import cv2
import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve2d

from orbiq.arrays import Scene
from orbiq.errors import ImageError
from orbiq.metrics.feature_similarity import fsim, fsimc
from orbiq.metrics.phase import phase_congruency
from orbiq.tiles import tiling


def _pair(seed=0, *, shape=(60, 71, 3), noise=15):
    rng = np.random.default_rng(seed)
    image = np.cumsum(rng.normal(0, 10, shape), axis=1) + 120
    return tuple(np.clip(np.rint(a), 0, 255).astype(np.uint8) for a in (image, image + rng.normal(0, noise, shape)))


def _same(plane, kernel):
    full = convolve2d(plane, kernel)
    top, left = kernel.shape[0] // 2, kernel.shape[1] // 2
    return full[top : top + plane.shape[0], left : left + plane.shape[1]]


def _plain_phase(image):
    """Phase congruency as the papers write it: every filter's response and impulse response by itself."""
    rows, cols = image.shape
    axes = [np.arange(-(n // 2), (n + 1) // 2) / (n - n % 2) for n in (rows, cols)]
    down, right = np.meshgrid(*axes, indexing="ij")
    radius, angle = np.fft.ifftshift(np.hypot(down, right)), np.fft.ifftshift(np.arctan2(-down, right))
    low_pass = 1 / (1 + (radius / 0.45) ** 30)
    radius[0, 0] = 1
    spectrum = np.fft.fft2(image)
    energies, amplitudes = np.zeros((2, rows, cols))
    for theta in np.arange(4) * np.pi / 4:
        turned = np.abs(np.arctan2(np.sin(angle - theta), np.cos(angle - theta)))
        filters = []
        for wavelength in (6, 12, 24, 48):
            log_gabor = np.exp(-(np.log(radius * wavelength) ** 2) / (2 * np.log(0.55) ** 2)) * low_pass
            log_gabor[0, 0] = 0
            filters.append(log_gabor * np.exp(-(turned**2) / (2 * (np.pi / 4 / 1.2) ** 2)))
        responses = [np.fft.ifft2(spectrum * f) for f in filters]
        impulses = [np.fft.ifft2(f).real * np.sqrt(rows * cols) for f in filters]
        total = sum(responses)
        mean = total / (np.abs(total) + 1e-4)
        energy = sum((r * mean.conj()).real - np.abs((r * mean.conj()).imag) for r in responses)
        power = np.median(np.abs(responses[0]) ** 2) / np.log(2) / np.sum(filters[0] ** 2)
        squares = sum(np.sum(h**2) for h in impulses)
        products = sum(np.sum(impulses[i] * impulses[j]) for i in range(4) for j in range(i + 1, 4))
        tau = np.sqrt((2 * power * squares + 4 * power * products) / 2)
        noise = (tau * np.sqrt(np.pi / 2) + 2 * np.sqrt((2 - np.pi / 2) * tau**2)) / 1.7
        energies += np.maximum(energy - noise, 0)
        amplitudes += sum(np.abs(r) for r in responses)
    return energies / amplitudes


def _plain(first, second):
    """(FSIM of luma, FSIMc) from the paper, of red, green and blue on a scale of 255."""
    yiq = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    factor = max(1, int(min(first.shape[:2]) / 256 + 0.5))
    box = np.full((factor, factor), 1 / factor**2)
    (y1, i1, q1), (y2, i2, q2) = (
        [_same(plane, box)[::factor, ::factor] for plane in np.moveaxis(image @ yiq.T, 2, 0)]
        for image in (first, second)
    )
    alike = lambda a, b, constant: (2 * a * b + constant) / (a**2 + b**2 + constant)  # noqa: E731
    scharr = np.array([[3, 0, -3], [10, 0, -10], [3, 0, -3]]) / 16
    gradients = [np.hypot(_same(y, scharr), _same(y, scharr.T)) for y in (y1, y2)]
    phases = [_plain_phase(y) for y in (y1, y2)]
    similarity, weights = alike(*phases, 0.85) * alike(*gradients, 160), np.maximum(*phases)
    chroma = ((alike(i1, i2, 200) * alike(q1, q2, 200)).astype(complex) ** 0.03).real
    return (similarity * weights).sum() / weights.sum(), (similarity * chroma * weights).sum() / weights.sum()


def test_phase_congruency_does_not_see_contrast():
    image = _pair()[0][..., 0].astype(float)
    assert phase_congruency(8 * image) == pytest.approx(phase_congruency(image), abs=1e-4)
    assert phase_congruency(image + 1000) == pytest.approx(phase_congruency(image), abs=1e-9)


def test_phases_agree_at_an_edge():
    edge = np.zeros((64, 64))
    edge[:, 16:48] = 1
    congruency = phase_congruency(100 * edge)[32]
    edges = [15, 16, 47, 48]
    assert congruency[edges].min() > np.delete(congruency, edges).max()


@given(seed=st.integers(0, 99), rows=st.integers(20, 50), cols=st.integers(20, 50))
@settings(max_examples=8, deadline=None)
def test_one_for_equal_images_and_symmetric(seed, rows, cols):
    first, second = _pair(seed, shape=(rows, cols, 3))
    assert fsim(first, first) == 1
    assert fsimc(first, first) == pytest.approx(1, abs=1e-12)
    assert fsim(first, second) == pytest.approx(fsim(second, first), rel=1e-12)
    assert fsimc(first, second) == pytest.approx(fsimc(second, first), rel=1e-12)


@pytest.mark.parametrize("shape", [(390, 400, 3), (641, 650, 1)])
def test_tiled_is_whole(shape):
    """At viewing distance by factors of 2 and 3."""
    pair = _pair(1, shape=shape)
    with tiling(size=10**6):
        whole = fsim(*pair)
    with tiling(size=97):
        assert fsim(*pair) == pytest.approx(whole, rel=1e-10)


@given(seed=st.integers(0, 99), top=st.integers(0, 20), left=st.integers(0, 20))
@settings(max_examples=8, deadline=None)
def test_masked_is_cropped(seed, top, left):
    first, second = _pair(seed)
    mask = np.zeros(first.shape[:2], bool)
    mask[top : top + 31, left : left + 36] = True
    part = first[top : top + 31, left : left + 36], second[top : top + 31, left : left + 36]
    spoilt = np.where(mask[..., None], second, 255)
    assert fsim(first, spoilt, mask=mask) == pytest.approx(fsim(*part), rel=1e-10)
    assert fsimc(Scene(array=first, mask=mask), spoilt) == pytest.approx(fsimc(*part), rel=1e-10)


def test_masked_is_cropped_where_the_image_is_made_smaller():
    first, second = _pair(2, shape=(700, 700, 1))
    mask = np.zeros(first.shape[:2], bool)
    mask[13:673, 27:690] = True
    assert fsim(first, second, mask=mask) == pytest.approx(
        fsim(first[13:673, 27:690], second[13:673, 27:690]), rel=1e-10
    )


def test_what_lies_in_a_hole_does_not_matter():
    first, second = _pair()
    mask = np.ones(first.shape[:2], bool)
    mask[20:30, 20:30] = False
    spoilt = np.where(mask[..., None], second, 255).astype(np.uint8)
    masked = fsim(first, second, mask=mask)
    assert fsim(first, spoilt, mask=mask) == masked
    assert masked == pytest.approx(fsim(first, second), abs=0.05)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_units_do_not_matter(dtype):
    first, second = _pair()
    score = fsim(first, second), fsimc(first, second)
    scaled = [(16 * a.astype(float)).astype(dtype) for a in (first, second)]
    assert (fsim(*scaled, peak=4080), fsimc(*scaled, peak=4080)) == pytest.approx(score, rel=1e-10)


def test_float32_is_float64_at_an_offset():
    first, second = (a.astype(np.float32) + np.float32(50_000) for a in _pair())
    single, double = fsim(first, second, peak=65535), fsim(first.astype(float), second.astype(float), peak=65535)
    assert single == pytest.approx(double, rel=1e-12)


def test_bands():
    first, second = _pair()
    each = [fsim(first[..., k], second[..., k]) for k in range(3)]
    assert fsim(first, second) == pytest.approx(np.mean(each), rel=1e-12)
    grey = [np.repeat(a[..., :1], 3, axis=2) for a in (first, second)]
    assert fsim(*grey, bands="luma") == pytest.approx(each[0], rel=1e-10)
    assert fsimc(*grey) == pytest.approx(each[0], rel=1e-10)


def test_opposite_colours_are_worse():
    first, second = _pair()
    assert fsimc(first, second[..., ::-1]) < fsimc(first, second)
    assert fsimc(first, 255 - first) < 1


@pytest.mark.parametrize("metric", [fsim, fsimc])
def test_more_noise_is_worse(metric):
    scores = [metric(*_pair(noise=noise)) for noise in (2, 5, 10, 20)]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("first", "second", "options", "message"),
    [
        (np.zeros((8, 8)), np.zeros((8, 9)), {"peak": 1}, "Crop or resample"),
        (np.zeros((8, 8)), np.zeros((8, 8)), {}, "peak=4095"),
        (np.full((8, 8), 2), np.zeros((8, 8)), {"peak": 1}, "above its peak"),
        (np.full((8, 8), np.nan), np.zeros((8, 8)), {"peak": 1}, "NaN or infinite"),
        (np.zeros((8, 8), complex), np.zeros((8, 8)), {"peak": 1}, "real part"),
        (np.zeros((8, 8)), np.zeros((8, 8)), {"peak": 1, "mask": np.zeros((8, 8), bool)}, "no valid pixel"),
        (np.eye(2), np.eye(2), {"peak": 1}, "no valid rectangle of 3 × 3"),
        (np.ones((8, 8)), np.zeros((8, 8)), {"peak": 1}, "nothing to compare"),
        (np.ones((901, 905)), np.zeros((901, 905)), {"peak": 1}, "nothing to compare"),
        (np.eye(8), np.eye(8), {"peak": 1, "bands": "luma"}, "needs red, green and blue"),
    ],
)
def test_what_is_refused(first, second, options, message):
    with pytest.raises(ImageError, match=message):
        fsim(first, second, **options)


def test_a_mask_that_leaves_no_whole_mean_is_named():
    image = np.random.default_rng(0).random((512, 512))
    with pytest.raises(ImageError, match="has no valid block of 2 × 2 pixels to measure"):
        fsim(image, image, peak=1, mask=np.indices(image.shape).sum(axis=0) % 2 == 0)


@pytest.mark.parametrize("bands", [1, 2, 4])
def test_colour_needs_three_bands(bands):
    with pytest.raises(ImageError, match=f"has {bands} bands? but fsimc needs red, green and blue"):
        fsimc(np.zeros((8, 8, bands)), np.zeros((8, 8, bands)), peak=1)


@pytest.mark.parametrize("shape", [(40, 41, 3), (390, 401, 3)])
def test_agrees_with_the_paper_in_plain_numpy(shape):
    first, second = _pair(3, shape=shape)
    found = fsim(first, second, bands="luma"), fsimc(first, second)
    assert found == pytest.approx(_plain(first.astype(float), second.astype(float)), rel=1e-9)


def test_synthetic_pair():
    """piq 0.8.0's value."""
    x, y = np.meshgrid(np.arange(256), np.arange(256))
    waves = 60 * np.sin(2 * np.pi * x / 37) + 40 * np.cos(2 * np.pi * y / 23) + 20 * np.sin(2 * np.pi * (x + y) / 11)
    first = np.round(127.5 + waves)
    second = np.clip(np.round(first + np.random.default_rng(42).normal(0, 10, first.shape)), 0, 255)
    assert fsim(first.astype(np.uint8), second.astype(np.uint8)) == pytest.approx(0.93726556, abs=1e-6)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_golden(test_data):
    folder = test_data / "iqa-golden" / "piq"
    grey = []
    for name in ("goldhill.gif", "goldhill_jpeg.gif"):
        with rasterio.open(folder / name) as source:
            grey.append(source.read(1))
    assert fsim(*grey) == pytest.approx(0.89691, abs=1e-5)
    colour = [cv2.imread(str(folder / name))[..., ::-1] for name in ("I01.BMP", "i01_01_5.bmp")]
    assert fsim(*colour, bands="luma") == pytest.approx(0.93674, abs=1e-5)
    assert fsimc(*colour) == pytest.approx(0.92587, abs=1e-5)
