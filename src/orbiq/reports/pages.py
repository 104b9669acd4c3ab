"""The report of an experiment: one HTML file that answers first, then shows what the answer rests on."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orbiq.records import REFERENCE
from orbiq.reports.agreements import agreement
from orbiq.reports.answers import Answer, Level, answer_of
from orbiq.reports.diffs import Diff, write_diff
from orbiq.reports.evidence import Evidence, Run, read_evidence
from orbiq.reports.looks import Look, looks
from orbiq.reports.provenance import commands_text, modifiers_text, provenance, settings_text
from orbiq.reports.rendering import figure_markup, picture_source, write_page
from orbiq.reports.tables import class_tables, family_table, level_table, run_table
from orbiq.reports.wording import bytes_text, number_text, percent_text, plural, setting_text

__all__ = ["Diff", "write_diff", "write_report"]
_MOST_CROPS = 8


def write_report(experiment_folder: str | Path, *, out: str | Path | None = None) -> Path:
    """Write the report of an experiment's folder as one HTML file that needs nothing else; returns its path.

    `out` defaults to `<experiment_folder>/report.html`. Whatever is missing (no operating point, variants cleaned away,
    no class scores) is said on the page. Raises DatasetError where the folder is no experiment's.
    """
    path = Path(out) if out else Path(experiment_folder) / "report.html"
    evidence = read_evidence(experiment_folder)
    write_page(path, "report.html", **_content(evidence, answer_of(evidence)))
    return path


def _content(evidence: Evidence, answer: Answer | None) -> dict[str, Any]:
    content = {
        "name": evidence.name,
        "sentence": answer.sentence if answer else f"No operating point: {evidence.reason}.",
        "advice": answer.advice if answer else (),
        "figures": _key_figures(answer) if answer else (),
        "family_table": family_table(answer) if answer else None,
        "level_table": level_table(answer) if answer else None,
        "others": [(_params_text(o.get("params") or {}), str(o.get("sentence", ""))) for o in evidence.others],
        "answer_params": _params_text(evidence.params) if evidence.params else "",
        "method": answer.method if answer else (),
        "class_tables": _class_tables(evidence, answer),
        "run_table": run_table(_by_cost(evidence.runs)),
        "provenance": provenance(evidence),
        "modifiers": modifiers_text(evidence.runs),
        "commands": commands_text(evidence.runs),
        "settings": settings_text(evidence.settings),
    }
    return content | _curve(answer) | agreement(evidence) | _looks(evidence, answer) | _failures(evidence.runs)


def _params_text(params: dict[str, Any]) -> str:
    return ", ".join(f"{name} {setting_text(value)}" for name, value in params.items()) or "no parameters"


def _key_figures(answer: Answer) -> list[tuple[str, str]]:
    """What one wants to know first, each with what it is a figure of."""
    level = answer.chosen_level
    entries = []
    if level is not None:
        entries += [
            ("of the reference's cost", number_text(level.cost_ratio, digits=2)),
            ("per image", bytes_text(level.bytes_per_image)),
            (f"of {answer.score} kept", percent_text(level.retention)),
            ("images a pass", number_text(level.images_per_pass)),
        ]
    entries += [
        ("confidence", percent_text(answer.confidence, places=0)),
        ("images judged", number_text(answer.n_images)),
        ("repetitions", number_text(answer.repetitions)),
    ]
    return [(name, value) for name, value in entries if value not in ("–", "")]


def _curve(answer: Answer | None) -> dict[str, Any]:
    if answer is None or not answer.drawable:
        return {"wide": None, "narrow": None, "curve_caption": ""}
    from orbiq.reports.curves import score_curve

    return {
        "wide": figure_markup(score_curve(answer, ident="wide")),
        "narrow": figure_markup(score_curve(answer, narrow=True, ident="narrow")),
        "curve_caption": answer.curve_caption,
    }


def _class_tables(evidence: Evidence, answer: Answer | None) -> list[Any]:
    runs = [r for r in evidence.finished if not answer or not answer.params or r.record.params == answer.params]
    variants = _in_order_of_cost(runs)
    return class_tables(runs, variants=variants, first=answer.score if answer else "")


def _in_order_of_cost(runs: Sequence[Run]) -> list[str]:
    """Variants, the reference first, then from the dearest to the cheapest."""
    rates = {r.record.variant: r.record.rate.bits_per_pixel for r in runs if r.record.splits}
    return sorted(rates, key=lambda v: (v != REFERENCE, -rates[v] if math.isfinite(rates[v]) else math.inf, v))


def _by_cost(runs: Sequence[Run]) -> list[Run]:
    place = {variant: k for k, variant in enumerate(_in_order_of_cost(runs))}
    return sorted(runs, key=lambda r: place.get(r.record.variant, len(place)))


def _looks(evidence: Evidence, answer: Answer | None) -> dict[str, Any]:
    variants = shown_variants(_in_order_of_cost(evidence.runs), chosen=answer.chosen if answer else "")
    found, reason = looks(evidence.folder, variants=variants)
    levels = {level.variant: level for level in answer.levels} if answer else {}
    return {"looks": [_cards(look, levels) for look in found], "look_reason": reason}


def shown_variants(ordered: Sequence[str], *, chosen: str, most: int = _MOST_CROPS) -> list[str]:
    """At most `most` variants from all over the range; the first and the chosen one are always among them.

    >>> shown_variants(["reference", "a", "b", "c", "d"], chosen="c", most=3)
    ['reference', 'c', 'd']
    """
    if len(ordered) <= most:
        return list(ordered)
    kept = {round(k * (len(ordered) - 1) / (most - 1)) for k in range(most)}
    if chosen in ordered and (place := list(ordered).index(chosen)) not in kept:
        kept = kept - {min(kept - {0}, key=lambda k: abs(k - place))} | {place}
    return [v for k, v in enumerate(ordered) if k in kept]


def _cards(look: Look, levels: dict[str, Level]) -> dict[str, Any]:
    cards = [
        {"variant": c.variant, "source": picture_source(c.png), "note": _note(levels.get(c.variant))}
        for c in look.crops
    ]
    return {**vars(look), "cards": cards}


def _note(level: Level | None) -> str:
    if level is None:
        return ""
    return f"{number_text(level.bits_per_pixel)} bits per pixel, {bytes_text(level.bytes_per_image)} an image"


def _failures(runs: Sequence[Run]) -> dict[str, Any]:
    failed = [run.record for run in runs if not run.finished]
    failures = []
    for record in failed:
        params = f", {_params_text(record.params)}" if record.params else ""
        code = f" (exit code {record.exit_code})" if record.exit_code and "exit" not in record.reason else ""
        title = f"{record.variant}{params}, repetition {record.repetition}"
        failures.append(
            {"title": title, "reason": f"{record.reason or 'no reason recorded'}{code}", "log": record.log_tail}
        )
    return {"failures": failures, "failure_count": f"{plural(len(failed), 'run')} of {len(runs)} failed"}
