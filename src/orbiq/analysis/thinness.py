"""When the evidence is too thin: where the doubt comes from, and what would end it."""

from math import inf

import numpy as np

from orbiq.analysis.levels import Evidence
from orbiq.analysis.results import Components, LevelResult
from orbiq.analysis.retention import REFERENCE_ROW, Fit, Rule
from orbiq.analysis.wording import Words
from orbiq.arrays import FloatArray
from orbiq.bootstrap import cautious_isotonic

_MOST_TIMES_IMAGES = 100
_MOST_REPETITIONS = 1000


def components_of(row: int, variant: str, *, fit: Fit, evidence: Evidence) -> Components:
    """The variances of what is held against the threshold, at level `row` of the evidence."""
    place = int(np.flatnonzero(fit.rows == row)[0])
    weights = evidence.n_repetitions[fit.rows].astype(float)

    def variance(scores: FloatArray) -> float:
        measured = fit.rule.measured(fit.rule.merit(scores[:, row]), scores[:, REFERENCE_ROW])
        measured = measured[np.isfinite(measured)]
        return float(measured.var()) if measured.size else 0.0

    pair = evidence.n_repetitions[[row, REFERENCE_ROW]]
    repetitions = 2 / float((1 / np.maximum(pair, 1)).sum())
    merit = cautious_isotonic(fit.rule.merit(evidence.score[fit.rows]), weights=weights)[place]
    measured = float(fit.rule.measured(merit, fit.reference))
    return Components(
        variant=variant,
        measured=measured,
        gap=measured - fit.rule.threshold,
        images=variance(evidence.over_images),
        training=variance(evidence.score + evidence.over_training) * repetitions,
        repetitions=repetitions,
        training_dof=float(evidence.training_dof[row]),
        images_dof=float(max(evidence.n_scenes - 1, 0)),
    )


def repetitions_needed(parts: Components, *, confidence: float) -> float:
    """How many repetitions of variant and reference would show that the score is kept; inf when none would.

    The least n with √(t²·V_images + t²·V_training/n) ≤ gap, each t with its own degrees of freedom: scenes − 1, and
    those that n repetitions give.
    """
    t = float(_t(np.array(parts.images_dof), confidence)) if parts.images_dof else _z(confidence)
    room = parts.gap**2 - t**2 * parts.images
    return _repetitions(parts, room=room if parts.gap > 0 else 0.0, confidence=confidence)


def _repetitions(parts: Components, *, room: float, confidence: float) -> float:
    """The least n ≥ 2 with t²·V_training/n ≤ room; inf when there is none."""
    if room <= 0:
        return inf
    n = np.arange(2, _MOST_REPETITIONS + 1)
    dof = parts.training_dof * (n - 1) / max(parts.repetitions - 1, 1)
    enough = _t(np.maximum(dof, 1), confidence) ** 2 * parts.training / n <= room
    return float(n[enough][0]) if enough.any() else inf


def images_factor_needed(parts: Components, *, confidence: float) -> tuple[float, int]:
    """(how many times the test images, repetitions each) that would do, either kind of chance given half the room."""
    share = 0.5 if parts.training > 0 else 1.0
    z2 = _z(confidence) ** 2
    factor = z2 * parts.images / (share * parts.gap**2)
    if not parts.training:
        return factor, 1
    n = _repetitions(parts, room=0.5 * parts.gap**2, confidence=confidence)
    return factor, int(min(n, _MOST_REPETITIONS))


def advise(
    words: Words,
    *,
    answer: LevelResult | None,
    central: LevelResult | None,
    parts: Components | None,
    evidence: Evidence,
) -> str | None:
    """What would make the answer better; None when nothing is in doubt."""
    reference = float(evidence.score[REFERENCE_ROW])
    if not words.rule.is_usable(np.asarray(reference)):
        return _for_reference(words.rule, reference)
    if parts is None or (answer and central and answer.variant == central.variant):
        return None
    if central is None:
        return f"Test variants that are milder than {parts.variant}, or ask for less."
    if not parts.images and not parts.training_dof:
        return "Repeat every variant and the reference at least 3 times, or score by outcomes per image."
    if parts.gap <= 0 or parts.gap < 1e-6 * abs(parts.measured):
        return (
            f"{parts.variant} lies on the threshold itself, where no amount of evidence decides: test its neighbours."
        )
    return _for_chance(parts, words.confidence)


def _for_reference(rule: Rule, reference: float) -> str:
    if np.isfinite(reference) and rule.margin is None:
        return f"A share of {reference:g} means nothing: state an absolute margin, in the unit of the score."
    return "See why the reference has no score, and run it again."


def _for_chance(parts: Components, confidence: float) -> str:
    subject = f"to show that {parts.variant} keeps enough, if it is as good as it seems"
    if not parts.training_dof:
        factor, _ = images_factor_needed(parts, confidence=confidence)
        repeat = "raining noise is not known: repeat every variant and the reference at least 3 times."
        if factor <= 1:  # those that there are did not do
            return f"T{repeat}"
        return f"About {_times(factor)} as many test images would do {subject}; t{repeat}"
    # never fewer than there are: those did not do
    needed = max(repetitions_needed(parts, confidence=confidence), int(parts.repetitions) + 1)
    if needed <= _MOST_REPETITIONS:
        return f"About {needed:.0f} repetitions of it and of the reference would do {subject}."
    factor, n = images_factor_needed(parts, confidence=confidence)
    if factor <= 1:
        return f"More than {_MOST_REPETITIONS} repetitions would be needed {subject}."
    if factor > _MOST_TIMES_IMAGES:
        return (
            f"No number of repetitions would do {subject}, nor would any number of test images that one could gather: "
            "it lies too close to the threshold. Ask for a little less, or test variants that cost a little more."
        )
    return (
        f"No number of repetitions would do {subject}: the doubt is in the test images, of which about "
        f"{_times(factor)} as many would do, with {n} repetitions each."
    )


def _times(factor: float) -> str:
    return f"{factor:.2g} times" if factor < 10 else f"{factor:.0f} times"


def _z(confidence: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(confidence))


def _t(dof: FloatArray, confidence: float) -> FloatArray:
    from scipy.special import stdtrit

    return np.asarray(stdtrit(dof, confidence))
