"""Indices of bands: by hand, laws, what is lost, what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbiq.errors import ImageError, SettingError
from orbiq.metrics.band_formula import band_index
from orbiq.metrics.chosen import load_metric
from orbiq.settings import metric_config
from orbiq.tiles import tiling

NDVI = "(b4-b3)/(b4+b3)"
RNG = np.random.default_rng(11)
REFERENCE = RNG.integers(1100, 4000, (60, 70, 4)).astype(np.uint16)
IMAGE = (REFERENCE + RNG.integers(-30, 31, REFERENCE.shape)).astype(np.uint16)


def ndvi(image):
    red, infrared = image[..., 2].astype(float), image[..., 3].astype(float)
    return (infrared - red) / (infrared + red)


# known answers


def test_ndvi_by_hand():
    error = ndvi(IMAGE) - ndvi(REFERENCE)
    said = band_index(REFERENCE, IMAGE, formula=NDVI)
    assert said["index_rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert said["index_bias"] == pytest.approx(error.mean())
    assert said["index_max_error"] == pytest.approx(np.abs(error).max())
    assert said["index_lost"] == 0


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("b1", 3.0),
        ("-b1 + 2*b2**2", 197.0),
        ("2.5*(b2-b1)/(b2+6*b1-7.5*b1+1)", 2.5 * 7 / 6.5),
        ("b1/b2*1e2", 30.0),
    ],
)
def test_arithmetic_of_formulas(formula, value):
    pixel = np.array([[[3.0, 10.0]]])
    said = band_index(pixel, pixel, formula=f"({formula})-({formula})+b1")
    assert said["index_rmse"] == 0
    said = band_index(np.array([[[value, 0.0]]]), pixel, formula="b1")
    assert said["index_bias"] == pytest.approx(3.0 - value)


def test_reflectance_of_shifted_numbers():
    # NDVI of numbers with an offset of 1000 is not NDVI of reflectance
    said = band_index(REFERENCE, IMAGE, formula=NDVI, gain=1e-4, offset=-0.1)
    first, second = ndvi(REFERENCE.astype(float) - 1000), ndvi(IMAGE.astype(float) - 1000)
    assert said["index_bias"] == pytest.approx((second - first).mean(), rel=1e-6)


def test_what_has_no_index_any_more_is_counted_as_lost():
    dark = IMAGE.copy()
    dark[:6, :, 2:] = 0
    said = band_index(REFERENCE, dark, formula=NDVI)
    assert said["index_lost"] == pytest.approx(0.1)
    error = (ndvi(IMAGE) - ndvi(REFERENCE))[6:]
    assert said["index_rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))


# laws


@settings(max_examples=20, deadline=None)
@given(st.floats(0.01, 100))
def test_a_ratio_does_not_know_the_gain(gain):
    assert band_index(REFERENCE, IMAGE, formula=NDVI, gain=gain) == pytest.approx(
        band_index(REFERENCE, IMAGE, formula=NDVI), rel=1e-9
    )


def test_tiles_change_nothing_and_masked_is_cropped():
    whole = band_index(REFERENCE, IMAGE, formula=NDVI)
    with tiling(size=17):
        assert band_index(REFERENCE, IMAGE, formula=NDVI) == pytest.approx(whole, rel=1e-12)
    mask = np.zeros(REFERENCE.shape[:2], bool)
    mask[:, 20:50] = True
    assert band_index(REFERENCE, IMAGE, formula=NDVI, mask=mask) == pytest.approx(
        band_index(REFERENCE[:, 20:50], IMAGE[:, 20:50], formula=NDVI), rel=1e-12
    )


def test_a_spec_in_text_form_keeps_its_brackets():
    metric = load_metric(metric_config(f"band_index:formula={NDVI}"))
    assert NDVI in metric.text


# what is refused


@pytest.mark.parametrize(
    "formula",
    ["", "1+2", "b0", "b1.__class__", "exec('x')", "b1 if b2 else b3", "b1@b2", "not b1", "b1 and b2", "nir-red", "b1+'a'",
     "[b1]", "b1)", "1e999*b1", "b1+" + "1+" * 200 + "1", "True+b1", "b1+1j"],
)  # fmt: skip
def test_what_is_no_formula_is_refused(formula):
    with pytest.raises(SettingError, match=r"expected bands b1, b2, …, numbers"):
        band_index(REFERENCE, IMAGE, formula=formula)


def test_a_band_that_is_not_there_and_an_index_without_any_value_are_refused():
    with pytest.raises(ImageError, match="asks for b5; image has 4 bands, b1 to b4"):
        band_index(REFERENCE, IMAGE, formula="b5/b1")
    with pytest.raises(ImageError, match="has no valid pixel at which b1/b2 has a value"):
        band_index(np.zeros((3, 3, 2)), np.ones((3, 3, 2)), formula="b1/b2")
