"""Codecs against an anchor: trials as rate–distortion curves, and Bjøntegaard's deltas between them.

Trials of a codec that differ in its knob alone make its curve, image by image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Any

import numpy as np

from orbiq.analysis.rate_distortion import Curve, Delta, MeanDelta, bd_metric, bd_rate, mean_curve, mean_delta
from orbiq.codec_trials import Trial
from orbiq.errors import SettingError
from orbiq.metrics.base import ScoreSpec


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A codec against the anchor in one score: on the mean curve, and as the mean of each image's own figure.

    `rate` in %, negative where the codec needs less; `score` in the score's unit, positive where it is better.
    """

    codec: str
    anchor: str
    metric: str
    rate: MeanDelta
    rate_of_mean_curve: Delta
    score: MeanDelta
    score_of_mean_curve: Delta


def curves(found: Sequence[Trial], score: str, *, higher_is_better: bool = True) -> dict[str, dict[str, Curve]]:
    """Codec → image → its curve of bits per pixel over a score, the better the higher (falling scores are negated)."""
    points: dict[str, dict[str, list[Trial]]] = {}
    for trial in found:
        if not isnan(trial.scores.get(score, nan)) and not trial.reason:
            points.setdefault(trial.codec, {}).setdefault(f"{trial.group}/{trial.image}", []).append(trial)
    way = 1 if higher_is_better else -1
    return {
        codec: {
            image: Curve(
                rates=np.array([t.bits_per_pixel for t in several]),
                qualities=way * np.array([t.scores[score] for t in several]),
            )
            for image, several in of_images.items()
        }
        for codec, of_images in points.items()
    }


def comparisons(found: Sequence[Trial], specs: Mapping[str, ScoreSpec | None], *, anchor: str) -> list[Comparison]:
    """Every codec against the anchor (its label) in every score; SettingError where the anchor is not among them."""
    labels = list(dict.fromkeys(trial.codec for trial in found))
    if anchor not in labels:
        raise SettingError(f"anchor is {anchor!r}; expected one of the codecs: {', '.join(labels)}")
    scenes = {f"{trial.group}/{trial.image}": trial.scene or f"{trial.group}/{trial.image}" for trial in found}
    said = []
    for score, spec in specs.items():
        of_codecs = curves(found, score, higher_is_better=spec is None or spec.higher_is_better)
        others = [codec for codec in labels if codec != anchor]
        said += [_compared(of_codecs, codec, anchor=anchor, score=score, scenes=scenes) for codec in others]
    return said


def _compared(
    of_codecs: Mapping[str, Mapping[str, Curve]], codec: str, *, anchor: str, score: str, scenes: Mapping[str, str]
) -> Comparison:
    ours, others = of_codecs.get(codec, {}), of_codecs.get(anchor, {})
    images = [image for image in ours if image in others]
    rates = [bd_rate(ours[image], others[image]) for image in images]
    gains = [bd_metric(ours[image], others[image]) for image in images]
    clusters = [scenes[image] for image in images]
    return Comparison(
        codec=codec,
        anchor=anchor,
        metric=score,
        rate=mean_delta(rates, scenes=clusters),
        rate_of_mean_curve=_of_means(ours, others, images, bd_rate),
        score=mean_delta(gains, scenes=clusters),
        score_of_mean_curve=_of_means(ours, others, images, bd_metric),
    )


def _of_means(ours: Mapping[str, Curve], others: Mapping[str, Curve], images: Sequence[str], delta: Any) -> Delta:
    if not images:
        return Delta(value=nan, reason="no image has points of both codecs")
    try:
        first, second = (mean_curve([of[image] for image in images]) for of in (ours, others))
    except SettingError as error:
        return Delta(value=nan, reason=str(error))
    found: Delta = delta(first, second)
    return found
