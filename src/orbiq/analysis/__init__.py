"""From runs to the answer: the table and the operating point.

The public names are listed here and loaded on first use.
"""

from orbiq.lazy import lazily

_PUBLIC = {
    "analyse": "orbiq.analysis.answer",
    "OperatingPoint": "orbiq.analysis.results",
    "Level": "orbiq.analysis.levels",
    "rows": "orbiq.analysis.table",
}

__all__ = list(_PUBLIC)
__getattr__, __dir__ = lazily(__name__, _PUBLIC)
