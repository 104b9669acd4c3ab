"""Two experiments side by side: a page, one sentence, and a gate that a build can stop at."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orbiq.cache import without_nan
from orbiq.reports.comparison import Comparison, Pair, compare
from orbiq.reports.evidence import Evidence, read_evidence
from orbiq.reports.provenance import provenance
from orbiq.reports.rendering import figure_markup, write_page
from orbiq.reports.tables import Cell, Heading, Row, Table, number_cell, text_cell
from orbiq.reports.wording import axis_label, chance_text, number_text, percent_text, plural

_VERDICTS = {"keeps": "keeps enough", "loses": "loses too much", "unsure": "not shown", "unknown": "unknown"}


@dataclass(frozen=True, kw_only=True)
class Diff:
    """Whether B passes, the sentence that says so, the page, and what it rests on."""

    passed: bool
    sentence: str
    path: Path
    comparison: Comparison

    def as_dict(self) -> dict[str, Any]:
        """As JSON; unknown numbers are null."""
        plain = {"passed": self.passed, "sentence": self.sentence, "path": str(self.path), **asdict(self.comparison)}
        return {"schema": 1, **without_nan(plain)}


def write_diff(
    folder_a: str | Path,
    folder_b: str | Path,
    *,
    keep: float = 0.98,
    confidence: float = 0.95,
    score: str | None = None,
    out: str | Path | None = None,
) -> Diff:
    """Hold experiment B against experiment A and write a page about it; `passed` is the gate.

    B passes when it keeps at least `keep` of A's score (at most A's / keep where lower is better) at the reference
    and at every variant that both have, with one-sided `confidence` where images or repetitions allow to say so.
    `score` is by default that of A's objective; `out` by default `<folder_b>/diff.html`.

    Raises DatasetError where a folder is no experiment's, SettingError and UnknownName where the question cannot be
    asked.
    """
    a, b = read_evidence(folder_a), read_evidence(folder_b)
    comparison = compare(a, b, keep=keep, confidence=confidence, score=score)
    path = Path(out) if out else Path(folder_b) / "diff.html"
    names = _names(a, b)
    sentence = sentence_of(comparison, names)
    write_page(path, "diff.html", **_content(comparison, names=names, sentence=sentence, sides=(a, b)))
    return Diff(passed=comparison.passed, sentence=sentence, path=path, comparison=comparison)


def _names(a: Evidence, b: Evidence) -> tuple[str, str]:
    """What A and B are called; told apart when they have one name."""
    return (a.name, b.name) if a.name != b.name else (f"{a.name} (A)", f"{b.name} (B)")


def sentence_of(comparison: Comparison, names: tuple[str, str]) -> str:
    """The answer in one sentence."""
    share, sure = percent_text(comparison.keep, places=0), percent_text(comparison.confidence, places=0)
    keeping = f"{share} of the {comparison.score} of {names[0]}"
    if not comparison.pairs or comparison.pairs[0].variant != "reference":
        return f"{names[1]} cannot be held against {names[0]}: the reference has no finished run in both."
    if comparison.passed:
        known = all(math.isfinite(p.chance) for p in comparison.pairs)
        return f"{names[1]} keeps {keeping} {_where(comparison)}{f' ({sure} confidence)' if known else ''}."
    failed = [p for p in comparison.pairs if not p.passed]
    worst = min(failed, key=lambda p: (p.verdict != "loses", p.verdict != "unsure", p.retention))
    more = f", and {plural(len(failed) - 1, 'variant')} more" if len(failed) > 1 else ""
    if worst.verdict == "loses":
        return f"{names[1]} does not keep {keeping}: {worst.variant} keeps {percent_text(worst.retention)}{more}."
    if worst.verdict == "unsure":
        chance = f"the chance that this is enough is {chance_text(worst.chance)}, not {sure}"
        why = f"{worst.variant} keeps {percent_text(worst.retention)}, but {chance}"
        return f"It is not shown that {names[1]} keeps {keeping}: {why}{more}."
    return f"It is unknown whether {names[1]} keeps {keeping}: {worst.variant} has no usable score{more}."


def _where(comparison: Comparison) -> str:
    others = len(comparison.pairs) - 1
    return f"at the reference and at {plural(others, 'variant')}" if others else "at the reference"


def _content(
    comparison: Comparison, *, names: tuple[str, str], sentence: str, sides: tuple[Evidence, Evidence]
) -> dict[str, Any]:
    from orbiq.reports.curves import retention_chart

    drawable = [p for p in comparison.pairs if math.isfinite(p.retention)]
    return {
        "names": names,
        "sentence": sentence,
        "verdict": "passed" if comparison.passed else "failed",
        "figures": _key_figures(comparison),
        "wide": figure_markup(retention_chart(drawable, keep=comparison.keep, ident="wide")) if drawable else None,
        "narrow": figure_markup(retention_chart(drawable, keep=comparison.keep, narrow=True, ident="narrow"))
        if drawable
        else None,
        "caption": f"How much of A's {comparison.score} B keeps at each variant; bars: "
        f"{percent_text(comparison.confidence, places=0)} interval, where images or repetitions give one. "
        f"Dashed: {percent_text(comparison.keep, places=0)}, which is asked for. Solid: as good as A. "
        "Squares stop the gate.",
        "table": pair_table(comparison),
        "notes": _notes(comparison, names),
        "provenance": [(name, provenance(side)) for name, side in zip(names, sides, strict=True)],
    }


def _key_figures(comparison: Comparison) -> list[tuple[str, str]]:
    if not comparison.pairs:
        return []
    kept = sum(p.passed for p in comparison.pairs)
    shares = [p.retention for p in comparison.pairs if math.isfinite(p.retention)]
    return [
        ("of the variants keep enough", f"{kept} of {len(comparison.pairs)}"),
        (f"of {comparison.score} kept at the reference", percent_text(comparison.pairs[0].retention)),
        ("kept at the worst variant", percent_text(min(shares, default=math.nan))),
        ("confidence", percent_text(comparison.confidence, places=0)),
    ]


def _notes(comparison: Comparison, names: tuple[str, str]) -> list[str]:
    notes = list(comparison.notes)
    for name, variants in zip(names, (comparison.only_a, comparison.only_b), strict=True):
        if variants:
            notes.append(f"Only in {name}: {', '.join(variants)}.")
    return notes


def pair_table(comparison: Comparison) -> Table:
    """Variant, A's score, B's score, how much is kept, the chance that it is enough, the verdict in words."""
    headings = (
        Heading(text="variant", numeric=False),
        Heading(text=f"{axis_label(comparison.score)} of A"),
        Heading(text="of B"),
        Heading(text="kept"),
        Heading(text=f"{percent_text(comparison.confidence, places=0)} interval"),
        Heading(text="chance it keeps enough"),
        Heading(text="verdict", numeric=False),
    )
    better = "higher" if comparison.higher_is_better else "lower"
    caption = f"Every variant that both have. {comparison.score}: {better} is better."
    return Table(caption=caption, headings=headings, rows=tuple(_pair_row(p) for p in comparison.pairs))


def _pair_row(pair: Pair) -> Row:
    why = pair.reason or "unknown"
    interval = f"{percent_text(pair.low)} – {percent_text(pair.high)}"
    verdict = Cell(text=_VERDICTS[pair.verdict], reason=pair.reason)
    cells = (
        text_cell(pair.variant),
        number_cell(pair.score_a, text=number_text(pair.score_a), reason=why),
        number_cell(pair.score_b, text=number_text(pair.score_b), reason=why),
        number_cell(pair.retention, text=percent_text(pair.retention), reason=why),
        number_cell(pair.high - pair.low, text=interval, reason=why),
        number_cell(pair.chance, text=chance_text(pair.chance), reason=why),
        verdict,
    )
    return Row(cells=cells, alarm=not pair.passed, tag="" if pair.passed else "stops the gate")
