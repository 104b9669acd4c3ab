"""Labels of the degradation regressors against orbiq's own modifiers and metrics."""

import numpy as np
import pytest
from scipy.special import ndtr

from orbiq.arrays import Scene
from orbiq.metrics.noise import snr
from orbiq.metrics.single_edge import slanted_edge
from orbiq.modifiers.base import MODIFIERS
from orbiq.predictors.degradation_labels import (
    GSD_SIGMA,
    PARAMETERS,
    Degradation,
    edge_response,
    noise_after_blur,
    noise_gain,
)
from orbiq.predictors.degradation_pieces import Base, Drawn, Source, base_of, degraded_by, piece_of, shrunk
from orbiq.registry import build

RNG = np.random.default_rng(0)


def _edge(sigma_px: float, n: int = 96) -> np.ndarray:
    """A slanted step of 100 DN through a Gaussian."""
    rows, cols = np.mgrid[:n, :n] - (n - 1) / 2
    return 70 + 100 * ndtr((cols * np.cos(0.1) + rows * np.sin(0.1)) / sigma_px)


def _after(plane: np.ndarray, *steps: dict) -> np.ndarray:
    """A plane of floats after modifiers by their settings."""
    scene = Scene(array=plane[..., None].astype(float), peak=255.0)
    for step in steps:
        scene = build(MODIFIERS, step)(scene, rng=RNG).scene
    return scene.array[..., 0]


@pytest.mark.parametrize(("sigma_px", "added_px"), [(0.5, 0.8), (0.5, 2.0), (0.8, 3.0), (1.2, 1.0)])
def test_blurs_add_in_squares_as_the_edge_shows(sigma_px, added_px):
    blurred = _after(_edge(sigma_px), {"name": "gaussian-blur", "sigma_px": added_px})
    told = Degradation(sigma_px=np.hypot(sigma_px, added_px)).labels()
    assert slanted_edge(blurred).rer == pytest.approx(told["rer"], rel=0.005)


def _counted_rer(plane: np.ndarray) -> float:
    """Of an `_edge`: the mean of the pixels half a pixel to one side, less those to the other, over its step."""
    rows, cols = np.mgrid[: len(plane), : len(plane)] - (len(plane) - 1) / 2
    distance = cols * np.cos(0.1) + rows * np.sin(0.1)
    inner = np.abs(rows) < len(plane) / 2 - 8
    sides = (plane[inner & (np.abs(distance - side) < 0.1)].mean() for side in (0.5, -0.5))
    return float(next(sides) - next(sides)) / 100


@pytest.mark.parametrize("amount", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("sigma_px", [0.6, 1.0, 2.0])
def test_sharpening_raises_rer_as_the_edge_shows(sigma_px, amount):
    sharpened = _after(_edge(sigma_px), {"name": "sharpen", "amount": amount})
    told = edge_response(sigma_px, sharpening=amount)
    assert _counted_rer(sharpened) == pytest.approx(told, rel=0.02)
    if told < 0.6:  # of a stronger overshoot `slanted_edge` has no model
        assert slanted_edge(sharpened).rer == pytest.approx(told, rel=0.03)


@pytest.mark.parametrize("scale", [1.3, 1.6, 2.0])
@pytest.mark.parametrize("sigma_px", [0.5, 1.0])
def test_a_coarser_grid_blurs_as_the_edge_shows(sigma_px, scale):
    coarser = _after(_edge(sigma_px), {"name": "gsd", "factor": scale, "back": True})
    told = Degradation(sigma_px=sigma_px, gsd_scale=scale).labels()
    assert told["blur"] == pytest.approx(np.hypot(sigma_px, GSD_SIGMA * scale))
    assert _counted_rer(coarser) == pytest.approx(told["rer"], rel=0.02)


@pytest.mark.parametrize(("scale", "amount"), [(1.0, 0.0), (1.0, 1.3), (1.25, 0.0), (1.7, 0.8), (2.0, 2.0)])
def test_noise_after_grid_and_sharpening_is_that_of_the_pixels(scale, amount):
    noise = np.random.default_rng(1).normal(100, 5, (384, 384))
    steps = [{"name": "gsd", "factor": scale, "back": True}] if scale > 1 else []
    changed = _after(noise, *steps, {"name": "sharpen", "amount": amount})
    told = Degradation(sigma_px=1.0, early_dn=5.0, gsd_scale=scale, sharpening=amount).labels()
    assert changed.std() == pytest.approx(told["noise"], rel=0.02)
    assert noise_gain(sharpening=amount, gsd_scale=scale) == pytest.approx(told["noise"] / 5)


def test_noise_is_what_snr_measures():
    flat = Scene(array=np.full((256, 256, 1), 100, np.uint8))
    noisy = build(MODIFIERS, {"name": "gaussian-noise", "sigma_dn": 4.0})(flat, rng=RNG).scene
    sharpened = build(MODIFIERS, {"name": "sharpen", "amount": 1.0})(noisy, rng=RNG).scene
    measured = snr(noisy.array, method="homogeneous-patches").snr
    assert measured == pytest.approx(100 / Degradation(sigma_px=1.0, early_dn=4.0).labels()["noise"], rel=0.02)
    told = Degradation(sigma_px=1.0, early_dn=4.0, sharpening=1.0).labels()
    assert sharpened.array.std() == pytest.approx(told["noise"], rel=0.02)  # patches take it for structure


@pytest.mark.parametrize("sigma_px", [0.7, 1.5, 3.0])
def test_blur_leaves_as_much_of_white_noise_as_is_said(sigma_px):
    noise = np.random.default_rng(2).normal(0, 5, (512, 512))
    blurred = _after(noise, {"name": "gaussian-blur", "sigma_px": sigma_px})
    assert blurred.std() == pytest.approx(noise_after_blur(5.0, sigma_px), rel=0.05)


@pytest.mark.parametrize("factor", [1.8, 2.5, 3.0])
def test_a_shrunk_edge_has_the_blur_that_is_said(factor):
    small = shrunk(_edge(1.2, 256), factor, blur_px=1.0)
    assert slanted_edge(small).rer == pytest.approx(edge_response(np.hypot(1.2, 1.0) / factor), rel=0.01)


def test_pieces_are_degraded_as_the_modifiers_do():
    plane = np.random.default_rng(3).uniform(50, 200, (120, 120)).astype(np.float32)
    drawn = Drawn(blur_px=1.1, gsd_scale=1.5, sharpening=0.7)
    made, degradation = degraded_by(drawn, plane, 0.4, 1.0, np.random.default_rng(0))
    steps = ({"name": "gaussian-blur", "sigma_px": 1.1}, {"name": "gsd", "factor": 1.5, "back": True})
    assert made == pytest.approx(_after(plane, *steps, {"name": "sharpen", "amount": 0.7}), abs=2e-3)
    assert degradation.sigma_px == pytest.approx(np.hypot(1.1, 0.4))
    assert degradation.early_dn == pytest.approx(noise_after_blur(1.0, 1.1))


def test_noise_of_a_piece_is_its_label():
    flat = np.full((250, 250), 90, np.float32)
    for early, late, amount in ((3.0, 0.0, 0.0), (0.0, 6.0, 0.0), (2.0, 0.0, 1.5), (2.0, 5.0, 1.0)):
        drawn = Drawn(early_dn=early, late_dn=late, sharpening=amount)
        made, degradation = degraded_by(drawn, flat, 0.5, 0.0, np.random.default_rng(4))
        assert made.std() == pytest.approx(degradation.labels()["noise"], rel=0.03)


def test_pieces_are_within_range_and_repeat():
    image = np.random.default_rng(5).uniform(0, 255, (500, 400)).astype(np.float32)
    source = Source(read=lambda _: image, sigma_px=1.0, noise_dn=0.0)
    made = []
    for _ in range(2):
        rng = np.random.default_rng(6)
        base = base_of(source, piece_px=114, rng=rng)
        made.append(piece_of(base, piece_px=114, rng=rng))
    pixels, places = made[0]
    assert pixels.shape == (114, 114)
    assert 0 <= pixels.min() <= pixels.max() <= 255
    assert places.shape == (len(PARAMETERS),)
    assert ((places >= 0) & (places <= 1)).all()
    assert np.array_equal(pixels, made[1][0])
    assert np.array_equal(places, made[1][1])


def test_the_noise_of_a_source_as_it_is_is_no_label_unless_it_drowns():
    plane = np.full((200, 200), 90, np.float32)
    base = Base(plane=plane, sigma_px=1.0, noise_dn=1.0, quiet=False)
    quiet = Base(plane=plane, sigma_px=1.0, noise_dn=1.0)
    noise = list(PARAMETERS).index("noise")
    for seed in range(20):
        _, places = piece_of(base, piece_px=50, rng=np.random.default_rng(seed))
        assert np.isnan(places[noise]) or PARAMETERS["noise"].value(places[noise]) > 0.5
        assert np.isfinite(np.delete(places, noise)).all()
        assert np.isfinite(piece_of(quiet, piece_px=50, rng=np.random.default_rng(seed))[1]).all()


def test_ranges_and_intervals():
    for parameter in PARAMETERS.values():
        values = np.linspace(parameter.low, parameter.high, 50)
        assert parameter.value(parameter.place(values)) == pytest.approx(values)
        numbers = parameter.interval(values)
        assert (numbers[0], numbers[-1]) == (0, parameter.n - 1)
        assert (np.diff(numbers) >= 0).all()
