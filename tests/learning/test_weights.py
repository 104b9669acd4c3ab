"""Files of weights: what went in comes out, and nothing that is damaged or something else."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("safetensors", reason="trained weights need the extra learned: safetensors")

from safetensors.numpy import save

from orbiq.errors import SettingError
from orbiq.learning.weights import read_weights, write_weights

ARRAYS = {
    "a": np.arange(6, dtype=np.float16).reshape(2, 3),
    "b.weight": np.array([-(2**31), 2**31 - 1], np.int32),
    "c": np.array(7, np.uint8),
}


@pytest.fixture
def path(tmp_path):
    write_weights(tmp_path / "w.safetensors", ARRAYS, {"kind": "toy", "card": {"name": "µ"}})
    return tmp_path / "w.safetensors"


# known answers


def test_what_was_written_is_read(path):
    found = read_weights(path, kind="toy")
    assert found.description == {"kind": "toy", "card": {"name": "µ"}}
    assert found.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert np.array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype
    assert found.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_weights(str(path), kind="toy", digest=found.digest).digest == found.digest


def test_the_digest_is_told_at_once(tmp_path):
    digest = write_weights(tmp_path / "w.safetensors", ARRAYS, {"kind": "toy"})
    assert digest == read_weights(tmp_path / "w.safetensors", kind="toy").digest


# laws


def test_the_same_numbers_are_the_same_bytes(path, tmp_path):
    backwards = {name: ARRAYS[name] for name in reversed(ARRAYS)}
    write_weights(tmp_path / "again.safetensors", backwards, {"card": {"name": "µ"}, "kind": "toy"})
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_arrays_in_any_layout_keep_their_values(tmp_path):
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    views = {"turned": array.T, "every_other": array[:, ::2], "backwards": array[::-1]}
    write_weights(tmp_path / "w.safetensors", views, {"kind": "toy"})
    found = read_weights(tmp_path / "w.safetensors", kind="toy").arrays
    assert all(np.array_equal(found[name], view) for name, view in views.items())


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_damage_ends_in_a_sentence(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "damaged"
    write_weights(folder / "w.safetensors", ARRAYS, {"kind": "toy"})
    whole = (folder / "w.safetensors").read_bytes()
    damaged = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3)) if damaged else 0):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    (folder / "w.safetensors").write_bytes(damaged)
    try:
        found = read_weights(folder / "w.safetensors", kind="toy", digest=hashlib.sha256(whole).hexdigest())
    except SettingError:
        return
    assert bytes(damaged) == whole
    assert found.arrays.keys() == ARRAYS.keys()


def test_another_kind_is_refused(path):
    with pytest.raises(SettingError, match="holds weights of kind 'toy'; expected 'codec'"):
        read_weights(path, kind="codec")


def test_another_file_than_was_meant_is_refused(path):
    with pytest.raises(SettingError, match="is not the file that it should be: SHA-256 .*…, not 0123456789ab…"):
        read_weights(path, kind="toy", digest="0123456789abcdef")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"PK\x03\x04" * 40,
        (2**60).to_bytes(8, "little") + b"{}",
        save({"a": np.zeros(2)}),
        save({"a": np.zeros(2)}, metadata={"orbiq": "no json"}),
        save({"a": np.zeros(2)}, metadata={"orbiq": json.dumps(["toy"])}),
    ],
)
def test_what_orbiq_did_not_write_is_refused(tmp_path, data):
    (tmp_path / "w.safetensors").write_bytes(data)
    with pytest.raises(SettingError, match="is no file of weights that orbiq wrote, or is damaged"):
        read_weights(tmp_path / "w.safetensors", kind="toy")


def test_a_path_to_nothing_or_a_folder_is_refused(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path, Path("/dev/null/w")):
        with pytest.raises(SettingError, match=r"cannot be read: .*\. Correct the path\."):
            read_weights(path, kind="toy")
