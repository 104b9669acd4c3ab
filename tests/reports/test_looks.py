"""Crops of variants."""

import json
import shutil

import cv2
import numpy as np
import pytest
import rasterio
from affine import Affine
from experiments import SPECS, write_variants

from orbiq.cache import write_json
from orbiq.reports.looks import _liveliest, _piece, _png, _Stretch, looks
from orbiq.reports.pages import shown_variants


def decoded(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)


@pytest.fixture
def folder(tmp_path):
    write_variants(tmp_path)
    return tmp_path


def test_the_same_piece_of_each_around_an_object(folder):
    found, reason = looks(folder, variants=["reference", *SPECS])
    assert reason == ""
    assert [c.variant for c in found[0].crops] == ["reference", *SPECS]
    assert len(found) == 2
    assert "around “<script>alert(1)</script>”" in found[0].place
    reference = cv2.imread(str(folder / "variants" / "reference" / "images" / found[0].image))
    row, col = (int(part.split()[1].split("–")[0]) for part in found[0].place.split(", ")[:2])
    np.testing.assert_array_equal(decoded(found[0].crops[0].png), reference[row : row + 88, col : col + 88])


def test_all_pictures_of_a_page_stay_small(folder):
    found, _ = looks(folder, variants=["reference", *SPECS[:7]])
    assert sum(len(c.png) for look in found for c in look.crops) * 2 * 4 / 3 < 1.5e6


def test_deep_data_are_stretched_alike_and_it_is_said(tmp_path):
    write_variants(tmp_path, bit_depth=16)
    found, _ = looks(tmp_path, variants=["reference", "jpeg:quality=10"])
    assert "uint16, 3 bands; stretched alike for all variants, 2nd to 98th percentile" in found[0].stretch
    picture = decoded(found[0].crops[0].png)
    assert picture.dtype == np.uint8
    assert np.mean(picture == 0) == pytest.approx(0.02, abs=0.015)
    assert np.mean(picture == 255) == pytest.approx(0.02, abs=0.015)


def test_a_stretch_is_linear():
    stretch = _Stretch(bands=(0,), low=np.array([100.0]), high=np.array([355.0]), as_is=False)
    values = np.array([[[100], [101], [355], [9999]]], np.uint16)
    assert decoded(_png(values, stretch)).ravel().tolist() == [0, 1, 255, 255]


def test_nan_and_flat_pieces_are_no_obstacle():
    stretch = _Stretch(bands=(0,), low=np.array([0.0]), high=np.array([1.0]), as_is=False)
    assert decoded(_png(np.full((2, 2, 1), np.nan, np.float32), stretch)).max() == 0


def test_a_variant_with_fewer_pixels_shows_the_same_ground():
    ramp = np.arange(40)[:, None, None] * np.ones((40, 40, 1))
    half = ramp[::2, ::2]
    assert _piece(ramp, (8, 8, 16, 16), (40, 40)).mean() == pytest.approx(
        _piece(half, (8, 8, 16, 16), (40, 40)).mean(), abs=1
    )


def test_without_truth_the_liveliest_piece():
    array = np.zeros((60, 60, 1))
    array[35:, 35:] = np.random.default_rng(0).normal(size=(25, 25, 1))
    assert _liveliest(array, 20, valid=np.ones((60, 60), dtype=bool))[:2] == (40, 40)


def test_pixels_without_data_take_no_part(tmp_path):
    rng, about = np.random.default_rng(0), {"crs": "EPSG:32631", "transform": Affine(10, 0, 5e5, 0, -10, 5e6)}
    listed = []
    for spec in ("reference", "quantize:bits=8"):
        home = tmp_path / spec.replace(":", "-") / "images"
        home.mkdir(parents=True)
        for name in ("empty", "half"):
            array = np.zeros((176, 176), np.uint16)
            if name == "half":
                array[60:] = rng.integers(9000, 9100, (116, 176))  # the border to nodata has the most contrast
            look = {"height": 176, "width": 176, "count": 1, "dtype": "uint16", "nodata": 0, **about}
            with rasterio.open(home / f"{name}.tif", "w", driver="GTiff", **look) as file:
                file.write(array, 1)
        listed.append({"variant": spec, "split": "test", "images_dir": str(home.relative_to(tmp_path))})
    write_json(tmp_path / "variants.json", {"schema": 1, "variants": listed})
    found, reason = looks(tmp_path, variants=["reference", "quantize:bits=8"])
    assert ([look.image for look in found], reason) == (["half.tif"], "")
    assert found[0].place.startswith("rows 88–176")
    assert "(band 1: 9\u202f002–9\u202f09" in found[0].stretch


def test_tiny_images_are_shown_whole(folder):
    for path in folder.rglob("*.png"):
        cv2.imwrite(str(path), cv2.imread(str(path))[:28, :28])
    found, _ = looks(folder, variants=["reference", "jpeg:quality=10"])
    assert (found[0].height_px, found[0].scale) == (28, 9)


def test_codec_files_beside_source_files(folder):
    home = folder / "variants" / "jpeg-quality=10" / "images"
    for path in list(home.iterdir()):
        cv2.imwrite(str(path.with_suffix(".jpg")), cv2.imread(str(path)))
        path.unlink()
    found, reason = looks(folder, variants=["reference", "jpeg:quality=10"])
    assert len(found) == 2
    assert reason == ""


def test_what_was_cleaned_away_is_said(folder):
    shutil.rmtree(folder / "variants" / "jpeg-quality=10")
    found, reason = looks(folder, variants=["reference", *SPECS])
    assert len(found[0].crops) == len(SPECS)
    assert "cleaned away" in reason
    shutil.rmtree(folder / "variants")
    assert looks(folder, variants=["reference", *SPECS]) == ((), reason_all := looks(folder, variants=[])[1])
    assert "Run the experiment again" in reason_all


def test_a_broken_image_is_passed_over(folder):
    (folder / "variants" / "reference" / "images" / "tile_00.png").write_bytes(b"\x89PNG")
    found, _ = looks(folder, variants=["reference", *SPECS])
    assert [look.image for look in found] == ["tile_01.png", "tile_02.png"]


def test_only_the_judged_split_is_shown(folder):
    listed = json.loads((folder / "variants.json").read_text())
    listed["variants"] += [v | {"split": "train", "images_dir": "elsewhere"} for v in listed["variants"]]
    (folder / "variants.json").write_text(json.dumps(listed))
    assert len(looks(folder, variants=["reference", *SPECS])[0]) == 2


def test_shown_variants_cover_the_range():
    names = ["reference", *map(str, range(20))]
    shown = shown_variants(names, chosen="7")
    assert len(shown) == 8
    assert {"reference", "7", "19"} <= set(shown)
    assert shown == sorted(shown, key=names.index)
