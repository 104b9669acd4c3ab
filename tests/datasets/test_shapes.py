"""Geometry of labels: known answers, laws, and agreement with shapely and pycocotools."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pycocotools import mask as oracle
from shapely import LineString, Polygon
from shapely.affinity import affine_transform

from orbiq.arrays import IDENTITY
from orbiq.datasets.shapes import (
    box_corners,
    decoded_mask,
    encoded_mask,
    hull,
    inverse,
    keeps_axes,
    moved_box,
    moved_mask,
    moved_pixels,
    moved_points,
    moved_rotated_box,
    rotated_box_corners,
    scale_of_area,
)
from orbiq.errors import DatasetError

QUARTER_TURN = (0.0, -1.0, 10.0, 1.0, 0.0, 0.0)
"""Clockwise to the eye, of an image of 10 rows."""

LAW = settings(derandomize=True, max_examples=40, deadline=None)

numbers = st.floats(-100, 100, allow_nan=False).map(lambda v: round(v, 3))
sides = st.floats(0.1, 50).map(lambda v: round(v, 3))
boxes = st.tuples(numbers, numbers, sides, sides)
rotated_boxes = st.tuples(numbers, numbers, sides, sides, st.floats(-180, 180))
rings = st.lists(st.tuples(numbers, numbers), min_size=3, max_size=8)


@st.composite
def affines(draw):
    affine = tuple(draw(st.floats(-3, 3).map(lambda v: round(v, 3))) for _ in range(6))
    assume(scale_of_area(affine) > 0.05)
    return affine


@st.composite
def similarities(draw):
    scale, turn, mirror = (
        draw(st.floats(0.2, 4)),
        math.radians(draw(st.floats(-180, 180))),
        draw(st.sampled_from((1, -1))),
    )
    c, s = scale * math.cos(turn), scale * math.sin(turn)
    return c, -s * mirror, draw(numbers), s, c * mirror, draw(numbers)


def after(second, first):
    """The map that does `first`, then `second`."""
    product = np.vstack([np.reshape(second, (2, 3)), [0, 0, 1]]) @ np.vstack([np.reshape(first, (2, 3)), [0, 0, 1]])
    return tuple(product[:2].ravel())


def test_a_quarter_turn_takes_the_top_left_box_to_the_top_right():
    assert moved_box((0, 0, 4, 2), QUARTER_TURN) == (8, 0, 2, 4)
    assert moved_rotated_box((2, 1, 4, 2, 0), QUARTER_TURN) == pytest.approx((9, 2, 4, 2, 90))
    assert keeps_axes(QUARTER_TURN)


def test_a_mirror_turns_a_heading_round():
    assert moved_rotated_box((2, 1, 4, 2, 30), (-1, 0, 10, 0, 1, 0)) == pytest.approx((8, 1, 4, 2, 150))


def test_unequal_scales_keep_side_and_area():
    _, _, width, height, angle = moved_rotated_box((0, 0, 4, 2, 45), (2, 0, 0, 0, 1, 0))
    assert angle == pytest.approx(math.degrees(math.atan2(1, 2)))
    assert width == pytest.approx(4 * math.hypot(2, 1) / math.sqrt(2))
    assert width * height == pytest.approx(16)


@LAW
@given(rings, affines())
def test_points_agree_with_shapely(ring, affine):
    a, b, c, d, e, f = affine
    expected = affine_transform(LineString(ring), [a, b, d, e, c, f])
    assert np.allclose(moved_points(ring, affine), np.array(expected.coords))
    assert Polygon(moved_points(ring, affine)).area == pytest.approx(
        Polygon(ring).area * scale_of_area(affine), abs=1e-6
    )


@LAW
@given(boxes, rings)
def test_identity_changes_nothing(box, ring):
    assert moved_points(ring, IDENTITY) == tuple(ring)
    assert moved_box(box, IDENTITY) == pytest.approx(box)


@LAW
@given(rings, affines(), affines())
def test_one_after_the_other_is_their_product(ring, first, second):
    one = moved_points(moved_points(ring, first), second)
    assert np.allclose(one, moved_points(ring, after(second, first)))


@LAW
@given(rings, st.floats(0.2, 5), st.floats(-5, -0.2), numbers)
def test_the_box_of_a_moved_polygon_is_the_moved_box_where_axes_are_kept(ring, scale, mirrored, shift):
    for affine in ((scale, 0, shift, 0, mirrored, 1), (0, mirrored, shift, scale, 0, 1)):
        assert keeps_axes(affine)
        assert moved_box(hull(ring), affine) == pytest.approx(hull(moved_points(ring, affine)), abs=1e-6)


@LAW
@given(boxes, affines())
def test_a_moved_box_holds_its_moved_corners(box, affine):
    x, y, width, height = moved_box(box, affine)
    for px, py in moved_points(box_corners(box), affine):
        assert x - 1e-6 <= px <= x + width + 1e-6
        assert y - 1e-6 <= py <= y + height + 1e-6


@LAW
@given(rotated_boxes, similarities())
def test_rotated_boxes_move_exactly_under_similarities(box, affine):
    corners = np.array(moved_points(rotated_box_corners(box), affine))
    found = np.array(rotated_box_corners(moved_rotated_box(box, affine)))
    if affine[0] * affine[4] - affine[1] * affine[3] < 0:
        found = found[[3, 2, 1, 0]]  # a mirror swaps left and right
    assert np.allclose(found, corners, atol=1e-6)


@LAW
@given(rotated_boxes, affines())
def test_rotated_boxes_keep_centre_and_area(box, affine):
    x, y, width, height, _ = moved_rotated_box(box, affine)
    assert (x, y) == pytest.approx(moved_points([box[:2]], affine)[0])
    assert width * height == pytest.approx(box[2] * box[3] * scale_of_area(affine))


@LAW
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**32))
def test_masks_agree_with_pycocotools(rows, cols, seed):
    mask = np.random.default_rng(seed).random((rows, cols)) > 0.5
    code = encoded_mask(mask)
    assert code["counts"].encode() == oracle.encode(np.asfortranarray(mask, np.uint8))["counts"]
    assert code["size"] == [rows, cols]
    assert np.array_equal(decoded_mask(code), mask)
    assert decoded_mask(code).dtype == bool


def test_masks_move_by_whole_pixels_quarter_turns_and_doubling():
    mask = np.random.default_rng(0).random((10, 7)) > 0.5
    code = encoded_mask(mask)
    assert np.array_equal(decoded_mask(moved_mask(code, IDENTITY)), mask)
    assert np.array_equal(decoded_mask(moved_mask(code, QUARTER_TURN, size=(7, 10))), np.rot90(mask, -1))
    doubled = moved_mask(code, (2, 0, 0, 0, 2, 0), size=(20, 14))
    assert np.array_equal(decoded_mask(doubled), np.kron(mask, np.ones((2, 2), bool)))
    shifted = decoded_mask(moved_mask(code, (1, 0, 2, 0, 1, 3)))
    assert np.array_equal(shifted[3:, 2:], mask[:-3, :-2])
    assert not shifted[:3].any()


@pytest.mark.parametrize("counts", ["~~~~", [1, 2, 90], [-1, 5], "ä", 7])
def test_a_broken_mask_is_refused(counts):
    with pytest.raises(DatasetError, match=r"mask of size \[2, 2\] cannot be decoded"):
        decoded_mask({"size": [2, 2], "counts": counts})


@LAW
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(("uint8", "uint32", "float64", "bool")), affines())
def test_moved_pixels_take_the_pixel_in_which_their_centre_lay(rows, cols, dtype, affine):
    array = np.random.default_rng(rows * cols).integers(0, 2**31, (rows, cols, 5)).astype(dtype)
    moved = moved_pixels(array, affine, size=(8, 11), fill=1)
    a, b, c, d, e, f = inverse(affine)
    for row in range(8):
        for col in range(11):
            x, y = a * (col + 0.5) + b * (row + 0.5) + c, d * (col + 0.5) + e * (row + 0.5) + f
            assume(min(abs(x - round(x)), abs(y - round(y))) > 1e-6)
            inside = 0 <= x < cols and 0 <= y < rows
            expected = array[math.floor(y), math.floor(x)] if inside else np.ones(5, dtype)
            assert np.array_equal(moved[row, col], expected)


def test_masks_have_no_largest_size():
    mask = np.zeros((40000, 8), bool)
    mask[39990:, 1:4] = True
    turned = moved_mask(encoded_mask(mask), (0.0, -1.0, 40000.0, 1.0, 0.0, 0.0), size=(8, 40000))
    assert np.array_equal(decoded_mask(turned), np.rot90(mask, -1))
    c, s = math.cos(0.5), math.sin(0.5)
    slant = (c, -s, 30 - 2.5 * c + 39995 * s, s, c, 30 - 2.5 * s - 39995 * c)
    slanted = decoded_mask(moved_mask(encoded_mask(mask), slant, size=(60, 60)))
    assert slanted.sum() == pytest.approx(30, abs=3)
    assert np.argwhere(slanted).mean(axis=0) + 0.5 == pytest.approx((30, 30), abs=0.2)


@LAW
@given(rings, affines())
def test_there_and_back(ring, affine):
    assert np.allclose(moved_points(moved_points(ring, affine), inverse(affine)), ring, atol=1e-4)
