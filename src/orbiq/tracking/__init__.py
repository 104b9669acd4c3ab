"""Copies of runs in MLflow; the records on disk are the truth. Listed here, loaded on first use."""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "SyncReport": "orbiq.tracking.tracker",
    "Tracker": "orbiq.tracking.tracker",
    "sync": "orbiq.tracking.tracker",
    "check_uri": "orbiq.tracking.store",
    "default_uri": "orbiq.tracking.store",
    "live_server": "orbiq.tracking.server",
    "ui": "orbiq.tracking.server",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'orbiq.tracking' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
