"""Networks over images of any size: where a value lies, and that tiles and masks change nothing."""

import numpy as np
import pytest

from orbiq.errors import SettingError
from orbiq.metrics.inputs import one_image
from orbiq.predictors.fields import Field, levels_seen, map_parts
from orbiq.tiles import tiling

FIELD = Field(step=4, margin=5)


def means(pixels):
    """The mean of each field, as a network would give it."""
    n = [(side - FIELD.size) // FIELD.step + 1 for side in pixels.shape[:2]]
    windows = np.lib.stride_tricks.sliding_window_view(pixels[..., 0], (FIELD.size, FIELD.size))
    return windows[:: FIELD.step, :: FIELD.step].mean((2, 3))[None, : n[0], : n[1]]


def mapped(image, mask=None):
    shape = [side // FIELD.step for side in image.shape[:2]]
    out = np.full((1, *shape), -1.0)
    for part in map_parts(one_image(image, mask=mask), means, field=FIELD, planes=1):
        out[:, part.rows, part.cols] = part.values
    assert not (out == -1).any()
    return out[0]


IMAGE = np.random.default_rng(0).integers(0, 256, (67, 82, 1)).astype(np.uint8)


def test_a_value_is_of_the_pixels_about_its_cell():
    found = mapped(IMAGE)
    assert found.shape == (16, 20)
    for row, col in ((2, 3), (14, 16), (10, 18)):
        rows, cols = (slice(4 * k - 5, 4 * k + 9) for k in (row, col))
        assert found[row, col] == pytest.approx(IMAGE[rows, cols].mean())


def test_it_is_known_where_its_whole_field_is_within_the_image():
    found = np.isfinite(mapped(IMAGE))
    rows = [4 * k >= 5 and 4 * k + 9 <= 67 for k in range(16)]
    cols = [4 * k >= 5 and 4 * k + 9 <= 82 for k in range(20)]
    assert np.array_equal(found, np.outer(rows, cols))


def test_and_within_the_mask():
    mask = np.ones(IMAGE.shape[:2], bool)
    mask[30, 41] = False
    lost = np.isfinite(mapped(IMAGE)) & ~np.isfinite(mapped(IMAGE, mask))
    expected = [
        (row, col)
        for row in range(16)
        for col in range(20)
        if 0 <= 30 - 4 * row + 5 < 14 and 0 <= 41 - 4 * col + 5 < 14
    ]
    assert [tuple(at) for at in np.argwhere(lost)] == expected


@pytest.mark.parametrize("size", [16, 20, 64])
def test_tiles_change_nothing(size):
    with tiling(size=1000, threads=1):
        whole = mapped(IMAGE)
    with tiling(size=size, threads=2):
        np.testing.assert_array_equal(mapped(IMAGE), whole)


def test_images_smaller_than_a_field_have_no_value():
    assert np.isnan(mapped(IMAGE[:13])).all()
    assert mapped(IMAGE[:3]).shape == (0, 20)


def test_levels_are_whole_numbers_of_the_stated_range():
    assert levels_seen(np.array([100.0, 350.0, 600.0, 900.0]), low_dn=100, high_dn=600).tolist() == [0, 128, 255, 255]
    same = np.array([[[0, 255]]], np.uint8)
    assert levels_seen(same, low_dn=0, high_dn=255) is same
    with pytest.raises(SettingError, match="low_dn is 9 and high_dn 9"):
        levels_seen(same, low_dn=9, high_dn=9)
