"""Labels carried into a variant: class maps move with their images, number by number."""

import numpy as np
import pytest

from orbiq.datasets.folder import open_dataset
from orbiq.imageio import read_class_map, write_image
from orbiq.modifiers.labels import carry_labels

LARGE = {"uint8": 255, "int8": 127, "int16": -7, "uint16": 65535, "int32": 2**31 - 1, "uint32": 2**32 - 1}


@pytest.mark.parametrize("dtype", LARGE)
def test_class_maps_move_in_any_dtype(tmp_path, dtype):
    classes = np.arange(6, dtype=dtype).reshape(2, 3, 1)
    classes[0, 0] = LARGE[dtype]
    for name in ("images", "masks"):
        (tmp_path / "fields" / name).mkdir(parents=True)
    write_image(tmp_path / "fields" / "images" / "a.png", np.zeros((2, 3, 3), np.uint8))
    write_image(tmp_path / "fields" / "masks" / "a.tif", classes)
    (tmp_path / "work").mkdir()
    doubled = {"a.png": ("a.png", (2.0, 0.0, 0.0, 0.0, 2.0, 0.0), (4, 6, 3))}
    carry_labels(open_dataset(tmp_path / "fields"), tmp_path / "work", moves=doubled, params={})
    moved = read_class_map(tmp_path / "work" / "masks" / "a.tif").array
    assert moved.dtype == dtype
    assert np.array_equal(moved, classes.repeat(2, axis=0).repeat(2, axis=1))
