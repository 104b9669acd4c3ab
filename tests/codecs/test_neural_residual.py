"""The residual of a tile: known answers, the promise that no block misses its target, and damage."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the fixed-quality codec needs the extra learned: torch")

from orbiq.codecs.fixed_quality import block_mse
from orbiq.codecs.neural_networks import HIGHEST_SCALE, LOWEST_SCALE, N_SCALES
from orbiq.codecs.neural_residual import STEPS, Blocks, aimed, residual_of, with_residual
from orbiq.codecs.rans import gaussian_tables
from orbiq.errors import ImageError
from tests.codecs.pictures import picture

TABLES = gaussian_tables(np.geomspace(LOWEST_SCALE, HIGHEST_SCALE, N_SCALES).tolist())
RANGES = {"uint8": (0, 255), "uint16": (0, 65535), "int16": (-32768, 32767)}


def spoilt(original, *, spread, seed=0):
    """The image with an error that grows from its first column to its last."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=original.shape) * np.linspace(0, spread, original.shape[1])[:, None]
    return np.clip(np.rint(original + noise), *RANGES[str(original.dtype)]).astype(original.dtype)


def mended(original, decoded, mask, target, blocks):
    """With its residual, and that."""
    residual = residual_of(original, decoded, mask, target=target, blocks=blocks, tables=TABLES)
    low, high = RANGES[str(original.dtype)]
    return with_residual(decoded, residual, blocks=blocks, tables=TABLES, low=low, high=high), residual


# known answers


def test_steps():
    assert STEPS[:17] == tuple(range(17))
    assert (STEPS[17], STEPS[20], STEPS[-1], len(STEPS)) == (19, 32, 65536, 65)


def test_blocks_at_the_end_are_smaller():
    blocks = Blocks(shape=(20, 33), size=(16, 32))
    assert blocks.grid == (2, 2)
    assert blocks.windows()[-1] == (slice(16, 20), slice(32, 33))


def test_a_tile_of_which_no_block_misses_its_target_has_no_residual():
    original = picture((40, 40, 1))
    decoded = original ^ 1
    blocks = Blocks(shape=(40, 40), size=(16, 16))
    assert mended(original, decoded, None, np.full((3, 3), 1.1), blocks)[1] == b""
    for nothing in (np.nan, np.inf):
        assert mended(original, decoded, None, np.full((3, 3), nothing), blocks)[1] == b""
    assert mended(original, decoded, np.zeros((40, 40), bool), np.zeros((3, 3)), blocks)[1] == b""


@pytest.mark.parametrize(("target", "step", "left"), [(9.1, 13, 3), (4.1, 12, 2), (1.1, 11, 1), (0.0, 5, 0)])
def test_multiples_of_a_step_leave_the_rest(target, step, left):
    original = np.full((16, 16, 1), 100, np.uint8)
    blocks = Blocks(shape=(16, 16), size=(16, 16))
    back, residual = mended(original, original + np.uint8(10), None, np.array([[target]]), blocks)
    assert STEPS[zlib.decompressobj().decompress(residual[1:])[0]] == step
    assert np.abs(back.astype(int) - 100).tolist() == np.full((16, 16, 1), left).tolist()


@pytest.mark.parametrize("target", [0.5, 3.0, 40.0])
def test_the_next_larger_step_would_miss_the_target(target):
    original = np.full((64, 64, 1), 100, np.uint8)
    decoded = spoilt(original, spread=20)
    blocks = Blocks(shape=(64, 64), size=(64, 64))
    _, residual = mended(original, decoded, None, np.array([[target]]), blocks)
    number = zlib.decompressobj().decompress(residual[1:])[0]
    error = original.astype(int) - decoded
    for step, reached in ((STEPS[number], True), (STEPS[number + 1], False)):
        left = error - np.sign(error) * ((np.abs(error) + (step - 1) // 2) // step) * step
        assert (np.mean(left**2) <= aimed(target, 4096, turned=1e-4)) == reached


# laws


@given(
    st.sampled_from(sorted(RANGES)),
    st.sampled_from([(16, 16), (64, 64), (32, 64)]),
    st.tuples(st.integers(1, 90), st.integers(1, 140), st.sampled_from([1, 3])),
    st.booleans(),
    st.floats(-1.5, 3),
    st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_every_block_is_at_its_target_or_better(dtype, size, shape, masked, log_target, seed):
    original = picture(shape, dtype, seed=seed)
    decoded = spoilt(original, spread=30 if dtype == "uint8" else 900, seed=seed)
    rng = np.random.default_rng(seed)
    mask = rng.random(shape[:2]) > 0.4 if masked else None
    blocks = Blocks(shape=shape[:2], size=size)
    target = 10**log_target * rng.uniform(0.5, 2, blocks.grid)
    back, _ = mended(original, decoded, mask, target, blocks)
    assert (back.shape, back.dtype) == (original.shape, original.dtype)
    found = block_mse(back, original, mask, size)
    assert (found.mse[found.known] <= target[found.known]).all()
    before = block_mse(decoded, original, mask, size)
    # far from its target, nothing is touched
    held = before.known & (before.mse <= target / 4 - 1)
    assert np.array_equal(found.mse[held], before.mse[held])


@pytest.mark.parametrize(
    ("dtype", "share", "target"), [("uint8", 1e-4, 4.0), ("uint16", 6e-3, 2.0), ("uint16", 6e-3, 300.0)]
)
def test_targets_are_kept_where_a_few_samples_are_rounded_the_other_way(dtype, share, target):
    original = picture((256, 512, 1), dtype)
    decoded = spoilt(original, spread=40)
    blocks = Blocks(shape=(256, 512), size=(16, 16))
    targets = np.full(blocks.grid, target)
    residual = residual_of(original, decoded, None, target=targets, blocks=blocks, tables=TABLES)
    rng = np.random.default_rng(4)
    turned = decoded + (rng.choice([-1, 0, 1], decoded.shape, p=[share / 2, 1 - share, share / 2])).astype(dtype)
    low, high = RANGES[dtype]
    back = with_residual(turned, residual, blocks=blocks, tables=TABLES, low=low, high=high)
    assert block_mse(back, original, None, (16, 16)).mse.max() <= target


@pytest.mark.parametrize("dtype", sorted(RANGES))
def test_a_target_of_nothing_is_the_original(dtype):
    original = picture((50, 70, 3), dtype)
    blocks = Blocks(shape=(50, 70), size=(16, 16))
    back, residual = mended(original, spoilt(original, spread=40), None, np.zeros(blocks.grid), blocks)
    assert np.array_equal(back, original)
    assert residual


@pytest.mark.parametrize("dtype", ["uint16", "int16"])
def test_the_widest_error_there_can_be_is_mended(dtype):
    low, high = RANGES[dtype]
    original = np.array([[low, high] * 8] * 16, dtype)[:, :, None]
    decoded = original[:, ::-1]
    blocks = Blocks(shape=(16, 16), size=(16, 16))
    for target in (0.0, 1e4):
        back, _ = mended(original, decoded, None, np.array([[target]]), blocks)
        assert np.mean((back.astype(float) - original) ** 2) <= target


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damage_ends_in_a_sentence_or_in_pixels(data):
    original, blocks = picture((40, 40, 1)), Blocks(shape=(40, 40), size=(16, 16))
    decoded = spoilt(original, spread=30)
    stream = bytearray(mended(original, decoded, None, np.full((3, 3), 4.0), blocks)[1])
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, min(40, len(stream) - 1)))] ^= data.draw(st.integers(1, 255))
    cut = bytes(stream[: data.draw(st.integers(1, len(stream)))])
    try:
        back = with_residual(decoded, cut, blocks=blocks, tables=TABLES, low=0, high=255)
    except ImageError:
        return
    assert back.shape == decoded.shape


@pytest.mark.parametrize(
    "said", [b"\0", bytes([1] + [0] * 8), bytes([65] + [0] * 8 + [1]), bytes([1] + [0] * 8 + [64]), bytes(9) + b"\1"]
)
def test_steps_that_do_not_fit_the_blocks_are_refused(said):
    deflated = zlib.compress(said)
    blocks = Blocks(shape=(40, 40), size=(16, 16))
    with pytest.raises(ImageError, match="residual of a tile is damaged: its steps and tables do not fit its blocks"):
        with_residual(
            picture((40, 40, 1)), bytes([len(deflated)]) + deflated, blocks=blocks, tables=TABLES, low=0, high=9
        )


def test_a_residual_that_says_that_no_block_has_one_must_end_there():
    deflated = zlib.compress(bytes(9))
    blocks, decoded = Blocks(shape=(40, 40), size=(16, 16)), picture((40, 40, 1))
    with pytest.raises(ImageError, match="bytes of entropy-coded data are damaged"):
        with_residual(decoded, bytes([len(deflated)]) + deflated, blocks=blocks, tables=TABLES, low=0, high=255)
    with pytest.raises(ImageError, match="the residual of a tile is damaged"):
        with_residual(decoded, b"\x80", blocks=blocks, tables=TABLES, low=0, high=255)
