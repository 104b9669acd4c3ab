"""Copies of runs in MLflow; the records on disk are the truth.

The public names are listed here and loaded on first use.
"""

from orbiq.lazy import lazily

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
__getattr__, __dir__ = lazily(__name__, _PUBLIC)
