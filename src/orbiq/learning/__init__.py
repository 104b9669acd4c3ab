"""The one way to train a network, and to keep and load what it learnt.

The public names are listed here and loaded on first use.
"""

from orbiq.lazy import lazily

_PUBLIC = {
    "Plan": "orbiq.learning.loop",
    "Trainable": "orbiq.learning.loop",
    "fit": "orbiq.learning.loop",
    "read_weights": "orbiq.learning.weights",
    "write_weights": "orbiq.learning.weights",
}

__all__ = list(_PUBLIC)
__getattr__, __dir__ = lazily(__name__, _PUBLIC)
