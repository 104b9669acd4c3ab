"""What a training sees of its images, made ahead of time by threads.

Visits to images are numbered, and a pool is what some visits gave. Which image a visit is of, and what is drawn there,
depends on seed and number alone: a training that was stopped and goes on sees what it would have seen.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import numpy as np

from orbiq.arrays import BoolArray
from orbiq.errors import SettingError

Piece = TypeVar("Piece")
Pool = TypeVar("Pool")
VISITS_A_POOL = 16
_MAKERS = 4
_TRIES = 20


class Pools(Generic[Piece, Pool]):
    """Pools by number: `gather` of the pieces that `visit(image, rng)` gave of 16 images.

    Images come in an order that is drawn anew each time through them all.
    """

    def __init__(
        self,
        visit: Callable[[int, np.random.Generator], Piece],
        images: Sequence[int],
        *,
        seed: int,
        gather: Callable[[list[Piece]], Pool],
    ) -> None:
        self._visit, self._images, self._seed, self._gather = visit, images, seed, gather
        self._ahead, self._makers = ThreadPoolExecutor(1), ThreadPoolExecutor(_MAKERS)
        self._pools: dict[int, Future[Pool]] = {}

    def pool(self, number: int) -> Pool:
        """The pool of a number, while the next is being made."""
        self._pools = {k: self._pools.get(k) or self._ahead.submit(self.made, k) for k in (number, number + 1)}
        return self._pools[number].result()

    def made(self, number: int) -> Pool:
        """The pool of a number, made now."""
        turn = np.arange(number * VISITS_A_POOL, (number + 1) * VISITS_A_POOL)
        count = len(self._images)
        orders = {k: np.random.default_rng([self._seed, 4, int(k)]).permutation(count) for k in turn // count}
        images = [self._images[orders[k // count][k % count]] for k in turn]
        rngs = [np.random.default_rng([self._seed, 3, int(k)]) for k in turn]
        return self._gather(list(self._makers.map(self._visit, images, rngs)))


def split_off(count: int, *, seed: int) -> tuple[list[int], list[int]]:
    """Numbers of images: those to judge by, a twentieth and at least one, and those to train on.

    >>> judged_by, trained_on = split_off(40, seed=0)
    >>> len(judged_by), sorted(judged_by + trained_on) == list(range(40))
    (2, True)
    """
    if count < 2:
        raise SettingError(f"{count} images are too few to train on: expected two or more, one to judge by")
    order = np.random.default_rng([seed, 0]).permutation(count)
    n_judged = max(1, count // 20)
    return order[:n_judged].tolist(), order[n_judged:].tolist()


def window_within(
    shape: tuple[int, ...], mask: BoolArray | None, *, px: int, rng: np.random.Generator
) -> tuple[slice, slice]:
    """A place where all pixels are valid, if a few tries find one."""
    for _ in range(_TRIES):
        row, col = (int(rng.integers(side - px + 1)) for side in shape[:2])
        window = slice(row, row + px), slice(col, col + px)
        if mask is None or mask[window].all():
            break
    return window
