"""Generated airports: the truth is exact, and the physical chain does what its settings say."""

import json
from dataclasses import replace
from hashlib import sha256
from math import erf, inf, pi, sqrt

import cv2
import numpy as np
import pytest
from scipy.optimize import curve_fit
from scipy.special import ndtr

from orbiq.datasets.airplanes import Airframe, Airplane, draw_airframe, placed
from orbiq.datasets.coco import read_coco
from orbiq.datasets.painting import Canvas, Rect, coverage, paint_polygon, paint_rect
from orbiq.datasets.scenes import (
    FULL_SCALE,
    OVERSAMPLING,
    AirportScenes,
    airport_scene,
    observe,
    write_airports,
)
from orbiq.errors import DatasetError, SettingError
from orbiq.imageio import read_image
from orbiq.optics import psf_sigma

SMALL = AirportScenes(n_images=2, rows=112, cols=128, gsd_m=2.0, n_airplanes=(3, 4), wingspan_m=(20.0, 36.0), seed=7)


@pytest.fixture(scope="module")
def scene():
    return airport_scene(SMALL, 0)


def flat(reflectance, settings, *, rows=120, cols=120):
    ground = np.full((rows * OVERSAMPLING, cols * OVERSAMPLING, 1), reflectance)
    image = observe(ground, settings=settings, rng=np.random.default_rng(0))
    return image.astype(float) / settings.peak * FULL_SCALE


# known answers


@pytest.mark.parametrize("snr", [20.0, 100.0])
def test_a_flat_area_has_the_snr_that_was_asked_for(snr):
    seen = flat(0.3, replace(SMALL, snr=snr, bit_depth=16))
    assert seen.mean() == pytest.approx(0.3, rel=0.01)
    assert seen.mean() / seen.std() == pytest.approx(snr, rel=0.03)


def test_noise_grows_with_the_signal_and_has_a_floor():
    settings = replace(SMALL, snr=30.0, bit_depth=16)
    variances = [flat(level, settings).var() for level in (0.15, 0.3, 0.45)]
    reference = (0.3 / 30) ** 2
    assert variances == pytest.approx([0.65 * reference, reference, 1.35 * reference], rel=0.06)


@pytest.mark.parametrize("mtf", [0.05, 0.15, 0.3])
def test_a_slanted_edge_has_the_relative_edge_response_of_the_mtf(mtf):
    settings = replace(SMALL, snr=inf, bit_depth=16, mtf_nyquist=mtf)
    canvas = Canvas(reflectance=np.zeros((180, 180, 3), np.float32), px_per_m=OVERSAMPLING / settings.gsd_m)
    normal = np.array([np.cos(np.deg2rad(11)), np.sin(np.deg2rad(11))])
    point_m = 30.2 * settings.gsd_m
    x, y = point_m + 500 * normal
    paint_rect(canvas, Rect(centre_m=(x, y), length_m=1000, width_m=1000, heading_deg=11), tone=(0.4, 0.4, 0.4))
    image = observe(canvas.reflectance, settings=settings, rng=np.random.default_rng(0))[8:52, 8:52, 0]
    rows, cols = np.indices(image.shape) + 8.5
    distance_px = (cols - 30.2) * normal[0] + (rows - 30.2) * normal[1]
    seen = image / settings.peak * FULL_SCALE / 0.4
    (sigma_px,), _ = curve_fit(lambda d, s: ndtr(d / s), distance_px.ravel(), seen.ravel(), p0=[0.5])
    assert erf(1 / (2 * sqrt(2) * sigma_px)) == pytest.approx(erf(1 / (2 * sqrt(2) * psf_sigma(mtf))), abs=3e-3)


def test_coverage_of_a_square_and_of_a_disc_is_their_area():
    square = np.array([[2.25, 1.5], [4.25, 1.5], [4.25, 3.5], [2.25, 3.5]])
    cover = coverage(square, shape=(6, 8))
    assert cover[1, 2] == pytest.approx(0.375, abs=0.07)
    assert cover[2, 3] == pytest.approx(1)
    turn = np.linspace(0, 2 * pi, 200)[:-1]
    disc = 30 + 20.3 * np.stack([np.cos(turn), np.sin(turn)], 1)
    assert coverage(disc, shape=(60, 60)).sum() == pytest.approx(pi * 20.3**2, rel=0.01)


@pytest.mark.parametrize("heading_deg", [0, 30, 45, 90, 200])
def test_painted_rectangles_have_their_area_even_when_thin(heading_deg):
    for length_m, width_m, error in ((12.0, 5.0, 0.01), (14.0, 0.2, 0.08)):  # a line thinner than a pixel is sampled
        canvas = Canvas(reflectance=np.zeros((80, 80, 3), np.float32), px_per_m=3.0)
        paint_rect(
            canvas,
            Rect(centre_m=(13, 13), length_m=length_m, width_m=width_m, heading_deg=heading_deg),
            tone=(1, 1, 1),
        )
        assert canvas.reflectance[..., 0].sum() / 9 == pytest.approx(length_m * width_m, rel=error)


def test_boxes_of_a_cross_at_any_heading():
    cross = np.array([[3.0, 1], [-3, 1], [-3, -1], [3, -1]])
    airplane = Airplane(polygon=placed(cross, centre_m=(10, 20), heading_deg=90), heading_deg=90)
    assert airplane.bbox == pytest.approx((9, 17, 2, 6))
    assert airplane.rbox == pytest.approx((10, 20, 6, 2, 90))
    assert airplane.area == pytest.approx(12)


# laws


@pytest.mark.parametrize("wingspan_m", [10.0, 17.0, 30.0, 44.0, 70.0])
def test_an_outline_has_its_wingspan_and_length_and_does_not_cross_itself(wingspan_m):
    shapely = pytest.importorskip("shapely")
    frame = draw_airframe(wingspan_m, rng=np.random.default_rng(int(wingspan_m)))
    outline = frame.outline()
    assert np.ptp(outline[:, 1]) == pytest.approx(wingspan_m)
    assert np.ptp(outline[:, 0]) == pytest.approx(frame.length_m)
    assert shapely.Polygon(outline).is_valid


def test_the_box_holds_every_pixel_of_its_airplane_and_is_tight():
    scene = airport_scene(replace(SMALL, rows=260, cols=260, gsd_m=0.7, wingspan_m=(34, 60)), 1)
    count, labels = cv2.connectedComponents(scene.mask[..., 0], connectivity=8)
    assert count - 1 == len(scene.airplanes)
    for airplane in scene.airplanes:
        x, y, width, height = airplane.bbox
        middle = airplane.rbox[:2]
        rows, cols = np.nonzero(labels == labels[int(middle[1]), int(middle[0])])
        found = np.array([cols.min(), rows.min(), cols.max() + 1, rows.max() + 1])
        wanted = np.array([x, y, x + width, y + height])
        assert np.all(np.abs(found - wanted) <= 1)
        assert len(rows) == pytest.approx(airplane.area, rel=0.03)


def test_the_rotated_box_holds_the_outline_and_lies_along_the_heading(scene):
    for airplane in scene.airplanes:
        cx, cy, width, height, angle = airplane.rbox
        inside = placed(airplane.polygon - (cx, cy), centre_m=(0, 0), heading_deg=-angle)
        assert np.abs(inside).max(axis=0) == pytest.approx((width / 2, height / 2))
        nose = (airplane.polygon[0] + airplane.polygon[-1]) / 2 - (cx, cy)
        assert nose / np.hypot(*nose) == pytest.approx((np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))), abs=1e-6)


def test_airplanes_lie_inside_the_image_and_apart(scene):
    assert 3 <= len(scene.airplanes) <= 4
    covers = [coverage(a.polygon, shape=scene.mask.shape[:2]) > 0 for a in scene.airplanes]
    assert np.sum(covers, axis=0).max() == 1
    for airplane in scene.airplanes:
        assert airplane.polygon.min() > 0
        assert np.all(airplane.polygon.max(axis=0) < (SMALL.cols, SMALL.rows))


def test_an_airplane_is_where_the_truth_says():
    clear = replace(SMALL, snr=inf, bit_depth=16)
    scene = airport_scene(clear, 0)
    inside = scene.mask[..., 0].astype(bool)
    ring = cv2.dilate(scene.mask, np.ones((9, 9))).astype(bool) & ~cv2.dilate(scene.mask, np.ones((3, 3))).astype(bool)
    assert scene.image[inside].mean() > 1.3 * scene.image[ring].mean()


def test_haze_lowers_contrast_and_leaves_the_truth():
    clear, hazy = (airport_scene(replace(SMALL, snr=inf, haze=haze), 0) for haze in (0.0, 0.5))
    contrast = [np.abs(np.diff(s.image.astype(float), axis=1)).mean() for s in (clear, hazy)]
    assert contrast[1] < 0.75 * contrast[0]  # more than half: the clear image saturates here and there
    assert np.array_equal(hazy.mask, clear.mask)
    assert [a.bbox for a in hazy.airplanes] == [a.bbox for a in clear.airplanes]


def test_an_image_does_not_depend_on_how_many_there_are(scene):
    again = airport_scene(replace(SMALL, n_images=99), 0)
    assert np.array_equal(again.image, scene.image)
    assert not np.array_equal(airport_scene(SMALL, 1).image, scene.image)
    assert not np.array_equal(airport_scene(replace(SMALL, seed=8), 0).image, scene.image)


@pytest.mark.parametrize(("bit_depth", "dtype"), [(8, np.uint8), (12, np.uint16), (16, np.uint16)])
def test_bit_depth_says_dtype_and_peak(bit_depth, dtype):
    settings = replace(SMALL, bit_depth=bit_depth, snr=inf)
    bright = observe(np.ones((30, 30, 3)), settings=settings, rng=np.random.default_rng(0))
    assert bright.dtype == dtype
    assert (bright == 2**bit_depth - 1).all()


def test_painting_outside_the_canvas_changes_nothing():
    canvas = Canvas(reflectance=np.zeros((10, 10, 3), np.float32), px_per_m=1.0)
    away = Rect(centre_m=(50, 50), length_m=4, width_m=4)
    paint_rect(canvas, away, tone=(1, 1, 1))
    paint_polygon(canvas, away.corners(), tone=(1, 1, 1))
    assert not canvas.reflectance.any()


# the dataset folder


def test_the_folder_is_whole_and_the_same_for_the_same_seed(tmp_path):
    ticks = []
    folder = write_airports(tmp_path / "a", SMALL, progress=lambda done, total: ticks.append((done, total)))
    write_airports(tmp_path / "b", SMALL)
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    names = ["airport_0000.png", "airport_0001.png"]
    assert files == sorted(
        ["annotations.json", "dataset.json", *(f"{d}/{n}" for d in ("images", "masks") for n in names)]
    )
    digests = [[sha256((tmp_path / x / f).read_bytes()).hexdigest() for f in files] for x in "ab"]
    assert digests[0] == digests[1]
    assert ticks == [(1, 2), (2, 2)]
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_what_is_written_is_what_was_generated(tmp_path, scene):
    folder = write_airports(tmp_path / "a", replace(SMALL, bit_depth=12))
    described = json.loads((folder / "dataset.json").read_text())
    assert described["schema"] == 1
    assert (described["peak"], described["gsd_m"]) == (4095, 2.0)
    assert described["params"]["wingspan_m"] == [20.0, 36.0]
    image = read_image(folder / "images" / "airport_0000.png").array
    assert image.dtype == np.uint16
    assert image.shape == (112, 128, 3)
    assert image.max() <= 4095
    truth = read_coco(folder / "annotations.json")
    first = [o for o in truth.objects if o.image_id == truth.images[0].id]
    assert [o.bbox for o in first] == [pytest.approx(a.bbox) for a in scene.airplanes]
    assert [o.rbox for o in first] == [pytest.approx(a.rbox) for a in scene.airplanes]
    assert np.array_equal(read_image(folder / "masks" / "airport_0000.png").array[..., 0], scene.mask[..., 0])


def test_a_finished_folder_is_reused_and_another_one_refused(tmp_path):
    one = replace(SMALL, n_images=1, snr=inf)
    folder = write_airports(tmp_path / "a", one)
    before = (folder / "annotations.json").stat().st_mtime_ns
    assert write_airports(folder, one) == folder
    assert (folder / "annotations.json").stat().st_mtime_ns == before
    with pytest.raises(DatasetError, match="exists and was not written with these settings"):
        write_airports(folder, replace(one, seed=9))


def test_an_error_leaves_no_folder(tmp_path):
    with pytest.raises(SettingError, match="has no room for one more airplane"):
        write_airports(tmp_path / "a", replace(SMALL, n_images=1, rows=64, cols=64, n_airplanes=(20, 20)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_images": 0}, "n_images = 0; expected at least 1"),
        ({"gsd_m": 0.0}, "gsd_m = 0.0; expected metres per pixel"),
        ({"mtf_nyquist": 1.5}, "mtf_nyquist = 1.5; expected 0 < MTF"),
        ({"snr": 0.0}, "snr = 0.0; expected above 0"),
        ({"bit_depth": 7}, "bit_depth = 7; expected 8 to 16"),
        ({"haze": 1.0}, "haze = 1.0; expected 0 ≤ haze < 1"),
        ({"n_airplanes": (5, 2)}, "n_airplanes = "),
        ({"wingspan_m": (0, 2)}, "wingspan_m = "),
        ({"seed": -1}, "seed = -1; expected a whole number"),
    ],
)
def test_settings_that_cannot_be(wrong, message):
    with pytest.raises(SettingError, match=message):
        replace(SMALL, **wrong)


def test_airframes_are_data():
    assert replace(Airframe(wingspan_m=30, length_m=32, fuselage_m=3.4), engines=()).engines == ()
