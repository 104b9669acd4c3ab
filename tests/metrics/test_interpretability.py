"""The General Image Quality Equation, by hand and as published."""

import sys
from math import inf, isnan, log10, nan, nextafter
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbiq.arrays import Scene
from orbiq.errors import ImageError, SettingError
from orbiq.metrics.base import Estimate
from orbiq.metrics.interpretability import giqe, niirs

INCH_M = 0.0254
GSD = st.floats(0.05, 30)
RER = st.floats(0.1, 1.3)
SNR = st.floats(2, 300)

# known answers


def test_where_all_logarithms_are_0_the_constants_are_left():
    assert giqe(gsd_m=INCH_M, rer=1, snr=inf, version=4).value == pytest.approx(10.251 - 0.656)
    assert giqe(gsd_m=INCH_M, rer=1, snr=inf).value == pytest.approx(9.57)


def test_a_decade_of_each_term():
    assert giqe(gsd_m=10 * INCH_M, rer=1, snr=inf, version=4).value == pytest.approx(9.595 - 3.32)
    assert giqe(gsd_m=10 * INCH_M, rer=0.1, snr=inf, version=4).value == pytest.approx(9.595 - 3.16 - 2.817)
    assert giqe(gsd_m=INCH_M, rer=1, snr=1, version=4, overshoot=2, gain=3).value == pytest.approx(
        10.251 - 2 * 0.656 - 3 * 0.344
    )
    assert giqe(gsd_m=INCH_M, rer=0.1, snr=inf).value == pytest.approx(9.57 - 2)
    assert giqe(gsd_m=INCH_M, rer=1, snr=1.8).value == pytest.approx(9.57 - 1)
    assert giqe(gsd_m=INCH_M, rer=0.1, snr=1.9).value == pytest.approx(9.57 - 3.32 * (1 - 1 / np.e) - 2 - 1.8 / 1.9)


def test_the_published_case_of_niirs_5():
    """GSD 20.8 inches, RER 0.35, SNR 50: NIIRS 5 in figure 1 of the description of version 5."""
    assert giqe(gsd_m=20.8 * INCH_M, rer=0.35, snr=50).value == pytest.approx(5, abs=0.02)


def test_version_4_has_two_branches():
    below, above = (giqe(gsd_m=INCH_M, rer=rer, snr=inf, version=4).value for rer in (0.9 - 1e-12, 0.9))
    assert above - below == pytest.approx((1.559 - 2.817) * log10(0.9))


# laws


@given(gsd=GSD, rer=RER, snr=SNR)
@pytest.mark.parametrize("version", [4, 5])
def test_finer_sharper_and_cleaner_is_better(version, gsd, rer, snr):
    rer = min(rer, 0.999) if version == 5 else rer
    value = giqe(gsd_m=gsd, rer=rer, snr=snr, version=version).value
    assert giqe(gsd_m=gsd * 1.01, rer=rer, snr=snr, version=version).value < value
    if not (0.89 <= rer <= 0.91):  # version 4 jumps there
        assert giqe(gsd_m=gsd, rer=rer * 1.001, snr=snr, version=version).value > value
    if rer <= 1:
        assert giqe(gsd_m=gsd, rer=rer, snr=snr * 1.01, version=version).value > value


@given(gsd=GSD, rer=RER, snr=SNR)
def test_half_the_distance_is_one_grade_in_version_5(gsd, rer, snr):
    rer = min(rer, 1)
    gained = giqe(gsd_m=gsd / 2, rer=rer, snr=snr).value - giqe(gsd_m=gsd, rer=rer, snr=snr).value
    assert gained == pytest.approx(3.32 * log10(2))


@given(gsd=GSD, rer=RER, snr=SNR, version=st.sampled_from([4, 5]))
def test_intervals_are_carried_through(gsd, rer, snr, version):
    rer = min(rer, 0.9) if version == 5 else rer
    edge, noise = Estimate(value=rer, low=0.9 * rer, high=1.1 * rer), Estimate(value=snr, low=0.8 * snr, high=1.2 * snr)
    both = giqe(gsd_m=gsd, rer=edge, snr=noise, version=version)
    one = giqe(gsd_m=gsd, rer=edge, snr=snr, version=version)
    other = giqe(gsd_m=gsd, rer=rer, snr=noise, version=version)
    assert both.low <= one.low <= one.value <= one.high <= both.high
    assert (both.value - both.low) ** 2 == pytest.approx((one.value - one.low) ** 2 + (other.value - other.low) ** 2)
    assert (both.high - both.value) ** 2 == pytest.approx((one.high - one.value) ** 2 + (other.high - other.value) ** 2)
    # version 4 jumps at 0.9
    jump = [r for r in (nextafter(0.9, 0), 0.9) if version == 4 and edge.low <= r <= edge.high]
    ends = [giqe(gsd_m=gsd, rer=r, snr=snr, version=version).value for r in (edge.low, edge.high, *jump)]
    assert one.low == pytest.approx(min(*ends, one.value))
    assert one.high == pytest.approx(max(*ends, one.value))


def test_the_jump_of_version_4_lies_within_its_interval():
    def at(rer):
        return giqe(gsd_m=5, rer=rer, snr=50, version=4).value

    found = giqe(gsd_m=5, rer=Estimate(value=0.85, low=0.8, high=0.95), snr=50, version=4)
    assert at(0.9) < at(0.85) < at(nextafter(0.9, 0))
    assert found.high == pytest.approx(max(at(nextafter(0.9, 0)), at(0.95)))
    assert found.high > at(0.95)


@pytest.mark.parametrize("known", [{"low": 0.4}, {"high": 0.6}, {"low": nan}])
def test_half_an_interval_is_none(known):
    edge = Estimate(value=0.5, **known)
    for found in (giqe(gsd_m=1, rer=edge, snr=50), giqe(gsd_m=1, rer=0.5, snr=edge, version=4)):
        assert not isnan(found.value)
        assert isnan(found.low)
        assert isnan(found.high)


def test_plain_numbers_are_exact_and_estimates_without_interval_are_not():
    exact = giqe(gsd_m=1, rer=0.5, snr=50)
    assert exact.low == exact.value == exact.high
    unknown = giqe(gsd_m=1, rer=Estimate(value=0.5), snr=50)
    assert unknown.value == exact.value
    assert isnan(unknown.low)
    assert isnan(unknown.high)
    assert giqe(gsd_m=1, rer=Estimate(value=0.5, low=-0.1, high=0.7), snr=50).low == -inf


def test_unknown_stays_unknown_with_its_reason():
    found = giqe(gsd_m=1, rer=0.5, snr=Estimate(value=nan, reason="not enough homogeneous area"))
    assert isnan(found.value)
    assert found.reason == "snr is unknown: not enough homogeneous area"


@pytest.mark.parametrize("rer", [1.001, 2, Estimate(value=1.2, low=1.1, high=1.3), Estimate(value=1.2)])
def test_version_5_knows_nothing_of_sharpened_images(rer):
    found = giqe(gsd_m=1, rer=rer, snr=50)
    assert isnan(found.value)
    assert found.reason.startswith(f"rer is {getattr(rer, 'value', rer):.3g}: above 1 an image was sharpened")
    assert giqe(gsd_m=1, rer=rer, snr=50, version=4).value > giqe(gsd_m=1, rer=1, snr=50, version=4).value


def test_version_5_takes_an_rer_above_1_by_its_error_for_1():
    found, at_1 = (giqe(gsd_m=1, rer=Estimate(value=v, low=0.9, high=1.3), snr=50) for v in (1.1, 1))
    assert found == at_1
    assert found.high == found.value == giqe(gsd_m=1, rer=1, snr=50).value
    assert found.low == giqe(gsd_m=1, rer=0.9, snr=50).value


# of an image


@pytest.fixture
def measured(monkeypatch):
    """Stand-ins for what is measured in an image, each a test of its own elsewhere."""
    seen = {}

    class Found:
        def __init__(self, **scores):
            self.known = scores

        def scores(self):
            return self.known

    def stand_in(module, function, **scores):
        def measure(image, *, mask=None):
            seen[function] = mask
            return Found(**scores)

        made = ModuleType(module)
        setattr(made, function, measure)
        monkeypatch.setitem(sys.modules, module, made)

    rer = {"rer": Estimate(value=0.5, low=0.4, high=0.6), "rer_x": unknown_rer(), "rer_y": unknown_rer()}
    stand_in("orbiq.metrics.natural_edges", "edges", **rer)
    stand_in("orbiq.metrics.noise", "snr", snr=Estimate(value=50, low=40, high=60))
    seen["stand_in"] = stand_in
    return seen


def unknown_rer():
    return Estimate(value=nan, reason="0 edges")


def test_what_is_not_stated_is_measured(measured):
    mask = np.ones((5, 5), bool)
    found = niirs(Scene(array=np.ones((5, 5, 1)), gsd_m=0.5), mask=mask)
    edge, noise = Estimate(value=0.5, low=0.4, high=0.6), Estimate(value=50, low=40, high=60)
    assert found.scores() == {"niirs": giqe(gsd_m=0.5, rer=edge, snr=noise)}
    assert (found.rer, found.snr, found.gsd_m, found.version) == (edge, noise, 0.5, 5)
    assert measured["edges"] is mask
    assert measured["snr"] is mask


@pytest.mark.parametrize("turned", [False, True])
def test_both_directions_are_combined_as_the_version_asks(measured, turned):
    sharp, soft = Estimate(value=0.8, low=0.8 / 1.1, high=0.88), Estimate(value=0.4, low=0.4 / 1.2, high=0.48)
    x, y = (soft, sharp) if turned else (sharp, soft)
    measured["stand_in"]("orbiq.metrics.natural_edges", "edges", rer=Estimate(value=0.5), rer_x=x, rer_y=y)
    image = np.ones((5, 5))
    assert niirs(image, gsd_m=1, snr=50, version=4).rer.value == pytest.approx((0.8 * 0.4) ** 0.5)
    found = niirs(image, gsd_m=1, snr=50).rer
    assert found.value == pytest.approx((0.8 * 0.4**2) ** (1 / 3))
    error = np.hypot(np.log(1.1) / 3, np.log(1.2) * 2 / 3)
    assert np.log([found.low, found.high]) == pytest.approx(np.log(found.value) + error * np.array([-1, 1]))
    measured["stand_in"]("orbiq.metrics.natural_edges", "edges", rer=soft, rer_x=sharp, rer_y=unknown_rer())
    assert niirs(image, gsd_m=1, snr=50).rer == soft


def test_what_is_stated_is_not_measured(measured):
    found = niirs(np.ones((5, 5)), gsd_m=1, rer=0.9, snr=30, version=4, overshoot=1.2, gain=2)
    assert found.niirs == giqe(gsd_m=1, rer=0.9, snr=30, version=4, overshoot=1.2, gain=2)
    assert "edges" not in measured
    assert "snr" not in measured
    assert niirs(Scene(array=np.ones((5, 5, 1)), gsd_m=9), gsd_m=1, rer=0.9, snr=30).gsd_m == 1


def test_an_image_without_edges_has_no_value():
    flat = np.full((64, 64), 100, np.uint8)
    pytest.importorskip("orbiq.metrics.natural_edges")
    found = niirs(flat, gsd_m=0.5, snr=50)
    assert isnan(found.niirs.value)
    assert found.niirs.reason.startswith("rer is unknown: ")


# bad input


def test_the_ground_distance_is_not_guessed():
    with pytest.raises(SettingError, match=r"nobody said how many metres on the ground a pixel of 'image' is"):
        niirs(np.ones((5, 5)), rer=0.5, snr=50)


@pytest.mark.parametrize(
    "wrong",
    [
        {"gsd_m": 0},
        {"gsd_m": -1},
        {"rer": 0},
        {"snr": -3},
        {"overshoot": 0, "version": 4},
        {"gain": nan, "version": 4},
        {"gsd_m": inf},
        {"rer": inf},
        {"overshoot": inf, "version": 4},
        {"gain": inf, "version": 4},
    ],
)
def test_values_that_cannot_be(wrong):
    name = next(iter(wrong))
    with pytest.raises(SettingError, match=rf"{name} of the GIQE is .*; expected a number > 0"):
        giqe(**{"gsd_m": 1, "rer": 0.5, "snr": 50, **wrong})


def test_versions():
    with pytest.raises(SettingError, match="version of the GIQE is 3; expected 4 or 5"):
        giqe(gsd_m=1, rer=0.5, snr=50, version=3)
    with pytest.raises(SettingError, match="version 5 of the GIQE knows no overshoot and no gain"):
        giqe(gsd_m=1, rer=0.5, snr=50, overshoot=1.1)
    with pytest.raises(ImageError, match="holds complex"):
        niirs(np.ones((5, 5), complex), gsd_m=1)
