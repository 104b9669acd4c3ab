"""The main figure of a report."""

import re
from xml.etree import ElementTree as ET

import pytest

from orbiq.cache import read_json_or
from orbiq.reports.curves import score_curve


@pytest.fixture
def point(experiment) -> dict:
    return read_json_or(experiment / "analysis.json", {})["operating_point"]


def texts(svg: str) -> str:
    return " ".join("".join(node.itertext()) for node in ET.fromstring(svg).iter() if node.tag.endswith("text"))


def test_it_says_what_a_reader_looks_for(point):
    said = texts(score_curve(point))
    for word in ("jpeg", "gaussian-blur>jpeg", "reference: 0.674", "98 % kept: 0.660", "bits per pixel", "ap50"):
        assert word in said
    assert f"{point['variant']}" in said


def test_it_is_one_plain_element_without_outside(point):
    svg = score_curve(point)
    assert svg.startswith("<svg ")
    assert not re.findall(r'(?:href|src)="(?!#)', svg)
    assert "@font-face" not in svg
    assert "@import" not in svg
    assert not re.findall(r"\d{4}-\d\d-\d\d", svg)


def test_the_same_answer_gives_the_same_figure(point):
    assert score_curve(point) == score_curve(point)


def test_ids_of_two_figures_never_meet(point):
    ids = [set(re.findall(r'\bid="([^"]+)"', score_curve(point, ident=name))) for name in ("a", "b")]
    assert ids[0]
    assert not ids[0] & ids[1]
    svg = score_curve(point, ident="a")
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', svg)) <= ids[0]


def test_colours_follow_the_page(point):
    assert "var(--series-1, #0072b2)" in score_curve(point)


def test_hostile_names_stay_text(point):
    evil = '</svg><script>alert("1")</script>$\\frac{1}{0}$'
    point = point | {"score": evil, "levels": [v | {"family": evil} for v in point["levels"]]}
    svg = score_curve(point)
    ET.fromstring(svg)
    assert "<script" not in svg
    assert svg.count("</svg>") == 1


def test_lower_is_better_is_said(point):
    assert "lower is better" in texts(score_curve(point | {"higher_is_better": False, "score": "mse"}))


def test_unknown_numbers_leave_gaps_only(point):
    bare = [v | {"low": None, "high": None} for v in point["levels"]]
    bare[3] |= {"score": None}
    point = point | {"levels": bare, "threshold": None, "variant": None, "keep": None, "reference": None}
    assert "jpeg" in texts(score_curve(point))
