"""What a training is told of its images, and the parts that it looks at."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra learned: torch")

from orbiq.arrays import Scene
from orbiq.codec_training import _calibrated_on, _part, bits_of, shape_of
from orbiq.codecs.neural_training import Shape
from orbiq.errors import ImageError, SettingError
from orbiq.imageio import write_image
from orbiq.learning.devices import device_of
from orbiq.measuring import Subject, subjects_of
from orbiq.training_images import sources


def scene(dtype, peak=None):
    return Scene(array=np.zeros((2, 3, 1), dtype), peak=peak, name="a.tif")


# known answers


@pytest.mark.parametrize(
    ("dtype", "peak", "bits"),
    [
        ("uint8", None, 8),
        ("uint8", 127, 7),
        ("uint16", 4095, 12),
        ("uint16", 4096, 13),
        ("uint16", 65535, 16),
        ("uint16", 1e9, 16),
        ("int16", 2047, 12),
        ("int16", 32767, 16),
        ("uint16", 0.5, 1),
    ],
)
def test_bits_hold_the_peak_and_the_sign(dtype, peak, bits):
    assert bits_of(scene(dtype, peak)) == bits


@pytest.mark.parametrize("dtype", ["float32", "uint32", "int32", "int8"])
def test_samples_that_the_codec_does_not_take_are_refused(dtype):
    with pytest.raises(ImageError, match=f"image 'a.tif' is {dtype}; a codec is trained on uint8, uint16 or int16"):
        bits_of(scene(dtype, 100))


def test_a_peak_is_never_guessed():
    with pytest.raises(ImageError, match="nobody said the largest value that its data can hold"):
        bits_of(scene("uint16"))


def test_sources_are_counted():
    subjects = [Subject(name=str(k), group="ab"[k % 2], path=None, source="") for k in range(5)]
    assert sources(subjects) == ({"name": "a", "images": 3}, {"name": "b", "images": 2})


def test_a_network_is_as_stated_else_as_what_it_begins_with_else_as_usual():
    assert (shape_of("").width, shape_of("").latents, shape_of("").most_lmbda) == (64, 192, 1.0)
    assert shape_of("", width=None, latents=96) == Shape(latents=96)
    assert shape_of("aerial", bands=None) == Shape(latents=256, most_lmbda=2.0)
    assert shape_of("aerial", latents=12).latents == 12


def test_a_folder_without_a_training_is_no_beginning(tmp_path):
    with pytest.raises(SettingError, match=r"holds no checkpoint.safetensors: name the folder of a training"):
        shape_of(str(tmp_path))


# laws


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (2, 2), (24, 24), (25, 24), (1000, 24)])
def test_a_calibration_sees_images_from_all_of_them(count, expected):
    chosen = _calibrated_on(list(range(count)))
    assert len(chosen) == len(set(chosen)) == expected
    assert (chosen[0], chosen[-1]) == (0, count - 1)


def test_a_visit_looks_at_a_part_of_a_large_image(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (30, 2500, 1)).astype(np.uint8)
    write_image(tmp_path / "long.tif", array)
    (subject,) = subjects_of(tmp_path / "long.tif")
    parts = [_part(subject, np.random.default_rng(seed)) for seed in range(3)]
    assert {part[0].shape for part in parts} == {(30, 2048, 1)}
    assert {part[2] for part in parts} == {8}
    starts = {next(k for k in range(453) if np.array_equal(array[:, k : k + 2048], part[0])) for part in parts}
    assert len(starts) == 3


def test_a_device_that_is_not_there_is_one_sentence():
    assert device_of("cpu") == "cpu"
    with pytest.raises(SettingError, match="device 'abacus' cannot be used: .*; try cpu"):
        device_of("abacus")
