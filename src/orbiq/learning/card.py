"""What comes with trained weights: what for, what they were trained on, how they did, where they do not hold."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Card:
    """`data` says of each source its name and how many images; `scores` were measured on what is named in `judged_on`;
    `settings` and `steps` of the training.
    """

    name: str
    purpose: str
    data: tuple[Mapping[str, Any], ...] = ()
    steps: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    judged_on: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    holds: str = ""
    fails: str = ""

    def description(self) -> dict[str, Any]:
        """As JSON, for the header of the weights."""
        return asdict(self)


def card_text(card: Card, *, digest: str) -> str:
    """The card as Markdown."""
    parts = [f"# {card.name}", card.purpose]
    if card.data:
        parts += ["## Trained on", _table(("source", "images"), [(d["name"], d["images"]) for d in card.data])]
    parts.append(f"{card.steps:,} steps. Settings:\n\n" + _table(("setting", "value"), _flat(card.settings)))
    if card.scores:
        parts += [f"## Judged on {card.judged_on}", _table(("score", "value"), _rounded(card.scores))]
    parts += [f"## {title}\n\n{text}" for title, text in (("Holds", card.holds), ("Does not hold", card.fails)) if text]
    parts.append(f"SHA-256 of the file: `{digest}`")
    return "\n\n".join(parts) + "\n"


def _flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in settings.items():
        rows += _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(f"{prefix}{key}", value)]
    return rows


def _rounded(scores: Mapping[str, float]) -> list[tuple[str, Any]]:
    return [(name, f"{value:.4g}") for name, value in scores.items()]


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return "\n".join([*lines, *(f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |" for row in rows)])
