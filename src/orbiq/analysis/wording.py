"""The operating point in words: one sentence, and how it was found."""

from dataclasses import dataclass
from math import isfinite

import numpy as np

from orbiq.analysis.levels import Evidence
from orbiq.analysis.results import LevelResult
from orbiq.analysis.retention import REFERENCE_ROW, Rule


@dataclass(frozen=True, kw_only=True)
class Words:
    """What was asked."""

    score: str
    cost: str
    rule: Rule
    confidence: float
    lower_cost_is_better: bool
    replicates: int
    possible: tuple[float, float]

    @property
    def percent(self) -> str:
        """The confidence, as "95 %"."""
        return f"{100 * self.confidence:g} %"

    @property
    def keeping(self) -> str:
        """What is asked of a variant, after "keeps"."""
        if self.rule.margin is not None:
            return f"{self.score} within {self.rule.margin:g} of the reference"
        if self.rule.higher_is_better:
            return f"{100 * self.rule.threshold:g} % of {self.score}"
        return f"{self.score} at no more than {1 / self.rule.threshold:.4g} times the reference's"

    def needing(self, level: LevelResult) -> str:
        """What a variant costs, as "0.21 of the bits per pixel of the reference", or the plain cost."""
        cost = self.cost.replace("_", " ")
        if isfinite(level.cost_ratio) and self.lower_cost_is_better:
            return f"{level.cost_ratio:.2g} of the {cost} of the reference"
        return f"{cost} {level.cost:.4g}"


def sentence_of(
    words: Words,
    *,
    answer: LevelResult | None,
    central: LevelResult | None,
    best: LevelResult | None,
    reference: LevelResult,
    evidence: Evidence,
) -> str:
    """The answer in one sentence, honest where there is none."""
    if not words.rule.is_usable(evidence.score[REFERENCE_ROW]):
        return (
            f"The reference has no {words.score} to keep (it is {reference.score:g}), so there is no operating point."
        )
    if best is None:
        return (
            f"No variant besides the reference has both {words.score} and a cost that is not above the reference's, "
            "so there is no operating point."
        )
    if answer:
        return f"{answer.variant} needs {words.needing(answer)} and keeps {words.keeping} ({_scope(words, evidence)})."
    if central and not _knows_chance(evidence):
        return (
            f"{central.variant} needs {words.needing(central)} and keeps {words.keeping} in the one measurement there "
            "is, which says nothing about chance."
        )
    if central:
        return (
            f"No tested variant is shown to keep {words.keeping} ({_scope(words, evidence)}); the nearest to it, "
            f"{central.variant}, does so in the middle, at {words.needing(central)}."
        )
    alone = ""
    if words.rule.is_kept(words.rule.merit(np.array(best.score)), np.array(reference.score)):
        alone = " by itself, but not averaged with its neighbours on the curve"
    kept = _kept(words, best, reference)
    return f"No tested variant keeps {words.keeping}; the best, {best.variant}, keeps {kept}{alone}."


def _kept(words: Words, level: LevelResult, reference: LevelResult) -> str:
    if words.rule.margin is not None:
        return f"it within {abs(level.score - reference.score):.3g}"
    return f"{100 * level.retention:.3g} %"


def _knows_chance(evidence: Evidence) -> bool:
    return evidence.knows_images or evidence.knows_training


def _scope(words: Words, evidence: Evidence) -> str:
    """The confidence, and which kind of chance it leaves out."""
    if not evidence.knows_training:
        return f"{words.percent} confidence over test images; one repetition, so training noise is not in it"
    if not evidence.knows_images:
        return f"{words.percent} confidence over repetitions; the noise of the test images is not in it"
    return f"{words.percent} confidence"


def method_of(words: Words, evidence: Evidence, *, reference_has_cost: bool) -> str:
    """How the answer was found, and what is not in it."""
    direction = "higher" if words.lower_cost_is_better else "lower"
    place = "at its dear end" if reference_has_cost else "not on it for want of a cost"
    fit = (
        f"Score against {words.cost.replace('_', ' ')} fitted by a monotone curve for each family ({direction} cost is "
        f"never worse), the reference {place}; straight between levels, "
        "on a logarithmic axis where all costs are above 0."
    )
    decision = (
        f"Kept with confidence: enough on the curve in the middle, and in at least {words.percent} of the replicates "
        "by itself and averaged with the next dearer variants."
    )
    parts = [
        fit,
        f"{words.replicates} replicates.",
        _images_method(evidence),
        _training_method(evidence),
        decision,
    ]
    return " ".join(parts)


def _images_method(evidence: Evidence) -> str:
    if not evidence.n_images:
        return "Only numbers are known, no outcomes per image: the noise of the test images is not in any interval."
    if not evidence.knows_images:
        return "All test images are of one scene: the noise of the test images is not in any interval."
    unit = (
        f"{evidence.n_images} test images"
        if evidence.n_scenes == evidence.n_images
        else f"{evidence.n_images} test images by {evidence.n_scenes} scenes"
    )
    numbers = f" (levels known by their number alone, without image noise: {evidence.n_numbers_only})"
    return (
        f"{unit} resampled, the same draw for all variants{numbers if evidence.n_numbers_only else ''}, "
        "and widened as Student's t for their number."
    )


def _training_method(evidence: Evidence) -> str:
    if not evidence.knows_training:
        return "One repetition each: training noise is not in any interval."
    how = (
        "all variants judged on the same models, so that they move together"
        if evidence.shared_training
        else "its spread shared by the levels that score alike"
    )
    return f"Training noise drawn from Student's t, {how}."
