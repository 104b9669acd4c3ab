"""Fixed-quality streams to pixels: any machine, window and size, seams, masks, damage, the residual's promise.

A stored stream, made once by golden/make_neural.py, as was the model beside it, must decode for ever.
"""

import json
import lzma
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="the fixed-quality codec needs the extra learned: torch")

import torch

from orbiq.arrays import Scene
from orbiq.codecs.fixed_quality import block_mse
from orbiq.codecs.neural import FixedQuality
from orbiq.codecs.neural_container import Head, packed, read_head, unpacked
from orbiq.codecs.neural_decoding import Decoder
from orbiq.codecs.neural_encoding import Encoder
from orbiq.codecs.neural_levels import Quality
from orbiq.codecs.neural_model import load_model
from orbiq.codecs.neural_passes import Area, areas, latent_grid, latents_of
from orbiq.codecs.neural_planes import scaling_of
from orbiq.errors import ImageError
from tests.codecs.pictures import picture
from tests.codecs.toy_model import machine, toy_model

GOLDEN = Path(__file__).parent / "golden"
BITS = {"uint8": 8, "uint16": 12, "int16": 12}


pytestmark = pytest.mark.usefixtures("one_core")


@pytest.fixture(scope="module")
def model_of_three(tmp_path_factory):
    return load_model(toy_model(tmp_path_factory.mktemp("model") / "three.safetensors", bands=3))


def head_of(model, array, *, tile_px=64, block=(16, 32), joint=None):
    """A head of small tiles, so that small images have many."""
    dtype, bands = str(array.dtype), array.shape[2]
    joint = bands == 3 if joint is None else joint
    groups = [[0, 1, 2]] if joint else [[k] for k in range(bands)]
    return Head(
        model=model.digest,
        dtype=dtype,
        bits=BITS[dtype],
        shape=array.shape,
        tile_px=tile_px,
        block=block,
        joint=joint,
        residual=False,
        scalings=tuple(scaling_of(array[:, :, group], bits=BITS[dtype]) for group in groups),
    )


def stream_of(model, array, *, mse=20.0, residual=False, **how):
    """Levels that differ from block to block, since a target is asked for."""
    head = head_of(model, array, **how)
    encoder = Encoder(model, Scene(array=array), head, model.calibration)
    quality = Quality(targets=(mse,) * len(head.groups), corrections=1, residual=residual)
    return packed(encoder.encoded(quality)[0])


def decoder_of(model, stream, **how):
    return Decoder(model, unpacked(stream, **how))


def latents_by_tile(decoder):
    """Latents and levels of all tiles."""
    side = decoder.head.tile_px // 16
    rows, cols = decoder.grid
    whole = [
        Area(rows=(r, min(r + side, rows)), cols=(c, min(c + side, cols)), whole=decoder.grid)
        for r in range(0, rows, side)
        for c in range(0, cols, side)
    ]
    return [decoder.tile(tile, group) for tile in whole for group in range(len(decoder.head.groups))]


def far(one, other):
    return int(np.abs(one.astype(int) - other).max())


# known answers


@pytest.mark.parametrize(("dtype", "value"), [("uint8", 0), ("uint8", 200), ("uint16", 4095), ("int16", -2048)])
def test_a_constant_image_is_the_middle_of_its_range_and_nothing_else(model, dtype, value):
    array = np.full((70, 90, 1), value, dtype)
    stream = stream_of(model, array)
    assert np.array_equal(decoder_of(model, stream).image(), array)
    assert len(stream) < 200


def test_a_damaged_tile_is_the_middle_of_its_range_and_its_place_is_told(model):
    array = picture((150, 200, 2))
    stream = bytearray(stream_of(model, array))
    whole = decoder_of(model, bytes(stream)).image()
    stream[bytes(stream).index(unpacked(bytes(stream)).tiles[11])] ^= 1  # second band of tile 5 of 3 × 4
    with pytest.raises(
        ImageError, match="1 of 24 tiles of a fixed-quality stream are damaged or cut off, tile 11 first"
    ):
        decoder_of(model, bytes(stream))
    decoder = decoder_of(model, bytes(stream), damaged=True)
    assert decoder.damaged == ((slice(64, 128), slice(64, 128), (1,)),)
    image = decoder.image()
    assert (image[64:128, 64:128, 1] == decoder.head.scalings[1].centres[0]).all()
    assert np.array_equal(image[:, :, 0], whole[:, :, 0])
    suffered = np.zeros((150, 200), bool)
    suffered[64 - 32 : 128 + 16, 64 - 32 : 128 + 16] = True
    assert np.array_equal(image[~suffered], whole[~suffered])
    assert decoder_of(model, stream_of(model, array)).damaged == ()


def test_a_stream_that_was_cut_off_still_shows_its_beginning(model):
    array = picture((150, 200, 1))
    stream = stream_of(model, array, residual=True)
    decoder = decoder_of(model, stream[:-1], damaged=True)
    assert decoder.damaged == ((slice(128, 150), slice(192, 200), (0,)),)
    assert np.array_equal(decoder.image()[:90], decoder_of(model, stream).image()[:90])


# laws


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("mkldnn", [True, False])
def test_a_stream_is_the_same_on_any_machine_but_for_a_rounding(model, threads, mkldnn):
    array = picture((130, 210, 3), "uint16")
    stream = stream_of(model, array)
    expected = decoder_of(model, stream)
    with machine(threads=threads, mkldnn=mkldnn):
        found = decoder_of(model, stream)
        for one, other in zip(latents_by_tile(found), latents_by_tile(expected), strict=True):
            assert np.array_equal(one.symbols, other.symbols)
            assert torch.equal(one.latents, other.latents)
            assert np.array_equal(one.levels, other.levels)
        pixels = found.image()
    assert far(pixels, expected.image()) <= 1


def test_coding_is_repeatable(model):
    array = picture((100, 140, 3))
    assert stream_of(model, array, residual=True) == stream_of(model, array, residual=True)


@pytest.mark.parametrize("lmbda", [0.5, 4.0, 64.0])
def test_a_second_generation_loses_little_more(path, lmbda):
    """Its error is at most an eighth above the first's; the two differ by at most a twentieth of that error."""
    array = picture((128, 192, 1))
    codec = FixedQuality(model=path, lmbda=lmbda)
    first = codec.decode(codec.encode(array))
    second = codec.decode(codec.encode(first))
    lost, more, apart = (
        np.mean((a.astype(float) - b) ** 2) for a, b in ((first, array), (second, array), (second, first))
    )
    assert more < 1.125 * lost
    assert apart < lost / 20


@pytest.fixture(scope="module")
def decoded(model, model_of_three):
    """Decoders of images whose tiles or areas a window can cross, with all of each image."""
    found = []
    for which, shape, dtype, how in (
        (model, (150, 213, 1), "uint16", {}),
        (model, (150, 213, 3), "uint8", {"joint": True, "residual": True}),
        (model, (100, 130, 3), "int16", {"joint": False, "residual": True}),
        (model_of_three, (100, 213, 3), "uint8", {}),
        (model, (70, 1100, 1), "uint8", {"block": (0, 0)}),
        (model, (1100, 70, 1), "uint8", {}),
    ):
        container = unpacked(stream_of(which, picture(shape, dtype), **how))
        found.append((which, container, Decoder(which, container).image()))
    return found


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_window_decoded_alone_is_that_of_the_whole(decoded, data):
    model, container, image = data.draw(st.sampled_from(decoded))
    window = []
    for side in image.shape[:2]:
        start = data.draw(st.integers(0, side - 1))
        window.append(slice(start, data.draw(st.integers(start + 1, side))))
    assert np.array_equal(Decoder(model, container).window(*window), image[tuple(window)])


def test_a_window_decodes_the_tiles_around_it_alone(model):
    array = picture((64, 2100, 1))
    container = unpacked(stream_of(model, array))
    tiles = [tile if k < 17 else b"" for k, tile in enumerate(container.tiles)]
    decoder = Decoder(model, replace(container, tiles=tuple(tiles)))
    assert decoder.window(slice(3, 60), slice(1000, 1024)).shape == (57, 24, 1)
    with pytest.raises(ImageError, match="a tile of 0 bytes is damaged"):
        decoder.window(slice(3, 60), slice(1000, 1025))


@pytest.mark.parametrize("shape", [(40, 1100, 1), (1070, 40, 1), (1040, 1056, 1)])
def test_areas_fit_without_a_seam(model, shape):
    array = picture(shape, "uint16")
    head = head_of(model, array)
    everything = Area(rows=(0, latent_grid(shape)[0]), cols=(0, latent_grid(shape)[1]), whole=latent_grid(shape))
    scene = Scene(array=array)
    latents = latents_of(model, scene, everything, head, 0)
    assert len(list(areas(shape, head.tile_px))) > 1
    for area in areas(shape, head.tile_px):
        part = latents_of(model, scene, area, head, 0)
        assert torch.allclose(part, latents[:, :, *area.within(everything)], atol=1e-4)
    decoder = decoder_of(model, stream_of(model, array))
    assert far(decoder.image(), in_one_piece(decoder, everything)) <= 1


def in_one_piece(decoder, everything):
    """All latents through the synthesis at once."""
    head, model = decoder.head, decoder.model
    latents = torch.zeros(1, model.channels, *everything.shape)
    tiles = iter(latents_by_tile(decoder))
    side = head.tile_px // 16
    for row in range(0, everything.shape[0], side):
        for col in range(0, everything.shape[1], side):
            tile = next(tiles)
            latents[0, :, row : row + side, col : col + side] = tile.latents[0]
    values = head.scalings[0].pixels(model.picture(latents)[0].numpy())
    return np.clip(np.rint(values), head.lowest, head.highest)[: head.shape[0], : head.shape[1]]


@pytest.mark.parametrize("size", [(1, 1), (1, 37), (37, 1), (15, 17), (16, 16), (65, 1030)])
@pytest.mark.parametrize(("dtype", "bands"), [("uint8", 1), ("uint16", 3), ("int16", 4)])
def test_every_size(path, size, dtype, bands):
    array = picture((*size, bands), dtype)
    codec = FixedQuality(model=path, lmbda=64.0, bits=None if dtype == "uint8" else 12)
    back = codec.decode(codec.encode(array))
    assert (back.shape, back.dtype) == (array.shape, array.dtype)
    # what is not noise is kept: more than a third of the variance
    usual = (2 ** BITS[dtype] / 50) ** 2
    assert np.mean((back.astype(float) - array) ** 2) < np.var(array.astype(float)) / 1.5 + usual


@pytest.mark.parametrize("bands", [1, 3, 4, 7])
@pytest.mark.parametrize("way", ["joint", "separate"])
@pytest.mark.parametrize(("dtype", "bits"), [("uint8", None), ("uint16", 12), ("uint16", 16), ("int16", None)])
def test_every_kind_of_image_at_every_block(path, bands, way, dtype, bits):
    array = picture((50, 70, bands), dtype)
    if bits == 16:
        array *= 16
    codec = FixedQuality(model=path, lmbda=64.0, bands=way, bits=bits, block=16 if bands == 7 else 0)
    stream = codec.encode(array)
    assert len(read_head(stream).groups) == (1 if bands == 3 and way == "joint" else bands)
    error = codec.decode(stream).astype(float) - array
    assert np.square(error).mean((0, 1)).max() < np.var(array.astype(float), axis=(0, 1)).max() / 2


def test_masks_and_notes_survive(path):
    array = picture((70, 90, 1))
    mask = np.random.default_rng(2).random((70, 90)) > 0.5
    notes = {"epsg": 4326, "transform": [0.5, 0, 1e6, 0, -0.5, 2e6]}
    stream, _ = FixedQuality(model=path).coded(Scene(array=array, mask=mask), mask=mask, notes=notes)
    back = unpacked(stream)
    assert np.array_equal(back.mask, mask)
    assert back.notes == notes


@pytest.mark.parametrize(("block", "size"), [(16, (16, 16)), (64, (64, 64)), ("32x64", (32, 64)), (0, (64, 64))])
@pytest.mark.parametrize(("dtype", "masked", "bands"), [("uint8", False, 3), ("uint16", True, 1), ("int16", True, 3)])
def test_with_a_residual_no_block_misses_its_target(path, block, size, dtype, masked, bands):
    array = picture((100, 150, bands), dtype)
    mask = np.random.default_rng(2).random((100, 150)) > 0.4 if masked else None
    target = 6.0 if dtype == "uint8" else 900.0
    codec = FixedQuality(model=path, mse=target, block=block, residual=True, corrections=1, bits=BITS[dtype])
    stream, _ = codec.coded(Scene(array=array, mask=mask), mask=mask)
    assert read_head(stream).residual
    found = block_mse(codec.decode(stream), array, mask, size)
    assert found.mse[found.known].max() <= target
    plain = codec.decode(replace(codec, residual=False, mse=None, lmbda=50.0).encode(array))
    assert block_mse(plain, array, mask, size).mse[found.known].max() > target


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_a_residual_can_be_exact(path, dtype):
    array = picture((40, 50, 3), dtype)
    codec = FixedQuality(model=path, mse=1e-6, residual=True, corrections=0, bits=BITS[dtype])
    assert np.array_equal(codec.decode(codec.encode(array)), array)


def test_another_model_is_refused(model, tmp_path):
    stream = stream_of(model, picture((20, 20, 1)))
    other = load_model(toy_model(tmp_path / "other.safetensors", seed=8))
    with pytest.raises(ImageError, match=f"coded with model {model.digest}, and this is model {other.digest}"):
        decoder_of(other, stream)


def test_bands_one_by_one_are_none_of_a_model_of_three(model_of_three, model):
    head = replace(unpacked(stream_of(model, picture((20, 20, 4)))).head, model=model_of_three.digest)
    container = replace(unpacked(stream_of(model, picture((20, 20, 4)))), head=head)
    with pytest.raises(ImageError, match="holds bands one by one, and its model codes three at once"):
        Decoder(model_of_three, container)


def test_a_tile_of_more_than_a_thousand_pixels_goes_through_the_networks_in_pieces(model, monkeypatch):
    sizes = []
    whole = type(model).picture

    def seen(self, latents):
        sizes.append(latents.shape[2:])
        return whole(self, latents)

    array = picture((50, 1500, 1))
    decoder = decoder_of(model, stream_of(model, array, tile_px=2048))
    monkeypatch.setattr(type(model), "picture", seen)
    image = decoder.image()
    assert sizes == [(4, 66), (4, 31)]
    monkeypatch.undo()
    everything = Area(rows=(0, 4), cols=(0, 94), whole=(4, 94))
    assert far(image, in_one_piece(decoder, everything)) <= 1


@pytest.mark.parametrize("rows", [slice(-1, 5), slice(5, 5), slice(9, 5), slice(0, 151), slice(150, 151)])
def test_windows_outside_are_refused(decoded, rows):
    model, container, _ = decoded[0]
    with pytest.raises(ImageError, match="does not lie within an image of 150 rows, 213 cols"):
        Decoder(model, container).window(rows, slice(0, 4))


def test_a_claim_of_more_pixels_than_memory_holds_is_one_sentence(model):
    array = picture((20, 20, 1))
    container = unpacked(stream_of(model, array, tile_px=4096))
    head = replace(container.head, shape=(1 << 30, 1 << 30, 1))
    with pytest.raises(ImageError, match="pixels do not fit into memory: decode smaller windows"):
        Decoder(model, replace(container, head=head)).image()


def test_latents_that_no_image_has_are_one_sentence(model):
    container = unpacked(stream_of(model, picture((20, 20, 1))))
    decoder = Decoder(model, container)
    tile = next(iter(latents_by_tile(decoder)))
    tile.latents[:] = 3e38
    with pytest.raises(ImageError, match="its latents lie far beyond those of any image"):
        decoder.image()


# golden


@pytest.mark.parametrize("name", ["neural", "neural_fitted"])
def test_a_stored_stream_decodes_for_ever(tmp_path, name):
    """One of two bands with a mask; one of three jointly by a model with tables and neighbours of its own."""
    path = tmp_path / "neural.safetensors"
    path.write_bytes(lzma.decompress((GOLDEN / f"{name}.safetensors.xz").read_bytes()))
    expected = np.load(GOLDEN / f"{name}.npz")
    said = json.loads((GOLDEN / f"{name}.json").read_text())
    container = unpacked((GOLDEN / f"{name}.obq").read_bytes())
    decoder = Decoder(load_model(str(path)), container)
    for number, tile in enumerate(latents_by_tile(decoder)):
        assert np.array_equal(tile.symbols, expected[f"symbols{number}"])
        assert np.array_equal(tile.latents.numpy(), expected[f"latents{number}"])
        assert np.array_equal(tile.levels, expected[f"levels{number}"])
    assert far(decoder.image(), expected["pixels"]) <= 1
    assert container.notes == said["notes"]
    assert (container.mask is None) == ("mask" not in expected)
    if container.mask is not None:
        assert np.array_equal(container.mask, expected["mask"])
