"""TIFF and JPEG 2000 with all that they say; rasterio, used directly, is the independent writer and reader."""

import warnings

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from orbiq.errors import ImageError
from orbiq.georasters import raster_shape
from orbiq.imageio import Profile, open_class_map, read_class_map, read_image, write_image

UTM = "EPSG:32631"


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def by_rasterio(path, array, **settings):
    rows, cols, bands = array.shape
    after = settings.pop("after", lambda sink: None)
    shape = {"height": rows, "width": cols, "count": bands, "dtype": array.dtype}
    with rasterio.open(path, "w", **({"driver": "GTiff"} | shape | settings)) as sink:
        sink.write(np.moveaxis(array, 2, 0))
        after(sink)
    return path


def noise(shape=(48, 64, 3), dtype="uint8", high=255):
    return np.random.default_rng(3).integers(0, high, shape, endpoint=True).astype(dtype)


def again(path, tmp_path, suffix=".tif"):
    first = read_image(path)
    write_image(tmp_path / f"again{suffix}", first.array, profile=first.profile, mask=first.mask)
    second = read_image(tmp_path / f"again{suffix}")
    assert np.array_equal(first.array, second.array, equal_nan=first.array.dtype.kind == "f")
    assert np.array_equal(first.mask, second.mask)
    return first, second


def test_place_nodata_names_and_units_survive(tmp_path):
    def describe(sink):
        sink.descriptions = ("coastal", "blue")
        sink.scales, sink.offsets = (0.1, 0.2), (5.0, 6.0)
        sink.units = ("W", "W")
        sink.update_tags(MISSION="S2", AREA_OR_POINT="Point")
        sink.update_tags(2, wavelength_nm="490")
        sink.update_tags(ns="MINE", key="value")

    transform = Affine(10.0, 0.0, 500000.0, 0.0, -10.0, 4600000.0)
    path = by_rasterio(
        tmp_path / "a.tif", noise((48, 64, 2), "int16"), crs=UTM, transform=transform, nodata=-999, after=describe
    )
    first, second = again(path, tmp_path)
    assert first.profile == second.profile
    assert first.profile.transform == (10.0, 0.0, 500000.0, 0.0, -10.0, 4600000.0)
    assert first.profile.nodata == -999
    with rasterio.open(tmp_path / "again.tif") as source:
        assert source.crs.to_epsg() == 32631
        assert source.transform == transform
        assert source.descriptions == ("coastal", "blue")
        assert source.scales == (0.1, 0.2)
        assert source.tags()["MISSION"] == "S2"
        assert source.tags(2)["wavelength_nm"] == "490"
        assert source.tags(ns="MINE") == {"key": "value"}


@pytest.mark.parametrize(
    "settings",
    [
        {"compress": "lzw", "predictor": 2},
        {"compress": "deflate", "tiled": True, "blockxsize": 16, "blockysize": 32},
        {"compress": "zstd"},
        {"interleave": "band"},
        {"BIGTIFF": "YES"},
        {"nbits": 12, "dtype": "uint16"},
        {"photometric": "rgb"},
    ],
)
def test_how_it_was_stored_survives(tmp_path, settings):
    path = by_rasterio(tmp_path / "a.tif", noise(high=255, dtype=settings.get("dtype", "uint8")), **settings)
    first, second = again(path, tmp_path)
    assert first.profile == second.profile
    assert first.profile.peak == (4095 if "nbits" in settings else None)


def test_a_predictor_for_floats_survives_and_falls_for_integers(tmp_path):
    path = by_rasterio(tmp_path / "a.tif", noise(dtype="float32"), compress="deflate", predictor=3)
    first, second = again(path, tmp_path)
    assert (first.profile.options["predictor"], second.profile) == (3, first.profile)
    write_image(tmp_path / "b.tif", noise(), profile=first.profile)
    assert "predictor" not in read_image(tmp_path / "b.tif").profile.options


def test_values_above_the_stated_bits_widen_the_file(tmp_path):
    path = by_rasterio(tmp_path / "a.tif", noise(dtype="uint16"), nbits=12)
    profile = read_image(path).profile
    wide = noise(dtype="uint16", high=60000)
    write_image(tmp_path / "b.tif", wide, profile=profile)
    assert np.array_equal(read_image(tmp_path / "b.tif").array, wide)


def test_one_bit_has_peak_1(tmp_path):
    path = by_rasterio(tmp_path / "a.tif", noise((48, 64, 1), high=1), nbits=1)
    assert again(path, tmp_path)[1].profile.peak == 1


def test_a_lossy_source_is_stored_without_loss(tmp_path):
    smooth = np.cumsum(np.ones((48, 64, 3), np.uint8), axis=1).astype(np.uint8)
    path = by_rasterio(tmp_path / "a.tif", smooth, compress="jpeg", photometric="ycbcr", interleave="pixel")
    first, second = again(path, tmp_path)
    assert first.profile.compress == "jpeg"
    assert second.profile.compress == "deflate"


def test_a_palette_survives(tmp_path):
    path = by_rasterio(
        tmp_path / "a.tif",
        noise((48, 64, 1), high=3),
        photometric="palette",
        after=lambda sink: sink.write_colormap(1, {0: (1, 2, 3, 255), 3: (9, 8, 7, 255)}),
    )
    first, second = again(path, tmp_path)
    assert second.profile == first.profile
    assert first.profile.colormap[3] == (9, 8, 7, 255)


def test_alpha_stays_alpha(tmp_path):
    array = noise((48, 64, 4))
    array[:5, :, 3] = 0

    path = by_rasterio(tmp_path / "a.tif", array, photometric="rgb", alpha="yes")
    first, second = again(path, tmp_path)
    assert second.profile.colorinterp == ("red", "green", "blue", "alpha")
    assert np.array_equal(first.mask, array[..., 3] > 0)


@pytest.mark.parametrize("internal", [True, False])
def test_a_mask_in_the_file_or_beside_it_survives(tmp_path, internal):
    mask = np.ones((48, 64), bool)
    mask[3:9, 4:7] = False
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal):
        path = by_rasterio(tmp_path / "a.tif", noise(), after=lambda sink: sink.write_mask(mask))
    first, _ = again(path, tmp_path)
    assert np.array_equal(first.mask, mask)
    assert not list(tmp_path.glob("again*.msk"))


def test_a_mask_that_nodata_already_says_is_not_stored_twice(tmp_path):
    array = noise((48, 64, 1), high=9)
    path = by_rasterio(tmp_path / "a.tif", array, nodata=0)
    first, _ = again(path, tmp_path)
    assert np.array_equal(first.mask, array[..., 0] != 0)
    with rasterio.open(tmp_path / "again.tif") as source:
        assert source.mask_flag_enums[0][0].name == "nodata"


def test_invalid_means_nodata_in_all_bands_or_nan_in_any(tmp_path):
    array = np.ones((2, 3, 2), np.float32)
    array[0, 0] = -1
    array[0, 1] = (-1, 5)
    array[0, 2] = (np.nan, 5)
    mask = read_image(by_rasterio(tmp_path / "a.tif", array, nodata=-1)).mask
    assert mask.tolist() == [[False, True, False], [True, True, True]]


def test_nan_and_the_smallest_float_as_nodata(tmp_path):
    array = noise((4, 4, 1), "float32")
    array[0] = np.nan
    _, second = again(by_rasterio(tmp_path / "a.tif", array, nodata=np.nan), tmp_path)
    assert np.isnan(second.profile.nodata)
    array[0] = np.finfo(np.float32).min
    first, second = again(by_rasterio(tmp_path / "b.tif", array, nodata=float(np.finfo(np.float32).min)), tmp_path)
    assert not first.mask[0].any()
    assert first.mask[1:].all()


def test_statistics_of_the_old_pixels_are_left_behind(tmp_path):
    path = by_rasterio(
        tmp_path / "a.tif", noise(), after=lambda sink: sink.update_tags(1, STATISTICS_MEAN="7", KEPT="1")
    )
    assert again(path, tmp_path)[1].profile.tags["1"] == {"KEPT": "1"}


def test_fewer_bands_than_the_profile_describes(tmp_path):
    profile = read_image(by_rasterio(tmp_path / "a.tif", noise(), photometric="rgb", crs=UTM)).profile
    write_image(tmp_path / "b.tif", noise((48, 64, 1)), profile=profile)
    assert read_image(tmp_path / "b.tif").profile.crs == profile.crs


def test_jpeg_2000_keeps_place_and_nodata(tmp_path):
    transform = (10.0, 0.0, 500000.0, 0.0, -10.0, 4600000.0)
    crs = rasterio.crs.CRS.from_epsg(32631).to_wkt()
    profile = Profile(format="jp2", crs=crs, transform=transform, nodata=0.0, tags={"": {"MISSION": "S2"}})
    array = noise((64, 64, 4), "uint16", high=1)
    write_image(tmp_path / "a.jp2", array, profile=profile)
    picture = read_image(tmp_path / "a.jp2")
    assert np.array_equal(picture.array, array)
    assert picture.profile.transform == transform
    assert rasterio.crs.CRS.from_wkt(picture.profile.crs).to_epsg() == 32631
    assert picture.profile.nodata == 0
    assert picture.profile.tags[""]["MISSION"] == "S2"
    assert np.array_equal(picture.mask, array.any(axis=2))


def test_three_bands_of_an_array_are_red_green_blue(tmp_path):
    write_image(tmp_path / "a.tif", noise())
    write_image(tmp_path / "b.tif", noise(), profile=Profile(format="png"))
    for name in ("a.tif", "b.tif"):
        assert read_image(tmp_path / name).profile.colorinterp == ("red", "green", "blue")


def test_a_picture_goes_from_one_format_to_another(tmp_path):
    path = by_rasterio(tmp_path / "a.tif", noise(dtype="uint16"), crs=UTM, compress="lzw", predictor=2, nodata=3)
    tiff = read_image(path)
    write_image(tmp_path / "a.jp2", tiff.array, profile=tiff.profile)
    jp2 = read_image(tmp_path / "a.jp2")
    write_image(tmp_path / "b.tif", jp2.array, profile=jp2.profile)
    back = read_image(tmp_path / "b.tif")
    assert np.array_equal(back.array, tiff.array)
    assert rasterio.crs.CRS.from_wkt(back.profile.crs).to_epsg() == 32631
    assert (jp2.profile.nodata, back.profile.nodata) == (3, 3)


def test_jpeg_2000_states_its_bits(tmp_path):
    profile = Profile(format="tiff", options={"nbits": 12})
    write_image(tmp_path / "a.jp2", noise((64, 64, 1), "uint16", high=4095), profile=profile)
    assert read_image(tmp_path / "a.jp2").profile.peak == 4095


@pytest.mark.parametrize("dtype", ["complex64", "int32", "uint32", "int8"])
def test_other_dtypes_are_refused_with_a_way_out(tmp_path, dtype):
    path = by_rasterio(tmp_path / "a.tif", np.zeros((4, 4, 1), dtype))
    for look in (read_image, lambda path: raster_shape(str(path))):
        with pytest.raises(ImageError, match=rf"a\.tif' holds {dtype}; expected one of uint8.*gdal_translate"):
            look(path)


@pytest.mark.parametrize(
    ("dtype", "way"),
    [("int8", "-ot Int16"), ("int32", "-ot Float64"), ("int64", "-ot Float64"), ("complex64", "Take its magnitude")],
)
def test_the_way_out_changes_no_value(tmp_path, dtype, way):
    path = by_rasterio(tmp_path / "a.tif", np.zeros((4, 4, 1), dtype))
    with pytest.raises(ImageError, match=way):
        read_image(path)


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint32"])
def test_class_maps_hold_wider_numbers(tmp_path, dtype):
    info = np.iinfo(dtype)
    classes = np.array([[info.max, 0, 1], [info.min, 3, 2]], dtype)[..., None]
    path = by_rasterio(tmp_path / "a.tif", classes, nodata=3, crs=UTM, transform=Affine(2, 0, 5, 0, -2, 9))
    read = read_class_map(path)
    assert (read.array.dtype, read.profile.nodata) == (dtype, 3)
    assert np.array_equal(read.array, classes)
    write_image(tmp_path / "b.tif", read.array, profile=read.profile)
    with rasterio.open(tmp_path / "b.tif") as source:
        assert (source.dtypes, source.nodata, source.crs.to_epsg()) == ((dtype,), 3, 32631)
        assert np.array_equal(source.read(1), classes[..., 0])
    with open_class_map(path) as raster:
        part, mask = raster.window(slice(1, 2), slice(0, 2))
    assert np.array_equal(part, classes[1:, :2])
    assert mask.tolist() == [[True, False]]


def test_class_maps_of_64_bits_are_refused_with_a_way_out(tmp_path):
    path = by_rasterio(tmp_path / "a.tif", np.zeros((4, 4, 1), np.int64))
    with pytest.raises(ImageError, match=r"holds int64; expected one of .*uint32 in all bands.*-ot UInt16"):
        read_class_map(path)


def test_metadata_beyond_the_end_are_not_silently_dropped(tmp_path):
    data = by_rasterio(tmp_path / "a.tif", noise(), nodata=7, crs=UTM).read_bytes()
    assert read_image(tmp_path / "a.tif").profile.nodata == 7
    refused = 0
    for cut in range(1, 400, 7):
        (tmp_path / "b.tif").write_bytes(data[:-cut])
        try:
            picture = read_image(tmp_path / "b.tif")
        except ImageError:
            refused += 1
        else:
            assert picture.profile == read_image(tmp_path / "a.tif").profile
    assert refused > 0
