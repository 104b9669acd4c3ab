"""Tables and neighbours fitted to images: to symbols of known distributions, and to a model that nobody trained."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the fixed-quality codec needs the extra learned: torch")

import torch

from orbiq.arrays import Scene
from orbiq.codecs import neural_tables
from orbiq.codecs.neural import FixedQuality
from orbiq.codecs.neural_model import KIND, N_LEVELS, load_model
from orbiq.codecs.neural_neighbours import MASK_ONE, WEIGHT_ONE
from orbiq.codecs.neural_networks import SCALE_STEP
from orbiq.codecs.neural_tables import N_SETS, fitted_neighbours, fitted_tables
from orbiq.codecs.neural_tiles import code_length, decoded_tile, encoded_tile
from orbiq.codecs.rans import Tables, code_length_bits, gaussian_tables
from orbiq.errors import SettingError
from orbiq.learning.weights import read_weights, write_weights
from tests.codecs.pictures import picture
from tests.codecs.toy_model import machine

SCALES = 0.11, 1.0, 5.0
REACHES = 2, 4, 18
"""Of the Gaussian tables of these, but for the first, whose is 0."""


pytestmark = pytest.mark.usefixtures("one_core")


@pytest.fixture(scope="module")
def fitted(path, model, tmp_path_factory):
    """The model with neighbours and tables of its own, as a training ends."""
    folder, images = tmp_path_factory.mktemp("fitted"), images_of(path, *smooth_ones())
    first = with_arrays(path, folder / "first.safetensors", fitted_neighbours(model, images))
    return with_arrays(path, folder / "last.safetensors", first.found | fitted_tables(first.model, images)).model


def with_arrays(path, target, arrays):
    """The toy model but for some arrays."""
    weights = read_weights(path, kind=KIND)
    write_weights(target, weights.arrays | arrays, weights.description)
    return SimpleNamespace(model=load_model(target), found=arrays)


def smooth(shape, *, seed=0):
    """Latents see 16 pixels at a time: a picture whose means go on from one to the next."""
    rows, cols, bands = shape
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(rows // 40 + 2, cols // 40 + 2, bands)).astype(np.float32)
    grown = cv2.resize(coarse, (cols, rows), interpolation=cv2.INTER_CUBIC).reshape(shape)
    return np.clip(128 + 45 * grown + 3 * rng.normal(size=shape), 0, 255).astype(np.uint8)


def smooth_ones(n=4):
    return [smooth((320, 400, 1), seed=seed) for seed in range(n)] + [smooth((320, 320, 3), seed=9)]


def images_of(path, *arrays):
    codec = FixedQuality(model=str(path), bits=12)
    scenes = [Scene(array=array) for array in arrays]
    return [(scene, codec.head(scene, codec.loaded())) for scene in scenes]


def tiles_of(model, path, *arrays):
    return list(neural_tables._looks(model, images_of(path, *arrays)))


def made_up(monkeypatch, *tiles):
    """What a model is looked at for, and does not say itself."""
    monkeypatch.setattr(neural_tables, "_looks", lambda model, images: tiles)


def coded(*, symbols=None, tables=None, hyper=None):
    symbols = np.zeros((1, 1, 1, 1), np.int32) if symbols is None else symbols
    tables = np.zeros(symbols.shape, np.uint8) if tables is None else tables
    hyper = np.zeros((1, 1, 1, 1), np.int32) if hyper is None else hyper
    return SimpleNamespace(symbols=symbols, tables=tables, hyper=hyper)


def of_gaussians():
    return SimpleNamespace(scale_tables=gaussian_tables(SCALES))


def geometric(reach, ratio):
    """Masses of −reach … reach, with heavier tails than a Gaussian's."""
    masses = ratio ** np.abs(np.arange(-reach, reach + 1))
    return masses / masses.sum()


def drawn(masses, shape, rng):
    reach = len(masses) // 2
    return rng.choice(np.arange(-reach, reach + 1), shape, p=masses).astype(np.int32)


def entropy_bits(masses):
    return float(-(masses * np.log2(masses)).sum())


def bits_of(symbols, table, tables):
    return code_length_bits(symbols.ravel(), np.full(symbols.size, table, np.uint16), tables) / symbols.size


def sets_bits(plane, tables, channels):
    """Of a plane of hyperlatents (channels, rows, cols), by the best of all sets."""
    which = np.repeat(np.arange(channels, dtype=np.uint16), plane[0].size)
    firsts = range(0, len(tables), channels)
    return min(code_length_bits(plane.ravel(), which + np.uint16(first), tables) for first in firsts)


# known answers: tables


def test_symbols_of_a_known_distribution_take_their_entropy(monkeypatch):
    rng, shares = np.random.default_rng(0), [geometric(r, q) for r, q in zip(REACHES, (0.1, 0.4, 0.8), strict=True)]
    which = np.repeat(np.arange(3, dtype=np.uint8), 40_000).reshape(1, 3, 200, 200)
    one, other = (np.stack([drawn(masses, (200, 200), rng) for masses in shares])[None] for _ in range(2))
    made_up(monkeypatch, coded(symbols=one, tables=which))
    tables = Tables.unpacked(fitted_tables(of_gaussians(), [])["tables.scales"])
    for k, masses in enumerate(shares):
        assert bits_of(one[0, k], k, tables) == pytest.approx(entropy_bits(masses), rel=0.015)
        assert bits_of(other[0, k], k, tables) == pytest.approx(entropy_bits(masses), rel=0.015)
    # the Gaussian's are for others
    assert bits_of(one[0, 1], 1, gaussian_tables(SCALES)) > 1.02 * entropy_bits(shares[1])


def test_a_table_that_codes_nothing_stays_the_gaussian(monkeypatch):
    made_up(monkeypatch, coded())
    tables, gaussians = Tables.unpacked(fitted_tables(of_gaussians(), [])["tables.scales"]), gaussian_tables(SCALES)
    assert (-tables.lowest).tolist() == list(REACHES)
    assert tables.count.tolist() == [2 * reach + 1 for reach in REACHES]
    behind, usual = tables.frequencies[6:].astype(int), gaussians.frequencies[2:].astype(int)
    assert np.abs(behind - usual).max() <= 1


def test_a_symbol_and_its_negative_cost_the_same(monkeypatch):
    symbols = np.arange(16, dtype=np.int32).repeat(50).reshape(1, 1, 20, 40)
    made_up(monkeypatch, coded(symbols=symbols, tables=np.full(symbols.shape, 2, np.uint8)))
    tables = Tables.unpacked(fitted_tables(of_gaussians(), [])["tables.scales"])
    frequencies = tables.frequencies[-38:-1].astype(int)
    assert np.abs(frequencies - frequencies[::-1]).max() <= 1
    assert frequencies[18] > 1.8 * frequencies[19]  # 0 was there as often as 1, which −1 shares


def test_symbols_beyond_a_table_make_its_escape_likelier(monkeypatch):
    symbols = np.zeros((1, 1, 10, 100), np.int32)
    symbols[..., :10] = 7
    made_up(monkeypatch, coded(symbols=symbols, tables=np.full(symbols.shape, 1, np.uint8)))
    tables = Tables.unpacked(fitted_tables(of_gaussians(), [])["tables.scales"])
    escape = tables.frequencies[6 + 9]
    assert escape / 2**16 == pytest.approx(100 / 1030, rel=0.01)


# known answers: hyperlatents


@pytest.mark.parametrize(
    "ratios",
    [((0.02, 0.1, 0.3), (0.6, 0.8, 0.2), (0.95, 0.5, 0.9)), ((0.02, 0.5, 0.9), (0.9, 0.02, 0.5), (0.5, 0.9, 0.02))],
    ids=["more and more to code", "as much to code"],
)
def test_each_kind_of_plane_finds_a_set_that_takes_its_entropy(monkeypatch, ratios):
    rng, kinds = np.random.default_rng(2), [[geometric(60, q) for q in of_kind] for of_kind in ratios]
    planes = [np.stack([drawn(masses, (20, 20), rng) for masses in kind]) for kind in kinds * 30]
    made_up(monkeypatch, *(coded(hyper=plane[None]) for plane in planes[:60]))
    tables = Tables.unpacked(fitted_tables(of_gaussians(), [])["tables.hyperlatents"])
    assert len(tables) == 3 * N_SETS
    for k, kind in enumerate(kinds):
        bits = sum(sets_bits(plane, tables, 3) for plane in planes[60 + k :: 3])
        assert bits == pytest.approx(10 * 400 * sum(entropy_bits(masses) for masses in kind), rel=0.02)


def test_one_plane_is_enough_for_all_sets(monkeypatch):
    plane = drawn(geometric(9, 0.5), (2, 30, 30), np.random.default_rng(0))
    made_up(monkeypatch, coded(hyper=plane[None]))
    tables = Tables.unpacked(fitted_tables(of_gaussians(), [])["tables.hyperlatents"])
    assert len(tables) == 2 * N_SETS
    assert sets_bits(plane, tables, 2) == pytest.approx(1800 * entropy_bits(geometric(9, 0.5)), rel=0.02)


@pytest.mark.parametrize("far", [65, -65, 32_768, -32_768])
def test_hyperlatents_far_from_zero_are_escaped(monkeypatch, far):
    plane = np.zeros((1, 8, 8), np.int32)
    plane[0, 0, :4] = far
    made_up(monkeypatch, coded(hyper=plane[None]))
    tables = Tables.unpacked(fitted_tables(of_gaussians(), [])["tables.hyperlatents"])
    assert tables.lowest.min() >= -64
    assert (tables.lowest + tables.count).max() <= 65
    assert 0 < sets_bits(plane, tables, 1) < 64 + 4 * 70


# known answers: neighbours


def foretold_by(weights, *, shape=(200, 200), seed=0, spread=30.0):
    """Whole numbers, each of them what its neighbours to the left and above say, and chance."""
    rng = np.random.default_rng(seed)
    chance, values = rng.normal(size=shape) * spread, np.zeros((shape[0] + 1, shape[1] + 2))
    for row in range(shape[0]):
        for col in range(shape[1]):
            left, above = values[row + 1, col], values[row, col + 1]
            other = values[row, col], values[row, col + 2]
            values[row + 1, col + 1] = np.dot(weights, [left, above, *other]) + chance[row, col]
    return np.rint(values[1:, 1:-1]).astype(np.int32)


def of_masks(channels, mask=1.0):
    return SimpleNamespace(channels=channels, masks=torch.full((N_LEVELS, channels), mask))


def test_the_weights_that_numbers_were_made_with_are_found_and_noise_has_none(monkeypatch):
    weights = [0.4, 0.3, -0.1, 0.25]
    correlated, noise = foretold_by(weights), foretold_by([0, 0, 0, 0], seed=1)
    symbols = np.stack([noise, correlated, 0 * noise])[None]
    made_up(monkeypatch, coded(symbols=symbols))
    found = fitted_neighbours(of_masks(3, mask=0.5), [])
    ((channel, narrower, *said),) = found["neighbours"].tolist()
    assert channel == 1
    assert np.array(said) / WEIGHT_ONE == pytest.approx(weights, abs=0.02)
    left = np.log(30 / correlated[1:, 1:-1].std()) / SCALE_STEP  # of its deviation, as tables go
    assert narrower == pytest.approx(left, abs=0.6)
    assert found["neighbour_masks"].tolist() == [[MASK_ONE // 2] * N_LEVELS]


@pytest.mark.parametrize(("weight", "n_found"), [(0.40, 0), (0.50, 1)])
def test_a_fifth_of_the_power_must_be_foretold(monkeypatch, weight, n_found):
    made_up(monkeypatch, coded(symbols=foretold_by([weight, 0, 0, 0])[None, None]))
    assert len(fitted_neighbours(of_masks(1), [])["neighbours"]) == n_found  # weight² is foretold


def test_fine_levels_count_no_more_than_coarse_ones(monkeypatch):
    coarse, fine = foretold_by([0.8, 0, 0, 0], spread=5), foretold_by([0, 0.8, 0, 0], spread=500, seed=1)
    made_up(monkeypatch, *(coded(symbols=one[None, None]) for one in (coarse, fine)))
    ((_, _, left, above, *_),) = fitted_neighbours(of_masks(1), [])["neighbours"].tolist()
    assert left == pytest.approx(above, rel=0.1)


def test_masks_are_never_nothing(monkeypatch):
    made_up(monkeypatch, coded(symbols=foretold_by([0.8, 0, 0, 0])[None, None]))
    assert (fitted_neighbours(of_masks(1, mask=1e-6), [])["neighbour_masks"] == 1).all()


@pytest.mark.parametrize("symbols", [np.zeros((2, 20, 20)), np.full((2, 20, 20), 5)], ids=["nothing", "the same"])
def test_where_neighbours_are_all_alike_nothing_is_solved(monkeypatch, symbols):
    made_up(monkeypatch, coded(symbols=symbols.astype(np.int32)[None]))
    found = fitted_neighbours(of_masks(2), [])
    assert (found["neighbours"].shape, found["neighbours"].dtype) == ((0, 6), np.int16)
    assert (found["neighbour_masks"].shape, found["neighbour_masks"].dtype) == ((0, N_LEVELS), np.int32)


# laws


def test_an_image_is_looked_at_once_in_each_sixth_of_the_levels(model, path):
    tiles = tiles_of(model, path, smooth((40, 40, 1)), smooth((40, 40, 3)))
    assert [len(tile.symbols) for tile in tiles] == [1] * 6 + [3] * 6
    for six in (tiles[:6], tiles[6:]):
        places = [int(tile.levels[0, 0]) * 6 / N_LEVELS for tile in six]
        assert all(k - 6 / N_LEVELS < place < k + 1 for k, place in enumerate(places))


def test_smooth_images_have_neighbours_and_noise_has_none(model, path):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (512, 512, 1)).astype(np.uint8) for _ in range(2)]
    assert len(fitted_neighbours(model, images_of(path, *smooth_ones()))["neighbours"]) > 0
    assert len(fitted_neighbours(model, images_of(path, *noise))["neighbours"]) == 0


def test_the_same_images_come_to_the_same_arrays(model, path):
    for fit in (fitted_neighbours, fitted_tables):
        one, other = (fit(model, images_of(path, *smooth_ones(2))) for _ in range(2))
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_fitted_tables_take_no_more_bits_than_the_gaussians_for_the_same_symbols(model, path, tmp_path):
    pictures = [picture((128, 192, 1), seed=seed) for seed in range(3)] + [picture((64, 96, 3), seed=4)]
    tables = fitted_tables(model, images_of(path, *pictures))
    other = with_arrays(path, tmp_path / "fitted.safetensors", tables).model
    tiles = tiles_of(model, path, *pictures)
    assert sum(code_length(other, tile) for tile in tiles) < sum(code_length(model, tile) for tile in tiles)


def test_each_fit_saves_bits_on_images_that_it_did_not_see_too(model, fitted, path, tmp_path):
    # seeds of their own
    fresh = [smooth((320, 400, 1), seed=50), smooth((320, 320, 3), seed=51)]
    without = with_arrays(
        path, tmp_path / "tables.safetensors", fitted_tables(model, images_of(path, *smooth_ones()))
    ).model
    for images in (smooth_ones(), fresh):
        plain, of_tables, of_both = (
            sum(code_length(one, tile) for tile in tiles_of(one, path, *images)) for one in (model, without, fitted)
        )
        assert of_both < of_tables < plain


def test_a_file_with_them_loads_codes_and_decodes_exactly(fitted, path):
    assert fitted.hyper_sets == N_SETS
    assert fitted.neighbours
    for array in (smooth((320, 400, 1), seed=60), picture((90, 70, 3), seed=1)):
        for tile in tiles_of(fitted, path, array):
            stream = encoded_tile(fitted, tile)
            assert 8 * len(stream) == pytest.approx(code_length(fitted, tile), abs=8 * 60)
            units, _, *shape = tile.symbols.shape
            for threads in (1, 2):
                with machine(threads=threads):
                    back = decoded_tile(fitted, stream, units=units, shape=tuple(shape), block=tuple(shape))
                assert np.array_equal(back.symbols, tile.symbols)
                assert np.array_equal(back.hyper, tile.hyper)
                assert torch.equal(back.latents, tile.latents)


def test_what_is_foretold_does_not_move_what_is_decoded(model, fitted, path):
    # within three quarters of a step, whatever foretells it
    images = smooth((320, 400, 1), seed=61)
    for one, other in zip(tiles_of(model, path, images), tiles_of(fitted, path, images), strict=True):
        each = torch.full((1, *one.latents.shape[2:]), int(one.levels[0, 0]))
        assert ((one.latents - other.latents) * model.mask(each)).abs().max() < 1.501


def test_a_model_whose_channels_have_no_neighbours_is_as_if_none_were_said(model, path, tmp_path):
    nothing = {"neighbours": np.zeros((0, 6), np.int16), "neighbour_masks": np.zeros((0, N_LEVELS), np.int32)}
    other = with_arrays(path, tmp_path / "none.safetensors", nothing).model
    array = picture((70, 90, 1))
    for one, two in zip(tiles_of(model, path, array), tiles_of(other, path, array), strict=True):
        assert encoded_tile(model, one) == encoded_tile(other, two)


@pytest.mark.parametrize("shape", [(16, 16, 1), (1, 1, 1), (5, 3, 3), (16, 80, 1), (80, 16, 1), (17, 33, 1)])
def test_the_smallest_images_are_enough(model, path, tmp_path, shape):
    array = picture(shape)
    images = images_of(path, array)
    arrays = fitted_neighbours(model, images) | fitted_tables(model, images)
    other = with_arrays(path, tmp_path / "small.safetensors", arrays).model
    assert not other.neighbours
    tile = tiles_of(other, path, array)[3]
    units, _, *size = tile.symbols.shape
    back = decoded_tile(other, encoded_tile(other, tile), units=units, shape=tuple(size), block=tuple(size))
    assert np.array_equal(back.symbols, tile.symbols)


def test_a_small_image_is_too_little_to_find_neighbours_in(model, path):
    """Of so few latents chance explains much, with weights of any size."""
    for seed in (38, 39):
        found = fitted_neighbours(model, images_of(path, picture((33, 48, 1), seed=seed)))
        assert len(found["neighbours"]) == 0


def test_hyperlatents_that_lie_far_from_0_all_of_them_are_escaped():
    planes = np.stack([neural_tables._histogram(np.full((2, 10, 10), 100, np.int32))] * 3)
    tables = neural_tables._hyper_tables(planes)
    assert len(tables) == 2 * N_SETS
    assert np.isfinite(sets_bits(np.full((2, 10, 10), 100, np.int32), tables, 2))


@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_any_hyperlatents_that_were_seen_can_be_coded(seed, n_planes, channels):
    rng = np.random.default_rng(seed)
    planes = [
        np.rint(rng.laplace(size=(channels, 3, 3)) * 10.0 ** rng.uniform(-1, 1.3)).astype(np.int32)
        for _ in range(n_planes)
    ]
    tables = neural_tables._hyper_tables(np.stack([neural_tables._histogram(plane) for plane in planes]))
    assert len(tables) == channels * N_SETS
    assert all(np.isfinite(sets_bits(plane, tables, channels)) for plane in planes)


# bad input


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"tables.scales": gaussian_tables([1.0] * 3).packed()}, "3 tables of latents and 12 of hyperlatents"),
        ({"tables.hyperlatents": gaussian_tables([1.0] * 5).packed()}, "64 tables of latents and 5 of hyperlatents"),
        ({"tables.hyperlatents": gaussian_tables([1.0] * 13).packed()}, "expected 64, and sets of 12: fetch the file"),
        ({"neighbours": np.array([[99, -3, 1, 1, 1, 1]], np.int16)}, "channel that is foretold"),
        ({"neighbours": np.array([[0, -3, 1, 1, 1]], np.int16)}, "6 and 256 for each channel"),
        ({"neighbour_masks": np.zeros((1, N_LEVELS), np.int32)}, "masks above 0: fetch the file again"),
        ({"neighbour_masks": np.ones((1, 9), np.int32)}, r"of neighbours \(1, 6\) and of their masks \(1, 9\)"),
    ],
)
def test_a_model_whose_tables_or_neighbours_do_not_fit_is_refused(path, tmp_path, arrays, message):
    whole = {
        "neighbours": np.array([[0, -3, 100, 90, -9, 30]], np.int16),
        "neighbour_masks": np.ones((1, N_LEVELS), np.int32),
    }
    assert with_arrays(path, tmp_path / "whole.safetensors", whole).model.neighbours
    with pytest.raises(SettingError, match=message):
        with_arrays(path, tmp_path / "other.safetensors", whole | arrays)
