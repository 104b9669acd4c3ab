"""A class for each image against the true one, and how far its probabilities can be believed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from orbiq.errors import ContractError, DatasetError, OrbiqError, SettingError
from orbiq.metrics.base import MetricSpec, Scored, ScoreSpec, plain_scores
from orbiq.metrics.classification_outcomes import ClassificationOutcomes, Sureness
from orbiq.metrics.regression import matched

CLASSIFICATION_SCORES = (
    *(ScoreSpec(name=name, low=0, high=1) for name in ("accuracy", "balanced_accuracy", "f1", "top_k_accuracy")),
    ScoreSpec(name="ece", low=0, high=1, higher_is_better=False),
    ScoreSpec(name="brier", low=0, high=2, higher_is_better=False),
    *(ScoreSpec(name=name, low=0, high=1) for name in ("precision", "recall")),
)
"""The main score first; precision and recall are given by class alone."""
SPECS = {"classification": MetricSpec(name="classification", scores=CLASSIFICATION_SCORES, needs="predictions")}
_SUM_TOLERANCE = 0.01


def classification(
    predictions: Any, truth: Mapping[str, str], *, top_k: int = 5, bins: int = 15, per_class: bool = True
) -> Scored:
    """Shares of right classes, by image and by class, and calibration; outcomes to bootstrap them.

    accuracy: the share of images whose class is right. Of a class, with t the images that are of it, p those said to
    be and h those that are both: precision/<class> = h / p, recall/<class> = h / t, f1/<class> = 2h / (t + p).
    balanced_accuracy is the mean of recall over the classes of the truth, f1 that of f1 over the classes of truth
    or prediction. With probabilities, the most probable class is the one predicted (of equals the first by name), and
    there are: top_k_accuracy, the share whose true class is among the `top_k` most probable; ece, the expected
    calibration error Σ wᵦ·|share right − mean confidence| over bins of equally many images; brier, the mean of
    Σ (probability − truth)² over classes, 0 to 2. All in [0, 1] but brier; higher is better but for ece and brier;
    NaN with a reason where there is nothing to score. A class that is a number is the word that writes it: 3 and 3.0
    are "3".

    Args:
        predictions: {image name: class}, or {image name: {class: probability}}, one for each image of `truth`.
        truth: {image name: class}.
        top_k: how many guesses top_k_accuracy allows, ≥ 1.
        bins: bins of the ece, ≥ 1; it needs as many images at least.
        per_class: list the scores per class too.

    Raises:
        ContractError: an image is missing or unknown, or what is said of it is no class and no probabilities.
        DatasetError: the truth of an image is no class.
        SettingError: an option cannot be.

    Source: Brodersen et al. 2010, doi:10.1109/ICPR.2010.764 (balanced accuracy); Naeini et al. 2015, AAAI, and Nixon
    et al. 2019, arXiv:1904.01685 (ece, bins of equal mass); Brier 1950, Monthly Weather Review 78, 1-3.

    >>> classification({"a": "beach", "b": "beach"}, {"a": "beach", "b": "forest"}).scores["accuracy"]
    0.5
    """
    top_k, bins = _whole(top_k=top_k, bins=bins)
    said = matched(predictions, truth, what="labels")
    given = [_read(name, said[name]) for name in truth]
    if len({isinstance(v, dict) for v in given}) > 1:
        raise ContractError("output.json gives a class for some images and probabilities for others; give one of both")
    true = {name: _label(label, f"the truth of {name!r}", DatasetError) for name, label in truth.items()}
    outcomes = replace(_outcomes(given, true, top_k=top_k, bins=bins), per_class=per_class)
    scores = plain_scores(outcomes)
    few = {
        "top_k_accuracy": f"any of {len(outcomes.classes)} classes is among the {top_k} most probable; "
        "choose a smaller top_k",
        "ece": f"{len(truth)} images do not fill {bins} bins; choose fewer bins",
    }
    reasons = {name: _reason(name, few, any_image=bool(truth)) for name, value in scores.items() if np.isnan(value)}
    options = {"top_k": top_k, "bins": bins} if outcomes.sureness else None
    return Scored(scores=scores, reasons=reasons, outcomes=outcomes, stated=options)


def _whole(*, top_k: int, bins: int) -> tuple[int, int]:
    for value in (top_k, bins):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise SettingError(f"classification: top_k is {top_k} and bins {bins}; expected whole numbers ≥ 1")
    return int(top_k), int(bins)


def _outcomes(
    given: Sequence[str | dict[str, float]], truth: Mapping[str, str], *, top_k: int, bins: int
) -> ClassificationOutcomes:
    """Outcomes of what is said of each image, in the order of the truth."""
    guesses = [
        _ranked(said, true) if isinstance(said, dict) else _Guess(label=said)
        for said, true in zip(given, truth.values(), strict=True)
    ]
    known = {label for said in given for label in (said if isinstance(said, dict) else (said,))}
    classes = sorted(known.union(truth.values()))
    number = {name: k for k, name in enumerate(classes)}
    return ClassificationOutcomes(
        images=tuple(truth),
        classes=tuple(classes),
        true=np.array([number[label] for label in truth.values()], np.int64),
        said=np.array([number[guess.label] for guess in guesses], np.int64),
        sureness=_sureness(guesses) if any(isinstance(said, dict) for said in given) else None,
        top_k=top_k if top_k < len(classes) else 0,
        bins=bins if bins <= len(truth) else 0,
    )


@dataclass(frozen=True, kw_only=True)
class _Guess:
    label: str
    confidence: float = 1.0
    rank: int = 0
    brier: float = 0.0


def _sureness(found: Sequence[_Guess]) -> Sureness:
    return Sureness(
        confidence=np.array([guess.confidence for guess in found]),
        rank=np.array([guess.rank for guess in found], np.int64),
        brier=np.array([guess.brier for guess in found]),
    )


def _read(name: str, value: Any) -> str | dict[str, float]:
    if isinstance(value, Mapping):
        return _probabilities(name, value)
    return _label(value, f"output.json: the class of {name!r}", ContractError)


def _label(value: Any, subject: str, error: type[OrbiqError]) -> str:
    """The class as a word, the same for a whole number of any type: a JSON or a table may have turned 3 into 3.0."""
    if isinstance(value, str):
        return str(value)
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not is_number or not (isinstance(value, int) or np.isfinite(value)):
        raise error(f"{subject} is {value!r}; expected a word or a number")
    return str(int(value)) if value == int(value) else str(value)


def _probabilities(name: str, given: Mapping[Any, Any]) -> dict[str, float]:
    for label, value in given.items():
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not number or not 0 <= value <= 1:
            raise ContractError(
                f"output.json: the probability of class {str(label)!r} of {name!r} is {value!r}; expected 0 to 1"
            )
    total = float(sum(given.values()))
    if abs(total - 1) > _SUM_TOLERANCE:
        raise ContractError(
            f"output.json: the probabilities of {name!r} sum to {total:.4g}; expected 1. Name all classes, and take "
            "the softmax of bare scores."
        )
    found = {_label(label, f"output.json: a class of {name!r}", ContractError): float(p) for label, p in given.items()}
    if len(found) < len(given):
        labels = ", ".join(map(repr, given))
        raise ContractError(f"output.json: the classes of {name!r} are {labels}, some of them the same; name each once")
    return found


def _ranked(probabilities: Mapping[str, float], true: str) -> _Guess:
    highest = max(probabilities.values())
    squares = sum((p - (label == true)) ** 2 for label, p in probabilities.items())
    known = true in probabilities
    return _Guess(
        label=min(label for label, p in probabilities.items() if p == highest),
        confidence=highest,
        # a class that the task does not know is never among its guesses
        rank=_n_before(probabilities, true) if known else np.iinfo(np.int64).max,
        brier=squares if known else squares + 1,
    )


def _n_before(probabilities: Mapping[str, float], true: str) -> int:
    own = probabilities[true]
    return sum(p > own or (p == own and label < true) for label, p in probabilities.items())


def _reason(name: str, few: Mapping[str, str], *, any_image: bool) -> str:
    """Why a score is NaN."""
    if not any_image:
        return "the truth names no image"
    base, _, label = name.partition("/")
    if base == "recall":
        return f"the truth has no image of class {label!r}"
    if base == "precision":
        return f"no image is said to be of class {label!r}"
    return few.get(base, f"class {label!r} is neither in the truth nor in the predictions")
