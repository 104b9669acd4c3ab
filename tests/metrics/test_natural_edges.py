"""Edges of a whole image: on scenes whose blur is known in closed form."""

from math import erf, inf, nan, pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from orbiq.arrays import Scene
from orbiq.errors import ImageError, SettingError
from orbiq.metrics.edge_boundaries import boundaries
from orbiq.metrics.edge_kernel import EDGE
from orbiq.metrics.natural_edges import SPECS, edges
from orbiq.metrics.single_edge import slanted_edge
from orbiq.tiles import tiling

BLOCK = 64


def patches(sigma, *, rows=6, cols=8, snr=inf, soft=0.0, seed=0):
    """One step a block of 64 × 64, at any angle, seen through a Gaussian of `sigma` (or along x and y), blocks side by
    side: their seams lie on the pixel grid and are no edges to measure. A share `soft` of the steps is soft by itself.
    """
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(BLOCK) - BLOCK / 2 + 0.3, np.arange(BLOCK) - BLOCK / 2 + 0.1)
    along_x, along_y = np.broadcast_to(sigma, 2)
    lines = []
    for _ in range(rows):
        line = []
        for _ in range(cols):
            angle, low, high = rng.uniform(0, 2 * pi), rng.uniform(30, 90), rng.uniform(130, 220)
            spread = np.hypot(along_x * np.cos(angle), along_y * np.sin(angle))
            spread = np.hypot(spread, rng.uniform(0.5, 2.5) if rng.random() < soft else 0)
            line.append(low + (high - low) * ndtr((x * np.cos(angle) + y * np.sin(angle)) / spread))
        lines.append(np.hstack(line))
    image = np.vstack(lines)
    return image + rng.normal(size=image.shape) * (0 if snr == inf else 100 / snr)


def rer_of(sigma):
    return erf(0.5 / (sigma * 2**0.5))


# known answers


@pytest.mark.parametrize("sigma", [0.5, 0.9, 1.5])
def test_a_gaussian_blur_gives_its_closed_forms(sigma):
    found = edges(patches(sigma))
    assert found.rer == pytest.approx(rer_of(sigma), rel=0.002)
    assert found.fwhm_px == pytest.approx(2.354820045 * sigma, rel=0.004)
    assert found.mtf_nyquist == pytest.approx(np.exp(-((pi * sigma) ** 2) / 2), abs=0.002)
    assert found.mtf_half_nyquist == pytest.approx(np.exp(-((pi * sigma) ** 2) / 8), abs=0.002)
    assert found.n_edges >= 30


def test_the_curve_is_one_at_zero_and_meets_the_scores():
    found = edges(patches(0.7, snr=60))
    assert found.mtf(np.array([0.0, 0.25, 0.5])) == pytest.approx([1, found.mtf_half_nyquist, found.mtf_nyquist])


@pytest.mark.parametrize(("sigma", "snr", "dtype"), [(0.5, 60, np.uint8), (0.8, 30, np.uint8), (1.3, 100, np.uint16)])
def test_noise_and_whole_numbers_leave_it_within_its_interval(sigma, snr, dtype):
    values = patches(sigma, snr=snr, seed=1) * (1 if dtype == np.uint8 else 50)
    found = edges(np.clip(np.rint(values), 0, np.iinfo(dtype).max).astype(dtype))
    assert found.rer == pytest.approx(rer_of(sigma), rel=0.02)
    assert found.rer_interval[0] < rer_of(sigma) < found.rer_interval[1]


def test_soft_boundaries_do_not_count():
    found = edges(patches(0.7, rows=8, snr=100, soft=0.5, seed=2))
    assert found.rer == pytest.approx(rer_of(0.7), rel=0.01)
    assert len(found.left_out) > 10
    assert np.median([edge.rer for edge in found.left_out]) < 0.8 * rer_of(0.7)


def test_directions_are_told_apart_and_the_whole_is_their_mean():
    found = edges(patches((0.6, 0.9), rows=12, cols=16, snr=100, seed=3))
    assert found.x.rer == pytest.approx(rer_of(0.6), rel=0.03)
    assert found.y.rer == pytest.approx(rer_of(0.9), rel=0.03)
    assert found.rer == pytest.approx(rer_of((0.6 * 0.9) ** 0.5), rel=0.03)
    assert found.rer_geometric == pytest.approx((found.x.rer * found.y.rer) ** 0.5)
    assert found.x.n_edges + found.y.n_edges + found.other.n_edges == found.n_edges


def test_each_edge_lies_where_its_block_has_it():
    found = edges(patches(0.8))
    for edge in found.edges:
        normal = np.deg2rad(edge.normal_deg)
        x, y = (np.array([edge.col, edge.row]) % BLOCK) - BLOCK / 2 + (0.3, 0.1)
        assert abs(x * np.cos(normal) + y * np.sin(normal)) < 0.02


# laws


def test_tiles_change_nothing():
    image = patches(0.8, snr=50, seed=4)
    with tiling(size=48, threads=2):
        tiled = edges(image)
    with tiling(size=10**6, threads=1):
        assert tiled == edges(image)


def test_masked_is_cropped():
    image = patches(0.8, cols=10, snr=50, seed=5)
    mask = np.zeros(image.shape, bool)
    mask[:300, 256:600] = True
    spoilt = np.where(mask, image, nan)
    cropped = edges(image[:300, 256:600])
    assert edges(spoilt, mask=mask).scores() == cropped.scores()
    assert edges(Scene(array=spoilt[..., None], mask=mask)).scores() == cropped.scores()


@settings(deadline=None, max_examples=8)
@given(gain=st.floats(1e-3, 1e3), offset=st.floats(-1e4, 1e4))
def test_gain_and_offset_change_nothing(gain, offset):
    image = patches(0.8, rows=3, cols=5, snr=50, seed=6)
    found, other = edges(image), edges(gain * image + offset)
    assert other.n_edges == found.n_edges
    assert other.rer == pytest.approx(found.rer, rel=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_the_kind_of_number_changes_nothing(dtype):
    image = np.rint(patches(0.8, rows=3, cols=5, snr=50, seed=7))
    assert edges(image.astype(dtype), peak=400).scores() == edges(image, peak=400).scores()


def test_a_large_offset_in_float32_changes_nothing():
    image = (patches(0.8, rows=3, cols=5, snr=50, seed=8) + 50000).astype(np.float32)
    assert edges(image).scores() == edges(image.astype(np.float64)).scores()


def test_one_band_may_have_an_axis_of_its_own():
    image = patches(0.8, rows=3, cols=5, snr=50)
    assert edges(image[..., None]) == edges(image)


def test_bands_are_averaged():
    bands = [patches(sigma, snr=100, seed=9) for sigma in (0.7, 1.0)]
    found = edges(np.stack(bands, axis=-1))
    single = [edges(band) for band in bands]
    assert found.rer == pytest.approx(np.mean([one.rer for one in single]))
    assert [one.rer for one in found.per_band] == [one.rer for one in single]
    assert found.n_edges == len(found.edges) == sum(one.n_edges for one in single)
    assert {edge.band for edge in found.edges} == {0, 1}
    assert found.mtf(0.5) == pytest.approx(found.mtf_nyquist)


def test_a_quarter_turn_swaps_x_and_y():
    image = patches((0.6, 0.9), rows=8, cols=12, snr=100, seed=10)
    found, turned = edges(image), edges(image.T)
    assert turned.x.rer == pytest.approx(found.y.rer, rel=0.03)
    assert turned.y.rer == pytest.approx(found.x.rer, rel=0.03)


def test_more_blur_lowers_rer():
    values = [edges(patches(sigma, snr=60, rows=4, seed=11)).rer for sigma in (0.5, 0.7, 1.0, 1.4, 2.0)]
    assert values == sorted(values, reverse=True)


def test_clipped_plateaus_are_no_edges():
    noisy = patches(0.8, snr=30, seed=12)
    clipped = edges(np.minimum(noisy, 120))  # no bright level is below 130
    assert clipped.n_edges <= 2
    assert edges(noisy, peak=120).n_edges <= 2
    assert edges(noisy).n_edges > 30


# agreement


def test_each_edge_agrees_with_slanted_edge_on_its_block():
    image = patches(0.8, snr=50, seed=13)
    checked = 0
    for edge in edges(image).edges:
        top, left = (int(k // BLOCK) * BLOCK for k in (edge.row, edge.col))
        roi = image[top + 12 : top + 52, left + 12 : left + 52]
        alone = slanted_edge(roi)
        error = (edge.rer_interval[1] - edge.rer_interval[0]) / 2
        checked += abs(alone.rer - edge.rer) < 1.3 * error
    assert checked >= 0.9 * edges(image).n_edges


def test_scores_are_those_that_the_catalogue_lists():
    scores = edges(patches(0.8, rows=3, cols=5)).scores()
    assert list(scores) == [spec.name for spec in SPECS["edges"].scores]
    for name in ("rer", "fwhm", "mtf"):
        assert {spec.name for spec in SPECS[name].scores} <= set(scores)
    known = [estimate for estimate in scores.values() if not np.isnan(estimate.low)]
    assert all(estimate.low <= estimate.value <= estimate.high for estimate in known)
    assert all(estimate.reason for estimate in scores.values() if np.isnan(estimate.value))


# what cannot be measured


@pytest.mark.parametrize("image", [np.full((80, 90), 7, np.uint8), np.zeros((5, 5)), np.zeros((1, 1))])
def test_no_edge_is_no_number(image):
    scores = edges(image).scores()
    assert np.isnan(scores["rer"].value)
    assert scores["rer"].reason == "no edge fit to be measured; at least 5 are needed"
    assert scores["n_edges"].value == 0


def test_noise_has_no_edges():
    noise = np.random.default_rng(0).normal(100, 10, (256, 256))
    assert "fit to be measured; at least 5 are needed" in edges(noise).reason


def lined():
    """Beside every block's step runs a line of 1.5 px, darker or brighter; all seen through a Gaussian of 0.8 px."""
    rng = np.random.default_rng(3)
    x, y = np.meshgrid(np.arange(BLOCK) - BLOCK / 2 + 0.3, np.arange(BLOCK) - BLOCK / 2 + 0.1)
    blocks = []
    for _ in range(48):
        angle, low, line = rng.uniform(0, 2 * pi), rng.uniform(30, 60), rng.uniform(-0.5, 1)
        across = x * np.cos(angle) + y * np.sin(angle)
        kerb = ndtr(across / 0.8) - ndtr((across - 1.5) / 0.8)
        blocks.append(low + 80 * (ndtr(across / 0.8) + line * kerb))
    image = np.vstack([np.hstack(blocks[8 * k : 8 * k + 8]) for k in range(6)])
    return image + rng.normal(size=image.shape) * 2.5


def test_where_a_line_runs_along_every_edge_the_result_carries_a_caution():
    found = edges(lined())
    assert "disagree" in found.caution
    assert all(estimate.caution for name, estimate in found.scores().items() if name == "rer")
    low, high = found.rer_interval
    assert low < rer_of(0.8) < high
    assert edges(patches(0.8, snr=60)).caution == ""


def test_edges_of_one_straight_boundary_are_one_witness():
    fits = np.zeros(6, EDGE)
    along = np.arange(3) * 60.0
    fits["row"][:3], fits["col"][:3], fits["normal_deg"][:3] = along, 100 + 0.2 * along, np.degrees(np.arctan(-0.2))
    fits["row"][3:], fits["col"][3:] = [0, 60, 120], [107, 119, 131]  # a parallel one, 7 px away
    fits["normal_deg"][3:] = fits["normal_deg"][0]
    fits["normal_deg"][5] += 180  # dark where the others are bright
    first, second = boundaries(fits)[:3], boundaries(fits)[3:]
    assert len(set(first)) == 1
    assert second[0] == second[1] != second[2]
    assert set(first).isdisjoint(second)
    assert boundaries(fits[:0]).size == 0


def test_few_edges_are_no_number():
    few = edges(patches(0.8, rows=1, cols=2), least_edges=30)
    assert few.n_edges == len(few.edges) > 0
    assert few.reason.startswith("only ")
    assert few.reason.endswith(" edges fit to be measured; at least 30 are needed")
    assert np.isnan([few.rer, few.fwhm_px, few.mtf_nyquist, *few.rer_interval]).all()
    assert np.isnan(few.mtf([0.1, 0.2])).all()


@pytest.mark.parametrize(
    ("image", "options", "error", "words"),
    [
        (np.zeros((40, 40), complex), {}, ImageError, "holds complex128; expected real numbers"),
        (np.full((40, 40), nan), {}, ImageError, "NaN or infinite"),
        (np.zeros((40, 40)), {"mask": np.zeros((40, 40), bool)}, ImageError, "no valid pixel"),
        (np.zeros((40, 40)), {"mask": np.ones((40, 41), bool)}, ImageError, "mask is bool"),
        (np.zeros((40, 40)), {"peak": -1}, ImageError, "peak is -1; expected a finite number > 0"),
        (np.zeros((40, 40)), {"least_edges": 2}, SettingError, "least_edges is 2; expected at least 3"),
    ],
)
def test_unfit_input_is_refused(image, options, error, words):
    with pytest.raises(error, match=words):
        edges(image, **options)
