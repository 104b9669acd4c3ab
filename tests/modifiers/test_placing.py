"""Where moved images lie on the ground: GDAL's own transformers find the same place before and after."""

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.transform import GCPTransformer, RPCTransformer

from orbiq.datasets.shapes import moved_points
from orbiq.errors import ImageError
from orbiq.imageio import read_profile
from orbiq.modifiers.placing import moved_profile
from orbiq.modifiers.variants import modify

ROWS, COLS = 64, 96
RPC = {
    "LINE_OFF": "30.25",
    "LINE_SCALE": "40",
    "SAMP_OFF": "50.75",
    "SAMP_SCALE": "60",
    "LAT_OFF": "41.5",
    "LAT_SCALE": "0.01",
    "LONG_OFF": "2.25",
    "LONG_SCALE": "0.02",
    "HEIGHT_OFF": "100",
    "HEIGHT_SCALE": "500",
    "LINE_NUM_COEFF": "0.01 0.05 -1.1 0.02 0.003 0 0.001 -0.002 0.004 0 0 0.0001 0 0 0 0.0002 0 0 0 0",
    "LINE_DEN_COEFF": "1 0.001 -0.002 0 0.0003 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
    "SAMP_NUM_COEFF": "-0.02 1.05 0.04 -0.03 0.002 0.001 0 0.003 -0.001 0 0 0 0.0001 0 0 0 0 0.0003 0 0",
    "SAMP_DEN_COEFF": "1 -0.002 0.001 0 0 0.0002 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
}
MOVES = {
    "resize:scale=0.5": (0.5, 0, 0, 0, 0.5, 0),
    "resize:rows=128,cols=96": (1, 0, 0, 0, 2, 0),
    "gsd:factor=4": (0.25, 0, 0, 0, 0.25, 0),
    "super-resolve:scale=2": (2, 0, 0, 0, 2, 0),
    "crop:rows=20,cols=30,top=7,left=11": (1, 0, -11, 0, 1, -7),
    "shift:dx_px=1.5,dy_px=-2.25": (1, 0, 1.5, 0, 1, -2.25),
    "flip": (-1, 0, COLS, 0, 1, 0),
    "flip:axis=vertical": (1, 0, 0, 0, -1, ROWS),
    "rotate:angle_deg=90": (0, -1, ROWS, 1, 0, 0),
    "rotate:angle_deg=180": (-1, 0, COLS, 0, -1, ROWS),
    "rotate:angle_deg=-90": (0, 1, 0, -1, 0, COLS),
    "flip>rotate:angle_deg=90>resize:scale=0.5": (0, -0.5, ROWS / 2, -0.5, 0, COLS / 2),
}


def dataset(folder, *, suffix="tif", shape=(ROWS, COLS), tags=None, **where):
    (folder / "images").mkdir(parents=True)
    driver = {"tif": "GTiff", "jp2": "JP2OpenJPEG"}[suffix]
    settings = {"height": shape[0], "width": shape[1], "count": 1, "dtype": "uint8"}
    pixels = np.random.default_rng(0).integers(0, 255, (1, *shape), np.uint8)
    with rasterio.open(folder / "images" / f"a.{suffix}", "w", driver=driver, **settings, **where) as sink:
        sink.write(pixels)
        if tags:
            sink.update_tags(ns="RPC", **tags)
    return folder


def moved_by_model(before, after, lon, lat, height):
    """(x, y) of ground points in an image before and after, by GDAL's RPC transformer, in pixels from the corner."""
    found = []
    for path in (before, after):
        with rasterio.open(path) as image, RPCTransformer(image.rpcs) as model:
            rows, cols = model.rowcol(lon, lat, zs=height, op=np.asarray)
            found.append(np.transpose([cols, rows]))
    return found


@pytest.mark.parametrize("text", MOVES)
def test_the_sensor_model_leads_to_the_moved_pixel(tmp_path, text):
    source = dataset(tmp_path / "fields", tags=RPC)
    variant = modify(source, text).path
    rng = np.random.default_rng(1)
    lon, lat, height = rng.uniform((2.23, 41.49, -400), (2.27, 41.51, 600), (50, 3)).T
    before, after = moved_by_model(source / "images/a.tif", variant / "images/a.tif", lon, lat, height)
    assert np.ptp(before, axis=0).min() > 20
    assert np.allclose(moved_points(before, MOVES[text]), after, atol=1e-6)
    tags = read_profile(variant / "images/a.tif").tags["RPC"]
    assert float(tags["LINE_SCALE"]) > 0
    assert float(tags["SAMP_SCALE"]) > 0


def test_a_real_sensor_model(test_data, tmp_path):
    (tmp_path / "pair/images").mkdir(parents=True)
    real = test_data / "pan-12bit-s2p/pair_img_01.tif"
    (tmp_path / "pair/images/a.tif").write_bytes(real.read_bytes())
    (tmp_path / "pair/dataset.json").write_text('{"schema": 1, "peak": 4095}')
    variant = modify(tmp_path / "pair", "gsd:factor=2>rotate:angle_deg=90").path
    with rasterio.open(real) as image, RPCTransformer(image.rpcs) as model:
        lon, lat = model.xy([100, 500, 900], [200, 800, 30], zs=[1300, 1300, 1300], offset="ul")
    before, after = moved_by_model(real, variant / "images/a.tif", lon, lat, [1300.0] * 3)
    assert np.allclose(before, [[200, 100], [800, 500], [30, 900]], atol=0.1)
    assert np.allclose(moved_points(before, (0, -0.5, 512, 0.5, 0, 0)), after, atol=1e-6)


def test_another_turn_would_mix_the_polynomials(tmp_path):
    source = dataset(tmp_path / "fields", tags=RPC)
    with pytest.raises(ImageError, match=r"fields/a\.tif: it is placed by .*RPC.*; orthorectify the image first, or"):
        modify(source, "rotate:angle_deg=20")
    assert modify(source, "quantize:bits=4").path.is_dir()


@pytest.mark.parametrize("text", [*MOVES, "rotate:angle_deg=20"])
@pytest.mark.parametrize("suffix", ["tif", "jp2"])
def test_control_points_follow(tmp_path, text, suffix):
    place = rasterio.transform.from_origin(431000.25, 4582000.75, 0.5, 0.5)
    spots = [(0, 0), (0, COLS), (ROWS, 0), (ROWS, COLS), (20.5, 30.25)]
    points = [GroundControlPoint(r, c, *(place @ (c, r)), z=7.0, id=str(k)) for k, (r, c) in enumerate(spots)]
    source = dataset(tmp_path / "fields", suffix=suffix, gcps=points, crs="EPSG:32631")
    variant = modify(source, text).path
    before, after = (read_profile(folder / f"images/a.{suffix}") for folder in (source, variant))
    assert (after.gcps_crs, after.transform) == (before.gcps_crs, None)
    for old, new in zip(before.gcps, after.gcps, strict=True):
        affine = MOVES.get(text) or modified_affine(source, suffix, text)
        assert (new[1], new[0]) == pytest.approx(moved_points([(old[1], old[0])], affine)[0], abs=1e-9)
        assert new[2:] == old[2:]
    with rasterio.open(variant / f"images/a.{suffix}") as image, GCPTransformer(image.gcps[0]) as model:
        centre = model.xy(*reversed(moved_points([(48, 32)], affine)[0]), offset="ul")
    assert centre == pytest.approx(place @ (48, 32), abs=1e-6)


def modified_affine(source, suffix, text):
    from orbiq.datasets.folder import open_dataset, read_scene
    from orbiq.modifiers.base import MODIFIERS
    from orbiq.registry import build

    scene, _ = read_scene(open_dataset(source), f"a.{suffix}")
    return build(MODIFIERS, text)(scene, rng=np.random.default_rng(0)).affine


def test_control_points_of_pixels_that_are_points(tmp_path):
    """GDAL would move them by a pixel each time that such a file is written."""
    points = [GroundControlPoint(r, c, x=10 * c, y=-10 * r) for r, c in ((0, 0), (0, COLS), (ROWS, 0), (ROWS, COLS))]
    source = dataset(tmp_path / "fields", gcps=points, crs="EPSG:32631")
    with rasterio.open(source / "images/a.tif", "r+") as image:
        image.update_tags(AREA_OR_POINT="Point")
    before = read_profile(source / "images/a.tif")
    assert before.tags[""]["AREA_OR_POINT"] == "Point"
    still = read_profile(modify(source, "quantize:bits=4").path / "images/a.tif")
    half = read_profile(modify(source, "resize:scale=0.5").path / "images/a.tif")
    assert [point[:2] for point in still.gcps] == [point[:2] for point in before.gcps]
    assert [point[:2] for point in half.gcps] == [(row / 2, col / 2) for row, col, *_ in before.gcps]


def test_nothing_moves_nothing(tmp_path):
    profile = read_profile(dataset(tmp_path / "fields", tags=RPC) / "images/a.tif")
    assert moved_profile(profile, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)) is profile
