"""One slanted edge: known answers in closed form, laws, agreement with SciPy's fit, the file of known width, refusals."""

import math

import numpy as np
import pytest
import tifffile
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares
from scipy.special import erf, ndtr

from orbiq.errors import ImageError, SettingError
from orbiq.metrics.single_edge import slanted_edge

FREQUENCIES = np.linspace(0, 0.5, 11)


def distance(*, angle_deg, shape=(32, 36), offset=0.3, flip=False, bend=0.0):
    """Signed distance of pixel centres to a line through the middle (near enough to a curve, for a small bend)."""
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(float)
    rows, cols = rows - (shape[0] - 1) / 2, cols - (shape[1] - 1) / 2
    a = math.radians(angle_deg)
    u, v = cols * math.cos(a) + rows * math.sin(a), rows * math.cos(a) - cols * math.sin(a)
    x = u - offset - bend * v**2
    return -x if flip else x


def step(x, sigma, box=0.0):
    """A step through Gaussian and box, from its closed form."""
    if not box:
        return ndtr(x / sigma)

    def integral(t):
        return t * ndtr(t / sigma) + sigma * np.exp(-((t / sigma) ** 2) / 2) / math.sqrt(2 * math.pi)

    return (integral(x + box / 2) - integral(x - box / 2)) / box


def edge_image(sigma=0.7, box=0.0, *, low=0.2, high=0.7, noise=0.0, seed=0, **where):
    image = low + (high - low) * step(distance(**{"angle_deg": 6.0, **where}), sigma, box)
    return image + np.random.default_rng(seed).normal(0, 1, image.shape) * noise


# known answers


@pytest.mark.parametrize("angle", [5.0, -12.0, 80.0, -86.0, 33.0])
@pytest.mark.parametrize("sigma", [0.4, 0.8, 2.0])
def test_a_gaussian_edge_has_its_closed_forms(sigma, angle):
    edge = slanted_edge(edge_image(sigma, angle_deg=angle))
    assert edge.rer == pytest.approx(erf(1 / (2 * math.sqrt(2) * sigma)), rel=1e-5)
    assert edge.fwhm_px == pytest.approx(2.354820045 * sigma, rel=1e-5)
    assert edge.mtf(FREQUENCIES) == pytest.approx(np.exp(-2 * (math.pi * sigma * FREQUENCIES) ** 2), abs=1e-6)
    assert edge.angle_deg == pytest.approx(angle, abs=1e-4)
    assert edge.contrast == pytest.approx(0.5, rel=1e-6)
    assert edge.flags == ()


@pytest.mark.parametrize("sigma", [0.4, 1.0])
def test_a_boxed_edge_has_the_box_s_transfer_function(sigma):
    edge = slanted_edge(edge_image(sigma, 1.0))
    expected = np.sinc(FREQUENCIES) * np.exp(-2 * (math.pi * sigma * FREQUENCIES) ** 2)
    assert edge.mtf(FREQUENCIES) == pytest.approx(expected, abs=1e-5)
    assert edge.rer == pytest.approx(float(np.diff(step(np.array([-0.5, 0.5]), sigma, 1.0))[0]), rel=1e-5)
    assert edge.box_px == 1
    assert edge.sigma_px == pytest.approx(sigma, rel=1e-5)


def test_a_box_of_another_width_is_found():
    edge = slanted_edge(edge_image(0.4, 1.3))
    assert edge.box_px == pytest.approx(1.3, rel=1e-3)
    assert edge.mtf_nyquist == pytest.approx(np.sinc(0.65) * math.exp(-2 * (math.pi * 0.2) ** 2), rel=1e-4)


def test_named_values_are_points_of_the_curve():
    edge = slanted_edge(edge_image(noise=0.01))
    assert edge.mtf(0.0) == pytest.approx(1)
    assert edge.mtf(0.5) == pytest.approx(edge.mtf_nyquist, rel=1e-9)
    assert edge.mtf(0.25) == pytest.approx(edge.mtf_half_nyquist, rel=1e-9)
    assert sum(shape.weight for shape in edge.shapes) == pytest.approx(1)


def test_along_a_row_the_response_is_wider_by_the_cosine():
    image = edge_image(0.9, angle_deg=14.0)
    across, row = slanted_edge(image), slanted_edge(image, along="row")
    assert row.fwhm_px == pytest.approx(across.fwhm_px / math.cos(math.radians(14)), rel=1e-6)
    assert row.mtf(0.3) == pytest.approx(across.mtf(0.3 / math.cos(math.radians(14))), rel=1e-6)
    assert row.mtf(0.5) == pytest.approx(row.mtf_nyquist, rel=1e-6)
    column = slanted_edge(image.T, along="column")
    assert column.fwhm_px == pytest.approx(row.fwhm_px, rel=1e-6)


@pytest.mark.parametrize(
    ("angle", "direction"), [(0.0, "x"), (14, "x"), (16, "other"), (74, "other"), (-76, "y"), (90, "y")]
)
def test_direction_is_that_of_the_response(angle, direction):
    assert slanted_edge(edge_image(1.0, angle_deg=angle)).direction == direction


def test_geometry_says_where_the_edge_lies():
    edge = slanted_edge(edge_image(0.8, angle_deg=10.0, bend=0.002, shape=(40, 40)))
    rows, cols = edge.points(9).T
    a = math.radians(10)
    u, v = (
        (cols - 19.5) * math.cos(a) + (rows - 19.5) * math.sin(a),
        (rows - 19.5) * math.cos(a) - (cols - 19.5) * math.sin(a),
    )
    assert u == pytest.approx(0.3 + 0.002 * v**2, abs=0.02)
    assert edge.length_px == pytest.approx(40.6, abs=1.5)
    assert "curved" in edge.flags
    assert edge.accepted


def test_the_normal_points_from_dark_to_bright():
    assert slanted_edge(edge_image(angle_deg=8.0)).normal_deg == pytest.approx(8, abs=1e-3)
    assert slanted_edge(edge_image(angle_deg=8.0, flip=True)).normal_deg == pytest.approx(-172, abs=1e-3)


def test_snr_is_contrast_over_noise():
    edge = slanted_edge(edge_image(noise=0.01, shape=(48, 48)))
    assert edge.snr == pytest.approx(50, rel=0.05)


def test_eight_bits_cost_less_than_a_percent():
    for sigma in (0.4, 0.7, 1.5, 3.0):
        image = np.round(255 * edge_image(sigma, angle_deg=7.0, shape=(48, 48)))
        edge = slanted_edge(image.astype(np.uint8))
        assert edge.rer == pytest.approx(erf(1 / (2 * math.sqrt(2) * sigma)), rel=0.01)
        assert edge.fwhm_px == pytest.approx(2.354820045 * sigma, rel=0.01)


# what is not ideal


def test_a_bent_edge_is_as_sharp_as_a_straight_one():
    edge = slanted_edge(edge_image(0.6, noise=0.005, bend=0.003, shape=(48, 48)))
    assert edge.rer == pytest.approx(erf(1 / (2 * math.sqrt(2) * 0.6)), rel=0.02)
    assert "curved" in edge.flags


@pytest.mark.parametrize("light", ["added", "multiplied"])
def test_uneven_light_is_seen_and_allowed_for(light):
    image = edge_image(1.0, shape=(48, 48))
    ramp = np.linspace(-1, 1, 48) + np.linspace(-1, 1, 48)[:, None]
    lit = image + 0.1 * ramp if light == "added" else image * (1 + 0.2 * ramp)
    edge = slanted_edge(lit + np.random.default_rng(3).normal(0, 0.005, image.shape))
    assert edge.rer == pytest.approx(erf(1 / (2 * math.sqrt(2))), rel=0.03)
    assert "gradient" in edge.flags


def test_sharpening_is_flagged_and_measured():
    x = distance(angle_deg=6.0, shape=(48, 48))
    image = 1.3 * step(x, 0.8) - 0.3 * step(x, 1.6)
    edge = slanted_edge(image + np.random.default_rng(4).normal(0, 0.01, image.shape))
    true = float(np.diff(1.3 * step(np.array([-0.5, 0.5]), 0.8) - 0.3 * step(np.array([-0.5, 0.5]), 1.6))[0])
    assert "overshoot" in edge.flags
    assert edge.rer == pytest.approx(true, rel=0.03)


def test_wild_pixels_do_not_count():
    image = edge_image(0.8, noise=0.005, shape=(48, 48))
    image.reshape(-1)[::31] = 5.0
    assert slanted_edge(image).rer == pytest.approx(erf(1 / (2 * math.sqrt(2) * 0.8)), rel=0.02)


def test_masked_pixels_take_no_part():
    image = edge_image(0.8, noise=0.005)
    mask = np.ones(image.shape, bool)
    mask[5:12, 10:20] = False
    spoiled = np.where(mask, image, np.nan)
    assert slanted_edge(spoiled, mask=mask) == slanted_edge(np.where(mask, image, 1e9), mask=mask)
    assert slanted_edge(spoiled, mask=mask).n_pixels == mask.sum()


def test_a_clipped_side_is_not_accepted():
    image = np.minimum(edge_image(0.8, noise=0.02, shape=(48, 48)), 0.6)
    assert "clipped" in slanted_edge(image).flags
    assert not slanted_edge(image).accepted


def test_a_hot_pixel_changes_nothing():
    image = edge_image(0.8, noise=0.005, shape=(48, 48))
    hot = image.copy()
    hot[5, 5] = 1e6
    assert slanted_edge(hot).rer == pytest.approx(slanted_edge(image).rer, rel=2e-3)


@pytest.mark.parametrize("box", [2.0, 2.5, 3.0, 6.0])
@pytest.mark.parametrize("noise", [0.0, 0.001, 0.005])
def test_a_smear_wider_than_any_detector_is_not_accepted(box, noise):
    """As of a moving camera, or of pixels that were doubled."""
    edge = slanted_edge(edge_image(0.4, box, noise=noise, shape=(48, 48)))
    assert "misfit" in edge.flags
    assert not edge.accepted


def test_a_contrast_of_four_steps_is_not_accepted():
    edge = slanted_edge(np.round(10 + 4 * step(distance(angle_deg=6.0, shape=(48, 48)), 0.8)).astype(np.uint8))
    assert "coarse" in edge.flags
    assert not edge.accepted


def test_noise_that_neighbours_share_widens_the_intervals():
    noise = np.random.default_rng(5).normal(0, 0.02, (49, 49))
    shared = (noise[1:, 1:] + noise[1:, :-1] + noise[:-1, 1:] + noise[:-1, :-1]) / 4
    image = edge_image(0.8, shape=(48, 48))
    one, other = slanted_edge(image + shared), slanted_edge(image + noise[1:, 1:] / 2)
    assert "correlated noise" in one.flags
    assert "correlated noise" not in other.flags
    assert np.ptp(one.fwhm_interval) > 1.5 * np.ptp(other.fwhm_interval)


def test_few_rows_noise_and_an_unslanted_edge_are_not_accepted():
    assert "short" in slanted_edge(edge_image(shape=(8, 30))).flags
    assert "noisy" in slanted_edge(edge_image(noise=0.08, shape=(48, 48))).flags
    assert "unslanted" in slanted_edge(edge_image(0.5, angle_deg=0.2)).flags
    assert "tails" in slanted_edge(edge_image(3.0, offset=-12)).flags


# laws


@settings(max_examples=25, deadline=None)
@given(
    sigma=st.floats(0.45, 2.5),
    angle=st.floats(2, 15),
    gain=st.floats(0.01, 1e4),
    offset=st.floats(-1e4, 1e4),
    seed=st.integers(0, 999),
)
def test_units_do_not_matter(sigma, angle, gain, offset, seed):
    image = edge_image(sigma, angle_deg=angle, noise=0.01, seed=seed)
    one, other = slanted_edge(image), slanted_edge(image * gain + offset * gain)
    assert other.rer == pytest.approx(one.rer, rel=1e-5)
    assert other.fwhm_interval == pytest.approx(one.fwhm_interval, rel=1e-5)
    assert other.contrast == pytest.approx(one.contrast * gain, rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(sigma=st.floats(0.45, 2.5), angle=st.floats(2, 15), seed=st.integers(0, 999))
@example(sigma=1.0, angle=2.0, seed=30)  # one pixel is close to being wild
def test_turning_the_image_turns_the_edge_alone(sigma, angle, seed):
    image = edge_image(sigma, angle_deg=angle, noise=0.01, seed=seed)
    one = slanted_edge(image)
    for turned in (image.T, image[::-1], image[:, ::-1], -image):
        other = slanted_edge(turned)
        assert other.rer == pytest.approx(one.rer, rel=2e-3)
        assert other.mtf_nyquist == pytest.approx(one.mtf_nyquist, abs=2e-3)
    assert abs(slanted_edge(image.T).angle_deg) == pytest.approx(90 - abs(one.angle_deg), abs=0.02)
    assert slanted_edge(image[::-1]).angle_deg == pytest.approx(-one.angle_deg, abs=0.02)


@settings(max_examples=20, deadline=None)
@given(sigma=st.floats(0.45, 2.0), more=st.floats(1.1, 1.5), seed=st.integers(0, 999))
def test_more_blur_is_less_sharp(sigma, more, seed):
    one = slanted_edge(edge_image(sigma, noise=0.003, seed=seed))
    other = slanted_edge(edge_image(sigma * more, noise=0.003, seed=seed))
    assert other.rer < one.rer
    assert other.fwhm_px > one.fwhm_px
    assert other.mtf_half_nyquist < one.mtf_half_nyquist


def test_the_same_roi_gives_the_same_edge():
    image = edge_image(noise=0.02)
    before = image.copy()
    assert slanted_edge(image) == slanted_edge(image)
    assert np.array_equal(image, before)


def test_more_noise_widens_the_intervals():
    widths = [np.ptp(slanted_edge(edge_image(noise=noise)).fwhm_interval) for noise in (0.001, 0.005, 0.025)]
    assert widths == sorted(widths)


def test_intervals_hold_the_truth_about_95_times_in_100():
    rng, held, n = np.random.default_rng(11), np.zeros(3), 400
    for _ in range(n):
        sigma, angle = rng.uniform(0.7, 1.5), rng.uniform(2, 15)
        clean = edge_image(sigma, angle_deg=angle, offset=rng.uniform(-1, 1))
        edge = slanted_edge(clean + rng.normal(0, 0.01, clean.shape))
        truth = (erf(1 / (2 * math.sqrt(2) * sigma)), 2.354820045 * sigma, math.exp(-((math.pi * sigma) ** 2) / 2))
        ends = (edge.rer_interval, edge.fwhm_interval, edge.mtf_nyquist_interval)
        held += [low <= value <= high for value, (low, high) in zip(truth, ends, strict=True)]
    assert np.all(held / n > 0.92)
    assert np.all(held / n < 0.985)


# agreement with an independent fit


def test_agrees_with_a_plain_fit_of_the_error_function():
    for seed, sigma in enumerate((0.9, 1.2, 1.8)):
        image = edge_image(sigma, angle_deg=9.0, noise=0.01, seed=seed, shape=(48, 48))
        rows, cols = np.mgrid[:48, :48] - 23.5

        def left(q, image=image, rows=rows, cols=cols):
            x = cols * math.cos(q[0]) + rows * math.sin(q[0]) - q[1]
            return (q[2] + q[3] * ndtr(x / q[4]) - image).ravel()

        found = least_squares(left, [math.radians(8), 0, 0.1, 0.6, 1.0]).x
        edge = slanted_edge(image, shape="gaussian")
        error = np.diff(edge.fwhm_interval)[0] / 3.92
        assert abs(edge.fwhm_px - 2.354820045 * found[4]) < 0.3 * error  # light and curvature are fitted besides
        assert edge.angle_deg == pytest.approx(math.degrees(found[0]), abs=0.05)


# golden


def test_the_file_of_known_angle_and_width(test_data):
    image = tifffile.imread(test_data / "slanted-edge" / "myedge_angle_16.776550_fwhm_2.101313.tif")
    row, normal = slanted_edge(image, along="row"), slanted_edge(image)
    assert row.fwhm_px == pytest.approx(2.101313, rel=1e-3)
    assert normal.fwhm_px == pytest.approx(2.012, rel=1e-3)
    assert normal.angle_deg == pytest.approx(16.776550, rel=1e-5)
    assert normal.direction == "other"


# refusals


def bar(shape=(40, 40)):
    x = distance(angle_deg=5.0, shape=shape)
    return step(x + 8, 0.8) - step(x - 8, 0.8)


def corner():
    image = np.zeros((40, 40))
    image[15:, 12:] = 1.0
    return image + np.random.default_rng(0).normal(0, 0.02, image.shape)


@pytest.mark.parametrize(
    ("roi", "message"),
    [
        (np.zeros((30, 30)), r"roi of \(30, 30\) \(rows, cols\) is constant; expected one edge"),
        (np.random.default_rng(1).normal(5, 1, (30, 30)), r"roi of \(30, 30\) .* shows no edge above its noise"),
        (np.mgrid[:30, :30][1] / 30.0, r"shows no edge above its noise; take one with more contrast"),
        (edge_image(shape=(6, 6)), r"has 36 valid pixels; expected at least 50: take a larger one"),
        (bar(), r"holds more than one straight edge; cut out one"),
        (corner(), r"holds more than one straight edge; cut out one"),
        (edge_image().astype(complex), r"roi has dtype complex128; expected real numbers"),
        (np.zeros((4, 30, 30)), r"roi has shape \(4, 30, 30\); expected \(rows, cols\), one band"),
        (np.where(np.eye(32, 36) > 0, np.nan, edge_image()), r"roi holds NaN or infinite values; mask them out"),
    ],
)
def test_what_is_no_edge_is_refused_in_one_sentence(roi, message):
    with pytest.raises(ImageError, match=message):
        slanted_edge(roi)


def test_a_masked_array_would_lose_its_mask():
    with pytest.raises(ImageError, match=r"roi is a masked array; pass its \.data, and mask="):
        slanted_edge(np.ma.masked_array(edge_image(), mask=edge_image() > 0.6))


def test_masks_that_do_not_fit_are_refused():
    with pytest.raises(ImageError, match=r"mask of the roi is empty: no pixel takes part"):
        slanted_edge(edge_image(), mask=np.zeros((32, 36), bool))
    with pytest.raises(ImageError, match=r"mask is \(3, 3\) but the roi is \(32, 36\) \(rows, cols\)"):
        slanted_edge(edge_image(), mask=np.ones((3, 3), bool))


def test_unknown_words_are_refused():
    with pytest.raises(SettingError, match=r"shape is 'round'; expected one of auto, gaussian, box"):
        slanted_edge(edge_image(), shape="round")
    with pytest.raises(SettingError, match=r"along is 'x'; expected one of normal, row, column"):
        slanted_edge(edge_image(), along="x")


def test_one_band_with_its_axis_is_taken():
    assert slanted_edge(edge_image()[..., None]) == slanted_edge(edge_image())


def test_whole_numbers_of_any_kind_are_taken():
    counts = np.round(1000 * edge_image(1.0))
    found = [slanted_edge(counts.astype(kind)).rer for kind in (np.uint16, np.int16, np.float32, np.float64)]
    assert found == pytest.approx([found[0]] * 4, rel=1e-6)
