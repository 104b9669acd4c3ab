"""The smallest rectangle that holds all valid pixels."""

import numpy as np
import pytest
import tifffile

from orbiq.arrays import Scene
from orbiq.errors import ImageError
from orbiq.imageio import open_raster
from orbiq.metrics.cut import Part, cut_to_mask
from orbiq.metrics.inputs import pair_of_images
from orbiq.tiles import tiling


def _images(mask=None, first=None, second=None):
    array = np.arange(12 * 15 * 2.0).reshape(12, 15, 2)
    return pair_of_images(
        Scene(array=array, mask=first, name="a"), Scene(array=array, mask=second, name="b"), mask=mask
    )


def _rectangle(rows, cols):
    mask = np.zeros((12, 15), bool)
    mask[rows, cols] = True
    return mask


def test_masks_of_all_parties_cut():
    images = cut_to_mask(_images(_rectangle(slice(1, 12), slice(0, 15)), None, _rectangle(slice(0, 10), slice(3, 14))))
    assert images.shape == (9, 11, 2)
    assert images.mask.shape == (9, 11)
    window, mask = images.rasters[0].window(slice(0, 2), slice(0, 1))
    assert window[:, 0, 0].tolist() == [(1 * 15 + 3) * 2, (2 * 15 + 3) * 2]
    assert mask is None
    assert images.rasters[1].window(slice(8, 9), slice(0, 11))[1].all()


def test_holes_do_not_cut():
    mask = np.ones((12, 15), bool)
    mask[:4, 5:8] = mask[6, 6] = mask[0, 0] = False
    images = _images(mask)
    assert cut_to_mask(images) is images
    assert cut_to_mask(_images()).shape == (12, 15, 2)


@pytest.mark.parametrize("size", [3, 5, 100])
def test_tiles_do_not_matter(size):
    with tiling(size=size):
        assert cut_to_mask(_images(_rectangle(slice(4, 9), slice(7, 8)))).shape == (5, 1, 2)


def test_masks_without_a_common_pixel_are_refused():
    images = _images(None, _rectangle(slice(0, 5), slice(0, 15)), _rectangle(slice(5, 12), slice(0, 15)))
    with pytest.raises(ImageError, match=r"b of \(12, 15, 2\) \(rows, cols, bands\) has no valid pixel"):
        cut_to_mask(images)


def test_a_file_with_nodata_is_cut(tmp_path):
    array = np.ones((40, 50), np.uint16)
    array[:7] = array[:, 45:] = 0
    tifffile.imwrite(tmp_path / "a.tif", array, tile=(16, 16), extratags=[(42113, "s", 0, "0", True)])
    with open_raster(tmp_path / "a.tif") as raster:
        assert cut_to_mask(pair_of_images(raster, raster)).shape == (33, 45, 1)


def test_a_part_knows_its_place():
    whole = Scene(
        array=np.zeros((5, 6, 1)), transform=(2.0, 0.0, 100.0, 0.0, -2.0, 50.0), gsd_m=2.0, peak=9.0, name="a"
    )
    part = Part(raster=whole, rows=slice(1, 4), cols=slice(2, 6))
    assert part.transform == (2.0, 0.0, 104.0, 0.0, -2.0, 48.0)
    assert (part.shape, part.gsd_m, part.peak, part.name, part.dtype) == ((3, 4, 1), 2.0, 9.0, "a", np.float64)
    assert Part(raster=Scene(array=np.zeros((5, 6, 1))), rows=slice(1, 4), cols=slice(2, 6)).transform is None
