"""orbiq finds the smallest, cheapest imagery that still does its job.

The public names are listed here and loaded on first use, so that `import orbiq` stays light.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Experiment": "orbiq.settings",
    "load_experiment": "orbiq.settings",
    "run": "orbiq.experiment",
    "Dataset": "orbiq.datasets.folder",
    "modify": "orbiq.modifiers.variants",
    "table": "orbiq.analysis.table",
    "plot": "orbiq.reports.plots",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'orbiq' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
