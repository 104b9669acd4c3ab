"""Whole or absent, locks, fingerprints."""

import os
import subprocess
import sys
import time

import pytest

from orbiq.cache import (
    content_key,
    exclusive,
    file_digest,
    fingerprint,
    finished_or_absent,
    read_json_or,
    replaced_folder,
    sweep,
    write_json,
    write_text,
)
from orbiq.errors import BusyError, StorageError


def test_known_digest(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_digest(tmp_path / "a") == "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"


def test_fingerprint_sees_content_and_names_and_nothing_else(tmp_path):
    data = tmp_path / "data"
    (data / "images").mkdir(parents=True)
    (data / "images" / "a.png").write_bytes(b"1")
    known = tmp_path / "known.json"
    first = fingerprint(data, known=known)
    assert fingerprint(data, known=known) == first == fingerprint(data)
    (data / ".hidden").write_text("x")
    assert fingerprint(data) == first
    os.utime(data / "images" / "a.png", (0, 0))
    assert fingerprint(data, known=known) == first
    (data / "images" / "a.png").write_bytes(b"2")
    assert fingerprint(data, known=known) != first
    (data / "images" / "a.png").write_bytes(b"1")
    (data / "images" / "a.png").rename(data / "images" / "b.png")
    assert fingerprint(data) != first


def test_a_broken_shortcut_is_only_a_shortcut(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "a").write_bytes(b"1")
    known = tmp_path / "known.json"
    known.write_text("{broken")
    assert fingerprint(data, known=known) == fingerprint(data)


def test_folder_appears_when_finished(tmp_path):
    with finished_or_absent(tmp_path / "out") as work:
        (work / "a").write_text("1")
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out" / "a").read_text() == "1"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_folder_is_absent_after_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="half way"), finished_or_absent(tmp_path / "out") as work:
        (work / "a").write_text("1")
        raise RuntimeError("half way")
    assert list(tmp_path.iterdir()) == []


def test_who_is_first_wins(tmp_path):
    with finished_or_absent(tmp_path / "out") as mine:
        (mine / "who").write_text("mine")
        with finished_or_absent(tmp_path / "out") as theirs:
            (theirs / "who").write_text("theirs")
    assert (tmp_path / "out" / "who").read_text() == "theirs"


DIES_HALF_WAY = """
import os, signal, sys
from pathlib import Path
from orbiq.cache import finished_or_absent
with finished_or_absent(Path(sys.argv[1])) as work:
    (work / "a").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_sweep_takes_what_the_dead_left_and_not_what_the_living_hold(tmp_path):
    subprocess.run([sys.executable, "-c", DIES_HALF_WAY, tmp_path / "dead"], check=False)
    assert len(list(tmp_path.glob(".dead.*"))) == 1
    with finished_or_absent(tmp_path / "living") as work:
        swept = sweep(tmp_path)
        assert [p.name.split(".")[1] for p in swept] == ["dead"]
        assert work.is_dir()
    assert [p.name for p in tmp_path.iterdir()] == ["living"]


def test_replaced_folder_is_gone_at_once(tmp_path):
    (tmp_path / "old").mkdir()
    replaced_folder(tmp_path / "old")
    replaced_folder(tmp_path / "old")
    assert list(tmp_path.iterdir()) == []


def test_one_at_a_time(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from orbiq.cache import exclusive\n"
        f"with exclusive(Path({str(tmp_path / 'lock')!r}), what='x'):\n"
        "    print('held', flush=True); time.sleep(30)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=rf"experiment 'x' is being worked on by process {other.pid}"):
            with exclusive(tmp_path / "lock", what="experiment 'x'"):
                pass
        other.kill()
        other.wait()
    time.sleep(0.05)
    with exclusive(tmp_path / "lock", what="experiment 'x'"):
        pass


def test_files_are_whole(tmp_path, monkeypatch):
    write_json(tmp_path / "a.json", {"a": 1})
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(StorageError, match="No space left on device. Free some space and run the same command again"):
        write_json(tmp_path / "a.json", {"a": 2})
    assert read_json_or(tmp_path / "a.json", None) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_unwritable_place(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        write_text(tmp_path / "file" / "below", "x")


def test_content_key_is_stable():
    assert content_key({"b": [1, 2.5], "a": None}) == content_key({"a": None, "b": [1, 2.5]})
    assert content_key(1) != content_key("1")
