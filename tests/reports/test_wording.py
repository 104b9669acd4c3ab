"""Numbers and names as a person reads them."""

import getpass
import math
import socket

import pytest

from orbiq.reports import wording
from orbiq.reports.wording import (
    axis_label,
    bytes_text,
    chance_text,
    clean,
    duration_text,
    number_text,
    percent_text,
    plural,
    setting_text,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0875, "0.0875"),
        (-0.5, "−0.500"),
        (12.34, "12.3"),
        (1234.5, "1\u202f234"),
        (0, "0"),
        (1e-7, "1.00×10⁻⁷"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_number_text(value, text):
    assert number_text(value) == text


def test_digits_are_significant():
    assert number_text(0.0874999, digits=2) == "0.087"
    assert number_text(0.999, digits=2) == "1.0"


def test_units():
    assert bytes_text(999) == "999\u00a0B"
    assert bytes_text(111_400) == "111\u00a0kB"
    assert bytes_text(math.nan) == "–"
    assert percent_text(0.95, places=0) == "95\u00a0%"
    assert duration_text(59.94) == "59.9 s"
    assert duration_text(3600) == "1 h 0 min"
    assert duration_text(math.nan) == "–"
    assert plural(1, "run") == "1 run"
    assert setting_text(0.001) == "0.001"
    assert setting_text(value=True) == "True"
    assert setting_text(None) == "–"


def test_nothing_resampled_is_certain():
    assert chance_text(1.0) == "> 99\u00a0%"
    assert chance_text(0.0) == "< 1\u00a0%"
    assert chance_text(0.5) == "50\u00a0%"


def test_labels_carry_units():
    assert axis_label("bits_per_pixel") == "bits per pixel"
    assert axis_label("gsd_m") == "gsd (m)"
    assert axis_label("snr_db") == "snr (dB)"
    assert axis_label("ap50") == "ap50"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("/data/ann/airports", "…/airports"),
        ("at /data/ann/ now", "at …/ now"),
        ("C:\\Users\\ann\\train.py", "…/train.py"),
        ("file:///srv/x/report.html", "…/report.html"),
        ("sqlite:////srv/mlflow/mlflow.db", "…/mlflow.db"),
        ("~/study/train.py ~ann/x.py", "…/study/train.py …/x.py"),
        ("--out=/data/ann/out,/data/b/c", "--out=…/out,…/c"),
        ("s3://bucket/key and https://host.example:1/x", "s3://… and https://…"),
        ("a\x00b\x1b[1mc\x1b[0m\u202e", "a·bc·"),
        ("data/airports and runs/r1/output", "data/airports and runs/r1/output"),
        ("ap50/airplane, 3/4, m/s, and/or", "ap50/airplane, 3/4, m/s, and/or"),
        ("gaussian-blur:sigma_px=1>jpeg:quality=70", "gaussian-blur:sigma_px=1>jpeg:quality=70"),
        ("</script><script>", "</script><script>"),
    ],
)
def test_clean(text, cleaned):
    assert clean(text) == cleaned


def test_clean_is_a_projection():
    text = "at /data/ann/x.py https://host/a ~/b/c"
    assert clean(clean(text)) == clean(text)


def test_user_and_host_are_nobody(monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "annette")
    monkeypatch.setattr(socket, "gethostname", lambda: "gpu-box-7")
    wording._persons.cache_clear()
    try:
        assert clean("annette@gpu-box-7: by annette on gpu-box-7") == "…: by … on …"
        assert clean("annettes gpu-box-70") == "annettes gpu-box-70"
    finally:
        wording._persons.cache_clear()
