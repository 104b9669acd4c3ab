"""What a person looks at: plots, tables, the report of an experiment, and two experiments side by side.

The public names are listed here and loaded on first use.
"""

from orbiq.lazy import lazily

_PUBLIC = {
    "plot": "orbiq.reports.plots",
    "score_curve": "orbiq.reports.curves",
    "operating_point_table": "orbiq.reports.terminal",
    "runs_table": "orbiq.reports.terminal",
    "write_report": "orbiq.reports.pages",
    "write_diff": "orbiq.reports.diffs",
    "Diff": "orbiq.reports.diffs",
}

__all__ = list(_PUBLIC)
__getattr__, __dir__ = lazily(__name__, _PUBLIC)
