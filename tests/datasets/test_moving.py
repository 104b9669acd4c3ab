"""Ground truth that follows its pixels: known answers, laws, and agreement with pycocotools."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as oracle
from shapely import Polygon, make_valid
from shapely.ops import unary_union

from orbiq.arrays import IDENTITY
from orbiq.datasets.annotations import Annotations, Category, ImageEntry, Object
from orbiq.datasets.coco import from_coco, read_coco, to_coco, write_coco
from orbiq.datasets.moving import moved
from orbiq.datasets.shapes import decoded_mask, encoded_mask, rotated_box_corners, scale_of_area
from orbiq.datasets.visible import Move
from orbiq.errors import DatasetError, SettingError

IMAGES = (
    ImageEntry(id=1, file_name="a.png", rows=20, cols=30, scene="north"),
    ImageEntry(id="two", file_name="sub/b.png", rows=20, cols=30, label="beach"),
)
SHIP = Category(id=7, name="ship", extra={"supercategory": "vehicle"})
SIZE = (20, 30)
LAW = settings(derandomize=True, max_examples=40, deadline=None)
DIAMOND = ((0.0, 1.0), (1.0, 0.0), (2.0, 1.0), (1.0, 2.0))
HALF = math.sqrt(0.5)
EIGHTH_TURN = (HALF, -HALF, 0.0, HALF, HALF, 0.0)


def sample(**fields):
    thing = Object(**({"id": 1, "image_id": 1, "category_id": 7} | fields))
    return Annotations(images=IMAGES, categories=(SHIP,), objects=(thing,), extra={"info": {"year": 2020}})


def move(affine, after=(200, 200), before=SIZE):
    return {"a.png": Move(affine=affine, before=before, after=after)}


def crop(left, top, rows, cols):
    return move((1, 0, -left, 0, 1, -top), after=(rows, cols))


def moved_objects(moves, *, min_visible=0.0, **fields):
    return moved(sample(**fields), moves, min_visible=min_visible).objects


def moved_object(affine, *, after=(200, 200), **fields):
    (thing,) = moved_objects(move(affine, after), **fields)
    return thing


def mask_of(rows, cols):
    mask = np.zeros(SIZE, bool)
    mask[rows, cols] = True
    return encoded_mask(mask)


# ---- known answers: wholly visible ---------------------------------------------------------------------------


def test_doubling_moves_every_geometry():
    thing = moved_object(
        (2, 0, 0, 0, 2, 0),
        after=(40, 60),
        bbox=(1, 2, 3, 4),
        rbox=(2.5, 4, 3, 4, 0),
        polygons=(((1, 2), (4, 2), (4, 6)),),
        mask=mask_of(slice(2, 6), slice(1, 4)),
        keypoints=((1, 2, 2), (0, 0, 0)),
        area=12,
        extra={"note": "kept"},
    )
    assert thing.bbox == (2, 4, 6, 8)
    assert thing.rbox == pytest.approx((5, 8, 6, 8, 0))
    assert thing.polygons == (((2, 4), (8, 4), (8, 12)),)
    assert decoded_mask(thing.mask).shape == (40, 60)
    assert decoded_mask(thing.mask).sum() == 48
    assert thing.keypoints == ((2, 4, 2), (0, 0, 0))
    assert thing.area == 48
    assert thing.extra == {"note": "kept", "original_bbox": [1, 2, 3, 4], "original_area": 12}


def test_sizes_and_everything_else():
    before = sample(bbox=(1, 2, 3, 4))
    after = moved(before, move((0.5, 0, 0, 0, 0.5, 0), after=(10, 15)))
    assert (after.images[0].rows, after.images[0].cols, after.images[0].scene) == (10, 15, "north")
    assert after.images[0].extra == {"original_width": 30, "original_height": 20}
    assert after.images[1] == before.images[1]
    assert (after.categories, after.extra) == (before.categories, before.extra)
    assert before.objects[0].bbox == (1, 2, 3, 4)


def test_a_box_that_turns_is_drawn_around_the_finest_outline():
    turn = (HALF, -HALF, 20.0, HALF, HALF, 0.0)
    loose = moved_object(turn, bbox=(0, 0, 2, 2))
    tight = moved_object(turn, bbox=(0, 0, 2, 2), polygons=(DIAMOND,))
    turned = moved_object(turn, bbox=(0, 0, 2, 2), rbox=(1, 1, math.sqrt(2), math.sqrt(2), 45))
    assert loose.bbox[2:] == pytest.approx((2 * math.sqrt(2),) * 2)
    assert tight.bbox[2:] == pytest.approx((math.sqrt(2),) * 2)
    assert turned.bbox == pytest.approx(tight.bbox)


def test_a_box_that_turns_is_drawn_around_its_mask():
    rows, cols = np.ogrid[:20, :30]
    disc = (rows + 0.5 - 10) ** 2 + (cols + 0.5 - 10) ** 2 <= 49
    thing = moved_object((HALF, -HALF, 20.0, HALF, HALF, 0.0), bbox=(3, 3, 14, 14), mask=encoded_mask(disc))
    assert thing.bbox == pytest.approx((13, 14.14 - 7, 14, 14), abs=1.01)


# ---- known answers: what is cut ------------------------------------------------------------------------------


def test_a_crop_clips_every_geometry_to_the_image():
    (thing,) = moved_objects(
        crop(left=2, top=3, rows=10, cols=10),
        bbox=(0, 2, 4, 4),
        rbox=(2, 4, 4, 4, 0),
        polygons=(((0, 2), (4, 2), (4, 6), (0, 6)),),
        mask=mask_of(slice(2, 6), slice(0, 4)),
        keypoints=((1, 4, 2), (3, 5, 1), (0, 0, 0)),
        area=16,
        extra={"num_keypoints": 2},
    )
    assert thing.bbox == (0, 0, 2, 3)
    assert thing.rbox == (0, 1, 4, 4, 0)  # whole
    assert set(thing.polygons[0]) == {(0, 0), (2, 0), (2, 3), (0, 3)}
    assert np.argwhere(decoded_mask(thing.mask)).tolist() == [[r, c] for r in range(3) for c in range(2)]
    assert thing.keypoints == ((0, 0, 0), (1, 2, 1), (0, 0, 0))
    assert thing.area == pytest.approx(6)
    assert thing.extra == {"original_bbox": [0, 2, 4, 4], "original_area": 16, "num_keypoints": 1}


def test_a_part_from_the_top_left_cuts_although_no_pixel_moves():
    assert moved_objects(crop(0, 0, rows=4, cols=5), bbox=(3, 2, 4, 4))[0].bbox == (3, 2, 2, 2)
    assert moved_objects(crop(0, 0, rows=4, cols=5), bbox=(6, 2, 4, 4)) == ()


SQUARE = ((0, 0), (4, 0), (4, 4), (0, 4))
TRIANGLE = ((0, 0), (4, 0), (0, 4))


@pytest.mark.parametrize(
    ("fields", "share"),
    [
        ({"bbox": (0, 0, 4, 4)}, 0.5),
        ({"bbox": (0, 0, 4, 4), "rbox": (2, 2, 2 * math.sqrt(2), 2 * math.sqrt(2), 45)}, 0.5),
        ({"bbox": (0, 0, 4, 4), "rbox": (3, 2, 2, 4, 0)}, 1.0),
        ({"bbox": (0, 0, 4, 4), "polygons": (TRIANGLE,)}, 0.25),
        ({"bbox": (0, 0, 4, 4), "polygons": (SQUARE, SQUARE)}, 0.5),  # their union, once
        ({"bbox": (0, 0, 4, 4), "mask": mask_of(slice(0, 4), slice(1, 4))}, 2 / 3),
        ({"bbox": (0, 0, 4, 4), "polygons": (SQUARE,), "mask": mask_of(slice(0, 4), slice(1, 4))}, 0.5),
        ({"keypoints": ((1, 1, 2), (3, 1, 2), (3, 3, 1), (5, 0, 0))}, 2 / 3),
        ({"bbox": (0, 0, 4, 0)}, 0.5),  # without area: by its corners
        ({}, 1.0),
    ],
)
def test_how_much_is_visible(fields, share):
    right_half = crop(left=2, top=0, rows=20, cols=28)
    assert len(moved_objects(right_half, min_visible=share, **fields)) == 1
    if share < 1:
        assert moved_objects(right_half, min_visible=share + 1e-6, **fields) == ()


def test_what_no_image_shows_is_dropped_and_what_touches_it_too():
    for box in ((0, 0, 2, 2), (0, 0, 1, 1)):
        assert moved_objects(crop(left=2, top=0, rows=20, cols=28), bbox=box) == ()
    assert len(moved_objects(crop(left=2, top=0, rows=20, cols=28), bbox=(0, 0, 2.01, 2))) == 1


def test_an_outline_that_the_border_cuts_asunder_becomes_two():
    comb = ((0, 0), (6, 0), (6, 2), (2, 2), (2, 4), (6, 4), (6, 6), (0, 6))
    (thing,) = moved_objects(crop(left=4, top=0, rows=20, cols=26), bbox=(0, 0, 6, 6), polygons=(comb,), area=28)
    assert sorted(map(set, thing.polygons), key=str) == sorted(
        [{(0, 0), (2, 0), (2, 2), (0, 2)}, {(0, 4), (2, 4), (2, 6), (0, 6)}], key=str
    )
    assert (thing.bbox, thing.area) == ((0, 0, 2, 6), 8)


def test_a_broken_outline_is_clipped_as_well():
    bow_tie = ((0, 0), (4, 4), (4, 0), (0, 4))
    (thing,) = moved_objects(crop(left=2, top=0, rows=20, cols=28), bbox=(0, 0, 4, 4), polygons=(bow_tie,))
    assert thing.bbox == (0, 0, 2, 4)


def test_what_lay_outside_the_old_image_does_not_count():
    """A box half outside keeps its place in a variant that only mirrors: nothing more was lost."""
    mirror = move((-1, 0, 30, 0, 1, 0), after=SIZE)
    (thing,) = moved_objects(mirror, min_visible=1.0, bbox=(-2, 0, 4, 4), area=16)
    assert (thing.bbox, thing.area) == ((28, 0, 2, 4), 8)
    assert moved_objects(mirror, bbox=(-5, 0, 4, 4)) == ()


def test_a_turned_outline_is_clipped_by_the_turned_image():
    """What the old image did not show does not come to light in the corners of a turned one."""
    affine = (HALF, -HALF, 20 * HALF, HALF, HALF, 0.0)
    (thing,) = moved_objects(move(affine, after=(36, 36)), bbox=(-10, -10, 20, 20), area=400)
    assert thing.area == pytest.approx(100)
    assert thing.bbox == pytest.approx((20 * HALF - 10 * HALF, 0, 20 * HALF, 20 * HALF))


def test_original_sizes_are_those_of_the_first_image_and_survive_files(tmp_path):
    before = sample(bbox=(1, 2, 4, 4), polygons=(SQUARE,), area=16)
    once = moved(before, move((0.5, 0, 0, 0, 0.5, 0), after=(10, 15)))
    write_coco(tmp_path / "once.json", once)
    twice = moved(read_coco(tmp_path / "once.json"), move((0.5, 0, 0, 0, 0.5, 0), before=(10, 15), after=(5, 7)))
    again = from_coco(to_coco(twice))
    assert again.objects[0].extra == {"original_bbox": [1, 2, 4, 4], "original_area": 16}
    assert again.objects[0].area == 1
    assert again.images[0].extra == {"original_width": 30, "original_height": 20}
    assert (again.images[0].rows, again.images[0].cols) == (5, 7)


# ---- laws ------------------------------------------------------------------------------------------------------


@LAW
@given(st.tuples(*[st.floats(0, 30)] * 4), st.floats(-180, 180))
def test_identity_is_identity(box, angle):
    before = sample(bbox=box, rbox=(*box, angle), polygons=((box[:2], box[2:], (0, 1)),), area=1)
    assert moved(before, move(IDENTITY, after=SIZE)) == before
    assert moved(before, {}) == before


@LAW
@given(st.sampled_from((0.5, 2, 3)), st.sampled_from((0.25, 2)), st.integers(0, 9))
def test_one_after_the_other_is_their_product(x, y, shift):
    before = sample(bbox=(1, 2, 3, 4), rbox=(3, 4, 3, 4, 0), polygons=(((1, 2), (4, 2), (4, 6)),), area=12)
    first, second = (x, 0, shift, 0, y, 1), (0, -1, 90, 1, 0, 0)
    product = (0, -y, 90 - 1, x, 0, shift)
    (step,) = moved(moved(before, move(first, (90, 150))), move(second, (150, 90), before=(90, 150))).objects
    (once,) = moved(before, move(product, (150, 90))).objects
    assert step.bbox == pytest.approx(once.bbox)
    assert step.rbox[:4] == pytest.approx(once.rbox[:4])
    assert np.allclose(step.polygons, once.polygons)
    assert step.area == pytest.approx(once.area)
    assert step.extra == once.extra


pixels = st.integers(0, 29)


@LAW
@given(pixels, pixels, st.integers(1, 12), st.integers(1, 12), pixels, pixels, st.integers(1, 30), st.integers(1, 30))
def test_boxes_polygons_and_masks_agree_on_what_is_left(x, y, width, height, left, top, rows, cols):
    """On whole pixels the three say the same, and the box is the one that pycocotools draws around the mask."""
    mask = np.zeros((30, 30), bool)
    mask[y : y + height, x : x + width] = True
    height, width = min(height, 30 - y), min(width, 30 - x)
    box = (x, y, width, height)
    ring = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
    cut = move((1, 0, -left, 0, 1, -top), after=(rows, cols), before=(30, 30))
    area = float(width * height)
    found = [
        moved_objects(cut, bbox=box, area=area, **more)
        for more in ({}, {"polygons": (ring,)}, {"mask": encoded_mask(mask)}, {"rbox": _upright(box)})
    ]
    part = mask[top : top + rows, left : left + cols]
    assert [len(things) for things in found] == [int(part.any())] * 4
    for (thing,) in found if part.any() else ():
        code = oracle.encode(np.asfortranarray(part, np.uint8))
        assert thing.bbox == pytest.approx(tuple(oracle.toBbox(code)))
        assert thing.area == pytest.approx(int(oracle.area(code)))


def _upright(box):
    return box[0] + box[2] / 2, box[1] + box[3] / 2, box[2], box[3], 0


@LAW
@given(st.floats(0, 20), st.floats(0, 20), st.floats(1, 9), st.floats(1, 9), st.floats(-90, 90), st.floats(0, 1))
def test_more_is_asked_fewer_remain(x, y, width, height, angle, share):
    fields = {"rbox": (x, y, width, height, angle), "area": width * height}
    corner = crop(left=0, top=0, rows=10, cols=10)
    kept = moved_objects(corner, min_visible=share, **fields)
    assert len(kept) <= len(moved_objects(corner, **fields))
    held = np.array(rotated_box_corners(fields["rbox"]))
    if (held.min() >= 0) and (held.max() <= 10):
        assert kept[0].area == width * height
    for thing in kept:
        assert 0 < thing.area <= width * height + 1e-9


whole_points = st.tuples(st.integers(-5, 35), st.integers(-5, 25))


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    st.lists(st.lists(whole_points, min_size=1, max_size=7), min_size=1, max_size=3),
    st.sampled_from(
        [(1, 0, -9, 0, 1, -4), (0.5, 0, 1, 0, 0.5, -2), (HALF, -HALF, 7, HALF, HALF, -3), (0, -2, 20, 2, 0, 0)]
    ),
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
)
def test_any_outline_however_broken(rings, affine, after):
    """Spikes, knots, points and lines: what is kept lies inside, and is no more than there was."""
    rings = tuple(tuple((float(x), float(y)) for x, y in ring) for ring in rings)
    area = float(unary_union([make_valid(Polygon(ring)) for ring in rings if len(ring) > 2]).area)
    for thing in moved_objects(move(affine, after=after), polygons=rings, bbox=(1, 1, 3, 3), area=area):
        for x, y in (point for ring in thing.polygons for point in ring) if area else ():
            assert 0 <= x <= after[1]
            assert 0 <= y <= after[0]
        assert thing.area <= area * scale_of_area(affine) * (1 + 1e-9)
        left, top, width, height = thing.bbox
        assert -1e-9 <= left <= left + width <= after[1] + 1e-9
        assert -1e-9 <= top <= top + height <= after[0] + 1e-9


# ---- refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("affine", [(0, 0, 0, 0, 1, 0), (math.nan, 0, 0, 0, 1, 0), (1, 0, math.inf, 0, 1, 0)])
def test_a_map_that_cannot_be_followed(affine):
    with pytest.raises(DatasetError, match=r"labels cannot follow the map"):
        move(affine)


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_a_share_is_from_0_to_1(share):
    with pytest.raises(SettingError, match=r"min_visible is .*; expected a share, from 0 to 1"):
        moved(sample(), {}, min_visible=share)
