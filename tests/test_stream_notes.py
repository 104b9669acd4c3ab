"""What an image file says, into the notes of a stream and back, and decoded pixels as the file has them."""

import json

import numpy as np
import pytest
from rasterio.crs import CRS

from orbiq.errors import ImageError
from orbiq.pictures import Profile
from orbiq.stream_notes import Notes, from_json, needs_mask, to_file, to_json, with_nodata

UTM = CRS.from_epsg(32633).to_wkt()


def pixels(*values):
    return np.array(values, np.uint8).reshape(1, -1, 1)


# known answers


def test_masked_pixels_are_nodata_and_valid_ones_never():
    notes = Notes(profile=Profile(format="tiff", nodata=0))
    found = to_file(pixels(0, 0, 9), np.array([[True, False, True]]), notes, highest=255)
    assert found.ravel().tolist() == [1, 0, 9]


def test_nodata_at_the_top_of_the_range_is_left_downwards():
    notes = Notes(profile=Profile(format="tiff", nodata=255))
    assert to_file(pixels(255, 7), None, notes, highest=255).ravel().tolist() == [254, 7]


def test_a_pixel_is_nodata_only_where_all_bands_are():
    notes = Notes(profile=Profile(format="tiff", nodata=0))
    found = to_file(np.array([[[0, 5], [0, 0]]], np.uint8), None, notes, highest=255)
    assert found.tolist() == [[[0, 5], [1, 0]]]


def test_nothing_is_above_the_peak():
    notes = Notes(profile=Profile(format="tiff", peak=200))
    assert to_file(pixels(255, 7), None, notes, highest=200).ravel().tolist() == [200, 7]


def test_alpha_stands_where_it_was():
    notes = Notes(profile=Profile(format="tiff"), alpha=0)
    found = to_file(pixels(5, 6), np.array([[True, False]]), notes, highest=255)
    assert found.tolist() == [[[255, 5], [0, 0]]]
    assert to_file(pixels(5), None, notes, highest=255).tolist() == [[[255, 5]]]


@pytest.mark.parametrize(
    ("nodata", "alpha", "expected"), [(None, None, True), (0, None, False), (-9999, None, True), (None, 3, False)]
)
def test_a_mask_is_needed_where_neither_nodata_nor_alpha_can_say_it(nodata, alpha, expected):
    assert needs_mask(Notes(profile=Profile(format="tiff", nodata=nodata), alpha=alpha), "uint8") is expected


def test_a_known_crs_takes_a_few_bytes():
    said = to_json(Notes(profile=Profile(format="tiff", crs=UTM)))
    assert said["profile"]["crs"] == "EPSG:32633"


def test_stated_nodata_goes_behind_that_of_the_file():
    assert with_nodata(Profile(format="tiff"), 3).nodata == 3
    assert with_nodata(Profile(format="tiff", nodata=1), 3).nodata == 1


# laws


@pytest.mark.parametrize(
    "profile",
    [
        Profile(format="png"),
        Profile(format="tiff", crs=UTM, transform=(0.5, 0, 5e5, 0, -0.5, 46e5), nodata=0, peak=4095),
        Profile(format="tiff", crs='LOCAL_CS["grid of our own",UNIT["metre",1]]'),
        Profile(
            format="tiff",
            gcps=((0, 0, 1, 2, 0, "a"), (9, 9, 3, 4, 0, "")),
            gcps_crs=UTM,
            colorinterp=("gray", "alpha"),
            descriptions=("pan", None),
            scales=(0.1, 1.0),
            offsets=(0.0, 2.0),
            units=("m", None),
            tags={"": {"SENSOR": "x"}, "2": {"k": "v"}},
            options={"compress": "lzw", "nbits": 12},
        ),
    ],
)
def test_a_profile_comes_back_as_it_was(profile):
    notes = Notes(suffix=".png", profile=profile, alpha=1)
    back = from_json(json.loads(json.dumps(to_json(notes))))
    assert (back.suffix, back.alpha) == (".png", 1)
    for name in ("format", "transform", "gcps", "nodata", "peak", "colorinterp", "tags", "options", "scales", "units"):
        before, after = getattr(profile, name), getattr(back.profile, name)
        assert after == before or (set(before) <= {1.0, None} and after == ())
    assert (back.profile.crs is None) == (profile.crs is None)


def test_a_stream_without_notes_says_nothing():
    assert from_json(None) == Notes(profile=Profile(format="tiff"))


# errors


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, "schema None; expected 1"),
        ({"schema": 2}, "schema 2; expected 1"),
        ({"schema": 1, "suffix": ".tif"}, "cannot be read: 'profile'"),
        ({"schema": 1, "suffix": ".tif", "profile": {"format": "tiff", "colour": 1}}, "colour"),
        ({"schema": 1, "suffix": ".tif", "profile": {"format": "tiff", "crs": "nowhere"}}, "CRS 'nowhere'"),
        ({"schema": 1, "suffix": ".tif", "profile": {"format": "tiff", "crs": 5}}, "the crs 5, which cannot be"),
        ({"schema": 1, "suffix": ".tif", "profile": {"format": "tiff", "transform": "x"}}, "the transform 'x'"),
        ({"schema": 1, "suffix": ".tif", "alpha": 9, "profile": [1]}, "cannot be read"),
    ],
)
def test_notes_that_cannot_be(said, expected):
    with pytest.raises(ImageError, match=expected):
        from_json(said)
