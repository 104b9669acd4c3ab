"""Tiles of latents: exactness on any machine, an integer hyper-decoder of its own, and damage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the fixed-quality codec needs the extra learned: torch")

import torch

from orbiq.codecs.frames import leb128
from orbiq.codecs.neural_model import ACTIVATION_BITS, WEIGHT_BITS, load_model
from orbiq.codecs.neural_tiles import Coded, code_length, decoded_tile, encoded_tile, level_of_each
from orbiq.codecs.rans import encode
from orbiq.errors import ImageError
from orbiq.learning.weights import read_weights
from tests.codecs.toy_model import machine, toy_model

BLOCK = (2, 4)


@pytest.fixture(autouse=True, scope="module")
def _one_core():
    with machine():
        yield


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return toy_model(tmp_path_factory.mktemp("model") / "toy.safetensors")


@pytest.fixture(scope="module")
def model(path):
    return load_model(path)


@pytest.fixture(scope="module")
def stream(model):
    return encoded_tile(model, tile_of(model), block=BLOCK)


def tile_of(model, shape=(9, 14), *, units=1, seed=0, even=False):
    """Latents of a wide spread, a level for every block of `BLOCK`."""
    rng = np.random.default_rng(seed)
    spread = np.geomspace(30, 0.2, model.channels)[:, None, None]
    latents = np.rint(rng.laplace(size=(units, model.channels, *shape)) * spread).astype(np.int32)
    blocks = -(-shape[0] // BLOCK[0]), -(-shape[1] // BLOCK[1])
    levels = np.full(blocks, 77, np.uint8) if even else rng.integers(0, 256, blocks).astype(np.uint8)
    return Coded(latents=latents, levels=levels)


def decoded(model, stream, tile, block=BLOCK):
    units, _, rows, cols = tile.latents.shape
    return decoded_tile(model, stream, units=units, shape=(rows, cols), block=block)


def parts_of(stream):
    """Head, lengths' end, and the three lengths, all below 128 · 128."""
    at = 2 if stream[0] == 255 else 1
    lengths = []
    for _ in range(3):
        number, shift = 0, 0
        while True:
            number |= (stream[at] & 127) << shift
            at, shift = at + 1, shift + 7
            if stream[at - 1] < 128:
                break
        lengths.append(number)
    return at, lengths


# known answers


def test_one_level_is_a_byte(model):
    tile = tile_of(model, even=True)
    stream = encoded_tile(model, tile, block=BLOCK)
    assert stream[:3] == bytes([255, 77, 0])


def test_a_level_of_each_latent():
    assert level_of_each(np.array([[1, 2], [3, 4]]), block=(2, 2), shape=(3, 3)).tolist() == [
        [1, 1, 2],
        [1, 1, 2],
        [3, 3, 4],
    ]


def test_levels_are_differences_from_the_left_and_from_above_in_the_first_column(model):
    tile = Coded(latents=np.zeros((1, 12, 4, 8), np.int32), levels=np.array([[130, 131], [127, 127]], np.uint8))
    stream = encoded_tile(model, tile, block=BLOCK)
    at, lengths = parts_of(stream)
    differences = np.array([2, 1, -3, 0], np.int32)
    assert stream[at : at + lengths[0]] == encode(differences, np.full(4, stream[0], np.uint8), model.scale_tables)


# laws


@given(st.tuples(st.integers(1, 20), st.integers(1, 20)), st.sampled_from([1, 3]), st.booleans(), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_a_tile_comes_back(model, shape, units, even, seed):
    tile = tile_of(model, shape, units=units, even=even, seed=seed)
    stream = encoded_tile(model, tile, block=BLOCK)
    back = decoded(model, stream + b"residual", tile)
    assert np.array_equal(back.latents, tile.latents)
    assert np.array_equal(back.levels, tile.levels)
    assert back.residual == b"residual"
    assert encoded_tile(model, back, block=BLOCK) == stream + b"residual"


def test_latents_far_outside_every_table_come_back(model):
    tile = tile_of(model, (4, 4))
    tile.latents[0, :, 1, 2] = [2**24, -(2**24), 10**6, *range(9)]
    assert np.array_equal(decoded(model, encoded_tile(model, tile, block=BLOCK), tile).latents, tile.latents)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("mkldnn", [True, False])
def test_the_same_bytes_are_the_same_tile_on_any_machine(model, threads, mkldnn):
    tile = tile_of(model, (33, 47), units=3)
    stream = encoded_tile(model, tile, block=BLOCK)
    with machine(threads=threads, mkldnn=mkldnn):
        back = decoded(model, stream, tile)
    assert np.array_equal(back.latents, tile.latents)
    assert np.array_equal(back.levels, tile.levels)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("mkldnn", [True, False])
def test_tables_are_the_same_on_any_machine_in_any_layout_batch_or_crop(model, threads, mkldnn):
    z, levels = hyper_and_levels(model, units=3, shape=(40, 56))
    expected = model.scale_indices(z, levels)
    assert len(torch.unique(expected)) > 30
    with machine(threads=threads, mkldnn=mkldnn):
        assert torch.equal(model.scale_indices(z, levels), expected)
        last = z.contiguous(memory_format=torch.channels_last)
        assert torch.equal(model.scale_indices(last, levels), expected)
        for k in range(3):
            assert torch.equal(model.scale_indices(z[[k]], levels[[k]])[0], expected[k])
        # two hyperlatents from a cut nothing of what is beyond it is seen
        cut = model.scale_indices(z[:, :, :7, :9], levels[:, :28, :36])
        assert torch.equal(cut[:, :, :20, :28], expected[:, :, :20, :28])


def hyper_and_levels(model, *, units, shape, seed=3, most=40):
    rng = np.random.default_rng(seed)
    rows, cols = (-(-side // 4) for side in shape)
    z = np.rint(rng.normal(size=(units, model.channels, rows, cols)) * most)
    return torch.from_numpy(z), torch.from_numpy(rng.integers(0, 256, (units, *shape)).astype(np.uint8))


def test_hyperlatents_at_their_ends_are_exact_too(model):
    z, levels = hyper_and_levels(model, units=1, shape=(16, 16))
    z = torch.where(z > 0, 32768.0, -32768.0)
    one = model.scale_indices(z, levels)
    with machine(threads=2, mkldnn=False):
        assert torch.equal(model.scale_indices(z, levels), one)


def test_the_length_is_known_before_coding(model):
    tile = tile_of(model, (32, 32), even=True)
    bits = code_length(model, torch.from_numpy(tile.latents).float(), np.full((32, 32), 77, np.uint8))
    assert 8 * len(encoded_tile(model, tile, block=BLOCK)) == pytest.approx(bits, abs=8 * 50)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_damage_ends_in_a_sentence_or_in_a_tile(model, stream, data):
    tile, stream = tile_of(model), bytearray(stream)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.one_of(st.integers(0, 12), st.integers(0, len(stream) - 1)))
        stream[at] = data.draw(st.integers(0, 255))
    cut = bytes(stream[: data.draw(st.one_of(st.just(len(stream)), st.integers(0, len(stream))))])
    try:
        back = decoded(model, cut, tile)
    except ImageError:
        return
    assert back.latents.shape == tile.latents.shape
    assert back.levels.shape == tile.levels.shape


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (b"", "a tile of 0 bytes is damaged: its head cannot be"),
        (b"\xff", "a tile of 1 bytes is damaged: its head cannot be"),
        (b"\xff\x05\x80", "a tile of 3 bytes is damaged: its head cannot be"),
        (b"\xff\x05" + b"\xff" * 30, "a tile of 32 bytes is damaged: its head cannot be"),
        (b"\xff\x05\x01\x02\x03abcde", "a tile of 10 bytes is damaged: its parts need 11"),
        (b"\x40\0\0\0", "a tile is damaged: its levels are coded by table 64"),
        (b"\x05\0\0\0", "0 bytes of entropy-coded data are damaged"),
        (b"\xff\x05\0\0\0", "0 bytes of entropy-coded data are damaged"),
    ],
)
def test_bytes_that_are_no_tile_are_refused(model, stream, message):
    with pytest.raises(ImageError, match=message):
        decoded(model, stream, tile_of(model))


@pytest.mark.parametrize("first", [-129, 128, 2**31 - 1, -(2**31)])
def test_levels_out_of_range_are_refused(model, first):
    tile = tile_of(model, (4, 8))
    differences = encode(np.array([first, 0, 0, 0], np.int32), np.full(4, 9, np.uint8), model.scale_tables)
    with pytest.raises(ImageError, match="its levels of quality are out of range"):
        decoded(model, b"\x09" + leb128(len(differences)) + b"\0\0" + differences, tile)


@pytest.mark.parametrize("value", [32769, -32769, 2**31 - 1, -(2**31)])
def test_hyperlatents_out_of_range_are_refused(model, value):
    tile = tile_of(model, (4, 4))
    z = np.array([value, *[0] * 11], np.int32)
    coded = encode(z, np.arange(12, dtype=np.uint16), model.hyper_tables)
    with pytest.raises(ImageError, match="its hyperlatents are out of range"):
        decoded(model, b"\xff\x05\0" + leb128(len(coded)) + b"\0" + coded, tile)


# agreement


def test_an_integer_hyper_decoder_of_loops_finds_the_same_tables(model, path):
    z, levels = hyper_and_levels(model, units=1, shape=(9, 7), most=200)
    arrays = {name: a.astype(np.int64) for name, a in read_weights(path, kind=model.description["kind"]).arrays.items()}
    x = z[0].numpy().astype(np.int64)
    for layer in (0, 2):
        x = upsampled(x, arrays[f"hyper.{layer}.weight"], arrays[f"hyper.{layer}.bias"])
        bits = WEIGHT_BITS - ACTIVATION_BITS if layer == 0 else WEIGHT_BITS
        x = np.minimum(np.maximum(x, 0) >> bits, 1 << 24)
    x = convolved(x, arrays["hyper.4.weight"], arrays["hyper.4.bias"])[:, :9, :7] >> WEIGHT_BITS
    x += np.moveaxis(arrays["mask_index"][levels[0].numpy()], 2, 0)
    tables = np.clip((x + 128) >> 8, 0, 63)
    assert np.array_equal(model.scale_indices(z, levels)[0].numpy(), tables)


def upsampled(x, weight, bias):
    """Each sample spreads over 5×5 of twice as many, from 2 before its own; what falls outside is lost."""
    _, rows, cols = x.shape
    out = np.zeros((weight.shape[1], 2 * rows + 4, 2 * cols + 4), np.int64)
    for row in range(rows):
        for col in range(cols):
            out[:, 2 * row : 2 * row + 5, 2 * col : 2 * col + 5] += np.tensordot(x[:, row, col], weight, 1)
    return out[:, 2:-2, 2:-2] + bias[:, None, None]


def convolved(x, weight, bias):
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    rows, cols = x.shape[1:]
    out = np.zeros((len(weight), rows, cols), np.int64)
    for row in range(3):
        for col in range(3):
            out += np.tensordot(weight[:, :, row, col], padded[:, row : row + rows, col : col + cols], 1)
    return out + bias[:, None, None]
