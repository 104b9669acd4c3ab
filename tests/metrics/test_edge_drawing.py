"""Edges drawn and mapped: on steps whose place is known in closed form."""

import json
from dataclasses import replace
from math import cos, inf, radians, sin

import numpy as np
import pytest
from scipy.special import ndtr

from orbiq.errors import SettingError
from orbiq.metrics.edge_drawing import edges_geojson, edges_picture
from orbiq.metrics.natural_edges import edges

SIZE = 48
ANGLES = (12, 33, 78, 102, 147, 190)  # of the normal, from the columns' direction towards the rows'
COLOURS = {"x": (255, 160, 0), "y": (0, 190, 255), "other": (0, 230, 0)}


def steps(*, bands=1):
    """Two rows of three blurred steps, bright where the normal points to, each through the middle of its square."""
    squares = [40 + 120 * ndtr(distances(np.indices((SIZE, SIZE)), angle) / 0.8) for angle in ANGLES]
    plane = np.vstack([np.hstack(squares[:3]), np.hstack(squares[3:])])
    noisy = plane[..., None] + np.random.default_rng(0).normal(0, 0.3, (*plane.shape, bands))
    return noisy.astype(np.float32)


def distances(points, angle):
    """Of rows and cols within a square to its step."""
    middle = (SIZE - 1) / 2
    return (points[1] - middle) * cos(radians(angle)) + (points[0] - middle) * sin(radians(angle))


def off_the_step(rows, cols):
    """How far points, in pixels from the middle of the first, lie from the step of their square."""
    k = (rows > SIZE - 0.5).astype(int) * 3 + (cols / SIZE).astype(int)
    local = np.array([rows % SIZE, cols % SIZE])
    return np.array([abs(distances(local[:, [n]], ANGLES[square]))[0] for n, square in enumerate(k)])


@pytest.fixture(scope="module")
def found():
    return edges(steps())


def lines(mapped):
    return [np.array(feature["geometry"]["coordinates"]) for feature in mapped["features"]]


def test_coordinates_lie_on_the_steps(found):
    points = np.concatenate(lines(edges_geojson(found)))
    assert len(points) >= 12
    assert off_the_step(points[:, 1] - 0.5, points[:, 0] - 0.5).max() < 0.25


def test_a_place_on_the_ground_is_the_transform_of_the_pixels(found):
    """Rotated, sheared, and not square."""
    a, b, c, d, e, f = transform = (1.6, 0.9, 431_000.0, 1.1, -2.1, 4_581_000.0)
    ground = edges_geojson(found, transform=transform, crs="EPSG:32631")
    assert ground["crs"]["properties"]["name"] == "EPSG:32631"
    for placed, (x, y) in zip(lines(ground), (line.T for line in lines(edges_geojson(found))), strict=True):
        assert placed == pytest.approx(np.stack([a * x + b * y + c, d * x + e * y + f], axis=1), abs=1e-6)


def test_a_reference_system_without_number_is_kept(found):
    pyproj = pytest.importorskip("pyproj")
    wkt = pyproj.CRS("+proj=laea +lat_0=12 +lon_0=3 +datum=WGS84 +units=m").to_wkt("WKT1_GDAL")
    assert edges_geojson(found, transform=(1, 0, 0, 0, -1, 0), crs=wkt)["crs"]["properties"]["name"] == wkt


def test_each_edge_has_its_numbers(found):
    mapped = json.loads(json.dumps(edges_geojson(found), allow_nan=False))
    assert sum(feature["properties"]["counts"] for feature in mapped["features"]) == found.n_edges
    assert len(mapped["features"]) == len(found.edges) + len(found.left_out)
    first = mapped["features"][0]["properties"]
    assert (first["rer"], first["band"], first["direction"]) == (found.edges[0].rer, 0, found.edges[0].direction)


def test_an_edge_without_noise_is_json(found):
    quiet = replace(found, edges=tuple(replace(edge, snr=inf) for edge in found.edges))
    assert edges_geojson(quiet)["features"][0]["properties"]["snr"] is None


def test_lines_are_drawn_on_the_steps_in_the_colour_of_their_direction(found):
    zoom = 3
    picture = edges_picture(steps(), found, zoom=zoom)
    assert picture.shape == (2 * SIZE * zoom, 3 * SIZE * zoom, 3)
    assert picture.dtype == np.uint8
    assert {edge.direction for edge in found.edges} == set(COLOURS)
    for edge in found.edges:
        points = (edge.points(9) + 0.5) * zoom - 0.5
        rows, cols = np.rint(points[1:-1].T).astype(int)
        assert np.ptp(picture[rows, cols].astype(int), axis=-1).min() > 60
        middle = picture[rows[3], cols[3]].astype(int)
        assert abs(middle - COLOURS[edge.direction]).max() < 90


def test_ticks_point_to_the_bright_side(found):
    picture = edges_picture(steps(), replace(found, left_out=()), zoom=4).astype(int)
    for edge in found.edges:
        normal = radians(edge.normal_deg)
        ends = [np.array([edge.row, edge.col]) + side * 3.5 * np.array([sin(normal), cos(normal)]) for side in (1, -1)]
        bright, dark = (picture[tuple(np.rint((end + 0.5) * 4 - 0.5).astype(int))] for end in ends)
        assert np.ptp(bright) > 60
        assert np.ptp(dark) == 0


def test_what_is_left_out_is_red(found):
    counted = found.edges[0]
    picture = edges_picture(steps(), replace(found, edges=(), left_out=(counted,)), zoom=1)
    red = picture[(picture[..., 0] > 200) & (picture[..., 1] < 60)]
    assert 5 < len(red) < 40


def test_a_large_picture_is_made_smaller(found):
    assert edges_picture(steps(), found, longest_px=72).shape == (SIZE, 3 * SIZE // 2, 3)
    assert edges_picture(steps(), found, longest_px=3 * SIZE).shape == (2 * SIZE, 3 * SIZE, 3)


def test_several_bands_are_one_picture_and_tell_their_bands():
    image = steps(bands=3)
    found = edges(image)
    assert edges_picture(image, found, zoom=1).shape == (2 * SIZE, 3 * SIZE, 3)
    bands = {feature["properties"]["band"] for feature in edges_geojson(found)["features"]}
    assert bands == {0, 1, 2}
    assert len(edges_geojson(found)["features"]) == sum(len(b.edges) + len(b.left_out) for b in found.per_band)


def test_pixels_without_data_are_black():
    image = steps()
    mask = np.ones(image.shape[:2], bool)
    image[:, :20], mask[:, :20] = np.nan, False
    picture = edges_picture(np.nan_to_num(image), edges(image, mask=mask), zoom=1)
    assert (picture[:, :5] == 0).all()


def test_what_cannot_be_used_is_refused(found):
    with pytest.raises(SettingError, match="zoom is 0 and longest_px is 4096; expected whole numbers"):
        edges_picture(steps(), found, zoom=0)
    with pytest.raises(SettingError, match="crs is 'nowhere'; expected for example 'EPSG:32631' or WKT"):
        edges_geojson(found, crs="nowhere")
