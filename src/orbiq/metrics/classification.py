"""A class for each image against the true one."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from orbiq.metrics.base import MeanOutcomes, MetricSpec, Scored, ScoreSpec, plain_scores
from orbiq.metrics.regression import matched

CLASSIFICATION_SCORES = (ScoreSpec(name="accuracy", low=0, high=1),)
SPECS = {"classification": MetricSpec(name="classification", scores=CLASSIFICATION_SCORES, needs="predictions")}


def classification(predictions: Any, truth: Mapping[str, str]) -> Scored:
    """The share of images whose class is right: accuracy in [0, 1], higher is better.

    `predictions` {image name: class name}, one for each image of `truth`. Outcomes: right (1) or wrong (0), per
    image. Raises ContractError where an image is missing or unknown.

    >>> classification({"a": "beach", "b": "beach"}, {"a": "beach", "b": "forest"}).scores["accuracy"]
    0.5
    """
    labels = matched(predictions, truth, what="labels")
    right = np.array([float(str(labels[name]) == str(truth[name])) for name in truth])
    outcomes = MeanOutcomes(images=tuple(truth), values={"accuracy": right})
    reasons = {} if truth else {"accuracy": "the truth names no image"}
    return Scored(scores=plain_scores(outcomes), reasons=reasons, outcomes=outcomes)
