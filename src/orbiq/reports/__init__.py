"""What a person looks at: plots, tables, the report of an experiment, and two experiments side by side.

The public names are listed here and loaded on first use.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "plot": "orbiq.reports.plots",
    "score_curve": "orbiq.reports.curves",
    "operating_point_table": "orbiq.reports.tables",
    "runs_table": "orbiq.reports.tables",
    "write_report": "orbiq.reports.pages",
    "write_diff": "orbiq.reports.diffs",
    "Diff": "orbiq.reports.diffs",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'orbiq.reports' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
