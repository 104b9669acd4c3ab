"""Errors of radiance and reflectance: by hand, laws, whose scale it is, what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbiq.arrays import Calibration, Scene
from orbiq.codecs import Jpeg
from orbiq.errors import ImageError, SettingError
from orbiq.imageio import open_raster
from orbiq.metrics.chosen import load_metric, split_metrics
from orbiq.metrics.pointwise import max_error, rmse
from orbiq.metrics.radiometric import radiometric_error
from orbiq.modifiers.compression import build_compressed
from orbiq.numerics import image_rng
from orbiq.settings import metric_config
from orbiq.tiles import tiling

RNG = np.random.default_rng(8)
REFERENCE = RNG.integers(1000, 9000, (60, 70, 3)).astype(np.uint16)
IMAGE = (REFERENCE + RNG.integers(-30, 35, REFERENCE.shape)).astype(np.uint16)
SCALE = Calibration(gains=(1e-4, 2e-4, 3e-4), offsets=(0.0, -0.1, 0.2), quantity="reflectance")
RADIANCE = Calibration(gains=(0.01, 0.02, 0.03), offsets=(-50.0, -40.0, -30.0), quantity="radiance")


def scene(array, *known):
    return Scene(array=array, calibrations=known, name="a.tif")


# known answers


def test_by_hand():
    """Errors of 10, −20, 0 and 30 DN in a band of 1e-4 and one of 2e-4: 0.001, −0.004, 0, 0.006."""
    reference = np.array([[[1000, 1000], [2000, 2000]]])
    image = np.array([[[1010, 980], [2000, 2030]]])
    said = radiometric_error(reference, image, gain=(1e-4, 2e-4), offset=-0.1)
    assert said["radiometric_rmse"] == pytest.approx(np.sqrt((1 + 16 + 36) / 4) * 1e-3)
    assert said["radiometric_bias"] == pytest.approx(0.75e-3)
    assert said["radiometric_max_error"] == pytest.approx(6e-3)


def test_an_error_of_one_is_the_gain_of_a_real_file(test_data):
    """Landsat 5's band 2 has 1.322 W/(m² sr µm) a count, by the MTL beside it."""
    with open_raster(test_data / "landsat5-tm" / "LT52240631988227CUB02_B2.TIF") as reference:
        array, mask = reference.window(slice(0, reference.shape[0]), slice(0, reference.shape[1]))
        said = radiometric_error(reference, Scene(array=array + 1, mask=mask, name="a.jpg"))
        assert said == pytest.approx(
            {"radiometric_rmse": 1.322, "radiometric_bias": 1.322, "radiometric_max_error": 1.322}
        )
        coded = Jpeg(quality=60).decode(Jpeg(quality=60).encode(array))
        said = radiometric_error(reference, coded)
        assert said["radiometric_rmse"] == pytest.approx(1.322 * rmse(reference, coded))


# laws


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-5, 100), st.floats(-50, 50))
def test_one_scale_is_that_of_the_plain_errors(gain, offset):
    said = radiometric_error(REFERENCE, IMAGE, gain=gain, offset=offset)
    assert said["radiometric_rmse"] == pytest.approx(gain * rmse(REFERENCE, IMAGE))
    assert said["radiometric_max_error"] == pytest.approx(gain * max_error(REFERENCE, IMAGE))


def test_the_offset_of_both_cancels_exactly():
    assert radiometric_error(REFERENCE, IMAGE, gain=0.1, offset=1e6) == radiometric_error(REFERENCE, IMAGE, gain=0.1)
    assert set(radiometric_error(REFERENCE, REFERENCE, gain=0.1, offset=3.0).values()) == {0.0}


def test_the_files_scale_is_as_if_it_were_stated():
    stated = radiometric_error(REFERENCE, IMAGE, gain=SCALE.gains, offset=SCALE.offsets)
    assert radiometric_error(scene(REFERENCE, SCALE), IMAGE) == stated
    assert radiometric_error(scene(REFERENCE, SCALE), scene(IMAGE, SCALE)) == stated
    other = radiometric_error(scene(REFERENCE, SCALE), IMAGE, gain=0.5)
    assert other == radiometric_error(REFERENCE, IMAGE, gain=0.5)


def test_quantity_chooses():
    both = scene(REFERENCE, SCALE, RADIANCE)
    assert radiometric_error(both, IMAGE, quantity="radiance") == radiometric_error(scene(REFERENCE, RADIANCE), IMAGE)
    assert radiometric_error(both, IMAGE) == radiometric_error(both, IMAGE, quantity="reflectance")


def test_an_image_of_another_scale_is_scaled_by_its_own():
    """The same reflectance in half the counts and another offset is no error."""
    half = Calibration(gains=tuple(2 * g for g in SCALE.gains), offsets=tuple(o - 0.02 for o in SCALE.offsets))
    even = REFERENCE // 2 * 2
    counts = even / 2 + 0.02 / np.array(half.gains)
    said = radiometric_error(scene(even, SCALE), scene(counts, half))
    assert said["radiometric_max_error"] < 1e-12


def test_tiles_change_nothing_and_masked_is_cropped():
    whole = radiometric_error(scene(REFERENCE, SCALE), IMAGE)
    with tiling(size=17):
        assert radiometric_error(scene(REFERENCE, SCALE), IMAGE) == pytest.approx(whole, rel=1e-12)
    mask = np.zeros(REFERENCE.shape[:2], bool)
    mask[:, 20:50] = True
    cropped = radiometric_error(scene(REFERENCE[:, 20:50], SCALE), IMAGE[:, 20:50])
    assert radiometric_error(scene(REFERENCE, SCALE), IMAGE, mask=mask) == pytest.approx(cropped, rel=1e-12)


def test_a_budget_of_reflectance_is_a_target_of_codecs():
    smooth = np.cumsum(REFERENCE.astype(float) % 40, axis=0)
    made = Scene(array=(1000 + smooth).astype(np.uint16), peak=65535, calibrations=(SCALE,), name="a.tif")
    coder = build_compressed("jpeg2000", {"radiometric_error": 0.002})
    modified = coder(made, rng=image_rng(0, "a.tif"))
    assert radiometric_error(made, modified.scene)["radiometric_rmse"] <= 0.002
    assert modified.achieved["radiometric_error"] <= 0.002
    assert modified.scene.calibrations == (SCALE,)


def test_a_spec_in_text_form_has_a_number_or_one_a_band():
    (text,) = split_metrics("radiometric_error:gain=[0.1,0.2,0.3],offset=-1")
    metric = load_metric(metric_config(text))
    assert metric.options == {"gain": (0.1, 0.2, 0.3), "offset": -1}


# what is refused


def test_no_scale_is_guessed():
    with pytest.raises(ImageError, match=r"nobody said how 'a.tif' scales to radiance or reflectance: .* State it: "):
        radiometric_error(scene(REFERENCE), scene(IMAGE, SCALE))
    with pytest.raises(ImageError, match="scales to radiance"):
        radiometric_error(scene(REFERENCE, SCALE), IMAGE, quantity="radiance")
    with pytest.raises(ImageError, match="nobody said how 'a.tif'"):
        radiometric_error(scene(REFERENCE[..., :2], SCALE), IMAGE[..., :2])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gain": 0.0}, "gain is 0.0; expected a finite number other than 0"),
        ({"gain": (1.0, 0.0, 2.0)}, "other than 0"),
        ({"gain": float("nan")}, "gain is nan; expected a finite number, or one for each of 3 bands"),
        ({"gain": (0.1, 0.2)}, "one for each of 3 bands"),
        ({"gain": 1.0, "offset": (0.1, 0.2)}, "offset is"),
        ({"quantity": "light"}, "quantity is 'light'; expected reflectance or radiance"),
    ],
)
def test_scales_that_cannot_be_are_refused(options, words):
    with pytest.raises(SettingError, match=words):
        radiometric_error(REFERENCE, IMAGE, **options)


def test_masks_that_leave_nothing_and_shapes_that_differ_are_refused():
    with pytest.raises(ImageError, match="expected True where a pixel is valid|no valid pixel"):
        radiometric_error(REFERENCE, IMAGE, gain=1.0, mask=np.zeros(REFERENCE.shape[:2], bool))
    with pytest.raises(ImageError, match="Crop or resample"):
        radiometric_error(REFERENCE, IMAGE[:-1], gain=1.0)
