"""Tiles of latents: exactness on any machine, an integer hyper-decoder of its own, and damage."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the fixed-quality codec needs the extra learned: torch")

import torch

from orbiq.codecs.frames import leb128
from orbiq.codecs.neural_model import ACTIVATION_BITS, KIND, WEIGHT_BITS, load_model
from orbiq.codecs.neural_neighbours import MASK_ONE
from orbiq.codecs.neural_tiles import code_length, decoded_tile, encoded_tile, level_of_each, rounded_tile
from orbiq.codecs.rans import code_length_bits, encode, gaussian_tables
from orbiq.errors import ImageError
from orbiq.learning.weights import read_weights, write_weights
from tests.codecs.toy_model import machine

BLOCK = (2, 4)
SETS = 0.3, 2.0, 15.0
"""Deviations of the hyperlatents that each set of tables is for."""
NEIGHBOURS = {0: [140, 90, -40, 30], 5: [0, 256, 0, 0], 11: [-200, 300, 100, -150]}


pytestmark = pytest.mark.usefixtures("one_core")


@pytest.fixture(scope="module")
def path_of_sets(path, tmp_path_factory):
    """The model with a table of each set for each channel, and channels that are foretold from their neighbours."""
    weights = read_weights(path, kind=KIND)
    channels = weights.description["shape"]["latents"]
    masks = load_model(path).masks.numpy()[:, list(NEIGHBOURS)].T * MASK_ONE
    tables = gaussian_tables([scale for scale in SETS for _ in range(channels)])
    target = tmp_path_factory.mktemp("sets") / "sets.safetensors"
    arrays = {
        "tables.hyperlatents": tables.packed(),
        "neighbours": np.array([[channel, -3, *said] for channel, said in NEIGHBOURS.items()], np.int16),
        "neighbour_masks": np.rint(masks).astype(np.int32),
    }
    write_weights(target, weights.arrays | arrays, weights.description)
    return target


@pytest.fixture(scope="module")
def model_of_sets(path_of_sets):
    return load_model(path_of_sets)


@pytest.fixture(scope="module")
def stream_of_sets(model_of_sets):
    return encoded_tile(model_of_sets, tile_of(model_of_sets, units=3))


@pytest.fixture(scope="module")
def stream(model):
    return encoded_tile(model, tile_of(model))


def tile_of(model, shape=(9, 14), *, units=1, seed=0, even=False):
    """Latents of a wide spread when masked, a level for every block of `BLOCK`."""
    rng = np.random.default_rng(seed)
    spread = np.geomspace(30, 0.2, model.channels)[:, None, None]
    masked = rng.laplace(size=(units, model.channels, *shape)) * spread
    blocks = -(-shape[0] // BLOCK[0]), -(-shape[1] // BLOCK[1])
    levels = np.full(blocks, 77, np.uint8) if even else rng.integers(0, 256, blocks).astype(np.uint8)
    each = torch.from_numpy(level_of_each(levels, block=BLOCK, shape=shape))[None]
    return rounded_tile(model, torch.from_numpy(masked).float() / model.mask(each), levels, block=BLOCK)


def decoded(model, stream, tile, block=BLOCK):
    units, _, rows, cols = tile.symbols.shape
    return decoded_tile(model, stream, units=units, shape=(rows, cols), block=block)


def assert_same(one, other):
    for name in ("symbols", "tables", "hyper", "levels"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert torch.equal(one.latents, other.latents)


def spread(tile, *deviations):
    """The tile with hyperlatents of these deviations, one a unit."""
    rng = np.random.default_rng(4)
    hyper = np.stack([np.rint(rng.normal(size=tile.hyper.shape[1:]) * one) for one in deviations])
    return replace(tile, hyper=hyper.astype(np.int32))


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
    stream = encoded_tile(model, tile)
    assert stream[:3] == bytes([255, 77, 0])


def test_a_level_of_each_latent():
    assert level_of_each(np.array([[1, 2], [3, 4]]), block=(2, 2), shape=(3, 3)).tolist() == [
        [1, 1, 2],
        [1, 1, 2],
        [3, 3, 4],
    ]


def test_levels_are_differences_from_the_left_and_from_above_in_the_first_column(model):
    tile = replace(tile_of(model, (4, 8)), levels=np.array([[130, 131], [127, 127]], np.uint8))
    stream = encoded_tile(model, tile)
    at, lengths = parts_of(stream)
    differences = np.array([2, 1, -3, 0], np.int32)
    assert stream[at : at + lengths[0]] == encode(differences, np.full(4, stream[0], np.uint8), model.scale_tables)


def test_each_unit_names_the_set_that_suits_its_hyperlatents(model_of_sets):
    tile = spread(tile_of(model_of_sets, (24, 24), units=4, even=True), 2.0, 15.0, 0.3, 15.0)
    stream = encoded_tile(model_of_sets, tile)
    at, lengths = parts_of(stream)
    sets = stream[at + lengths[0] : at + lengths[0] + 4]
    assert list(sets) == [1, 2, 0, 2]
    which = np.concatenate([12 * one + np.arange(12).repeat(36) for one in sets]).astype(np.uint16)
    hyper = encode(tile.hyper.ravel(), which, model_of_sets.hyper_tables)
    assert stream[at + lengths[0] + 4 : at + lengths[0] + lengths[1]] == hyper


def test_no_set_is_named_where_there_is_one(model):
    tile = tile_of(model, (4, 4), even=True)
    stream = encoded_tile(model, tile)
    at, lengths = parts_of(stream)
    hyper = encode(tile.hyper.ravel(), np.arange(12, dtype=np.uint16), model.hyper_tables)
    assert stream[at : at + lengths[1]] == hyper


def test_a_channel_is_foretold_from_its_neighbours_and_the_others_are_not(model, model_of_sets):
    one, other = (tile_of(of, (9, 14), units=2, even=True) for of in (model, model_of_sets))
    assert np.array_equal(one.hyper, other.hyper)
    differ = [not np.array_equal(one.symbols[:, k], other.symbols[:, k]) for k in range(12)]
    assert [k for k in range(12) if differ[k]] == list(NEIGHBOURS)


def test_a_channel_foretold_takes_a_table_of_less_spread(model, model_of_sets):
    z, levels = hyper_and_levels(model, units=1, shape=(16, 16), most=4)
    usual, narrower = (of.foretold(z, levels) for of in (model, model_of_sets))
    expected = usual.tables.astype(int)
    expected[:, list(NEIGHBOURS)] -= 3
    sure = usual.tables < 63  # the widest may stand for wider ones still
    assert sure[:, list(NEIGHBOURS)].sum() > 100
    assert np.array_equal(narrower.tables[sure], np.maximum(expected, 0)[sure])
    assert torch.equal(usual.mean, narrower.mean)


# laws


@given(st.tuples(st.integers(1, 20), st.integers(1, 20)), st.sampled_from([1, 3]), st.booleans(), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_a_tile_comes_back(model, shape, units, even, seed):
    tile = tile_of(model, shape, units=units, even=even, seed=seed)
    stream = encoded_tile(model, tile)
    back = decoded(model, stream + b"residual", tile)
    assert_same(back, tile)
    assert back.residual == b"residual"
    assert encoded_tile(model, back) == stream + b"residual"


@pytest.mark.parametrize("threads", [1, 2])
@given(st.tuples(st.integers(1, 20), st.integers(1, 20)), st.sampled_from([1, 3]), st.booleans(), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_a_tile_of_several_sets_and_of_neighbours_comes_back(model_of_sets, threads, shape, units, even, seed):
    tile = tile_of(model_of_sets, shape, units=units, even=even, seed=seed)
    stream = encoded_tile(model_of_sets, tile)
    with machine(threads=threads):
        back = decoded(model_of_sets, stream + b"residual", tile)
    assert_same(back, tile)
    assert back.residual == b"residual"
    assert encoded_tile(model_of_sets, back) == stream + b"residual"


def test_any_hyperlatents_come_back_from_several_sets(model_of_sets):
    tile = spread(tile_of(model_of_sets, (9, 14), units=3), 0.1, 900.0, 5.0)
    tile.hyper[0, :, 1, 1] = 32_768, -32_768, *range(10)
    each = torch.from_numpy(level_of_each(tile.levels, block=BLOCK, shape=(9, 14))).expand(3, 9, 14)
    tile = replace(tile, tables=model_of_sets.foretold(torch.from_numpy(tile.hyper), each).tables)
    assert np.array_equal(decoded(model_of_sets, encoded_tile(model_of_sets, tile), tile).hyper, tile.hyper)


def test_no_other_sets_would_take_fewer_bits(model_of_sets):
    tile = spread(tile_of(model_of_sets, (24, 24), units=3, even=True), 1.0, 7.0, 0.1)
    which, tables = np.arange(12, dtype=np.uint16).repeat(36), model_of_sets.hyper_tables
    hyper = sum(
        min(code_length_bits(unit.ravel(), which + np.uint16(12 * k), tables) for k in range(3)) for unit in tile.hyper
    )
    symbols = code_length_bits(tile.symbols.ravel(), tile.tables.ravel(), model_of_sets.scale_tables)
    assert code_length(model_of_sets, tile) == pytest.approx(hyper + symbols)


def test_latents_of_neighbours_lie_within_three_quarters_of_a_step(model_of_sets):
    tile = tile_of(model_of_sets, (8, 8))
    each = torch.from_numpy(level_of_each(tile.levels, block=BLOCK, shape=(8, 8)))[None]
    latents = tile.latents + torch.empty(tile.latents.shape).uniform_(-9, 9, generator=torch.manual_seed(0))
    again = rounded_tile(model_of_sets, latents, tile.levels, block=BLOCK)
    assert ((again.latents - latents) * model_of_sets.mask(each)).abs().max() < 0.751


def test_latents_far_outside_every_table_come_back(model):
    tile = tile_of(model, (4, 4))
    tile.symbols[0, :, 1, 2] = [2**24, -(2**24), 10**6, *range(9)]
    assert np.array_equal(decoded(model, encoded_tile(model, tile), tile).symbols, tile.symbols)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("mkldnn", [True, False])
def test_the_same_bytes_are_the_same_tile_on_any_machine(model, threads, mkldnn):
    tile = tile_of(model, (33, 47), units=3)
    stream = encoded_tile(model, tile)
    with machine(threads=threads, mkldnn=mkldnn):
        back = decoded(model, stream, tile)
    assert_same(back, tile)


def test_what_is_decoded_lies_within_three_quarters_of_a_step_of_what_was_coded(model):
    tile = tile_of(model, (8, 8))
    each = torch.from_numpy(level_of_each(tile.levels, block=BLOCK, shape=(8, 8)))[None]
    mask = model.mask(each)
    latents = tile.latents + torch.empty(tile.latents.shape).uniform_(-9, 9, generator=torch.manual_seed(0))
    again = rounded_tile(model, latents, tile.levels, block=BLOCK)
    assert ((again.latents - latents) * mask).abs().max() < 0.751


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("mkldnn", [True, False])
def test_what_is_foretold_is_the_same_on_any_machine_in_any_layout_batch_or_crop(model, threads, mkldnn):
    z, levels = hyper_and_levels(model, units=3, shape=(40, 56))
    tables, mean = model.foretold(z, levels)
    assert len(np.unique(tables)) > 30
    assert len(torch.unique(mean)) > 1000
    last = z.contiguous(memory_format=torch.channels_last)
    cases = [(z, levels, slice(None)), (last, levels, slice(None))]
    cases += [(z[[k]], levels[[k]], slice(k, k + 1)) for k in range(3)]
    with machine(threads=threads, mkldnn=mkldnn):
        for hyper, each, which in cases:
            found = model.foretold(hyper, each)
            assert np.array_equal(found.tables, tables[which])
            assert torch.equal(found.mean, mean[which])
        # two hyperlatents from a cut nothing of what is beyond it is seen
        cut = model.foretold(z[:, :, :7, :9], levels[:, :28, :36])
        assert np.array_equal(cut.tables[:, :, :20, :28], tables[:, :, :20, :28])
        assert torch.equal(cut.mean[:, :, :20, :28], mean[:, :, :20, :28])


def hyper_and_levels(model, *, units, shape, seed=3, most=40):
    rng = np.random.default_rng(seed)
    rows, cols = (-(-side // 4) for side in shape)
    z = np.rint(rng.normal(size=(units, model.channels, rows, cols)) * most)
    return torch.from_numpy(z), torch.from_numpy(rng.integers(0, 256, (units, *shape)).astype(np.uint8))


def test_hyperlatents_at_their_ends_are_exact_too(model):
    z, levels = hyper_and_levels(model, units=1, shape=(16, 16))
    z = torch.where(z > 0, 32768.0, -32768.0)
    one = model.foretold(z, levels)
    with machine(threads=2, mkldnn=False):
        other = model.foretold(z, levels)
    assert np.array_equal(one.tables, other.tables)
    assert torch.equal(one.mean, other.mean)


def test_the_length_is_known_before_coding(model, model_of_sets):
    for one in (model, model_of_sets):
        tile = tile_of(one, (32, 32), even=True)
        assert 8 * len(encoded_tile(one, tile)) == pytest.approx(code_length(one, tile), abs=8 * 50)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_damage_ends_in_a_sentence_or_in_a_tile(model, stream, data):
    damage(model, bytearray(stream), tile_of(model), data)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_damage_to_several_sets_and_neighbours_ends_so_too(model_of_sets, stream_of_sets, data):
    damage(model_of_sets, bytearray(stream_of_sets), tile_of(model_of_sets, units=3), data)


def damage(model, stream, tile, data):
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.one_of(st.integers(0, 12), st.integers(0, len(stream) - 1)))
        stream[at] = data.draw(st.integers(0, 255))
    cut = bytes(stream[: data.draw(st.one_of(st.just(len(stream)), st.integers(0, len(stream))))])
    try:
        back = decoded(model, cut, tile)
    except ImageError:
        return
    assert back.symbols.shape == back.latents.shape == tile.symbols.shape
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


@pytest.mark.parametrize("sets", [b"\x03\x00\x00", b"\x00\x01\xff", b"\x00\x01", b"\x02", b""])
def test_sets_that_there_are_not_are_refused(model_of_sets, sets):
    tile = tile_of(model_of_sets, (4, 4), units=3, even=True)
    stream = b"\xff\x05\0" + leb128(len(sets)) + b"\0" + sets
    message = rf"^a tile is damaged: the sets of its tables are {re.escape(str(list(sets)))} of 3$"
    with pytest.raises(ImageError, match=message):
        decoded(model_of_sets, stream, tile)


def test_a_set_changed_for_one_that_there_is_not_is_refused(model_of_sets, stream_of_sets):
    at, lengths = parts_of(stream_of_sets)
    stream = bytearray(stream_of_sets)
    stream[at + lengths[0] + 1] = 3
    with pytest.raises(ImageError, match=r"the sets of its tables are \[\d, 3, \d\] of 3"):
        decoded(model_of_sets, bytes(stream), tile_of(model_of_sets, units=3))


def test_symbols_that_no_image_has_come_to_latents_all_the_same(model_of_sets):
    tile = tile_of(model_of_sets, (9, 14))
    tile.symbols[0, list(NEIGHBOURS)] = 2**31 - 1
    back = decoded(model_of_sets, encoded_tile(model_of_sets, tile), tile)
    assert np.array_equal(back.symbols, tile.symbols)
    assert back.latents.shape == tile.latents.shape


@pytest.mark.parametrize("value", [32769, -32769, 2**31 - 1, -(2**31)])
def test_hyperlatents_out_of_range_are_refused(model, value):
    tile = tile_of(model, (4, 4))
    z = np.array([value, *[0] * 11], np.int32)
    coded = encode(z, np.arange(12, dtype=np.uint16), model.hyper_tables)
    with pytest.raises(ImageError, match="its hyperlatents are out of range"):
        decoded(model, b"\xff\x05\0" + leb128(len(coded)) + b"\0" + coded, tile)


# agreement


def test_an_integer_hyper_decoder_of_loops_foretells_the_same(model, path):
    z, levels = hyper_and_levels(model, units=1, shape=(9, 7), most=200)
    arrays = {name: a.astype(np.int64) for name, a in read_weights(path, kind=model.description["kind"]).arrays.items()}
    x = z[0].numpy().astype(np.int64)
    for layer in (0, 2):
        x = upsampled(x, arrays[f"hyper.{layer}.weight"], arrays[f"hyper.{layer}.bias"])
        bits = WEIGHT_BITS - ACTIVATION_BITS if layer == 0 else WEIGHT_BITS
        x = np.minimum(np.maximum(x, 0) >> bits, 1 << 24)
    x = convolved(x, arrays["hyper.4.weight"], arrays["hyper.4.bias"])[:, :9, :7] >> WEIGHT_BITS
    index, mean = x[: model.channels], x[model.channels :]
    index += np.moveaxis(arrays["mask_index"][levels[0].numpy()], 2, 0)
    found = model.foretold(z, levels)
    assert np.array_equal(found.tables[0], np.clip((index + 128) >> 8, 0, 63))
    assert np.array_equal(found.mean[0].numpy(), (mean / 256).astype(np.float32))
    assert len(np.unique(mean)) > 100


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
