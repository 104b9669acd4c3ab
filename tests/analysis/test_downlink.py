"""What a pass carries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbiq.analysis.downlink import Downlink
from orbiq.errors import SettingError


def test_half_the_bits_twice_the_ground():
    link = Downlink(rate_mbps=520, pass_s=600, efficiency=0.8)
    assert link.bits_per_pass == pytest.approx(249.6e9)
    one, half = (link.area_km2_per_pass(bits_per_pixel=b, gsd_m=0.5) for b in (4, 2))
    assert one == pytest.approx(249.6e9 / 4 * 0.25 / 1e6)
    assert half == pytest.approx(2 * one)
    assert link.strip_km_per_pass(bits_per_pixel=4, gsd_m=0.5, swath_km=10) == pytest.approx(one / 10)


@given(st.floats(1, 1e12))
def test_images_are_whole_and_fit(bits):
    link = Downlink(rate_mbps=100, pass_s=300)
    n = link.images_per_pass(bits_per_image=bits)
    assert n * bits <= link.bits_per_pass * (1 + 1e-12) < (n + 1) * bits * (1 + 1e-9)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rate_mbps": 0, "pass_s": 1}, "rate_mbps is 0; expected a finite number above 0"),
        ({"rate_mbps": 1, "pass_s": float("inf")}, "pass_s is inf"),
        ({"rate_mbps": 1, "pass_s": 1, "efficiency": 1.2}, "efficiency is 1.2; expected a share of 1"),
    ],
)
def test_what_is_no_link_is_refused(settings, words):
    with pytest.raises(SettingError, match=words):
        Downlink(**settings)
    with pytest.raises(SettingError, match="gsd_m is 0"):
        Downlink(rate_mbps=1, pass_s=1).area_km2_per_pass(bits_per_pixel=1, gsd_m=0)
