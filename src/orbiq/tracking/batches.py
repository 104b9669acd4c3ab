"""What is logged of a run, cut into requests within MLflow's limits.

A request holds at most 100 parameters, 100 tags and 1000 entries in all; a server also takes at most 1 MB.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orbiq.tracking.content import Point

PARAMS, TAGS, METRICS = 100, 100, 800
CHARACTERS = 90_000
"""Of parameters or tags in a request: a character can take six bytes of JSON."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call of MLflow's log_batch: (name, value) pairs, (name, step, value, time in ms), (name, value) pairs."""

    params: list[tuple[str, str]]
    metrics: list[tuple[str, int, float, int]]
    tags: list[tuple[str, str]]


def requests(
    *,
    params: Mapping[str, str] | None = None,
    metrics: Mapping[str, Sequence[Point]] | None = None,
    tags: Mapping[str, str] | None = None,
) -> Iterator[Request]:
    """As few requests as will do, usually one. Tags go last: the last of them says that all the rest is there.

    >>> [(len(r.params), len(r.tags)) for r in requests(params={f"p{k}": "1" for k in range(150)}, tags={"done": "1"})]
    [(100, 0), (50, 1)]
    """
    points = [(n, step, v, time_ms) for n, found in (metrics or {}).items() for step, v, time_ms in found]
    pairs = _portions((params or {}).items(), PARAMS)
    portions = [points[k : k + METRICS] for k in range(0, len(points), METRICS)]
    last = _portions((tags or {}).items(), TAGS)
    ahead = max(len(pairs), len(portions), 1) - 1
    for k in range(ahead + max(len(last), 1)):
        late = last[k - ahead] if 0 <= k - ahead < len(last) else []
        request = Request(params=_at(pairs, k), metrics=_at(portions, k), tags=late)
        if request.params or request.metrics or request.tags:
            yield request


def _at(portions: Sequence[list[Any]], k: int) -> list[Any]:
    return portions[k] if k < len(portions) else []


def _portions(pairs: Any, count: int) -> list[list[tuple[str, str]]]:
    portions: list[list[tuple[str, str]]] = []
    room = 0
    for name, value in pairs:
        size = len(name) + len(value)
        if not portions or len(portions[-1]) == count or size > room:
            portions.append([])
            room = CHARACTERS
        portions[-1].append((name, value))
        room -= size
    return portions
