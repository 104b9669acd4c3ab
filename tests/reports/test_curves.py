"""The main figure of a report."""

import re
from xml.etree import ElementTree as ET

import pytest

from orbiq.cache import read_json_or
from orbiq.reports.curves import score_curve
from orbiq.reports.labels import Ground, Label, Spot
from orbiq.reports.style import drawing, new_figure


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


def test_a_label_goes_where_nothing_lies():
    """Of left, middle and right, the left has a curve and the right has a label already."""
    with drawing():
        figure, axes = new_figure((6, 4))
        axes.plot([0, 1], [0, 10], marker="o")
        axes.set_xlim(0, 10)
        axes.set_ylim(0, 10)
        figure.draw_without_rendering()
        ground = Ground.of(axes)
        label = Label(lines=["two", "lines"], color="k", size_pt=9)
        spots = [Spot(at=(x, 5), offset=(0, 0), ha="center", va="bottom") for x in (0.6, 5, 9)]
        ground.place(label, spots[2:])
        ground.place(label, [*spots, Spot(at=(20, 5), offset=(0, 0), ha="left", va="top")])
    assert [text.xy[0] for text in axes.texts] == [9, 9, 5, 5]
    assert [text.get_text() for text in axes.texts] == ["two", "lines", "two", "lines"]


def test_a_long_name_is_told_whole_on_several_lines(point):
    name = "sensor:gsd_m=2,mtf_nyquist=0.15,snr=60,bits=11"
    levels = [v | {"variant": name} if v["variant"] == point["variant"] else v for v in point["levels"]]
    point = point | {"levels": levels, "variant": name}
    assert "sensor:gsd_m=2,mtf_nyquist=0.15,snr=60, bits=11" in texts(score_curve(point))
    assert "sensor:gsd_m=2, mtf_nyquist=0.15,snr=60, bits=11" in texts(score_curve(point, narrow=True))


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
