"""The formula, the errors of blocks, and the search for a level: by hand, by loops, on made-up curves."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbiq.codecs.fixed_quality import Calibration, Levels, Search, block_mse, read_calibration
from orbiq.errors import SettingError

LMBDAS = np.geomspace(0.02, 1.0, 256)
LEVELS = Levels(lmbdas=LMBDAS, magnitudes=30 * LMBDAS + 0.05)
LOG_STEP = float(np.log(LEVELS.magnitudes[-1] / LEVELS.magnitudes[0])) / 255
ALPHA = 7.0


def curve(mse0, levels, *, alpha=ALPHA):
    """The paper's: MSE of blocks at levels."""
    return mse0 * (1 + alpha / (4 * LEVELS.magnitudes[levels] ** 2))


def search_of(mse0, target, chosen):
    arrays = (np.atleast_2d(np.asarray(a)) for a in (mse0, target, chosen))
    mse0, target, chosen = arrays
    expected = np.broadcast_to(-2 * np.log(LEVELS.magnitudes)[:, None, None], (256, *np.shape(chosen)))
    return Search(
        mse0=mse0.astype(float),
        target=target.astype(float),
        chosen=chosen.astype(np.uint8),
        log_step=LOG_STEP,
        expected=expected,
    )


# known answers


def test_lambda_by_hand():
    """MSE0 3, target 15: M = √(16 · 3 / (4 · 12)) = 1; target 4: M = √12; at MSE0 and below nothing helps."""
    calibration = Calibration(alpha=16, a=2, b=0.5)
    lmbda = calibration.lmbda(np.full(4, 3.0), np.array([15.0, 4.0, 3.0, 2.0]))
    assert lmbda == pytest.approx([0.25, (12**0.5 - 0.5) / 2, np.inf, np.inf])


def test_a_block_without_pixels_or_target_has_no_lambda():
    lmbda = Calibration(alpha=16, a=2, b=0.5).lmbda(np.array([np.nan, 3.0]), np.array([4.0, np.nan]))
    assert not np.isfinite(lmbda).any()


def test_errors_of_blocks_by_hand():
    """Two bands off by 1 and 3: (1 + 9) / 2 = 5; the masked half of the last block does not count."""
    original = np.zeros((2, 4, 2), np.uint8)
    decoded = np.broadcast_to(np.array([1, 3], np.uint8), original.shape).copy()
    decoded[:, 3] = 200
    mask = np.array([[1, 1, 1, 0], [1, 1, 1, 0]], bool)
    found = block_mse(decoded, original, mask, (2, 2))
    assert found.mse.tolist() == [[5, 5]]
    assert found.known.tolist() == [[True, True]]


def test_a_block_without_valid_pixels_is_unknown():
    mask = np.array([[True, False]])
    found = block_mse(np.ones((1, 2, 1)), np.zeros((1, 2, 1)), mask, (1, 1))
    assert found.mse.tolist() == [[1, pytest.approx(np.nan, nan_ok=True)]]
    assert found.known.tolist() == [[True, False]]


def test_levels_lie_by_equal_ratios():
    assert LEVELS.of_lmbda(np.array([0.0, 0.02, 0.02 * 50**0.2, 1.0, np.inf])).tolist() == [0, 0, 51, 255, 255]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_differences_do_not_wrap(dtype):
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    ends = np.full((3, 3, 1), low, dtype), np.full((3, 3, 1), high, dtype)
    assert block_mse(*ends, None, (2, 2)).mse == pytest.approx(np.full((2, 2), float(high - low) ** 2))


# laws


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_the_formula_undoes_itself(data):
    positive = st.floats(0.01, 1e3)
    alpha, a, b, mse0, lmbda = (data.draw(positive) for _ in range(5))
    magnitude = a * lmbda + b
    target = mse0 * (1 + alpha / (4 * magnitude**2))
    if target / mse0 > 1 + 1e-6:  # or the difference has no digits left
        found = Calibration(alpha=alpha, a=a, b=b).lmbda(np.array([mse0]), np.array([target]))
        assert a * found + b == pytest.approx(magnitude, rel=1e-3)


@given(st.integers(0, 255))
def test_a_level_is_its_own_nearest(level):
    assert LEVELS.of_lmbda(LMBDAS[[level]]) == level


@given(st.floats(0.1, 1e4), st.integers(0, 255), st.integers(0, 255))
@settings(max_examples=100, deadline=None)
def test_two_corrections_arrive_where_the_curve_is_the_papers(mse0, begin, wanted):
    """The first takes the curve for flatter, as measured ones are, and goes too far; the second has two points of it."""
    ratio = LEVELS.magnitudes[wanted] / LEVELS.magnitudes[begin]
    if not 1 / 8 < ratio < 8:  # it takes no steps of more than 16
        return
    search = search_of(mse0, curve(mse0, wanted), begin)
    for _ in range(2):
        search.correct(curve(search.mse0, search.chosen))
    assert abs(int(search.chosen[0, 0]) - wanted) <= 1  # added errors lose digits


def test_further_corrections_learn_from_those_before():
    """Where latents vanish the error grows by the power −1 of M, not −2."""
    mse0, wanted = np.full((1, 3), 2.0), np.array([[60, 120, 200]])

    def flat(levels):
        return mse0 + 5 / LEVELS.magnitudes[levels]

    search = search_of(mse0, flat(wanted), np.full((1, 3), 128))
    missed = []
    for _ in range(5):
        search.correct(flat(search.chosen))
        missed.append(int(np.abs(search.chosen.astype(int) - wanted).max()))
    assert missed[1] <= missed[0] / 2
    assert missed[-1] <= 1


def test_a_correction_goes_along_what_is_expected_of_each_block():
    """Two blocks of one error: of one nothing more is lost at coarser levels, of the other much."""
    flat, steep = np.linspace(0.02, -0.02, 256), np.linspace(4, -4, 256)
    expected = np.stack([flat, steep], axis=1)[:, None, :]
    search = Search(
        mse0=np.zeros((1, 2)),
        target=np.ones((1, 2)),
        chosen=np.full((1, 2), 128, np.uint8),
        log_step=LOG_STEP,
        expected=expected,
    )
    search.correct(np.full((1, 2), np.exp(-1.0)))
    assert search.chosen.tolist() == [[61, 96]]  # as far as it dares, 1 / LOG_STEP, and 255 / 8 levels


def test_what_is_not_known_stays_as_it_is():
    search = search_of([[np.nan, 2.0]], [[5.0, np.nan]], [[40, 50]])
    search.correct(np.array([[np.nan, 3.0]]))
    assert search.chosen[0, 0] == 40
    search.raise_missing(np.array([[np.nan, 3.0]]))
    assert search.chosen[0, 0] == 40


def test_a_target_below_what_is_left_without_rounding_gets_the_last_level():
    search = search_of(9.0, 8.0, 100)
    for _ in range(3):
        search.correct(curve(search.mse0, search.chosen))
    assert search.chosen[0, 0] == 255


def test_rounding_that_adds_nothing_makes_room_for_coarser_steps():
    search = search_of(9.0, 12.0, 200)
    search.correct(np.array([[9.0]]))
    assert LEVELS.magnitudes[search.chosen[0, 0]] == pytest.approx(LEVELS.magnitudes[200] / 2, rel=0.02)


@given(st.integers(0, 2**31), st.floats(0.3, 3))
@settings(max_examples=50, deadline=None)
def test_raising_never_lowers_and_ends_at_or_below_the_target(seed, power):
    """On any falling curve, whatever it starts from."""
    rng = np.random.default_rng(seed)
    mse0 = rng.uniform(0.5, 50, (4, 5))
    factor = rng.uniform(0.1, 10, (4, 5))

    def falling(levels):
        return mse0 + factor / LEVELS.magnitudes[levels] ** power

    search = search_of(mse0, falling(rng.integers(0, 256, (4, 5))), rng.integers(0, 256, (4, 5)))
    for _ in range(256):
        before, reached = search.chosen.copy(), falling(search.chosen) <= search.target
        search.raise_missing(falling(search.chosen))
        assert (search.chosen >= before).all()
        assert np.array_equal(search.chosen[reached], before[reached])
        if np.array_equal(search.chosen, before):
            break
    assert (falling(search.chosen) <= search.target).all()


@pytest.mark.parametrize(("alpha", "a", "b"), [(0, 1, 0), (-1, 1, 0), (1, 0, 0), (np.nan, 1, 0), (1, 1, np.inf)])
def test_a_calibration_that_cannot_be_is_refused(alpha, a, b):
    with pytest.raises(SettingError, match="cannot be: expected finite numbers, the first two above 0"):
        Calibration(alpha=alpha, a=a, b=b)


def test_a_calibration_is_read(tmp_path):
    path = tmp_path / "pan.json"
    path.write_text(json.dumps({"model": "ab", "alpha": 2, "a": 3, "b": -0.5}))
    assert read_calibration(str(path), model="ab") == Calibration(alpha=2, a=3, b=-0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no calibration"),
        ("[1]", "is no calibration"),
        ('{"alpha": 1, "a": 1}', "is no calibration: KeyError.*Make one: orbiq fit fixed-quality DIR"),
        ('{"alpha": "x", "a": 1, "b": 1}', "is no calibration"),
        ('{"alpha": -1, "a": 1, "b": 1}', "a calibration of alpha -1.0, a 1.0 and b 1.0 cannot be"),
        ('{"alpha": 1, "a": 1, "b": 1}', "is of model None, and this is model 'ab'"),
        ('{"alpha": 1, "a": 1, "b": 1, "model": "cd"}', "is of model 'cd', and this is model 'ab'"),
        (None, "cannot be read: No such file"),
    ],
)
def test_what_is_no_calibration_is_refused(tmp_path, text, message):
    path = tmp_path / "pan.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingError, match=message):
        read_calibration(str(path), model="ab")


# agreement


@pytest.mark.parametrize("block", [(16, 16), (7, 30), (50, 70), (64, 128)])
@pytest.mark.parametrize("masked", [False, True])
def test_errors_of_blocks_agree_with_a_loop(block, masked):
    rng = np.random.default_rng(3)
    one, other = rng.integers(0, 4096, (2, 50, 70, 3)).astype(np.uint16)
    mask = rng.random((50, 70)) > 0.7 if masked else None
    if masked:
        mask[:16, :16] = False
    found = block_mse(one, other, mask, block)
    valid = np.ones((50, 70), bool) if mask is None else mask
    for row in range(-(-50 // block[0])):
        for col in range(-(-70 // block[1])):
            place = slice(row * block[0], (row + 1) * block[0]), slice(col * block[1], (col + 1) * block[1])
            error = (one[place].astype(float) - other[place])[valid[place]]
            assert found.known[row, col] == bool(error.size)
            if error.size:
                assert found.mse[row, col] == pytest.approx(np.mean(error**2), rel=1e-5)
