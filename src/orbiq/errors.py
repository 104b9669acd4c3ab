"""Every error that orbiq raises on purpose.

OrbiqError
├── SettingError      (ValueError)    a setting, spec or experiment file says something that cannot be
├── UnknownName       (LookupError)   no such modifier, codec, metric, column …
├── MissingExtra      (ImportError)   an optional dependency is not installed
├── ImageError        (ValueError)    an image is unreadable, or unfit for what is asked of it
├── DatasetError      (ValueError)    a dataset folder or its annotations are not what they should be
├── ContractError     (ValueError)    what a task wrote breaks the task contract
├── TaskError         (RuntimeError)  a task could not be started
├── BusyError         (RuntimeError)  another orbiq is at work on the same thing
├── StorageError      (OSError)       the disk is full, the folder not writable
└── TrackingError     (RuntimeError)  MLflow cannot be reached or refuses

A message names the subject, what came, what was expected, and the way out. The CLI prints it without
a traceback and exits 2.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class OrbiqError(Exception):
    """Anything that orbiq says no to."""


class SettingError(OrbiqError, ValueError):
    """A setting, spec or experiment file says something that cannot be."""


class UnknownName(OrbiqError, LookupError):
    """No such modifier, codec, metric, column, …"""


class MissingExtra(OrbiqError, ImportError):
    """An optional dependency is not installed."""


class ImageError(OrbiqError, ValueError):
    """An image is unreadable, or unfit for what is asked of it."""


class DatasetError(OrbiqError, ValueError):
    """A dataset folder or its annotations are not what they should be."""


class ContractError(OrbiqError, ValueError):
    """What a task wrote breaks the task contract."""


class TaskError(OrbiqError, RuntimeError):
    """A task could not be started."""


class BusyError(OrbiqError, RuntimeError):
    """Another orbiq is at work on the same thing."""


class StorageError(OrbiqError, OSError):
    """The disk is full, or the folder is not writable."""


class TrackingError(OrbiqError, RuntimeError):
    """MLflow cannot be reached, or refuses."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The half sentence behind an unknown name.

    >>> did_you_mean("gausian-blur", ["gaussian-blur", "jpeg"])
    "Did you mean 'gaussian-blur'? Known: gaussian-blur, jpeg"
    """
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return f"{hint}Known: {', '.join(names[:_MOST]) or 'none'}{more}"


_MOST = 40
"""Names that a message lists at most."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownName:
    """The error for a name that nobody knows.

    >>> unknown("codec", "jpg", ["jpeg"])
    UnknownName("no codec named 'jpg'. Did you mean 'jpeg'? Known: jpeg")
    """
    return UnknownName(f"no {kind} named {name!r}. {did_you_mean(name, known)}")
