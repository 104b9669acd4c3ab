"""What a pass carries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbiq.analysis.downlink import Carried, Downlink, carried, pass_sentence
from orbiq.errors import SettingError


def test_half_the_bits_twice_the_ground():
    link = Downlink(rate_mbps=520, pass_s=600, efficiency=0.8)
    assert link.bits_per_pass == pytest.approx(249.6e9)
    one, half = (carried(link, bytes_per_image=b * 1e6 / 8, ground_km2=0.25) for b in (4, 2))  # 10⁶ pixels of 0.5 m
    assert one.area_km2 == pytest.approx(249.6e9 / 4 * 0.25 / 1e6)
    assert half.area_km2 == pytest.approx(2 * one.area_km2)


def test_text_and_mapping_are_the_same_link():
    link = Downlink(rate_mbps=520, pass_s=600, efficiency=0.9, swath_km=12.5)
    assert Downlink.of("rate_mbps=520,pass_s=600,efficiency=0.9,swath_km=12.5") == link
    assert Downlink.of(link.settings()) == link
    assert Downlink.of({"rate_mbps": 1, "pass_s": 2}).settings() == {"rate_mbps": 1, "pass_s": 2, "efficiency": 1}


def test_what_a_pass_carries_in_words():
    link = Downlink(rate_mbps=520, pass_s=600, swath_km=10)
    few, many = (carried(link, bytes_per_image=b, ground_km2=2) for b in (1e8, 4e5))
    assert few == Carried(images=390, area_km2=780, strip_km=78)
    assert carried(link, bytes_per_image=float("nan")) is None
    said = pass_sentence(link, chosen=many, reference=few).replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert said == (
        "A pass of 600 s at 520 Mbit/s carries 97 500 such images instead of 390 (195 000 km² instead of 780, "
        "19 500 km of the strip instead of 78)."
    )
    plain = Downlink(rate_mbps=100, pass_s=60, efficiency=0.5)
    one, other = (carried(plain, bytes_per_image=b) for b in (1e6, 2e6))
    assert pass_sentence(plain, chosen=one, reference=other) == (
        "A pass of 60 s at 100 Mbit/s, 50 % of it for images, carries 375 such images instead of 187."
    )


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
    with pytest.raises(SettingError, match=words):
        Downlink.of(settings)


@pytest.mark.parametrize(
    "given",
    [
        "rate_mbps=1",
        "rate_mbps=fast,pass_s=1",
        "speed",
        "rate_mbps=1,pass_s=1,km=2",
        {"rate_mbps": True, "pass_s": 1},
        {},
    ],
)
def test_what_names_no_link_is_refused(given):
    with pytest.raises(SettingError, match=r"downlink is .*; expected rate_mbps=… and pass_s=…"):
        Downlink.of(given)
