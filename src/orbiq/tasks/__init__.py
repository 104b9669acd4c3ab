"""The user's black box: the contract, and the local executor.

The public names are listed here and loaded on first use.
"""

from orbiq.lazy import lazily

_PUBLIC = {
    "Results": "orbiq.tasks.contract",
    "read_predictions": "orbiq.tasks.contract",
    "read_results": "orbiq.tasks.contract",
    "Command": "orbiq.tasks.local",
    "run_command": "orbiq.tasks.local",
}

__all__ = list(_PUBLIC)
__getattr__, __dir__ = lazily(__name__, _PUBLIC)
