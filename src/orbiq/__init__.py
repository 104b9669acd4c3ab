"""orbiq finds the smallest, cheapest imagery that still does its job.

The public names are listed here and loaded on first use, so that `import orbiq` stays light.
"""

from orbiq.lazy import lazily

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
__getattr__, __dir__ = lazily(__name__, _PUBLIC)
