"""Images to fixed-quality files and back: pixels, place, mask, windows, damage, rates."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="the fixed-quality codec needs the extra learned: torch")

from rasterio.crs import CRS

from orbiq.arrays import Scene
from orbiq.codecs.neural import FixedQuality
from orbiq.codecs.neural_container import unpacked
from orbiq.compressing import Stated, coder_of, compress, suffix_of
from orbiq.decompressing import Window, decompress
from orbiq.errors import ImageError, SettingError
from orbiq.filled_raster import Filled
from orbiq.imageio import Profile, open_pixel_sink, read_image, write_image
from orbiq.stream_info import facts_of
from orbiq.stream_parts import is_stream, parts_of
from tests.codecs.pictures import picture
from tests.codecs.toy_model import machine, toy_model

UTM = CRS.from_epsg(32633).to_wkt()
PLACED = Profile(format="tiff", crs=UTM, transform=(0.5, 0, 5e5, 0, -0.5, 46e5), tags={"": {"SENSOR": "toy"}})


@pytest.fixture(autouse=True, scope="module")
def _one_core():
    with machine():
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return toy_model(tmp_path_factory.mktemp("model") / "toy.safetensors")


def spec(model, *settings):
    return coder_of(f"fixed-quality:{','.join([*settings, f'model={model}'])}")


def there_and_back(
    array, model, folder, *, profile=PLACED, mask=None, settings=("psnr_db=15",), suffix=".tif", peak=None
):
    source = folder / f"scene{suffix}"
    write_image(source, array, profile=profile, mask=mask)
    written = compress(source, folder / "scene.obq", spec(model, *settings), stated=Stated(peak=peak))
    decompress(folder / "scene.obq", folder / f"back{suffix}", model=model)
    return written, read_image(folder / f"back{suffix}")


# known answers


def test_a_constant_image_comes_back_as_it_was(model, tmp_path):
    array = np.full((70, 90, 1), 77, np.uint8)
    written, back = there_and_back(array, model, tmp_path)
    np.testing.assert_array_equal(back.array, array)
    assert written.blocks[0].always_better == 1
    assert written.blocks[0].n_blocks == 4


def test_a_single_pixel(model, tmp_path):
    _, back = there_and_back(np.full((1, 1, 1), 7, np.uint8), model, tmp_path)
    assert back.array.tolist() == [[[7]]]


@pytest.mark.parametrize("settings", [("psnr_db=20", "block=0"), ("psnr_db=20", "block=32"), ("mse=650.25",)])
def test_what_is_said_of_the_blocks_is_true_of_the_file(model, tmp_path, settings):
    array = picture((128, 160, 3))
    written, back = there_and_back(array, model, tmp_path, settings=settings)
    (block,) = written.blocks
    np.testing.assert_allclose(block.target_db, 20)
    side = {"block=0": 512, "block=32": 32}.get(settings[-1], 64)
    error = np.square(back.array.astype(float) - array).mean(axis=2)
    worst = max(error[r : r + side, c : c + side].mean() for r in range(0, 128, side) for c in range(0, 160, side))
    assert block.worst_db == pytest.approx(10 * np.log10(650.25 / worst), abs=0.01)


def test_a_residual_brings_every_block_to_its_target(model, tmp_path):
    written, _ = there_and_back(picture((128, 128, 1)), model, tmp_path, settings=("psnr_db=48", "residual=true"))
    assert written.blocks[0].worst_db >= 0
    assert written.blocks[0].out_of_reach == 0


def test_a_rate_counts_what_the_file_says_beside_its_pixels(model, tmp_path):
    written, _ = there_and_back(picture((256, 256, 1)), model, tmp_path, settings=("rate_bpp=0.3",))
    assert 8 * written.n_bytes / 256**2 == pytest.approx(0.3, rel=0.02)
    assert written.n_bytes == (tmp_path / "scene.obq").stat().st_size


# laws


@pytest.mark.parametrize(("dtype", "bands", "peak"), [("uint8", 3, None), ("uint16", 4, 4095), ("int16", 1, 2047)])
def test_dtype_size_place_and_tags_come_back(model, tmp_path, dtype, bands, peak):
    array = picture((100, 130, bands), dtype=dtype)
    _, back = there_and_back(array, model, tmp_path, peak=peak)
    assert (back.array.shape, back.array.dtype) == (array.shape, array.dtype)
    assert back.profile.transform == PLACED.transform
    assert CRS.from_wkt(back.profile.crs) == CRS.from_wkt(UTM)
    assert back.profile.tags[""]["SENSOR"] == "toy"
    assert back.mask is None


def test_a_file_that_states_its_bits_needs_no_peak_and_states_them_again(model, tmp_path):
    array = picture((64, 64, 1), dtype="uint16")
    _, back = there_and_back(array, model, tmp_path, profile=replace(PLACED, options={"nbits": 12}))
    assert back.profile.peak == 4095
    assert back.array.max() <= 4095


def masked(shape=(100, 130, 1), *, fill=0):
    array = np.maximum(picture(shape), 1)
    mask = np.ones(shape[:2], bool)
    mask[:40, :70] = False
    array[~mask] = fill
    return array, mask


def test_nodata_is_nodata_again(model, tmp_path):
    array, mask = masked()
    _, back = there_and_back(array, model, tmp_path, profile=replace(PLACED, nodata=0))
    assert back.profile.nodata == 0
    np.testing.assert_array_equal(back.mask, mask)
    assert (back.array[~mask] == 0).all()


def test_a_mask_is_a_mask_again(model, tmp_path):
    array, mask = masked(fill=200)
    _, back = there_and_back(array, model, tmp_path, mask=mask)
    np.testing.assert_array_equal(back.mask, mask)


def test_alpha_is_alpha_again(model, tmp_path):
    array, mask = masked((100, 130, 3))
    four = np.dstack([array, np.where(mask, 255, 0).astype(np.uint8)])
    written, back = there_and_back(four, model, tmp_path, suffix=".png")
    assert written.shape == (100, 130, 3)
    np.testing.assert_array_equal(back.array[..., 3], four[..., 3])


def test_stated_nodata_makes_a_mask_and_is_kept(model, tmp_path):
    array, mask = masked(fill=9)
    write_image(tmp_path / "scene.tif", array)
    compress(tmp_path / "scene.tif", tmp_path / "s.obq", spec(model, "lmbda=1"), stated=Stated(nodata=9))
    decompress(tmp_path / "s.obq", tmp_path / "back.tif", model=model)
    back = read_image(tmp_path / "back.tif")
    assert back.profile.nodata == 9
    assert not back.mask[~mask].any()


@pytest.mark.parametrize("window", [(0, 0, 100, 130), (3, 70, 50, 21), (99, 129, 1, 1)])
def test_a_window_is_a_part_of_the_whole_in_its_place(model, tmp_path, window):
    array, _ = masked()
    _, whole = there_and_back(array, model, tmp_path, profile=replace(PLACED, nodata=0))
    row, col, rows, cols = window
    part = Window(row=row, col=col, rows=rows, cols=cols)
    decompress(tmp_path / "scene.obq", tmp_path / "part.tif", window=part, model=model)
    back = read_image(tmp_path / "part.tif")
    np.testing.assert_array_equal(back.array, whole.array[row : row + rows, col : col + cols])
    assert back.profile.transform == (0.5, 0, 5e5 + 0.5 * col, 0, -0.5, 46e5 - 0.5 * row)


def test_several_pieces_are_one_image(model, tmp_path):
    array = picture((1100, 1300, 1))
    _, back = there_and_back(array, model, tmp_path, settings=("lmbda=2",))
    codec = FixedQuality(model=model)
    np.testing.assert_array_equal(back.array, codec.decode((tmp_path / "scene.obq").read_bytes()))
    assert back.profile.options["blockxsize"] == 256


def test_regions_get_their_quality(model, tmp_path):
    smooth = cv2.resize(np.random.default_rng(3).normal(size=(5, 7)), (192, 128), interpolation=cv2.INTER_CUBIC)
    array = np.clip(128 + 40 * smooth, 0, 255).astype(np.uint8)[..., None]
    write_image(tmp_path / "scene.tif", array)
    classes = np.zeros(array.shape, np.uint8)
    classes[:64, 64:128] = 1
    write_image(tmp_path / "classes.tif", classes)
    stated = Stated(regions=tmp_path / "classes.tif", region_psnr_db={1: 34.0})
    written = compress(tmp_path / "scene.tif", tmp_path / "s.obq", spec(model, "psnr_db=25"), stated=stated)
    np.testing.assert_allclose(written.blocks[0].target_db, (25, 34))
    decompress(tmp_path / "s.obq", tmp_path / "back.tif", model=model)
    error = np.square(read_image(tmp_path / "back.tif").array.astype(float) - array)[..., 0]
    inside, outside = error[:64, 64:128].mean(), error[64:].mean()
    assert 10 * np.log10(outside / inside) > 8


def test_filling_leaves_valid_pixels_as_they_are():
    array, mask = masked()
    seen, same = Filled(Scene(array=array, mask=mask)).window(slice(10, 90), slice(20, 120))
    np.testing.assert_array_equal(same, mask[10:90, 20:120])
    np.testing.assert_array_equal(seen[same], array[10:90, 20:120][same])
    assert (seen[~same] > 0).all()


def test_the_parts_are_the_whole(model, tmp_path):
    array, _ = masked()
    there_and_back(array, model, tmp_path, profile=replace(PLACED, nodata=0), settings=("psnr_db=48", "residual=true"))
    stream = (tmp_path / "scene.obq").read_bytes()
    parts = parts_of(stream, unpacked(stream))
    assert sum(vars(parts).values()) == len(stream)
    assert min(parts.residual, parts.mask_and_notes, parts.levels, parts.latents) > 0
    damaged = stream[:-100]
    assert sum(vars(parts_of(damaged, unpacked(damaged, damaged=True))).values()) == len(damaged)


def test_facts_of_a_stream_and_of_its_image(model, tmp_path):
    there_and_back(picture((100, 130, 3)), model, tmp_path, settings=("psnr_db=15", "block=32"))
    of_stream, of_image = facts_of(tmp_path / "scene.obq", model=model), facts_of(tmp_path / "scene.tif")
    for name in ("rows", "cols", "bands", "dtype", "crs", "transform", "nodata", "peak"):
        assert of_stream[name] == of_image[name]
    assert of_stream["block_px"] == [32, 32]
    assert of_stream["lmbda"]["n_blocks"] == sum(of_stream["lmbda"]["blocks"]) == 20
    assert of_stream["lmbda"]["min"] <= of_stream["lmbda"]["median"] <= of_stream["lmbda"]["max"]
    assert "name its file: --model" in facts_of(tmp_path / "scene.obq")["lmbda_reason"]


# agreement


def test_a_file_is_coded_as_its_array_is(model, tmp_path):
    array, mask = masked((100, 130, 3))
    there_and_back(array, model, tmp_path, mask=mask)
    whole = FixedQuality(psnr_db=15, model=model)
    from_array, _ = whole.coded(Filled(Scene(array=array, mask=mask)), mask=mask)
    assert unpacked(from_array).tiles == unpacked((tmp_path / "scene.obq").read_bytes()).tiles


# damage


@pytest.fixture
def damaged(model, tmp_path):
    """A file of 2 × 2 tiles of 512 pixels whose second is damaged."""
    array = picture((600, 700, 1))
    there_and_back(array, model, tmp_path, settings=("lmbda=1",))
    stream = bytearray((tmp_path / "scene.obq").read_bytes())
    first, second = (unpacked(bytes(stream)).tiles[k] for k in (0, 1))
    at = stream.index(second, stream.index(first) + len(first))
    stream[at + 20] ^= 1
    (tmp_path / "bad.obq").write_bytes(stream)
    return tmp_path / "bad.obq"


def test_damage_is_refused_and_named(damaged, model, tmp_path):
    with pytest.raises(ImageError, match=r"bad.obq.*of 4 tiles .* \(row, col\) \(0, 1\)\..*--damaged skip"):
        decompress(damaged, tmp_path / "x.tif", model=model)
    assert not (tmp_path / "x.tif").exists()
    assert facts_of(damaged, model=model)["damaged_tiles"] == [[0, 1]]


def test_damage_that_is_skipped_is_no_valid_pixel_and_the_rest_is_as_ever(damaged, model, tmp_path):
    said = decompress(damaged, tmp_path / "x.tif", damaged="skip", model=model)
    found, whole = read_image(tmp_path / "x.tif"), read_image(tmp_path / "back.tif")
    assert "1 damaged tile left out" in said.warnings[0]
    expected = np.ones((600, 700), bool)
    expected[: 512 + 16, 512 - 32 :] = False
    np.testing.assert_array_equal(found.mask, expected)
    np.testing.assert_array_equal(found.array[expected], whole.array[expected])


def test_damage_elsewhere_does_not_matter_to_a_window(damaged, model, tmp_path):
    decompress(damaged, tmp_path / "x.tif", window=Window(row=530, col=0, rows=70, cols=400), model=model)
    assert read_image(tmp_path / "x.tif").mask is None


# errors


def test_the_peak_is_never_guessed(model, tmp_path):
    write_image(tmp_path / "scene.tif", picture((64, 64, 1), dtype="uint16"))
    with pytest.raises(ImageError, match=r"is uint16 and nobody said the largest value .* --peak 4095"):
        compress(tmp_path / "scene.tif", tmp_path / "s.obq", spec(model, "psnr_db=15"))
    assert not list(tmp_path.glob("*.obq"))
    compress(tmp_path / "scene.tif", tmp_path / "s.obq", spec(model, "mse=200000"))


def test_pixels_above_the_peak(model, tmp_path):
    write_image(tmp_path / "scene.tif", np.full((64, 64, 1), 5000, np.uint16))
    with pytest.raises(ImageError, match="holds 5000, above 4095"):
        compress(tmp_path / "scene.tif", tmp_path / "s.obq", spec(model, "psnr_db=15"), stated=Stated(peak=4095))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (("lmbda=1",), "--regions needs a target for all that is no region"),
        (("rate_bpp=1",), "--regions needs a target"),
        (("psnr_db=15", "block=0"), "--regions needs blocks"),
    ],
)
def test_regions_without_what_they_need(model, tmp_path, settings, expected):
    write_image(tmp_path / "scene.tif", picture((64, 64, 1)))
    stated = Stated(regions=tmp_path / "scene.tif", region_psnr_db={1: 40.0})
    with pytest.raises(SettingError, match=expected):
        compress(tmp_path / "scene.tif", tmp_path / "s.obq", spec(model, *settings), stated=stated)


def test_a_target_that_nothing_reaches(model, tmp_path):
    write_image(tmp_path / "scene.tif", picture((128, 128, 1)))
    with pytest.raises(SettingError, match="psnr_db of 120.0 is out of reach for .*scene.tif"):
        compress(tmp_path / "scene.tif", tmp_path / "s.obq", spec(model, "psnr_db=120"))
    assert not (tmp_path / "s.obq").exists()


def test_another_model(model, tmp_path):
    there_and_back(picture((64, 64, 1)), model, tmp_path)
    other = toy_model(tmp_path / "other.safetensors", seed=8)
    with pytest.raises(ImageError, match="was coded with model"):
        decompress(tmp_path / "scene.obq", tmp_path / "x.tif", model=other)
    with pytest.raises(SettingError, match="none of orbiq's own .* --model FILE"):
        decompress(tmp_path / "scene.obq", tmp_path / "x.tif")


@pytest.mark.parametrize("text", ["1,2,3", "a,b,c,d", "0,0,0,5", "-1,0,5,5", ""])
def test_a_window_that_is_none(text):
    with pytest.raises(SettingError, match="expected ROW,COL,ROWS,COLS"):
        Window.of(text)


def test_a_window_that_leaves_the_image(model, tmp_path):
    there_and_back(picture((64, 64, 1)), model, tmp_path)
    with pytest.raises(SettingError, match="leaves .* 64 rows and 64 cols"):
        decompress(tmp_path / "scene.obq", tmp_path / "x.tif", window=Window.of("60,0,5,5"), model=model)


def test_a_rate_that_nothing_reaches(model, tmp_path):
    write_image(tmp_path / "scene.tif", picture((64, 64, 1)))
    with pytest.raises(SettingError, match="rate_bpp of 0.001 is out of reach for .*: at least"):
        compress(tmp_path / "scene.tif", tmp_path / "s.obq", spec(model, "rate_bpp=0.001"))
    assert not (tmp_path / "s.obq").exists()


def test_an_output_that_would_lose_something(model, tmp_path):
    there_and_back(picture((64, 64, 1)), model, tmp_path)
    with pytest.raises(SettingError, match=r"x.jpg'; expected a name that ends in one of .*\.tif"):
        decompress(tmp_path / "scene.obq", tmp_path / "x.jpg", model=model)


def test_a_codec_without_files_of_its_own(tmp_path):
    write_image(tmp_path / "scene.tif", picture((64, 64, 3)))
    with pytest.raises(SettingError, match="lerc of 3 bands of uint8 .* choose one of .* jpegxl"):
        suffix_of(tmp_path / "scene.tif", coder_of("lerc:max_error=2"))


def test_a_file_that_fails_half_way_is_absent(tmp_path):
    with (
        pytest.raises(KeyError),
        open_pixel_sink(tmp_path / "x.tif", (600, 600, 1), "uint8", highest=255, profile=PLACED) as write,
    ):
        write(slice(0, 256), slice(0, 600), np.zeros((256, 600, 1), np.uint8), None)
        raise KeyError
    assert not list(tmp_path.iterdir())
    assert not is_stream(tmp_path / "x.tif")
