"""Numbers, names and log lines as a person reads them: sensible digits, units, no place and no person named."""

import getpass
import math
import re
import socket
from functools import cache

MISSING = "–"
"""Stands where a number is unknown; the reason is beside it."""
RATES = {
    "bits_per_pixel": "bits per pixel",
    "bits_per_sample": "bits per sample",
    "bytes_per_image": "bytes per image",
    "total_bytes": "bytes in all",
}
"""Columns that are rates, and what their axes are called."""
_UNITS = {"px": "px", "m": "m", "s": "s", "db": "dB", "bpp": "bits per pixel", "bps": "bits per sample"}
_COMMON_NAMES = {"root", "user", "test", "admin", "build", "runner", "data", "ubuntu", "docker"}
"""User names that are words too: blotted out only where they name a user."""


def number_text(value: float | None, *, digits: int = 3) -> str:
    """A number in `digits` significant digits, trailing zeros kept below 1000; NaN and None are "–".

    >>> number_text(0.67123), number_text(0.5), number_text(12), number_text(0.0000123), number_text(None)
    ('0.671', '0.500', '12', '1.23×10⁻⁵', '–')
    """
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0 or float(value).is_integer():
        return _grouped(value, 0)
    if abs(value) < 1e-4:
        mantissa, power = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}×10{_superscript(int(power))}".replace("-", "−")
    exponent = int(f"{value:.{digits - 1}e}".split("e")[1])  # of the rounded value: 0.999 is 1.0 in two digits
    places = max(0, digits - 1 - exponent)
    return _grouped(value, places)


def _grouped(value: float, places: int) -> str:
    return f"{value:,.{places}f}".replace(",", "\N{NARROW NO-BREAK SPACE}").replace("-", "−")


def _superscript(number: int) -> str:
    return str(number).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def setting_text(value: object) -> str:
    """A setting as it was written: whole numbers plain, others in their shortest form."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:g}"
    return MISSING if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)


def percent_text(share: float | None, *, places: int = 1) -> str:
    """A share as percent.

    >>> percent_text(0.9834).split(), percent_text(float("nan"))
    (['98.3', '%'], '–')
    """
    if share is None or not math.isfinite(share):
        return MISSING
    return f"{100 * share:.{places}f}\N{NO-BREAK SPACE}%"


def chance_text(chance: float) -> str:
    """A share of bootstrap replicates as percent: never quite certain.

    >>> chance_text(1.0).split(), chance_text(0.803).split()
    (['>', '99', '%'], ['80', '%'])
    """
    if chance > 0.99 or chance < 0.01:
        return f"> {percent_text(0.99, places=0)}" if chance > 0.5 else f"< {percent_text(0.01, places=0)}"
    return percent_text(chance, places=0)


def bytes_text(n_bytes: float | None) -> str:
    """Bytes in decimal units.

    >>> bytes_text(1536).split(), bytes_text(812).split(), bytes_text(4.2e6).split()
    (['1.54', 'kB'], ['812', 'B'], ['4.20', 'MB'])
    """
    if n_bytes is None or not math.isfinite(n_bytes):
        return MISSING
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{_three(n_bytes / size)}\N{NO-BREAK SPACE}{unit}"
    return f"{n_bytes:.0f}\N{NO-BREAK SPACE}B"


def _three(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def duration_text(seconds: float | None) -> str:
    """A duration in the two units that matter.

    >>> duration_text(3.21), duration_text(75), duration_text(8000)
    ('3.2 s', '1 min 15 s', '2 h 13 min')
    """
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def plural(count: int, noun: str) -> str:
    """A count and its noun.

    >>> plural(1, "image"), plural(3, "image")
    ('1 image', '3 images')
    """
    return f"{number_text(count)} {noun}{'' if count == 1 else 's'}"


def axis_label(column: str) -> str:
    """What an axis or a heading says of a column: its name and unit.

    >>> axis_label("bits_per_pixel"), axis_label("sigma_px"), axis_label("quality")
    ('bits per pixel', 'sigma (px)', 'quality')
    """
    if column in RATES:
        return RATES[column]
    unit = score_unit(column)
    stem, _, suffix = column.rpartition("_")
    if unit and _UNITS.get(suffix) != unit:
        return f"{clean(column)} ({unit})"
    if stem and suffix in _UNITS:
        return f"{clean(stem).replace('_', ' ')} ({_UNITS[suffix]})"
    return clean(column)


def score_unit(name: str) -> str:
    """The unit of a score that the catalogue of metrics knows; "" otherwise."""
    from orbiq.metrics.catalogue import score_spec

    spec = score_spec(name)
    return spec.unit if spec else ""


_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_URL = re.compile(r"\b(https?|s3|gs|ftp|ssh)://[^\s'\"<>]+")
_PLACE = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]*:/{2,4}|\b[A-Za-z]:\\|(?<![\w.:/\\…~)\]-])/)(?:[^\s/\\\"'<>:,;]+[/\\])+([^\s/\\\"'<>:,;]*)"
)
_HOME = re.compile(r"~[\w.-]*/")


def clean(text: str) -> str:
    r"""The text without control characters, and without absolute paths, addresses, host and user names.

    >>> clean('File "/home/ann/study/train.py", line 3')
    'File "…/train.py", line 3'
    >>> clean("\x1b[31mtracking at https://mlflow.example.org:5000/x\x1b[0m")
    'tracking at https://…'
    """
    text = _CONTROL.sub("·", _ANSI.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))
    text = _URL.sub(r"\1://…", text)
    text = _PLACE.sub(r"…/\1", _HOME.sub("…/", text))
    for pattern in _persons():
        text = pattern.sub("…", text)
    return text


@cache
def _persons() -> tuple[re.Pattern[str], ...]:
    """Patterns of this user's and this host's names."""
    user, host = _user(), socket.gethostname()
    patterns = [re.compile(rf"(?<!\w){re.escape(user)}@[\w.-]+")] if user else []
    if host and host != "localhost":
        patterns.append(re.compile(rf"(?<!\w){re.escape(host)}(?!\w)"))
    if len(user) > 2 and user not in _COMMON_NAMES:
        patterns.append(re.compile(rf"(?<!\w){re.escape(user)}(?!\w)"))
    return tuple(patterns)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
