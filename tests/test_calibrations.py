"""How files scale to radiance and reflectance: by hand, on real files, what is not certain."""

from math import inf, nan, radians, sin

import numpy as np
import pytest

from orbiq.arrays import Calibration
from orbiq.calibrations import calibrations
from orbiq.datasets.folder import open_dataset, read_scene
from orbiq.imageio import open_raster, read_profile, write_image
from orbiq.pictures import Profile

# Landsat 8, level 1 (collection 1), as its MTL has it
LANDSAT_8 = {
    "REFLECTANCE_MULT_BAND_4": "2.0000E-05", "REFLECTANCE_ADD_BAND_4": "-0.100000",
    "RADIANCE_MULT_BAND_4": "9.7840E-03", "RADIANCE_ADD_BAND_4": "-48.92006",
    "RADIANCE_MULT_BAND_10": "3.3420E-04", "RADIANCE_ADD_BAND_10": "0.10000",
    "SUN_ELEVATION": "49.75588889",
}  # fmt: skip


def of(tags=(), *, bands=1, file_name="a.tif", **known):
    about = {
        "scales": [1.0] * bands,
        "offsets": [0.0] * bands,
        "units": [None] * bands,
        "descriptions": [None] * bands,
        **known,
    }
    return calibrations(**about, tags={"": dict(tags)}, file_name=file_name)


# known answers


def test_reflectance_goes_before_radiance_and_knows_the_sun():
    """Handbook, section 5: ρ = (M·Q + A)/sin θ."""
    reflectance, radiance = of(LANDSAT_8, file_name="LC81070352015122LGN00_B4.TIF")
    sun = sin(radians(49.75588889))
    assert reflectance.gains == pytest.approx((2e-5 / sun,))
    assert reflectance.offsets == pytest.approx((-0.1 / sun,))
    assert radiance == Calibration(gains=(0.009784,), offsets=(-48.92006,), quantity="radiance")


def test_a_thermal_band_has_radiance_alone():
    (found,) = of(LANDSAT_8, file_name="LC81070352015122LGN00_B10.TIF")
    assert (found.quantity, found.gains) == ("radiance", (3.342e-4,))


def test_gdals_scale_goes_first():
    found = of(LANDSAT_8, scales=[1e-4], offsets=[-0.1], units=["reflectance"], file_name="x_B4.tif")
    assert found[0] == Calibration(gains=(1e-4,), offsets=(-0.1,), quantity="reflectance")
    assert [one.quantity for one in found] == ["reflectance", "reflectance", "radiance"]


def test_surface_reflectance_knows_no_sun():
    group = "LANDSAT_METADATA_FILE.LEVEL2_SURFACE_REFLECTANCE_PARAMETERS."
    level_2 = {f"{group}REFLECTANCE_MULT_BAND_4": "2.75e-05", f"{group}REFLECTANCE_ADD_BAND_4": "-0.2"}
    level_1 = {f"LANDSAT_METADATA_FILE.LEVEL1_RADIOMETRIC_RESCALING.{k}": v for k, v in LANDSAT_8.items()}
    found = of(level_1 | level_2, file_name="LC08_L2SP_107035_20150502_SR_B4.TIF")
    assert (found[0].gains, found[0].offsets) == ((2.75e-05,), (-0.2,))
    plain = {"REFLECTANCE_MULT_BAND_4": "2.75e-05", "SUN_ELEVATION": "30", "PROCESSING_LEVEL": "L2SP"}
    assert of(plain)[0].gains == (2.75e-05,)


@pytest.mark.parametrize(
    ("names", "gains"),
    [
        (["B4", "B3"], (4.0, 3.0)),
        (["band 3", "Band 4"], (3.0, 4.0)),
        (["SR_B3", "SR_B4"], (3.0, 4.0)),
        ([None, None], (3.0, 4.0)),  # as many bands as are stated: in their order
        (["red", "nir"], (3.0, 4.0)),
    ],
)
def test_bands_are_told_by_their_names_or_their_number(names, gains):
    tags = {"RADIANCE_MULT_BAND_4": "4", "RADIANCE_MULT_BAND_3": "3"}
    (found,) = of(tags, bands=2, descriptions=names)
    assert (found.gains, found.offsets) == (gains, (0, 0))


def test_the_metadata_of_a_real_scene_lies_beside_it(test_data):
    """Landsat 5: GDAL reads the MTL beside the file; its figures for band 2 are 1.322 and −4.16220."""
    path = test_data / "landsat5-tm" / "LT52240631988227CUB02_B2.TIF"
    with open_raster(path) as raster:
        assert raster.calibrations == (Calibration(gains=(1.322,), offsets=(-4.1622,), quantity="radiance"),)
    with open_raster(path.with_name("LT52240631988227CUB02_B6.TIF")) as raster:
        assert raster.calibrations[0].gains == (0.055,)


# laws


def test_a_file_keeps_its_scale_when_it_is_written_and_read_as_a_scene(tmp_path):
    profile = Profile(format="tiff", scales=(1e-4, 2e-4), offsets=(0.0, -0.1), tags={"": LANDSAT_8})
    (tmp_path / "images").mkdir()
    write_image(tmp_path / "images/a.tif", np.ones((4, 4, 2), np.uint16), profile=profile)
    scene, _ = read_scene(open_dataset(tmp_path), "a.tif")
    assert scene.calibrations[0] == Calibration(gains=(1e-4, 2e-4), offsets=(0, -0.1))
    assert read_profile(tmp_path / "images/a.tif").calibrations == scene.calibrations


# what is not certain is not said


@pytest.mark.parametrize(
    ("tags", "known"),
    [
        ({}, {}),
        ({"RADIANCE_MULT_BAND_1": "1", "RADIANCE_MULT_BAND_2": "2"}, {}),  # which of them?
        ({"RADIANCE_MULT_BAND_1": "1", "RADIANCE_MULT_BAND_2": "2"}, {"bands": 3}),
        ({"RADIANCE_MULT_BAND_1": "1"}, {"file_name": "x_B2.TIF"}),
        ({"RADIANCE_MULT_BAND_1": "lots"}, {}),
        ({"RADIANCE_MULT_BAND_1": "0"}, {}),
        ({}, {"scales": [0.0]}),
        ({}, {"scales": [nan]}),
        ({}, {"offsets": [inf]}),
    ],
)
def test_nothing_is_guessed(tags, known):
    assert of(tags, **known) == ()


def test_without_the_sun_reflectance_is_as_it_is_stated():
    for elevation in ({}, {"SUN_ELEVATION": "-3"}, {"SUN_ELEVATION": "high"}):
        assert of({"REFLECTANCE_MULT_BAND_1": "2e-5", **elevation})[0].gains == (2e-5,)
