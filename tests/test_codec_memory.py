"""Peak memory of codecs: against what must be allocated, laws, what cannot be measured."""

import signal
import subprocess
import sys
import time
from math import isnan

import numpy as np
import psutil
import pytest

from orbiq import codec_memory
from orbiq.codec_memory import measured_peaks, with_memory
from orbiq.codec_trials import Trial, entrants, trials
from orbiq.imageio import write_image
from orbiq.measuring import subjects_of
from orbiq.reports.codec_tables import point_table

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is measured on Linux alone")
SIDE = 1200
IMAGE_MB = SIDE * SIDE * 3 / 1e6


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    write_image(made / "large.png", rng.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8))
    write_image(made / "small.png", rng.integers(0, 256, (40, 50, 3)).astype(np.uint8))
    return made


@pytest.fixture(scope="module")
def large(folder):
    (subject,) = subjects_of(folder / "large.png")
    return subject


# known answers


def test_what_must_be_held_is_in_the_peak(large):
    """A decoded image at least; JPEG through OpenCV, which turns the bands around, holds two; no codec here ten."""
    png, jpeg = measured_peaks(large, [{"name": "png"}, {"name": "jpeg", "quality": 90}])
    assert IMAGE_MB <= png.decode_mb < 2 * IMAGE_MB
    assert 2 * IMAGE_MB <= jpeg.decode_mb < 3 * IMAGE_MB
    assert IMAGE_MB <= png.encode_mb < 4 * IMAGE_MB  # the stream of noise is as long as the image


# laws


def test_order_changes_nothing(large):
    """A codec that takes much does not raise the mark of the next."""
    steps = [{"name": "jpeg2000", "level_db": 30.0}, {"name": "png"}]
    first, second = measured_peaks(large, steps), measured_peaks(large, steps[::-1])[::-1]
    for one, other in zip(first, second, strict=True):
        assert one.encode_mb == pytest.approx(other.encode_mb, rel=0.05, abs=1)
        assert one.decode_mb == pytest.approx(other.decode_mb, rel=0.05, abs=1)
    assert first[0].encode_mb > first[1].encode_mb


def test_the_largest_image_is_measured_at_the_knob_that_the_trial_found(folder):
    codecs, subjects = entrants(["jpeg:rate_bpp=[1,6]", "png", "jpeg12:quality=5"]), subjects_of(folder)
    found = [t for several in trials(subjects, codecs, [], jobs=2) for t in several]
    told = with_memory(found, subjects, codecs)
    known = {t.point for t in told if not isnan(t.encode_memory_mb)}
    assert known == {"jpeg:rate_bpp=1", "jpeg:rate_bpp=6", "png"}
    assert {t.image for t in told if t.encode_memory_mb > 0} == {"large.png"}
    table = point_table(told, {})
    headings = [heading.text for heading in table.headings]
    assert "on large.png, the largest" in table.caption
    at = headings.index("decode memory MB")
    assert all(row.cells[at].value >= IMAGE_MB for row in table.rows[:3])
    assert "jpeg12 takes" in table.rows[3].cells[at].reason
    assert "encode memory MB" not in [heading.text for heading in point_table(found, {}).headings]


def test_the_process_ends_with_the_one_that_asked(large, tmp_path):
    """Killed outright, the asker cannot clean up; the process must not go on by itself."""
    program = (
        "import sys; from orbiq.measuring import subjects_of; from orbiq.codec_memory import measured_peaks\n"
        f"measured_peaks(subjects_of({str(large.path)!r})[0], [{{'name': 'jpegxl', 'effort': 9}}])"
    )
    asker = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path)
    try:
        (child,) = _wait_for(psutil.Process(asker.pid).children)
        time.sleep(1.5)  # it is at work by then
    finally:
        asker.send_signal(signal.SIGKILL)
        asker.wait()
    assert _wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


# what cannot be measured


def test_a_codec_that_does_not_fit_says_so_and_the_others_go_on(large):
    failed, fine, other = measured_peaks(
        large, [{"name": "jpeg12", "quality": 5}, {"name": "png"}, {"name": "external"}]
    )
    assert "jpeg12 takes uint16" in failed.reason
    assert fine.decode_mb > 0
    assert other.reason == "the memory of other programs is not measured"


def test_a_process_that_fails_is_a_reason(large, monkeypatch):
    monkeypatch.setattr(codec_memory.sys, "executable", "/nowhere/python")
    (peak,) = measured_peaks(large, [{"name": "png"}])
    assert peak.reason == "the process to measure memory in cannot be started: No such file or directory"
    monkeypatch.setattr(codec_memory.sys, "executable", "/bin/false")
    (peak,) = measured_peaks(large, [{"name": "png"}])
    assert peak.reason.startswith("the process to measure memory in failed")


def test_without_trials_nothing_is_measured(large):
    failed = Trial(group="large.png", image="large.png", scene="", codec="png", point="png", reason="no")
    assert with_memory([failed], [large], entrants(["png"])) == [failed]


def _wait_for(condition):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    return None
