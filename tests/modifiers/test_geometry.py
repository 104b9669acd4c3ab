"""Flip, crop, rotate, shift and resize: known answers, laws, agreement, and what cannot be."""

import numpy as np
import pytest
from scipy import ndimage

from orbiq.arrays import Scene
from orbiq.datasets.shapes import moved_box, moved_points
from orbiq.errors import ImageError, SettingError
from orbiq.modifiers.base import MODIFIERS, composed
from orbiq.modifiers.geometry import Crop, Flip, Resize, Rotate, Shift
from orbiq.modifiers.geometry_resampling import inverse
from orbiq.numerics import image_rng
from orbiq.registry import build

UTM = (0.5, 0.0, 431000.25, 0.0, -0.5, 4582000.75)
EACH = [
    Flip(),
    Flip(axis="both"),
    Crop(rows=50, cols=60, top=5, left=12),
    Crop(rows=51, cols=70),
    Crop(rows=50, cols=60, place="random"),
    Rotate(angle_deg=90),
    Rotate(angle_deg=-180),
    Rotate(angle_deg=31.7),
    Rotate(angle_deg=-12.5, canvas="kept", method="bilinear"),
    Shift(dx_px=3.37, dy_px=-2.81),
    Shift(dx_px=0.5, method="bilinear"),
    Shift(dy_px=1.3, method="lanczos"),
    Resize(scale=2.0),
    Resize(scale=0.5),
    Resize(rows=53, cols=61, method="lanczos"),
    Resize(cols=47, method="area"),
    Resize(rows=90, method="bilinear"),
]


def through(modifier, array, **about):
    return modifier(Scene(array=array, name="a.tif", **about), rng=image_rng(0, "a.tif"))


def disc(x, y, radius, *, rows=64, cols=80):
    yy, xx = np.mgrid[:rows, :cols] + 0.5
    return np.clip(radius + 0.5 - np.hypot(xx - x, yy - y), 0, 1)[..., None] * 100.0


def centroid(array):
    weight = array[..., 0] / array.sum()
    yy, xx = np.mgrid[: array.shape[0], : array.shape[1]] + 0.5
    return (xx * weight).sum(), (yy * weight).sum()


# known answers


@pytest.mark.parametrize("modifier", EACH, ids=str)
def test_a_disc_lands_where_the_affine_says_and_its_box_bounds_it(modifier):
    array = disc(42.3, 30.6, 7)
    said = through(modifier, array)
    ((x, y),) = moved_points([centroid(array)], said.affine)
    assert centroid(said.scene.array) == pytest.approx((x, y), abs=0.02)
    left, top, width, height = moved_box((34.8, 23.1, 15.0, 15.0), said.affine)
    rows, cols = np.nonzero(said.scene.array[..., 0] > 50)
    assert left <= cols.min() + 0.5
    assert cols.max() + 0.5 <= left + width
    assert top <= rows.min() + 0.5
    assert rows.max() + 0.5 <= top + height


@pytest.mark.parametrize("modifier", EACH, ids=str)
def test_a_pixel_stays_the_same_point_on_the_ground(modifier):
    said = through(modifier, disc(42, 30, 7), transform=UTM, gsd_m=0.5)
    corners = [(0.0, 0.0), (80.0, 64.0), (13.25, 40.5)]
    before = np.array(moved_points(corners, UTM))
    after = np.array(moved_points(moved_points(corners, said.affine), said.scene.transform))
    assert np.abs(after / before - 1).max() < 1e-9
    a, b, _, d, e, _ = said.scene.transform
    assert said.scene.gsd_m == pytest.approx(abs(a * e - b * d) ** 0.5, rel=1e-12)


def test_shrinking_by_area_is_the_block_mean():
    array = np.random.default_rng(1).normal(size=(12, 20, 2))
    expected = array.reshape(6, 2, 10, 2, 2).mean(axis=(1, 3))
    assert np.allclose(through(Resize(scale=0.5, method="area"), array).scene.array, expected, atol=1e-12)


def test_quarter_turns_are_clockwise():
    assert through(Rotate(angle_deg=90), np.arange(6.0).reshape(2, 3, 1)).scene.array[..., 0].tolist() == [
        [3, 0],
        [4, 1],
        [5, 2],
    ]


# laws


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 7, 3), (9, 14, 8), (5, 6, 200)])
def test_identities(shape, dtype):
    array = np.random.default_rng(2).integers(0, 250, shape).astype(dtype)
    for modifier, times in ((Flip(axis="both"), 2), (Flip(axis="vertical"), 2), (Rotate(angle_deg=90), 4)):
        scene = Scene(array=array)
        for _ in range(times):
            scene = modifier(scene, rng=image_rng(0, "a")).scene
        assert np.array_equal(scene.array, array)
    for modifier in (Shift(), Resize(scale=1.0), Resize(scale=1.0, method="nearest"), Rotate(angle_deg=0)):
        same = through(modifier, array)
        assert np.array_equal(same.scene.array, array)
        assert same.scene.array.dtype == array.dtype
        assert same.scene.mask is None
    assert through(Resize(scale=1.7), array).scene.array.dtype == array.dtype


def test_a_crop_of_a_shift_is_a_crop_elsewhere():
    array = np.random.default_rng(3).integers(0, 255, (30, 40, 4)).astype(np.uint16)
    shifted = through(Shift(dx_px=3, dy_px=-2), array).scene
    part = Crop(rows=10, cols=12, top=8, left=9)(shifted, rng=image_rng(0, "a")).scene
    assert np.array_equal(part.array, array[10:20, 6:18])


@pytest.mark.parametrize("modifier", EACH, ids=str)
def test_masked_pixels_lend_nothing_and_the_mask_moves_along(modifier):
    array = np.full((64, 80, 3), 100, np.int16)
    mask = np.ones((64, 80), bool)
    mask[20:30, 30:45] = False
    array[~mask] = -9999
    said = through(modifier, array, mask=mask)
    assert said.scene.mask is not None
    assert (said.scene.array[said.scene.mask] == 100).all()
    assert (said.scene.array[~said.scene.mask] == -9999).all()
    yy, xx = np.nonzero(~said.scene.mask)
    back = np.array(moved_points(zip(xx + 0.5, yy + 0.5, strict=True), inverse(said.affine))) - 1e-9
    inside = (back >= 0).all(axis=1) & (back < (80, 64)).all(axis=1)
    cols, rows = np.floor(back[inside]).astype(int).T
    assert ((rows >= 19) & (rows <= 30) & (cols >= 29) & (cols <= 45)).all()


def test_the_way_back():
    assert composed(UTM, inverse(UTM)) == pytest.approx((1, 0, 0, 0, 1, 0), abs=1e-9)


# agreement


def test_a_shift_by_lines_agrees_with_scipy():
    array = np.random.default_rng(4).normal(size=(20, 30, 1))
    expected = ndimage.shift(array[..., 0], (0.25, -1.5), order=1, mode="reflect")
    found = through(Shift(dx_px=-1.5, dy_px=0.25, method="bilinear"), array).scene
    assert np.abs(found.array[..., 0] - expected)[found.mask].max() < 1e-12


# what cannot be


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("flip:axis=diagonal", "flip:axis is 'diagonal'; expected horizontal, vertical or both"),
        ("crop:rows=0,cols=3", "crop has rows=0, cols=3; expected 1 or more"),
        ("crop:rows=3,cols=3,top=1", "crop has top=1, left=None; expected both"),
        ("crop:rows=3,cols=3,place=left", "crop:place is 'left'; expected centre or random"),
        ("rotate:angle_deg=nan", "rotate:angle_deg is nan; expected a finite number"),
        ("rotate:angle_deg=3,canvas=huge", "rotate:canvas is 'huge'; expected grown or kept"),
        ("rotate:angle_deg=3,method=bicubic", "rotate:method is 'bicubic'; expected one of nearest, bilinear, spline"),
        ("shift:dx_px=inf", "shift has dx_px=inf"),
        ("shift:method=area", "shift:method is 'area'; expected one of nearest"),
        ("resize", "resize has rows=None, cols=None, scale=None; expected rows or cols"),
        ("resize:scale=0", "scale=0.0; expected"),
        ("resize:rows=3,scale=2", "expected rows or cols or both"),
        ("resize:scale=2,method=cubic", "resize:method is 'cubic'; expected one of nearest"),
    ],
)
def test_settings_that_cannot_be_are_refused(text, words):
    with pytest.raises(SettingError, match=words):
        build(MODIFIERS, text)


def test_images_that_are_too_small_are_refused():
    with pytest.raises(ImageError, match=r"'a.tif' has 4 × 5 pixels, too few for a crop of 5 × 5"):
        through(Crop(rows=5, cols=5), np.zeros((4, 5, 1)))
    with pytest.raises(ImageError, match=r"shift by \(9, 0\) pixels leaves nothing of image 'a.tif'"):
        through(Shift(dx_px=9), np.zeros((4, 5, 1)))
