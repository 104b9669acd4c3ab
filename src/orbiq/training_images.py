"""The images of a training: parts of them in turn, and how a card names them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from orbiq.measuring import Subject


def somewhere(side: int, rng: np.random.Generator, *, largest_px: int) -> slice:
    """Up to so many of the pixels along a side, from a place that is drawn.

    >>> somewhere(40, np.random.default_rng(0), largest_px=64)
    slice(0, 40, None)
    """
    first = int(rng.integers(max(side - largest_px, 0) + 1))
    return slice(first, min(first + largest_px, side))


def names(subjects: Sequence[Subject]) -> list[str]:
    """What tells one training from another."""
    return [f"{subject.group}/{subject.name}" for subject in subjects]


def sources(subjects: Sequence[Subject]) -> tuple[dict[str, Any], ...]:
    """How many images of each folder, for a card."""
    counts: dict[str, int] = {}
    for subject in subjects:
        counts[subject.group] = counts.get(subject.group, 0) + 1
    return tuple({"name": group, "images": count} for group, count in counts.items())
